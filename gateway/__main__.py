"""``keeper-rotation``, the operator's command; the same as ``python -m gateway``."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from gateway import __version__
from gateway.commands.credential import attached_options
from gateway.commands.shared.interrupt import end_on_signals, interrupted
from gateway.commands.shared.output import tell_error
from gateway.errors import CallError, Failed, RotationError, Unknown
from gateway.host.deadline import ignore_signals
from gateway.host.process import forgiving_streams
from gateway.host.report import Stderr


class Commands(click.Group):
    """The commands of this file, and those of others, which are imported only when they are asked for."""

    ELSEWHERE = {  # noqa: RUF012 (a constant)
        "bundle": "gateway.commands.bundle.cli:bundle",
        "certificate": "gateway.commands.certificate.cli.group:certificate",
        "check": "gateway.commands.check.cli:check",
        "completion": "gateway.commands.completion:completion",
        "digest": "gateway.commands.notify.cli:digest",
        "discover": "gateway.commands.discover.cli:discover",
        "history": "gateway.commands.history:history",
        "init": "gateway.commands.init.cli:init",
        "notify": "gateway.commands.notify.cli:notify",
        "plan": "gateway.commands.plan.cli:plan",
        "run-due": "gateway.commands.run_due.cli:run_due",
        "scripts": "gateway.commands.scripts:scripts",
        "status": "gateway.commands.status.cli:status",
        "take-over": "gateway.commands.take_over:take_over",
        "targets": "gateway.commands.targets.cli:targets",
        "tls-secret": "gateway.commands.tls_secret.cli:tls_secret",
        "version": "gateway.commands.version:version",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted([*super().list_commands(ctx), *self.ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; None where there is none of this name."""
        if cmd_name not in self.ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.ELSEWHERE[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="keeper-rotation")
def cli() -> None:
    """Rotate Azure credentials that live in Keeper records."""


@cli.command()
@click.argument("script")
@click.option("--record", "record_uid", required=True, metavar="UID", help="The PAM User record to rotate.")
@attached_options
@click.option(
    "--now", is_flag=True, help="Rotate now, whatever rotate_before_hours says; not where rotation_enabled is False."
)
@click.option("--revoke", is_flag=True, help="Rotate now, and end all earlier secrets of the record at once.")
@click.option(
    "--even-where-not-delivered",
    "despite",
    is_flag=True,
    help="With --revoke: also secrets that a destination still holds.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Show what it would do; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the script's own JSON line.")
def run(
    script: str,
    record_uid: str,
    attached: tuple[str, ...],
    configuration: str,
    now: bool,
    revoke: bool,
    despite: bool,
    only_plan: bool,
    as_json: bool,
) -> None:
    """Run SCRIPT for a record, as the Keeper Gateway would.

    SCRIPT is a file, or the name of one of this package's scripts, such as azure_app_secret. Exits as the script
    does: 0 done, 1 failed, 2 incomplete, 3 unknown.
    """
    from gateway.commands.run_script import command_of, run_script

    if despite and not revoke:
        raise click.UsageError("--even-where-not-delivered goes with --revoke only")
    if only_plan:
        from gateway.commands.plan.cli import plan_all
        from gateway.commands.plan.rehearsal import How

        how = How(attached, configuration, now or revoke, revoke, despite)
        sys.exit(plan_all([record_uid], how, as_json=as_json))
    asked = {"now": now or revoke, "revoke": revoke, "even_where_not_delivered": despite}
    sys.exit(run_script(command_of(script), record_uid, attached, configuration, as_json=as_json, **asked))


@cli.command(short_help="Rotate when Key Vault reports a near expiry.")
@click.option("--config", "path", default="", metavar="FILE", help="A TOML file; LISTEN_… variables override it.")
def listen(path: str) -> None:
    """Rotate a record when Key Vault says, through an Event Hub, that a secret it delivers is near its end.

    Runs until SIGTERM or Ctrl-C, and finishes the rotations under way. Every setting is in docs/listen.md.
    """
    try:
        from gateway.listener.listener import listen as run_listener
    except ImportError as error:
        hint = "install what the listener needs: pip install -r requirements-listen.txt, a file of the bundle"
        raise Failed(f"listen: the package {error.name} is not installed", hint) from None
    run_listener(path)


def main() -> None:
    """The command; exit codes are those of the scripts, and usage errors are 1."""
    import logging
    import traceback

    forgiving_streams()
    package = logging.getLogger("gateway")
    package.addHandler(Stderr())
    package.propagate = False
    try:
        end_on_signals()
        try:
            cli.main(standalone_mode=False)
        finally:
            ignore_signals()
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt) as error:
        _end(interrupted(error.__cause__))
    except RotationError as error:
        _end(error)
    except CallError as error:
        _end((Unknown if error.may_have_changed else Failed)(str(error), error.hint))
    except Exception as error:
        if os.environ.get("ROTATION_TRACEBACK"):
            for line in traceback.format_exc().splitlines():
                package.error("%s", line)
        hint = "set ROTATION_TRACEBACK=1, run again, and report what it shows"
        _end(Unknown(f"unforeseen {type(error).__name__}", hint))


def _end(error: RotationError) -> NoReturn:
    tell_error(error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
