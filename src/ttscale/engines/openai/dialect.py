"""What a server can do and how it wants to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["llamacpp", "vllm", "sglang", "ollama", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A server, as probing has found it.

    Attributes:
        capabilities: those of the core's vocabulary that were seen to work.
        usage: it reports its token count at the end of a stream.
        counting: it reports its token count in every chunk: a field of its own (`timings`), or
            `usage` on request.
        prefix: how a chat reply whose beginning is given is continued: by an assistant message that
            comes `last`, or by vLLM's `flags` besides. "" if it is not.
        scoring: prompt log-probabilities are real in "chat", "raw", both ("chat raw"), or "".
        rewarding: the endpoint that judges: "pooling", "rerank", or "".
        limit: the field for the most tokens a reply may have.
        greedy: it can be asked for the most probable token, by temperature 0; models that think
            often have a temperature of their own, and take no other.
        greeting: tokens of a prompt that says hello: what its template adds to every prompt. 0 if it
            does not tell.
    """

    kind: Kind = "other"
    capabilities: frozenset[str] = frozenset({"text"})
    usage: bool = True
    counting: Literal["", "timings", "usage"] = ""
    prefix: Literal["", "last", "flags"] = ""
    scoring: str = ""
    rewarding: str = ""
    limit: str = "max_tokens"
    greedy: bool = True
    greeting: int = 0

    @property
    def ahead(self) -> int:
        """Tokens a server makes of a sample beyond what has come, before it notices that the
        connection is closed: those of the step under way. llama.cpp notices as it sends them, and
        by then the next step runs (measured: 1.7 on average)."""
        return 2 if self.kind == "llamacpp" else 1

    def as_dict(self) -> dict[str, Any]:
        """The dialect, ready for JSON."""
        return {**asdict(self), "capabilities": sorted(self.capabilities)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Dialect:
        """The inverse of `as_dict`."""
        return cls(**{**data, "capabilities": frozenset(data["capabilities"])})


LLAMACPP = Dialect(
    kind="llamacpp",
    capabilities=frozenset({"text", "logprobs", "prefix", "tools"}),
    counting="timings",
    prefix="last",
)
"""What every llama.cpp server with a chat model does."""
