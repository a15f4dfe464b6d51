"""What an operator hands over: uids that look like options, files, and passwords, which nobody else ever sees."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from gateway.errors import Failed
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.host.deadline import Deadline

_LARGEST = 10_000_000
# Sixteen bytes in base64url. A wrong option has words.
_DASHED_UID = re.compile(r"-(?!-[a-z]+(-[a-z]+)*$)[\w-]{21}", re.ASCII)


class RecordsCommand(click.Command):
    """A command whose arguments are records: a uid that begins with a dash is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As every command, with these uids behind ``--``."""
        end = args.index("--") if "--" in args else len(args)
        valued = {name for each in self.params if _takes_value(each) for name in each.opts}
        uids = [at for at in range(end) if _DASHED_UID.fullmatch(args[at]) and not (at and args[at - 1] in valued)]
        if not uids:
            return super().parse_args(ctx, args)
        before = [args[at] for at in range(end) if at not in uids]
        return super().parse_args(ctx, [*before, "--", *(args[at] for at in uids), *args[end + 1 :]])


def _takes_value(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count


def read(path: str) -> bytes:
    """What a file holds. Raises Failed."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", "name a file that this user may read") from None
    if len(content) > _LARGEST:
        raise Failed(f"{path} is larger than {_LARGEST:,} bytes", "name a file with certificates")
    return content


def confirm(question: str, deadline: Deadline) -> bool:
    """What a person at the terminal answers; False where there is none. The time that it takes does not count."""
    with deadline.standing_still():
        return sys.stdin.isatty() and click.confirm(question, err=True)


def confirm_deletion(listed: list[str], deadline: Deadline) -> None:
    """List the records that will be deleted, and ask. Raises Failed: nobody can be asked, or the answer is no."""
    from gateway.commands.shared.output import counted, note

    if not sys.stdin.isatty():
        raise Failed("there is no terminal to ask whether to delete", "run this at a terminal, or add --yes")
    for line in listed:
        note(f"  {line}")
    if not confirm(f"Delete {counted(len(listed), 'record')} from Keeper?", deadline):
        raise Failed("nothing was deleted: that was not agreed to", "answer y, or add --yes")


def new_password(*, from_stdin: bool) -> Secret:
    """The password for a new file, from the first line of stdin or a prompt that does not show it.

    Raises:
        Failed: there is none.
    """
    if from_stdin:
        password = password_on_stdin()
    elif sys.stdin.isatty():
        text = click.prompt("Password for the new file", hide_input=True, confirmation_prompt=True, err=True)
        password = Secret(text)
    else:
        raise Failed("a PFX needs a password", "pipe it in with --password-stdin, or run this at a terminal")
    if not password:
        raise Failed("the password is empty", "give one: the file holds the private key")
    return password


def password_on_stdin() -> Secret:
    """The first line of stdin. Raises Failed."""
    try:
        return Secret(sys.stdin.buffer.readline().decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        raise Failed("the password on stdin is not UTF-8", "pipe it in as UTF-8, or run this at a terminal") from None
