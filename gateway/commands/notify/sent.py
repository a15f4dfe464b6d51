"""Which addresses took a message, as it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.commands.shared.output import show_table
from gateway.errors import Failed
from gateway.host.notify.message import Told

_COLUMNS = {"address": "ADDRESS", "result": "RESULT"}


def show_sent(told: Sequence[Told], hint: str, *, as_json: bool) -> None:
    """Print a row for each. Raises Failed, with ``hint``: one of them did not take it."""
    rows = [{"address": each.name, "result": each.why or "accepted"} for each in told]
    show_table(rows, _COLUMNS, as_json=as_json, none="")
    if failed := [each for each in told if each.why]:
        names = "; ".join(each.name for each in failed)
        raise Failed(f"{len(failed)} of {len(told)} did not take the message: {names}", hint)
