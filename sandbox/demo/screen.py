"""What the demo prints: 80 columns, colours on a terminal only, an act that can be told from the next."""

from __future__ import annotations

import click

WIDTH = 79
# Of a line that is too long, so much of its beginning is shown; of an address the end says more.
_BEGINS = 36


def say(text: str = "", **style: object) -> None:
    """One line, at once; what is too long is cut in the middle."""
    line = text if len(text) <= WIDTH else text[:_BEGINS] + "…" + text[_BEGINS + 1 - WIDTH :]
    click.echo(click.style(line, **style) if style else line)  # type: ignore[arg-type]


def act(number: int, title: str, *lines: str) -> None:
    """A heading, and what is about to be seen."""
    say()
    say(f"── {number}  {title} ".ljust(WIDTH, "─"), bold=True, fg="cyan")
    for line in lines:
        say(line)
    say()


def command(line: str) -> None:
    """What somebody types, or the Gateway starts."""
    say(f"  $ {line}", bold=True)


def verdict(good: bool, text: str) -> None:
    """Whether something works, by sign and colour."""
    say(f"  {'ok' if good else 'XX'}  {text}", fg="green" if good else "red", bold=not good)
