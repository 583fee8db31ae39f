r"""Formulas cut into tokens: all of the text, or an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..characters import balanced
from .number_words import CARDINALS, SCALES
from .units import UNITS, is_noun, is_unit
from .vocabulary import BOLD, FONTS, HATS, PLAIN, SIGNS, SYNONYMS, TEXTS, UPRIGHT

Kind = Literal["number", "letter", "command", "sign", "word", "text"]


class UnreadableError(Exception):
    """The text is not a formula that can be read to its end."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula.

    Attributes:
        kind: number ("12.5"), letter (a symbol), command (without its backslash, also `sin` as
            people type it), sign, word (letters that are not product of symbols), or text (what
            \text and its like hold).
        at, end: where it stands.
        spaced: whether a space stands before it.
    """

    kind: Kind
    text: str
    at: int
    end: int
    spaced: bool


_WITHIN = re.compile("(arcsin|arccos|arctan|sqrt|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|exp|log|ln|pi)")
_UNIT_VECTOR = re.compile(r"\\?([ijk])(?:math)?")
_PROSE = re.compile(r"[A-Za-z][A-Za-z .,'-]*|\([A-Za-z ,.]+\)")
_ENVIRONMENT = re.compile(r"\s*\{(\w+)\*?\}(?:\{[lcr|]*\})?")
_NEXT = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.(?!\.)\d*)?|\.\d+)|\\(?P<command>[a-zA-Z]+|.)"
    r"|(?P<letters>[a-zA-Z]+)|(?P<sign>\*\*|<=|>=|!=|==|=<|\.\.\.|->|\+/-|-/\+|[^\sA-Za-z0-9]))"
)
_GROUPED = re.compile(
    r"(?<![\d.,_])(\d{1,3}(?:(?P<comma>,\s?|,\s*\\!)\d{3}(?:(?P=comma)\d{3})*|(?: +\d{3})+))(?![\d])"
    r"(?!,\d)"
)
_EXPONENT = re.compile(r"(?<=\d)\.?[eE]([+-]?\d{1,4})(?![\d.a-zA-Z])")
_LONGEST = 2000  # tokens and digits; Python refuses to read longer numbers
_PLAIN_SIGNS = "+-*/^_()[]{}|,;:=<>!'%&.~\"$#@"


def tokens(text: str) -> list[Token]:
    """The tokens of a prepared text.

    Raises:
        UnreadableError: a character belongs to no formula.
    """
    found: list[Token] = []
    at = 0
    while text[at:].strip():
        match = _NEXT.match(text, at)
        if match is None or len(found) > _LONGEST:
            raise UnreadableError(text[at:])
        start, end = match.start(match.lastgroup or 0), match.end()
        spaced = match.group()[:1].isspace()
        if match["number"]:
            if len(match["number"]) > _LONGEST:
                raise UnreadableError("a number of too many digits")
            found.append(Token("number", match["number"].rstrip("."), start, end, spaced))
        elif match["letters"]:
            found += _letters(match["letters"], start, spaced, found)
        elif match["sign"]:
            if match["sign"] == "!=" and found and found[-1].kind == "number":
                end -= 1  # 3!=6: of a number, it is the factorial
            found += _sign(text[start:end], start, end, spaced)
        else:
            end = _command(text, match["command"], end, spaced, found)
        at = end
    return found


def prepared(text: str) -> str:
    """A spelled text with every number in one piece: 1.2e3 and 1,234 are none yet."""
    return grouped(_EXPONENT.sub(lambda m: rf"\times 10^{{{int(m[1])}}}", text))


def grouped(text: str) -> str:
    """The text with the digits of large numbers together: 1,234 and 1 234 are 1234.

    In brackets a comma parts two entries, unless the digits after it begin without a space and the
    bracket is a brace (2^{100,000}).
    """

    def join(match: re.Match[str]) -> str:
        comma = match["comma"]
        if comma is not None and (comma != "," or _bracket(text, match.start()) in "([s"):
            return match.group()
        return re.sub(r"\D", "", match.group())

    return _GROUPED.sub(join, text)


def _bracket(text: str, at: int) -> str:
    """The innermost bracket open at a place: one of "([{", "s" for a set's brace, " " for none."""
    open_, depth = [], 0
    while depth < at:
        char = text[depth]
        if char == "\\":
            depth += 1
            if text[depth : depth + 1] == "{":
                open_.append("s")
            elif text[depth : depth + 1] == "}" and open_:
                open_.pop()
        elif char in "([{":
            open_.append(char)
        elif char in ")]}" and open_:
            open_.pop()
        depth += 1
    return open_[-1] if open_ else " "


def is_name(text: str) -> bool:
    """Whether letters have a meaning in formulas (pi, sin x) rather than being a word."""
    return any(word in PLAIN or len(word) == 1 for word in text.split())


def _sign(sign: str, at: int, end: int, spaced: bool) -> list[Token]:
    same = SIGNS.get(sign, sign)
    if same.isalpha():
        return [Token("command", same, at, end, spaced)]
    if sign in "$€£¥":
        return []  # a currency says nothing about the number
    if same != "^" and sign not in _PLAIN_SIGNS:
        raise UnreadableError(sign)
    return [Token("sign", same, at, end, spaced)]


