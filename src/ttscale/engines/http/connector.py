"""Connections that do not wait for what never comes.

aiohttp's parser drops a reply whose chunks cannot be read without a word to who reads it: the
connection is closed, and the reader waits until its own patience ends. And a name that no server resolves
is looked up in a thread of the event loop's own, which waits for it when it is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

T = TypeVar("T")


class _Connection(ResponseHandler):
    """Passes on to the reader what the parser raises."""

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        reader = self._payload
        if isinstance(exc, HttpProcessingError) and reader is not None and not reader.is_eof():
            reader.set_exception(aiohttp.ClientPayloadError("its bytes are not HTTP"))


class Connector(aiohttp.TCPConnector):
    """Makes such connections."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        connection: Any = functools.partial(_Connection, loop=self._loop)
        self._factory = connection


class Resolver(aiohttp.ThreadedResolver):
    """Looks names up in threads that are not waited for at the end."""

    def __init__(self) -> None:
        super().__init__()
        lookups: Any = _Lookups()
        self._loop = lookups


class _Lookups:
    """What aiohttp's resolver asks of an event loop."""

    async def getaddrinfo(self, *names: Any, **options: Any) -> Any:
        return await _in_a_daemon(functools.partial(socket.getaddrinfo, *names, **options))

    async def getnameinfo(self, *names: Any) -> Any:
        return await _in_a_daemon(functools.partial(socket.getnameinfo, *names))


async def _in_a_daemon(look_up: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = look_up()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="ttscale.resolver", daemon=True).start()
    return await found
