"""What claims are measured with counts what it spends, and says what is not there."""

from dataclasses import replace

import pytest

from ttscale.answers import TextRule
from ttscale.core import Problem, Prompt
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.reproduce.protocol import Above, Claim, Figure, Laboratory, Lacking, System, Verdict, laboratory
from ttscale.reproduce.protocol.results import Result, measure, write

COLUMNS = "question,sample,answer,reference,completion_tokens\n"
ROWS = [
    ("q1", "4", "4"),
    ("q1", "4", "4"),
    ("q1", "5", "4"),
    ("q2", "7", "7"),
    ("q2", "8", "7"),
    ("q2", "8", "7"),
]


@pytest.fixture
def recordings(tmp_path):
    lines = [f"{q},{i % 3},{answer},{gold},{10 + i}" for i, (q, answer, gold) in enumerate(ROWS)]
    (tmp_path / "mine.csv").write_text(COLUMNS + "\n".join(lines) + "\n")
    return tmp_path


def test_a_recording_that_is_not_there_is_named(recordings):
    assert Laboratory(recordings).recording("mine.csv").is_file()
    with pytest.raises(Lacking, match=r"other\.csv, which is not in"):
        Laboratory(recordings).recording("other.csv")
    with pytest.raises(Lacking, match=r"other\.csv: --data DIR or TTSCALE_DATA"):
        Laboratory().recording("other.csv")


def test_methods_are_compared_on_the_same_questions(recordings):
    lab = Laboratory(recordings)
    found = lab.bench(["simple", "sc(n=3)"], f"replay:{lab.recording('mine.csv')}")
    assert found.grades("simple") == {"q1": (2, 3), "q2": (1, 3)}
    assert found.grades("sc(n=3)") == {"q1": (1, 1), "q2": (0, 1)}
    assert found.difference("sc(n=3)", "simple").value == pytest.approx((1 / 3 - 1 / 3) / 2)
    assert (lab.generated, lab.calls, lab.replayed) == (0, 0, 2 * sum(range(10, 16)))


def test_methods_are_found_as_they_were_written(recordings):
    lab, spec = Laboratory(recordings), "best-of-n(n=3, verifier=oracle, weighted=true)"
    found = lab.bench([spec], f"replay:{lab.recording('mine.csv')}")
    assert found.grades(spec) == {"q1": (1, 1), "q2": (1, 1)}


def test_a_model_that_is_not_there_is_lacking():
    with pytest.raises(Lacking, match="no-such-model"):
        Laboratory().bench(["simple"], "no-such-model", ["lab:word?level=1"])


@pytest.mark.parametrize(("spec", "package"), [("tiny", "xllamacpp"), ("transformers:here", "torch")])
def test_a_model_whose_package_is_not_there_says_which(monkeypatch, spec, package):
    monkeypatch.setattr(laboratory, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(Lacking, match=rf"^{package}: .*pip install"):
        Laboratory().model(spec)


def test_worlds_draw_other_samples_for_other_questions():
    lab = Laboratory()
    world = Synthetic(binary(0.5))
    problems = [Problem(f"q{i}", Prompt.user("?"), TextRule(), "right") for i in range(40)]
    answers = [outcome.answer for outcome in lab.answer("simple", world, problems)]
    assert {"right", "wrong"} == set(answers)
    assert (lab.generated, lab.replayed > 0) == (0, True)
    assert [outcome.answer for outcome in Laboratory().answer("simple", world, problems)] == answers


def test_a_method_for_a_set_answers_them_together():
    lab, world = Laboratory(), Synthetic(binary(0.5))
    problems = [Problem(f"q{i}", Prompt.user("?"), TextRule(), "right") for i in range(5)]
    outcomes = lab.answer("pets(average=4, options=2)", world, problems)
    drawn = [outcome.extra["drawn"] for outcome in outcomes]
    assert sum(drawn) == 20
    assert len(set(drawn)) > 1


@pytest.mark.real
def test_a_live_model_is_recorded_once_and_replayed():
    pytest.importorskip("xllamacpp")
    lab = Laboratory()
    source = lab.record("tiny", "lab:arith?level=1", n=3, samples=4, logprobs=5)
    generated = lab.generated
    found = lab.bench(["sc(n=4)", "deepconf(n=4, window=8)", "simple"], source)
    assert {name: found.rows[name].repeats for name in found.rows} == {
        "sc(n=4)": 1,
        "deepconf(n=4, window=8)": 1,
        "simple": 4,
    }
    whole = found.rows["sc(n=4)"].completion_tokens_total
    assert lab.generated == generated == whole == found.rows["simple"].completion_tokens_total
    assert lab.replayed == 3 * whole


def test_work_shared_by_claims_is_done_once():
    made = []
    lab = Laboratory()
    make = lambda lab: made.append(lab) or len(made)  # noqa: E731
    assert (lab.once(make), lab.once(make), len(made)) == (1, 1, 1)


def lacks(lab):
    return Figure.exact(lab.recording("gone.csv").stat().st_size)


SYSTEM = System(
    name="x",
    claims=(
        Claim(
            name="a",
            text="",
            source="",
            effect="one",
            criterion=Above(0.0),
            measure=lambda lab: Figure.exact(1),
        ),
        Claim(name="b", text="", source="", effect="two", criterion=Above(0.0), measure=lacks),
    ),
)


def test_a_missing_recording_costs_its_claim_and_no_other():
    found = measure(SYSTEM, Laboratory())
    assert [f.verdict for f in found.findings] == [Verdict.REPRODUCED, Verdict.NEEDS]
    assert "gone.csv" in found.findings[1].needs


def test_a_missing_package_is_what_a_claim_needs():
    def imports(lab):
        import no_such_package  # noqa: F401

    claim = replace(SYSTEM.claims[0], measure=imports)
    (found,) = measure(System(name="x", claims=(claim,)), Laboratory()).findings
    assert (found.verdict, found.needs) == (Verdict.NEEDS, "the Python package no_such_package")


def test_results_survive_their_file(tmp_path):
    import orjson

    found = measure(SYSTEM, Laboratory())
    path = write(found, tmp_path / "new")
    assert Result.from_dict(orjson.loads(path.read_bytes())).as_dict() == orjson.loads(
        orjson.dumps(found.as_dict())
    ) | {"findings": found.as_dict()["findings"], "curves": []}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]
