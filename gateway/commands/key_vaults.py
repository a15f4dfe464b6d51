"""The key vaults that an operator's command works in: that of a certificate, or all that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.azure.key_vault.certificate_changes import OperatorVault
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.output import warn
from gateway.commands.survey import READER, Survey
from gateway.errors import Failed

if TYPE_CHECKING:
    from gateway.commands.session import Session


def at(session: Session, place: CertificateId) -> OperatorVault:
    """The vault of a certificate."""
    return OperatorVault(session.http, session.azure, place.vault_url)


def all_vaults(session: Session) -> list[tuple[str, str]]:
    """Address and resource id of all vaults that the credential can see; a subscription that refuses is a warning.

    Raises:
        Failed: there is none.
    """
    survey = Survey(session)
    found = survey.seen_vaults()
    for warning in survey.warnings:
        warn(warning)
    if not found:
        raise Failed("no vault can be seen", f"name one with --vault, or {READER}")
    return found
