"""What the verbose model does, for `lab_report`: its overthinking, and the roles that only it plays."""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_client import Client, Reply, Result, interval, length, pass_at_1, sample_items
from lab_table import Table
from tokenizers import Tokenizer

from ttscale.worlds.arithmetic import FAMILIES, WorldProblem, check_answer, extract_answer, messages, problems
from ttscale.worlds.arithmetic.conditions import faulty_conditions, right_conditions
from ttscale.worlds.arithmetic.skills import SYSTEM
from ttscale.worlds.arithmetic.solutions import Noise, reason, render
from ttscale.worlds.arithmetic.sub_questions import sub_questions, usable
from ttscale.worlds.arithmetic.verbose.documents import STOP, verbose_document
from ttscale.worlds.arithmetic.verbose.overthinking import verbose
from ttscale.worlds.arithmetic.verbose.thoughts import TraceStatistics, trace_statistics

LONG = 1200  # tokens of a verbose reply at most
EARLIEST, LATEST = 0.3, 0.5  # share of a right trace after which its answer is there
USEFUL = (0.1, 0.3)
GREEDY = {"temperature": 0}
ROUNDS = 3  # of revision


@dataclass(frozen=True, slots=True)
class Long:
    """A problem with its verbose replies and their statistics."""

    result: Result
    statistics: list[TraceStatistics]

    def of(self, right: bool) -> list[TraceStatistics]:
        return [s for s, ok in zip(self.statistics, self.result.right, strict=True) if ok == right]


async def verbose_items(
    client: Client, chosen: list[WorldProblem], n: int, role: str = "verbose"
) -> list[Long]:
    results = await sample_items(client, chosen, n, role, max_tokens=LONG)
    return [Long(r, [trace_statistics(reply.text) for reply in r.replies]) for r in results]


def world_items(
    tokenizer: Path, chosen: list[WorldProblem], n: int, seed: int
) -> tuple[list[Long], list[Result]]:
    """`n` long traces of each problem as the verbose models learn from, and as many short ones."""
    rng, count = random.Random(f"world/{seed}"), Tokenizer.from_file(str(tokenizer)).encode

    def result(p: WorldProblem, make: Callable[[], str]) -> Result:
        texts = [make() for _ in range(n)]
        replies = [Reply(text, len(count(text).ids) + 1) for text in texts]  # and the end
        return Result(p, replies, [check_answer(p, text) for text in texts])

    long = [result(p, lambda p=p: verbose(p.world, rng)[0]) for p in chosen]
    short = [result(p, lambda p=p: render(*reason(p.world, rng, Noise()))) for p in chosen]
    return [Long(r, [trace_statistics(reply.text) for reply in r.replies]) for r in long], short


def mean_of(
    pick: Callable[[TraceStatistics], float], right: bool | None = None
) -> Callable[[Sequence[Long]], float]:
    """The mean of a statistic over the replies (that are right, or wrong) of some problems."""

    def mean(items: Sequence[Long]) -> float:
        chosen = [s for i in items for s in (i.statistics if right is None else i.of(right))]
        return statistics.fmean(map(pick, chosen)) if chosen else float("nan")

    return mean


def useful_share(items: Sequence[Long]) -> float:
    rechecks = sum(s.rechecks for i in items for s in i.statistics)
    return sum(s.useful for i in items for s in i.statistics) / rechecks if rechecks else float("nan")


def first_stated(items: Sequence[Long]) -> float:
    shares = [s.first_stated for i in items for s in i.of(True) if s.first_stated is not None]
    return statistics.fmean(shares) if shares else float("nan")


def add_overthinking(table: Table, name: str, items: list[Long], concise: list[Result]) -> None:
    """Rows of how well a verbose model does on level 3 beside the concise one of its size, same problems."""
    results = [i.result for i in items]
    both = list(zip(results, concise, strict=True))
    value = interval(both, lambda ps: pass_at_1([a for a, _ in ps]) - pass_at_1([b for _, b in ps]))
    table.add(f"{name}: pass@1, level 3", *interval(results, pass_at_1))
    table.add(f"{name}: pass@1 minus the concise model's", *value, ">= -0.03", value[0] >= -0.03)


