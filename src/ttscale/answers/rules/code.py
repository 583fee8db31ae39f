"""Code: the block with the solution, compared without layout and, for Python, without comments."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Hashable
from functools import lru_cache

from ..rule import KeyedRule

_FENCE = re.compile(
    r"^[ \t]*(?P<marks>```+|~~~+)[ \t]*(?P<tag>[^\n`]*)\n(?P<code>.*?)^[ \t]*(?P=marks)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_OUTPUT = frozenset(["output", "out", "text", "txt", "console", "result", "results", "stdout", "plaintext"])
_SHELL = frozenset(["bash", "sh", "shell", "zsh", "powershell", "cmd"])
_DEFINITION = re.compile(
    r"^[ \t]*(?:(?:async\s+)?def\s+(?!test_)\w|class\s+(?!Test)\w|(?:pub\s+)?fn\s+\w|func\s+\w"
    r"|(?:export\s+|async\s+)*function\b|(?:public|private|protected|static)\s.*[({]|#include|import\s+java"
    r"|(?:const|let|var)\s+\w+\s*=\s*(?:async\s*)?(?:\([^)]*\)|\w+)\s*=>|module\s+\w|template\s*<"
    r"|(?:int|void|double|bool|auto|long|string|std::\w+)\b[^=;\n]*\()",
    re.MULTILINE,
)
_BEGINNING = re.compile(
    r"^(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+.*:\s*$|from\s+[\w.]+\s+import\s|import\s+[\w.]+\s*(?:as\s+\w+)?$"
    r"|@\w|#include\s*<|(?:export\s+)?function\s+\w+\s*\(|fn\s+\w+\s*\(|package\s+\w+;?$"
    r"|public\s+(?:static\s+|final\s+)?class\s)",
    re.MULTILINE,
)


class CodeRule(KeyedRule):
    """The last complete block that defines something, else the last that is not an output; without a
    block, the code that the reply is or ends with. A recorded answer may go without a fence."""

    name = "code"

    def find(self, text: str) -> str | None:
        blocks = [
            (match["tag"].strip().casefold().split(" ")[0], match["code"])
            for match in _FENCE.finditer(text)
            if match["code"].strip()
        ]
        if not blocks:
            return _bare(text)
        tagged = [code for tag, code in blocks if tag and tag not in _OUTPUT | _SHELL]
        code = tagged or [code for tag, code in blocks if not tag]
        solutions = [block for block in code if _DEFINITION.search(block)]
        return _tidy((solutions or code or [code for _, code in blocks])[-1])

    def read(self, written: str) -> str | None:
        return self.find(written) or _tidy(written) or None

    def key(self, answer: str) -> Hashable:
        return _program(answer)


def _bare(text: str) -> str | None:
    """Code without a fence, from its first line that can only be code up to prose."""
    match = _BEGINNING.search(text)
    if match is None or "```" in text:
        return None
    lines = text[match.start() :].splitlines()
    for end in range(len(lines), 0, -1):
        code = "\n".join(lines[:end])
        if _parses(code):
            return _tidy(code)
        if end < len(lines) - 50:
            break
    is_python = match.group().startswith(("def", "class", "async", "from", "import", "@"))
    return None if is_python else _tidy("\n".join(lines))


def _parses(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


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
