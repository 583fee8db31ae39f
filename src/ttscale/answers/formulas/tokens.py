r"""Formulas cut into tokens: all of the text, or an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .characters import balanced
from .words import CARDINALS, SCALES, UNITS, is_noun, is_unit

Kind = Literal["number", "letter", "command", "sign", "word", "text"]


class UnreadableError(Exception):
    """The text is no formula that can be read to its end."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula.

    Attributes:
        kind: number ("12.5"), letter (a symbol), command (without its backslash, also `sin` as
            people type it), sign, word (letters that are no product of symbols), or text (what
            \text and its like hold).
        at, end: where it stands.
        spaced: whether a space stands before it.
    """

    kind: Kind
    text: str
    at: int
    end: int
    spaced: bool


FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot asin acos atan ln log "
    "lg exp gcd lcm max min det dim deg arg Re Im sgn".split()
)
_PLAIN = {  # what people type without a backslash
    **{name: name for name in FUNCTIONS - {"deg", "dim", "det", "arg", "Re", "Im", "sgn"}},
    "sqrt": "sqrt", "cbrt": "cbrt", "abs": "abs", "floor": "floor", "ceil": "ceil",
    "pi": "pi", "Pi": "pi", "PI": "pi", "inf": "infty", "infty": "infty", "infinity": "infty",
    "Infinity": "infty", "oo": "infty", "or": "or", "OR": "or", "and": "and", "AND": "and",
    "mod": "bmod", "theta": "theta", "alpha": "alpha", "beta": "beta", "gamma": "gamma",
    "lambda": "lambda", "phi": "phi", "sigma": "sigma", "mu": "mu", "in": "in", "union": "cup",
    "percent": "%", "degrees": "degree", "degree": "degree",
}  # fmt: skip
_WITHIN = re.compile(
    "(arcsin|arccos|arctan|sqrt|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|exp|log|ln|pi)"
)
_SAME = {  # commands with one meaning
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "neq": "ne", "lt": "<", "gt": ">",
    "varnothing": "emptyset", "lbrace": "{", "rbrace": "}", "vert": "|", "colon": ":",
    "dots": "ldots", "cdots": "ldots", "dotsc": "ldots", "dotsb": "ldots", "ast": "*",
    "div": "/", "over": "over", "land": "and", "wedge": "and", "lor": "or", "vee": "or",
    "smallsetminus": "setminus", "backslash": "setminus", "bigcup": "cup", "bigcap": "cap",
    "rightarrow": "to", "longrightarrow": "to", "implies": "to", "Rightarrow": "to",
    "arcctg": "arccot", "tg": "tan", "ctg": "cot", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "varepsilon": "epsilon", "varphi": "phi", "exponentialE": "e",
    "imaginaryI": "i", "lbrack": "[", "rbrack": "]", "triangleq": "=", "simeq": "approx",
    "sim": "approx", "mathellipsis": "ldots", "dbinom": "binom", "tbinom": "binom", "degree": "degree",
}  # fmt: skip
_SAME |= {"lparen": "(", "rparen": ")", "mp": "mp"}

_TEXTS = frozenset(
    "text textbf textit textrm textsf texttt textnormal mbox hbox mathrm mathbf mathsf mathit "
    "boldsymbol bm operatorname emph mathnormal pmb".split()
)
_FONTS = frozenset("mathbb mathcal mathfrak mathscr".split())
_HATS = frozenset(
    "vec hat bar widehat tilde widetilde overrightarrow overleftrightarrow dot ddot".split()
)
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
_SIGNS = "+-*/^_()[]{}|,;:=<>!'%&.~\"$#@"


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
    return any(word in _PLAIN or len(word) == 1 for word in text.split())


def _sign(sign: str, at: int, end: int, spaced: bool) -> list[Token]:
    same = {"**": "^", "<=": "le", ">=": "ge", "=<": "le", "!=": "ne", "==": "=", "...": "ldots",
            "->": "to", "+/-": "pm", "-/+": "mp"}.get(sign, sign)  # fmt: skip
    if same.isalpha():
        return [Token("command", same, at, end, spaced)]
    if sign in "$€£¥":
        return []  # a currency says nothing about the number
    if same != "^" and sign not in _SIGNS:
        raise UnreadableError(sign)
    return [Token("sign", same, at, end, spaced)]


def _letters(run: str, at: int, spaced: bool, found: list[Token]) -> list[Token]:
    """A run of letters: a name that is known, a word, or a product of symbols."""
    end, before = at + len(run), found[-1] if found else None
    after_number = before is not None and before.kind == "number"
    if after_number and spaced and len(run) > 1 and run in UNITS:
        return [Token("word", run, at, end, spaced)]
    known = _PLAIN.get(run) or (_PLAIN.get(run.lower()) if len(run) > 2 else None)
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
        symbols = "".join(piece for piece in _WITHIN.split(run) if piece not in _PLAIN)
        if symbols == run or len(symbols) > 3:
            return [Token("word", run, at, end, spaced)]
    if spaced and [token.kind for token in found[-2:]] == ["letter"] * 2:
        if found[-2].end == found[-1].at:
            raise UnreadableError("prose")  # two runs of letters with a space between them
    made: list[Token] = []
    for piece in _WITHIN.split(run):
        for part in [piece] if piece in _PLAIN else list(piece):
            kind: Kind = "command" if len(part) > 1 else "letter"
            made.append(Token(kind, part, at, at + len(part), spaced and not made))
            at += len(part)
    return made


def _command(text: str, name: str, end: int, spaced: bool, found: list[Token]) -> int:
    """Add what a command says; returns where the text goes on."""
    start = end - len(name) - 1
    if name in "$€£":
        return end
    if name in _TEXTS | _FONTS | _HATS | {"overline"}:
        return _styled(text, name, start, end, spaced, found)
    if name == "begin":
        match = re.compile(r"\s*\{(\w+)\*?\}(?:\{[lcr|]*\})?").match(text, end)
        if match is None:
            raise UnreadableError("begin")
        found.append(Token("command", f"begin {match[1]}", start, match.end(), spaced))
        return match.end()
    if name == "end":
        match = re.compile(r"\s*\{(\w+)\*?\}").match(text, end)
        if match is None:
            raise UnreadableError("end")
        found.append(Token("command", "end", start, match.end(), spaced))
        return match.end()
    name = _SAME.get(name, name)
    kind: Kind = "command"
    if len(name) == 1 and not name.isalpha() and name not in "{}\\|":
        kind = "sign"
    elif name == "|":
        name = "Vert"
    elif name in ("e", "i"):
        kind = "letter"
    found.append(Token(kind, name, start, end, spaced))
    return end


def _styled(
    text: str, name: str, start: int, end: int, spaced: bool, found: list[Token]
) -> int:
    r"""What \text{...}, \mathbf{...}, \vec{...} and their like hold."""
    match = re.compile(r"\s*").match(text, end)
    at = match.end() if match else end
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
    if name == "overline" and (inner.isdigit() or not inner.isalpha()):
        found.append(Token("command", "overline", start, at, spaced))
        return at
    if name in _HATS and inner.isdigit():
        found.append(Token("command", name, start, at, spaced))
        return at
    if name in _FONTS:
        found.append(Token("letter", f"\\mathbb{{{inner}}}", start, after, spaced))
    elif name in _HATS or name == "overline":
        vector = inner.strip("\\ ") in ("i", "j", "k", "imath", "jmath")
        vector = vector and name in ("hat", "vec", "widehat")
        shown = f"\\vec{{{inner.strip(chr(92))[-1:] if vector else inner}}}"
        if vector:
            shown = f"\\vec{{{'j' if inner.startswith(chr(92) + 'j') else inner.lstrip(chr(92))[0]}}}"
        found.append(Token("letter", shown if vector else f"\\{name}{{{inner}}}", start, after, spaced))
    elif name in ("mathbf", "boldsymbol", "bm", "textbf", "pmb") and inner in ("i", "j", "k"):
        found.append(Token("letter", f"\\vec{{{inner}}}", start, after, spaced))
    else:
        found += _worded(inner, name, start, after, spaced)
    return after


def _worded(inner: str, name: str, start: int, after: int, spaced: bool) -> list[Token]:
    r"""What stands upright: words as a text, symbols and numbers as themselves."""
    bare = inner.strip(" ~")
    if bare.casefold() in ("or", "and"):
        return [Token("command", bare.casefold(), start, after, spaced)]
    if bare in _PLAIN:
        known = _PLAIN[bare]
        return [Token("sign" if known == "%" else "command", known, start, after, spaced)]
    upright = name in ("text", "textrm", "mbox", "hbox", "textnormal", "mathrm", "textit")
    lone = len(bare) == 1 and bare.isalpha()
    if lone and (bare in "eid" or not upright):
        return [Token("letter", bare, start, after, spaced)]
    if not bare:
        return []
    if re.fullmatch(r"[A-Za-z][A-Za-z .,'-]*|\([A-Za-z ,.]+\)", bare) or (upright and is_unit(bare)):
        return [Token("text", bare, start, after, spaced)]
    if upright and re.search(r"[A-Za-z]{2}", bare) and "\\" not in bare and "^" not in bare:
        return [Token("text", bare, start, after, spaced)]
    inside = tokens(prepared(bare))
    return [Token(t.kind, t.text, start, after, t.spaced or spaced and not k)
            for k, t in enumerate(inside)]  # fmt: skip
