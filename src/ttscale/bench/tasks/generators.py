"""Tasks that are generated: reasoning-gym and the bundled world, each with its own scorer."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ...answers import NumberRule, TextRule, number
from ...core import AnswerRule, Message, Problem, Prompt, UnknownName, UsageError, install_command
from ...core.prompt import MessageRole
from .prompt_templates import TEMPLATES, filled

SIZE = 100  # problems, if the number is not given
_RIGHT = 0.99  # reasoning-gym scores in [0, 1] and gives a little for wrong answers of the right form


def reasoning_gym(
    name: str, settings: dict[str, str], n: int | None, seed: int, template: str | None
) -> list[Problem]:
    """Problems of a reasoning-gym generator; `settings` are its configuration."""
    factory = _factory()
    if name not in factory.DATASETS:
        raise UnknownName("reasoning-gym generator", name, factory.DATASETS)
    known = [f.name for f in dataclasses.fields(factory.DATASETS[name][1])]
    for setting in settings:
        if setting not in known:
            raise UnknownName("setting", setting, known, f"reasoning-gym generator {name!r}")
    values = {key: _value(text) for key, text in settings.items()}
    size = values.pop("size", SIZE if n is None else n)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = factory.create_dataset(name, **{"seed": seed, **values, "size": size})
            entries = [data[i] for i in range(size if n is None else min(n, size))]
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(f"reasoning-gym generator {name!r} refuses its settings", fix=str(error)) from None
    references = [_text(entry["answer"]) for entry in entries]
    given = [r for r in references if r is not None]
    numeric = bool(given) and all(number(r) is not None for r in given)
    rule: AnswerRule = NumberRule() if numeric else TextRule()
    form = template or TEMPLATES[rule.name]
    used = values.get("seed", seed)
    return [
        Problem(
            f"{name}-{used}-{i}",
            Prompt.user(filled(entry["question"], form)),
            rule,
            reference,
            meta={"grade": partial(_solves, data.score_answer, entry)},
        )
        for i, (entry, reference) in enumerate(zip(entries, references, strict=True))
    ]


def lab(
    family: str, settings: dict[str, str], n: int | None, seed: int, template: str | None
) -> list[Problem]:
    """Problems of the bundled world, asked in the form that its model knows."""
    from ...worlds.arithmetic import FAMILIES, LEVELS, check_answer, messages, problems

    if family not in FAMILIES:
        raise UnknownName("family of the lab", family, FAMILIES)
    for setting in settings:
        if setting not in ("level", "split", "seed"):
            raise UnknownName("setting", setting, ("level", "split", "seed"), "task of the lab")
    written, split = settings.get("level", "2"), settings.get("split", "test")
    if not written.isdecimal() or int(written) not in LEVELS[family]:
        raise UsageError(f"level={written!r} of lab:{family}", fix="give 1 to 5")
    own = settings.get("seed", str(seed))
    if not own.isdecimal():
        raise UsageError(f"seed={own!r} of lab:{family}", fix="give a whole number")
    try:
        found = problems(family, int(written), n or SIZE, int(own), cast(Any, split))
    except ValueError as error:
        raise UsageError(f"lab:{family} at level {written}", fix=str(error)) from None
    rule: AnswerRule = TextRule() if family == "search" else NumberRule()
    made = []
    for p in found:
        if template:
            prompt = Prompt.user(filled(p.question, template))
        else:
            turns = messages("solve", p.question)
            prompt = Prompt(tuple(Message(cast(MessageRole, m["role"]), m["content"]) for m in turns))
        meta = {"grade": partial(check_answer, p), "level": p.level}
        made.append(Problem(p.id, prompt, rule, p.answer, meta=meta))
    return made


def _factory() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import reasoning_gym.factory
    except ImportError:
        raise UsageError("tasks of reasoning-gym need its package", fix=install_command("tasks")) from None
    return reasoning_gym.factory


def _solves(score: Callable[[str, Any], float], entry: Any, answer: str) -> bool:
    """Whether a generator's own scorer takes the answer; scorers raise on odd ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(score(answer, entry)) >= _RIGHT
    except Exception:
        return False


def _value(text: str) -> Any:
    """A setting's value: a JSON literal, or a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(answer: Any) -> str | None:
    return None if answer is None else str(answer)
