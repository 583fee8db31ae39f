"""Information capacity: FLOPs to the last digit, known entropies, what the bias is for."""

from __future__ import annotations

import asyncio
import itertools
import math
from itertools import pairwise

import numpy as np
import pytest

from ttscale.core import Message, Prompt, Run, UsageError, execute
from ttscale.core.engine import Score
from ttscale.engines.catalogue.bundled import bundled_models
from ttscale.engines.catalogue.specification import open_model
from ttscale.metrics.cost.information_capacity import (
    Line,
    capacity_interval,
    fitted_bias,
    flops_per_token,
    information_capacity,
    nll_bits,
    predicted_nll,
    scored,
    text_bits,
)
from ttscale.metrics.cost.model_sizes import Shape
from ttscale.worlds.arithmetic.training_documents import documents


def shape(d, layers, heads, kv_heads, d_ff, vocab, head_dim=None):
    return Shape(
        hidden=d,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        intermediate=d_ff,
        vocab=vocab,
        head_dim=head_dim or d // heads,
    )


SMOL = shape(576, 30, 9, 3, 1536, 49152)
SHAPES = [
    (SMOL, 304_314_624, 28.1810),
    (shape(960, 32, 15, 5, 2560, 49152), 786_370_560, 29.5506),
    (shape(896, 24, 14, 2, 4864, 151936), 1_031_919_616, 29.9427),
    (shape(1024, 28, 16, 8, 3072, 151936, 128), 1_074_470_912, 30.0010),
    (shape(2048, 16, 32, 8, 8192, 128256), 2_538_536_960, 31.2414),
]


@pytest.mark.parametrize(("size", "flops", "log2"), SHAPES)
def test_flops_per_token_to_the_last_digit(size, flops, log2):
    assert flops_per_token(size) == flops
    assert round(math.log2(flops), 4) == log2


def test_a_models_own_head_size_costs_more_where_it_is_larger():
    qwen = SHAPES[3][0]
    assert flops_per_token(qwen, head="config") > flops_per_token(qwen)
    assert flops_per_token(SMOL, head="config") == flops_per_token(SMOL)


def test_attention_is_summed_over_steps():
    for length in (1, 2, 17):
        steps = sum(4 * 9 * 64 * t for t in range(length)) * 30
        linear = flops_per_token(SMOL, 1)  # a first token attends to nothing before it
        assert flops_per_token(SMOL, length) == pytest.approx(linear + steps / length)


def test_every_size_adds_flops():
    sizes = (576, 30, 9, 3, 1536, 49152)
    for i, step in enumerate((9, 1, 0, 1, 1, 1)):
        if step:
            more = [*sizes]
            more[i] += step
            assert flops_per_token(shape(*more)) > flops_per_token(SMOL)


def test_a_uniform_byte_model_saves_nothing():
    line = Line(np.full(50, -math.log(256)), 50)
    assert text_bits([line]) == 8
    assert nll_bits([line]) == pytest.approx(8)
    assert information_capacity(8, nll_bits([line]), 1e9, 0) == pytest.approx(0, abs=1e-12)


def test_a_bigram_model_has_its_cross_entropy():
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet([1, 1, 1], size=3)
    text = [0]
    for _ in range(400):
        text.append(int(rng.choice(3, p=transitions[text[-1]])))
    logs = np.log([transitions[a, b] for a, b in pairwise(text)])
    counts = np.zeros((3, 3))
    for a, b in pairwise(text):
        counts[a, b] += 1
    cross = -(counts * np.log2(transitions)).sum() / counts.sum()
    assert nll_bits([Line(logs, 400)]) == pytest.approx(cross)


def test_bits_per_byte_do_not_depend_on_the_tokenizer():
    bytes_ = [Line(np.full(12, -0.5), 12), Line(np.full(4, -0.5), 4)]
    pieces = [Line(np.full(4, -1.5), 12), Line(np.full(2, -1.0), 4)]  # merged, same total
    ratios = [nll_bits(lines) / text_bits(lines, "token") for lines in (bytes_, pieces)]
    assert ratios[0] == pytest.approx(ratios[1])
    assert ratios[0] * 8 == pytest.approx(0.5 / math.log(2))


def test_lines_weigh_alike_unless_tokens_do():
    lines = [Line(np.zeros(1), 1), Line(np.zeros(3), 9), Line(np.zeros(0), 5)]
    assert text_bits(lines) == (8 + 24) / 2
    assert text_bits(lines, "token") == 80 / 4
    with pytest.raises(UsageError):
        text_bits([Line(np.zeros(0), 5)])


