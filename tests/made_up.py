"""A home with numbers of some providers and a year of records, the same for every test. Every value is invented."""

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from vibeusage import cache, paths
from vibeusage.models import Balance, PeriodType, ProviderIdentity, UsagePeriod, UsageSnapshot
from vibeusage.records import store
from vibeusage.records.readers.spec import Call
from vibeusage.settings import ModelPrices

NOW = datetime(2026, 11, 26, 12, 24, tzinfo=UTC)
SESSION, DAILY, WEEKLY, MONTHLY = PeriodType
MODELS = {"claude": ("big-1", "middle-1", "small-1"), "codex": ("other-2", "own-weights"), "gemini": ("third-3",)}
MACHINES = {"claude": ("laptop", "desktop"), "codex": ("laptop",), "gemini": ("build-server",)}
# "own-weights" has none; the shipped table would change the golden texts
PRICES = {
    "big-1": ModelPrices(5.0, 25.0, 6.25, 10.0, 0.5),
    "middle-1": ModelPrices(3.0, 15.0, 3.75, 6.0, 0.3),
    "small-1": ModelPrices(1.0, 5.0),
    "other-2": ModelPrices(1.25, 10.0, None, None, 0.125),
    "third-3": ModelPrices(2.0, 12.0, None, None, 0.2),
}


def snapshots(now: datetime = NOW) -> Iterator[UsageSnapshot]:
    def one(provider: str, *periods: UsagePeriod, age_min: int = 3, **fields: Any) -> UsageSnapshot:
        seen = now - timedelta(minutes=age_min)
        told: dict[str, Any] = {"fetched_at": seen, "observed_at": seen, "source": "oauth", **fields}
        return UsageSnapshot(provider=provider, periods=periods, **told)

    def period(name: str, used: float, kind: PeriodType, model: str | None = None, **left: int) -> UsagePeriod:
        resets_at = now + timedelta(**left)
        return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at, model=model)

    yield one(
        "claude",
        period("Session (5h)", 42.0, SESSION, hours=2, minutes=13),
        period("Weekly", 81.0, WEEKLY, days=3, hours=4),
        period("Opus", 64.0, WEEKLY, "opus", days=3, hours=4),
        identity=ProviderIdentity(plan="Max 20x", email="me@example.com"),
    )
    yield one("codex", period("Session (5h)", 17.3, SESSION, minutes=65), period("Weekly", 57.0, WEEKLY, days=6))
    yield one("copilot", period("Premium", 100.0, MONTHLY, days=4, hours=11), age_min=26 * 60)
    yield one("deepseek", balance=Balance(Decimal("12.40")))


def store_snapshots(some: Iterable[UsageSnapshot]) -> None:
    for snapshot in some:
        cache.save_snapshot(snapshot, "")
    cache.compile_line()


def fill(path: Path, now: datetime = NOW, *, days: int = 400, a_day: int = 9) -> None:
    """Weekdays with more than weekends, the last calls an hour ago."""
    rng = random.Random(7)
    with store.open(path) as opened:
        for provider, models in MODELS.items():
            for machine in MACHINES[provider]:
                calls = _calls(rng, provider + machine, models, now, days, a_day)
                opened.put(provider, calls, machine=machine)


def _calls(
    rng: random.Random, name: str, models: tuple[str, ...], now: datetime, days: int, a_day: int
) -> Iterator[Call]:
    for back in range(days):
        day = now - timedelta(days=back, hours=1)
        for number in range(rng.randrange(a_day) if day.weekday() < 5 else rng.randrange(3)):
            yield Call(
                uuid=f"{name}-{back}-{number}",
                ts=int((day - timedelta(minutes=7 * number)).timestamp() * 1000),
                session=f"{name}-{back}",
                model=rng.choice(models),
                folder=f"/home/ana/p{rng.randrange(5)}",
                served_by="anthropic" if name.startswith("claude") else "openai",
                input=rng.randrange(1, 4000),
                output=rng.randrange(20, 1_800),
                write=rng.randrange(200, 9_000),
                read=rng.randrange(4_000, 150_000),
            )


def declare(count: int) -> None:
    """So many providers of one's own, in providers.d."""
    folder = paths.config_dir() / "providers.d"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(count):
        text = f'name = "Own {number}"\nenv = ["OWN_{number}_KEY"]\nurl = "https://own{number}.example/v2/usage"\n'
        period = '[[period]]\nname = "Weekly"\ntype = "weekly"\npercent = "used"\n'
        (folder / f"own{number}.toml").write_text(text + period)


def of_declared(count: int, periods: tuple[UsagePeriod, ...], now: datetime = NOW) -> Iterator[UsageSnapshot]:
    told: dict[str, Any] = {"fetched_at": now, "observed_at": now, "source": "api_key", "periods": periods}
    return (UsageSnapshot(provider=f"own{number}", **told) for number in range(count))
