r"""Where a text states its answer: a \boxed{...}, an answer tag or field, or "the answer is ...".

In this order; of several on one level the last counts.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

from .formulas.characters import balanced

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_UNBRACED = re.compile(r"(?:[-+$\\\d][^\s]*|[A-Za-z](?=[\s.,;$]|$))")
_TAG = re.compile(
    r"<\s*(?P<name>(?:final[_ ]?)?answer|solution)\s*>(?P<in>.*?)<\s*/\s*(?P=name)\s*>"
    r"|\[ANSWER\](?P<in2>.*?)\[/ANSWER\]",
    re.DOTALL | re.IGNORECASE,
)
_FIELD = re.compile(
    r"[\"'](?:final_?|correct_?)?(?:answer|choice|option)[\"']\s*:\s*"
    r"(?P<in>\"(?:[^\"\\]|\\.)*\"|'[^']*'|\[[^\]]*\]|[^,}\n]+)",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:answers?|ans|antwort|lösung lautet|réponse|reponse|respuesta|risposta|resposta|ответ)\b"
    r"|答案|答え|解答|正解|정답"
)
_BETWEEN = (
    r"(?:\s+(?:to|for|of)\s+(?:the|this|that|your|part)\b[^\n.:=]{0,80}?)?[*_]*"
    r"(?:\s+(?:correct|correcte?a?|finale?|richtige))?[*_]*"
)
_COPULA = (
    r"(?:is|are|was|be|to be|becomes?|equals?|equal to|would be|should be|must be|will be|"
    r"has to be|comes? (?:out )?to(?: be)?|turns out to be|works out to(?: be)?|ist|lautet|est|es|è|é)\b"
    r"|[:：=]|[–—-](?=\s)|应?选|是|为|為|は|은|는|→|⇒|=>|->"
)
_ADVERB = (
    r"(?:therefore|thus|then|hence|simply|clearly|just|indeed|finally|also|actually|precisely|"
    r"given by|equal to|as follows|still|obviously|again|now|definitely|certainly)\b[,:]?"
)
_STATED = re.compile(
    rf"(?:(?:{_NOUN}){_BETWEEN}\s*(?:{_COPULA})|\bans\.:?|####)"
    rf"(?:[\s*_:]*(?:{_COPULA}|{_ADVERB}))*",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[^\S\n]*(?:#+|\*\*|__)?[^\w\n]{0,6}(?:final\s+)?answer[^\S\n]*(?:\*\*|__|:)*[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY = re.compile(r"[\s*_#:>`~$-]*")
_LONGEST = 300  # characters of a statement
# words after a copula that state nothing
_NOTHING = re.compile(
    r"(?:correct|right|wrong|incorrect|unclear|clear|as follows|below|above|not (?:clear|known|unique)"
    r"|unknown|obvious|the same|given|in the box|boxed|found)\b",
    re.IGNORECASE,
)


def last_boxed(text: str) -> str | None:
    r"""What the last complete \boxed{...} holds; None without one."""
    loose = None
    for match in reversed(list(_BOX.finditer(text))):
        start = match.end()
        if text[start : start + 1] == "{":
            end = balanced(text, start)
            if end is not None and text[start + 1 : end].strip():
                return text[start + 1 : end].strip()
        elif loose is None and match.group()[-1:].isspace():  # \boxed 7
            word = _UNBRACED.match(text, start)
            loose = word.group().rstrip(".,;$") if word else None
    return loose or None


def is_cut(text: str) -> bool:
    """Whether the text ends within a box: it was cut short, and states no answer."""
    boxes = [match for match in _BOX.finditer(text) if text[match.end() : match.end() + 1] == "{"]
    return bool(boxes) and balanced(text, boxes[-1].end()) is None


def tagged(text: str) -> str | None:
    """What the last answer tag, or the last field "answer" of a JSON document, holds."""
    found: tuple[int, str] | None = None
    if "<" in text or "[ANSWER]" in text:
        for match in _TAG.finditer(text):
            inside = match["in"] if match["in"] is not None else match["in2"]
            if inside.strip():
                found = (match.start(), inside.strip())
    for match in _FIELD.finditer(text):
        if found is None or match.start() > found[0]:
            found = (match.start(), _field(match["in"]))
    return found[1] if found else None


def _field(written: str) -> str:
    try:
        value = json.loads(written)
    except ValueError:
        return written.strip().strip("'\"")
    return value if isinstance(value, str) else written.strip()


_CONCLUDED = re.compile(
    r"\b(?:solutions?|results?|roots?|values?)\b[^\n.:=$\\]{0,40}?\s*(?:\b(?:is|are)\b|:)", re.IGNORECASE
)


@lru_cache(maxsize=256)
def statements(text: str) -> tuple[str, ...]:
    """What follows each "answer is", "answer:", "####" and the like, to the end of its line, in
    order; of one that ends its line, the next line that holds something."""
    ends = {match.end() for look in (_STATED, _HEADING) for match in look.finditer(text)}
    return _after(text, sorted(ends))


def conclusions(text: str) -> tuple[str, ...]:
    """What follows each "the solutions are", "the result is" and the like, which may be answers."""
    return _after(text, [match.end() for match in _CONCLUDED.finditer(text)])


def _after(text: str, ends: list[int]) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for end in ends:
        rest = text[end : end + 4 * _LONGEST]
        skipped = _EMPTY.match(rest)
        # the marks before an answer go, its sign stays
        at = skipped.end() if skipped else 0
        while at and rest[at - 1] in "-$`" and rest[at - 1 : at + 1] != "- ":
            at -= 1
        line = rest[at:].split("\n", 1)[0][:_LONGEST].strip()
        if line.startswith("\\[") and "\\]" in rest:
            line = rest[rest.index("\\[") : rest.index("\\]") + 2]
        if line.strip("$") == "" and "$$" in rest[at + 2 :]:
            line = rest[at : rest.index("$$", at + 2) + 2]
        if line and not _NOTHING.match(line):
            found[at + end] = line
    return tuple(found.values())


def stated(text: str) -> str | None:
    """What the last statement of an answer says; None without one."""
    found = statements(text)
    return found[-1] if found else None
