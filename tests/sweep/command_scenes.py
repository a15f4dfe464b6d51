"""The commands that change something, each with what it finds and what it is to leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.graph.base import READ_ALL, WRITE_OWNED
from sandbox.keeper.vault import make_field
from tests.stage.discover import DiscoverStage, make_bundle
from tests.stage.key_vault import Scene as Certificates

AnyStage = Certificates | DiscoverStage
Key = tuple[str, ...]
NEW = "https://certificates.vault.azure.net/certificates/new-tls"
OLD = "https://certificates.vault.azure.net/certificates/orders-tls"
SCRIPT = "scripts/azure_key_vault_certificate.py"
CONTACTS = ("certificate", "contacts", "--vault=certificates")
COLLEAGUE = "colleague@example.com"


def state(stage: AnyStage) -> dict[Key, Any]:
    """All that Keeper and the key vaults keep, one entry for each thing that can change by itself."""
    keeper, found = stage.sandbox.keeper, dict[Key, Any]()
    for uid in list(keeper.vault.records):
        found["record", uid] = keeper.record(uid).title
        values = keeper.record(uid).values()
        found |= {("field", uid, label): value for label, value in values.items() if value and label != "fileRef"}
        found |= {("file", uid, name): content for name, content in keeper.files(uid).items()}
    for vault in stage.sandbox.keyvault.vaults.values():
        for name in list(vault.certificates.live):
            stage.sandbox.keyvault.pending_certificate(vault, name)  # what is due by now is issued
        found |= _of_secrets(vault) | _of_certificates(vault)
    return found


def _of_secrets(vault: Any) -> dict[Key, Any]:
    return {
        ("secret", vault.name, name, each.version): (each.value, each.enabled, each.nbf, each.exp, each.tags)
        for name, secret in vault.secrets.items()
        for each in secret.versions
    }


def _of_certificates(vault: Any) -> dict[Key, Any]:
    found: dict[Key, Any] = {("contact", vault.name, str(each)): True for each in vault.certificates.contacts}
    for name, certificate in vault.certificates.live.items():
        found |= {("version", vault.name, name, each.version): each.enabled for each in certificate.versions}
        found["policy", vault.name, name] = repr(certificate.policy)
        found["pending", vault.name, name] = certificate.pending and (
            certificate.pending.version, certificate.pending.status
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Scene:
    """A command. ``prepare`` furnishes the stage and gives the command's words.

    ``left``: what is missing where it is done; ``touches``: what of all that is there it may change; ``again``: the
    commands that finish it, whose words are the same by default.
    """

    prepare: Callable[[Any], list[str]]
    left: Callable[[Any], list[str]]
    touches: Callable[[Key], bool]
    stage: Callable[[], Any] = Certificates
    again: Callable[[Any, list[str]], list[list[str]]] = lambda _, words: [words]


def only(*kinds: str) -> Callable[[Key], bool]:
    """What is of these kinds may change; what is a colleague's may not."""
    return lambda key: key[0] in kinds and "notes.txt" not in key and COLLEAGUE not in str(key)


def fields(*labels: str) -> Callable[[Key], bool]:
    """These fields of records, and their files."""
    return lambda key: (key[0] == "field" and key[2] in labels) or only("file")(key)


def missing(**holds: bool) -> list[str]:
    """The names of what does not hold."""
    return [name.replace("_", " ") for name, is_so in holds.items() if not is_so]


# Certificates


def _with_contacts(stage: Certificates) -> None:
    stage.ask(*CONTACTS, f"--add={COLLEAGUE}", "--add=a@example.com")


def _emails(stage: Certificates) -> set[str]:
    return {str(each["email"]) for each in stage.vault.certificates.contacts}


def _request(stage: Certificates) -> list[str]:
    _with_contacts(stage)
    return ["certificate", "request", NEW, "--cn=a.example", "--contact=b@example.com", f"--folder={stage.folder_uid}"]


def _requested(stage: Certificates) -> list[str]:
    return missing(
        one_version=len(stage.sandbox.keyvault.certificate_versions(stage.vault, "new-tls")) == 1,
        one_record=len(stage.records_of("certificate_id", NEW)) == 1,
        the_contact="b@example.com" in _emails(stage),
    )


def _finish_request(stage: Certificates, words: list[str]) -> list[list[str]]:
    """What the hints say: look, and do by other commands what is named as not done."""
    if not stage.vault.certificates.live.get("new-tls"):
        return [words]
    make = ["discover", "certificates", "--vault=certificates", "--only=new-tls", "--create", *words[-1:]]
    return [["certificate", "status", NEW], [*CONTACTS, "--add=b@example.com"], make]


