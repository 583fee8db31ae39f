"""docs/systems.md: one row a system, made from result files only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...core import StoreError
from .catalogue import Published, load, published
from .claims import Claim, Figure, Needs, System
from .results import Finding, Result, kept

HEADER = """# The published systems

Every row comes from a result file that `ttscale reproduce` wrote: the claim, the criterion fixed before it
ran, and what came out here. *reproduced* and *refuted* are said of the effect, not of the paper's number:
its models are rarely the ones that run here. *not visible here* means that the interval holds both. A system
without a file is not built yet.

Made by `make systems`; do not edit.
"""


def page() -> str:
    """The page, as Markdown.

    Raises:
        StoreError: if a result belongs to another criterion than the one in the system's file.
    """
    lines = [HEADER]
    systems = list(published().values())
    built = [system for system in systems if system.built]
    lines += [f"{len(built)} of {len(systems)} systems are built.", ""]
    lines += ["| system | made of | claim | here | verdict | command |", "|---|---|---|---|---|---|"]
    details = []
    for entry in systems:
        if not entry.built:
            lines.append(f"| {_link(entry)} | | | | not built | |")
            continue
        system, result = load(entry), checked(entry)
        first = system.claims[0]
        found = result.of(first) if result else None
        lines.append(
            f"| {_link(entry)} | {_made_of(system)} | {_cell(first.text)} | {_cell(shown(found))} | "
            f"{found.verdict if found else 'not run'} | `ttscale reproduce {entry.name}` |"
        )
        details += list(_details(entry, system, result))
    return "\n".join([*lines, "", *details]) + "\n"


def checked(entry: Published) -> Result | None:
    """The kept result of a system, if it is one of the criterion that stands in its file today.

    Raises:
        StoreError: if it is not.
    """
    result = kept(entry)
    if result is not None and result.criterion != load(entry).criterion_hash:
        raise StoreError(
            f"the result of {entry.name} was judged by another criterion",
            fix=f"run ttscale reproduce {entry.name} --full --save",
        )
    return result


def verdicts() -> Mapping[str, str | None]:
    """Name -> verdict of the claim that stands for a system; None if it is not built or was not run."""
    found: dict[str, str | None] = {}
    for entry in published().values():
        result = kept(entry) if entry.built else None
        finding = result.of(load(entry).claims[0]) if result else None
        found[entry.name] = str(finding.verdict) if finding else None
    return found


def shown(finding: Finding | None) -> str:
    """A finding in a few words: the figure with its interval, or what is lacking."""
    if finding is None:
        return ""
    if finding.figure is None:
        return f"needs {finding.needs}"
    return figure_text(finding.figure)


def fixed(claim: Claim) -> str:
    """The criterion in words; nothing where the finding says what is needed."""
    return "" if isinstance(claim.criterion, Needs) else str(claim.criterion)


def figure_text(figure: Figure) -> str:
    """`0.113 [0.021, 0.204], 60 questions`; without the interval where it is exact."""
    interval = "" if figure.low == figure.high else f" [{figure.low:.3g}, {figure.high:.3g}]"
    return f"{figure.value:.4g}{interval}" + (f", {figure.of}" if figure.of else "")


def _details(entry: Published, system: System, result: Result | None) -> Iterator[str]:
    yield f"## {entry.name}"
    yield ""
    papers = ", ".join(f"[arXiv {number}](https://arxiv.org/abs/{number})" for number in entry.arxiv)
    yield f"{entry.title} ({papers})."
    if result is not None:
        commit = (result.commit or "unknown")[:12]
        yield (
            f"{result.form.capitalize()} form, seed {result.seed}, commit {commit}, "
            f"criterion {result.criterion}: {result.spent}."
        )
    yield ""
    yield "| claim | paper | measured here | criterion | here | verdict |"
    yield "|---|---|---|---|---|---|"
    for claim in system.claims:
        yield _row(claim, result.of(claim) if result else None)
    yield ""


def _row(claim: Claim, finding: Finding | None) -> str:
    number = f"{claim.number} ({claim.source})" if claim.number else claim.source
    cells = (claim.text, number, claim.effect, fixed(claim), shown(finding))
    verdict = finding.verdict if finding else "not run"
    return f"| {' | '.join(map(_cell, cells))} | {verdict} |"


def _made_of(system: System) -> str:
    return ", ".join(f"`{name}`" for name in (*system.methods, *system.recipes, *system.metrics))


def _link(entry: Published) -> str:
    return f"[{entry.name}](#{entry.name})" if entry.built else entry.name


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
