"""The way in from Python."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading

import pytest
from fakes import Live, Scripted, method_of, said

import ttscale
from ttscale.answers import TextRule
from ttscale.bench import load_task
from ttscale.cli.config import Config
from ttscale.core import Budget, Outcome, Problem, Prompt, UnknownName, UsageError
from ttscale.engines import ModelSource
from ttscale.methods.voting.self_consistency import self_consistency
from ttscale.session import Session

COIN = "synthetic:p=0.9,length=20"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """No test sees the user's configuration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TTSCALE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_call_answers_a_question_on_the_bundled_reasoner():
    (problem,) = load_task("lab:arith?level=1", n=1, seed=0).problems
    outcome = ttscale.solve(problem, method="self-consistency(n=3)", tokens=600, seed=1)
    assert problem.correct(outcome.answer) is not None
    assert outcome.answer is not None
    assert outcome.usage.samples == 3
    assert 0 < outcome.usage.completion_tokens <= 600


def test_the_call_works_inside_a_running_loop_and_its_errors_arrive():
    async def notebook():
        outcome = ttscale.solve("?", model=COIN, method=self_consistency(n=5))
        with pytest.raises(UnknownName, match="self-consistency"):
            ttscale.solve("?", model=COIN, method="self-consistancy")
        return outcome

    outcome = asyncio.run(notebook())
    assert outcome.answer in ("right", "wrong")
    assert outcome.usage.samples == 5
    assert not [t for t in threading.enumerate() if t.name == "ttscale.solve"]


def test_the_awaited_call_gives_the_same_outcome():
    asked = {"model": COIN, "method": "sc(n=5)", "seed": 3}
    waited = asyncio.run(ttscale.asolve("?", **asked))
    blocked = ttscale.solve("?", **asked)
    assert (waited.answer, waited.usage.as_dict()) == (blocked.answer, blocked.usage.as_dict())


@pytest.mark.parametrize("model", [COIN, "tiny"])
def test_a_session_answers_several_questions_on_models_opened_once(model):
    async def main():
        async with ttscale.open(model) as session:
            alone = await session.solve("What is 1 + 2?", answer="text", seed=1)
            both = await asyncio.gather(
                *(session.solve("What is 1 + 2?", answer="text", seed=s) for s in (1, 2))
            )
        return alone, both

    alone, both = asyncio.run(main())
    assert alone.traces[0].finish == "stop"
    assert both[0].traces[0].text == alone.traces[0].text  # the same seed, the same sample


def test_budgets_are_given_as_objects_mappings_or_keywords():
    for budget in ({"budget": Budget(samples=2)}, {"budget": {"samples": 2}}):
        assert ttscale.solve("?", model=COIN, method="sc(n=5)", **budget).usage.samples == 2
    limited = ttscale.solve("?", model=COIN, method="sc(n=50)", tokens=90)
    assert limited.stopped_by == "budget:tokens"
    with pytest.raises(UsageError, match="tokens is given twice"):
        ttscale.solve("?", model=COIN, budget={"tokens": 10}, tokens=10)


def test_a_problem_brings_its_own_rule_and_reference():
    from ttscale.answers import rule_for

    problem = Problem("q", Prompt.user("?"), rule_for("text"), reference="right")
    outcome = ttscale.solve(problem, model="synthetic:p=1,length=9", method="sc(n=3)")
    assert problem.correct(outcome.answer)


def test_the_configuration_of_the_user_holds(own_folder):
    (own_folder / "ttscale.toml").write_text(
        f'[defaults]\nmodel = "coin"\nmethod = "sc(n=7)"\n[models]\ncoin = "{COIN}"\n'
    )
    assert ttscale.solve("?").usage.samples == 7


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "tinny"}, "tiny"),
        ({"temprature": 0.5}, "temperature"),
        ({"answer": "nummber"}, "number"),
        ({"budget": {"token": 3}}, "tokens"),
        ({"seed": 1 << 70}, "63 bits"),
    ],
)
def test_what_is_not_known_is_refused_with_what_was_probably_meant(asked, said):
    with pytest.raises(UsageError) as refused:
        ttscale.solve("?", **{"model": COIN, **asked})
    assert said in str(refused.value)


def test_every_exported_name_is_there_and_nothing_is_loaded_before_it_is_used():
    assert [name for name in ttscale.__all__ if not hasattr(ttscale, name)] == []
    assert set(ttscale.__all__) <= set(dir(ttscale))
    with pytest.raises(AttributeError, match="solv"):
        ttscale.solv  # noqa: B018
    script = "import json, sys, ttscale; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = [name for name in json.loads(ran.stdout) if name.startswith("ttscale")]
    assert loaded == ["ttscale"]


def test_importing_takes_less_than_a_sixth_of_a_second():
    """Of processor time beyond a bare interpreter's, the best of five: a busy machine only adds."""

    def took(script: str) -> float:
        timed = f"import time; began = time.process_time(); {script}; print(time.process_time() - began)"
        return min(
            float(subprocess.run([sys.executable, "-c", timed], capture_output=True, check=True).stdout)
            for _ in range(5)
        )

    assert took("import ttscale") < 0.15


