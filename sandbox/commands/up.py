"""``python -m sandbox up``: a furnished sandbox for a shell, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from sandbox.commands.furnished import furnish_all, furnish_events
from sandbox.furnish.rotation import WRITE_ALL, WRITE_OWNED
from sandbox.sandbox import Sandbox

ROLES = (WRITE_OWNED, WRITE_ALL, "Directory.Read.All")
READY = "sandbox: ready"


def up(options: Namespace) -> int:
    """Run it; returns the exit code."""
    env_file = Path(options.env_file)
    # An Event would be set by the handler while the lock of its own wait is held, now and then, and hang.
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: stop.put(signum))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-"))
        sandbox = stack.enter_context(Sandbox(latency=options.latency))
        made = furnish_all(sandbox, options.old_secrets, options.admin_role or ROLES, options.mongodb)
        leading = sandbox.env(folder)
        if options.events:
            made |= furnish_events(sandbox, Path(leading["SSL_CERT_FILE"]), stack)
        try:
            own = {
                "CURL_CA_BUNDLE": leading["SSL_CERT_FILE"],
                "ROTATION_LOCK_DIR": str(Path(folder) / "locks"),  # locks and history that are not this host's own
                "SANDBOX_PID": str(os.getpid()),
            }
            _write_exports(env_file, leading | own | made)
        except OSError as error:
            print(f"error: cannot write {env_file}: {error.strerror}", file=sys.stderr)
            return 1
        print(_welcome(sandbox, env_file), flush=True)
        stop.get()
    env_file.unlink(missing_ok=True)  # it leads nowhere any more
    return 0


def _write_exports(path: Path, variables: dict[str, str]) -> None:
    """All lines appear at once: whoever waits for the file never reads half of it."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "not a plain file")  # /dev/stdout would be replaced, not written to
    path.unlink(missing_ok=True)  # one of an earlier sandbox must not be taken for ours
    lines = ["export {}='{}'\n".format(name, value.replace("'", "'\\''")) for name, value in variables.items()]
    handle, draft = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with open(handle, "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.replace(draft, path)


def _welcome(sandbox: Sandbox, env_file: Path) -> str:
    """The last line says that it is ready."""
    hosts = [host for service in sandbox.server.services for host in service.hosts]
    served = [host for host in hosts if host != "127.0.0.1"]
    return (
        f"sandbox: answers for {', '.join(served)}; refuses every other host\n"
        f"  . {env_file}  points a shell at it; SIGTERM or Ctrl-C stops it\n"
        f"{READY}, proxy at {sandbox.url}"
    )
