"""Methods in front of a model: chosen, run, counted, streamed, and stopped when nobody listens."""

from __future__ import annotations

import asyncio
import json

import pytest
from gateway.harness import USER, Model, boxed, content, world
from yarl import URL

from ttscale.gateway import parse
from ttscale.gateway.access.api_keys import new_key

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
KEY, HASH = new_key()
OTHER = {"id": "d", "type": "function", "function": {"name": "f", "arguments": '{"a": 2}'}}


def voting(*answers: str):
    """Request by request, replies that end with these answers."""

    def pieces(body, number):
        return ["It ", "is ", f"\\boxed{{{answers[number % len(answers)]}}}"]

    return pieces


def thinking(body, number):
    """Thinks unless told that it has thought."""
    begun = body["messages"][-1]
    if begun["role"] == "assistant" and "</think>" in begun["content"]:
        return ["So ", "\\boxed{9}"]
    return ["hmm ", "well ", "</think>"] if body.get("stop") is None else ["hmm ", "well "]


# -- choosing


@pytest.mark.parametrize(
    ("asked", "method", "samples"),
    [
        ({"model": "sc(n=3)/m"}, "sc(n=3)", 3),
        ({"model": "m", "ttscale": {"method": "sc(n=3)"}}, "sc(n=3)", 3),
        ({"model": "m", "ttscale": {"method": "sc", "params": {"n": 5}}}, "sc", 5),
        ({"model": "sc/m", "ttscale": {"params": {"n": 2}}}, "sc", 2),
        ({"model": "ffs/m", "ttscale": {"method": "sc(n=2)"}}, "sc(n=2)", 2),
        ({"model": "self_consistency(n=2)/m"}, "self_consistency(n=2)", 2),
        ({"model": "m", "ttscale": {"method": "first_finish", "params": {"n": 1}}}, "first_finish", 1),
    ],
)
async def test_a_method_is_chosen_by_name_or_by_object(asked, method, samples):
    async with world(Model()) as w:
        status, reply = await w.post(**asked)
    assert status == 200, reply
    assert (reply["ttscale"]["method"], reply["ttscale"]["samples"]) == (method, samples)
    assert reply["choices"][0]["message"]["content"] == "The answer is \\boxed{4}"


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"model": "fffs/m"}, 400, "did you mean 'ffs'"),
        ({"model": "sc(m=3)/m"}, 400, "known: n, tie"),
        ({"model": "sc(n=/m"}, 404, "unknown model"),
        ({"model": "sc(n=0)/m"}, 400, "n"),
        ({"model": "sc(n=100000)/m"}, 400, "more than 64"),
        ({"model": "sc/mm"}, 404, "did you mean 'm'"),
        ({"model": "m", "ttscale": {"metod": "sc"}}, 400, "did you mean 'method'"),
        ({"model": "m", "ttscale": {"method": "sc", "budget": {"token": 3}}}, 400, "'tokens'"),
        ({"model": "m", "ttscale": {"method": "sc", "answer": "maths"}}, 400, "'math'"),
        ({"model": "m", "ttscale": 3}, 400, "object"),
        ({"model": "best-of-n/m"}, 400, "needs reward"),
        ({"model": 3}, 400, "model"),
        ({"model": "sc/m", "temperature": "hot"}, 400, "temperature"),
        ({"model": "sc/m", "n": -1}, 400, "'n'"),
        ({"model": "sc/m", "messages": []}, 400, "messages"),
        ({"model": "sc(n=" + "(" * 150 + "/m"}, 404, "model"),
    ],
)
async def test_what_is_wrong_is_told_with_the_nearest_name(asked, status, told):
    async with world(Model()) as w:
        got, reply = await w.post(**asked)
    assert got == status, reply
    assert told in reply["error"]["message"]
    assert set(reply["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("options", "param", "told"),
    [
        ({"candidates": 1}, "ttscale.candidates", "give true or false"),
        ({"method": 3}, "ttscale.method", "give a text"),
        ({"budget": {"tokens": "many"}}, "ttscale.budget.tokens", "give a whole number above 0"),
        ({"budget": {"units": {"frames": 3}}}, "ttscale", "leave out budget.units"),
        ({"progress": "reason"}, "ttscale.progress", "did you mean 'reasoning'?"),
        ({"metod": "sc"}, "ttscale.metod", "did you mean 'method'?"),
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
async def test_a_wrong_option_is_told_with_its_place(path, options, param, told):
    async with world(Model()) as w:
        status, reply = await w.post(path, model="m", ttscale=options)
    assert (status, reply["error"]["param"]) == (400, param)
    assert told in reply["error"]["message"]


async def test_models_are_listed_with_every_method_they_can_run():
    async with world(Model()) as w:
        async with w.session.get(f"{w.url}/v1/models") as reply:
            listed = {entry["id"]: entry for entry in (await reply.json())["data"]}
        async with w.session.get(f"{w.url}/v1/models/ffs/m") as reply:
            assert (await reply.json())["id"] == "ffs/m"
        for wrong in ("nothing", "sc/nothing", "fffs/m", "sc(n=0)/m"):
            async with w.session.get(f"{w.url}/v1/models/{wrong}") as reply:
                assert reply.status == 404
    assert {"m", "ffs/m", "self-consistency/m", "budget-forcing/m"} <= set(listed)
    assert "best-of-n/m" in listed  # whether it judges replies has not been tried
    assert listed["ffs/m"]["ttscale"]["paper"] == "arXiv:2505.18149"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("org/m", None),
        ("sc/org/m", "self-consistency"),
        ("self_consistency/org/m", "self-consistency"),
        ("budget_forcing(max_thinking=9)/org/m", "budget-forcing"),
        ("sc%28n%3D2%29%2Forg%2Fm", "self-consistency"),
    ],
)
async def test_every_name_that_answers_has_its_entry(name, method):
    model = Model()
    await model.up()
    async with world(model, config={"models": {"org/m": {"spec": f"openai:m@{model.url}"}}}) as w:
        async with w.session.get(URL(f"{w.url}/v1/models/{name}", encoded=True)) as reply:
            entry = await reply.json()
        assert reply.status == 200
        assert (await w.post(model=entry["id"]))[0] == 200
    assert entry["id"] == URL(f"http://h/{name}", encoded=True).path[1:]
    assert entry.get("ttscale", {}).get("method") == method


# -- what only the configuration may say


def hard_and_easy(body, number):
    """Agrees on the easy question, and on nothing about the hard one."""
    easy = "easy" in body["messages"][0]["content"]
    return ["so ", f"\\boxed{{{4 if easy else number}}}"]


def fitted(path, *strategies):
    """A policy file: unanimous pilots of two get the first strategy, others the second."""
    level = {"limit": 16, "strategies": list(strategies)}
    policy = {
        "kind": "ttscale-policy",
        "version": 1,
        "model": "m",
        "task": "t",
        "questions": 2,
        "unit": "samples",
        "difficulty": {"kind": "agreement", "pilot": 2, "cuts": [0.9]},
        "levels": [level],
    }
    path.write_text(json.dumps(policy))
    return {"auto": {"policy": str(path)}}


def judging(body, number):
    """Answers 4; asked for a verdict, says something that holds a number too."""
    if "Is the proposed solution correct?" in body["messages"][-1]["content"]:
        return ["Yes", ", ", "\\boxed{7}"]
    return boxed(body, number)


async def test_verdicts_neither_vote_nor_answer():
    async with world(Model(judging)) as w:
        status, reply = await w.post(model="best-of-n(n=3, verifier=judge)/m", ttscale={"candidates": True})
    told = reply["ttscale"]
    assert status == 200, reply
    assert (told["answers"], told["agreement"]) == (["4"], [{"votes": 3, "of": 3}])
    assert (told["samples"], told["verifier_tokens"], told["planning_tokens"]) == (3, 9, 0)
    said = sorted((c["part"], c["answer"]) for c in told["candidates"] if c["part"] == "answer")
    assert said == [("answer", "4")] * 3
    verdicts = [c for c in told["candidates"] if c["part"] == "verdict"]
    assert [c["answer"] for c in verdicts] == [None] * 3


async def test_auto_follows_the_configured_policy(tmp_path):
    methods = fitted(tmp_path / "policy.json", "pilot(n=2)", "sc(n=5)")
    model = Model(hard_and_easy)
    async with world(model, methods=methods) as w:
        easy, hard = [
            (await w.post(model="auto/m", messages=[{"role": "user", "content": text}]))[1]
            for text in ("an easy one", "a hard one")
        ]
        async with w.session.get(f"{w.url}/v1/models/auto/m") as reply:
            assert reply.status == 200
    assert easy["ttscale"]["answers"] == ["4"]
    assert easy["ttscale"]["samples"] == 2
    assert hard["ttscale"]["samples"] == 2 + 5  # the pilot is in the bill
    assert hard["usage"]["completion_tokens"] + easy["usage"]["completion_tokens"] == model.made


async def test_auto_without_a_policy_has_a_rule_of_thumb():
    async with world(Model()) as w:
        status, reply = await w.post(model="auto/m")
    assert (status, reply["ttscale"]["samples"]) == (200, 4)


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "auto(policy='{file}')/m"},
        {"model": "auto/m", "ttscale": {"params": {"policy": "{file}"}}},
        {"model": "m", "ttscale": {"method": "auto", "params": {"policy": "{file}"}}},
        {"model": "atts(bank='{file}')/m"},
        {"model": "pets-online(table='{file}')/m"},
        {"model": "plan-and-budget(prompts='{file}')/m"},
    ],
)
@pytest.mark.parametrize("file", ["/etc/passwd", "/dev/zero", "/nowhere"])
async def test_no_client_makes_the_gateway_read_a_file(asked, file):
    asked = json.loads(json.dumps(asked).replace("{file}", file))
    model = Model()
    async with world(model) as w:
        async with asyncio.timeout(5):
            status, reply = await w.post(**asked)
    assert (status, reply["error"]["code"]) == (400, "parameter_not_allowed")
    assert "only the gateway's configuration" in reply["error"]["message"]
    assert not model.bodies


