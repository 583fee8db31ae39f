"""The training loop: schedule, optimisers, checkpoints, progress."""

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .keeping import write_whole
from .muon import Muon
from .precision import multiplies_bfloat16
from .progress_meter import Meter

Batch = tuple[Tensor, ...]
Progress = Callable[[], float]  # the share of the run that is done
WARMUP_STEPS = 60
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast: `tokens` (padded) or `minutes` of wall time, whichever is given.

    Learning rates are peaks; they warm up, stay, and fall linearly to zero from `decay_from` of
    the run on.
    """

    tokens: int | None = None
    minutes: float | None = None
    muon_lr: float = 0.02
    adam_lr: float = 3e-3
    decay_from: float = 0.4

    def __post_init__(self) -> None:
        if (self.tokens is None) == (self.minutes is None):
            raise ValueError(f"tokens={self.tokens}, minutes={self.minutes}: give exactly one of them")

    def progress(self, state: dict[str, float]) -> float:
        if self.minutes is not None:
            return min(1.0, state["seconds"] / (60.0 * self.minutes))
        assert self.tokens is not None  # one of them is given
        return min(1.0, state["tokens"] / self.tokens)

    def rate(self, step: float, progress: float) -> float:
        """Share of the peak learning rates."""
        decay = min(1.0, (1.0 - progress) / (1.0 - self.decay_from))
        return min(1.0, (step + 1) / WARMUP_STEPS) * decay


def optimizers(model: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms and heads."""
    inner = {n for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n}
    matrices = [p for n, p in model.named_parameters() if n in inner]
    others = [p for n, p in model.named_parameters() if n not in inner]
    muon = Muon(matrices, lr=schedule.muon_lr)
    adam = torch.optim.AdamW(others, lr=schedule.adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    return [muon, adam]


def fit(
    model: nn.Module,
    loss_of: Callable[..., Tensor],
    stream: Callable[[random.Random, Progress], Iterator[Batch]],
    schedule: Schedule,
    checkpoint: Path,
    *,
    resume: bool = False,
    seed: int = 0,
) -> None:
    """Train `model` in place, minimising `loss_of(*batch)` over `stream(rng, progress)`.

    With `resume` a run continues from `checkpoint`; what it spent before counts towards the
    schedule.
    """
    device = next(model.parameters()).device
    steppers = optimizers(model, schedule)
    state: dict[str, float] = {"step": 0, "seconds": 0.0, "tokens": 0}
    if resume and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        for stepper, old in zip(steppers, saved["optimizers"], strict=True):
            stepper.load_state_dict(old)
        state = saved["state"]
    peaks = [schedule.muon_lr, schedule.adam_lr]
    half = multiplies_bfloat16(device)

    def save() -> None:
        parts = {
            "model": model.state_dict(),
            "optimizers": [s.state_dict() for s in steppers],
            "state": state,
        }
        write_whole(checkpoint, lambda path: torch.save(parts, path))

    rng = random.Random(f"{seed}/{state['step']}")
    batches = stream(rng, lambda: schedule.progress(state))
    last_save = clock = time.monotonic()
    mean_loss = mean_speed = math.nan
    with Meter(f"train {checkpoint.stem}", schedule.progress(state)) as meter:
        while (progress := schedule.progress(state)) < 1.0:
            batch = [part.to(device) for part in next(batches)]
            for stepper, peak in zip(steppers, peaks, strict=True):
                for group in stepper.param_groups:
                    group["lr"] = peak * schedule.rate(state["step"], progress)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = loss_of(*batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for stepper in steppers:
                stepper.step()
                stepper.zero_grad(set_to_none=True)
            now = time.monotonic()
            seconds, clock = now - clock, now
            state["step"] += 1
            state["seconds"] += seconds
            state["tokens"] += batch[0].numel()
            mean_loss = smooth(mean_loss, loss.item())
            mean_speed = smooth(mean_speed, batch[0].numel() / seconds)
            meter.update(
                schedule.progress(state), loss=mean_loss, **{"tok/s": mean_speed}, step=state["step"]
            )
            if now - last_save > CHECKPOINT_SECONDS:
                save()
                last_save = now
    save()


def smooth(old: float, new: float) -> float:
    return new if math.isnan(old) else 0.97 * old + 0.03 * new
