"""What the pages show, read from the cache and the store: each reading opens what it needs and closes it again."""

import os
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from vibeusage import accounts, cache, config, labels, overview, provider_states, redact
from vibeusage.config import Config
from vibeusage.dashboard import changes, facts, options
from vibeusage.errors import Unavailable
from vibeusage.records import days, heatmap, history, reading, reports, store, tally
from vibeusage.records.reports import Query, Report
from vibeusage.records.stored import Stored
from vibeusage.render import Entry

RECENT_DAYS = 90
PAST_S = 60 * 86_400
NAMES = {"machines.name": "machine", "storage.url": "host"}  # settings that are names of what `redact` labels
PARTS = {"weekly": "daily", "monthly": "daily", "yearly": "monthly"}  # what a span is plotted by


class Ask(NamedTuple):
    """`kind` of reading; `back`: how many weeks, months or years before this one; `provider`: of its records only."""

    kind: str
    back: int = 0
    provider: str = ""


class Quotas(msgspec.Struct, frozen=True):
    entries: list[Entry]


class Recent(msgspec.Struct, frozen=True):
    """The last days, today included, one by one."""

    report: Report
    first: date
    last: date

    @property
    def source(self) -> str:
        return self.report.source


class Past(msgspec.Struct, frozen=True):
    """The quotas' windows of the last weeks."""

    windows: list[history.Window]


class Span(msgspec.Struct, frozen=True):
    """A week, month or year: by its parts, by model and by tool; `tools` are those with records at any time."""

    period: str
    first: date
    last: date
    parts: Report
    models: Report
    providers: Report
    tools: tuple[str, ...]

    @property
    def source(self) -> str:
        return self.parts.source


class Year(msgspec.Struct, frozen=True):
    report: Report
    first: date
    last: date

    @property
    def source(self) -> str:
        return self.report.source


class Devices(msgspec.Struct, frozen=True):
    every: Report
    month: Report

    @property
    def source(self) -> str:
        return self.every.source


class Breakdown(msgspec.Struct, frozen=True):
    """A month by provider and by model; `idle` are those with numbers or records that have none in it."""

    first: date
    providers: Report
    models: Report
    idle: tuple[str, ...]
    tools: tuple[str, ...]

    @property
    def source(self) -> str:
        return self.providers.source


class States(msgspec.Struct, frozen=True):
    rows: list[provider_states.Row]


class Settings(msgspec.Struct, frozen=True):
    items: list[options.Item]
    about: facts.Facts | None = None


class Source:
    """Reads, one thing at a time; keeps the prices as long as nothing that they come from has changed.

    A server that could not be reached is asked again a minute later: seconds may pass until that is known, for each
    reading. `redacted`: with labels in the place of names.
    """

    def __init__(self, *, redacted: bool = False) -> None:
        self._pricer: tuple[changes.Token, tally.Pricer] | None = None
        self._away: changes.Token | None = None
        self._redacted = redacted

    def load(self, ask: Ask, now: datetime) -> object:
        """Raises VibeusageError."""
        settings = accounts.in_force(config.load(), os.environ)
        match ask.kind:
            case "quotas":
                return quotas((), settings, now, redacted=self._redacted)
            case "past":
                return past(settings, now, redacted=self._redacted)
            case "states" | "settings" | "configure":
                found = self._managed(ask, settings)
                return _hidden(found, redact.of_this_machine(os.environ, settings)) if self._redacted else found
        return self._of_records(ask, settings, now)

    def _managed(self, ask: Ask, settings: Config) -> States | Settings:
        match ask.kind:
            case "states":
                around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=False)
                return States(provider_states.gathered(settings, around))
            case "settings":
                return Settings(options.of_all(), facts.gathered(settings))
        return Settings(options.of_provider(ask.provider))

    def _of_records(self, ask: Ask, settings: Config, now: datetime) -> object:
        zone = days.zone()
        today = now.astimezone(zone).date()
        query = Query(zone=zone, names=labels.stable() if self._redacted else lambda kind, name: name)
        prices = self._prices(settings, today)
        return self._read(settings, lambda opened: _of_records(ask, opened, prices, query, today))

    def _read(self, settings: Config, ask: Callable[[Stored], object]) -> object:
        if self._away == changes.server(settings):
            return reading.instead(ask)

        def note(reason: Unavailable) -> None:
            self._away = changes.server(settings)

        return reading.read(settings, ask, on_fallback=note)

    def _prices(self, settings: Config, today: date) -> tally.Pricer:
        token = changes.records(settings, today)
        if self._pricer is None or self._pricer[0] != token:
            self._pricer = token, tally.pricer(settings.pricing)
        return self._pricer[1]


