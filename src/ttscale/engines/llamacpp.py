"""llama.cpp in this process: its own batching server on a loopback port, from a prebuilt wheel.

    engine = LlamaCpp("model.gguf", slots=4, context=4096)

It is an `OpenAIHTTP` engine whose server comes and goes with it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core import UsageError, install_command
from . import real_time
from .http.retry import Retry
from .openai import probe
from .openai.dialect import EMBEDDING, LLAMACPP, RERANKING
from .openai.engine import OpenAIHTTP

_MAGIC = b"GGUF"
_PATIENCE = 60.0  # seconds for the first answer, on a machine however busy


class LlamaCpp(OpenAIHTTP):
    """A GGUF model, served.

    Args:
        path: the model file.
        slots: sequences decoded at a time; further samples queue.
        context: tokens of prompt and reply together, of each slot.
        threads: for decoding; by default one per processor that is not in use.
        prompt_cache: MiB of memory for prompts that no slot works on any more, so that a further
            sample need not read them again; 0 for none.
        prompts: the set of prompts it was trained on, if there is one.
        embeddings, reranking: serve an embedding or a reranking model instead of one that chats.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        slots: int = 4,
        context: int = 4096,
        threads: int | None = None,
        prompt_cache: int = 256,
        embeddings: bool = False,
        reranking: bool = False,
        idle: float = 300.0,
        name: str = "",
        prompts: str = "",
    ) -> None:
        path = Path(os.path.expanduser(path))
        for setting, value in (("slots", slots), ("context", context), ("threads", threads)):
            if value is not None and value < 1:
                raise UsageError(f"{setting}={value!r} is out of range", fix="give 1 or more")
        if prompt_cache < 0:
            raise UsageError(f"{prompt_cache=} is out of range", fix="give 0 or more")
        super().__init__(
            path.stem,
            [],
            concurrency=slots,
            idle=idle,
            retry=Retry(times=2),
            dialect=EMBEDDING if embeddings else RERANKING if reranking else LLAMACPP,
            name=name or f"llamacpp:{path.stem}",
            prompts=prompts,
        )
        self.path, self.slots, self.context = path, slots, context
        self.threads = threads or _idle_processors()
        self.embeddings, self.reranking = embeddings, reranking
        self.prompt_cache = prompt_cache
        self._server: Any = None

    async def open(self) -> None:
        """Load the model and start its server: about a second for a small one.

        Raises `UsageError` if the file is missing, no GGUF, or cannot be loaded, or if xllamacpp is
        not installed.
        """
        if self.attached:
            return
        _check(self.path)
        self._server = await asyncio.to_thread(self._serve)
        self.urls = [str(self._server.listening_address)]
        self.server = f"the embedded server of {self.path.name}"
        await super().open()
        if "tools" in self.dialect.capabilities:
            self.dialect = await probe.without_tools(self, self.dialect)

    async def close(self) -> None:
        """Stop the server and free the model."""
        await super().close()
        servers, self._server = [self._server], None
        await asyncio.to_thread(servers.clear)  # the last reference: the server joins its threads

    async def tokens_predicted(self) -> int:
        """Tokens this server has generated in its life, by its own count.

        It counts a request when it is over, so this waits until none is being worked on.
        """
        while True:
            lines = (await self.fetch_raw("/metrics")).decode().splitlines()
            metrics = dict(line.split(" ", 1) for line in lines if not line.startswith("#") and line)
            busy = (metrics[f"llamacpp:requests_{k}"] for k in ("processing", "deferred"))
            if not any(float(count) for count in busy):
                return int(float(metrics["llamacpp:tokens_predicted_total"]))
            await real_time.sleep(0.02)

    def _serve(self) -> Any:
        try:
            import xllamacpp
        except ImportError as error:
            raise UsageError(
                f"the embedded engine cannot be loaded ({error})", fix=install_command("llamacpp")
            ) from None
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.model_alias = {self.model}
        params.n_parallel = self.slots
        params.n_ctx = self.slots * self.context  # the slots share it
        params.cpuparams.n_threads = self.threads
        params.cache_ram_mib = self.prompt_cache  # by itself it takes 8 GiB
        params.endpoint_metrics, params.ui = True, False
        params.port = 0  # any that is free
        params.verbosity = -1
        params.embedding, params.reasoning_format = (
            self.embeddings or self.reranking,
            xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE,
        )
        if self.reranking:
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
        try:
            server = xllamacpp.Server(params)
        except Exception as error:
            raise UsageError(
                f"llama.cpp cannot load {str(self.path)!r} ({error})",
                fix="the file may be damaged, or of a kind this version does not know",
            ) from None
        try:
            _wait_for_loop(server.listening_address)
        except OSError as error:
            raise UsageError(
                f"llama.cpp has loaded {str(self.path)!r}, but does not answer ({error})",
                fix="try again; if it stays so, a firewall may keep it from talking to itself",
            ) from None
        return server


def _wait_for_loop(url: str) -> None:
    """Wait for an answer that only the server's own loop can give.

    It forgets a stop that comes before its loop has begun, and then never ends. So this is done in
    the thread that made the server, whether or not it is still waited for.
    """
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_PATIENCE)
    with closing(connection):
        connection.request("GET", "/metrics")
        connection.getresponse().read()


def _idle_processors() -> int:
    """Processors that are not busy, at least one.

    Threads of one decode step wait for each other: where one of two has to share its processor, two
    were seen to be twenty times slower than one alone.
    """
    try:
        processors, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    except (AttributeError, OSError):  # not on this platform
        return os.cpu_count() or 1
    return max(1, processors - round(load))


def _check(path: Path) -> None:
    """Refuse what is not a model file, with a reason llama.cpp would not give."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UsageError(
            f"model file {str(path)!r} cannot be read ({error.strerror})",
            fix="ttscale models list names the models that can be had",
        ) from None
    if magic != _MAGIC:
        raise UsageError(f"{str(path)!r} is not a GGUF model file", fix="give the path of a .gguf file")
