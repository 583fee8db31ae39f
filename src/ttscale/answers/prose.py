"""The answer in the words around it: "42, because 6*7=42" says 42."""

from __future__ import annotations

import re

from .formulas.characters import balanced, stripped

_MATH = re.compile(
    r"\$\$(?P<a>.+?)\$\$|(?<!\\)\$(?P<b>[^$\n]+?)(?<!\\)\$|\\\((?P<c>.+?)\\\)|\\\[(?P<d>.+?)\\\]", re.DOTALL
)
_SENTENCE = re.compile(r"[A-Za-z]{2,}[.,;]?\s+[A-Za-z]{2,}")
_END = re.compile(
    r"(?<=[^\s.])\.(?=\s|$)(?<!\ba\.m\.)(?<!\bp\.m\.)|[。！!?](?=\s|$|[^\W\d])|;|\n|\s[–—]\s|\s-\s(?=[A-Za-z]{3})"
    r"|(?:,?\s+|\s*\()(?:because|since|which|as\s+(?:we|the|it|required|shown|desired|you|in|a)\b|so\s|"
    r"(?:and|but)\s+not\b|not\s|rather\s+than|instead\s+of|where\s|when\s|while\s|given\s|due\s+to|"
    r"obtained|after\s|by\s+(?:the|using|a)\b|for\s+(?:the|all|any)\b|thanks|assuming|hence|therefore|"
    r"thus|but\s|note\b|see\b|if\s|that\s+is\b|i\.e\.|denn|weil|nicht\s|parce|car\s)"
    r"|\s*[（(](?:nicht|not|since|because|see)\b",
    re.IGNORECASE,
)
_CORRECTED = re.compile(r"\Anot\s+[^.;\n]{1,60}?,?\s+but\s+(?:rather\s+)?", re.IGNORECASE)
_LEAD = re.compile(
    r"\A(?:(?:the|a|an|just|simply|only|exactly|thus|therefore|hence|so|indeed|clearly|still|now|also|at|"
    r"option|equal\s+to|equals|that|found\s+to\s+be|it\s+is|is)\b[,:]?\s+)+",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s*(?:,\s*(?:and|or)?|and|or)\s*(?=[$\\])")
_UNIT_AFTER = re.compile(r"\s*(?:\\?%|°\s*[CF]?|percent\b)")
_RIGHT = re.compile(r"(?:[a-wzA-Z]|\\(?:times|cdot|alpha|beta|angle)|[\s+_{}*-]|\d|\([a-zA-Z\d,]*\))*")


def trimmed(statement: str) -> str:
    """What a statement says without its reasons, its marks and the next sentence."""
    text = statement.strip()
    text = re.sub(r"^(?:\*\*|__|[\"'`“])+", "", text).strip()
    text = _CORRECTED.sub("", without_lead(text))
    found = _formula(text)
    if found is None:
        end = _end(text)
        found = text[:end]
    found = stripped(re.sub(r"\*\*|__|[`“”]", "", found)).strip("\"' ")
    return right_side(found.rstrip(",:"))


def without_lead(text: str) -> str:
    """The text without words such as "therefore" at its beginning."""
    return _LEAD.sub("", text)


def _formula(text: str) -> str | None:
    """The formula a statement begins with, and those that are listed with it."""
    match = _MATH.match(text)
    if match is None or _is_money(match):
        return None
    parts, end = [_inside(match)], match.end()
    while (joint := _JOINT.match(text, end)) and (following := _MATH.match(text, joint.end())):
        if _is_money(following):
            break
        parts.append(_inside(following))
        end = following.end()
    sign = _UNIT_AFTER.match(text, end)
    listed = ", ".join(parts) if len(parts) > 1 else parts[0]
    if len(parts) > 1 and re.search(r"\bor\b", text[:end]):
        listed = r" \text{ or } ".join(parts)
    return listed + (sign.group() if sign else "")


def _inside(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None).strip()


def _is_money(match: re.Match[str]) -> bool:
    """Whether a dollar sign begins an amount of money and the next one another."""
    inside = match["b"]
    return (
        inside is not None
        and "\\" not in inside
        and inside[:1].isdigit()
        and _SENTENCE.search(inside) is not None
    )


def _end(text: str) -> int:
    """Where the answer ends in a statement: at its reasons, or with its sentence; not in braces."""
    for match in _END.finditer(text):
        if match.start() and not _in_braces(text, match.start()):
            return match.start()
    return len(text)


def _in_braces(text: str, at: int) -> bool:
    opening = text.find("{")
    while 0 <= opening < at:
        close = balanced(text, opening)
        if close is None or close > at:
            return True
        opening = text.find("{", close)
    return False


def right_side(text: str) -> str:
    """The result of an equation whose left side only names it (m+n = 73, f(2) = 5)."""
    left, sign, right = text.rpartition("=")
    names = sign and left[-1:] not in "<>!=\\" and _RIGHT.fullmatch(left.split("=")[0])
    if not names or not right.strip() or not re.search(r"[a-zA-Z]", left):
        return text
    listed = re.search(r",|\bor\b|\band\b", left)
    return text if listed or re.search(r"[=<>]|\\[lg]e", right) else right.strip()


def formulas(text: str) -> list[str]:
    """The formulas of a text that are marked as such, in order."""
    return [_inside(match) for match in _MATH.finditer(text) if not _is_money(match)]
