"""`ttscale bench quick` against a server that this test starts, which counts what it is sent."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import Server, refuse, said

from ttscale.bench import load_task

QUESTIONS = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(40)]


class Model:
    """Right in three of four samples, by a seeded coin; thinks longer where it is right.

    Attributes:
        pause: seconds that a sample takes.
        failing: of the samples, the share that is refused with a 500.
    """

    def __init__(self, *, pause: float = 0.0, failing: float = 0.0) -> None:
        self.pause, self.failing = pause, failing
        self.coin = random.Random(7)
        self.server = Server()
        self.server.plays = [self.chat]
        self.server.paths["/v1/models"] = self.models

    async def models(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "m", "object": "model"}]})

    async def chat(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        text = str(body.get("messages", [{}])[-1].get("content"))
        if request.path != "/v1/chat/completions" or not body.get("stream"):
            return await refuse(400, "not served")(request, body)
        await asyncio.sleep(self.pause if "What is" in text else 0)
        if "What is" in text and self.coin.random() < self.failing:
            return await refuse(500, "out of luck")(request, body)
        right = self.coin.random() < 0.75
        digits = "".join(c for c in text.partition("+")[0] if c.isdigit())
        answer = 2 * int(digits or 0) if right else self.coin.randrange(1000, 9999)
        pieces = [*("so " for _ in range(40 if right else 20)), f"\\boxed{{{answer}}}"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"".join(said(*pieces, usage=len(pieces))))
        return response


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start a model on a server in a thread of its own; gives (its server, its specification)."""
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread]] = []

    def start(**settings: Any) -> tuple[Server, str]:
        loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
        model = Model(**settings)

        async def main() -> None:
            async with model.server.up():
                ready.set()
                await over.wait()

        thread = threading.Thread(target=lambda: (loop.run_until_complete(main()), loop.close()))
        thread.start()
        loops.append((loop, over, thread))
        assert ready.wait(10)
        return model.server, f"openai:m@{model.server.url}/v1"

    yield start
    for loop, over, thread in loops:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


@pytest.fixture
def questions(own_home) -> str:
    path = own_home / "folder" / "mine.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS))
    return str(path)


@pytest.mark.slow
def test_two_hundred_requests_give_a_picture_a_page_and_a_sentence(cli, serve, questions, own_home):
    server, model = serve()
    began = time.monotonic()
    done = cli("bench", "quick", questions, "--model", model, "--out", "q.db")
    assert done.exit_code == 0, done.output
    assert time.monotonic() - began < 120
    assert 150 < len(server.requests) <= 200
    assert f"{len(server.requests)} requests" in done.stdout
    assert "● simple" in done.stdout
    assert "├" in done.stdout
    assert "would have saved you" in done.stdout
    assert "95% intervals" in done.stdout
    page = (own_home / "folder" / "q.html").read_text()
    assert "would have saved you" in page
    assert "esc(window=3, max_samples=8)" in page


def test_the_figures_are_those_of_the_samples_and_can_be_replayed(cli, serve, questions):
    _, model = serve()
    told = json.loads(cli("bench", "quick", questions, "--model", model, "--out", "q.db", "--json").stdout)
    rows = {row["method"]: row for row in told["rows"]}
    again = cli("bench", "run", "--model", "replay:q.db", "-m", "sc(n=8)", "-m", "ffs(n=8)", "--json")
    for row in json.loads(again.stdout)["rows"]:
        assert row["accuracy"] == rows[row["method"]]["accuracy"]
        assert row["completion_tokens_mean"] == rows[row["method"]]["completion_tokens_mean"]
    assert rows["sc(n=8)"]["accuracy"] > rows["ffs(n=8)"]["accuracy"], "wrong samples are the short ones"
    saving = told["savings"]["tokens"]
    assert saving["method"] != "ffs(n=8)"
    assert 0 < saving["low"] <= saving["share"] <= saving["high"] < 1
    assert saving["difference"]["value"] >= 0


def test_failures_and_retries_count_and_never_pass_the_limit(cli, serve, questions):
    server, model = serve(failing=0.3)
    told = json.loads(
        cli("bench", "quick", questions, "--model", model, "--requests", "60", "-n", "4", "--json").stdout
    )
    assert told["requests"] == len(server.requests) <= 60
    assert 0 < told["questions"] < 13


@pytest.mark.slow
def test_time_ends_it_with_the_questions_that_are_whole(cli, serve, questions):
    _, model = serve(pause=0.7)
    began = time.monotonic()
    told = json.loads(cli("bench", "quick", questions, "--model", model, "--seconds", "4", "--json").stdout)
    assert told["seconds"] < 4
    assert time.monotonic() - began < 20
    assert 4 <= told["questions"] < 22
    assert any("left out" in note for note in told["notes"])


@pytest.mark.slow
def test_a_server_that_is_too_slow_is_told_of_with_what_to_do(serve, questions, refuses):
    _, model = serve(pause=30)
    told = refuses("bench", "quick", questions, "--model", model, "--seconds", "2", code=2)
    assert "not one question got its 8 samples" in told
    assert "--seconds" in told


def test_limits_that_allow_no_question_are_refused_before_sampling(serve, questions, refuses):
    server, model = serve()
    assert "--requests" in refuses(
        "bench", "quick", questions, "--model", model, "--requests", "10", "-n", "12", code=2
    )
    assert not any("What is" in str(body) for _, body, _ in server.requests)


def test_without_golds_agreement_with_the_vote_stands_for_accuracy(cli, serve, own_home):
    (own_home / "folder" / "bare.csv").write_text("question\nWhat is 3 + 3?\nWhat is 4 + 4?\n")
    _, model = serve()
    told = json.loads(cli("bench", "quick", "bare.csv", "--model", model, "--json").stdout)
    assert told["gold"] is False
    assert any("no question has a gold" in n.lower() for n in told["notes"])
    assert next(r for r in told["rows"] if r["method"] == "sc(n=8)")["accuracy"] == 1.0


def test_the_bundled_questions_are_asked_where_no_file_is_given(cli, serve):
    server, model = serve()
    told = json.loads(cli("bench", "quick", "--model", model, "--requests", "60", "-n", "2", "--json").stdout)
    assert told["questions"] >= 20
    first = load_task(str(files("ttscale").joinpath("assets", "questions.jsonl")), n=1).problems[0]
    assert first.prompt.text in [
        body["messages"][-1]["content"] for _, body, _ in server.requests if body.get("stream")
    ]
