"""`ttscale doctor`: what works here and what is missing, each with the fix.

Every line is something that was tried, not something that was looked up: methods really run, the
embedded engine really starts and samples.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import click

from .. import output

if TYPE_CHECKING:
    from ...core import Engine, Method
    from ..config import Config

EXTRAS = {
    # extra: (distributions it brings, what it is for)
    "llamacpp": (("xllamacpp",), "the embedded engine"),
    "tasks": (("reasoning-gym",), "generated tasks"),
    "parquet": (("pyarrow",), "Parquet files"),
    "hf": (("datasets",), "data sets of the Hugging Face hub"),
    "inspect": (("inspect-ai",), "logs for inspect view"),
    "mlflow": (("mlflow-skinny",), "runs of MLflow"),
    "plots": (("plotly", "matplotlib"), "reports with plots"),
    "gateway": (("uvloop",), "more upstream calls a second"),
    "torch": (("torch", "transformers"), "models in process, scores of given texts"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `broken` is something that should work, `missing` something optional."""

    name: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    fix: str | None = None
    exit_code: int = 1


@click.command(short_help="Check what works here, and how to fix what does not.")
@click.option("--model", metavar="MODEL", help="Also probe this model and say which methods run.")
@output.common
def doctor(model: str | None, as_json: bool) -> None:
    """Check what works here, and how to fix what does not.

    Ends with 0 if the core works; what is optional and missing is not a failure. With --model, a model
    that cannot be used is one.
    """
    checks: list[Check] = []
    for check in _all(model):
        checks.append(check)
        if not as_json:
            _print(check)
    broken = [check for check in checks if check.state == "broken"]
    if as_json:
        output.emit_json({"works": not broken, "checks": [asdict(check) for check in checks]})
    if broken:
        raise output.Fail(broken[0].exit_code)


def _all(model: str | None) -> Iterator[Check]:
    yield _python()
    yield _tried("core", _core)
    yield from _extras()
    yield from _plugins()
    config: list[Config] = []
    yield _tried("config", lambda: _config(config))
    yield _tried("models", _models)
    yield _tried("embedded engine", _embedded)
    if model is not None and config:
        yield from _upstream(model, config[0])


def _print(check: Check) -> None:
    style = {"ok": "green", "missing": "yellow", "broken": "red"}[check.state]
    console = output.stdout()
    console.print(f"[{style}]{check.state:<8}[/]", end="")
    console.print(f"{check.name}: {check.detail}", markup=False, soft_wrap=True)
    if check.fix:
        console.print(f"        fix: {check.fix}", markup=False, soft_wrap=True)


def _tried(name: str, attempt: Callable[[], Check]) -> Check:
    """The finding of `attempt`; an error it raises is a finding too."""
    try:
        return attempt()
    except Exception as error:
        described = output.describe(error)
        return Check(name, "broken", described["message"], described["fix"], described["exit_code"])


def _python() -> Check:
    detail = f"{platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}"
    return Check("python", "ok", detail)


def _core() -> Check:
    """Run every method that plain text is enough for, in token time, on a known distribution."""
    from ... import __version__
    from ...answers import TextRule
    from ...core import Problem, Prompt, Run, execute
    from ...engines import Synthetic
    from ...engines.synthetic import binary

    ran = 0
    problem = Problem("doctor", Prompt.user("?"), TextRule(), reference="right")
    for method, cfg in _with_defaults():
        if any(role.capabilities != {"text"} for role in method.needs(cfg).values()):
            continue
        run = Run({"main": Synthetic(binary(0.9))})
        outcome = execute(run, lambda: run.answer(method.bind(cfg), problem))  # noqa: B023
        if outcome.answer not in ("right", "wrong"):
            return Check("core", "broken", f"method {method.name} gave {outcome.answer!r}")
        ran += 1
    return Check("core", "ok", f"ttscale {__version__}, {ran} methods ran on synthetic samples")


def _extras() -> Iterator[Check]:
    from ...core import install_command

    for extra, (packages, purpose) in EXTRAS.items():
        there = {package: _version(package) for package in packages}
        absent = [package for package, found in there.items() if found is None]
        if absent:
            fix = install_command(extra)
            yield Check(f"extra {extra}", "missing", f"{purpose}: no {', '.join(absent)}", fix)
        else:
            detail = ", ".join(f"{package} {found}" for package, found in there.items())
            yield Check(f"extra {extra}", "ok", f"{purpose}: {detail}")


