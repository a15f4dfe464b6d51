"""One run per record at a time on this host, a name for "this host" that only its runs know, and what they made.

A lock directory may be copied with its host, so that two machines have one name. What tells them apart is the list of
runs that each of them made a credential under.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from gateway.errors import Failed
from gateway.host.lock.directory import check_files, private_directory, state_directory
from gateway.host.lock.file import FileLock, Held

# More runs than this are never between the making of a credential and the record; their secrets would be seen.
_MOST_RUNS = 100


class LockHeld(Failed):
    """Another run on this host is at work on the same thing."""


class RecordLock:
    """The lock of one record, held until the process ends.

    Args:
        directory: `ROTATION_LOCK_DIR`; empty for the user's state directory. One for all services of a host.
        record_uid: the record.

    Raises:
        LockHeld: another run holds it.
        Failed: the directory cannot be used.
    """

    def __init__(self, directory: str, record_uid: str) -> None:
        try:
            folder = private_directory(directory)
            runs = _runs_path(folder, record_uid)
            held = runs.with_suffix(".lock")
            check_files(folder / "lock-id", held, runs)
            self.lock_id = _lock_id(folder / "lock-id")
            self._lock = FileLock(held)
            self._runs = _Runs(runs)
        except Held:
            raise LockHeld(
                f"another run is at work on record {record_uid}; nothing was changed",
                "wait for it; a run ends after ROTATION_DEADLINE_SECONDS at the latest",
            ) from None
        except OSError as error:
            raise Failed(
                f"lock directory {directory or state_directory()}: {error.strerror or error}",
                "name a directory that the user of the Gateway can write to in ROTATION_LOCK_DIR",
            ) from None

    def begin(self, run_id: str) -> None:
        """From now on a credential may exist that bears this run id. Raises Failed: that cannot be noted."""
        self._note(run_id, None)

    def sent(self, run_id: str, revision: int | None) -> None:
        """The credential is about to be saved over this revision of the record; None: surely none of its saves came.

        Raises Failed: that cannot be noted.
        """
        self._note(run_id, revision)

    def _note(self, run_id: str, revision: int | None) -> None:
        try:
            self._runs.note(run_id, revision)
        except OSError as error:
            raise Failed(f"lock directory: {error.strerror or error}", "make room on this disk") from None

    def runs_over(self) -> frozenset[str]:
        """Run ids of this boot: we hold the lock, so none of them is alive."""
        return self._runs.of_this_boot()

    def never_published(self, revision: int | None) -> frozenset[str]:
        """Run ids whose credential the record never had, now that it has this revision."""
        return self._runs.never_published(revision)


class UnheldLock(RecordLock):
    """What this host has noted of the record's runs, to look at: nothing is made, and no run is kept out."""

    def __init__(self, directory: str, record_uid: str) -> None:
        folder = Path(directory) if directory else state_directory()
        self.lock_id = _read_id(folder / "lock-id") or "0" * 12
        self._runs = _Runs(_runs_path(folder, record_uid))


class _Runs:
    """What the runs on one record made: by run id the boot, and the revision that the last save was sent over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _boot()
        self._runs = _read_runs(path)

    def note(self, run_id: str, revision: int | None) -> None:
        self._runs[run_id] = {"boot": self._boot, "sent": revision}
        for oldest in list(self._runs)[:-_MOST_RUNS]:
            del self._runs[oldest]
        _write(self._path, json.dumps(self._runs))

    def of_this_boot(self) -> frozenset[str]:
        return frozenset(run_id for run_id, run in self._runs.items() if self._boot and run["boot"] == self._boot)

    def never_published(self, revision: int | None) -> frozenset[str]:
        return frozenset(run_id for run_id, run in self._runs.items() if run["sent"] in (None, revision))


def _read_runs(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        return {str(run_id): {"boot": run["boot"], "sent": run["sent"]} for run_id, run in found.items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}  # then nothing is known, and each of them may have been published


def _boot() -> str:
    """Names the time since this machine was started; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _write(path: Path, text: str) -> None:
    """The whole text or the former one, whatever happens meanwhile."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _runs_path(folder: Path, record_uid: str) -> Path:
    # Hashed: uids that differ only in case are one file name on some systems.
    return folder / f"{hashlib.sha256(record_uid.encode()).hexdigest()[:32]}.runs"


def _lock_id(path: Path) -> str:
    """The id in ``path``, made at the first call and where it is damaged; two first calls at once agree on one."""
    if (found := _read_id(path)) is not None:
        return found
    if path.exists():
        path.unlink()
    draft = path.with_name(f"lock-id.{secrets.token_hex(8)}")
    _write(draft, secrets.token_hex(6))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    if (made := _read_id(path)) is None:
        raise OSError(5, "lock-id cannot be read back")
    return made


def _read_id(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, ValueError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{12}", text) else None
