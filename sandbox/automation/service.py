"""Azure Automation: accounts, runbooks, hybrid worker groups, and jobs that run once per name."""

from __future__ import annotations

import re
from typing import Any

from sandbox.arm.base import GROUP, SUBSCRIPTION, ArmError, collection, filter_terms, json_object, page
from sandbox.arm.service import Arm
from sandbox.automation.jobs import ACCOUNT_TYPE, NO_LONGER, Account, Job, Parameter, Runbook
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import STATE, Part, route

KIND = r"/providers/Microsoft\.Automation/automationAccounts"
ACCOUNT = GROUP + KIND + r"/(?P<account>[^/]+)"
RUNBOOK = ACCOUNT + r"/runbooks/(?P<runbook>[^/]+)"
GROUPS = ACCOUNT + r"/hybridRunbookWorkerGroups"
JOBS = ACCOUNT + r"/jobs"
JOB = JOBS + r"/(?P<job>[^/]+)"
NESTED_SINCE = "2021-06-22"


class Automation(Part):
    """The resource provider Microsoft.Automation."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.clock = arm.clock

    # -- for tests and the demo ---------------------------------------------------------------------------------

    def add_account(self, name: str, group: str = "rotation", groups: tuple[str, ...] = ()) -> Account:
        """Make an automation account with these hybrid worker groups."""
        resource_id = f"{self.arm.resources.group_id(group)}/providers/{ACCOUNT_TYPE}/{name}"
        account = Account(resource_id, ACCOUNT_TYPE, groups=list(groups), created=self.clock.now())
        with STATE:
            return self.arm.resources.add(account)

    def add_runbook(
        self, account: Account, name: str, parameters: dict[str, Parameter] | None = None, **more: Any
    ) -> Runbook:
        """Make a published runbook; ``more`` are fields of Runbook."""
        runbook = Runbook(name, parameters or {}, created=self.clock.now(), **more)
        with STATE:
            account.runbooks[name.lower()] = runbook
        return runbook

    def started(self, runbook: Runbook) -> list[Job]:
        """The jobs that were started of a runbook, oldest first."""
        with STATE:
            accounts = self.arm.resources.below(self.arm.resources.subscription, Account)
            return [job for account in accounts for job in account.jobs.values() if job.runbook is runbook]

    # -- the wire -----------------------------------------------------------------------------------------------

    @route("GET", SUBSCRIPTION + KIND, "list_automation_accounts")
    @route("GET", GROUP + KIND, "list_automation_accounts")
    def list_accounts(self, request: Request, match: re.Match[str]) -> Response:
        """The accounts that the caller may read."""
        accounts = self.arm.visible(request, match, Account, f"{ACCOUNT_TYPE}/read")
        return collection(account.shown() for account in accounts)

    @route("GET", ACCOUNT, "get_automation_account")
    def get_account(self, request: Request, match: re.Match[str]) -> Response:
        """One account."""
        return Response.of(200, self._account(request, match, "read").shown())

    @route("GET", ACCOUNT + "/runbooks", "list_runbooks")
    def list_runbooks(self, request: Request, match: re.Match[str]) -> Response:
        """The account's runbooks, without their parameters."""
        account = self._account(request, match, "runbooks/read")
        shown = [runbook.shown(account) for runbook in account.runbooks.values()]
        return Response.of(200, page(request, shown, self.arm.page_size))

    @route("GET", RUNBOOK, "get_runbook")
    def get_runbook(self, request: Request, match: re.Match[str]) -> Response:
        """One runbook with its parameters."""
        account = self._account(request, match, "runbooks/read", match[0])
        runbook = account.runbooks.get(match["runbook"].lower())
        if runbook is None:
            raise ArmError(404, "NotFound", f"There is no runbook {match['runbook']} in the account.")
        jobs = [job for job in account.jobs.values() if job.runbook is runbook]
        return Response.of(200, runbook.shown(account, len(jobs)))

    @route("GET", GROUPS, "list_worker_groups")
    def list_groups(self, request: Request, match: re.Match[str]) -> Response:
        """The account's hybrid worker groups."""
        account = self._account(request, match, "hybridRunbookWorkerGroups/read")
        nested = _nested(request)
        return collection(account.group_shown(name, nested) for name in account.groups_known(nested))

    @route("GET", GROUPS + r"/(?P<name>[^/]+)", "get_worker_group")
    def get_group(self, request: Request, match: re.Match[str]) -> Response:
        """One hybrid worker group."""
        account = self._account(request, match, "hybridRunbookWorkerGroups/read")
        known = account.groups_known(_nested(request))
        found = next((name for name in known if name.lower() == match["name"].lower()), None)
        if found is None:
            raise ArmError(404, "NotFound", f"There is no hybrid worker group {match['name']} in the account.")
        return Response.of(200, account.group_shown(found, _nested(request)))

    @route("GET", JOBS, "list_jobs")
    def list_jobs(self, request: Request, match: re.Match[str]) -> Response:
        """The account's jobs, newest first."""
        account = self._account(request, match, "jobs/read")
        return collection(job.shown(account, whole=False) for job in reversed(account.jobs.values()))

    @route("PUT", JOB, "put_job")
    def put_job(self, request: Request, match: re.Match[str]) -> Response:
        """Start a job under a name of the caller's choice; a name starts one job, ever."""
        account = self._account(request, match, "jobs/write")
        wanted = json_object(request).get("properties") or {}
        if match["job"].lower() in account.jobs:
            raise ArmError(409, "Conflict", f"There is already a job {match['job']} in the account.")
        job = self._new_job(account, match["job"], wanted)
        account.jobs[job.name.lower()] = job
        answer = Response.of(201, job.shown(account))
        self._act(job)
        return answer

    @route("GET", JOB, "get_job")
    def get_job(self, request: Request, match: re.Match[str]) -> Response:
        """How a job is doing."""
        account, job = self._job(request, match, "jobs/read")
        job.look(self.clock.now())
        return Response.of(200, job.shown(account))

    @route("GET", JOB + "/output", "get_job_output")
    def get_output(self, request: Request, match: re.Match[str]) -> Response:
        """What the job printed."""
        _, job = self._job(request, match, "jobs/output/read")
        return Response(200, job.runbook.output.encode(), {"Content-Type": "text/plain"})

    @route("GET", JOB + "/streams", "list_job_streams")
    def list_streams(self, request: Request, match: re.Match[str]) -> Response:
        """The records that the job wrote, without their text."""
        account, job = self._job(request, match, "jobs/streams/read")
        wanted = filter_terms(request.query.get("$filter", "")).get("properties/streamtype")
        entries = job.streams(account)
        for entry in entries:
            del entry["properties"]["streamText"], entry["properties"]["value"]
        return collection(entry for entry in entries if wanted in (None, entry["properties"]["streamType"]))

    @route("GET", JOB + r"/streams/(?P<stream>[^/]+)", "get_job_stream")
    def get_stream(self, request: Request, match: re.Match[str]) -> Response:
        """One record with its text."""
        account, job = self._job(request, match, "jobs/streams/read")
        found = next((entry for entry in job.streams(account) if entry["id"].endswith(f"/{match['stream']}")), None)
        if found is None:
            raise ArmError(404, "NotFound", "There is no such record.")
        return Response.of(200, found)

    @route("POST", JOB + r"/(?P<verb>stop|suspend|resume)", "change_job")
    def change_job(self, request: Request, match: re.Match[str]) -> Response:
        """Stop, suspend or resume a job."""
        verb = match["verb"].lower()
        _, job = self._job(request, match, f"jobs/{verb}/action")
        job.change({"stop": "Stopped", "suspend": "Suspended", "resume": "Running"}[verb], self.clock.now())
        return Response(200)

    def _new_job(self, account: Account, name: str, wanted: dict[str, Any]) -> Job:
        asked = str((wanted.get("runbook") or {}).get("name") or "")
        runbook = account.runbooks.get(asked.lower())
        if runbook is None:
            raise ArmError(404, "NotFound", f"There is no runbook {asked} in the account.")
        if runbook.state == "New":
            raise ArmError(400, "BadRequest", f"The runbook {asked} was never published.")
        parameters, run_on = wanted.get("parameters") or {}, wanted.get("runOn") or ""
        if not runbook.accepts(parameters):
            raise ArmError(400, "BadRequest", "Invalid runbook parameters.")
        if run_on and run_on.lower() not in [group.lower() for group in account.groups]:
            raise ArmError(400, "BadRequest", f"There is no hybrid worker group {run_on} in the account.")
        under_way = [job for job in account.jobs.values() if job.status not in NO_LONGER]
        if account.job_limit is not None and len(under_way) >= account.job_limit:
            raise ArmError(429, "TooManyRequests", f"The account has {len(under_way)} jobs under way already.")
        return Job(name, runbook, dict(parameters), run_on, self.clock.now())

    def _act(self, job: Job) -> None:
        if job.runbook.action is None:
            return
        try:
            job.runbook.action(job)
        except Exception as error:  # a runbook's own mistake, not the sandbox's
            job.exception = f"{type(error).__name__}: {error}"
            job.change("Failed", self.clock.now())

    def _account(self, request: Request, match: re.Match[str], action: str, scope: str | None = None) -> Account:
        account_id = match[0][: match.end("account")]
        if scope:
            self.arm.authorize(request, f"{ACCOUNT_TYPE}/{action}", scope)
            return self.arm.existing(account_id, Account, ACCOUNT_TYPE)
        return self.arm.resource(request, account_id, Account, f"{ACCOUNT_TYPE}/{action}", ACCOUNT_TYPE)

    def _job(self, request: Request, match: re.Match[str], action: str) -> tuple[Account, Job]:
        account = self._account(request, match, action)
        job = account.jobs.get(match["job"].lower())
        if job is None:
            raise ArmError(404, "NotFound", f"There is no job {match['job']} in the account.")
        return account, job


def _nested(request: Request) -> bool:
    return request.query.get("api-version", "") >= NESTED_SINCE
