"""What is known of every provider at once: its login, its last answer, its records, and what is left to do."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vibeusage import accounts, cache, credentials, found, gate, pace, providers, shown
from vibeusage.config import Config
from vibeusage.context import Context
from vibeusage.errors import NotConfigured, RateLimited, StorageError
from vibeusage.models import Instant
from vibeusage.providers.spec import Command


class Way(msgspec.Struct, frozen=True):
    """One strategy and where it looks for a login."""

    strategy: str
    places: list[str]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`state`: working, waiting, failing, not asked yet, records only, not set up, or off.

    `records` are stored calls of its tool's logs, `logs` the folders that hold some; `file` is its declaration,
    where it is one.
    """

    id: str
    name: str
    icon: str
    state: str
    source: str = ""
    asked_at: Instant | None = None
    observed_at: Instant | None = None
    records: int = 0
    synced_at: Instant | None = None
    error: str = ""
    todo: str = ""
    dashboard: str = ""
    file: str = ""
    logs: list[str] = []
    ways: list[Way] = []

    @property
    def age(self) -> str:
        """Of the newest number."""
        if self.observed_at is None:
            return ""
        return pace.age(int(self.observed_at.timestamp()), int(datetime.now(UTC).timestamp()))[0]

    @property
    def amount(self) -> str:
        return f"{self.records:,} record{'s' * (self.records != 1)}" if self.records else ""


def gathered(settings: Config, around: accounts.Surroundings, *, only: str | None = None) -> list[Row]:
    """Every account in the order in which it is shown, then tools that have records only; `only` one account."""
    wanted = [only.partition("@")[0]] if only else providers.ids()
    contexts = [ctx for name in shown.some_first(wanted, settings) for ctx in _accounts(name, settings, around)]
    gates, counts, logs = gate.load(), _counts(), _logs(settings)
    rows = [_row(ctx, gates.get(ctx.id), counts, logs, settings) for ctx in contexts if only in (None, ctx.id)]
    return rows if only else [*rows, *_records_only(counts, logs)]


def _accounts(provider_id: str, settings: Config, around: accounts.Surroundings) -> list[Context]:
    names = [provider_id, *accounts.names_of(provider_id, settings)]
    return [accounts.one(name, settings, around) for name in names]


def _counts() -> Mapping[str, tuple[int, int]]:
    """{tool: (calls, last sync in epoch ms)}; nothing where the store cannot be read, which `doctor` tells."""
    from vibeusage.records import store  # sqlite3

    try:
        with store.open(readonly=True) as opened:
            return {name: (each.calls, each.last_sync_ms) for name, each in opened.counts().items()}
    except StorageError:
        return {}


def _logs(settings: Config) -> dict[str, list[str]]:
    """{tool: the folders with its logs that are there}"""
    from vibeusage.records import background, readers

    here, chosen = background.here(), background.roots(settings)
    found: dict[str, dict[str, None]] = {}
    for reader in readers.every():
        folders = chosen.get(reader.id) or reader.roots(here)
        there = [_short(folder, here.home) for folder in folders if os.path.exists(folder)]
        found.setdefault(reader.id, {}).update(dict.fromkeys(there))
    return {name: list(folders) for name, folders in found.items()}


def _short(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)


def _row(
    ctx: Context,
    known: gate.Gate | None,
    counts: Mapping[str, tuple[int, int]],
    logs: Mapping[str, list[str]],
    settings: Config,
) -> Row:
    snapshot = cache.load_snapshot(ctx.id)
    calls, synced_ms = counts.get(ctx.id, (0, 0))
    state, todo = _state(ctx, known, settings)
    if state == "not set up" and calls:
        state = "records only"
    path = providers.path(ctx.provider.id)
    return Row(
        id=ctx.id,
        name=ctx.display_name,
        icon=ctx.provider.icon,
        state=state,
        source=snapshot.source if snapshot else "",
        asked_at=known.asked_at if known else None,
        observed_at=snapshot.observed_at if snapshot else None,
        records=calls,
        synced_at=_instant(synced_ms),
        error=known.error.message if known and known.error and state not in ("not set up", "records only") else "",
        todo=todo,
        dashboard=ctx.provider.dashboard_url,
        file="" if path.suffix == ".py" and ctx.provider.id in providers.shipped() else str(path),
        logs=logs.get(ctx.id, []),
        ways=list(_ways(ctx)),
    )


def _state(ctx: Context, known: gate.Gate | None, settings: Config) -> tuple[str, str]:
    """The state and what to do about it."""
    ids = {ctx.id, ctx.provider.id}
    only = settings.enabled_providers
    if not ctx.options.enabled or (only is not None and not ids & {*only}):
        return "off", f"`vibeusage providers enable {ctx.id}`"
    account, has_numbers = found.account(ctx), cache.load_snapshot(ctx.id) is not None
    if known and known.error and known.error.category != NotConfigured.category:
        is_waiting = known.error.category == RateLimited.category
        return "waiting" if is_waiting else "failing", known.error.hint or account.hint
    if not account.logins and not has_numbers:
        return "not set up", account.hint
    return ("working" if has_numbers else "not asked yet"), ""


def _ways(ctx: Context) -> Iterator[Way]:
    for strategy in ctx.provider.strategies:
        if isinstance(strategy, Command):
            yield Way(strategy.name, [" ".join(strategy.argv)])
            continue
        places = [credentials.where(place, ctx) for place in strategy.login if not credentials.is_closed(place, ctx)]
        yield Way(strategy.name, list(dict.fromkeys(filter(None, places))))


def _records_only(counts: Mapping[str, tuple[int, int]], logs: Mapping[str, list[str]]) -> Iterator[Row]:
    """Tools whose logs are read and that have no quota anywhere to ask for, such as Continue."""
    from vibeusage.records import readers

    for name, reader in readers.load_all().items():
        if name not in providers.ids():
            calls, synced_ms = counts.get(name, (0, 0))
            state = "records only" if calls else "not set up"
            todo = "" if calls else "it has no quota to ask for; `vibeusage records sync` reads its logs"
            synced_at = _instant(synced_ms)
            yield Row(
                id=name,
                name=reader.name,
                icon="·",
                state=state,
                records=calls,
                synced_at=synced_at,
                todo=todo,
                logs=logs.get(name, []),
            )


def _instant(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
