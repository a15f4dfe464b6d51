"""Entra ID: the metadata that clients read before they sign in, and the token endpoint (client credentials)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sandbox.entra.directory import Application, Directory, Password, ServicePrincipal, new_id
from sandbox.entra.tokens import LIFETIME, Tokens
from sandbox.proxy.clock import Clock
from sandbox.proxy.messages import LoggedRequest, Request, Response
from sandbox.proxy.service import Service, route

HOSTS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
)
GRAPH_HOSTS = {
    "login.microsoftonline.us": "graph.microsoft.us",
    "login.partner.microsoftonline.cn": "microsoftgraph.chinacloudapi.cn",
    "login.chinacloudapi.cn": "microsoftgraph.chinacloudapi.cn",
}
ANY_TENANT = ("common", "organizations")
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TENANT = r"/(?P<tenant>[^/]+)"
SCOPE = re.compile(r"(?P<resource>(?:https|api)://[^ ]+|[0-9a-f-]{36})/\.default", re.IGNORECASE)


class SignInRefused(Exception):
    """A refusal with its AADSTS number, HTTP status and OAuth error."""

    def __init__(self, number: int, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.number = number
        self.status = status
        self.error = error


class Entra(Service):
    """Signs applications in.

    One that was removed signs in still for ``removal_seconds``.
    A new secret is refused for ``propagation_seconds``; after that, ``propagation_flaps`` is what its first sign-ins
    are told one by one, as replicas that do not agree yet would (True: accepted). ``replica_lags``: how many seconds
    later each replica knows a new secret. A connection meets one of them, and a cookie keeps its client there, whatever
    connection it comes by. ``echoes_requests``: errors quote the request, so that a client that prints them can be
    caught.
    """

    name = "entra"
    hosts = HOSTS

    def __init__(self, directory: Directory, tokens: Tokens, clock: Clock, echoes_requests: bool = False) -> None:
        self.directory = directory
        self.tokens = tokens
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.propagation_seconds = 0.0
        self.removal_seconds = 0.0
        self.propagation_flaps: Sequence[bool] = ()
        self.replica_lags: Sequence[float] = (0.0,)
        self.federated_tokens: dict[str, str] = {}
        """Client assertions that are accepted, and the client id that each stands for."""

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def key_of(self, client_id: str, secret: str) -> str | None:
        """The key id of the live secret with this text, if the application has one."""
        application = self.directory.by_client_id(client_id)
        found = _match(application, secret) if application else None
        return found.key_id if found and found.end > self.clock.now() else None

    def secret_works(self, client_id: str, secret: str) -> bool:
        """Whether the application has this secret now: there, not expired, and known to all replicas."""
        application = self.directory.by_client_id(client_id)
        found = _match(application, secret) if application else None
        return found is not None and found.usable_from + max(self.replica_lags) <= self.clock.now() < found.end

    # -- the wire -----------------------------------------------------------------------------------------------

    def describe(self, request: Request, logged: LoggedRequest) -> None:
        """Note in the log who signs in, and how."""
        if logged.operation == "token":
            form = request.form()
            logged.client_id = form.get("client_id", "")
            logged.by_secret = "client_secret" in form

    @route("GET", r"/common/discovery/instance", "discovery")
    def discovery(self, request: Request, match: re.Match[str]) -> Response:
        """Which hosts are Entra's."""
        metadata = [{"preferred_network": host, "preferred_cache": host, "aliases": [host]} for host in self.hosts]
        endpoint = f"https://{request.host}/{self.directory.tenant_id}/v2.0/.well-known/openid-configuration"
        content = {"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata}
        return Response.of(200, content)

    @route("GET", TENANT + r"(?:/v2\.0)?/\.well-known/openid-configuration", "openid")
    def openid(self, request: Request, match: re.Match[str]) -> Response:
        """Where a tenant's endpoints are."""
        tenant = match["tenant"].lower()
        if not self._knows(tenant) and tenant not in ANY_TENANT:
            return self._refusal(request, _no_such_tenant(tenant, error="invalid_tenant"))
        base = f"https://{request.host}/{tenant if tenant in ANY_TENANT else self.directory.tenant_id}"
        return Response.of(200, {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base}/v2.0",
            "request_uri_parameter_supported": False,
            "userinfo_endpoint": f"https://{self._graph_host(request)}/oidc/userinfo",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "tenant_region_scope": "EU",
            "cloud_instance_name": request.host.removeprefix("login."),
            "msgraph_host": self._graph_host(request),
        })  # fmt: skip

    @route("POST", TENANT + r"/oauth2/v2\.0/token", "token")
    def token(self, request: Request, match: re.Match[str]) -> Response:
        """The client credentials grant."""
        try:
            resource, application = self._signed_in(match["tenant"].lower(), request)
        except SignInRefused as refusal:
            return self._refusal(request, refusal)
        return Response.of(200, {
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "ext_expires_in": LIFETIME,
            "access_token": self.tokens.issue(application.client_id, resource),
        }, {
            "Cache-Control": "no-store, no-cache", "Pragma": "no-cache",
            "Set-Cookie": f"stsservicecookie=estsfd{self._replica(request)}; path=/; secure; samesite=none; httponly",
        })  # fmt: skip

    def failure(self, request: Request, status: int) -> Response:
        """A trouble of Entra's own; 429 is a throttled tenant."""
        number, error = (90055, "temporarily_unavailable") if status == 429 else (90006, "temporarily_unavailable")
        return self._refusal(request, SignInRefused(number, status, error, "The service could not sign you in."))

    def _replica(self, request: Request) -> int:
        cookie = re.search(r"stsservicecookie=estsfd(\d+)", request.headers.get("cookie", ""))
        return int(cookie[1]) if cookie else request.connection % len(self.replica_lags)

    def _signed_in(self, tenant: str, request: Request) -> tuple[str, Application]:
        form = request.form()
        for name in ("grant_type", "client_id", "scope"):
            if not form.get(name):
                message = f"The request body must contain the following parameter: '{name}'."
                raise SignInRefused(900144, 400, "invalid_request", message)
        if not self._knows(tenant):
            raise _no_such_tenant(tenant)
        if form["grant_type"] != "client_credentials":
            raise SignInRefused(70003, 400, "unsupported_grant_type", "The app requested an unsupported grant type.")
        scope = SCOPE.fullmatch(form["scope"].strip())
        if scope is None:
            raise SignInRefused(70011, 400, "invalid_scope", f"The scope {form['scope']} is not valid.")
        application = self._known_application(form["client_id"], tenant)
        self._authenticate(application, form, self.replica_lags[self._replica(request)])
        if application.blocked_by_conditional_access:
            message = "Access has been blocked by Conditional Access policies."
            raise SignInRefused(53003, 400, "invalid_grant", message)
        return scope["resource"], application

    def _known_application(self, client_id: str, tenant: str) -> Application:
        application = self.directory.by_client_id(client_id)
        if application is None or application.audience == "PersonalMicrosoftAccount":
            message = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            raise SignInRefused(700016, 400, "unauthorized_client", message)
        principal = self.directory.principal_of(client_id)
        if principal is None:
            message = f"The client application {client_id} is missing service principal in the tenant {tenant}."
            raise SignInRefused(7000229, 400, "unauthorized_client", message)
        if application.disabled or not principal.enabled:
            message = f"Application '{client_id}'({application.display_name}) is disabled."
            raise SignInRefused(7000112, 400, "unauthorized_client", message)
        return application

    def _authenticate(self, application: Application, form: dict[str, str], lag: float) -> None:
        if form.get("client_assertion"):
            owner = self.federated_tokens.get(form["client_assertion"])
            if form.get("client_assertion_type") != JWT_BEARER or owner != application.client_id:
                raise SignInRefused(50012, 401, "invalid_client", "Authentication failed: the assertion is invalid.")
        elif form.get("client_secret"):
            self._check_secret(application, form["client_secret"], lag)
        else:
            message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise SignInRefused(7000218, 401, "invalid_client", message)

    def _check_secret(self, application: Application, secret: str, lag: float) -> None:
        now = self.clock.now()
        principal = self.directory.principal_of(application.client_id)
        password = _match(application, secret) or _match(principal, secret) or self._removed(application, secret)
        if password is None or now < password.usable_from + lag or (password.flaps and not password.flaps.pop(0)):
            message = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{application.client_id}'."
            )
            raise SignInRefused(7000215, 401, "invalid_client", message)
        if password.end <= now:
            message = f"The provided client secret keys for app '{application.client_id}' are expired."
            raise SignInRefused(7000222, 401, "invalid_client", message)

    def _removed(self, application: Application, secret: str) -> Password | None:
        since = self.clock.now() - self.removal_seconds
        return next((each for each, at in application.removed if at > since and each.text == secret), None)

    def _knows(self, tenant: str) -> bool:
        return tenant in (self.directory.tenant_id, self.directory.domain)

    def _graph_host(self, request: Request) -> str:
        return GRAPH_HOSTS.get(request.host, "graph.microsoft.com")

    def _refusal(self, request: Request, refusal: SignInRefused) -> Response:
        moment = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = new_id(), request.headers.get("client-request-id") or new_id()
        text = f"AADSTS{refusal.number}: {refusal}{self._quotation(request)}"
        content: dict[str, Any] = {
            "error": refusal.error,
            "error_description": f"{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}",
            "error_codes": [refusal.number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://{request.host}/error?code={refusal.number}",
        }
        return Response.of(refusal.status, content)

    def _quotation(self, request: Request) -> str:
        form = request.form() if self.echoes_requests else {}
        sent = form.get("client_secret") or form.get("client_assertion")
        return f" Request: client_secret={sent} ({quote(sent, safe='')})." if sent else ""


def _match(owner: Application | ServicePrincipal | None, secret: str) -> Password | None:
    return next((each for each in owner.passwords if each.text == secret), None) if owner else None


def _no_such_tenant(tenant: str, error: str = "invalid_request") -> SignInRefused:
    return SignInRefused(90002, 400, error, f"Tenant '{tenant}' not found. Check to make sure it is the right one.")
