"""Model specifications: one line of text that says where tokens come from.

    llamacpp:FILE[?slots=8&ctx=4096&threads=2]     a GGUF file, served inside this process
    openai:MODEL@URL[,URL...][?key_env=NAME]       a server that speaks the OpenAI API, or replicas
    transformers:FOLDER[?device=cpu&batch=16]      a Hugging Face model, in this process
    reward:FOLDER[?device=cpu]                     a reward model, for the role prm
    embedder:FOLDER[?device=cpu]                   a sentence embedder, for the role embedder
    replay:FILE[?where.model=X&columns.tokens=COL] recorded samples, in token time
    synthetic:p=0.7,length=200                     a distribution with known truth, in token time
    tiny                                           a known model, or an alias of the config

Settings of `Sampling` may stand in any query (`?temperature=0.6&max_tokens=512`): they hold where
neither the user nor the method asks for something else. Only a query at the very end is split off,
so file names may contain whatever the file system allows.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, get_args, get_type_hints
from urllib.parse import urlsplit

from ...answers import RULES, rule_for
from ...core import (
    AtLeast,
    Engine,
    NotEmpty,
    OneOf,
    Price,
    Sampling,
    UnknownName,
    UsageError,
    Within,
    declared,
)
from ...core.settings.declared import Inline, Shorthand, read_values
from . import downloads
from .bundled import bundled_models
from .settings import QUERY, read_query, sampling_of, split

if TYPE_CHECKING:  # each engine is loaded by the function that opens it
    from ..recordings.pool import Pool

Scheme = Literal["llamacpp", "openai", "transformers", "reward", "embedder", "replay", "synthetic"]
SCHEMES: tuple[str, ...] = get_args(Scheme)

_SCHEME = re.compile(r"([A-Za-z][\w+-]*):(?!//)")
_SQLITE = b"SQLite format 3\0"


@declared
class Alias:
    """A name of one's own for a specification, with what always goes with it."""

    spec: Annotated[str, NotEmpty(), Shorthand()]
    price: Price | None = None
    sampling: Annotated[Sampling, Inline()] = field(default_factory=Sampling)