def _renew(stage: Certificates) -> list[str]:
    stage.publish_first()
    return ["certificate", "renew", OLD, f"--record={stage.at.record_uid}"]


def _two_versions(stage: Certificates) -> list[str]:
    return missing(two_versions=len(stage.versions()) == 2)


def _finish_renewal(stage: Certificates, words: list[str]) -> list[list[str]]:
    return [["certificate", "status", OLD]] if len(stage.versions()) == 2 else [words]


def _renew_by_script(stage: Certificates) -> list[str]:
    stage.publish_first()
    return ["certificate", "renew", OLD, f"--script={SCRIPT}", "--validity-months=6"]


def _renewed_by_script(stage: Certificates) -> list[str]:
    months = stage.vault.certificates.live["orders-tls"].policy["x509_props"]["validity_months"]
    shown = stage.value("certificate_version") == stage.versions()[-1].version
    return missing(months=months == 6, a_new_version=len(stage.versions()) > 1, shown=shown)


def _merge(stage: Certificates) -> list[str]:
    stage.ask("certificate", "request", NEW, "--cn=a.example", "--issuer=Unknown", code=2)
    chain = stage.sandbox.keyvault.sign_csr(stage.vault, "new-tls")
    text = b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain)
    (stage.out / "chain.pem").write_bytes(text)
    return ["certificate", "merge", NEW, f"--chain={stage.out / 'chain.pem'}"]


def _merged(stage: Certificates) -> list[str]:
    there = stage.sandbox.keyvault.certificate_versions(stage.vault, "new-tls")
    done = stage.sandbox.keyvault.pending_certificate(stage.vault, "new-tls") == "completed"
    return missing(one_version=len(there) == 1, completed=done)


def _cancel(stage: Certificates) -> list[str]:
    stage.sandbox.keyvault.issue_seconds = 3600
    stage.ask("certificate", "renew", OLD, "--no-wait", code=2)
    return ["certificate", "cancel", OLD]


def _cancel_by_hand(stage: Certificates) -> list[str]:
    stage.ask("certificate", "request", OLD, "--issuer=Unknown", "--lifetime-action=email", code=2)
    return ["certificate", "cancel", OLD]


def _cancelled(stage: Certificates) -> list[str]:
    status = stage.sandbox.keyvault.pending_certificate(stage.vault, "orders-tls")
    return missing(cancelled=status in (None, "cancelled"))


def _policy(_: Certificates) -> list[str]:
    return ["certificate", "policy", OLD, "--validity-months=6", "--dns=other.example.com"]


def _policy_changed(stage: Certificates) -> list[str]:
    return missing(months=stage.vault.certificates.live["orders-tls"].policy["x509_props"]["validity_months"] == 6)


def _contacts(stage: Certificates) -> list[str]:
    _with_contacts(stage)
    return [*CONTACTS, "--add=b@example.com"]


def _contacts_changed(stage: Certificates) -> list[str]:
    return missing(all_three=_emails(stage) == {COLLEAGUE, "a@example.com", "b@example.com"})


def _delete_certificates(stage: Certificates) -> list[str]:
    named = make_field("text", OLD, "certificate_id")
    stage.sandbox.keeper.add_record("second", "pamUser", [make_field("login", "second")], [named])
    return ["certificate", "delete", OLD, "--from-keeper", "--yes"]


def _certificates_deleted(stage: Certificates) -> list[str]:
    return missing(no_record=not stage.records_of("certificate_id", OLD))


def _obtain(stage: Certificates) -> list[str]:
    stage.publish_first()
    stage.sandbox.keeper.edit(stage.at.record_uid, "export", "pfx")
    stage.sandbox.keyvault.add_certificate(stage.vault, "orders-tls")
    return ["certificate", "obtain", OLD, f"--record={stage.at.record_uid}"]


def _obtained(stage: Certificates) -> list[str]:
    return stage.wrong() if stage.value("certificate_version") == stage.versions()[-1].version else ["the version"]


def _history(stage: Certificates) -> list[str]:
    words = _obtain(stage)
    stage.sandbox.keeper.add_file(stage.at.record_uid, "notes.txt", b"mine")
    return [*words, "--history", "--form=pfx"]


def _all_there(stage: Certificates) -> list[str]:
    files = stage.files()
    names = {f"orders-tls-{each.version}.pfx" for each in stage.versions()}
    return missing(all_files=names <= files.keys(), with_content=all(files.values()), password=bool(
        stage.value("pfx_password_history")))  # fmt: skip


SHOWN = (
    "certificate_id", "certificate_version", "thumbprint", "serial_number", "issuer", "subject", "not_before",
    "expires", "last_rotated", "certificate_file", "pfx_password", "export", "csr", "rotation_state",
    "pfx_password_history", "tls_secret_id", "tls_secret_version",
)  # fmt: skip


