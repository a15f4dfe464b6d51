"""How a certificate gets a version, on the wire: create, pending, merge, import.

Sources: the recordings, and https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.key_vault.base import KeyVaultBase, KeyVaultError, bad_parameter, json_object
from sandbox.key_vault.certificates import shapes as shapes
from sandbox.key_vault.certificates.issuance import Issuance
from sandbox.key_vault.certificates.policies import imported_policy, new_policy
from sandbox.key_vault.certificates.store import COMPLETED, Certificate, Pending
from sandbox.key_vault.material import CONTENT_TYPES, PFX, Material, read_import, read_x5c
from sandbox.key_vault.secrets import NAME
from sandbox.key_vault.vaults import Vault
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

CERTIFICATE = r"/certificates/(?P<name>[^/]+)"
PENDING = CERTIFICATE + "/pending"


class KeyVaultCertificateRequests(Part):
    """The requests for a version, and the versions that are brought."""

    def __init__(self, keyvault: KeyVaultBase, issuance: Issuance) -> None:
        self.keyvault = keyvault
        self.clock = keyvault.clock
        self.issuance = issuance

    @route("POST", CERTIFICATE + "/create", "create_certificate")
    def create_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Ask for a version: under the policy that is sent, or else under the one that is there."""
        vault, content = self._begin(request, match, "create/action")
        before = vault.certificates.live.get(match["name"].lower())
        policy = before.policy if before else None
        if given := content.get("policy"):
            policy = self.issuance.dated(new_policy(given, vault.certificates.issuers), policy)
        if policy is None:
            raise bad_parameter("Property policy is required for a certificate that is not there yet.")
        certificate = before or Certificate(match["name"], policy)
        pending = self.issuance.ask(vault, certificate, policy, **self.issuance.flags(content))
        location = f"{vault.url}/certificates/{certificate.name}/pending"
        query = f"?api-version={request.query['api-version']}&request_id={pending.request_id}"
        return Response.of(202, shapes.operation(vault, certificate, pending), {"Location": location + query})

    @route("GET", PENDING, "get_certificate_operation")
    def get_certificate_operation(self, request: Request, match: re.Match[str]) -> Response:
        """What became of a request."""
        vault = self.keyvault.authorize_certificate(request, "read", match["name"])
        return Response.of(200, shapes.operation(vault, *self._pending(vault, request, match)))

    @route("PATCH", PENDING, "update_certificate_operation")
    def update_certificate_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Ask for a request to be cancelled, which it then is.

        Sources: the documentation promises 400 where it is over, and the service answers 403:
        https://github.com/Azure/azure-sdk-for-js/issues/25758
        """
        vault = self.keyvault.authorize_certificate(request, "update/action", match["name"])
        certificate, pending = self._pending(vault, request, match)
        if not certificate.in_progress:
            raise KeyVaultError(403, "Pending status must be in progress to allow update.")
        pending.cancelling = bool(json_object(request).get("cancellation_requested"))
        return Response.of(200, shapes.operation(vault, certificate, pending))

    @route("DELETE", PENDING, "delete_certificate_operation")
    def delete_certificate_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Forget a request; nobody signs it any more.

        Not verified: whether a certificate without a version stays behind, with its policy.
        """
        vault = self.keyvault.authorize_certificate(request, "update/action", match["name"])
        certificate, pending = self._pending(vault, request, match)
        certificate.pending = None
        if not certificate.versions:
            del vault.certificates.live[certificate.name.lower()]
        return Response.of(200, shapes.operation(vault, certificate, pending))

    @route("POST", PENDING + "/merge", "merge_certificate")
    def merge_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """Bring the chain that was signed elsewhere; with an issuer, only once that one has failed."""
        vault = self.keyvault.authorize_certificate(request, "create/action", match["name"])
        certificate, pending = self._pending(vault, request, match)
        issuer = pending.policy["issuer"]["name"]
        if pending.status == COMPLETED:
            raise KeyVaultError(403, "The pending certificate is completed already.")
        if not pending.by_hand and certificate.in_progress:
            raise KeyVaultError(
                403, f"Merge is forbidden on pending object created with issuer : {issuer} while it is in progess."
            )
        content = json_object(request)
        flags: dict[str, Any] = {"enabled": pending.enabled, "tags": pending.tags} | named(
            content, self.issuance.flags(content)
        )
        material = _material(lambda: read_x5c(list(content.get("x5c") or ()), pending.key))
        version = self.issuance.complete(vault, certificate, material, version=pending.version, **flags)
        pending.status, pending.details, pending.failure = COMPLETED, None, None
        moved = f"{vault.url}/certificates/{certificate.name}?api-version={request.query['api-version']}"
        return Response.of(201, shapes.bundle(vault, certificate, version), {"Location": moved})

    @route("POST", CERTIFICATE + "/import", "import_certificate")
    def import_certificate(self, request: Request, match: re.Match[str]) -> Response:
        """A version that was made elsewhere, with its key; what is expired is not taken."""
        vault, content = self._begin(request, match, "import/action")
        before = vault.certificates.live.get(match["name"].lower())
        given = content.get("policy") or {}
        content_type = _content_type(given, before)
        value, password = content.get("value"), content.get("pwd")
        if not isinstance(value, str) or not value:
            raise bad_parameter("Property value is required.")
        material = _material(lambda: read_import(value, password, content_type))
        if material.chain[0].not_valid_after_utc.timestamp() <= self.clock.now():
            raise bad_parameter("The specified X.509 certificate has expired.")
        issuers = vault.certificates.issuers
        known = before.policy if before else None
        policy = self.issuance.dated(imported_policy(given, known, material, content_type, issuers), known)
        certificate = before or Certificate(match["name"], policy)
        certificate.policy, certificate.pending = policy, None
        version = self.issuance.complete(vault, certificate, material, **self.issuance.flags(content))
        return Response.of(200, shapes.bundle(vault, certificate, version))

    def _begin(self, request: Request, match: re.Match[str], action: str) -> tuple[Vault, dict[str, Any]]:
        vault, content = self.keyvault.authorize_certificate(request, action, match["name"]), json_object(request)
        if not NAME.fullmatch(match["name"]):
            raise bad_parameter("A certificate's name is 1 to 127 letters, digits and hyphens.")
        self.issuance.refuse_name(vault, match["name"])
        self.issuance.refuse_pending(vault.certificates.live.get(match["name"].lower()))
        return vault, content

    def _pending(self, vault: Vault, request: Request, match: re.Match[str]) -> tuple[Certificate, Pending]:
        """The request; one that is named in the query has to be this very one."""
        found = vault.certificates.live.get(match["name"].lower())
        if not found or not found.pending or request.query.get("request_id") not in (None, found.pending.request_id):
            raise KeyVaultError(404, f"Pending certificate not found: {match['name']}", "PendingCertificateNotFound")
        return found, found.pending


def named(content: Mapping[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Those of the flags that a request really names."""
    given = {"enabled": (content.get("attributes") or {}).get("enabled"), "tags": content.get("tags")}
    return {name: value for name, value in flags.items() if given[name] is not None}


def _content_type(given: Mapping[str, Any], before: Certificate | None) -> str:
    """In which form an import comes: what its policy says, or else the policy that is there already."""
    known = before.policy["secret_props"]["contentType"] if before else PFX
    chosen = (given.get("secret_props") or {}).get("contentType") or known
    if chosen not in CONTENT_TYPES:
        raise bad_parameter("Property policy.secret_props.contentType has invalid value.")
    return str(chosen)


def _material(read: Callable[[], Material]) -> Material:
    try:
        return read()
    except ValueError as error:
        raise bad_parameter(str(error)) from None
