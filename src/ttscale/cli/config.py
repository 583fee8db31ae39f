"""The configuration: aliases of models, prices, and defaults, in TOML.

    [defaults]
    model = "local"                   # any model specification or alias
    method = "sc(n=8)"
    temperature = 0.6                 # any setting of `Sampling`

    [defaults.budget]
    tokens = 20000

    [models]
    small = "llamacpp:~/models/small.gguf"

    [models.local]
    spec = "openai:qwen3-8b@http://localhost:8000/v1?key_env=LOCAL_KEY"
    temperature = 0.6
    price = { prompt = 0.1, completion = 0.4, cached = 0.05 }   # per million tokens

    [prices]
    "gpt-oss-20b" = { prompt = 0.05, completion = 0.2 }

    [providers.work]                  # a scheme of one's own: work:MODEL
    address = "https://models.example.com"
    key_env = "WORK_KEY"

Read from `$TTSCALE_CONFIG`, or without it from `~/.config/ttscale/config.toml`, and then from
`./ttscale.toml`, whose entries win. Keys never stand here, only names of environment variables
or of files that hold them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from ..core import Budget, Price, Sampling, UsageError, Within, declared
from ..core.settings.declared import Inline, fields_of, read
from ..engines import Alias, Pool, Provider


@declared
class Defaults:
    """What is used where the command line says nothing."""

    model: str | None = None
    method: str | None = None
    answer: str = "text"
    seed: Annotated[int, Within(-(1 << 63), (1 << 63) - 1)] = 0
    budget: Budget = field(default_factory=Budget)
    sampling: Annotated[Sampling, Inline()] = field(default_factory=Sampling)


@declared
class _Document:
    """What a file says."""

    defaults: Defaults = field(default_factory=Defaults)
    models: Mapping[str, Alias] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)


@declared
class Config(Defaults):
    """What the configuration files say.

    Attributes:
        aliases: name -> specification, price and sampling.
        prices: model name -> price per million tokens.
        providers: scheme -> where its models are.
        model, method, answer, seed, budget, sampling: used where the command line says nothing.
        files: what was read, in order.
    """

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def read_store(self, path: Path) -> list[Pool]:
        """The recordings in a store of bench runs."""
        from ..bench.store.replay_pool import pools_from_store

        return list(pools_from_store(path))


def paths() -> list[Path]:
    """The files that would be read, later ones winning."""
    named = os.environ.get("TTSCALE_CONFIG")
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    # unlike Path.expanduser, never raises: without a home folder there is no such file
    first = os.path.expanduser(named or f"{home}/ttscale/config.toml")
    return [Path(first), Path("ttscale.toml")]


def load() -> Config:
    """The configuration of this user in this folder.

    Raises:
        UsageError: if a file cannot be read or says something unknown; names file and key.
    """
    named = os.environ.get("TTSCALE_CONFIG")
    entries: dict[str, dict[str, Any]] = {}
    files = []
    for path in paths():
        if not path.is_file():
            if named and path == Path(os.path.expanduser(named)):
                raise UsageError(
                    f"$TTSCALE_CONFIG names {named}, which is not a file", fix="correct or unset the variable"
                )
            continue
        document = read_toml(path)
        read(_Document, document, f"{path}:")  # so that an error names the file it is in
        for section, given in document.items():
            entries.setdefault(section, {}).update(given)
        files.append(path)
    merged = read(_Document, entries)
    defaults = {name: getattr(merged.defaults, name) for name in fields_of(Defaults)}
    return Config(
        aliases=merged.models,
        prices=merged.prices,
        providers=merged.providers,
        files=tuple(files),
        **defaults,
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        UsageError: if it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML", fix=str(error)) from None