def _letters(run: str, at: int, spaced: bool, found: list[Token]) -> list[Token]:
    """A run of letters: a name that is known, a word, or a product of symbols."""
    end, before = at + len(run), found[-1] if found else None
    after_number = before is not None and before.kind == "number"
    if after_number and spaced and len(run) > 1 and run in UNITS:
        return [Token("word", run, at, end, spaced)]
    known = PLAIN.get(run) or (PLAIN.get(run.lower()) if len(run) > 2 else None)
    counts = before is not None and before.kind in ("number", "text", "word")
    if known:
        return [Token("sign" if known == "%" else "command", known, at, end, spaced)]
    if run == "U" and before is not None and before.text in ")]}":
        return [Token("command", "cup", at, end, spaced)]
    if len(run) == 1:
        return [Token("letter", run, at, end, spaced)]
    if run.casefold() in SCALES or run.casefold() in CARDINALS:
        return [Token("word", run, at, end, spaced)]
    if after_number and spaced and is_noun(run):
        return [Token("word", run, at, end, spaced)]
    if len(run) > 3 or (counts and not after_number):
        symbols = "".join(piece for piece in _WITHIN.split(run) if piece not in PLAIN)
        if symbols == run or len(symbols) > 3:
            return [Token("word", run, at, end, spaced)]
    two = [token.kind for token in found[-2:]] == ["letter"] * 2
    if spaced and two and found[-2].end == found[-1].at:
        raise UnreadableError("prose")  # two runs of letters with a space between them
    made: list[Token] = []
    for piece in _WITHIN.split(run):
        for part in [piece] if piece in PLAIN else list(piece):
            kind: Kind = "command" if len(part) > 1 else "letter"
            made.append(Token(kind, part, at, at + len(part), spaced and not made))
            at += len(part)
    return made


def _command(text: str, name: str, end: int, spaced: bool, found: list[Token]) -> int:
    """Add what a command says; returns where the text goes on."""
    start = end - len(name) - 1
    if name in "$€£":
        return end
    if name in TEXTS | FONTS | HATS:
        return _styled(text, name, start, end, spaced, found)
    if name in ("begin", "end"):
        match = _ENVIRONMENT.match(text, end)
        if match is None:
            raise UnreadableError(name)
        shown = f"begin {match[1]}" if name == "begin" else name
        found.append(Token("command", shown, start, match.end(), spaced))
        return match.end()
    name = SYNONYMS.get(name, name)
    kind: Kind = "command"
    if len(name) == 1 and not name.isalpha() and name not in "{}\\|":
        kind = "sign"
    elif name == "|":
        name = "Vert"
    elif name in ("e", "i"):
        kind = "letter"
    found.append(Token(kind, name, start, end, spaced))
    return end


def _styled(text: str, name: str, start: int, end: int, spaced: bool, found: list[Token]) -> int:
    r"""What \text{...}, \mathbf{...}, \vec{...} and their like hold."""
    at = end + len(text[end:]) - len(text[end:].lstrip())
    if text[at : at + 1] == "{":
        close = balanced(text, at)
        if close is None:
            raise UnreadableError("a brace that does not close")
        inner, after = text[at + 1 : close].strip(), close + 1
        spaced = spaced or text[at + 1 : close][:1].isspace()
    elif text[at : at + 1].isalnum():
        inner, after = text[at], at + 1
    else:
        raise UnreadableError(name)
    if name in HATS and (inner.isdigit() or (name == "overline" and not inner.isalpha())):
        found.append(Token("command", name, start, at, spaced))  # digits that repeat
        return at
    unit_vector = _UNIT_VECTOR.fullmatch(inner)
    if unit_vector and name in BOLD | {"hat", "vec", "widehat"}:
        found.append(Token("letter", f"\\vec{{{unit_vector[1]}}}", start, after, spaced))
    elif name in FONTS:
        found.append(Token("letter", f"\\mathbb{{{inner}}}", start, after, spaced))
    elif name in HATS:
        found.append(Token("letter", f"\\{name}{{{inner}}}", start, after, spaced))
    else:
        found += _worded(inner, name, start, after, spaced)
    return after


def _worded(inner: str, name: str, start: int, after: int, spaced: bool) -> list[Token]:
    r"""What stands upright: words as a text, symbols and numbers as themselves."""
    bare = inner.strip(" ~")
    if bare.casefold() in ("or", "and"):
        return [Token("command", bare.casefold(), start, after, spaced)]
    if bare in PLAIN:
        known = PLAIN[bare]
        return [Token("sign" if known == "%" else "command", known, start, after, spaced)]
    lone = len(bare) == 1 and bare.isalpha()
    if lone and (bare in "eid" or name not in UPRIGHT):
        return [Token("letter", bare, start, after, spaced)]
    if not bare:
        return []
    words = re.search(r"[A-Za-z]{2}", bare) and not re.search(r"\A\d|[\\^]", bare)
    if _PROSE.fullmatch(bare) or (name in UPRIGHT and (words or is_unit(bare))):
        return [Token("text", bare, start, after, spaced)]
    return [
        Token(token.kind, token.text, start, after, token.spaced or (spaced and not k))
        for k, token in enumerate(tokens(prepared(bare)))
    ]
