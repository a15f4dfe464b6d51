"""The process that runs are forked from. It holds nothing secret: what a run is handed goes to the run alone.

It serves one socket. Each message names a script, with four descriptors: the run's stdin, stdout and stderr, and one on
which its process id is told, and its exit code when it has ended. When nobody can send any more, it lets the runs end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway.commands.run_due.child import NUMBERS, become_a_process
from gateway.commands.run_due.one_run import warm_up
from gateway.host.process import keep_to_ourselves

MOST_BYTES = 65_536
DESCRIPTORS = 4


def serve(descriptor: int, kinds: Sequence[str]) -> None:
    """Until the other end of this socket is closed, and the runs have ended."""
    keep_to_ourselves()  # its environment may have the Keeper configuration
    for number in NUMBERS:  # who ends the listener lets runs under way end by themselves
        signal.signal(number, signal.SIG_IGN)
    warm_up(kinds)
    gc.freeze()  # what is never looked at again is not copied into each child
    with socket.socket(fileno=descriptor) as requests:
        _Runs(requests).serve()


class _Runs:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._told: dict[int, int] = {}
        """where the end of each child is told, by its process id"""
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()
        for pipe in (self._woken, self._waker):
            os.set_blocking(pipe, False)

    def serve(self) -> None:
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(self._requests, selectors.EVENT_READ)
        is_open = True
        while is_open or self._told:
            for key, _ in self._selector.select():
                if key.fileobj is self._requests and not self._answer():
                    self._selector.unregister(self._requests)
                    is_open = False
                elif key.fileobj == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, MOST_BYTES)
            self._reap()

    def _answer(self) -> bool:
        """Whether more may come."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, MOST_BYTES, DESCRIPTORS)
        if not message:
            return False
        wanted = json.loads(message)
        if pid := wanted.get("kill"):
            if pid in self._told:  # not yet waited for, so no other process has this number
                os.kill(pid, signal.SIGKILL)
        else:
            self._begin(str(wanted["script"]), descriptors)
        return True

    def _begin(self, script: str, descriptors: list[int]) -> None:
        *streams, told = descriptors
        try:
            if not (pid := os.fork()):
                _be_a_run(script, streams)
        except OSError:
            os.close(told)  # which says that it did not begin
        else:
            self._told[pid] = told
            _tell(told, pid)
        finally:
            for stream in streams:
                os.close(stream)

    def _reap(self) -> None:
        for pid, told in list(self._told.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _tell(told, os.waitstatus_to_exitcode(status))
                os.close(told)
                del self._told[pid]


def _tell(where: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the listener is gone
        os.write(where, b"%d\n" % number)


def _be_a_run(script: str, streams: list[int]) -> NoReturn:
    code = 1  # as Python itself ends after an error
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        become_a_process(streams)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = [script]
        code = _run(script)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0
