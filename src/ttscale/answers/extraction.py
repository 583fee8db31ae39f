r"""Finding where a text states its answer: the last \boxed{...}, or "the answer is ..."."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_STATED = re.compile(
    r"(?:\banswer\b[^\S\n]*(?:is|are|to be|=|:)|####)[^\S\n]*[:*_]*[^\S\n]*([^\n]{1,300})",
    re.IGNORECASE,
)


def last_boxed(text: str) -> str | None:
    r"""What the last complete \boxed{...} holds; None without one."""
    for match in reversed(list(_BOX.finditer(text))):
        start = match.end()
        if start < len(text) and text[start] == "{":
            content = _balanced(text, start)
            if content is not None and content.strip():
                return content.strip()
        elif match.group().endswith((" ", "\t")):  # \boxed 7
            word = re.match(r"[^\s$]+", text[start:])
            if word:
                return word.group().rstrip(".,;")
    return None


def stated(text: str) -> str | None:
    """The rest of the last line that says "answer is", "answer:" or "####"; None without one."""
    folded = text.casefold()
    if "answer" not in folded and "####" not in folded:
        return None
    # from the end: a statement never spans lines, and trying every letter of a long text is slow
    for line in reversed(text.split("\n")):
        if matches := _STATED.findall(line):
            return str(matches[-1]).strip()
    return None


def _balanced(text: str, start: int) -> str | None:
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1  # an escaped brace does not count
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if not depth:
                return text[start + 1 : at]
        at += 1
    return None
