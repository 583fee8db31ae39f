"""`ttscale methods`: what methods there are, made from their cards."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import method_names

if TYPE_CHECKING:
    from ...core import Method, Role


@click.group(invoke_without_command=True, short_help="List the methods, or show one.")
@output.common
@click.pass_context
def methods(ctx: click.Context, as_json: bool) -> None:
    """List the methods, or show one. Without a command: list."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_methods, as_json=as_json, markdown=False)


@methods.command("list")
@click.option("--markdown", is_flag=True, help="The whole reference in Markdown.")
@output.common
def list_methods(as_json: bool, markdown: bool) -> None:
    """List all methods with what they scale, need and cost."""
    from ...methods import registry

    known = registry.methods()
    if as_json:
        output.emit_json([described(method) for method in known.values()])
    elif markdown:
        click.echo(reference(known), nl=False)
    else:
        _print_table(known)


@methods.command("show")
@click.argument("name", shell_complete=method_names)
@output.common
def show_method(name: str, as_json: bool) -> None:
    """Show one method: its card and its parameters with their defaults."""
    from ...methods import own_file, registry

    method = registry.get(name) if own_file.divided(name) is None else registry.parse(name).method
    if as_json:
        output.emit_json(described(method))
        return
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    card, console = method.card, output.stdout()
    console.print(f"[bold]{card.name}[/]  {escape(card.title)}")
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(method).items():
        facts.add_row(label, escape(value))
    for deviation in card.deviations:
        facts.add_row("deviation", escape(deviation))
    console.print(Padding(facts, (0, 2)))
    entries = Table.grid(padding=(0, 2))
    for entry in parameters(method):
        about = f"{entry['about']} ({entry['takes']})"
        entries.add_row(escape(f"{entry['name']}={_written(entry['default'])}"), escape(about))
    console.print("\n[bold]Parameters[/]", Padding(entries, (0, 2)), sep="\n")
    console.print("\n[bold]Example[/]")
    console.print(f"  {_example(method)}", markup=False)


@methods.command("new")
@click.argument("name")
@click.option(
    "--folder", default=".", type=click.Path(path_type=Path, file_okay=False), help="Where it is written."
)
@output.common
def new_method(name: str, folder: Path, as_json: bool) -> None:
    """Write a method of your own, NAME.py, with its card and its test, to begin with."""
    from ..new_method import write

    method, test = write(name, folder)
    written = f"{'' if method.is_absolute() else './'}{method}:{method.stem}"
    if as_json:
        output.emit_json({"method": method, "test": test, "written": written})
        return
    click.echo(written)
    click.echo(
        f'try it: ttscale solve "What is 17+25?" --method "{written}"; test it: pytest {test}', err=True
    )


def described(method: Method) -> dict[str, Any]:
    """A method's card and parameters, ready for JSON."""
    return {**method.card.as_dict(), "parameters": parameters(method)}


def parameters(method: Method) -> list[dict[str, Any]]:
    """Name, what it takes in words and as JSON Schema, default and meaning of every parameter."""
    from ...core.settings.declared import fields_of

    about, declared = explained(method.config), fields_of(method.config)
    return [
        {
            "name": field.name,
            "takes": declared[field.name].kind.words,
            "schema": declared[field.name].kind.schema,
            "default": _default(field),
            "about": about.get(field.name, ""),
        }
        for field in dataclasses.fields(method.config)
    ]


def explained(config: type) -> dict[str, str]:
    """What a config's docstring says about each field, as an `Attributes:` list or in a row
    ("n: samples. tie: who wins")."""
    names = {field.name for field in dataclasses.fields(config)}
    text = " ".join((config.__doc__ or "").partition("Attributes:")[2].split())
    text = text or " ".join((config.__doc__ or "").split())
    about: dict[str, str] = {}
    current: list[str] = []
    pieces = re.split(r"(?:(?<=^)|(?<=[.;]\s)|(?<=\s))((?:\w+, )*\w+): ", text)
    for heads, words in zip(pieces[1::2], pieces[2::2], strict=True):
        found = [head for head in heads.split(", ") if head in names]
        if found:
            current = found
        else:
            words = f" {heads}: {words}"  # a colon inside a sentence
        for name in current:
            about[name] = about.get(name, "") + words
    return {name: " ".join(words.split()) for name, words in about.items()}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return "required"


