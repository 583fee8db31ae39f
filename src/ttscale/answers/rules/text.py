"""Free text, compared without case, sentence punctuation, quotes, articles and spacing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from functools import lru_cache

from ..extraction import last_boxed, stated, tagged
from ..rule import KeyedRule, is_blank

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[,;:!?\"'`“”‘’]|\*\*|__|(?<!\d)\.|\.(?!\d)")


class TextRule(KeyedRule):
    """The boxed text, else the tagged, else the stated one, else the whole reply."""

    name = "text"

    def find(self, text: str) -> str | None:
        return self.read(last_boxed(text) or tagged(text) or stated(text) or text)

    def read(self, written: str) -> str | None:
        return None if is_blank(written) else written.strip()

    def key(self, answer: str) -> Hashable:
        return plain(answer)


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """The normal form; of a text that is nothing but punctuation, the text itself."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = _ARTICLE.sub(" ", _PUNCTUATION.sub(" ", folded))
    return " ".join(bare.split()) or folded.strip()
