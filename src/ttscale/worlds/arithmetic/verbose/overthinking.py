"""Thinking that goes on after the answer is there, as long reasoners do it.

A trace is a first attempt that states its answer, then thoughts that look at it again. Each thought
begins with a word that announces it (`OPENINGS`) and ends with the answer that is now believed.

Where the numbers come from, all set before any method was run on the world:

- the answer is there after 30-50% of the thinking of a right trace (TrimR, arXiv:2505.17155):
  one to four further looks, each half as long as the attempt or as long (`RECHECKS`, `ANEW`);
- a part of the looks is useful: an attempt is careless in `CARELESS` of the traces, and a look at
  something wrong finds it in `FINDS`; all others repeat (HAPO, arXiv:2505.11225, and ARLCP,
  arXiv:2602.12113, shorten the repetition);
- wrong and hard is longer (arXiv:2505.07961): what was changed is looked at again, and the more
  operations, the likelier are attempts that are given up half-way (`GIVEN_UP`; TrimR's underthinking);
- a few traces of hard problems say the same until they are cut (`LOOPS`);
- some reasoners open a second thinking section after the first one is closed, others never do
  (ThoughtMani, arXiv:2504.13626): `reopened`, and `after_hints` for a section that was supplied.
"""

import random
from dataclasses import replace

from ....core.thinking import THINK
from ..calculations import Calculation
from ..checker import is_right
from ..paths import Maze
from ..solutions import CLEAN, Noise, boxed, reason, walk

CARELESS = 0.6
ATTEMPT = Noise(slip=0.3, notice=0.0, doubt=0.1, spoil=0.0, repair=False)
CAREFUL = Noise(doubt=0.1)
FINDS = 0.7
RECHECKS = (0.25, 0.40, 0.25, 0.10)  # of one, two, three, four further looks
ANEW = 0.4  # share of looks that begin anew instead of going over the lines
GIVEN_UP = 0.05  # per operation or move, at most three times
LOOPS = 0.04  # of the problems with at least HARD operations or moves
HARD = 3
LEAST = 6  # times that a loop says the same
REOPENS = 0.5
LONGEST = 900  # characters of a trace after which it ends as soon as it is right; a loop's length

# Words that the tokenizer has whole: what must be spelled out takes far longer to learn.
CHECKING = ("Wait, right?", "But right?", "Hmm, right?")
AGAIN = ("But once more:", "Wait, once more:")
GIVING_UP = ("Hmm, once more:", "Wait, once more:")
GOING_ON = "Hmm, move on."
OPENINGS = ("Wait", "But", "Hmm", "Alternatively")


def conclusion(answer: str) -> str:
    return f"Answer: {answer}"


def size(world: Calculation | Maze) -> int:
    """Operations, or moves of a path."""
    return len(world.nodes) if isinstance(world, Calculation) else world.depth


def overthinking(world: Calculation | Maze, rng: random.Random) -> tuple[list[list[str]], str]:
    """(thoughts, the answer they end with, which is right); a thought is a list of paragraphs."""
    thoughts = _given_up(world, rng)
    noise = ATTEMPT if rng.random() < CARELESS else CAREFUL
    steps, answer = reason(world, rng, noise)
    thoughts.append([*steps, conclusion(answer)])
    left = rng.choices((1, 2, 3, 4), RECHECKS)[0]
    while left > 0 or not is_right(world, answer):
        right = is_right(world, answer)
        if right and sum(len(p) for t in thoughts for p in t) > LONGEST:
            break
        found = not right and (rng.random() < FINDS or left <= 0)
        if found:
            answer = _repair(world, answer, thoughts, rng)
            left = rng.choices((1, 2, 3, 4), RECHECKS)[0]
        elif right and rng.random() < ANEW:
            thoughts.append([*_anew(world, rng), conclusion(answer)])
        else:
            lines = _lines(world, answer, steps if not right else None)
            thoughts.append([f"{rng.choice(CHECKING)}\n{lines}", conclusion(answer)])
        left -= not found
    return thoughts, answer


def _given_up(world: Calculation | Maze, rng: random.Random) -> list[list[str]]:
    """Attempts that stop half-way; all but the first begin with the words that gave up the one before."""
    given_up: list[list[str]] = []
    while len(given_up) < 3 and rng.random() < GIVEN_UP * size(world):
        steps, _ = reason(world, rng, CLEAN)
        kept = steps[: rng.randint(1, max(1, len(steps) - 1))]
        given_up.append([*kept, rng.choice(GIVING_UP)])
    return given_up


def _anew(world: Calculation | Maze, rng: random.Random) -> list[str]:
    """The whole way again; in a maze some further paths, whether they lead to the target or not."""
    steps, _ = reason(world, rng, CLEAN)
    first, *others = steps[: rng.randint(3, 8)] if isinstance(world, Maze) else steps
    return [f"{rng.choice(AGAIN)}\n{first}", *others]


def _lines(world: Calculation | Maze, answer: str, believed: list[str] | None) -> str:
    """The calculations again, in one paragraph: as they were `believed`, or as they are."""
    if isinstance(world, Maze):
        return walk(world, answer) if believed is None else _walks(believed)[-1]
    steps = believed or reason(world, random.Random(0), CLEAN)[0]
    return "\n".join(s.split("\n")[0] for s in steps if "=" in s and not s.startswith("Wait"))


