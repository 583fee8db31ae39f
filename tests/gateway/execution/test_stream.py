"""A stream and the task it tells of end together."""

from __future__ import annotations

import asyncio
import gc

import pytest
from aiohttp.test_utils import make_mocked_request
from gateway.harness import USER

from ttscale.core import SampleCount
from ttscale.gateway.api import requests
from ttscale.gateway.api.chat_and_completions import Chat
from ttscale.gateway.api.options import NONE
from ttscale.gateway.config import Limits
from ttscale.gateway.errors import ApiError
from ttscale.gateway.execution.stream import ReplyEvents, stream
from ttscale.methods import registry


@pytest.mark.parametrize("fails_first", [True, False])
async def test_a_client_that_leaves_as_its_request_fails_leaves_no_failure_that_nobody_took(fails_first):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))
    broken = asyncio.Event()

    async def solve():
        await broken.wait()
        raise ApiError(502, "the upstream is gone")

    shape = Chat(requests.chat({"model": "m", "messages": USER}, Limits(), NONE), registry.get("simple")())
    task = asyncio.ensure_future(solve())
    serving = asyncio.ensure_future(
        stream(make_mocked_request("POST", "/"), ReplyEvents(shape), task, SampleCount(), 10.0)
    )
    await asyncio.sleep(0)
    broken.set()
    if fails_first:
        await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled()
    assert task.done()
    del task, serving  # whose failure has the task in its frames
    await asyncio.sleep(0)  # the loop lets go of both
    gc.collect()
    assert not told
