"""What a server can do and how it wants to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Kind = Literal["llamacpp", "vllm", "sglang", "ollama", "other"]

_WITHIN = 512  # tokens that every context has left


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A server, as probing has found it.

    Attributes:
        capabilities: those of the core's vocabulary that were seen to work.
        tried: those that were tried, whether they work or not.
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
    tried: frozenset[str] = frozenset()
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

    def bound(self, limit: int | None) -> int | None:
        """A budget's limit on a sample, if it can be sent: servers refuse one beyond their model's
        context, all but llama.cpp."""
        sent = limit is None or limit <= _WITHIN or self.kind == "llamacpp"
        return limit if sent else None

    @classmethod
    def declared(cls, kind: Kind, capabilities: Iterable[str]) -> Dialect:
        """A server of which its user says what it is and what it can do, beside text."""
        known = cls().of_kind(kind)
        return replace(
            known,
            capabilities=frozenset({"text", *capabilities}),
            prefix="flags" if kind in ("vllm", "sglang") else "last",
            scoring="chat raw" if kind == "vllm" else "raw",
            rewarding="rerank" if kind == "llamacpp" else "pooling",
        )

    def with_(self, capabilities: Iterable[str], **found: Any) -> Dialect:
        """The same with more that works."""
        return replace(self, capabilities=self.capabilities.union(capabilities), **found)

    def only(self, capability: str, **found: Any) -> Dialect:
        """The same of a server that turns out to do nothing else, if its kind does one thing at a time."""
        if self.kind != "llamacpp":
            return self.with_([capability], **found)
        return replace(self, capabilities=frozenset({capability}), **found)

    def of_kind(self, kind: Kind) -> Dialect:
        """What is known of another server of which only the kind is; manners that were learned by
        refusals stay."""
        known = LLAMACPP if kind == "llamacpp" else Dialect(counting="usage" if kind == "vllm" else "")
        return replace(known, kind=kind, usage=self.usage, limit=self.limit, greedy=self.greedy)

    def as_dict(self) -> dict[str, Any]:
        """The dialect, ready for JSON."""
        return {**asdict(self), "capabilities": sorted(self.capabilities), "tried": sorted(self.tried)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Dialect:
        """The inverse of `as_dict`."""
        return cls(**{**data, **{name: frozenset(data[name]) for name in ("capabilities", "tried")}})


LLAMACPP = Dialect(
    kind="llamacpp",
    capabilities=frozenset({"text", "logprobs", "prefix", "tools"}),
    tried=frozenset({"logprobs", "prefix", "score", "images"}),  # what embeds or ranks is not seen
    counting="timings",
    prefix="last",
)
"""What every llama.cpp server with a chat model does."""

EMBEDDING = Dialect(kind="llamacpp", capabilities=frozenset({"embed"}))
RERANKING = Dialect(kind="llamacpp", capabilities=frozenset({"reward"}), rewarding="rerank")
"""And those with a model of another kind."""
