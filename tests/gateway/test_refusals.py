"""What an upstream refuses reaches the client as what it is: status, words, and when to come back."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from aiohttp import web
from gateway.harness import USER, Model, boxed, world

LATER = {"Retry-After": "90"}  # too long to be waited for
MESSAGE = {"error": {"message": "no", "type": "t", "code": None}}
PAGE = "<html><title>no</title></html>"


def refusing(status, body=MESSAGE, kind="application/json", headers=LATER):
    async def play(request, _):
        text = {"json": body} if not isinstance(body, str) else {"text": body}
        if "json" in text:
            return web.json_response(body, status=status, headers=headers)
        return web.Response(text=body, content_type=kind, status=status, headers=headers)

    return play


async def asked(w, name="m", **body):
    """(status, error, headers) of a request."""
    body = {"model": name, "messages": USER, **body}
    async with w.session.post(f"{w.url}/v1/chat/completions", json=body) as reply:
        assert reply.content_type == "application/json", await reply.text()
        return reply.status, (await reply.json())["error"], reply.headers


EVENTS = 'event: error\ndata: {"error": {"message": "no"}}\n\n'
CASES = {
    # upstream's status, body, content type: what a plain request gets, and a method's
    "wrong": (400, MESSAGE, "", 400, 400),
    "unprocessable, from FastAPI": (422, {"detail": [{"msg": "no"}]}, "", 422, 422),
    "a text for an error": (400, {"error": "no"}, "", 400, 400),
    "an empty body": (400, "", "text/plain", 400, 400),
    "wrong, as an event": (400, EVENTS, "text/event-stream", 400, 400),
    "unpaid": (402, MESSAGE, "", 402, 402),
    "unpaid, as an event": (402, EVENTS, "text/event-stream", 402, 402),
    "the gateway's key": (401, MESSAGE, "", 502, 502),
    "the gateway's key may not": (403, MESSAGE, "", 502, 502),
    "flagged": (403, {"error": {"message": "your input was flagged", "code": 403}}, "", 403, 403),
    "filtered": (400, {"error": {"message": "no", "code": "content_filter"}}, "", 400, 400),
    "moved": (307, "", "text/html", 502, 502),
    "no such model": (404, MESSAGE, "", 404, 502),
    "full": (429, MESSAGE, "", 429, 429),
    "full, a page": (429, PAGE, "text/html", 429, 429),
    "full, as an event": (429, EVENTS, "text/event-stream", 429, 429),
    "overloaded": (503, MESSAGE, "", 503, 503),
    "overloaded, a page": (503, PAGE, "text/html", 503, 503),
    "overloaded, as an event": (503, EVENTS, "text/event-stream", 503, 503),
    "overloaded, another way": (529, MESSAGE, "", 529, 503),
    "slow behind a proxy": (504, PAGE, "text/html", 504, 504),
    "no such address, a page": (404, PAGE, "text/html", 404, 502),
    "broken, a page": (500, PAGE, "text/html", 500, 502),
    "200, and an error": (200, {"error": {"message": "no", "code": "503"}}, "", 503, 503),
}


@pytest.mark.parametrize("stream", [False, True])
async def test_every_refusal_is_an_error_object_with_its_status_and_time(stream):
    model = Model()
    async with world(model, health=0) as w:
        for name, case in CASES.items():
            status, body, kind, plain, method = case
            never = {**LATER, "x-should-retry": "false"}
            model.fail = refusing(status, body, kind, never)
            for model_name, expected in (("m", plain), ("simple/m", method)):
                if status == 200 and model_name != "m":
                    continue  # asked again and again: it does not say when
                got, error, headers = await asked(w, model_name, stream=stream)
                assert got == expected, (name, model_name, error)
                assert error["message"], name
                if expected != 502 and status not in (200, 400, 403, 404, 422, 500):
                    assert headers["Retry-After"] == "90", (name, model_name)


@pytest.mark.parametrize(
    "given",
    [
        {"Retry-After": "90"},
        {"Retry-After": "90.5"},
        {"Retry-After": formatdate(time.time() + 3600, usegmt=True)},
        {"retry-after-ms": "90000", "x-should-retry": "false"},
        {"Retry-After": "120", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-tokens": "6m0s"},
    ],
    ids=str,
)
async def test_when_to_come_back_is_passed_on_as_it_came(given):
    model = Model()
    async with world(model, health=0) as w:
        for status in (429, 503):
            model.fail = refusing(status, headers=given)
            for name in ("m", "simple/m"):
                before = len(model.bodies)
                got, _, headers = await asked(w, name)
                assert got == status
                assert {k: headers.get(k) for k in given} == given
                assert len(model.bodies) == before + 1, "it is not worth waiting for"


async def test_a_time_in_the_past_is_now():
    model = Model()
    async with world(model, health=0) as w:
        past = {"Retry-After": formatdate(time.time() - 3600, usegmt=True)}
        refuse = refusing(429, headers=past)

        async def once(request, body):
            model.fail = None
            return await refuse(request, body)

        model.fail = once
        status, reply = await w.post(model="simple/m")
    assert (status, reply["ttscale"]["answers"]) == (200, ["4"])
    assert len(model.bodies) == 2


async def test_retries_stay_within_the_time_of_the_request():
    """It gets the upstream's refusal while there is time to act on it."""
    model = Model()
    async with world(model, health=0) as w:
        model.fail = refusing(503, headers={"Retry-After": "3"})
        began = time.monotonic()
        status, _, headers = await asked(w, "simple/m", ttscale={"budget": {"seconds": 2}})
        assert (status, headers["Retry-After"]) == (503, "3")
        assert time.monotonic() - began < 1.5
    assert len(model.bodies) == 1


