"""Waits before retries, and keys that nobody gets to see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import AuthError, UsageError
from ttscale.engines.http.credentials import Key
from ttscale.engines.http.retry import Retry, advice, requested_wait, retry_after


@given(st.integers(0, 20), st.floats(0, 5), st.floats(0, 100))
def test_waits_double_up_to_the_longest_and_then_end(times: int, first: float, longest: float) -> None:
    retry = Retry(times=times, first=first, longest=longest)
    for number in range(times):
        wait = retry.wait(number, None)
        assert wait is not None
        assert 0 <= wait <= min(longest, first * 2**number)
    assert retry.wait(times, None) is None


def test_what_the_server_asks_is_kept_unless_it_is_too_much() -> None:
    retry = Retry(times=1, longest=10)
    wait = retry.wait(0, 3.0)
    assert wait is not None
    assert 3.0 <= wait <= 3.25
    assert retry.wait(0, 11.0) is None
    with pytest.raises(UsageError):
        Retry(times=-1)


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    assert retry_after("1.5") == 1.5
    soon = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None
    assert 25 < soon <= 30
    assert retry_after("-3") == 0
    past = format_datetime(datetime.now(UTC) - timedelta(days=30), usegmt=True)
    assert retry_after(past) == retry_after(past.replace("GMT", "")) == 0
    for odd in (None, "", "whenever", "nan", "inf", "-inf", "1e999", "Wed, 99 Oct 2099 07:28:00 GMT"):
        assert retry_after(odd) is None


def test_milliseconds_go_before_seconds_if_they_can_be_read() -> None:
    assert requested_wait({"retry-after-ms": "1500", "Retry-After": "9"}) == 1.5
    for odd in ("", "soon", "nan", "inf"):
        assert requested_wait({"retry-after-ms": odd, "Retry-After": "9"}) == 9
    assert requested_wait({}) is None


def test_the_fields_that_say_when_are_told_from_the_others() -> None:
    fields = {"Retry-After": "x", "X-RateLimit-Reset": "1", "x-should-retry": "true", "retry-after-ms": "2"}
    assert advice({**fields, "Server": "s", "x-request-id": "r"}) == fields


def test_a_key_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("  sk-1234\n")
    key = Key.read(file=file)
    assert key.headers() == key.headers("Authorization") == {"Authorization": "Bearer sk-1234"}
    assert key.headers("api-key") == {"api-key": "sk-1234"}
    assert Key().headers("api-key") == {}
    assert "1234" not in f"{key} {key!r}"
    assert key.hide("bad key sk-1234!") == "bad key ***!"
    assert not Key.read()


@pytest.mark.parametrize("content", ["", "  \n", "two words", "ke\ny", "schlüssel"])
def test_what_cannot_be_a_key_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(AuthError) as refused:
        Key.read(file=file)
    assert not content.strip() or content not in str(refused.value)
    with pytest.raises(AuthError, match="cannot be read"):
        Key.read(file=tmp_path / "none")
