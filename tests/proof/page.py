"""docs/proof.md from what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.simulate.figures import STEPS

HEAD = """# Proof

`make proof` wrote this page on {date}: version {version}, commit {commit}, {machine}. Every number on it
was counted by running or collecting; `proof.json` beside it holds the same numbers. All of it ran against stand-ins on
one machine, not against Azure or Keeper: [not tried live](not-tried-live.md).

A *cell* is one fault on one request in one starting state, followed by a run without a fault. A *schedule* is {length}
random steps on one living vault and tenant. After each of them the promises are checked from outside: by what the
vault, the tenant and the destinations hold, not by what the scripts say. `make proof SECONDS=3600 CELLS=2000` plays
longer.

## The promises

A *mutation* breaks the code on purpose (`tests/mutations/patches/`). It is noticed when the test that is named with it
fails; without it, that test passes.

"""
MUTATIONS = """
Trials that say nothing, because the stand-in or the fault failed: {cells} cells, {schedules} schedules.

## The mutations

"""
CELLS = """
## The cells

`make night` plays all of them, `make test-all` the worst. For this page {played} were chosen at random (seed {seed}).

"""
SIMULATION = """
## The simulation

{schedules} schedules of version {commits}, from seed {seeds} on: {runs} runs, {killed} of them killed, on clocks that
moved by {days} days altogether. {met} of {faults} faults were met by a request; the other runs made no such request.
Each schedule has two hosts. One that breaks a promise is named here with the options that play it again.

"""
CLAIMS = """
## The claims of the page on security

{tests} tests with {cases} cases were collected. Every change runs {quick} of the cases, `make test-all` all of them.

"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what follows the first column is set right where it is a number."""
    cells = [[str(cell) for cell in row] for row in rows]
    numbers = [all(row[column].replace(",", "").isdigit() for row in cells) for column in range(len(head))]
    lines = [list(head), ["--:" if number else "---" for number in numbers], *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(figures: dict[str, Any]) -> str:
    """The whole page."""
    cells, simulation, tests = figures["cells"], figures["simulation"], figures["tests"]
    played = sum(grid["played"] for grid in cells["grids"])
    claims = ((each["claim"], f"`{each['test']}`", each["cases"]) for each in figures["claims"])
    counted = {name: _number(value) for name, value in simulation.items()}
    counted |= {name: " and ".join(map(str, simulation[name])) for name in ("commits", "seeds")}
    return "".join((
        HEAD.format(**figures["of"], length=simulation["length"]),
        _promises(figures["promises"], figures["mutations"]),
        MUTATIONS.format(**figures["unjudged"]),
        _mutations(figures["mutations"]),
        CELLS.format(played=_number(played), seed=cells["seed"]),
        _cells(cells["grids"]),
        SIMULATION.format(**counted),
        _simulation(simulation),
        CLAIMS.format(**{name: _number(value) for name, value in tests.items()}),
        table(("claim", "test", "cases"), claims),
    ))  # fmt: skip


def _promises(promises: Sequence[dict[str, Any]], mutations: Sequence[dict[str, Any]]) -> str:
    head = ("promise", "mutations", "noticed", "broken by cells", "broken by schedules")
    rows = []
    for each in promises:
        noticed = [mutation["noticed"] for mutation in mutations if mutation["breaks"] == each["promise"]]
        rows.append((each["promise"], len(noticed), sum(noticed), each["cells"], each["schedules"]))
    return table(head, rows)


def _mutations(mutations: Sequence[dict[str, Any]]) -> str:
    rows = []
    for each in mutations:
        by = f"`{each['test']}`" if each["noticed"] else f"**not noticed** by `{each['test']}`"
        rows.append((each["what"], each["breaks"], each["step"], by))
    return table(("mutation", "breaks", "step", "noticed by"), rows)


def _cells(grids: Sequence[dict[str, Any]]) -> str:
    names = ("states", "requests", "faults", "cells", "played", "bad")
    rows = [(grid["name"], *(_number(grid[name]) for name in names)) for grid in grids]
    rows.append(("all", "", "", "", *(_number(sum(grid[name] for grid in grids)) for name in names[3:])))
    return table(("sweep", "starting states", "requests", "faults", "cells", "played", "bad"), rows)


def _simulation(simulation: dict[str, Any]) -> str:
    kinds = table(("rotated", "runs"), ((kind, _number(runs)) for kind, runs in simulation["runs by kind"].items()))
    steps = table(("steps", "number"), ((STEPS[name], _number(times)) for name, times in simulation["steps"].items()))
    codes = ", ".join(f"{_number(times)} with {code}" for code, times in simulation["codes"].items())
    bad = "".join(f"\n**Broken:** `{each}`\n" for each in simulation["bad"])
    return f"{kinds}\n{steps}\nExit codes (-9 is a kill): {codes}.\n{bad}"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
