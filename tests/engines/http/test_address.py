"""A server's address means the same however much of it is written."""

from __future__ import annotations

import pytest

from ttscale.core import UsageError
from ttscale.engines import open_model
from ttscale.engines.http.address import endpoint, root_of
from ttscale.engines.openai.engine import OpenAIHTTP

CHAT = "/v1/chat/completions"
DATED = "api-version=2024-10-21"


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
        root_of("https://h/v1?key=1")
    with pytest.raises(UsageError, match=r"write https://h/v4$"):
        root_of("https://h/v4?api-version=1&key=2")


@pytest.mark.parametrize(
    ("written", "chat"),
    [
        ("https://h/api/paas/v4", "https://h/api/paas/v4/chat/completions"),
        ("https://h/api/paas/v4/", "https://h/api/paas/v4/chat/completions"),
        ("https://h/api/paas/v4/chat/completions", "https://h/api/paas/v4/chat/completions"),
        ("https://h/v3/models", "https://h/v3/chat/completions"),
        ("https://h/v4/v1", "https://h/v4/v1/chat/completions"),
        ("https://h/client/v4/accounts/a1/ai/v1", "https://h/client/v4/accounts/a1/ai/v1/chat/completions"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai/chat/completions"),
        ("https://h/v1/openai", "https://h/v1/openai/chat/completions"),
        ("https://h/v1/openai/embeddings", "https://h/v1/openai/chat/completions"),
        ("https://h/openai", "https://h/openai/v1/chat/completions"),
        ("https://v4", "https://v4/v1/chat/completions"),
        ("https://h/vllm", "https://h/vllm/v1/chat/completions"),
        (f"https://h/openai/v1?{DATED}", f"https://h/openai/v1/chat/completions?{DATED}"),
        (
            f"https://h/openai/deployments/gpt/chat/completions?{DATED}",
            f"https://h/openai/deployments/gpt/chat/completions?{DATED}",
        ),
        (
            f"https://h/apim/openai/deployments/chat?{DATED}",
            f"https://h/apim/openai/deployments/chat/chat/completions?{DATED}",
        ),
        ("https://h/openai/deployments/gpt/v1", "https://h/openai/deployments/gpt/v1/chat/completions"),
    ],
)
def test_a_version_of_its_own_or_a_deployment_stands_in_place_of_v1(written, chat):
    root = root_of(written)
    assert endpoint(root, CHAT) == chat
    assert root_of(root) == root
    assert root_of(chat) == root, "the endpoint itself is the same address"


def test_what_is_not_below_v1_stays_beside_it():
    assert endpoint("http://h", "/pooling") == "http://h/pooling"
    assert endpoint("http://h/v4", "/pooling") == "http://h/v4/pooling"


def test_replicas_written_in_two_ways_are_one():
    engine = OpenAIHTTP("m", ["http://a/v1", "http://a", "http://b/v1/chat/completions"])
    assert engine.urls == ["http://a", "http://b"]
    (source,) = open_model("openai:@http://a/v1/chat/completions,http://b/v1?temperature=0.5")
    assert (source.name, source.sampling.temperature) == ("a", 0.5)
    assert source.make().urls == ["http://a", "http://b"]
