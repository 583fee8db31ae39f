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

Read from `$TTSCALE_CONFIG`, or without it from `~/.config/ttscale/config.toml`, and then from
`./ttscale.toml`, whose entries win. Keys never stand here, only names of environment variables
or of files that hold them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..core import Budget, Price, Sampling, TTScaleError, UnknownName, UsageError
from ..engines.pool import Pool
from ..engines.spec import Alias

_SAMPLING = {f.name for f in fields(Sampling)}
_DEFAULTS = {"model", "method", "answer", "seed", "budget", *_SAMPLING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the configuration files say.

    Attributes:
        aliases: name -> specification, price and sampling.
        prices: model name -> price per million tokens.
        model, method, answer, seed, budget, sampling: used where the command line says nothing.
        files: what was read, in order.
    """

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    model: str | None = None
    method: str | None = None
    answer: str = "text"
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    sampling: Sampling = field(default_factory=Sampling)
    files: tuple[Path, ...] = ()

    def read_store(self, path: Path) -> list[Pool]:
        """The recordings in a store of bench runs."""
        from ..bench.recorded import pools_from_store

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
    tables: dict[str, dict[str, Any]] = {"defaults": {}, "models": {}, "prices": {}}
    read = []
    for path in paths():
        if not path.is_file():
            if named and path == Path(os.path.expanduser(named)):
                raise UsageError(
                    f"$TTSCALE_CONFIG names {named}, which is no file",
                    fix="correct or unset the variable",
                )
            continue
        for section, entries in _tables(path, tables).items():
            for key, value in entries.items():
                # read now, so that an error names the file it is in
                tables[section][key] = _ENTRY[section](f"{path}: {section}.{key}", key, value)
        read.append(path)
    defaults = tables["defaults"]
    own = {k: v for k, v in defaults.items() if k not in _SAMPLING}
    sampling = Sampling.of({k: v for k, v in defaults.items() if k in _SAMPLING})
    return Config(
        aliases=tables["models"],
        prices=tables["prices"],
        sampling=sampling,
        files=tuple(read),
        **own,
    )


def _tables(path: Path, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML", fix=str(error)) from None
    for section, entries in document.items():
        if section not in known:
            raise UnknownName(f"section of {path}", section, known)
        if not isinstance(entries, dict):
            raise UsageError(f"{path}: {section} is no table", fix=f"write [{section}]")
    return document


def _default(where: str, key: str, value: Any) -> Any:
    if key not in _DEFAULTS:
        raise UnknownName(f"key at {where}", key, _DEFAULTS)
    if key in _SAMPLING:
        _sampling(where, {key: value})
        return value
    if key == "budget":
        try:
            return Budget.of(dict(_table(where, value)))
        except TTScaleError as error:
            raise UsageError(where, fix=str(error)) from None
    wanted = int if key == "seed" else str
    if (
        not isinstance(value, wanted)
        or isinstance(value, bool)
        or (isinstance(value, int) and value.bit_length() > 63)
    ):
        kind = "a whole number of at most 63 bits" if wanted is int else "a text"
        raise UsageError(f"{where} = {value!r}", fix=f"give {kind}")
    return value


def _alias(where: str, key: str, value: Any) -> Alias:
    if isinstance(value, str):
        return Alias(spec=value)
    entries = dict(_table(where, value))
    known = {"spec", "price", *_SAMPLING}
    for name in entries:
        if name in ("key", "api_key", "token"):
            raise UsageError(
                f"{where}: a key does not belong in the config",
                fix="put ?key_env=NAME or ?key_file=PATH into the spec",
            )
        if name not in known:
            raise UnknownName(f"key at {where}", name, known)
    spec = entries.pop("spec", None)
    if not isinstance(spec, str) or not spec:
        raise UsageError(f"{where} has no spec", fix='write spec = "openai:MODEL@URL"')
    price = entries.pop("price", None)
    return Alias(
        spec=spec,
        price=None if price is None else _price(f"{where}.price", key, price),
        sampling=_sampling(where, entries),
    )


def _price(where: str, key: str, value: Any) -> Price:
    entries = _table(where, value)
    known = [f.name for f in fields(Price)]
    for name, amount in entries.items():
        if name not in known:
            raise UnknownName(f"key at {where}", name, known)
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not amount >= 0:
            raise UsageError(f"{where}.{name} = {amount!r}", fix="give money per million tokens")
    missing = [name for name in ("prompt", "completion") if name not in entries]
    if missing:
        raise UsageError(
            f"{where} does not say {' and '.join(missing)}", fix="give money per million tokens"
        )
    return Price(**entries)


def _sampling(where: str, entries: Mapping[str, Any]) -> Sampling:
    try:
        return Sampling.of(entries)
    except (TTScaleError, TypeError, ValueError) as error:
        raise UsageError(where, fix=str(error)) from None


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} = {value!r} is no table", fix="write { name = value }")
    return value


_ENTRY = {"defaults": _default, "models": _alias, "prices": _price}
