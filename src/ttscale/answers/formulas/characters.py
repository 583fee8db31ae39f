r"""One spelling for what can be written in several: Unicode as LaTeX, LaTeX without its looks.

After `spelled`, a formula is ASCII wherever mathematics has a command for it: `2√3` is `2\sqrt 3`,
`3²` is `3^{2}`, `½` is `\frac{1}{2}`; and nothing is left that only colours, sizes or spaces it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from .notation.vocabulary import pairs

_UP = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix")
_DOWN = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙᵢⱼₖₓ", "0123456789+-nijkx")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₙᵢⱼₖₓ]+")
_GREEK = {
    chr(code): unicodedata.name(chr(code)).rsplit(" ", 1)[-1].lower()
    for code in (*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA))
} | pairs("λ:lambda Λ:Lambda Γ:Gamma Δ:Delta Θ:Theta Ξ:Xi Π:Pi Σ:Sigma Φ:Phi Ψ:Psi Ω:Omega ϕ:phi ε:epsilon")
_COMMANDS = pairs(
    "·:cdot ⋅:cdot ∙:cdot •:cdot ∗:cdot ×:times √:sqrt ∞:infty ≤:le ⩽:le ≥:ge ⩾:ge ≠:ne ≈:approx "
    "≡:equiv ∈:in ∪:cup ∩:cap ∖:setminus ±:pm ∓:mp ⌊:lfloor ⌋:rfloor ⌈:lceil ⌉:rceil ∑:sum ∏:prod "
    "∫:int →:to …:ldots ∣:mid ∧:wedge ∨:vee ⟨:langle 〈:langle ⟩:rangle 〉:rangle ∅:emptyset "
    "⌀:emptyset"
)
_PLAIN = pairs("÷:/ ∕:/ ⁄:/ ：:: ，:, ；:; 。:. ″:'' ℃:^{\\circ}C °:^{\\circ} º:^{\\circ}")
_SIGNS = str.maketrans(
    {sign: f"\\{name} " for sign, name in (_GREEK | _COMMANDS).items()}
    | {letter: rf"\mathbb{{{name}}}" for letter, name in zip("ℝℤℕℚℂ", "RZNQC")}
    | dict.fromkeys("−–—﹣－‐‑‒", "-")
    | dict.fromkeys("′’", "'")
    | dict.fromkeys("\u00a0\u2009\u202f\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u200a", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f", "")
    | {"∛": r"\sqrt[3] ", "∜": r"\sqrt[4] ", "、": ", "}
    | _PLAIN
)

_LOOKS = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|tiny|small|normalsize|large|Large|LARGE|huge|Huge"
    r"|limits|nolimits|mathstrut|strut|bf|rm|it|centering|boldmath|left(?![a-zA-Z])\.?"
    r"|right(?![a-zA-Z])\.?|[bB]igg?[lrm]?)(?![a-zA-Z])"
    r"|\\(?:label|tag|hspace|vspace|phantom|hphantom|vphantom|color|cellcolor)\*?\s*\{[^{}]*\}"
    r"|\\textcolor\s*\{[^{}]*\}|\\colorbox\s*\{[^{}]*\}|\\kern-?[\d.]+(?:em|mu|pt)?"
)
_CURRENCY = re.compile(r"\b(?:US|USD|CA|A|NZ|HK)\s*(?=\\?\$)")
_PER = re.compile(  # km/h as a fraction of upright letters
    r"\\[dt]?frac\s*\{\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z]+)\s*\}\s*\}"
    r"\s*\{\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z]+)\s*\}(?:\^\{?\d\}?)?\s*\}"
)
_KEEPERS = re.compile(r"\\(?:boxed|fbox|ensuremath|underline|mathop|mathrel|mathord|mathbin)\s*(?=\{)")
_BARS = re.compile(r"\\(left|right)\s*(\||\\vert(?![a-zA-Z])|\\mid(?![a-zA-Z]))")
_SPACES = re.compile(r"(?<!\\)\\(?:[ ,;:>]|quad(?![a-zA-Z])|qquad(?![a-zA-Z])|thinspace(?![a-zA-Z]))|~")
_TIGHT = re.compile(r"(?<=,)\s*\\!\s*|\\!")
_FRACS = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_ANGLES = re.compile(r"\A<([^<>=]*,[^<>=]*)>\Z")  # <1, 2> as people type it
_MARKS = re.compile(r"^(?:\$+|\\\(|\\\[|\*\*|`+|\s)+|(?:\$+|\\\)|\\\]|\*\*|`+|\s|\\\\)+$")
_STOPS = re.compile(r"(?:\\text\s*\{\s*[.,;]?\s*\}|(?<!\\)[.,;。\s])+$")


@lru_cache(maxsize=16384)
def spelled(text: str) -> str:
    """The text in one spelling; see the module."""
    if not text.isascii():
        text = _ascii(text)
    text = _PER.sub(r"\\text{ \1/\2}", _CURRENCY.sub("", text))
    text = _KEEPERS.sub("", _LOOKS.sub(" ", _BARS.sub(_bar, text)))
    text = _SPACES.sub(" ", _TIGHT.sub("", text).replace(r"{,}", ","))
    return _ANGLES.sub(r"\\langle \1\\rangle ", stripped(_FRACS.sub(r"\\frac", text)))


def stripped(text: str) -> str:
    """Without dollar signs, display marks, bold marks and full stops around it."""
    before = None
    while before != text:
        before = text
        text = _unbraced(_STOPS.sub("", _MARKS.sub("", text)))
    return text


def _unbraced(text: str) -> str:
    """Without a pair of braces around the whole, which LaTeX does not show."""
    if text.startswith("{") and text.endswith("}") and balanced(text, 0) == len(text) - 1:
        return text[1:-1].strip()
    return text


def balanced(text: str, start: int) -> int | None:
    """Where the brace that opens at `start` closes; None if it does not."""
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
                return at
        at += 1
    return None


def _bar(match: re.Match[str]) -> str:
    return r"\lvert " if match[1] == "left" else r"\rvert "


def _ascii(text: str) -> str:
    text = _RAISED.sub(lambda m: "^{" + m.group().translate(_UP) + "}", text)
    text = _LOWERED.sub(lambda m: "_{" + m.group().translate(_DOWN) + "}", text)
    text = "".join(map(_fraction, text)).translate(_SIGNS)
    return "".join(map(_plain, unicodedata.normalize("NFKC", text))).translate(_SIGNS)


def _fraction(char: str) -> str:
    """½ as a fraction: its decomposition says 1, a slash and 2."""
    if unicodedata.category(char) != "No" or "fraction" not in unicodedata.decomposition(char):
        return char
    top, _, bottom = unicodedata.normalize("NFKC", char).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _plain(char: str) -> str:
    """A digit of any script as an ASCII one."""
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)
