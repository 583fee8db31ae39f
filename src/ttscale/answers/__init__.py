"""Answers: finding the one in a text, and deciding whether two are the same.

Every vote and every grade goes through one of these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import AnswerRule, UnknownName, UsageError
from .extraction import last_boxed
from .rules.choice import ChoiceRule
from .rules.code import CodeRule
from .rules.math import MathRule
from .rules.number import IntegerRule, NumberRule
from .formulas.numerals import number
from .rule import KeyedRule
from .rules.text import TextRule
from .rules.tool import ToolRule

RULES: dict[str, Callable[..., KeyedRule]] = {
    rule.name: rule
    for rule in (MathRule, NumberRule, IntegerRule, ChoiceRule, CodeRule, TextRule, ToolRule)
}


def rule_for(name: str, **params: Any) -> AnswerRule:
    """The rule of that name: math, number, integer(max_digits), choice(letters), code, text, tool.

    Raises:
        UnknownName: naming the nearest rule.
        UsageError: if the rule does not take these parameters.
    """
    if name not in RULES:
        raise UnknownName("answer rule", name, RULES)
    try:
        return RULES[name](**params)
    except TypeError as error:
        raise UsageError(f"answer rule {name!r}", fix=str(error)) from None


def detect(references: Sequence[str], dataset: str = "") -> AnswerRule:
    """The rule that suits a set of gold answers.

    A data set of AIME has integers of one to three digits, one of GPQA letters; else the references
    decide: letters, numbers, or mathematics.
    """
    name = dataset.casefold()
    letters = {r.strip().upper() for r in references}
    lettered = bool(letters) and all(len(x) == 1 and "A" <= x <= "Z" for x in letters)
    if "aime" in name:
        return IntegerRule(max_digits=3)
    if "gpqa" in name or lettered:
        last = max(["D", *(x for x in letters if lettered)])
        return ChoiceRule("".join(chr(c) for c in range(ord("A"), ord(last) + 1)))
    if references and all(number(r) is not None for r in references):
        return NumberRule()
    return MathRule()


__all__ = [
    "RULES",
    "ChoiceRule",
    "CodeRule",
    "IntegerRule",
    "KeyedRule",
    "MathRule",
    "NumberRule",
    "TextRule",
    "ToolRule",
    "detect",
    "last_boxed",
    "rule_for",
]
