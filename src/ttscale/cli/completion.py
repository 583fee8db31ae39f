"""The Tab key: a shell's completion script, and what is offered where click cannot know."""

from __future__ import annotations

from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from . import output


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@output.common
def completion(shell: str, as_json: bool) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(ttscale completion bash)"     in ~/.bashrc
    zsh:   eval "$(ttscale completion zsh)"      in ~/.zshrc
    fish:  ttscale completion fish > ~/.config/fish/completions/ttscale.fish
    """
    from click.shell_completion import get_completion_class

    from . import main

    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    script = kind(main, {}, "ttscale", "_TTSCALE_COMPLETE").source()
    if as_json:
        output.emit_json({"shell": shell, "script": script})
    else:
        click.echo(script)


def method_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Methods and their other names."""
    from ..methods import methods

    about = {
        name: method.card.title
        for method in methods().values()
        for name in (method.name, *method.card.aliases)
    }
    return _offered(about, incomplete)


def known_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models that need no specification."""
    from ..engines import known_names

    return _offered(dict.fromkeys(known_names(), "known model"), incomplete)


def model_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Known models, the aliases of the configuration, and the kinds a specification begins with."""
    from ..core import TTScaleError
    from ..engines.catalogue.schemes import schemes
    from ..engines.catalogue.source import Catalogue, Plain
    from .config import load

    catalogue: Catalogue = Plain()
    about: dict[str, str] = {}
    # a command will say what is wrong with the configuration; the Tab key cannot
    with suppress(TTScaleError):
        catalogue = load()
        about = {name: f"alias of {alias.spec}" for name, alias in catalogue.aliases.items()}
    about = {f"{scheme}:": "specification" for scheme in schemes(catalogue)} | about
    return known_models(ctx, param, incomplete) + _offered(about, incomplete)


def systems(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Published systems that are built."""
    from ..reproduce.protocol.catalogue import published

    about = {system.name: system.title for system in published().values() if system.built}
    return _offered(about, incomplete)


def _offered(about: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=about[name]) for name in sorted(about) if name.startswith(incomplete)]
