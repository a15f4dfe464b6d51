"""``keeper-rotation discover``: what is shown, which records and files are made of it, and what is refused."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from keepercommander.importer.imp_exp import _construct_record_v3_data, prepare_record_add_or_update
from keepercommander.importer.importer import Record

from gateway.azure.versions import STORAGE_ACCOUNTS
from gateway.host.lock import RecordLock
from sandbox.furnish.storage import KEY_OPERATOR
from sandbox.graph.base import READ_ALL, WRITE_OWNED
from sandbox.proxy import faults
from tests.stage import patience
from tests.stage.discover import DAY, FOLDER, LOST, DiscoverStage, day, done, make_bundle, mode, shop
from tests.stage.rotation import ROOT
from tests.sweep.rotation import FAULTS, KILLS
from tests.test_templates import SERVER, imported

__all__ = ["shop"]

LABELS = {
    "certificates": "certificate_id",
    "tls-secrets": "tls_secret_id",
    "apps": "application_object_id",
    "storage-accounts": "storage_account_id",
}
SCRIPTS = {
    "certificates": "azure_key_vault_certificate",
    "apps": "azure_app_secret",
    "storage-accounts": "azure_storage_key",
}
PORTAL = "https://portal.azure.com/#"


def add(stage: DiscoverStage, kind: str, name: str, days: float = 10.0) -> str:
    """One more thing of a kind, which expires in so many days; what a record names it by."""
    if kind == "certificates":
        stage.certificate(name, days, created=stage.sandbox.clock.now() - 300 * DAY)
        return f"{stage.vault.url}/certificates/{name}"
    if kind == "tls-secrets":
        stage.tls(name, days)
        return f"{stage.vault.url}/secrets/{name}"
    if kind == "apps":
        app = stage.sandbox.graph.new_application(name)
        app.owners.append(stage.at.admin_principal_id)
        stage.sandbox.graph.add_password(app, expires_in_days=days)
        return app.object_id
    account = stage.sandbox.storage.add_account(name, age_days=100)
    account.expiry_days = int(100 + days)
    stage.sandbox.arm.grant(stage.at.admin_client_id, KEY_OPERATOR, account.id)
    return account.id


def rows(stage: DiscoverStage, kind: str, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """What is found, as JSON."""
    outcome = stage.command("discover", kind, *arguments, "--json")
    assert outcome.code == code, outcome
    return list(json.loads(outcome.stdout))


# What is shown


@pytest.mark.parametrize("kind", LABELS)
def test_what_is_there_its_end_and_that_it_has_no_record(kind: str, shop: DiscoverStage) -> None:
    address = add(shop, kind, "web1", days=20.5)
    (row,) = rows(shop, kind, "--only=web1")
    assert (row["label"], row["id"], row["name"]) == (LABELS[kind], address, "web1")
    assert (row["records"], row["created"]) == ([], False)
    assert row["days_left"] in (19, 20) and str(row["expires"])[:10] in (day(20), day(20.5))
    table = done(shop.command("discover", kind)).stdout.splitlines()
    (line,) = [line for line in table if "web1" in line]
    assert table[0].split() == ["NAME", "WHERE", "EXPIRES", "DAYS", "RECORD"] and "none" in line.split()
    assert str(row["expires"])[:10] in line and not shop.writes()


@pytest.mark.parametrize("kind, line", [
    ("certificates", "{url}/certificates/web1"), ("tls-secrets", "optional {url}/secrets/web1"),
    ("certificates", "Optional   {url}/certificates/web1"), ("tls-secrets", "OPTIONAL {url}/secrets/web1/"),
])  # fmt: skip
def test_what_a_record_delivers_to_is_a_copy_and_gets_no_record_of_its_own(
    kind: str, line: str, shop: DiscoverStage
) -> None:
    add(shop, kind, "web1")
    shop.sandbox.keeper.edit(shop.at.record_uid, "deliver_to", f"\n{line.format(url=shop.vault.url)}\n")
    (row,) = rows(shop, kind, "--only=web1")
    assert row["records"] == [shop.at.record_uid] and "delivered by that record" in row["note"]
    done(shop.command("discover", kind, "--create", f"--folder={FOLDER}"))
    assert not shop.writes()


def spelt(host_and_kind: str, blade: str) -> dict[str, Callable[[str], str]]:
    """Spellings of an address of a key vault."""
    return {
        f"{host_and_kind} as it is": lambda address: address,
        f"{host_and_kind} in capitals": lambda address: address.replace("web1", "WEB1").replace("shop", "Shop"),
        f"{host_and_kind} a version": lambda address: f"{address}/{'0' * 32}",
        f"{host_and_kind} in the portal": lambda address: (
            f"{PORTAL}@contoso/asset/Microsoft_Azure_KeyVault/{blade}/{address}"
        ),
    }


SPELT = {
    "certificates": spelt("a certificate", "Certificate"),
    "tls-secrets": spelt("a secret", "Secret"),
    "storage-accounts": {
        "an account as it is": lambda address: address,
        "an account in capitals": lambda address: address.upper(),
        "an account in the portal": lambda address: f"{PORTAL}@contoso/resource{address}/overview",
    },
    "apps": {
        "an app's object id": lambda address: address,
        "an app's id in capitals": lambda address: address.upper(),
        "an app's client id": None,
        "an app's service principal": None,
    },
}


@pytest.mark.parametrize("kind, how", [(kind, how) for kind, ways in SPELT.items() for how in ways])
def test_a_record_is_found_however_it_names_the_thing(kind: str, how: str, shop: DiscoverStage) -> None:
    address, other = add(shop, kind, "web1"), add(shop, kind, "web2")
    if (spell := SPELT[kind][how]) is None:
        app = shop.sandbox.graph.application(address)
        principal = shop.sandbox.directory.principal_of(app.client_id)
        assert principal
        named = app.client_id if "client" in how else principal.object_id
    else:
        named = spell(address)
    uid = shop.record_of(LABELS[kind], f" {named} ")
    found = {row["name"]: row for row in rows(shop, kind, "--only=web*", "--create", "--folder", FOLDER)}
    assert (found["web1"]["records"], found["web1"]["created"], found["web2"]["created"]) == ([uid], False, True)
    assert [record.value(LABELS[kind]) for record in shop.made()] == [other]


def test_what_is_made_of_a_certificate_has_that_record(shop: DiscoverStage) -> None:
    uid = shop.record_of("certificate_id", add(shop, "certificates", "web1"))
    assert [row["records"] for row in rows(shop, "tls-secrets")] == [[uid]]


def test_an_app_is_shown_with_its_owners(shop: DiscoverStage) -> None:
    app = shop.sandbox.graph.application(add(shop, "apps", "web1"))
    app.owners.append(shop.sandbox.directory.add_user("ada").object_id)
    gone = shop.sandbox.directory.add_user("gone")
    app.owners.append(gone.object_id)
    gone.principal_name = gone.display_name = None  # type: ignore[assignment]
    (row,) = rows(shop, "apps", "--only=web1")
    ours = shop.sandbox.directory.service_principals[shop.at.admin_principal_id].display_name
    assert row["owners"] == [ours, "ada@contoso.onmicrosoft.com", gone.object_id]
    assert (
        f"owners {ours}, ada@contoso.onmicrosoft.com, {gone.object_id}" in done(shop.command("discover", "apps")).stdout
    )


FOUND: dict[str, tuple[str, list[str]]] = {
    "all": ("certificates", ["other", "old", "prod-a", "prod-b"]),
    "by name": ("certificates --only 'PROD-*' --only other", ["other", "prod-a", "prod-b"]),
    "soon": ("certificates --expiring-within 30", ["old", "prod-a"]),
    "expired": ("certificates --expiring-within 0", ["old"]),
    "both": ("certificates --expiring-within 30 --only prod-*", ["prod-a"]),
    "nothing": ("certificates --only nothing", []),
    "one vault": ("certificates --vault second", ["other"]),
    "two vaults": ("certificates --only *o* --vault shop --vault https://SECOND.vault.azure.net/ --vault shop",
                   ["old", "prod-a", "prod-b", "other"]),
    "versions": ("certificates --previous-versions --vault shop", ["old", "prod-a", "prod-a", "prod-b"]),
    "secrets' versions": ("tls-secrets --previous-versions --only api", ["api", "api"]),
    "secrets": ("tls-secrets --only 'a*' --only p*a", ["api", "prod-a"]),
    "apps": ("apps --only 'ord*'", ["orders-api"]),
    "a subscription": ("storage-accounts --subscription {subscription}", ["first", "later"]),
    "its path": ("storage-accounts --subscription /subscriptions/{subscription}/ --expiring-within 9", ["first"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Iterator[DiscoverStage]:
    """Two vaults with certificates, two storage accounts, two folders with one name. Nothing here is changed."""
    with DiscoverStage(admin_roles=[READ_ALL, WRITE_OWNED]) as stage:
        assert isinstance(stage, DiscoverStage)
        for name, days in (("prod-a", 5), ("prod-b", 200), ("old", -5)):
            add(stage, "certificates", name, days)
        stage.sandbox.clock.advance(1)
        add(stage, "certificates", "prod-a", 25)
        stage.certificate("other", vault=stage.add_vault("second"))
        for days in (50, 90):
            stage.tls("api", days)
        for name, days in (("first", 5), ("later", 50)):
            add(stage, "storage-accounts", name, days)
        for name in ("Twice", "Twice", "Inbox"):
            stage.sandbox.keeper.vault.add_folder(name)
        stage.sandbox.arm.page_size = 1
        yield stage


@pytest.mark.parametrize("what", FOUND)
def test_only_what_is_asked_for(what: str, market: DiscoverStage) -> None:
    line, names = FOUND[what]
    found = rows(market, *shlex.split(line.format(subscription=market.at.subscription_id)))
    assert [row["name"] for row in found] == names
    if "--previous" in line:
        notes = [row["note"] for row in found if row["name"] in ("prod-a", "api")]
        assert ["previous version" in note for note in notes] == [False, True]
        assert len({row["version"] for row in found}) == len(found)


# What cannot be read


def no_role(stage: DiscoverStage) -> None:
    stage.sandbox.roles.revoke(stage.at.admin_client_id)


def locked(stage: DiscoverStage) -> None:
    stage.sandbox.keyvault.add_vault("locked")


def firewall(stage: DiscoverStage) -> None:
    stage.add_vault("walled").firewall = True


def garbled(name: str) -> Callable[[DiscoverStage], None]:
    """The vault ``locked`` answers what is no answer."""

    def put(stage: DiscoverStage) -> None:
        stage.add_vault("locked")
        stage.sandbox.fault(
            "keyvault", None, FAULTS[name], times=None, when=lambda each: each.host.startswith("locked")
        )

    return put


def following(link: str, times: int | None = None) -> Callable[[DiscoverStage], None]:
    """Resource Manager says that the list goes on there, each time or so often."""

    def put(stage: DiscoverStage) -> None:
        page = {
            "value": [each.shown(STORAGE_ACCOUNTS.version) for each in stage.sandbox.storage.accounts()],
            "nextLink": link,
        }
        answer = faults.Status(200, {"Content-Type": "application/json"}, json.dumps(page).encode())
        stage.sandbox.fault("arm", "list_storage_accounts", answer, times=times)

    return put


ELSEWHERE = "storage-accounts", 2, "the link to the next page points to another host; the list is not complete"
NOBODYS = "11111111-2222-3333-4444-555555555555"
UNREAD: dict[str, tuple[Callable[[DiscoverStage], None], str, int, str]] = {
    "a role is missing": (locked, "certificates", 2, "Key Vault Reader on the vault"),
    "for secrets too": (locked, "tls-secrets", 2, "Key Vault Reader on the vault"),
    "all refuse": (locked, "certificates --vault locked", 1, "nothing could be read"),
    "a firewall": (firewall, "certificates", 2, "let this host through the vault's firewall"),
    "no such vault": (lambda s: None, "certificates --vault shop --vault nowhere", 2, "vault https://nowhere.vault"),
    "no answer": (garbled("HTTP 503"), "certificates", 2, "Key Vault locked: HTTP 503"),
    "a garbled answer": (garbled("malformed body"), "certificates", 2, "an answer that cannot be read"),
    "an empty answer": (garbled("empty body"), "tls-secrets", 2, "an answer that cannot be read"),
    "no role at all": (no_role, "certificates", 1, "subscriptions: none can be seen"),
    "a subscription": (lambda s: None, f"storage-accounts --subscription {{subscription}} --subscription {NOBODYS}", 2,
                       f"storage accounts of subscription {NOBODYS}: Azure"),
    "a next page on another host": (following("https://management.azure.com.evil.example/subscriptions"), *ELSEWHERE),
    "a next page on another port": (following("https://management.azure.com:8443/subscriptions"), *ELSEWHERE),
    "a next page without TLS": (following("http://management.azure.com/subscriptions"), *ELSEWHERE),
    "a next page whose path is a host": (following("//evil.example/subscriptions"), *ELSEWHERE),
    "a next page that is no address": (following("https://[management.azure.com/subscriptions"), *ELSEWHERE),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREAD)
def test_a_place_that_cannot_be_read_is_a_warning(what: str, shop: DiscoverStage) -> None:
    spoil, line, code, message = UNREAD[what]
    kind = line.split()[0]
    add(shop, kind, "web1")
    spoil(shop)
    outcome = shop.command("discover", *shlex.split(line.format(subscription=shop.at.subscription_id)))
    assert outcome.code == code and "warning: " in outcome.stderr and message in outcome.stderr, outcome
    assert ("report this" in outcome.stderr) == ("the next page" in message), outcome
    assert ("web1" in outcome.stdout) == (code == 2) and "error: " in outcome.stderr and "hint: " in outcome.stderr
    assert not shop.writes()


def test_a_list_goes_on_where_the_link_to_the_next_page_names_no_host(shop: DiscoverStage) -> None:
    accounts = f"/subscriptions/{shop.at.subscription_id}/providers/Microsoft.Storage/storageAccounts"
    following(f"{accounts}?api-version=2023-05-01", 1)(shop)
    add(shop, "storage-accounts", "web1")
    assert [row["name"] for row in rows(shop, "storage-accounts")] == ["web1"]


@pytest.mark.parametrize("roles, code, message", [
    ([WRITE_OWNED], 0, "only the apps that the credential's application owns are shown"),
    ([], 0, "Application.Read.All"),
])  # fmt: skip
def test_an_application_that_may_list_only_what_it_owns(roles: list[str], code: int, message: str) -> None:
    with DiscoverStage(admin_roles=roles) as stage:
        assert isinstance(stage, DiscoverStage)
        stage.sandbox.graph.new_application("somebody-elses")
        outcome = stage.command("discover", "apps", "--create", "--folder", FOLDER)
        assert outcome.code == code and message in outcome.stderr, outcome
        assert "orders-api" in outcome.stdout and "somebody-elses" not in outcome.stdout and not stage.made()


@pytest.mark.parametrize("command", ["discover certificates", "discover tls-secrets", "certificate vaults"])
def test_vaults_are_found_once_older_versions_of_azures_api_have_ended(command: str, shop: DiscoverStage) -> None:
    shop.sandbox.clock.advance(datetime(2027, 3, 1, tzinfo=UTC).timestamp() - shop.sandbox.clock.now())
    shop.certificate("web")
    outcome = done(shop.command(*command.split()))
    assert "shop" in outcome.stdout and "warning" not in outcome.stderr, outcome


def test_no_vault_at_all_is_said_too(shop: DiscoverStage) -> None:
    no_role(shop)
    shop.sandbox.keyvault.grant(shop.at.admin_client_id, "Key Vault Secrets User", shop.vault)
    assert (
        "no key vaults can be seen; where there are any, give" in done(shop.command("discover", "certificates")).stderr
    )


# Records


def rotated(stage: DiscoverStage, kind: str, uid: str, address: str) -> None:
    """What the record is for is done with it, by its script or its command."""
    record, keeper = stage.sandbox.keeper.record(uid), stage.sandbox.keeper
    if kind == "tls-secrets":
        assert record.type == "login" and not stage.wrong(uid, "web1")
        return
    script = str(ROOT / "scripts" / f"{SCRIPTS[kind]}.py")
    report = json.loads(done(stage.command("run", script, f"--record={uid}", "--json")).stdout)
    assert report["result"] == "rotated" and record.type == "pamUser", report
    after = keeper.record(uid)
    if kind == "apps":
        client_id = stage.sandbox.graph.application(address).client_id
        assert stage.sandbox.entra.secret_works(client_id, str(after.value("client_secret")))
    if kind == "storage-accounts":
        assert stage.sandbox.storage.key_works("web1", str(after.value("storage_key")))
    if kind == "certificates":
        first, renewed = stage.sandbox.keyvault.certificate_versions(stage.vault, "web1")
        assert after.value("certificate_version") == renewed.version != first.version


@pytest.mark.parametrize("kind, by", [*zip(LABELS, ("uid", "name") * 2, strict=True)])
def test_a_new_record_is_made_once_and_serves(kind: str, by: str, shop: DiscoverStage) -> None:
    address = add(shop, kind, "web1")
    inner = shop.sandbox.keeper.vault.add_folder("Inside", shop.sandbox.keeper.vault.default_folder)
    create = ("discover", kind, "--only=web1", "--create", "--folder", inner if by == "uid" else FOLDER)
    assert "(new)" in done(shop.command(*create)).stdout
    (record,) = shop.made()
    assert record.value(LABELS[kind]) == address and "web1" in record.title
    assert shop.sandbox.keeper.vault.records[record.uid].inner_folder_uid == (inner if by == "uid" else None)
    rotated(shop, kind, record.uid, address)
    shop.sandbox.forget()
    assert record.uid in done(shop.command(*create)).stdout
    assert len(shop.made()) == 1 and not shop.writes()


@pytest.mark.parametrize("fault", ["kill before", "kill after", "reset before", *LOST])
def test_a_run_that_breaks_in_the_middle_is_repeated(fault: str, shop: DiscoverStage) -> None:
    for number in range(3):
        add(shop, "certificates", f"web{number}")
    put = shop.sandbox.fault("keeper", "create_secret", FAULTS[fault], nth=2)
    create = ("discover", "certificates", "--create", "--folder", FOLDER)
    first = shop.command(*create)
    assert put.fired and first.code == (-9 if fault in KILLS else 0), first
    done(shop.command(*create))
    assert sorted(str(each.value("login")) for each in shop.made()) == ["web0", "web1", "web2"]


def test_one_record_for_all_versions_and_none_where_somebody_made_it_meanwhile(shop: DiscoverStage) -> None:
    for name in ("web1", "web1", "web2"):
        add(shop, "certificates", name)
        shop.sandbox.clock.advance(1)
    put = shop.sandbox.fault("keyvault", "list_certificate_versions", faults.Pause())

    def make() -> None:
        put.reached.wait(patience.seconds(20))
        shop.record_of("certificate_id", f"{shop.vault.url}/certificates/web2")
        put.release.set()

    threading.Thread(target=make).start()
    create = ("discover", "certificates", "--previous-versions", "--create", "--folder", FOLDER)
    assert "previous versions get none" in done(shop.command(*create)).stderr
    assert [each.value("login") for each in shop.made()] == ["web1"]


def test_what_gets_no_record(shop: DiscoverStage) -> None:
    shop.sandbox.graph.new_application("without-secret")
    create = ("discover", "apps", "--create", "--folder", FOLDER)
    outcome = done(shop.command(*create))
    assert outcome.stderr.count("left out: 1") == 2 and "--also-without-secret" in outcome.stderr and not shop.made()
    done(shop.command(*create, "--also-without-secret"))
    assert [each.value("login") for each in shop.made()] == ["without-secret"], "nor the app that signs in here"


def test_a_read_only_folder(shop: DiscoverStage) -> None:
    add(shop, "certificates", "web1")
    shop.sandbox.keeper.vault.folders[shop.sandbox.keeper.vault.default_folder].editable = False
    outcome = shop.command("discover", "certificates", "--create", "--folder", FOLDER)
    assert outcome.code == 1 and "no record was made" in outcome.stderr and not shop.made(), outcome
    assert "give the application the right to edit in the shared folder" in outcome.stderr


def test_the_deadline_in_the_middle_and_how_to_go_on(shop: DiscoverStage) -> None:
    shop.sandbox.keyvault.add_many_certificates(shop.vault, 20)
    shop.sandbox.fault("keeper", "create_secret", faults.Slow(0.4), times=None)
    create = ("discover", "certificates", "--create", "--folder", FOLDER)
    outcome = shop.command(*create, ROTATION_DEADLINE_SECONDS="5")
    assert outcome.code == 2 and "the run's time is over" in outcome.stderr, outcome
    assert "hint: run it again: it continues with the rest" in outcome.stderr and 0 < len(shop.made()) < 20
    shop.sandbox.faults.clear()
    done(shop.command(*create))
    assert len({each.value("login") for each in shop.made()}) == len(shop.made()) == 20


def test_sigterm_ends_it_after_the_record_under_way(shop: DiscoverStage) -> None:
    for number in range(3):
        add(shop, "certificates", f"web{number}")
    put = shop.sandbox.fault("keeper", "create_secret", faults.Pause(), nth=2)

    def stop() -> None:
        put.reached.wait(patience.seconds(20))
        shop.sandbox.victim.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        put.release.set()

    threading.Thread(target=stop).start()
    outcome = shop.command("discover", "certificates", "--create", "--folder", FOLDER)
    assert outcome.code == 2 and "the run was stopped" in outcome.stderr and len(shop.made()) == 2, outcome


def test_two_runs_at_once_on_one_host(shop: DiscoverStage) -> None:
    add(shop, "certificates", "web1")
    held = RecordLock(shop.variables["ROTATION_LOCK_DIR"], "discover --create")
    outcome = shop.command("discover", "certificates", "--create", "--folder", FOLDER)
    assert outcome.code == 1 and "another run on this host makes records" in outcome.stderr and held, outcome
    assert not shop.writes()


@pytest.mark.parametrize(
    "kind, answer", [("certificates", "refuses the second"), ("tls-secrets", "accepts it, and throws it away")]
)
def test_two_hosts_at_once_make_one_record_of_each_and_both_say_who_did(
    kind: str, answer: str, shop: DiscoverStage
) -> None:
    for number in range(3):
        add(shop, kind, f"web{number}")
    shop.sandbox.keeper.api.keeps_silent = answer != "refuses the second"
    put = shop.sandbox.fault("keeper", "create_secret", faults.Pause())
    create = ("discover", kind, "--only=web*", "--create", "--folder", FOLDER)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shop.command, *create)
        assert put.reached.wait(patience.seconds(20))
        fast = done(shop.command(*create, ROTATION_LOCK_DIR=str(shop.out)))
        put.release.set()
        late = done(slow.result())
    assert sorted(str(each.value("login")) for each in shop.made()) == ["web0", "web1", "web2"]
    assert "3 records made\n" in fast.stderr and fast.stdout.count("(new)") == 3
    assert "0 records made; another run made 3 meanwhile" in late.stderr and "(new)" not in late.stdout
    assert all(each.uid in late.stdout for each in shop.made()) and "3 shown, 0 without a record" in late.stderr


def test_a_record_that_keeper_accepts_and_does_not_keep_is_not_called_made(shop: DiscoverStage) -> None:
    """The one that has its uid was made for this certificate, and names another one by now."""
    add(shop, "certificates", "web1")
    done(shop.command("discover", "certificates", "--create", "--folder", FOLDER))
    (made,) = shop.made()
    shop.sandbox.keeper.edit(made.uid, "certificate_id", f"{shop.vault.url}/certificates/payroll")
    shop.sandbox.keeper.api.keeps_silent = True
    created = shop.command("discover", "certificates", "--create", "--folder", FOLDER)
    assert created.code == 1 and f"record {made.uid}" in created.stderr and "another run" not in created.stderr, created
    new = [f"{shop.vault.url}/certificates/web1", "--dns=web1.example.com", "--folder", FOLDER, "--issuer=Unknown"]
    asked = shop.command("certificate", "request", *new, "--lifetime-action=email")
    assert asked.code == 2 and "is of something else by now" in asked.stderr, asked
    assert shop.sandbox.keeper.record(made.uid).value("certificate_id") == f"{shop.vault.url}/certificates/payroll"
    assert not shop.sandbox.keeper.record(made.uid).value("csr")


@pytest.mark.parametrize("answer", [faults.Status(503), faults.Empty()], ids=["no answer", "an empty one"])
@pytest.mark.parametrize("made_before", [False, True], ids=["a new record", "the record of another host"])
@pytest.mark.parametrize("by", ["discover certificates", "certificate request", "tls-secret create", "init"])
def test_a_record_that_keeper_accepts_and_that_cannot_be_read_then_is_unknown(
    by: str, made_before: bool, answer: faults.Kind, shop: DiscoverStage
) -> None:
    """Keeper may have thrown it away, for another host has made its own."""
    noun, folder = by.partition(" ")[0], ("--folder", FOLDER)
    address = f"{shop.vault.url}/certificates/web1"
    if noun in ("discover", "init"):
        add(shop, "certificates", "web1")
    arguments = {
        "discover": ["--create"],
        "certificate": [address, "--dns=web1.example.com"],
        "tls-secret": [f"--pfx={shop.file(make_bundle('web1'))}", "--vault=shop", "--name=web1"],
        "init": ["--kind=certificate", f"--target={address}", f"--batch={shop.out / 'web1.batch'}"],
    }[noun]
    shop.sandbox.keeper.api.keeps_silent = True
    put = shop.sandbox.fault("keeper", "create_secret", faults.Pause())
    shop.sandbox.fault("keeper", "get_secret", answer, times=None, when=lambda _: put.release.is_set())
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shop.command, *by.split(), *arguments, *folder)
        assert put.reached.wait(patience.seconds(20))
        if made_before:
            kind = "tls-secrets" if noun == "tls-secret" else "certificates"
            done(shop.command("discover", kind, "--only=web1", "--create", *folder, ROTATION_LOCK_DIR=str(shop.home)))
        put.release.set()
        outcome = slow.result()
    (record,) = shop.made()
    assert outcome.code == 3 and "(new)" not in outcome.stdout, outcome
    assert "cannot be told" in outcome.stderr or "does not show it" in outcome.stderr, outcome
    assert record.uid in outcome.stderr and "look " in outcome.stderr.rpartition("hint: ")[2], outcome
    assert noun != "discover" or record.uid in outcome.stdout


def test_of_many_records_in_doubt_a_few_are_named_and_the_table_has_all(shop: DiscoverStage) -> None:
    names = shop.sandbox.keyvault.add_many_certificates(shop.vault, 12)
    put = shop.sandbox.fault("keeper", "create_secret", faults.Slow(0), nth=12)
    shop.sandbox.fault("keeper", "get_secret", faults.Status(503), times=None, when=lambda _: put.fired)
    outcome = shop.command("discover", "certificates", "--vault=shop", "--create", "--folder", FOLDER)
    assert outcome.code == 3 and outcome.stderr.count("whether Keeper has kept record") == 5, outcome
    assert "0 of 12 records were made" in outcome.stderr and "…" in outcome.stderr
    assert all(each.uid in outcome.stdout for each in shop.made()) and len(shop.made()) == len(names)


@pytest.mark.parametrize("by", ["certificate request", "tls-secret create"])
def test_a_command_that_makes_one_record_shows_the_one_that_another_host_has_made_meanwhile(
    by: str, shop: DiscoverStage
) -> None:
    noun = by.partition(" ")[0]
    arguments = {
        "certificate": [f"{shop.vault.url}/certificates/web1", "--dns=web1.example.com"],
        "tls-secret": [f"--pfx={shop.file(make_bundle('web1'))}", "--vault=shop", "--name=web1"],
    }[noun]
    put = shop.sandbox.fault("keeper", "create_secret", faults.Pause())
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shop.command, *by.split(), *arguments, "--folder", FOLDER)
        assert put.reached.wait(patience.seconds(20))
        done(shop.command("discover", f"{noun}s", "--only=web1", "--create", "--folder", FOLDER))
        put.release.set()
        late = done(slow.result())
    (record,) = shop.made()
    assert f"record {record.uid} was made by another run meanwhile" in late.stderr and record.uid in late.stdout
    assert noun == "certificate" or not shop.wrong(record.uid, "web1")


@pytest.mark.parametrize("former", ["lies in the trash", "stands for another thing now"])
def test_a_thing_whose_former_record_is_gone_gets_a_new_one(former: str, shop: DiscoverStage) -> None:
    address = add(shop, "certificates", "web1")
    create = ("discover", "certificates", "--create", "--folder", FOLDER)
    done(shop.command(*create))
    (first,) = shop.made()
    if former == "lies in the trash":
        done(shop.command("certificate", "delete", "--record", first.uid, "--from-keeper", "--yes"))
    else:
        shop.sandbox.keeper.edit(first.uid, "certificate_id", f"{address}-of-old")
    assert "(new)" in done(shop.command(*create)).stdout
    assert [each.value("certificate_id") for each in shop.made() if each.uid != first.uid] == [address]


# Files


WRITE = {"--csv": "web.csv", "--json": "commander.json"}


def records_in(path: Path) -> list[Record]:
    """What Commander's importer reads; the header of a CSV for the web vault is a record to it."""
    found = [each for each in imported(str(path)) if isinstance(each, Record)]
    assert path.name != "web.csv" or found.pop(0).title == "Title"
    return found


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("option", WRITE)
def test_a_file_for_an_import_holds_what_has_no_record(kind: str, option: str, shop: DiscoverStage) -> None:
    known, missing = add(shop, kind, "web1"), add(shop, kind, "web2")
    shop.record_of(LABELS[kind], known)
    path = shop.out / WRITE[option]
    write = ("discover", kind, "--only=web*", option, str(path), "--folder", shop.sandbox.keeper.vault.default_folder)
    assert "web1" in done(shop.command(*write)).stdout
    (record,) = records_in(path)
    values = {each.label: each.value for each in record.fields}
    assert values[LABELS[kind]] == missing and record.login == "web2" and mode(path) == 0o600
    assert [folder.domain for folder in record.folders] == [FOLDER], "by its name, though its uid was given"
    assert not shop.writes() and [each.name for each in shop.out.iterdir()] == [path.name]


