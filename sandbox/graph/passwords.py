"""Graph's operations on the secrets of applications."""

from __future__ import annotations

import re
from typing import Any

from sandbox.entra.directory import DAY, PERSONAL_AUDIENCES, TWO_YEARS, Application, Password, new_id
from sandbox.entra.service import Entra
from sandbox.graph.applications import APPLICATION, GraphApplications
from sandbox.graph.base import GraphBase, GraphError, bad_request
from sandbox.proxy.clock import from_iso
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Part, route

MOST_PERSONAL_PASSWORDS = 2


class GraphPasswords(Part):
    """Secrets are made and removed here; ``entra`` says how long a new one takes until it signs in."""

    def __init__(self, graph: GraphBase, applications: GraphApplications, entra: Entra) -> None:
        self.graph = graph
        self.clock = graph.clock
        self.applications = applications
        self.entra = entra

    @route("POST", APPLICATION + r"/addPassword", "add_password")
    def add_password(self, request: Request, match: re.Match[str]) -> Response:
        """Mint a secret; this answer is the only one that ever shows its text."""
        application = self.applications.permitted(request, match, write=True)
        wanted = self.graph.body(request).get("passwordCredential") or {}
        now = self.clock.now()
        start = self._moment(wanted, "startDateTime", now)
        end = self._moment(wanted, "endDateTime", start + TWO_YEARS)
        self._check_policy(application, start, end)
        password = Password(new_id(), self.graph.directory.new_secret(), wanted.get("displayName"), start, end)
        password.usable_from = now + self.entra.propagation_seconds
        password.flaps = list(self.entra.propagation_flaps)
        application.passwords.append(password)
        self.applications.written(application)
        head = {"@odata.context": f"https://{request.host}/v1.0/$metadata#microsoft.graph.passwordCredential"}
        return Response.of(200, head | password.shown() | {"secretText": password.text})

    @route("POST", APPLICATION + r"/removePassword", "remove_password")
    def remove_password(self, request: Request, match: re.Match[str]) -> Response:
        """Remove a secret; Entra may know it for a while."""
        application = self.applications.permitted(request, match, write=True)
        key_id = str(self.graph.body(request).get("keyId") or "")
        password = application.password(key_id.lower())
        if password is None:
            raise bad_request(f"No password credential found with keyId: '{key_id}'.")
        application.passwords.remove(password)
        application.removed.append((password, self.clock.now()))
        return self.applications.written(application)

    def _moment(self, wanted: dict[str, Any], name: str, otherwise: float) -> float:
        try:
            return from_iso(wanted[name]) if wanted.get(name) else otherwise
        except (TypeError, ValueError):
            raise bad_request(f"Cannot convert the value of '{name}' to the type 'Edm.DateTimeOffset'.") from None

    def _check_policy(self, application: Application, start: float, end: float) -> None:
        if end <= max(start, self.clock.now()):
            raise bad_request("Key credential end date is invalid.")
        personal = application.audience in PERSONAL_AUDIENCES
        if personal and len(application.passwords) >= MOST_PERSONAL_PASSWORDS:
            count = len(application.passwords) + 1
            raise bad_request(f"Not allowed to add {count} passwords. You can only add a maximum of 2 passwords.")
        policy = application.policy or self.graph.directory.policy
        made = str(application.properties["createdDateTime"])
        if policy.passwords_forbidden and policy.enforces("passwordAddition", made):
            message = f"Credential type not allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialTypeNotAllowedAsPerAppPolicy", message)
        longest = policy.max_lifetime_days if policy.enforces("passwordLifetime", made) else None
        if longest is not None and end - start > longest * DAY:
            message = f"Credential lifetime exceeds the max value allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialInvalidLifetimeAsPerAppPolicy", message)
