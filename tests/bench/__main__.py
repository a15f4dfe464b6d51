"""All benchmarks, one after the other, and docs/benchmarks.md and .json from them: ``make bench``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime

from gateway import __version__
from tests.bench import rotation
from tests.stage.rotation import ROOT

OTHERS = {
    "certificates": "Certificates",
    "many": "Many records",
    "listener": "Events",
}
HEAD = """# What it costs

`make bench` wrote this page, in the sandbox: nothing here was measured against Azure or Keeper. Version {version},
{date}, {machine}. Sandbox and script share the cores. A round trip takes the milliseconds that a row names; a
new connection is two. Absolute times are of this machine: compare the ratios.

## One rotation of an app's client secret

As installed, and without the pause of one second before the last proof (`ROTATION_PROVE_INTERVAL_SECONDS=0`). The
published script is Keeper's own for Azure app secrets; it proves nothing and reads nothing back. Ratios: ours to the
published script's, run by run, medians of {runs}. CPU and memory are those of the whole process, start-up included.

"""


def machine() -> str:
    """What it ran on."""
    return f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}"


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A table."""
    head, *rest = rows
    lines = [head, tuple("---" if not number else "--:" for number, _ in enumerate(head)), *rest]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Measure, and write the page."""
    now = datetime.now(UTC).date().isoformat()
    rows = [rotation.COLUMNS, *rotation.rows()]
    said = {}
    for name in OTHERS:
        command = [sys.executable, "-m", f"tests.bench.{name}"]
        said[name] = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    page = HEAD.format(version=__version__, date=now, machine=machine(), runs=rotation.RUNS) + markdown(rows)
    for name, heading in OTHERS.items():
        page += f"\n## {heading}\n\n```\n{said[name].rstrip()}\n```\n"
    figures = {
        "version": __version__, "date": now, "machine": machine(), "runs": rotation.RUNS,
        "rotation": [list(each) for each in rows], "text": {name: text.splitlines() for name, text in said.items()},
    }  # fmt: skip
    (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    (ROOT / "docs" / "benchmarks.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
