"""Bytes passed on to a server: the reply as it comes, from a replica that gives one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from engines.fake_server import CHAT, QUICK, Play, Server, answer, hang, refuse, reset, said, stream

from ttscale.core import Unreachable
from ttscale.engines.openai.engine import OpenAIHTTP

PATH = "/v1/chat/completions"
FINE = answer({"ok": True})


@asynccontextmanager
async def servers(*plays: Play, idle: float = 5.0) -> AsyncIterator[tuple[OpenAIHTTP, list[Any]]]:
    """An engine with a replica for each play. They are asked in this order."""
    made = [Server() for _ in plays]
    async with AsyncExitStack() as up:
        for server in made:
            await up.enter_async_context(server.up())
        for server, play in zip(made, plays, strict=True):
            server.plays = [play]
        urls = [server.url for server in made]
        engine = OpenAIHTTP("m", urls, dialect=CHAT, retry=QUICK, idle=idle)
        engine.attach()
        for number, replica in enumerate(engine.replicas.all):
            replica.tokens = number * 10_000  # busy: it is asked later
        try:
            yield engine, made
        finally:
            await engine.close()


async def test_the_bytes_arrive_as_they_are_and_the_reply_comes_packet_by_packet() -> None:
    events = said("a", "b", usage=2)
    async with servers(stream(events, pause=0.02)) as (engine, (server,)):
        async with engine.forward(PATH, b'{"odd":  1}') as reply:
            packets = [await reply.packet()]
            while packet := await reply.packet():
                packets.append(packet)
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        assert b"".join(packets) == b"".join(events)
        assert len(packets) > 1
        assert server.requests[0][:2] == (PATH, {"odd": 1})
        assert engine.replicas.all[0].outstanding == 0


@pytest.mark.parametrize("play", [reset, hang, refuse(503)], ids=["reset", "hang", "503"])
async def test_a_replica_that_fails_before_its_reply_begins_is_replaced_and_rests(play: Play) -> None:
    async with servers(play, FINE, idle=0.4) as (engine, made):
        async with engine.forward(PATH, b"{}") as reply:
            assert await reply.read() == b'{"ok": true}'
        assert [len(server.requests) for server in made] == [1, 1]
        assert [replica.failures for replica in engine.replicas.all] == [1, 0]
        assert [replica.outstanding for replica in engine.replicas.all] == [0, 0]


async def test_a_status_of_500_may_be_the_requests_own_fault() -> None:
    async with servers(refuse(500), refuse(500)) as (engine, made):
        async with engine.forward(PATH, b"{}") as reply:
            await reply.read()
            assert reply.status == 500
        assert [len(server.requests) for server in made] == [1, 1]
        assert [replica.failures for replica in engine.replicas.all] == [0, 0]


@pytest.mark.parametrize("status", [400, 401, 429, 503])
async def test_what_a_single_server_refuses_is_passed_on(status: int) -> None:
    async with servers(refuse(status, "no")) as (engine, (server,)):
        async with engine.forward(PATH, b"{}") as reply:
            assert reply.status == status
            assert b"no" in await reply.read()
        assert len(server.requests) == 1
        assert bool(engine.replicas.all[0].full_until) == (status == 429)


async def test_a_single_server_is_asked_twice_and_then_given_up() -> None:
    async with servers(reset) as (engine, (server,)):
        with pytest.raises(Unreachable):
            async with engine.forward(PATH, b"{}"):
                pass
        assert len(server.requests) == 2
        assert engine.replicas.all[0].outstanding == 0


@pytest.mark.parametrize("then", ["reset", "hang"])
async def test_a_reply_that_breaks_off_is_an_error_and_its_replica_rests(then: str) -> None:
    async with servers(stream(said("a", finish=None), then=then), idle=0.3) as (engine, _):
        async with engine.forward(PATH, b"{}") as reply:
            with pytest.raises(Unreachable):
                await reply.read()
        (replica,) = engine.replicas.all
        assert (replica.failures, replica.outstanding, replica.tokens) == (1, 0, 0)


async def test_a_client_that_leaves_stops_the_server_and_no_replica_is_blamed() -> None:
    async with servers(stream(said("a", finish=None), then="hang")) as (engine, (server,)):

        async def leave() -> None:
            async with engine.forward(PATH, b"{}") as reply:
                await reply.packet()
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await leave()
        await asyncio.sleep(0.1)
        (replica,) = engine.replicas.all
        assert (server.left, replica.failures, replica.outstanding) == (1, 0, 0)


async def test_a_slow_replica_is_overtaken_and_told_to_stop() -> None:
    async with servers(hang, FINE) as (engine, made):
        async with engine.forward(PATH, b"{}", hedge=0.1) as reply:
            assert await reply.read() == b'{"ok": true}'
        assert reply.hedged
        await asyncio.sleep(0.1)
        assert [server.left for server in made] == [1, 0]
        assert [replica.outstanding for replica in engine.replicas.all] == [0, 0]


async def test_a_replica_that_is_quick_enough_is_not_overtaken() -> None:
    async with servers(FINE, FINE) as (engine, made):
        async with engine.forward(PATH, b"{}", hedge=2.0) as reply:
            await reply.read()
        assert not reply.hedged
        assert [len(server.requests) for server in made] == [1, 0]


@pytest.mark.parametrize(
    "play",
    [
        refuse(429, headers={"Retry-After": "90"}),
        refuse(500),
        stream([b'data: {"error": {"message": "no", "code": "429"}}\n\n']),
        stream([b"event: error\n", b'data: {"type": "overloaded_error"}\n\n'], pause=0.02),
        stream([b'data: {"error": {"mess', b'age": "capacity", "code": 502}}\n\n'], pause=0.02),
    ],
    ids=["429", "500", "an event with a status", "an event with a name", "an event in halves"],
)
async def test_what_one_replica_refuses_the_next_is_asked(play: Play) -> None:
    async with servers(play, play, FINE) as (engine, made):
        async with engine.forward(PATH, b"{}") as reply:
            assert await reply.read() == b'{"ok": true}'
        assert [len(server.requests) for server in made] == [1, 1, 1]
        assert not any(replica.broken for replica in engine.replicas.all)


async def test_where_all_refuse_the_last_word_is_passed_on() -> None:
    plays = [refuse(429, f"no {number}", {"Retry-After": "7"}) for number in range(2)]
    async with servers(*plays) as (engine, made):
        async with engine.forward(PATH, b"{}") as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
            assert b"no 1" in await reply.read()
        assert [len(server.requests) for server in made] == [1, 1]
        assert all(replica.full_until for replica in engine.replicas.all)


async def test_a_server_that_says_so_is_not_asked_again_nor_another_one() -> None:
    async with servers(refuse(503, headers={"x-should-retry": "false"}), FINE) as (engine, made):
        async with engine.forward(PATH, b"{}") as reply:
            assert reply.status == 503
        assert [len(server.requests) for server in made] == [1, 0]
