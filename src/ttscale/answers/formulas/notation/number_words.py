"""Numbers in words."""

from __future__ import annotations

import re

SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
SCALES |= {f"{name}s": size for name, size in SCALES.items()}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
CARDINALS = {name: value for value, name in enumerate(re.findall(r"\w+", _ONES))} | {
    name: 10 * value for value, name in enumerate(re.findall(r"\w+", _TENS), 2)
}
_NEGATIVE = re.compile(r"\A(?:minus|negative)\s+(?=[\d\\])", re.IGNORECASE)
_WORDS = re.compile(r"(?:\\(?:text|textbf|mathrm|mbox)\s*\{\s*)?([A-Za-z]+(?:[\s-]+[A-Za-z]+)*)")


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
    text = _NEGATIVE.sub("-", text)
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
