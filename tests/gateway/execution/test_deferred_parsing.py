"""Answers that take a parser are read in a process of their own: the gateway never waits for one."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections import Counter

import pytest
from gateway.harness import USER, Model, boxed, world

from ttscale.answers import MathRule, parser_process
from ttscale.answers.formulas.forms import UnreadError, quickly, unlearn
from ttscale.answers.parser_process import Helper, shared
from ttscale.core import GenerationRequest, Problem, Prompt, Sampling, Trace
from ttscale.gateway.execution.deferred_parsing import DeferredGeneration, Reader

HALVES = [  # the first and the last are the same
    "\\boxed{\\int_0^1 2x\\,dx}",
    "\\boxed{3}",
    "The answer is $\\lim_{x\\to 0}\\frac{\\sin x}{x}$",
]


def formulas(body, number):
    return ["It is ", HALVES[number % 3]]


async def reads(w):
    """Wait until an answer is being read."""
    for _ in range(10_000):
        if w.gateway.reader._tasks:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("nothing is being read")


@pytest.fixture(autouse=True)
def no_parser_here(monkeypatch):
    """Nothing is remembered from other tests, and the gateway never waits for the parser process."""

    def asked():
        raise AssertionError("the event loop waits for the parser process")

    unlearn()
    monkeypatch.setattr(parser_process, "shared", asked)
    yield
    unlearn()


@pytest.mark.parametrize("answer", ["", "math"])
async def test_formulas_are_compared_without_a_parser_in_the_gateways_process(answer):
    async with world(Model(formulas)) as w:
        status, reply = await w.post(model="sc(n=3)/m", ttscale={"answer": answer})
        assert status == 200, reply
        assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]
        process = w.gateway.reader._helper.pid
        assert (await w.post(model="ffs(n=3, k=2)/m"))[0] == 200
        assert w.gateway.reader._helper.pid == process


async def test_equal_answers_are_read_once(monkeypatch):
    asked = []

    async def counted(helper, reply, read=Helper.read):
        asked.append(reply)
        await read(helper, reply)

    monkeypatch.setattr(Helper, "read", counted)
    async with world(Model(lambda body, n: ["It is ", HALVES[0]])) as w:
        _, reply = await w.post(model="sc(n=8)/m")
        process = w.gateway.reader._helper.pid
        assert os.getpgid(process) != os.getpgrp(), "Ctrl-C would reach it too"
    assert reply["ttscale"]["agreement"] == [{"votes": 8, "of": 8}]
    assert len(asked) == 1


@pytest.mark.parametrize("error", [BrokenPipeError("gone"), ValueError("a line too long")])
async def test_an_answer_that_cannot_be_read_fails_its_sample(monkeypatch, error):
    async def read(helper, reply):
        raise error

    monkeypatch.setattr(Helper, "read", read)
    async with world(Model(formulas)) as w, asyncio.timeout(10):
        _, reply = await w.post(model="sc(n=3)/m", ttscale={"candidates": True})
    assert {c["error"] for c in reply["ttscale"]["candidates"]} >= {"EngineError"}


class Asking(GenerationRequest):
    def finish(self, trace):
        """It is waited for by no method."""


async def test_a_trace_whose_answer_is_unread_still_costs_what_it_did():
    asked = Problem("q", Prompt.user("?"), MathRule())
    call = Asking(asked, asked.prompt, Sampling(), "main", 0, 0, asyncio.get_running_loop())
    reader = Reader()
    deferred = DeferredGeneration(call, reader)
    deferred.receive(Trace(HALVES[0], 5, prompt_tokens=7, cached_tokens=2))
    assert deferred.unread is not None
    assert (deferred.seen(), deferred.prompt_tokens, deferred.cached_tokens) == (5, 7, 2)
    await reader.close()


async def test_numbers_and_words_need_no_helper():
    texts = ["\\boxed{1/2}", "\\boxed{0.5}", "Paris.", "(1, 2)", '{"a": 1}', "\\boxed{(1, -3/4)}"]
    async with world(Model(lambda body, n: [texts[n % len(texts)]])) as w:
        for _ in range(3):
            assert (await w.post(model="sc(n=6)/m"))[0] == 200
        assert w.gateway.reader._helper.pid is None


async def test_a_helper_that_dies_fails_its_sample_and_comes_back():
    async with world(Model(formulas)) as w:
        assert (await w.post(model="sc(n=3)/m"))[0] == 200
        helper = w.gateway.reader._helper
        os.kill(helper.pid, signal.SIGKILL)
        unlearn()
        _, reply = await w.post(model="sc(n=3)/m", ttscale={"candidates": True})
        errors = [c["error"] for c in reply["ttscale"]["candidates"]]
        assert errors.count("EngineError") == 1
        unlearn()
        _, reply = await w.post(model="sc(n=3)/m")
        assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]


async def test_others_are_served_while_an_answer_is_read():
    async with world(Model(formulas)) as w:
        reading = asyncio.create_task(w.post(model="sc(n=3)/m"))
        await reads(w)
        assert (await w.post(model="m"))[0] == 200
        assert not reading.done(), "the helper has not even loaded"
        assert (await reading)[0] == 200


async def test_a_client_that_leaves_while_an_answer_is_read_leaves_nothing():
    async with world(Model(formulas)) as w:
        url, body = f"{w.url}/v1/chat/completions", {"model": "sc(n=3)/m", "messages": USER}
        asking = asyncio.create_task(w.session.post(url, json=body))
        await reads(w)
        asking.cancel()
        for _ in range(500):
            if not w.gateway.admission.active:
                break
            await asyncio.sleep(0.01)
        assert w.gateway.metrics.total("cancellations_total") == 1


async def test_what_the_helper_reads_is_what_the_rules_would_have_found(monkeypatch):
    monkeypatch.undo()
    rule, helper = MathRule(), Helper()
    for reply in HALVES[::2]:
        with quickly(), pytest.raises(UnreadError):
            rule.key(rule.find(reply))
        await helper.read(reply)
        with quickly():
            read = rule.key(rule.find(reply))
        unlearn()
        assert rule.key(rule.find(reply)) == read
    await helper.close()
    shared().close()


async def test_requests_leave_nothing_to_the_garbage_collector():
    """What goes round in circles waits for a collection, and under load that is memory that grows."""
    slow = {"sc(n=3)/m": boxed, "ffs(n=3)/m": lambda b, n: ["x "] * (90 * (n % 3)) + boxed(b, n)}
    model = Model(lambda body, n: slow.get(body.get("user"), boxed)(body, n), pause=0.002)
    async with world(model) as w:

        async def ask():
            for name in ("m", *slow):
                assert (await w.post(model=name, user=name))[0] == 200
                assert (await w.events(model=name, user=name))[-1]
            await model.quiet()
            await asyncio.sleep(0.05)

        await ask()
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await ask()
            gc.collect()
            left = Counter(
                type(thing).__name__ for thing in gc.garbage if type(thing).__module__.startswith("ttscale")
            )
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not left
