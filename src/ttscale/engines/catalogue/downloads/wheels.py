"""Where wheels are: the package indexes that pip is told to use, and what they say."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import orjson

from .models import Wheel
from .transfer import opened

_PYPI = "https://pypi.org/simple"


def indexes() -> list[str]:
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


def host(index: str) -> str | None:
    """The name of an index that may be shown: its address may carry a login."""
    return urlsplit(index).hostname


def address(index: str, wheel: Wheel) -> tuple[str, dict[str, str]]:
    """(where an index says the wheel is, the headers it wants).

    Raises:
        LookupError: if it does not have it.
    """
    page, login = _login(f"{index.rstrip('/')}/{wheel.package}/")
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    with opened(page, {"Accept": accept, **login}) as response:
        body, kind = response.read(), response.headers.get_content_type()
        page = response.url
    if kind.endswith("json") or body[:1] == b"{":
        links = [f["url"] for f in orjson.loads(body)["files"]]
    else:
        found = re.findall(r'href=["\']([^"\']+)["\']', body.decode("utf-8", "replace"))
        links = [unescape(link) for link in found]
    for link in links:
        plain = link.partition("#")[0]
        if unquote(plain).rsplit("/", 1)[-1] == wheel.file:
            url, own = _login(urljoin(page, plain))
            # a mirror's page may hide the user name that its address carries
            return url, own or (login if urlsplit(url).hostname == host(index) else {})
    raise LookupError(f"it does not have {wheel.file}")


def by_pip(wheel: Wheel, part: Path) -> bool:
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
            f"{wheel.package}=={wheel.version}",
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        fetched = Path(folder) / wheel.file
        if done.returncode or not fetched.exists():
            return False
        os.replace(fetched, part)
        return True


def _login(url: str) -> tuple[str, dict[str, str]]:
    """(an address without the login that it carries, the login as a header)."""
    parts = urlsplit(url)
    if not parts.username:
        return url, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    header = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), header
