"""What the numbers mean: other models' prices, the cache, the dearest work, plans, and what to use now.

Every sum comes with its terms; what is an estimate is called one, and what is not known is None.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import msgspec

from vibeusage.models import Instant, ProviderStatus, UsageSnapshot
from vibeusage.records import days, reports
from vibeusage.records.insights import advice, caching, comparison, dearest, plans
from vibeusage.records.insights.advice import Choice, Used
from vibeusage.records.insights.caching import Caching
from vibeusage.records.insights.comparison import Comparison, Priced
from vibeusage.records.insights.dearest import Dear
from vibeusage.records.insights.plans import PlanRow
from vibeusage.records.reports import Query, Reading, Unpriced
from vibeusage.records.stored import LOCAL, Stored
from vibeusage.records.tally import Pricer, Row
from vibeusage.settings import Config

KIND = "insights"
SPAN = timedelta(days=30)  # without a first day
LIMIT = 5  # projects and sessions


class Insights(msgspec.Struct, frozen=True, kw_only=True):
    """`total` is that of the other reports for the same calls. `choices`: the first is what to use now, if its
    verdict is `use`, `with care` or `pays by use`."""

    schema: int = 1
    report: str = KIND
    source: str = LOCAL
    zone: str
    since: date | None
    until: date | None
    records_since: date | None
    synced_at: Instant | None
    prices_as_of: date
    total: Row
    unpriced: tuple[Unpriced, ...]
    left_out: tuple[str, ...]
    comparison: Comparison
    cache: Caching
    projects: tuple[Dear, ...]
    sessions: tuple[Dear, ...]
    plans: tuple[PlanRow, ...]
    choices: tuple[Choice, ...]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the records: cached snapshots by account, statuses by provider, the settings, the time."""

    now: datetime
    settings: Config
    snapshots: Mapping[str, UsageSnapshot] = {}
    statuses: Mapping[str, ProviderStatus] = {}


def query_of(query: Query, today: date) -> Query:
    """With a first day: of the last thirty days, where none is asked for."""
    last = query.until or today
    return query if query.since else msgspec.structs.replace(query, since=last - SPAN + timedelta(days=1))


def report(store: Stored, pricer: Pricer, query: Query, around: Surroundings, *, limit: int = 0) -> Insights:
    """`limit` is for projects and sessions each."""
    own = [name for name, prices in around.settings.pricing.models.items() if prices.input is not None]
    reading = Reading(store, pricer, query, also=comparison.candidates(own))
    rows = list(reading.rows(*reading.whole()))
    whole = reading.report("models", [], [reading.sum()], hidden=0)
    projects, sessions = _dear(reading, rows, limit or LIMIT)
    chosen = _choices(rows, pricer, query, around)
    return Insights(
        source=whole.source,
        zone=whole.zone,
        since=query.since,
        until=query.until,
        records_since=whole.records_since,
        synced_at=whole.synced_at,
        prices_as_of=whole.prices_as_of,
        total=whole.total,
        unpriced=whole.unpriced,
        left_out=whole.left_out,
        comparison=comparison.compared(rows, pricer.prices, own),
        cache=caching.saved((row for row, _ in rows), pricer.prices),
        projects=projects,
        sessions=sessions,
        plans=_plans(store, pricer, query, around),
        choices=chosen,
    )


def _dear(reading: Reading, rows: Priced, limit: int) -> tuple[tuple[Dear, ...], tuple[Dear, ...]]:
    prices, names = reading.pricer.prices, reading.query.names
    everything = dearest.grouped(rows, prices, lambda row: "").get("") or dearest.Seen()
    by_folder = dearest.grouped(reading.rows(*reading.whole(), ("folder",)), prices, lambda row: row.folder)
    projects = [
        dearest.told(seen, everything, project=names("project", folder))
        for folder, seen in dearest.dearest(by_folder, limit)
    ]
    sessions = [
        dearest.told(
            seen,
            everything,
            provider=provider,
            session=names("session", session),
            project=names("project", max(seen.projects, key=lambda one: seen.projects[one])),
        )
        for (provider, session), seen in dearest.dearest(_sessions(reading, limit), limit)
    ]
    return tuple(projects), tuple(sessions)


def _sessions(reading: Reading, limit: int) -> dict[tuple[str, str], dearest.Seen]:
    """The dearest ones, looked at closely; of all the others the sum alone, as there are many."""
    amounts: dict[tuple[str, str], int] = {}
    for row, cost in reading.rows(*reading.whole(), ("session",)):
        key = row.provider, row.session_id
        amounts[key] = amounts.get(key, 0) + (cost.amount or 0)
    dear = {*sorted(amounts, key=lambda key: (-amounts[key], str(key)))[:limit]}
    ids = reading.store.ids({name for _, name in dear})
    rows = reading.rows(*reading.whole(), ("session", "folder"), ids)
    mine = (one for one in rows if (one[0].provider, one[0].session_id) in dear)
    return dearest.grouped(mine, reading.pricer.prices, lambda row: (row.provider, row.session_id))


def _plans(store: Stored, pricer: Pricer, query: Query, around: Surroundings) -> tuple[PlanRow, ...]:
    """Of the month of the last day."""
    today = around.now.astimezone(query.zone).date()
    now_ms = int(around.now.timestamp() * 1000)
    last = min(query.until or today, today)
    spent = reports.this("monthly", store, pricer, days.start_ms(last, query.zone), query.zone)
    told = {
        one.provider: one.identity.plan
        for one in [*around.snapshots.values()][::-1]  # of several accounts the first
        if one.identity and one.identity.plan
    }
    options = around.settings.plans
    return plans.compared(spent, options, told, zone=query.zone, now_ms=now_ms, providers=query.providers)


def _choices(rows: Priced, pricer: Pricer, query: Query, around: Surroundings) -> tuple[Choice, ...]:
    wanted = {
        name: one
        for name, one in around.snapshots.items()
        if not query.providers or {name, one.provider} & {*query.providers}
    }
    tools = {one.provider for one in wanted.values()}
    used = {tool: _used([one for one in rows if one[0].provider == tool], pricer) for tool in tools}
    stale_after = timedelta(seconds=around.settings.fetch.stale_after_s)
    found = advice.choices(wanted, used, around.statuses, now=around.now, stale_after=stale_after)
    return tuple(msgspec.structs.replace(one, account=_label(one.account, query)) for one in found)


def _label(account: str, query: Query) -> str:
    provider, at, name = account.partition("@")
    return f"{provider}{at}{query.names('account', name)}" if name else account


def _used(rows: Priced, pricer: Pricer) -> Used:
    known = [(row, cost) for row, cost in rows if cost.amount is not None]
    models = comparison.at_used(known, pricer.prices)
    pico = sum(cost.amount or 0 for _, cost in known) if known else None
    return Used(sum(row.calls for row, _ in known), pico, models)
