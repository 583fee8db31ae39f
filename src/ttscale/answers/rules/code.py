"""Code: the last fenced block, compared without layout and, for Python, without comments."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Hashable
from functools import lru_cache

from ..rule import KeyedRule

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)


class CodeRule(KeyedRule):
    """The last complete fenced block; a recorded answer may go without a fence."""

    name = "code"

    def find(self, text: str) -> str | None:
        blocks = [block for _, block in _FENCE.findall(text)]
        return next((_tidy(b) for b in reversed(blocks) if b.strip()), None)

    def read(self, written: str) -> str | None:
        return self.find(written) or _tidy(written) or None

    def key(self, answer: str) -> Hashable:
        return _program(answer)


def _tidy(code: str) -> str:
    lines = [line.rstrip() for line in textwrap.dedent(code).splitlines()]
    return "\n".join(lines).strip("\n")


@lru_cache(maxsize=4096)
def _program(code: str) -> str:
    """A normal form: Python through its syntax tree, other languages by their lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in the answer are no concern of ours
            return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(line for line in _tidy(code).splitlines() if line)
