"""`python -m tests.retirements [--fail]`: the versions of APIs that are asked for and that end within half a year.

`make check` shows them. With ``--fail``, which is for a scheduled job, one of them is a failure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, timedelta

from gateway.azure.versions import ALL, ApiVersion

NOTICE = timedelta(days=180)


def ending(versions: Iterable[ApiVersion], today: date) -> list[str]:
    """A line for each version that is refused within half a year, the first one first."""
    soon = [(each.retires, each) for each in versions if each.retires and each.retires - today <= NOTICE]
    return [
        f"{retires}: {each.service} {each.version} ends; take a newer one into gateway/azure/versions.py: {each.source}"
        for retires, each in sorted(soon, key=lambda found: found[0])
    ]


def main(arguments: list[str], versions: Iterable[ApiVersion] = ALL) -> int:
    """Print them; the exit code."""
    lines = ending(versions, date.today())
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
    return int(bool(lines) and "--fail" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
