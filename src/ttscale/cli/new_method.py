"""A method of one's own to begin with: `ttscale methods new NAME` writes it and its test.

It is the method of the guide under another name; what it does is to be changed.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from ..core import UsageError
from ..methods import registry
from ..methods.index import MODULES


def write(name: str, folder: Path) -> list[Path]:
    """Write NAME.py, with card, config and method, and test_NAME.py; both run as they are.

    Raises:
        UsageError: for a name that cannot be a method's, one that is taken, or a file that exists.
    """
    kebab, snake = name.replace("_", "-"), name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kebab):
        raise UsageError(
            f"{name!r} cannot be a method's name",
            fix="use small letters, digits and hyphens, as in agreeing-pair",
        )
    if kebab in MODULES or kebab in registry.methods():
        raise UsageError(f"a method {kebab!r} exists", fix="choose another name")
    targets = {folder / f"{snake}.py": "method", folder / f"test_{snake}.py": "test"}
    for path in targets:
        if path.exists():
            raise UsageError(f"{path} exists already", fix="choose another name or folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, kind in targets.items():
        template = files(__package__).joinpath("templates", f"{kind}.py.txt").read_text(encoding="utf-8")
        path.write_text(Template(template).substitute(name=kebab, function=snake), encoding="utf-8")
    return list(targets)
