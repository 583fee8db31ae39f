"""Loops are seen soon, and ordinary traces are left alone."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from fakes import Ticking, answer
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import Chunk, Context, Outcome, Problem, Trace
from ttscale.signals.loops import LoopGuard, loops, repeats_a_block, repetition, takes_turns
from ttscale.worlds.arithmetic.training_documents import random_world, solution

DATA = Path(os.environ.get("TTSCALE_DATA") or Path(__file__).parents[3] / "shared" / "data")
PLAIN = "First I add 3 and 4, which gives 7. Then I double it: 14. Taking 2 away leaves 12."
BLOCK = "So the value of x must be four, hence y is two.\n"
TURNS = "Perhaps x is even. No, then y is odd. " * 2


@pytest.mark.parametrize(
    "text", ["", PLAIN, "ha ha ha", "1000000000 and 0.3333333333", "-" * 300, "x = 1\n" * 2]
)
def test_ordinary_text_does_not_loop(text) -> None:
    assert not loops(text)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        (PLAIN + BLOCK * 3, repeats_a_block),
        ("wait " * 20, repeats_a_block),
        (f"{PLAIN} {TURNS}", takes_turns),
    ],
)
def test_each_sign_is_seen(text, sign) -> None:
    assert sign(text)
    assert loops(text)


def test_the_score_is_the_share_of_groups_that_were_there() -> None:
    assert repetition(" ".join(map(str, range(50)))) == 0.0
    # 60 words with a period of 4: 56 groups of five, four different
    assert repetition("a b c d " * 15) == pytest.approx(1 - 4 / 56)
    assert repetition("a b c d " * 3) < 0.93 <= repetition("a b c d " * 20)


def test_of_recorded_solutions_those_loop_that_end_in_a_few_words_over_and_over() -> None:
    path = DATA / "big_bench_mistake.jsonl.gz"
    if not path.is_file():
        pytest.skip("needs the recording big_bench_mistake.jsonl.gz")
    entries = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    texts = ["\n".join(entry["steps"]) for entry in entries]
    looping = {number for number, text in enumerate(texts) if loops(text)}
    ends = {number: text.split()[-60:] for number, text in enumerate(texts)}
    lost = {number for number, words in ends.items() if len(words) == 60 and len(set(words)) <= 6}
    assert looping == lost  # most of them close one bracket five hundred times
    assert len(lost) == 31


def test_solutions_that_doubt_themselves_do_not_loop() -> None:
    rng = random.Random(3)
    for _ in range(60):
        text = solution(random_world(rng), rng, right=True)
        assert not any(loops(text[:end]) for end in range(50, len(text), 50)), text


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_the_verdict_does_not_depend_on_the_chunks(sizes) -> None:
    words = [f"{word} " for word in (PLAIN + " " + "and so on " * 40).split()]

    def kept(pieces: list[list[str]]) -> int | None:
        guard, before = LoopGuard(every=16), 0
        for piece in pieces:
            ends, at = [], 0
            for word in piece:
                ends.append(at := at + len(word))
            found = guard.feed(Chunk("".join(piece), len(piece), ends=ends))
            if found is not None:
                return before + found
            before += len(piece)
        return None

    pieces, at = [], 0
    for size in sizes:
        pieces.append(words[at : at + size])
        at += size
    pieces.append(words[at:])
    assert kept(pieces) == kept([words]) is not None


def test_a_guarded_sample_ends_where_the_loop_is_seen() -> None:
    words = ["again and "] * 900
    engine = Ticking(lambda request: Trace("".join(words), 900, ends=[10 * k for k in range(1, 901)]))

    async def guarded(problem: Problem, ctx: Context, cfg: object) -> Outcome:
        trace = await ctx.sample(problem.prompt, until=LoopGuard)
        assert trace.finish == "cut"
        assert trace.tokens == 256
        return Outcome(None)

    answer(engine, guarded)
    assert engine.generated < 270
