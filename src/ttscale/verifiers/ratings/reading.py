"""Reading the ratings that a judge of solutions writes, from 1 to 10.

Judges are asked for tags, and write what they like: "A: 9", "**Rating A**: 8/10", JSON, sentences before and
after. What cannot be read is None, which is not a low rating.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...answers import reply_of
from ...core import Trace
from .tournament import HIGHEST, LOWEST

_NUMBER = r"[*_\"'\s]*(-?\d+(?:\.\d+)?)(?:\s*/\s*10\b|\s+out\s+of\s+10\b)?[*_\"'\s]*"
_TAG = r"<\s*(?:rating|score)[ _-]*NAME\s*>" + _NUMBER + r"<\s*/"
_LINE = r"(?<![A-Za-z])NAME(?:'s (?:rating|score))?[*_\"'\s]*[:=>→]" + _NUMBER + r"(?=[,;.)}\]|]|\n|<|\Z)"
_ALONE = re.compile(rf"(?:\A|[:=>→]|\n){_NUMBER}(?=[,;.)}}\]|<]|\n|\Z)")
_WORD = re.compile(r"\s*\W*(yes|no)\b", re.IGNORECASE)


def pair_of_ratings(judgement: Trace) -> tuple[float | None, float | None]:
    """The ratings of A and of B, in [1, 10]; None for one that cannot be read.

    A judgement that did not come to its end says nothing. The last mention counts: judges think aloud.
    """
    if judgement.finish != "stop":
        return None, None
    reply = reply_of(judgement)
    return _named(reply, "A"), _named(reply, "B")


def single_rating(judgement: Trace) -> float | None:
    """The rating of one solution, in [1, 10]: a number, or "yes" for the highest and "no" for the lowest."""
    if judgement.finish != "stop":
        return None
    reply = reply_of(judgement)
    if (word := _WORD.match(reply)) is not None:
        return HIGHEST if word[1].lower() == "yes" else LOWEST
    tagged = re.findall(_TAG.replace("NAME", ""), reply, re.IGNORECASE)
    found = tagged or [m[1] for m in _ALONE.finditer(reply)]
    return _bounded(found[-1]) if found else None


def mean_rating(ratings: Iterable[float | None]) -> float | None:
    """The mean of those that could be read; None if none could."""
    read = [rating for rating in ratings if rating is not None]
    return sum(read) / len(read) if read else None


def _named(reply: str, name: str) -> float | None:
    tagged = re.findall(_TAG.replace("NAME", name), reply, re.IGNORECASE)
    found = tagged or re.findall(_LINE.replace("NAME", f"(?:{name}|rating_{name.lower()})"), reply)
    return _bounded(found[-1]) if found else None


def _bounded(number: str) -> float:
    return min(HIGHEST, max(LOWEST, float(number)))