def test_an_outcome_says_whether_it_is_right_and_shows_itself_shortly():
    asked = {"model": "synthetic:p=1,length=20", "method": "sc(n=3)", "answer": "text"}
    outcome = ttscale.solve("<b>?", reference="right", **asked)
    assert outcome.correct is True
    assert ttscale.solve("?", reference="left", **asked).correct is False
    assert ttscale.solve("?", **asked).correct is None
    assert repr(outcome) == (
        f"<Outcome 'right': right, 3 samples, {outcome.usage.completion_tokens} tokens, stopped by n_samples>"
    )
    outcome.answer = "<i>"
    assert "&lt;i&gt;" in outcome._repr_html_()
    assert outcome._repr_html_().count("<details>") == 3


def test_a_method_cannot_see_whether_what_it_runs_is_right():
    seen = []

    async def peeking(problem, ctx, cfg) -> Outcome:
        inner = await ctx.solve(self_consistency(n=3), problem)
        seen.append(inner.correct)
        return inner

    problem = Problem("q", Prompt.user("?"), TextRule(), reference="right")
    outcome = ttscale.solve(problem, model="synthetic:p=1,length=9", method=method_of(peeking))
    assert (seen, outcome.correct) == ([None], True)


def test_the_bundled_reasoner_is_asked_as_it_was_trained_and_anything_else_as_it_stands():
    asked = ttscale.open("tiny").attempt("What is 1 + 2?").problem.prompt.messages
    assert [m.role for m in asked] == ["system", "user"]
    own = ttscale.open("tiny").attempt("What is 1 + 2?", system="Be brief.").problem.prompt.messages
    assert own[0].content == "Be brief."
    assert [m.role for m in ttscale.open(COIN).attempt("?").problem.prompt.messages] == ["user"]


def test_a_session_compares_methods_and_keeps_the_run_where_it_is_asked_to(own_folder):
    (own_folder / "mine.csv").write_text("question,answer\na,right\nb,right\nc,right\n")

    async def main(**settings):
        async with ttscale.open(COIN) as session:
            return await session.bench("sc(n=3)", self_consistency(n=5), task="mine.csv", seed=2, **settings)

    kept = asyncio.run(main(out="kept.db"))
    assert [row.method for row in kept] == ["sc(n=3)", "self-consistency(n=5)"]
    assert kept["sc(n=3)"].questions == 3
    assert "95%" in kept._repr_html_()
    assert "├" in repr(kept)
    with pytest.raises(UnknownName, match="sc"):
        kept["sc(n=4)"]
    assert (own_folder / "kept.db").exists()
    assert asyncio.run(main())["sc(n=3)"].accuracy == kept["sc(n=3)"].accuracy, "the same seed"


def test_a_cancelled_comparison_stops(own_folder):
    (own_folder / "mine.csv").write_text("question\n" + "".join(f"q{i}\n" for i in range(2000)))

    async def main():
        async with ttscale.open("synthetic:p=0.5,length=2000") as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await session.bench("sc(n=64)", task="mine.csv", out="cut.db")

    asyncio.run(main())  # waits for the thread: it would go on for minutes
    assert not [t for t in threading.enumerate() if t.name.startswith("ttscale")]


def sources(**engines):
    return {role: ModelSource(name=role, spec=role, make=lambda e=e: e) for role, e in engines.items()}


def test_questions_are_asked_of_an_open_session_only():
    async def main():
        session = ttscale.open("tiny")
        with pytest.raises(UsageError, match="not open"):
            await session.solve("?")
        async with session:
            pass
        with pytest.raises(UsageError, match="not open"):
            await session.solve("?")

    asyncio.run(main())


def test_an_engine_beside_a_recording_is_open_for_one_question_at_a_time():
    class Judge(Live):
        open_now = most = answered = 0

        async def open(self):
            self.open_now += 1
            self.most = max(self.most, self.open_now)

        async def close(self):
            self.open_now -= 1

        def start(self, request):
            assert self.open_now == 1
            self.answered += 1
            return super().start(request)

    async def checked(problem, ctx, cfg) -> Outcome:
        trace = await ctx.sample(problem.prompt)
        await ctx.sample(problem.prompt, role="judge")
        return Outcome(problem.answer(trace), trace)

    judge = Judge(lambda request: said("A"))
    recorded = Scripted(lambda request: said("A"))

    async def main():
        async with Session(sources(main=recorded, judge=judge), Config()) as session:
            asking = (session.solve("?", method=method_of(checked)) for _ in range(3))
            return await asyncio.gather(*asking)

    assert [outcome.usage.calls for outcome in asyncio.run(main())] == [2, 2, 2]
    assert (judge.answered, judge.most, judge.open_now) == (3, 1, 0)
