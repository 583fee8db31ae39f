"""Whether a text has begun to loop: what models do that have lost their way, until a limit ends them.

The three signs of the loop guard of E2C (arXiv:2509.23946): a block that is repeated, two sentences that take
turns, and words that nearly all have been there before. The thresholds of the first two are ours.

    trace = await ctx.sample(prompt, until=LoopGuard)       # ends it, with finish `cut`
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core import Chunk
from .segments import sentences

WINDOW = 200  # words at the end of a text that are looked at
GRAM = 5  # words
LOOPING = 0.93
EVERY = 256  # tokens between two looks
_BLOCK, _TIMES = 400, 3  # longest block in characters, and how often in a row it stands at the end
_LEAST = 60  # characters that the repeats make up at least: neither "=====" nor three zeros loop
_TURN = 12  # characters of a sentence that counts


def repetition(text: str) -> float:
    """The share of the word groups at the end of a text that were there before, in [0, 1]; 0 for one of
    fewer than two groups' words."""
    words = text.split()[-WINDOW:]
    groups = [tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)]
    if len(groups) <= GRAM:
        return 0.0
    return 1 - len(set(groups)) / len(groups)


def repeats_a_block(text: str) -> bool:
    """Whether it ends with the same block several times in a row."""
    tail = text[-_BLOCK * _TIMES :]
    for size in range(1, len(tail) // _TIMES + 1):
        times = max(_TIMES, -(-_LEAST // size))
        if size * times > len(tail) or tail[-1] != tail[-1 - size]:
            continue
        block = tail[-size:]
        if tail.endswith(block * times) and any(c.isalnum() for c in block):
            return True
    return False


def takes_turns(text: str) -> bool:
    """Whether its last four sentences are two that alternate."""
    last: Sequence[str] = sentences(text[-8 * _BLOCK :])[-4:]
    if len(last) < 4 or min(map(len, last)) < _TURN:
        return False
    return last[0] == last[2] != last[1] == last[3]


def loops(text: str, looping: float = LOOPING) -> bool:
    """Whether any of the three signs is there."""
    return repeats_a_block(text) or takes_turns(text) or repetition(text) >= looping


class LoopGuard:
    """Stop rule: looks at the text every so many tokens, and ends a trace that loops."""

    def __init__(self, every: int = EVERY) -> None:
        self._every, self._tokens, self._text = every, 0, ""

    def feed(self, chunk: Chunk) -> int | None:
        """The tokens of the chunk up to the look that found a loop. Where a chunk's tokens have no known
        ends, its text is divided evenly."""
        before, self._tokens = self._tokens, self._tokens + chunk.tokens
        first = self._every - before % self._every
        for kept in range(first, chunk.tokens + 1, self._every):
            end = chunk.ends[kept - 1] if chunk.ends else len(chunk.text) * kept // chunk.tokens
            if loops(self._text + chunk.text[:end]):
                return kept
        self._text += chunk.text
        return None
