"""The bundled reasoner: models that come with this package, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "assets" / "tiny"
_SOLVE = "Think step by step."


@dataclass(frozen=True, slots=True)
class Bundled:
    """One of the models: `scheme` and `path` make its specification.

    Attributes:
        system: the message before the question that it was trained with; None for one that does
            not answer questions.
    """

    name: str
    about: str
    scheme: str
    path: Path
    system: str | None = None

    @property
    def spec(self) -> str:
        """Its specification; models that generate know the prompts of the world they were made for."""
        return f"{self.scheme}:{self.path}" + ("?prompts=tiny" if self.scheme == "llamacpp" else "")

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        files = [self.path] if self.path.is_file() else self.path.iterdir()
        return sum(file.stat().st_size for file in files)


def bundled_models() -> Mapping[str, Bundled]:
    """Name -> model, for all that are there; the default one first."""
    made = (
        Bundled(
            "tiny",
            "the bundled reasoner: a laboratory, not an assistant",
            "llamacpp",
            FOLDER / "base.gguf",
            _SOLVE,
        ),
        Bundled(
            "tiny-small",
            "a third of its size, for draft and target, small and large",
            "llamacpp",
            FOLDER / "small.gguf",
            _SOLVE,
        ),
        Bundled(
            "tiny-verbose",
            "`tiny` as one that overthinks, with more roles",
            "llamacpp",
            FOLDER / "verbose.gguf",
        ),
        Bundled(
            "tiny-verbose-small", "the same of a third of its size", "llamacpp", FOLDER / "verbose-small.gguf"
        ),
        Bundled(
            "tiny-prm", "its process reward model, for the role prm (extra torch)", "reward", FOLDER / "prm"
        ),
    )
    return {model.name: model for model in made if model.path.exists()}
