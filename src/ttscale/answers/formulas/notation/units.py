"""Units and nouns after a number, which say what is counted and not how many."""

from __future__ import annotations

import re

from .number_words import CARDINALS, SCALES
from .vocabulary import names

# A letter that stands alone is a symbol (3t, 5m): it is a unit only inside \\text or after a space.
_PREFIXED = names("m g s l L Hz J W V A N Pa mol bar eV cal K C F H T Wb Ω B b bit byte bits bytes")
_PREFIXES = ("", *"kcdmMGTnpµμhK")
UNITS = frozenset(prefix + unit for unit in _PREFIXED for prefix in _PREFIXES) | names(
    "in ft yd mi lb lbs oz gal qt pt mph kph rpm rad deg sec secs min mins hr hrs h d yr yrs wk mo "
    "day days hour hours minute minutes second seconds week weeks month months year years ha acre "
    "acres degree degrees inch inches foot feet yard yards mile miles meter meters metre metres "
    "sq cu square cubic unit units per cent cents dollar dollars euro euros pound pounds gram grams "
    "liter liters litre litres percent USD EUR atm psi kn u amu ppm dB lx lm cd Gy Sv kat fps kWh Wh mAh"
)
_ATTACHED = names("cm mm km kg kmh mph ft lb lbs min sec hr hrs kWh mL ml Hz kHz MHz")
_LONE = frozenset("msJNWVKLΩ")  # of a single letter, these are units after a number and a space

_ONE = r"(?:[A-Za-zµμ]+|Ω|\\(?:Omega|mu|ell)(?![A-Za-z])\s*[A-Za-z]*)"
_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d)|(?<=[a-z])[23](?!\d))?"
_COMPOUND = re.compile(
    rf"\s*(?:\(\s*)?({_ONE}{_POWER}(?:\s*(?:/|\\cdot|\*|\.|\bper\b|\s)\s*\(?\s*{_ONE}{_POWER})*)"
    r"\s*\)*"
)
_FURTHER = re.compile(r"\s*\d+\s*(?:min|sec|s|m|h|cm|mm|in|oz|g)\b")  # 2 h 30 min
_SPLIT = re.compile(r"\s*(?:/|\\cdot|\*|\.|\bper\b|\(|\)|\s|\^\s*\{?\s*-?\d\s*\}?|[23]\b)\s*")

# A word after a number is a noun, unless it changes how many.
_CHANGERS = names(
    "more less fewer least most than not no or and but between over under above below except up "
    "down times half quarter third percent plus minus by to of with without mod modulo if when "
    "where for is are never always exactly infinitely many several none all either neither both "
    "each remainder base squared cubed am pm a.m p.m"
)
QUALIFIERS = names("about approximately approx exactly roughly around nearly only just")


def is_unit(name: str) -> bool:
    """Whether a word is the name of a unit, or of a unit made of several (m/s)."""
    names = [part for part in re.split(r"[\s/·.*^{}\d()-]+", name) if part]
    return bool(names) and all(part in UNITS for part in names)


def unit_after(text: str, spaced: bool) -> str:
    """The unit at the start of a text that follows a number, as it is written; "" if none is there.

    `spaced` says whether a space stands between the two.
    """
    match = _COMPOUND.match(text)
    if match is None:
        return ""
    names = [name for name in _SPLIT.split(match[1]) if name]
    if len(names) == 1 and match[1].strip() == names[0]:
        name = names[0]
        if len(name) == 1:
            rest = text[match.end() :]
            alone = name in _LONE and not rest.strip()
            further = name in UNITS and _FURTHER.match(rest)
            return match.group() if spaced and (alone or further) else ""
        known = name in UNITS if spaced else name in _ATTACHED
        return match.group() if known and not match.group().strip().startswith("(") else ""
    if all(map(is_unit, names)) and _is_whole(text, match, spaced):
        return match.group()
    return ""


def _is_whole(text: str, match: re.Match[str], spaced: bool) -> bool:
    """Whether a compound of letters (m/s) can only be a unit: it ends what it stands in."""
    rest = text[match.end() :].lstrip()
    lone = all(len(name) == 1 for name in _SPLIT.split(match[1]) if name)
    return (spaced or not lone or "/" in match[1]) and (not rest or rest[0] in ",;.)=<>")


def is_noun(word: str, upright: bool = False) -> bool:
    r"""Whether a word after a number only says what is counted. Letters that are not `upright` (in
    \text) must look like a word."""
    bare = word.casefold().strip(".,")
    return (
        len(bare) > 2
        and bare not in _CHANGERS
        and bare not in SCALES
        and bare not in CARDINALS
        and (upright or any(vowel in bare for vowel in "aeiouy"))
    )
