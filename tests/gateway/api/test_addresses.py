"""Addresses as clients build them reach the endpoint they mean, and keys come in every header."""

from __future__ import annotations

import pytest
from gateway.harness import USER, Model, world
from yarl import URL

from ttscale.gateway.access.api_keys import new_key
from ttscale.gateway.api.addresses import address

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "written",
    [
        CHAT,
        "/v1/chat/completions/",
        "/v1//chat///completions//",
        "//v1/chat/completions",
        "/v1/v1/chat/completions",
        "/v1/v1/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/chat/completions",
        "/api/v1/chat/completions",
        "/v1/chat/completions/chat/completions",
        "/v1/chat/completions/v1/chat/completions",
        "/v1/completions/chat/completions",
    ],
)
def test_what_stands_before_an_endpoint_does_not_matter(written):
    assert address(written) == (CHAT, "")


@pytest.mark.parametrize(
    ("written", "path", "model"),
    [
        ("/openai/deployments/m/chat/completions", CHAT, "m"),
        ("/openai/deployments/m/completions", "/v1/completions", "m"),
        ("/openai/deployments/chat/completions", "/v1/completions", "chat"),
        ("/openai/deployments/chat/chat/completions", CHAT, "chat"),
        ("/openai/deployments/sc(n=2)/org/m/embeddings/", "/v1/embeddings", "sc(n=2)/org/m"),
        ("/openai/deployments/sc%28n%3D2%29%2Fm/chat/completions", CHAT, "sc(n=2)/m"),
        ("/deployments/m/v1/responses", "/v1/responses", "m"),
        ("/v1/engines/m/completions", "/v1/completions", "m"),
        ("/models", "/v1/models", ""),
        ("/openai/models/", "/v1/models", ""),
        ("/v1/models/sc/org/m", "/v1/models", "sc/org/m"),
        ("/v1/models/ffs%2Forg%2Fm", "/v1/models", "ffs/org/m"),
        ("/v1/models/models", "/v1/models", "models"),
        ("/v1/models/%ff", "/v1/models", "\ufffd"),
    ],
)
def test_an_address_may_name_the_model(written, path, model):
    assert address(written) == (path, model)


@pytest.mark.parametrize(
    "written", ["/", "/v1", "/v2/chat/completions", "/evil/v1/models", "/v1/chat", "/openai/deployments/m"]
)
def test_other_addresses_stay_what_they_are(written):
    assert address(written) == (written, "")


async def test_every_way_of_writing_an_address_is_served_with_its_method_and_body():
    model = Model()
    async with world(model) as w:
        for path in ("/chat/completions/", "//v1/v1/chat/completions?api-version=1", "/openai/v1/responses"):
            asked = {"model": "sc(n=2)/m", "messages": USER, "input": "x"}
            async with w.session.post(URL(w.url + path, encoded=True), json=asked) as reply:
                assert (reply.status, (await reply.json())["ttscale"]["samples"]) == (200, 2), path
        for path in ("/v1/models/", "//models", "/metrics/", "/health/", "/ready//", "/openapi.json/"):
            async with w.session.get(URL(w.url + path, encoded=True)) as reply:
                assert reply.status == 200, path
        async with w.session.get(f"{w.url}/v1//chat/completions") as reply:
            assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        async with w.session.post(f"{w.url}/v2/chat/completions", json={}) as reply:
            assert (await reply.json())["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("body", [{}, {"model": "gpt-4o"}])
async def test_the_deployment_in_the_address_is_the_model(body):
    model = Model()
    async with world(model) as w:
        for name in ("m", "simple/m"):
            url = f"{w.url}/openai/deployments/{name}/chat/completions?api-version=2024-10-21"
            async with w.session.post(url, json={"messages": USER, **body}) as reply:
                assert reply.status == 200, await reply.text()
    assert [sent["model"] for sent in model.bodies] == ["m", "m"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {key}"},
        {"authorization": "bearer  {key} "},
        {"api-key": "{key}"},
        {"X-Api-Key": "{key}"},
        {"Authorization": "Bearer none", "api-key": "{key}"},
    ],
)
async def test_a_key_may_come_in_any_clients_header(headers):
    key, kept = new_key()
    async with world(Model(), config={"keys": {"alice": {"hash": kept}}}) as w:
        sent = {name: value.format(key=key) for name, value in headers.items()}
        assert (await w.post(model="m", headers=sent))[0] == 200
        for wrong in (key[:-1], "", "é"):
            sent = {name: value.format(key=wrong) for name, value in headers.items()}
            assert (await w.post(model="m", headers=sent))[0] == 401
