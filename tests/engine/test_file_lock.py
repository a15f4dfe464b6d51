"""The lock on a file: one holder, until it lets go or is killed; never through a link."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.host.lock.file import FileLock, Held

HOLDER = """
import sys, time
from pathlib import Path
from gateway.host.lock.file import FileLock
held = FileLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the lock."""
    return tmp_path / "a.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds it."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_holds_it_until_it_is_killed(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Held):
        FileLock(path)
    holder.kill()
    holder.wait()
    FileLock(path).release()
    assert path.exists(), "a lock whose file is removed can be held twice"


def test_this_process_cannot_take_it_twice_before_it_lets_go(path: Path) -> None:
    with FileLock(path), pytest.raises(Held):
        FileLock(path)
    assert FileLock(path)
    assert FileLock(path), "what nobody refers to holds nothing"
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_not_taken_through_a_link(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"a\.lock"):
        FileLock(path)
    assert not (tmp_path / "victim").exists()