def _written(value: Any) -> str:
    """As it is written in `name(n=8)`: a word as it is, any other text in quotes."""
    return value if isinstance(value, str) and re.fullmatch(r"\w+", value) else repr(value)


def _facts(method: Method) -> dict[str, str]:
    card = method.card
    how = (card.stimulation, card.verification, card.search, card.aggregation)
    facts = {
        "paper": card.paper,
        "also called": ", ".join(card.aliases),
        "scales": card.what,
        "how": ", ".join(part for part in how if part),
        "judged by": card.verification_source,
        "verdicts": ", ".join(f"to {use}" for use in card.verification_use),
        "made for": ", ".join(card.domain) if card.domain != ("general",) else "",
        "works on": ", ".join(card.modality) if card.modality != ("text",) else "",
        "needs": needs(card.needs),
        "spends on": "a set of questions" if card.scope == "set" else "one question",
        "stops when": card.stops,
        "knob": card.knob,
        "cost unit": card.cost_unit,
        "status": card.status,
    }
    return {label: value for label, value in facts.items() if value}


def needs(roles: Mapping[str, Role]) -> str:
    """What a method asks of whom, "main: text; prm: reward"."""
    return "; ".join(f"{name}: {', '.join(sorted(r.capabilities))}" for name, r in roles.items())


def _example(method: Method) -> str:
    card = method.card
    given = [f"{p['name']}=..." for p in parameters(method) if p["default"] == "required"]
    given += ["n=8"] if card.knob == "n" else []
    written = f"{card.name}({', '.join(given)})" if given else card.name
    roles = "".join(f" --role {role}=MODEL" for role in card.needs if role != "main")
    return f"ttscale solve 'What is 17 * 23?' --method '{written}'{roles}"


WIDE = 120  # columns that the whole table takes


def _print_table(known: Mapping[str, Method]) -> None:
    from rich.table import Table

    console = output.stdout()
    columns = ["method", "what it is", "scales", "needs", "knob", "status", "paper"]
    if console.width < WIDE:  # the rest is in `ttscale methods show`
        columns = columns[:2]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        wraps = column in ("what it is", "needs")
        table.add_column(column, no_wrap=not wraps, overflow="fold")
    for name, method in known.items():
        card = method.card
        cells = (
            name,
            card.title,
            card.what,
            needs(card.needs),
            card.knob,
            card.status,
            card.paper.split()[0] if card.paper else "",
        )
        table.add_row(*cells[: len(columns)])
    console.print(table)


def reference(known: Mapping[str, Method]) -> str:
    """The Markdown page of all methods."""
    lines = [
        "# Methods",
        "",
        "Made from the methods' own cards by `ttscale methods list --markdown`.",
        "",
        "| method | what it is | scales | needs | status | paper |",
        "|---|---|---|---|---|---|",
    ]
    for name, method in known.items():
        card = method.card
        cells = (
            f"[`{name}`](#{name})",
            card.title,
            card.what,
            needs(card.needs),
            card.status,
            _linked(card.paper),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for method in known.values():
        lines += _section(method)
    return "\n".join(lines) + "\n"


def _section(method: Method) -> list[str]:
    card = method.card
    lines = ["", f"## {card.name}", "", f"{card.title}.", ""]
    lines += [
        f"- {label}: {_linked(value) if label == 'paper' else value}"
        for label, value in _facts(method).items()
    ]
    lines += [f"- deviation: {deviation}" for deviation in card.deviations]
    entries = parameters(method)
    if entries:
        lines += ["", "| parameter | takes | default | meaning |", "|---|---|---|---|"]
    for entry in entries:
        shown = (entry["takes"], f"`{_written(entry['default'])}`", entry["about"])
        cells = (f"`{entry['name']}`", *shown)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, "", f"    {_example(method)}"]


def _linked(paper: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)
