"""What every kind of Azure credential shares: one sign-in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.azure.arm import Arm
from gateway.azure.entra import Entra
from gateway.azure.graph import Graph
from gateway.host.http import Http
from gateway.model.credential import AdminCredential
from gateway.secret import Secret

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken


class Azure:
    """One admin credential signed in to its cloud.

    Args:
        begin_with: the service that is asked first: ``https://graph.microsoft.com``, ``https://management.azure.com``,
            or ``https://vault.azure.net`` for any vault.

    Raises:
        Failed, CallError: it cannot sign in.
    """

    def __init__(self, http: Http, admin: AdminCredential, begin_with: str) -> None:
        self.cloud = cloud = admin.cloud
        self.tenant_id = admin.tenant_id
        self.entra = Entra(http, cloud, admin.tenant_id, admin.client_id, admin.client_secret)
        self.graph = Graph(http, cloud.graph, lambda: self.token(f"{cloud.graph}/.default"))
        self.arm = Arm(http, cloud.arm, lambda: self.token(f"{cloud.arm}/.default"))
        for url in (cloud.login, begin_with):
            if url != f"https://{cloud.key_vault}":  # where no vault is
                http.open(url)
        self.token(f"{begin_with}/.default")

    def token(self, scope: str) -> Secret:
        """An access token for a service. Raises Failed, CallError."""
        return self.entra.token(scope)

    def credential(self) -> Credential:
        """This sign-in in the shape that Microsoft's clients ask for."""
        return Credential(self)

    def sign_in_again(self, client_secret: Secret) -> None:
        """Go on with a new secret of the admin's own application.

        Raises:
            CallError: it is not accepted.
        """
        self.entra.use(client_secret)
        self.token(f"{self.cloud.graph}/.default")


class Credential:
    """An ``azure.core.credentials.TokenCredential`` on our own sign-in."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for one scope; it outlives every run."""
        from azure.core.credentials import AccessToken

        return AccessToken(self._azure.token(scopes[0]).reveal(), int(time.time()) + 3000)
