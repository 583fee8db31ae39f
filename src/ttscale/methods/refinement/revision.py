"""Asking again: what a turn leaves for the next, and the prompts that pass it on.

Three ways to carry a turn over: only its answer (Multi-round Thinking, arXiv:2503.19855), the whole
solution, or the solution with a reflection on it (3D scaling, arXiv:2511.15738). Only the latest
solution is shown, so that prompts do not grow with the number of turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...answers import reply_of
from ...core import THINK, Context, Message, Problem, Prompt, Trace

Carry = Literal["answer", "solution", "reflection"]

REANSWER = "The assistant's previous answer is: <answer>{answer}</answer>, and please re-answer."
REVISE = (
    "A previous solution:\n{solution}\n\n{notes}"
    "Improve on it: correct its errors, close its gaps, and give a full solution with its final "
    "answer."
)
CONTINUE = (
    "The beginning of a solution, which ran out of space:\n{solution}\n\n{notes}"
    "Go on from where it stops and bring it to its final answer."
)
REFLECT = (
    "{question}\n\nSelected solution:\n{best}\n\n{rejected}"
    "List the errors and gaps of the selected solution{versus}, and state what the next attempt "
    "should do. Do not write a new solution."
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn leaves behind.

    Attributes:
        best: its selected solution; answer: what that answers, None if it was cut short.
        reflection: the model's notes on it, "" if it made none.
    """

    best: Trace
    answer: str | None
    reflection: str = ""


def next_prompt(problem: Problem, turn: Turn, carry: Carry, thinking: bool) -> Prompt:
    """The question with what is carried over. A solution that ran out of space is carried as its
    text, whatever `carry` says: it has no answer yet, and its work would be lost."""
    if turn.answer is not None and carry == "answer":
        return continued(problem.prompt, REANSWER.format(answer=turn.answer))
    solution = shown(turn.best, thinking or turn.answer is None)
    if not solution:
        return problem.prompt
    notes = f"Notes on it:\n{turn.reflection}\n\n" if turn.reflection else ""
    form = CONTINUE if turn.best.finish == "length" else REVISE
    return continued(problem.prompt, form.format(solution=solution, notes=notes))


async def reflect(
    problem: Problem,
    ctx: Context,
    best: Trace,
    rejected: Trace | None,
    *,
    thinking: bool,
    max_tokens: int | None,
) -> Trace:
    """The model's notes on the selected solution, against a rejected one if there is one."""
    other = f"Rejected solution:\n{shown(rejected, thinking)}\n\n" if rejected else ""
    versus = " and what makes it better than the rejected one" if rejected else ""
    text = REFLECT.format(
        question=problem.prompt.text, best=shown(best, thinking), rejected=other, versus=versus
    )
    return await ctx.sample(Prompt.user(text), part="reflection", max_tokens=max_tokens)


def shown(trace: Trace, thinking: bool) -> str:
    """A solution as it is shown to a model: its reply, with the thinking before it if asked."""
    if not thinking:
        return reply_of(trace).strip()
    return THINK.removed(trace.text).strip()


def continued(prompt: Prompt, text: str) -> Prompt:
    """The prompt with `text` added to what the user said last."""
    if prompt.raw is not None:
        return replace(prompt, raw=f"{prompt.raw}\n\n{text}")
    messages = list(prompt.messages)
    for i in range(len(messages) - 1, -1, -1):
        if messages[i].role == "user":
            earlier = messages[i].content
            content = f"{earlier}\n\n{text}" if isinstance(earlier, str) else (*earlier, text)
            messages[i] = replace(messages[i], content=content)
            return replace(prompt, messages=tuple(messages))
    return replace(prompt, messages=(*messages, Message("user", text)))
