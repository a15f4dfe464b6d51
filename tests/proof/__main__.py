"""``python -m tests.proof``: count and play, and write docs/proof.md and docs/proof.json. Exit code 1: not all held."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import __version__
from tests.bench.__main__ import machine
from tests.mutations.mutations import claims, mutations, promises
from tests.proof.cells import grids, play
from tests.proof.page import page
from tests.proof.suite import collected, noticed
from tests.proof.verdicts import UNJUDGED, broken
from tests.simulate.__main__ import LENGTH
from tests.simulate.figures import Simulated, commit, total
from tests.simulate.play import play_for
from tests.simulate.rotated import WORLDS
from tests.stage.rotation import ROOT


def main() -> int:
    """Do it all; 1 where a promise was broken, or a mutation was not noticed."""
    options, of = _parser().parse_args(), _of()
    cells, of_cells = _cells(options)
    _say("playing schedules")
    simulation = total([*map(_read, options.simulated), *([_simulate(options)] if options.seconds else [])])
    _say("running the mutations")
    seen = noticed(options.jobs)
    _say("collecting the tests")
    figures = {
        "of": of, "cells": cells, "simulation": simulation, **_tests(),
        **_promises(seen, of_cells, Counter(simulation["broken"])),
    }  # fmt: skip
    (ROOT / "docs" / "proof.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "proof.md").write_text(page(figures), encoding="utf-8")
    held = not of_cells and not simulation["bad"] and all(seen.values())
    print("all promises were kept" if held else f"not all held: {dict(of_cells)} {simulation['bad']} {seen}")
    return 0 if held else 1


def _cells(options: argparse.Namespace) -> tuple[dict[str, Any], Counter[str]]:
    """What there is and what was played, by sweep; and which promises cells have broken."""
    tables, total, rows = grids(), Counter[str](), []
    share = options.cells / sum(len(grid.cells) for grid in tables)
    for grid in tables:
        _say(f"playing cells: {grid.name}")
        complaints = list(play(grid, share, options.seed, options.jobs))
        found = broken(complaints)
        for each in (text for texts in complaints for text in texts):
            _say(each)
        bad = sum(map(bool, complaints))
        rows.append({"name": grid.name, **grid.figures(), "played": len(complaints), "bad": bad, "broken": dict(found)})
        total += found
    return {"seed": options.seed, "grids": rows}, total


def _simulate(options: argparse.Namespace) -> dict[str, Any]:
    simulated = Simulated(options.seed, LENGTH)
    for played in play_for(options.seconds, list(WORLDS), options.seed, LENGTH, 2 * options.jobs):
        simulated.add(played)
    return simulated.figures()


def _read(file: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def _promises(seen: dict[str, bool], of_cells: Counter[str], of_schedules: Counter[str]) -> dict[str, Any]:
    """Each promise, and how many trials broke it; what breaks one on purpose, and whether that is noticed."""
    return {
        "promises": [
            {"promise": promise, "cells": of_cells[promise], "schedules": of_schedules[promise]}
            for promise in promises()
        ],
        "unjudged": {"cells": of_cells[UNJUDGED], "schedules": of_schedules[UNJUDGED]},
        "mutations": [
            {"what": each.what, "breaks": each.breaks, "step": each.step, "test": each.test, "noticed": seen[each.name]}
            for each in mutations()
        ],
    }


def _tests() -> dict[str, Any]:
    cases, quick = collected(), collected("-m", "not deep")
    return {
        "tests": {"tests": len(cases), "cases": cases.total(), "quick": quick.total()},
        "claims": [{"claim": claim, "test": test, "cases": cases[test]} for claim, test in claims().items()],
    }


def _of() -> dict[str, str]:
    """What this is the proof of."""
    date = datetime.now(UTC).date().isoformat()
    return {"version": __version__, "commit": commit(), "date": date, "machine": machine()}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long schedules are begun (default: 60)")
    parser.add_argument(
        "--simulated", type=Path, nargs="*", default=[], metavar="FILE", help="add what tests.simulate --figures wrote"
    )
    parser.add_argument("--cells", type=int, default=100, help="about so many cells are played (default: 100)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what is chosen (default: by the time)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="processes at once")
    return parser


if __name__ == "__main__":
    sys.exit(main())
