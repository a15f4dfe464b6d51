"""Azure Automation: runbooks are started once per name, with parameters that fit and that anyone can read."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from sandbox import Furnished, Sandbox
from sandbox.automation.jobs import Account, Job, Parameter, Runbook
from tests.sandbox.azure_calls import Calls, refusal
from tests.sandbox.shapes import Recording, differences, example

VERSION = "2019-06-01"
PARAMETERS = {"ClientSecret": Parameter(), "Environment": Parameter(mandatory=True)}


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    return sandbox.automation.add_account("ops", groups=("onprem",))


@pytest.fixture
def runbook(sandbox: Sandbox, account: Account) -> Runbook:
    return sandbox.automation.add_runbook(account, "update-orders", PARAMETERS)


@pytest.fixture
def admin(sandbox: Sandbox, names: Furnished, account: Account, runbook: Runbook) -> Calls:
    sandbox.arm.grant(names.admin_client_id, "Automation Job Operator", account.id)
    sandbox.arm.grant(names.admin_client_id, "Automation Runbook Operator", f"{account.id}/runbooks/{runbook.name}")
    return Calls(sandbox, names.admin_client_id)


def start(
    admin: Calls, account: Account, parameters: Any, run_on: str = "", name: str | None = None,
    runbook: str = "update-orders",
) -> requests.Response:  # fmt: skip
    properties = {"runbook": {"name": runbook}, "parameters": parameters, "runOn": run_on}
    path = f"{account.id}/jobs/{name or uuid.uuid4()}"
    return admin.send("PUT", path, VERSION, json={"properties": properties})


def test_a_job_runs_once_per_name(sandbox: Sandbox, admin: Calls, account: Account, runbook: Runbook) -> None:
    seen: list[Job] = []
    runbook.action = seen.append
    name = str(uuid.uuid4())
    assert admin.get(f"{account.id}/jobs/{name}").status_code == 404
    first = start(admin, account, {"Environment": "prod", "ClientSecret": "shh"}, "onprem", name)
    assert (first.status_code, first.json()["properties"]["status"]) == (201, "New")
    assert refusal(start(admin, account, {"Environment": "prod"}, "onprem", name.upper())) == (409, "Conflict")
    jobs = sandbox.automation.started(runbook)
    assert seen == jobs and [(job.name, job.run_on) for job in jobs] == [(name, "onprem")]
    assert jobs[0].parameters == {"Environment": "prod", "ClientSecret": "shh"}
    shown = admin.get(f"{account.id}/jobs/{name}").json()["properties"]
    assert shown["parameters"]["ClientSecret"] == "shh"  # in clear, for any reader
    assert shown["jobId"] != name


def statuses(admin: Calls, account: Account, name: str, count: int) -> list[str]:
    return [admin.get(f"{account.id}/jobs/{name}").json()["properties"]["status"] for _ in range(count)]


def test_a_job_goes_through_its_states(admin: Calls, account: Account) -> None:
    start(admin, account, {"Environment": "prod"}, name="one")
    assert statuses(admin, account, "one", 3) == ["Running", "Completed", "Completed"]
    shown = admin.get(f"{account.id}/jobs/one").json()["properties"]
    assert shown["startTime"] and shown["endTime"] and shown["provisioningState"] == "Succeeded"


def test_a_slow_job_waits_for_the_clock(sandbox: Sandbox, admin: Calls, account: Account, runbook: Runbook) -> None:
    runbook.seconds = 60
    start(admin, account, {"Environment": "prod"}, name="one")
    assert statuses(admin, account, "one", 4) == ["Running"] * 4
    sandbox.clock.advance(61)
    assert statuses(admin, account, "one", 1) == ["Completed"]


def test_a_job_that_never_ends(admin: Calls, account: Account, runbook: Runbook) -> None:
    runbook.outcome = None
    start(admin, account, {"Environment": "prod"}, name="one")
    assert statuses(admin, account, "one", 5) == ["Running"] * 5
    assert admin.send("POST", f"{account.id}/jobs/one/stop", VERSION).status_code == 200
    assert statuses(admin, account, "one", 1) == ["Stopped"]


def test_a_failed_job_tells_why(admin: Calls, account: Account, runbook: Runbook) -> None:
    runbook.outcome, runbook.errors, runbook.output = "Failed", ["no such host: erp01"], "began"
    start(admin, account, {"Environment": "prod"}, name="one")
    assert statuses(admin, account, "one", 2)[-1] == "Failed"
    job = f"{account.id}/jobs/one"
    assert admin.get(job).json()["properties"]["exception"] == "no such host: erp01"
    listed = admin.get(f"{job}/streams?$filter=properties/streamType eq 'Error'").json()["value"]
    assert [(entry["properties"]["streamType"], entry["properties"]["summary"]) for entry in listed] == [
        ("Error", "no such host: erp01")
    ]
    record = admin.get(listed[0]["id"]).json()["properties"]
    assert record["streamText"] == "no such host: erp01"
    output = admin.get(f"{job}/output")
    assert (output.text, output.headers["Content-Type"]) == ("began", "text/plain")
    assert len(admin.get(f"{job}/streams").json()["value"]) == 2


def test_an_action_that_raises_fails_the_job(admin: Calls, account: Account, runbook: Runbook) -> None:
    def act(job: Job) -> None:
        raise ValueError("no ClientSecret")

    runbook.action = act
    assert start(admin, account, {"Environment": "prod"}, name="one").status_code == 201
    assert statuses(admin, account, "one", 1) == ["Failed"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"parameters": {}},
        {"parameters": {"Environment": "prod", "Enviroment": "prod"}},
        {"parameters": {"environment": "prod"}},
        {"parameters": {"Environment": 7}},
        {"parameters": {"Environment": "prod"}, "run_on": "offprem"},
        {"parameters": {"Environment": "prod"}, "runbook": "draft"},
    ],
)
def test_a_job_that_does_not_fit_is_refused(
    sandbox: Sandbox, admin: Calls, account: Account, runbook: Runbook, wanted: dict[str, Any]
) -> None:
    sandbox.automation.add_runbook(account, "draft", PARAMETERS, state="New")
    assert refusal(start(admin, account, **wanted)) == (400, "BadRequest")
    assert sandbox.automation.started(runbook) == []


def test_a_runbook_that_is_not_there(admin: Calls, account: Account) -> None:
    assert start(admin, account, {}, runbook="none").status_code == 404


def test_a_lenient_runbook_takes_any_parameter(
    sandbox: Sandbox, admin: Calls, account: Account, runbook: Runbook
) -> None:
    runbook.strict = False
    assert start(admin, account, {"Environment": "prod", "Other": "x"}).status_code == 201


def test_an_account_runs_so_many_jobs(admin: Calls, account: Account, runbook: Runbook) -> None:
    account.job_limit, runbook.outcome = 1, None
    assert start(admin, account, {"Environment": "prod"}).status_code == 201
    assert start(admin, account, {"Environment": "prod"}).status_code == 429


def test_what_each_role_may_do(sandbox: Sandbox, names: Furnished, account: Account, runbook: Runbook) -> None:
    nobody = Calls(sandbox, names.target_client_id)
    path = f"{account.id}/runbooks/update-orders"
    assert refusal(nobody.get(path)) == (403, "AuthorizationFailed")
    sandbox.arm.grant(names.target_client_id, "Automation Job Operator", account.id)
    assert refusal(nobody.get(path)) == (403, "AuthorizationFailed")
    assert refusal(nobody.get(account.id)) == (403, "AuthorizationFailed")
    assert start(nobody, account, {"Environment": "prod"}, name="one").status_code == 201
    sandbox.roles.revoke(names.target_client_id)
    sandbox.arm.grant(names.target_client_id, "Automation Operator", account.id)
    assert nobody.get(path).status_code == nobody.get(account.id).status_code == 200
    sandbox.roles.revoke(names.target_client_id)
    sandbox.arm.grant(names.target_client_id, "Reader", account.id)
    assert nobody.get(f"{account.id}/jobs/one").status_code == 200
    assert refusal(start(nobody, account, {"Environment": "prod"})) == (403, "AuthorizationFailed")


def test_lists_for_choosing_from(sandbox: Sandbox, names: Furnished, account: Account, runbook: Runbook) -> None:
    admin = Calls(sandbox, names.admin_client_id)
    sandbox.arm.grant(names.admin_client_id, "Reader", sandbox.group_id)
    accounts = f"/subscriptions/{names.subscription_id}/providers/Microsoft.Automation/automationAccounts"
    assert [entry["id"] for entry in admin.get(accounts).json()["value"]] == [account.id]
    listed = admin.get(f"{account.id}/runbooks").json()["value"]
    assert [entry["name"] for entry in listed] == ["update-orders"] and "parameters" not in listed[0]["properties"]
    shown = admin.get(listed[0]["id"], "2018-06-30").json()["properties"]
    assert (shown["state"], shown["parameters"]["Environment"]["isMandatory"]) == ("Published", True)
    assert admin.get(f"{account.id}/hybridRunbookWorkerGroups", "2015-10-31").json()["value"] == []
    assert admin.get(f"{account.id}/hybridRunbookWorkerGroups/onprem", "2015-10-31").status_code == 404
    account.agent_based = ("onprem",)
    flat = admin.get(f"{account.id}/hybridRunbookWorkerGroups", "2015-10-31").json()["value"][0]
    nested = admin.get(f"{account.id}/hybridRunbookWorkerGroups/ONPREM", "2023-11-01").json()
    assert (flat["name"], flat["groupType"], flat["hybridRunbookWorkers"][0]["name"]) == ("onprem", "User", "onprem-1")
    assert (nested["name"], nested["properties"]["groupType"]) == ("onprem", "User")
    assert admin.get(f"{account.id}/hybridRunbookWorkerGroups/none", "2015-10-31").status_code == 404


def test_the_shapes_are_those_of_the_examples(
    sandbox: Sandbox, names: Furnished, admin: Calls, account: Account, runbook: Runbook
) -> None:
    runbook.output = "began"
    sandbox.arm.grant(names.admin_client_id, "Reader", account.id)
    job = f"{account.id}/jobs/one"
    free = frozenset({"/properties/parameters"})
    started = start(admin, account, {"Environment": "prod"}, name="one").json()
    assert differences(started, example("automation__createJob", 201), free) == []
    assert differences(admin.get(job).json(), example("automation__getJob"), free) == []
    assert differences(admin.get(f"{account.id}/jobs").json(), example("automation__listJobsByAutomationAccount")) == []
    assert differences(admin.get(f"{job}/streams").json(), example("automation__listJobStreamsByJob")) == []
    stream = admin.get(admin.get(f"{job}/streams").json()["value"][0]["id"]).json()
    value = frozenset({"/properties/value"})
    assert differences(stream, example("automation__getJobStream"), value) == []
    status, theirs = Recording("automation__test_automation_schedule").answer(1)
    addresses = ("RegistrationUrl", "automationHybridServiceUrl", "RuntimeConfiguration")
    unserved = frozenset(f"/properties/{name}" for name in addresses)
    assert status == 201 and differences(admin.get(account.id).json(), theirs, unserved) == []
