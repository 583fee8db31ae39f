"""What the arguments of `solve` stand for, and how wrong ones are refused."""

from __future__ import annotations

import pytest

import ttscale
from ttscale.answers import rule_for
from ttscale.arguments import limits_of, method_of, problem_of, role_sources, seed_of, source_of
from ttscale.cli.config import Config
from ttscale.core import Budget, Problem, Prompt, UsageError
from ttscale.methods.voting.self_consistency import self_consistency

COIN = "synthetic:p=0.9,length=20"
PROBLEM = Problem("q", Prompt.user("?"), rule_for("text"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """No test sees the user's configuration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TTSCALE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"question": 5}, "question=5"),
        ({"question": None}, "question=None"),
        ({"question": "a\udce4"}, "not text"),
        ({"method": 5}, "method=5"),
        ({"method": str}, "is not a method"),
        ({"budget": 5}, "budget=5"),
        ({"budget": ["tokens"]}, "budget="),
        ({"seed": "x"}, "seed='x'"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": True}, "seed=True"),
        ({"seed": -(1 << 64)}, "63 bits"),
        ({"images": ["none.png"]}, "'none.png'"),
        ({"images": [5]}, "images=5"),
        ({"images": 5}, "images=5"),
        ({"answer": 5}, "answer=5"),
        ({"choices": [1, 2]}, "choices=1"),
        ({"choices": ["a"] * 27}, "27 choices"),
        ({"reference": 391}, "reference=391"),
        ({"system": ["be brief"]}, "system="),
        ({"model": 5}, "model=5"),
        ({"roles": ["draft"]}, "roles="),
        ({"roles": {"draft": 5}}, "roles.draft=5"),
        ({"roles": {"main": COIN}}, "role 'main'"),
        ({"roles": {"draft": "tinny"}}, "'tiny'"),
    ],
)
def test_what_is_of_another_type_is_refused_by_name(wrong, named):
    with pytest.raises(UsageError) as refused:
        ttscale.solve(**{"question": "?", "model": COIN, **wrong})
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [{"answer": "number"}, {"choices": ["a"]}, {"reference": "3"}, {"system": "s"}, {"images": ["i.png"]}],
)
def test_a_problem_and_a_recorded_question_are_not_given_what_they_say_themselves(given, own_folder):
    (name,) = given
    with pytest.raises(UsageError, match=f"leave {name} out"):
        ttscale.solve(PROBLEM, model=COIN, **given)
    recording = own_folder / "samples.jsonl"
    recording.write_text('{"question_id": "q", "text": "\\\\boxed{3}", "tokens": 5, "finish": "stop"}\n')
    with pytest.raises(UsageError, match=f"leave {name} out"):
        ttscale.solve("q", model=f"replay:{recording}", **given)


def test_roles_may_have_any_name_but_that_of_the_main_model():
    for name in ("model", "config", "roles"):
        assert ttscale.solve("?", model=COIN, roles={name: COIN}).usage.samples == 1
    assert list(role_sources({"model": COIN}, Config())) == ["model"]


def test_a_method_is_given_as_text_with_parameters_or_by_itself():
    assert method_of("sc(n=3)").max_samples() == 3
    assert method_of(self_consistency(n=3)).max_samples() == 3
    assert method_of(self_consistency).cfg == self_consistency().cfg


def test_one_choice_or_image_may_stand_without_a_list(own_folder):
    (own_folder / "dot.png").write_bytes(b"\x89PNG")
    main = source_of(COIN, Config(), "model")
    (image,) = (own_folder / "dot.png",)
    problem = problem_of(main, "?", "text", choices="red", images=image)
    assert problem.choices == ("red",)
    assert problem.prompt.has_images


def test_limits_join_whatever_they_are_given_as():
    assert limits_of(None, tokens=None) is None
    assert limits_of({"samples": 2}, tokens=5) == Budget(samples=2, tokens=5)
    assert limits_of(Budget(units={"renders": 2}), cost=1.5) == Budget(units={"renders": 2}, cost=1.5)


def test_a_seed_without_fraction_is_a_whole_number():
    assert seed_of(3.0, Config()) == 3
    assert seed_of(None, Config(seed=4)) == 4
