"""What operators look at and keep: metrics, log, status page, records, the OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from aiohttp import web
from gateway.access.test_access import HASH, KEY, bearer
from gateway.harness import Model, boxed, world

from ttscale.bench.store.replay_pool import pools_from_store
from ttscale.gateway import parse
from ttscale.gateway.api.openapi import document
from ttscale.gateway.logs import LOG, Lines
from ttscale.gateway.metrics import Metrics


async def text(w, path):
    async with w.session.get(w.url + path) as reply:
        assert reply.status == 200
        return await reply.text()


async def test_metrics_are_read_by_prometheus():
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus-client")
    async with world(Model(), health=0) as w:
        await w.post(model="m")
        await w.post(model="sc(n=2)/m")
        await w.post(model="majority(n=1)/m")  # the same under another name
        await w.post(model="nothing")
        shown = await text(w, "/metrics")
    found = {f.name: f for f in parser.text_string_to_metric_families(shown)}
    tokens = {s.labels["kind"]: s.value for s in found["ttscale_tokens"].samples}
    assert (tokens["plain"], tokens["useful"]) == (4, 12)
    asked = {(s.labels["method"], s.labels["status"]): s.value for s in found["ttscale_requests"].samples}
    assert asked == {("plain", "200"): 1, ("self-consistency", "200"): 2, ("plain", "404"): 1}
    assert {s.value for s in found["ttscale_upstream_up"].samples} == {1}
    assert "ttscale_request_seconds" in found


def test_workers_numbers_add_up(tmp_path):
    state = tmp_path / "state.db"
    one, two = Metrics(), Metrics()
    one.add("samples_total", 3, method="sc")
    two.add("samples_total", 4, method="sc")
    two.observe(0.1, path="p")
    two.share(state)
    (tmp_path / f"state.db.metrics-{two._path.name.rsplit('-', 1)[1]}").rename(
        tmp_path / "state.db.metrics-1"
    )
    assert one.together(state).total("samples_total") == 7
    assert "ttscale_request_seconds_count" in one.together(state).text()


async def test_the_log_says_what_happened_without_prompts_or_keys():
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler = Keep()
    handler.setFormatter(Lines())
    level = LOG.level
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    try:
        async with world(Model(), config={"keys": {"alice": {"hash": HASH}}}) as w:
            messages = [{"role": "user", "content": "a secret question"}]
            await w.post(model="sc(n=2)/m", messages=messages, headers=bearer())
            await w.post(model="m", messages=messages, headers=bearer("tts-wrong-key"))
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
    entries = [json.loads(line) for line in lines]
    asked = [e for e in entries if e["event"] == "request"]
    assert [(e["status"], e["key"], e["tokens"]) for e in asked] == [(200, "alice", 8), (401, "", 0)]
    for secret in ("secret question", KEY, "tts-wrong-key", "boxed"):
        assert secret not in "\n".join(lines)


async def test_the_status_page_shows_traffic_methods_and_upstreams():
    model = Model(lambda body, n: boxed(body, n) if n % 4 == 0 else ["x "] * 300, pause=0.005)
    async with world(model) as w:
        await w.post(model="ffs(n=4)/m")
        page, numbers = await text(w, "/"), json.loads(await text(w, "/status.json"))
    assert "<script" not in page
    assert model.url in page
    assert numbers["tokens_of_stopped_samples"] > 0
    (method,) = numbers["methods"]
    assert (method["method"], method["answers"], method["agreement"]) == ("ffs", 1, 1.0)


@pytest.mark.slow
async def test_the_status_page_renders_in_a_browser(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium here")
    async with world(Model()) as w:
        await w.post(model="sc(n=2)/m")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            f"--user-data-dir={tmp_path}",
            w.url + "/",
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert "<h1>ttscale gateway</h1>" in done.stdout, done.stderr[-500:]
    assert "<td>self-consistency</td>" in done.stdout


async def test_recorded_traffic_is_a_replay_pool(tmp_path):
    path = tmp_path / "traffic.db"
    async with world(Model(), config={"record": {"store": str(path)}}) as w:
        for _ in range(2):
            await w.post(model="sc(n=3)/m")  # the same question: another repeat
        await w.post(model="m", messages=[{"role": "user", "content": "another"}])
        await w.events(messages=[{"role": "user", "content": "a third"}])
    (pool,) = pools_from_store(path)
    assert pool.model == "m"
    assert pool.task.startswith("traffic-2")
    draws = {p.prompt.text: len(pool.find(p, "main", p.prompt)) for p in pool.problems}
    assert draws == {"What is 2 + 2?": 6, "another": 1, "a third": 1}
    texts = {t.text for p in pool.problems for t in pool.find(p, "main", p.prompt)}
    assert texts == {"The answer is \\boxed{4}"}


async def test_the_planner_fits_from_recorded_traffic(tmp_path):
    """Without gold answers: by what all samples of a question agree on."""
    path, policy = tmp_path / "traffic.db", tmp_path / "policy.json"
    model = Model(lambda body, n: ["so ", f"\\boxed{{{n if 'hard' in str(body) and n % 3 else 4}}}"])
    async with world(model, config={"record": {"store": str(path)}}) as w:
        for number in range(8):
            said = f"question {number}, {'hard' if number % 2 else 'easy'}"
            await w.post(model="sc(n=12)/m", messages=[{"role": "user", "content": said}])
    command = [sys.executable, "-m", "ttscale", "plan", "fit", str(path), "--out", str(policy)]
    refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert "--consensus" in refused.stderr
    for options in (["--consensus", "--budget", "6"], ["--pets", "--average", "6"]):
        done = await asyncio.to_thread(subprocess.run, [*command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if options[0] == "--consensus":
            methods = {"auto": {"policy": str(policy)}}
            async with world(Model(), methods=methods) as w:
                assert (await w.post(model="auto/m"))[1]["ttscale"]["answers"] == ["4"]


def redact(text: str) -> str | None:
    """Drops what is private, blots out what is secret."""
    return None if "private" in text else text.replace("secret", "***")


async def test_what_is_redacted_is_not_written(tmp_path):
    path = tmp_path / "traffic.db"
    record = {"store": str(path), "redact": f"{__name__}:redact"}
    async with world(Model(), config={"record": record}) as w:
        for said in ("a secret question", "a private question"):
            await w.post(model="sc(n=2)/m", messages=[{"role": "user", "content": said}])
    (pool,) = pools_from_store(path)
    assert [p.prompt.text for p in pool.problems] == ["a *** question"]


async def test_old_days_are_forgotten_and_the_sampling_rate_is_kept(tmp_path):
    from ttscale.answers.rules.implicit import rule
    from ttscale.bench.store.store import Store
    from ttscale.core import Problem, Prompt

    path = tmp_path / "traffic.db"
    with Store.create(path, {}) as store:
        store.grow_task("traffic-2020-01-01", Problem("p", Prompt.user("old"), rule("")))
    record = {"store": str(path), "keep_days": 30.0}
    async with world(Model(), config={"record": record}) as w:
        await w.post(model="sc(n=2)/m")
    with Store.open(path) as store:
        (task,) = [name for (name,) in store.query("SELECT name FROM tasks")]
        assert task != "traffic-2020-01-01"
    none = {"store": str(tmp_path / "none.db"), "sample": 0.0}
    async with world(Model(), config={"record": none}) as w:
        await w.post(model="sc(n=2)/m")
    assert not pools_from_store(tmp_path / "none.db")


async def test_spans_are_sent_without_prompts(monkeypatch):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'ttscale[tracing]'")
    sent: list[bytes] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        zipped = request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b"
        sent.append(gzip.decompress(body) if zipped else body)
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with world(Model(), config={"server": {"tracing": True}}) as w:
        await w.post(model="sc(n=2)/m")
    await runner.cleanup()
    assert b"POST /v1/chat/completions" in b"".join(sent)
    assert b"sc(n=2)" in b"".join(sent)
    assert b"What is 2" not in b"".join(sent)


def test_the_openapi_document_is_the_same_whenever_it_is_asked_for():
    assert document() == document()


@pytest.mark.slow
async def test_no_request_the_openapi_document_allows_or_forbids_is_a_5xx():
    schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
    async with world(Model()) as w:

        def fuzz() -> list[str]:
            from hypothesis import HealthCheck, Phase, settings
            from hypothesis.errors import Unsatisfiable

            schema = schemathesis.openapi.from_url(f"{w.url}/openapi.json")
            failures: list[str] = []
            quick = settings(
                max_examples=40,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            for operation in schema.get_all_operations():
                for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

                    @quick
                    @schemathesis_given(operation.ok(), mode)
                    def check(case):
                        if isinstance(case.body, dict) and case.body.get("model"):
                            case.body["model"] = ("m", "sc(n=2)/m")[len(str(case.body)) % 2]
                        reply = case.call()
                        if reply.status_code >= 500:
                            failures.append(f"{reply.status_code} {case.body!r} {reply.text[:200]}")

                    with contextlib.suppress(Unsatisfiable):  # nothing to get wrong
                        check()
            return failures

        failures = await asyncio.to_thread(fuzz)
    assert not failures, failures[:3]


def schemathesis_given(operation, mode):
    from hypothesis import given

    return given(case=operation.as_strategy(generation_mode=mode))


# -- what is deployed

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_kubernetes_example_holds_a_configuration_that_is_read():
    lines = (DEPLOY / "kubernetes.yaml").read_text().splitlines()
    begin = lines.index("  gateway.toml: |") + 1
    end = lines.index("---")
    config = parse(tomllib.loads("\n".join(line[4:] for line in lines[begin:end])))
    assert list(config.models) == ["qwen3-8b"]
    assert config.server.drain < 75  # the grace period


def test_the_service_is_what_systemd_takes(tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd here")
    unit = (DEPLOY / "ttscale.service").read_text().replace("/opt/ttscale/bin/ttscale", "/bin/true")
    (tmp_path / "ttscale.service").write_text(unit)
    done = subprocess.run(
        [verify, "verify", str(tmp_path / "ttscale.service")], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
