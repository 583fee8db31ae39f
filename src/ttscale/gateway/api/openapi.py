"""The OpenAPI document of the gateway: what it looks at. Further fields pass through."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ... import __version__
from ...core.settings.declared import schema_of
from .options import Options

_TEXT = {"type": "string"}
_SETTINGS = {
    "model": _TEXT,
    "stream": {"type": "boolean"},
    "n": {"type": "integer", "minimum": 1, "maximum": 128},
    "seed": {"type": "integer"},
    "stop": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 4}]},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "max_tokens": {"type": "integer", "minimum": 1},
}
_MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"enum": ["system", "developer", "user", "assistant", "tool"]}, "content": _TEXT},
}


def document() -> dict[str, Any]:
    """The document, ready for JSON."""
    post: dict[str, tuple[str, dict[str, Any]]] = {
        "/v1/chat/completions": (
            "Answer a conversation.",
            {"messages": {"type": "array", "items": _MESSAGE, "minItems": 1}},
        ),
        "/v1/completions": ("Continue a text.", {"prompt": _TEXT}),
        "/v1/responses": ("Answer, in the shape of the Responses API.", {"input": _TEXT}),
        "/v1/embeddings": ("Embed texts.", {"input": _TEXT}),
    }
    get = {
        "/v1/models": "The models, plain and behind every method they can run.",
        "/health": "Whether the process runs.",
        "/ready": "Whether it takes requests.",
        "/metrics": "Numbers for Prometheus.",
        "/status.json": "Numbers for programs.",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "ttscale gateway", "version": __version__},
        "paths": {
            **{path: {"post": _post(about, own)} for path, (about, own) in post.items()},
            **{path: {"get": {"summary": about, "responses": _answers()}} for path, about in get.items()},
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _post(about: str, own: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["model", *own],
        "properties": {**_SETTINGS, **own, "ttscale": _options()},
    }
    return {
        "summary": about,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _answers(),
    }


def _options() -> dict[str, Any]:
    """The `ttscale` object."""
    schema = deepcopy(schema_of(Options))
    fields = schema["properties"]
    fields["method"]["examples"] = ["ffs(n=8)"]
    del fields["budget"]["properties"]["units"]  # not for a request to limit
    return schema


def _answers() -> dict[str, Any]:
    return {
        "200": {"description": "The reply; a stream of events if that was asked for."},
        "default": {"description": "An error in OpenAI's shape."},
    }
