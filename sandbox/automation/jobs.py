"""Runbooks, worker groups and jobs of an automation account, and how a job goes from New to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.arm.base import Resource
from sandbox.entra.directory import new_id

ACCOUNT_TYPE = "Microsoft.Automation/automationAccounts"
SHOWN_TYPE = "Microsoft.Automation/AutomationAccounts"
NO_LONGER = ("Completed", "Failed", "Stopped", "Suspended")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a runbook; ``type`` is .NET's name for it."""

    type: str = "System.String"
    mandatory: bool = False
    default: str | None = None


@dataclass
class Job:
    """One run of a runbook. ``parameters`` are kept, and shown, in clear."""

    name: str
    runbook: Runbook
    parameters: dict[str, str]
    run_on: str
    created: float
    id: str = field(default_factory=new_id)
    status: str = "New"
    changed: float = 0.0
    started: float | None = None
    ended: float | None = None
    exception: str | None = None
    reads: int = 0

    def look(self, now: float) -> None:
        """Let time pass: it is asked for."""
        self.reads += 1
        if self.status in ("New", "Running") and self._is_done(now) and self.runbook.outcome:
            self.change(self.runbook.outcome, now)
        elif self.status == "New":
            self.change("Running", now)

    def change(self, status: str, now: float) -> None:
        """Put it into a state."""
        self.status, self.changed, self.started = status, now, self.started or now
        self.ended = now if status in NO_LONGER else None
        if status == "Failed" and self.exception is None:
            self.exception = (self.runbook.errors or ["The runbook failed."])[0]

    def _is_done(self, now: float) -> bool:
        return self.reads > self.runbook.polls and now >= self.created + self.runbook.seconds

    def shown(self, account: Account, whole: bool = True) -> dict[str, Any]:
        """As ARM shows it; lists leave out half of it."""
        properties: dict[str, Any] = {
            "jobId": self.id,
            "runbook": {"name": self.runbook.name},
            "provisioningState": "Succeeded" if self.status in NO_LONGER else "Processing",
            "status": self.status,
            "creationTime": moment(self.created),
            "startTime": moment(self.started),
            "lastModifiedTime": moment(self.changed or self.created),
            "endTime": moment(self.ended),
        }
        if whole:
            properties |= {
                "exception": self.exception,
                "lastStatusModifiedTime": moment(self.changed or self.created),
                "statusDetails": "None",
                "parameters": dict(self.parameters),
                "runOn": self.run_on,
            }
        name = f"{account.id}/jobs/{self.name}"
        return {"id": name, "name": self.name, "type": f"{SHOWN_TYPE}/Jobs", "properties": properties}

    def streams(self, account: Account) -> list[dict[str, Any]]:
        """What it wrote, each record in full: its output, and its errors once it has ended."""
        texts = [("Output", text) for text in ([self.runbook.output] if self.runbook.output else [])]
        if self.status in NO_LONGER:
            texts += [("Error", text) for text in self.runbook.errors]
        return [self._record(account, number, kind, text) for number, (kind, text) in enumerate(texts, 1)]

    def _record(self, account: Account, number: int, kind: str, text: str) -> dict[str, Any]:
        stream = f"{self.id}_{int(self.created * 10_000_000):020d}_{number:020d}"
        return {
            "id": f"{account.id}/jobs/{self.name}/streams/{stream}",
            "properties": {
                "jobStreamId": stream,
                "summary": text[:200] if kind == "Error" else None,
                "time": moment(self.changed or self.created),
                "streamType": kind,
                "streamText": text,
                "value": {"Exception": text} if kind == "Error" else {"value": text},
            },
        }


