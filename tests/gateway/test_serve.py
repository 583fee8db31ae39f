"""`ttscale serve` as a process: started, asked, reloaded, drained; and on a real llama.cpp."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway.harness import Model, elsewhere

from ttscale.engines.catalogue import downloads
from ttscale.engines.catalogue.bundled import bundled_models

USER = [{"role": "user", "content": "What is 2 + 2?"}]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(url: str, seconds: float = 10.0) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=seconds) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def post(url: str, body: Any, seconds: float = 60.0) -> tuple[int, Any]:
    data = json.dumps({"messages": USER, **body}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=data)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@contextlib.contextmanager
def served(*options: str, folder: Path, patience: float = 60.0) -> Iterator[Any]:
    """The command, once it is ready: (address, process)."""
    port = free_port()
    command = [sys.executable, "-m", "ttscale", "serve", "--port", str(port), *options]
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, stderr=log, stdout=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if get(f"{url}/ready", 2)[0] == 200:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.mark.slow
def test_a_configured_gateway_reloads_and_drains(tmp_path):
    with elsewhere(Model()) as upstream:
        config = tmp_path / "gateway.toml"
        spec = f'spec = "openai:m@{upstream}"'
        config.write_text(f"[models.one]\n{spec}\n")
        with served("--config", str(config), folder=tmp_path) as (url, process):
            assert post(url, {"model": "sc(n=2)/one"})[0] == 200
            config.write_text(f"[models.two]\n{spec}\n")
            process.send_signal(signal.SIGHUP)
            for _ in range(50):
                if post(url, {"model": "sc(n=2)/two"})[0] == 200:
                    break
                time.sleep(0.1)
            assert post(url, {"model": "one"})[0] == 404
            config.write_text("[models.two\n")
            process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            assert post(url, {"model": "sc(n=2)/two"})[0] == 200
            process.terminate()
            assert process.wait(20) == 0
    log = (tmp_path / "log").read_text()
    assert "reload failed" in log
    assert '"drained":true' in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_several_workers_share_a_port_and_their_numbers(tmp_path):
    with elsewhere(Model()) as upstream:
        options = ["--upstream", upstream, "--name", "m", "--workers", "2", "--state", "state.db"]
        with served(*options, folder=tmp_path) as (url, process):
            for _ in range(20):
                assert post(url, {"model": "simple/m"})[0] == 200
            for _ in range(40):
                total = get(f"{url}/status.json")[1]["requests"]
                if total == 20:
                    break
                time.sleep(0.2)
            assert total == 20
            process.terminate()
            assert process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_ten_thousand_idle_connections_cost_little(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000
    if hard < wanted + 500:
        pytest.skip(f"only {hard} files may be open here")
    idle: list[socket.socket] = []
    options = ["--name", "m", "--upstream"]
    with elsewhere(Model()) as upstream, served(*options, upstream, folder=tmp_path) as (url, process):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 500, hard))
        before = memory_of(process.pid)
        try:
            address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
            while len(idle) < wanted:
                idle.append(socket.create_connection(address, 30))
            assert get(f"{url}/health")[0] == 200
            assert post(url, {"model": "m"})[0] == 200
            assert post(url, {"model": "sc(n=4)/m"})[0] == 200
            each = (memory_of(process.pid) - before) / wanted
        finally:
            for connection in idle:
                connection.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert post(url, {"model": "m"})[0] == 200
    assert each < 20_000, f"{each:.0f} bytes for each connection"
    assert "Traceback" not in (tmp_path / "log").read_text()


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_the_gateway_is_imported_without_what_it_may_never_need():
    heavy = ("numpy", "scipy", "torch", "xllamacpp", "sympy", "rich", "ttscale.bench")
    code = f"import sys, ttscale.gateway; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0", "--upstream", "http://127.0.0.1:9"], "no keys"),
        (["--model", "nothing-of-this-name"], "unknown model"),
        (["--upstream", "x", "--model", "y"], "exclude each other"),
        (["--upstream-model", "x"], "give --upstream URL too"),
        (["--upstream", "ftp://x"], "is not the address of a server"),
    ],
)
def test_what_cannot_be_served_is_one_line(options, told, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ttscale", "serve", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_it_announces_itself_when_it_listens_and_where(workers, tmp_path):
    command = [sys.executable, "-m", "ttscale", "serve", "--upstream", "127.0.0.1:9", "--name", "m"]
    with subprocess.Popen(
        [*command, "--port", "0", "--workers", workers], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            line = next(line for line in process.stderr if line.startswith("serving "))
            assert line.startswith("serving m on http://127.0.0.1:")
            url = line.split()[-1].removesuffix("/v1")
            assert get(f"{url}/health")[0] == 200  # at once
            if workers == "1":
                again = [*command, "--port", url.rsplit(":", 1)[1]]
                done = subprocess.run(again, capture_output=True, text=True, cwd=tmp_path, timeout=60)
                assert done.returncode == 2
                assert "cannot listen" in done.stderr
                assert "serving" not in done.stderr
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_a_name_renames_towards_clients_only(tmp_path):
    model = Model()
    with elsewhere(model) as upstream:
        options = ["--upstream", f"{upstream}/v1/", "--upstream-model", "other", "--name", "mine"]
        with served(*options, folder=tmp_path) as (url, _):
            for name in ("mine", "simple/mine"):
                assert post(url, {"model": name})[0] == 200
            assert post(url, {"model": "other"})[0] == 404
    assert {body["model"] for body in model.bodies} == {"other"}


def test_a_new_key_is_shown_once_and_its_hash_fits_the_config(tmp_path):
    import tomllib

    from ttscale.gateway import parse
    from ttscale.gateway.access.api_keys import Keyring

    done = subprocess.run(
        [sys.executable, "-m", "ttscale", "serve", "--new-key", "alice"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    config = parse(tomllib.loads(done.stderr))
    assert Keyring(config.keys).client({"Authorization": f"Bearer {done.stdout.strip()}"}).name == "alice"


def small_model() -> Path | None:
    """A model file to serve: the one a variable names, a fetched one, or the bundled one."""
    named = os.environ.get("TTSCALE_TEST_GGUF")
    if named:
        return Path(named)
    if downloads.is_cached("smollm2-135m"):
        return downloads.path_of("smollm2-135m")
    bundled = bundled_models().get("tiny")
    return bundled.path if bundled else None


@pytest.mark.slow
@pytest.mark.real
def test_methods_run_on_a_real_llama_cpp_and_every_token_is_reported(tmp_path):
    pytest.importorskip("xllamacpp")
    model = small_model()
    if model is None:
        pytest.skip("no model here: ttscale models pull smollm2-135m")
    spec = f"llamacpp:{model}?slots=4&ctx=1024"
    with served("--model", spec, "--name", "m", folder=tmp_path, patience=120) as (url, _):
        body = {"max_tokens": 24, "seed": 1, "messages": [{"role": "user", "content": "Say hi."}]}
        status, plain = post(url, {"model": "m", **body})
        assert (status, plain["usage"]["completion_tokens"] > 0) == (200, True)
        status, vote = post(url, {"model": "sc(n=4)/m", **body, "ttscale": {"candidates": True}})
        assert status == 200
        assert vote["usage"]["completion_tokens"] == sum(c["tokens"] for c in vote["ttscale"]["candidates"])
        status, race = post(url, {"model": "ffs(n=4)/m", **body})
        assert status == 200
        assert race["usage"]["completion_tokens"] <= vote["usage"]["completion_tokens"] + 4
        status, forced = post(url, {"model": "budget-forcing(max_thinking=16)/m", **body})
        assert status == 200, forced
        assert forced["ttscale"]["stopped_by"] == "max_thinking"


@pytest.mark.slow
@pytest.mark.real
def test_without_arguments_the_bundled_reasoner_answers_the_official_client(tmp_path):
    pytest.importorskip("xllamacpp")
    openai = pytest.importorskip("openai")
    if "tiny" not in bundled_models():
        pytest.skip("the bundled reasoner is not here")
    with served(folder=tmp_path, patience=120) as (url, _):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        listed = {model.id for model in client.models.list()}
        assert {"tiny", "ffs/tiny", "auto/tiny", "self-consistency/tiny"} <= listed
        for name in ("tiny", "sc(n=4)/tiny", "ffs(n=4)/tiny", "auto/tiny", "budget-forcing/tiny"):
            asked = {"model": name, "messages": USER, "seed": 1}
            whole = client.chat.completions.create(**asked)
            assert whole.usage.completion_tokens > 0
            said = "".join(
                choice.delta.content or ""
                for chunk in client.chat.completions.create(**asked, stream=True)
                for choice in chunk.choices
            )
            assert said, name
            if "ffs" not in name:  # a race on a real machine may have another winner
                assert said == whole.choices[0].message.content, name
