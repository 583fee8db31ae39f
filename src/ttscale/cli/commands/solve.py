"""`ttscale solve`: one question, one method, one budget."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import method_names, model_names
from ..options import assignments, budget_of, request_options
from ..outcome import show_outcome

if TYPE_CHECKING:
    from ...core import Outcome, SampleCount

EXAMPLES = """
\b
Examples:
  ttscale solve "What is 7*6?"
  ttscale solve "Find the value of 17+7*6." --method "ffs(n=8, k=4)" --answer number
  ttscale solve - --model openai:qwen3@http://localhost:8000/v1 --budget tokens=4000 < task.txt
"""


@click.command(epilog=EXAMPLES, short_help="Answer one question with a method and a budget.")
@click.argument("question")
@click.option(
    "-m",
    "--method",
    "method_spec",
    metavar="METHOD",
    shell_complete=method_names,
    help="As name or name(n=8, k=4).",
)
@click.option(
    "--model",
    "model_spec",
    metavar="MODEL",
    shell_complete=model_names,
    help="Specification, known name or alias.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=MODEL",
    help="A model for another role of the method, such as prm or draft; repeatable.",
)
@click.option(
    "--budget",
    multiple=True,
    metavar="KIND=LIMIT,...",
    help="Limits on tokens, sequential (tokens), samples, calls, seconds, cost.",
)
@click.option(
    "--answer",
    "rule_name",
    metavar="RULE",
    help="How answers are found and compared: math, number, integer, choice, code, text, tool.",
)
@click.option("--choice", "choices", multiple=True, help="A possible answer, in order A, B, C, ...")
@click.option("--reference", help="The right answer, if known: the result says whether it was found.")
@click.option("--system", help="A system message before the question.")
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="An image after the question; repeatable.",
)
@click.option("--temperature", type=float, help="Overrides the method's taste; 0 is greedy.")
@click.option("--top-p", type=float, help="In [0, 1].")
@click.option("--max-tokens", type=int, help="Generated tokens of one sample at most.")
@request_options
@click.option(
    "--rescue", is_flag=True, help="If all tokens went into thinking, end that and ask for the answer, once."
)
@click.option("--seed", type=int, help="The same seed draws the same samples.")
@click.option(
    "--show",
    multiple=True,
    type=click.Choice(["reply", "traces"]),
    help="The whole reply that speaks for the answer; all samples. Repeatable.",
)
@output.common
def solve(
    question: str,
    method_spec: str | None,
    model_spec: str | None,
    roles: tuple[str, ...],
    budget: tuple[str, ...],
    rule_name: str | None,
    choices: tuple[str, ...],
    reference: str | None,
    system: str | None,
    images: tuple[str, ...],
    rescue: bool,
    seed: int | None,
    show: tuple[str, ...],
    as_json: bool,
    **sampling: Any,
) -> None:
    """Answer QUESTION, or the text on standard input if it is "-".

    The answer goes to standard output, what it cost to standard error. For a recording
    (replay:FILE), QUESTION is the id or the text of a recorded question.
    """
    from ...session import session_on
    from ..config import load

    text = sys.stdin.read() if question == "-" else question
    config = load()
    session = session_on(model_spec, assignments(roles, "--role"), config)
    attempt = session.attempt(
        text,
        method=method_spec,
        budget=budget_of(budget),
        answer=rule_name,
        choices=choices,
        reference=reference,
        system=system,
        images=images,
        rescue=rescue,
        seed=seed,
        **sampling,
    )
    progress = _Progress(attempt.method.label, attempt.count)
    with progress.shown(not attempt.run.token_time):
        outcome = attempt.execute(progress.follow)
    show_outcome(outcome, attempt.problem, attempt.method, session.sources, attempt.run.seed, show, as_json)


class _Progress:
    """Samples and tokens so far, on a terminal's stderr; silent elsewhere."""

    def __init__(self, label: str, count: SampleCount) -> None:
        self._label, self._count = label, count
        self._status: Any = None

    @contextmanager
    def shown(self, worth_it: bool) -> Iterator[None]:
        """Show the progress while the block lasts."""
        if not (worth_it and sys.stderr.isatty()):
            yield
            return
        with output.stderr().status(f"{self._label}: getting ready") as self._status:
            yield
        self._status = None

    async def follow(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Await `work` and show how far it is."""
        if self._status is None:
            return await work
        return await self._count.followed(work, lambda text: self._status.update(f"{self._label}: {text}"))
