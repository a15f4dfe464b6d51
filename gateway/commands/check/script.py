"""The script that is attached to a record: whether it is this package's, and for this kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway import DOOR
from gateway.commands.check.finding import Finding, Level
from gateway.commands.plan.rehearsal import Stage
from gateway.errors import CallError, RotationError
from gateway.keeper.files import Files
from gateway.keeper.record import VaultRecord
from gateway.model.kind_facts import KindFacts

_CALL = re.compile(rb'open_door\("(\w+)", door=(\d+)\)')
_ATTACH = "attach the script of this kind (docs/attach.md); keeper-rotation scripts writes it"


def script_problems(stage: Stage, record: VaultRecord, facts: KindFacts) -> Iterator[Finding]:
    """What is odd about what the Gateway would run for this record."""
    scripts = record.scripts()
    if not scripts:
        yield Finding(Level.WARNING, "no script is attached to the record: the Gateway does not rotate it", _ATTACH)
    for uid in sorted(record.attached_to_scripts() - stage.visible.keys()):
        what = f"record {uid}, which is attached to the script, cannot be read by the application of this host"
        yield Finding(Level.WARNING, what, "share its folder with the application, or attach another record")
    for script in scripts:
        if (content := _content(stage, record, script)) is not None:
            yield from _of_the_door(content, facts)


def _content(stage: Stage, record: VaultRecord, script: dict[str, Any]) -> bytes | None:
    """None where the vault does not hand it over: whether it is a file of the record is Keeper's affair."""
    try:
        with stage.vault() as vault:
            return Files(vault.keeper, vault.read).download(record, str(script.get("fileRef")))
    except (RotationError, CallError, KeyError):
        return None


def _of_the_door(content: bytes, facts: KindFacts) -> Iterator[Finding]:
    if not (call := _CALL.search(content)):
        yield Finding(Level.WARNING, "the attached script is none that this version of the package writes", _ATTACH)
        return
    kind, door = call[1].decode(), int(call[2])
    if kind != facts.name and kind != "rotate_due":
        yield Finding(Level.ERROR, f"the attached script is {kind}.py, and the record is for {facts.name}.py", _ATTACH)
    if door > DOOR:
        what = "the attached script is newer than the package on this host"
        yield Finding(Level.ERROR, what, "upgrade the package on the Gateway's host")
