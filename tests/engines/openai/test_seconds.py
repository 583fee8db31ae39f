"""Seconds mean seconds: whatever a server does with its first request, a budget of them ends it in time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from engines.fake_server import PROBLEM, Server, hang

from ttscale.core import Budget, Run, Unreachable, execute
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.methods.registry import parse

SECONDS = 0.4
LATE = 0.6  # seconds a loaded machine may need besides


def spent(url: str, method: str) -> float:
    """Seconds a run takes that has SECONDS, from opening its engine to the end of its event loop."""
    run, configured = Run({"main": OpenAIHTTP("m", url)}), parse(method)
    began = time.monotonic()
    outcome = execute(run, lambda: run.answer(configured, PROBLEM, budget=Budget(seconds=SECONDS)))
    assert outcome.stopped_by == "budget:seconds"
    return time.monotonic() - began


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def full() -> Iterator[str]:
    """The address of a server whose queue of connections is full: nobody accepts any."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield address(listener)
        for client in waiting:
            client.close()


@pytest.mark.parametrize("method", ["simple", "self-consistency(n=3)", "deepconf(n=2)"])
def test_of_a_server_that_accepts_and_never_answers(method: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        assert SECONDS <= spent(address(silent), method) < SECONDS + LATE


@pytest.mark.parametrize("method", ["simple", "deepconf(n=2)"])
def test_of_a_server_that_never_accepts(method: str) -> None:
    with full() as url:
        assert SECONDS <= spent(url, method) < SECONDS + LATE


def test_of_a_name_that_nobody_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *names, **options: time.sleep(3))
    assert SECONDS <= spent("http://nowhere.example", "simple") < SECONDS + LATE


@pytest.mark.slow
async def test_timeouts_are_kept_to_within_a_fifth_of_a_second() -> None:
    async def failed(url: str, **settings: Any) -> float:
        engine = OpenAIHTTP("m", url, retry=Retry(times=0), **settings)
        await engine.open()
        began = time.monotonic()
        with pytest.raises(Unreachable):
            await engine.fetch("/v1/models")
        took = time.monotonic() - began
        await engine.close()
        return took

    patience = 5.3  # a clock that looks now and then would be late
    async with Server().up() as server:
        server.plays = [hang]
        with full() as url:
            waited = await asyncio.gather(
                failed(server.url, idle=patience),
                failed(server.url, total=patience),
                failed(url, connect=patience),
            )
    assert all(patience <= seconds < patience + 0.2 for seconds in waited), waited


async def test_the_total_time_includes_the_wait_for_a_turn_and_for_a_retry() -> None:
    async with Server().up() as server:
        server.plays = [hang]
        engine = OpenAIHTTP("m", server.url, concurrency=1, total=0.5, retry=Retry(times=3, first=30.0))
        await engine.open()
        began = time.monotonic()
        results = await asyncio.gather(
            *(engine.fetch("/v1/models") for _ in range(3)), return_exceptions=True
        )
        assert 0.5 <= time.monotonic() - began < 0.8
        await engine.close()
    assert all("not done after 0.5 s" in str(error) for error in results)
