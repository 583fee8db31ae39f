"""A verdict follows from the figure and a criterion that cannot be changed unseen."""

from dataclasses import replace

import pytest

from ttscale.reproduce.protocol import Above, Below, Claim, Equals, Figure, Needs, System, Verdict


@pytest.mark.parametrize(
    ("criterion", "low", "value", "high", "verdict"),
    [
        (Above(0.0), 0.01, 0.1, 0.2, Verdict.REPRODUCED),
        (Above(0.0), 0.0, 0.1, 0.2, Verdict.NOT_VISIBLE),
        (Above(0.0), -0.2, -0.1, 0.0, Verdict.REFUTED),
        (Above(-0.03), -0.02, 0.0, 0.02, Verdict.REPRODUCED),
        (Below(1.0), 0.7, 0.8, 0.9, Verdict.REPRODUCED),
        (Below(1.0), 0.7, 0.8, 1.0, Verdict.NOT_VISIBLE),
        (Below(1.0), 1.0, 1.1, 1.2, Verdict.REFUTED),
        (Equals(0.5, 0.01), 0.0, 0.509, 1.0, Verdict.REPRODUCED),
        (Equals(0.5, 0.01), 0.5, 0.511, 0.6, Verdict.REFUTED),
        (Needs("a GPU"), 0.0, 1.0, 1.0, Verdict.NEEDS),
    ],
)
def test_the_interval_decides(criterion, low, value, high, verdict):
    assert criterion.judge(Figure(value, low, high)) is verdict


CLAIM = Claim(name="a", text="t", source="s", effect="e", criterion=Above(0.0), measure=lambda lab: None)


def system(**changed):
    return System(name="x", parameters={"n": 8}, claims=(replace(CLAIM, **changed),))


def test_the_hash_holds_what_is_measured_and_how_it_is_judged():
    same = system(text="in other words", number="3", source="elsewhere")
    assert same.criterion_hash == system().criterion_hash
    others = [
        system(criterion=Above(0.01)),
        system(criterion=Below(0.0)),
        system(effect="something else"),
        system(name="b"),
        replace(system(), parameters={"n": 16}),
    ]
    hashes = {other.criterion_hash for other in others} | {system().criterion_hash}
    assert len(hashes) == len(others) + 1


def test_a_claim_is_measured_or_says_what_it_needs():
    with pytest.raises(ValueError, match="needs a measure"):
        replace(CLAIM, measure=None)
    with pytest.raises(ValueError, match="needs a measure"):
        replace(CLAIM, criterion=Needs("a GPU"))


def test_claims_of_a_system_have_names_of_their_own():
    with pytest.raises(ValueError, match="names of their own"):
        System(name="x", claims=(CLAIM, CLAIM))
    with pytest.raises(ValueError, match="names of their own"):
        System(name="x", claims=())