def test_the_bias_makes_a_series_coincide_and_predicts_another_size():
    # a series that obeys the law exactly
    capacity, bias, text = 0.2, -24.0, 34.0
    flops = np.array([f for _, f, _ in SHAPES], dtype=float)
    nll = [predicted_nll(capacity, text, f, bias) for f in flops]
    fitted = fitted_bias([text] * 2, nll[:2], flops[:2])
    assert fitted == pytest.approx(bias)
    values = [information_capacity(text, e, f, fitted) for e, f in zip(nll, flops, strict=True)]
    assert values == pytest.approx([capacity] * 5)
    plain = [information_capacity(text, e, f, 0) for e, f in zip(nll, flops, strict=True)]
    assert np.std(plain) > np.std(values)
    with pytest.raises(UsageError):
        fitted_bias([30], [20], [1e9])


def test_the_bias_of_the_mixed_set_is_the_default():
    assert information_capacity(34.0, 9.0, 2.0**28) == (34 - 9 - 24) / 28
    assert predicted_nll(1 / 28, 34.0, 2.0**28) == pytest.approx(9)


def test_ranks_between_families_may_hang_on_the_bias():
    biases = np.linspace(-30, 0, 31)
    small = information_capacity(34.0, 9.0, 2.0**28, biases)  # a good tokenizer, a small model
    large = information_capacity(34.0, 8.0, 2.0**32, biases)
    assert (np.diff(small) > 0).all()
    ahead = small > large
    assert not ahead[0]
    assert ahead[-1]
    assert np.flatnonzero(ahead)[0] == 13  # (25 + b) / 28 > (26 + b) / 32 from b > -18


def test_texts_are_scored_behind_their_first_word_or_their_prompt():
    class Engine:
        async def score(self, prompt, text):
            return Score(np.full(len(text.encode()), -math.log(256), np.float32), len(text))

    lines = asyncio.run(scored(Engine(), ["one \u00e9 two", "alone"]))
    assert [(len(line.logprobs), line.bytes) for line in lines] == [(7, 7), (0, 0)]
    assert (text_bits(lines), nll_bits(lines)) == (8, pytest.approx(8))
    (whole,) = asyncio.run(scored(Engine(), ["alone"], [Prompt.user("?")]))
    assert whole.bytes == 5


@pytest.mark.real
def test_two_sizes_of_the_bundled_reasoner_coincide_at_their_fitted_bias():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = bundled_models()["tiny"].path.parent
    made = list(itertools.islice(documents(7), 40))
    texts = [d.reply for d in made]
    prompts = [Prompt((Message("system", d.system), Message("user", d.user)), d.prefill) for d in made]
    read = {}
    for size in ("base", "small"):
        (source,) = open_model(f"transformers:{folder / size}")
        run = Run({"main": source.make()})
        read[size] = execute(run, lambda run=run: scored(run.engines["main"], texts, prompts))
    flops = [flops_per_token(Shape.read(folder / size)) for size in read]
    nll = [nll_bits(lines) for lines in read.values()]
    text = [text_bits(lines, "token") for lines in read.values()]
    assert text[0] == pytest.approx(text[1])  # one tokenizer
    assert 0 < nll[0] < nll[1] < text[0]  # the larger one compresses better, and both compress
    bias = fitted_bias(text, nll, flops)
    fitted = [information_capacity(*x, bias) for x in zip(text, nll, flops, strict=True)]
    plain = [information_capacity(*x, 0.0) for x in zip(text, nll, flops, strict=True)]
    assert fitted[0] == pytest.approx(fitted[1])
    assert abs(plain[0] - plain[1]) > 1e-4
    for size, lines in read.items():
        low, high = capacity_interval(lines, flops[0], bias, weighting="token")
        assert low < high, size


def test_the_interval_holds_the_value():
    rng = np.random.default_rng(1)
    lines = [Line(-rng.exponential(2, 40), int(rng.integers(100, 200))) for _ in range(60)]
    value = information_capacity(text_bits(lines), nll_bits(lines), 1e9)
    low, high = capacity_interval(lines, 1e9)
    assert low < value < high


def test_the_interval_covers_what_it_should():
    """Lines of 5 to 39 tokens, with three bytes a token and exponential losses of two nats."""
    rng = np.random.default_rng(2)
    truth, covered = information_capacity(8 * 3, 2 / math.log(2), 1e9), 0
    for trial in range(150):
        sizes = rng.integers(5, 40, 60).tolist()
        lines = [Line(-rng.exponential(2, n), 3 * n + int(rng.integers(-5, 6))) for n in sizes]
        low, high = capacity_interval(lines, 1e9, resamples=300, seed=trial)
        covered += low <= truth <= high
    # at 94% of 150 below .87 or above .995 in one of 500 such simulations
    assert 0.87 <= covered / 150 <= 0.995
