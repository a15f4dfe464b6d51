"""Signing in to the Event Hub's Kafka endpoint. What is secret comes from Entra or from a Keeper record, every time.

Source: https://learn.microsoft.com/azure/event-hubs/azure-event-hubs-apache-kafka-overview
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.azure.entra import Entra, token_ends
from gateway.errors import CallError, Failed, RotationError
from gateway.host.http import Http
from gateway.host.settings import Settings
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.listener.health import EVENT_HUB, Health
from gateway.listener.records import new_http
from gateway.listener.settings import ListenSettings
from gateway.model.clouds import CLOUDS
from gateway.secret import Secret, mask

USER = "$ConnectionString"


class SignIn:
    """How the consumer signs in.

    Args:
        listen: which way, and the record.
        settings: of the host.
        config: the Keeper configuration as JSON text.
        health: is told what is wrong with a token.
    """

    def __init__(self, listen: ListenSettings, settings: Settings, config: str, health: Health) -> None:
        self._listen = listen
        self._settings = settings
        self._config = config
        self._health = health
        self.host = listen.bootstrap_servers.split(",")[0].strip().rpartition(":")[0]

    def properties(self) -> dict[str, Any]:
        """The properties of librdkafka for it.

        Raises:
            Failed, CallError: the record cannot be read, or lacks something.
        """
        way = self._listen.sign_in
        if way == "none":
            return {}
        tls = {"security.protocol": "SASL_SSL"}
        if way == "connection-string":
            return tls | {"sasl.mechanism": "PLAIN", "sasl.username": USER, "sasl.password": self.connection_string()}
        return tls | {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": self.token}

    def connection_string(self) -> str:
        """The connection string in the record. Raises Failed, CallError."""
        text: str = self._with_http(lambda http: self._record(http).secret("connection_string").reveal().strip())
        label = f"record {self._listen.sign_in_record}: connection_string"
        parts = dict(part.partition("=")[::2] for part in text.split(";") if part)
        mask(parts.get("SharedAccessKey", ""))
        endpoint = parts.get("Endpoint", "").removeprefix("sb://").rstrip("/").lower()
        if not endpoint or not parts.get("SharedAccessKey"):
            raise Failed(f"{label} is not a connection string", "copy it from the Event Hub's shared access policies")
        if endpoint != self.host.lower():
            raise Failed(f"{label} is for {endpoint}, not for {self.host}", "correct it, or bootstrap_servers")
        return text

    def token(self, _config: str | None = None) -> tuple[str, float]:
        """A token for the namespace, and when it ends, in seconds since 1970: librdkafka's callback.

        Raises:
            Failed, CallError: librdkafka asks again in ten seconds.
        """
        try:
            token = self._with_http(self._new_token)
        except (CallError, RotationError) as error:
            self._health.trouble(EVENT_HUB, f"no sign-in: {error}")
            raise
        return token.reveal(), token_ends(token)

    def _new_token(self, http: Http) -> Secret:
        cloud, listen = CLOUDS[self._listen.azure_cloud], self._listen
        scope = f"https://{self.host}/.default"
        if listen.sign_in == "identity":
            return Entra(http, cloud, "", listen.identity_client_id, None).token(scope)
        record = self._record(http)
        tenant_id, client_id = (record.value(label).strip() for label in ("tenant_id", "application_client_id"))
        client_secret = record.secret("client_secret")
        if not (tenant_id and client_id and client_secret):
            what = f"record {record.uid}: without application_client_id, client_secret or tenant_id"
            raise Failed(what, "fill in these fields in the vault")
        return Entra(http, cloud, tenant_id, client_id, client_secret).token(scope)

    def _record(self, http: Http) -> VaultRecord:
        uid = self._listen.sign_in_record
        if record := Vault(self._config, http).read([uid]).get(uid):
            return record
        raise Failed(f"sign_in_record {uid} cannot be read", "share its folder with the application of this host")

    def _with_http(self, call: Callable[[Http], Any]) -> Any:
        http = new_http(self._settings)
        try:
            return call(http)
        finally:
            http.session.close()
