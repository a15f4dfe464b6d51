"""Tables for a terminal: texts are cut so that each row is one line of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.commands.shared.output import terminal_width

_LEAST = 8


def fit(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], flexible: Mapping[str, int]) -> list[Any]:
    """The rows, with the texts of the ``flexible`` columns as short as the terminal wants them; as they are elsewhere.

    Args:
        columns: keys and their headings, as for `show_table`.
        flexible: keys whose texts may be cut, each with its share of what room is left.
    """
    if (most := terminal_width()) is None:
        return list(rows)
    wide = {key: max([len(heading), *(len(_text(row.get(key))) for row in rows)]) for key, heading in columns.items()}
    free = most - 2 * (len(columns) - 1) - sum(width for key, width in wide.items() if key not in flexible)
    widths = _shared(free, {key: wide[key] for key in flexible if key in columns}, flexible)
    return [
        {**row, **{key: _CUTS.get(key, cut)(_text(row.get(key)), width) for key, width in widths.items()}}
        for row in rows
    ]


def _shared(free: int, wanted: dict[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """Who needs less than its share leaves the rest to the others."""
    widths: dict[str, int] = {}
    for key in sorted(wanted, key=lambda key: wanted[key] / shares[key]):
        left = sum(shares[each] for each in wanted if each not in widths)
        widths[key] = max(_LEAST, min(wanted[key], free * shares[key] // left))
        free -= widths[key]
    return widths


def cut(text: str, width: int) -> str:
    """The text, or its beginning and a sign that there is more."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _cut_inside(text: str, width: int) -> str:
    """The text, or its beginning and end: the titles of a series begin alike."""
    ends = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - ends]}…{text[-ends:]}"


_CUTS: dict[str, Callable[[str, int], str]] = {"title": _cut_inside}


def _text(value: Any) -> str:
    return "" if value is None else str(value)
