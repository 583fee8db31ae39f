"""Prompts as data: which set is taken, what may be replaced, and what is refused before it costs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

import pytest
from fakes import Boxed, Scripted, answer, said

from ttscale.core import Card, Context, Image, Method, Outcome, Problem, Prompt, UsageError, declared
from ttscale.engines.catalogue.specification import open_model
from ttscale.methods import prompts as prompts_module
from ttscale.methods.prompts import PromptFile

TOML = """
[paper]
plan = "Plan in {steps} steps, as {\\"step1\\": 1}.\\n\\n{question}"
check = "Check {question}"

[tiny]
plan = { system = "Plan.", user = "{question}", prefix = "1. " }
"""


@pytest.fixture
def own(tmp_path: Path) -> PromptFile:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "method.toml").write_text(TOML)
    return PromptFile(str(tmp_path / "method.py"), plan=("steps",), check=())


@declared
class Config:
    """prompts, templates."""

    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)


def prompted(own: PromptFile, cfg: Config, trained_on: str = "", question: Prompt | None = None) -> Prompt:
    """What a method asks with this config of a model trained on that set."""

    async def plan(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
        own.check(cfg)
        say = own.chosen(cfg, ctx)
        await ctx.sample(say("plan", problem, steps="3"))
        return Outcome(None)

    engine = Scripted(lambda request: said("right"))
    engine.prompts = trained_on  # type: ignore[attr-defined]
    method = Method(Card(name="plan", title="Plan", what="sequential", stops="once"), plan, Config)
    answer(engine, method, cfg, of=Problem("q", question or Prompt.user("What?"), Boxed()))
    return engine.calls[0].prompt


def test_the_papers_words_are_taken_unless_the_model_was_trained_on_others(own) -> None:
    paper = Prompt.user('Plan in 3 steps, as {"step1": 1}.\n\nWhat?')
    tiny = Prompt.user("What?", system="Plan.").then("1. ")
    assert prompted(own, Config()) == paper
    assert prompted(own, Config(), trained_on="tiny") == tiny
    assert prompted(own, Config(), trained_on="a set this method has not") == paper
    assert prompted(own, Config(prompts="paper"), trained_on="tiny") == paper
    assert prompted(own, Config(prompts="tiny")) == tiny


def test_single_templates_and_their_parts_are_replaced(own) -> None:
    cfg = Config(templates={"plan": "{question}? {steps}!", "plan.system": "Be brief."})
    assert prompted(own, cfg) == Prompt.user("What?? 3!", system="Be brief.")


def test_what_is_filled_in_is_not_filled_again(own) -> None:
    asked = prompted(own, Config(), question=Prompt.user("Is {steps} a name?"))
    assert asked.text.endswith("Is {steps} a name?")


def test_a_file_of_ones_own_replaces_what_it_has(own, tmp_path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('plan = "Mine: {question}"\n')
    assert prompted(own, Config(prompts=str(mine))).text == "Mine: What?"
    mine.write_text('check = "Mine: {question}"\n')
    mine.touch()
    assert prompted(own, Config(prompts=str(mine))).text.startswith("Plan in 3 steps")


def test_the_images_of_a_question_go_along(own) -> None:
    image = Image("data:image/png;base64,AAAA")
    asked = prompted(own, Config(), question=Prompt.user("What?", image))
    assert asked.has_images
    assert asked.text.endswith("What?")


REFUSED = [
    ({"prompts": "papper"}, "did you mean 'paper'"),
    ({"prompts": "none.toml"}, "cannot read the prompts 'none.toml'"),
    ({"templates": {"plam": "x"}}, "did you mean 'plan'"),
    ({"templates": {"plan": "{stps}"}}, "holds {stps}"),
    ({"templates": {"plan.sistem": "x"}}, "did you mean 'system'"),
    ({"templates": {"check": "{steps}"}}, "it may hold {question}"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_cannot_be_used_is_refused_and_says_what_may_stand(own, given, message) -> None:
    with pytest.raises(UsageError) as refused:
        own.check(Config(**given))
    assert message in f"{refused.value} {refused.value.fix}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plan = ", "is not TOML"),
        ("plan = 3", "is not a text"),
        ("plan = { user = 3 }", "is not a text"),
        ('plan = { users = "x" }', "did you mean 'user'"),
        ('plan = "{what}"', "holds {what}"),
        ('[paper]\nplan = "x"', "paper"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(own, tmp_path, text, message) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(UsageError) as refused:
        own.check(Config(prompts=str(mine)))
    assert message in f"{refused.value} {refused.value.fix}"
    assert "mine.toml" in str(refused.value)


def test_bundled_models_say_which_prompts_they_were_trained_on() -> None:
    (source,) = open_model("tiny")
    pytest.importorskip("xllamacpp")
    assert source.make().prompts == "tiny"  # type: ignore[attr-defined]
    (other,) = open_model("openai:m@http://localhost:1?prompts=mine")
    assert other.make().prompts == "mine"  # type: ignore[attr-defined]


METHODS = Path(prompts_module.__file__).parent
FILES = sorted(METHODS.glob("*/prompts/*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_set_of_a_method_can_be_filled_and_the_papers_is_whole(path) -> None:
    module = importlib.import_module(f"ttscale.methods.{path.parent.parent.name}.{path.stem}")
    file: PromptFile = module.PROMPTS
    assert file.path == path
    assert set(file.sets()["paper"]) == set(file.places)
    # a template may be a beginning of the reply alone; a model that knows no such wish is asked nothing
    assert all(template.user or template.prefix for template in file.sets()["paper"].values())
