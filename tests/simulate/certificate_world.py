"""A certificate of Key Vault in a simulation: renewed, and delivered to a second vault."""

from __future__ import annotations

import random
from typing import ClassVar

from cryptography.hazmat.primitives import hashes

from tests.simulate.worlds import World, requests_of
from tests.stage.certificate import SCRIPT, CertificateStage
from tests.stage.rotation import Process

_OTHER = "front-door"


class CertificateWorld(World):
    """A certificate that its vault renews; the record shows which version it publishes, and nobody is handed a key."""

    name = "azure_key_vault_certificate"
    requests = requests_of("certificate")
    outputs = ("certificate_version", "thumbprint")
    may_be_copied = False
    """a certificate is renewed by one record"""
    policies: ClassVar = {
        "remove_old": ("replaced", "none", ""),
        "overlap_hours": ("", "24"),
        "rotate_before_hours": ("", "24", "720"),
        "validity_months": ("", "3", "6"),
    }

    def __init__(self, choice: random.Random) -> None:
        chosen = {label: choice.choice(values) for label, values in self.policies.items()}
        settings = {label: value for label, value in chosen.items() if value}
        self.certificate = CertificateStage(settings=settings, days_left=choice.choice((10.0, 300.0)))
        super().__init__(self.certificate)
        self.address = self.certificate.to_vault(_OTHER)
        vaults = self.stage.sandbox.keyvault.vaults.values()
        self.vault = next(each for each in vaults if each.name == _OTHER)

    def _start(self, line: bytes, **variables: str) -> Process:
        return self.stage.start(line, SCRIPT, **variables)

    @property
    def pasted(self) -> tuple[str, ...]:
        """The version or the thumbprint: what else the record says of it is written with the next one."""
        return self.outputs

    def works(self, record: str) -> bool:
        """The version is there and enabled, and what the record says of it is so."""
        enabled = {each.version for each in self.certificate.versions() if each.enabled}
        return self.value(record, "certificate_version") in enabled and not self.certificate.wrong(complete=False)

    def lines(self) -> list[str]:
        """The certificate of the other vault."""
        return [self.address]

    def held(self) -> dict[str, str | None]:
        """The thumbprint of its newest version, where that is enabled."""
        held = self.certificate.in_vault(_OTHER)
        return {self.address: _thumbprint(held[-1]) if held and held[-1].enabled else None}

    def accepted(self, value: str) -> bool:
        """It has not ended. A version that is disabled in one vault is valid in the other."""
        now = self.stage.sandbox.clock.now()
        return any(_thumbprint(each) == value and each.certificate.not_valid_after_utc.timestamp() > now
                   for each in self.certificate.versions())  # fmt: skip

    def leftovers(self) -> set[str]:
        """A version alone cannot be deleted."""
        return set()

    def break_destination(self, broken: bool) -> None:
        """The other vault's firewall."""
        self.vault.firewall = broken

    def meddle(self, choice: random.Random) -> str:
        """Key Vault renews it by itself."""
        self.stage.sandbox.keyvault.add_certificate(self.certificate.made.vault, self.certificate.made.name)
        return "Key Vault renews the certificate by itself"


def _thumbprint(version: object) -> str:
    return str(version.certificate.fingerprint(hashes.SHA1()).hex().upper())  # type: ignore[attr-defined]
