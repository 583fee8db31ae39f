"""Requests, word for word, in the dialects of the servers they go to."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from engines.fake_server import AwaitedRequest

from ttscale.core import CapabilityError, Image, Prompt, Sampling
from ttscale.engines.openai.dialect import LLAMACPP, Dialect
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.engines.openai.request_body import RequestBody, body_of

ASK = Prompt.user("Hi")
VLLM = Dialect(
    kind="vllm", capabilities=frozenset({"text", "logprobs", "prefix"}), counting="usage", prefix="flags"
)


def written(call: AwaitedRequest, *, seeds: bool) -> RequestBody:
    return RequestBody(call, *body_of(call.prompt, call.sampling, LLAMACPP, "m"), seeds=seeds)


def test_nothing_is_sent_that_nobody_asked_for() -> None:
    path, body = body_of(ASK, Sampling(), Dialect(usage=False), "m")
    assert path == "/chat/completions"
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


def test_llamacpp_is_told_every_sampler_because_its_defaults_bend_distributions() -> None:
    _, body = body_of(ASK, Sampling(temperature=0.7), LLAMACPP, "m")
    assert (body["top_k"], body["top_p"], body["min_p"]) == (0, 1.0, 0.0)
    assert (body["temperature"], body["timings_per_token"]) == (0.7, True)
    _, body = body_of(ASK, Sampling(top_k=40, top_p=0.9, min_p=0.1), LLAMACPP, "m")
    assert (body["top_k"], body["top_p"], body["min_p"]) == (40, 0.9, 0.1)


@pytest.mark.parametrize(
    ("dialect", "limit", "sent"),
    [
        (LLAMACPP, 100_000, 100_000),
        (VLLM, 100_000, None),
        (VLLM, 513, None),
        (VLLM, 512, 512),
        (Dialect(), 9, 9),
    ],
)
async def test_what_a_budget_leaves_is_sent_unless_a_server_might_refuse_it(dialect, limit, sent) -> None:
    call = AwaitedRequest(Sampling(), ASK, 0, limit=limit)
    body = orjson.loads(OpenAIHTTP("m", "http://s", dialect=dialect).body_for(call, dialect).shared)
    assert body.get("max_tokens") == sent


async def test_draws_of_a_question_differ_in_their_seeds_and_are_encoded_once() -> None:
    sampling = Sampling(temperature=0.7)
    calls = [AwaitedRequest(sampling, ASK, draw) for draw in range(3)]
    shared = written(calls[0], seeds=True)
    assert all(shared.fits(call) for call in calls)
    bodies = [orjson.loads(shared.encoded(call)) for call in calls]
    assert [body.pop("seed") for body in bodies] == [call.seed for call in calls]
    assert bodies == [body_of(ASK, sampling, LLAMACPP, "m")[1]] * 3
    assert not shared.fits(AwaitedRequest(sampling, Prompt.user("Hi"), 0))
    assert not shared.fits(AwaitedRequest(sampling, ASK, 0, limit=5))


async def test_a_seed_that_was_asked_for_is_the_one_sent() -> None:
    call = AwaitedRequest(Sampling(extra={"seed": 7}), ASK, 0)
    assert orjson.loads(written(call, seeds=True).encoded(call))["seed"] == 7
    plain = AwaitedRequest(Sampling(), ASK, 0)
    assert b"seed" not in written(plain, seeds=False).encoded(plain)


def test_effort_is_told_in_the_words_of_the_server() -> None:
    think = Sampling(reasoning_effort="low")
    _, body = body_of(ASK, think, Dialect(), "m")
    assert body["reasoning_effort"] == "low"
    assert "chat_template_kwargs" not in body
    _, body = body_of(ASK, think, Dialect(), "m", effort="reasoning")
    assert body["reasoning"] == {"effort": "low"}
    assert "reasoning_effort" not in body
    extra = {"chat_template_kwargs": {"builtin_tools": []}}
    _, body = body_of(ASK, Sampling(reasoning_effort="none", extra=extra), VLLM, "m")
    assert body["chat_template_kwargs"] == {
        "reasoning_effort": "none",
        "enable_thinking": False,
        "builtin_tools": [],
    }


def test_vllm_counts_in_every_chunk_and_continues_by_flags() -> None:
    settings = Sampling(min_tokens=3, stop=("\n",), logprobs=20, max_tokens=9, extra={"best_of": 1})
    _, body = body_of(ASK.then("So"), settings, VLLM, "m", limit=4)
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "So"}
    assert (body["min_tokens"], body["stop"], body["max_tokens"]) == (3, ["\n"], 4)
    assert (body["logprobs"], body["top_logprobs"], body["best_of"]) == (True, 20, 1)


def test_llamacpp_continues_a_last_message_and_reports_the_drawn_token_at_least() -> None:
    _, body = body_of(ASK.then("So"), Sampling(logprobs=0), LLAMACPP, "m")
    assert body["messages"][-1] == {"role": "assistant", "content": "So"}
    assert "continue_final_message" not in body
    assert body["top_logprobs"] == 1


def test_images_and_extra_fields_pass_through_but_streaming_stays() -> None:
    asked = Prompt.user("What?", Image("data:image/png;base64,AA=="))
    _, body = body_of(asked, Sampling(extra={"stream": False, "tools": [1]}), LLAMACPP, "m")
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert (kinds, body["tools"], body["stream"]) == (["text", "image_url"], [1], True)


def test_what_a_server_cannot_do_is_an_error_not_a_dropped_field() -> None:
    bare = Dialect()
    for prompt, sampling, dialect in (
        (ASK.then("So"), Sampling(), bare),
        (ASK, Sampling(logprobs=1), bare),
        (ASK, Sampling(min_tokens=5), LLAMACPP),
    ):
        with pytest.raises(CapabilityError):
            body_of(prompt, sampling, dialect, "m")


def test_a_dialect_survives_being_written_down() -> None:
    known = replace(VLLM, scoring="chat raw", limit="max_completion_tokens")
    assert Dialect.from_dict(known.as_dict()) == known
