"""Tool calls and further fields of a reply, however a server writes them: streamed equals whole."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from engines.fake_server import answer, event, said, stream
from hypothesis import given
from hypothesis import strategies as st

from ttscale.engines.openai.reading.merging import merged
from ttscale.engines.openai.reading.tool_calls import ToolCalls, numbered

F = {"id": "a", "name": "f", "arguments": '{"x":1}'}
G = {"id": "b", "name": "g", "arguments": '{"y":{"z":2}}'}
AGAIN = {"id": "b", "name": "f", "arguments": '{"x":2}'}
ANY = object()


def piece(index: Any = ANY, **fields: Any) -> dict[str, Any]:
    """A piece of a call; name and arguments are the function's."""
    body = {k: fields.pop(k) for k in ("name", "arguments") if k in fields}
    return {**({} if index is ANY else {"index": index}), **fields, **({"function": body} if body else {})}


def read(*lists: Any) -> list[dict[str, Any]]:
    """The calls of deltas that hold these lists of pieces."""
    calls = ToolCalls()
    for pieces in lists:
        calls.feed({"tool_calls": pieces})
    return [dict(call) for call in calls.result()]


def flat(calls: Any) -> list[tuple[str, str, str]]:
    return [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls]


def both(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(c["id"], c["name"], c["arguments"]) for c in (first, second)]


@pytest.mark.parametrize(
    "indices", [(0, 1), (ANY, ANY), (None, None), (0, 0), (-1, -1), ("x", "y"), ("0", "1"), (0, None)]
)
@pytest.mark.parametrize("second", [G, AGAIN], ids=["another", "the same function"])
@pytest.mark.parametrize("together", [True, False])
def test_parallel_calls_stay_apart_whatever_their_indices(indices, second, together):
    pieces = [piece(indices[0], **F), piece(indices[1], **second)]
    assert flat(read(pieces) if together else read([pieces[0]], [pieces[1]])) == both(F, second)


@pytest.mark.parametrize("indices", [(0, 1), (ANY, ANY), (0, 0)])
@pytest.mark.parametrize("named", [False, True], ids=["name once", "name in every piece"])
@pytest.mark.parametrize("ids", ["once", "every", "never"])
def test_calls_in_pieces_one_after_the_other(indices, named, ids):
    deltas = []
    for index, call in zip(indices, (F, AGAIN)):
        for at, letter in enumerate(["", *call["arguments"]]):
            fields = {"arguments": letter}
            if named or not at:
                fields["name"] = call["name"]
            if ids == "every" or (ids == "once" and not at):
                fields["id"] = call["id"]
            deltas.append([piece(index, **fields)])
    found = read(*deltas)
    assert [c[1:] for c in flat(found)] == [(c["name"], c["arguments"]) for c in (F, AGAIN)]
    if ids != "never":
        assert [c["id"] for c in found] == ["a", "b"]


def test_pieces_of_two_calls_in_turns():
    for indices in ((0, 1), (ANY, ANY)):
        begun = [piece(i, id=c["id"], name=c["name"]) for i, c in zip(indices, (F, G))]
        more = [[piece(i, arguments=x) for i, x in zip(indices, pair)] for pair in zip('{"x":1}', '{"y":2}')]
        assert flat(read(begun, *more)) == both(F, {**G, "arguments": '{"y":2}'})


@pytest.mark.parametrize("ids", [("s", "s"), ("", ""), (None, None), (ANY, ANY), (7, 7)])
def test_every_call_has_an_id_of_its_own(ids):
    pieces = [piece(i, **{**c, "id": own}) for i, (c, own) in enumerate(zip((F, G), ids))]
    if ids[0] is ANY:
        pieces = [{k: v for k, v in p.items() if k != "id"} for p in pieces]
    found = [c["id"] for c in read(pieces)]
    assert len(set(found)) == 2
    assert all(isinstance(i, str) and i for i in found)


@pytest.mark.parametrize(
    ("given_as", "arguments"),
    [
        ({"x": 1}, '{"x":1}'),
        (None, "{}"),
        ("", "{}"),
        (3, "3"),
        ([1], "[1]"),
        ('{"x": 1}', '{"x": 1}'),
        (ANY, "{}"),
    ],
)
def test_arguments_are_a_text_whatever_they_were(given_as, arguments):
    fields = {} if given_as is ANY else {"arguments": given_as}
    (call,) = read([piece(0, id="a", name="f", **fields)])
    assert call["function"] == {"name": "f", "arguments": arguments}


def test_a_call_told_again_as_a_whole_is_one_call():
    whole = piece(0, **F)
    for last in (whole, piece(0, arguments=F["arguments"]), piece(**F)):
        assert flat(read([whole], [last])) == both(F, G)[:1]


def test_a_name_in_pieces_is_joined():
    assert read([piece(0, id="a", name="get_")], [piece(0, name="time")], [piece(0, arguments="{}")])[0][
        "function"
    ] == {"name": "get_time", "arguments": "{}"}


