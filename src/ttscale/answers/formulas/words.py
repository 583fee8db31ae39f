"""Words around numbers: units, which a policy may drop; scales and number words, which count."""

from __future__ import annotations

import re

# Written with more than one letter, or only inside \text or after a space: a letter that stands
# alone is a symbol (3t, 5m).
_PREFIXED = (
    "m g s l L Hz J W V A N Pa mol bar eV cal K C F H T Wb Ω B b bit byte bits bytes".split()
)
_PREFIXES = ("", "k", "c", "d", "m", "M", "G", "T", "n", "p", "µ", "μ", "h", "K")
_OTHERS = (
    "in ft yd mi lb lbs oz gal qt pt mph kph rpm rad deg sec secs min mins hr hrs h d yr yrs wk mo "
    "day days hour hours minute minutes second seconds week weeks month months year years ha acre "
    "acres degree degrees inch inches foot feet yard yards mile miles meter meters metre metres "
    "sq cu unit units cent cents dollar dollars euro euros pound pounds gram grams liter liters "
    "litre litres percent USD EUR atm psi kn u amu ppm dB lx lm cd Gy Sv kat fps kWh Wh mAh"
).split()
UNITS = frozenset(p + u for u in _PREFIXED for p in _PREFIXES) | frozenset(_OTHERS)
_ATTACHED = frozenset("cm mm km kg kmh mph ft lb lbs min sec hr hrs kWh mL ml Hz kHz MHz".split())
_LONE = frozenset("msJNWVKLΩ")  # of a single letter, these are units after a number and a space

_ONE = r"(?:[A-Za-zµμ]+|Ω|\\(?:Omega|mu|ell)(?![A-Za-z])\s*[A-Za-z]*)"
_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d)|(?<=[a-z])[23](?!\d))?"
_COMPOUND = re.compile(
    rf"\s*(?:\(\s*)?({_ONE}{_POWER}(?:\s*(?:/|\\cdot|\*|\.|\bper\b|\s)\s*\(?\s*{_ONE}{_POWER})*)"
    r"\s*\)*"
)
_FURTHER = re.compile(r"\s*\d+\s*(?:min|sec|s|m|h|cm|mm|in|oz|g)\b")  # 2 h 30 min
_SPLIT = re.compile(r"\s*(?:/|\\cdot|\*|\.|\bper\b|\(|\)|\s|\^\s*\{?\s*-?\d\s*\}?|[23]\b)\s*")

SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9,
    "trillion": 10**12,
}  # fmt: skip
SCALES |= {f"{name}s": size for name, size in SCALES.items()}
_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
CARDINALS = {name: value for value, name in enumerate(_NAMES)} | {
    name: 10 * value for value, name in enumerate(_TENS, 2)
}

# A word after a number is a noun that says what is counted, unless it changes how many.
_CHANGERS = frozenset(
    "more less fewer least most than not no or and but between over under above below except up "
    "down times half quarter third percent plus minus by to of with without mod modulo if when "
    "where for is are never always exactly infinitely many several none all either neither both "
    "each remainder base squared cubed am pm a.m p.m".split()
)
QUALIFIERS = frozenset("about approximately approx exactly roughly around nearly only just".split())
_WORDS = re.compile(r"(?:\\(?:text|textbf|mathrm|mbox)\s*\{\s*)?([A-Za-z]+(?:[\s-]+[A-Za-z]+)*)")


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


def is_noun(word: str) -> bool:
    """Whether a word after a number only says what is counted."""
    bare = word.casefold().strip(".,")
    return (
        len(bare) > 2
        and bare not in _CHANGERS
        and bare not in SCALES
        and bare not in CARDINALS
        and any(vowel in bare for vowel in "aeiouy")
    )


def cardinal(words: list[str]) -> tuple[int, int] | None:
    """The number that a list of words begins with, and of how many words; None if it is none."""
    total = group = 0
    used = 0
    last = ""
    for word in words:
        if word in CARDINALS:
            value = CARDINALS[word]
            if last in CARDINALS and not (CARDINALS[last] >= 20 and 0 < value < 10):
                break
            group += value
        elif word == "hundred" and 0 < group < 10:
            group *= 100
        elif word in ("thousand", "million", "billion") and group:
            total, group = total + group * SCALES[word], 0
        elif word == "and" and last in SCALES:
            last = word
            continue
        else:
            break
        used = words.index(word, used) + 1
        last = word
    return (total + group, used) if used else None


def numbered(text: str) -> str:
    """The text with the number words at its start as digits."""
    match = _WORDS.match(text)
    if match is None:
        return text
    words = re.split(r"[\s-]+", match[1])
    found = cardinal([word.casefold() for word in words])
    if found is None:
        return text
    value, used = found
    rest = " ".join(words[used:]) + text[match.end() :]
    if text.startswith("\\"):
        rest = rest.replace("}", "", 1)
    return f"{value} {rest}".strip()
