"""``keeper-rotation tls-secret``: what becomes of the vault, of the record and of files, and what is refused."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from gateway.host.lock import RecordLock
from gateway.model.x509 import facts
from sandbox.proxy import faults
from tests.stage.api import VAULT
from tests.stage.certificate import names, opens
from tests.stage.discover import (  # fmt: skip
    FOLDER,
    LOST,
    PASSWORD,
    PEM,
    PFX,
    DiscoverStage,
    certificate_of,
    day,
    done,
    furnish_each,
    make_bundle,
    mode,
    shop,
)
from tests.stage.rotation import Outcome
from tests.sweep.rotation import FAULTS
from tests.sweep.tls_secret import WORST, cases, followed, verdicts

__all__ = ["shop"]


def seconds(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())


# list


def test_list_shows_what_is_a_certificate_and_whose_it_is(shop: DiscoverStage) -> None:
    shop.certificate("web")
    shop.tls("api", days=50)
    shop.tls("mail", form=PEM, enabled=False)
    shop.sandbox.keyvault.set_secret(shop.vault, "plain", "not-a-certificate")
    shop.sandbox.keyvault.set_secret(shop.vault, "text", "not-a-certificate", content_type="text/plain")
    uid = shop.record_of("tls_secret_id", f"{shop.vault.url}/secrets/API", "login")
    rows = json.loads(done(shop.command("tls-secret", "list", "--json")).stdout)
    assert {row["name"]: row["note"] for row in rows} == {
        "api": "PFX", "mail": "PEM, disabled", "web": "PFX of a certificate"
    }  # fmt: skip
    assert {row["name"]: row["label"] for row in rows} == {
        "api": "tls_secret_id", "mail": "tls_secret_id", "web": "certificate_id"
    }  # fmt: skip
    assert [row["records"] for row in rows] == [[uid], [], []] and rows[0]["days_left"] == 49
    assert rows[2]["id"].endswith("/certificates/web") and rows[2]["secret"].endswith("/secrets/web")
    assert "keyvault.get_secret" not in shop.sandbox.operations() and not shop.writes()


def test_one_is_shown_with_its_certificate_versions_and_records_and_without_its_key(shop: DiscoverStage) -> None:
    first = shop.tls("api", tags={"team": "x"})
    uid = shop.follows("api", first)
    last = shop.tls("api", form=PEM)
    shown = json.loads(done(shop.command("tls-secret", "show", "api", "--json")).stdout)
    assert (shown["version"], shown["content_type"]) == (last.version, PEM) and not shown["belongs_to_certificate"]
    said = facts(certificate_of(last.value))
    assert shown["certificate"]["thumbprint"] == said.thumbprint and shown["certificate"]["key"] == "EC secp256r1"
    assert [each["version"] for each in shown["versions"]] == [last.version, first.version]
    assert [each["uid"] for each in shown["records"]] == [uid]
    named = f"{shop.vault.url}/secrets/api/{first.version}"
    assert json.loads(done(shop.command("tls-secret", "show", named, "--json")).stdout)["tags"] == {"team": "x"}
    shop.tls("api", enabled=False)
    lines = done(shop.command("tls-secret", "show", "api")).stdout
    assert "enabled" in lines and "thumbprint" not in lines


ADD = ("tls-secret", "list", "--add-certificates", "--folder", FOLDER)


def test_a_record_for_each_and_never_two(shop: DiscoverStage) -> None:
    shop.certificate("web")
    for form in (PFX, PEM):
        shop.tls(f"api-{form[-4:]}", form=form)
    done(shop.command(*ADD))
    records = {record.title: record for record in shop.made()}
    assert {title: record.type for title, record in records.items()} == {
        "Azure certificate - web (shop)": "pamUser",
        "Azure TLS secret - api-cs12 (shop)": "login",
        "Azure TLS secret - api-file (shop)": "login",
    }
    assert records["Azure certificate - web (shop)"].value("certificate_id") == f"{shop.vault.url}/certificates/web"
    for name in ("api-cs12", "api-file"):
        uid = records[f"Azure TLS secret - {name} (shop)"].uid
        assert not shop.wrong(uid, name)
        assert "up to date" in done(shop.command("tls-secret", "rediscover", f"--record={uid}")).stdout
    shop.sandbox.forget()
    done(shop.command(*ADD))
    assert len(shop.made()) == 3 and not shop.writes()


@pytest.mark.parametrize("fault", ["kill before", "kill after"])
def test_a_run_that_is_broken_and_repeated_makes_each_record_once(fault: str, shop: DiscoverStage) -> None:
    for number in range(3):
        shop.tls(f"api-{number}")
    put = shop.sandbox.fault("keeper", "create_secret", FAULTS[fault], nth=2)
    first = shop.command(*ADD)
    assert put.fired and first.code == -9 and 1 <= len(shop.made()) <= 2, first
    done(shop.command(*ADD))
    assert sorted(str(each.value("login")) for each in shop.made()) == ["api-0", "api-1", "api-2"]


def test_what_cannot_be_read_gets_no_record_and_keeps_nothing_else_from_it(shop: DiscoverStage) -> None:
    shop.tls("api")
    shop.tls("off", enabled=False)
    for name, value in (("umlaut", "p\xe4sswort-and-no-certificate"), ("wrong", "no-pfx")):
        shop.sandbox.keyvault.set_secret(shop.vault, name, value, content_type=PFX)
    outcome = shop.command(*ADD)
    assert outcome.code == 2 and "1 of 4 records were made" in outcome.stderr, outcome
    assert "SecretDisabled" in outcome.stderr and outcome.stderr.count("neither PFX nor PEM") == 2
    assert [each.value("login") for each in shop.made()] == ["api"]


def test_a_vault_that_stops_answering_leaves_no_doubt_about_records(shop: DiscoverStage) -> None:
    for name in ("api", "mail"):
        shop.tls(name)
    shop.sandbox.fault("keyvault", "get_secret", faults.Status(503), nth=2, times=None)
    outcome = shop.command(*ADD)
    assert outcome.code == 2 and "1 of 2 records were made" in outcome.stderr, outcome
    shop.sandbox.faults.clear()
    done(shop.command(*ADD))
    assert len(shop.made()) == 2


# create


CREATED: dict[str, tuple[bool, list[str], dict[str, Any]]] = {
    "a file without a password": (False, [], {"enabled": True}),
    "a file with a password": (True, ["--password-stdin"], {"enabled": True}),
    "dates": (True, ["--password-stdin", "--activates", day(3), "--expires", day(60)],
              {"nbf": seconds(day(3)), "exp": seconds(day(60))}),
    "a moment": (False, [f"--activates={day(3)}T12:30:00+02:00"], {"nbf": seconds(day(3)) + 37800}),
    "disabled": (False, ["--disabled"], {"enabled": False}),
}  # fmt: skip


@pytest.mark.parametrize("what", CREATED)
def test_a_secret_from_a_file(what: str, shop: DiscoverStage) -> None:
    protected, arguments, expected = CREATED[what]
    bundle = make_bundle("api", chain=1)
    path, given = shop.file(bundle, PASSWORD if protected else ""), f"{PASSWORD}\n" if protected else None
    outcome = create(shop, path, *arguments, given=given)
    (version,) = shop.versions("api")
    assert json.loads(done(outcome).stdout)["secret"] == f"{shop.vault.url}/secrets/api/{version.version}"
    (listed,) = shop.api.ask(VAULT, "GET", f"{shop.vault.url}/secrets/api/versions?api-version=7.4")["value"]
    assert listed["contentType"] == PFX
    ends = {"exp": int(bundle.leaf.not_valid_after_utc.timestamp())}
    assert listed["attributes"].items() >= (ends | expected).items()
    assert "nbf" in expected or "nbf" not in listed["attributes"]
    stored = pkcs12.load_pkcs12(base64.b64decode(version.value), None)
    assert stored.cert and (stored.cert.certificate, len(stored.additional_certs)) == (bundle.leaf, 1)
    assert stored.key and stored.key.public_key() == bundle.leaf.public_key()
    assert PASSWORD not in everything(shop)


def create(stage: DiscoverStage, path: str, *arguments: str, given: str | None = None) -> Outcome:
    common = ("tls-secret", "create", "--vault", "shop", "--name", "api", "--json", "--pfx", path)
    return stage.command(*common, *arguments, given=given)


def everything(stage: DiscoverStage) -> str:
    """All that Keeper and Key Vault keep, as text."""
    records = [record.data for record in stage.sandbox.keeper.vault.records.values()]
    return json.dumps(records) + repr([(each.value, each.tags) for each in stage.versions("api")])


def test_a_new_version_keeps_the_tags_and_the_version_before(shop: DiscoverStage) -> None:
    first = shop.tls("api", tags={"team": "web"})
    done(create(shop, shop.file(make_bundle("api", 300)), "--new-version"))
    before, now = shop.versions("api")
    assert before == first and now.tags == {"team": "web"} and now.exp and now.exp > (before.exp or 0)


@pytest.mark.parametrize("where", ["record", "folder"])
def test_the_record_shows_the_new_secret(where: str, shop: DiscoverStage) -> None:
    empty = shop.record_of("export", "pfx", "login") if where == "record" else ""
    where = [f"--record={empty}"] if empty else ["--folder", FOLDER]
    path = shop.file(make_bundle("api"), PASSWORD)
    uid = json.loads(done(create(shop, path, "--password-stdin", *where, given=PASSWORD)).stdout)["record"]
    assert uid == (empty or shop.made()[0].uid) and not shop.wrong(uid, "api")
    assert shop.sandbox.keeper.record(uid).value("tls_secret_id") == f"{shop.vault.url}/secrets/api"
    assert bool(shop.sandbox.keeper.files(uid)) == bool(empty)
    assert PASSWORD not in everything(shop)


@pytest.mark.parametrize("fault, state", [*((fault, "") for fault in LOST), ("reset after", "--disabled")])
def test_a_lost_answer_does_not_make_two_versions(fault: str, state: str, shop: DiscoverStage) -> None:
    shop.tls("api")
    shop.sandbox.fault("keyvault", "set_secret", FAULTS[fault])
    more = [state] if state else []
    done(create(shop, shop.file(make_bundle("api")), "--new-version", "--folder", FOLDER, *more))
    assert len(shop.versions("api")) == 2 and not shop.wrong(shop.made()[0].uid, "api")


@pytest.mark.parametrize("fault, versions", [("reset before", 0), ("reset after", 1)])
@pytest.mark.parametrize("gone", ["the vault", "the network"])
def test_what_cannot_be_told_is_said(fault: str, versions: int, gone: str, shop: DiscoverStage) -> None:
    put = shop.sandbox.fault("keyvault", "set_secret", FAULTS[fault])
    after = ("get_secret", faults.Status(503)) if gone == "the vault" else ("connect", faults.Refuse())
    shop.sandbox.fault("keyvault", *after, times=None, when=lambda _: put.fired)
    outcome = create(shop, shop.file(make_bundle("api")))
    assert outcome.code == 3 and "cannot be told" in outcome.stderr and "hint: look at" in outcome.stderr, outcome
    assert len(shop.versions("api")) == versions


def test_a_record_that_cannot_be_made_is_made_later(shop: DiscoverStage) -> None:
    shop.sandbox.keeper.vault.folders[shop.sandbox.keeper.vault.default_folder].editable = False
    outcome = create(shop, shop.file(make_bundle("api")), "--folder", FOLDER)
    assert outcome.code == 2 and "is set; no record shows it" in outcome.stderr, outcome
    assert len(shop.versions("api")) == 1 and not shop.made()
    shop.sandbox.keeper.vault.folders[shop.sandbox.keeper.vault.default_folder].editable = True
    done(shop.command(*ADD))
    assert not shop.wrong(shop.made()[0].uid, "api") and len(shop.versions("api")) == 1


# update


UPDATED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "begins": (["--activates", day(2)], {"nbf": seconds(day(2))}),
    "ends": (["--expires", day(20)], {"exp": seconds(day(20))}),
    "both": (["--activates", day(2), "--expires", day(20)], {"nbf": seconds(day(2)), "exp": seconds(day(20))}),
    "without an end": (["--expires", "none"], {"exp": None}),
    "without a beginning": (["--activates", "NONE"], {"nbf": None}),
    "off": (["--disable"], {"enabled": False}),
    "on": (["--enable"], {"enabled": True}),
}


@pytest.mark.parametrize(
    "what, version", [*((what, "current") for what in UPDATED), ("both", "named"), ("off", "named")]
)
def test_dates_and_state_of_a_version(what: str, version: str, shop: DiscoverStage) -> None:
    arguments, expected = UPDATED[what]
    first, second = (shop.tls("api", enabled=what != "on") for _ in range(2))
    first.nbf = second.nbf = seconds(day(-1))
    before = {each.version: (each.enabled, each.nbf, each.exp) for each in (first, second)}
    address = f"{shop.vault.url}/secrets/api" + (f"/{first.version}" if version == "named" else "")
    shop.sandbox.fault("keyvault", "update_secret", FAULTS["malformed body"])
    done(shop.command("tls-secret", "update", address, *arguments))
    changed, other = (first, second) if version == "named" else (second, first)
    assert {name: getattr(changed, name) for name in expected} == expected
    left = dict(zip(("enabled", "nbf", "exp"), before[changed.version], strict=True))
    assert {name: getattr(changed, name) for name in left if name not in expected}.items() <= left.items()
    assert (other.enabled, other.nbf, other.exp) == before[other.version] and len(shop.versions("api")) == 2


@pytest.mark.parametrize("more, code", [([], 1), (["--disable"], 2)])
def test_a_date_that_key_vault_keeps_is_said(more: list[str], code: int, shop: DiscoverStage) -> None:
    version = shop.tls("api")
    shop.sandbox.keyvault.null_removes_dates = False
    outcome = shop.command("tls-secret", "update", f"{shop.vault.url}/secrets/api", "--expires", "none", *more)
    assert outcome.code == code and "Key Vault kept the expiry date" in outcome.stderr, outcome
    assert version.exp and version.enabled == (not more)


@pytest.mark.parametrize("fault, code", [("503 after it took effect", 0), ("reset after", 0), ("HTTP 503", 3)])
@pytest.mark.parametrize("what", ["both", "without an end", "off"])
def test_a_change_whose_answer_is_lost_is_looked_up(what: str, fault: str, code: int, shop: DiscoverStage) -> None:
    arguments, expected = UPDATED[what]
    version = shop.tls("api")
    shop.sandbox.fault("keyvault", "update_secret", FAULTS[fault], times=None)
    outcome = shop.command("tls-secret", "update", f"{shop.vault.url}/secrets/api", *arguments)
    assert outcome.code == code and ("was changed cannot be told" in outcome.stderr) == (code == 3), outcome
    assert ({name: getattr(version, name) for name in expected} == expected) == (code == 0)


# rediscover


@pytest.mark.parametrize("form, named", [("pfx", "record"), ("pem", "secret"), ("", "version")])
def test_the_record_follows_a_new_version(form: str, named: str, shop: DiscoverStage) -> None:
    uid = followed(shop, form)
    before, keeper = shop.sandbox.keeper.record(uid), shop.sandbox.keeper
    address = f"{shop.vault.url}/secrets/API" + (f"/{shop.versions('api')[0].version}" if named == "version" else "")
    given = [f"--record={uid}"] if named == "record" else [address]
    assert "updated" in done(shop.command("tls-secret", "rediscover", *given)).stdout
    assert not shop.wrong(uid, "api") and keeper.files(uid)["notes.txt"] == b"mine"
    password = keeper.record(uid).value("pfx_password")
    assert (password != before.value("pfx_password")) == bool(password) == (form == "pfx")
    shop.sandbox.forget()
    revision = keeper.record(uid).revision
    assert "up to date" in done(shop.command("tls-secret", "rediscover", *given)).stdout
    assert keeper.record(uid).revision == revision and not shop.writes()


def test_an_attachment_of_another_kind_that_the_record_names_stays(shop: DiscoverStage) -> None:
    uid, keeper = followed(shop, ""), shop.sandbox.keeper
    keeper.edit(uid, "certificate_file", "notes.txt")
    done(shop.command("tls-secret", "rediscover", f"--record={uid}"))
    assert keeper.files(uid) == {"notes.txt": b"mine"} and not shop.wrong(uid, "api")


def test_every_record_of_a_secret_follows_and_what_breaks_is_told(shop: DiscoverStage) -> None:
    uids = [followed(shop, ""), shop.record_of("tls_secret_id", f"{shop.vault.url}/secrets/api", "login")]
    shop.sandbox.fault("keeper", "update_secret", FAULTS["HTTP 403"], nth=2, times=None)
    outcome = shop.command("tls-secret", "rediscover", f"{shop.vault.url}/secrets/api")
    assert outcome.code == 2 and uids[1] in outcome.stderr and not shop.wrong(uids[0], "api"), outcome
    shop.sandbox.faults.clear()
    done(shop.command("tls-secret", "rediscover", f"{shop.vault.url}/secrets/api"))
    assert not any(shop.wrong(uid, "api") for uid in uids)


def test_a_record_that_cannot_be_changed_holds_up_no_other(shop: DiscoverStage) -> None:
    old, address = shop.tls("api", days=9), f"{shop.vault.url}/secrets/api"
    locked, *good = (shop.follows("api", old) for _ in range(3))
    odd = shop.record_of("tls_secret_id", address, certificate_id=f"{shop.vault.url}/certificates/web")
    shop.tls("api", days=90)
    shop.sandbox.keeper.set_editable(locked, False)
    outcome = shop.command("tls-secret", "rediscover", address)
    assert outcome.code == 2 and outcome.stdout.count("updated") == 2, outcome
    said = outcome.stderr
    assert f"record {locked} is read-only" in said and f"record {odd} is not of" in said and "others show it" in said
    assert not any(shop.wrong(uid, "api") for uid in good) and shop.shown(locked) == old.version
    assert shop.command("tls-secret", "rediscover", address).code == 1, "this time nothing was changed"


def test_every_request_to_keeper_broken_in_every_way() -> None:
    """What the record shows belongs together whenever it breaks, and the plain run afterwards completes it."""
    found = verdicts(cases(WORST))
    assert len(found) >= 8 * len(WORST) and not [each for each in found if each]


def test_a_save_of_unknown_outcome_keeps_the_new_attachment(shop: DiscoverStage) -> None:
    uid = followed(shop)
    shop.sandbox.fault("keeper", "update_secret", FAULTS["reset after"])
    saved = shop.sandbox.requests
    shop.sandbox.fault("keeper", "get_secret", faults.Status(503), times=5,
                       when=lambda _: any(each.operation == "update_secret" for each in saved))  # fmt: skip
    outcome = shop.command("tls-secret", "rediscover", f"--record={uid}")
    assert outcome.code == 3 and not shop.wrong(uid, "api", complete=False), outcome
    done(shop.command("tls-secret", "rediscover", f"--record={uid}"))
    assert not shop.wrong(uid, "api")


# obtain


FORMS = {"pfx": ["--password-stdin"], "pem": ["--form", "pem"], "cer": ["--form", "cer"]}


@pytest.mark.parametrize("version", ["current", "earlier"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_for_its_owner_alone(form: str, version: str, shop: DiscoverStage) -> None:
    first, second = shop.tls("api"), shop.tls("api", form=PEM)
    tail, wanted = ("", second) if version == "current" else (f"/{first.version}", first)
    given = f"{PASSWORD}\n" if form == "pfx" else None
    path = shop.out / f"api.{form}"
    done(obtain(shop, f"api{tail}", "--out", str(path), *FORMS[form], given=given))
    content = path.read_bytes()
    found = x509.load_der_x509_certificate(content) if form == "cer" else opens(content, form, PASSWORD)
    assert found == certificate_of(wanted.value) and mode(path) == 0o600
    assert [each.name for each in shop.out.iterdir()] == [path.name] and not shop.writes()


def obtain(stage: DiscoverStage, name: str, *arguments: str, given: str | None = None) -> Outcome:
    return stage.command("tls-secret", "obtain", f"{stage.vault.url}/secrets/{name}", *arguments, given=given)


@pytest.mark.parametrize("form", [PFX, PEM])
def test_a_pem_file_has_the_certificate_first_and_each_is_signed_by_the_next(form: str, shop: DiscoverStage) -> None:
    shop.certificate("web", issuer="contoso-ca", content_type=form)
    path = shop.out / "web.pem"
    done(obtain(shop, "web", "--out", str(path), "--form", "pem"))
    assert names(path.read_bytes()) == ["CN=web", "CN=contoso-ca CA 1", "CN=contoso-ca Root CA"]


@pytest.mark.parametrize("form", [PFX, PEM])
def test_the_certificate_of_a_key_that_cannot_leave(form: str, shop: DiscoverStage) -> None:
    version = shop.certificate("web", exportable=False, content_type=form)
    path = shop.out / "web.cer"
    done(obtain(shop, "web", "--out", str(path), "--form", "cer"))
    assert x509.load_der_x509_certificate(path.read_bytes()) == version.certificate
    outcome = obtain(shop, "web", "--out", str(shop.out / "web.pem"), "--form", "pem")
    assert outcome.code == 1 and "private key" in outcome.stderr and not (shop.out / "web.pem").exists(), outcome


@pytest.mark.parametrize("line", [
    "tls-secret create --vault shop --name new --pfx FILE --password-stdin",
    "tls-secret obtain {url}/secrets/api --out {out}/a.pfx --password-stdin",
    "certificate obtain {url}/certificates/web --out {out}/a.pfx --password-stdin",
])  # fmt: skip
def test_a_password_that_is_not_utf_8_is_refused(line: str, shop: DiscoverStage) -> None:
    shop.tls("api")
    shop.certificate("web")
    path = shop.file(make_bundle("a"), "p\xe4sswort")
    words = line.format(url=shop.vault.url, out=shop.out).replace("FILE", path).split()
    outcome = shop.command(*words, given="p\xe4sswort\n", encoding="latin-1")
    assert outcome.code == 1 and "the password on stdin is not UTF-8" in outcome.stderr, outcome
    assert not shop.writes() and not (shop.out / "a.pfx").exists()
    shop.passwords = {"p\xe4sswort"}
    done(shop.command(*words, given="p\xe4sswort\n"))
    assert bool(shop.versions("new")) == ("create" in line) != (shop.out / "a.pfx").exists()


@pytest.mark.parametrize("there", ["a file", "a link", "a link to nothing"])
def test_what_is_there_is_written_over_only_where_that_is_said(there: str, shop: DiscoverStage) -> None:
    version = shop.tls("api")
    path, target = shop.out / "api.cer", shop.out / "target"
    if there != "a link to nothing":
        (path if there == "a file" else target).write_text("mine")
    if there != "a file":
        path.symlink_to(target)
    outcome = obtain(shop, "api", "--out", str(path), "--form", "cer")
    assert outcome.code == 1 and "is there already" in outcome.stderr, outcome
    done(obtain(shop, "api", "--out", str(path), "--form", "cer", "--force"))
    assert not path.is_symlink() and mode(path) == 0o600
    assert path.read_bytes() == certificate_of(version.value).public_bytes(Encoding.DER)
    assert there == "a file" or (target.read_text() if target.exists() else "") == ("mine" * (there == "a link"))


@pytest.mark.parametrize("form", ["pfx", "pem"])
def test_an_attachment_of_an_earlier_version(form: str, shop: DiscoverStage) -> None:
    first, second = shop.tls("api"), shop.tls("api")
    uid = shop.follows("api", second, "pfx")
    for address in (f"api/{first.version}", "api"):
        done(obtain(shop, address, f"--record={uid}", "--form", form))
        record = shop.sandbox.keeper.record(uid)
        assert record.value("tls_secret_version") == (second if address == "api" else first).version
        assert record.value("certificate_file").endswith(form) and not shop.wrong(uid, "api", complete=address == "api")


# delete


def test_only_the_record_is_deleted(shop: DiscoverStage) -> None:
    uids = [shop.follows("api", shop.tls("api"), form) for form in ("pfx", "")]
    records = [f"--record={uid}" for uid in uids]
    assert shop.api.ask(VAULT, "GET", f"{shop.vault.url}/secrets/api?api-version=7.4")["value"]
    done(shop.command("tls-secret", "delete", "--from-keeper", "--yes", *records))
    assert not set(uids) & set(shop.sandbox.keeper.vault.records)
    assert shop.writes() == ["keeper.delete_secret"] * 2
    assert shop.api.ask(VAULT, "GET", f"{shop.vault.url}/secrets/api?api-version=7.4")["value"]


@pytest.mark.parametrize("command", ["tls-secret rediscover --record=UID", "tls-secret obtain ID --record=UID",
                                     "tls-secret create --vault shop --name api --new-version --pfx FILE --record=UID",
                                     "tls-secret delete --from-keeper --yes --record=UID"])  # fmt: skip
def test_a_record_that_a_run_is_at_work_on_is_left_alone(command: str, shop: DiscoverStage) -> None:
    uid, path = followed(shop), shop.file(make_bundle("api"))
    lock = RecordLock(shop.variables["ROTATION_LOCK_DIR"], uid)
    words = command.replace("UID", uid).replace("ID", f"{shop.vault.url}/secrets/api", "ID" in command.split())
    outcome = shop.command(*words.replace("FILE", path).split())
    assert outcome.code == 1 and f"another run is at work on record {uid}" in outcome.stderr, outcome
    assert not shop.writes() and lock


@pytest.mark.parametrize("operation, kind", [("upload", "HTTP 503"), ("add_file", "HTTP 503"), ("add_file", "hang"),
                                             ("update_secret", "HTTP 403")])  # fmt: skip
def test_what_cannot_be_attached_leaves_the_record_as_it_was(operation: str, kind: str, shop: DiscoverStage) -> None:
    uid, keeper = followed(shop), shop.sandbox.keeper
    before, files = keeper.record(uid).values(), keeper.files(uid)
    shop.sandbox.fault(None, operation, FAULTS[kind], times=1 if operation == "update_secret" else None)
    outcome = obtain(shop, "api", f"--record={uid}", "--form=pem")
    assert outcome.code == 1 and keeper.record(uid).values() == before and keeper.files(uid) == files, outcome
    shop.sandbox.faults.clear()
    done(obtain(shop, "api", f"--record={uid}", "--form=pem"))
    assert keeper.record(uid).value("export") == "pem" and not shop.wrong(uid, "api")


@pytest.mark.parametrize(
    "fault, nth, code, left",
    [
        ("HTTP 403", 1, 1, 2),
        ("HTTP 403", 2, 2, 1),
        ("HTTP 503", 1, 3, 2),
        ("HTTP 503", 2, 3, 1),
        ("reset after", 1, 0, 0),
    ],
)
def test_a_deletion_that_breaks_is_told(fault: str, nth: int, code: int, left: int, shop: DiscoverStage) -> None:
    version = shop.tls("api")
    uids = [shop.follows("api", version), shop.follows("api", version)]
    shop.sandbox.fault("keeper", "delete_secret", FAULTS[fault], nth=nth, times=None)
    records = [f"--record={uid}" for uid in uids]
    outcome = shop.command("tls-secret", "delete", "--from-keeper", "--yes", *records)
    assert outcome.code == code and uids[nth - 1] in outcome.stdout + outcome.stderr, outcome
    assert ("hint: " in outcome.stderr) == bool(code) and (uids[0] in outcome.stderr.partition("error: ")[2]) == bool(
        code
    )
    assert len(set(uids) & set(shop.sandbox.keeper.vault.records)) == left


# What is refused


@pytest.fixture(scope="module")
def furnished() -> Iterator[tuple[DiscoverStage, dict[str, str]]]:
    """One of each, and the names of all that is there; nothing that is refused changes any of it."""
    with DiscoverStage() as stage:
        assert isinstance(stage, DiscoverStage)
        yield stage, furnish_each(stage)


CREATE = "create --vault shop --pfx {good} --name "
RECENT, PAST, LATER, LAST = day(8), day(-1), day(9), day(500)
WITHOUT_KEY = "there is no certificate with its own private key in it"
REFUSED = {
    "wrong password": (CREATE + "new --pfx {protected} --password-stdin", "PFX: the password is wrong"),
    "no password": (CREATE + "new --pfx {protected}", "the PFX needs a password"),
    "another's key": (CREATE + "new --pfx {alien}", WITHOUT_KEY),
    "no key": (CREATE + "new --pfx {public}", WITHOUT_KEY),
    "no PFX": (CREATE + "new --pfx {broken}", "PFX: the file cannot be read"),
    "expired": (CREATE + "new --pfx {expired}", "the certificate expired on"),
    "too large": (CREATE + "new --pfx {large}", "and a secret holds 25,600"),
    "name": (CREATE + "api_1", "'api_1' is no name for Key Vault"),
    "name and date": (CREATE + f"'a b' --expires {PAST}", "\nerror: --expires"),
    "a certificate's name": (CREATE + "web --new-version", "belongs to the certificate of this name"),
    "a plain secret's name": (CREATE + "plain --new-version", "no TLS secret: its content type is none"),
    "a text's name": (CREATE + "text --new-version", "its content type is 'text/plain'"),
    "in use": (CREATE + "api", "is there already"),
    "a deleted secret's name": (CREATE + "deleted", "a deleted secret has this name"),
    "a deleted certificate's name": (CREATE + "deleted-certificate", "a deleted secret has this name"),
    "ends too late": (CREATE + f"new --expires {LAST}", "--expires is after the end of the certificate"),
    "ends before now": (CREATE + f"new --expires {PAST}", "is past"),
    "ends before it begins": (CREATE + f"new --activates {LATER} --expires {RECENT}", "--activates is not before"),
    "no date": (CREATE + "new --expires soon", "--expires: 'soon' is not a date"),
    "no address": (CREATE + "new --vault https://[shop", "'https://[shop' is not a vault in AzureCloud"),
    "no vault": (CREATE + "new --vault a_b", "'a_b' is not a vault in AzureCloud"),
    "another cloud": (CREATE + "new --vault https://v1.vault.azure.cn", "of another cloud, AzureChinaCloud"),
    "no folder": (CREATE + "new --folder Nowhere", "sees no such folder"),
    "record and folder": (CREATE + "new --folder {folder} --record {app}", "both --record and --folder"),
    "no record": (CREATE + "new --record {gone}", "cannot be read"),
    "shows another secret": (CREATE + "new --record {shows}", "names another secret"),
    "an app's record": (CREATE + "new --record {app}", "it has application_object_id"),
    "list without a folder": ("list --add-certificates", "--add-certificates without --folder"),
    "update a certificate's": ("update {url}/web --disable", "belongs to the certificate of this name"),
    "update a plain secret": ("update {url}/plain --disable", "is no TLS secret: its content type is none"),
    "update in wrong order": (f"update {{url}}/api --activates {LAST}", "not after it activates"),
    "update both wrong": (f"update {{url}}/api --activates {LATER} --expires {RECENT}", "not after it activates"),
    "update to no date": ("update {url}/api --expires never", "2027-03-31T12:00:00Z, or none"),
    "update nothing": ("update {url}/api", "nothing to change"),
    "update no secret": ("update {url}/new --enable", "there is no secret"),
    "update no version": (f"update {{url}}/api/{'0' * 32} --enable", "there is no version"),
    "update no address": ("update https://[v].vault.azure.net/secrets/a --enable", "is not a secret of a vault in"),
    "update no id": ("update {url}/ --enable", "is not a secret of a vault in AzureCloud"),
    "rediscover nothing": ("rediscover", "neither ID nor --record"),
    "rediscover without records": ("rediscover {url}/text", "no record has"),
    "rediscover a certificate's": ("rediscover {url}/web", "belongs to the certificate of this name"),
    "rediscover no secret": ("rediscover {url}/new", "there is no secret"),
    "rediscover an empty record": ("rediscover --record {empty}", "has no tls_secret_id"),
    "rediscover an app": ("rediscover --record {app}", "it has application_object_id"),
    "rediscover a plain secret": ("rediscover --record {of_plain}", "is no TLS secret"),
    "rediscover read-only": ("rediscover --record {locked}", "is read-only for the Gateway's application"),
    "rediscover what is off": ("rediscover --record {of_off}", "SecretDisabled"),
    "obtain to nowhere": ("obtain {url}/api", "it goes to a file or to a record"),
    "obtain to two places": ("obtain {url}/api --out {out}/a --record {shows}", "it goes to a file or to a record"),
    "obtain cer to a record": ("obtain {url}/api --form cer --record {shows}", "--form cer is not for a record"),
    "obtain without password": ("obtain {url}/api --out {out}/a", "a PFX needs a password"),
    "obtain to no folder": ("obtain {url}/api --out {out}/b/a --form pem", "no file can be written in"),
    "obtain no TLS secret": ("obtain {url}/plain --out {out}/a --form cer", "is no TLS secret"),
    "obtain what is not ASCII": ("obtain {url}/umlaut --out {out}/a --form pem", "neither PFX nor PEM"),
    "obtain no secret": ("obtain {url}/new --out {out}/a --form pem", "there is no secret"),
    "obtain a certificate's": ("obtain {url}/web --record {empty}", "belongs to the certificate"),
    "obtain for an app": ("obtain {url}/api --record {app}", "it has application_object_id"),
    "obtain for another": ("obtain {url}/api --record {other}", "names another secret"),
    "delete from where": ("delete --yes --record {shows}", "only records are deleted here"),
    "delete unasked": ("delete --from-keeper --record {shows}", "there is no terminal to ask"),
    "delete an app's": ("delete --from-keeper --yes --record {shows} --record {app}", "it has application_object_id"),
    "delete nothing's": ("delete --from-keeper --yes --record {shows} --record {empty}", "it has no tls_secret_id"),
    "delete what is not there": ("delete --from-keeper --yes --record {shows} --record {gone}", "cannot be read"),
    "delete what is read-only": ("delete --from-keeper --yes --record {shows} --record {locked}", "is read-only"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_one_clear_message_and_nothing_is_changed(what: str, furnished: tuple[DiscoverStage, dict[str, str]]) -> None:
    (line, message), (stage, names) = REFUSED[what], furnished
    arguments = [part.format(**names) for part in shlex.split(line)]
    records, files = dict(stage.sandbox.keeper.vault.records), sorted(stage.out.iterdir())
    stage.sandbox.forget()
    outcome = stage.command("tls-secret", *arguments, given="wrong-password\n")
    assert outcome.code == 1 and outcome.stderr.startswith("error: ") and not outcome.stdout, outcome
    assert message in outcome.stderr and "hint: " in outcome.stderr, outcome
    assert not stage.writes() and stage.sandbox.keeper.vault.records == records
    assert sorted(stage.out.iterdir()) == files