# TLS secrets, and what is discovered


def _shop() -> DiscoverStage:
    return DiscoverStage(admin_roles=[READ_ALL, WRITE_OWNED])


def _create(stage: DiscoverStage) -> list[str]:
    path = stage.file(make_bundle("api"))
    folder = stage.sandbox.keeper.vault.default_folder
    return ["tls-secret", "create", "--vault=shop", "--name=api", f"--pfx={path}", f"--folder={folder}"]


def _created(stage: DiscoverStage) -> list[str]:
    if len(stage.made()) != 1 or len(stage.sandbox.keyvault.versions(stage.vault, "api")) != 1:
        return ["one secret and one record"]
    return stage.wrong(stage.made()[0].uid, "api")


def _finish_creation(stage: DiscoverStage, words: list[str]) -> list[list[str]]:
    if "api" not in stage.vault.secrets:
        return [words]
    return [["tls-secret", "list", "--vault=shop", "--only=api", "--add-certificates", *words[-1:]]]


def _create_version(stage: DiscoverStage) -> list[str]:
    uid = stage.follows("api", stage.tls("api", days=9, tags={"team": "web"}), "pfx")
    path = stage.file(make_bundle("api", 300))
    return ["tls-secret", "create", "--vault=shop", "--name=api", "--new-version", f"--pfx={path}", f"--record={uid}"]


def _version_created(stage: DiscoverStage) -> list[str]:
    versions, uid = stage.versions("api"), _of_api(stage)[0]
    return missing(two_versions=len(versions) == 2, tags=versions[-1].tags == {"team": "web"}) + stage.wrong(uid, "api")


def _finish_version(stage: DiscoverStage, words: list[str]) -> list[list[str]]:
    is_there = len(stage.versions("api")) == 2
    return [["tls-secret", "rediscover", f"{stage.vault.url}/secrets/api"] if is_there else words]


def _of_api(stage: DiscoverStage) -> list[str]:
    keeper = stage.sandbox.keeper
    return [uid for uid in keeper.vault.records if "/secrets/api" in str(keeper.record(uid).value("tls_secret_id"))]


def _update(stage: DiscoverStage) -> list[str]:
    stage.tls("api")
    return ["tls-secret", "update", f"{stage.vault.url}/secrets/api", "--disable", "--expires=none"]


def _updated(stage: DiscoverStage) -> list[str]:
    version = stage.versions("api")[-1]
    return missing(off=not version.enabled, without_an_end=version.exp is None)


def _rediscover(stage: DiscoverStage) -> list[str]:
    first = stage.tls("api", days=9)
    for form in ("pfx", "pem"):
        stage.follows("api", first, form)
    stage.tls("api", days=90)
    return ["tls-secret", "rediscover", f"{stage.vault.url}/secrets/api"]


def _rediscovered(stage: DiscoverStage) -> list[str]:
    return [each for uid in _of_api(stage) for each in stage.wrong(uid, "api")]


def _obtain_secret(stage: DiscoverStage) -> list[str]:
    uid = stage.follows("api", stage.tls("api", days=9), "pfx")
    stage.tls("api", days=90)
    return ["tls-secret", "obtain", f"{stage.vault.url}/secrets/api", f"--record={uid}", "--form=pem"]


def _delete_secrets(stage: DiscoverStage) -> list[str]:
    version = stage.tls("api")
    uids = [stage.follows("api", version, "pfx") for _ in range(2)]
    return ["tls-secret", "delete", "--from-keeper", "--yes", *(f"--record={uid}" for uid in uids)]


def _secrets_deleted(stage: DiscoverStage) -> list[str]:
    return missing(no_record=not _of_api(stage))


def _delete_the_rest(stage: DiscoverStage, words: list[str]) -> list[list[str]]:
    left = [f"--record={uid}" for uid in _of_api(stage)]
    return [[*words[:4], *left]] if left else []


def _discover(stage: DiscoverStage) -> list[str]:
    for name in ("web1", "web2"):
        stage.certificate(name)
    folder = stage.sandbox.keeper.vault.default_folder
    return ["discover", "certificates", "--vault=shop", "--create", f"--folder={folder}"]


def _discovered(stage: DiscoverStage) -> list[str]:
    return missing(each_once=sorted(str(each.value("login")) for each in stage.made()) == ["web1", "web2"])


def _init(stage: DiscoverStage) -> list[str]:
    stage.certificate("web1")
    folder, target = stage.sandbox.keeper.vault.default_folder, f"{stage.vault.url}/certificates/web1"
    batch = f"--batch={stage.out / 'web1.batch'}"
    return ["init", "--kind=certificate", f"--target={target}", f"--folder={folder}", batch, "--force"]


