"""What stands in brackets: groups, tuples, intervals, sets, absolute values, matrices."""

from __future__ import annotations

from ..tree import Node
from .literals import Literals
from .tokens import UnreadableError

_CLOSING = {"(": ")", "[": "]"}
_SYSTEMS = ("cases", "aligned", "align", "gathered")


class Brackets(Literals):
    """Reads whatever has an opening and a closing sign."""

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
        if kind in _SYSTEMS and all(len(r.parts) == 1 for r in rows):
            return Node("list", tuple(r.parts[0] for r in rows), ("and",))
        if len({len(r.parts) for r in rows}) > 1:
            raise UnreadableError("rows of different lengths")
        kind = kind if kind in ("cases", "vmatrix") else "matrix"
        return Node("matrix", tuple(rows), kind)
