"""The rule that suits a set of gold answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..core import AnswerRule
from .formulas.forms import form
from .formulas.numerals import number
from .rule import is_blank
from .rules.choice import ChoiceRule
from .rules.math import MathRule
from .rules.number import IntegerRule, NumberRule
from .rules.text import TextRule

_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|(?:\d{1,2}(?:st|nd|rd|th)?\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
    r"(?:\s+\d{1,2}(?:st|nd|rd|th)?)?,?(?:\s+\d{4})?",
    re.IGNORECASE,
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?\s*(?:[ap]\.?\s*m\.?)?", re.IGNORECASE)
_LIST = re.compile(r"\[.*\]", re.DOTALL)
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[\s'’.,;:&-]+[^\W\d_]+)*[.!?]?|[^\W\d_]\.?\s[^\W\d_]{2,}.*")


def detect(references: Sequence[str], dataset: str = "") -> AnswerRule:
    """The rule that suits the references: letters, integers of at most three digits in a data set
    of AIME, numbers, words (with dates, times and lists), else mathematics.

    The name of the data set decides only where the references fit, or are not there.
    """
    golds = [gold.strip() for gold in references if not is_blank(gold)]
    names = re.findall(r"[a-z]+", dataset.casefold())
    letters = {gold.strip("() .") for gold in golds}
    # small ones far into the alphabet are symbols
    lettered = bool(golds) and all(re.fullmatch("[A-Z]|[a-f]", letter) for letter in letters)
    letters = {letter.upper() for letter in letters}
    if lettered or ("gpqa" in names and not golds):
        last = max(["D", *(x for x in letters if lettered)])
        return ChoiceRule("".join(chr(code) for code in range(ord("A"), ord(last) + 1)))
    if "aime" in names and all(gold.isdecimal() and len(gold) <= 3 for gold in golds):
        return IntegerRule(max_digits=3)
    if golds and all(number(gold) is not None and not _is_text(gold) for gold in golds):
        return NumberRule()
    if golds and sum(map(_is_text, golds)) > len(golds) / 2:
        return TextRule()
    return MathRule()


def _is_text(gold: str) -> bool:
    """Whether a gold answer is a word, a name, a date, a time or a list."""
    if any(kind.fullmatch(gold) for kind in (_DATE, _TIME, _LIST)):
        return True
    return _WORDS.fullmatch(gold) is not None and form(gold)[0] == "text"
