"""What every kind of Azure credential shares: one sign-in, with the connection to Graph opened at the same time."""

from __future__ import annotations

import contextlib

from gateway.admin import AdminCredential
from gateway.aside import Aside
from gateway.clouds import Cloud
from gateway.entra import Entra
from gateway.errors import CallError
from gateway.graph import Graph
from gateway.http import Http
from gateway.secret import Secret


class Azure:
    """One admin credential signed in to one cloud.

    Raises:
        Failed, CallError: it cannot sign in.
    """

    def __init__(self, http: Http, cloud: Cloud, admin: AdminCredential) -> None:
        self.cloud = cloud
        self.admin = admin
        self.entra = Entra(http, cloud, admin.tenant_id)
        Aside(lambda: _open_connection(http, cloud.graph))
        self.graph = Graph(http, cloud.graph, self._token(admin.client_secret))

    def _token(self, client_secret: Secret | None) -> Secret:
        if client_secret is None:
            return self.entra.sign_in_with_identity(self.admin.client_id)
        return self.entra.sign_in(self.admin.client_id, client_secret)

    def sign_in_again(self, client_secret: Secret) -> None:
        """Go on with a new secret of the admin's own application.

        Raises:
            CallError: it is not accepted.
        """
        self.graph.token = self._token(client_secret)


def _open_connection(http: Http, root: str) -> None:
    """Leave an open connection in the session. The answer, and whether there is one, does not matter."""
    with contextlib.suppress(CallError):
        http.raw("Graph connection", "HEAD", f"{root}/v1.0/")
