"""`ttscale serve`: any method in front of any model, behind the OpenAI API."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import model_names

if TYPE_CHECKING:
    from ...gateway.config import Config, Model

EXAMPLES = """
\b
Examples:
  ttscale serve
  ttscale serve --upstream http://localhost:8000 --name qwen3
  ttscale serve --upstream http://localhost:8000 --upstream-model Qwen/Qwen3-8B --name qwen3
  ttscale serve --config gateway.toml
\b
Then, with any OpenAI client at http://127.0.0.1:8080/v1, the model names are:
  NAME                    passed through
  sc/NAME                 the vote of several samples in front of it
  "deepconf(n=32)/NAME"   any method with its parameters
  auto/NAME               what a policy says for the question (--policy)
"""


@click.command(epilog=EXAMPLES, short_help="Serve any method in front of any model.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Models, keys and limits, in TOML; read again on SIGHUP.",
)
@click.option("--upstream", metavar="URL", help="An OpenAI-compatible server; commas between replicas.")
@click.option(
    "--model", "spec", metavar="MODEL", shell_complete=model_names, help="Specification, known name or alias."
)
@click.option(
    "--upstream-model", metavar="NAME", help="What the server calls the model, if it has several others."
)
@click.option("--name", help="What clients call the model.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What auto/NAME follows: made by ttscale plan fit.",
)
@click.option(
    "--method",
    "files",
    multiple=True,
    metavar="FILE.py:NAME",
    help="A method of your own that clients may name as NAME/MODEL, with its parameters here; repeatable.",
)
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (8080).")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that share the port.")
@click.option("--state", type=click.Path(path_type=Path), help="File in which workers share.")
@click.option("--record", metavar="STORE", help="Keep every request's candidates in this bench store.")
@click.option("--anonymous", is_flag=True, help="Serve others without keys.")
@click.option("--new-key", metavar="NAME", help="Make a key, print it with its entry, and end.")
@output.common
def serve(
    config_path: Path | None,
    upstream: str | None,
    upstream_model: str | None,
    spec: str | None,
    name: str | None,
    policy: Path | None,
    files: tuple[str, ...],
    host: str | None,
    port: int | None,
    workers: int | None,
    state: Path | None,
    record: str | None,
    anonymous: bool,
    new_key: str | None,
    as_json: bool,
) -> None:
    """Serve any method in front of any model, behind the OpenAI API.

    Without a model, the bundled reasoner is served; without keys, on this machine only.
    """
    if new_key is not None:
        _make_key(new_key, as_json)
        return
    from ... import gateway
    from ..config import load

    own = load()
    spec = _spec(upstream, upstream_model, spec)
    presets = _own_methods(files)
    model = _model(spec, name, policy, required=config_path is None)
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "workers": workers,
        "state": str(state) if state else None,
        "anonymous": anonymous or None,
    }

    def read() -> Config:
        config = gateway.load(config_path) if config_path else gateway.Config()
        if model is not None:
            config = replace(config, models={**config.models, model[0]: model[1]})
        if presets:
            models = {n: replace(m, methods={**presets, **m.methods}) for n, m in config.models.items()}
            config = replace(config, models=models)
        if record is not None:
            config = replace(config, record=replace(config.record, store=record))
        changes = {key: value for key, value in given.items() if value is not None}
        return replace(config, server=replace(config.server, **changes))

    gateway.serve(read(), read, own, _announce)


def _own_methods(files: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The methods of these files, which are known by their names from now on -> their parameters."""
    from ...core import UsageError
    from ...methods import own_file, registry

    presets: dict[str, dict[str, Any]] = {}
    for spec in files:
        if own_file.divided(spec) is None:
            raise UsageError(
                f"--method {spec!r} is not in a file", fix="write FILE.py:NAME; known methods need no option"
            )
        configured = registry.parse(spec)
        cfg = configured.cfg
        presets[configured.method.name] = {f.name: getattr(cfg, f.name) for f in fields(cfg)}
    return presets


def _announce(config: Config, port: int) -> None:
    host = config.server.host
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    click.echo(f"serving {', '.join(config.models)} on http://{address}/v1", err=True)


def _spec(upstream: str | None, model: str | None, spec: str | None) -> str | None:
    """The specification that the command line gives, if it gives one."""
    from ...core import UsageError
    from ...engines.http.address import root_of

    if upstream is None:
        if model is not None:
            raise UsageError("--upstream-model is a model of --upstream", fix="give --upstream URL too")
        return spec
    if spec is not None:
        raise UsageError("--upstream and --model exclude each other", fix="give one of them")
    return f"openai:{model or ''}@{','.join(root_of(url) for url in upstream.split(',') if url.strip())}"


def _model(
    spec: str | None, name: str | None, policy: Path | None, *, required: bool
) -> tuple[str, Model] | None:
    """(name, model) that the command line names; the default model if one is required."""
    from ...arguments import default_model
    from ...core import UsageError
    from ...engines import open_model
    from ...gateway.config import Model
    from ..config import load

    config = load()
    if spec is None:
        if not required:
            if policy is not None:
                raise UsageError(
                    "--policy is for the model of the command line",
                    fix='write it into the file: [models.NAME] methods.auto = { policy = "..." }',
                )
            return None
        spec = config.model or default_model()
    source = open_model(spec, config)[0]
    methods = {} if policy is None else {"auto": {"policy": str(policy.resolve())}}
    return name or source.name, Model(spec=spec, methods=methods)


def _make_key(name: str, as_json: bool) -> None:
    """Print a fresh key, once, and what the configuration keeps of it."""
    from ...gateway.access.api_keys import new_key

    key, kept = new_key()
    if as_json:
        output.emit_json({"name": name, "key": key, "hash": kept})
        return
    click.echo(key)
    click.echo(f'[keys."{name}"]\nhash = "{kept}"', err=True)
