"""Renew a certificate of Azure Key Vault before it expires.

Key Vault makes the next version itself, by the certificate's policy and what the record wants different in it, with its
issuer; where a CA has to sign, the signing request is saved in the record (csr), and each run says so until the
answer is merged. A version that is newer than the published one is published, and no other is made. The new version is
checked, attached to the record where the field export says so, saved in it (certificate_version, thumbprint, expires
and more), and each destination in deliver_to gets it. Only then are old versions disabled, as remove_old and
overlap_hours say; by default they stay. A version that could not be saved stays, and the next run publishes it.

Field that names the certificate: certificate_id. All others are optional: docs/certificates.md.
Permission of the admin credential: the role Key Vault Certificates Officer on the vault; Key Vault Secrets User,
too, where the private key is exported or delivered.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gateway.azure.key_vault.certificate_answers import SELF, UNKNOWN, Operation, Version
from gateway.azure.key_vault.certificates import KeyVaultCertificates
from gateway.azure.key_vault.ids import CertificateId
from gateway.azure.sign_in import Azure
from gateway.deliveries.tags import not_ours
from gateway.engine.gathered import Gathered
from gateway.engine.kind import Wanted
from gateway.engine.make.renew import RenewedKind, waiting_for_a_ca
from gateway.errors import Failed, RotationError, Waiting
from gateway.host.http import Http
from gateway.keeper.certificate_attachment import Export
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import CERTIFICATE
from gateway.model import x509
from gateway.model.certificate_policy import PolicyChange, read_policy_change, same_subject
from gateway.model.credential import AdminCredential, DeliveryForm, LiveCredential, Minted, Target, stamp
from gateway.model.decisions import newest
from gateway.model.public_cas import not_of_public_cas
from gateway.secret import Secret

log = logging.getLogger("gateway")


class KeyVaultCertificate(RenewedKind):
    """A certificate of a key vault, which makes the next version itself, with an issuer or a CA.

    https://learn.microsoft.com/azure/key-vault/certificates/overview-renew-certificate
    """

    facts = CERTIFICATE
    azure: Azure
    vault: KeyVaultCertificates
    wanted: Wanted
    newest: Version
    policy_change: PolicyChange
    made: dict[str, datetime]
    thumbprints: dict[str, str]
    said: x509.Facts
    """what stands in the version that was read last"""

    def __init__(self, http: Http, admin: AdminCredential) -> None:
        self.http, self.azure = http, Azure(http, admin, begin_with=f"https://{admin.cloud.key_vault}")

    @classmethod
    def named(cls, given: str, record: VaultRecord, admin: AdminCredential) -> tuple[str, ...]:
        """The certificate's identifier, without a version."""
        return (str(CertificateId.read(given, admin.cloud, cls.facts.target).whole()),)

    def find(self, given: str, wanted: Wanted) -> tuple[Target, tuple[LiveCredential, ...]]:
        """The certificate by its identifier, and its versions that are switched on."""
        certificate_id = CertificateId.read(given, self.azure.cloud, self.target)
        if certificate_id.version:
            raise Failed(
                f"{self.target} names one version, and a version cannot be renewed",
                f"remove /{certificate_id.version} from the field: the certificate as a whole is renewed",
            )
        self.wanted, self.id, self.name = wanted, str(certificate_id), certificate_id.name
        self.vault = KeyVaultCertificates(self.http, self.azure, certificate_id.vault_url)
        self.export = Export(wanted.record, self.name, lambda version: self.vault.bundle(self.name, version))
        versions = self.vault.versions(self.name)
        if not versions:
            raise self._without_versions()
        live = self._live(versions)
        if not live:
            raise Failed(f"every version of {self.name} is disabled", "enable the newest one in the portal")
        if not versions[-1].enabled:
            log.warning("the newest version of %s is disabled; what is enabled counts", self.name)
        self.newest = versions[-1]
        self.policy_change = read_policy_change(wanted.record.value, lambda: self._shown_subject(versions))
        return Target(self.id, "", self.name, stamp(versions[0].made), None, True), live

    def _without_versions(self) -> RotationError:
        operation = self.operation()
        if operation is not None and operation.is_open:
            return Waiting(
                f"{self.name} has no version yet: its first one is being made, by the issuer {operation.issuer}",
                f"keeper-rotation certificate status {self.id} says what it waits for",
            )
        where = f"{self.target}: there is no certificate {self.name} in {self.vault.url}"
        if self.vault.is_deleted(self.name):
            return Failed(f"{where} any more: it was deleted", "recover it in the portal, or correct this field")
        return Failed(where, "correct this field; keeper-rotation certificate list shows what is there")

    def _shown_subject(self, versions: Sequence[Version]) -> str:
        """Of the published version: where the record says the same, it is what we wrote there, and no wish."""
        published = self.published_id(self.wanted.record)
        if published not in [each.version for each in versions]:
            return ""
        return x509.facts(self.vault.certificate(self.name, published)).subject

    def _live(self, versions: Sequence[Version]) -> tuple[LiveCredential, ...]:
        self.made = {each.version: each.made for each in versions}
        self.thumbprints = {each.version: each.thumbprint for each in versions}
        return tuple(LiveCredential(each.version, "", "", each.expires, each.made) for each in versions if each.enabled)

    def live(self) -> tuple[LiveCredential, ...]:
        """Its versions that are switched on."""
        return self._live(self.vault.versions(self.name))

    def is_target_of(self, record: VaultRecord) -> bool:
        """Whether it names the same certificate."""
        try:
            named = CertificateId.read(record.value(self.target), self.azure.cloud, self.target)
        except Failed:
            return False
        return str(named.whole()).lower() == self.id.lower()

    def is_behind(self, record: VaultRecord, listed: Sequence[LiveCredential]) -> bool:
        """The vault has renewed it by itself, or the thumbprint is of another version, or the attachment is missing."""
        published, last = self.published_id(record), newest(listed).key_id
        thumbprint = record.value(self.outputs.value).strip()
        is_other = self.thumbprints.get(published, thumbprint) not in (thumbprint, "")
        return published != last or is_other or self.export.is_missing(record)

    def validity(self) -> timedelta:
        """Of the newest version, as its issuer gave it."""
        return self.newest.expires - (self.newest.not_before or self.newest.made)

    def remarks(self, gathered: Gathered) -> list[Failed | str]:
        """What a public CA does not give of what the policy asks for, names that are lost, a renewal too often."""
        found: list[Failed | str] = []
        policy = self.policy_change.applied(self.vault.policy(self.name))
        issuer = str((policy.get("issuer") or {}).get("name") or UNKNOWN)
        if issuer != SELF:
            found += not_of_public_cas(policy, gathered.known.now.date())
        found += self._lost_names()
        before = gathered.policy.threshold
        if before and before * 2 > self.validity():
            days = (self.validity() - before).days
            found.append(
                f"rotate_before_hours is more than half of the {self.validity().days} days that the newest version is "
                f"valid: it is renewed after {max(days, 0)} days; 33% goes with any validity"
            )
        return found

    def _lost_names(self) -> list[Failed | str]:
        wanted = {name.lower() for name in self.policy_change.dns_names}
        has = x509.facts(self.vault.certificate(self.name, self.newest.version)).dns_names if wanted else ()
        lost = [name for name in has if name.lower() not in wanted]
        return [f"dns_names: the next version loses {', '.join(lost)}, which the newest one has"] if lost else []

    def waits_for(self, record: VaultRecord) -> tuple[str, str] | None:
        """A CA, once the record has its signing request, until somebody merges its answer or cancels."""
        return waiting_for_a_ca(self.id) if self._is_asked_for(record) else None

    def stale(self, record: VaultRecord) -> tuple[str, ...]:
        """A signing request that nobody waits for any more."""
        return ("csr",) if record.value("csr") and not self._is_asked_for(record) else ()

    def _is_asked_for(self, record: VaultRecord) -> bool:
        operation = self.operation() if record.value("csr").strip() else None
        return operation is not None and operation.is_open

    def operation(self) -> Operation | None:
        """How the making of a version goes."""
        return self.vault.operation(self.name)

    def checked_issuer(self) -> str:
        """By the policy. With one that the vault does not know, nobody would issue anything."""
        self.policy: dict[str, Any] = self.policy_change.applied(self.vault.policy(self.name))
        issuer = str((self.policy.get("issuer") or {}).get("name") or UNKNOWN)
        self._refuse_contradictions(issuer)
        known = {} if issuer in (SELF, UNKNOWN) else self.vault.issuer(issuer)
        if known is None or (known.get("attributes") or {}).get("enabled") is False:
            raise Failed(
                f"it cannot be renewed: its issuer {issuer} is not set up in the vault",
                "set the issuer up in the vault, or change the policy's issuer to Unknown and have each version signed",
            )
        return issuer

    def _refuse_contradictions(self, issuer: str) -> None:
        months = (self.policy.get("x509_props") or {}).get("validity_months") or 12
        self._refuse_too_early(timedelta(days=30 * months), f"validity, validity_months {months}")
        if issuer != SELF and self.newest.not_before:
            given = self.newest.expires - self.newest.not_before
            self._refuse_too_early(given, f"validity of {given.days} days, which its issuer gave")
        wanted = "export" if self.export.form else "deliver_to" if self.wanted.delivers else ""
        if wanted and (self.policy.get("key_props") or {}).get("exportable") is False:
            raise Failed(
                f"{wanted}: the private key of {self.name} cannot leave the vault",
                "take it out of this field, or make the key exportable in the certificate's policy",
            )

    def _refuse_too_early(self, validity: timedelta, what: str) -> None:
        if self.wanted.rotate_before is not None and self.wanted.rotate_before >= validity:
            hours = self.facts.defaults["rotate_before_hours"]
            raise Failed(
                f"rotate_before_hours is not shorter than the certificate's {what}",
                f"set it to a share such as 33%, or to fewer hours (where the record lacks the field, it is {hours}), "
                "or every run would renew",
            )

    def begin(self, last: str) -> Operation:
        """A new version, by the certificate's own policy or with what the record wants different."""
        return self.vault.begin(
            self.name, self.policy if self.policy_change else None, not_ours(self.newest.tags), last
        )

    def read(self, version: str) -> Minted:
        """What stands in the certificate itself."""
        self.said = x509.facts(self.vault.certificate(self.name, version))
        return Minted(version, Secret(self.said.thumbprint), self.said.expires, self.made.get(version))

    def check_valid(self, minted: Minted) -> None:
        """It is valid now."""
        if not self.said.not_before <= self.http.now() < self.said.expires:
            until = f"{stamp(self.said.not_before)} to {stamp(self.said.expires)}"
            raise Failed("the new version is not valid now", f"it is from {until}")

    def switch_off(self, version: str) -> None:
        """It is disabled: one version alone cannot be deleted."""
        self.vault.enable(self.name, version, False)

    def more_outputs(self, minted: Minted, record: VaultRecord) -> dict[str, str]:
        """What a person wants to know of a certificate, and the attachment's name and password."""
        written = {
            "serial_number": self.said.serial_number,
            "issuer": self.said.issuer,
            "not_before": stamp(self.said.not_before),
        }
        written.update(self.export.outputs(record))
        if not self.policy_change.subject or same_subject(self.policy_change.subject, self.said.subject):
            written["subject"] = self.said.subject  # else it stays a wish, for the next version
        if record.value("csr") and not self._is_asked_for(record):
            written["csr"] = ""
        return written

    def deliverable(self, value: Secret, record: VaultRecord) -> Secret:
        """The certificate with its key, as Key Vault keeps it."""
        return Secret(self.vault.secret(self.name, self.published_id(record))[0])

    def address(self, key_id: str) -> str:
        """Key Vault shows each version as a secret too."""
        return f"{self.vault.url}/secrets/{self.name}/{key_id}"

    def delivery_form(self) -> DeliveryForm:
        """As a certificate."""
        return replace(self.facts.delivery_form, certificate=self.id)
