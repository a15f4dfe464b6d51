"""Microsoft Graph: all that it serves, and what tests and the demo do to it directly."""

from __future__ import annotations

import copy

from sandbox.entra.directory import DAY, Application, Directory, Password, new_id
from sandbox.entra.service import Entra
from sandbox.entra.tokens import Tokens
from sandbox.graph.applications import GraphApplications
from sandbox.graph.base import GraphBase
from sandbox.graph.passwords import GraphPasswords
from sandbox.graph.policies import GraphPolicies
from sandbox.graph.principals import GraphPrincipals
from sandbox.proxy.clock import Clock
from sandbox.proxy.service import STATE

LONG_SETTLED = 0.0


class Graph(GraphBase):
    """Principals, applications and their secrets."""

    def __init__(
        self, directory: Directory, tokens: Tokens, entra: Entra, clock: Clock, echoes_requests: bool = False
    ) -> None:
        super().__init__(directory, tokens, clock, echoes_requests)
        principals = GraphPrincipals(self)
        applications = GraphApplications(self, principals)
        self.parts = (
            principals, applications, GraphPasswords(self, applications, entra), GraphPolicies(self, applications)
        )  # fmt: skip

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
