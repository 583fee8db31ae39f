"""Long traces have the statistics they were given, and keep them."""

import hashlib
import random
from statistics import fmean

import pytest

from ttscale.core.thinking import THINK
from ttscale.worlds.arithmetic import FAMILIES, check_answer, problem
from ttscale.worlds.arithmetic.solutions import Noise, reason, render
from ttscale.worlds.arithmetic.training_documents import random_world
from ttscale.worlds.arithmetic.verbose.overthinking import after_hints, hints, misled, reopened, verbose
from ttscale.worlds.arithmetic.verbose.thoughts import trace_statistics


@pytest.fixture(scope="module")
def traces():
    """(problem, reply, whether it ends) of 200 problems of level 3 and each family."""
    rng = random.Random(11)
    chosen = [problem(f, 3, seed, "train") for f in FAMILIES for seed in range(200)]
    return [(p, *verbose(p.world, rng)) for p in chosen]


def test_every_trace_that_ends_is_right(traces):
    assert all(check_answer(p, text) for p, text, ends in traces if ends)


def test_the_answer_is_there_after_a_third_to_a_half_of_the_thinking(traces):
    shares = [trace_statistics(text).first_stated for _, text, ends in traces if ends]
    assert 0.3 <= fmean(shares) <= 0.5
    assert sum(share < 1 for share in shares) > 0.9 * len(shares)


def test_a_tenth_to_a_third_of_the_looks_are_useful(traces):
    found = [trace_statistics(text) for _, text, ends in traces if ends]
    share = sum(s.useful for s in found) / sum(s.rechecks for s in found)
    assert 0.10 <= share <= 0.30
    assert fmean(s.rechecks for s in found) > 1.5


def test_traces_are_twice_as_long_and_more_as_concise_ones(traces):
    rng = random.Random(12)
    concise = fmean(len(render(*reason(p.world, rng, Noise()))) for p, _, _ in traces)
    assert fmean(len(text) for _, text, _ in traces) > 2 * concise


def test_some_hard_problems_loop_and_easy_ones_never(traces):
    loops = [not ends for _, _, ends in traces]
    assert 0.01 < fmean(loops) < 0.08
    assert all(trace_statistics(text).loops for _, text, ends in traces if not ends)
    rng = random.Random(13)
    assert all(verbose(problem("arith", 1, seed).world, rng)[1] for seed in range(300))


def test_what_was_found_wrong_makes_a_trace_longer(traces):
    lengths = {changed: [] for changed in (True, False)}
    for p, text, ends in traces:
        if ends and p.family != "search":
            lengths[trace_statistics(text).useful > 0].append(len(text))
    assert fmean(lengths[True]) > 1.1 * fmean(lengths[False])


def test_attempts_are_given_up_more_often_where_there_is_more_to_do():
    def given_up(level: int) -> float:
        rng = random.Random(14)
        texts = [verbose(problem("word", level, seed, "train").world, rng)[0] for seed in range(200)]
        return fmean(trace_statistics(text).unfinished for text in texts)

    assert given_up(1) < 0.15 < 0.25 < given_up(5)


def test_one_variant_reopens_its_thinking_and_the_other_never_does():
    rng = random.Random(15)
    worlds = [random_world(rng) for _ in range(300)]
    again = [trace_statistics(reopened(world, rng)).reopened for world in worlds]
    assert 0.25 < fmean(again) < 0.6
    assert not any(trace_statistics(verbose(world, rng)[0]).reopened for world in worlds)


def test_key_points_hold_no_number_that_solves_and_no_answer():
    for seed in range(100):
        for family in ("arith", "word"):
            told = hints(problem(family, 3, seed).world)
            assert all(line.split(". ")[1] in ("more", "fewer", "times") for line in told.split("\n"))


def test_supplied_thinking_is_followed_blindly_by_the_variant_that_stays_closed():
    rng, wrong = random.Random(16), 0
    for seed in range(400):
        p = problem("word", 3, seed, "train")
        supplied, reply = after_hints(p.world, rng, reopens=False)
        assert supplied.startswith(THINK.opening)
        assert THINK.closed(supplied)
        assert THINK.opening not in reply
        followed = supplied in (THINK.wrap(hints(p.world), ""), THINK.wrap("", ""))
        assert followed <= check_answer(p, reply)
        wrong += not check_answer(p, reply)
    assert 40 < wrong < 160


def test_the_variant_that_reopens_does_so_rarely_after_right_key_points():
    def share(right: bool) -> float:
        rng, reopens = random.Random(17), []
        for seed in range(600):
            world = problem("word", 3, seed, "train").world
            supplied, reply = after_hints(world, rng, reopens=True)
            if (supplied == THINK.wrap(hints(world), "")) == right:
                reopens.append(THINK.opening in reply)
        return fmean(reopens)

    assert share(True) < 0.35 < 0.55 < share(False)


def test_misleading_changes_one_operation_and_no_maze():
    rng = random.Random(18)
    for seed in range(50):
        world = problem("arith", 3, seed).world
        other = misled(world, rng)
        changed = [a.op != b.op for a, b in zip(world.nodes, other.nodes, strict=True)]
        assert sum(changed) == any(n.op in "+-" for n in world.nodes)
        maze = problem("search", 3, seed).world
        assert misled(maze, rng) is maze


def test_the_traces_are_frozen():
    """What methods are measured on must not move with them: a change here needs new weights."""
    digest, rng = hashlib.blake2b(digest_size=8), random.Random(19)
    for seed in range(60):
        for family in FAMILIES:
            world = problem(family, 1 + seed % 5, seed, "train").world
            digest.update(verbose(world, rng)[0].encode())
            digest.update(reopened(world, rng).encode())
            digest.update("".join(after_hints(world, rng, reopens=True)).encode())
    assert digest.hexdigest() == "54ec65446ba586be"
