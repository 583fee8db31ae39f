"""The official client, unmodified: it changes its base URL and model name, and nothing else."""

from __future__ import annotations

import pytest
from gateway.execution.test_methods import CALL
from gateway.harness import USER, Model, world

from ttscale.gateway.access.api_keys import new_key

openai = pytest.importorskip("openai", reason="the official client: pip install openai")


def client(w, key="none"):
    return openai.AsyncOpenAI(base_url=f"{w.url}/v1", api_key=key, max_retries=0)


@pytest.mark.parametrize("name", ["m", "ffs(n=4)/m", "sc(n=3)/m", "simple/m"])
async def test_chat_whole_and_streamed(name):
    async with world(Model()) as w, client(w) as c:
        whole = await c.chat.completions.create(model=name, messages=USER)
        assert whole.choices[0].message.content == "The answer is \\boxed{4}"
        assert whole.usage.completion_tokens >= 4
        said, usage, finish = "", None, None
        stream = await c.chat.completions.create(
            model=name, messages=USER, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                said += choice.delta.content or ""
                finish = choice.finish_reason or finish
    assert (said, finish) == ("The answer is \\boxed{4}", "stop")
    assert usage.completion_tokens >= 4


async def test_the_extension_object_comes_through():
    async with world(Model()) as w, client(w) as c:
        reply = await c.chat.completions.create(
            model="m",
            messages=USER,
            extra_body={"ttscale": {"method": "sc", "params": {"n": 2}, "card": True}},
        )
    assert reply.ttscale["samples"] == 2
    assert reply.ttscale["card"]["paper"] == "arXiv:2203.11171"


async def test_tool_calls():
    model = Model(lambda body, number: [])
    model.tool_calls = lambda body, number: [CALL]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with world(model) as w, client(w) as c:
        reply = await c.chat.completions.create(model="sc(n=2)/m", messages=USER, tools=tools)
        (call,) = reply.choices[0].message.tool_calls
        assert (call.function.name, call.function.arguments) == ("f", '{"a": 1}')
        response = await c.responses.create(
            model="sc(n=2)/m",
            input="x",
            tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        )
    (item,) = response.output
    assert (item.type, item.name, item.arguments) == ("function_call", "f", '{"a": 1}')


async def test_responses_are_translated_whole_and_streamed():
    model = Model()
    async with world(model) as w, client(w) as c:
        for name in ("m", "sc(n=2)/m"):  # the upstream has no such API: both are translated
            reply = await c.responses.create(
                model=name,
                input="What is 2 + 2?",
                instructions="Be brief.",
                max_output_tokens=50,
                text={"format": {"type": "json_object"}},
            )
            assert reply.output_text == "The answer is \\boxed{4}"
            assert reply.usage.output_tokens == (4 if name == "m" else 8)
        sent = model.bodies[-1]
        assert [m["role"] for m in sent["messages"]] == ["system", "user"]
        assert (sent["max_tokens"], sent["response_format"]) == (50, {"type": "json_object"})
        kinds, said = [], ""
        stream = await c.responses.create(model="simple/m", input="x", stream=True)
        async for event in stream:
            kinds.append(event.type)
            said += event.delta if event.type == "response.output_text.delta" else ""
    assert said == "The answer is \\boxed{4}"
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


async def test_models_embeddings_and_completions():
    async with world(Model()) as w, client(w) as c:
        names = [m.id async for m in c.models.list()]
        vectors = await c.embeddings.create(model="m", input="x", encoding_format="float")
        text = await c.completions.create(model="sc(n=2)/m", prompt="x")
    assert {"m", "ffs/m"} <= set(names)
    assert vectors.data[0].embedding == [0.0, 1.0]
    assert text.choices[0].text == "The answer is \\boxed{4}"


async def test_errors_are_the_clients_own():
    async with world(Model()) as w, client(w) as c:
        with pytest.raises(openai.BadRequestError, match="did you mean 'ffs'"):
            await c.chat.completions.create(model="fffs/m", messages=USER)
        with pytest.raises(openai.NotFoundError, match="unknown model"):
            await c.chat.completions.create(model="nothing", messages=USER)


@pytest.mark.parametrize("name", ["m", "sc(n=2)/m", "self_consistency(n=2)/m", "greedy/m"])
async def test_azures_client_names_models_by_deployment(name):
    key, kept = new_key()
    config = {"keys": {"alice": {"hash": kept}}}
    async with world(Model(), config=config) as w:
        settings = {"azure_endpoint": w.url, "api_version": "2024-10-21", "max_retries": 0}
        async with openai.AsyncAzureOpenAI(api_key=key, **settings) as c:
            reply = await c.chat.completions.create(model=name, messages=USER)
            text = await c.completions.create(model=name, prompt="x")
            answered = await c.responses.create(model=name, input="x")
            models = [model.id async for model in c.models.list()]
            assert (await c.models.retrieve(name)).id == name
        for said in (reply.choices[0].message.content, text.choices[0].text, answered.output_text):
            assert said == "The answer is \\boxed{4}"
        assert "m" in models
        async with openai.AsyncAzureOpenAI(api_key=key, azure_deployment=name, **settings) as c:
            stream = await c.chat.completions.create(model="gpt-4o", messages=USER, stream=True)
            said = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
            assert "".join(said) == "The answer is \\boxed{4}"
        async with openai.AsyncAzureOpenAI(api_key="wrong", **settings) as c:
            with pytest.raises(openai.AuthenticationError):
                await c.chat.completions.create(model=name, messages=USER)


@pytest.mark.parametrize("base", ["", "/", "/v1/", "/v1//", "/v1/v1", "/openai/v1", "/v1/chat/completions"])
async def test_a_base_url_may_be_written_in_many_ways(base):
    async with (
        world(Model()) as w,
        openai.AsyncOpenAI(base_url=w.url + base, api_key="none", max_retries=0) as c,
    ):
        reply = await c.chat.completions.create(model="sc(n=2)/m", messages=USER)
        assert reply.choices[0].message.content == "The answer is \\boxed{4}"
        assert "m" in [model.id async for model in c.models.list()]
        assert (await c.models.retrieve("esc(window=2)/m")).id == "esc(window=2)/m"


async def test_choices_of_a_method_with_a_high_maximum():
    async with world(Model()) as w, client(w) as c:
        reply = await c.chat.completions.create(model="esc/m", messages=USER, n=2, max_tokens=100)
        assert len(reply.choices) == 2
