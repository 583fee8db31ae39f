"""Figures published for recorded samples of real models come out again, to three decimals.

The recordings lie beside the repository (shared/data) or where TTSCALE_DATA says.
"""

import os
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

from ttscale.core import Run, run_in_token_time
from ttscale.core.verdict import is_right, outcome_is_right
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.reader import read_pools
from ttscale.methods.registry import parse

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("TTSCALE_DATA") or ROOT.parent / "shared" / "data")
REASONING = "recorded_reasoning.csv"
GSM8K = "gsm8k_qwen2.5-0.5b.csv"
MATH500 = "math500_qwen2.5-1.5b_prm.csv"
MATH_RM = "math_qwen2.5-math_rm.csv"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}")


@cache
def pools(name, **options):
    if not (DATA / name).is_file():
        pytest.skip(f"no {name} in {DATA}")
    return {(pool.model, pool.task): pool for pool in read_pools(DATA / name, **options)}


def only(name, **options):
    (pool,) = pools(name, **options).values()
    return pool


def run(pool, spec, repeats=1, draws=8):
    """(accuracy, mean sequential tokens, mean generated tokens) of a method, over repeats on so
    many samples each."""
    method = parse(spec)
    outcomes = []
    for repeat in range(repeats):
        engine = Replay(pool, skip=repeat * draws)
        execution = Run({"main": engine, "prm": engine})

        async def main(execution=execution):
            return [await execution.answer(method, p) for p in pool.problems]

        outcomes += run_in_token_time(main())
    problems = pool.problems * repeats
    right = [bool(outcome_is_right(p, o)) for p, o in zip(problems, outcomes, strict=True)]
    return (
        fmean(right),
        fmean(o.usage.sequential_tokens for o in outcomes),
        fmean(o.usage.completion_tokens for o in outcomes),
    )


def single(pool):
    """Accuracy of one sample: the mean over all that were recorded."""
    return fmean(fmean(bool(is_right(p, t)) for t in pool.find(p, "main", p.prompt)) for p in pool.problems)


R1_AIME = {
    "ffs(n=8, k=1)": (0.867, 6271, 49941),
    "ffs(n=8, k=4)": (0.900, 8951, 65440),
    "sc(n=8, tie=shortest)": (0.867, 13203, 74340),
}
R1_GPQA = {
    "ffs(n=8, k=1)": (0.737, 4249, 33965),
    "ffs(n=8, k=4)": (0.732, 5809, 43573),
    "sc(n=8, tie=shortest)": (0.747, 7978, 48320),
}
GPT_AIME = {
    "ffs(n=8, k=1)": (0.767, 3230, 25652),
    "ffs(n=8, k=4)": (0.767, 4365, 32265),
    "sc(n=8, tie=shortest)": (0.800, 5558, 34697),
}
GPT_GPQA = {
    "ffs(n=8, k=1)": (0.662, 1299, 10380),
    "ffs(n=8, k=4)": (0.682, 1942, 14133),
    "sc(n=8, tie=shortest)": (0.697, 3017, 16426),
}
QWEN_AIME = {
    "ffs(n=8, k=1)": (0.400, 3435, 26127),
    "ffs(n=8, k=4)": (0.867, 11310, 73875),
    "sc(n=8, tie=shortest)": (0.900, 21513, 91517),
}
QWEN_GPQA = {
    "ffs(n=8, k=1)": (0.631, 1889, 15078),
    "ffs(n=8, k=4)": (0.672, 6563, 41373),
    "sc(n=8, tie=shortest)": (0.682, 11896, 52129),
}
TABLE = {
    ("DeepSeek-R1", "aime2024"): (0.750, R1_AIME),
    ("DeepSeek-R1", "gpqa-diamond"): (0.714, R1_GPQA),
    ("GPT-OSS-120B", "aime2024"): (0.725, GPT_AIME),
    ("GPT-OSS-120B", "gpqa-diamond"): (0.689, GPT_GPQA),
    ("Qwen3-32B", "aime2024"): (0.708, QWEN_AIME),
    ("Qwen3-32B", "gpqa-diamond"): (0.568, QWEN_GPQA),
}


@pytest.mark.parametrize("key", TABLE, ids=" ".join)
def test_first_finish_on_large_reasoning_models(key):
    pool = pools(REASONING)[key]
    one, methods = TABLE[key]
    assert single(pool) == pytest.approx(one, abs=5e-4)
    for spec, (accuracy, sequential, total) in methods.items():
        got = run(pool, spec)
        assert got == (
            pytest.approx(accuracy, abs=5e-4),
            pytest.approx(sequential, abs=0.51),
            pytest.approx(total, abs=0.51),
        ), spec


@pytest.mark.parametrize(
    ("spec", "accuracy"),
    [
        ("sc(n=16)", 0.545),
        ("bon(n=16, verifier=logprob, weighted=true)", 0.550),  # weights exp(mean log-probability)
        ("ffs(n=16, valid_only=false)", 0.380),  # here an answerless sample may finish first
        ("bon(n=16, verifier=oracle)", 0.745),
    ],
)
def test_gsm8k_where_truncated_samples_vote(spec, accuracy):
    assert run(only(GSM8K, truncated="vote"), spec)[0] == pytest.approx(accuracy, abs=5e-4)


def test_gsm8k_single_sample():
    assert single(only(GSM8K, truncated="vote")) == pytest.approx(0.362, abs=5e-4)
    assert single(only(GSM8K)) == pytest.approx(0.361, abs=5e-4)  # truncated samples abstain


def test_math500_with_a_process_reward_model():
    pool = only(MATH500)
    assert len(pool.problems) == 40
    assert pool.size() == 24  # three seeds of eight samples each, one after the other
    assert run(pool, "simple", 3)[0] == pytest.approx(0.383, abs=5e-4)
    assert run(pool, "bon(n=8)", 3)[0] == pytest.approx(0.550, abs=5e-4)
    assert run(pool, "bon(n=8, verifier=oracle)", 3)[0] == pytest.approx(0.700, abs=5e-4)


def test_math500_majority_lies_between_the_bounds():
    """Its answers were not recorded, only whether they are right: .525 was published."""
    low = run(only(MATH500), "sc(n=8)", 3)[0]
    high = run(only(MATH500, wrong="distinct"), "sc(n=8)", 3)[0]
    assert low == pytest.approx(0.400, abs=5e-4)
    assert high == pytest.approx(0.583, abs=5e-4)
    assert low < 0.525 < high


def test_math_with_an_outcome_reward_model():
    pool = only(MATH_RM)
    assert single(pool) == pytest.approx(0.910)
    assert run(pool, "sc(n=8)")[0] == pytest.approx(0.930)
    assert run(pool, "bon(n=8)")[0] == pytest.approx(0.940)
    assert run(pool, "bon(n=8, verifier=oracle)")[0] == pytest.approx(0.960)
