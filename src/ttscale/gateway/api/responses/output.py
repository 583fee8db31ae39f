"""What a reply of /v1/responses holds: its items, in the order in which the model made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....core import Trace
from ..reply_fields import carried_message, finish_reason, refusal
from .tools import as_item


def items(trace: Trace, reply_id: str, thinking: str, text: str) -> list[dict[str, Any]]:
    """Reasoning, message and calls of a reply with this thinking and answer text."""
    fields = carried_message(trace)
    output = []
    details = fields.get("reasoning_details")
    if thinking or details:
        more = {"reasoning_details": details} if details else {}
        output.append({**reasoning(reply_id, thinking), **more})
    declined = refusal(trace)
    parts = [words(text, fields.get("annotations"))] if text else []
    if declined:
        parts.append({"type": "refusal", "refusal": declined})
    if parts or not trace.tool_calls:
        status = "completed" if finish_reason(trace) in ("stop", "tool_calls") else "incomplete"
        output.append(message(reply_id, parts or [words("")], status))
    output += [as_item(call, f"{reply_id}{number}") for number, call in enumerate(trace.tool_calls)]
    return output


def reasoning(reply_id: str, thinking: str) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": thinking}] if thinking else []
    return {"type": "reasoning", "id": f"rs_{reply_id}", "summary": [], "content": content}


def message(reply_id: str, parts: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{reply_id}",
        "status": status,
        "role": "assistant",
        "content": parts,
    }


def words(text: str, annotations: Any = None) -> dict[str, Any]:
    found = annotations if isinstance(annotations, list) else []
    flat = [_annotation(one) for one in found if isinstance(one, Mapping)]
    return {"type": "output_text", "text": text, "annotations": flat, "logprobs": []}


def _annotation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation of chat completions; this API has no object inside of it."""
    inner = annotation.get(str(annotation.get("type")))
    return {**annotation} if not isinstance(inner, Mapping) else {"type": annotation["type"], **inner}
