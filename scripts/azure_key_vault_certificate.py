#!/usr/bin/env python3
"""Renew a certificate of Azure Key Vault. Attach this file to a PAM User record as a PAM script.

Needs the package keeper-azure-rotation on the host of the Keeper Gateway; the script command is the full path of the
Python that it is installed in, such as /opt/keeper-azure-rotation/bin/python.
"""

import json
import logging
import sys
from datetime import timedelta

FITS = "0.1"  # the series of keeper-azure-rotation that this file is written for


def refuse(error, hint):
    """Nothing was read yet: say so in the form that every outcome has, and fail."""
    print(json.dumps({"result": "failed", "error": error, "hint": hint}))
    sys.stderr.write("error: " + error + "\nhint: " + hint + "\n")
    sys.exit(1)


if sys.version_info < (3, 11):  # noqa: UP036
    refuse(
        "Python " + sys.version.split()[0] + " is too old, 3.11 or newer is needed",
        "make the script command the full path of a newer Python in which keeper-azure-rotation is installed",
    )
try:
    from gateway import __version__
except ImportError:
    refuse(
        "keeper-azure-rotation is not installed in " + sys.executable,
        "make the script command the full path of the Python in which it is installed",
    )
if __version__.split(".")[:2] != FITS.split("."):
    refuse(
        "this script is for keeper-azure-rotation " + FITS + ", installed is " + __version__,
        "install that series, or attach the script of the installed one to the record",
    )

from gateway import x509  # noqa: E402
from gateway.azure import Azure  # noqa: E402
from gateway.certificate_policy import read_wishes, same_subject  # noqa: E402
from gateway.certificates import SELF, UNKNOWN, CertificateVault  # noqa: E402
from gateway.credential import HandOver, LiveCredential, Minted, Target  # noqa: E402
from gateway.errors import Failed, Incomplete  # noqa: E402
from gateway.exporting import Export  # noqa: E402
from gateway.key_vault_id import CertificateId  # noqa: E402
from gateway.kind import Outputs  # noqa: E402
from gateway.renewing import RenewedKind, waiting_for_a_ca  # noqa: E402
from gateway.rules import newest  # noqa: E402
from gateway.run import run  # noqa: E402
from gateway.secret import Secret  # noqa: E402

log = logging.getLogger("gateway")
STAMP = "%Y-%m-%dT%H:%M:%SZ"


