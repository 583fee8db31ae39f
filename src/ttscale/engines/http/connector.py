"""Connections whose readers learn at once that a reply has turned into garbage.

aiohttp's parser drops a reply whose chunks cannot be read without a word to who reads it: the
connection is closed, and the reader waits until its own patience ends.
"""

from __future__ import annotations

import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError


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
