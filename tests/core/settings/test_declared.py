"""Fields are declared once: by hand or from a mapping, the same values are refused in the same words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from ttscale.core import (
    Above,
    AtLeast,
    Budget,
    NotEmpty,
    OneOf,
    Sampling,
    UnknownName,
    UsageError,
    Within,
    declared,
)
from ttscale.core.settings.declared import (
    Inline,
    Shorthand,
    check,
    fields_of,
    read,
    read_values,
    schema_of,
    with_checked,
)
from ttscale.methods import registry


@declared
class Part:
    name: Annotated[str, NotEmpty(), Shorthand()]
    weight: Annotated[float, Above(0)] = 1.0


@declared
class Whole:
    n: Annotated[int, AtLeast(1)] = 8
    k: Annotated[int, AtLeast(1)] = 1
    share: Annotated[float, Within(0, 1)] | None = None
    tie: Literal["first", "shortest"] = "first"
    rule: Annotated[str, OneOf(("", "math", "number"))] = ""
    loud: bool = False
    title: str = ""
    sizes: tuple[Annotated[int, AtLeast(2)], ...] = (3, 5)
    words: tuple[str, ...] = ()
    part: Part | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    open: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Within(1, self.n).check(k=self.k)


@declared
class Outer:
    spec: Annotated[str, Shorthand()]
    whole: Annotated[Whole, Inline()] = field(default_factory=Whole)


REFUSED = [
    ({"n": 0}, "n=0: give a whole number of at least 1"),
    ({"n": "8"}, "n='8': give a whole number of at least 1"),
    ({"n": 8.5}, "n=8.5: give a whole number of at least 1"),
    ({"n": True}, "n=True: give a whole number of at least 1"),
    ({"n": None}, "n=None: give a whole number of at least 1"),
    ({"n": float("nan")}, "n=nan is not finite: give a whole number of at least 1"),
    ({"share": 1.5}, "share=1.5: give a number from 0 to 1"),
    ({"share": float("nan")}, "share=nan is not finite: give a number from 0 to 1"),
    ({"share": float("inf")}, "share=inf is not finite: give a number from 0 to 1"),
    ({"tie": "frist"}, "tie='frist': did you mean 'first'?"),
    ({"tie": "x"}, "tie='x': use one of: first, shortest"),
    ({"tie": 3}, "tie=3: use one of: first, shortest"),
    ({"rule": "maths"}, "rule='maths': did you mean 'math'?"),
    ({"loud": 1}, "loud=1: give true or false"),
    ({"title": 3}, "title=3: give a text"),
    ({"sizes": 3}, "sizes=3: give several whole numbers of at least 2"),
    ({"sizes": (3, 1)}, "sizes=1: give a whole number of at least 2"),
    ({"sizes": "3"}, "sizes='3': give several whole numbers of at least 2"),
    ({"words": [1]}, "words=1: give a text"),
    ({"part": 3}, "part=3: give a table of name, weight"),
    ({"parts": 3}, "parts=3: give a table"),
    ({"parts": {"a": 3}}, "parts.a=3: give a table of name, weight"),
    ({"open": {1: 2}}, "open={1: 2}: give a table"),
    ({"k": 4, "n": 2}, "k=4: give a number from 1 to 2"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=lambda value: repr(value))
def test_a_bad_value_is_refused_however_the_table_is_made(given, told):
    with pytest.raises(UsageError) as by_hand:
        Whole(**given)
    with pytest.raises(UsageError) as from_mapping:
        read(Whole, given)
    assert str(by_hand.value).startswith(told)
    assert str(from_mapping.value) == str(by_hand.value)


def test_what_is_declared_is_kept_in_one_form():
    made = Whole(n=8.0, sizes=[3, 4], words="one", share=1)
    assert made == Whole(n=8, sizes=(3, 4), words=("one",), share=1)
    assert (type(made.n), made.sizes, made.words) == (int, (3, 4), ("one",))
    assert hash(Part(name="a")) == hash(read(Part, {"name": "a"}))


@pytest.mark.parametrize("n", [np.int64(6), np.uint8(6), np.float32(6)])
def test_numbers_of_numpy_are_kept_as_those_of_python(n):
    made = Whole(n=n, share=np.float32(0.5))
    assert (made.n, type(made.n), made.share, type(made.share)) == (6, int, 0.5, float)
    assert type(Whole(share=np.float64(0.5)).share) is float
    with pytest.raises(UsageError, match=r"n=.*0.*: give a whole number"):
        Whole(n=n - n)
    with pytest.raises(UsageError, match="n="):
        Whole(n=np.bool_(True))


def test_a_whole_number_may_be_larger_than_any_float_and_a_float_may_not():
    assert Whole(n=10**400).n == 10**400
    with pytest.raises(UsageError, match=r"weight=1000.* is not finite"):
        Part(name="a", weight=10**400)


def test_none_stands_only_where_it_is_declared():
    assert Whole(share=None, part=None) == Whole()
    with pytest.raises(UsageError, match="title=None"):
        Whole(title=None)


def test_a_copy_with_another_value_is_checked_too():
    with pytest.raises(UsageError, match="n=0"):
        replace(Whole(), n=0)


def test_tables_stand_in_tables_and_a_text_may_stand_for_one():
    made = read(Whole, {"part": {"name": "a", "weight": 2}, "parts": {"b": "b", "c": Part(name="c")}})
    assert made.part == Part(name="a", weight=2)
    assert made.parts == {"b": Part(name="b"), "c": Part(name="c")}
    assert read(Outer, "x") == Outer(spec="x")


def test_fields_of_an_inlined_table_stand_beside_the_others():
    made = read(Outer, {"spec": "x", "n": 4, "tie": "shortest"})
    assert made.whole == Whole(n=4, tie="shortest")
    with pytest.raises(UnknownName, match=r"f.toml: a: unknown entry 'whole': known: .*n, open"):
        read(Outer, {"spec": "x", "whole": {}}, "f.toml: a")


@pytest.mark.parametrize(
    ("given", "told", "place"),
    [
        ({"nn": 3}, "f.toml: unknown entry 'nn': did you mean 'n'?", "f.toml: nn"),
        ({"part": {}}, "f.toml: part does not say name: give a text", "f.toml: part.name"),
        ({"parts": {"b": {"nme": "x"}}}, "f.toml: parts.b: unknown entry 'nme'", "parts.b.nme"),
        ({"parts": {"b": {"name": ""}}}, "f.toml: parts.b.name='': give a text that is", "b.name"),
        ({"part": {"name": "x", "weight": 0}}, "f.toml: part.weight=0: give a number above 0", "part.weight"),
        ({"n": 2, "k": 3}, "f.toml: k=3: give a number from 1 to 2", "k"),
    ],
)
def test_an_error_says_where_in_a_document_it_is(given, told, place):
    with pytest.raises(UsageError) as caught:
        read(Whole, given, "f.toml:")
    assert str(caught.value).startswith(told)
    assert caught.value.place.endswith(place)


def test_a_key_is_never_repeated():
    for name in ("key", "api_key", "token"):
        with pytest.raises(UsageError, match=r"models\.a: a key does not belong") as caught:
            read(Part, {name: "sk-1"}, "models.a")
        assert "sk-1" not in str(caught.value)
    with pytest.raises(UnknownName, match="did you mean 'tokens'"):
        read(Budget, {"token": 3}, "budget")  # a number is not a key


def test_a_long_value_is_shown_in_short():
    with pytest.raises(UsageError) as caught:
        Whole(n="9" * 100_000)
    assert len(str(caught.value)) < 200


def test_texts_are_read_by_the_declared_types():
    types = {
        "n": Annotated[int, AtLeast(1)],
        "p": float,
        "loud": bool,
        "name": str,
        "sampling": Annotated[Sampling, Inline()],
    }
    written = {"n": "8", "p": "1", "loud": "yes", "name": "8", "top_p": "0.5", "stop": "x"}
    values = read_values(types, written, "openai", entry="setting")
    assert values == {
        "n": 8,
        "p": 1.0,
        "loud": True,
        "name": "8",
        "sampling": Sampling(top_p=0.5, stop=("x",)),
    }
    for name, text, told in [
        ("n", "many", "openai: n='many': give a whole number"),
        ("n", "0", "openai: n=0: give"),
        ("p", "nan", "p=nan is not finite"),
        ("loud", "maybe", "loud='maybe': give true or false"),
        ("top_p", "2", "openai: top_p=2.0: give a number from 0 to 1"),
        ("temprature", "1", "openai: unknown setting 'temprature': did you mean 'temperature'?"),
    ]:
        with pytest.raises(UsageError) as caught:
            read_values(types, {name: text}, "openai", entry="setting")
        assert told in str(caught.value)


def test_rules_of_another_package_are_told_as_errors_of_the_user():
    @dataclass
    class Theirs:
        n: int = 1

        def __post_init__(self) -> None:
            if self.n > 3:
                raise ValueError("too many")

    assert read(Theirs, {"n": 2}).n == 2
    with pytest.raises(UsageError, match="method 'theirs': too many"):
        read(Theirs, {"n": 4}, of="method 'theirs'")
    with pytest.raises(UsageError, match="n='2'"):
        read(Theirs, {"n": "2"})


def test_what_cannot_be_declared_and_a_default_out_of_bounds_are_found_at_the_first_use():
    @declared
    class Odd:
        n: int | str = 1

    @declared
    class Low:
        n: Annotated[int, AtLeast(1)] = 0

    with pytest.raises(UsageError, match="cannot be declared"):
        Odd()
    with pytest.raises(UsageError, match="n=0"):
        Low()


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, None), (Annotated[str, NotEmpty()], ""), (Annotated[float, Above(0)], 0.0), (str, ())],
)
def test_an_empty_default_is_refused_where_it_cannot_stand(annotation, default):
    cls = declared(type("Empty", (), {"__annotations__": {"value": annotation}, "value": default}))
    with pytest.raises(UsageError, match="value="):
        cls()


def test_a_field_that_takes_no_part_is_not_compiled():
    @declared
    class Sparse:
        given: Annotated[int, AtLeast(1)] | None = None
        left: Annotated[int, AtLeast(1)] | None = None
        table: Mapping[str, Part] = field(default_factory=dict)

    assert read(Sparse, {"given": 2}).given == 2
    known = fields_of(Sparse)
    assert [name for name, f in known.items() if "kind" in vars(f)] == ["given"]


def test_a_copy_of_checked_values_keeps_the_others():
    one = Whole(n=4, words=("a",))
    copy = with_checked(one, {"k": 2})
    assert copy == Whole(n=4, words=("a",), k=2)
    assert one.k == 1


def test_a_single_value_is_checked_by_an_annotation():
    check(Literal["a", "b"], kind="a")
    with pytest.raises(UsageError, match="kind='c': use one of: a, b"):
        check(Literal["a", "b"], kind="c")


def test_the_declaration_is_json_schema():
    schema = schema_of(Outer)
    assert schema["required"] == ["spec"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert "whole" not in properties
    assert properties["n"] == {"type": "integer", "minimum": 1}
    assert properties["share"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 1}
    assert properties["tie"] == {"enum": ["first", "shortest"]}
    assert properties["sizes"] == {"type": "array", "items": {"type": "integer", "minimum": 2}}
    assert properties["parts"]["additionalProperties"]["required"] == ["name"]


@pytest.mark.parametrize("name", list(registry.methods()))
def test_every_method_declares_its_parameters(name):
    config = registry.get(name).config
    assert list(fields_of(config)) == list(config.__dataclass_fields__)
    assert config.__dataclass_params__.frozen
    assert read(config, {}) == config()


def test_reading_parameters_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from ttscale.core.settings.declared import read\n"
        "from ttscale.core import Sampling, Budget\n"
        "before = set(sys.modules)\n"
        "Sampling.of({'temperature': 1}), Budget.of({'tokens': 5})\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
