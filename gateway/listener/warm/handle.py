"""The listener's side: starts the process that runs are forked from, and hands runs to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import gateway
from gateway.host.background import Background
from gateway.host.process import python
from gateway.listener.warm.pipes import hear, pipes, read, rest, write

_SERVE = "from gateway.listener.warm.process import serve; serve(int(sys.argv[1]), sys.argv[2:])"
# After the end of a run its output is there; something that it started may hold the pipe open.
_REST_SECONDS = 5.0
# Descriptors and whole messages over one socket.
CAN_FORK = sys.platform == "linux"


@dataclass(frozen=True)
class Ran:
    """How a run ended. ``code``: negative: the signal that ended it."""

    code: int
    output: bytes
    said: bytes


class WarmProcess:
    """Begun with the first run, begun anew where it is gone or the package was upgraded.

    Args:
        kinds: names of the kinds that it imports before there is anything to do.
    """

    def __init__(self, kinds: Sequence[str], environment: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._package = (0, 0)

    def start(self) -> None:
        """Begin it now: what it imports is there when the first event comes."""
        with self._lock:
            self._begin()

    def run(self, script: str, line: bytes, seconds: float) -> Ran:
        """Run a script with this on its stdin; killed after so long.

        Raises:
            OSError: it could not be begun.
        """
        (stdin, to_run), (out, out_there), (err, err_there), (told, told_there) = pipes(4)
        try:
            way = self._send({"script": script}, [stdin, out_there, err_there, told_there])
        except OSError:
            for pipe in (to_run, out, err, told):
                os.close(pipe)
            raise
        finally:
            for pipe in (stdin, out_there, err_there, told_there):
                os.close(pipe)
        Background(partial(write, to_run, line))
        reading = [Background(partial(read, pipe)) for pipe in (out, err)]
        with way.requests:
            code = self._end(way, told, seconds)
        return Ran(code, *(rest(each, _REST_SECONDS) for each in reading))

    def close(self) -> None:
        """Runs under way end by themselves, and so does it; where none is, it has."""
        with self._lock, contextlib.suppress(subprocess.TimeoutExpired):
            self._leave()
            if self._process:
                self._process.wait(_REST_SECONDS)

    def _send(self, message: Mapping[str, object], descriptors: Sequence[int]) -> _Way:
        content = [json.dumps(message).encode()]
        with self._lock:
            if self._socket is None or self._package != _package():
                self._begin()
            try:
                socket.send_fds(_open(self._socket), content, descriptors)
            except OSError:  # it is gone
                self._begin()
                socket.send_fds(_open(self._socket), content, descriptors)
            assert self._process  # noqa: S101 (begun before its socket was used)
            return _Way(self._process, _open(self._socket).dup())

    def _begin(self) -> None:
        self._leave()
        if self._process:
            Background(self._process.wait)  # it is no zombie once its last run has ended
        self._package = _package()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                python(_SERVE, str(theirs.fileno()), *self._kinds),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=dict(self._environment),
                start_new_session=True,
            )
        self._socket = ours

    def _leave(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _end(self, way: _Way, told: int, seconds: float) -> int:
        """The exit code of a run. Raises OSError: it did not begin."""
        try:
            text, is_over = hear(told, b"", seconds)
            if not is_over:
                way.kill(text)
                text, is_over = hear(told, text, _REST_SECONDS)
            if not is_over or text.count(b"\n") == 1:  # or it is ending, and takes messages for a moment yet
                self._give_up(way, has_begun=bool(text))
        finally:
            os.close(told)
        pid, _, code = text.decode().partition("\n")
        if not pid:
            raise OSError("no process for the run")
        # Where the process that it was forked from is gone, nobody knows how it ends.
        return int(code) if code else -signal.SIGKILL

    def _give_up(self, way: _Way, *, has_begun: bool) -> None:
        """It does not answer: the next run gets another one."""
        if not has_begun:  # nor does it begin that run when it comes to itself
            way.process.kill()
        with self._lock:
            if self._process is way.process:
                self._leave()


@dataclass(frozen=True)
class _Way:
    """The process that a run was forked from, whatever was begun since."""

    process: subprocess.Popen[bytes]
    requests: socket.socket

    def kill(self, text: bytes) -> None:
        """End the run of which this was told."""
        if pid := text.partition(b"\n")[0]:
            with contextlib.suppress(OSError):
                self.requests.send(json.dumps({"kill": int(pid)}).encode(), socket.MSG_DONTWAIT)


def _open(one: socket.socket | None) -> socket.socket:
    assert one is not None  # noqa: S101 (begun just now)
    return one


def _package() -> tuple[int, int]:
    """What changes with an upgrade: the code in memory would be another one than on disk."""
    status = os.stat(gateway.__file__)
    return status.st_mtime_ns, status.st_ino
