"""What the runs of this host came to: the JSON line of each, in a file that is only appended to.

A line is one write, so that no two writers' lines mix. A file that has grown is renamed, and the oldest one is
dropped. Whatever is wrong with the file changes nothing about a run.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import Failed
from gateway.host.lock.directory import private_directory
from gateway.host.lock.file import FileLock, Held
from gateway.model.credential import read_stamp

VARIABLE = "ROTATION_HISTORY"
HINT = f"name a file that the user of the Gateway can write to in {VARIABLE}, or set it to nothing to keep no history"
MOST_BYTES = 10_000_000
_FORMER = 3
"""how many files are kept besides the one that is written to"""

# The file is ours: neither a link that somebody else has put there, nor a pipe that nobody reads.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def history_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where it is; None where no history is kept.

    Raises:
        Failed: that depends on the directory of the process, or on a lock directory that cannot be used.
    """
    given = environment.get(VARIABLE)
    if given is None:
        return _default(environment.get("ROTATION_LOCK_DIR", "").strip())
    if not given.strip():
        return None
    path = Path(given.strip())
    if not path.is_absolute():
        what = f"{VARIABLE}={given!r} depends on the directory that a run is started in"
        raise Failed(what, "name it with its full path")
    return path


def _default(lock_directory: str) -> Path:
    try:
        return private_directory(lock_directory) / "history.jsonl"
    except OSError as error:
        raise Failed(f"lock directory: {error.strerror or error}", HINT) from None


def remember(line: str) -> str:
    """Append the line of a run; what is wrong where that is not possible, else empty."""
    try:
        if path := history_file():
            _append(path, line.encode("ascii", errors="backslashreplace"))
    except OSError as error:
        return f"history: {error.strerror or error}; {HINT}"
    except Failed as error:
        return f"history: {error}; {error.hint}"
    except Exception as error:  # a run that is over ends as it did
        return f"history: unforeseen {type(error).__name__}; {HINT}"
    return ""


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _SAFELY, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, f"{path} is not a file")
        whole = line + b"\n"
        if status.st_size and not _ends_a_line(file, status.st_size):  # a disk was full, or a host lost its power
            whole = b"\n" + whole
        if os.write(file, whole) < len(whole):
            raise OSError(0, "the disk is full")
    finally:
        os.close(file)
    if status.st_size > MOST_BYTES:
        _make_room(path)


def _ends_a_line(file: int, size: int) -> bool:
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) == b"\n"


def _make_room(path: Path) -> None:
    """Begin a new file. Of several that want to, one does; a line that is under way goes into the former one."""
    try:
        with FileLock(Path(f"{path}.lock")):
            if not path.exists() or path.stat().st_size <= MOST_BYTES:  # another one has done it
                return
            for number in range(_FORMER, 0, -1):
                newer = _former(path, number - 1)
                if newer.exists():
                    newer.replace(_former(path, number))
    except Held:
        pass


def _former(path: Path, number: int) -> Path:
    return Path(f"{path}.{number}") if number else path


def read_history(since: datetime) -> Iterator[dict[str, Any]]:
    """The lines of the runs that ended since then, oldest first. What is no line of ours is left out.

    Raises:
        Failed: no history is kept, or it cannot be read.
    """
    if (path := history_file()) is None:
        raise Failed(f"no history is kept: {VARIABLE} is empty", f"name a file in {VARIABLE}, or remove the variable")
    try:
        for file in reversed(_opened(path)):
            with os.fdopen(file, "rb") as lines:
                yield from (run for line in lines if (run := _run(line)) and _time(run) >= since)
    except OSError as error:
        raise Failed(f"history {path}: {error.strerror or error}", "run this as the user of the Gateway") from None


def _opened(path: Path) -> list[int]:
    """The files, newest first. One that is renamed meanwhile is opened twice, and counts once."""
    files: dict[tuple[int, int], int] = {}
    for number in range(_FORMER + 1):
        try:
            file = os.open(_former(path, number), os.O_RDONLY | _SAFELY)
        except FileNotFoundError:
            continue
        status = os.fstat(file)
        if (status.st_dev, status.st_ino) in files:
            os.close(file)
        files.setdefault((status.st_dev, status.st_ino), file)
    return list(files.values())


def _run(line: bytes) -> dict[str, Any] | None:
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return run if isinstance(run, dict) and isinstance(run.get("time"), str) and read_stamp(run["time"]) else None


def _time(run: dict[str, Any]) -> datetime:
    moment = read_stamp(run["time"])
    assert moment  # noqa: S101 (`_run` has seen to it)
    return moment
