"""Votes, usage, sampling, prompts, cards and traces: plain values with exact rules."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from fakes import Boxed, problem, said
from hypothesis import given
from hypothesis import strategies as st

import ttscale.core as core
from ttscale.core import (
    CAPABILITIES,
    Card,
    EngineError,
    Message,
    PartTally,
    Price,
    Problem,
    Prompt,
    Sampling,
    Tally,
    Trace,
    UnknownName,
    Usage,
    UsageError,
    Votes,
)
from ttscale.core.cards import roles
from ttscale.core.cards.card import OPEN


def voted(script, tie="first", asked: Problem | None = None) -> Votes:
    return Votes.of(asked or problem(), [said(a, tokens) for a, tokens in script], tie=tie)


class TestVotes:
    def test_answers_vote_as_equivalence_classes_and_the_first_wording_speaks(self):
        votes = voted([("b", 1), ("A", 2), ("a", 3), ("B", 4), ("a", 5)])
        assert (votes.top(), votes.counts, votes.total) == ("A", [3, 2], 5)
        assert votes.winner().tokens == 2
        assert votes.ballot("a") is votes.ballot("A")
        assert votes.ballot("c") is None

    def test_a_tie_goes_to_the_answer_drawn_first(self):
        assert voted([("B", 9), ("A", 1), ("A", 1), ("B", 9)]).top() == "B"

    def test_or_to_the_shortest_trace_if_so_asked(self):
        assert voted([("B", 3), ("A", 9), ("A", 1), ("B", 2)], "shortest").top() == "A"
        assert voted([("B", 9), ("A", 1), ("B", 9)], "shortest").top() == "B"  # no tie

    def test_an_equal_shortest_trace_leaves_it_to_the_first(self):
        assert voted([("B", 3), ("A", 3)], "shortest").top() == "B"

    def test_traces_vote_with_their_weights(self):
        traces = [said("A", 1), said("B", 1), said("A", 1)]
        votes = Votes.of(problem(), traces, [1.0, 5.0, 2.0])
        assert (votes.top(), [b.weight for b in votes.ballots]) == ("B", [3.0, 5.0])
        with pytest.raises(ValueError, match="shorter"):
            Votes.of(problem(), traces, [1.0])

    @pytest.mark.parametrize(
        ("script", "unanimous"),
        [("AaA", True), ("A", True), ("AAB", False), ("AA-", False), ("--", False), ("", False)],
    )
    def test_unanimous_are_traces_that_all_give_the_same_answer(self, script, unanimous):
        votes = Votes.of(problem(), [Trace() if a == "-" else said(a, 1) for a in script])
        assert votes.unanimous is unanimous
        assert votes.total + votes.abstained == len(script)

    @pytest.mark.parametrize(
        "finish", ["length", "cut", "cancelled", "budget", "censored", "refused", "error"]
    )
    def test_only_a_trace_that_stopped_by_itself_may_vote(self, finish):
        votes = Votes(problem())
        assert votes.add(said("A", finish=finish)) is None
        assert (votes.top(), votes.winner(), votes.counts, votes.total) == (None, None, [], 0)

    def test_what_cannot_be_parsed_abstains(self):
        assert voted([(None, 1), (None, 1), ("A", 1)]).counts == [1]

    def test_weights_decide_and_counts_count(self):
        votes = Votes(problem())
        for a, w in (("A", 0.91), ("B", 0.63), ("B", 0.62)):
            votes.add(said(a), w)
        assert (votes.top(), votes.counts) == ("B", [2, 1])
        votes.add(said("A"), 0.5)
        assert votes.top() == "A"

    @given(st.lists(st.sampled_from("AaBbCc"), max_size=20), st.integers())
    def test_the_counts_do_not_depend_on_the_order(self, answers, seed):
        shuffled = random.Random(seed).sample(answers, len(answers))
        assert voted([(a, 1) for a in answers]).counts == voted([(a, 1) for a in shuffled]).counts


units = st.dictionaries(st.sampled_from(["renders", "calls"]), st.integers(1, 9).map(float))
tallies = st.builds(
    Tally,
    calls=st.integers(1, 5),
    failed=st.integers(0, 5),
    completion_tokens=st.integers(0, 99),
    prompt_tokens=st.integers(0, 99),
    cancelled_tokens=st.integers(0, 9),
    unknown_prompts=st.integers(0, 1),
    cost=st.none() | st.integers(0, 9).map(float),
    uses=st.integers(0, 3),
    units=units,
)
usages = st.builds(
    Usage,
    by=st.dictionaries(st.sampled_from(["main", "prm", "planner", "draft"]), tallies),
    parts=st.dictionaries(
        st.sampled_from(["verdict", "plan", "pilot", "step"]),
        st.builds(PartTally, st.integers(1, 5), st.integers(0, 99), st.integers(0, 9)),
    ),
    units=units,
    sequential_tokens=st.integers(0, 99),
    sequential_units=units,
    seconds=st.integers(0, 9).map(float),
)


class TestUsage:
    @given(usages)
    def test_it_makes_the_round_trip_through_json(self, usage):
        data = json.loads(json.dumps(usage.as_dict()))
        again = Usage.from_dict(data)
        assert again == usage
        assert again.as_dict() == usage.as_dict()

    @given(usages, usages)
    def test_counters_add_up(self, a, b):
        total = Usage()
        total.add(a)
        total.add(b)
        for name in (
            "calls",
            "samples",
            "completion_tokens",
            "cancelled_tokens",
            "useful_tokens",
            "verifier_tokens",
            "planning_tokens",
        ):
            assert getattr(total, name) == getattr(a, name) + getattr(b, name)
        unknown = a.prompt_tokens is None or b.prompt_tokens is None
        assert (total.prompt_tokens is None) == unknown
        known = [u.cost for u in (a, b) if u.by]
        assert total.cost == (None if not known or None in known else sum(known))

    def test_every_counter_of_a_tally_adds_up(self):
        for kind in (Tally, PartTally):
            names = [f.name for f in dataclasses.fields(kind) if f.name != "units"]
            ones, total = (kind(**dict.fromkeys(names, n)) for n in (1, 2))
            total.add(ones)
            assert {name: getattr(total, name) for name in names} == dict.fromkeys(names, 3)
        total = Tally(units={"renders": 1.0})
        total.add(Tally(units={"renders": 2.0, "calls": 4.0}))
        assert total.units == {"renders": 3.0, "calls": 4.0}

    def test_an_empty_usage_costs_nobody_knows_what(self):
        assert Usage().cost is None
        assert Usage().prompt_tokens == 0

    def test_shared_prompts_count_once_and_billed_ones_every_time(self):
        from fakes import Scripted, answer

        from ttscale.core import Outcome

        async def fn(p, ctx, cfg):
            await ctx.sample_all(p.prompt, 3)
            await ctx.sample(p.prompt.then("x"))
            return Outcome("x")

        usage = answer(Scripted(lambda c: said("x", prompt_tokens=20)), fn).usage
        assert (usage.prompt_tokens, usage.shared_prompt_tokens) == (80, 40)

    def test_one_engine_that_does_not_tell_makes_prompt_tokens_unknown(self):
        usage = Usage()
        usage.charge(Trace(tokens=1, prompt_tokens=5), None, 5)
        assert (usage.prompt_tokens, usage.shared_prompt_tokens) == (5, 5)
        usage.charge(Trace(tokens=1), None, 0)
        assert (usage.prompt_tokens, usage.shared_prompt_tokens) == (None, None)

    def test_where_the_tokens_went(self):
        usage = Usage()
        for part, finish, tokens in (
            ("answer", "stop", 100),
            ("answer", "cancelled", 20),
            ("answer", "budget", 3),
            ("answer", "cut", 40),
            ("verdict", "stop", 7),
            ("verdict", "cancelled", 2),
            ("plan", "stop", 9),
            ("pilot", "stop", 50),
            ("calibration", "cut", 11),
            ("step", "stop", 30),
            ("reflection", "stop", 60),
            ("answer", "error", 0),
        ):
            usage.charge(Trace(tokens=tokens, finish=finish, part=part), Price(0, 0), 0)
        usage.charge_scored("prm", 1000, None)
        assert usage.completion_tokens == 332
        assert (usage.cancelled_tokens, usage.cut_tokens) == (25, 51)
        assert usage.useful_tokens == 100 + 30 + 60
        assert (usage.verifier_tokens, usage.planning_tokens) == (7 + 2 + 1000, 9 + 50 + 11)
        assert (usage.calls, usage.samples, usage.by["main"].failed) == (13, 9, 1)
        assert usage.by["main"].cost == 0.0


class TestSampling:
    def test_lower_settings_fill_what_is_open(self):
        mine, lower = Sampling(temperature=0.0, top_k=0), Sampling(temperature=1.0, top_p=0.9)
        merged = mine.over(lower)
        assert (merged.temperature, merged.top_k, merged.top_p) == (0.0, 0, 0.9)
        assert Sampling().over(lower) == lower
        assert mine.over(Sampling()) == mine

    def test_the_users_taste_overrides_the_methods_but_not_its_structure(self):
        method = Sampling(temperature=0.8, top_p=0.95, max_tokens=100, stop=("a",), min_tokens=1, logprobs=5)
        user = Sampling(temperature=0.3, max_tokens=50, stop=("b", "a"), min_tokens=9, logprobs=2)
        asked = method.requested_by(user)
        assert (asked.temperature, asked.top_p) == (0.3, 0.95)
        assert (asked.max_tokens, asked.stop, asked.min_tokens) == (50, ("a", "b"), 1)
        assert asked.logprobs == 5

    def test_greedy_decoding_is_structure(self):
        assert Sampling(temperature=0.0).requested_by(Sampling(temperature=0.9)).temperature == 0.0
        assert Sampling().requested_by(Sampling(temperature=0.9)).temperature == 0.9

    def test_extras_merge_and_the_upper_wins(self):
        merged = Sampling(extra={"a": 1}).over(Sampling(extra={"a": 2, "b": 3}))
        assert merged.extra == {"a": 1, "b": 3}

    @pytest.mark.parametrize(
        "bad",
        [
            {"temperature": -1},
            {"top_p": 1.5},
            {"max_tokens": 0},
            {"temperature": True},
            {"min_p": float("nan")},
            {"top_k": "4"},
        ],
    )
    def test_values_out_of_range_are_refused(self, bad):
        with pytest.raises(UsageError, match=next(iter(bad))):
            Sampling(**bad)

    def test_an_unknown_setting_names_the_nearest(self):
        with pytest.raises(UnknownName, match="did you mean 'temperature'"):
            Sampling.of({"temprature": 1})

    def test_a_single_stop_text_is_a_tuple_of_one(self):
        assert Sampling(stop="x").stop == ("x",)  # type: ignore[arg-type]
        assert Sampling.of({"stop": ["x", "y"]}).stop == ("x", "y")


class TestPrompts:
    def test_equal_prompts_have_equal_keys_and_anything_seen_changes_them(self):
        made = [
            Prompt.user("q"),
            Prompt.user("q", system="s"),
            Prompt.user("q").then("a"),
            Prompt(raw="q"),
            Prompt.user("q").turn("r", "t"),
            Prompt(raw="q", prefix="a"),
            Prompt((Message("user", "q", {"name": "n"}),)),
        ]
        assert len({p.key for p in made}) == len(made)
        assert Prompt.user("q").key == Prompt.user("q").key
        assert Prompt.user("q").then("a").then("b").key == Prompt.user("q").then("ab").key

    def test_a_derived_prompt_does_not_keep_the_key(self):
        prompt = Prompt.user("q")
        before = prompt.key
        assert prompt.then("x").key != before

    def test_keys_are_these_and_stay_these(self):
        """Recordings and journals are looked up by them."""
        assert Prompt.user("2+2=").key == KEYS[0]
        assert Prompt(raw="2+2=", prefix="4").key == KEYS[1]

    def test_what_the_user_said_last(self):
        assert Prompt.user("one").turn("reply", "two").text == "two"
        assert Prompt(raw="raw").text == "raw"


KEYS = ["70a5647c697feccb60a92033", "746cda933dd399d5a8f9fde4"]


class TestTraces:
    @pytest.mark.parametrize(
        ("text", "thinking", "reply"),
        [
            ("<think>\na\n</think>\n\nb", "a", "b"),
            ("a</think>b", "", "a</think>b"),
            ("b", "", "b"),
            ("<think>a", "a", ""),
        ],
    )
    def test_thinking_and_reply_are_told_apart(self, text, thinking, reply):
        assert (Trace(text).thinking, Trace(text).answer_text) == (thinking, reply)

    def test_joined_draws_are_one_trace_of_everything_that_was_made_and_used(self):
        first = Trace(
            "a",
            3,
            estimated=1,
            index=4,
            prompt_tokens=10,
            cached_tokens=2,
            began=1.0,
            ended=2.0,
            answer="old",
            reward=0.1,
            logprobs=[-1.0],
            conf=[1.0],
            ends=[1],
            mean_logprob=-1.0,
            tool_calls=({"id": "x"},),
            units={"renders": 1.0, "calls": 1.0},
            sequential=3,
        )
        last = Trace(
            "c",
            5,
            "length",
            "target",
            estimated=2,
            index=7,
            prompt_tokens=14,
            cached_tokens=13,
            began=3.0,
            ended=4.0,
            answer="new",
            reward=0.9,
            model="large",
            sequential=8,
            units={"renders": 2.0},
            meta={"stopped_at": ""},
        )
        joined = Trace.joined([first, last], "a, b: c")
        assert joined == Trace(
            "a, b: c",
            8,
            "length",
            "target",
            estimated=3,
            index=7,
            prompt_tokens=10,
            cached_tokens=2,
            began=1.0,
            ended=4.0,
            answer="new",
            reward=0.9,
            model="large",
            sequential=8,
            tool_calls=({"id": "x"},),
            units={"renders": 3.0, "calls": 1.0},
            meta={"stopped_at": ""},
        )
        joined.units["renders"] = joined.meta["more"] = 0.0  # the samples keep their own
        assert (first.units["renders"], last.units, last.meta) == (1.0, {"renders": 2.0}, {"stopped_at": ""})

    def test_a_copy_is_equal_and_apart(self):
        trace = Trace("x", 3, index=2, error=EngineError("e"), answer="y", reward=0.5, model="m")
        copied = trace.copy()
        assert copied == trace
        copied.finish = "cut"
        assert trace.finish == "stop"


class TestCards:
    def card(self, **fields):
        return Card(**{"name": "x", "title": "X", "what": "parallel", "stops": "at once", **fields})

    @pytest.mark.parametrize(
        "bad",
        [
            {"what": "paralel"},
            {"status": "faithfull"},
            {"search": "beem"},
            {"needs": {"main": roles.answers("txt")}},
            {"cost_unit": "token"},
            {"domain": ("maths",)},
            {"modality": ("text", "images")},
            {"verification_source": "rewardmodel"},
            {"verification_use": ("selects",)},
        ],
    )
    def test_an_unknown_value_is_refused_with_the_nearest(self, bad):
        with pytest.raises(UnknownName, match="did you mean"):
            self.card(**bad)

    @pytest.mark.parametrize("name", ["FFS", "first finish", "ffs(n=1)", "-x", "a_b", ""])
    def test_a_name_that_cannot_be_typed_is_refused(self, name):
        for bad in ({"name": name}, {"aliases": (name,)}):
            with pytest.raises(UsageError, match="small letters, digits and hyphens"):
                self.card(**bad)

    @pytest.mark.parametrize("bad", [{"domain": "math"}, {"search": ("beam", "tree")}])
    def test_fields_of_one_term_and_of_several_are_told_apart(self, bad):
        with pytest.raises(UsageError, match=r"give (a tuple|one term)"):
            self.card(**bad)

    def test_every_method_costs_something(self):
        with pytest.raises(UnknownName, match="cost unit"):
            self.card(cost_unit="")

    @pytest.mark.parametrize(
        "field", ["stimulation", "verification", "search", "aggregation", "cost_unit", "domain", "needs"]
    )
    def test_another_family_adds_its_terms_without_a_change_here(self, field, monkeypatch):
        given = {"needs": {"main": roles.answers("new")}, "domain": ("new",)}.get(field, "new")
        known = CAPABILITIES if field == "needs" else OPEN[field]
        monkeypatch.setattr(known, "_terms", dict(known))  # leaves no trace
        with pytest.raises(UnknownName, match="'new'"):
            self.card(**{field: given})
        known.add("new", "a word of tomorrow")
        known.add("new", "a word of tomorrow")  # two modules of one family may both say it
        assert (known["new"], list(known)[-1]) == ("a word of tomorrow", "new")
        card = self.card(**{field: given})
        assert Card.from_dict(card.as_dict()) == card
        with pytest.raises(UsageError, match="choose another term"):
            known.add("new", "something else")

    def test_every_term_has_a_meaning_in_one_line(self):
        for known in (*OPEN.values(), CAPABILITIES):
            assert known.name
            assert all(m and "\n" not in m for m in known.values())
        with pytest.raises(UsageError):
            CAPABILITIES.add("empty", "")

    @pytest.mark.parametrize("bad", [{"stops": ""}, {"title": ""}])
    def test_title_and_stop_rule_are_mandatory(self, bad):
        with pytest.raises(UsageError, match="title"):
            self.card(**bad)

    def test_it_makes_the_round_trip_through_json(self):
        card = self.card(
            needs={"prm": roles.judges("reward")},
            deviations=("One.",),
            aliases=("y",),
            verification="outcome",
            verification_source="tests",
            verification_use=("select", "weight"),
            domain=("math", "code"),
            modality=("text", "image"),
        )
        assert Card.from_dict(json.loads(json.dumps(card.as_dict()))) == card


def test_no_answer_is_not_right_and_without_a_reference_nobody_knows():
    assert problem().correct(None) is False
    assert problem(reference=None).correct(None) is None
    graded = Problem("g", Prompt.user("q"), Boxed(), meta={"grade": lambda a: a == "7"})
    assert (graded.correct("7"), graded.correct("8"), graded.correct(None)) == (True, False, False)


def test_the_public_names_are_those_of_all():
    public = {n for n in vars(core) if not n.startswith("_")}
    modules = {n for n in public if type(getattr(core, n)).__name__ == "module"}
    assert public - modules == set(core.__all__)


def test_every_error_says_fact_and_fix():
    error = UsageError("the fact", fix="the fix")
    assert (str(error), error.fact, error.fix) == ("the fact: the fix", "the fact", "the fix")
    assert UnknownName("method", "fss", ["ffs", "sc"]).nearest == "ffs"
    assert "known: a, b" in str(UnknownName("method", "zzz", ["b", "a"]))
