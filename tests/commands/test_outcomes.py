"""The outcome of each command that changes something: what it leaves, its exit code and its words say the same."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from gateway.__main__ import cli
from tests.stage import interrupted
from tests.stage.discover import DiscoverStage, shop
from tests.stage.forked import Forked
from tests.stage.rotation import ROOT
from tests.sweep.commands import GONE, WRITES, cases, judge
from tests.sweep.deep import deep_unless

__all__ = ["shop"]

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


FILES: dict[str, tuple[list[str], int]] = {
    "tls-secret obtain --out": (["tls-secret", "obtain", "shop/api", "--form=cer", "--out={out}/api.cer"], 0),
    "certificate obtain --out": (["certificate", "obtain", "shop/web1", "--form=cer", "--out={out}/web1.cer"], 0),
    "discover --csv": (["discover", "certificates", "--vault=shop", "--csv={out}/web.csv"], 0),
    "discover --json FILE": (["discover", "certificates", "--vault=shop", "--json={out}/web.json"], 0),
    "scripts --to": (["scripts", "--to={out}"], 3),
    "bundle": (["bundle", "azure_app_secret", "--out={out}/one.pyz"], 3),
}


@pytest.mark.parametrize("what", FILES)
def test_a_command_that_has_written_a_file_does_not_say_that_nothing_was_changed(
    what: str, shop: DiscoverStage
) -> None:
    words, code = FILES[what]
    shop.certificate("web1")
    shop.tls("api")
    given = [each.format(out=shop.out) for each in words]
    process = Forked((interrupted.__file__, *given), shop.variables, None, shop.streams, ROOT)
    outcome = shop.outcome_of(process, 60)
    assert outcome.code == code and list(shop.out.iterdir()), outcome
    assert "nothing was changed" not in outcome.stderr and "Traceback" not in outcome.stderr
    if code:
        assert "hint: look at what this command was to change" in outcome.stderr
    else:
        assert "stopping after the step in progress" in outcome.stderr and outcome.stdout
