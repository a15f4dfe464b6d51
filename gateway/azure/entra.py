"""Signing in to Entra ID: for ourselves, and to prove that a new client secret works.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
and https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import requests

from gateway.errors import CallError, Failed, NotSent, Refused, Unclear
from gateway.host.http import Http, json_object, retry_after
from gateway.model.clouds import Cloud
from gateway.secret import Secret

WHERE = "Entra sign-in"
# Where a token does not say when it ends; Entra's live for an hour at least.
_SHORTEST = 3000.0

WRONG_SECRET = 7000215
# Wrong, or not known here yet; expired.
WRONG_SECRETS = frozenset({WRONG_SECRET, 7000222})
# The application has no service principal in the tenant, is for personal accounts only, or is disabled.
CANNOT_SIGN_IN = frozenset({700016, 7000229, 7000112, 9002331})
# Conditional Access and the like are looked at only after the secret was accepted.
ACCEPTED_BUT_BLOCKED = frozenset({53003, 530034, 530035})

_HINTS = {
    WRONG_SECRET: "the client secret is wrong; Keeper needs the Value of the secret, not its Secret ID",
    7000222: "this client secret has expired: make a new one in the Azure portal and put it into the record",
    700016: "no such application in this tenant: check the client id and the tenant id",
    7000229: "the application has no enterprise application (service principal) in this tenant",
    7000112: "the application is disabled in Entra",
    90002: "no such tenant: check tenant_id",
    900023: "tenant_id is neither a tenant's id nor one of its domains",
    53003: "a Conditional Access policy blocks this sign-in",
}


class Entra:
    """The token endpoint of one tenant in one cloud, for one application.

    Args:
        http: the session of the run.
        cloud: where to sign in.
        tenant_id: the tenant's id or one of its domains.
        client_id: of the application that signs in; empty for a host's only managed identity.
        client_secret: None where the host's managed or workload identity signs in.
    """

    def __init__(self, http: Http, cloud: Cloud, tenant_id: str, client_id: str, client_secret: Secret | None) -> None:
        self._http = http
        self._cloud = cloud
        self._tenant_id = tenant_id
        self._client_id = client_id
        self._lock = threading.Lock()
        self.use(client_secret)

    def use(self, client_secret: Secret | None) -> None:
        """Sign in with this from now on."""
        self._client_secret = client_secret
        self._application: Any = None
        self._tokens: dict[str, Secret] = {}

    def token(self, scope: str) -> Secret:
        """An access token, asked for once in a run.

        Raises:
            Failed: this host has no identity.
            CallError
        """
        with self._lock:
            if scope not in self._tokens:
                by_secret = self._client_secret is not None
                self._tokens[scope] = (
                    self._http.retrying(lambda: self._by_secret(scope)) if by_secret else self._by_identity(scope)
                )
            return self._tokens[scope]

    def _by_secret(self, scope: str) -> Secret:
        answer = self._msal().acquire_token_for_client([scope])
        if "access_token" not in answer:
            raise Unclear(WHERE, "an answer without a token")
        return Secret(answer["access_token"])

    def _msal(self) -> Any:
        """One object for all scopes: it asks once where the endpoint is. What fails is raised past its cache."""
        import msal

        if self._application is None:
            self._application = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=self._client_secret.reveal() if self._client_secret else "",
                authority=f"{self._cloud.login}/{self._tenant_id}",
                http_client=_MsalHttp(self._http, self._cloud),
                instance_discovery=False,
                azure_region=False,  # a region, such as MSAL_FORCE_REGION's, serves Microsoft's own applications alone
            )
        return self._application

    def _by_identity(self, scope: str) -> Secret:
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import ManagedIdentityCredential, WorkloadIdentityCredential

        options: dict[str, Any] = {"client_id": self._client_id} if self._client_id else {}
        seconds = self._http.timeout()
        timeouts: dict[str, Any] = {"connection_timeout": seconds, "read_timeout": seconds, "retry_total": 2}
        credential = (
            WorkloadIdentityCredential(tenant_id=self._tenant_id, authority=self._cloud.login, **options, **timeouts)
            if os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
            else ManagedIdentityCredential(**options, **timeouts)
        )
        try:
            return Secret(credential.get_token(scope).token)
        except (ClientAuthenticationError, ValueError, OSError):
            raise Failed(
                "Entra sign-in: the configuration has no client secret, and no managed or workload identity answered",
                "fill in the client secret of the PAM configuration, or give this host an identity",
            ) from None
        except AzureError as error:
            raise Unclear(
                WHERE,
                f"no usable answer from the managed or workload identity of this host ({type(error).__name__})",
                "check that this host reaches the endpoint of its identity, past any proxy (NO_PROXY); then run again",
            ) from None

    def expect(self, times: int) -> None:
        """Begin to open connections for so many calls of `accepts`."""
        self._http.open_fresh(self._cloud.login, times)

    def accepts(self, client_id: str, client_secret: Secret) -> None:
        """Ask the token endpoint once, past every cache, whether it accepts this secret now.

        On a connection of its own and without cookies: Entra keeps both to the replica that it answered from first.

        Raises:
            CallError: not accepted, or no answer.
        """
        form = {
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
            "scope": f"{self._cloud.graph}/.default",
            "grant_type": "client_credentials",
        }
        url = f"{self._cloud.login}/{self._tenant_id}/oauth2/v2.0/token"
        try:
            answer = json_object(checked(self._http.raw(WHERE, "POST", url, fresh=True, data=form)))
            if not answer or "access_token" not in answer:
                raise Unclear(WHERE, "an answer without a token")
        except Refused as error:
            if aadsts(error) not in ACCEPTED_BUT_BLOCKED:
                raise


class _MsalHttp:
    """Our session in the shape that msal asks for. Every failure is raised here, before msal sees and caches it.

    The secret goes nowhere but to the cloud's own sign-in.
    """

    def __init__(self, http: Http, cloud: Cloud) -> None:
        self._http = http
        self._cloud = cloud

    def get(self, url: str, **_: Any) -> SimpleNamespace:
        """What a tenant answers when it is asked where to sign in. Nobody needs to be asked: it is the same for all.

        Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
        """
        begins = url.removesuffix("/v2.0/.well-known/openid-configuration") + "/oauth2/v2.0"
        endpoints = {"authorization_endpoint": f"{begins}/authorize", "token_endpoint": f"{begins}/token"}
        return SimpleNamespace(status_code=200, text=json.dumps(endpoints), headers={})

    def post(self, url: str, **arguments: Any) -> requests.Response:
        return checked(self._http.raw(WHERE, "POST", self._own(url), **arguments))

    def _own(self, url: object) -> str:
        if isinstance(url, str) and url.startswith(f"{self._cloud.login}/"):
            return url
        what = f"the token endpoint that was named is not below {self._cloud.login}: nothing was sent there"
        raise NotSent(WHERE, what, "check DNS, proxies and private CAs of this host: something else answers for it")

    def close(self) -> None:
        """The session belongs to the run."""


def checked(response: requests.Response) -> requests.Response:
    """The response, if it is a success with a JSON body. Of an error only its number is kept: the text may quote us.

    Raises:
        Refused, Unclear
    """
    status, body = response.status_code, json_object(response)
    # To be asked again, whatever the status; a throttled tenant says so, too.
    is_away = status != 429 and (body or {}).get("error") == "temporarily_unavailable"
    if status >= 500 or is_away:
        raise Unclear(WHERE, f"HTTP {status}")
    if body is None:
        raise Unclear(WHERE, "an answer that is not JSON")
    if status == 200:
        return response
    codes = body.get("error_codes")
    number = codes[0] if isinstance(codes, list) and codes and isinstance(codes[0], int) else 0
    code = f"AADSTS{number}" if number else ""
    wait = retry_after(response)
    raise Refused(WHERE, status, code, throttled=status == 429, retry_after=wait, hint=_HINTS.get(number, ""))


def aadsts(error: CallError) -> int:
    """The number of an AADSTS error, 0 where it has none."""
    code = error.code if isinstance(error, Refused) else ""
    return int(code.removeprefix("AADSTS")) if code.startswith("AADSTS") else 0


def token_ends(token: Secret) -> float:
    """When the token ends, in seconds since 1970, by its own claim; for nothing but a new one in time."""
    try:
        payload = token.reveal().split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return time.time() + _SHORTEST
