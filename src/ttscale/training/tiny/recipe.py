"""Train the bundled reasoner from nothing: tokenizer, two sizes, verbose models, reward model, export.

Every stage keeps checkpoints in OUT/work; `resume` continues where a run was stopped.
"""

import hashlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from ...worlds.arithmetic.document import Document
from ...worlds.arithmetic.training_documents import document, random_world
from ..batches import stream
from ..keeping import write_whole
from ..trainer import Batch, Progress, Schedule, fit
from . import prm, self_generated, verbose
from .export import save_gguf, save_hf, save_prm
from .fingerprint import check_fingerprint
from .model import Reasoner, Shape
from .tokenizer import VERBOSE_TEMPLATE, train_tokenizer

Size = Literal["small", "base", "verbose", "prm", "all"]
VOCABULARY, TOKENIZER_DOCUMENTS = 672, 20_000
BATCH_TOKENS = 4096
LONGEST = 400  # tokens of a training document
SHAPES = {
    "small": {"width": 128, "layers": 4, "heads": 4, "inner": 352},
    "base": {"width": 192, "layers": 6, "heads": 6, "inner": 576},
}
REWARD_LAYERS = 8  # the base model's six, and two that read how likely it found the tokens
FINISHED = {"small": "small", "base": "base-own"}  # the checkpoint that holds a concise model

# Padded tokens, and peak learning rates. The model card tells what the published weights were trained on.
FIRST = {"small": Schedule(tokens=4_000_000), "base": Schedule(tokens=11_000_000)}
SECOND = Schedule(tokens=2_000_000, muon_lr=0.004, adam_lr=6e-4, decay_from=0.0)
VERBOSE = {
    "small": Schedule(tokens=2_500_000, muon_lr=0.008, adam_lr=4e-3, decay_from=0.3),
    "base": Schedule(tokens=4_000_000, muon_lr=0.006, adam_lr=3e-3, decay_from=0.3),
}
REWARD = Schedule(tokens=2_400_000, muon_lr=0.012, adam_lr=2e-3, decay_from=0.3)
POOL = {"questions": 1200, "samples": 4}
CONTESTED = {"questions": 1200, "samples": 6}
ROLLOUTS = {"branches": 3, "branched": 40}


def make_tokenizer(work: Path) -> Tokenizer:
    """The tokenizer in `work`, trained on generated documents if it is not there yet."""
    path = work / "tokenizer.json"
    if not path.exists():
        rng = random.Random(0)
        made = [document(rng, 0.5) for _ in range(TOKENIZER_DOCUMENTS)]
        tokenizer = train_tokenizer([f"{d.system}\n{d.user}\n{d.reply}" for d in made], VOCABULARY)
        write_whole(path, lambda part: tokenizer.save(str(part)))
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


def start_from(weights: Path, work: Path) -> None:
    """Put the concise models of a folder of weights (`small/`, `base/`) where their own training would
    have left them, and their tokenizer."""
    write_whole(work / "tokenizer.json", lambda part: shutil.copy(weights / "base" / "tokenizer.json", part))
    for name, checkpoint in FINISHED.items():
        half = load_file(weights / name / "model.safetensors")
        saved = {"model": {key: tensor.float() for key, tensor in half.items()}}
        write_whole(work / f"{checkpoint}.pt", partial(torch.save, saved))


def origin(weights: Path | None, size: Size) -> str | None:
    """Whose concise models a run of this size works with: a digest of the given `weights`, or `own`.

    None where those that are in the work folder will do.
    """
    if weights is None:
        return "own" if size in ("small", "base", "all") else None
    digest = hashlib.blake2b(digest_size=8)
    for name in FINISHED:
        digest.update((weights / name / "model.safetensors").read_bytes())
    return digest.hexdigest()


