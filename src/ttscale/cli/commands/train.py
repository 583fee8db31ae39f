"""`ttscale train`: make the bundled reasoner again, from nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from .. import output

NEEDED = ("torch", "transformers", "safetensors", "tokenizers", "gguf")


@click.group()
def train() -> None:
    """Train the bundled reasoner. Needs the extra `train`."""


@train.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for weights, and for checkpoints in its subfolder `work`.",
)
@click.option(
    "--size",
    type=click.Choice(["small", "base", "verbose", "prm", "all"]),
    default="all",
    show_default=True,
    help="Which of the models; `prm` needs a trained `base`, `verbose` both sizes.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Wall time of a language model's first training, instead of the published token count.",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoints.")
@click.option(
    "--bundled",
    is_flag=True,
    help="Start `verbose` or `prm` from the bundled concise models, which need not be trained then.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@output.common
def tiny(
    out: Path,
    size: Any,
    device: str,
    minutes: float | None,
    resume: bool,
    bundled: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Train tokenizer, both sizes, their verbose forms and the process reward model, and export them.

    Checkpoints are written every minute: a run that was stopped goes on with --resume.
    """
    from ...core import UsageError, install_command

    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise UsageError(f"training needs {', '.join(absent)}", fix=install_command("train"))
    if bundled and size not in ("verbose", "prm"):
        raise UsageError(f"--bundled cannot start --size {size}", fix="choose --size verbose or prm")
    work = out / "work"
    verbose = ("base-verbose", "small-verbose")
    stages = {"all": ("small", "base", *verbose, "prm"), "verbose": verbose}.get(size, (size,))
    if not resume and any((work / f"{stage}.pt").exists() for stage in stages):
        raise UsageError(
            f"{work} holds the checkpoints of an earlier run",
            fix="continue it with --resume, or name another folder",
        )
    from ...engines.catalogue.bundled import FOLDER
    from ...training.tiny.recipe import train_tiny

    weights = FOLDER if bundled else None
    try:
        train_tiny(out, size=size, device=device, minutes=minutes, resume=resume, seed=seed, weights=weights)
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error), fix="see `ttscale train tiny --help`") from error
    if as_json:
        output.emit_json({"out": str(out), "size": size, "seed": seed})
    click.echo(f"wrote {out}", err=True)