def test_every_parameter_that_names_a_file_is_on_its_card():
    import inspect
    import re

    from ttscale.methods.registry import methods

    for name, method in methods().items():
        told = inspect.getdoc(method.config) or ""
        files = set(re.findall(r"^\s*(\w+): file of", told, re.MULTILINE))
        assert files == set(method.card.files), name


async def test_a_configured_method_has_its_parameters_where_the_request_says_nothing():
    async with world(Model(), methods={"sc": {"n": 3}}) as w:
        assert (await w.post(model="sc/m"))[1]["ttscale"]["samples"] == 3
        assert (await w.post(model="sc(n=2)/m"))[1]["ttscale"]["samples"] == 2
        more = {"params": {"n": 4}}
        assert (await w.post(model="sc/m", ttscale=more))[1]["ttscale"]["samples"] == 4


async def test_a_models_sampling_holds_where_neither_request_nor_method_says_otherwise():
    model = Model()
    async with world(model, temperature=0.25, max_tokens=77) as w:
        await w.post(model="sc(n=2)/m")
        assert [(b["temperature"], b["max_tokens"]) for b in model.bodies] == [(0.25, 77)] * 2
        model.bodies.clear()
        await w.post(model="sc(n=2)/m", temperature=0.5)
        assert [(b["temperature"], b["max_tokens"]) for b in model.bodies] == [(0.5, 77)] * 2


