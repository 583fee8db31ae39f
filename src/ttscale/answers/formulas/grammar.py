r"""The grammar of answers: a formula becomes a tree that covers all of it, or is refused.

It knows the notation of school and contest mathematics in LaTeX and as people type it. Nothing is
skipped but units and nouns after a number and names before an equals sign; where a token fits
nowhere the whole text is `UnreadableError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .tokens import FUNCTIONS, Token, UnreadableError, prepared, tokens
from .words import CARDINALS, QUALIFIERS, SCALES, is_noun, is_unit, unit_after

_DEEPEST = 60  # brackets within brackets
_HIGHEST = 80  # levels of a tree: what handles it is recursive
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron rho sigma "
    "tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell "
    "hbar imath jmath nabla partial aleph infty pi emptyset top bot".split()
)
_OPENING = frozenset(
    "frac sqrt cbrt binom lvert lfloor lceil langle { abs floor ceil sum prod int oint lim overline "
    "Vert lVert angle triangle".split()
)
_RELATIONS = {"=": "=", "<": "<", ">": ">"} | {
    name: name for name in ("le", "ge", "ne", "approx", "in", "notin", "equiv", "cong", "subset",
                            "subseteq", "to", "mapsto", "iff", "parallel", "perp", "propto")
}  # fmt: skip
_CLOSING = {"(": ")", "[": "]"}
_CALLED = frozenset("fghFGPQTS")  # letters that name functions
_FULL = {"lg": "log"}


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: what it is, its parts, and a name or number of its own."""

    op: str
    parts: tuple[Node, ...] = ()
    value: Any = None


def num(value: Fraction | int, decimal: bool = False) -> Node:
    """A number; `decimal` if it was written with a decimal point."""
    return Node("num", (), (Fraction(value), decimal))


