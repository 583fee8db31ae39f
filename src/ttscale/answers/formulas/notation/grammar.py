r"""The grammar of answers: a formula becomes a tree that covers all of it, or is refused.

It knows the notation of school and contest mathematics in LaTeX and as people type it. Nothing is
skipped but units and nouns after a number and names before an equals sign; where a token fits
nowhere the whole text is `UnreadableError`.
"""

from __future__ import annotations

from ..tree import Node, num, symbols
from .arithmetic import Arithmetic
from .number_words import SCALES
from .tokens import Token, UnreadableError, prepared
from .units import QUALIFIERS, is_noun, is_unit
from .vocabulary import RELATIONS

_HIGHEST = 80  # levels of a tree: what handles it is recursive


def parse(text: str) -> Node:
    """The tree of a spelled text.

    Raises:
        UnreadableError: the text is not a formula to its end.
    """
    found = Grammar(prepared(text)).document()
    level = [found]
    for _ in range(_HIGHEST):
        level = [part for node in level for part in node.parts]
    if level:
        raise UnreadableError("a formula of too many levels")
    return found


class Grammar(Arithmetic):
    """Reads whole answers: lists, relations and amounts."""

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
        while op := self.takes(*RELATIONS, *([] if self.in_set else [":"])):
            ops.append(op)
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
        after = self.ahead()
        if not self.sees("(") or after is None or after.text not in ("bmod", "mod"):
            return None
        self.at += 2
        found = self.expression()
        self.expect(")")
        return found

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
        """The amount times its scale ("5 million people"), with its unit. Nouns count only what has
        a number: "n even" is not a n."""
        units = []
        for word in words:
            if word.casefold() in SCALES:
                amount = Node("mul", (amount, num(SCALES[word.casefold()])))
            elif word == "percent":
                amount = Node("percent", (amount,))
            else:
                units.append(word)
        if symbols(amount) and not all(map(is_unit, units)):
            raise UnreadableError("words after symbols")
        return Node("amount", (amount,), "".join(units)) if units else amount

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
            elif found and token.text in ("/", "cdot") and self.unit_follows():
                self.at += 1
                found.append(token.text)
            else:
                break
        return found

    def unit_follows(self) -> bool:
        """Whether a unit stands after the next token."""
        token = self.ahead()
        if token is None:
            return False
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

    @staticmethod
    def words(token: Token) -> list[str]:
        """The words of a token, all of which are units, nouns or scales."""
        words = [word.strip(".") for word in token.text.strip("()").replace(",", " ").split()]
        for word in words:
            known = is_unit(word) or word.casefold() in SCALES or word in ("per", "a")
            if not known and not is_noun(word, upright=token.kind == "text"):
                raise UnreadableError(f"{word!r} after a number")
        return words

    def sets(self) -> Node:
        found = self.chosen()
        while op := self.takes("cup", "cap", "setminus"):
            found = Node(op, (found, self.expression()))
        return found
