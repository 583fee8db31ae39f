"""Finding out what a server can do by asking it for one token or two.

A status of 200 proves nothing: servers ignore fields they do not know. So the meaning of a reply is
looked at: tools and images must lengthen the prompt, a continued reply must shorten it against one
that is answered, a given text's log-probabilities must be there for every token.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import difflib
import hashlib
import os
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ...core import EngineError, ModelNotFound, Unreachable
from ..http.retry import Retry
from ..http.sse import Packets
from .dialect import LLAMACPP, Dialect, Kind

if TYPE_CHECKING:
    from .engine import OpenAIHTTP

_KINDS: dict[str, Kind] = {"llamacpp": "llamacpp", "vllm": "vllm", "sglang": "sglang", "session": "ollama"}
GREETING = "Hi"
_HELLO = {"role": "user", "content": GREETING}
_BEGUN = {"role": "assistant", "content": "The capital of France is"}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}
_KNOWN: dict[tuple[str, str, str], tuple[Dialect, str]] = {}
MAX_AGE = 24 * 3600.0  # seconds for which a kept finding is believed: servers are upgraded


async def known_or_probed(engine: OpenAIHTTP) -> tuple[Dialect, str]:
    """(dialect, model name): from this process, from the engine's cache directory, or probed.

    What is kept in a file belongs to the models the server lists: one request asks for them, and a
    server that was restarted with others is probed again.
    """
    requested = (engine.urls[0], engine.model, engine.likely)
    found = _KNOWN.get(requested)
    if found is None:
        served = await _served(engine)
        identity = (*requested, *(f"{m.get('id')} {m.get('owned_by')}" for m in served))
        found = _load(engine.cache, identity)
        if found is None:
            found = await _probe(engine, served)
            with contextlib.suppress(OSError):  # it can be probed again next time
                _save(engine.cache, identity, found)
    _KNOWN[requested] = found
    return found


def forget() -> None:
    """Probe again at the next opening."""
    _KNOWN.clear()


async def _probe(engine: OpenAIHTTP, served: Sequence[Mapping[str, Any]]) -> tuple[Dialect, str]:
    names = [str(m.get("id")) for m in served]
    kinds = (_KINDS.get(str(m.get("owned_by"))) for m in served)
    kind: Kind = next((k for k in kinds if k), "other")
    model = engine.model or served_name(served, engine.likely, engine.server)
    if names and kind == "vllm" and model not in names:
        near = difflib.get_close_matches(model, names, n=1, cutoff=0.4) or names
        raise ModelNotFound(f"{engine.server} does not have model {model!r}", fix=f"it serves {near[0]!r}")
    engine.model = model
    dialect, prompt_tokens = await _text(engine, Dialect(kind=kind))
    if kind == "llamacpp" and "text" in dialect.capabilities:
        modalities = served[0].get("architecture", {}).get("input_modalities", ())
        seen = {"images"} if "image" in modalities else set()
        reports = dialect.counting == "timings"
        known = await without_tools(engine, LLAMACPP)
        return replace(
            known, capabilities=known.capabilities | seen, counting="timings" if reports else dialect.counting
        ), model
    if "text" in dialect.capabilities:
        prefix, tools, images, scoring = await asyncio.gather(
            _prefix(engine, dialect),
            _longer(engine, dialect, prompt_tokens, tools=[_TOOL]),
            _longer(engine, dialect, prompt_tokens, messages=[_picture()]),
            _scoring(engine),
        )
        more = {
            name
            for name, there in (("prefix", prefix), ("tools", tools), ("images", images), ("score", scoring))
            if there
        }
        return replace(
            dialect, prefix=prefix, scoring=scoring, capabilities=dialect.capabilities | more
        ), model
    embeds, rewarding = await asyncio.gather(_embeds(engine), _rewarding(engine))
    more = {name for name, there in (("embed", embeds), ("reward", rewarding)) if there}
    if not more:
        raise Unreachable(
            f"{engine.server} neither chats, nor completes, nor embeds, nor judges with model {model!r}",
            fix="check the model's name and the URL",
        )
    return replace(dialect, capabilities=frozenset(more), rewarding=rewarding), model


async def without_tools(engine: OpenAIHTTP, dialect: Dialect) -> Dialect:
    """The dialect of a llama.cpp server, less tools if it says that its chat template leaves them out."""
    with contextlib.suppress(EngineError, KeyError, TypeError):
        properties = await engine.fetch("/props", retry=Retry(times=1))
        if properties["chat_template_caps"]["supports_tools"] is False:
            return replace(dialect, capabilities=dialect.capabilities - {"tools"})
    return dialect


def served_name(served: Sequence[Mapping[str, Any]], likely: str, server: str) -> str:
    """The model of a server that is meant where none is named: the likely one if it has that, else
    its only one.

    Raises:
        ModelNotFound: if it has several others.
    """
    names = [str(m.get("id")) for m in served]
    if not names:
        return likely  # the server keeps its list to itself
    for name in (likely, f"{likely}:latest"):  # as Ollama completes it
        if name in names:
            return name
    own = [str(m.get("id")) for m in served if not m.get("parent")]  # vLLM lists adapters besides
    if len(own or names) == 1:
        return (own or names)[0]
    shown = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
    raise ModelNotFound(
        f"{server} has {len(names)} models" + (f", none of them called {likely!r}" if likely else ""),
        fix=f"name one, with --upstream-model or as openai:MODEL@URL: {shown}",
    )


async def _served(engine: OpenAIHTTP) -> list[dict[str, Any]]:
    """The models a server lists; empty if it keeps them to itself."""
    try:
        # at the very start a second try is enough: a server that is down should be told soon
        response = await engine.fetch("/v1/models", retry=Retry(times=1))
        return [m for m in response["data"] if isinstance(m, dict)]
    except ModelNotFound:
        return []
    except (KeyError, TypeError):
        return []


async def _text(engine: OpenAIHTTP, dialect: Dialect) -> tuple[Dialect, int]:
    """What streaming a chat reply shows, and the tokens of its prompt.

    Servers that are strict about fields refuse the first ways of asking.
    """
    everything: dict[str, Any] = {
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "timings_per_token": True,
        "logprobs": True,
        "top_logprobs": 2,
    }
    usage: dict[str, Any] = {"stream_options": {"include_usage": True}}
    ways = [everything, {**usage, "logprobs": True, "top_logprobs": 2}, usage, {}]
    limit, refused = "max_tokens", EngineError("")
    while ways:
        body: dict[str, Any] = {
            "model": engine.model,
            "messages": [_HELLO],
            limit: 8,
            "stream": True,
            **ways[0],
        }
        try:
            raw = await engine.fetch_raw("/v1/chat/completions", body)
        except ModelNotFound as error:
            refused = error
            break
        except EngineError as error:
            if error.fatal or (isinstance(error, Unreachable) and "status 501" not in str(error)):
                raise
            refused = error
            if "max_completion_tokens" in str(error) and limit == "max_tokens":
                limit = "max_completion_tokens"
            else:
                ways.pop(0)
            continue
        return _shown(raw, replace(dialect, limit=limit))
    if await _embeds(engine) or await _rewarding(engine):
        return replace(dialect, capabilities=frozenset()), 0
    raise refused


def _shown(raw: bytes, dialect: Dialect) -> tuple[Dialect, int]:
    """What a streamed reply shows of the server, and the tokens of its prompt."""
    packets = Packets()
    events = [e for d in packets.feed(raw) + packets.rest() if (e := _loaded(d)) is not None]
    in_chunks = [e for e in events if e.get("choices")]
    logprobs = any(
        len(entry.get("top_logprobs") or ()) > 1
        for e in in_chunks
        for entry in ((e["choices"][0].get("logprobs") or {}).get("content") or ())
    )
    usages = [e["usage"] for e in events if e.get("usage")]
    counting: Any = ""
    if any((e.get("timings") or {}).get("predicted_n") for e in in_chunks):
        counting = "timings"
    elif len([e for e in in_chunks if e.get("usage")]) > 1:
        counting = "usage"
    prompt_tokens = (usages[-1].get("prompt_tokens") or 0) if usages else 0
    known = replace(
        dialect,
        usage=bool(usages),
        counting=counting,
        greeting=prompt_tokens,
        capabilities=frozenset({"text", "logprobs"} if logprobs else {"text"}),
    )
    return known, prompt_tokens


async def _prefix(engine: OpenAIHTTP, dialect: Dialect) -> Any:
    """How a reply is continued whose beginning is given."""
    flags = {"add_generation_prompt": False, "continue_final_message": True}
    messages = [_HELLO, _BEGUN]
    last, flagged = await asyncio.gather(
        _one(engine, dialect, messages=messages), _one(engine, dialect, messages=messages, **flags)
    )
    if last and _content(last).startswith(_BEGUN["content"]):
        return "last"
    # a continued turn is not closed, and no new one is opened: its prompt is shorter
    if flagged and (not last or 0 < _prompt_tokens(flagged) < _prompt_tokens(last)):
        return "flags"
    return ""


async def _longer(engine: OpenAIHTTP, dialect: Dialect, than: int, **fields: Any) -> bool:
    """Whether the fields lengthen the prompt, so that the model has really seen them."""
    response = await _one(engine, dialect, **{"messages": [_HELLO], **fields})
    return response is not None and _prompt_tokens(response) > than > 0


async def _scoring(engine: OpenAIHTTP) -> str:
    """Where log-probabilities of a given text are real."""
    chat = {
        "messages": [_HELLO, _BEGUN],
        "add_generation_prompt": False,
        "max_tokens": 1,
        "continue_final_message": True,
        "prompt_logprobs": 1,
    }
    raw = {"prompt": "The capital of France", "max_tokens": 1, "echo": True, "logprobs": 1}
    chatted, completed = await asyncio.gather(
        _try(engine, "/v1/chat/completions", chat), _try(engine, "/v1/completions", raw)
    )
    found = []
    given = (chatted or {}).get("prompt_logprobs")
    if given and len(given) == _prompt_tokens(chatted) and all(given[1:]):
        found.append("chat")
    try:
        columns = completed["choices"][0]["logprobs"]
        known = [lp for lp in columns["token_logprobs"] if lp is not None]
        if columns["text_offset"][0] == 0 and len(known) >= _prompt_tokens(completed) > 1:
            found.append("raw")
    except (KeyError, TypeError, IndexError):
        pass
    return " ".join(found)


async def _embeds(engine: OpenAIHTTP) -> bool:
    response = await _try(engine, "/v1/embeddings", {"input": ["one", "two"]})
    try:
        return len(response["data"]) == 2 and len(response["data"][0]["embedding"]) > 1
    except (KeyError, TypeError, IndexError):
        return False


async def _rewarding(engine: OpenAIHTTP) -> str:
    """The endpoint that judges solutions; "" if none does."""
    answered = [_HELLO, {"role": "assistant", "content": "Hello."}]
    response = await _try(engine, "/pooling", {"messages": answered, "add_generation_prompt": False})
    try:
        data = response["data"][0]["data"]
        # an embedding model pools too, into hundreds of numbers
        if not isinstance(data, list) or isinstance(data[0], list) or len(data) <= 2:
            return "pooling"
    except (KeyError, TypeError, IndexError):
        pass
    response = await _try(engine, "/v1/rerank", {"query": "Hi", "documents": ["Hello.", "No."]})
    results = response.get("results") if isinstance(response, dict) else None
    return "rerank" if results and len(results) == 2 else ""


async def _one(engine: OpenAIHTTP, dialect: Dialect, **fields: Any) -> Any:
    """One plain chat reply of a token; None if it is refused."""
    return await _try(engine, "/v1/chat/completions", {dialect.limit: 1, **fields})


async def _try(engine: OpenAIHTTP, path: str, body: dict[str, Any]) -> Any:
    try:
        return await engine.fetch(path, {"model": engine.model, **body}, retry=Retry(times=1))
    except EngineError:
        return None


def _content(response: Any) -> str:
    return str(response["choices"][0]["message"].get("content") or "")


def _prompt_tokens(response: Any) -> int:
    return int((response.get("usage") or {}).get("prompt_tokens") or 0)


def _loaded(data: bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def _picture() -> dict[str, Any]:
    """A message with a grey square of 64 x 64 pixels."""

    def part(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = zlib.compress((b"\0" + b"\x80" * 64) * 64)
    head = part(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", rows) + part(b"IEND", b"")
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    content = [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"role": "user", "content": content}


def _file(cache: Path, identity: tuple[str, ...]) -> Path:
    digest = hashlib.blake2b("|".join(identity).encode(), digest_size=12).hexdigest()
    return cache / f"server-{digest}.json"


def _load(cache: Path | None, identity: tuple[str, ...]) -> tuple[Dialect, str] | None:
    if cache is None:
        return None
    try:
        file = _file(cache, identity)
        if time.time() - file.stat().st_mtime > MAX_AGE:
            return None
        kept = orjson.loads(file.read_bytes())
        return Dialect.from_dict(kept["dialect"]), kept["model"]
    except (OSError, ValueError, TypeError, KeyError):
        return None  # absent, or written by another version


def _save(cache: Path | None, identity: tuple[str, ...], found: tuple[Dialect, str]) -> None:
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        file = _file(cache, identity)
        kept = {"url": identity[0], "model": found[1], "dialect": found[0].as_dict()}
        partial = file.with_suffix(f".{os.getpid()}")  # a reader never sees half a file
        partial.write_bytes(orjson.dumps(kept))
        partial.replace(file)