def parse(text: str) -> Node:
    """The tree of a spelled text.

    Raises:
        UnreadableError: the text is no formula to its end.
    """
    found = _Parser(prepared(text)).document()
    level = [found]
    for _ in range(_HIGHEST):
        level = [part for node in level for part in node.parts]
    if level:
        raise UnreadableError("a formula of too many levels")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = self.depth = self.bars = 0
        self.in_set = False

    # -- tokens

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

    # -- statements

    def document(self) -> Node:
        found = self.statement(())
        if self.next is not None:
            raise UnreadableError(self.next.text)
        return found

    def statement(self, closing: tuple[str, ...]) -> Node:
        """Relations joined by commas and words; `closing` tokens end it."""
        items, joints = [self.item()], set()
        while not self.sees(*closing) and (joint := self.takes(",", ";", "or", "and")):
            if joint in (",", ";") and (word := self.takes("or", "and")):
                joint = word
            joints.add(joint)
            items.append(self.item())
        if len(items) == 1:
            return items[0]
        return Node("list", tuple(items), tuple(sorted(joints)))

    def item(self) -> Node:
        """A relation, or an expression with its unit."""
        self.label()
        parts, ops = [self.quantity()], []
        while (token := self.next) and token.kind in ("sign", "command"):
            if token.text == ":" and not self.in_set:
                self.at += 1
                ops.append(":")
            elif token.text in _RELATIONS and token.kind in ("sign", "command"):
                self.at += 1
                ops.append(_RELATIONS[token.text])
            else:
                break
            parts.append(self.quantity())
        found = parts[0] if not ops else Node("relation", tuple(parts), tuple(ops))
        if (modulus := self.modulus()) is not None:
            return Node("modulo", (found, modulus))
        return found

    def label(self) -> None:
        """Pass over "Area =", "about" and the like."""
        start = self.at
        while (token := self.next) and token.kind in ("word", "text"):
            self.at += 1
        if self.at > start and self.sees("=", ":", "approx"):
            self.at += 1
            return
        self.at = start
        while (token := self.next) and (
            token.kind in ("word", "text") and token.text.casefold() in QUALIFIERS
        ):
            self.at += 1
        if not self.takes("approx", "="):
            return
        self.label()

    def modulus(self) -> Node | None:
        if self.takes("pmod", "bmod", "mod"):
            return self.argument()
        if self.sees("(") and self.at + 1 < len(self.tokens):
            after = self.tokens[self.at + 1]
            if after.kind == "command" and after.text in ("bmod", "mod"):
                self.at += 2
                found = self.expression()
                self.expect(")")
                return found
        return None

    # -- amounts

    def quantity(self) -> Node:
        """An expression and the unit or noun after it; several are a compound (3 h 20 min)."""
        found = self.sets()
        unit = self.unit()
        if not unit:
            return found
        found = self.scaled(found, unit)
        parts = [found]
        while (token := self.next) and token.kind == "number":
            amount = self.sets()
            unit = self.unit()
            if not unit:
                raise UnreadableError("a number without a unit after an amount")
            parts.append(self.scaled(amount, unit))
        return found if len(parts) == 1 else Node("compound", tuple(parts))

    def scaled(self, amount: Node, words: list[str]) -> Node:
        """The amount times its scale ("5 million people"), with its unit."""
        units = []
        for word in words:
            if word.casefold() in SCALES:
                amount = Node("mul", (amount, num(SCALES[word.casefold()])))
            elif word == "percent":
                amount = Node("percent", (amount,))
            else:
                units.append(word)
        return Node("amount", (amount,), " ".join(units)) if units else amount

    def unit(self) -> list[str]:
        """The words of a unit at this place."""
        found: list[str] = []
        while token := self.next:
            if end := self.letters_of_unit():
                found.append("".join(self.text[token.at : end].split()))
                while self.next and self.next.at < end:
                    self.at += 1
            elif token.kind in ("word", "text"):
                if not found and token.kind == "word" and self.tokens[self.at - 1].kind == "letter":
                    raise UnreadableError(token.text)  # "I know": a noun follows a number
                found += self.words(token)
                self.at += 1
            elif found and self.unit_power():
                found.append(f"^{self.tokens[self.at - 1].text}")
            elif found and token.text == "/" and self.unit_follows(1):
                self.at += 1
                found.append("/")
            elif found and token.text == "cdot" and self.unit_follows(1):
                self.at += 1
            else:
                break
        return found

    def unit_follows(self, ahead: int) -> bool:
        if self.at + ahead >= len(self.tokens):
            return False
        token = self.tokens[self.at + ahead]
        return token.kind in ("text", "word") or (token.kind == "letter" and is_unit(token.text))

    def unit_power(self) -> bool:
        r"""Pass over the power of a unit: \text{cm}^2."""
        start = self.at
        if self.takes("^"):
            braced = self.takes("{")
            self.takes("-")
            token = self.next
            if token is not None and token.kind == "number":
                self.at += 1
                if not braced or self.takes("}"):
                    return True
        self.at = start
        return False

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

    @staticmethod
    def words(token: Token) -> list[str]:
        words = token.text.strip("()").replace(",", " ").split()
        for word in words:
            bare = word.strip(".")
            if not (
                is_unit(bare) or is_noun(word) or bare.casefold() in SCALES or bare in ("per", "a")
            ):
                raise UnreadableError(f"{word!r} after a number")
        return [word.strip(".") for word in words]

    # -- sets

    def sets(self) -> Node:
        found = self.chosen()
        while op := self.takes("cup", "cap", "setminus"):
            found = Node(op, (found, self.expression()))
        return found

    # -- arithmetic

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
            return token.text in ("(", "[") or (
                token.text == "|" and not self.bars and not self.in_set
            )
        if token.kind == "command":
            return token.text in FUNCTIONS | _GREEK | _OPENING or token.text.startswith("begin")
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
        """What stands after a ^; None for a mark that is no power."""
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
            elif self.takes("'"):
                found = Node("symbol", (), f"{self.name(found)}'")
            elif self.sees("^") and self.raised_prime():
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

    # -- the smallest parts

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
        if len(period) + len(fixed) > 50:
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

    def mixed(self, whole: Node, token: Token) -> Node:
        r"""2\frac{1}{2} and 2 1/2 are sums; any other number after a number is refused."""
        start, after = self.at, self.next
        if after is None:
            return whole
        if after.kind == "command" and after.text == "frac":
            self.at += 1
            part = self.fraction()
            if part.op == "div" and all(p.op == "num" and not p.value[1] for p in part.parts):
                top, bottom = (p.value[0] for p in part.parts)
                if 0 < top < bottom and top.denominator == bottom.denominator == 1:
                    return num(whole.value[0] + top / bottom)
            self.at = start
            return whole
        if after.kind == "number" and after.spaced and self.at + 2 < len(self.tokens):
            slash, bottom = self.tokens[self.at + 1 : self.at + 3]
            if slash.text == "/" and bottom.kind == "number" and "." not in after.text + bottom.text:
                if 0 < int(after.text) < int(bottom.text):
                    self.at += 3
                    return num(whole.value[0] + Fraction(int(after.text), int(bottom.text)))
        return whole

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

    def command(self, name: str) -> Node:
        made: dict[str, Callable[[], Node]] = {
            "(": self.brackets, "[": self.brackets, "{": self.set_or_group, "|": self.bars_of,
            "lvert": self.bars_of, "frac": self.fraction, "sqrt": self.root, "cbrt": self.cube_root,
            "binom": self.binomial, "sum": self.series, "prod": self.series, "int": self.integral,
            "lim": self.limit, "langle": self.angles, "overline": self.overline,
        }  # fmt: skip
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
        if name in _GREEK:
            return self.letter(f"\\{name}")
        raise UnreadableError(name)

    def brackets(self) -> Node:
        """A group, a tuple or an interval; it may close with the other bracket."""
        opening = self.tokens[self.at - 1].text
        items = self.entries(")", "]")
        closing = self.expect(")", "]")
        if len(items) == 1 and closing == _CLOSING[opening]:
            return items[0]
        return Node("row", tuple(items), opening + closing)

    def entries(self, *closing: str) -> list[Node]:
        """Items parted by commas, up to a closing sign that is left where it is."""
        outer, self.in_set = self.in_set, False
        bars, self.bars = self.bars, 0
        items: list[Node] = []
        if not self.sees(*closing):
            items.append(self.item())
            while self.takes(",", ";"):
                items.append(self.item())
        self.in_set, self.bars = outer, bars
        return items

    def angles(self) -> Node:
        items = self.entries("rangle")
        self.expect("rangle")
        return Node("row", tuple(items), "()")

    def set_or_group(self) -> Node:
        r"""{...} groups; \{...\} is a set. The tokens tell which: only the latter is a command."""
        if self.tokens[self.at - 1].kind == "command":
            return self.set()
        self.at -= 1
        return self.braced()

    def braced(self) -> Node:
        """A group in braces."""
        self.expect("{")
        outer, self.in_set = self.in_set, False
        bars, self.bars = self.bars, 0
        found = self.chosen()
        self.expect("}")
        self.in_set, self.bars = outer, bars
        return found

    def chosen(self) -> Node:
        r"""An expression; n \choose k and a \over b bind most loosely."""
        found = self.expression()
        if op := self.takes("choose", "over"):
            return Node("binom" if op == "choose" else "div", (found, self.expression()))
        return found

    def set(self) -> Node:
        """A set of elements, or of what fulfils a condition."""
        if self.takes("}"):
            return Node("set")
        outer, self.in_set = self.in_set, True
        first = self.item()
        if self.takes("mid", "|", ":"):
            self.in_set = False
            condition = self.statement(("}",))
            self.in_set = outer
            self.expect("}")
            return Node("builder", (first, condition))
        items = [first]
        while self.takes(",", ";"):
            items.append(Node("ellipsis") if self.takes("ldots") else self.item())
        self.in_set = outer
        self.expect("}")
        return Node("set", tuple(items))

    def bars_of(self) -> Node:
        """An absolute value."""
        opening = self.tokens[self.at - 1].text
        self.bars += 1
        found = self.expression()
        self.expect("|", "mid") if opening == "|" else self.expect("rvert")
        self.bars -= 1
        return Node("call", (found,), "abs")

    def argument(self) -> Node:
        """What a command takes: a group, one digit, or one symbol."""
        if self.sees("{"):
            token = self.next
            if token is not None and token.kind == "sign":
                return self.braced()
        token = self.next
        if token is not None and token.kind == "number" and "." in token.text:
            raise UnreadableError("a decimal number without braces")
        if token is not None and token.kind == "number" and len(token.text) > 1:
            rest = Token("number", token.text[1:], token.at + 1, token.end, False)
            self.tokens[self.at] = rest
            return num(Fraction(token.text[0]))
        if token is not None and token.kind == "number":
            self.at += 1
            return num(Fraction(token.text))
        return self.primary()

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

    def overline(self) -> Node:
        raise UnreadableError("a line over what is no number")

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
            after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
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
        if start.op != "relation" or start.value != ("=",) or start.parts[0].op not in (
            "symbol", "constant"
        ):  # fmt: skip
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
            after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
            if token.text == "d" and token.kind == "letter" and after and after.kind == "letter":
                inner = self.tokens[start : self.at]
                body = num(1) if not inner else self.inner(inner)
                self.at += 2
                return Node("integral", (low, high, body), after.text)
            self.at += 1
        raise UnreadableError("an integral without its d")

    def bound(self) -> Node:
        """A bound of an integral, which is no base of a power."""
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

    def matrix(self, kind: str) -> Node:
        rows: list[Node] = []
        row: list[Node] = []
        while not self.sees("end"):
            if self.takes("\\"):
                rows.append(Node("cells", tuple(row)))
                row = []
            elif not self.takes("&"):
                outer, self.in_set = self.in_set, False
                row.append(self.statement(("&", "\\", "end")))
                self.in_set = outer
        self.at += 1
        if row:
            rows.append(Node("cells", tuple(row)))
        if kind in ("cases", "aligned", "align", "gathered") and all(len(r.parts) == 1 for r in rows):
            return Node("list", tuple(r.parts[0] for r in rows), ("and",))
        if len({len(r.parts) for r in rows}) > 1:
            raise UnreadableError("rows of different lengths")
        kind = kind if kind in ("cases", "vmatrix") else "matrix"
        return Node("matrix", tuple(rows), kind)


