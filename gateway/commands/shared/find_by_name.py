"""What an operator names by its bare name, as the tables show it: looked for in all key vaults that can be seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gateway.commands.shared.output import note
from gateway.commands.shared.session import Session, open_session
from gateway.commands.shared.survey import all_key_vaults
from gateway.errors import CallError, Failed
from gateway.host.background import side_by_side

if TYPE_CHECKING:
    from gateway.azure.key_vault.ids import CertificateId, SecretId


def open_certificate(text: str, session: dict[str, Any], version: str = "") -> tuple[Session, CertificateId]:
    """The session, and the certificate that is named: by its id, as VAULT/NAME, or by a name that one vault has.

    Args:
        session: the options of `open_session`.
        version: why no version may be named, as for `read_id`.

    Raises:
        Failed: it is no name, no vault has it, or several have.
        CallError
    """
    from gateway.azure.key_vault.certificate_changes import OperatorCertificates
    from gateway.azure.key_vault.ids import CertificateId
    from gateway.commands.shared.names import read_id

    if not is_bare(text):
        certificate_id = read_id(text, session["cloud"], version=version)
        return open_session(**session), certificate_id
    opened = open_session(**session)

    def has(url: str) -> bool:
        try:
            OperatorCertificates(opened.http, opened.azure, url).whole(text)
        except Failed:
            return False
        return True

    return opened, CertificateId(_vault_with(opened, "certificate", text, has), text)


def open_secret(text: str, session: dict[str, Any]) -> tuple[Session, SecretId]:
    """As `open_certificate`, of a secret."""
    from gateway.azure.key_vault.ids import SecretId
    from gateway.azure.key_vault.secrets import KeyVaultSecrets
    from gateway.commands.shared.names import read_secret_id

    if not is_bare(text):
        secret_id = read_secret_id(text, session["cloud"])
        return open_session(**session), secret_id
    opened = open_session(**session)

    def has(url: str) -> bool:
        return bool(KeyVaultSecrets(opened.http, opened.azure, url).versions(text))

    return opened, SecretId(_vault_with(opened, "secret", text, has), text)


def is_bare(text: str) -> bool:
    """Whether it is a name without its vault."""
    return bool(re.fullmatch(r"[0-9a-zA-Z-]{1,127}", text))


def _vault_with(session: Session, what: str, name: str, has: Callable[[str], bool]) -> str:
    """The address of the one vault that has it. Raises Failed: none has, several have, or that cannot be told."""
    hint = "name it as VAULT/NAME, or by its identifier"
    which = f"which vault has a {what} {name} cannot be told"

    def ask(url: str) -> bool:
        try:
            return has(url)
        except CallError as error:
            raise Failed(f"{which}: {error}", hint) from None

    seen, are_all = all_key_vaults(session)
    if not are_all:
        raise Failed(f"{which}: not all vaults could be listed", hint)
    urls = [url for url, _ in seen]
    found = [url for url, there in zip(urls, side_by_side(ask, urls), strict=True) if there]
    if len(found) == 1:
        note(f"{what} {name} of {found[0]}")
        return found[0]
    if found:
        raise several(what, name, found)
    raise Failed(f"no {what} {name} in the {len(urls)} vaults that can be seen", hint)


def several(what: str, name: str, urls: Iterable[str]) -> Failed:
    """The error for a bare name that means one thing in each of these vaults."""
    ways = ", ".join(f"{url.removeprefix('https://').partition('.')[0]}/{name}" for url in urls)
    return Failed(f"several vaults have a {what} {name}", f"name one of them: {ways}")
