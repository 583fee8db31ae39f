"""Prompts are data: what a method says to a model stands in a TOML file beside the method.

    # prompts/some_method.toml
    [paper]
    plan = "Split the question into sub-questions.\\n\\n{question}"

    [tiny]
    plan = { system = "Plan the steps.", user = "{question}" }

A section is a set: "paper" says what the paper asks, in our words, and has every template; "tiny" has
the forms that the bundled reasoner was trained on. A template is the user's turn, or a table of `user`,
`system` and `prefix` (how the reply begins). `{name}` is filled in; all other braces stay as they are,
so that JSON needs no escapes. `{question}` is the problem's own text, and its images go along.

    PROMPTS = PromptFile(__file__, plan=(), solve=("plan",))      # templates, and what each may hold
    ...
    prompts: str = "auto"                                         # in the method's config
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)
    ...
    say = PROMPTS.chosen(cfg, ctx)                                # role="planner" for another role
    trace = await ctx.sample(say("plan", problem))

`prompts` is "auto" (the set that the role's model was trained on, as its specification says, else
"paper"), the name of a set, or a file of one's own that holds templates without sections; what it leaves
out is as in "paper". The config documents it as "prompts: file of ...", and the card names it among `files`,
so that no client makes a server read one. `templates` replaces single ones: "plan", "plan.system",
"plan.prefix".
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..core import Context, Image, Message, Problem, Prompt, UnknownName, UsageError

PAPER = "paper"
AUTO = "auto"
_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PARTS = ("user", "system", "prefix")


@dataclass(frozen=True, slots=True)
class Template:
    """One request: the turns before the reply, and its beginning; `{name}` is still to be filled in."""

    user: str
    system: str = ""
    prefix: str = ""

    def places(self) -> set[str]:
        """The names it holds."""
        return {name for part in _PARTS for name in _PLACE.findall(getattr(self, part))}

    def filled(self, problem: Problem, values: Mapping[str, str]) -> Prompt:
        """The prompt, with the problem's images."""
        user, system, prefix = (_fill(getattr(self, part), problem, values) for part in _PARTS)
        prompt = Prompt.user(user, *_images(problem.prompt), system=system or None)
        return prompt.then(prefix) if prefix else prompt


@dataclass(frozen=True, slots=True)
class Prompts:
    """The templates of one method for one role: `say("plan", problem, level="3")` is a prompt."""

    templates: Mapping[str, Template]

    def __call__(self, name: str, problem: Problem, **values: str) -> Prompt:
        return self.templates[name].filled(problem, values)

    def text(self, name: str, problem: Problem, **values: str) -> str:
        """The user's turn alone: for templates that are a piece of another."""
        return _fill(self.templates[name].user, problem, values)


class Settings(Protocol):
    """What a method's config declares, so that its prompts can be chosen."""

    @property
    def prompts(self) -> str: ...

    @property
    def templates(self) -> Mapping[str, str]: ...


class PromptFile:
    """The prompts of one method: `prompts/NAME.toml` beside its module NAME. Read when needed.

    Args:
        module: the method's `__file__`.
        places: template -> what it may hold besides the question.
    """

    def __init__(self, module: str, **places: Collection[str]) -> None:
        at = Path(module)
        self.path = at.parent / "prompts" / f"{at.stem}.toml"
        self.places = {name: frozenset(["question", *names]) for name, names in places.items()}
        self._read: dict[Path, tuple[int, Mapping[str, Mapping[str, Template]]]] = {}  # by time of change

    def check(self, cfg: Settings) -> None:
        """Refuse settings that name no set, a file that cannot be used, or templates that cannot be
        filled: for a config's `__post_init__`.

        Raises:
            UsageError: saying which, and what may stand there.
        """
        if cfg.prompts != AUTO or cfg.templates:
            self._templates(cfg, cfg.prompts if cfg.prompts != AUTO else PAPER)

    def chosen(self, cfg: Settings, ctx: Context, role: str = "main") -> Prompts:
        """The templates for a role."""
        name = cfg.prompts
        if name == AUTO:
            name = ctx.prompts_of(role)
            if name not in self.sets():
                name = PAPER
        return Prompts(self._templates(cfg, name))

    def sets(self) -> Mapping[str, Mapping[str, Template]]:
        """Every set of the method's own file."""
        return self._of_file(self.path, True)

    def _templates(self, cfg: Settings, name: str) -> dict[str, Template]:
        sets = self.sets()
        chosen = dict(sets[PAPER])
        if _is_path(name):
            chosen.update(self._of_file(Path(os.path.expanduser(name)), False)[""])
        elif name in sets:
            chosen.update(sets[name])
        else:
            raise UnknownName("set of prompts", name, [AUTO, *sets])
        for key, text in cfg.templates.items():
            template, _, part = key.partition(".")
            self._known(template, "templates")
            if (part or "user") not in _PARTS:
                raise UnknownName("part of a template", part, _PARTS)
            chosen[template] = replace(chosen[template], **{part or "user": text})
            self._fillable(template, chosen[template], "templates")
        return chosen

    def _of_file(self, path: Path, sections: bool) -> Mapping[str, Mapping[str, Template]]:
        """Set -> template name -> template; a file without sections is the set ""."""
        try:
            changed = path.stat().st_mtime_ns
            if path in self._read and self._read[path][0] == changed:
                return self._read[path][1]
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"cannot read the prompts {str(path)!r}: {error.strerror}", fix="check the path"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not TOML: {error}", fix="correct the file") from None
        sets = {
            name: {key: self._template(key, value, path) for key, value in section.items()}
            for name, section in (content if sections else {"": content}).items()
        }
        self._read[path] = (changed, sets)
        return sets

    def _template(self, key: str, value: Any, path: Path) -> Template:
        self._known(key, str(path))
        parts = {"user": value} if isinstance(value, str) else value
        if not isinstance(parts, dict) or not all(isinstance(text, str) for text in parts.values()):
            raise UsageError(
                f"{path}: template {key!r} is not a text", fix="give a text, or a table of user and system"
            )
        for part in parts:
            if part not in _PARTS:
                raise UnknownName("part of a template", part, _PARTS, f"{path}, {key!r}")
        texts = {name: text if name == "prefix" else text.strip("\n") for name, text in parts.items()}
        template = Template(**{"user": "", **texts})
        self._fillable(key, template, str(path))
        return template

    def _known(self, template: str, where: str) -> None:
        if template not in self.places:
            raise UnknownName("template", template, self.places, where)

    def _fillable(self, key: str, template: Template, where: str) -> None:
        known = self.places[key]
        for name in sorted(template.places() - known):
            shown = ", ".join(f"{{{place}}}" for place in sorted(known))
            raise UsageError(f"{where}: template {key!r} holds {{{name}}}", fix=f"it may hold {shown}")


def _fill(text: str, problem: Problem, values: Mapping[str, str]) -> str:
    known = {"question": problem.prompt.text, **values}
    return _PLACE.sub(lambda place: known[place[1]], text)


def _is_path(name: str) -> bool:
    """Whether it names a file: sets have neither a suffix nor a folder."""
    return name.endswith(".toml") or "/" in name or os.sep in name


def _images(prompt: Prompt) -> list[Image]:
    """The images of the last user turn."""
    turn: Message | None = next((m for m in reversed(prompt.messages) if m.role == "user"), None)
    parts = turn.content if turn is not None else ""
    return [] if isinstance(parts, str) else [part for part in parts if isinstance(part, Image)]
