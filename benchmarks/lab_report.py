"""Measure the bundled reasoner on fresh held-out problems and print a table.

    python benchmarks/lab_report.py [--weights DIR] [--problems N] [--seed S] [--only PART] [--keep FILE]

The parts: `concise`, the models that think briefly; `world`, the long traces that the verbose models
learn from, by the same statistics; `verbose`, those models. With `--keep` each part is put into a JSON
file, from which `lab_goals.py` makes the tables of the model card.

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
from collections.abc import Sequence
from pathlib import Path

from lab_client import (
    SLOTS,
    THREADS,
    Client,
    Reply,
    Result,
    interval,
    length,
    pass_at_1,
    sample_items,
    server,
)
from lab_table import Part, Table, keep
from lab_verbose import (
    add_given_up,
    add_overthinking,
    add_reopening,
    add_roles,
    add_statistics,
    verbose_items,
    world_items,
)

from ttscale.worlds.arithmetic import FAMILIES, check_answer, extract_answer, messages, problems
from ttscale.worlds.arithmetic.training_documents import plan

WEIGHTS = Path(__file__).resolve().parents[1] / "src/ttscale/assets/tiny"
GROUP = 16  # tokens in a confidence group; the paper's 2,048 suits traces a hundred times as long
SAMPLES = 16


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


def pass_at_all(items: Sequence[Result]) -> float:
    return statistics.fmean(any(item.right) for item in items)


def majority(items: Sequence[Result]) -> float:
    """Share of problems whose most frequent answer is right; ties go to the one drawn first."""

    def one(item: Result) -> bool:
        votes = Counter(a for r in item.replies if (a := extract_answer(r.text)) is not None)
        return bool(votes) and check_answer(item.problem, votes.most_common(1)[0][0])

    return statistics.fmean(map(one, items))


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


def rated_right(pairs: Sequence[list[float]]) -> float:
    """Mean over all pairs of some items; NaN without any."""
    return statistics.fmean(v for pair in pairs for v in pair) if pairs else math.nan


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

    def step_scores(self, item: Result) -> list[list[float]]:
        """Per reply the reward after each of its steps, from the first to the end of the reply."""
        prompt = self.tokenizer.apply_chat_template(
            messages("solve", item.problem.question), add_generation_prompt=True, tokenize=False
        )
        batch = self.tokenizer([prompt + r.text for r in item.replies], padding=True, return_tensors="pt")
        given = len(self.tokenizer(prompt)["input_ids"])
        with self.torch.inference_mode():
            logits = self.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
        rewards, blank = logits.sigmoid(), self.tokenizer.convert_tokens_to_ids("\n\n")
        scores = []
        for ids, mask, reward in zip(batch["input_ids"], batch["attention_mask"], rewards, strict=True):
            last = int(mask.sum()) - 1
            steps = [at for at in range(given, last) if ids[at] == blank]
            scores.append([reward[at].item() for at in [*steps, last]])
        return scores


def best_of(scored: Sequence[tuple[Result, list[float]]]) -> float:
    """Share of problems whose reply with the highest score is right, minus that of all replies."""
    best = statistics.fmean(i.right[max(range(len(s)), key=s.__getitem__)] for i, s in scored)
    return best - pass_at_1([i for i, _ in scored])


def calibration_error(scored: Sequence[tuple[Result, list[float]]], bins: int = 10) -> float:
    """Expected calibration error: mean distance of rewards and outcomes, over bins of equal width."""
    pairs = [(s, ok) for item, scores in scored for s, ok in zip(scores, item.right, strict=True)]
    found: dict[int, list[tuple[float, bool]]] = {}
    for score, ok in pairs:
        found.setdefault(min(bins - 1, int(score * bins)), []).append((score, ok))
    gaps = (abs(sum(s for s, _ in part) - sum(ok for _, ok in part)) for part in found.values())
    return sum(gaps) / len(pairs)


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


def by_family(
    table: Table, of: str, scored: Sequence[tuple[Result, list[float]]], goal: float | None = None
) -> None:
    """Rows for the AUC of scores in each family, and within a problem, where there may be a goal."""
    for family in FAMILIES:
        part = [(i, scores) for i, scores in scored if i.problem.family == family]
        table.add(family, *interval(part, score_auc), of=of)
    value = interval(scored, within_problems)
    target = (f">= {goal:.2f}", value[0] >= goal) if goal else ()
    table.add("within a problem", *value, *target, of=of)


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


def add_rewards(table: Table, reward: RewardModel, items: Sequence[Result]) -> None:
    """Rows of the reward model on replies to level 3."""
    steps = [(i, reward.step_scores(i)) for i in items]
    scored = [(i, [s[-1] for s in scores]) for i, scores in steps]
    value, reward_auc = interval(scored, score_auc), "PRM last-step AUC, level 3"
    table.add(reward_auc, *value, ">= 0.80", value[0] >= 0.8)
    by_family(table, reward_auc, scored, goal=0.75)
    value, best = interval(scored, best_of), "best of 16 by reward minus one sample"
    table.add(best, *value, ">= 0.05", value[0] >= 0.05)
    for family in FAMILIES:
        part = [(i, scores) for i, scores in scored if i.problem.family == family]
        value = interval(part, best_of)
        goal = (">= 0.10", value[0] >= 0.1) if family == "word" else ()
        table.add(family, *value, *goal, of=best)
    halfway = [(i, [s[len(s) // 2] for s in scores]) for i, scores in steps]
    table.add("reward half-way: calibration error", *interval(halfway, calibration_error))
    table.add("reward half-way: AUC", *interval(halfway, score_auc))


async def measure_world(weights: Path, count: int, seed: int) -> Table:
    """The traces that the verbose models learn from, on level 3."""
    table = Table()
    chosen = [p for f in FAMILIES for p in problems(f, 3, count, seed)]
    long, concise = world_items(weights / "base" / "tokenizer.json", chosen, 4, seed)
    add_statistics(table, "world", long, concise)
    return table


async def measure_verbose(weights: Path, count: int, seed: int) -> Table:
    """The verbose models on level 3, in the sizes that are there."""
    table = Table()
    chosen = [p for f in FAMILIES for p in problems(f, 3, count, seed)]
    sizes = {"verbose": "base", "verbose-small": "small"}
    there = {name: size for name, size in sizes.items() if (weights / f"{name}.gguf").exists()}
    if not there:
        raise SystemExit(f"{weights} has neither verbose.gguf nor verbose-small.gguf: train them first")
    for name, concise_name in there.items():
        with server(weights / f"{concise_name}.gguf") as address:
            client = Client(address)
            concise = await sample_items(client, chosen, 4)
            await client.session.close()
        with server(weights / f"{name}.gguf") as address:
            client = Client(address)
            long = await verbose_items(client, chosen, 4)
            add_overthinking(table, name, long, concise)
            add_statistics(table, name, long, concise)
            await add_reopening(table, name, client, chosen)
            if name == "verbose":
                await add_given_up(table, client, count)
                await add_roles(table, client, concise, count)
                await add_judges(table, client, concise)
            await client.session.close()
    return table


async def add_judges(table: Table, client: Client, items: list[Result]) -> None:
    """Rows of judges and raters, on the concise model's samples."""
    judge, rater = "judge AUC, level 3", "right one of a pair rated higher"
    scored = list(zip(items, await judge_scores(client, items), strict=True))
    value = interval(scored, score_auc)
    table.add(judge, *value, ">= 0.65", value[0] >= 0.65)
    by_family(table, judge, scored)
    at_once = await judge_scores(client, items, thinking=False)
    value = interval(list(zip(items, at_once, strict=True)), score_auc)
    table.add("without thinking", *value, ">= 0.75", value[0] >= 0.75, of=judge)
    pairs = await rated_pairs(client, items)
    value = interval(pairs, rated_right)
    table.add(rater, *value, ">= 0.65", value[0] >= 0.65)
    searches = await rated_pairs(client, [i for i in items if i.problem.family == "search"])
    value = interval(searches, rated_right)
    table.add("searches", *value, ">= 0.65", value[0] >= 0.65, of=rater)


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
                table.add(family, *interval(part, pass_at_1), of=f"pass@1, level {level}")
        single = pass_at_1(middle)
        value = interval(middle, pass_at_all)
        table.add(f"pass@{SAMPLES}, level 3", *value, ">= 0.85", value[0] >= 0.85)
        for family in FAMILIES:
            part = [i for i in middle if i.problem.family == family]
            table.add(family, *interval(part, pass_at_all), of=f"pass@{SAMPLES}, level 3")
        value = interval(middle, majority)
        table.add(f"majority@{SAMPLES}, level 3", *value, f">= {single + 0.1:.2f}", value[0] >= single + 0.1)
        for family in FAMILIES:
            part = [i for i in middle if i.problem.family == family]
            table.add(family, *interval(part, majority), of=f"majority@{SAMPLES}, level 3")

        value = interval(middle, lambda items: length(items, False) / length(items, True))
        table.add("wrong / right trace length, level 3", *value, "> 1", value[0] > 1)
        table.add("tokens per trace, level 3", length(middle))
        for name, score in (("mean", mean_confidence), ("lowest group", lowest_group)):
            scored = [(i, [score(r) for r in i.replies]) for i in middle]
            value, what = interval(scored, score_auc), f"confidence AUC ({name}), level 3"
            table.add(what, *value, ">= 0.65", value[0] >= 0.65)
            by_family(table, what, scored)
        add_rewards(table, RewardModel(weights / "prm"), middle)
        await add_judges(table, client, [Result(i.problem, i.replies[:6], i.right[:6]) for i in middle])
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


PARTS = {"concise": measure, "world": measure_world, "verbose": measure_verbose}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--problems", type=int, default=60, help="problems per family and level")
    parser.add_argument("--seed", type=int, default=1, help="which held-out problems")
    parser.add_argument("--only", choices=list(PARTS), help="one part of the report")
    parser.add_argument("--keep", type=Path, help="JSON file that each measured part is put into")
    options = parser.parse_args(argv)
    for name in [options.only] if options.only else PARTS:
        begun = time.monotonic()
        table = asyncio.run(PARTS[name](options.weights, options.problems, options.seed))
        part = Part(table.rows, options.problems, options.seed)
        print(f"{part}\n{name}: {time.monotonic() - begun:.0f} s.\n")
        if options.keep:
            keep(options.keep, name, part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
