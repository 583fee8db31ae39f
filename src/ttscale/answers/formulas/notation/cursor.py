"""A place in the tokens of a formula, from which the parts of the grammar read on."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..tree import Node
from .tokens import Token, UnreadableError, tokens


class Cursor(ABC):
    """The tokens and the place in them, and what the parts of the grammar ask of one another.

    Attributes:
        depth: how many smallest parts are open.
        bars: how many bars of absolute values are open.
        in_set: whether a bar or colon begins the condition of a set.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = self.depth = self.bars = 0
        self.in_set = False

    @property
    def next(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these signs or commands."""
        token = self.next
        return token is not None and token.text in texts and token.kind in ("sign", "command")

    def takes(self, *texts: str) -> str | None:
        """The next sign or command if it is one of these, passed over."""
        if not self.sees(*texts):
            return None
        self.at += 1
        return self.tokens[self.at - 1].text

    def expect(self, *texts: str) -> str:
        found = self.takes(*texts)
        if found is None:
            raise UnreadableError(f"{texts} expected")
        return found

    def ahead(self, steps: int = 1) -> Token | None:
        """The token so many steps after the next one."""
        at = self.at + steps
        return self.tokens[at] if at < len(self.tokens) else None

    @abstractmethod
    def statement(self, closing: tuple[str, ...]) -> Node:
        """Relations joined by commas and words."""

    @abstractmethod
    def item(self) -> Node:
        """A relation, or an expression with its unit."""

    @abstractmethod
    def expression(self) -> Node:
        """A sum."""

    @abstractmethod
    def term(self) -> Node:
        """A product."""

    @abstractmethod
    def power(self) -> Node:
        """A smallest part with its powers."""

    @abstractmethod
    def multiplies(self) -> bool:
        """Whether a factor follows without a sign."""

    @abstractmethod
    def exponent(self) -> Node | None:
        """What stands after a ^."""

    @abstractmethod
    def postfix(self, found: Node) -> Node:
        """A part with the marks after it."""

    @abstractmethod
    def primary(self) -> Node:
        """One of the smallest parts."""
