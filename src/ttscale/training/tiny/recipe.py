"""Train the bundled reasoner from nothing: tokenizer, two sizes, process reward model, export.

Every stage keeps checkpoints in OUT/work; `resume` continues where a run was stopped.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from tokenizers import Tokenizer

from ...worlds.arithmetic.training_documents import Document, document
from ..batches import stream
from ..trainer import Progress, Schedule, fit
from . import prm, self_generated
from .export import save_gguf, save_hf, save_prm
from .model import Reasoner, Shape
from .tokenizer import train_tokenizer

Size = Literal["small", "base", "prm", "all"]
VOCABULARY, TOKENIZER_DOCUMENTS = 672, 20_000
BATCH_TOKENS = 4096
LONGEST = 400  # tokens of a training document
SHAPES = {
    "small": {"width": 128, "layers": 4, "heads": 4, "inner": 352},
    "base": {"width": 192, "layers": 6, "heads": 6, "inner": 576},
}
REWARD_LAYERS = 8  # the base model's six, and two that read how likely it found the tokens

# What the published weights were trained on, in padded tokens.
FIRST = {"small": Schedule(tokens=4_000_000), "base": Schedule(tokens=11_000_000)}
SECOND = Schedule(tokens=2_000_000, muon_lr=0.004, adam_lr=6e-4, decay_from=0.0)
REWARD = Schedule(tokens=2_400_000, muon_lr=0.012, adam_lr=2e-3, decay_from=0.3)
POOL = {"questions": 1200, "samples": 4}
ROLLOUTS = {"questions": 2400, "samples": 4, "branches": 3, "branched": 60}


def make_tokenizer(work: Path) -> Tokenizer:
    """The tokenizer in `work`, trained on generated documents if it is not there yet."""
    path = work / "tokenizer.json"
    if not path.exists():
        rng = random.Random(0)
        made = [document(rng, 0.5) for _ in range(TOKENIZER_DOCUMENTS)]
        train_tokenizer([f"{d.system}\n{d.user}\n{d.reply}" for d in made], VOCABULARY).save(str(path))
    return Tokenizer.from_file(str(path))


def pick_device(name: str) -> torch.device:
    """The device of this name; `auto` is a GPU if there is one. ValueError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r}: {str(error).splitlines()[0]}") from None
    return device


def train_tiny(
    out: Path,
    *,
    size: Size = "all",
    device: str = "auto",
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
) -> None:
    """Train and export to `out` (small/, base/, prm/, small.gguf, base.gguf).

    The published recipe is counted in tokens; `minutes` scales the first training of a language
    model to a wall time instead. `prm` needs a trained base model in `out/work`. Without `resume`
    earlier checkpoints of the chosen stages are overwritten.
    """
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    target = pick_device(device)
    tokenizer = make_tokenizer(work)

    def language_model(name: str) -> None:
        model = Reasoner(Shape(vocab=tokenizer.get_vocab_size(), **SHAPES[name])).to(target)
        schedule = replace(FIRST[name], tokens=None, minutes=minutes) if minutes else FIRST[name]

        def first(rng: random.Random, progress: Progress) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            def endless() -> Iterator[Document]:
                while True:
                    yield document(rng, progress())

            return stream(tokenizer, endless(), BATCH_TOKENS, LONGEST, rng)

        fit(model, model.loss, first, schedule, work / f"{name}.pt", resume=resume, seed=seed)
        if name == "base":
            on_own_attempts(model)
        save_hf(model, tokenizer, out / name)
        save_gguf(model, tokenizer, out / f"{name}.gguf", f"ttscale tiny {name}")

    def on_own_attempts(model: Reasoner) -> None:
        pool_file = work / "pool.jsonl"
        if not resume:
            pool_file.unlink(missing_ok=True)
        pool = self_generated.collect(model, tokenizer, pool_file, seed=seed, **POOL)

        def second(rng: random.Random, progress: Progress) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            return stream(tokenizer, self_generated.own_documents(pool, rng), BATCH_TOKENS, LONGEST, rng)

        fit(model, model.loss, second, SECOND, work / "base-own.pt", resume=resume, seed=seed)

    def reward_model() -> None:
        reasoner = Reasoner(Shape(vocab=tokenizer.get_vocab_size(), **SHAPES["base"])).to(target)
        trained = work / "base-own.pt"
        if not trained.exists():
            raise FileNotFoundError(f"{trained}: train the base model first (--size base)")
        reasoner.load_state_dict(torch.load(trained, map_location=target, weights_only=True)["model"])
        rows_file = work / "rollouts.jsonl"
        if not resume:
            rows_file.unlink(missing_ok=True)
        rows = prm.rollouts(reasoner, tokenizer, rows_file, seed=seed, **ROLLOUTS)
        seen = prm.impressions(reasoner, rows)
        learner = prm.Learner(prm.start_from(reasoner, REWARD_LAYERS))

        def labelled(rng: random.Random, progress: Progress) -> Iterator[tuple[torch.Tensor, ...]]:
            return prm.batches(tokenizer, rows, seen, BATCH_TOKENS, rng)

        fit(learner, learner.loss, labelled, REWARD, work / "prm.pt", resume=resume, seed=seed)
        save_prm(learner.reward, tokenizer, out / "prm")

    for name in ("base", "small"):
        if size in (name, "all"):
            language_model(name)
    if size in ("prm", "all"):
        reward_model()
