"""A host whose clock is wrong: what moves the time of day of a new Python process, and of nothing else."""

from __future__ import annotations

from pathlib import Path

SITE = """
import datetime, time
tick = time.time
time.time = lambda: tick() + {seconds}
class Moved(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds={seconds})
datetime.datetime = Moved
"""


def wrong_clock(folder: Path, seconds: float) -> str:
    """The PYTHONPATH of a process whose clock is so many seconds fast."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(SITE.format(seconds=seconds))
    return str(folder)
