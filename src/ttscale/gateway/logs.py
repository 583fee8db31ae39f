"""The log: one JSON object a line, without prompts, replies or keys unless that was asked for."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import orjson

LOG = logging.getLogger("ttscale.gateway")


class Lines(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def begin(level: int = logging.INFO) -> None:
    """Write the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for logger in (LOG, *map(logging.getLogger, ("ttscale.core", "ttscale.engines"))):
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level)
    # no line tells these, and finding them out takes longer than writing it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    # what the HTTP server finds wrong with a request is the client's business, not an error of ours
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line."""
    if LOG.isEnabledFor(level):
        LOG.log(level, event, extra={"fields": fields})
