"""Plain requests about given texts: their log-probabilities, embeddings and rewards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...core import CapabilityError, Embeddings, EngineError, Problem, Prompt, Rewards, Score, Trace
from .request_body import conversation

if TYPE_CHECKING:
    from .engine import OpenAIHTTP


async def score(engine: OpenAIHTTP, prompt: Prompt, text: str) -> Score:
    """Log-probabilities of `text` after `prompt`, one per token, in nats.

    A token that spans the border between prompt and text counts as the text's.
    """
    kind = "chat" if prompt.raw is None else "raw"
    if kind not in engine.dialect.scoring.split():
        raise CapabilityError(
            f"{engine.server} gives no log-probabilities of a given text ({kind} prompts)",
            fix="use vLLM or a transformers model for this role",
        )
    if kind == "raw":
        return await _score_raw(engine, (prompt.raw or "") + prompt.prefix, text)
    body = {
        "model": engine.model,
        **conversation(prompt.then(text), engine.dialect, engine.server),
        "max_tokens": 1,
        "prompt_logprobs": 1,
    }
    response = await engine.fetch("/v1/chat/completions", body)
    logprobs, length = [], 0
    for entry in reversed(response["prompt_logprobs"]):
        if length >= len(text) or not entry:
            break
        sampled = next(iter(entry.values()))  # the token that stands there comes first
        logprobs.append(sampled["logprob"])
        length += len(sampled["decoded_token"])
    return _scored(logprobs[::-1], response)


async def _score_raw(engine: OpenAIHTTP, before: str, text: str) -> Score:
    body = {"model": engine.model, "prompt": before + text, "max_tokens": 1, "echo": True, "logprobs": 1}
    response = await engine.fetch("/v1/completions", body)
    columns = response["choices"][0]["logprobs"]
    rows = zip(columns["tokens"], columns["token_logprobs"], columns["text_offset"])
    begin, end = len(before), len(before) + len(text)
    logprobs = [lp for token, lp, at in rows if at < end and at + len(token) > begin]
    return _scored([lp for lp in logprobs if lp is not None], response)


def _scored(logprobs: list[float], response: Any) -> Score:
    import numpy as np

    return Score(np.array(logprobs, dtype=np.float32), _read(response))


def _read(response: Any) -> int | None:
    """Tokens of the texts, as the server counts them; None if it does not tell."""
    usage = response.get("usage") or {}
    tokens: int | None = usage.get("prompt_tokens", usage.get("total_tokens"))
    return tokens


async def embed(engine: OpenAIHTTP, texts: Sequence[str]) -> Embeddings:
    """Vectors in the order of `texts`."""
    response = await engine.fetch("/v1/embeddings", {"model": engine.model, "input": list(texts)})
    rows = sorted(response["data"], key=lambda row: row.get("index", 0))
    import numpy as np

    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    if len(vectors) != len(texts):
        raise EngineError(f"{engine.server} sent {len(vectors)} vectors for {len(texts)} texts")
    return Embeddings(vectors, _read(response))


async def reward(engine: OpenAIHTTP, problem: Problem, traces: Sequence[Trace]) -> Rewards:
    """Scores of solutions, higher is better.

    vLLM's /pooling is asked with the conversation that the solution completes. One number is the
    reward; one row per step is a process reward model's, whose reward is that of the last step
    (of a row of two, wrong and right, the second counts). llama.cpp's /v1/rerank is asked how
    relevant the solution is to the question: one number.
    """
    if engine.dialect.rewarding == "rerank":
        return await _rerank(engine, problem, traces)
    if engine.dialect.rewarding != "pooling":
        raise CapabilityError(
            f"{engine.server} does not serve a reward model",
            fix="serve one with vLLM (--runner pooling) or llama.cpp (--reranking)",
        )
    judged = await asyncio.gather(*(_pooled(engine, problem, trace.text) for trace in traces))
    steps = [rows for rows, _ in judged]
    several = any(len(rows) > 1 for rows in steps)
    counts = [count for _, count in judged if count is not None]
    tokens = sum(counts) if len(counts) == len(judged) else None
    return Rewards([rows[-1] for rows in steps], tokens, steps if several else None)


async def _pooled(engine: OpenAIHTTP, problem: Problem, text: str) -> tuple[list[float], int | None]:
    """(one reward per step, tokens read)."""
    turns = problem.prompt.turn(text, "").messages[:-1]
    body = {"model": engine.model, "messages": [m.as_openai() for m in turns], "add_generation_prompt": False}
    response = await engine.fetch("/pooling", body)
    data = response["data"][0]["data"]
    if not isinstance(data, list):
        data = [data]
    if not data:
        raise EngineError(f"{engine.server} sent no reward")
    rows = [row[-1] if isinstance(row, list) else row for row in data]
    return [float(r) for r in rows], _read(response)


async def _rerank(engine: OpenAIHTTP, problem: Problem, traces: Sequence[Trace]) -> Rewards:
    body = {
        "model": engine.model,
        "query": problem.prompt.text,
        "documents": [trace.text for trace in traces],
    }
    response = await engine.fetch("/v1/rerank", body)
    values = [0.0] * len(traces)
    for result in response["results"]:
        values[result["index"]] = float(result["relevance_score"])
    return Rewards(values, _read(response))
