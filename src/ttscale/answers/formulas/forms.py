r"""From the text of an answer to its reading, once for every text.

A text that says nothing to the grammar is compared as words. A formula whose value is out of reach,
or that the parser process does not finish in time, is compared as it is written, and `is_unread`
says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..policies import DEFAULTS, Policies
from .characters import spelled
from .meaning.evaluation import TooLargeError, Value
from .meaning.expressions import Calculate, folded
from .meaning.readings import reading_of
from .meaning.values import Reading, number_reading
from .notation.grammar import parse
from .notation.number_words import cardinal, numbered
from .notation.tokens import UnreadableError, is_name
from .numerals import exact
from .tree import REALS, Node

_LONGEST = 1000  # characters; what is longer is a text that lost its way
_CHOICE = re.compile(
    r"(?:\\(?:text|textbf|textit|mathrm|mathbf|textsf|bf)\s*\{\s*)?"
    r"\*{0,2}\(\s*([A-Za-z])\s*\)\s*\*{0,2}"
    r"(?:\}|(?=\s)|$)(?:\s*[^-+=<>*/^,\s].*)?$",
    re.DOTALL,
)
_WRAPPED_LETTER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf)\s*\{\s*([A-Z])\s*[.)]?\s*\}")
_CLOCK = re.compile(r"(\d{1,2})\s*:\s*([0-5]\d)(?:\s*:\s*([0-5]\d))?\s*(?:([ap])\.?\s*m\.?)?", re.I)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_LABEL = re.compile(r"\A\s*[A-Za-z]\s*=\s*(?=[A-Za-z]{2})")  # x = even
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[\s'.,-]+[^\W\d_]+)*[.!]?")
_SHORT = frozenset({"no", "yes", "true", "false", "none", "even", "odd"})
_EVERYTHING = re.compile(r"all real numbers|all reals|the real numbers|every real number", re.I)
_NOTHING = re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?(?: exists?)?|empty set", re.I)


class UnreadError(BaseException):
    """Only the parser process can tell. No `Exception`, so that no handler of odd texts swallows
    it."""


@dataclass(slots=True)
class Memory:
    """Readings by answer (by policies and answer, where they are not the defaults), and the answers
    that were out of reach."""

    readings: dict[tuple[Policies, str] | str, Reading] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    size: int = 0  # characters of the texts learnt, an entry (and each repetition) _ENTRY more

    def add(self, other: Memory) -> None:
        self.size += sum(_ENTRY + len(text) for text in map(_text_of, other.readings))
        self.readings.update(other.readings)
        self.unread |= other.unread


def _text_of(key: tuple[Policies, str] | str) -> str:
    return key if isinstance(key, str) else key[1]


_MEMORY = Memory()
_ENTRY, _ROOM = 500, 1 << 24  # when it holds so much, it begins anew
_CALCULATE: ContextVar[Calculate | None] = ContextVar("calculate", default=None)
_QUICKLY: ContextVar[bool] = ContextVar("quickly", default=False)


@contextmanager
def quickly() -> Iterator[None]:
    """Raise `UnreadError` instead of asking the parser process for anything new."""
    token = _QUICKLY.set(True)
    try:
        yield
    finally:
        _QUICKLY.reset(token)


@contextmanager
def calculating(calculate: Calculate | None) -> Iterator[None]:
    """Have this calculate what takes a computer algebra system; None is the shared process."""
    token = _CALCULATE.set(calculate)
    try:
        yield
    finally:
        _CALCULATE.reset(token)


def learn(memory: Memory) -> None:
    """Remember what was read elsewhere."""
    if _MEMORY.size > _ROOM:
        unlearn()
    _MEMORY.add(memory)


def unlearn() -> Memory:
    """Give away all that is remembered."""
    global _MEMORY
    memory, _MEMORY = _MEMORY, Memory()
    return memory


def is_unread(answer: str) -> bool:
    """Whether an answer was too large or took too long, and is compared as it is written."""
    return answer in _MEMORY.unread


def form(answer: str, policies: Policies = DEFAULTS) -> Reading:
    """The reading. Never raises but `UnreadError`, within `quickly`."""
    key = answer if policies is DEFAULTS else (policies, answer)
    known = _MEMORY.readings.get(key)
    if known is not None:
        return known
    unread = False
    try:
        found = _form(answer, policies)
    except TooLargeError:
        found, unread = _as_written(answer), True
    learn(Memory({key: found}, {answer} if unread else set()))
    return found


def is_formula(text: str) -> bool:
    """Whether a text has a reading other than its words."""
    return str(form(text)[0]) != "text"


def _calculate(node: Node, positive: bool, points: int) -> list[Value] | None:
    """Ask the parser process, unless another is to be asked or none."""
    if _QUICKLY.get():
        raise UnreadError
    calculate = _CALCULATE.get()
    if calculate is None:
        from ..parser_process import shared

        try:
            return shared().calculate(node, positive, points)
        except OSError:  # without the process, it is compared as it is written
            return None
    return calculate(node, positive, points)


def _form(answer: str, policies: Policies) -> Reading:
    if len(answer) > _LONGEST:
        return _text(answer)
    value = exact(answer)
    if value is not None:
        return number_reading(value, "." in answer)
    choice = _CHOICE.fullmatch(answer.strip(" $*")) or _WRAPPED_LETTER.fullmatch(answer.strip(" $*"))
    if choice:
        return reading_of(Node("symbol", (), choice[1].upper()), policies, _calculate)
    text = spelled(answer)
    bare = " ".join(_TEXT.sub(r"\1", text).split()).strip(" .")
    if (clock := _CLOCK.fullmatch(bare)) is not None:
        return _clock(clock)
    if _WORDS.fullmatch(bare):
        statement = _words(bare, policies)
        if statement is not None:
            return statement
    try:
        return reading_of(parse(numbered(text) if policies.words == "number" else text), policies, _calculate)
    except (UnreadableError, RecursionError):
        return _text(text)


def _clock(match: re.Match[str]) -> Reading:
    """A time of day; before and after noon, where it is said."""
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        hours = hours % 12 + (12 if match[4] in "pP" else 0)
    return ("clock", hours, minutes, seconds)


def _words(text: str, policies: Policies) -> Reading | None:
    """Words alone: a set with a name, or a text; None for what may be a number or a formula."""
    if _EVERYTHING.fullmatch(text):
        return reading_of(REALS, policies, _calculate)
    if _NOTHING.fullmatch(text):
        return ("set", ())
    if policies.words == "number" and cardinal(re.split(r"[\s-]+", text.casefold())):
        return None
    if text.casefold() in _SHORT or not (text.isupper() or len(text) < 3 or is_name(text)):
        return _text(text)
    return None


def _text(text: str) -> Reading:
    """Words are compared as words, anything else as it is written."""
    from ..rules.text import plain

    bare = _LABEL.sub("", _TEXT.sub(r"\1", spelled(text)))
    if not re.search(r"[\\^_{}=<>+*/|]", bare) or re.search(r"[^\W\d_]{4,}\s+[^\W\d_]{2,}", bare):
        return ("text", plain(bare))
    return ("text", "".join(bare.split()))


def _as_written(answer: str) -> Reading:
    """The tree of a formula that has no value in reach; equal trees are the same."""
    try:
        return ("form", folded(parse(spelled(answer))))
    except (UnreadableError, RecursionError):
        return _text(answer)
