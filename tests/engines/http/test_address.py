"""A server's address means the same however much of it is written."""

from __future__ import annotations

import pytest

from ttscale.core import UsageError
from ttscale.engines import open_model
from ttscale.engines.http.address import root_of
from ttscale.engines.openai.engine import OpenAIHTTP


@pytest.mark.parametrize(
    "written",
    [
        "http://h:8000",
        "http://h:8000/",
        "http://h:8000//",
        "http://h:8000/v1",
        "http://h:8000/v1/",
        "http://h:8000//v1//",
        "http://h:8000/v1/v1",
        "http://h:8000/v1/chat/completions",
        "http://h:8000/v1/chat/completions/",
        "http://h:8000/chat/completions",
        "http://h:8000/v1/chat",
        "http://h:8000/v1/completions",
        "http://h:8000/v1/models",
        "http://h:8000/v1/responses",
        "h:8000",
        " h:8000/v1 ",
        "HTTP://h:8000/v1",
    ],
)
def test_the_version_the_endpoint_and_slashes_may_be_there_or_not(written):
    assert root_of(written) == "http://h:8000"


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("https://h/api/v1/", "https://h/api"),
        ("https://h/openai/v1/chat/completions", "https://h/openai"),
        ("https://h/models/v1", "https://h/models"),
        ("https://h/chat", "https://h/chat"),
        ("https://h/team/models/", "https://h/team/models"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ("https://v1/v1", "https://v1"),
    ],
)
def test_what_belongs_to_the_address_stays(written, root):
    assert root_of(written) == root
    assert root_of(root) == root


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        " ",
        "ftp://h",
        "http://",
        "http:///v1",
        "http://[::1/v1",
        "http://h:99999",
        "http://h:0",
        "http://h/a b",
    ],
)
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(UsageError, match="is not the address of a server"):
        root_of(wrong)


def test_a_password_and_a_query_are_refused_with_the_fix():
    with pytest.raises(UsageError, match="key_env") as refused:
        root_of("https://me:secret@h/v1")
    assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match=r"write https://h/v1$"):
        root_of("https://h/v1?api-version=1")


def test_replicas_written_in_two_ways_are_one():
    engine = OpenAIHTTP("m", ["http://a/v1", "http://a", "http://b/v1/chat/completions"])
    assert engine.urls == ["http://a", "http://b"]
    (source,) = open_model("openai:@http://a/v1/chat/completions,http://b/v1?temperature=0.5")
    assert (source.name, source.sampling.temperature) == ("a", 0.5)
    assert source.make().urls == ["http://a", "http://b"]
