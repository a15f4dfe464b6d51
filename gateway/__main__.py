"""``keeper-rotation``, the operator's command; the same as ``python -m gateway``."""

from __future__ import annotations

import sys

import click

from gateway import __version__
from gateway.errors import CallError, Failed, RotationError
from gateway.report import Stderr
from gateway.secret import masked


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="keeper-rotation")
def cli() -> None:
    """Rotate Azure credentials that live in Keeper records."""


@cli.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.option("--record", "record_uid", required=True, metavar="UID", help="The PAM User record to rotate.")
@click.option("--attach", "attached", multiple=True, metavar="UID", help="A record to attach; may be repeated.")
@click.option(
    "--config", "configuration", default="", metavar="UID", help="The PAM configuration, where several exist."
)
@click.option("--now", is_flag=True, help="Rotate now, whatever rotate_before_hours says.")
@click.option("--json", "as_json", is_flag=True, help="Print the script's own JSON line.")
def run(script: str, record_uid: str, attached: tuple[str, ...], configuration: str, now: bool, as_json: bool) -> None:
    """Run SCRIPT for a record, as the Keeper Gateway would. Write --record=UID: a uid may begin with a dash.

    Exits as the script does: 0 done, 1 failed and nothing changed, 2 the next run finishes it, 3 look at it.
    """
    from gateway.by_hand import run_script

    sys.exit(run_script(script, record_uid, attached, configuration, now=now, as_json=as_json))


def main() -> None:
    """The command; usage errors and ours are exit 1, as in the scripts."""
    import logging

    package = logging.getLogger("gateway")
    package.addHandler(Stderr())
    package.propagate = False
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except click.Abort:
        sys.exit(1)
    except (RotationError, CallError) as error:
        hint = error.hint
        click.echo(masked(f"error: {error}" + (f"\nhint: {hint}" if hint else "")), err=True)
        sys.exit(error.exit_code if isinstance(error, RotationError) else Failed.exit_code)


if __name__ == "__main__":
    main()
