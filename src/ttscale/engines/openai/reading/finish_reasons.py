"""How a model ended, in the words of many servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....core import Finish

_NONE = frozenset({"", "null", "none", "undefined", "unspecified", "finish_reason_unspecified"})
_WORDS: Mapping[Finish, str] = {
    "stop": """stop stop_sequence stop_token stopped eos eos_token end end_turn end_of_turn endoftext
        complete completed done finished finish success normal
        tool_calls tool_call tool_use function_call pause_turn""",
    "length": """length max_tokens max_token max_length max_output_tokens max_new_tokens token_limit
        model_length context_length model_context_window_exceeded length_capped incomplete""",
    "refused": """content_filter content_filtered refusal safety recitation blocklist prohibited_content
        spii image_safety language sensitive guardrail_intervened moderation""",
    "error": """error abort aborted cancel cancelled canceled interrupted timeout failed fail
        network_error insufficient_system_resource malformed_function_call repetition""",
}
_FINISHES: Mapping[str, Finish] = {word: finish for finish, words in _WORDS.items() for word in words.split()}


def word_of(reason: Any) -> str | None:
    """The reason a server gives, in plain letters; None if it gives none."""
    if reason is None or reason is False:
        return None
    word = reason.strip().lower().replace("-", "_") if isinstance(reason, str) else type(reason).__name__
    return None if word in _NONE else word


def finish_of(word: str, *, text: bool) -> Finish:
    """What a reason means. One that nothing is known of ends a text well, and nothing else."""
    return _FINISHES.get(word, "stop" if text else "error")
