"""Measure the bundled reasoner on fresh held-out problems and print a table.

    python benchmarks/lab_report.py [--weights DIR] [--problems N] [--seed S]

Replies come from llama.cpp (two threads), at temperature 1, unless a line says greedy. Problems
are drawn from the test split, which training never sees. Intervals are 95%, from a bootstrap over
problems. Needs the extra `train` (PRM, comparison).
"""

import argparse
import asyncio
import math
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import xllamacpp

from ttscale.worlds.arithmetic import FAMILIES, WorldProblem, check_answer, extract_answer, messages, problems
from ttscale.worlds.arithmetic.training_documents import plan

WEIGHTS = Path(__file__).resolve().parents[1] / "src/ttscale/assets/tiny"
SLOTS, THREADS, CONTEXT = 16, 2, 2048
MAX_TOKENS = 500
TOP_LOGPROBS = 20  # DeepConf's k
GROUP = 16  # tokens in a confidence group; the paper's 2,048 suits traces a hundred times as long
SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    tokens: int
    confidence: tuple[float, ...] = ()  # per token: minus the mean of the top log-probabilities, nats


class Client:
    """Chat with one llama.cpp server; at most SLOTS requests at a time."""

    def __init__(self, address: str) -> None:
        self.address, self.gate = address, asyncio.Semaphore(SLOTS)
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))

    async def chat(self, prompt: list[dict[str, str]], seed: int, **options) -> dict:
        """The first choice of a completion, with its usage."""
        body = (
            {"messages": prompt, "seed": seed, "temperature": 1.0, "max_tokens": MAX_TOKENS}
            | SAMPLER
            | options
        )
        async with self.gate, self.session.post(f"{self.address}/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            answer = await response.json()
        return answer["choices"][0] | {"usage": answer["usage"]}

    async def reply(
        self, prompt: list[dict[str, str]], seed: int, *, confidence: bool = False, **options
    ) -> Reply:
        if confidence:
            options |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        choice = await self.chat(prompt, seed, **options)
        tokens = choice["logprobs"]["content"] if confidence else ()
        values = (-statistics.fmean(top["logprob"] for top in token["top_logprobs"]) for token in tokens)
        return Reply(choice["message"]["content"], choice["usage"]["completion_tokens"], tuple(values))


SAMPLER = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "reasoning_format": "none"}


@contextmanager
def server(path: Path) -> Iterator[str]:
    """Address of a llama.cpp server for this GGUF, gone when the block ends."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel = SLOTS * CONTEXT, SLOTS
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = THREADS
    settings.verbosity, settings.warmup = 0, False
    running = xllamacpp.Server(settings)
    yield running.listening_address
    del running


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that a positive scores above a negative, ties half; NaN if either is empty."""
    if not positive or not negative:
        return math.nan
    ranked = sorted([(v, 1) for v in positive] + [(v, 0) for v in negative])
    total, below, i = 0.0, 0, 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        ups = sum(label for _, label in ranked[i:j])
        total += ups * (below + (j - i - ups) / 2)
        below += j - i - ups
        i = j
    return total / (len(positive) * len(negative))


