"""Around every request: its id, pages in browsers, and what is refused before any handler."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import web
from gateway.harness import USER, Model, world

from ttscale.gateway.access.origins import Origins
from ttscale.gateway.logs import LOG

PAGE = {"Origin": "http://localhost:3000"}
BODY = json.dumps({"model": "m", "messages": USER}).encode()


async def raw(w, head: bytes, body: bytes = b""):
    """(status, headers in lower case, body) of what comes back for these bytes."""
    host, port = w.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + b"\r\n\r\n" + body)
    async with asyncio.timeout(5):
        got = await reader.read()
    writer.close()
    head, _, rest = got.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.lower(), rest


def post(*fields: bytes) -> bytes:
    length = b"Content-Length: %d" % len(BODY)
    return b"\r\n".join(
        (b"POST /v1/chat/completions HTTP/1.1", b"Host: x", b"Connection: close", length, *fields)
    )


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/9", 400),
        (b"GARBAGE", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost : x", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: x", 400),
        (post(b"Transfer-Encoding: chunked"), 400),
        (post(b"Expect: a miracle"), 417),
        (post(b"X-Large: " + b"a" * 40_000), 431),
        (post(*[b"X-%d: y" % number for number in range(300)]), 400),
    ],
    ids=["version", "garbage", "field", "length", "two lengths", "expect", "large field", "many fields"],
)
async def test_what_no_handler_sees_is_an_error_object_with_an_id(head, status):
    async with world(Model()) as w:
        got, headers, body = await raw(w, head, BODY)
        error = json.loads(body)["error"]
        assert got == status
        assert error["message"]
        assert error["type"] == "invalid_request_error"
        assert b"content-type: application/json" in headers
        assert b"x-request-id: req_" in headers
        assert (await w.post(model="m"))[0] == 200


async def test_header_fields_may_have_32_kb():
    async with world(Model()) as w:
        for field in (b"Authorization: Bearer ", b"X-Forwarded-Access-Token: "):
            status, _, _ = await raw(w, post(field + b"a" * 32 * 1024), BODY)
            assert status == 200


async def test_a_fault_of_ours_is_an_error_object(monkeypatch):
    """In a handler that expects none."""
    monkeypatch.setattr("ttscale.gateway.app.health.seen", None)
    async with world(Model()) as w, w.session.get(f"{w.url}/ready") as reply:
        assert reply.status == 500
        assert (await reply.json())["error"]["code"] == "internal_error"
        assert reply.headers["x-request-id"]


async def test_every_reply_has_the_id_that_the_log_has():
    logged: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            logged.append(getattr(record, "fields", {}).get("id", ""))

    handler, level = Keep(), LOG.level
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    replies = []
    try:
        async with world(Model()) as w:
            chat = f"{w.url}/v1/chat/completions"
            for model, stream in (
                ("m", False),
                ("m", True),
                ("simple/m", False),
                ("simple/m", True),
                ("no", False),
            ):
                body = {"model": model, "messages": USER, "stream": stream}
                async with w.session.post(chat, json=body) as reply:
                    await reply.read()
                    replies.append(reply.headers["x-request-id"])
            async with w.session.post(chat, data=BODY, headers={"X-Request-Id": "mine-7"}) as reply:
                assert reply.headers["x-request-id"] == "mine-7"
            for unusable in ("two words", "x" * 200, '"};'):
                async with w.session.post(chat, data=BODY, headers={"X-Request-Id": unusable}) as reply:
                    assert reply.headers["x-request-id"].startswith("req_")
            for path in ("/v1/models", "/health", "/nowhere", "/metrics"):
                async with w.session.get(w.url + path) as reply:
                    assert reply.headers["x-request-id"].startswith("req_")
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
    assert len(set(replies)) == 5
    assert set(replies) < set(logged)
    assert "mine-7" in logged


async def test_the_upstreams_id_is_not_taken_for_ours():
    model = Model()
    async with world(model) as w:

        async def play(request, body):
            return web.json_response({"error": {"message": "no"}}, status=400, headers={"x-request-id": "up"})

        model.fail = play
        async with w.session.post(f"{w.url}/v1/chat/completions", data=BODY) as reply:
            assert reply.headers.getall("x-request-id") != ["up"]
            assert len(reply.headers.getall("x-request-id")) == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/responses", "/v1/embeddings"])
async def test_a_page_of_this_machine_may_call(path):
    asks = {
        **PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-os",
    }
    async with world(Model()) as w, w.session.options(w.url + path, headers=asks) as reply:
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert "x-stainless-os" in reply.headers["Access-Control-Allow-Headers"]
        assert "POST" in reply.headers["Access-Control-Allow-Methods"]


async def test_replies_streams_and_refusals_can_be_read_by_the_page_and_by_no_other():
    async with world(Model()) as w:
        chat = f"{w.url}/v1/chat/completions"
        for body in (
            {"model": "m", "messages": USER},
            {"model": "m", "messages": USER, "stream": True},
            {"model": "simple/m", "messages": USER, "stream": True},
            {"model": "no", "messages": USER},
        ):
            async with w.session.post(chat, json=body, headers=PAGE) as reply:
                assert reply.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
            async with w.session.post(chat, json=body, headers={"Origin": "https://evil.example"}) as reply:
                assert "Access-Control-Allow-Origin" not in reply.headers
            async with w.session.post(chat, json=body) as reply:
                assert "Access-Control-Allow-Origin" not in reply.headers
        asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        async with w.session.options(chat, headers=asks) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (403, "origin_not_allowed")


async def test_other_pages_may_call_if_the_configuration_names_them():
    config = {"server": {"origins": ["https://app.example"]}}
    async with world(Model(), config=config) as w:
        for origin, allowed in (("https://app.example", True), (PAGE["Origin"], False)):
            async with w.session.get(f"{w.url}/v1/models", headers={"Origin": origin}) as reply:
                assert ("Access-Control-Allow-Origin" in reply.headers) == allowed


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        (["*"], "https://any.example", True),
        (["http://localhost:*"], "http://localhost:5173", True),
        (["http://localhost:*"], "http://localhost", True),
        (["http://localhost:*"], "https://localhost:5173", False),
        (["http://localhost:*"], "http://localhost.evil.example", False),
        (["http://localhost:*"], "http://localhost:5173.evil.example", False),
        (["http://[::1]:*"], "http://[::1]:80", True),
        (["https://App.example/"], "https://app.example", True),
        (["https://app.example"], "https://app.example.evil", False),
        (["https://app.example"], "null", False),
        ([], "http://localhost", False),
    ],
)
def test_origins_are_compared_as_wholes(allowed, origin, expected):
    assert Origins(allowed).allow(origin) is expected
