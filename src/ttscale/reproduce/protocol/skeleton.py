"""A first version of a system's file, to be filled in."""

from __future__ import annotations

from pathlib import Path
from string import Template

from ...core import UsageError
from .catalogue import Published

SKELETON = Template('''\
"""$title.

arXiv $arxiv. What of it is measured here, and on what.
"""

from __future__ import annotations

from .protocol import Above, Claim, Figure, Laboratory, Needs, System


def effect(lab: Laboratory) -> Figure:
    """What is measured, on what, with which interval."""
    found = lab.bench(["sc(n=8)", "simple"], "tiny", ["lab:word?level=2"], n=lab.size(40, 200))
    return Figure.paired(found.difference("sc(n=8)", "simple"))


SYSTEM = System(
    name="$name",
    methods=(),
    parameters={"questions": [40, 200]},
    claims=(
        Claim(
            name="effect",
            text="What the paper says.",
            number="its figure, model and data",
            source="where it stands",
            effect="what is measured here, in one line",
            criterion=Above(0.0),
            measure=effect,
        ),
        Claim(
            name="at-scale",
            text="What cannot be had here.",
            source="where it stands",
            criterion=Needs("a model of 32B parameters"),
        ),
    ),
)
''')


def write_skeleton(system: Published, folder: Path) -> Path:
    """Write the file of a system that has none.

    Raises:
        UsageError: if there is one already.
    """
    path = folder / f"{system.module}.py"
    if path.exists() or system.built:
        raise UsageError(f"{system.name} has a file already", fix=f"edit {path}")
    text = SKELETON.substitute(name=system.name, title=system.title, arxiv=", ".join(system.arxiv))
    path.write_text(text, encoding="utf-8")
    return path