def interval(
    groups: Sequence, statistic: Callable[[Sequence], float], rounds: int = 300
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of the groups and its 95% bootstrap interval."""
    rng = random.Random(0)
    sampled = sorted(
        v for v in (statistic(rng.choices(groups, k=len(groups))) for _ in range(rounds)) if not math.isnan(v)
    )
    if not sampled:
        return statistic(groups), math.nan, math.nan
    return statistic(groups), sampled[int(0.025 * len(sampled))], sampled[int(0.975 * len(sampled))]


@dataclass(frozen=True, slots=True)
class Result:
    """A problem with its sampled replies."""

    problem: WorldProblem
    replies: list[Reply]
    right: list[bool]


async def sample_items(
    client: Client, chosen: list[WorldProblem], n: int, role: str = "solve", **options
) -> list[Result]:
    """`n` replies to each problem, in the order of their index."""

    async def one(p: WorldProblem) -> Result:
        prompt = messages(role, p.question)
        replies = await asyncio.gather(*(client.reply(prompt, seed, **options) for seed in range(n)))
        return Result(p, list(replies), [check_answer(p, r.text) for r in replies])

    return list(await asyncio.gather(*map(one, chosen)))


def pass_at_1(items: Sequence[Result]) -> float:
    return statistics.fmean(statistics.fmean(item.right) for item in items)


def pass_at_all(items: Sequence[Result]) -> float:
    return statistics.fmean(any(item.right) for item in items)


def majority(items: Sequence[Result]) -> float:
    """Share of problems whose most frequent answer is right; ties go to the one drawn first."""

    def one(item: Result) -> bool:
        votes = Counter(a for r in item.replies if (a := extract_answer(r.text)) is not None)
        return bool(votes) and check_answer(item.problem, votes.most_common(1)[0][0])

    return statistics.fmean(map(one, items))


def length(items: Sequence[Result], right: bool | None = None) -> float:
    """Mean tokens of the replies (that are right, or wrong)."""
    lengths = [
        r.tokens for i in items for r, ok in zip(i.replies, i.right, strict=True) if right in (None, ok)
    ]
    return statistics.fmean(lengths) if lengths else math.nan


def score_auc(items: Sequence[tuple[Result, list[float]]]) -> float:
    """AUC of scores (one list per item, one score per reply) for right against wrong."""
    pairs = [(s, ok) for item, scores in items for s, ok in zip(scores, item.right, strict=True)]
    return auc([s for s, ok in pairs if ok], [s for s, ok in pairs if not ok])


def within_problems(items: Sequence[tuple[Result, list[float]]]) -> float:
    """Mean AUC over the problems that have both right and wrong replies."""
    found = [a for one in items if not math.isnan(a := score_auc([one]))]
    return statistics.fmean(found) if found else math.nan


def mean_confidence(reply: Reply) -> float:
    return statistics.fmean(reply.confidence)


def lowest_group(reply: Reply) -> float:
    """Mean confidence of the least confident GROUP consecutive tokens (of all, if fewer)."""
    c = reply.confidence
    return min(statistics.fmean(c[i : i + GROUP]) for i in range(max(1, len(c) - GROUP + 1)))


async def judge_scores(client: Client, items: list[Result], thinking: bool = True) -> list[list[float]]:
    """The judge's P(Yes) against P(No) per reply, after its thinking or without."""
    at_once = {} if thinking else {"chat_template_kwargs": {"thinking": False}}

    async def one(item: Result, reply: Reply) -> float:
        prompt = messages("judge", item.problem.question, solutions=[reply.text])
        choice = await client.chat(prompt, 0, temperature=0, logprobs=True, top_logprobs=20, **at_once)
        tokens = choice["logprobs"]["content"]
        verdict = next((t for t in reversed(tokens) if t["token"] in ("Yes", "No")), None)
        if verdict is None:
            return 0.5
        top = {t["token"]: t["logprob"] for t in verdict["top_logprobs"]}
        yes, no = (math.exp(top.get(word, -30.0)) for word in ("Yes", "No"))
        return yes / (yes + no)

    return list(await asyncio.gather(*(asyncio.gather(*(one(i, r) for r in i.replies)) for i in items)))


async def rated_pairs(client: Client, items: list[Result], per_item: int = 4) -> list[list[float]]:
    """Per item with right and wrong replies: 1 if the right one is rated higher, 0.5 for a tie."""
    rng = random.Random(0)

    async def one(item: Result, right: Reply, wrong: Reply, right_first: bool) -> float:
        pair = [right, wrong] if right_first else [wrong, right]
        prompt = messages("rate", item.problem.question, solutions=[r.text for r in pair])
        text = (await client.reply(prompt, 0, temperature=0)).text
        ratings = re.search(r"A: (\d+)\nB: (\d+)$", text)
        if ratings is None:
            return 0.5
        a, b = map(int, ratings.groups())
        return 0.5 if a == b else float((a > b) == right_first)

    jobs = []
    for item in items:
        good = [r for r, ok in zip(item.replies, item.right, strict=True) if ok]
        bad = [r for r, ok in zip(item.replies, item.right, strict=True) if not ok]
        if good and bad:
            jobs.append(
                [one(item, rng.choice(good), rng.choice(bad), rng.random() < 0.5) for _ in range(per_item)]
            )
    return [list(await asyncio.gather(*job)) for job in jobs]


def sub_questions(plan: str) -> list[str]:
    """The lines of a plan without their credits."""
    return [line.rpartition(" (")[0] for line in plan.split("\n")]


async def role_shares(client: Client, items: list[Result]) -> dict[str, list[float]]:
    """What each helping role gets right, one value in [0, 1] per item.

    Plans (credits aside) and facts are compared with the truth to the letter, greedy; replies that
    follow the model's own plan or facts, revise its first sample or merge three of them are
    checked.
    """

    async def one(item: Result) -> dict[str, float]:
        question, world = item.problem.question, item.problem.world
        solutions = [r.text for r in item.replies]

        async def said(role: str, **parts) -> str:
            greedy = {"temperature": 0} if role in ("plan", "facts") else {}
            return (await client.reply(messages(role, question, **parts), 0, **greedy)).text

        own_plan, own_facts = await said("plan"), await said("facts")
        replies = {
            "follows its plan": await said("execute", plan=own_plan),
            "follows its facts": await said("execute", facts=own_facts),
            "revises a sample": await said("revise", solutions=solutions[:1]),
            "merges three samples": await said("merge", solutions=solutions[:3]),
        }
        exact = {
            "plan as it should be": sub_questions(own_plan) == sub_questions(plan(world)),
            "facts as they are": own_facts == "\n".join(world.facts),
        }
        right = {name: check_answer(item.problem, text) for name, text in replies.items()}
        return {name: float(ok) for name, ok in (exact | right).items()}

    shares = await asyncio.gather(*map(one, items))
    return {name: [share[name] for share in shares] for name in shares[0]}


class RewardModel:
    """The process reward model in transformers; scores the end of a reply."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        torch.set_num_threads(THREADS)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()

    def last_step(self, item: Result) -> list[float]:
        prompt = self.tokenizer.apply_chat_template(
            messages("solve", item.problem.question), add_generation_prompt=True, tokenize=False
        )
        batch = self.tokenizer([prompt + r.text for r in item.replies], padding=True, return_tensors="pt")
        last = batch["attention_mask"].sum(1) - 1
        with self.torch.inference_mode():
            logits = self.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
        return logits[self.torch.arange(len(last)), last].sigmoid().tolist()


async def agreement(
    client: Client, folder: Path, prompts: list[list[dict[str, str]]]
) -> tuple[float, list[str]]:
    """Share of greedy replies that transformers and llama.cpp write alike; the differing ones."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(THREADS)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    theirs = await asyncio.gather(*(client.reply(p, 0, temperature=0, max_tokens=200) for p in prompts))
    ours: list[str] = []
    for first in range(0, len(prompts), 50):
        texts = [
            tokenizer.apply_chat_template(p, add_generation_prompt=True, tokenize=False)
            for p in prompts[first : first + 50]
        ]
        batch = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            out = model.generate(**batch, max_new_tokens=200, do_sample=False)
        ours += tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    different = [f"{a!r} / {b.text!r}" for a, b in zip(ours, theirs, strict=True) if a != b.text]
    return 1 - len(different) / len(prompts), different


class Table:
    """Rows of: what, value with interval, target, whether it holds."""

    def __init__(self) -> None:
        self.rows: list[str] = [
            "| measure | value | 95% interval | target | holds |",
            "|---|---|---|---|---|",
        ]

    def add(
        self,
        what: str,
        value: float,
        low: float = math.nan,
        high: float = math.nan,
        target: str = "",
        holds: bool | None = None,
    ) -> None:
        def show(x: float) -> str:
            return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2f}" if abs(x) < 10 else f"{x:.1f}"

        span = "" if math.isnan(low) else f"{show(low)}-{show(high)}"
        verdict = "" if holds is None else "yes" if holds else "**no**"
        self.rows.append(f"| {what} | {show(value)} | {span} | {target} | {verdict} |")
        print(self.rows[-1], file=sys.stderr, flush=True)

    def __str__(self) -> str:
        return "\n".join(self.rows)


