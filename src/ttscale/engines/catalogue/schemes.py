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

import orjson

from ...answers import RULES, rule_for
from ...core import AtLeast, Engine, OneOf, Sampling, UnknownName, UsageError, Within
from ...core.cards.vocabulary import CAPABILITIES
from ...core.settings.declared import read_values
from ..http.address import root_of, versioned
from . import downloads
from .prices import listed_price
from .providers import Provider, known_providers
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
_HOSTED: dict[str, Any] = {
    "key_env": str,
    "key_file": str,
    "key_in": str,
    "api-version": str,
    "concurrency": _Positive,
    "connect": _Seconds,
    "idle": _Seconds,
    "total": _Seconds,
    "seeds": bool,
    "server": Literal["llamacpp", "vllm", "sglang", "ollama", "other"],
    "can": str,
    "organization": str,
    "project": str,
    "extra_body": str,
    "chat_template_kwargs": str,
    "headers.*": str,
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


def _hosted(scheme: str, provider: Provider, body: str, catalogue: Catalogue) -> list[ModelSource]:
    """A model behind HTTP, where the provider is or where the user says. The provider's key goes to the
    provider: to another address a key goes that is named with it."""
    body, options, sampling = read_query(body, _HOSTED, scheme)
    model, at, urls = body.partition("@http")
    written = f"http{urls}".split(",") if at else [provider.address] if provider.address else []
    if not written or not (model or at):  # a server's only model needs no name, a provider's does
        raise UsageError(
            f"model '{scheme}:{body}' does not say which" + ("" if written else " server"),
            fix=f"write {scheme}:MODEL@URL, for example {scheme}:qwen3@http://localhost:8000/v1",
        )
    version = options.pop("api-version", "")
    addresses = tuple(root_of(versioned(url, version)) for url in written)
    own = not at or not provider.address  # the provider's, wherever that is
    if own and not options.keys() & {"key_env", "key_file"}:
        options["key_env"] = provider.key_env
    if own and provider.key_in:
        options.setdefault("key_in", provider.key_in)
    options["headers"] = {**provider.headers, **_headers(options)}
    fields = _request_fields(options)
    server, can = options.pop("server", "other"), options.pop("can", None)
    abilities = provider.can if can is None else [name.strip() for name in can.split(",") if name.strip()]
    for ability in abilities or ():
        CAPABILITIES.check(ability, f"{scheme}: can")

    def make(**overrides: Any) -> Engine:
        from ..openai.dialect import Dialect

        made = {"cache": downloads.server_cache(), **options, **overrides}
        if provider.api == "anthropic":
            from ..anthropic.engine import DIALECT, AnthropicHTTP

            dialect = None if can is None else DIALECT.with_(abilities or ())
            return AnthropicHTTP(model, addresses, dialect=dialect, **made)
        from ..openai.engine import OpenAIHTTP

        dialect = None if abilities is None else Dialect.declared(server, abilities)
        made = {"seeds": provider.seeds, "effort": provider.effort, "dialect": dialect, **made}
        return OpenAIHTTP(model, addresses, **made)

    found = None if at else listed_price(scheme, model)
    name = model or urlsplit(addresses[0]).netloc  # a server's only model needs no name
    return [
        ModelSource(
            name=name,
            spec=body,
            make=make,
            sampling=sampling.over(Sampling(extra=fields)) if fields else sampling,
            price=None if found is None else found.price,
        )
    ]


def _headers(options: dict[str, Any]) -> dict[str, str]:
    """Headers among the settings, taken out of them."""
    names = [name for name in options if name.startswith("headers.")]
    headers = {name.removeprefix("headers."): options.pop(name) for name in names}
    for setting, header in (("organization", "OpenAI-Organization"), ("project", "OpenAI-Project")):
        if (value := options.pop(setting, None)) is not None:
            headers[header] = value
    return headers


def _request_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Fields of every request's body among the settings, taken out of them."""
    fields = _object(options.pop("extra_body", "{}"), "extra_body")
    template = _object(options.pop("chat_template_kwargs", "{}"), "chat_template_kwargs")
    return fields | ({"chat_template_kwargs": template} if template else {})


def _object(written: str, setting: str) -> dict[str, Any]:
    try:
        read = orjson.loads(written)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise UsageError(
            f"{setting}={written!r} is not a JSON object", fix=f'for example {setting}={{"a": 1}}'
        )
    return read


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
    "transformers": _transformers,
    "reward": _reward,
    "embedder": _embedder,
    "replay": _replay,
    "synthetic": _synthetic,
}
"""Scheme -> what makes the sources of what follows it; those of `providers_of` beside them."""


def providers_of(catalogue: Catalogue) -> dict[str, Provider]:
    """Scheme -> provider: those that come with this package, and the user's own over them."""
    return {**known_providers(), **catalogue.providers}


def opener(scheme: str, catalogue: Catalogue) -> Opener | None:
    """What makes the sources of a scheme; None if it is not one."""
    if scheme in OPENERS:
        return OPENERS[scheme]
    provider = providers_of(catalogue).get(scheme)
    return None if provider is None else partial(_hosted, scheme, provider)


def schemes(catalogue: Catalogue) -> list[str]:
    """All kinds of models a specification may begin with."""
    return [*OPENERS, *providers_of(catalogue)]
