"""`ttscale completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(ttscale completion bash)"     in ~/.bashrc
    zsh:   eval "$(ttscale completion zsh)"      in ~/.zshrc
    fish:  ttscale completion fish > ~/.config/fish/completions/ttscale.fish
    """
    from click.shell_completion import get_completion_class

    from .. import main

    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    click.echo(kind(main, {}, "ttscale", "_TTSCALE_COMPLETE").source())
