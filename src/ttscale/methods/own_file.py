"""A method from a file of one's own: `./my.py:agreeing_pair(max_pairs=4)`.

The file is run, as Python runs it, so only who could run it anyway may name it: a command line, a script,
a configuration. What a client of the gateway writes is never read as a path.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from ..core import Method, UnknownName, UsageError

_PREFIX, _CONTENT = "ttscale_own_", "__ttscale_content__"
_WRITTEN = re.compile(r"\s*(?P<path>[^()]*\.py):(?P<name>[^()]*)(?P<rest>\(.*)?", re.S)


def divided(spec: str) -> tuple[Path, str, str] | None:
    """(file, method's name, its parameters in brackets or "") of what names a file; else None."""
    found = _WRITTEN.fullmatch(spec)
    return found and (Path(found["path"]).expanduser(), found["name"].strip(), found["rest"] or "")


def method_in(path: Path, name: str) -> Method:
    """The method of that name, its function's or its card's, with the status `yours`. An oracle stays one.

    Raises:
        UsageError: if the file cannot be run.
        UnknownName: if it makes no such method.
    """
    made = {
        attribute: value
        for attribute, value in vars(module_of(path)).items()
        if isinstance(value, Method) and is_own(value.fn.__module__)
    }
    for attribute, method in made.items():
        if name in (attribute, method.name, *method.card.aliases):
            return method
    raise UnknownName("method", name, made, str(path))


def is_own(module: str) -> bool:
    """Whether a module is such a file: it may be run again, and makes its methods anew."""
    return module.startswith(_PREFIX)


def module_of(path: Path) -> ModuleType:
    """The file as a module, run once as long as it does not change."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", fix="write it as FILE.py:NAME(n=8)"
        ) from None
    name = _PREFIX + hashlib.blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()
    if (known := sys.modules.get(name)) is not None and known.__dict__[_CONTENT] == content:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # its name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        # not by its loader, which believes compiled code of the same size and second
        exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise UsageError(
            f"{path} cannot be run: {type(error).__name__}: {error}{_line(error, path)}", fix="mend the file"
        ) from error
    for attribute, value in list(vars(module).items()):
        if isinstance(value, Method) and value.fn.__module__ == name and value.card.status != "oracle":
            setattr(module, attribute, replace(value, card=replace(value.card, status="yours")))
    module.__dict__[_CONTENT] = content
    return module


def _line(error: BaseException, path: Path) -> str:
    """The last line of the file that was being run."""
    lines = [
        f.lineno
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).resolve() == path.resolve()
    ]
    return f" (line {lines[-1]})" if lines else ""
