"""``keeper-rotation take-over``: what one record delivers to in Key Vault is another's from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.azure.key_vault.certificates import KeyVaultCertificates
    from gateway.azure.key_vault.secrets import KeyVaultSecrets
    from gateway.commands.shared.session import Session
    from gateway.errors import Failed


@click.command("take-over", short_help="Let another record deliver to a Key Vault address.")
@click.argument("address")
@click.option("--record", "record_uid", required=True, metavar="UID", help="The record that will deliver there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@session_options
@changing("look at the tag keeper-record of {address}; running it again does no harm")
def take_over(address: str, record_uid: str, as_json: bool, **session: Any) -> None:
    """Let the record deliver to ADDRESS, a secret or certificate of Key Vault that another one has delivered to.

    Its current version is given the record's tag; no value is changed. Take the line out of the other record.
    """
    from gateway.commands.shared import output
    from gateway.commands.shared.names import read_id, read_secret_id

    is_certificate = "/certificates/" in address.lower()
    found = read_id(address, session["cloud"]) if is_certificate else read_secret_id(address, session["cloud"])
    opened = _open(session)
    record = opened.record(record_uid)
    former = _move(opened, found.whole(), record.uid, is_certificate=is_certificate)
    said = {"address": str(found.whole()), "record": record.uid, "title": record.title, "former": former}
    output.show(said, as_json=as_json)
    if former and former != record.uid:
        output.note(f"take the line out of deliver_to of record {former}: its next run would not be let in")


def _open(session: dict[str, Any]) -> Session:
    from gateway.commands.shared.session import open_session

    return open_session(**session)


def _move(session: Session, place: Any, record_uid: str, *, is_certificate: bool) -> str:
    """Give the current version the record's tag; the one that it had. Raises Failed, CallError."""
    from gateway.azure.key_vault.certificates import KeyVaultCertificates
    from gateway.azure.key_vault.secrets import KeyVaultSecrets
    from gateway.deliveries.tags import RECORD, not_ours

    room = KeyVaultCertificates if is_certificate else KeyVaultSecrets
    vault: Any = room(session.http, session.azure, place.vault_url)
    version, tags = _newest_certificate(vault, place) if is_certificate else _current_secret(vault, place)
    former = tags.get(RECORD, "")
    if former != record_uid:
        vault.tag(place.name, version, not_ours(tags) | {RECORD: record_uid})
    return former


def _newest_certificate(vault: KeyVaultCertificates, place: Any) -> tuple[str, Mapping[str, str]]:
    if not (versions := vault.versions(place.name)):
        raise _not_there(place, "certificate")
    return versions[-1].version, versions[-1].tags


def _current_secret(vault: KeyVaultSecrets, place: Any) -> tuple[str, Mapping[str, str]]:
    from gateway.errors import Refused

    try:
        found, _ = vault.read(place.name)
    except Refused as error:
        if error.status == 404:
            raise _not_there(place, "secret") from None
        if error.code != "SecretDisabled":
            raise
        found = vault.versions(place.name)[-1]  # what is disabled cannot be read
    return found.secret_id.version, found.tags


def _not_there(place: Any, what: str) -> Failed:
    from gateway.errors import Failed

    return Failed(f"{place}: there is no such {what}", "a rotation makes it; there is nothing to take over")
