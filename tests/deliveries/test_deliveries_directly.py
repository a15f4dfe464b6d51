"""What the engine asks of deliveries besides serving them: what a destination shows, and some checks only."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.azure.sign_in import Azure
from gateway.deliveries.addresses import read_destinations
from gateway.deliveries.base import Delivery, DeliveryContext
from gateway.deliveries.distribution import Deliveries
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.keeper.config import find_ksm_config
from gateway.keeper.vault import Vault
from gateway.model.clouds import CLOUDS
from gateway.model.credential import AdminCredential, DeliveryForm
from gateway.secret import Secret
from sandbox.proxy import faults
from tests.stage.rotation import Stage

CLOUD = CLOUDS["AzureCloud"]


@pytest.fixture
def context(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> DeliveryContext:
    """What a run hands to destinations."""
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "KSM_CONFIG_FILE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.variables[name])
    deadline = Deadline(30, 0.01)
    http = Http(3, deadline)
    at = stage.at
    who = (at.tenant_id, at.admin_client_id, Secret(at.admin_secret), "test", at.admin_record_uid)
    azure = Azure(http, AdminCredential(*who, CLOUD, lambda label: ""), CLOUD.arm)
    form = DeliveryForm({"clientid": at.target_client_id}, "clientid", "clientsecret", "ClientSecret")
    return DeliveryContext(http, deadline, azure, Vault(find_ksm_config(), http), (), at.record_uid, form, False)


def consumer(stage: Stage, value: str, label: str = "its secret") -> str:
    """The address of another record's field."""
    return f"keeper:{stage.consumer('its secret', value)}#{label}"


def key_vault(stage: Stage, value: str, spoil: Callable[[Stage], None] = lambda stage: None) -> str:
    """The address of a secret that holds this."""
    made = stage.deliver("secret_address")
    stage.sandbox.keyvault.set_secret(made.vault, made.secret_name, value)
    spoil(stage)
    return made.secret_address


def disabled(stage: Stage) -> None:
    """Somebody switched the current version off."""
    made = stage.destinations
    assert made
    stage.sandbox.keyvault.versions(made.vault, made.secret_name)[-1].enabled = False


def down(stage: Stage) -> None:
    """The vault does not answer."""
    stage.sandbox.fault("keyvault", None, faults.Status(503), times=None)


PUBLISHED = "the-published-value"
SHOWS: dict[str, tuple[Callable[[Stage], str], bool | None]] = {
    "a Key Vault secret with the value": (lambda stage: key_vault(stage, PUBLISHED), True),
    "a Key Vault secret with another": (lambda stage: key_vault(stage, "another"), False),
    "a Key Vault secret that is disabled": (lambda stage: key_vault(stage, PUBLISHED, disabled), False),
    "a vault that does not answer": (lambda stage: key_vault(stage, PUBLISHED, down), None),
    "a Keeper field with the value": (lambda stage: consumer(stage, PUBLISHED), True),
    "a Keeper field with another": (lambda stage: consumer(stage, "another"), False),
    "a Keeper field that is not there": (lambda stage: consumer(stage, PUBLISHED, "no such label"), None),
    "a service connection": (lambda stage: stage.deliver("devops_address").devops_address, None),
    "a runbook": (lambda stage: stage.deliver("runbook_address").runbook_address, None),
    "an API connection": (lambda stage: stage.deliver("connection_address").connection_address, None),
}


@pytest.mark.parametrize("what", SHOWS)
def test_what_it_shows(what: str, stage: Stage, context: DeliveryContext) -> None:
    address, expected = SHOWS[what][0](stage), SHOWS[what][1]
    stage.sandbox.forget()
    (destination,) = read_destinations(address, CLOUD)
    assert destination.shows(context, Delivery("key", Secret(PUBLISHED), None)) is expected
    writes = [request for request in stage.sandbox.requests if request.method in ("PUT", "PATCH")]
    assert not writes


def test_only_some_are_checked(stage: Stage, context: DeliveryContext) -> None:
    wrong, right = consumer(stage, "x", "no such label"), consumer(stage, "x")
    destinations = read_destinations(f"{wrong}\n{right}", CLOUD)
    deliveries = Deliveries(destinations, {}, context)
    assert not deliveries.check(destinations[1:])
    ((_, problem),) = deliveries.check()
    assert "no field with this label" in str(problem)