def by_family(table: Table, scored: Sequence[tuple[Result, list[float]]]) -> None:
    """Rows for the AUC of scores in each family, and within a problem."""
    for family in FAMILIES:
        part = [(i, scores) for i, scores in scored if i.problem.family == family]
        table.add(f"&nbsp;&nbsp;{family}", *interval(part, score_auc))
    table.add("&nbsp;&nbsp;within a problem", *interval(scored, within_problems))


async def first_token(path: Path) -> float:
    """Seconds from nothing to the first token of a stream."""
    begun = time.monotonic()
    with server(path) as address:
        client = Client(address)
        body = {"messages": messages("solve", "Compute 1+2."), "stream": True, "max_tokens": 8}
        async with client.session.post(f"{address}/v1/chat/completions", json=body) as response:
            await response.content.readany()
        seconds = time.monotonic() - begun
        await client.session.close()
    return seconds


async def measure(weights: Path, count: int, seed: int) -> Table:
    table = Table()
    seconds = await first_token(weights / "base.gguf")
    table.add("load to first token, s", seconds, target="< 1.5", holds=seconds < 1.5)

    chosen = {level: [p for f in FAMILIES for p in problems(f, level, count, seed)] for level in range(1, 6)}
    with server(weights / "base.gguf") as address:
        client = Client(address)
        by_level: dict[int, list[Result]] = {}
        spent = tokens = 0.0
        for level in (1, 2, 4, 5):
            begun = time.monotonic()
            by_level[level] = await sample_items(client, chosen[level], 4)
            spent += time.monotonic() - begun
            tokens += sum(r.tokens for i in by_level[level] for r in i.replies)
        by_level[3] = middle = await sample_items(client, chosen[3], SAMPLES, confidence=True)
        targets = {
            1: (">= 0.90", lambda v: v >= 0.9),
            3: ("0.35-0.65", lambda v: 0.35 <= v <= 0.65),
            5: ("<= 0.30", lambda v: v <= 0.3),
        }
        for level in range(1, 6):
            value = interval(by_level[level], pass_at_1)
            target, holds = targets.get(level, ("falls", None))
            table.add(f"pass@1, level {level}", *value, target, holds and holds(value[0]))
            for family in FAMILIES:
                part = [i for i in by_level[level] if i.problem.family == family]
                table.add(f"&nbsp;&nbsp;{family}", *interval(part, pass_at_1))
        single = pass_at_1(middle)
        value = interval(middle, pass_at_all)
        table.add(f"pass@{SAMPLES}, level 3", *value, ">= 0.85", value[0] >= 0.85)
        for family in FAMILIES:
            part = [i for i in middle if i.problem.family == family]
            table.add(f"&nbsp;&nbsp;{family}", *interval(part, pass_at_all))
        value = interval(middle, majority)
        table.add(f"majority@{SAMPLES}, level 3", *value, f">= {single + 0.1:.2f}", value[0] >= single + 0.1)
        for family in FAMILIES:
            part = [i for i in middle if i.problem.family == family]
            table.add(f"&nbsp;&nbsp;{family}", *interval(part, majority))

        value = interval(middle, lambda items: length(items, False) / length(items, True))
        table.add("wrong / right trace length, level 3", *value, "> 1", value[0] > 1)
        table.add("tokens per trace, level 3", length(middle))
        for name, score in (("mean", mean_confidence), ("lowest group", lowest_group)):
            scored = [(i, [score(r) for r in i.replies]) for i in middle]
            value = interval(scored, score_auc)
            table.add(f"confidence AUC ({name}), level 3", *value, ">= 0.65", value[0] >= 0.65)
            by_family(table, scored)
        reward = RewardModel(weights / "prm")
        scored = [(i, reward.last_step(i)) for i in middle]
        value = interval(scored, score_auc)
        table.add("PRM last-step AUC, level 3", *value, ">= 0.80", value[0] >= 0.8)
        by_family(table, scored)
        judged = [Result(i.problem, i.replies[:6], i.right[:6]) for i in middle]
        scored = list(zip(judged, await judge_scores(client, judged), strict=True))
        value = interval(scored, score_auc)
        table.add("judge AUC, level 3", *value, ">= 0.65", value[0] >= 0.65)
        by_family(table, scored)
        at_once = await judge_scores(client, judged, thinking=False)
        value = interval(list(zip(judged, at_once, strict=True)), score_auc)
        table.add("&nbsp;&nbsp;without thinking", *value)
        pairs = await rated_pairs(client, middle)
        value = interval(pairs, lambda ps: statistics.fmean(v for p in ps for v in p))
        table.add("right one of a pair rated higher", *value, ">= 0.65", value[0] >= 0.65)

        for name, shares in (await role_shares(client, middle)).items():
            table.add(f"{name}, level 3", *interval(shares, statistics.fmean))

        quick = await sample_items(client, chosen[3], 4, "quick")
        table.add(
            "no-think pass@1, level 3",
            *interval(quick, pass_at_1),
            f"well below {single:.2f}",
            pass_at_1(quick) < single - 0.1,
        )
        shorter = length(middle) / length(quick)
        table.add("no-think: times shorter", shorter, target=">= 3", holds=shorter >= 3)
        table.add(
            f"llama.cpp tokens/s, {SLOTS} slots",
            tokens / spent,
            target=">= 1,500",
            holds=tokens / spent >= 1500,
        )
        prompts = [messages("solve", p.question) for level in (1, 2, 3) for p in chosen[level]][:200]
        alike, different = await agreement(client, weights / "base", prompts)
        table.add(
            f"greedy replies alike, {len(prompts)} prompts", alike, target=">= 0.99", holds=alike >= 0.99
        )
        for line in different[:3]:
            print("differs:", line, file=sys.stderr)
        await client.session.close()

    with server(weights / "small.gguf") as address:
        client = Client(address)
        small = await sample_items(client, chosen[3], 8)
        await client.session.close()
    table.add("smaller model pass@1, level 3", *interval(small, pass_at_1))
    both = list(zip(middle, small, strict=True))
    value = interval(both, lambda ps: pass_at_1([a for a, _ in ps]) - pass_at_1([b for _, b in ps]))
    table.add("larger minus smaller, level 3", *value, ">= 0.12", value[0] >= 0.12)
    return table


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--problems", type=int, default=60, help="problems per family and level")
    parser.add_argument("--seed", type=int, default=1, help="which held-out problems")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    table = asyncio.run(measure(options.weights, options.problems, options.seed))
    print(table)
    print(
        f"\n{options.problems} problems per family and level, seed {options.seed}, "
        f"{time.monotonic() - begun:.0f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
