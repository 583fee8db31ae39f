"""Sums, products, powers and their smallest parts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..tree import Node, num
from .operators import Operators
from .tokens import Token, UnreadableError
from .units import unit_after
from .vocabulary import FUNCTIONS, GREEK, OPENING

_DEEPEST = 60  # brackets within brackets
_CALLED = frozenset("fghFGPQTS")  # letters that name functions


class Arithmetic(Operators):
    """Reads expressions."""

    def expression(self) -> Node:
        terms = [self.term()]
        while op := self.takes("+", "-", "pm", "mp"):
            term = self.term()
            if op == "+":
                terms.append(term)
            elif op == "-":
                terms.append(Node("neg", (term,)))
            else:
                terms.append(Node("signed", (term,), op))
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def term(self) -> Node:
        found = self.factor()
        while True:
            if self.takes("*", "cdot", "times"):
                found = Node("mul", (found, self.factor()))
            elif self.takes("/"):
                found = Node("div", (found, self.factor()))
            elif self.sees("bmod") and self.depth:
                self.at += 1
                found = Node("call", (found, self.factor()), "mod")
            elif self.multiplies():
                found = Node("mul", (found, self.power()))
            else:
                return found

    def multiplies(self) -> bool:
        """Whether a factor follows without a sign."""
        token = self.next
        if token is None or self.letters_of_unit():
            return False
        if token.kind == "sign":
            if token.text == "(" and self.at + 1 < len(self.tokens):
                return self.tokens[self.at + 1].text not in ("bmod", "mod")
            return token.text in ("(", "[") or (token.text == "|" and not self.bars and not self.in_set)
        if token.kind == "command":
            return token.text in FUNCTIONS | GREEK | OPENING or token.text.startswith("begin")
        return token.kind == "letter"

    def factor(self) -> Node:
        if self.takes("+"):
            return self.factor()
        if self.takes("-"):
            return Node("neg", (self.factor(),))
        if op := self.takes("pm", "mp"):
            return Node("signed", (self.factor(),), op)
        return self.power()

    def power(self) -> Node:
        base = self.postfix(self.primary())
        if not self.takes("^"):
            return base
        if self.degrees():
            return self.postfix(Node("degree", (base,)))
        exponent = self.exponent()
        if exponent is None:
            return base
        return self.postfix(Node("pow", (base, exponent)))

    def degrees(self) -> bool:
        r"""Pass over \circ, and the letter of a scale of temperature."""
        start = self.at
        braced = self.takes("{")
        if not self.takes("circ", "degree") or (braced and not self.takes("}")):
            self.at = start
            return False
        token = self.next
        if token is not None and token.kind in ("letter", "text") and token.text in ("C", "F"):
            self.at += 1
        return True

    def exponent(self) -> Node | None:
        """What stands after a ^; None for a mark that is not a power."""
        if self.takes("prime", "'"):
            raise UnreadableError("a prime as a power")
        if self.takes("-"):
            return Node("neg", (self.exponent() or num(1),))
        if self.takes("+"):
            return self.exponent()
        base = self.braced() if self.sees("{") else self.primary()
        if self.takes("^"):
            return Node("pow", (base, self.exponent() or num(1)))
        return base

    def postfix(self, found: Node) -> Node:
        while True:
            if self.sees("!"):
                self.at += 1
                if self.sees("!"):
                    raise UnreadableError("!!")
                found = Node("factorial", (found,))
            elif self.takes("%"):
                found = Node("percent", (found,))
            elif self.takes("degree"):
                found = Node("degree", (found,))
            elif self.takes("'") or (self.sees("^") and self.raised_prime()):
                found = Node("symbol", (), f"{self.name(found)}'")
            else:
                return found

    def raised_prime(self) -> bool:
        start = self.at
        self.at += 1
        braced = self.takes("{")
        if self.takes("prime") and (not braced or self.takes("}")):
            return True
        self.at = start
        return False

    @staticmethod
    def name(found: Node) -> str:
        if found.op != "symbol":
            raise UnreadableError("a prime on something other than a name")
        return str(found.value)

    def primary(self) -> Node:
        token = self.next
        if token is None:
            raise UnreadableError("the end")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableError("brackets too deep")
        try:
            self.at += 1
            if token.kind == "number":
                return self.number(token)
            if token.kind == "letter":
                return self.letter(token.text)
            if token.kind in ("sign", "command"):
                return self.command(token.text)
            raise UnreadableError(token.text)
        finally:
            self.depth -= 1

    def number(self, token: Token) -> Node:
        decimal = "." in token.text
        digits = token.text
        if self.takes("_"):
            return Node("based", (), (digits, self.base()))
        if self.sees("overline", "dot", "bar") and decimal | self.text[: token.end].endswith("."):
            return self.repeating(digits)
        if self.sees("(") and self.text[: token.end].endswith("."):
            self.at += 1  # 0.(3)
            whole, _, fixed = digits.partition(".")
            found = self.periodic(whole, fixed, self.digits())
            self.expect(")")
            return found
        found = num(Fraction(digits), decimal)
        if decimal:
            return self.endless(digits, found)
        return self.mixed(found, token)

    def mixed(self, whole: Node, token: Token) -> Node:
        r"""2\frac{1}{2} and 2 1/2 are sums; any other number after a number is refused."""
        after = self.next
        if after is None:
            return whole
        if after.kind == "command" and after.text == "frac":
            self.at += 1
            part = self.fraction()
            if self.is_proper(*part.parts):
                return num(whole.value[0] + part.parts[0].value[0] / part.parts[1].value[0])
            return Node("mul", (whole, part))
        slash, bottom = self.ahead(1), self.ahead(2)
        if (
            after.kind == "number"
            and after.spaced
            and slash is not None
            and slash.text == "/"
            and bottom is not None
            and bottom.kind == "number"
        ):
            top, below = num(Fraction(after.text)), num(Fraction(bottom.text))
            if self.is_proper(top, below):
                self.at += 3
                return num(whole.value[0] + top.value[0] / below.value[0])
        return whole

    @staticmethod
    def is_proper(top: Node, bottom: Node) -> bool:
        """Whether two trees are whole numbers, the first of them the smaller."""
        if top.op != "num" or bottom.op != "num":
            return False
        (above, _), (below, _) = top.value, bottom.value
        return bool(above.denominator == below.denominator == 1 and 0 < above < below)

    def letter(self, name: str) -> Node:
        if self.takes("_"):
            return Node("symbol", (), f"{name}_{self.subscript()}")
        if name in ("e", "i"):
            return Node("constant", (), name)
        return self.applied(name) or Node("symbol", (), name)

    def applied(self, name: str) -> Node | None:
        """f(x), which is a value of f, or (if nothing is known of f) a product; None for a power,
        which in P(1+r)^t belongs to the bracket."""
        start, token = self.at, self.next
        if token is None or token.text != "(" or token.spaced or name not in _CALLED:
            return None
        self.at += 1
        inside = self.entries(")")
        self.expect(")")
        if self.sees("^", "!", "'"):
            self.at = start
            return None
        return Node("apply", tuple(inside), name)

    def command(self, name: str) -> Node:
        made: dict[str, Callable[[], Node]] = {
            "(": self.brackets,
            "[": self.brackets,
            "{": self.set_or_group,
            "|": self.bars_of,
            "lvert": self.bars_of,
            "langle": self.angles,
            "frac": self.fraction,
            "sqrt": self.root,
            "cbrt": self.cube_root,
            "binom": self.binomial,
            "sum": self.series,
            "prod": self.series,
            "int": self.integral,
            "lim": self.limit,
        }
        if name in made:
            return made[name]()
        if name in ("lfloor", "lceil"):
            inside = self.expression()
            self.expect("r" + name[1:])
            return Node("call", (inside,), name[1:])
        if name in ("abs", "floor", "ceil"):
            return Node("call", (self.argument(),), name)
        if name in FUNCTIONS:
            return self.function(name)
        if name in ("pi", "infty"):
            return Node("constant", (), name)
        if name == "emptyset":
            return Node("set")
        if name in ("angle", "triangle"):
            letters = []
            while (token := self.next) and token.kind == "letter":
                self.at += 1
                letters.append(token.text)
            return Node("symbol", (), f"\\{name} {''.join(letters)}")
        if name.startswith("begin "):
            return self.matrix(name[6:])
        if name in GREEK:
            return self.letter(f"\\{name}")
        raise UnreadableError(name)

    def letters_of_unit(self) -> int:
        """Where a unit written in plain letters ends; 0 if none begins here."""
        token = self.next
        if token is None or token.kind not in ("letter", "word") or not self.at:
            return 0
        before = self.tokens[self.at - 1]
        if before.kind != "number" and before.text not in (")", "}"):
            return 0
        if self.depth or self.bars:
            return 0
        unit = unit_after(self.text[token.at :], token.spaced)
        return token.at + len(unit.rstrip()) if unit.strip() else 0
