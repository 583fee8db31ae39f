"""Finding out what a server can do by asking it for one token or two: only what has to be known,
and once.

A status of 200 proves nothing: servers ignore fields they do not know. So the meaning of a reply is
looked at: tools and images must lengthen the prompt, a continued reply must shorten it against one
that is answered, a given text's log-probabilities must be there for every token. A server that fails in
passing (it times out, it breaks off, status 500) has not answered the question.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import struct
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from ...core import EngineError, ModelNotFound, Trials
from ..http.retry import Retry
from ..http.sse import Packets
from .dialect import Dialect, Kind

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
_BYTES = 3  # of a request per token of its prompt, at most
_SHOWING = 4  # tokens in which a stream shows how it counts
_PASSING = frozenset({401, 402, 403, 408, 409, 425, 429})  # statuses that answer nothing; and 5xx but 501
_ONCE_MORE = Retry(times=1)


async def find_out(engine: OpenAIHTTP, wanted: Collection[str], trials: Trials) -> None:
    """Try those of the `wanted` capabilities that have not been tried; the engine learns each at once.

    Raises:
        EngineError: of a server that did not answer; what it did not answer stays unknown.
    """
    await identify(engine, trials)
    for capability in sorted(frozenset(wanted) & _TRIED_BY.keys()):
        if capability not in engine.dialect.tried:
            found = await _TRIED_BY[capability](engine, engine.dialect, trials)
            engine.learn(replace(found, tried=found.tried | {capability}))


async def identify(engine: OpenAIHTTP, trials: Trials) -> None:
    """Learn what the server says of itself: its kind, and its name for the model if none is given. That
    takes no token. What was kept of a server that lists something else is forgotten.

    Raises:
        ModelNotFound: if it does not have the model, or has several and none is named.
    """
    if engine.confirmed:
        return
    async with trials.begun() as trial:
        trial.report(0, 0)
        served = await _served(engine)
    names = [str(m.get("id")) for m in served]
    kind: Kind = next((k for m in served if (k := _KINDS.get(str(m.get("owned_by"))))), "other")
    model = engine.model or served_name(served, engine.likely, engine.server)
    if names and kind == "vllm" and model not in names:
        near = difflib.get_close_matches(model, names, n=1, cutoff=0.4) or names
        raise ModelNotFound(f"{engine.server} does not have model {model!r}", fix=f"it serves {near[0]!r}")
    listed = tuple(f"{m.get('id')} {m.get('owned_by')}" for m in served)
    dialect = engine.dialect if listed == engine.listed else engine.dialect.of_kind(kind)
    if kind == "llamacpp":
        modalities = served[0].get("architecture", {}).get("input_modalities", ())
        seen = {"images"} if "image" in modalities else set()
        dialect = replace(dialect, capabilities=dialect.capabilities | seen)
    engine.confirm(model, listed, dialect)


async def without_tools(engine: OpenAIHTTP, dialect: Dialect) -> Dialect:
    """The dialect of a llama.cpp server, less tools if it says that its chat template leaves them out."""
    with contextlib.suppress(EngineError, KeyError, TypeError):
        properties = await engine.fetch("/props", retry=_ONCE_MORE)
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
        response = await engine.fetch("/v1/models", retry=_ONCE_MORE)
        return [m for m in response["data"] if isinstance(m, dict)]
    except (ModelNotFound, KeyError, TypeError):
        return []


# -- one capability each: the dialect, with what was found


async def _logprobs(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    """Whether a streamed reply has log-probabilities with alternatives; it also shows how it counts.

    Servers that are strict about fields refuse the first way of asking.
    """
    wanted: dict[str, Any] = {"logprobs": True, "top_logprobs": 2, "stream": True, dialect.limit: _SHOWING}
    usage: dict[str, Any] = {"include_usage": True}
    for fields in (
        {"stream_options": {**usage, "continuous_usage_stats": True}, "timings_per_token": True},
        {"stream_options": usage},
        {},
    ):
        body = {"model": engine.model, "messages": [_HELLO], **wanted, **fields}
        async with trials.begun(len(orjson.dumps(body)) // _BYTES, _SHOWING) as trial:
            try:
                raw = await engine.fetch_raw("/v1/chat/completions", body, retry=_ONCE_MORE)
            except EngineError as error:
                if _passes(error):
                    raise
                trial.report(0, 0)
                continue
            shown, prompt, tokens = _shown(raw, dialect)
            if shown.usage:
                trial.report(prompt, tokens)
        return shown
    return dialect


def _shown(raw: bytes, dialect: Dialect) -> tuple[Dialect, int, int]:
    """What a streamed reply shows of the server, and the tokens of its prompt and of itself."""
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
    last = usages[-1] if usages else {}
    prompt_tokens = last.get("prompt_tokens") or 0
    known = replace(
        dialect,
        usage=bool(usages),
        counting=counting,
        greeting=prompt_tokens,
        capabilities=dialect.capabilities | ({"logprobs"} if logprobs else set()),
    )
    return known, prompt_tokens, last.get("completion_tokens") or 0


async def _prefix(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    """How a reply is continued whose beginning is given."""
    messages = [_HELLO, _BEGUN]
    last = await _one(engine, dialect, trials, messages=messages)
    if last and _content(last).startswith(_BEGUN["content"]):
        return dialect.with_(["prefix"], prefix="last")
    flags = {"add_generation_prompt": False, "continue_final_message": True}
    flagged = await _one(engine, dialect, trials, messages=messages, **flags)
    # a continued turn is not closed, and no new one is opened: its prompt is shorter
    if flagged and (not last or 0 < _prompt_tokens(flagged) < _prompt_tokens(last)):
        return dialect.with_(["prefix"], prefix="flags")
    return dialect


async def _tools(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    if dialect.kind == "llamacpp":
        async with trials.begun() as trial:
            trial.report(0, 0)
            return await without_tools(engine, dialect)
    return await _longer(engine, dialect, trials, "tools", tools=[_TOOL])


async def _images(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    return await _longer(engine, dialect, trials, "images", messages=[_picture()])


async def _longer(
    engine: OpenAIHTTP, dialect: Dialect, trials: Trials, capability: str, **fields: Any
) -> Dialect:
    """Whether the fields lengthen the prompt, so that the model has really seen them."""
    if not dialect.greeting:
        plain = await _one(engine, dialect, trials, messages=[_HELLO])
        dialect = replace(dialect, greeting=_prompt_tokens(plain) if plain else 0)
    response = await _one(engine, dialect, trials, **{"messages": [_HELLO], **fields})
    longer = response is not None and _prompt_tokens(response) > dialect.greeting > 0
    return dialect.with_([capability]) if longer else dialect


async def _score(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    """Where log-probabilities of a given text are real."""
    chat = {
        "messages": [_HELLO, _BEGUN],
        "add_generation_prompt": False,
        "max_tokens": 1,
        "continue_final_message": True,
        "prompt_logprobs": 1,
    }
    raw = {"prompt": "The capital of France", "max_tokens": 1, "echo": True, "logprobs": 1}
    chatted = await _try(engine, trials, "/v1/chat/completions", chat)
    completed = await _try(engine, trials, "/v1/completions", raw)
    found = []
    given = (chatted or {}).get("prompt_logprobs")
    if given and len(given) == _prompt_tokens(chatted) and all(given[1:]):
        found.append("chat")
    with contextlib.suppress(KeyError, TypeError, IndexError):
        columns = completed["choices"][0]["logprobs"]
        known = [lp for lp in columns["token_logprobs"] if lp is not None]
        if columns["text_offset"][0] == 0 and len(known) >= _prompt_tokens(completed) > 1:
            found.append("raw")
    return dialect.with_(["score"], scoring=" ".join(found)) if found else dialect


async def _embed(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    response = await _try(engine, trials, "/v1/embeddings", {"input": ["one", "two"]}, generates=0)
    with contextlib.suppress(KeyError, TypeError, IndexError):
        if len(response["data"]) == 2 and len(response["data"][0]["embedding"]) > 1:
            return dialect.only("embed")
    return dialect


async def _reward(engine: OpenAIHTTP, dialect: Dialect, trials: Trials) -> Dialect:
    """The endpoint that judges solutions."""
    answered = [_HELLO, {"role": "assistant", "content": "Hello."}]
    body = {"messages": answered, "add_generation_prompt": False}
    response = await _try(engine, trials, "/pooling", body, generates=0)
    with contextlib.suppress(KeyError, TypeError, IndexError):
        data = response["data"][0]["data"]
        # an embedding model pools too, into hundreds of numbers
        if not isinstance(data, list) or isinstance(data[0], list) or len(data) <= 2:
            return dialect.only("reward", rewarding="pooling")
    documents = {"query": "Hi", "documents": ["Hello.", "No."]}
    response = await _try(engine, trials, "/v1/rerank", documents, generates=0)
    ranks = response is not None and len(response.get("results") or ()) == 2
    return dialect.only("reward", rewarding="rerank") if ranks else dialect


_Finder = Callable[["OpenAIHTTP", Dialect, Trials], Awaitable[Dialect]]
_TRIED_BY: Mapping[str, _Finder] = {
    "logprobs": _logprobs,
    "prefix": _prefix,
    "tools": _tools,
    "images": _images,
    "score": _score,
    "embed": _embed,
    "reward": _reward,
}
TRIED = frozenset(_TRIED_BY)
"""The capabilities a server may have or not; each samples texts."""


# -- asking


async def _one(engine: OpenAIHTTP, dialect: Dialect, trials: Trials, **fields: Any) -> Any:
    """One plain chat reply of a token; None if it is refused."""
    return await _try(engine, trials, "/v1/chat/completions", {dialect.limit: 1, **fields})


async def _try(
    engine: OpenAIHTTP, trials: Trials, path: str, body: dict[str, Any], *, generates: int = 1
) -> Any:
    """The reply, booked; None if it is refused. Raises the error of a server that fails in passing."""
    sent = {"model": engine.model, **body}
    async with trials.begun(len(orjson.dumps(sent)) // _BYTES, generates) as trial:
        try:
            raw = await engine.fetch_raw(path, sent, retry=_ONCE_MORE)
        except EngineError as error:
            if _passes(error):
                raise
            trial.report(0, 0)
            return None
        reply = _loaded(raw)
        if reply is not None and (read := _prompt_tokens(reply)):
            trial.report(read, generates)
        return reply


def _passes(error: EngineError) -> bool:
    """Whether it says nothing of what the server can do: another time it may answer."""
    status = error.status
    return status is None or status in _PASSING or 500 <= status != 501


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