def train_tiny(
    out: Path,
    *,
    size: Size = "all",
    device: str = "auto",
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
    weights: Path | None = None,
) -> None:
    """Train and export to `out` (small/, base/, prm/ and the .gguf of small, base and both verbose).

    The published recipe is counted in tokens; `minutes` scales the first training of a language
    model to a wall time instead. `verbose` and `prm` need trained concise models in `out/work`, or
    a folder of `weights` to start from. Without `resume` earlier checkpoints of the chosen stages
    are overwritten; ValueError where they are of another recipe.
    """
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    fingerprint = {
        "vocabulary": VOCABULARY,
        "shapes": SHAPES,
        "reward_layers": REWARD_LAYERS,
        "seed": seed,
        "concise_models": origin(weights, size),
    }
    check_fingerprint(work, fingerprint)
    if weights is not None:
        start_from(weights, work)
    torch.manual_seed(seed)
    run = Run(out, make_tokenizer(work), pick_device(device), minutes, resume, seed)
    for name in ("base", "small"):
        if size in (name, "all"):
            run.concise(name)
    for name in ("base", "small"):
        if size in ("verbose", "all"):
            run.verbose(name)
    if size in ("prm", "all"):
        run.reward_model()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the recipe: where to, on what, and its stages."""

    out: Path
    tokenizer: Tokenizer
    device: torch.device
    minutes: float | None
    resume: bool
    seed: int

    @property
    def work(self) -> Path:
        return self.out / "work"

    def fresh(self, name: str) -> Reasoner:
        return Reasoner(Shape(vocab=self.tokenizer.get_vocab_size(), **SHAPES[name])).to(self.device)

    def trained(self, name: str) -> Reasoner:
        """The concise model of this size; FileNotFoundError before it is trained."""
        path = self.work / f"{FINISHED[name]}.pt"
        if not path.exists():
            raise FileNotFoundError(f"{path}: train the {name} model first (--size {name})")
        model = self.fresh(name)
        model.load_state_dict(torch.load(path, map_location=self.device, weights_only=True)["model"])
        return model

    def kept(self, name: str) -> Path:
        """A file of samples in the work folder; without `resume` those of an earlier run are gone."""
        path = self.work / name
        if not self.resume:
            path.unlink(missing_ok=True)
        return path

    def concise(self, name: str) -> None:
        model = self.fresh(name)
        schedule = replace(FIRST[name], tokens=None, minutes=self.minutes) if self.minutes else FIRST[name]

        def first(rng: random.Random, progress: Progress) -> Iterator[Batch]:
            def endless() -> Iterator[Document]:
                while True:
                    yield document(rng, progress())

            return stream(self.tokenizer, endless(), BATCH_TOKENS, LONGEST, rng)

        fit(model, model.loss, first, schedule, self.work / f"{name}.pt", resume=self.resume, seed=self.seed)
        if name == "base":
            self.kept("contested.jsonl")  # another base model would have replied otherwise
            self.on_own_attempts(model)
        save_hf(model, self.tokenizer, self.out / name)
        save_gguf(model, self.tokenizer, self.out / f"{name}.gguf", f"ttscale tiny {name}")

    def on_own_attempts(self, model: Reasoner) -> None:
        rng = random.Random(f"own/{self.seed}")
        worlds = [random_world(rng) for _ in range(POOL["questions"])]
        pool = self_generated.collect(model, self.tokenizer, self.kept("pool.jsonl"), worlds, POOL["samples"])

        def second(rng: random.Random, progress: Progress) -> Iterator[Batch]:
            return stream(self.tokenizer, self_generated.own_documents(pool, rng), BATCH_TOKENS, LONGEST, rng)

        path = self.work / "base-own.pt"
        fit(model, model.loss, second, SECOND, path, resume=self.resume, seed=self.seed)

    def contested(self) -> list[self_generated.Attempts]:
        """The base model's replies to questions that it gets now right, now wrong."""
        worlds = self_generated.contested_worlds(CONTESTED["questions"], self.seed)
        return self_generated.collect(
            self.trained("base"), self.tokenizer, self.work / "contested.jsonl", worlds, CONTESTED["samples"]
        )

    def verbose(self, name: str) -> None:
        model, pool = self.trained(name), self.contested()

        def third(rng: random.Random, progress: Progress) -> Iterator[Batch]:
            documents = verbose.documents(pool, rng)
            return stream(self.tokenizer, documents, BATCH_TOKENS, verbose.LONGEST, rng)

        path = self.work / f"{name}-verbose.pt"
        fit(model, model.loss, third, VERBOSE[name], path, resume=self.resume, seed=self.seed)
        export = "verbose" if name == "base" else f"verbose-{name}"
        save_gguf(
            model, self.tokenizer, self.out / f"{export}.gguf", f"ttscale tiny {export}", VERBOSE_TEMPLATE
        )

    def reward_model(self) -> None:
        reasoner, pool = self.trained("base"), self.contested()
        rows = prm.rollouts(reasoner, self.tokenizer, self.kept("continued.jsonl"), pool, **ROLLOUTS)
        seen = prm.impressions(reasoner, rows)
        learner = prm.Learner(prm.start_from(reasoner, REWARD_LAYERS))

        def labelled(rng: random.Random, progress: Progress) -> Iterator[Batch]:
            return prm.batches(self.tokenizer, rows, seen, BATCH_TOKENS, rng)

        fit(learner, learner.loss, labelled, REWARD, self.work / "prm.pt", resume=self.resume, seed=self.seed)
        save_prm(learner.reward, self.tokenizer, self.out / "prm")
