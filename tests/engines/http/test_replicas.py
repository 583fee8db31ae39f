"""Which replica a request goes to."""

from __future__ import annotations

import asyncio
import time

from ttscale.engines.http.replicas import BROKEN, LEAD, Replicas

URLS = [f"http://r{number}" for number in range(4)]


async def test_the_one_with_the_fewest_tokens_outstanding_is_asked() -> None:
    replicas = Replicas(URLS[:2], 8)
    async with replicas.lease(1000) as one, replicas.lease(10) as two, replicas.lease(10) as three:
        assert one is not two
        assert two is three, "two small requests are less than a large one"
    assert [r.tokens for r in replicas.all] == [0, 0]


async def test_a_prompt_goes_where_its_beginning_is_known_unless_that_is_far_ahead() -> None:
    replicas, cost = Replicas(URLS, 64), 100
    home = replicas.pick(cost, 7, ())
    assert {replicas.pick(cost, 7, ()) for _ in range(10)} == {home}
    assert {replicas.pick(cost, prefix, ()).url for prefix in range(100)} == set(URLS)
    leases = [replicas.lease(cost, 7) for _ in range(LEAD + 2)]
    taken = [await lease.__aenter__() for lease in leases]
    assert taken[: LEAD + 1] == [home] * (LEAD + 1)
    assert taken[-1] is not home
    for lease in leases:
        await lease.__aexit__(None, None, None)
    assert replicas.pick(cost, 7, ()) is home


async def test_when_a_replica_goes_only_its_own_prompts_move() -> None:
    replicas = Replicas(URLS, 8)
    before = {prefix: replicas.pick(1, prefix, ()) for prefix in range(200)}
    lost = replicas.all[0]
    lost.failed()
    for prefix, home in before.items():
        now = replicas.pick(1, prefix, ())
        assert now is not lost
        assert now is home or home is lost


async def test_a_broken_replica_is_tried_by_one_request_at_a_time() -> None:
    replicas = Replicas(URLS[:2], 8)
    broken, other = replicas.all
    for _ in range(BROKEN):
        broken.failed()
    assert replicas.closed_for() == 0, "the other one works"
    assert replicas.pick(1, None, ()) is other
    broken.rests_until = 0.0  # its rest is over
    other.failed()
    async with replicas.lease(1) as first:
        assert first is broken
        assert replicas.pick(1, None, ()) is other, "one request is trying it"
    for _ in range(BROKEN):
        other.failed()
    broken.failed()
    assert replicas.closed_for() > 0


async def test_requests_beyond_the_concurrency_queue_in_order() -> None:
    replicas, order = Replicas(URLS[:1], 1), list[int]()

    async def ask(number: int) -> None:
        async with replicas.lease():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(ask(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


def test_failing_on_the_same_thing_again_is_not_another_failure() -> None:
    (replica,) = Replicas(URLS[:1], 8).all
    for _ in range(BROKEN + 5):
        replica.failed("one prompt")
    assert (replica.failures, replica.broken) == (1, False)
    for prompt in range(BROKEN):
        replica.failed(prompt)
    assert replica.closed(time.monotonic())
    replica.worked()
    assert (replica.failures, replica.closed(time.monotonic())) == (0, False)
    replica.failed("one prompt")
    assert replica.failures == 1, "what came before the success is forgotten"


def test_looks_in_vain_count_each() -> None:
    replicas = Replicas(URLS[:1], 8)
    (replica,) = replicas.all
    for _ in range(BROKEN):
        assert replicas.closed_for() == 0
        replica.failed()
    assert replicas.closed_for() > 0


def test_a_replica_that_takes_no_more_works() -> None:
    (replica,) = Replicas(URLS[:1], 8).all
    for prompt in range(BROKEN):
        replica.failed(prompt)
    replica.full(1e12)
    assert not replica.broken
    assert replica.full_until < time.monotonic() + 100, "not for ever, whatever it says"
