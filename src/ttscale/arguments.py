"""What the arguments of `solve` stand for: models, a question, a method, a budget, a seed.

Whatever is given, by the command line or from Python, is checked here before a token is spent.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answers import ChoiceRule, rule_for
from .core import AnswerRule, Budget, Configured, Image, Method, Problem, Prompt, UnknownName, UsageError
from .core.settings.declared import check
from .methods import parse

if TYPE_CHECKING:
    from .cli.config import Config
    from .engines import ModelSource

FALLBACK = "smollm2-135m"
LONGEST_SEED = 63  # bits: what JSON and a store can hold


# -- models


def sources_of(model: str | None, roles: Mapping[str, str], config: Config) -> dict[str, ModelSource]:
    """By role, the model that a specification stands for; "main" is the first.

    Raises:
        UsageError: for a model that is not known or holds several recordings.
    """
    return {"main": source_of(model, config, "model"), **role_sources(roles, config)}


def role_sources(roles: Mapping[str, str], config: Config) -> dict[str, ModelSource]:
    """The models of further roles.

    Raises:
        UsageError: as `sources_of`, and for a second main model.
    """
    check(Mapping[str, str], roles=roles)
    if "main" in roles:
        raise UsageError("role 'main' is the model itself", fix="give it as the model")
    return {role: source_of(spec, config, f"role {role}") for role, spec in roles.items()}


def source_of(spec: str | None, config: Config, option: str) -> ModelSource:
    """The one model a specification stands for; without one, the default model.

    Raises:
        UsageError: if a recording holds several models or tasks and none is chosen.
    """
    from .engines import open_model

    check(str | None, model=spec)
    spec = spec or config.model or default_model()
    sources = open_model(spec, config)
    if len(sources) > 1:
        there = "; ".join(f"where.model={s.name}&where.dataset={s.pools[0].task}" for s in sources)
        raise UsageError(f"{option} {spec!r} holds {len(sources)} recordings", fix=f"add one of: ?{there}")
    return sources[0]


def default_model() -> str:
    """The bundled reasoner, or else the small general model if it has been fetched.

    Raises:
        UsageError: if there is neither; says how to get one.
    """
    from .engines.catalogue import downloads
    from .engines.catalogue.bundled import bundled_models

    if bundled := list(bundled_models()):
        return bundled[0]
    if downloads.is_cached(FALLBACK):
        return FALLBACK
    raise UsageError(
        "no model is given and none is here", fix=f"run ttscale models pull {FALLBACK}, or give --model"
    )


# -- the question


def problem_of(
    main: ModelSource,
    question: str | Problem,
    default_rule: str,
    *,
    answer: str | AnswerRule | None = None,
    choices: Sequence[str] = (),
    reference: str | None = None,
    system: str | None = None,
    images: Sequence[str | Path] = (),
) -> Problem:
    """A question as a problem. A `Problem`, and the recorded problem that a recording has under
    that id or text, say the rest themselves.

    Raises:
        UsageError: if the question is empty or not a text, if there are more choices than letters,
            an image cannot be read, or a problem is given what it says itself.
        UnknownName: if the recording has no such question; names the nearest.
    """
    check(str | None, reference=reference, system=system)
    choices = _texts(choices, "choices")
    images = _texts(images, "images")
    given = {"answer": answer, "choices": choices, "reference": reference, "system": system, "images": images}
    own = [name for name, value in given.items() if value]
    if isinstance(question, Problem):
        return _as_it_is(question, own, "a Problem")
    check(str, question=question)
    text = question.strip()
    if not text:
        raise UsageError("the question is empty", fix="give a question, or '-' and a text on stdin")
    if main.pools:
        problems = main.pools[0].problems
        recorded = next((p for p in problems if text in (p.id, p.prompt.text)), None)
        if recorded is None:
            raise UnknownName("question", text, [p.id for p in problems], f"recording {main.spec!r}")
        return _as_it_is(recorded, own, f"a question of recording {main.spec!r}")
    for written in (text, *choices, reference or "", system or ""):
        _check_encodable(written)
    rule = _rule(answer or ("choice" if choices else default_rule), len(choices))
    system = main.system if system is None else system
    listed = "".join(f"\n{letter}) {choice}" for letter, choice in zip(string.ascii_uppercase, choices))
    prompt = Prompt.user(
        f"{text}\n{listed}" if choices else text,
        *map(_image, images),
        system=main.system if system is None else system,
    )
    return Problem("question", prompt, rule, reference, choices)


def _as_it_is(problem: Problem, given: Sequence[str], what: str) -> Problem:
    if given:
        raise UsageError(f"{what} says itself what its {given[0]} is", fix=f"leave {given[0]} out")
    return problem


def _texts(given: Any, name: str) -> tuple[str, ...]:
    """Several texts or paths, or one, as a tuple of texts."""
    several = (given,) if isinstance(given, (str, Path)) else given
    check(tuple[Any, ...], **{name: several})
    texts = tuple(str(one) if isinstance(one, Path) else one for one in several)
    check(tuple[str, ...], **{name: texts})
    return texts


def _rule(rule: Any, choices: int) -> AnswerRule:
    if rule == "choice" and choices:
        if choices > len(string.ascii_uppercase):
            raise UsageError(f"{choices} choices", fix="give at most 26")
        return ChoiceRule(string.ascii_uppercase[:choices])
    if isinstance(rule, str):
        return rule_for(rule)
    if not hasattr(rule, "extract") or not hasattr(rule, "same"):
        raise UsageError(f"answer={rule!r} is not an answer rule", fix="give its name, as in 'math'")
    found: AnswerRule = rule
    return found


def _image(path: str) -> Image:
    try:
        return Image.read(path)
    except OSError as error:
        raise UsageError(
            f"cannot read the image {path!r}: {error.strerror}", fix="check the path and its permissions"
        ) from None


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # bytes are not a question
        raise UsageError(f"what was given is not text ({error})", fix="encode it as UTF-8") from None


# -- how it is to be answered


def method_of(method: Any) -> Configured:
    """A method as it is written (`"ffs(n=8)"`), with its parameters, or with its defaults.

    Raises:
        UsageError: for anything else, a name that is not known, or a bad parameter.
    """
    if isinstance(method, str):
        return parse(method)
    if isinstance(method, Method):
        return method()
    if not isinstance(method, Configured):
        raise UsageError(f"method={method!r} is not a method", fix='write one, as in "ffs(n=8)"')
    return method


def limits_of(budget: Budget | Mapping[str, Any] | None, **limits: float | None) -> Budget | None:
    """One budget from an object or mapping and from limits given by themselves.

    Raises:
        UsageError: for an unknown kind, a bad limit, or one that is given twice.
    """
    given = {kind: limit for kind, limit in limits.items() if limit is not None}
    if budget is None:
        return Budget.of(given) if given else None
    own = budget if isinstance(budget, Budget) else Budget.of(budget)
    if both := sorted(given.keys() & own.given().keys()):
        raise UsageError(f"budget {both[0]} is given twice", fix="give it once")
    return Budget.of({**own.given(), **given})


def seed_of(seed: int | None, config: Config) -> int:
    """The seed asked for, else the configured one.

    Raises:
        UsageError: if it is not a whole number, or larger than JSON and a store can hold.
    """
    if seed is None:
        return config.seed
    check(int, seed=seed)
    if int(seed).bit_length() > LONGEST_SEED:
        raise UsageError(f"seed {seed}", fix=f"give a whole number of at most {LONGEST_SEED} bits")
    return int(seed)
