"""Every report is the same on a PostgreSQL server as on usage.db, whatever is asked of whatever calls."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage.records import activity, blocks, heatmap, insights, pricing, push, reports, rollup, server, store
from vibeusage.records.blocks import Live
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.reports import Query
from vibeusage.records.server import Server
from vibeusage.records.store import Store
from vibeusage.records.stored import LOCAL, Stored
from vibeusage.records.tally import Pricer
from vibeusage.settings import Config, ModelPrices, Pricing

pytestmark = pytest.mark.slow
DAY, HOUR, QUARTER = 86_400_000, 3_600_000, 900_000
START = int(datetime(2025, 9, 20, tzinfo=UTC).timestamp() * 1000)
NOW = datetime(2025, 12, 24, 12, tzinfo=UTC)
TOOLS = ("claude", "claude", "codex", "copilot", "cursor", "continue", "claude-api")
MODELS = ("claude-opus-4-5-20251101", "claude-sonnet-4-5", "gpt-5-codex", "own", "nobody-knows", "")
FOLDERS = ("/home/ana/p1", "/home/ana/p1/sub", "/home/ana/50%_ü", "C:\\p?", "", "'; DROP TABLE names", "🦀/" * 900)
PRICER = Pricer(pricing.load(Pricing(models={"own": ModelPrices(1.0, 2.0, 3.0, 4.0, 0.5)})), {"codex": "auto"})
ZONES = [UTC, *map(ZoneInfo, ("Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"))]
DATES = st.none() | st.dates(date(2025, 9, 15), date(2025, 12, 25))
WINDOW = Live(START + 80 * DAY, START + 80 * DAY + 5 * HOUR, 42.0)
KINDS = ("daily", "weekly", "monthly", "yearly", *reports.GROUPS, "blocks", "heatmap", activity.KIND, insights.KIND)
QUERIES = st.builds(
    Query,
    zone=st.sampled_from(ZONES),
    since=DATES,
    until=DATES,
    providers=st.lists(st.sampled_from([*TOOLS, "nobody"]), max_size=2).map(tuple),
    model=st.sampled_from(["", "", "opus", "gpt-5*", "none like this"]),
    project=st.sampled_from(["", "", "/home/ana/p1", "50%_", "none like this"]),
    breakdown=st.booleans(),
    week_start=st.sampled_from([0, 6]),
)


def made_up(rng: random.Random, number: int) -> tuple[str, str, Call]:
    """(provider, machine, call) of anything that logs may say, many at the same instant."""
    provider = rng.choice(TOOLS)
    kind = rng.choice(("assistant", "assistant", "subagent", "aggregate", "estimate"))
    data: dict[str, Any] | None = {"kind": rng.choice("ab")} if provider == "cursor" else None
    if provider in ("copilot", "continue") and rng.random() < 0.3:
        kind, data = FACTS, {"languages": {"py": rng.randrange(9)}, "contexts": {rng.choice("xyz"): 1}}
    found = Call(
        uuid=f"{provider}-{number:x}-ä?%s",
        ts=START + rng.randrange(90) * DAY + rng.choice((0, 1, 5)) * HOUR + rng.randrange(40) * QUARTER // 7,
        session=f"s{rng.randrange(60)}",
        model=rng.choice(MODELS),
        folder=rng.choice(FOLDERS),
        branch=rng.choice(("main", "", "fix/%(name)s")),
        version=rng.choice(("1", "")),
        input=rng.randrange(0, 300_000),
        output=rng.randrange(0, 2000),
        write=rng.choice((0, 900)),
        write_1h=rng.choice((0, 400)),
        read=rng.choice((0, 150_000)),
        rank=rng.choice((0, 0, 0, 1)),
        order=rng.choice((0, 0, 7)),
        kind=kind,
        complete=rng.random() < 0.9,
        served_by=rng.choice(("anthropic", "")),
        speed=rng.choice(("", "", "fast")),
        searches=rng.choice((0, 0, 2)),
        cost=rng.choice((None, 10**9)),
        notes=("long",) if kind == "aggregate" else (),
        data=data,
    )
    return provider, rng.choice(("desk", "laptop")), found


def fill(local: Store, seed: int, count: int) -> None:
    rng, found = random.Random(seed), defaultdict(list)
    for number in range(count):
        provider, machine, call = made_up(rng, number)
        found[provider, machine].append(call)
    for (provider, machine), calls in found.items():
        local.put(provider, calls, machine=machine)


def sums(stored: Stored, by: tuple[str, ...] = rollup.BY) -> list[rollup.RollupRow]:
    return sorted(stored.rollup(by=by), key=repr)


def asked(kind: str, stored: Stored, query: Query, limit: int, by: str, live: dict[str, Live]) -> Any:
    match kind:
        case "blocks":
            now_ms = int(NOW.timestamp() * 1000)
            found: Any = blocks.report(stored, PRICER, query, now_ms=now_ms, live=live, limit=limit)
        case "heatmap":
            found = heatmap.levelled(reports.periods("daily", stored, PRICER, query, limit=limit), by)
        case activity.KIND:
            found = activity.report(stored, PRICER, query, limit=limit)
        case insights.KIND:
            around = insights.Surroundings(now=NOW, settings=Config())
            found = insights.report(stored, PRICER, insights.query_of(query, NOW.date()), around, limit=limit)
        case kind if kind in reports.GROUPS:
            found = reports.groups(kind, stored, PRICER, query, limit=limit)
        case period:
            found = reports.periods(period, stored, PRICER, query, limit=limit)
    told = {"synced_at": None} if kind != activity.KIND else {}
    return msgspec.structs.replace(found, source=LOCAL, **told)


@pytest.fixture(scope="module")
def both(cluster, tmp_path_factory) -> Iterator[list[tuple[Store, Server]]]:
    """Stores with anything in them, each with a server that was sent all of it."""
    found = []
    for seed, count in ((1, 4_000), (2, 300), (3, 0)):
        local = store.open(tmp_path_factory.mktemp("both") / "usage.db")
        fill(local, seed, count)
        address = cluster.database(f"both{seed}")
        with server.writer(address) as remote:
            push._sent(local, remote, address, float("inf"), lambda sent, total: None)
        found.append((local, server.reader(address)))
    yield found
    for local, remote in found:
        local.close()
        remote.close()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, limit=st.sampled_from([0, 0, 1, 5]), by=st.sampled_from(heatmap.MEASURES), data=st.data())
def test_every_report_is_the_same_on_a_server(kind, query, limit, by, data, both):
    local, remote = data.draw(st.sampled_from(both), label="store")
    live = data.draw(st.sampled_from([{}, {"claude": WINDOW}]), label="live")
    assert asked(kind, remote, query, limit, by, live) == asked(kind, local, query, limit, by, live)


def test_all_that_reports_ask_a_store_for_is_the_same_on_a_server(both):
    for local, remote in both:
        assert sums(remote) == sums(local)
        assert (remote.span(), remote.models()) == (local.span(), local.models())
        assert {kind: {*remote.named(kind).values()} for kind in ("model", "folder")} == {
            kind: {*local.named(kind).values()} for kind in ("model", "folder")
        }
        assert list(remote.calls()) == list(local.calls())
        counted = {name: (one.calls, one.first_ms, one.last_ms) for name, one in local.counts().items()}
        assert {name: (one.calls, one.first_ms, one.last_ms) for name, one in remote.counts().items()} == counted
