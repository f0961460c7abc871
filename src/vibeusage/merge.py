"""What is newest of several sources of one account: snapshots of one another, and passive table rows over them.

Per period the newest instant wins; what a source does not know stays, with its own age.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from vibeusage import table
from vibeusage.models import OverageUsage, PeriodType, UsagePeriod, UsageSnapshot

DAY_S = 86_400
SHORT = {
    PeriodType.SESSION: "5h",
    PeriodType.DAILY: "24h",
    PeriodType.WEEKLY: "7d",
    PeriodType.MONTHLY: "30d",
}


def newest(old: UsageSnapshot | None, new: UsageSnapshot, *, is_partial: bool, now: datetime) -> UsageSnapshot:
    """The one to keep; a partial `new` lacks what its source does not know."""
    if old is None or old.observed_at > now + timedelta(seconds=table.FUTURE_S):
        return new
    if not is_partial:
        latest = new if new.observed_at >= old.observed_at else old
        return msgspec.structs.replace(latest, identity=new.identity or old.identity)
    mine, theirs = _dated(old), _dated(new)
    newer = {name: found for name, found in theirs.items() if name not in mine or _later(found, mine[name], now)}
    return msgspec.structs.replace(
        old,
        fetched_at=new.fetched_at,
        periods=tuple({**mine, **newer}.values()),
        identity=new.identity or old.identity,
        overage=new.overage or old.overage,
        balance=new.balance or old.balance,
    )


def _dated(snapshot: UsageSnapshot) -> dict[str, UsagePeriod]:
    """The periods by name, each with its own instant and source."""
    return {
        period.name: msgspec.structs.replace(
            period, observed_at=period.observed_at or snapshot.observed_at, source=period.source or snapshot.source
        )
        for period in snapshot.periods
    }


def _later(one: UsagePeriod, other: UsagePeriod, now: datetime) -> bool:
    """An instant from the future proves nothing, so it loses against any other."""
    if one.observed_at is None:
        return False
    latest = now + timedelta(seconds=table.FUTURE_S)
    return other.observed_at is None or one.observed_at >= other.observed_at or other.observed_at > latest


def fold(account: str, snapshot: UsageSnapshot | None, rows: dict[str, tuple], now: int) -> UsageSnapshot:
    """Lay passive `rows` over `snapshot`: per period the newest instant wins, the rest keeps its own age."""
    mine = {period.name: period for period in snapshot.periods} if snapshot else {}
    known = {account: {period.name: _row(period, snapshot) for period in mine.values()}} if snapshot else {}
    merged = table.merge(known, {account: rows}, now)[account]
    periods = tuple(
        mine[name] if name in mine and row == _row(mine[name], snapshot) else _period(name, row)
        for name, row in merged.items()
    )
    newest = max((row[4] for row in merged.values()), default=0)
    provider, _, who = account.partition("@")
    if snapshot is None:
        seen = datetime.fromtimestamp(newest, UTC)
        return UsageSnapshot(
            provider=provider,
            account=who or None,
            fetched_at=seen,
            observed_at=seen,
            source="statusline",
            periods=periods,
        )
    return msgspec.structs.replace(snapshot, periods=periods)


def rows(snapshot: UsageSnapshot) -> dict[str, tuple]:
    """A table row per period; where several would be called alike, each says more of itself."""
    rows = {period.name: _row(period, snapshot) for period in snapshot.periods}
    longer = {one.name: f"{one.model} {_length(one)}" if one.model else one.name for one in snapshot.periods}
    for labels in (longer, {name: name for name in rows}):
        shorts = [row[0] for row in rows.values()]
        rows = {name: (labels[name], *row[1:]) if shorts.count(row[0]) > 1 else row for name, row in rows.items()}
    return rows


def _length(period: UsagePeriod) -> str:
    """`5h`, `7d`; of a length that is not the usual one, that length."""
    usual, seconds = period.period_type.hours * 3600, period.window.total_seconds()
    if period.period_type is PeriodType.SESSION or seconds < DAY_S / 2:
        return f"{round(seconds / 3600, 1):g}h"
    is_usual = abs(seconds - usual) <= usual / 4
    return SHORT[period.period_type] if is_usual else f"{round(seconds / DAY_S, 1):g}d"


def _row(period: UsagePeriod, snapshot: UsageSnapshot | None) -> tuple:
    """A table row of one period; instants as epoch seconds, 0 where unknown."""
    seen = period.observed_at or (snapshot.observed_at if snapshot else None)
    return (
        period.model or _length(period),
        period.window_seconds or period.period_type.hours * 3600,
        period.utilization,
        int(period.resets_at.timestamp()) if period.resets_at else 0,
        int(seen.timestamp()) if seen else 0,
        period.source or (snapshot.source if snapshot else ""),
        "model" if period.model else "window",
    )


def overage_row(overage: OverageUsage | None, snapshot: UsageSnapshot) -> tuple | None:
    used = overage.utilization() if overage and overage.is_enabled else None
    if overage is None or used is None:
        return None
    resets_at = int(overage.resets_at.timestamp()) if overage.resets_at else 0
    return "extra", 0, used, resets_at, int(snapshot.observed_at.timestamp()), snapshot.source, "extra"


def _period(name: str, row: tuple) -> UsagePeriod:
    short, window_s, utilization, resets_at, observed_at, source, kind = row
    return UsagePeriod(
        name=name,
        utilization=utilization,
        period_type=PeriodType.nearest(window_s),
        resets_at=datetime.fromtimestamp(resets_at, UTC) if resets_at else None,
        model=short if kind == "model" else None,
        window_seconds=window_s or None,
        observed_at=datetime.fromtimestamp(observed_at, UTC),
        source=source,
    )