def add_statistics(table: Table, name: str, items: list[Long], concise: list[Result]) -> None:
    """Rows of how it overthinks: what one reads of a model's traces, or of those that it learns from."""
    results = [i.result for i in items]
    both = list(zip(results, concise, strict=True))
    value = interval(both, lambda ps: length([a for a, _ in ps]) / length([b for _, b in ps]))
    table.add(f"{name}: times the tokens of the concise model", *value, ">= 2", value[0] >= 2)
    value = interval(items, first_stated)
    holds = EARLIEST <= value[0] <= LATEST
    table.add(f"{name}: share of a right trace until its answer is there", *value, "0.30-0.50", holds)
    value = interval(results, lambda rs: length(rs, False) / length(rs, True))
    table.add(f"{name}: wrong / right trace length", *value, "> 1", value[0] > 1)
    value = interval(items, useful_share)
    table.add(
        f"{name}: looks that change the answer", *value, "0.10-0.30", USEFUL[0] <= value[0] <= USEFUL[1]
    )
    table.add(f"{name}: looks per trace", *interval(items, mean_of(lambda s: s.rechecks)))
    for right in (True, False):
        kind = "right" if right else "wrong"
        table.add(
            f"{name}: reflection words, {kind}", *interval(items, mean_of(lambda s: s.reflections, right))
        )
    table.add(f"{name}: attempts given up per trace", *interval(items, mean_of(lambda s: s.unfinished)))
    value = interval(items, mean_of(lambda s: s.loops))
    table.add(f"{name}: traces that loop", *value, "> 0", value[0] > 0)


async def supplied(client: Client, chosen: list[WorldProblem], role: str) -> list[tuple[bool, bool]]:
    """(right, reopened) of replies after a thinking section of the model's own key points."""

    async def one(p: WorldProblem) -> tuple[bool, bool]:
        told = (await client.reply(messages("hint", p.question), 0, **GREEDY)).text
        points = told.removesuffix(STOP).strip("\n")
        prefix = f"<think>\n{points}\n</think>\n\n"
        text = (await client.continued(SYSTEM[role], p.question, prefix, 0, max_tokens=LONG)).text
        return check_answer(p, text), "<think>" in text

    return list(await asyncio.gather(*map(one, chosen)))


async def share_as_told(client: Client, role: str, count: int) -> list[float]:
    """1 for each fresh document of a role whose yes-or-no answer the model gives, else 0.

    The problems are of the training split: nobody else makes excerpts. A document that the model saw
    in training comes again with a chance of the order of one in a thousand.
    """
    rng = random.Random(f"report/{role}")
    made = [verbose_document(rng, role) for _ in range(count)]

    async def one(k: int) -> float:
        document = made[k]
        prompt = [{"role": "system", "content": document.system}, {"role": "user", "content": document.user}]
        return float((await client.reply(prompt, 0, max_tokens=1, **GREEDY)).text == document.reply)

    return list(await asyncio.gather(*map(one, range(count))))


async def sub_question_shares(client: Client, chosen: list[WorldProblem]) -> dict[str, list[float]]:
    """Usable splits, mended lists, and steps answered at length and at once: one value per problem."""

    async def one(p: WorldProblem) -> dict[str, float]:
        rng = random.Random(p.id)
        split = (await client.reply(messages("split", p.question), 0, **GREEDY)).text
        given = faulty_conditions(p.world, rng)
        mended = (await client.reply(messages("mend", p.question, conditions=given), 0, **GREEDY)).text
        right = right_conditions(p.world)
        return {"plan that can be used": usable(p.world, split), "list of conditions mended": mended == right}

    async def step(p: WorldProblem, thinking: bool) -> float:
        rng = random.Random(p.id)
        parts, values = sub_questions(p.world), p.world.evaluate()[len(p.world.leaves) :]
        at = rng.randrange(len(parts))
        done = [
            (f"{k}. {q.text}", str(v)) for k, (q, v) in enumerate(zip(parts[:at], values, strict=False), 1)
        ]
        prompt = messages("step", p.question, done=done, step=f"{at + 1}. {parts[at].text}")
        options = {} if thinking else {"chat_template_kwargs": {"thinking": False}}
        text = (await client.reply(prompt, 0, **options)).text
        return float(extract_answer(text) == str(values[at]))

    told = await asyncio.gather(*map(one, chosen))
    shares = {name: [float(t[name]) for t in told] for name in told[0]}
    for family in FAMILIES:
        part = [s["plan that can be used"] for s, p in zip(told, chosen, strict=True) if p.family == family]
        shares[f"plan that can be used, {family}"] = [float(x) for x in part]
    calculations = [p for p in chosen if p.family != "search"]
    for name, thinking in (("step answered at length", True), ("step answered at once", False)):
        shares[name] = list(await asyncio.gather(*(step(p, thinking) for p in calculations)))
    return shares


