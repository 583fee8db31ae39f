"""The kinds of models: for each scheme the settings it takes, and what makes its sources.

An engine is imported when it is made.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

from ...answers import RULES, rule_for
from ...core import AtLeast, Engine, OneOf, UnknownName, UsageError, Within
from ...core.cards.vocabulary import CAPABILITIES
from ...core.settings.declared import read_values
from ..http.address import root_of
from . import downloads
from .settings import read_query, split
from .source import Catalogue, ModelSource

if TYPE_CHECKING:
    from ..recordings.pool import Pool

_SQLITE = b"SQLite format 3\0"

_Positive = Annotated[int, AtLeast(1)]
_Count = Annotated[int, AtLeast(0)]
_Seconds = Annotated[float, AtLeast(0)]
_LLAMACPP: dict[str, Any] = {
    "slots": _Positive,
    "ctx": _Positive,
    "threads": _Positive,
    "prompt_cache": _Count,
    "embeddings": bool,
    "reranking": bool,
    "idle": _Seconds,
    "prompts": str,
}
_OPENAI: dict[str, Any] = {
    "key_env": str,
    "key_file": str,
    "concurrency": _Positive,
    "connect": _Seconds,
    "idle": _Seconds,
    "total": _Seconds,
    "seeds": bool,
    "server": Literal["llamacpp", "vllm", "sglang", "ollama", "other"],
    "can": str,
    "prompts": str,
}
_TRANSFORMERS: dict[str, Any] = {
    "device": str,
    "dtype": str,
    "batch": _Positive,
    "ctx": _Positive,
    "reuse": _Count,
    "embedder": str,
    "revision": str,
    "prompts": str,
}
_REWARD: dict[str, Any] = {"device": str, "dtype": str, "separator": str, "right": int, "revision": str}
_EMBEDDER: dict[str, Any] = {"device": str, "dtype": str}


def _llamacpp(body: str, catalogue: Catalogue) -> list[ModelSource]:
    body, options, sampling = read_query(body, _LLAMACPP, "llamacpp")
    if "ctx" in options:
        options["context"] = options.pop("ctx")
    path = _file(body, "model file", "give the path of a GGUF file, or a known model's name")

    def make(**overrides: Any) -> Engine:
        from ..llamacpp import LlamaCpp

        return LlamaCpp(path, **{**options, **overrides})

    return [ModelSource(name=path.stem, spec=body, make=make, sampling=sampling)]


def _openai(body: str, catalogue: Catalogue) -> list[ModelSource]:
    body, options, sampling = read_query(body, _OPENAI, "openai")
    model, at, urls = body.partition("@http")
    addresses = tuple(map(root_of, f"http{urls}".split(","))) if at else ()
    if not addresses:
        raise UsageError(
            f"model 'openai:{body}' does not say which server",
            fix="write openai:MODEL@URL, for example openai:qwen3@http://localhost:8000/v1",
        )

    server, can = options.pop("server", "other"), options.pop("can", None)
    abilities = tuple(name.strip() for name in (can or "").split(",") if name.strip())
    for ability in abilities:
        CAPABILITIES.check(ability, "openai: can")

    def make(**overrides: Any) -> Engine:
        from ..openai.dialect import Dialect
        from ..openai.engine import OpenAIHTTP

        if can is not None:
            options["dialect"] = Dialect.declared(server, abilities)
        return OpenAIHTTP(model, addresses, **{"cache": downloads.server_cache(), **options, **overrides})

    name = model or urlsplit(addresses[0]).netloc  # a server's only model needs no name
    return [ModelSource(name=name, spec=body, make=make, sampling=sampling)]


def _transformers(body: str, catalogue: Catalogue) -> list[ModelSource]:
    body, options, sampling = read_query(body, _TRANSFORMERS, "transformers")
    if "ctx" in options:
        options["context"] = options.pop("ctx")
    model = _folder("transformers", body)

    def make(**overrides: Any) -> Engine:
        from ..local.engine import TransformersLocal

        return TransformersLocal(model, **{**options, **overrides})

    return [ModelSource(name=Path(model).name, spec=body, make=make, sampling=sampling)]


def _reward(body: str, catalogue: Catalogue) -> list[ModelSource]:
    body, settings = split(body)
    options = read_values(_REWARD, settings, "reward", entry="setting")
    model = _folder("reward", body)

    def make(**overrides: Any) -> Engine:
        from ..local.reward import RewardLocal

        return RewardLocal(model, **{**options, **overrides})

    return [ModelSource(name=Path(model).name, spec=body, make=make)]


def _embedder(body: str, catalogue: Catalogue) -> list[ModelSource]:
    body, settings = split(body)
    options = read_values(_EMBEDDER, settings, "embedder", entry="setting")
    model = _folder("embedder", body)

    def make(**overrides: Any) -> Engine:
        from ..local.encoder import EncoderLocal

        return EncoderLocal(model, **{**options, **overrides})

    return [ModelSource(name=Path(model).name, spec=body, make=make)]


def _folder(scheme: str, body: str) -> str | Path:
    """A folder of a Hugging Face model if it exists, else its name on the hub."""
    if not body:
        raise UsageError(f"model '{scheme}:' does not say which", fix="give a folder")
    folder = Path(os.path.expanduser(body))
    return folder if folder.is_dir() else body


def _replay(body: str, catalogue: Catalogue) -> list[ModelSource]:
    from ..recordings import reader
    from ..recordings.engine import Replay

    body, settings = split(body)
    where = _under("where.", settings)
    columns = _under("columns.", settings)
    rest = {k: v for k, v in settings.items() if not k.startswith(("where.", "columns."))}
    reading: dict[str, Any] = {
        "truncated": reader.Truncated,
        "wrong": reader.Wrong,
        "first": Literal["0", "1"],
        "rule": Annotated[str, OneOf(RULES)],
    }
    types: dict[str, Any] = {
        **reading,
        "order": Literal["recorded", "shuffled"],
        "skip": _Count,
        "resample": bool,
        "ticks_per_token": _Positive,
    }
    options = read_values(types, rest, "replay", entry="setting")
    path = _file(body, "recording", "give a CSV, JSONL or Parquet file, or a bench store")
    with path.open("rb") as file:
        is_store = file.read(len(_SQLITE)) == _SQLITE
    if is_store:
        pools = [pool for pool in catalogue.read_store(path) if _matches(pool, where)]
    else:
        reading_options = {name: options.pop(name) for name in reading if name in options}
        if "rule" in reading_options:
            reading_options["rule"] = rule_for(reading_options["rule"])
        if "first" in reading_options:
            reading_options["first"] = int(reading_options["first"])
        pools = reader.read_pools(path, columns=columns, where=where, **reading_options)
    if not pools:
        requested = ", ".join(f"{k}={v}" for k, v in where.items())
        raise UsageError(
            f"{path} holds no samples" + (f" with {requested}" if requested else ""),
            fix="correct the values, or run the bench with --keep-traces all",
        )
    return [
        ModelSource(
            name=pool.model or path.stem, spec=body, make=partial(Replay, pool, **options), pools=[pool]
        )
        for pool in pools
    ]


def _under(prefix: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}


def _matches(pool: Pool, where: Mapping[str, str]) -> bool:
    """Whether a stored recording is the one asked for; stores know model and task only."""
    own = {"model": pool.model, "task": pool.task, "dataset": pool.task}
    for name in where:
        if name not in own:
            raise UnknownName("column of a bench store", name, own)
    return all(own[name] == value for name, value in where.items())


def _synthetic(body: str, catalogue: Catalogue) -> list[ModelSource]:
    from ..synthetic import Synthetic, World, binary

    pairs = [pair.partition("=") for pair in body.replace("?", "").split(",") if pair.strip()]
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    types = get_type_hints(World, include_extras=True) | {
        "p": Annotated[float, Within(0, 1)],
        "prompt_tokens": _Count,
        "ticks_per_token": _Positive,
    }
    del types["answers"]
    values = read_values(types, settings, "synthetic", entry="setting")
    engine = {k: values.pop(k) for k in ("prompt_tokens", "ticks_per_token") if k in values}
    if ("confidence" in values) != ("wrong_confidence" in values):
        raise UsageError("synthetic: confidence and wrong_confidence belong together", fix="give both")
    world = binary(values.pop("p", 0.7), **values)
    name = f"synthetic:{body}"
    return [ModelSource(name=name, spec=body, make=partial(Synthetic, world, name=name, **engine))]


# -- files and folders


def _file(body: str, what: str, fix: str) -> Path:
    path = Path(os.path.expanduser(body))  # a user who does not exist stays as written
    if not os.path.isfile(path):
        near = _nearest_file(path)
        raise UsageError(
            f"{what} {str(path)!r} is " + ("a folder" if path.is_dir() else "missing"),
            fix=f"did you mean {str(near)!r}?" if near else fix,
        )
    return path


def _nearest_file(path: Path) -> Path | None:
    if not path.parent.is_dir():
        return None
    names = [p.name for p in path.parent.iterdir() if p.is_file()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.7)
    return path.parent / near[0] if near else None


Opener = Callable[[str, Catalogue], list[ModelSource]]
OPENERS: Mapping[str, Opener] = {
    "llamacpp": _llamacpp,
    "openai": _openai,
    "transformers": _transformers,
    "reward": _reward,
    "embedder": _embedder,
    "replay": _replay,
    "synthetic": _synthetic,
}
"""Scheme -> what makes the sources of what follows it."""
