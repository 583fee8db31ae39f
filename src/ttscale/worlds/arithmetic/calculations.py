"""Chains of calculations: the `arith` and `word` families.

A chain is a list of nodes, each one operation on two earlier numbers, evaluated in order. `arith`
shows it as an expression, `word` tells it as a story with facts that do not matter. Numbers are
0..999.
"""

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OPERATIONS: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
LARGEST = 99


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `left` and `right` index the leaves, then the results of earlier nodes."""

    op: str
    left: int
    right: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Calculation:
    """`facts` are the lines that matter, `distractors` numbers that a careless reader might use."""

    question: str
    leaves: tuple[int, ...]
    nodes: tuple[Node, ...]
    facts: tuple[str, ...]
    distractors: tuple[int, ...] = ()
    shows_rest: bool = False  # arith: each step ends with the expression that remains

    @property
    def canonical(self) -> str:
        """Equal for problems that differ only in wording; decides train or test."""
        return f"{self.leaves}{[(n.op, n.left, n.right) for n in self.nodes]}"

    def evaluate(self) -> list[int]:
        """Leaves followed by every node's true result."""
        values = list(self.leaves)
        for node in self.nodes:
            values.append(OPERATIONS[node.op](values[node.left], values[node.right]))
        return values

    @property
    def answer(self) -> str:
        return str(self.evaluate()[-1])

    def rest(self, values: list[int], done: int) -> str:
        """The expression that remains when the first `done` nodes are replaced by `values`."""
        first = len(self.leaves)

        def show(index: int, parent: str, right: bool) -> str:
            if index < first + done:
                return str(values[index])
            node = self.nodes[index - first]
            text = f"{show(node.left, node.op, False)}{node.op}{show(node.right, node.op, True)}"
            tight = parent == "*" and (node.op != "*" or right)
            return f"({text})" if tight or (parent == "-" and right and node.op != "*") else text

        return show(first + len(self.nodes) - 1, "", False)


Tree: TypeAlias = "int | tuple[str, Tree, Tree]"  # the index of a leaf, or an operation on two
Story = tuple[list[str], str, list[int], list[Node], list[str], str]
"""Sentences that matter, the question, leaves, nodes, people, and the thing that is counted."""


def allowed(op: str, a: int, b: int) -> bool:
    """Operations of the world: results 0..99, products with one factor of at most 12."""
    if op == "*":
        return 2 <= min(a, b) <= 12 and a * b <= LARGEST
    return b >= 1 and 0 <= OPERATIONS[op](a, b) <= LARGEST


QUESTIONS = ("What is {}?", "Compute {}.", "Find the value of {}.", "Work out {}.", "How much is {}?")


def arith(rng: random.Random, operations: int, largest: int) -> Calculation:
    """An expression of `operations` operations on numbers up to `largest`."""
    while True:
        leaves: list[int] = []
        tree = _tree(rng, operations, largest, leaves)
        if tree is not None:
            break
    nodes: list[Node] = []

    def number(item: Tree) -> int:
        if isinstance(item, int):
            return item
        op, left, right = item
        node = Node(op, number(left), number(right))
        nodes.append(node)
        return len(leaves) + len(nodes) - 1

    number(tree[0])
    bare = Calculation("", tuple(leaves), tuple(nodes), (), shows_rest=True)
    expression = bare.rest(leaves, 0)
    question = rng.choice(QUESTIONS).format(expression)
    return Calculation(question, bare.leaves, bare.nodes, (expression,), shows_rest=True)


def _tree(rng: random.Random, operations: int, largest: int, leaves: list[int]) -> tuple[Tree, int] | None:
    """(tree, value), its leaves appended in reading order, or None where no operation fits."""
    if operations == 0:
        leaves.append(rng.randint(1, largest))
        return len(leaves) - 1, leaves[-1]
    left_share = rng.randrange(operations)
    if rng.random() < 0.5:  # long left spines read like everyday sums
        left_share = operations - 1
    left = _tree(rng, left_share, largest, leaves)
    right = left and _tree(rng, operations - 1 - left_share, largest, leaves)
    if left is None or right is None:
        return None
    op = rng.choice("++--**")
    if op == "*":
        for side in (left, right):  # keep factors small, so that products stay in the tables
            if isinstance(side[0], int) and leaves[side[0]] > 12:
                leaves[side[0]] = rng.randint(2, 9)
        left = (left[0], leaves[left[0]]) if isinstance(left[0], int) else left
        right = (right[0], leaves[right[0]]) if isinstance(right[0], int) else right
    fitting = [o for o in (op, *"+-") if allowed(o, left[1], right[1])]
    if not fitting:
        return None
    op = fitting[0]
    return (op, left[0], right[0]), OPERATIONS[op](left[1], right[1])


NAMES = [
    "Tom",
    "Mia",
    "Ben",
    "Ann",
    "Leo",
    "Zoe",
    "Sam",
    "Eva",
    "Max",
    "Ida",
    "Ray",
    "Amy",
    "Kai",
    "Lea",
    "Jon",
    "Sue",
]
ITEMS = [
    "apples",
    "books",
    "pens",
    "stamps",
    "eggs",
    "coins",
    "cards",
    "shells",
    "nuts",
    "cups",
    "balls",
    "stones",
]
GAIN = ("{p} buys {n} more {i}.", "{p} finds {n} {i}.", "{p} gets {n} more {i} from {q}.")
LOSS = ("{p} gives {n} {i} to {q}.", "{p} loses {n} {i}.", "{p} sells {n} {i}.")
PACKS = ("{p} buys {m} bags with {n} {i} each.", "{p} gets {m} boxes of {n} {i}.")
TIMES = {2: "Then the number of {i} doubles.", 3: "Then the number of {i} triples."}
IDLE = (
    "{q} has {n} {j}.",
    "{p} also has {n} {j}.",
    "{p} is {n} years old.",
    "{q} lives {n} miles away.",
    "{q} has {n} {i}.",
)


