"""The stop token's logit, in every form, against what is known of it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from ttscale.engines.local.decoding.stop_scaling import StopScaling, stop_logit  # noqa: E402

FORMS = ("paper", "paper-safe", "odds", "binary")
STOP = 3


def logits(seed: int = 0, stop: float | None = None) -> torch.Tensor:
    made = torch.randn(1, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if stop is not None:
        made[0, STOP] = stop
    return made


def chance(made: torch.Tensor) -> float:
    return float(made.softmax(-1)[0, STOP])


def scaled(made: torch.Tensor, form: str, temperature: float) -> torch.Tensor:
    after = made.clone()
    after[:, STOP] = stop_logit(made, STOP, form, temperature)
    return after


@pytest.mark.parametrize("form", FORMS)
def test_one_is_the_model_itself(form):
    assert torch.allclose(scaled(logits(), form, 1.0), logits())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [0.5, 0.8, 2.0])
def test_other_tokens_keep_their_relative_probabilities(form, temperature):
    before, after = (m.log_softmax(-1)[0] for m in (logits(), scaled(logits(), form, temperature)))
    moved = [float(after[k] - before[k]) for k in range(8) if k != STOP]
    assert moved == pytest.approx([moved[0]] * 7)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 3.0])
def test_the_closed_forms(temperature):
    for seed in range(5):
        made = logits(seed)
        h, z = chance(made), float(made[0, STOP])
        rest = float(torch.cat([made[:, :STOP], made[:, STOP + 1 :]], 1).logsumexp(-1))
        kappa = 1 / temperature
        assert chance(scaled(made, "odds", temperature)) == pytest.approx(kappa * h / (1 - h + kappa * h))
        sharp = 1 / (1 + math.exp(-math.log(h / (1 - h)) / temperature))
        assert chance(scaled(made, "binary", temperature)) == pytest.approx(sharp)
        assert chance(scaled(made, "paper", temperature)) == pytest.approx(
            1 / (1 + math.exp(rest - z / temperature))
        )


@pytest.mark.parametrize(
    ("form", "changes"), [("paper", True), ("paper-safe", True), ("odds", False), ("binary", False)]
)
def test_a_constant_that_changes_no_model_changes_the_papers_form(form, changes):
    made = logits(1, stop=1.0)
    moved = chance(scaled(made + 5, form, 0.5)) - chance(scaled(made, form, 0.5))
    assert (abs(moved) > 1e-6) == changes


def test_the_sign_of_the_logit_turns_the_papers_form_round():
    made = logits(1, stop=-1.0)
    assert chance(scaled(made, "paper", 0.5)) < chance(made)
    assert chance(scaled(made, "paper-safe", 0.5)) > chance(made)
    made = logits(1, stop=1.0)
    assert chance(scaled(made, "paper", 0.5)) > chance(made)


def rows(*ids: list[int]) -> list[SimpleNamespace]:
    return [SimpleNamespace(ids=list(i), temperature=0.0) for i in ids]


def test_it_works_while_the_phase_is_open_and_after_its_least_length():
    made = torch.tensor([[0.0, 1.0, 0.0, 0.6]] * 3)
    chooser = StopScaling(STOP, "odds", 0.5, least=2)
    assert chooser(made, rows([0, 0], [0, STOP, 0], [0])).tolist() == [STOP, 1, 1]
    assert made[0, STOP] == pytest.approx(0.6), "the logits belong to the caller"


def test_the_rest_of_a_marker_of_several_tokens_follows_of_itself():
    chooser = StopScaling(STOP, "odds", 0.5, then=(0, 2))
    made = torch.tensor([[0.0, 9.0, 0.0, 0.0]] * 3)
    assert chooser(made, rows([1, STOP], [1, STOP, 0], [1, STOP, 0, 2])).tolist() == [0, 2, 1]


def test_the_papers_form_warns_where_it_does_the_opposite():
    with pytest.warns(UserWarning, match="negative"):
        StopScaling(STOP, "paper", 0.5)(logits(1, stop=-1.0), rows([0]))


@pytest.mark.real
@pytest.mark.slow
def test_the_bundled_reasoner_thinks_less_and_still_ends_by_itself():
    import asyncio

    from ttscale.answers import TextRule
    from ttscale.core import Problem, Prompt, Run
    from ttscale.engines.catalogue.bundled import bundled_models
    from ttscale.engines.local.engine import TransformersLocal
    from ttscale.methods.registry import parse

    folder = bundled_models()["tiny"].path.with_name("base")

    async def tokens(kappa: float | None) -> list[tuple[int, str]]:
        from transformers import AutoTokenizer

        stop = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("</think>")
        chooser = None if kappa is None else StopScaling(stop, "odds", 1 / kappa, least=4)
        engine = TransformersLocal(folder, chooser=chooser)
        run = Run({"main": engine}, seed=3)
        await engine.open()
        try:
            problems = [Problem(f"q{n}", Prompt.user(f"{n} + 12 * 3 - 4"), TextRule()) for n in range(6)]
            outcomes = [await run.answer(parse("sc(n=2)"), p) for p in problems]
        finally:
            await engine.close()
        return [(t.tokens, t.text) for o in outcomes for t in o.traces]

    plain, same, short = (asyncio.run(tokens(kappa)) for kappa in (None, 1.0, 200.0))
    assert same == plain
    assert sum(t for t, _ in short) < sum(t for t, _ in plain)
    assert all(text.count("</think>") <= 1 for _, text in short)
