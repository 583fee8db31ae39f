"""The tree of a formula."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: what it is, its parts, and a name or number of its own."""

    op: str
    parts: tuple[Node, ...] = ()
    value: Any = None


def num(value: Fraction | int, decimal: bool = False) -> Node:
    """A number; `decimal` if it was written with a decimal point."""
    return Node("num", (), (Fraction(value), decimal))


INFINITY = Node("constant", (), "infty")
REALS = Node("symbol", (), r"\mathbb{R}")


def symbols(node: Node, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names of the free symbols."""
    if node.op == "symbol":
        return frozenset() if node.value in bound else frozenset((node.value,))
    if node.op in ("sum", "prod", "integral", "limit"):
        bound |= {node.value}
    own = frozenset((node.value,)) if node.op == "apply" else frozenset()
    return own.union(*(symbols(part, bound) for part in node.parts))
