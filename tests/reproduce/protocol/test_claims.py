"""A verdict follows from the figure and a criterion that cannot be changed unseen."""

from dataclasses import replace

import numpy as np
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


def test_a_share_has_wilsons_interval():
    figure = Figure.share([True] * 8 + [False] * 2)
    # (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


def test_a_bootstrap_draws_units_whole():
    # a question's two columns stay together: their ratio is the same in every draw
    rows = np.arange(1.0, 41.0)
    figure = Figure.resampled(lambda a, b: a.sum() / b.sum(), 3 * rows, rows)
    assert (figure.value, figure.low, figure.high) == pytest.approx((3.0, 3.0, 3.0))


def test_a_mean_has_the_interval_of_its_standard_error():
    values = np.tile([0.0, 1.0], 200)
    figure = Figure.mean(values)
    # half an interval is 1.96 * .5 / 20; 2,000 draws know it to some per cent
    assert figure.value == 0.5
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * 0.025, rel=0.1)
    assert Figure.mean(values) == figure


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
