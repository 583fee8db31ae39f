"""A tiny random Llama with a byte-level vocabulary, made here, so that numbers are exact."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import re
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra ttscale[torch]")
transformers = pytest.importorskip("transformers", reason="needs the extra ttscale[torch]")

from ttscale.core import (  # noqa: E402
    Budget,
    CapabilityError,
    Card,
    Chunk,
    Context,
    ContextOverflow,
    Method,
    ModelNotFound,
    Outcome,
    Problem,
    Prompt,
    Run,
    Trace,
    UsageError,
    execute,
    install_command,
    run_in_token_time,
)
from ttscale.engines.local.decoding.sampler import Sampler, filtered  # noqa: E402
from ttscale.engines.local.decoding.sequence import Row  # noqa: E402
from ttscale.engines.local.detokenizer import ByteSpeller, WindowSpeller, spelling  # noqa: E402
from ttscale.engines.local.encoder import EncoderLocal  # noqa: E402
from ttscale.engines.local.engine import TransformersLocal  # noqa: E402
from ttscale.engines.local.reward import RewardLocal  # noqa: E402
from ttscale.engines.synthetic import Synthetic, binary  # noqa: E402
from ttscale.methods.voting import first_finish, self_consistency  # noqa: E402

PAD, USER, ASSISTANT, END = range(4)
CONTEXT = 256
TEMPLATE = (
    "{% for m in messages %}{{ '<|user|>' if m.role == 'user' else '<|assistant|>' }}"
    "{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>"
    "{% if thinking is defined and not thinking %}<think></think>{% endif %}{% endif %}"
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    control = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*control, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(t, special=True) for t in control])
    backend.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>", "\n\n")])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<|pad|>", eos_token="<|end|>", chat_template=TEMPLATE
    )


def _config(tokenizer: Any, **settings: Any) -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,  # sharp enough that no two tokens are close
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=PAD,
        **settings,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: Any) -> Path:
    """A causal model of some 60,000 parameters; every tenth byte ends a reply."""
    path: Path = tmp_path_factory.mktemp("tiny")
    tokenizer = _tokenizer()
    torch.manual_seed(7)
    model = transformers.LlamaForCausalLM(_config(tokenizer, tie_word_embeddings=False))
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[END, *range(10, 260, 10)], pad_token_id=PAD
    )
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def judge(tmp_path_factory: Any) -> Path:
    """A process reward model in the format of the bundled one: one logit per token."""
    path: Path = tmp_path_factory.mktemp("judge")
    tokenizer = _tokenizer()
    torch.manual_seed(8)
    config = _config(tokenizer, id2label={0: "right"}, label2id={"right": 0})
    transformers.LlamaForTokenClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


class Parity:
    """Answers are even or odd: every finished text gives one."""

    name = "parity"

    def extract(self, trace: Trace) -> str | None:
        return str(len(trace.text) % 2)

    def same(self, a: str, b: str) -> bool:
        return a == b


PROMPT = Prompt.user("What is 6*7?")
PROBLEM = Problem("p", PROMPT, Parity())
MANY = {"temperature": 1.0, "max_tokens": 40}


def working(engine: Any, main: Callable[[Any], Any], *, budget: Budget | None = None, seed: int = 0) -> Any:
    """Run `main(ctx)` as a method on an open engine; what it returns."""
    found: list[Any] = []

    async def fn(problem: Problem, ctx: Context, cfg: Any) -> Outcome:
        found.append(await main(ctx))
        return Outcome(None)

    run = Run({"main": engine}, seed=seed)
    method = Method(Card(name="probe", title="Probe", what="internal", stops="at once"), fn, object)
    outcome = execute(run, lambda: run.answer(method.bind(None), PROBLEM, budget=budget))
    return found[0] if found else outcome


def sampled(folder: Path, n: int = 1, prompt: Prompt = PROMPT, **asked: Any) -> list[Trace]:
    settings = {k: asked.pop(k) for k in ("batch", "reuse", "chooser", "seed") if k in asked}
    seed = settings.pop("seed", 0)
    engine = TransformersLocal(folder, **settings)
    return working(engine, lambda ctx: ctx.sample_all(prompt, n, **asked), seed=seed)


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("transformers:")]


# -- what is generated


def _generated(folder: Path, prompts: list[str], tokens: int) -> list[list[int]]:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    replies = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        out = model.generate(**ids, do_sample=False, max_new_tokens=tokens)
        replies.append(out[0, ids["input_ids"].shape[1] :].tolist())
    return replies


def test_greedy_decoding_of_a_mixed_batch_equals_generate(folder: Path) -> None:
    questions = ["a", "What is 6*7?", "x" * 60, "äöü €", "Tell me something else"]
    prompts = [Prompt.user(q) for q in questions]
    engine = TransformersLocal(folder, batch=3)
    traces = working(engine, lambda ctx: ctx.sample_all(prompts, temperature=0.0, max_tokens=40))
    expected = _generated(folder, [f"<|user|>{q}<|assistant|>" for q in questions], 40)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for trace, ids in zip(traces, expected, strict=True):
        ended = ids[-1] != END and len(ids) == 40
        assert trace.tokens == len(ids)
        assert trace.finish == ("length" if ended and ids[-1] % 10 else "stop")
        shown = ids if trace.finish == "length" else ids[:-1]
        assert trace.text == tokenizer.decode(shown, skip_special_tokens=True)


FAMILIES = {
    "sliding windows": lambda v: transformers.MistralConfig(
        vocab_size=v,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=8,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
    ),
    "learned positions": lambda v: transformers.GPT2Config(
        vocab_size=v, n_embd=32, n_layer=2, n_head=2, n_positions=CONTEXT, initializer_range=0.3
    ),
    "alternating windows": lambda v: transformers.Gemma3TextConfig(
        vocab_size=v,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_other_architectures_decode_as_their_generate_does(family: str, tmp_path: Path) -> None:
    tokenizer = _tokenizer()
    torch.manual_seed(5)
    config = FAMILIES[family](len(tokenizer))
    config.bos_token_id, config.eos_token_id, config.pad_token_id = None, END, PAD
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    questions = ["a", "x" * 30, "What is 6*7?"]
    engine = TransformersLocal(tmp_path)
    traces = working(
        engine,
        lambda ctx: ctx.sample_all([Prompt.user(q) for q in questions], temperature=0.0, max_tokens=30),
    )
    expected = _generated(tmp_path, [f"<|user|>{q}<|assistant|>" for q in questions], 30)
    for trace, ids in zip(traces, expected, strict=True):
        assert trace.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_model_with_recurrent_layers_is_refused(tmp_path: Path) -> None:
    tokenizer = _tokenizer()
    config = transformers.MambaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, state_size=4
    )
    transformers.MambaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="recurrent"):
        asyncio.run(TransformersLocal(tmp_path).open())


def test_the_same_seed_gives_the_same_text_alone_and_in_a_crowd(folder: Path) -> None:
    crowd = sampled(folder, 12, **MANY)
    alone = sampled(folder, 12, batch=1, reuse=0, **MANY)
    assert [t.text for t in crowd] == [t.text for t in alone]
    assert len({t.text for t in crowd}) > 8
    assert [t.text for t in sampled(folder, 12, seed=1, **MANY)] != [t.text for t in crowd]


def test_a_draw_does_not_depend_on_its_neighbours_settings(folder: Path) -> None:
    vary = [{"temperature": 0.0}, {"top_k": 5}, {"top_p": 0.5}, {"min_p": 0.2}, {}]
    engine = TransformersLocal(folder)
    mixed = working(engine, lambda ctx: ctx.sample_all(PROMPT, 5, vary=vary, **{"max_tokens": 40}))
    for index, settings in enumerate(vary):
        (lone,) = working(
            TransformersLocal(folder, batch=1),
            lambda ctx, i=index, s=settings: ctx.sample_all(
                PROMPT, i + 1, vary=[{"max_tokens": 1}] * i + [{"max_tokens": 40, **s}]
            ),
        )[-1:]
        assert lone.text == mixed[index].text


def test_a_shared_prompt_is_read_once(folder: Path) -> None:
    first, second, third = sampled(folder, 3, **MANY)
    length = first.prompt_tokens
    assert (first.cached_tokens, second.cached_tokens, third.cached_tokens) == (0, length, length)
    later = sampled(folder, 3, batch=1, **MANY)
    assert [t.cached_tokens for t in later] == [0, length, length]
    apart = sampled(folder, 3, batch=1, reuse=0, **MANY)
    assert [t.cached_tokens for t in apart] == [0, 0, 0]


def test_tokens_ends_and_arrays_fit_together(folder: Path) -> None:
    for trace in sampled(folder, 8, logprobs=5, **MANY):
        assert trace.ends is not None
        assert len(trace.ends) == trace.tokens == len(trace.logprobs) == len(trace.conf)
        assert list(trace.ends) == sorted(trace.ends)
        assert trace.ends[-1] == len(trace.text)
        assert trace.estimated == 0
        assert trace.finish in ("stop", "length")


def test_log_probabilities_are_the_models_own_at_any_temperature(folder: Path) -> None:
    class Recording(Sampler):
        def __init__(self) -> None:
            self.tokens: list[int] = []

        def __call__(self, logits: Any, rows: Any) -> Any:
            tokens = super().__call__(logits, rows)
            self.tokens += tokens.tolist()
            return tokens

    record = Recording()
    asked = {"temperature": 0.3, "top_k": 3, "logprobs": 4, "max_tokens": 12, "min_tokens": 12}
    (trace,) = sampled(folder, 1, chooser=record, **asked)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer("<|user|>What is 6*7?<|assistant|>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([prompt + record.tokens])).logits[0, len(prompt) - 1 : -1]
    logprobs = logits.log_softmax(-1)
    drawn = logprobs[torch.arange(12), torch.tensor(record.tokens)]
    np.testing.assert_allclose(trace.logprobs, drawn, atol=1e-4)
    np.testing.assert_allclose(trace.conf, -logprobs.topk(4).values.mean(-1), atol=1e-4)


def test_zero_alternatives_give_log_probabilities_without_confidence(folder: Path) -> None:
    (trace,) = sampled(folder, 1, logprobs=0, **MANY)
    assert trace.logprobs is not None
    assert trace.conf is None
    (plain,) = sampled(folder, 1, **MANY)
    assert plain.logprobs is None


def test_least_and_most_tokens(folder: Path) -> None:
    for trace in sampled(folder, 8, temperature=1.0, min_tokens=20, max_tokens=25):
        assert 20 < trace.tokens <= 25
        assert (trace.finish == "length") == (trace.meta.get("stopped_at") is None)


def test_a_reply_ends_with_the_context(folder: Path) -> None:
    (trace,) = sampled(folder, 1, temperature=0.0, min_tokens=CONTEXT)
    assert trace.finish == "length"
    assert trace.tokens == CONTEXT - trace.prompt_tokens


def test_a_prompt_without_room_is_a_failed_sample(folder: Path) -> None:
    (trace,) = sampled(folder, 1, Prompt.user("x" * CONTEXT))
    assert trace.finish == "error"
    assert isinstance(trace.error, ContextOverflow)


def test_stop_texts_end_the_reply_unseen(folder: Path) -> None:
    whole = sampled(folder, 12, **MANY)
    longest = max(range(12), key=lambda i: len(whole[i].text))
    text = whole[longest].text
    stop = text[-4:-1]
    traces = sampled(folder, 12, stop=("never this", stop), **MANY)
    cut = traces[longest]
    assert cut.text == text[: text.find(stop)]
    assert (cut.finish, cut.meta["stopped_at"]) == ("stop", stop)
    assert cut.ends[-1] == len(cut.text)
    for before, after in zip(whole, traces, strict=True):
        assert after.text == before.text.partition(stop)[0]


def _row(**settings: Any) -> Row:
    table = [bytes([i]) for i in range(256)]
    return Row((1,), 0, ByteSpeller(table), frozenset({0}), **{"most": 99, **settings})


def _say(row: Row, text: str) -> list[str]:
    for byte in text.encode():
        row.push(byte, None, None)
    return row.pieces


def test_text_that_may_become_a_stop_text_waits() -> None:
    assert _say(_row(stop=("aab",)), "xaaac") == ["x", "", "", "a", "aac"]
    stopped = _row(stop=("aab", "b"))
    assert "".join(_say(stopped, "xaaab")) == "xa"
    assert (stopped.finish, stopped.stopped_at, stopped.ends[-1]) == ("stop", "aab", 2)


def test_what_waited_is_shown_at_the_end() -> None:
    row = _row(stop=("ab",))
    assert _say(row, "xa\0") == ["x", "", "a"]
    assert (row.finish, row.stopped_at) == ("stop", "")
    row = _row(stop=("ab",), most=2)
    assert _say(row, "xa") == ["x", "a"]
    assert row.finish == "length"


def test_characters_of_several_tokens_come_with_their_last(folder: Path) -> None:
    assert _say(_row(), "ä€") == ["", "ä", "", "", "€"]
    row = _row(most=2)
    row.push(0xE2, None, None)
    row.push(0x82, None, None)
    assert "".join(row.pieces) == "\ufffd"


def test_both_spellers_say_what_the_tokenizer_decodes(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Wait… <think>ä\n\n</think> 20€ 🙂!", add_special_tokens=False)["input_ids"]
    expected = tokenizer.decode(ids)
    exact = spelling(tokenizer)()
    window = WindowSpeller(lambda own: str(tokenizer.decode(list(own))))
    assert isinstance(exact, ByteSpeller)
    for speller in (exact, window):
        assert "".join(speller.push(i) for i in ids) + speller.rest() == expected


# -- the chooser


def test_filters_keep_what_they_say() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().repeat(5, 1)
    rows = [_row(), _row(top_k=2), _row(top_p=0.6), _row(min_p=0.4), _row(top_k=3, top_p=0.5)]
    kept = filtered(logits, rows).isfinite().sum(1).tolist()
    assert kept == [4, 2, 2, 2, 1]


def test_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    row, n = _row(), 4000
    drawn = [int(Sampler()(probabilities.log()[None], [row])) for _ in range(n)]
    shares = np.bincount(drawn, minlength=4) / n
    # five standard deviations: wrong in fewer than 3 of a million seeds, and the seed is fixed
    assert np.all(np.abs(shares - probabilities.numpy()) < 5 * np.sqrt(0.25 / n))


def test_a_chooser_replaces_sampling(folder: Path) -> None:
    class Always:
        def __call__(self, logits: Any, rows: Any) -> Any:
            return torch.full((len(rows),), _tokenizer().convert_tokens_to_ids("z"))

    (trace,) = sampled(folder, 1, chooser=Always(), max_tokens=5)
    assert (trace.text, trace.finish) == ("zzzzz", "length")


# -- stopping


def test_a_race_cancels_the_rest(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        async with ctx.as_finished(PROMPT, 8, temperature=1.0, max_tokens=200) as race:
            async for trace in race:
                winner = trace
                break
        rows = len(engine._worker.generations)
        for _ in range(200):  # the worker drops them at its next step
            if not engine._worker._running:
                break
            await asyncio.sleep(0.01)
        return winner, rows, list(engine._worker._running), ctx.scope.traces

    winner, generations, active, traces = working(engine, main)
    assert winner.finish == "stop"
    assert (generations, active) == (0, [])
    assert len(traces) == 8
    lost = [t for t in traces if t.finish == "cancelled"]
    assert lost
    for trace in lost:
        assert trace.estimated <= 1
        assert trace.tokens <= winner.tokens + 2
        assert len(trace.ends) == trace.tokens
    assert _threads() == []


class CutAfter:
    def __init__(self, tokens: int) -> None:
        self.left = tokens

    def feed(self, chunk: Chunk) -> int | None:
        if chunk.tokens >= self.left:
            return self.left
        self.left -= chunk.tokens
        return None


class Spy(Sampler):
    """Plain sampling that counts the tokens really made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, logits: Any, rows: Any) -> Any:
        self.made += len(rows)
        return super().__call__(logits, rows)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_reported_tokens_are_the_tokens_made_also_after_cancellation(folder: Path, n: int) -> None:
    spy = Spy()
    engine = TransformersLocal(folder, chooser=spy, batch=4)

    async def main(ctx: Any) -> Any:
        async with ctx.as_finished(PROMPT, n + 1, temperature=1.0, max_tokens=100) as race:
            async for _ in race:
                break
        async with ctx.stream(PROMPT, max_tokens=50, min_tokens=50) as live:
            async for _ in live:
                break
        return ctx.scope.usage

    usage = working(engine, main)
    assert usage.completion_tokens == spy.made


