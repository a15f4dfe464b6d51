"""``tls-secret create``: a PFX file becomes a TLS secret. All of it is checked before anything is sent."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from gateway.azure.key_vault.ids import SecretId, check_name
from gateway.azure.key_vault.secrets import HINTS, KeyVaultSecrets, TlsSecret
from gateway.commands.shared.facts import values_of
from gateway.commands.shared.inputs import confirm, password_on_stdin
from gateway.commands.shared.new_records import TLS, Item, make_one, new_record
from gateway.commands.shared.output import note
from gateway.commands.tls_secret.records import follow, of_secret, record_for
from gateway.deliveries.tags import not_ours
from gateway.errors import CallError, Failed, Incomplete, RotationError, Unclear, Unknown, leaves_doubt
from gateway.model.x509 import PFX
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session
    from gateway.model.x509 import Bundle

LARGEST = 25 * 1024
"""bytes of a secret's value: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets"""


@dataclass(frozen=True)
class NewTlsSecret:
    """What is to be made. ``expires``: None for the certificate's end; ``record``, ``folder``: where it is shown."""

    name: str
    activates: datetime | None
    expires: datetime | None
    enabled: bool
    new_version: bool
    record: str
    folder: str


def read_file(content: bytes, password: Callable[[], Secret], *, asked: bool) -> Bundle:
    """The certificate in a PFX file. ``password`` is called only where it is needed, or was announced.

    Raises:
        Failed: the password is wrong, it is no PFX, has no key, or another certificate's.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if not asked:
            try:
                return _read(content, "")
            except Failed as error:
                if "password" not in error.message:
                    raise
        return _read(content, password().reveal())
    except UnsupportedAlgorithm:
        hint = "export it again, with AES-256 and SHA-256"
        raise Failed("PFX: it is encrypted in a way that is too old", hint) from None


def _read(content: bytes, password: str) -> Bundle:
    from gateway.model.x509 import read_pfx

    try:
        return read_pfx(content, password)
    except Failed as error:
        # What has no key, or another certificate's, reads as one without a certificate.
        if "there is no" not in error.message:
            raise
        what = "PFX: there is no certificate with its own private key in it"
        raise Failed(what, "export the certificate together with its own key") from None


def ask_password(*, from_stdin: bool) -> Secret:
    """The password of the file, from the first line of stdin or a prompt that does not show it. Raises Failed."""
    if from_stdin:
        return password_on_stdin()
    if not sys.stdin.isatty():
        raise Failed("the PFX needs a password", "pipe it in with --password-stdin, or run this at a terminal")
    return Secret(click.prompt("Password of the file", hide_input=True, default="", show_default=False, err=True))


def check(bundle: Bundle, wanted: NewTlsSecret, now: datetime) -> tuple[TlsSecret, Secret]:
    """What would be sent: base64 of a PFX without password, as Key Vault keeps the secret of a certificate.

    Raises:
        Failed: a name, dates or a size that cannot be; all of them are named.
    """
    from gateway.model.x509 import to_pfx

    ends = bundle.leaf.not_valid_after_utc
    text = base64.b64encode(to_pfx(bundle, wanted.name, "")).decode()
    problems = [*_of_name(wanted.name), *_of_dates(wanted, ends, now)]
    if len(text) > LARGEST:
        size = f"the certificate with its key takes {len(text):,} bytes, and a secret holds {LARGEST:,}"
        problems.append((size, "leave certificates above it out of the file"))
    if problems:
        raise Failed.together(Failed(what, hint) for what, hint in problems)
    secret_id = SecretId("", wanted.name)
    draft = TlsSecret(secret_id, now, wanted.activates, wanted.expires or ends, wanted.enabled, PFX, False, {})
    return draft, Secret(text)


def _of_name(name: str) -> list[tuple[str, str]]:
    try:
        check_name(name)
    except Failed as error:
        return [(error.message, error.hint)]
    return []


def _of_dates(wanted: NewTlsSecret, ends: datetime, now: datetime) -> list[tuple[str, str]]:
    expires = wanted.expires or ends
    if ends <= now:
        return [(f"the certificate expired on {ends:%Y-%m-%d}", "give one that is still valid")]
    if expires <= now:
        return [(f"--expires {expires:%Y-%m-%d} is past", "give a later date")]
    if expires > ends:
        return [(f"--expires is after the end of the certificate, {ends:%Y-%m-%d}", "leave it out, or give an earlier")]
    if wanted.activates and wanted.activates >= expires:
        return [("--activates is not before the end", "give an earlier date")]
    return []


def check_free(session: Session, vault: KeyVaultSecrets, wanted: NewTlsSecret) -> list[TlsSecret]:
    """The versions of what has this name now, and may get a new one; none where nothing has.

    Raises:
        Failed: a certificate has it, or what is no TLS secret, or what was deleted; or nobody said --new-version.
        CallError
    """
    there = vault.versions(wanted.name)
    address = f"{vault.url}/secrets/{wanted.name}"
    if not there:
        if vault.is_deleted(wanted.name):
            raise Failed(f"{address}: a deleted secret has this name", HINTS["ObjectIsDeletedButRecoverable"])
        return []
    if there[-1].managed:
        hint = "choose another name, or make the certificate's next version with keeper-rotation certificate"
        raise Failed(f"{address} belongs to the certificate of this name", hint)
    if not there[-1].is_tls:
        kind = repr(there[-1].content_type) if there[-1].content_type else "none"
        raise Failed(f"{address} is there, and no TLS secret: its content type is {kind}", "choose another name")
    question = f"{address} is there. Make a new version of it?"
    if not wanted.new_version and not confirm(question, session.deadline):
        raise Failed(f"{address} is there already", "add --new-version to make a new version of it")
    return there


def create(session: Session, url: str, bundle: Bundle, wanted: NewTlsSecret) -> tuple[TlsSecret, str]:
    """Set the secret, and let a record show it; the version, and the record's uid (empty without one).

    Raises:
        Failed: nothing was changed.
        Incomplete: the secret is set, and the record does not show it.
        Unknown: whether it was set, or whether the record shows it, cannot be told.
        CallError
    """
    draft, value = check(bundle, wanted, session.http.now())
    vault = KeyVaultSecrets(session.http, session.azure, url)
    before = check_free(session, vault, wanted)
    secret_id = SecretId(url, wanted.name)
    if wanted.record:
        record_for(session, wanted.record, secret_id)
    shown_by = [record.uid for record in of_secret(session, secret_id) if record.uid != wanted.record]
    if wanted.folder:
        if shown_by:
            raise Failed(f"record {', '.join(shown_by)} names this secret already", "leave out --folder")
        session.folders.check(wanted.folder)
    draft = replace(draft, secret_id=secret_id, tags=not_ours(before[-1].tags) if before else {})
    try:
        made = vault.put(draft, value, before)
    except Unclear as error:
        what = f"whether {secret_id} was set cannot be told: {error}"
        raise Unknown(
            what, "look at its versions in the portal; a second one with the same value does no harm"
        ) from None
    if shown_by:
        note(f"record {', '.join(shown_by)} shows an older version: keeper-rotation tls-secret rediscover {secret_id}")
    try:
        return made, _show(session, wanted, made, value, bundle)
    except (RotationError, CallError) as error:
        hint = (
            f"keeper-rotation tls-secret rediscover {made.secret_id.whole()} --record=UID, or list --add-certificates"
        )
        if leaves_doubt(error):
            what = f"{made.secret_id} is set, and whether a record shows it cannot be told: {error}"
            raise Unknown(what, f"look for the record in the vault; {hint}") from None
        raise Incomplete(f"{made.secret_id} is set; no record shows it: {error}", hint) from None


def _show(session: Session, wanted: NewTlsSecret, made: TlsSecret, value: Secret, bundle: Bundle) -> str:
    if wanted.record:
        follow(session, record_for(session, wanted.record, made.secret_id), made, value)
        return wanted.record
    if not wanted.folder:
        return ""
    secret_id = made.secret_id.whole()
    new = new_record(Item(TLS, str(secret_id), secret_id.name, secret_id.vault, made.expires))
    new = replace(new, values=new.values | values_of(made, bundle))
    uid, made_here = make_one(session.folders, wanted.folder, new)
    if not made_here:  # it may show an earlier version
        follow(session, record_for(session, uid, made.secret_id), made, value)
    return uid
