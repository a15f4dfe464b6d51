"""``keeper-rotation tls-secret``, for secrets that are there: change, follow, obtain; and their records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.ids import SecretId
from gateway.azure.key_vault.secrets import KeyVaultSecrets, TlsSecret
from gateway.commands.shared.facts import TARGET, bundle_of
from gateway.commands.tls_secret.records import follow, named_in, of_secret, record_for, refuse_others, tls_record
from gateway.errors import CallError, Failed, Incomplete, Refused, RotationError, Unclear, Unknown, leaves_doubt
from gateway.host.lost_answer import resolve_lost_answer
from gateway.keeper.checks import check_editable
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session
    from gateway.keeper.record import VaultRecord

NONE = "none"
UPDATED, UP_TO_DATE = "updated", "up to date"
Moment = datetime | str | None
"""None: not named; `NONE`: to be removed"""


def read_moment(text: str | None, option: str, *, may_be_none: bool = False) -> Moment:
    """A date, or a date and a time; UTC where it names no zone. Raises Failed."""
    if text is None or (may_be_none and text.strip().lower() == NONE):
        return text and NONE
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        also = ", or none" if may_be_none else ""
        raise Failed(
            f"{option}: {text!r} is not a date", f"write it as 2027-03-31 or 2027-03-31T12:00:00Z{also}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def update(
    session: Session, secret_id: SecretId, activates: Moment, expires: Moment, enabled: bool | None
) -> dict[str, Any]:
    """Change a version's dates and whether it is enabled; its attributes as they are then.

    Raises:
        Failed: nothing was changed.
        Incomplete: Key Vault kept a date that was to be removed, and did the rest.
        Unknown: whether it was changed cannot be told.
        CallError
    """
    vault = KeyVaultSecrets(session.http, session.azure, secret_id.vault_url)
    there = _plain_version(vault, secret_id)
    starts = there.activates if activates is None else activates
    ends = there.expires if expires is None else expires
    if isinstance(starts, datetime) and isinstance(ends, datetime) and starts >= ends:
        raise Failed(f"it would expire on {ends:%Y-%m-%d}, not after it activates on {starts:%Y-%m-%d}", "change one")
    if isinstance(expires, datetime) and expires <= session.http.now():
        raise Failed(f"--expires {expires:%Y-%m-%d} is past", "to take it out of use: --disable")
    wishes = {"nbf": activates, "exp": expires}
    attributes: dict[str, Any] = {name: _seconds(moment) for name, moment in wishes.items() if moment is not None}
    shown = _changed(vault, secret_id, attributes | ({} if enabled is None else {"enabled": enabled}))
    if kept := [name for name, moment in wishes.items() if moment == NONE and shown.get(name) is not None]:
        what = " and ".join({"nbf": "the activation date", "exp": "the expiry date"}[name] for name in kept)
        hint = "remove it in the portal, or set the secret again with tls-secret create --new-version"
        if len(kept) == len(attributes) and enabled is None:
            raise Failed(f"{secret_id}: Key Vault kept {what}", hint)
        raise Incomplete(f"{secret_id}: Key Vault kept {what}; what else was asked for is done", hint)
    return shown


def _changed(vault: KeyVaultSecrets, secret_id: SecretId, wished: dict[str, Any]) -> dict[str, Any]:
    """The attributes after the change; looked up where its answer was lost."""

    def look() -> dict[str, Any] | None:
        now = _plain_version(vault, secret_id)
        shown = {"nbf": _seconds(now.activates), "exp": _seconds(now.expires), "enabled": now.enabled}
        return shown if shown.items() >= wished.items() else None

    try:
        return vault.change(secret_id, wished)
    except Unclear as error:
        hint = "look at it in the portal; running it again does no harm"
        return resolve_lost_answer(error, look, f"{secret_id} was changed", hint)


def _seconds(moment: Moment) -> int | None:
    return int(moment.timestamp()) if isinstance(moment, datetime) else None


def _plain_version(vault: KeyVaultSecrets, secret_id: SecretId) -> TlsSecret:
    """The version that is named, or the newest, of a TLS secret that belongs to no certificate. Raises Failed."""
    versions = vault.versions(secret_id.name)
    named = [each for each in versions if secret_id.version in ("", each.secret_id.version)]
    if not named:
        what = (
            f"there is no version {secret_id.version} of {secret_id.whole()}"
            if versions
            else f"there is no secret {secret_id}"
        )
        raise Failed(what, "look with keeper-rotation tls-secret list")
    if named[-1].managed:
        hint = "its dates are the certificate's; to switch it off, disable the certificate in the portal"
        raise Failed(f"{secret_id.whole()} belongs to the certificate of this name", hint)
    if not named[-1].is_tls:
        kind = repr(named[-1].content_type) if named[-1].content_type else "none"
        raise Failed(f"{secret_id.whole()} is no TLS secret: its content type is {kind}", "name a secret of PFX or PEM")
    return named[-1]


def read_current(session: Session, secret_id: SecretId) -> tuple[TlsSecret, Secret]:
    """The version that is named, or the current one, with its value.

    Raises:
        Failed: there is none.
        CallError
    """
    try:
        return KeyVaultSecrets(session.http, session.azure, secret_id.vault_url).read(secret_id.name, secret_id.version)
    except Refused as error:
        if error.status != 404:
            raise
        raise Failed(f"there is no secret {secret_id}", "look with keeper-rotation tls-secret list") from None


def rediscover(
    session: Session, secret_id: SecretId | None, uid: str
) -> tuple[list[dict[str, Any]], RotationError | None]:
    """Let the record, or every record that names the secret, show the current version.

    Returns what was done, and what kept it from being all.

    Raises:
        Failed: nothing was changed.
        Incomplete, Unknown, CallError: of the only record.
    """
    uids = _uids(session, secret_id, uid)
    secret_id = secret_id or _named_by(session, uid)
    secret, value = read_current(session, secret_id.whole())
    _refuse_managed(secret)
    done: list[dict[str, Any]] = []
    problems: dict[str, RotationError | CallError] = {}
    for each in uids:
        try:
            session.deadline.check()
            changed = follow(session, record_for(session, each, secret_id), secret, value)
        except (RotationError, CallError) as error:
            if len(uids) == 1:
                raise
            problems[each] = error
        else:
            result = UPDATED if changed else UP_TO_DATE
            done.append({"record": each, "secret": str(secret.secret_id), "result": result})
    return done, _outcome(problems, done) if problems else None


def _outcome(problems: dict[str, RotationError | CallError], done: list[dict[str, Any]]) -> RotationError:
    """The error for those that could not be brought up to date; the worst of them says what it is."""
    codes = {error.exit_code for error in problems.values() if isinstance(error, RotationError)}
    codes |= {Unknown.exit_code} if any(map(leaves_doubt, problems.values())) else set()
    codes |= {Incomplete.exit_code} if any(each["result"] == UPDATED for each in done) else set()
    kind = next((each for each in (Unknown, Incomplete) if each.exit_code in codes), Failed)
    what = "; ".join(f"{'' if uid in str(error) else f'record {uid}: '}{error}" for uid, error in problems.items())
    return kind(what + ("; others show it" if done else ""), "; ".join({each.hint: "" for each in problems.values()}))


def _named_by(session: Session, uid: str) -> SecretId:
    record = tls_record(session, uid)
    refuse_others(record)
    if (found := named_in(record, session)) is None:
        raise Failed(f"record {uid} has no {TARGET}", f"name the secret as well, and it is written to {TARGET}")
    return found


def _uids(session: Session, secret_id: SecretId | None, uid: str) -> list[str]:
    if uid:
        return [uid]
    if secret_id is None:
        raise Failed("neither a secret nor --record", "name one of them")
    if uids := [record.uid for record in of_secret(session, secret_id)]:
        return uids
    _refuse_managed(read_current(session, secret_id.whole())[0])
    hint = "make one with keeper-rotation tls-secret list --add-certificates, or name one with --record"
    raise Failed(f"no record has {secret_id.whole()} in {TARGET}", hint)


def _refuse_managed(secret: TlsSecret) -> None:
    if secret.managed:
        secret_id = secret.secret_id.whole()
        certificate = f"{secret_id.vault_url}/certificates/{secret_id.name}"
        hint = f"its record is that of the certificate: keeper-rotation certificate obtain {certificate} --record=UID"
        raise Failed(f"{secret_id} belongs to the certificate of this name", hint)


def to_record(session: Session, secret_id: SecretId, uid: str, form: str) -> dict[str, Any]:
    """Attach a version to a record, which shows it from then on. Raises Failed, Incomplete, Unknown, CallError."""
    record = record_for(session, uid, secret_id)
    secret, value = read_current(session, secret_id)
    _refuse_managed(secret)
    follow(session, record, secret, value, form)
    return {"record": uid, "secret": str(secret.secret_id), "result": "attached"}


def content(session: Session, secret_id: SecretId, form: str, password: Secret) -> tuple[TlsSecret, bytes]:
    """A version as a file. Raises Failed, CallError."""
    from gateway.model import x509

    secret, value = read_current(session, secret_id)
    if form == "cer":
        return secret, _public(secret, value)
    bundle = bundle_of(secret, value)
    if form == "pem":
        return secret, x509.to_pem(bundle)
    return secret, x509.to_pfx(bundle, secret_id.name, password.reveal())


def _public(secret: TlsSecret, value: Secret) -> bytes:
    """The certificate alone, in DER; also where its key cannot leave the vault."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.model.x509 import read_public

    try:
        leaf = bundle_of(secret, value).leaf
    except Failed:
        if not secret.is_tls:
            raise
        leaf = read_public(value.reveal(), secret.content_type)[0]
    return leaf.public_bytes(Encoding.DER)


def check_deletable(session: Session, uid: str) -> VaultRecord:
    """It is the record of a TLS secret, and can be edited. Raises Failed."""
    record = session.record(uid)
    check_editable(record)
    refuse_others(record)
    if not record.value(TARGET).strip():
        raise Failed(f"record {uid} is not of a TLS secret: it has no {TARGET}", "delete it in the vault")
    return record
