"""Questions of generated worlds are answered in a box and nowhere else."""

from ttscale.core import Trace
from ttscale.engines.synthetic import StepWorld
from ttscale.reproduce.protocol import Laboratory
from ttscale.reproduce.worlds.scripted import questions


def test_a_step_is_no_answer():
    (question,) = questions(1)
    assert question.answer(Trace("ok\n\nbad", 2)) is None
    assert question.answer(Trace("ok\n\n\\boxed{wrong} \\boxed{right}", 2)) == "right"
    world = StepWorld(1.0, 3)
    (outcome,) = Laboratory().answer("beam-search(n=2, width=2)", {"main": world, "prm": world}, [question])
    assert (outcome.answer, outcome.usage.completion_tokens) == ("right", 6)
