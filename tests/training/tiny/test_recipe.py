"""The training loop: schedule, resumption, a run of the whole recipe in miniature."""

import itertools
import random
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ttscale.cli import main
from ttscale.training.batches import stream
from ttscale.training.precision import multiplies_bfloat16
from ttscale.training.tiny import prm, recipe, self_generated
from ttscale.training.tiny.model import Reasoner
from ttscale.training.trainer import WARMUP_STEPS, Schedule, fit
from ttscale.worlds.arithmetic import problem
from ttscale.worlds.arithmetic.skills import SYSTEM
from ttscale.worlds.arithmetic.solutions import boxed


def test_rate_warms_up_stays_and_falls_to_zero():
    schedule = Schedule(tokens=100, decay_from=0.5)
    assert schedule.rate(0, 0.0) == pytest.approx(1 / WARMUP_STEPS)
    assert schedule.rate(WARMUP_STEPS, 0.5) == 1.0
    assert schedule.rate(WARMUP_STEPS, 0.75) == pytest.approx(0.5)
    assert schedule.rate(WARMUP_STEPS, 1.0) == 0.0


def test_progress_counts_tokens_or_minutes():
    state = {"step": 3, "tokens": 50, "seconds": 30.0}
    assert Schedule(tokens=100).progress(state) == 0.5
    assert Schedule(minutes=0.25).progress(state) == 1.0
    with pytest.raises(ValueError, match="exactly one"):
        Schedule(tokens=1, minutes=1.0)


def test_a_torch_that_knows_no_capabilities_trains_in_float32_on_a_cpu(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not multiplies_bfloat16(torch.device("cpu"))
    assert multiplies_bfloat16(torch.device("cuda"))


def documents(rng: random.Random):
    from ttscale.worlds.arithmetic.training_documents import document

    while True:
        yield document(rng, 0.0, "quick")


@pytest.mark.slow
def test_training_lowers_the_loss_and_resumes_where_it_stopped(model, tokenizer, tmp_path):
    student = Reasoner(model.shape)
    held_out = next(stream(tokenizer, documents(random.Random(99)), 2000, 200, random.Random(1)))

    def batches(rng: random.Random, progress):
        return stream(tokenizer, documents(rng), 500, 200, rng)

    before = student.loss(*held_out).item()
    schedule = Schedule(tokens=20_000)
    fit(student, student.loss, batches, schedule, tmp_path / "a.pt")
    after = student.loss(*held_out).item()
    assert after < before - 0.5
    again = Reasoner(model.shape)
    fit(again, again.loss, batches, schedule, tmp_path / "a.pt", resume=True)  # nothing left to do
    assert again.loss(*held_out).item() == pytest.approx(after, rel=1e-5)
    fit(again, again.loss, batches, replace(schedule, tokens=30_000), tmp_path / "a.pt", resume=True)
    state = torch.load(tmp_path / "a.pt", weights_only=True)["state"]
    assert 30_000 <= state["tokens"] < 31_000


def test_own_documents_show_sampled_replies_with_their_true_verdicts():
    worlds = [problem("arith", 3, seed, "train").world for seed in (0, 1)]
    good, fine = (boxed(world.answer) for world in worlds)
    pool = [
        self_generated.Attempts(worlds[0], [good, boxed("nothing")]),
        self_generated.Attempts(worlds[1], [fine] * 2),
    ]
    made = list(itertools.islice(self_generated.own_documents(pool, random.Random(0)), 2000))
    judged = [
        (d, world, next(s for s in (good, fine, boxed("nothing")) if f":\n{s}" in d.user))
        for d in made
        for world in worlds
        if d.role == "judge" and d.user.startswith(world.question)
    ]
    asked = {(shown, d.system, bool(d.prefill)) for d, _, shown in judged}
    ways = (SYSTEM["judge"], SYSTEM["solve"])  # in the role, and as the verifier asks
    assert asked == set(itertools.product((good, fine, boxed("nothing")), ways, (True, False)))
    for d, world, shown in judged:
        assert d.reply.endswith("Yes" if shown == boxed(world.answer) else "No")
    for d in made:
        if d.role == "rate" and d.user.startswith(worlds[0].question):
            right_first = d.user.index(good) < d.user.index(boxed("nothing"))
            assert d.reply.endswith("A: 9\nB: 2" if right_first else "A: 2\nB: 9")


def test_a_pool_is_sampled_once(model, tokenizer, tmp_path):
    path = tmp_path / "pool.jsonl"
    first = self_generated.collect(model, tokenizer, path, questions=3, samples=2, seed=0)
    assert [len(attempts.right) for attempts in first] == [2, 2, 2]
    assert self_generated.collect(model, tokenizer, path, questions=3, samples=2, seed=0) == first


def test_rollout_labels_are_shares_of_continuations(model, tokenizer, tmp_path):
    path = tmp_path / "rows.jsonl"
    sizes = {"questions": 3, "samples": 2, "branches": 3, "branched": 1}
    rows = prm.rollouts(model, tokenizer, path, seed=0, **sizes)
    assert len(rows) == 6
    for ids, given, labels in rows:
        assert len(ids) - 1 in labels
        assert min(labels) >= given
        assert all(round(4 * v, 6).is_integer() for v in labels.values())
    assert prm.rollouts(model, tokenizer, path, seed=1, **sizes) == rows  # kept, not sampled again


@pytest.mark.slow
def test_the_whole_recipe_exports_weights_that_load(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    short = Schedule(tokens=6_000)
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 600)
    monkeypatch.setattr(recipe, "FIRST", {"small": short, "base": short})
    monkeypatch.setattr(recipe, "SECOND", short)
    monkeypatch.setattr(recipe, "REWARD", short)
    monkeypatch.setattr(recipe, "POOL", {"questions": 6, "samples": 2})
    monkeypatch.setattr(recipe, "ROLLOUTS", {"questions": 4, "samples": 2, "branches": 1, "branched": 1})
    done = CliRunner().invoke(main, ["train", "tiny", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    for folder in ("small", "base"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / folder)
        assert (tmp_path / f"{folder}.gguf").stat().st_size > 1_000_000
    transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "prm")


def test_checkpoints_are_not_overwritten_by_mistake(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "small.pt").write_bytes(b"")
    done = CliRunner().invoke(main, ["train", "tiny", "--out", str(tmp_path), "--size", "small"])
    assert done.exit_code == 2
    assert "continue it with --resume" in done.stderr


def test_a_device_that_is_not_there_is_named(tmp_path):
    out = str(tmp_path / "new")
    done = CliRunner().invoke(main, ["train", "tiny", "--out", out, "--device", "cudo"])
    assert done.exit_code == 2
    assert "device 'cudo'" in done.stderr


def test_reward_training_without_a_base_model_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 600)
    with pytest.raises(FileNotFoundError, match="--size base"):
        recipe.train_tiny(tmp_path, size="prm", device="cpu")
