"""The training loop: schedule, resumption, a run of the whole recipe in miniature."""

import itertools
import math
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ttscale.cli import main
from ttscale.engines.catalogue.bundled import FOLDER
from ttscale.training.batches import encode, stream
from ttscale.training.keeping import kept_lines
from ttscale.training.precision import multiplies_bfloat16
from ttscale.training.tiny import prm, recipe, self_generated, verbose
from ttscale.training.tiny.fingerprint import check_fingerprint
from ttscale.training.tiny.model import Reasoner
from ttscale.training.tiny.tokenizer import END, chat
from ttscale.training.trainer import WARMUP_STEPS, Schedule, fit
from ttscale.worlds.arithmetic import problem
from ttscale.worlds.arithmetic.document import Document
from ttscale.worlds.arithmetic.problems import split_of
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
    worlds = self_generated.contested_worlds(3, seed=0)
    first = self_generated.collect(model, tokenizer, path, worlds, 2)
    assert [len(attempts.right) for attempts in first] == [2, 2, 2]
    assert self_generated.collect(model, tokenizer, path, worlds, 2) == first


def test_a_pool_that_was_stopped_goes_on_where_it_was(model, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(self_generated, "CHUNK", 2)
    path, worlds = tmp_path / "pool.jsonl", self_generated.contested_worlds(5, seed=0)
    kept = self_generated.collect(model, tokenizer, path, worlds[:2], 2)
    with path.open("a") as file:
        file.write('["<think>')  # stopped in the middle of a line
    whole = self_generated.collect(model, tokenizer, path, worlds, 2)
    assert len(whole) == 5
    assert whole[:2] == kept


def test_contested_worlds_are_of_the_train_split_and_mostly_of_the_middle_levels():
    worlds = self_generated.contested_worlds(90, seed=1)
    assert {split_of(world) for world in worlds} == {"train"}
    assert worlds == self_generated.contested_worlds(120, seed=1)[:90]


def test_rollout_labels_are_shares_of_continuations(model, tokenizer, tmp_path):
    path = tmp_path / "rows.jsonl"
    worlds = self_generated.contested_worlds(3, seed=0)
    pool = self_generated.collect(model, tokenizer, tmp_path / "pool.jsonl", worlds, 2)
    rows = prm.rollouts(model, tokenizer, path, pool, branches=3, branched=1)
    assert [row.question for row in rows] == [0, 0, 1, 1, 2, 2]
    for _, ids, given, labels in rows:
        assert len(ids) - 1 in labels
        assert min(labels) >= given
        assert all(round(4 * v, 6).is_integer() for v in labels.values())


def test_rollouts_that_were_stopped_go_on_where_they_were(model, tokenizer, tmp_path):
    path, world = tmp_path / "continued.jsonl", problem("arith", 1, 0, "train").world
    pool = [self_generated.Attempts(world, ["1+1=2\n\n2+2=4\n\n4+4=8\n\n9"])]
    rows = prm.rollouts(model, tokenizer, path, pool, branches=1, branched=1)
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    path.write_text(lines[0] + lines[1][:9])  # stopped in the middle of a line
    prm.rollouts(model, tokenizer, path, pool, branches=1, branched=1)
    again = path.read_text().splitlines(keepends=True)
    assert (again[0], len(again)) == (lines[0], 3)
    path.write_text("".join(lines))
    assert prm.rollouts(model, tokenizer, path, pool, branches=1, branched=1) == rows


def test_pairs_are_of_a_right_and_a_wrong_reply_to_one_question():
    logits = torch.tensor([2.0, -1.0, 0.5, 3.0])
    right, questions = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([7, 7, 7, 8])
    wanted = (math.log1p(math.exp(-3.0)) + math.log1p(math.exp(-1.5))) / 2
    assert prm.pair_loss(logits, right, questions).item() == pytest.approx(wanted)
    alone = prm.pair_loss(logits, right, torch.arange(4))
    assert alone.item() == 0.0


def test_replies_to_one_question_share_a_batch(tokenizer):
    rows = [prm.Labelled(k // 3, [5] * (4 + k), 2, {3: 1.0}) for k in range(12)]
    seen = [torch.zeros(len(row.ids) - 2, 3) for row in rows]
    made = prm.batches(tokenizer, rows, seen, 60, random.Random(0))
    for _ in range(8):
        ids, labels, impression, questions = next(made)
        assert ids.shape == labels.shape == impression.shape[:2]
        assert set(questions.bincount().tolist()) <= {0, 3}


def test_documents_of_the_verbose_model_mix_new_roles_own_attempts_and_old_ones():
    world = problem("arith", 3, 0, "train").world
    pool = [self_generated.Attempts(world, [boxed(world.answer), boxed("nothing")])]
    made = list(itertools.islice(verbose.documents(pool, random.Random(0)), 1500))
    roles = Counter(d.role for d in made)
    assert set(SYSTEM) - {"quick", "facts", "plan"} <= set(roles)
    assert roles["verbose"] > roles["judge"] > roles["quick"]
    assert sum(boxed("nothing") in d.user or "nothing" in d.reply for d in made) > 100
    assert next(verbose.documents([], random.Random(0))).role in SYSTEM


def test_a_reply_that_never_ends_is_learned_without_its_end(tokenizer):
    ended = Document("verbose", "s", "u", "3+4=7")
    (with_end, given), (without, _) = encode(tokenizer, [ended, replace(ended, ends=False)])
    assert with_end[:-1] == without
    assert with_end[-1] == tokenizer.token_to_id(END)
    assert given < len(without)


@pytest.fixture
def miniature(monkeypatch):
    """The recipe with next to nothing to do in each of its stages."""
    short = Schedule(tokens=6_000)
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 600)
    monkeypatch.setattr(recipe, "FIRST", {"small": short, "base": short})
    monkeypatch.setattr(recipe, "SECOND", short)
    monkeypatch.setattr(recipe, "REWARD", short)
    monkeypatch.setattr(recipe, "VERBOSE", {"small": short, "base": short})
    monkeypatch.setattr(recipe, "POOL", {"questions": 6, "samples": 2})
    monkeypatch.setattr(recipe, "CONTESTED", {"questions": 4, "samples": 2})
    monkeypatch.setattr(recipe, "ROLLOUTS", {"branches": 1, "branched": 1})


@pytest.mark.slow
def test_the_whole_recipe_exports_weights_that_load(tmp_path, miniature):
    transformers = pytest.importorskip("transformers")
    done = CliRunner().invoke(main, ["train", "tiny", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    for folder in ("small", "base"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / folder)
    for name in ("small", "base", "verbose", "verbose-small"):
        assert (tmp_path / f"{name}.gguf").stat().st_size > 1_000_000
    transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "prm")


@pytest.mark.slow
def test_the_recipe_goes_on_after_a_stop_in_any_of_its_stages(tmp_path, monkeypatch, miniature):
    """Each stage of training and each chunk of samples is stopped once, as soon as its work is kept."""
    monkeypatch.setattr(self_generated, "CHUNK", 3)
    steps, sampled, stopped = Counter(), Counter(), set()

    def once(what) -> None:
        if what not in stopped:
            stopped.add(what)
            raise KeyboardInterrupt

    def fit_and_stop(model, loss_of, stream, schedule, checkpoint, **options):
        def counted(*batch):
            steps[checkpoint.name] += 1
            return loss_of(*batch)

        fit(model, counted, stream, schedule, checkpoint, **options)
        once(checkpoint.name)

    def kept_and_stop(path, jobs, chunk, make):
        def counted(part):
            if sampled[path.name]:
                once(path.name)
            sampled[path.name] += len(part)
            return make(part)

        made = kept_lines(path, jobs, chunk, counted)
        once(path.name)  # where one chunk was all
        return made

    monkeypatch.setattr(recipe, "fit", fit_and_stop)
    for module in (self_generated, prm):
        monkeypatch.setattr(module, "kept_lines", kept_and_stop)
    runs = 0
    with pytest.raises(KeyboardInterrupt):
        recipe.train_tiny(tmp_path, device="cpu")
    while len(stopped) > runs:
        runs = len(stopped)
        with suppress(KeyboardInterrupt):
            recipe.train_tiny(tmp_path, device="cpu", resume=True)
    stages = ("base", "base-own", "small", "base-verbose", "small-verbose", "prm")
    assert stopped == {f"{s}.pt" for s in stages} | {"pool.jsonl", "contested.jsonl", "continued.jsonl"}
    for name in stages:
        state = torch.load(tmp_path / "work" / f"{name}.pt", weights_only=True)["state"]
        assert steps[f"{name}.pt"] == state["step"]  # none twice
    for name in ("pool", "contested", "continued"):
        assert sampled[f"{name}.jsonl"] == (tmp_path / "work" / f"{name}.jsonl").read_text().count("\n")
    assert (tmp_path / "prm" / "model.safetensors").exists()


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


def test_a_work_folder_of_another_recipe_is_refused(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    check_fingerprint(tmp_path / "work", {"vocabulary": 600})
    check_fingerprint(tmp_path / "work", {"vocabulary": 600})
    with pytest.raises(ValueError, match="another recipe \\(other or unknown vocabulary\\)"):
        check_fingerprint(tmp_path / "work", {"vocabulary": 601})
    (tmp_path / "work" / "base.pt").write_bytes(b"")
    out = ["train", "tiny", "--out", str(tmp_path), "--device", "cpu", "--resume"]
    done = CliRunner().invoke(main, out)
    assert done.exit_code == 2
    assert "use another folder" in done.stderr


def test_checkpoints_without_a_recipe_are_refused(tmp_path):
    (tmp_path / "base.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="unknown documents"):
        check_fingerprint(tmp_path, {})
    assert not (tmp_path / "recipe.json").exists()


def test_own_concise_models_are_not_replaced_by_bundled_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 600)
    monkeypatch.setattr(
        recipe.Run, "concise", lambda run, name: (run.work / "base-own.pt").write_bytes(b"hours")
    )
    recipe.train_tiny(tmp_path, size="base", device="cpu")
    with pytest.raises(ValueError, match="other or unknown concise_models"):
        recipe.train_tiny(tmp_path, size="verbose", device="cpu", weights=FOLDER, resume=True)
    with pytest.raises(ValueError, match="other or unknown seed"):
        recipe.train_tiny(tmp_path, size="base", device="cpu", seed=1, resume=True)
    assert (tmp_path / "work" / "base-own.pt").read_bytes() == b"hours"


def test_a_folder_that_began_with_bundled_models_keeps_to_them(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe.Run, "verbose", lambda run, name: run.trained(name))
    monkeypatch.setattr(recipe.Run, "concise", lambda run, name: None)
    monkeypatch.setattr(recipe.Run, "reward_model", lambda run: None)
    with pytest.raises(FileNotFoundError, match="--size base"):
        recipe.train_tiny(tmp_path, size="verbose", device="cpu")
    recipe.train_tiny(tmp_path, size="verbose", device="cpu", weights=FOLDER)
    recipe.train_tiny(tmp_path, size="verbose", device="cpu", resume=True)
    with pytest.raises(ValueError, match="other or unknown concise_models"):
        recipe.train_tiny(tmp_path, size="all", device="cpu", resume=True)


@pytest.mark.parametrize("size", ["small", "base", "all"])
def test_concise_models_do_not_start_from_bundled_ones(tmp_path, size):
    done = CliRunner().invoke(main, ["train", "tiny", "--out", str(tmp_path), "--size", size, "--bundled"])
    assert done.exit_code == 2
    assert "--size verbose or prm" in done.stderr


def test_bundled_weights_stand_in_for_trained_ones(tmp_path):
    recipe.start_from(FOLDER, tmp_path)
    tokenizer = recipe.make_tokenizer(tmp_path)
    run = recipe.Run(tmp_path, tokenizer, torch.device("cpu"), None, False, 0)
    (tmp_path / "work").symlink_to(tmp_path)
    ids = torch.tensor([tokenizer.encode(chat(SYSTEM["solve"], "Compute 3+4.") + "<think>\n3+4=").ids])
    hidden = run.trained("base").model(ids)[0, -1]
    next_token = (run.trained("base").model.embed_tokens.weight @ hidden).argmax().item()
    assert tokenizer.id_to_token(next_token) in ("7", "\u010a3")


def test_reward_training_without_a_base_model_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 600)
    with pytest.raises(FileNotFoundError, match="--size base"):
        recipe.train_tiny(tmp_path, size="prm", device="cpu")