@pytest.mark.parametrize("seed", range(4))
def test_reported_tokens_are_exact_whatever_is_stopped_when(folder: Path, seed: int) -> None:
    rng, spy = random.Random(seed), Spy()
    batch, reuse = rng.choice([1, 3, 8]), rng.choice([0, 2, 8])

    async def part(branch: Context, number: int) -> None:
        prompt = Prompt.user(rng.choice(["a", "bb", "c" * 30]) + str(number % 3))
        asked = {"temperature": 1.0, "max_tokens": rng.randint(1, 60)}
        kind = rng.randrange(4)
        if kind == 0:
            async with branch.as_finished(prompt, rng.randint(1, 4), **asked) as race:
                race.cap(rng.randint(1, 40))
                async for _ in race:
                    if rng.random() < 0.5:
                        race.stop()
                        break
        elif kind == 1:
            left = rng.randint(0, 10)
            async with branch.stream(prompt, **asked) as live:
                async for _ in live:
                    left -= 1
                    if left < 0:
                        break
        elif kind == 2:
            await branch.sample_all(prompt, 3, until=lambda: CutAfter(rng.randint(1, 20)), **asked)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rng.random() * 0.05):
                    await branch.sample_all(prompt, 3, **asked)

    async def main(ctx: Context) -> Any:
        await ctx.map(part, range(8))
        return ctx.scope

    engine = TransformersLocal(folder, chooser=spy, batch=batch, reuse=reuse)
    scope = working(engine, main, seed=seed)
    assert scope.usage.completion_tokens == spy.made
    assert all(len(trace.ends) == trace.tokens for trace in scope.traces)
    assert all(trace.estimated <= 1 for trace in scope.traces)


