"""The command reference in Markdown: `python -m ttscale.cli.manual > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from . import main

INTRO = """\
# Command line

Results go to standard output, progress and errors to standard error. Every command takes `--json`
(one JSON document on standard output, also for errors) and `--debug` (the traceback of an error).

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed: no answer, a full context, a server that refuses for too long |
| 2 | the call was wrong: unknown name, bad value, missing file |
| 3 | the server cannot be reached |
| 4 | the key is wrong, or the server does not have the model |
| 5 | the model cannot do what the method needs |
| 6 | a recording is malformed or runs dry |
| 7 | a budget ended before there was an answer, or a run's limit before all were answered |
| 8 | a store is corrupt or locked, or the disk is full |
| 9 | a method came out worse than before (`bench compare --fail-if-worse`) |
| 130 | interrupted |
"""


def page() -> str:
    """The whole reference: the `--help` of every command, as it is printed at 80 columns."""
    sections = [INTRO]
    for path, command, parent in _commands("ttscale", main, None):
        ctx = click.Context(
            command,
            info_name=path.split()[-1],
            parent=parent,
            terminal_width=80,
            help_option_names=["-h", "--help"],
        )
        sections.append(f"\n## {path}\n\n```text\n{command.get_help(ctx)}\n```\n")
    return "".join(sections)


def _commands(
    path: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context | None]]:
    yield path, command, parent
    if isinstance(command, click.Group):
        ctx = click.Context(command, info_name=path.split()[-1], parent=parent)
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            if child is not None and not child.hidden:
                yield from _commands(f"{path} {name}", child, ctx)


if __name__ == "__main__":
    click.echo(page(), nl=False)
