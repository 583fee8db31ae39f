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

import re
import tomllib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from ..core import AtLeast, Budget, NotEmpty, Price, Sampling, UnknownName, UsageError, Within, declared
from ..core.settings.declared import Inline, Shorthand, read

LOOPBACK = tuple(
    f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1", "[::1]")
)
"""Web pages served from this machine."""

_Count = Annotated[int, AtLeast(0)]
_Positive = Annotated[int, AtLeast(1)]
_Seconds = Annotated[float, AtLeast(0)]


@declared
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
        origins: web pages that may call it from a browser: "https://a.example", "http://localhost:*" for
            any port, "*" for all; by default those served from this machine.
        anonymous: serve without keys although others can reach the address.
        state: a file in which workers share daily budgets and metrics; they survive a restart.
        prompts: write prompts and replies into the log.
        tracing: OpenTelemetry spans, sent where the OTEL_* variables say.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Within(0, 65535)] = 8080
    workers: _Positive = 1
    max_body: _Count = 32 * 1024 * 1024
    body_seconds: _Seconds = 60.0
    idle_seconds: _Seconds = 75.0
    active: _Positive = 512
    queue: _Count = 1024
    queue_seconds: _Seconds = 30.0
    heartbeat: _Seconds = 10.0
    drain: _Seconds = 30.0
    origins: tuple[str, ...] = LOOPBACK
    anonymous: bool = False
    state: str = ""
    prompts: bool = False
    tracing: bool = False


@declared
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

    spec: Annotated[str, NotEmpty(), Shorthand()]
    price: Price | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    concurrency: _Count = 0
    hedge: _Seconds = 0.0
    health: _Seconds = 10.0
    sampling: Annotated[Sampling, Inline()] = field(default_factory=Sampling)


@declared
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
    rate: Annotated[float, AtLeast(0)] = 0.0
    budget: Budget = field(default_factory=Budget)
    daily: Budget = field(default_factory=Budget)


@declared
class Limits:
    """What one request may ask of a method.

    Attributes:
        budget: the most any request may spend.
        rescue: which requests get one more sample where the reply is all thinking, if they do not say:
            those for "methods", "all", which runs plain ones as `simple`, or "none".
    """

    max_samples: _Count = 64
    max_choices: _Count = 16
    budget: Budget = field(default_factory=Budget)
    rescue: Literal["methods", "all", "none"] = "methods"


@declared
class Record:
    """Which requests are kept, for how many days (0: for ever), and by whom they are redacted.

    `redact` names a function, "module:function", that gets and returns a text; None drops the
    request.
    """

    store: str = ""
    sample: Annotated[float, Within(0, 1)] = 1.0
    keep_days: Annotated[float, AtLeast(0)] = 0.0
    redact: str = ""


@declared
class Config:
    """The whole file."""

    server: Server = field(default_factory=Server)
    models: Mapping[str, Model] = field(default_factory=dict)
    keys: Mapping[str, Account] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        for name, account in self.keys.items():
            if not re.fullmatch("sha256:[0-9a-f]{64}", account.hash):
                raise UsageError(
                    f"keys.{name}.hash is not the hash of a key",
                    fix=f"make one with: ttscale serve --new-key {name}",
                )
        for name, model in self.models.items():
            for role, other in model.roles.items():
                if other not in self.models:
                    raise UnknownName("model", other, self.models, f"models.{name}.roles.{role}")


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
        raise UsageError(f"{path} is not TOML", fix=str(error)) from None
    return parse(document, str(path))


def parse(document: Mapping[str, Any], where: str = "config") -> Config:
    """The configuration a parsed document describes."""
    return read(Config, document, f"{where}:")
