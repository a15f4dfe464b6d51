"""``keeper-rotation completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "keeper-rotation"


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the lines with which SHELL completes commands and options.

    \b
    bash  keeper-rotation completion bash > ~/.local/share/bash-completion/completions/keeper-rotation
    zsh   keeper-rotation completion zsh > "${fpath[1]}/_keeper-rotation"
    fish  keeper-rotation completion fish > ~/.config/fish/completions/keeper-rotation.fish
    """
    made = get_completion_class(shell)
    assert made  # noqa: S101 (click has all of the choice)
    variable = f"_{PROGRAM.upper().replace('-', '_')}_COMPLETE"
    # Past the class's own method, which starts the shell to ask for its version: it need not be on this host.
    it = made(context.find_root().command, {}, PROGRAM, variable)
    click.echo(made.source_template % it.source_vars())
