"""From tokens to text, one token at a time.

A token may hold part of a character. What has been said stays said: a character is given out with
the token that completes it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Speller(Protocol):
    """Spells the tokens of one reply."""

    def push(self, token: int) -> str:
        """The characters this token completes."""
        ...

    def rest(self) -> str:
        """What no further token can complete."""
        ...


def spelling(tokenizer: Any) -> Callable[[], Speller]:
    """What makes a speller for each reply. Special tokens have no text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    added = tokenizer.added_tokens_decoder
    special = {int(i) for i in tokenizer.all_special_ids} | {i for i in added if added[i].special}
    if backend is not None:
        from tokenizers import decoders

        if isinstance(backend.decoder, decoders.ByteLevel):
            table = _byte_table(tokenizer, special)
            return lambda: ByteSpeller(table)

        def decode(ids: Sequence[int]) -> str:
            return str(backend.decode(list(ids), skip_special_tokens=True))
    else:

        def decode(ids: Sequence[int]) -> str:
            return str(
                tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
            )

    return lambda: WindowSpeller(decode)


class ByteSpeller:
    """Exact, for byte-level vocabularies: every token is a string of bytes."""

    __slots__ = ("_decoder", "_table")

    def __init__(self, table: Sequence[bytes]) -> None:
        self._table = table
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self._decoder.decode(self._table[token]) if token < len(self._table) else ""

    def rest(self) -> str:
        return self._decoder.decode(b"", final=True)


class WindowSpeller:
    """For any vocabulary: decode the last few tokens with and without the new one, and compare.

    The window reaches back to where text was last given out, so that tokens whose spelling depends
    on what stands before them come out right.
    """

    __slots__ = ("_decode", "_first", "_ids", "_read")

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._first = self._read = 0

    def push(self, token: int) -> str:
        self._ids.append(token)
        spelled = self._decode(self._ids[self._first : self._read])
        text = self._decode(self._ids[self._first :])
        if len(text) <= len(spelled) or text.endswith("\ufffd"):
            return ""
        self._first, self._read = self._read, len(self._ids)
        return text[len(spelled) :]

    def rest(self) -> str:
        spelled = self._decode(self._ids[self._first : self._read])
        return self._decode(self._ids[self._first :])[len(spelled) :]


def _byte_table(tokenizer: Any, special: set[int]) -> list[bytes]:
    """The bytes of every token; GPT-2's alphabet writes each byte as a printable character."""
    alphabet = _alphabet()
    table = [b""] * len(tokenizer)
    for token, index in tokenizer.get_vocab().items():
        if index < len(table) and index not in special:
            if all(c in alphabet for c in token):
                table[index] = bytes(alphabet[c] for c in token)
            else:
                table[index] = token.encode()
    return table


def _alphabet() -> dict[str, int]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(other)}
