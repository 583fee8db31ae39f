"""`ttscale solve`: one question, one method, one budget."""

from __future__ import annotations

import string
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import output
from .completing import method_names, model_names
from .options import assignments, budget_of, opened, seed_of
from .outcome import tell

if TYPE_CHECKING:
    from ..core import AnswerRule, Call, Outcome, Problem, Trace
    from ..engines.spec import ModelSource

EXAMPLES = """
\b
Examples:
  ttscale solve "What is 17 * 23?"
  ttscale solve "What is 17 * 23?" --method "ffs(n=8, k=2)" --answer number
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
    "--model", "model_spec", metavar="MODEL", shell_complete=model_names,
    help="Specification, known name or alias.",
)  # fmt: skip
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE=MODEL",
    help="A model for another role of the method, such as prm or draft; repeatable.",
)  # fmt: skip
@click.option(
    "--budget", multiple=True, metavar="KIND=LIMIT,...",
    help="Limits on tokens, sequential (tokens), samples, seconds, cost.",
)  # fmt: skip
@click.option(
    "--answer", "rule_name", metavar="RULE",
    help="How answers are found and compared: math, number, integer, choice, code, text, tool.",
)  # fmt: skip
@click.option("--choice", "choices", multiple=True, help="A possible answer, in order A, B, C, ...")
@click.option(
    "--reference", help="The right answer, if known: the result says whether it was found."
)
@click.option("--system", help="A system message before the question.")
@click.option(
    "--image", "images", multiple=True, type=click.Path(exists=True, dir_okay=False),
    help="An image after the question; repeatable.",
)  # fmt: skip
@click.option("--temperature", type=float, help="Overrides the method's taste; 0 is greedy.")
@click.option("--top-p", type=float, help="In [0, 1].")
@click.option("--max-tokens", type=int, help="Generated tokens of one sample at most.")
@click.option("--seed", type=int, help="The same seed draws the same samples.")
@click.option(
    "--show", multiple=True, type=click.Choice(["reply", "traces"]),
    help="The whole reply that speaks for the answer; all samples. Repeatable.",
)  # fmt: skip
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
    seed: int | None,
    show: tuple[str, ...],
    as_json: bool,
    **sampling: Any,
) -> None:
    """Answer QUESTION, or the text on standard input if it is "-".

    The answer goes to standard output, what it cost to standard error. For a recording
    (replay:FILE), QUESTION is the id or the text of a recorded question.
    """
    from ..core import Run, Sampling, UsageError, execute
    from ..methods.registry import parse
    from .config import load

    text = (sys.stdin.read() if question == "-" else question).strip()
    if not text:
        raise UsageError("the question is empty", fix="give a question, or '-' and a text on stdin")
    config = load()
    limits = budget_of(budget) or config.budget
    method = parse(method_spec or config.method or "simple")
    asked = Sampling.of({k: v for k, v in sampling.items() if v is not None})
    seed = seed_of(seed, config)

    sources = {"main": opened(model_spec, config, "--model")}
    for role, role_spec in assignments(roles, "--role").items():
        sources[role] = opened(role_spec, config, "--role")
    rule_name = rule_name or ("choice" if choices else config.answer)
    "".join((text, *choices, reference or "", system or "")).encode()  # bytes are no question
    problem = _problem(sources["main"], text, rule_name, choices, reference, system, images)
    progress = _Progress(method.label)
    engines = {source.spec: source.make() for source in sources.values()}
    run = Run(
        {role: engines[source.spec] for role, source in sources.items()},  # loaded once
        seed=seed,
        request=asked,
        defaults={role: model.sampling.over(config.sampling) for role, model in sources.items()},
        prices={role: source.price for role, source in sources.items() if source.price},
        journal=progress,
    )

    async def answered() -> Outcome:
        return await run.answer(method, problem, budget=limits)

    with progress.shown(not run.token_time):
        outcome = execute(run, lambda: progress.watch(answered()))
    tell(outcome, problem, method, sources, seed, show, as_json)


def _problem(
    main: ModelSource,
    text: str,
    rule_name: str,
    choices: tuple[str, ...],
    reference: str | None,
    system: str | None,
    images: tuple[str, ...],
) -> Problem:
    from ..answers import ChoiceRule, rule_for
    from ..core import Image, Problem, Prompt, UnknownName, UsageError

    if main.pools:
        problems = main.pools[0].problems
        found = next((p for p in problems if text in (p.id, p.prompt.text)), None)
        if found is None:
            raise UnknownName(
                f"question of recording {main.spec!r}", text, [p.id for p in problems]
            )
        return found
    letters = string.ascii_uppercase[: len(choices)]
    if choices and rule_name == "choice":
        if len(choices) > len(letters):
            raise UsageError(f"{len(choices)} choices", fix="give at most 26")
        rule: AnswerRule = ChoiceRule(letters)
    else:
        rule = rule_for(rule_name)
    listed = "".join(f"\n{letter}) {choice}" for letter, choice in zip(letters, choices))
    asked = f"{text}\n{listed}" if choices else text
    prompt = Prompt.user(asked, *map(Image.read, images), system=system)
    return Problem("question", prompt, rule, reference, choices)


class _Progress:
    """Samples and tokens so far, on a terminal's stderr; silent elsewhere.

    It looks on as a journal that has nothing to serve: it is asked before every draw and told of
    every trace that lands.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._finished = self._tokens = 0
        self._under_way: dict[Any, None] = {}
        self._status: Any = None

    def served(self, call: Call) -> None:
        self._under_way[call] = None

    def record(self, call: Call, trace: Trace) -> None:
        self._under_way.pop(call, None)
        self._finished += 1
        self._tokens += trace.tokens

    def judged(self, problem: Problem, traces: Sequence[Trace]) -> None:
        pass

    @contextmanager
    def shown(self, worth_it: bool) -> Iterator[None]:
        """Show the progress while the block lasts."""
        if not (worth_it and sys.stderr.isatty()):
            yield
            return
        with output.stderr().status(f"{self._label}: getting ready") as self._status:
            yield
        self._status = None

    async def watch(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Await `work` and show how far it is, five times a second."""
        if self._status is None:
            return await work
        import asyncio

        async def report() -> None:
            while True:
                started = self._finished + len(self._under_way)
                tokens = self._tokens + sum(draw.seen() for draw in self._under_way)
                self._status.update(
                    f"{self._label}: {self._finished} of {started} samples finished, "
                    f"{tokens:,} tokens"
                )
                await asyncio.sleep(0.2)

        reporting = asyncio.create_task(report())
        try:
            return await work
        finally:
            reporting.cancel()
