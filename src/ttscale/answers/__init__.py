"""Answers: finding the one in a text, and deciding whether two are the same.

Every vote and every grade goes through one of these rules; `docs/answers.md` says what counts as the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import AnswerRule, UnknownName, UsageError
from .detected import detect
from .extraction import last_boxed, stated
from .formulas.forms import is_unread
from .formulas.numerals import number
from .policies import Policies
from .rule import KeyedRule, unread
from .rules.choice import ChoiceRule
from .rules.code import CodeRule
from .rules.math import MathRule
from .rules.number import IntegerRule, NumberRule
from .rules.text import TextRule
from .rules.tool import ToolRule
from .thinking import answer_text, reply_of

RULES: dict[str, Callable[..., KeyedRule]] = {
    rule.name: rule for rule in (MathRule, NumberRule, IntegerRule, ChoiceRule, CodeRule, TextRule, ToolRule)
}


def rule_for(name: str, **params: Any) -> AnswerRule:
    """The rule of that name: math and number (which take `Policies` by name), integer(max_digits),
    choice(letters), code, text, tool.

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


__all__ = [
    "RULES",
    "ChoiceRule",
    "CodeRule",
    "IntegerRule",
    "KeyedRule",
    "MathRule",
    "NumberRule",
    "Policies",
    "TextRule",
    "ToolRule",
    "answer_text",
    "detect",
    "is_unread",
    "last_boxed",
    "number",
    "reply_of",
    "rule_for",
    "stated",
    "unread",
]
