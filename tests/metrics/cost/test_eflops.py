"""Kinetics' cost model: closed forms against sums over steps, reference numbers, limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import RecordError
from ttscale.metrics.cost.eflops import attended_positions, dense, kv_bytes, sparse, together
from ttscale.metrics.cost.frontier import oracle_envelope, pareto
from ttscale.metrics.cost.model_sizes import Shape


def qwen3(parameters: float, layers: int, heads: int, kv_heads: int) -> Shape:
    return Shape(
        hidden=1,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=128,
        intermediate=1,
        vocab=1,
        parameters=parameters,
    )


SMALL, BIG = qwen3(0.752e9, 28, 16, 8), qwen3(32.76e9, 64, 64, 8)


@pytest.mark.parametrize(
    ("shape", "linear", "attention", "kv"),
    [
        (SMALL, 24.6, 30.8, 8658.7),
        (qwen3(8.19e9, 36, 32, 8), 268.4, 79.2, 11132.6),
        (qwen3(14.77e9, 40, 40, 8), 484.0, 110.0, 12369.5),
        (BIG, 1073.5, 281.5, 19791.2),
    ],
)
def test_the_reference_numbers_in_tflop(shape, linear, attention, kv):
    cost = dense(shape, 0, 16384)
    assert round(cost.linear / 1e12, 1) == linear
    assert round(cost.attention / 1e12, 1) == attention
    assert round(cost.kv / 1e12, 1) == kv


def test_a_44_times_larger_model_costs_2_4_times_more_at_equal_length():
    small, big = dense(SMALL, 0, 16384), dense(BIG, 0, 16384)
    assert big.total / small.total == pytest.approx(2.4, abs=0.05)
    assert small.kv / small.total == pytest.approx(0.99, abs=0.005)
    assert big.kv / big.total == pytest.approx(0.94, abs=0.005)
    assert big.flops / small.flops > 20  # what the older law says


def looped(shape, prompt, generated, trials, intensity, budget=None):
    """The same, step by step: step t attends to prompt + t + 1/2 positions."""
    linear = attention = reads = 0.0
    for t in range(generated):
        positions = prompt + t + 0.5
        if budget is not None:
            positions = min(budget, positions)
        linear += 2 * trials * shape.parameters
        attention += 4 * trials * positions * shape.layers * shape.heads * shape.head_dim
        read = trials * positions if budget is not None else prompt + trials * (t + 0.5)
        reads += intensity * 2 * shape.kv_elements * read
    return linear, attention, reads


lengths = st.integers(0, 60)


@given(lengths, lengths, st.integers(1, 4), st.sampled_from([0.0, 562.5]))
def test_dense_cost_is_the_sum_over_steps(prompt, generated, trials, intensity):
    cost = dense(SMALL, prompt, generated, trials, intensity)
    expected = looped(SMALL, prompt, generated, trials, intensity)
    assert (cost.linear, cost.attention, cost.kv) == pytest.approx(expected)


@given(lengths, lengths, st.integers(1, 4), st.integers(1, 90))
def test_sparse_cost_is_the_sum_over_steps(prompt, generated, trials, budget):
    cost = sparse(SMALL, prompt, generated, budget, trials)
    expected = looped(SMALL, prompt, generated, trials, 562.5, budget)
    assert (cost.linear, cost.attention, cost.kv) == pytest.approx(expected)


@given(lengths, lengths)
def test_a_budget_that_never_binds_is_dense_attention_without_a_shared_prompt(prompt, generated):
    budget = prompt + generated + 1
    wide, once = sparse(SMALL, prompt, generated, budget, trials=3), sparse(SMALL, prompt, generated, budget)
    one = dense(SMALL, prompt, generated)
    assert wide.total == pytest.approx(3 * one.total)
    assert once.total == pytest.approx(one.total)


def test_the_published_closed_form_once_the_budget_binds():
    assert attended_positions(100, 5000, 1024) == 1024 * 5000 - 0.5 * 924**2
    assert attended_positions(2000, 5000, 1024) == 1024 * 5000
    assert (attended_positions(5, 7, 0.5), attended_positions(5, 7, 0)) == (3.5, 0)


def test_no_intensity_is_the_flops_only_law_and_every_argument_adds_cost():
    cost = dense(SMALL, 200, 3000, 4, intensity=0)
    assert cost.kv == 0
    assert cost.total == cost.flops
    base = dense(SMALL, 200, 3000, 4).total
    for more in ((201, 3000, 4), (200, 3001, 4), (200, 3000, 5)):
        assert dense(SMALL, *more).total > base
    assert dense(BIG, 200, 3000, 4).total > base
    searched = sparse(SMALL, 200, 3000, 512, 4, block=16)
    assert searched.total > sparse(SMALL, 200, 3000, 512, 4).total
    assert searched.total < dense(SMALL, 200, 30000, 4).total


def test_a_search_over_block_summaries_is_the_sum_over_steps():
    # a summary is a key without a value; what is shared of the prompt is read once
    prompt, generated, trials, block = 160, 64, 3, 16
    searched = sparse(BIG, prompt, generated, 32, trials, block=block)
    ideal = sparse(BIG, prompt, generated, 32, trials)
    attention = reads = 0.0
    for t in range(generated):
        attention += 2 * trials * (prompt + t + 0.5) / block * BIG.layers * BIG.heads * BIG.head_dim
        reads += 562.5 * BIG.kv_elements * (prompt + trials * (t + 0.5)) / block
    assert searched.attention - ideal.attention == pytest.approx(attention)
    assert searched.kv - ideal.kv == pytest.approx(reads)


def test_a_b200_does_four_and_a_half_petaflops_on_eight_terabytes_a_second():
    cost = dense(SMALL, 0, 16384)
    assert cost.seconds == cost.total / 4.5e15
    assert cost.kv / dense(SMALL, 0, 16384, intensity=1).kv == pytest.approx(4.5e15 / 8e12)


def test_lengths_may_be_arrays():
    made = np.array([10.0, 200.0])
    assert dense(SMALL, 5, made).total.tolist() == [dense(SMALL, 5, m).total for m in made]


def test_samples_side_by_side_read_the_prompt_as_long_as_the_longest():
    assert together(SMALL, 70, [40] * 3).total == pytest.approx(dense(SMALL, 70, 40, 3).total)
    kv = together(SMALL, 70, [10, 40]).kv
    assert kv == pytest.approx(562.5 * SMALL.kv_elements * (2 * 70 * 40 + 10**2 + 40**2))
    assert together(SMALL, 70, []).total == 0


def test_samples_that_share_a_prompt_keep_it_once():
    per_token = 2 * SMALL.kv_elements
    assert kv_bytes(SMALL, 100, [10, 20, 30]) == per_token * 160
    assert kv_bytes(SMALL, 100, [10, 20, 30], shared=False) == per_token * 360


def test_memory_moves_the_frontier_to_larger_models():
    # a small model needs long chains for what a large one does at once
    lengths = np.array([1000, 2000, 4000, 8000, 16000, 32000])[:, None]
    small = 0.6 * lengths / (lengths + 6000) * np.ones((1, 3))
    large = 0.85 * lengths / (lengths + 3000) * np.ones((1, 3))

    def crossing(intensity):
        models = {
            "small": (dense(SMALL, 0, lengths * np.ones((1, 3)), 1, intensity).total, small),
            "large": (dense(BIG, 0, lengths * np.ones((1, 3)), 1, intensity).total, large),
        }
        levels = dense(SMALL, 0, np.geomspace(1000, 64000, 40), 1, intensity).total
        envelope = oracle_envelope(models, levels)
        assert (np.diff(envelope.accuracy) >= 0).all()
        return envelope.model.count("large")

    assert crossing(562.5) > crossing(0.0)


def test_the_envelope_takes_the_best_affordable_setting_of_every_question():
    # each question is answered at one setting only; the second costs 2 of the second question
    cost, right = [[1.0, 1.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]
    envelope = oracle_envelope({"a": (cost, right), "b": (cost, right)}, [0.5, 1, 2])
    assert envelope.accuracy.tolist() == [0, 0.5, 1]
    assert envelope.model == ("a", "a", "a")


def test_no_point_of_a_frontier_is_beaten():
    kept = pareto([1, 2, 2, 3], [0.1, 0.5, 0.4, 0.5])
    assert kept.tolist() == [True, True, False, False]


def test_a_shape_is_read_from_a_config(tmp_path):
    config = {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    }
    shape = Shape.of(config)
    assert shape.parameters == 134_515_008  # as counted by the model itself
    assert (shape.head_dim, shape.kv_elements) == (64, 2 * 30 * 3 * 64)
    assert Shape.of({"text_config": config}) == shape
    experts = {**config, "num_experts_per_tok": 8, "moe_intermediate_size": 100, "num_experts": 64}
    assert Shape.of(experts).intermediate == 800
    assert Shape.of({**experts, "n_shared_experts": 2}).intermediate == 1000
    assert Shape.of({**experts, "shared_expert_intermediate_size": 50}).intermediate == 850
    with pytest.raises(RecordError):
        Shape.of({})
    with pytest.raises(RecordError):
        Shape.read(tmp_path)
