"""What goes wrong around the gateway is answered, told, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import resource

import aiohttp
import pytest
from aiohttp import web
from gateway.harness import USER, Model, boxed, content, world

CHAT = "/v1/chat/completions"


def open_files() -> int:
    """Of this process, which holds both ends of every connection."""
    return len(os.listdir("/proc/self/fd"))


async def raw_exchange(w, data: bytes, drip: bytes = b"", seconds: float = 5.0) -> bytes:
    """Whatever comes back for these bytes, after which `drip` is sent again and again; an error if
    nothing comes and the connection stays open."""
    host, port = w.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def dripping():
        while drip:
            await asyncio.sleep(0.1)
            writer.write(drip)

    writer.write(data)
    dripper = asyncio.ensure_future(dripping())
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1 << 16)
    except ConnectionError:
        return b""
    finally:
        dripper.cancel()
        writer.close()


# -- upstreams


async def test_an_upstream_killed_in_mid_stream_is_told_in_the_stream():
    model = Model(lambda body, n: ["x "] * 100, pause=0.01)
    async with world(model) as w:

        async def kill(request, body):
            asyncio.get_running_loop().call_later(0.15, request.transport.abort)

        model.fail = kill
        events = await w.events()
        assert content(events).startswith("x ")
        assert events[-1]["error"]["code"] == "upstream_broke_off"
        status, reply = await w.post(model="m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")


async def test_a_replica_that_takes_no_more_is_spared_by_plain_requests():
    good, full = Model(), Model()

    async def refuse(request, body):
        return web.json_response({"error": {}}, status=429, headers={"Retry-After": "9"})

    async with world(full, good) as w:
        full.fail = refuse
        for number in range(16):  # of beginnings that both replicas are asked for
            await w.post(model="m", messages=[{"role": "user", "content": f"{number}" * 40}])
        assert len(full.bodies) == 1
        assert len(good.bodies) == 16, "the one that was turned away went there too"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_replica_that_breaks_off_every_reply_has_failed(stream):
    model = Model(lambda body, n: ["x "] * 100, pause=0.01)
    await model.up()
    spec = f"openai:m@{model.url}"
    async with world(model, config={"models": {"m": {"spec": spec, "health": 0}}}) as w:
        (replica,) = w.gateway.upstreams["m"].server.replicas.all

        async def kill(request, body):
            asyncio.get_running_loop().call_later(0.1, request.transport.abort)

        async def begin_and_kill(request, body):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = 100
            await response.prepare(request)
            await response.write(b"{")
            request.transport.abort()
            return response

        async def ask(text):
            messages = [{"role": "user", "content": text}]
            await (w.events(messages=messages) if stream else w.post(model="m", messages=messages))

        model.fail = kill if stream else begin_and_kill
        await ask("one")
        await ask("another")
        await ask("another")  # that may be the question's own fault: it counts once
        assert replica.failures == 2
        model.fail = None
        await ask("one")
        assert replica.failures == 0


async def test_samples_killed_in_mid_stream_fail_alone_and_all_of_them_the_request():
    model = Model(lambda body, n: ["x "] * 20 + boxed(body, n), pause=0.005)
    async with world(model) as w:
        doomed = 3

        async def kill(request, body):
            if len(model.bodies) <= doomed:
                asyncio.get_running_loop().call_later(0.05, request.transport.abort)

        model.fail = kill
        status, reply = await w.post(model="sc(n=8)/m", ttscale={"candidates": True})
        assert (status, reply["ttscale"]["answers"]) == (200, ["4"])
        candidates = reply["ttscale"]["candidates"]
        assert [c["finish"] for c in candidates].count("error") == doomed
        assert reply["usage"]["completion_tokens"] == sum(c["tokens"] for c in candidates)
        doomed = 10**6
        status, reply = await w.post(model="sc(n=4)/m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")
        status, reply = await w.post(model="sc(n=4)/m", stream=True)  # nothing had been sent yet
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")


async def test_a_stream_that_hangs_is_given_up_and_told():
    async def hang(request, body):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(model._event(body, [{"index": 0, "delta": {"content": "x"}}], 1))
        await asyncio.sleep(30)
        return response

    model = Model()
    await model.up()
    spec = f"openai:m@{model.url}?idle=0.5"
    async with world(model, config={"models": {"m": {"spec": spec, "health": 0}}}) as w:
        model.fail = hang
        events = await w.events()
        assert content(events) == "x"
        assert events[-1]["error"]["code"] == "upstream_broke_off"
        status, reply = await w.post(model="simple/m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_a_reply_whose_chunks_turn_into_garbage_is_ended_at_once(kind):

    async def garble(request, body):
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(model._event(body, [{"index": 0, "delta": {"content": "x"}}], 1))
        await asyncio.sleep(0.05)
        request.transport.write(b"zz\r\n")
        await asyncio.sleep(30)
        return response

    model = Model()
    async with world(model, health=0) as w:
        model.fail = garble
        async with asyncio.timeout(10):
            if kind == "application/json":
                status, reply = await w.post(model="m")
                assert (status, reply["error"]["code"]) == (502, "upstream_failed")
            else:
                events = await w.events()
                assert content(events) == "x"
                assert events[-1]["error"]["code"] == "upstream_broke_off"


async def test_another_replica_answers_when_one_is_gone_before_the_first_token():
    good, bad = Model(), Model()
    async with world(bad, good) as w:
        await bad.down()
        for _ in range(6):
            assert (await w.post(model="m"))[0] == 200
            assert content(await w.events()) == "The answer is \\boxed{4}"
        _, reply = await w.post(model="sc(n=4)/m")
    assert reply["ttscale"]["answers"] == ["4"]
    assert len(good.bodies) >= 12


async def test_a_replica_that_fails_is_replaced_and_used_again_when_it_works():
    first, second = Model(), Model()
    async with world(first, second) as w:

        async def refuse(request, body):
            return web.json_response({"error": "down"}, status=503)

        first.fail = refuse
        for number in range(6):
            messages = [{"role": "user", "content": f"question {number}"}]
            assert (await w.post(model="m", messages=messages))[0] == 200
        first.fail = None
        await asyncio.sleep(0.6)  # health checks find out
        (replica,) = [r for r in w.gateway.upstreams["m"].server.replicas.all if r.url == first.url]
        assert not replica.failures


async def test_a_replica_that_is_full_is_asked_last():
    full, free = Model(), Model()
    async with world(full, free) as w:

        async def refuse(request, body):
            error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
            return web.json_response(error, status=429, headers={"Retry-After": "2"})

        full.fail = refuse
        for number in range(6):
            messages = [{"role": "user", "content": f"question {number}"}]
            _, reply = await w.post(model="sc(n=4)/m", messages=messages)
            assert reply["ttscale"]["answers"] == ["4"]
        async with w.session.get(f"{w.url}/ready") as ready:
            assert ready.status == 200
    assert len(full.bodies) <= 4
    assert len(free.bodies) == 24


async def test_a_dead_upstream_opens_the_circuit():
    model = Model()
    async with world(model) as w:
        await model.down()
        codes = [(await w.post(model="m"))[0] for _ in range(8)]
        _, reply = await w.post(model="m")
        async with w.session.get(f"{w.url}/ready") as ready:
            assert ready.status == 503
    assert codes[0] == 502
    assert codes[-1] == 503
    assert reply["error"]["code"] == "upstream_down"


async def test_a_gateway_starts_before_its_upstream_does():
    model = Model()
    await model.up()
    port = int(model.url.rsplit(":", 1)[1])
    await model.down()
    async with world(model, probed=False) as w:
        assert (await w.post(model="sc(n=2)/m"))[0] == 502
        await model.up(port)
        for _ in range(60):
            status, _ = await w.post(model="sc(n=2)/m")
            if status == 200:
                break
            await asyncio.sleep(0.1)
        assert status == 200


async def test_a_storm_of_429_is_passed_on_or_waited_out():
    model = Model()
    async with world(model) as w:

        async def storm(request, body):
            if len(model.bodies) % 2:
                error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
                return web.json_response(error, status=429, headers={"Retry-After": "0"})
            return None

        model.fail = storm
        status, reply = await w.post(model="sc(n=8)/m")  # asked again until they come
        assert (status, reply["ttscale"]["samples"]) == (200, 8)
        codes = {(await w.post(model="m"))[0] for _ in range(6)}
    assert codes == {200, 429}


async def test_a_storm_of_429_that_does_not_end_is_a_429():
    model = Model()
    async with world(model) as w:

        async def storm(request, body):
            error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
            return web.json_response(error, status=429, headers={"Retry-After": "0"})

        model.fail = storm
        # a server that turns requests away is not taken for a broken one
        for name in ("sc(n=4)/m", "m", "simple/m", "m"):
            async with w.session.post(w.url + CHAT, json={"model": name, "messages": USER}) as got:
                reply = await got.json()
                assert (got.status, reply["error"]["type"]) == (429, "rate_limit_error")
        asked = len(model.bodies)
        await asyncio.sleep(0.5)
    assert len(model.bodies) == asked <= 4 * 5 + 1 + 5 + 1, "given up, and not asked again"


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"<html>oops</html>", b"[1, 2", b"\xff\xfe\x00", b'{"choices": "none"}', b"null"]
)
async def test_a_malformed_upstream_is_a_502_or_passed_on(garbage):
    model = Model()
    async with world(model) as w:

        async def talk(request, body):
            return web.Response(body=garbage, content_type="application/json")

        model.fail = talk
        status, reply = await w.post(model="m")
        assert status in (200, 502)
        if status == 502:
            assert reply["error"]["code"] == "upstream_garbled"

        async def stream_it(request, body):
            return web.Response(
                body=b"data: " + garbage + b"\n\n", headers={"Content-Type": "text/event-stream"}
            )

        model.fail = stream_it
        status, reply = await w.post(model="simple/m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")


async def test_a_slow_upstream_is_given_up():
    model = Model(first=30)
    await model.up()
    model.first = 0
    spec = f"openai:m@{model.url}?idle=0.5"
    async with world(model, config={"models": {"m": {"spec": spec, "health": 0}}}) as w:
        model.first = 30
        status, reply = await w.post(model="m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")
        status, reply = await w.post(model="simple/m")
        assert (status, reply["error"]["code"]) == (502, "upstream_failed")


async def test_a_slow_replica_is_hedged():
    slow, fast = Model(first=5), Model()
    await slow.up()
    await fast.up()
    slow.first = 0
    async with world(slow, fast, hedge=0.1) as w:
        slow.first = 5
        for number in range(6):
            messages = [{"role": "user", "content": f"question {number}"}]
            async with asyncio.timeout(3):
                assert (await w.post(model="m", messages=messages))[0] == 200
        assert w.gateway.metrics.total("hedges_total") >= 1
        await slow.quiet()
    assert slow.stopped == w.gateway.metrics.total("hedges_total")


# -- clients


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"model": "\xc3\x28"}',
        b'"m"',
        b"\x00" * 100,
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model": "sc/m", "messages": [{"role": "user", "content": "x"}], "odd": '
        + b"[" * 400
        + b"]" * 400
        + b"}",
        b'{"model": "sc/m", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
    ],
)
async def test_a_body_that_cannot_be_is_400(raw):
    async with world(Model()) as w:
        for path in ("chat/completions", "completions", "responses", "embeddings"):
            status, reply = await w.send(raw, path)
            assert status in (400, 404), (path, reply)
            assert reply["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../metrics",
        "/v1//chat/completions",
        "/v1/%2e%2e/etc/passwd",
        "//evil.example/v1/models",
        "/v1/chat/completions/",
        "/v1/models/..%2f..%2fetc",
        "/v1/chat/completions%00",
        "/%0d%0aX: y",
        "/v1/chat/completions?model=x",
        "/.env",
        "/v1/models/%ff",
    ],
)
async def test_path_tricks_find_nothing(path):
    async with world(Model()) as w:
        got = await raw_exchange(w, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = int(got.split()[1])
    assert 400 <= status < 500, got


async def test_headers_cannot_be_injected():
    model = Model()
    async with world(model) as w:
        for name in ("m\r\nX-Evil: 1", "m\nSet-Cookie: a=b", "sc/m\r\n\r\nHTTP/1.1 200 OK"):
            body = {"model": name, "messages": USER}
            async with w.session.post(w.url + CHAT, json=body) as reply:
                assert reply.status in (400, 404)
                assert not {"X-Evil", "Set-Cookie"} & set(reply.headers)
        body = json.dumps({"model": "m", "messages": USER}).encode()
        smuggled = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        assert b" 400 " in (await raw_exchange(w, smuggled)).split(b"\r\n")[0]
    assert not model.bodies


async def test_slow_loris_clients_are_closed_and_the_others_served():
    config = {"server": {"idle_seconds": 0.5, "body_seconds": 0.5}}
    async with world(Model(), config=config) as w:
        post = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n"
        loris = asyncio.gather(
            raw_exchange(w, b""),
            raw_exchange(w, b"POST"),
            raw_exchange(w, post, drip=b"X: y\r\n"),
            raw_exchange(w, post + b"Content-Length: 400\r\n\r\n{"),
            raw_exchange(w, post + b"Content-Length: 400\r\n\r\n{", drip=b" "),
        )
        for _ in range(5):
            assert (await w.post(model="m"))[0] == 200
        *heads, silent_body, slow_body = await loris
    assert heads == [b"", b"", b""], "closed without a word"
    for body in (silent_body, slow_body):
        assert b" 408 " in body.split(b"\r\n")[0]


async def test_a_body_of_50_mb_is_refused_without_being_kept():
    async with world(Model(), config={"server": {"max_body": 1 << 20}}) as w:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        big = b" " * (50 << 20)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

        async def pour():
            for at in range(0, len(big), 1 << 16):
                yield big[at : at + (1 << 16)]

        for data in (io.BytesIO(big), pour()):
            try:
                async with w.session.post(w.url + CHAT, data=data) as reply:
                    assert reply.status == 413
            except aiohttp.ClientError:
                pass  # it hung up on us while we were still sending
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert (await w.post(model="m"))[0] == 200
    assert after - grown < 80 * 1024


@pytest.mark.parametrize(
    ("visits", "at_once"),
    [
        pytest.param(200, 20, id="a few"),
        # one a second for an hour, as fast as they can be served
        pytest.param(3600, 40, id="an hour's worth", marks=pytest.mark.slow),
    ],
)
async def test_clients_that_leave_at_random_leave_nothing_behind(visits, at_once):
    rng = random.Random(0)
    model = Model(lambda body, n: ["x "] * rng.randint(1, 60) + boxed(body, n), pause=0.004)
    names = ["m", "sc(n=4)/m", "ffs(n=4)/m", "simple/m", "esc/m", "budget-forcing/m"]
    async with world(model) as w:
        upstream = w.gateway.upstreams["m"].server

        async def state(number: int) -> int:
            body = {"model": rng.choice(names), "messages": USER, "stream": rng.random() < 0.5}
            patience = rng.choice([0.01, 0.05, 0.1, 0.2, 0.5, 60.0])
            try:
                async with asyncio.timeout(patience):
                    async with w.session.post(w.url + CHAT, json=body) as reply:
                        text = await reply.text()
                        assert reply.status == 200, text
                        return 1
            except TimeoutError:
                return 0

        await asyncio.gather(*(state(number) for number in range(at_once)))  # what is kept is made
        tasks, files = len(asyncio.all_tasks()), open_files()
        finished = 0
        for start in range(0, visits, at_once):
            finished += sum(await asyncio.gather(*(state(start + i) for i in range(at_once))))
        await model.quiet(5)
        for _ in range(100):
            if not w.gateway.admission.active:
                break
            await asyncio.sleep(0.02)
        assert visits / 10 < finished < visits
        assert w.gateway.admission.active == w.gateway.admission.waiting == 0
        assert not upstream._generations
        assert [r.outstanding for r in upstream.replicas.all] == [0]
        assert [r.tokens for r in upstream.replicas.all] == [0]
        # kept connections come and go; three for each visitor would be a leak
        assert len(asyncio.all_tasks()) <= tasks + at_once
        assert open_files() <= files + 3 * at_once
        assert (await w.post(model="m"))[0] == 200


async def test_nothing_leaks_between_requests():
    model = Model(lambda body, n: [body["messages"][0]["content"]])
    async with world(model) as w:

        async def ask(number: int) -> None:
            text = f"secret {number}"
            name = ("m", "sc(n=2)/m", "simple/m")[number % 3]
            _, reply = await w.post(model=name, messages=[{"role": "user", "content": text}])
            assert "choices" in reply, reply
            assert reply["choices"][0]["message"]["content"] == text

        await asyncio.gather(*(ask(number) for number in range(60)))
