"""The outcome of each command that changes something: what it leaves, its exit code and its words say the same."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from gateway.__main__ import cli
from tests.sweep.commands import GONE, WRITES, cases, judge
from tests.sweep.deep import deep_unless

# The rest is left to the whole grid.
KINDS = ("HTTP 403", "500 after it took effect", GONE, "SIGTERM after", "SIGINT twice")
CASES = [case for case in cases(KINDS) if WRITES.search(case[1])]
# Before anything is sent that changes something.
CASES += [("certificate obtain --record", "keyvault.get_secret", 1, GONE)]
CASES += [case for case in cases(("SIGTERM before",)) if case[1:3] == ("keeper.get_secret", 1)]
QUICK = {
    ("certificate policy", "SIGTERM before"),
    ("certificate merge", "SIGINT twice"),
    ("certificate cancel", "SIGTERM after"),
    ("certificate obtain --record", GONE),
    ("tls-secret create", "SIGTERM after"),
    ("tls-secret delete", "SIGTERM after"),
    ("discover --create", "500 after it took effect"),
}
# They change nothing, or say by themselves what becomes of a signal.
OTHERS = {
    "bundle", "certificate issuers", "certificate list", "certificate show", "certificate status",
    "certificate vaults", "check", "completion", "digest", "history", "listen", "notify test", "plan", "run",
    "run-due", "scripts", "status", "targets", "tls-secret show", "version",
}  # fmt: skip


def is_quick(scene: str, _: str, nth: int, kind: str) -> bool:
    """Where every change looks."""
    return (scene, kind) in QUICK and nth == 1


@pytest.mark.parametrize("name, operation, nth, kind", deep_unless(is_quick, CASES))
def test_a_command_says_truly_what_happened(name: str, operation: str, nth: int, kind: str) -> None:
    assert not judge((name, operation, nth, kind))


def commands(group: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command, with its whole name."""
    if not isinstance(group, click.Group):
        yield name, group
        return
    context = click.Context(group)
    for each in group.list_commands(context):
        if (command := group.get_command(context, each)) is not None:
            yield from commands(command, f"{name} {each}".strip())


def test_each_command_that_changes_something_says_where_to_look() -> None:
    found = {name: command for name, command in commands(cli) if name not in OTHERS}
    assert len(found) >= 18
    for name, command in found.items():
        look = getattr(command.callback, "look", "")
        assert look.format_map({each.name: "X" for each in command.params}).startswith("look "), name
