"""What is asked at the terminal, on stderr; without one, what the options leave open is an error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

import click

from gateway.commands.shared.output import note
from gateway.errors import Failed
from gateway.host.shown import clean

T = TypeVar("T")
_MOST = 30


def check_answers(given: Mapping[str, object]) -> None:
    """All that cannot be asked is given. Raises Failed."""
    missing = [option for option, value in given.items() if not value]
    if missing and not sys.stdin.isatty():
        hint = "give these options, or run it at a terminal, where it asks"
        raise Failed(f"{', '.join(missing)}: missing, and there is no terminal to ask at", hint)


def ask(question: str, default: str = "") -> str:
    """A line; empty only where ``default`` is."""
    return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def choose(what: str, found: Sequence[tuple[str, T]]) -> T:
    """One of these, by its number; where there are many, by a part of its name first.

    Raises:
        Failed: there is none.
    """
    if not found:
        raise Failed(f"there is no {what} to choose", "keeper-rotation discover shows what is there")
    shown = list(found)
    while len(shown) > _MOST:
        part = ask(f"{len(shown):,} are there. A part of the name").casefold()
        shown = [each for each in found if part in each[0].casefold()] or list(found)
    for number, (name, _) in enumerate(shown, 1):
        note(f"{number:3}  {clean(name)}")
    number = click.prompt(f"Which {what}", type=click.IntRange(1, len(shown)), err=True)
    return shown[number - 1][1]


def similar(name: str, names: Iterable[str]) -> str:
    """The end of a hint: those of the names that are nearly this one; empty where none is."""
    folded = {clean(each).casefold(): clean(each) for each in names}
    found = get_close_matches(name.casefold(), folded, 3) or [each for each in folded if name.casefold() in each][:3]
    return f"; similar: {', '.join(folded[each] for each in found)}" if found and name else ""


def confirm(question: str) -> None:
    """Raises Failed: the answer is no."""
    if not click.confirm(question, err=True):
        raise Failed("nothing was changed: that was not agreed to", "run it again, and answer y")