def test_a_rule_cuts_the_text_where_it_says(folder: Path) -> None:
    engine = TransformersLocal(folder)
    asked = {"temperature": 1.0, "max_tokens": 30, "min_tokens": 30}
    (whole,) = sampled(folder, 1, **asked)
    (cut,) = working(engine, lambda ctx: ctx.sample_all(PROMPT, 1, until=lambda: CutAfter(7), **asked))
    assert cut.finish == "cut"
    assert cut.tokens == 7 + cut.estimated
    assert cut.estimated <= 1
    assert cut.text == whole.text[: whole.ends[6]]


def test_a_rule_that_fails_fails_its_draw_only(folder: Path) -> None:
    class Broken:
        def feed(self, chunk: Chunk) -> int | None:
            raise ValueError("broken rule")

    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        return await ctx.sample_all(PROMPT, 1, until=Broken, **MANY), await ctx.sample(PROMPT, **MANY)

    (failed,), fine = working(engine, main)
    assert (failed.finish, str(failed.error)) == ("error", "broken rule")
    assert fine.finish in ("stop", "length")


def test_a_cap_cuts_those_under_way(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        asked = {"temperature": 1.0, "max_tokens": 60, "min_tokens": 60}
        async with ctx.as_finished(PROMPT, 3, **asked) as race:
            race.cap(9)
            return [trace async for trace in race]

    for trace in working(engine, main):
        assert trace.finish == "cut"
        assert len(trace.text) == trace.ends[8]
        assert 9 <= trace.tokens <= 10


def test_a_watched_draw_shows_all_its_tokens(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        async with ctx.stream(PROMPT, logprobs=3, **MANY) as live:
            chunks = [chunk async for chunk in live]
        return chunks, live.trace

    chunks, trace = working(engine, main)
    assert "".join(c.text for c in chunks) == trace.text
    assert sum(c.tokens for c in chunks) == trace.tokens
    np.testing.assert_array_equal(np.concatenate([c.conf for c in chunks]), trace.conf)


@pytest.mark.parametrize(
    "budget", [Budget(tokens=50), Budget(sequential=10), Budget(samples=2), Budget(seconds=0.05)]
)
def test_budgets_end_the_draws(folder: Path, budget: Budget) -> None:
    engine = TransformersLocal(folder)
    asked = {"temperature": 1.0, "max_tokens": 200, "min_tokens": 200}
    outcome = working(engine, lambda ctx: ctx.sample_all(PROMPT, 4, **asked), budget=budget)
    assert _threads() == []
    if isinstance(outcome, list):  # refused or limited draws come back as traces
        assert {"budget"} & {t.finish for t in outcome}
        return
    if budget.tokens:
        assert outcome.usage.completion_tokens <= 50 + 2 * 4
    assert outcome.stopped_by.startswith("budget")


def test_closing_lands_what_is_under_way_and_frees_the_model(folder: Path) -> None:
    engine = TransformersLocal(folder, batch=2)

    async def main() -> Any:
        await engine.open()
        await engine.open()
        model = weakref.ref(engine._loaded.model)
        run = Run({"main": engine})
        method = self_consistency.self_consistency
        slow = Prompt.user("slow")
        task = asyncio.ensure_future(run.answer(method(n=4), Problem("slow", slow, Parity())))
        await asyncio.sleep(0.05)
        await engine.close()
        await engine.close()
        return model, await task

    model, outcome = asyncio.run(main())
    assert len(outcome.traces) == 4
    assert _threads() == []
    gc.collect()
    assert model() is None


def test_an_engine_opens_again_in_another_loop(folder: Path) -> None:
    engine = TransformersLocal(folder)
    texts = [working(engine, lambda ctx: ctx.sample(PROMPT, **MANY)).text for _ in range(2)]
    assert texts[0] == texts[1]


def test_a_model_that_fails_fails_its_draws_and_goes_on(folder: Path) -> None:
    class Once(Sampler):
        failed = False

        def __call__(self, logits: Any, rows: Any) -> Any:
            if not self.failed:
                self.failed = True
                raise RuntimeError("no luck")
            return super().__call__(logits, rows)

    engine = TransformersLocal(folder, chooser=Once())

    async def main(ctx: Any) -> Any:
        return await ctx.sample_all(PROMPT, 2, **MANY), await ctx.sample_all(PROMPT, 2, **MANY)

    failed, fine = working(engine, main)
    assert [t.finish for t in failed] == ["error", "error"]
    assert "no luck" in str(failed[0].error)
    assert all(t.finish in ("stop", "length") for t in fine)


# -- given texts


def test_scores_are_the_log_softmax(folder: Path) -> None:
    engine = TransformersLocal(folder)
    text = "It is 42."
    score = working(engine, lambda ctx: ctx.score(PROMPT, text))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(f"<|user|>What is 6*7?<|assistant|>{text}", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    own = len(text)
    before = logprobs[-own - 1 : -1]
    drawn = before[torch.arange(own), torch.tensor(ids[-own:])]
    np.testing.assert_allclose(score.logprobs, drawn, atol=1e-5)
    np.testing.assert_allclose(score.conf, -before.topk(20).values.mean(-1), atol=1e-5)
    assert score.tokens == len(ids)


def test_a_continued_reply_scores_as_it_was_drawn(folder: Path) -> None:
    prompt = PROMPT.then("<think>6*7 is ")
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        trace = await ctx.sample(prompt, temperature=0.5, logprobs=20, max_tokens=12)
        return trace, await ctx.score(prompt, trace.text)

    for seed in range(20):
        engine = TransformersLocal(folder)
        trace, score = working(engine, main, seed=seed)
        if trace.text and len(score.logprobs) == len(trace.text.encode()) and trace.text.isascii():
            shown = len(score.logprobs)
            np.testing.assert_allclose(score.logprobs, trace.logprobs[:shown], atol=1e-4)
            np.testing.assert_allclose(score.conf, trace.conf[:shown], atol=1e-4)
            return
    pytest.fail("no seed gave a text that tells its tokens")


def test_an_empty_text_has_no_score(folder: Path) -> None:
    engine = TransformersLocal(folder)
    assert len(working(engine, lambda ctx: ctx.score(PROMPT, "")).logprobs) == 0


def test_a_long_text_scores_in_pieces(folder: Path, monkeypatch: Any) -> None:
    whole = working(TransformersLocal(folder), lambda ctx: ctx.score(PROMPT, "abc " * 20))
    monkeypatch.setattr("ttscale.engines.local.decoding.decoder._CHUNK", 7)
    pieces = working(TransformersLocal(folder), lambda ctx: ctx.score(PROMPT, "abc " * 20))
    np.testing.assert_allclose(whole.logprobs, pieces.logprobs, atol=1e-4)


def test_a_continued_reply_is_read_from_where_it_stands(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        first = await ctx.sample(PROMPT, temperature=0.0, max_tokens=10, min_tokens=10)
        return await ctx.sample(PROMPT.then("abc"), temperature=0.0, max_tokens=10), first

    second, first = working(engine, main)
    assert second.cached_tokens == first.prompt_tokens
    assert second.prompt_tokens == first.prompt_tokens + 3
    (alone,) = sampled(folder, 1, PROMPT.then("abc"), temperature=0.0, max_tokens=10)
    assert alone.text == second.text


def test_a_reply_that_was_cut_is_continued_without_reading_it_again(folder: Path) -> None:
    def zs(logits: Any, rows: Any) -> Any:
        return torch.full((len(rows),), _tokenizer().convert_tokens_to_ids("z"))

    engine = TransformersLocal(folder, chooser=zs)

    async def main(ctx: Any) -> Any:
        cut = await ctx.sample(PROMPT, until=lambda: CutAfter(9))
        return cut, await ctx.sample(PROMPT.then(cut.text + "Wait"), max_tokens=3)

    cut, more = working(engine, main)
    assert cut.text == "z" * 9
    assert more.cached_tokens >= cut.prompt_tokens + 9 - 1
    assert more.prompt_tokens == cut.prompt_tokens + 9 + 4


def test_hidden_states_are_those_of_the_texts_tokens(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main(ctx: Any) -> Any:
        return (await engine.hidden(PROMPT, "abc"), await engine.hidden(PROMPT, "abc", [-1]))

    states, last = working(engine, main)
    assert states.states.shape == (3, 3, 48)
    np.testing.assert_array_equal(states.states[-1:], last.states)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        logits = model.lm_head(torch.tensor(last.states[0]))
    score = working(engine, lambda ctx: ctx.score(PROMPT, "abc"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("bc", add_special_tokens=False)["input_ids"]
    given = logits.log_softmax(-1)[torch.arange(2), torch.tensor(ids)]
    np.testing.assert_allclose(given, score.logprobs[1:], atol=1e-4)


def test_embeddings_do_not_depend_on_the_company(folder: Path) -> None:
    engine = TransformersLocal(folder)
    texts = ["one", "a much longer text than the others", ""]

    async def main(ctx: Any) -> Any:
        return await ctx.embed(texts, role="main"), await ctx.embed(texts[:1], role="main")

    together, alone = working(engine, main)
    assert together.shape == (3, 48)
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    assert not together[2].any()


def test_a_sentence_transformers_folder_embeds(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    tokenizer = _tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [{"path": p, "type": f"sentence_transformers.models.{k}"} for p, k in kinds]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    engine = TransformersLocal(folder, embedder=tmp_path)
    vectors = working(engine, lambda ctx: ctx.embed(["one", "x" * 100], role="main"))
    assert vectors.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    async def alone() -> Any:
        engine = EncoderLocal(tmp_path)
        await engine.open()
        try:
            return await engine.embed(["one", "x" * 100])
        finally:
            await engine.close()

    embedded = asyncio.run(alone())
    np.testing.assert_allclose(embedded.vectors, vectors, atol=1e-6)
    assert embedded.tokens > 2


def test_a_model_that_is_no_embedder_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError):
        asyncio.run(EncoderLocal(folder).open())


def test_prompts_are_written_with_the_template(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main() -> Any:
        await engine.open()
        try:
            written = engine._prompts.text(PROMPT.then("so "))
            quick = engine._prompts.text(PROMPT, {"thinking": False})
            raw = engine._prompts.text(Prompt(raw="Once"))
            spanning = engine._prompts.with_text(PROMPT.then("a\n"), "\nb")
        finally:
            await engine.close()
        return written, quick, raw, spanning

    written, quick, raw, (ids, first) = asyncio.run(main())
    assert written == ("<|user|>What is 6*7?<|assistant|>so ", False)
    assert quick[0].endswith("<think></think>")
    assert raw == ("Once", True)
    assert len(ids) - first == 2  # the blank line spans the border: it is the text's


def test_fields_nobody_knows_are_refused(folder: Path) -> None:
    with pytest.raises(CapabilityError, match="'penalty'"):
        sampled(folder, 1, extra={"penalty": 2})
    (trace,) = sampled(folder, 1, extra={"chat_template_kwargs": {"thinking": False}}, **MANY)
    assert trace.finish in ("stop", "length")


def test_a_live_model_among_recorded_draws_holds_the_clock(folder: Path) -> None:
    engine = TransformersLocal(folder)

    async def main() -> Any:
        await engine.open()
        try:
            return await engine.score(PROMPT, "42")
        finally:
            await engine.close()

    assert len(run_in_token_time(main()).logprobs) == 2


def test_live_draws_among_recorded_ones_hold_the_clock(folder: Path) -> None:
    live = TransformersLocal(folder)
    recorded = Synthetic(binary(0.7, length=50))
    run = Run({"main": recorded, "judge": live})

    async def fn(problem: Problem, ctx: Context, cfg: Any) -> Outcome:
        own = await ctx.sample_all(problem.prompt, 2)
        judged = await ctx.sample_all(PROMPT, 3, "judge", **MANY)
        return Outcome(None, extra={"roles": [t.role for t in [*own, *judged]]})

    probe = Method(Card(name="probe", title="Probe", what="internal", stops="at once"), fn, object)
    outcome = execute(run, lambda: run.answer(probe.bind(None), PROBLEM))
    assert outcome.extra["roles"] == ["main", "main", "judge", "judge", "judge"]
    assert outcome.usage.by["judge"].completion_tokens > 0


# -- methods


def test_methods_run_on_it(folder: Path) -> None:
    for method, settings in (
        (self_consistency.self_consistency, {"n": 4}),
        (first_finish.first_finish, {"n": 4}),
    ):
        engine = TransformersLocal(folder)
        run = Run({"main": engine}, seed=3)
        cfg = method.config(**settings)
        outcome = execute(run, lambda m=method, c=cfg, r=run: r.answer(m.bind(c), PROBLEM))
        assert outcome.answer in ("0", "1")
        assert len(outcome.traces) == 4
        assert outcome.usage.completion_tokens == sum(t.tokens for t in outcome.traces)
        assert outcome.usage.shared_prompt_tokens * 4 == outcome.usage.prompt_tokens


# -- reward models


def test_a_process_reward_model_scores_every_step(judge: Path) -> None:
    engine = RewardLocal(judge)
    texts = ["Add.\n\nMultiply.\n\nSo 42.", "One step", "Ends open\n\n", ""]

    async def main() -> Any:
        await engine.open()
        try:
            return await engine.reward(PROBLEM, [Trace(t) for t in texts])
        finally:
            await engine.close()

    rewards = asyncio.run(main())
    assert [len(s) for s in rewards.steps] == [3, 1, 1, 1]
    assert rewards.values == [s[-1] for s in rewards.steps]
    tokenizer = transformers.AutoTokenizer.from_pretrained(judge)
    model = transformers.AutoModelForTokenClassification.from_pretrained(judge)
    ids = tokenizer(f"<|user|>What is 6*7?<|assistant|>{texts[0]}", add_special_tokens=False)["input_ids"]
    blank = tokenizer.convert_tokens_to_ids("\n\n")
    with torch.no_grad():
        chances = model(torch.tensor([ids])).logits[0, :, 0].sigmoid()
    expected = [chances[i] for i, token in enumerate(ids) if token == blank] + [chances[-1]]
    np.testing.assert_allclose(rewards.steps[0], expected, atol=1e-5)


def test_an_outcome_reward_model_scores_whole_solutions(tmp_path: Path) -> None:
    tokenizer = _tokenizer()
    config = _config(tokenizer, num_labels=1)
    transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    engine = RewardLocal(tmp_path)

    async def main(*texts: str) -> Any:
        await engine.open()
        try:
            return await engine.reward(PROBLEM, [Trace(t) for t in texts])
        finally:
            await engine.close()

    both = asyncio.run(main("42", "a longer one"))
    assert both.steps is None
    assert asyncio.run(main("42")).values == pytest.approx(both.values[:1], abs=1e-5)


# -- what can go wrong


def test_errors_name_the_cause_and_the_fix(folder: Path, judge: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        TransformersLocal(str(folder)[:-1] + "x")
    with pytest.raises(UsageError, match=r"config\.json"):
        TransformersLocal(tmp_path)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(UsageError, match="llamacpp:"):
        TransformersLocal(tmp_path / "m.gguf")
    with pytest.raises(UsageError, match="batch=0"):
        TransformersLocal(folder, batch=0)
    for broken, match in (
        (TransformersLocal(judge), "not a causal language model"),
        (RewardLocal(folder), "not a reward model"),
        (TransformersLocal(folder, device="cuda:77"), "device"),
        (TransformersLocal(folder, dtype="int8"), "dtype"),
    ):
        with pytest.raises(UsageError, match=match):
            asyncio.run(broken.open())


def test_a_broken_folder_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UsageError, match="cannot be loaded"):
        asyncio.run(TransformersLocal(tmp_path).open())


def test_an_unknown_name_offline_is_not_found(monkeypatch: Any) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match="HF_HUB_OFFLINE"):
        asyncio.run(TransformersLocal("nobody/nothing").open())


def test_without_torch_the_install_command_is_named(folder: Path, monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=re.escape(install_command("torch"))):
        asyncio.run(TransformersLocal(folder).open())


def test_importing_the_engine_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import ttscale.engines.local.engine, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
