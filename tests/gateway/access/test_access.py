"""Who may come in: keys, rates, budgets, sizes and the queue; and what changes while it runs."""

from __future__ import annotations

import asyncio
import base64

import pytest
from gateway.harness import USER, Model, world

from ttscale.core import UsageError
from ttscale.gateway.access.api_keys import check_exposure, digest, new_key
from ttscale.gateway.access.quotas import DAY, Ledger
from ttscale.gateway.config import Account, parse

KEY, HASH = new_key()


def keyed(**entries):
    return {"keys": {"alice": {"hash": HASH, **entries}}}


def bearer(key=KEY):
    return {"Authorization": f"Bearer {key}"}


async def test_keys_are_needed_where_there_are_any():
    async with world(Model(), config=keyed()) as w:
        assert (await w.post(model="m", headers=bearer()))[0] == 200
        for header in (
            {},
            bearer("wrong"),
            bearer(""),
            bearer("é"),
            bearer(KEY[:-1]),
            bearer(KEY + "x"),
            {"Authorization": KEY},
            {"Authorization": f"Bearer {HASH}"},
        ):
            status, reply = await w.post(model="m", headers=header)
            assert (status, reply["error"]["type"]) == (401, "authentication_error")
        for page in ("/", "/metrics", "/v1/models", "/status.json"):
            async with w.session.get(w.url + page) as reply:
                assert reply.status == 401
        browser = {"Authorization": "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()}
        async with w.session.get(f"{w.url}/", headers=browser) as reply:
            assert reply.status == 200
        async with w.session.get(f"{w.url}/health") as reply:
            assert reply.status == 200


async def test_the_clients_key_never_reaches_the_upstream():
    model = Model()
    async with world(model, config=keyed()) as w:
        await w.post(model="m", headers={**bearer(), "X-Secret": "s", "Cookie": "c=1"})
        await w.post(model="sc/m", headers=bearer())
    for headers in model.headers:
        assert not {"Authorization", "X-Secret", "Cookie"} & set(headers)


def test_only_the_hash_of_a_key_is_kept():
    assert KEY not in HASH
    assert digest(KEY) == HASH
    for entry in ({"hash": KEY}, {"hash": "sha256:abc"}, {"hash": HASH, "key": KEY}, {}):
        with pytest.raises(UsageError):
            parse({"keys": {"alice": entry}})


def test_others_are_not_served_without_keys_unless_by_name():
    accounts = {"alice": Account(hash=HASH)}
    for host in ("127.0.0.1", "::1", "localhost"):
        check_exposure(host, {}, False)
    check_exposure("0.0.0.0", accounts, False)
    check_exposure("0.0.0.0", {}, True)
    for host in ("0.0.0.0", "192.168.1.2", "example.org", "::"):
        with pytest.raises(UsageError, match="no keys"):
            check_exposure(host, {}, False)


async def test_a_key_has_its_models_and_its_default_method():
    model = Model()
    async with world(model, config=keyed(method="sc(n=3)", models=["m"])) as w:
        _, reply = await w.post(model="m", headers=bearer())
        assert reply["ttscale"]["samples"] == 3
        _, reply = await w.post(model="ffs(n=2)/m", headers=bearer())
        assert reply["ttscale"]["samples"] == 2
    async with world(Model(), config=keyed(models=["other"])) as w:
        status, reply = await w.post(model="ffs/m", headers=bearer())
        assert (status, reply["error"]["code"]) == (403, "model_not_allowed")


async def test_a_rate_is_kept_and_says_when_to_come_back():
    async with world(Model(), config=keyed(rate=3)) as w:
        statuses = [(await w.post(model="m", headers=bearer()))[0] for _ in range(5)]
        body = {"model": "m", "messages": USER}
        async with w.session.post(f"{w.url}/v1/chat/completions", json=body, headers=bearer()) as reply:
            assert 1 <= int(reply.headers["Retry-After"]) <= 20
    assert statuses == [200, 200, 200, 429, 429]


async def test_a_spent_day_is_429_with_the_time_of_renewal():
    async with world(Model(pause=0.02), config=keyed(daily={"tokens": 10})) as w:
        _, first = await w.post(model="sc(n=2)/m", headers=bearer())
        _, second = await w.post(model="sc(n=2)/m", headers=bearer())  # 2 tokens are left
        status, reply = await w.post(model="m", headers=bearer())
    assert first["ttscale"]["over_budget"] is False
    assert second["ttscale"]["over_budget"] is True
    assert second["usage"]["completion_tokens"] <= 4
    assert (status, reply["error"]["code"]) == (429, "budget_spent")
    assert "renewed at 2" in reply["error"]["message"]


async def test_what_is_left_of_a_day_limits_plain_requests_too():
    model = Model()
    async with world(model, config=keyed(daily={"tokens": 10})) as w:
        await w.post(model="m", headers=bearer(), max_tokens=500)
    assert model.bodies[0]["max_tokens"] == 10


def test_a_day_ends_and_workers_share_what_is_spent(tmp_path):
    from ttscale.core import Budget
    from ttscale.gateway.access.api_keys import Client

    now = [20_000 * DAY + 10.0]
    client = Client("a", Account(hash=HASH, daily=Budget(tokens=10)))
    ledgers = [Ledger(workers=2, now=lambda: now[0]) for _ in range(2)]
    for ledger in ledgers:
        ledger.open(tmp_path / "state.db")
    ledgers[0].charge(client, tokens=7)
    ledgers[1].charge(client, tokens=2)
    for ledger in (*ledgers, *ledgers):
        ledger.share()
    assert [ledger.left(client, "tokens") for ledger in ledgers] == [1, 1]
    now[0] += DAY
    assert [ledger.left(client, "tokens") for ledger in ledgers] == [10, 10]
    for ledger in ledgers:
        ledger.close()


async def test_the_queue_is_bounded_and_told():
    model = Model(first=0.3)
    config = {"server": {"active": 2, "queue": 2, "queue_seconds": 5}}
    async with world(model, config=config) as w:
        replies = await asyncio.gather(*(w.post(model="m") for _ in range(10)))
        codes = [status for status, _ in replies]
        assert sorted(set(codes)) == [200, 503]
        assert codes.count(200) == 4
        assert {r["error"]["code"] for s, r in replies if s == 503} == {"overloaded"}
        model.first = 0
        assert (await w.post(model="m"))[0] == 200


async def test_who_waits_too_long_is_told_and_who_leaves_the_queue_takes_no_place():
    model = Model(first=0.4)
    config = {"server": {"active": 1, "queue": 5, "queue_seconds": 0.1}}
    async with world(model, config=config) as w:
        first = asyncio.create_task(w.post(model="m"))
        await asyncio.sleep(0.1)
        gone = asyncio.create_task(w.post(model="m"))
        await asyncio.sleep(0.02)
        gone.cancel()
        assert (await w.post(model="m"))[0] == 503
        assert (await first)[0] == 200
        assert (await w.post(model="m"))[0] in (200, 503)
        assert len(model.bodies) <= 2


async def test_a_body_too_large_is_413_before_it_is_read():
    async with world(Model(), config={"server": {"max_body": 10_000}}) as w:
        big = [{"role": "user", "content": "x" * 50_000}]
        status, reply = await w.post(model="m", messages=big)
        assert (status, reply["error"]["code"]) == (413, "body_too_large")
        assert (await w.post(model="m"))[0] == 200


async def test_a_reload_changes_models_and_keys_and_disturbs_nobody():
    model, other = Model(first=0.4), Model()
    await other.up()
    async with world(model) as w:
        under_way = asyncio.create_task(w.post(model="m"))
        await model.asked()
        spec = {"spec": f"openai:m@{other.url}", "health": 0.2}
        await w.gateway.reload(parse({"models": {"new": spec}, **keyed()}))
        assert (await w.post(model="new"))[0] == 401
        assert (await w.post(model="new", headers=bearer()))[0] == 200
        assert (await w.post(model="m", headers=bearer()))[0] == 404
        assert (await under_way)[0] == 200
        with pytest.raises(UsageError):
            await w.gateway.reload(parse({"models": {"x": {"spec": "nonsense:"}}}))
        assert (await w.post(model="new", headers=bearer()))[0] == 200
    await other.down()


async def test_draining_lets_who_is_in_finish_and_nobody_else_in():
    model = Model(first=0.3)
    async with world(model) as w:
        under_way = asyncio.create_task(w.post(model="m"))
        await model.asked()
        drained = asyncio.create_task(w.gateway.admission.drained(5))
        await asyncio.sleep(0)
        status, reply = await w.post(model="m")
        assert (status, reply["error"]["code"]) == (503, "shutting_down")
        async with w.session.get(f"{w.url}/ready") as reply:
            assert reply.status == 503
        assert await drained
        assert (await under_way)[0] == 200


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"server": {"prot": 1}}, "did you mean 'port'"),
        ({"server": {"port": "80"}}, "server.port"),
        ({"server": 3}, "server=3: give a table"),
        ({"models": {"a": {"roles": {"prm": "b"}, "spec": "x"}}}, "unknown model"),
        ({"models": {"a": {}}}, "spec"),
        ({"models": {"a": {"spec": "x", "api_key": "k"}}}, "does not belong"),
        ({"models": {"a": {"spec": "x", "methods": {"sc": 3}}}}, "models.a.methods.sc=3: give a table"),
        ({"limits": {"budget": {"token": 3}}}, "limits.budget"),
    ],
)
def test_a_wrong_configuration_says_where(document, told):
    with pytest.raises(UsageError) as caught:
        parse(document)
    assert told in str(caught.value)