def test_unknown_fields_of_a_call_are_carried_along():
    extra = {"google": {"thought_signature": "SIG"}}
    (call,) = read(
        [piece(0, **F, extra_content=extra) | {"function": {"name": "f", "arguments": "", "strict": True}}],
        [piece(0, arguments="{}", extra_content=None)],
        [piece(0, extra_content={"google": {"more": 1}})],
    )
    assert call["extra_content"] == {"google": {"thought_signature": "SIG", "more": 1}}
    assert call["function"] == {"name": "f", "arguments": "{}", "strict": True}


def test_custom_tools_keep_their_free_text():
    begun = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": '{"a"'}}
    found = read(
        [begun], [{"index": 0, "custom": {"input": ": 1}"}}], [{"index": 0, "custom": {"input": '{"b"}'}}]
    )
    assert found == [{"id": "a", "type": "custom", "custom": {"name": "sql", "input": '{"a": 1}{"b"}'}}]


def test_a_function_call_of_old_is_a_call():
    calls = ToolCalls()
    assert calls.feed({"function_call": {"name": "f", "arguments": ""}})
    assert calls.feed({"function_call": {"arguments": '{"x":1}'}})
    assert not calls.feed({"function_call": None, "tool_calls": []})
    ((name, arguments),) = [c[1:] for c in flat(calls.result())]
    assert (name, arguments) == ("f", '{"x":1}')


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "id", "type", "function", "custom", "name", "arguments", "input", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4), json_values)
def test_whatever_json_comes_calls_are_whole_or_absent(deltas, other):
    calls = ToolCalls()
    for delta in deltas:
        calls.feed({"tool_calls": delta, "function_call": other})
        calls.feed(numbered({"tool_calls": delta}))
    found = calls.result()
    assert len({c["id"] for c in found}) == len(found)
    for call in found:
        body = call[call["type"]]
        assert isinstance(body["name"], str)
        assert isinstance(body.get("arguments", body.get("input")), str)


@given(
    st.lists(
        st.tuples(st.sampled_from("fgh"), st.dictionaries(st.text(max_size=3), json_values, max_size=3)),
        max_size=4,
    ),
    st.data(),
)
def test_a_stream_cut_anywhere_gives_the_calls_of_the_whole_reply(calls, data):
    texts = [json.dumps(arguments) for _, arguments in calls]
    whole = [
        {"id": f"i{n}", "function": {"name": name, "arguments": text}}
        for n, ((name, _), text) in enumerate(zip(calls, texts))
    ]
    deltas = []
    for n, ((name, _), text) in enumerate(zip(calls, texts)):
        cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
        parts = [text[a:b] for a, b in itertools.pairwise(cuts)]
        deltas += [[piece(n, id=f"i{n}", name=name)], *([piece(n, arguments=part)] for part in parts)]
    assert read(*deltas) == read(numbered({"tool_calls": whole})["tool_calls"])


# -- over the wire


async def test_streamed_and_whole_replies_give_the_same_calls_and_fields(desk: Any) -> None:
    message = {
        "content": None,
        "tool_calls": [
            {"id": "", "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in (F, AGAIN)
        ],
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "http://x"}}],
    }
    used = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    deltas = [
        {"tool_calls": message["tool_calls"]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]},
        {
            "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0}],
            "annotations": message["annotations"],
        },
        {"annotations": message["annotations"]},
    ]
    events = [
        *(event(choices=[{"index": 0, "delta": delta}], citations=["http://x"]) for delta in deltas),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]),
        event(choices=[], usage=used),
        b"data: [DONE]\n\n",
    ]
    plain = {"choices": [choice], "usage": used, "citations": ["http://x"], "object": "chat.completion"}
    found = []
    for play in (stream(events), answer(plain)):
        async with desk(play) as d:
            found.append(await d.sample())
    streamed, whole = found
    assert [c["function"] for c in streamed.tool_calls] == [c["function"] for c in whole.tool_calls]
    assert [c["function"]["arguments"] for c in whole.tool_calls] == [F["arguments"], AGAIN["arguments"]]
    assert streamed.meta == whole.meta
    assert whole.meta == {
        "message": {name: message[name] for name in ("reasoning_details", "annotations")},
        "reply": {"citations": ["http://x"]},
        "usage": {"completion_tokens_details": {"reasoning_tokens": 2}},
    }


async def test_a_reply_without_further_fields_carries_none(desk: Any) -> None:
    async with desk(stream(said("4", usage=1))) as d:
        assert (await d.sample()).meta == {}


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["a", "b"], "ab"),
        (["ab", "abc"], "abc"),
        ([{"id": "x", "data": "QQ"}, {"id": "x", "data": "QQ"}], {"id": "x", "data": "QQQQ"}),
        ([None, [1], [1], [2]], [1, 2]),
        ([{"a": {"b": 1}}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}),
        ([1, 2], 2),
        ([True, None], True),
        (["a", {"b": 1}], {"b": 1}),
    ],
)
def test_unread_fields_are_put_together(pieces, whole):
    known = None
    for one in pieces:
        known = merged(known, one)
    assert known == whole
