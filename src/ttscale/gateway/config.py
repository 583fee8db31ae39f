"""What the gateway is told: one TOML file, read again on SIGHUP.

[server]                          # host, port, workers, sizes and waiting times
host = "0.0.0.0"
[models."qwen3-8b"]               # the name clients use
spec = "openai:Qwen/Qwen3-8B@http://gpu1:8000,http://gpu2:8000?key_env=UPSTREAM_KEY"
price = { prompt = 0.1, completion = 0.4 }
roles = { prm = "my-prm" }        # other models of this file that methods may call
methods.auto = { policy = "qwen3-8b.json" }  # made by ttscale plan fit
[keys.alice]
hash = "sha256:..."               # of the key: ttscale serve --new-key alice
rate = 60                         # requests a minute
daily = { tokens = 1_000_000 }
[limits]
max_samples = 64
[record]
store = "traffic.db"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ..core import Budget, Price, Sampling, TTScaleError, UnknownName, UsageError

T = TypeVar("T")
_SAMPLING = {f.name for f in dataclasses.fields(Sampling)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How the gateway listens and how much it takes on.

    Attributes:
        workers: processes that share the port.
        max_body: bytes a request may have.
        body_seconds: a request must have arrived by then.
        idle_seconds: a connection without a request is closed.
        active: requests in service at a time, per worker; `queue` more wait, `queue_seconds` at
            most.
        heartbeat: seconds between two signs of life of a stream.
        drain: seconds a shutdown waits for what is in service.
        anonymous: serve without keys although others can reach the address.
        state: a file in which workers share daily budgets and metrics; they survive a restart.
        prompts: write prompts and replies into the log.
        tracing: OpenTelemetry spans, sent where the OTEL_* variables say.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    max_body: int = 32 * 1024 * 1024
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    active: int = 512
    queue: int = 1024
    queue_seconds: float = 30.0
    heartbeat: float = 10.0
    drain: float = 30.0
    anonymous: bool = False
    state: str = ""
    prompts: bool = False
    tracing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model clients can name.

    Attributes:
        spec: a model specification, as everywhere in ttscale.
        roles: role -> name of another model here.
        methods: method -> parameters it has here where the request says nothing else.
        concurrency: requests at a time; by default 256, or what the specification says.
        hedge: seconds without a first byte after which a plain request is also sent to another
            replica; 0 for never.
        health: seconds between two looks at each replica; 0 for none.
    """

    spec: str
    price: Price | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    concurrency: int = 0
    hedge: float = 0.0
    health: float = 10.0
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key and what it may do.

    Attributes:
        hash: "sha256:" and the hexadecimal digest of the key.
        method: used for plain model names; "" passes through.
        models: names it may use; empty for all.
        rate: requests a minute; 0 for no limit.
        budget: of each request. daily: of all requests of a day (UTC).
    """

    hash: str
    method: str = ""
    models: tuple[str, ...] = ()
    rate: float = 0.0
    budget: Budget = field(default_factory=Budget)
    daily: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may ask of a method. `budget` is the most any request may spend."""

    max_samples: int = 64
    max_choices: int = 16
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Which requests are kept, for how many days (0: for ever), and by whom they are redacted.

    `redact` names a function, "module:function", that gets and returns a text; None drops the
    request.
    """

    store: str = ""
    sample: float = 1.0
    keep_days: float = 0.0
    redact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    server: Server = field(default_factory=Server)
    models: Mapping[str, Model] = field(default_factory=dict)
    keys: Mapping[str, Account] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    record: Record = field(default_factory=Record)


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        UsageError: if it cannot be read, or says something unknown; names file and key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML", fix=str(error)) from None
    return parse(document, str(path))


def parse(document: Mapping[str, Any], where: str = "config") -> Config:
    """The configuration a parsed document describes."""
    _known(document, {f.name for f in dataclasses.fields(Config)}, where)
    models = {
        name: _model(entry, f"{where}: models.{name}")
        for name, entry in _table(document.get("models", {}), f"{where}: models").items()
    }
    keys = {
        name: _read(Account, entry, f"{where}: keys.{name}")
        for name, entry in _table(document.get("keys", {}), f"{where}: keys").items()
    }
    for name, account in keys.items():
        digest = account.hash.removeprefix("sha256:")
        if digest == account.hash or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise UsageError(
                f"{where}: keys.{name}.hash is not the hash of a key",
                fix=f"make one with: ttscale serve --new-key {name}",
            )
    for name, model in models.items():
        for role, other in model.roles.items():
            if other not in models:
                raise UnknownName(f"model at {where}: models.{name}.roles.{role}", other, models)
    return Config(
        server=_read(Server, document.get("server", {}), f"{where}: server"),
        models=models,
        keys=keys,
        limits=_read(Limits, document.get("limits", {}), f"{where}: limits"),
        record=_read(Record, document.get("record", {}), f"{where}: record"),
    )


def _model(entry: Any, where: str) -> Model:
    if isinstance(entry, str):
        return Model(spec=entry)
    entry = dict(_table(entry, where))
    asked = {name: entry.pop(name) for name in list(entry) if name in _SAMPLING}
    model = _read(Model, entry, where)
    try:
        return dataclasses.replace(model, sampling=Sampling.of(asked))
    except (TTScaleError, TypeError) as error:
        raise UsageError(where, fix=str(error)) from None


def _read(kind: type[T], entry: Any, where: str) -> T:
    """A dataclass from a table, with every key and type checked."""
    table = _table(entry, where)
    types = get_type_hints(kind)
    _known(table, types, where)
    values = {name: _value(types[name], value, f"{where}.{name}") for name, value in table.items()}
    try:
        return kind(**values)
    except TypeError:
        missing = [
            f.name
            for f in dataclasses.fields(kind)  # type: ignore[arg-type]
            if f.name not in values
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        raise UsageError(f"{where} does not say {' and '.join(missing)}") from None


def _value(kind: Any, value: Any, where: str) -> Any:
    if kind is Budget or kind == Price | None:
        try:
            return (Budget if kind is Budget else Price)(**_table(value, where))
        except (TTScaleError, TypeError) as error:
            raise UsageError(where, fix=str(error)) from None
    if kind is Any:
        return value
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_value(get_args(kind)[0], item, where) for item in value)
    if get_origin(kind) is Mapping:
        return {k: _value(get_args(kind)[1], v, where) for k, v in _table(value, where).items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(kind, type) or type(value) is not kind:
        raise UsageError(f"{where} = {value!r} is not of the right kind", fix=f"give {kind}")
    if isinstance(value, int | float) and value < 0:
        raise UsageError(f"{where} = {value!r} is negative", fix="give 0 or more")
    return value


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} = {value!r} is no table", fix="write { name = value }")
    return value


def _known(table: Mapping[str, Any], known: Any, where: str) -> None:
    for name in table:
        if name in ("key", "api_key", "token"):
            raise UsageError(
                f"{where}: a key does not belong in the config",
                fix="put ?key_env=NAME into the spec of a model, or the hash of a client's key",
            )
        if name not in known:
            raise UnknownName(f"entry of {where}", name, known)
