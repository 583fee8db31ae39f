"""Multiple choice: a letter."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache

from ...core import UsageError
from ..extraction import last_boxed, stated
from ..rule import KeyedRule

_WRAP = re.compile(r"\\(?:text|textbf|textit|mathbf|mathrm|boldsymbol|bm)\s*\{([^{}]*)\}")


class ChoiceRule(KeyedRule):
    """One of `letters`: boxed, else "answer is (B)", else the last bold one, else the last line."""

    name = "choice"

    def __init__(self, letters: str = "ABCD") -> None:
        if not letters.isascii() or not letters.isalpha():
            raise UsageError(f"letters={letters!r}", fix="give the letters, such as 'ABCD'")
        self.letters = letters.upper()
        one = f"[{self.letters}]"
        self._bold = re.compile(rf"\*\*\s*\(?({one})(?:[).:]|\s*\*\*)", re.IGNORECASE)

    def find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        if boxed is not None:
            return self.read(boxed)
        said = stated(text)
        if said is not None and (letter := self._leading(said)):
            return letter
        bold = self._bold.findall(text)
        if bold:
            return str(bold[-1]).upper()
        lines = text.strip().splitlines()
        return self.read(lines[-1]) if lines else None

    def read(self, written: str) -> str | None:
        return _letter(written, self.letters)

    def key(self, answer: str) -> Hashable:
        return self.read(answer) or answer.strip()

    def _leading(self, said: str) -> str | None:
        """The letter right after "the answer is", with "option" and the like passed over."""
        said = re.sub(r"^(?:(?:option|choice|letter)\b|[\s:*_$])+", "", said, flags=re.IGNORECASE)
        return self.read(said)


@lru_cache(maxsize=65536)
def _letter(written: str, letters: str) -> str | None:
    """The letter of "B", "(b)", "**B.**", "B) some text"; None for anything else."""
    text = _WRAP.sub(r"\1", written[:500]).strip().strip("$*_` ")
    one = f"[{letters}{letters.lower()}]"
    alone = re.fullmatch(rf"[(\[{{]?\s*({one})\s*[)\]}}]?[.:,]?[$*]*", text)
    if alone is None:  # followed by the choice's text; "A dog" is no answer, "A. dog" is
        alone = re.match(rf"(?:\(\s*({one})\s*\)|\[\s*({one})\s*\]|({one})\s*[).:,*])", text)
    if alone is None:
        alone = re.match(rf"([{letters}])(?:\s*[$*]|\s+because\b|\s*[-–—;])", text)
    return None if alone is None else next(g for g in alone.groups() if g).upper()