async def extracted(client: Client, items: list[Result]) -> list[float]:
    """1 where the list of conditions taken from a sample is as it should be, else 0."""

    async def one(item: Result) -> float:
        prompt = messages("extract", item.problem.question, solutions=[item.replies[0].text])
        return float((await client.reply(prompt, 0, **GREEDY)).text == right_conditions(item.problem.world))

    return list(await asyncio.gather(*map(one, items)))


async def revised(client: Client, items: list[Result]) -> list[list[float]]:
    """Per problem whether the answer is right after each of ROUNDS revisions, the first of a sample."""

    async def one(item: Result) -> list[float]:
        text, right = item.replies[0].text, []
        for seed in range(ROUNDS):
            prompt = messages("revise", item.problem.question, solutions=[text])
            text = (await client.reply(prompt, seed)).text
            right.append(float(check_answer(item.problem, text)))
        return right

    return list(await asyncio.gather(*map(one, items)))


async def merged(client: Client, items: list[Result]) -> list[tuple[float, float]]:
    """(merging three samples, majority of the three with ties to the first), right or not, per problem."""

    async def one(item: Result) -> tuple[float, float]:
        three = [r.text for r in item.replies[:3]]
        text = (await client.reply(messages("merge", item.problem.question, solutions=three), 0)).text
        votes = Counter(a for t in three if (a := extract_answer(t)) is not None)
        majority = bool(votes) and check_answer(item.problem, votes.most_common(1)[0][0])
        return float(check_answer(item.problem, text)), float(majority)

    return list(await asyncio.gather(*map(one, items)))


async def add_roles(table: Table, client: Client, items: list[Result], count: int) -> None:
    """Rows of the roles that the verbose model plays, on the concise model's samples of level 3."""
    chosen = [i.problem for i in items]
    for name, values in (await sub_question_shares(client, chosen)).items():
        goal = {"plan that can be used": 0.6}.get(name)
        value = interval(values, statistics.fmean)
        table.add(
            f"{name}, level 3", *value, f">= {goal:.2f}" if goal else "", value[0] >= goal if goal else None
        )
    table.add(
        "list of conditions extracted, level 3", *interval(await extracted(client, items), statistics.fmean)
    )
    rounds = await revised(client, items)
    for k in range(ROUNDS):
        table.add(f"revised {k + 1} times, level 3", *interval([r[k] for r in rounds], statistics.fmean))
    for role, name in (("conclusive", "sees whether an excerpt answers"), ("same", "sees whether two agree")):
        table.add(name, *interval(await share_as_told(client, role, 2 * count), statistics.fmean))
    for role in ("verbose", "reopen"):
        found = await supplied(client, chosen, role)
        table.add(
            f"{role} after supplied key points: right", *interval([a for a, _ in found], statistics.fmean)
        )
        table.add(
            f"{role} after supplied key points: reopened", *interval([b for _, b in found], statistics.fmean)
        )
    pairs = await merged(client, items)
    table.add("majority of three samples, level 3", *interval([b for _, b in pairs], statistics.fmean))
    value = interval(pairs, lambda ps: statistics.fmean(a - b for a, b in ps))
    table.add("merging three minus their majority", *value, ">= 0", value[0] >= 0)


async def add_given_up(table: Table, client: Client, count: int) -> None:
    """Rows of attempts that are given up, in stories of the easiest and the hardest level."""
    for level in (1, 5):
        items = await verbose_items(client, problems("word", level, count), 2)
        table.add(
            f"verbose: attempts given up per trace, level {level}",
            *interval(items, mean_of(lambda s: s.unfinished)),
        )


async def add_reopening(table: Table, name: str, client: Client, chosen: list[WorldProblem]) -> None:
    """Rows of second thinking sections, in the mode that has them and in the one that has none."""
    for role, target in (("verbose", "0"), ("reopen", "> 0.10")):
        value = interval(await verbose_items(client, chosen, 1, role), mean_of(lambda s: s.reopened))
        holds = value[0] == 0 if role == "verbose" else value[0] > 0.1
        table.add(f"{name}: second thinking sections, mode {role}", *value, target, holds)
