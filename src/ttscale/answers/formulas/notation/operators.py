r"""Commands with arguments: fractions, roots, functions, sums, integrals and limits."""

from __future__ import annotations

from fractions import Fraction

from ..tree import Node, num
from .brackets import Brackets
from .tokens import Token, UnreadableError
from .vocabulary import FUNCTIONS

_FULL = {"lg": "log"}


class Operators(Brackets):
    """Reads what a command takes."""

    def argument(self) -> Node:
        """What a command takes: a group, one digit, or one symbol."""
        token = self.next
        if token is None or token.kind != "number":
            is_group = token is not None and (token.kind, token.text) == ("sign", "{")
            return self.braced() if is_group else self.primary()
        if "." in token.text:
            raise UnreadableError("a decimal number without braces")
        if len(token.text) > 1:  # \frac12: each takes a digit
            self.tokens[self.at] = Token("number", token.text[1:], token.at + 1, token.end, False)
        else:
            self.at += 1
        return num(Fraction(token.text[0]))

    def fraction(self) -> Node:
        token = self.next
        if token is not None and self.differential():
            raise UnreadableError("a derivative")
        return Node("div", (self.argument(), self.argument()))

    def differential(self) -> bool:
        r"""Whether \frac{d...}{dx...} follows."""
        letters = [t.text for t in self.tokens[self.at : self.at + 6]]
        return letters[:2] in (["{", "d"], ["{", "partial"]) and (
            letters[2:5] in (["}", "{", "d"], ["}", "{", "partial"])
            or letters[3:6] in (["}", "{", "d"], ["}", "{", "partial"])
        )

    def root(self) -> Node:
        index = num(2)
        if self.takes("["):
            index = self.expression()
            self.expect("]")
        return Node("root", (self.radicand(), index))

    def cube_root(self) -> Node:
        return Node("root", (self.radicand(), num(3)))

    def radicand(self) -> Node:
        r"""\sqrt17 is meant as the root of 17, whatever TeX makes of it."""
        token = self.next
        if token is not None and token.kind == "number":
            self.at += 1
            return num(Fraction(token.text), "." in token.text)
        return self.argument()

    def binomial(self) -> Node:
        return Node("binom", (self.argument(), self.argument()))

    def function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        while self.sees("^", "_"):
            if self.takes("_"):
                base = self.argument()
            elif self.takes("^"):
                power = self.exponent()
        if name in ("max", "min", "gcd", "lcm"):
            opening = self.expect("(", "{")
            items = self.entries(")" if opening == "(" else "}")
            self.expect(")" if opening == "(" else "}")
            return Node("call", tuple(items), name)
        inside = self.operand()
        if name == "log" and base is not None:
            found = Node("call", (inside, base), "log")
        elif base is not None:
            raise UnreadableError(f"a subscript of {name}")
        elif power == Node("neg", (num(1),)) and f"arc{name}" in FUNCTIONS:
            return Node("call", (inside,), f"arc{name}")
        else:
            found = Node("call", (inside,), _FULL.get(name, name))
        return found if power is None else Node("pow", (found, power))

    def operand(self) -> Node:
        """What a function applies to: a bracket, or the factors up to the next function."""
        if self.takes("-"):
            return Node("neg", (self.operand(),))
        token = self.next
        if token is not None and token.text in ("(", "{", "["):
            return self.postfix(self.primary())
        found = self.power()
        while self.multiplies():
            token = self.next
            if token is None or token.text in FUNCTIONS or token.text in ("(", "["):
                break
            found = Node("mul", (found, self.power()))
        if self.sees("/") and found.op in ("constant", "symbol", "mul", "degree", "num"):
            after = self.ahead()
            if after is not None and after.kind == "number" and not after.spaced:
                self.at += 1  # \sin \pi/6
                found = Node("div", (found, self.power()))
        return found

    def series(self) -> Node:
        op = self.tokens[self.at - 1].text
        self.expect("_")
        self.expect("{")
        start = self.item()
        self.expect("}")
        if start.op != "relation" or start.value != ("=",):
            raise UnreadableError("bounds of a sum")
        if start.parts[0].op not in ("symbol", "constant"):
            raise UnreadableError("bounds of a sum")
        self.expect("^")
        end = self.exponent()
        body = self.term()
        if end is None:
            raise UnreadableError("bounds of a sum")
        return Node(op, (start.parts[1], end, body), start.parts[0].value)

    def integral(self) -> Node:
        low = high = None
        for _ in range(2):
            if self.takes("_"):
                low = self.bound()
            elif self.takes("^"):
                high = self.bound()
        if low is None or high is None:
            raise UnreadableError("an integral without bounds")
        start = self.at
        while (token := self.next) is not None:
            after = self.ahead()
            if token.text == "d" and token.kind == "letter" and after and after.kind == "letter":
                inner = self.tokens[start : self.at]
                body = num(1) if not inner else self.inner(inner)
                self.at += 2
                return Node("integral", (low, high, body), after.text)
            self.at += 1
        raise UnreadableError("an integral without its d")

    def bound(self) -> Node:
        """A bound of an integral, which is not a base of a power."""
        if self.takes("-"):
            return Node("neg", (self.bound(),))
        return self.braced() if self.sees("{") else self.primary()

    def inner(self, part: list[Token]) -> Node:
        """An expression that is all of these tokens."""
        kept, at, self.tokens, self.at = self.tokens, self.at, part, 0
        found = self.expression()
        if self.next is not None:
            raise UnreadableError(self.next.text)
        self.tokens, self.at = kept, at
        return found

    def limit(self) -> Node:
        self.expect("_")
        self.expect("{")
        variable = self.primary()
        self.expect("to")
        target = self.expression()
        self.expect("}")
        if variable.op != "symbol":
            raise UnreadableError("a limit")
        return Node("limit", (target, self.term()), variable.value)
