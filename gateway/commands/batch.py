"""The lines for Keeper Commander that let the Gateway rotate a new record: its script, the credential, the schedule.

Only the owner of a record may attach a script, so no application can do it. Source:
https://docs.keeper.io/en/keeperpam/commander-cli/command-reference/keeperpam-commands
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from gateway.commands.outlook import kind_of
from gateway.commands.shared.private_file import check_path, write_private
from gateway.errors import Failed, Incomplete
from gateway.host.shown import clean
from gateway.keeper.parameters import configuration_of
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import ROTATED
from gateway.model.kind_facts import KindFacts

DAILY = {"rotate_before_hours": "720"}
"""what a record needs beside a run every day, so that not each of them makes a new secret"""
_HEAD = (
    "# keeper run-batch {name}   (where scripts/ is: keeper-rotation scripts --to=. writes it)",
    "# Sign in as the owner of these records: only an owner can attach a script.",
)


@dataclass(frozen=True)
class Batch:
    """The file that is to be written, and what its lines say. ``at``: hour and minute of the day, UTC."""

    path: str
    force: bool
    command: str
    at: tuple[int, int]
    credential_uid: str = ""
    configuration_uid: str = ""

    def check(self) -> None:
        """It can be written. Raises Failed."""
        check_path(self.path, force=self.force)

    def resolved(self, records: Mapping[str, VaultRecord]) -> str:
        """The uid of the PAM configuration, to which every schedule belongs. Raises Failed: none, or several."""
        if (found := configuration_of(records, self.configuration_uid)) is None:
            hint = "share the PAM configuration's folder with the Keeper application of this host"
            raise Failed("no PAM configuration can be read, and a schedule needs one", hint)
        return found.uid

    def write(self, made: Sequence[tuple[str, str, KindFacts]], configuration_uid: str) -> None:
        """Write the lines for these records: uid, title and kind.

        Raises:
            Incomplete: it cannot be written any more; the records are made.
        """
        lines = [each.format(name=shlex.quote(clean(self.path))) for each in _HEAD]
        for uid, title, facts in made:
            lines += [f"# {clean(title)}", *self._lines(uid, facts, configuration_uid)]
        try:
            write_private(self.path, ("\n".join(lines) + "\n").encode(), force=self.force)
        except Failed as error:
            raise Incomplete(f"the records are made; {error}", f"{error.hint}, and run it again") from None

    def _lines(self, uid: str, facts: KindFacts, configuration_uid: str) -> list[str]:
        hour, minute = self.at
        credential = f" --add-credential={self.credential_uid}" if self.credential_uid else ""
        script = (
            f"pam rotation script add {uid} --script={facts.script} --script-command={shlex.quote(self.command)}"
            f"{credential}"
        )
        if facts not in ROTATED:  # Keeper rotates it, on the schedule that it has
            return [script]
        return [
            script,
            f"pam rotation edit --record={uid} --config={configuration_uid} --rotation-profile=scripts_only"
            f' --schedulecron="0 {minute} {hour} * * ?" --enable --force',
        ]


def waits(record: VaultRecord) -> KindFacts | None:
    """The kind of a record that is made for a daily run, and has no script yet; None of any other."""
    facts = kind_of(record)
    if facts not in ROTATED or facts is None or record.scripts():
        return None
    is_daily = "rotate_before_hours" in facts.defaults or record.value("rotate_before_hours").strip()
    return facts if is_daily else None


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--batch``, ``--daily-at`` and ``--script-command``."""
    options = (
        click.option(
            "--batch", metavar="FILE", help="Write the Commander lines that attach script, credential and schedule."
        ),
        click.option(
            "--daily-at", default="04:00", callback=_read_time, metavar="HH:MM",
            help="With --batch: when the Gateway runs them each day, UTC; default: 04:00.",
        ),
        click.option(
            "--script-command", default=sys.executable, callback=_read_command, metavar="PATH",
            help="With --batch: the Python on the Gateway's host; default: the one that runs this.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _read_command(_: click.Context, option: click.Parameter, given: str) -> str:
    if not given.isprintable():  # Commander reads one command a line
        raise click.BadParameter(f"{given!r} is not one line of text", param=option)
    return given


def _read_time(_: click.Context, option: click.Parameter, given: str) -> tuple[int, int]:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", given.strip())
    if not found:
        raise click.BadParameter(f"{given!r} is no time of the day, such as 04:00", param=option)
    return int(found[1]), int(found[2])
