"""Runbooks and jobs of Azure Automation, as Resource Manager shows them.

Source: https://learn.microsoft.com/rest/api/automation
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.azure.arm import Arm
from gateway.azure.decode import decoding, mapping, text
from gateway.azure.versions import RUNBOOKS, WORKER_GROUPS

_DONE, _BAD = ("Completed",), ("Failed", "Stopped", "Suspended")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a runbook; ``kind`` is the last part of .NET's name, ``String`` of ``System.String``."""

    kind: str
    is_mandatory: bool


@dataclass(frozen=True)
class Runbook:
    """A runbook with its parameters, by name."""

    is_published: bool
    parameters: dict[str, Parameter]

    def spelled(self, name: str) -> str:
        """The name as the runbook spells it; as it is given, where it has no such parameter."""
        return next((known for known in self.parameters if known.lower() == name.lower()), name)

    def has(self, name: str) -> bool:
        """Whether it has this parameter, in whatever case."""
        return self.spelled(name) in self.parameters


@dataclass(frozen=True)
class Job:
    """How a job is doing."""

    status: str
    exception: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in (*_DONE, *_BAD)

    @property
    def has_failed(self) -> bool:
        """Whether it ended before its time."""
        return self.status in _BAD


def worker_groups(arm: Arm, account: str) -> Iterator[str]:
    """The names of an account's hybrid worker groups, page after page. Raises CallError."""
    return _names(arm.pages(f"{account}/hybridRunbookWorkerGroups", WORKER_GROUPS), "Azure worker groups")


def runbooks(arm: Arm, account: str) -> Iterator[str]:
    """The names of an account's runbooks, page after page. Raises CallError."""
    return _names(arm.pages(f"{account}/runbooks", RUNBOOKS), "Azure runbooks")


def _names(listed: Iterable[dict[str, Any]], where: str) -> Iterator[str]:
    for each in listed:
        with decoding(where):
            name = text(each["name"])
        yield name


def read_runbook(body: dict[str, Any], where: str) -> Runbook:
    """The runbook in an answer. Raises Unclear: there is none in it."""
    with decoding(where):
        about = mapping(body.get("properties"))
        parameters = {name: mapping(each) for name, each in mapping(about.get("parameters")).items()}
        return Runbook(
            text(about.get("state")) != "New",
            {
                name: Parameter(text(each.get("type") or "Object").rpartition(".")[2], bool(each.get("isMandatory")))
                for name, each in parameters.items()
            },
        )


def read_job(body: dict[str, Any], where: str) -> Job:
    """The job in an answer. Raises Unclear: there is none in it."""
    with decoding(where):
        about = mapping(body.get("properties"))
        return Job(text(about.get("status")) or "New", text(about.get("exception")))


def read_summary(stream: dict[str, Any], where: str) -> str:
    """What an entry of a job's streams says. Raises Unclear: it is none."""
    with decoding(where):
        return text(mapping(stream.get("properties")).get("summary"))
