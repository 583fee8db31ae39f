"""The accounting of dynamic reasoning: identities, closed forms, published figures."""

from __future__ import annotations

import math

import pytest
from fakes import Scripted, answer, said
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.methods.refinement.turns import Config as DeepConfig
from ttscale.methods.refinement.turns import turns
from ttscale.methods.voting.self_consistency import Config as WideConfig
from ttscale.methods.voting.self_consistency import self_consistency
from ttscale.metrics.cost.eflops import kv_bytes
from ttscale.metrics.cost.energy import (
    cpu_energy_wh,
    data_centre_watts,
    energy_per_success,
    energy_wh,
    idle_share,
    prefill_tokens,
    time_split,
    tree_prefill_tokens,
)
from ttscale.metrics.cost.model_sizes import Shape

spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda s: (s[0], s[0] + s[1])))


@given(spans, spans)
def test_model_and_tool_time_less_their_overlap_is_the_latency_that_is_not_idle(model, tools):
    split = time_split(model, tools)
    assert split.model + split.tools - split.overlap + split.idle == pytest.approx(split.latency)
    assert split.overlap >= 0
    assert split.idle >= 0


def test_time_is_split_between_model_and_tools():
    split = time_split([(0, 4), (6, 8)], [(3, 6), (9, 10)])
    assert (split.model, split.tools, split.overlap, split.idle, split.latency) == (6, 4, 1, 1, 10)
    # spans of one kind overlap, and the first does not begin at 0
    split = time_split([(5, 9), (2, 6), (3, 4)], [(8, 12)])
    assert (split.model, split.tools, split.overlap, split.idle, split.latency) == (7, 4, 1, 0, 10)
    split = time_split([], [])
    assert (split.model, split.tools, split.overlap, split.idle, split.latency) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("calls", [0, 1, 2, 9])
def test_prefill_is_what_a_prefix_cache_would_do(calls):
    base, growth = 1000, 500
    prompts = [base + i * growth for i in range(calls)]
    assert prefill_tokens(base, growth, calls, cached=False) == sum(prompts)
    seen = processed = 0
    for prompt in prompts:
        processed += prompt - seen
        seen = prompt
    assert prefill_tokens(base, growth, calls, cached=True) == processed


def test_nine_calls_save_four_fifths_with_a_cache():
    cached, plain = (prefill_tokens(1000, 500, 9, cached=c) for c in (True, False))
    assert 1 - cached / plain == pytest.approx(0.81, abs=0.005)


@pytest.mark.parametrize(("children", "depth"), [(1, 9), (2, 4), (3, 3), (5, 1), (2, 0)])
def test_a_tree_pays_the_prefix_once_per_node(children, depth):
    base, growth = 1000, 500
    cache, processed, whole = set(), 0, 0

    def call(prompt, level):
        nonlocal processed, whole
        if level == depth:
            return
        known = next(n for n in range(len(prompt), -1, -1) if n == 0 or prompt[:n] in cache)
        processed += sum(tokens for _, tokens in prompt[known:])
        whole += sum(tokens for _, tokens in prompt)
        cache.add(prompt)
        for child in range(children):
            call((*prompt, (child, growth)), level + 1)

    call((("root", base),), 0)
    assert tree_prefill_tokens(base, growth, children, depth, cached=True) == processed
    assert tree_prefill_tokens(base, growth, children, depth, cached=False) == whole
    if children == 1:
        assert whole == prefill_tokens(base, growth, depth, cached=False)
        assert processed == prefill_tokens(base, growth, depth, cached=True)


def test_side_by_side_is_faster_and_holds_more_memory_than_one_after_another():
    # eight answers of 7 tokens each, in parallel and as turns that see the answer before
    engine = Scripted(lambda call: said("a", 7))
    wide = answer(engine, self_consistency, WideConfig(n=8))
    deep = answer(Scripted(lambda call: said("a", 7)), turns, DeepConfig(turns=8))
    assert wide.usage.completion_tokens == deep.usage.completion_tokens == 56
    assert (wide.usage.sequential_tokens, deep.usage.sequential_tokens) == (7, 56)
    shape = Shape(hidden=64, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate=128, vocab=100)
    held = kv_bytes(shape, 20, [t.tokens for t in wide.traces])
    assert held > max(kv_bytes(shape, 20, [t.tokens]) for t in deep.traces)


def test_a_server_idles_while_tools_run_until_enough_requests_are_there():
    assert idle_share(3, 1) == 0.25
    assert idle_share(3, 1, workers=2) == 0
    assert idle_share(1, 3) == 0.75
    assert idle_share(1, 3, workers=3) == 0.25
    assert idle_share(1, 3, workers=4) == 0


def test_data_centres_of_the_paper():
    assert data_centre_watts(71.4e6, 348.41) / 1e9 == pytest.approx(1.04, abs=0.005)
    assert data_centre_watts(13.7e9, 348.41) / 1e9 == pytest.approx(198.9, abs=0.05)


def test_energy_is_the_integral_of_power():
    assert energy_wh([100, 100, 200], [0, 36, 72], queries=1) == pytest.approx(1 + 1.5)
    assert energy_wh([100, 100], [0, 36], queries=4) == pytest.approx(0.25)
    assert cpu_energy_wh(7200, 15) == 30
    assert energy_per_success(41.53, 0.38) == pytest.approx(109, abs=0.5)
    assert energy_per_success(22.76, 0.80) == pytest.approx(28, abs=0.5)
    assert energy_per_success(1, 0) == math.inf
    for watts, seconds, queries in (([1], [0], 1), ([1, 1], [0, 1], 0), ([1, 1, 1], [0, 1], 1)):
        with pytest.raises(UsageError):
            energy_wh(watts, seconds, queries)