def _plugins() -> Iterator[Check]:
    """Packages whose methods are left out."""
    from ...methods import registry

    for broken in registry.broken_plugins():
        package = broken.distribution.split()[0]
        detail = f"its methods are left out: {broken.entry_point} cannot be loaded ({broken.error})"
        fix = f"pip install --upgrade {package}, or pip uninstall {package}"
        yield Check(f"plugin {broken.distribution}", "broken", detail, fix)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _config(loaded: list[Config]) -> Check:
    from ..config import load

    config = load()
    loaded.append(config)
    read = ", ".join(map(str, config.files)) or "no file, all defaults"
    named = {
        variable
        for alias in config.aliases.values()
        for variable in re.findall(r"[?&]key_env=([^&]+)", alias.spec)
    }
    unset = sorted(variable for variable in named if not os.environ.get(variable))
    if unset:
        return Check("config", "missing", f"{read}; not set: {', '.join(unset)}", "export them")
    return Check("config", "ok", f"{read}; {len(config.aliases)} aliases")


def _models() -> Check:
    from ...arguments import FALLBACK
    from .models import available

    here = [entry["name"] for entry in available() if entry["cached"]]
    if not here:
        fix = f"ttscale models pull {FALLBACK}"
        return Check("models", "missing", "none is here", fix)
    return Check("models", "ok", ", ".join(here))


def _embedded() -> Check:
    """Start the embedded engine on the smallest model there is, and sample."""
    from .models import available

    if _version("xllamacpp") is None:
        from ...core import install_command

        fix = install_command("llamacpp")
        return Check("embedded engine", "missing", "xllamacpp is not installed", fix)
    here = [entry for entry in available() if entry["cached"]]
    if not here:
        return Check("embedded engine", "missing", "not tried: there is no model to load")
    from ...engines import open_model

    smallest = min(here, key=lambda entry: entry["bytes"])
    (source,) = open_model(f"llamacpp:{smallest['path']}?slots=1&ctx=512")
    sampled, seconds, _ = _sample_once(source.make())
    return Check("embedded engine", "ok", f"{smallest['name']} drew {sampled} tokens in {seconds:.1f} s")


def _upstream(spec: str, config: Config) -> Iterator[Check]:
    """Open a model the user named; what it can do, and which methods that is enough for."""
    from ...arguments import source_of

    name = f"model {spec}"
    try:
        source = source_of(spec, config, "--model")
        engine = source.make()
        if source.pools:
            able = engine.capabilities
            pool = source.pools[0]
            detail = f"{len(pool.problems)} questions, at least {pool.size()} samples each"
        else:
            sampled, seconds, able = _sample_once(engine)
            detail = f"drew {sampled} tokens in {seconds:.1f} s"
    except Exception as error:
        described = output.describe(error)
        yield Check(name, "broken", described["message"], described["fix"], described["exit_code"])
        return
    yield Check(name, "ok", f"{detail}; gives {', '.join(sorted(able))}")
    yield from _runnable(engine)


def _runnable(engine: Engine) -> Iterator[Check]:
    from ...core import CapabilityError, Run

    run = Run({"main": engine})
    runs = []
    for method, cfg in _with_defaults():
        try:
            run.check(method.bind(cfg))
            runs.append(method.name)
        except CapabilityError as error:
            yield Check(f"method {method.name}", "missing", error.fact, error.fix)
    yield Check("methods", "ok", f"run on this model alone: {', '.join(runs)}")


def _with_defaults() -> Iterator[tuple[Method, Any]]:
    """All methods that can run as they are, with their default configs."""
    from dataclasses import MISSING, fields

    from ...methods import registry

    for method in registry.methods().values():
        own = fields(method.config)
        if all(f.default is not MISSING or f.default_factory is not MISSING for f in own):
            yield method, method.configure({})


def _sample_once(engine: Any) -> tuple[int, float, frozenset[str]]:
    """(tokens, seconds, capabilities) of one short sample from a freshly opened engine."""
    from ...answers import TextRule
    from ...core import Problem, Prompt, Run, Sampling, Trials, execute
    from ...core.cards.vocabulary import CAPABILITIES
    from ...core.spending.metering import Scope
    from ...methods import registry

    run = Run({"main": engine}, request=Sampling(max_tokens=8))
    simple = registry.get("simple")
    problem = Problem("doctor", Prompt.user("Say hello."), TextRule())
    able: list[frozenset[str]] = []

    async def one() -> Any:
        outcome = await run.answer(simple(), problem)
        if hasattr(engine, "probe"):
            await engine.probe(CAPABILITIES, Trials(Scope(None), None))
        able.append(engine.capabilities)  # complete only while it is open
        return outcome

    outcome = execute(run, one)
    if outcome.error is not None:
        raise outcome.error
    return outcome.usage.completion_tokens, outcome.usage.seconds, able[0]