@pytest.mark.parametrize("option", WRITE)
def test_what_is_imported_is_known_and_a_file_written_over_only_with_force(option: str, shop: DiscoverStage) -> None:
    path = shop.out / WRITE[option]
    path.write_text("mine")
    add(shop, "certificates", "web1")
    write = ("discover", "certificates", option, str(path))
    outcome = shop.command(*write)
    assert outcome.code == 1 and "is there already" in outcome.stderr and path.read_text() == "mine", outcome
    done(shop.command(*write, "--force"))
    assert mode(path) == 0o600
    (ready,), _, _ = prepare_record_add_or_update(False, True, SERVER, records_in(path))
    data = _construct_record_v3_data(ready)
    shop.sandbox.keeper.add_record(data["title"], data["type"], data["fields"], data["custom"])
    path.unlink()
    assert (
        "no file was written: nothing is left to make a record for" in done(shop.command(*write)).stderr
        and not path.exists()
    )


# What is refused


REFUSED = {
    "no folder": ("certificates --create", "--create without --folder"),
    "an unknown folder": ("certificates --create --folder Nowhere", "sees no such folder"),
    "two of one name": ("certificates --create --folder Twice", "several folders have this name"),
    "created and written": ("certificates --create --folder Twice --csv {out}/a", "more than one of --create, --csv"),
    "two files": ("apps --csv {out}/a --json {out}/b", "more than one of --create, --csv"),
    "a file in no folder": ("apps --csv {out}/a/b", "no file can be written in"),
    "a folder for a file": ("apps --csv {out}", "is a folder"),
    "no vault": ("certificates --vault a_b --create --folder Inbox", "--vault: 'a_b' is not a vault in AzureCloud"),
    "no address": ("certificates --vault https://[shop", "'https://[shop' is not a vault in AzureCloud"),
    "an address of more": ("tls-secrets --vault https://shop.vault.azure.net/secrets/a", "is not a vault"),
    "another cloud's": ("certificates --vault https://shop.vault.azure.cn", "is not a vault in AzureCloud"),
    "another host": ("tls-secrets --vault https://shop.vault.azure.net.evil.example", "is not a vault in AzureCloud"),
    "no subscription": ("storage-accounts --subscription sandbox", "'sandbox' is not the id of a subscription"),
    "no credential": (f"apps --credential {'A' * 22}", "cannot be read"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_one_clear_message_and_nothing_is_changed(what: str, market: DiscoverStage) -> None:
    line, message = REFUSED[what]
    market.sandbox.forget()
    outcome = market.command("discover", *shlex.split(line.format(out=market.out)))
    assert outcome.code == 1 and outcome.stderr.count("error: ") == 1 and not outcome.stdout, outcome
    assert message in outcome.stderr and "hint: " in outcome.stderr and "warning" not in outcome.stderr, outcome
    assert not market.writes() and not market.made() and not list(market.out.iterdir())


@pytest.mark.parametrize("line", ["apps --expiring-within soon", "apps --vault shop", "everything"])
def test_usage(line: str, market: DiscoverStage) -> None:
    outcome = market.command("discover", *line.split())
    assert outcome.code == 1 and "Error: " in outcome.stderr and not outcome.stdout, outcome


# Many


PAGES = ("discover certificates", "discover certificates --previous-versions", "certificate list")


@pytest.mark.parametrize("command", PAGES)
def test_a_page_that_breaks_does_not_lose_those_before_it(command: str, shop: DiscoverStage) -> None:
    names = shop.sandbox.keyvault.add_many_certificates(shop.vault, 40)
    shop.sandbox.fault("keyvault", "list_certificates", faults.Status(400), nth=2, times=None)
    outcome = shop.command(*command.split(), "--vault", shop.vault.url, "--json")
    assert outcome.code == 2 and outcome.stderr.count("HTTP 400") == 1, outcome
    assert [row["name"] for row in json.loads(outcome.stdout)] == names[:25]


LISTS = {
    "discover certificates": ("certificates", "list_vaults"),
    "discover tls-secrets": ("tls-secrets", "list_vaults"),
    "discover storage-accounts": ("storage-accounts", "list_storage_accounts"),
    "certificate list": ("certificates", "list_vaults"),
    "certificate vaults": ("certificates", "list_vaults"),
}


@pytest.mark.parametrize("command", LISTS)
@pytest.mark.parametrize("broken", ["a later page", "an entry", "an address"])
def test_a_list_of_resource_manager_that_breaks_does_not_lose_what_was_read(
    command: str, broken: str, shop: DiscoverStage
) -> None:
    kind, operation = LISTS[command]
    add(shop, kind, "web1")
    if broken == "a later page":
        for name in ("zzy", "zzz"):
            shop.add_vault(name) if operation == "list_vaults" else shop.sandbox.storage.add_account(name)
        shop.sandbox.arm.page_size = 2
        shop.sandbox.fault("arm", operation, faults.Status(400), nth=2, times=None)
    else:
        spoil_an_entry(
            shop, operation, {"id": []} if broken == "an entry" else {"properties": {"vaultUri": "http://x"}}
        )
    outcome = shop.command(*command.split(), "--json")
    assert outcome.code == (0 if (broken, operation) == ("an address", "list_storage_accounts") else 2), outcome
    if outcome.code:
        assert outcome.stderr.count("warning: ") == 1 and "of subscription 'sandbox'" in outcome.stderr, outcome
        assert "not everything could be read" in outcome.stderr
    assert len(json.loads(outcome.stdout)) >= 1


def spoil_an_entry(stage: DiscoverStage, operation: str, entry: dict[str, Any]) -> None:
    """The list of all, and before them one entry of another shape."""
    if operation == "list_vaults":
        there = [vault.shown() for vault in stage.sandbox.keyvault.vaults.values()]
    else:
        there = [each.shown(STORAGE_ACCOUNTS.version) for each in stage.sandbox.storage.accounts()]
    page = {"value": [there[0] | entry, *there]}
    answer = faults.Status(200, {"Content-Type": "application/json"}, json.dumps(page).encode())
    stage.sandbox.fault("arm", operation, answer, times=None)


@pytest.mark.parametrize("command", ["discover certificates", "discover tls-secrets", "certificate list"])
def test_one_whose_versions_cannot_be_read_does_not_lose_the_others(command: str, shop: DiscoverStage) -> None:
    noun = "tls-secrets" if "tls" in command else "certificates"
    for name in ("bad1", "web1", "web2"):
        add(shop, noun, name)
        add(shop, noun, name, days=20)
    operation = "list_versions" if noun == "tls-secrets" else "list_certificate_versions"
    shop.sandbox.fault("keyvault", operation, faults.Status(400), times=None, when=lambda each: "bad1" in each.path)
    option = "--versions=all" if command == "certificate list" else "--previous-versions"
    outcome = shop.command(*command.split(), option, "--vault=shop", "--json")
    assert outcome.code == 2 and outcome.stderr.count("warning: ") == 1 and "bad1" in outcome.stderr, outcome
    names = sorted(row["name"] for row in json.loads(outcome.stdout))
    assert names == ["bad1", "web1", "web1", "web2", "web2"]


@pytest.mark.parametrize("operation", ["list_subscriptions", "list_vaults"])
def test_a_bare_name_is_refused_where_not_all_vaults_could_be_listed(operation: str, shop: DiscoverStage) -> None:
    """One that was not listed may have it, too."""
    shop.certificate("web1")
    shop.sandbox.arm.page_size = 1
    shop.sandbox.fault("arm", operation, faults.Status(400), nth=1 if "subs" in operation else 2, times=None)
    outcome = shop.command("certificate", "renew", "web1")
    said = "no vault can be seen" if "subs" in operation else "which vault has a certificate web1 cannot be told"
    assert outcome.code == 1 and f"error: {said}" in outcome.stderr and "hint: name " in outcome.stderr, outcome
    assert not shop.writes()


@pytest.mark.deep
def test_five_thousand_certificates(shop: DiscoverStage) -> None:
    names = shop.sandbox.keyvault.add_many_certificates(shop.vault, 5000)
    shop.sandbox.latency = 0.01
    outcome = done(shop.command("discover", "certificates", "--json"))
    assert [row["name"] for row in json.loads(outcome.stdout)] == names
    lists = [each for each in shop.sandbox.requests if each.operation == "list_certificates"]
    assert len([each for each in lists if each.host == shop.vault.host]) == 200, "25 a page"
    assert "found " in outcome.stderr and "so far; reading 2 vaults" in outcome.stderr
    shop.sandbox.latency = 0
    quick = done(shop.command("discover", "certificates", "--vault", "sandbox-vault"))
    assert "so far" not in quick.stderr, "what takes less than two seconds shows no progress"


def test_the_deadline_while_a_vault_is_read(shop: DiscoverStage) -> None:
    shop.sandbox.keyvault.add_many_certificates(shop.vault, 400)
    shop.sandbox.fault("keyvault", "list_certificates", faults.Slow(0.5), times=None)
    outcome = shop.command("discover", "certificates", ROTATION_DEADLINE_SECONDS="5")
    assert outcome.code == 2 and "a larger ROTATION_DEADLINE_SECONDS lets it read the rest" in outcome.stderr, outcome


@pytest.mark.parametrize("command", ["discover certificates --previous-versions", "certificate list --versions=all"])
def test_the_deadline_while_versions_are_read_is_said_once(command: str, shop: DiscoverStage) -> None:
    names = shop.sandbox.keyvault.add_many_certificates(shop.vault, 200)
    shop.sandbox.fault("keyvault", "list_certificate_versions", faults.Slow(0.7), times=None)
    outcome = shop.command(*command.split(), "--vault=shop", "--json", ROTATION_DEADLINE_SECONDS="5")
    assert outcome.code == 2 and outcome.stderr.count("warning: ") == 1, outcome
    assert "a larger ROTATION_DEADLINE_SECONDS lets it read the rest" in outcome.stderr and "so far" in outcome.stderr
    assert {row["name"] for row in json.loads(outcome.stdout)} == set(names), "each, if only its current version"
