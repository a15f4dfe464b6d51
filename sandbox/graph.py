"""Microsoft Graph: the secrets of applications, on top of everything else that it serves."""

from __future__ import annotations

import copy
import re
from typing import Any

from sandbox.clock import Clock, from_iso
from sandbox.directory import (
    DAY,
    PERSONAL_AUDIENCES,
    TWO_YEARS,
    Application,
    Directory,
    Password,
    new_id,
)
from sandbox.entra import Entra
from sandbox.graph_applications import APPLICATION, GraphApplications
from sandbox.graph_base import GraphError, bad_request
from sandbox.messages import Request, Response
from sandbox.service import STATE, route
from sandbox.tokens import Tokens

MOST_PERSONAL_PASSWORDS = 2
LONG_SETTLED = 0.0


class Graph(GraphApplications):
    """The whole of it, and what tests and the demo do to it directly."""

    def __init__(
        self, directory: Directory, tokens: Tokens, entra: Entra, clock: Clock, careless: bool = False
    ) -> None:
        super().__init__(directory, tokens, clock, careless)
        self.entra = entra

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def new_application(
        self, display_name: str, audience: str = "AzureADMyOrg", roles: list[str] | None = None,
        service_principal: bool = True,
    ) -> Application:  # fmt: skip
        """An application that has been there for long, with its service principal and permissions."""
        with STATE:
            application = self.directory.add_application({"displayName": display_name, "signInAudience": audience})
            if service_principal:
                self.directory.add_service_principal(application, roles)
            self._settle(application)
        return application

    def add_password(
        self, application: Application | str, display_name: str | None = "by hand",
        expires_in_days: float = 365.0, age_days: float = 1.0,
    ) -> tuple[str, str]:  # fmt: skip
        """Give an application a secret that works at once; returns its key id and its text."""
        now = self.clock.now()
        password = Password(
            new_id(), self.directory.new_secret(), display_name, now - age_days * DAY, now + expires_in_days * DAY
        )
        with STATE:
            application = self.application(application)
            application.passwords.append(password)
            self._settle(application)
        return password.key_id, password.text

    def application(self, application: Application | str) -> Application:
        """An application by its object id. Raises KeyError."""
        return self.directory.applications[application] if isinstance(application, str) else application

    def passwords(self, application: Application | str) -> list[Password]:
        """The application's secrets as they truly are, oldest first, before any replica lag."""
        with STATE:
            return copy.deepcopy(self.application(application).passwords)

    def remove(self, application: Application | str, key_id: str) -> None:
        """Remove a secret behind everyone's back."""
        with STATE:
            application = self.application(application)
            application.passwords = [entry for entry in application.passwords if entry.key_id != key_id]
            self._settle(application)

    def _settle(self, application: Application) -> None:
        application.history = [(LONG_SETTLED, application.shown())]

    # -- secrets ------------------------------------------------------------------------------------------------

    @route("POST", APPLICATION + r"/addPassword", "add_password")
    def add_password_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Mint a secret; this answer is the only one that ever shows its text."""
        application = self.permitted(request, match, write=True)
        wanted = self.body(request).get("passwordCredential") or {}
        now = self.clock.now()
        start = self._moment(wanted, "startDateTime", now)
        end = self._moment(wanted, "endDateTime", start + TWO_YEARS)
        self._check_policy(application, start, end)
        password = Password(new_id(), self.directory.new_secret(), wanted.get("displayName"), start, end)
        password.usable_from = now + self.entra.propagation_seconds
        password.flaps = list(self.entra.propagation_flaps)
        application.passwords.append(password)
        self.written(application)
        head = {"@odata.context": f"https://{request.host}/v1.0/$metadata#microsoft.graph.passwordCredential"}
        return Response.of(200, head | password.shown() | {"secretText": password.text})

    @route("POST", APPLICATION + r"/removePassword", "remove_password")
    def remove_password_operation(self, request: Request, match: re.Match[str]) -> Response:
        """Remove a secret, which stops working at once."""
        application = self.permitted(request, match, write=True)
        key_id = str(self.body(request).get("keyId") or "")
        password = application.password(key_id.lower())
        if password is None:
            raise bad_request(f"No password credential found with keyId: '{key_id}'.")
        application.passwords.remove(password)
        return self.written(application)

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
        policy = application.policy or self.directory.policy
        if policy.passwords_forbidden:
            message = f"Credential type not allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialTypeNotAllowedAsPerAppPolicy", message)
        if policy.max_lifetime_days is not None and end - start > policy.max_lifetime_days * DAY:
            message = f"Credential lifetime exceeds the max value allowed as per assigned policy '{policy.id}'."
            raise GraphError(400, "CredentialInvalidLifetimeAsPerAppPolicy", message)
