"""How many tokens a streamed reply has, and how much of its text each of them shows.

Tokens, chunks and log-probabilities are three different things: a chunk may hold several tokens or
none, the end token has neither text nor log-probability, and a server holds text back while it may
still become a stop text. Tokens are therefore counted by the server's own counter where it reports
one, else by log-probabilities, else one per chunk, and that is marked as an estimate.

A counter may contradict what came: something in between has cut the text into more pieces than it has
tokens, or it leaves the thinking out. It is believed, but only when the reply is over and for the
bill: while the reply lasts the pieces are counted, and where tokens end is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

_LEAP = 1 << 12  # tokens between two events; what shows no text so long shows none by tokens


class TokenCount:
    """Counts event by event.

    Attributes:
        tokens: generated so far, `estimated` of them guessed.
        ends: characters of the text up to the end of each token, or of each piece where these are
            counted; None if it cannot be told.
    """

    __slots__ = ("_exact", "_reported", "ends", "estimated", "tokens")

    def __init__(self) -> None:
        self.tokens = self.estimated = 0
        self.ends: list[int] | None = []
        self._exact = True  # whether these belong to real tokens
        self._reported: int | None = None  # by a counter that contradicts what came

    def add(
        self, counter: int | None, generated: bool, begin: int, end: int, pieces: Sequence[str], text: str
    ) -> None:
        """Take in an event that shows the characters from `begin` to `end`.

        `counter` is all tokens so far as the server counts them, `generated` says whether it brings
        anything at all, and `pieces` are the texts of those tokens that have log-probabilities, if any
        have: what is shown is `text` then.
        """
        before, known = self.tokens, self.tokens + (len(pieces) or generated)
        if counter is not None and counter < known and (counter < before or not counter):
            self._reported, self._exact, counter = counter or None, False, None
        if counter is not None:
            self._reported = None
            if self.estimated:
                self.estimated, self._exact = 0, False
            self.tokens = counter
        else:
            self.tokens = known
            if not pieces:
                self.estimated += known - before
        new, ends = self.tokens - before, self.ends
        if ends is None:
            return
        if new > _LEAP:
            self.ends = None
        elif new > 0:
            if new == len(pieces) and "".join(pieces) == text:
                for piece in pieces:
                    begin += len(piece)
                    ends.append(begin)
            else:  # the text was held back until the last of these tokens
                ends.extend([begin] * (new - 1))
                ends.append(end)
        elif ends:
            ends[-1] = end

    def settle(self, least: int) -> None:
        """The reply is over: the counter is right after all, for no fewer than `least` tokens."""
        if self._reported is not None and max(self._reported, least) < self.tokens:
            self.tokens, self.estimated = max(self._reported, least), 0

    def exact_ends(self, kept: int) -> list[int] | None:
        """The ends of the first `kept` tokens; None if they are not known."""
        if self.estimated or not self._exact or self.ends is None or len(self.ends) < self.tokens:
            return None
        return self.ends[:kept]
