r"""Finding out from the texts themselves how to vote on them, where the request does not say.

Tool calls are compared by functions and arguments, a \boxed or stated answer as mathematics, a JSON
document by its values, and any other text by its normal form. A free text that no other text equals
is a class of its own: all classes tie, and the vote falls to the sample drawn first (or to the
shortest, where the method breaks ties so). The reply's `agreement` shows that no two agreed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation

from ...core import AnswerRule, Trace
from .. import MathRule, TextRule, ToolRule, last_boxed, rule_for, stated
from ..thinking import reply_of

_TOOL, _MATH, _JSON, _TEXT = "tool", "math", "json", "text"
_FENCED = re.compile(r"(?P<fence>`{3,}|~{3,})[^\n`{\[]*\n?(?P<inside>.*?)(?P=fence)[`~]*", re.DOTALL)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation])
_LONGEST = 200  # characters of an answer that may be mathematics


class Found:
    """The answer rule of requests that name none; see the module."""

    name = "text"  # under which it is recorded: a later replay reads stored answers as texts

    def __init__(self) -> None:
        self._tool, self._math, self._text = ToolRule(), MathRule(), TextRule()
        self._keys: dict[str, tuple[Hashable, ...]] = {}
        self._found: dict[str, str | None] = {}  # reply -> answer: votes and reports ask again

    def extract(self, trace: Trace) -> str | None:
        """What a trace votes for: its tool calls, its stated answer, or all it says."""
        if trace.tool_calls:
            calls = self._tool.extract(trace)
            if calls is not None:
                self._keys[calls] = (_TOOL, calls)
            return calls
        reply = reply_of(trace).strip()
        if reply not in self._found:
            self._found[reply] = self._find(reply)
        return self._found[reply]

    def _find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        statement = boxed if boxed is not None else stated(text)
        if statement is not None and len(statement) <= _LONGEST:
            answer = self._math.find(text) or statement
            self._keys.setdefault(answer, (_MATH, self._math.key(answer)))
            return answer
        if not text:
            return None
        if text not in self._keys:
            document = _document(text)
            self._keys[text] = (_TEXT, self._text.key(text)) if document is None else (_JSON, document)
        return text

    def same(self, a: str, b: str) -> bool:
        """Whether two answers are of one kind and say the same."""
        if a == b:
            return True
        kinds = self._keys.get(a, (a,)), self._keys.get(b, (b,))
        if all(kind[0] == _MATH for kind in kinds):
            return self._math.same(a, b)
        return kinds[0] == kinds[1]


def rule(name: str) -> AnswerRule:
    """The rule a request names, or one that finds out."""
    return rule_for(name) if name else Found()


def _document(text: str) -> str | None:
    """A JSON object or array, in a fence or not, written canonically: numbers by value, as 1.0 and 1e0
    are 1, and keys in order."""
    fenced = _FENCED.fullmatch(text)
    bare = fenced["inside"].strip() if fenced else text
    if not bare.startswith(("{", "[")):
        return None
    try:
        values = json.loads(bare, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
        return json.dumps(values, sort_keys=True)
    except (ValueError, RecursionError):
        return None


class _Number(dict[str, str]):
    """A number of a document as an object no document holds, whose only field is its value."""

    def __init__(self, written: str) -> None:
        try:
            number = Decimal(written).normalize(_EXACT)
            value = str(number) if number else "0"  # which has no sign
        except ArithmeticError:
            value = written
        super().__init__({"\0number": value})