def _of_records(ask: Ask, opened: Stored, pricer: tally.Pricer, query: Query, today: date) -> object:
    only = (ask.provider,) if ask.provider else ()

    def of(kind: str, first: date | None, last: date | None) -> Report:
        asked = msgspec.structs.replace(query, since=first, until=last, providers=only)
        made = reports.periods if kind in days.PERIODS else reports.groups
        return made(kind, opened, pricer, asked)

    match ask.kind:
        case "recent":
            first = today - timedelta(days=RECENT_DAYS - 1)
            return Recent(of("daily", first, today), first, today)
        case "heatmap":
            last = _years_before(today, ask.back)
            first = heatmap.since(last, days.MONDAY)
            return Year(of("daily", first, last), first, last)
        case "devices":
            return Devices(of("devices", None, None), of("devices", today.replace(day=1), today))
        case "providers":
            first, last = span_of("monthly", today, ask.back)
            found = of("providers", first, last)
            tools, seen = _tools(opened), {row.provider for row in found.rows}
            asked = {name.partition("@")[0] for name in cache.load_snapshots()}
            idle = () if only else tuple(sorted({*tools, *asked} - seen))
            return Breakdown(first, found, of("models", first, last), idle, tools)
    first, last = span_of(ask.kind, today, ask.back)
    parts = of(PARTS[ask.kind], first, last)
    return Span(ask.kind, first, last, parts, of("models", first, last), of("providers", first, last), _tools(opened))


def _hidden(found: States | Settings, shown_as: redact.Redaction) -> States | Settings:
    """What is no account, mail, path or host in itself has its own label."""
    if isinstance(found, Settings):
        kinds = [NAMES.get(item.key, "") for item in found.items]
        items = [
            item._replace(value=shown_as.label(kind, item.value)) if kind and item.value else item
            for kind, item in zip(kinds, found.items, strict=True)
        ]
        about = found.about
        if about:
            about = msgspec.structs.replace(about, machine=shown_as.label("machine", about.machine))
        found = Settings(items, about)
    return shown_as.struct(found)


def quotas(names: Sequence[str], settings: Config, now: datetime, *, redacted: bool) -> Quotas:
    """Of these, else of all that are shown. Raises ConfigError for a name that nobody knows."""
    known = overview.known(names, settings, now)
    if redacted:
        known = overview.redacted(known, redact.of_this_machine(os.environ, settings))
    return Quotas(overview.entries(known))


def past(settings: Config, now: datetime, *, redacted: bool) -> Past:
    instant = int(now.timestamp())
    with store.open(readonly=True) as opened:
        found = history.windows(opened, now=instant, since=instant - PAST_S)
    if redacted:
        label = redact.of_this_machine(os.environ, settings).account
        found = [msgspec.structs.replace(window, account=label(window.account)) for window in found]
    return Past(found)


def _tools(opened: Stored) -> tuple[str, ...]:
    return tuple(sorted({provider for provider, _ in opened.models()}))


def span_of(period: str, today: date, back: int) -> tuple[date, date]:
    """The first and the last day of the period that is `back` ones before that of `today`."""
    first = days.first_of(period, today)
    for _ in range(back):
        first = days.first_of(period, first - timedelta(days=1))
    return first, days.after(period, first) - timedelta(days=1)


def _years_before(day: date, back: int) -> date:
    year = day.year - back
    return day.replace(year=year, day=min(day.day, monthrange(year, day.month)[1]))