def word(rng: random.Random, operations: int, largest: int, idle: int) -> Calculation:
    """A story of `operations` operations with `idle` facts that do not matter."""
    while True:
        story = (_changes if rng.random() < 0.5 else _comparisons)(rng, operations, largest)
        if story is not None:
            break
    sentences, last_sentence, leaves, nodes, people, item = story
    story_lines, distractors = list(sentences), []
    for _ in range(idle):
        number = rng.randint(2, largest)
        distractors.append(number)
        other = rng.choice([i for i in ITEMS if i != item])
        outsider = rng.choice([n for n in NAMES if n not in people])
        idle_fact = rng.choice(IDLE).format(p=people[0], q=outsider, n=number, i=item, j=other)
        story_lines.insert(rng.randint(1, len(story_lines)), idle_fact)
    question = " ".join([*story_lines, last_sentence])
    return Calculation(question, tuple(leaves), tuple(nodes), tuple(sentences), tuple(distractors))


def _changes(rng: random.Random, operations: int, largest: int) -> Story:
    """One person's count of one thing, changed by one event after another."""
    person, friend = rng.sample(NAMES, 2)
    item = rng.choice(ITEMS)
    words = {"p": person, "q": friend, "i": item}
    plan: list[tuple[str, int, int]] = []  # (kind, n, m)
    value = start = rng.randint(2, largest)
    while (left := operations - sum(2 if kind == "pack" else 1 for kind, *_ in plan)) > 0:
        kind = rng.choices(("gain", "loss", "pack", "times"), (4, 4, 2 if left > 1 else 0, 1))[0]
        n, m = rng.randint(1, largest), rng.randint(2, 9)
        if kind == "pack":
            n = rng.randint(2, 12)
            after = value + n * m
        elif kind == "times":
            n = rng.choice((2, 3))
            after = value * n
        else:
            n = 1 + n % max(1, (LARGEST - value if kind == "gain" else value) - 1)
            after = value + n if kind == "gain" else value - n
        if not 1 <= after <= LARGEST:
            continue
        plan.append((kind, n, m))
        value = after
    leaves = [start]
    for kind, n, m in plan:
        leaves += [m, n] if kind == "pack" else [n]
    nodes, sentences, current, leaf = [], [f"{person} has {start} {item}."], 0, 1
    for kind, n, m in plan:
        template = (
            TIMES[n] if kind == "times" else rng.choice({"gain": GAIN, "loss": LOSS, "pack": PACKS}[kind])
        )
        sentences.append(template.format(n=n, m=m, **words))
        other = leaf
        if kind == "pack":
            nodes.append(Node("*", leaf, leaf + 1))
            other, leaf = len(leaves) + len(nodes) - 1, leaf + 1
        leaf += 1
        nodes.append(Node({"gain": "+", "pack": "+", "loss": "-", "times": "*"}[kind], current, other))
        current = len(leaves) + len(nodes) - 1
    last_sentence = rng.choice(("How many {i} does {p} have now?", "How many {i} has {p} at the end?"))
    return sentences, last_sentence.format(**words), leaves, nodes, [person, friend], item


def _comparisons(rng: random.Random, operations: int, largest: int) -> Story | None:
    """Several people, each count told relative to another's; maybe a sum at the end."""
    together = operations > 1 and rng.random() < 0.5
    links = operations - together
    people = rng.sample(NAMES, links + 1)
    item = rng.choice(ITEMS)
    values, plan = [rng.randint(2, largest)], []
    for _ in range(links):
        kind = rng.choices(("more", "fewer", "times"), (3, 3, 2))[0]
        base = values[-1]
        n = rng.randint(2, 6) if kind == "times" else rng.randint(1, largest)
        after = {"more": base + n, "fewer": base - n, "times": base * n}[kind]
        if not 1 <= after <= LARGEST:
            return None
        values.append(after)
        plan.append((kind, n))
    if together and values[-1] + values[-2] > LARGEST:
        return None
    leaves = [values[0], *(n for _, n in plan)]
    nodes, sentences = [], [f"{people[0]} has {values[0]} {item}."]
    index = [0]
    for k, (kind, n) in enumerate(plan):
        other, name = people[k], people[k + 1]
        relation = f"{n} times as many {item} as" if kind == "times" else f"{n} {kind} {item} than"
        sentences.append(f"{name} has {relation} {other}.")
        nodes.append(Node({"more": "+", "fewer": "-", "times": "*"}[kind], index[-1], k + 1, name))
        index.append(len(leaves) + len(nodes) - 1)
    if together:
        nodes.append(Node("+", index[-2], index[-1], "both"))
        last_sentence = f"How many {item} do {people[-2]} and {people[-1]} have together?"
    else:
        last_sentence = f"How many {item} does {people[-1]} have?"
    return sentences, last_sentence, leaves, nodes, people, item
