"""The options that say what a command signs in to Azure with; the same names everywhere.

``--attach`` is the older name of ``--credential``, and means the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gateway.host.settings import read_settings
from gateway.model.clouds import CLOUDS

_NAMES = ("--credential", "--attach")
_CONFIGURATION = "The PAM configuration, if there are several."


def attached_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--credential`` and ``--config`` of a command that runs, or rehearses, what the Gateway would."""
    attached = "The record to sign in with, or another one to attach; repeatable."
    options = (
        click.option(*_NAMES, "attached", multiple=True, metavar="UID", help=attached),
        click.option("--config", "configuration", default="", metavar="UID", help=_CONFIGURATION),
    )
    return _with(command, options)


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--credential``, ``--config`` and ``--cloud`` of a command that opens a session."""
    options = (
        click.option(*_NAMES, "credential_uid", default="", metavar="UID", help="The record to sign in with."),
        click.option("--config", "configuration_uid", default="", metavar="UID", help=_CONFIGURATION),
        click.option(
            "--cloud",
            type=click.Choice(list(CLOUDS)),
            callback=lambda context, option, given: given or read_settings().cloud.name,
            help="The Azure cloud.",
        ),
    )
    return _with(command, options)


def _with(
    command: Callable[..., Any], options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...]
) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
