"""The same rows as one HTML page that needs nothing from outside: for a browser, a telephone, paper, a screen reader.

It is readable without its script, which only filters and sorts. Its policy admits its own style and script by their
hashes, and nothing else: https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from gateway.commands.status.assets import SCRIPT, STYLE
from gateway.commands.status.rows import NOTE, OFF, TROUBLE, WELL, Row
from gateway.secret import masked

_LONGEST_TITLE = 300
_SIGNS = {TROUBLE: "✖ trouble", NOTE: "▲ note", OFF: "○ off", WELL: "✔ ok"}
_HEADS = {
    "title": "Title", "order": "State", "kind": "Kind", "days": "Days left", "expires": "Expires (UTC)",
    "due": "Next due (UTC)", "rotated": "Last rotated (UTC)",
}  # fmt: skip
_WEEKS = 52


def page(rows: Sequence[Row], now: datetime, host: str) -> str:
    """The whole page."""
    kinds = sorted({row.kind for row in rows})
    return masked(
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n{_policy()}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Rotations on {_text(host)}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
        f"<h1>Rotations</h1>\n{_counts(rows)}\n<p class=soft>As the records of the vault said at {_time(now)}, "
        f"and the history of the host {_text(host)}; {_asked(rows)}.</p>\n"
        f"<h2>Expiries of the next {_WEEKS} weeks</h2>\n{_timeline(rows, now)}\n<h2>Records</h2>\n{_controls(kinds)}\n"
        f"{_table(rows)}\n</main><script>{SCRIPT}</script></body></html>\n"
    )


def _policy() -> str:
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (STYLE, SCRIPT)
    )
    rules = f"default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"
    return f'<meta http-equiv="Content-Security-Policy" content="{rules}">'


def _text(value: object, most: int = 2_000) -> str:
    """For HTML; what would turn the direction of what follows, or is no sign at all, is a question mark."""
    text = "".join(sign if sign.isprintable() else "?" for sign in str(value))
    return escape(text if len(text) <= most else text[:most] + "…")


def _time(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'


def _day(moment: datetime | None) -> str:
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d}</time>' if moment else ""


def _asked(rows: Sequence[Row]) -> str:
    is_compared = any(row.drift is not None for row in rows)
    return "compared with targets and destinations at that time" if is_compared else "Azure was not asked"


def _counts(rows: Sequence[Row]) -> str:
    counts = Counter(row.state for row in rows)
    parts = (f'<span class="{state}">{sign}: {counts[state]:,}</span>' for state, sign in _SIGNS.items())
    return f"<p>{len(rows):,} records · {' · '.join(parts)}</p>"


def _timeline(rows: Sequence[Row], now: datetime) -> str:
    """How many expire in which week. All dates are in the table too."""
    weeks = Counter((row.outlook.expires - now) // timedelta(weeks=1) for row in rows if row.outlook.expires)
    late = sum(number for week, number in weeks.items() if week < 0)
    counts = [late, *(weeks[week] for week in range(_WEEKS))]
    highest = max([*counts, 1])
    bars = "".join(_bar(at, number, highest, now) for at, number in enumerate(counts) if number)
    marks = "".join(
        f'<text class="mark{at}" x="{20 + 18 * (week + 1)}" y="150">{now + timedelta(weeks=week):%b %Y}</text>'
        for at, week in enumerate(range(0, _WEEKS, 9))
    )
    label = f"Expired: {late}. In the next {_WEEKS} weeks: {sum(counts[1:])}, in one week at most {max(counts[1:])}."
    return (
        f'<svg viewBox="0 0 990 160" role="img" aria-label="{label}">'
        '<line class="axis" x1="0" y1="120" x2="990" y2="120"/>'
        f'{bars}{marks}<text x="0" y="150">late</text></svg>\n<p class=soft>{label}</p>'
    )


def _bar(at: int, number: int, highest: int, now: datetime) -> str:
    height = max(3, round(100 * number / highest))
    begins = now + timedelta(weeks=at - 1)
    says = f"{number} from {begins:%Y-%m-%d}" if at else f"{number} expired"
    return (
        f'<rect class="{"bar" if at else "late"}" x="{2 if not at else 20 + 18 * at}" y="{120 - height}" width="14" '
        f'height="{height}"><title>{says}</title></rect>'
    )


def _controls(kinds: Iterable[str]) -> str:
    states = "".join(
        f'<label><input type="checkbox" name="state" value="{state}" checked> '
        f'<span class="{state}">{sign}</span></label>'
        for state, sign in _SIGNS.items()
    )
    options = "".join(f'<option value="{_text(kind)}">{_text(kind)}</option>' for kind in kinds)
    days = "".join(f'<option value="{days}">{days} days</option>' for days in (7, 14, 30, 90))
    return (
        '<div class="controls" id="controls" hidden><label>Search<br><input type="search" id="search"></label>'
        f'<label>Kind<br><select id="kind"><option value="">all</option>{options}</select></label>'
        f'<label>Expires within<br><select id="within"><option value="">any time</option>{days}</select></label>'
        f'<fieldset><legend>State</legend>{states}</fieldset></div>\n<p class=soft id="shown" role="status"></p>'
    )


def _table(rows: Sequence[Row]) -> str:
    heads = "".join(
        f'<th scope="col" role="columnheader"><button type="button" data-key="{key}">{text}</button></th>'
        for key, text in _HEADS.items()
    )
    heads += '<th scope="col" role="columnheader">About</th>'
    lines = "\n".join(map(_line, rows))
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{lines}\n</tbody></table>'
    )


def _line(row: Row) -> str:
    outlook = row.outlook
    title = _text(row.record.title or row.record.uid, _LONGEST_TITLE)
    due = "every run" if outlook.every_run and outlook.is_enabled else _day(outlook.next_due)
    days = "" if row.days_left is None else str(row.days_left)
    order = [TROUBLE, NOTE, WELL, OFF].index(row.state)
    data = {
        "state": row.state, "kind": row.kind, "days": days, "title": title,
        "expires": _sortable(outlook.expires), "due": _sortable(outlook.next_due),
        "rotated": _sortable(outlook.last_rotated), "order": f"{order}",
    }  # fmt: skip
    cells = {
        "State": f'<td role="cell" class="state {row.state}">{_SIGNS[row.state]}</td>',
        "Kind": _cell("Kind", _text(row.kind)),
        "Days left": _cell("Days left", days, "number"),
        "Expires": _cell("Expires (UTC)", _day(outlook.expires), "date"),
        "Due": _cell("Next due (UTC)", due, "date"),
        "Rotated": _cell("Last rotated (UTC)", _day(outlook.last_rotated), "date"),
        "About": f'<td role="cell" class="about">{_about(row)}</td>',
    }
    attributes = " ".join(f'data-{key}="{value}"' for key, value in data.items())
    return f'<tr role="row" {attributes}><th scope="row" role="rowheader">{title}</th>{"".join(cells.values())}</tr>'


def _cell(label: str, content: str, kind: str = "") -> str:
    return f'<td role="cell" class="{kind}" data-label="{label}">{content}</td>' if content else '<td role="cell"></td>'


def _sortable(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment else ""


def _about(row: Row) -> str:
    said = [(TROUBLE, each) for each in row.trouble] + [(NOTE, each) for each in row.notes]
    points = "".join(f'<li class="{kind}">{_text(text)}</li>' for kind, text in said)
    facts = {"Record": row.record.uid, "Target": row.target, "Why due": ", ".join(row.outlook.why)}
    rest = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in facts.items() if value)
    runs = "".join(map(_run, reversed(row.recent)))
    history = f"<p>Runs on this host, newest first:</p><ul>{runs}</ul>" if runs else ""
    listed = f"<ul>{points}</ul>" if points else ""
    return f"{listed}<details><summary>details</summary><dl>{rest}</dl>{history}</details>"


def _run(run: Mapping[str, Any]) -> str:
    words = [str(run.get(key) or "") for key in ("result", "error")]
    return f"<li>{_text(str(run.get('time'))[:16].replace('T', ' '))} UTC: {_text(': '.join(filter(None, words)))}</li>"