def _set_up(stage: DiscoverStage) -> list[str]:
    batch = stage.out / "web1.batch"
    lines = batch.read_text() if batch.exists() else ""
    return missing(one_record=len(stage.made()) == 1, lines=all(record.uid in lines for record in stage.made()))


def _init_a_password(stage: DiscoverStage) -> list[str]:
    fields = [make_field("login", "orders"), make_field("password", "of-keepers-own-making")]
    uid = stage.sandbox.keeper.add_record("orders login", "pamUser", fields, [])
    batch = f"--batch={stage.out / 'orders.batch'}"
    address = f"--deliver-to={stage.vault.url}/secrets/orders"
    return ["init", "--kind=password", f"--target={uid}", address, batch, "--force"]


def _password_set_up(stage: DiscoverStage) -> list[str]:
    titled = {str(each.title): each for each in map(stage.sandbox.keeper.record, stage.sandbox.keeper.vault.records)}
    lines = stage.out / "orders.batch"
    delivers = titled["orders login"].value("deliver_to") == f"{stage.vault.url}/secrets/orders"
    return missing(delivers=delivers, lines=lines.exists() and titled["orders login"].uid in lines.read_text())


def _add(stage: DiscoverStage) -> list[str]:
    for name in ("web1", "web2"):
        stage.tls(name)
    folder = stage.sandbox.keeper.vault.default_folder
    return ["tls-secret", "list", "--vault=shop", "--add-certificates", f"--folder={folder}"]


def _added(stage: DiscoverStage) -> list[str]:
    names = {str(each.value("login")): each.uid for each in stage.made()}
    if sorted(names) != ["web1", "web2"] or len(stage.made()) != 2:
        return ["each once"]
    return [each for name, uid in names.items() for each in stage.wrong(uid, name)]


def _take_over(stage: DiscoverStage) -> list[str]:
    uid = stage.record_of("application_object_id", "x")
    stage.sandbox.keyvault.set_secret(stage.vault, "orders", "theirs", tags={"keeper-record": uid})
    return ["take-over", f"{stage.vault.url}/secrets/orders", f"--record={stage.at.record_uid}"]


def _taken_over(stage: DiscoverStage) -> list[str]:
    newest = stage.sandbox.keyvault.versions(stage.vault, "orders")[-1]
    return missing(the_tag=newest.tags == {"keeper-record": stage.at.record_uid}, the_value=newest.value == "theirs")


NOTHING = only()
SCENES: dict[str, Scene] = {
    "certificate request": Scene(_request, _requested, NOTHING, again=_finish_request),
    "certificate renew": Scene(
        _renew, _two_versions, lambda key: key[0] == "pending" or fields("last_rotated")(key), again=_finish_renewal
    ),
    "certificate renew --script": Scene(
        _renew_by_script, _renewed_by_script, lambda key: key[0] in ("policy", "pending") or fields(*SHOWN)(key)
    ),
    "certificate merge": Scene(_merge, _merged, only("pending")),
    "certificate cancel": Scene(_cancel, _cancelled, only("pending")),
    "certificate cancel, by hand": Scene(_cancel_by_hand, _cancelled, only("pending")),
    "certificate policy": Scene(_policy, _policy_changed, only("policy")),
    "certificate contacts": Scene(_contacts, _contacts_changed, NOTHING),
    "certificate delete": Scene(_delete_certificates, _certificates_deleted, only("record", "field", "file")),
    "certificate obtain --record": Scene(_obtain, _obtained, fields(*SHOWN)),
    "certificate obtain --history": Scene(_history, _all_there, fields(*SHOWN)),
    "tls-secret create": Scene(_create, _created, NOTHING, _shop, _finish_creation),
    "tls-secret create --new-version": Scene(
        _create_version, _version_created, fields(*SHOWN), _shop, _finish_version
    ),
    "tls-secret update": Scene(_update, _updated, only("secret"), _shop),
    "tls-secret rediscover ID": Scene(_rediscover, _rediscovered, fields(*SHOWN), _shop),
    "tls-secret obtain --record": Scene(_obtain_secret, _rediscovered, fields(*SHOWN), _shop),
    "tls-secret delete": Scene(
        _delete_secrets, _secrets_deleted, lambda key: key[0] in ("record", "field", "file"), _shop, _delete_the_rest
    ),
    "discover --create": Scene(_discover, _discovered, NOTHING, _shop),
    "init": Scene(_init, _set_up, NOTHING, _shop),
    "init of a password": Scene(_init_a_password, _password_set_up, fields("deliver_to"), _shop),
    "take-over": Scene(_take_over, _taken_over, only("secret"), _shop),
    "tls-secret list --add-certificates": Scene(_add, _added, NOTHING, _shop),
}  # fmt: skip
