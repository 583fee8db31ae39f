"""What error bodies say, in all the shapes they come in."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.engines.http.credentials import Key
from ttscale.engines.http.errors import error_bodies
from ttscale.engines.http.errors.failures import of_event, of_response

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "errors", "message", "code", "status", "type", "detail", "msg", "object", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SHAPES = {
    "openai": {"error": {"message": "too hot", "type": "invalid_request_error", "code": "hot"}},
    "bare": {"object": "error", "message": "too hot", "type": "BadRequestError", "code": 400},
    "text": {"error": "too hot"},
    "list": {"errors": [{"message": "too hot"}, {"message": "and wet"}]},
    "wrapped in a list": [{"error": {"code": 400, "message": "too hot", "status": "INVALID_ARGUMENT"}}],
    "twice": {"error": {"error": {"message": "too hot"}}},
    "null, with the message beside it": {"error": None, "message": "too hot"},
    "detail": {"detail": "too hot"},
    "details": {"detail": [{"loc": ["body", "temperature"], "msg": "too hot", "type": "value_error"}]},
    "detail within": {"error": {"detail": {"message": "too hot"}}},
    "problem": {"type": "about:blank", "title": "too hot", "status": 400},
    "a mere text": "too hot",
}


@pytest.mark.parametrize("document", SHAPES.values(), ids=SHAPES)
def test_the_message_is_found(document: object) -> None:
    assert error_bodies.read(orjson.dumps(document)).message == "too hot"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"<html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway"),
        (b"<p>No <b>free</b> slot &amp; no hope</p><script>x()</script>", "No free slot & no hope"),
        (b"upstream connect error", "upstream connect error"),
        (b'event: error\r\ndata: {"error": {"message": "no"}}\r\n\r\n', "no"),
        (b": ping\n\ndata: sold out\n\n", "sold out"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 1000, "x" * 199 + "…"),
    ],
)
def test_what_is_not_json_is_read_too(body: bytes, message: str) -> None:
    assert error_bodies.read(body).message == message


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 529}, 529),
        ({"code": "429"}, 429),
        ({"code": 503.0}, 503),
        ({"status": 502, "code": "bad"}, 502),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "overloaded_error"}, 503),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"status": "UNAVAILABLE"}, 503),
        ({"type": "invalid_request_error"}, 400),
        ({"code": "insufficient_quota"}, 429),
        ({"code": 7}, None),
        ({"code": True}, None),
        ({"code": 200}, None),
        ("down", None),
    ],
)
def test_the_status_is_found_in_numbers_texts_and_words(error: object, status: int | None) -> None:
    assert error_bodies.of({"error": error}).status == status


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        (b'data: {"error": {"message": "no"}}\n\n', b'{"error": {"message": "no"}}'),
        (b'event: error\ndata: {"message": "no"}\n\n', b'{"message": "no"}'),
        (b": wait\n\nevent: error\r\ndata: no\r\n\r\n", b"no"),
        (b'data: {"choices": [{"delta": {"content": "error"}}]}\n\n', None),
        (b'data: {"choices": [{"delta": {}}], "error": null}\n\ndata: {"error": "later"}\n\n', None),
        (b'data: {"type": "response.created", "response": {"error": null}}\n\n', None),
        (b'data: {"error": "half', None),
        (b": error\n\n", None),
    ],
)
def test_a_stream_that_begins_with_an_error_is_told_from_one_that_does_not(
    packet: bytes, error: bytes | None
) -> None:
    assert error_bodies.opening_error(packet) == error


@given(JSON, st.integers(100, 599))
def test_any_json_in_any_place_is_an_error_with_a_message_of_one_line(document: object, status: int) -> None:
    body = orjson.dumps(document)
    error_bodies.is_error_object(body)
    error_bodies.in_reply(document)
    for failure in (of_response(status, {}, body, "s", Key()), of_event(document, "s", Key())):
        assert "\n" not in str(failure.error)
        assert failure.error.status in range(100, 600)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error(body: bytes) -> None:
    for packet in (body, b"event: error\n" + body, b"data: " + body + b"\n\n"):
        error_bodies.opening_error(packet)
        assert len(error_bodies.read(packet).message) <= 200
