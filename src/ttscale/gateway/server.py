"""Running the gateway: sockets, workers, signals, and an orderly end.

SIGTERM and SIGINT stop listening, let what is in service finish and then leave; SIGHUP reads the
configuration again. With several workers the first process only watches over them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from aiohttp import web

from ..core import TTScaleError, UsageError
from ..engines import Catalogue
from . import logs
from .access.api_keys import check_exposure
from .app import application
from .config import Config
from .gateway import Gateway
from .http_server import Runner
from .logs import log

Reread = Callable[[], Config]
Announce = Callable[[Config, int], None]
"""Is given the configuration and the port, which may have been left to the system."""
_AFTER_DRAIN = 2.0  # seconds for connections to close once they have been told to


def serve(
    config: Config, reread: Reread, catalogue: Catalogue | None = None, announce: Announce | None = None
) -> None:
    """Serve until a signal ends it; `announce` is called once, when requests are taken.

    Raises:
        TTScaleError: if it cannot begin: a wrong model, an address in use, keys that are missing.
    """
    server = config.server
    check_exposure(server.host, config.keys, server.anonymous)
    if not config.models:
        raise UsageError("no model is configured", fix="add [models.NAME], or give --model")
    daily = any(account.daily.given() for account in config.keys.values())
    if daily and server.workers > 1 and not server.state:
        raise UsageError(
            "daily budgets of keys hold over several workers only with a state file",
            fix="set server.state, or one worker",
        )
    logs.begin()
    _allow_connections()
    if server.workers <= 1:
        sock = bound(server.host, server.port)
        _run(worker(config, sock, reread, catalogue, announce))
        return
    sock = bound(server.host, server.port, shared=True)
    config = replace(config, server=replace(server, port=sock.getsockname()[1]))
    _supervise(config, reread, catalogue, announce)
    sock.close()


def bound(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket on the address; `shared` lets other processes have the same one.

    Raises:
        UsageError: if the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise UsageError(
            f"cannot listen on {host}:{port} ({error.strerror})", fix="choose another --port"
        ) from None
    return sock


async def worker(
    config: Config,
    sock: socket.socket,
    reread: Reread,
    catalogue: Catalogue | None = None,
    announce: Announce | None = None,
) -> None:
    """One process: serve on the socket until a signal, then drain."""
    gateway = Gateway(config, catalogue)
    await gateway.start()
    runner = Runner(application(gateway), _AFTER_DRAIN)
    await runner.setup()
    site = web.SockSite(runner, sock, backlog=4096)
    await site.start()
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(gateway, reread))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    _settle()
    host, port = sock.getsockname()[:2]
    log("serving", host=host, port=port, pid=os.getpid(), models=list(gateway.upstreams))
    if announce is not None:
        announce(config, port)
    try:
        await over.wait()
        log("draining", active=gateway.admission.active, waiting=gateway.admission.waiting)
        gateway.admission.draining = True
        await site.stop()
        drained = await gateway.admission.drained(config.server.drain)
        log("stopping", drained=drained)
    finally:
        await runner.cleanup()
        await gateway.close()


def _allow_connections() -> None:
    """Take as many open connections as the system lets this process have."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on this platform
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _settle() -> None:
    """What has been loaded stays: the collector need not look at it with every few requests, whose
    own objects go without its help."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _reload(gateway: Gateway, reread: Reread) -> None:
    try:
        await gateway.reload(reread())
        log("reloaded", models=list(gateway.upstreams), keys=len(gateway.config.keys))
    except TTScaleError as error:
        log("reload failed: the configuration stays as it was", 40, error=str(error))


def _supervise(
    config: Config, reread: Reread, catalogue: Catalogue | None, announce: Announce | None
) -> None:
    """Start the workers, start again one that dies, and pass signals on. The first announces."""
    import multiprocessing

    context: Any = multiprocessing.get_context("fork")  # nothing runs yet that a fork could break
    server = config.server

    def begin(announce: Announce | None = None) -> Any:
        process = context.Process(target=_work, args=(config, reread, catalogue, announce))
        process.start()
        return process

    workers = [begin(None if number else announce) for number in range(server.workers)]
    ending = False

    def end(number: int, frame: Any) -> None:
        nonlocal ending
        ending = True
        for process in workers:
            process.terminate()

    def again(number: int, frame: Any) -> None:
        for process in workers:
            if process.is_alive():
                os.kill(process.pid, signal.SIGHUP)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, again)
    quick_deaths = 0
    while not ending:
        for number, process in enumerate(workers):
            process.join(0.5 / len(workers))
            if process.exitcode is None or ending:
                continue
            quick_deaths += 1
            log("worker ended", 40, pid=process.pid, code=process.exitcode)
            if quick_deaths > 10 * len(workers):
                end(signal.SIGTERM, None)
                raise TTScaleError("the workers keep dying", fix="see the log")
            workers[number] = begin()
    for process in workers:
        process.join(server.drain + 5)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a worker to its end; on uvloop where that is installed (extra `gateway`), which makes half
    as many upstream calls again."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if find_spec("uvloop"):
        factory = import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def _work(config: Config, reread: Reread, catalogue: Catalogue | None, announce: Announce | None) -> None:
    """A worker process, from its beginning to its end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    logs.begin()
    sock = bound(config.server.host, config.server.port, shared=True)
    try:
        _run(worker(config, sock, reread, catalogue, announce))
    except TTScaleError as error:
        log("worker failed", 40, error=str(error))
        sys.exit(error.exit_code)