async def test_methods_without_a_bound_keep_to_the_limit_of_samples():
    config = {"limits": {"max_samples": 5}}
    async with world(Model(hard_and_easy), config=config) as w:
        hard = [{"role": "user", "content": "a hard one"}]
        status, reply = await w.post(model="auto/m", messages=hard)
    assert (status, reply["ttscale"]["samples"]) == (200, 5)
    assert reply["ttscale"]["over_budget"]


@pytest.mark.parametrize(
    ("asked", "samples"),
    [
        ({"model": "sc/m"}, 6),  # 8 where nothing is said
        ({"model": "ffs/m"}, 6),
        ({"model": "esc(window=2, max_samples=40)/m"}, 6),
        ({"model": "esc(window=8)/m"}, 6),  # one window is more than there may be
        ({"model": "adaptive/m", "ttscale": {"params": {"max_samples": 1000}}}, 6),
        ({"model": "sc/m", "n": 2}, 6),
        ({"model": "sc(n=2)/m", "n": 3}, 6),
        ({"model": "esc(window=1)/m", "n": 4}, 4),
    ],
)
async def test_a_maximum_is_lowered_to_what_a_request_may_draw(asked, samples):
    unlike = Model(lambda body, number: ["so ", f"\\boxed{{{number}}}"])
    async with world(unlike, config={"limits": {"max_samples": 6}}) as w:
        status, reply = await w.post(**asked)
    assert status == 200, reply
    assert reply["ttscale"]["samples"] == len(unlike.bodies) == samples
    assert len(reply["choices"]) == asked.get("n", 1)


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "sc(n=7)/m"},
        {"model": "sc/m", "ttscale": {"params": {"n": 7}}},
        {"model": "m", "ttscale": {"method": "ffs(n=7)"}},
        {"model": "sc(n=4)/m", "n": 2},
        {"model": "esc/m", "n": 7},
    ],
)
async def test_more_samples_than_may_be_drawn_are_refused_where_they_were_asked_for(asked):
    async with world(Model(), config={"limits": {"max_samples": 6}}) as w:
        status, reply = await w.post(**asked)
    assert (status, reply["error"]["code"]) == (400, "too_many_samples")