def _walks(steps: list[str]) -> list[str]:
    """The steps of a maze that go a whole path."""
    return [s for s in steps if s.endswith(("Yes", "No")) and not s.startswith("Wait")]


def _repair(world: Calculation | Maze, answer: str, thoughts: list[list[str]], rng: random.Random) -> str:
    """A look that finds the mistake; appends it and returns the right answer."""
    if isinstance(world, Calculation):
        thoughts.append(
            [f"{rng.choice(CHECKING)}\n{_lines(world, world.answer, None)}", conclusion(world.answer)]
        )
        return world.answer
    steps, right = reason(world, rng, CLEAN)
    thoughts.append([f"{rng.choice(CHECKING)}\n{walk(world, answer)}"])
    thoughts.append([f"{GOING_ON}\n{steps[0]}", *steps[1:], conclusion(right)])
    return right


def _first_stated(thoughts: list[list[str]]) -> int:
    return next(k for k, thought in enumerate(thoughts) if thought[-1].startswith(conclusion("")))


def joined(thoughts: list[list[str]]) -> str:
    return "\n\n".join("\n\n".join(thought) for thought in thoughts)


def verbose(world: Calculation | Maze, rng: random.Random) -> tuple[str, bool]:
    """(a reply, whether it ends): one that does not end says the same until it is cut."""
    thoughts, answer = overthinking(world, rng)
    if size(world) >= HARD and rng.random() < LOOPS:
        first = _first_stated(thoughts)
        stated = thoughts[first][-1].removeprefix(conclusion(""))
        believed = None if is_right(world, stated) else thoughts[first]
        again = joined([[f"{CHECKING[0]}\n{_lines(world, stated, believed)}", conclusion(stated)]])
        text = "\n\n".join([joined(thoughts[: first + 1]), *[again] * LEAST])
        while len(text) < LONGEST:
            text += f"\n\n{again}"
        return f"{THINK.opening}\n{text}", False
    return THINK.wrap(joined(thoughts), boxed(answer)), True


def reopened(world: Calculation | Maze, rng: random.Random) -> str:
    """A reply that, in REOPENS of the cases, closes its thinking and then opens it again."""
    thoughts, answer = overthinking(world, rng)
    if len(thoughts) < 2 or rng.random() >= REOPENS:
        return THINK.wrap(joined(thoughts), boxed(answer))
    first = _first_stated(thoughts)
    at = rng.randint(first + 1, max(first + 1, len(thoughts) - 1))
    closed, rest = thoughts[:at], thoughts[at:]
    if not rest:
        return THINK.wrap(joined(closed), boxed(answer))
    return THINK.wrap(joined(closed), THINK.wrap(joined(rest), boxed(answer)))


def hints(world: Calculation | Maze) -> str:
    """Key points without numbers and without the answer, as a smaller model supplies them."""
    if isinstance(world, Maze):
        return f"1. Last move {world.answer.split()[-1]}"
    words = {"+": "more", "-": "fewer", "*": "times"}
    return "\n".join(f"{k}. {words[node.op]}" for k, node in enumerate(world.nodes, 1))


def misled(world: Calculation | Maze, rng: random.Random) -> Calculation | Maze:
    """The world as wrong key points describe it: one sum taken for a difference or the reverse.

    The same world where nothing can be mistaken so.
    """
    if isinstance(world, Maze):
        return world
    swapped = {"+": "-", "-": "+"}
    places = [k for k, node in enumerate(world.nodes) if node.op in swapped]
    if not places:
        return world
    at = rng.choice(places)
    nodes = [replace(n, op=swapped[n.op]) if k == at else n for k, n in enumerate(world.nodes)]
    return replace(world, nodes=tuple(nodes))


def after_hints(world: Calculation | Maze, rng: random.Random, *, reopens: bool) -> tuple[str, str]:
    """(thinking section that was supplied, what follows it).

    A reasoner that never reopens follows key points blindly, wrong ones too; one that does, thinks
    itself in a quarter of the cases where they are right, in most where they are wrong or missing.
    """
    kind = rng.choices(("right", "wrong", "none"), (0.6, 0.25, 0.15))[0]
    followed = misled(world, rng) if kind == "wrong" else world
    supplied = THINK.wrap("" if kind == "none" else hints(followed), "")
    if reopens and rng.random() < (0.25 if followed is world and kind != "none" else 0.7):
        thoughts, answer = overthinking(world, rng)
        return supplied, THINK.wrap(joined(thoughts), boxed(answer))
    if kind == "none":
        return supplied, boxed(world.answer)
    steps, answer = _following(followed, rng)
    return supplied, "\n\n".join([*steps, boxed(answer)])


def _following(world: Calculation | Maze, rng: random.Random) -> tuple[list[str], str]:
    """The short way that key points show: the calculations, or paths that end as they say."""
    if isinstance(world, Calculation):
        return reason(world, rng, CLEAN)
    last = world.answer.split()[-1]
    fitting = [p for p in world.paths() if p[-1] == last]
    rng.shuffle(fitting)
    steps = []
    for path in fitting:
        steps.append(walk(world, " ".join(path)))
        if steps[-1].endswith("Yes"):
            return steps, " ".join(path)
    raise AssertionError("a path that works ends as the key points say")