class KeyVaultCertificate(RenewedKind):
    """A certificate of a key vault, which makes the next version itself, with an issuer or a CA.

    https://learn.microsoft.com/azure/key-vault/certificates/overview-renew-certificate
    """

    target = "certificate_id"
    outputs = Outputs(key_id="certificate_version", value="thumbprint", expires="expires")
    defaults = {"remove_old": "none", "rotate_before_hours": "720"}  # noqa: RUF012 (understood by an old Python too)

    def __init__(self, http, cloud, admin):
        self.http, self.azure = http, Azure(http, cloud, admin, begin_with="https://" + cloud.key_vault)

    def find(self, given, wanted):
        """The certificate by its identifier, and its versions that are switched on."""
        place = CertificateId.read(given, self.azure.cloud, self.target)
        if place.version:
            raise Failed(
                "certificate_id names one version, and a version cannot be renewed",
                "remove /" + place.version + " from the field: the certificate as a whole is renewed",
            )
        self.wanted, self.id, self.name = wanted, str(place), place.name
        self.vault = CertificateVault(self.http, self.azure, place.vault_url)
        self.export = Export(wanted.record, self.name, lambda version: self.vault.bundle(self.name, version))
        versions = self.vault.versions(self.name)
        if not versions:
            raise self._without_versions()
        live = self._live(versions)
        if not live:
            raise Failed("every version of " + self.name + " is disabled", "enable the newest one in the portal")
        if not versions[-1].enabled:
            log.warning("the newest version of %s is disabled; what is enabled counts", self.name)
        self.newest = versions[-1]
        self.wishes = read_wishes(wanted.record.value, lambda: self._shown_subject(versions))
        return Target(self.id, "", self.name, versions[0].made.strftime(STAMP), None, True), live

    def _without_versions(self):
        operation = self.operation()
        if operation is not None and operation.is_open:
            return Incomplete(
                self.name + " has no version yet: its first one is being made, by the issuer " + operation.issuer,
                "keeper-rotation certificate status " + self.id + " says what it waits for",
            )
        where = "certificate_id: there is no certificate " + self.name + " in " + self.vault.url
        if self.vault.is_deleted(self.name):
            return Failed(where + " any more: it was deleted", "recover it in the portal, or correct this field")
        return Failed(where, "correct this field; keeper-rotation certificate list shows what is there")

    def _shown_subject(self, versions):
        """Of the published version: where the record says the same, it is what we wrote there, and no wish."""
        published = self.published_id(self.wanted.record)
        if published not in [each.version for each in versions]:
            return ""
        return x509.facts(self.vault.certificate(self.name, published)).subject

    def _live(self, versions):
        self.made = {each.version: each.made for each in versions}
        return tuple(
            LiveCredential(each.version, "", each.thumbprint[:3], each.expires, each.made)
            for each in versions
            if each.enabled
        )

    def live(self):
        """Its versions that are switched on."""
        return self._live(self.vault.versions(self.name))

    def is_behind(self, record, listed):
        """The vault has renewed it by itself, or the attachment is missing."""
        return newest(listed).key_id != self.published_id(record) or self.export.is_missing(record)

    def waits_for(self, record):
        """A CA, once the record has its signing request, until somebody merges its answer or cancels."""
        return waiting_for_a_ca(self.id) if self._is_asked_for(record) else None

    def stale(self, record):
        """A signing request that nobody waits for any more."""
        return ("csr",) if record.value("csr") and not self._is_asked_for(record) else ()

    def _is_asked_for(self, record):
        operation = self.operation() if record.value("csr").strip() else None
        return operation is not None and operation.is_open

    def operation(self):
        """How the making of a version goes."""
        return self.vault.operation(self.name)

    def refuse_unrenewable(self):
        """With an issuer that the vault does not know, nobody would issue anything."""
        self.policy = self.wishes.applied(self.vault.policy(self.name))
        self.issuer = issuer = (self.policy.get("issuer") or {}).get("name") or UNKNOWN
        self._refuse_contradictions()
        if issuer in (SELF, UNKNOWN):
            return
        known = self.vault.issuer(issuer)
        if known is None or (known.get("attributes") or {}).get("enabled") is False:
            raise Failed(
                "it cannot be renewed: its issuer " + issuer + " is not set up in the vault",
                "set the issuer up in the vault, or change the policy's issuer to Unknown and have each version signed",
            )

    def _refuse_contradictions(self):
        months = (self.policy.get("x509_props") or {}).get("validity_months") or 12
        self._refuse_too_early(timedelta(days=30 * months), "validity, validity_months " + str(months))
        if self.issuer != SELF and self.newest.not_before:
            given = self.newest.expires - self.newest.not_before
            self._refuse_too_early(given, "validity of " + str(given.days) + " days, which its issuer gave")
        wanted = "export" if self.export.form else "deliver_to" if self.wanted.delivers else ""
        if wanted and (self.policy.get("key_props") or {}).get("exportable") is False:
            raise Failed(
                wanted + ": the private key of " + self.name + " cannot leave the vault",
                "take it out of this field, or make the key exportable in the certificate's policy",
            )

    def _refuse_too_early(self, validity, what):
        if self.wanted.rotate_before is not None and self.wanted.rotate_before >= validity:
            raise Failed(
                "rotate_before_hours is not shorter than the certificate's " + what,
                "set it to less, such as 168 (where the record lacks the field, it is 720), or every run would renew",
            )

    def begin(self, last):
        """A new version, by the certificate's own policy or with what the record wants different."""
        return self.vault.begin(self.name, self.policy if self.wishes else None, None, last)

    def read(self, version):
        """What stands in the certificate itself."""
        self.facts = x509.facts(self.vault.certificate(self.name, version))
        return Minted(version, Secret(self.facts.thumbprint), self.facts.expires, self.made.get(version))

    def check_valid(self, minted):
        """It is valid now."""
        if not self.facts.not_before <= self.http.now() < self.facts.expires:
            until = self.facts.not_before.strftime(STAMP) + " to " + self.facts.expires.strftime(STAMP)
            raise Failed("the new version is not valid now", "it is from " + until)

    def switch_off(self, version):
        """It is disabled: one version alone cannot be deleted."""
        self.vault.enable(self.name, version, False)

    def more_outputs(self, minted, record):
        """What a person wants to know of a certificate, and the attachment's name and password."""
        written = {
            "serial_number": self.facts.serial_number,
            "issuer": self.facts.issuer,
            "not_before": self.facts.not_before.strftime(STAMP),
        }
        written.update(self.export.outputs(record))
        if not self.wishes.subject or same_subject(self.wishes.subject, self.facts.subject):
            written["subject"] = self.facts.subject  # else it stays a wish, for the next version
        if record.value("csr") and not self._is_asked_for(record):
            written["csr"] = ""
        return written

    def deliverable(self, value, record):
        """The certificate with its key, as Key Vault keeps it."""
        return Secret(self.vault.secret(self.name, self.published_id(record))[0])

    def address(self, key_id):
        """Key Vault shows each version as a secret too."""
        return self.vault.url + "/secrets/" + self.name + "/" + key_id

    def hand_over(self):
        """As a certificate."""
        return HandOver({}, "", "certificate", "Certificate", content_type=x509.PFX, certificate=self.id)


if __name__ == "__main__":
    sys.exit(run(KeyVaultCertificate))