@dataclass
class Runbook:
    """A runbook, and how its jobs go.

    ``outcome``: the status that they end in (None: they never end), after ``seconds`` and after ``polls`` reads have
    found them Running. ``errors``: records of their error stream. ``action`` is called once per job, as it starts; what
    it raises fails the job. ``strict``: unknown parameters are refused, as Azure does.
    """

    name: str
    parameters: dict[str, Parameter] = field(default_factory=dict)
    state: str = "Published"
    type: str = "PowerShell"
    outcome: str | None = "Completed"
    seconds: float = 0.0
    polls: int = 1
    errors: list[str] = field(default_factory=list)
    output: str = ""
    action: Callable[[Job], None] | None = None
    strict: bool = True
    created: float = 0.0

    def accepts(self, parameters: dict[str, Any]) -> bool:
        """Whether a job may be started with these."""
        known = not self.strict or set(parameters) <= set(self.parameters)
        missing = [name for name, entry in self.parameters.items() if entry.mandatory and not parameters.get(name)]
        return known and not missing and all(isinstance(value, str) for value in parameters.values())

    def shown(self, account: Account, jobs: int | None = None) -> dict[str, Any]:
        """As ARM shows it; without the number of its jobs, as a list does: without parameters."""
        properties: dict[str, Any] = {
            "runbookType": self.type, "state": self.state, "logVerbose": False, "logProgress": False,
            "logActivityTrace": 0, "creationTime": moment(self.created), "lastModifiedTime": moment(self.created),
        }  # fmt: skip
        if jobs is not None:
            properties |= {
                "description": None, "parameters": self._parameters(), "jobCount": jobs, "outputTypes": [],
                "provisioningState": "Succeeded", "lastModifiedBy": None,
            }  # fmt: skip
        return {
            "id": f"{account.id}/runbooks/{self.name}", "name": self.name, "type": f"{SHOWN_TYPE}/Runbooks",
            "location": account.location, "tags": {}, "etag": None, "properties": properties,
        }  # fmt: skip

    def _parameters(self) -> dict[str, Any]:
        return {
            name: {
                "type": entry.type, "isMandatory": entry.mandatory, "position": position, "defaultValue": entry.default
            }
            for position, (name, entry) in enumerate(self.parameters.items())
        }  # fmt: skip


@dataclass
class Account(Resource):
    """An automation account. ``job_limit``: how many jobs may be under way (None: any number).

    Its worker groups are extension-based but for those of ``agent_based``, which have no successor since August 2024.
    """

    runbooks: dict[str, Runbook] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    agent_based: tuple[str, ...] = ()
    jobs: dict[str, Job] = field(default_factory=dict)
    job_limit: int | None = None
    created: float = 0.0

    def shown(self) -> dict[str, Any]:
        """As ARM shows it."""
        when = {"createdAt": moment(self.created), "lastModifiedAt": moment(self.created)}
        return self.summary() | {
            "type": SHOWN_TYPE,
            "systemData": when,
            "etag": None,
            "properties": {
                "disableLocalAuth": False,
                "sku": {"name": "Basic", "family": None, "capacity": None},
                "state": "Ok",
                "encryption": {"keySource": "Microsoft.Automation", "identity": {"userAssignedIdentity": None}},
                "creationTime": moment(self.created),
                "lastModifiedBy": None,
                "lastModifiedTime": moment(self.created),
            },
        }

    def groups_known(self, nested: bool) -> list[str]:
        """The worker groups that a version of the API knows: those before the nested form know no extensions."""
        return [name for name in self.groups if nested or name in self.agent_based]

    def group_shown(self, name: str, nested: bool) -> dict[str, Any]:
        """A worker group; later versions of the API nest what the first one had at the top."""
        more: dict[str, Any] = {"credential": None, "groupType": "User"}
        workers = [{
            "name": f"{name}-1", "ip": "10.0.0.4", "registrationTime": moment(self.created),
            "lastSeenDateTime": moment(self.created),
        }]  # fmt: skip
        head = {"id": f"{self.id}/hybridRunbookWorkerGroups/{name}", "name": name}
        if nested:
            return head | {"type": f"{SHOWN_TYPE}/HybridRunbookWorkerGroups", "properties": more}
        return head | {"hybridRunbookWorkers": workers} | more


def moment(at: float | None) -> str | None:
    """A moment as Azure Automation writes it, with an offset."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
