"""/v1/responses for models and methods behind chat completions: the request translated, the reply
written in that API's shape. What the reply holds can be given back as input, item by item. Nothing is
stored: `previous_response_id` is refused."""

from .events import ENDINGS, failed_event, whole_events
from .request import as_chat_request
from .writer import Responses

__all__ = ["ENDINGS", "Responses", "as_chat_request", "failed_event", "whole_events"]
