"""The command as a user meets it: a fresh home and folder, no network, no configuration."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ttscale.cli import main

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's configuration, models or working folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TTSCALE_CACHE", raising=False)
    monkeypatch.delenv("TTSCALE_CONFIG", raising=False)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return tmp_path


@pytest.fixture
def cli() -> Cli:
    """Run a command line; the result has exit_code, stdout and stderr."""

    def run(*args: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(args), input=stdin)

    return run


@pytest.fixture
def refuses(cli: Cli) -> Callable[..., str]:
    """Run a command line that must fail: returns its one line of error, after checking that it is
    one line without a traceback, and that `--json` says the same in one document."""

    def run(*args: str, code: int, stdin: str | None = None) -> str:
        plain = cli(*args, stdin=stdin)
        assert plain.exit_code == code, plain.output
        errors = [line for line in plain.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, plain.stderr
        assert "Traceback" not in plain.stderr
        told = json.loads(cli(*args, "--json", stdin=stdin).stdout)["error"]
        assert told["exit_code"] == code
        assert " ".join(told["message"].split()) in errors[0]
        return errors[0]

    return run


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with the server's status and error message."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, message = self.server.reply  # type: ignore[attr-defined]
        body = json.dumps({"error": {"message": message, "code": status}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def refusing_server() -> Iterator[Callable[[int, str], str]]:
    """Start a server that refuses everything in one way; gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, message: str) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
        server.reply = (status, message)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