@pytest.mark.parametrize(
    "opening",
    [
        b'data: {"error": {"message": "no", "code": 429}}\n\n',
        b'event: error\r\ndata: {"message": "no", "code": "429"}\r\n\r\n',
        b': wait\n\nevent: error\ndata: {"error": {"type": "rate_limit_error", "message": "no"}}\n\n',
    ],
)
async def test_a_stream_that_begins_with_an_error_has_its_status(opening):
    model = Model()
    async with world(model, health=0) as w:

        async def play(request, body):
            return web.Response(body=opening, content_type="text/event-stream")

        model.fail = play
        got, error, _ = await asked(w, stream=True)
    assert got == 429
    assert "no" in error["message"]


@pytest.mark.parametrize("name", ["m", "simple/m"])
@pytest.mark.parametrize(
    "refuse",
    [
        refusing(429),
        refusing(503, headers=None),
        refusing(503, EVENTS, "text/event-stream", None),
        refusing(500, PAGE, "text/html", None),
        refusing(200, 'data: {"error": {"code": 503}}\n\n', "text/event-stream", None),
    ],
    ids=["429", "503", "503 as an event", "500", "200 and an error"],
)
async def test_what_one_replica_refuses_the_other_is_asked(name, refuse):
    bad, good = Model(), Model()
    async with world(bad, good, health=0) as w:
        bad.fail = refuse
        for number in range(6):
            messages = [{"role": "user", "content": f"{number}"}]
            status, _ = await w.post(model=name, messages=messages)
            assert status == 200
    assert len(good.bodies) == 6
    assert bad.bodies, "it was asked, and its refusal did not matter"


async def ready(w):
    async with w.session.get(f"{w.url}/ready") as reply:
        return reply.status


async def _reset(request, body):
    request.transport.abort()
    return web.Response()


async def _empty(request, body):
    return web.Response(body=b"", content_type="text/event-stream")


async def _garbage(request, body):
    return web.Response(body=b"data: {oops}\n\n", content_type="text/event-stream")


@pytest.mark.parametrize(
    "fail",
    [
        refusing(500, headers={"x-should-retry": "false"}),
        refusing(400),
        refusing(502, PAGE, "text/html", {"x-should-retry": "false"}),
        pytest.param(_reset, marks=pytest.mark.slow),  # asked again, after waits
        pytest.param(_empty, marks=pytest.mark.slow),
        pytest.param(_garbage, marks=pytest.mark.slow),
        pytest.param(refusing(500, headers=None), marks=pytest.mark.slow),
    ],
    ids=["500", "400", "502", "reset", "nothing", "garbage", "500 again and again"],
)
async def test_one_prompt_closes_the_model_for_nobody(fail):
    model = Model()
    async with world(model, health=0) as w:

        async def poison(request, body):
            return await fail(request, body) if "poison" in str(body) else None

        model.fail = poison
        messages = [{"role": "user", "content": "poison"}]
        for name in ("sc(n=4)/m", "m", "m", "m", "m"):
            async with w.session.post(
                f"{w.url}/v1/chat/completions", json={"model": name, "messages": messages}
            ) as reply:
                await reply.read()
                assert reply.status >= 400 or name == "m"
        assert (await w.post(model="m"))[0] == 200
        assert await ready(w) == 200


async def test_a_server_that_fails_whatever_it_is_asked_is_closed_and_open_again_after_a_success():
    model = Model()
    async with world(model, health=0) as w:
        (replica,) = w.gateway.upstreams["m"].server.replicas.all
        model.fail = refusing(502, PAGE, "text/html", None)
        for number in range(4):
            status, _ = await w.post(model="m", messages=[{"role": "user", "content": f"{number}"}])
            assert status == 502 if number < 3 else 503
        assert len(model.bodies) == 3, "the last one was not even sent"
        replica.rests_until = 0.0
        model.fail = None
        assert (await w.post(model="m"))[0] == 200
        assert replica.failures == 0
        assert await ready(w) == 200


async def test_ready_waits_until_an_upstream_has_been_seen_to_answer():
    model = Model()
    await model.up()
    port = int(model.url.rsplit(":", 1)[1])
    await model.down()
    spec = {"models": {"m": {"spec": f"openai:m@http://127.0.0.1:{port}", "health": 0}}}
    async with world(config=spec, probed=False) as w:
        assert await ready(w) == 503
        await model.up(port)
        assert await ready(w) == 200
        await model.down()


async def test_a_reply_is_not_taken_for_an_error_because_it_mentions_one():
    model = Model(lambda body, n: ["error: ", *boxed(body, n)])
    async with world(model, health=0) as w:
        status, reply = await w.post(model="m")
        assert (status, reply["choices"][0]["message"]["content"][:6]) == (200, "error:")
        assert len(await w.events()) > 2