# -- answers


async def test_votes_are_over_what_the_texts_state():
    model = Model(voting("1/2", "3", "0.5"))
    async with world(model) as w:
        _, reply = await w.post(model="sc(n=3)/m")
    assert reply["ttscale"]["answers"] == ["1/2"]
    assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]


async def test_votes_over_tool_calls_are_by_function_and_arguments():
    model = Model(lambda body, number: [])
    model.tool_calls = lambda body, number: [OTHER if number == 0 else {**CALL, "id": f"c{number}"}]
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with world(model) as w:
        _, reply = await w.post(model="sc(n=3)/m", tools=tools)
        events = await w.events(model="sc(n=3)/m", tools=tools)
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == CALL["function"]
    streamed = [e["choices"][0] for e in events if isinstance(e, dict)]
    assert streamed[-2]["delta"]["tool_calls"][0]["function"] == CALL["function"]
    assert streamed[-1]["finish_reason"] == "tool_calls"


async def test_free_text_nobody_can_vote_on_falls_to_the_first_sample_and_says_so():
    model = Model(lambda body, number: [f"Poem number {number}."])
    async with world(model) as w:
        _, reply = await w.post(model="sc(n=3)/m", ttscale={"candidates": True})
    told = reply["ttscale"]
    assert told["agreement"] == [{"votes": 1, "of": 3}]
    first = min(told["candidates"], key=lambda c: c["draw"])
    assert reply["choices"][0]["message"]["content"] == first["text"]
    assert first["winner"]


async def test_json_replies_are_compared_by_their_values():
    texts = ['{"a": 1, "b": 2}', '{"x": 0}', '{ "b": 2, "a": 1 }']
    model = Model(lambda body, number: [texts[number % 3]])
    async with world(model) as w:
        _, reply = await w.post(model="sc(n=3)/m", response_format={"type": "json_object"})
    assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]


async def test_n_choices_are_independent_runs():
    model = Model()
    async with world(model) as w:
        _, reply = await w.post(model="sc(n=3)/m", n=2, seed=5)
        seeds = [b["seed"] for b in model.bodies]
        events = await w.events(model="sc(n=2)/m", n=2)
    assert [c["index"] for c in reply["choices"]] == [0, 1]
    assert len(set(seeds)) == 6
    assert reply["usage"]["completion_tokens"] == 24 == reply["ttscale"]["completion_tokens"]
    assert content(events, 0) == content(events, 1) == "The answer is \\boxed{4}"


async def test_the_same_seed_asks_for_the_same_samples():
    model = Model()
    async with world(model) as w:
        for _ in range(2):
            await w.post(model="sc(n=2)/m", seed=3)
        await w.post(model="sc(n=2)/m")
    seeds = [b["seed"] for b in model.bodies]
    assert sorted(seeds[:2]) == sorted(seeds[2:4])
    assert not set(seeds[:2]) & set(seeds[4:])


async def test_logprobs_are_those_of_the_winner():
    async with world(Model()) as w:
        _, reply = await w.post(model="sc(n=2)/m", logprobs=True, top_logprobs=2)
    entries = reply["choices"][0]["logprobs"]["content"]
    assert [e["token"] for e in entries] == ["The ", "answer ", "is ", "\\boxed{4}"]
    assert entries[0]["logprob"] == pytest.approx(-0.1)


async def test_one_failed_sample_of_eight_does_not_fail_the_request():
    model = Model()
    async with world(model) as w:

        async def third(request, body):
            if len(model.bodies) == 3:
                request.transport.abort()
                raise ConnectionError
            return None

        model.fail = third
        status, reply = await w.post(model="sc(n=8)/m")
    assert (status, reply["ttscale"]["answers"]) == (200, ["4"])


