"""Multiple choice: a letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from functools import lru_cache

from ...core import UsageError
from ..extraction import last_boxed, statements, tagged
from ..rule import KeyedRule

_SEVERAL = "several"
_WRAP = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathbf|mathrm|mathit|boldsymbol|bm|underline|large|Large|bf|rm"
    r"|displaystyle|left|right|boxed|fbox)(?![a-zA-Z])\s*"
)
_SPACING = re.compile(r"\\[ ,;:!]|~|\\q?quad")
_MARKS = re.compile(r"\\[()\[\]]|[$*_`~#\"'“”‘’«»„「」『』]|\\(?=\s|$)")
_LEAD = re.compile(
    r"\A(?:(?:the|option|choice|letter|answer|is|was|would be|should be|must be|therefore|thus|hence|"
    r"clearly|simply|either|both|correct|one|statement|alternative|opción|la|die|der|选项?|選項)\b[\s:：]*"
    r"|选项|选|[\s:：.,=–-])+",
    re.IGNORECASE,
)
_AND = r"\s*(?:[,;]\s*(?:and|or)?|and|or|&|/|\+|und|et|y|和|或|、)\s*(?:option\s+)?"
_AFTER = re.compile(r"\s+(?:because|since|as|is|which|with|not|and\s+not|but|richtig|korrekt)\b")
_CHOSEN = (
    r"(?:(?<![\w选])选|故选|应选|选择|因此选|所以选|正确选项[是为]|选项|本题选|選)[\s:：]*"
    r"|\b(?:option|choice|alternative)s?\b(?:\s+(?:is|are|would be|should be|must be))?\s*[:：]?"
    r"|\bI(?:'d|\s+would|\s+will|'ll)?\s+(?:choose|pick|select|say|guess|go\s+with)\b"
    r"|\b(?:solution|result|conclusion|ist|est)\b\s*:?"
    r"|\b(?:so|therefore|thus|hence|it\s+is|it\s+must\s+be|it's|one\s+is|correct\s+is|choose|select|pick)\b[,:]?"
)


class ChoiceRule(KeyedRule):
    """One of `letters`: boxed, else tagged, else "answer is (B)", else chosen in other words, else
    the only bold one, else the last line. Several letters are not answer."""

    name = "choice"

    def __init__(self, letters: str = "ABCD") -> None:
        if not letters.isascii() or not letters.isalpha():
            raise UsageError(f"letters={letters!r}", fix="give the letters, such as 'ABCD'")
        self.letters = letters.upper()
        one = f"[{self.letters}]"
        self._bold = re.compile(rf"\*\*\s*\(?({one})(?:[).:]|\s*\*\*)", re.IGNORECASE)
        self._chosen = re.compile(rf"(?:{_CHOSEN})[\s*_(\[$\\]*(?={one}(?![a-z]))", re.IGNORECASE)
        self._right = re.compile(
            rf"(?<![A-Za-z])[(\[*]*({one})[)\]*.]*\s+(?:is|as|ist|est|es)\s+(?:the\s+)?(?:correct|right|true|richtig|"
            rf"the\s+(?:best\s+)?answer)\b"
        )

    def find(self, text: str) -> str | None:
        for place in (last_boxed(text), tagged(text)):
            if place is not None and (found := self._letter(place)):
                return _one(found)
        for statement in reversed(statements(text)):
            if found := self._letter(statement):
                return _one(found)
        for look in (self._in_words, self._in_bold, self._in_last_line, self._in_first_line):
            if found := look(text):
                return _one(found)
        return None

    def read(self, written: str) -> str | None:
        return _one(self._letter(written))

    def key(self, answer: str) -> Hashable:
        return self.read(answer) or answer.strip()

    def _letter(self, written: str) -> str | None:
        return _letter(written, self.letters)

    def _in_words(self, text: str) -> str | None:
        """ "I choose C", "option C is correct", "so, C is correct": the last of them."""
        found = ""
        at = -1
        for match in self._chosen.finditer(text):
            letter = self._letter(text[match.end() :].split("\n", 1)[0])
            if letter:
                found, at = letter, match.start()
        for match in self._right.finditer(text):
            if match.start() > at:
                found, at = match[1], match.start()
        return found or None

    def _in_bold(self, text: str) -> str | None:
        """The last bold letter; those that begin their lines are a list of the options."""
        bold = list(self._bold.finditer(text))
        own = [
            m
            for m in bold
            if text[: m.start()].rsplit("\n", 1)[-1].strip(" -*•")
            or not text[m.end() :].split("\n", 1)[0].strip(" *).")
        ]
        if own:
            return own[-1][1].upper()
        letters = {m[1].upper() for m in bold}
        return letters.pop() if len(letters) == 1 else None

    def _in_last_line(self, text: str) -> str | None:
        lines = [line for line in text.splitlines() if line.strip("` \t*_#-")]
        listed = {found for line in lines if (found := self._listed(line))}
        if not lines or (len(listed) > 1 and self._listed(lines[-1])):
            return None  # the last of the options is not a choice
        if len(set(re.findall(rf"\b([{self.letters}])[).:]", lines[-1]))) > 2:
            return None  # nor are all of them
        return self._letter(lines[-1])

    def _in_first_line(self, text: str) -> str | None:
        """A letter that stands alone before its reasons."""
        first = text.strip().split("\n", 1)[0]
        return self._letter(first) if re.fullmatch(r"\W*\w\W*", first) else None

    def _listed(self, line: str) -> str | None:
        """The letter of an option with its text."""
        match = re.match(rf"\W*([{self.letters}])[).:*]+\s*\S", line)
        return match[1] if match else None


def _one(found: str | None) -> str | None:
    return None if found == _SEVERAL else found


def _marked(text: str) -> str:
    """The text without marks, quotes and fonts, full-width letters as ASCII."""
    text = _WRAP.sub("", _SPACING.sub(" ", unicodedata.normalize("NFKC", text[:500])))
    text = _MARKS.sub("", text.replace("{", " ").replace("}", " ")).strip()
    return re.sub(r"\A[^\w(\[<]+", "", text)  # ticks, arrows and bullets


@lru_cache(maxsize=65536)
def _letter(written: str, letters: str) -> str | None:
    """The letter of "B", "(b)", "**B.**", "B) some text"; `_SEVERAL` if it says more than one, None
    for anything else."""
    text = _LEAD.sub("", _marked(written))
    text = re.sub(r"^not\s+\(?\w\)?,?\s+but\s+", "", text, flags=re.IGNORECASE)
    one = f"[{letters}{letters.lower()}]"
    match = re.match(rf"(?:\(\s*({one})\s*\)|\[\s*({one})\s*\]|<\s*({one})\s*>|({one}))(?!\w)", text)
    if match is None:
        match = re.match(rf"[(\[]?([{letters}])[)\]]?(?=[^\x00-\x7f])", text)
        return None if match is None else match[1]
    letter = next(group for group in match.groups() if group)
    enclosed, rest = match.end() - match.start() > 1, text[match.end() :]
    also = re.match(rf"\s*[)\]]?{_AND}\(?\[?({one})(?![\w'])[)\]]?", rest)
    others = also and also[1].upper() != letter.upper()
    if also and others and not re.match(r"\s*[.)]?\s*\w{3,}", rest[also.end() :]):
        return _SEVERAL
    if enclosed or re.match(r"\s*(?:$|[).:,\]};–—。，、；！!]|-\s)", rest):
        return letter.upper()
    if letter.isupper() and _AFTER.match(rest):
        return letter
    # A and I are words
    if letter in "BCDEFGHJKLMNOPQRSTUVWXYZ" and re.match(r"\s+[A-Z\d(\\]", rest):
        return letter
    return None