class Catalogue(Protocol):
    """What a configuration knows about models."""

    @property
    def aliases(self) -> Mapping[str, Alias]:
        """Name -> what it stands for."""
        ...

    @property
    def prices(self) -> Mapping[str, Price]:
        """Model name -> price, for models whose alias does not say one."""
        ...

    def read_store(self, path: Path) -> list[Pool]:
        """The recordings in a store of bench runs."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A catalogue without any aliases or prices."""

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)

    def read_store(self, path: Path) -> list[Pool]:
        raise UsageError(f"{path} is a store of bench runs", fix="export it to JSONL first")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that can be opened.

    Attributes:
        name: what reports call it.
        spec: what the user wrote.
        make: builds the engine, not yet opened; keywords override the specification's own
            settings (`make(skip=8)` for a replay).
        pools: the one recording a replay serves; empty for models that generate.
        price: None if it is not known.
        sampling: used where neither the user nor the method asks for anything.
    """

    name: str
    spec: str
    make: Callable[..., Engine]
    pools: list[Pool] = field(default_factory=list)
    price: Price | None = None
    sampling: Sampling = field(default_factory=Sampling)


def open_model(spec: str, catalogue: Catalogue | None = None) -> list[ModelSource]:
    """The sources a specification stands for: one, or for a recording one per model and task in it.

    Nothing is loaded or connected yet, except that recordings are read.

    Raises:
        UnknownName: for a scheme, model, alias or setting that is not known, with the nearest.
        UsageError: if the text cannot be read, or a file is missing.
        RecordError: if a recording is malformed, with file and line.
    """
    catalogue = catalogue or Plain()
    name, query = _named(spec.strip())
    requested = sampling_of(spec.strip()) if name in catalogue.aliases else Sampling()
    text, price, sampling, passed = spec.strip(), None, Sampling(), set()
    while (alias := catalogue.aliases.get(name)) is not None:
        if name in passed:
            raise UsageError(f"alias {name!r} leads back to itself", fix="correct the config")
        passed.add(name)
        price, sampling = price or alias.price, sampling.over(alias.sampling)
        text = _joined(alias.spec.strip(), query)
        name, query = _named(text)
    if ":" not in name and name in known_names():  # no known name looks like a scheme
        passed.add(name)
        text = _joined(_spec_of(name), query)
    scheme, body = _scheme(text, catalogue)
    sources = _OPENERS[scheme](body, catalogue)
    own_name = _named(spec.strip())[0] if passed else ""
    return [
        dataclasses.replace(
            source,
            name=source.name if source.pools else own_name or source.name,
            spec=spec,
            price=price or catalogue.prices.get(own_name) or catalogue.prices.get(source.name),
            sampling=requested.over(sampling).over(source.sampling),
        )
        for source in sources
    ]


def known_names() -> list[str]:
    """Models that need no specification: the bundled ones, and those that can be fetched."""
    return [*bundled_models(), *downloads.known_models()]


def _spec_of(name: str) -> str:
    own = bundled_models().get(name)
    return own.spec if own else f"llamacpp:{downloads.path_of(name)}"


def _named(text: str) -> tuple[str, str]:
    """(what may be a name, the query after it)."""
    query = QUERY.search(text)
    return (text[: query.start()], text[query.end() :]) if query else (text, "")


def _joined(spec: str, query: str) -> str:
    """A specification with more settings; of a setting given twice the later counts."""
    if not query:
        return spec
    return f"{spec}{'&' if QUERY.search(spec) else '?'}{query}"


def _scheme(text: str, catalogue: Catalogue) -> tuple[str, str]:
    """(scheme, what follows it); an error that names what was probably meant."""
    found = _SCHEME.match(text)
    if found is not None and found[1] in SCHEMES:
        return found[1], text[found.end() :]
    if text.startswith(("http://", "https://")):
        raise UsageError(f"model {text!r} is an address without a model", fix=f"write openai:MODEL@{text}")
    if os.path.isfile(os.path.expanduser(text)):
        scheme = "llamacpp" if text.lower().endswith(".gguf") else "replay"
        raise UsageError(f"model {text!r} is a file", fix=f"write {scheme}:{text}")
    if not text:
        raise UsageError("no model is named", fix="give --model, for example smollm2-135m")
    if found is not None:
        raise UnknownName("kind of model", found[1], SCHEMES)
    raise UnknownName("model", text, {*known_names(), *catalogue.aliases})


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


# -- one function per scheme, and the settings it takes

_Positive = Annotated[int, AtLeast(1)]
_Count = Annotated[int, AtLeast(0)]
_Seconds = Annotated[float, AtLeast(0)]
_LLAMACPP: dict[str, Any] = {
    "slots": _Positive,
    "ctx": _Positive,
    "threads": _Positive,
    "embeddings": bool,
    "reranking": bool,
    "idle": _Seconds,
}
_OPENAI: dict[str, Any] = {
    "key_env": str,
    "key_file": str,
    "concurrency": _Positive,
    "connect": _Seconds,
    "idle": _Seconds,
    "total": _Seconds,
    "seeds": bool,
}
_TRANSFORMERS: dict[str, Any] = {
    "device": str,
    "dtype": str,
    "batch": _Positive,
    "ctx": _Positive,
    "reuse": _Count,
    "embedder": str,
    "revision": str,
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
    addresses = tuple(url.strip().rstrip("/") for url in f"http{urls}".split(",")) if at else ()
    if not addresses:
        raise UsageError(
            f"model 'openai:{body}' does not say which server",
            fix="write openai:MODEL@URL, for example openai:qwen3@http://localhost:8000/v1",
        )
    for address in addresses:
        try:
            parts = urlsplit(address)
            there = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # half an IPv6 address, a port beyond 65535
            there = False
        if not there:
            raise UsageError(f"{address!r} is not an address", fix="write http://HOST:PORT/v1")
        if parts.password:
            raise UsageError(
                f"the address of {parts.hostname} carries a password",
                fix="name the environment variable (key_env=NAME) or the file (key_file=PATH)",
            )

    def make(**overrides: Any) -> Engine:
        from ..openai.engine import OpenAIHTTP

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


_OPENERS: dict[str, Callable[[str, Catalogue], list[ModelSource]]] = {
    "llamacpp": _llamacpp,
    "openai": _openai,
    "transformers": _transformers,
    "reward": _reward,
    "embedder": _embedder,
    "replay": _replay,
    "synthetic": _synthetic,
}
