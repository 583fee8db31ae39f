"""A server that speaks Anthropic's Messages API.

    engine = AnthropicHTTP("claude-sonnet-4-5", "https://api.anthropic.com", key_env="ANTHROPIC_API_KEY")

Connections, retries and the life of a generation are those of every HTTP model; only the request and the
events of the reply are written otherwise. The API reports no log-probabilities and takes no seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core import GenerationRequest
from ..openai.dialect import Dialect
from ..openai.engine import OpenAIHTTP
from ..openai.request_body import RequestBody
from .request import body_of
from .response import MessagesReader

VERSION = "2023-06-01"
"""Of the API: what this module writes and reads."""
DIALECT = Dialect(
    capabilities=frozenset({"text", "images", "tools"}),
    tried=frozenset({"logprobs", "prefix", "score", "images"}),
    prefix="last",
)


class AnthropicHTTP(OpenAIHTTP):
    """A model behind one or several equal servers; see `OpenAIHTTP` for the arguments.

    Nothing is tried: what the API gives is known. A reply whose beginning is given is continued by older
    models only, so `prefix` has to be declared.
    """

    def __init__(
        self,
        model: str,
        url: str | Sequence[str],
        *,
        key_in: str | None = "x-api-key",
        dialect: Dialect | None = None,
        headers: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        settings["seeds"] = False
        super().__init__(
            model,
            url,
            key_in=key_in,
            dialect=dialect or DIALECT,
            headers={"anthropic-version": VERSION, **(headers or {})},
            **settings,
        )

    def body_for(self, request: GenerationRequest, dialect: Dialect) -> RequestBody:
        """The request that is sent for a sample."""
        body = body_of(request.prompt, request.sampling, dialect, self.model, request.limit, self.server)
        return RequestBody(request, "/messages", body, seeds=False)

    def reader(self, prefix: str) -> MessagesReader:
        """What reads the reply that continues `prefix`."""
        return MessagesReader(prefix)
