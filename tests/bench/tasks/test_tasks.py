"""Tasks: from generators with their own scorers, from the bundled world, and from files."""

import base64

import orjson
import pytest

from ttscale.bench.tasks.task import load_task
from ttscale.core import RecordError, Trace, UnknownName, UsageError


def graded(problem, text):
    return problem.correct(problem.answer(Trace(text=text)))


@pytest.fixture
def write(tmp_path):
    def write(rows, name="some.jsonl"):
        path = tmp_path / name
        if isinstance(rows, str):
            path.write_text(rows)
        else:
            path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
        return path

    return write


@pytest.mark.parametrize("family", ["arith", "word", "search"])
def test_lab_problems_are_graded_by_the_lab(family):
    task = load_task(f"lab:{family}?level=2", n=4, seed=1)
    assert task.name == f"lab:{family}?level=2"
    assert len(task.problems) == 4
    for problem in task.problems:
        assert graded(problem, f"<think>hm</think>\n\\boxed{{{problem.reference}}}")
        assert not graded(problem, r"\boxed{7777}")
        assert problem.prompt.messages[0].role == "system"


def test_lab_problems_depend_on_the_seed_only():
    first, again, other = (load_task("lab:arith", n=3, seed=s).problems for s in (0, 0, 1))
    assert [p.prompt for p in first] == [p.prompt for p in again]
    assert first[0].prompt != other[0].prompt


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["rg:chain_sum?min_terms=4", "reasoning-gym:knights_knaves"])
def test_reasoning_gym_grades_with_its_own_scorers(spec):
    pytest.importorskip("reasoning_gym")
    task = load_task(spec, n=3, seed=5)
    assert len(task.problems) == 3
    for problem in task.problems:
        assert graded(problem, f"so \\boxed{{{problem.reference}}}")
        assert not graded(problem, r"\boxed{nonsense}")
        assert problem.correct("\0{") is False


@pytest.mark.slow
def test_reasoning_gym_names_the_nearest():
    pytest.importorskip("reasoning_gym")
    with pytest.raises(UnknownName, match="did you mean 'chain_sum'"):
        load_task("rg:chain_sums")
    with pytest.raises(UnknownName, match="did you mean 'min_terms'"):
        load_task("rg:chain_sum?min_trms=3")
    with pytest.raises(UsageError, match="min_terms must be positive"):
        load_task("rg:chain_sum?min_terms=0")


def test_a_file_of_questions(write):
    path = write([{"id": "a", "problem": "1+1?", "solution": "so #### 2"}, {"problem": "2+2?"}])
    task = load_task(f"file:{path}")
    first, second = task.problems
    assert (task.name, first.id, second.id) == ("some", "a", "1")
    assert first.reference == "2"
    assert first.prompt.text.startswith("1+1?\n\n")
    assert r"\boxed{}" in first.prompt.text
    assert graded(first, r"\boxed{2}")
    assert second.correct("4") is None
    assert len(load_task(str(path), n=1).problems) == 1


@pytest.mark.parametrize(
    ("answer", "other"), [("b", "a"), (1, 0), (2, 3), ("second", "first"), ("B", "third")]
)
def test_choices_by_letter_position_or_text(write, answer, other):
    choices = ["first", "second", "third"]
    path = write(
        [
            {"question": "Which?", "answer": answer, "choices": choices},
            {"question": "And now?", "answer": other, "choices": choices},
        ]
    )
    problem, _ = load_task(str(path)).problems
    assert problem.reference == "B"
    assert problem.choices == ("first", "second", "third")
    assert "A. first\nB. second\nC. third" in problem.prompt.text
    assert graded(problem, "The answer is (B).")


def test_images_are_read_beside_the_file(write, tmp_path):
    (tmp_path / "dot.png").write_bytes(b"\x89PNG")
    path = write([{"question": "What?", "answer": "dot", "images": ["dot.png", "https://x.y/z"]}])
    (problem,) = load_task(str(path)).problems
    _, local, remote = problem.prompt.messages[0].content
    assert local.url == "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    assert remote.url == "https://x.y/z"


def test_columns_rule_and_template_can_be_named(write):
    path = write("ask,key\nSay hi,hi\n", "t.csv")
    task = load_task(f"{path}?question=ask&answer=key&rule=text", template="Q: {question} {}")
    (problem,) = task.problems
    assert problem.prompt.text == "Q: Say hi {}"
    assert problem.rule.name == "text"
    with pytest.raises(UsageError, match="does not ask"):
        load_task(f"{path}?question=ask", template="hello")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "empty"),
        ("question,answer\n", "has no problems"),
        ("q,answer\n1,2\n", "no column of questions.*there are q, answer"),
        ("question,answer\n,2\n", "line 2: the question is empty"),
        ("id,question\n1,a\n1,b\n", "line 3: id '1' occurs twice"),
        ('question,answer,choices\na,Z,"[""x"", ""y""]"\n', "line 2: answer 'Z' is none of the 2"),
        ("question,answer,choices\na,A,x\n", "line 2: choices='x' is not a list"),
        ("question,image\na,none.png\n", "line 2: image 'none.png'"),
        ("question,image\na,[none.png\n", "line 2: images='.none.png' is not a list"),
    ],
)
def test_bad_files_are_told(write, rows, said):
    with pytest.raises(UsageError, match=said):
        load_task(str(write(rows, "t.csv")))


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("lab:arit", UnknownName, "did you mean 'arith'"),
        ("lab:arith?levl=2", UnknownName, "did you mean 'level'"),
        ("lab:arith?level=9", UsageError, "give 1 to 5"),
        ("lba:arith", UnknownName, "did you mean 'lab'"),
        ("none.csv", UsageError, "no file none.csv"),
    ],
)
def test_bad_specifications_name_the_fix(spec, error, said):
    with pytest.raises(error, match=said):
        load_task(spec)


def test_no_problems_at_all_is_an_error(write):
    with pytest.raises(UsageError, match="at least 1"):
        load_task("lab:arith", n=0)
    path = write("question,answer\na,b\n", "t.csv")
    with pytest.raises(UnknownName, match="did you mean 'answer'"):
        load_task(f"{path}?anser=b")
    with pytest.raises(RecordError, match="no column 'c'"):
        load_task(f"{path}?answer=c")
