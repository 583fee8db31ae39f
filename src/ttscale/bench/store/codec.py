"""Traces, problems and settings as bytes, and back.

A packed trace is a zstandard frame: the length of a JSON header, the header (every field that is
not at its default, and the lengths of arrays and artifacts), then the arrays and the artifacts'
bytes. Log-probabilities and confidences are float32, exact: a resumed run must decide as the
interrupted one did. Token ends are stored as differences, which compress well. Of an artifact larger
than `LARGEST_ARTIFACT` its name is kept and its bytes are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import orjson
import zstandard

from ...core import (
    AnswerRule,
    Artifact,
    EngineError,
    Image,
    Message,
    Problem,
    Prompt,
    Sampling,
    StoreError,
    Trace,
)

SCORED = "scorer"  # in `meta`: the problem has a scorer of its own, which is code and not kept
_FLOATS = ("logprobs", "conf")
_ENDS = "ends"
LARGEST_ARTIFACT = 16 * 2**20  # bytes; a picture fits, a film does not
_ARTIFACTS = "artifacts"
_APART = {
    *_FLOATS,
    _ENDS,
    _ARTIFACTS,
    "error",
    "part",
    "prompt_key",
    "index",
    "role",
}  # columns, arrays or special
_PLAIN: dict[str, Callable[[], Any]] = {
    f.name: (lambda f=f: f.default) if f.default is not MISSING else f.default_factory  # type: ignore[misc]
    for f in fields(Trace)
    if f.name not in _APART
}
_WRITTEN_AS = {
    "sequential": "chain",
    "sequential_units": "chains",
}  # field -> its name in stores, which never changes
_READ_AS = {written: field for field, written in _WRITTEN_AS.items()}
DAMAGE = (zstandard.ZstdError, ValueError, KeyError, TypeError, AttributeError)
"""What reading an entry back raises if it is not what was written."""
_compress = zstandard.ZstdCompressor(level=3).compress
_decompress = zstandard.ZstdDecompressor().decompress


def pack(trace: Trace) -> bytes:
    """A trace without its sample identity, which the store keeps in columns."""
    header: dict[str, Any] = {
        _WRITTEN_AS.get(name, name): value
        for name, default in _PLAIN.items()
        if (value := getattr(trace, name)) != default()
    }
    if trace.part != part_of(trace.role):
        header["part"] = trace.part
    if trace.error is not None:
        header["error"] = str(trace.error)
    blocks: list[bytes] = []  # arrays, then artifacts
    lengths: list[tuple[str, int]] = []  # in the order of the arrays
    for name in _FLOATS:
        values = getattr(trace, name)
        if values is not None:
            lengths.append((name, len(values)))
            blocks.append(np.asarray(values, dtype="<f4").tobytes())
    if trace.ends is not None:
        lengths.append((_ENDS, len(trace.ends)))
        steps = np.diff(np.asarray(trace.ends, dtype="<i4"), prepend=np.int32(0))
        blocks.append(steps.astype("<i4").tobytes())
    if lengths:
        header["arrays"] = lengths
    if trace.artifacts:
        header[_ARTIFACTS] = kept = []
        for artifact in trace.artifacts:
            data = artifact.data if artifact.size <= LARGEST_ARTIFACT else None
            kept.append(
                [artifact.kind, artifact.media_type, artifact.size, artifact.digest, data is not None]
            )
            blocks.append(data or b"")
    head = dumps(header)
    return _compress(b"".join((len(head).to_bytes(4, "little"), head, *blocks)))


def unpack(body: bytes, *, role: str, prompt_key: str, index: int) -> Trace:
    """The inverse of `pack`.

    Raises:
        StoreError: if the bytes are damaged.
    """
    try:
        data = _decompress(body)
        start = 4 + int.from_bytes(data[:4], "little")
        written: dict[str, Any] = orjson.loads(data[4:start])
        header: dict[str, Any] = {_READ_AS.get(name, name): value for name, value in written.items()}
        lengths: list[tuple[str, int]] = header.pop("arrays", [])
        for name, length in lengths:
            kind = "<i4" if name == _ENDS else "<f4"
            array = np.frombuffer(data, kind, length, start)
            start += array.nbytes
            header[name] = np.cumsum(array).tolist() if name == _ENDS else array.astype(np.float32)
        artifacts = []
        for kind, media_type, size, digest, with_data in header.pop(_ARTIFACTS, []):
            artifact = Artifact(kind, digest, size, media_type)
            if with_data:
                artifact = Artifact.of(kind, data[start : start + size], media_type)
                start += size
                if artifact.digest != digest:
                    raise ValueError(f"the {kind} {digest} is another")
            artifacts.append(artifact)
        if "error" in header:
            header["error"] = EngineError(header["error"])
        if "tool_calls" in header:
            header["tool_calls"] = tuple(header["tool_calls"])
        if "thinking_at" in header:
            header["thinking_at"] = [(begin, end) for begin, end in header["thinking_at"]]
        header.setdefault("part", part_of(role))
        header |= {"role": role, "prompt_key": prompt_key, "index": index}
        return Trace(**header, artifacts=tuple(artifacts))
    except DAMAGE as error:
        raise damaged("trace", error) from None


def part_of(role: str) -> str:
    """What a trace of this role is where it is not written down: what its role said before parts
    were kept."""
    if role in ("prm", "judge", "verifier", "reward"):
        return "verdict"
    return "plan" if role in ("planner", "difficulty") else "answer"


def pack_problem(problem: Problem) -> bytes:
    """A problem with its answer rule by name. Of `meta`, what is not plain data stays behind."""
    prompt = problem.prompt
    meta = {k: v for k, v in problem.meta.items() if not callable(v)}
    if "grade" in problem.meta:
        meta[SCORED] = True
    return _compress(
        dumps(
            {
                "id": problem.id,
                "messages": [m.as_openai() for m in prompt.messages],
                "prefix": prompt.prefix,
                "raw": prompt.raw,
                "rule": [problem.rule.name, _settings(problem.rule)],
                "reference": problem.reference,
                "choices": problem.choices,
                "meta": meta,
            }
        )
    )


def unpack_problem(body: bytes, rule: Callable[..., AnswerRule]) -> Problem:
    """The inverse of `pack_problem`; `rule` finds an answer rule by name and settings.

    Raises:
        StoreError: if the bytes are damaged.
    """
    try:
        data = orjson.loads(_decompress(body))
        prompt = Prompt(tuple(map(_message, data["messages"])), data["prefix"], data["raw"])
        name, settings = data["rule"]
        return Problem(
            data["id"],
            prompt,
            rule(name, **settings),
            data["reference"],
            tuple(data["choices"]),
            data["meta"],
        )
    except DAMAGE as error:
        raise damaged("question", error) from None


def damaged(what: str, error: Exception) -> StoreError:
    """The error for an entry of a store that cannot be read back."""
    return StoreError(f"a stored {what} is damaged ({error})", fix="restore a copy of the store")


def _settings(rule: AnswerRule) -> dict[str, Any]:
    """What the rule was made with: its public attributes."""
    own = getattr(rule, "__dict__", {})
    return {k: v for k, v in own.items() if not k.startswith("_") and k != "name"}


def _message(written: Mapping[str, Any]) -> Message:
    content = written["content"]
    if isinstance(content, list):
        content = tuple(
            part["text"] if part["type"] == "text" else Image(part["image_url"]["url"]) for part in content
        )
    extra = {k: v for k, v in written.items() if k not in ("role", "content")}
    return Message(written["role"], content, extra)


def questions_digest(problems: Sequence[Problem]) -> str:
    """Equal for equal questions with equal gold answers, in the same order."""
    digest = hashlib.blake2b(digest_size=12)
    for problem in problems:
        golds = "\0".join([str(problem.reference), *problem.meta.get("golds", ())])
        digest.update(f"{problem.id}\0{problem.prompt.key}\0{golds}\0".encode())
    return digest.hexdigest()


def sampling_digest(sampling: Sampling) -> str:
    """Equal for equal settings."""
    return hashlib.blake2b(dumps(sampling.given()), digest_size=6).hexdigest()


def dumps(value: Any) -> bytes:
    """JSON; what JSON does not know becomes text."""
    return orjson.dumps(
        value,
        default=_text,
        option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS,
    )


def _text(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)
