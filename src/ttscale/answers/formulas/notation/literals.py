"""Numbers and names as they are written: periods, bases, subscripts."""

from __future__ import annotations

from fractions import Fraction

from ..tree import Node, num
from .cursor import Cursor
from .number_words import CARDINALS
from .tokens import UnreadableError

_LONGEST = 50  # digits of a period


class Literals(Cursor):
    """Reads the smallest things that take more than one token."""

    def endless(self, digits: str, found: Node) -> Node:
        """0.333... is a third: the last digit goes on."""
        if self.sees("ldots") and len(digits) > 4 and digits[-1] == digits[-2] == digits[-3]:
            self.at += 1
            whole, _, places = digits.partition(".")
            return self.periodic(whole, places[:-1], places[-1])
        return found

    def repeating(self, digits: str) -> Node:
        r"""0.1\overline{6} and 0.\dot{1}4285\dot{7}."""
        whole, _, fixed = digits.partition(".")
        mark = self.expect("overline", "dot", "bar")
        period = self.digits()
        if mark == "dot" and (token := self.next):
            if token.kind == "number" and token.text.isdigit():
                self.at += 1
                period += token.text
            if self.takes("dot"):
                period += self.digits()
        return self.periodic(whole, fixed, period)

    def digits(self) -> str:
        braced = self.takes("{")
        token = self.next
        if token is None or token.kind != "number" or not token.text.isdigit():
            raise UnreadableError("digits expected")
        self.at += 1
        if braced:
            self.expect("}")
        return token.text

    @staticmethod
    def periodic(whole: str, fixed: str, period: str) -> Node:
        if len(period) + len(fixed) > _LONGEST:
            raise UnreadableError("a long period")
        value = Fraction(int(whole or "0")) + Fraction(int(fixed or "0"), 10 ** len(fixed))
        return num(value + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(fixed)))

    def base(self) -> int:
        braced = self.takes("{")
        token = self.next
        if token is None:
            raise UnreadableError("a base")
        self.at += 1
        if braced:
            self.expect("}")
        word = token.text.strip("() ").casefold()
        if token.kind == "number" and word.isdigit() and int(word) < 100:
            return int(word)
        if word in CARDINALS:
            return CARDINALS[word]
        raise UnreadableError("a base")

    def subscript(self) -> str:
        """A subscript as it is written, without spaces."""
        if self.takes("{"):
            depth, words = 1, []
            while depth:
                token = self.next
                if token is None:
                    raise UnreadableError("a subscript that does not end")
                self.at += 1
                depth += (token.text == "{") - (token.text == "}")
                if depth:
                    words.append(token.text)
            return "".join(words)
        token = self.next
        if token is None or token.kind == "sign":
            raise UnreadableError("a subscript")
        self.at += 1
        return token.text
