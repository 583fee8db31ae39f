"""The `ttscale` command. Commands load when they run: `ttscale --help` is instant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from .. import __version__
from . import output

COMMANDS = {
    # name: (module:attribute, what `ttscale --help` says about it)
    "solve": ("ttscale.cli.commands.solve:solve", "Answer one question with a method and a budget."),
    "bench": ("ttscale.cli.commands.bench:bench", "Compare methods on tasks under equal budgets."),
    "plan": ("ttscale.cli.commands.plan:plan", "Learn which method suits which question and budget."),
    "metrics": ("ttscale.cli.commands.metrics:metrics", "Show figures of merit of a bench."),
    "reproduce": (
        "ttscale.cli.commands.reproduce:reproduce",
        "Measure what a paper claims, and say what came out here.",
    ),
    "serve": ("ttscale.cli.commands.serve:serve", "Serve any method in front of any model."),
    "methods": ("ttscale.cli.commands.methods:methods", "List the methods, or show one."),
    "models": ("ttscale.cli.commands.models:models", "List the known models, or fetch one."),
    "train": ("ttscale.cli.commands.train:train", "Train the bundled reasoner."),
    "doctor": ("ttscale.cli.commands.doctor:doctor", "Check what works here, and how to fix what does not."),
    "completion": ("ttscale.cli.completion:completion", "Print a shell's completion script."),
}


class Lazy(click.Group):
    """A group whose commands live in `COMMANDS`; it also owns how every command ends."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..core import UnknownName

            raise UnknownName("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=about)
            for name, (_, about) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return names + options

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        given = list(sys.argv[1:] if args is None else args)
        # typed as what it is when asked not to exit: the plain click entry point
        inner: Callable[..., Any] = super().main

        def invoke() -> Any:
            return inner(given, "ttscale", complete_var, False, windows_expand_args, **extra)

        sys.exit(output.run(invoke, given))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="ttscale %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def main() -> None:
    """The best answer from a model within a budget of tokens, seconds or money."""
