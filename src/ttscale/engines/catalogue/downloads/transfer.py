"""Bytes from an address into a file, continued where they broke off."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from .models import Progress

BROKEN = (OSError, ValueError, LookupError, TypeError, HTTPException)
"""What is raised where a server does not give what it should."""
BLOCK = 1 << 18  # bytes
_TIMEOUT = 60.0  # seconds without a byte


def download(url: str, part: Path, size: int, progress: Progress, headers: dict[str, str]) -> None:
    """Bring a file of a known size, continuing what is there.

    Raises:
        ValueError: if it cannot be had whole; what came is kept.
    """
    done = part.stat().st_size if part.exists() else 0
    if done == size:
        return progress(done, size)
    if done > size:
        done = 0
    ranged = {"Range": f"bytes={done}-"} if done else {}
    with opened(url, {**headers, **ranged}) as response:
        if response.status != 206:
            done = 0  # the server knows no ranges: from the start
        with part.open("r+b" if done else "wb") as file:
            file.seek(done)
            while block := response.read(BLOCK):
                file.write(block)
                done += len(block)
                progress(done, size)
            file.truncate()
    if done < size:
        raise ValueError(f"the download broke off after {done} of {size} bytes")


def opened(url: str, headers: dict[str, str]) -> Any:
    """A response to read from, as a context manager.

    Raises:
        ValueError: naming the status or the reason why there is none.
    """
    try:
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        with error:
            raise ValueError(f"status {error.code}") from None
    except URLError as error:
        raise ValueError(str(error.reason)) from None
