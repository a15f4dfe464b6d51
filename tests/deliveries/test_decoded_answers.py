"""What services answer about destinations becomes types: null and absent have a default, what is odd is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.azure.api_connections import read_connection, read_connector
from gateway.azure.arm import read_permission
from gateway.azure.automation import read_job, read_runbook, read_summary
from gateway.azure.resources import read_account, read_resource, read_vault
from gateway.errors import Unclear

Read = Callable[[dict[str, Any], str], Any]

NULLS: dict[str, tuple[Read, dict[str, Any], str]] = {
    "a runbook": (read_runbook, {"properties": {"parameters": None, "state": None}}, "is_published=True"),
    "a runbook's parameter": (read_runbook, {"properties": {"parameters": {"A": None}}}, "kind='Object'"),
    "a job": (read_job, {"properties": {"status": None, "exception": None}}, "status='New', exception=''"),
    "a job's stream": (read_summary, {"properties": None}, "''"),
    "a connection": (read_connection, {"properties": {"testLinks": None, "api": None}}, "test=None"),
    "a connector": (read_connector, {"properties": {"connectionParameterSets": None}}, "sets={}"),
    "a vault": (lambda body, _: read_vault(body), {"id": "/v", "properties": None}, "name='v', url='', by_roles=False"),
    "a resource": (lambda body, _: read_resource(body), {"id": "/r/x", "name": None}, "name='x'"),
    "an account": (lambda body, _: read_account(body), {"id": "/a", "properties": {}}, "admits_keys=True"),
}

ODD: dict[str, tuple[Read, dict[str, Any]]] = {
    "a runbook's parameters as a list": (read_runbook, {"properties": {"parameters": ["A"]}}),
    "a job's status as an object": (read_job, {"properties": {"status": {}}}),
    "a stream's properties as a text": (read_summary, {"properties": "x"}),
    "a connector's id in a text": (read_connection, {"properties": {"api": "x"}}),
    "test links that are none": (read_connection, {"properties": {"testLinks": ["https://x"]}}),
    "a parameter set without a name": (read_connection, {"properties": {"parameterValueSet": {"values": {}}}}),
    "a connector's parameters as a number": (read_connector, {"properties": {"connectionParameters": 1}}),
    "a vault without an id": (lambda body, _: read_vault(body), {"properties": {}}),
    "a resource whose name is an object": (lambda body, _: read_resource(body), {"id": "/r", "name": {}}),
    "a permission's actions as a text": (lambda body, _: read_permission(body), {"actions": "*"}),
    "an account's date that is none": (
        lambda body, _: read_account(body),
        {"id": "/a", "properties": {"keyCreationTime": {"key1": "soon"}}},
    ),
}


@pytest.mark.parametrize("what", NULLS)
def test_null_has_a_default(what: str) -> None:
    read, body, shown = NULLS[what]
    assert shown in repr(read(body, "there"))


@pytest.mark.parametrize("what", ODD)
def test_odd_is_an_error_of_the_call(what: str) -> None:
    read, body = ODD[what]
    with pytest.raises(Unclear, match="an answer that cannot be read"):
        read(body, "there")