# -- usage and budgets


async def test_usage_is_every_token_the_upstream_made():
    model = Model(lambda body, n: ["x "] * (3 + 40 * (n % 4)) + ["\\boxed{1}"], pause=0.005)
    async with world(model) as w:
        _, reply = await w.post(model="ffs(n=4)/m")
        await model.quiet()
        told = reply["ttscale"]
        # one token per stopped sample is the estimate of what was under way
        assert abs(reply["usage"]["completion_tokens"] - model.made) <= 3
        assert told["useful_tokens"] == 4
        assert told["cancelled_tokens"] == told["completion_tokens"] - 4
        assert model.stopped == 3


async def test_a_spent_budget_gives_the_best_so_far_and_says_so():
    model = Model(lambda body, n: ["x "] * (3 if n % 4 == 0 else 400) + ["\\boxed{1}"], pause=0.002)
    async with world(model) as w:
        status, reply = await w.post(model="sc(n=4)/m", ttscale={"budget": {"tokens": 100}})
    told = reply["ttscale"]
    assert status == 200
    assert (told["over_budget"], told["stopped_by"], told["answers"]) == (True, "budget:tokens", ["1"])
    assert reply["usage"]["completion_tokens"] <= 110


@pytest.mark.parametrize(
    ("budget", "kind"),
    [
        ({"samples": 3}, "samples"),
        ({"seconds": 1.0}, "seconds"),
        ({"cost": 1e-4}, "cost"),
        ({"sequential": 50}, "sequential"),
    ],
)
async def test_every_kind_of_budget_ends_a_request_with_the_best_so_far(budget, kind):
    model = Model(lambda body, n: ["x "] * (3 if n % 4 == 0 else 400) + ["\\boxed{1}"], pause=0.005)
    if kind == "samples":
        model = Model()
    price = {"prompt": 0.0, "completion": 1.0}
    async with world(model, price=price) as w:
        status, reply = await w.post(model="sc(n=4)/m", ttscale={"budget": budget})
        await model.quiet()
    told = reply["ttscale"]
    assert (status, told["over_budget"]) == (200, True)
    assert told["stopped_by"] == f"budget:{kind}"
    assert told["answers"] == ["4" if kind == "samples" else "1"]
    assert told["cost"] == pytest.approx(reply["usage"]["completion_tokens"] / 1e6)
    assert told["cost"] <= 1.1 * budget.get("cost", 1)
    assert told["samples"] <= budget.get("samples", 4)


async def test_the_budget_of_a_key_holds_for_each_of_its_requests():
    config = {"keys": {"alice": {"hash": HASH, "budget": {"samples": 2}}}}
    async with world(Model(), config=config) as w:
        for asked in ({}, {"ttscale": {"budget": {"samples": 3}}}):
            headers = {"Authorization": f"Bearer {KEY}"}
            _, reply = await w.post(model="sc(n=4)/m", headers=headers, **asked)
            assert (reply["ttscale"]["samples"], reply["ttscale"]["over_budget"]) == (2, True)


async def test_a_budget_spent_before_any_answer_gives_what_there_is():
    model = Model(lambda body, n: ["x "] * 500, pause=0.002)
    async with world(model) as w:
        status, reply = await w.post(model="simple/m", ttscale={"budget": {"tokens": 20}})
    assert status == 200
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["choices"][0]["message"]["content"].startswith("x x ")
    assert (reply["ttscale"]["partial"], reply["ttscale"]["over_budget"]) == (True, True)


# -- streams


async def test_simple_streams_token_by_token():
    model = Model(pause=0.05)
    async with world(model) as w:
        body = {"model": "simple/m", "messages": USER, "stream": True}
        async with w.session.post(f"{w.url}/v1/chat/completions", json=body) as reply:
            seen = b""
            while b"The " not in seen:
                seen += await reply.content.readany()
            assert model.made < 4
            seen += await reply.read()
    events = [json.loads(x[6:]) for x in seen.decode().split("\n\n") if x.startswith("data: {")]
    assert content(events) == "The answer is \\boxed{4}"
    assert events[-1]["ttscale"]["samples"] == 1


async def test_budget_forcing_streams_its_thinking_and_then_its_answer():
    model = Model(thinking, pause=0.01)
    async with world(model) as w:
        events = await w.events(model="budget-forcing(n_ignore=1)/m", stream_options={"include_usage": True})
        _, whole = await w.post(model="budget-forcing(n_ignore=1)/m")
    message = whole["choices"][0]["message"]
    assert content(events) == message["content"] == "So \\boxed{9}"
    assert "Wait" in message["reasoning_content"]
    assert content(events, part="reasoning_content").split() == message["reasoning_content"].split()
    deltas = [e for e in events if isinstance(e, dict) and e["choices"]]
    assert len(deltas) > 4  # in pieces, not at the end
    # one of them has also found out whether a reply can be continued
    used = (events[-1]["usage"]["completion_tokens"], whole["usage"]["completion_tokens"])
    assert sum(used) == model.made


async def test_a_stream_is_never_silent_while_samples_are_under_way():
    model = Model(first=0.9)
    async with world(model, config={"server": {"heartbeat": 0.1}}) as w:
        comments = [e for e in await w.events(model="sc(n=2)/m") if isinstance(e, str)]
        told = await w.events(model="sc(n=2)/m", ttscale={"progress": "reasoning"})
    assert len(comments) >= 3
    assert "0 of 2 samples finished" in comments[0]
    assert "of 2 samples" in content(told, part="reasoning_content")
    assert content(told) == "The answer is \\boxed{4}"


async def test_first_finish_answers_as_the_winner_completes():
    model = Model(lambda body, n: boxed(body, n) if n == 2 else ["x "] * 400, pause=0.01)
    async with world(model) as w:
        began = asyncio.get_running_loop().time()
        events = await w.events(model="ffs(n=4)/m")
        assert asyncio.get_running_loop().time() - began < 2
        await model.quiet()
    assert content(events) == "The answer is \\boxed{4}"
    assert model.stopped == 3


async def test_a_failure_after_the_stream_began_is_an_event():
    model = Model(lambda body, n: ["x "] * 50, pause=0.01)
    async with world(model) as w:

        async def break_off(request, body):
            asyncio.get_running_loop().call_later(0.4, request.transport.abort)

        model.fail = break_off
        events = await w.events(model="simple/m")
    assert events[-1]["error"]["code"] == "upstream_failed"


async def test_completions_run_methods_too():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post("completions", model="sc(n=2)/m", prompt=["a", "b"])
        events = await w.events("completions", model="simple/m", prompt="a")
    assert status == 200, reply
    assert [c["text"] for c in reply["choices"]] == ["The answer is \\boxed{4}"] * 2
    assert {b["prompt"] for b in model.bodies} == {"a", "b"}
    assert "".join(c["text"] for e in events for c in e["choices"]) == "The answer is \\boxed{4}"


# -- cancellation


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_stops_all_its_samples_within_a_step(stream):
    model = Model(lambda body, n: ["x "] * 500, pause=0.02)
    async with world(model) as w:
        body = {"model": "sc(n=8)/m", "messages": USER, "stream": stream}

        async def ask():
            async with w.session.post(f"{w.url}/v1/chat/completions", json=body) as reply:
                await reply.read()

        task = asyncio.create_task(ask())
        for _ in range(500):
            if model.busy == 8 and model.made >= 40:
                break
            await asyncio.sleep(0.01)
        task.cancel()
        made = model.made
        await model.quiet()
        assert model.stopped == 8
        assert model.made - made <= 3 * 8
        assert w.gateway.metrics.total("cancellations_total") == 1


# -- all of them


async def test_every_listed_method_answers():
    """Whatever it makes of such a model: an answer or a refusal that says why, never a failure."""
    model = Model(thinking)
    config = {"limits": {"budget": {"tokens": 3000, "samples": 200, "seconds": 5.0}}}
    async with world(model) as w:
        config["models"] = {"m": {"spec": f"openai:m@{model.url}", "health": 0.2}}
        await w.gateway.reload(parse(config))
        await w.gateway.upstreams["m"].open()
        listed = w.gateway.upstreams["m"].runnable()
        assert {"simple", "ffs", "self-consistency", "budget-forcing"} <= set(listed)
        for name in listed:
            status, reply = await w.post(model=f"{name}/m", max_tokens=64)
            assert status in (200, 400), (name, reply)
            if status == 200:
                assert reply["ttscale"]["completion_tokens"] == reply["usage"]["completion_tokens"]
            events = await w.events(model=f"{name}/m", max_tokens=64) if status == 200 else [{}]
            assert "error" not in events[-1], (name, events[-1])
