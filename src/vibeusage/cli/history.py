"""What the quotas were: each window that has passed, how far it was used, and when it was used up.

Kept after each refresh for `history.days` days. Dates are days of this machine's zone, both inclusive: 2026-03-31,
`today`, `yesterday`, or `7d` for the last seven days. Pace is what was used over the share of the window that had
passed when it was last seen: 1.00 uses all of it up just at the reset.
"""

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import TypeVar

import msgspec

from vibeusage import accounts, config, pace, terminal
from vibeusage.cli.report_csv import harmless
from vibeusage.errors import ConfigError
from vibeusage.escape import width
from vibeusage.figures import counted
from vibeusage.records import days, history, store
from vibeusage.records.history import Trend, Window
from vibeusage.records.quotas import ALL
from vibeusage.terminal import Line, Style, cut, painted, wrapped

LIMIT = 10  # windows of each name, for people
RISING, RISING_ASCII = "▁▂▃▄▅▆▇█", "_.-~=+*#"
SPARKS = 60
GAP = 2
COLUMNS = ("Start", "Reset", "Peak", "Used up", "Pace")
NUMBERS = ("Peak", "Pace")
GOES = ("Start", "Pace", "Used up")  # the first one first, where room is short
CSV = ("account", "window", "model", "start", "resets_at", "first_at", "last_at", "used", "peak", "used_up_at", "pace")


_Named = TypeVar("_Named", Window, Trend)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The document; windows and trends are by account, name and time."""

    schema: int = 1
    zone: str
    since: date | None
    until: date | None
    windows: list[Window]
    trends: list[Trend]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add("provider", nargs="*", metavar="PROVIDER", help="a provider or account; default: all")
    add("--since", metavar="DAY", help="the first day")
    add("--until", metavar="DAY", help="the last day")
    add("--limit", type=int, default=LIMIT, metavar="N", help=f"the newest N windows of each name (default: {LIMIT})")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", "-j", action="store_true", help="print all windows as JSON")
    form.add_argument("--csv", action="store_true", help="print all windows as CSV")
    add("--redact", action="store_true", help="labels for accounts")
    add("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings, now, zone = config.load(), datetime.now(UTC), days.zone()
    found = _found(args.provider, *_range(args, now.astimezone(zone).date()), zone, now)
    if args.redact:
        found = _redacted(found, settings)
    if args.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    if args.csv:
        sys.stdout.write(as_csv(found.windows))
        return 0
    if not found.windows:
        print(_nothing(settings, found), file=sys.stderr)
        return 0
    style = terminal.environment_style(sys.stdout, remaining=False, stale_after_s=0, no_color=args.no_color)
    print(text(found, style, zone, now, limit=max(1, args.limit)))
    return 0


def _range(args: argparse.Namespace, today: date) -> tuple[date | None, date | None]:
    since = days.parse(args.since, today) if args.since else None
    until = days.parse(args.until, today) if args.until else None
    if since and until and since > until:
        raise ConfigError(f"--since {since} is after --until {until}", hint="both days are included")
    return since, until


def _found(wanted: Sequence[str], since: date | None, until: date | None, zone: tzinfo, now: datetime) -> History:
    first = days.start_ms(since, zone) // 1000 if since else 0
    last = days.start_ms(until + timedelta(days=1), zone) // 1000 if until else ALL
    with store.open(readonly=True) as opened:
        every = history.windows(opened, now=int(now.timestamp()), since=first, until=last)
    mine = [window for window in every if not wanted or {window.account, window.account.partition("@")[0]} & {*wanted}]
    for name in wanted:
        if not any(name in (window.account, window.account.partition("@")[0]) for window in every):
            accounts.provider_of(name)
    named = days.name_of(zone)
    return History(zone=named, since=since, until=until, windows=mine, trends=history.trends(mine))


def _redacted(found: History, settings: config.Config) -> History:
    from vibeusage import redact  # reads every provider and snapshot

    shown_as = redact.of_this_machine(os.environ, settings)

    def shown(one: _Named) -> _Named:
        return msgspec.structs.replace(one, account=shown_as.account(one.account), name=shown_as.text(one.name))

    return msgspec.structs.replace(found, windows=[*map(shown, found.windows)], trends=[*map(shown, found.trends)])


def _nothing(settings: config.Config, found: History) -> str:
    if not settings.history.days:
        return "no history is kept: history.days is 0"
    return "no windows of these days are known" if found.since or found.until else (
        "no history is known yet: each refresh adds to it (`vibeusage refresh`)"
    )


def as_csv(found: Iterable[Window]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV)
    for window in found:
        instants = [window.start, window.resets_at, window.first_at, window.last_at]
        start, resets_at, first_at, last_at, used_up_at = (_iso(at) for at in (*instants, window.used_up_at))
        names = map(harmless, (window.account, window.name, window.model))
        counts = [window.used, window.peak, used_up_at, "" if window.pace is None else window.pace]
        writer.writerow([*names, start, resets_at, first_at, last_at, *counts])
    return out.getvalue()


def _iso(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""


def text(found: History, style: Style, zone: tzinfo, now: datetime, *, limit: int) -> str:
    """A block for each window's name: its peaks as a line, what they come to, and the newest windows."""
    title = ["Quota history", f"{found.since or 'the first day'} to {found.until or 'today'}", style.text(found.zone)]
    lines: list[Line] = [[("", line)] for line in wrapped(style.glyphs.separator.join(title), style.columns)]
    by_name = groupby(found.windows, key=lambda window: (window.account, window.name))
    for trend, (_, of_one) in zip(found.trends, by_name, strict=True):
        mine = list(of_one)
        lines += [[], *_head(trend, mine, style), *_table(mine[-limit:], style, zone)]
        if len(mine) > limit:
            lines.append([("dim", f"  {len(mine) - limit:,} earlier not shown")])
    return "\n".join(painted(cut(line, style.columns, style), style).rstrip() for line in lines)


def _head(trend: Trend, mine: Sequence[Window], style: Style) -> list[Line]:
    name = f"{style.text(trend.account)}  {style.text(trend.name)}"
    room = min(SPARKS, style.columns - GAP)
    sparks: Line = [("", " " * GAP), ("", sparkline([one.peak for one in mine[-room:]], style))]
    return [[("", name)], sparks, *[[("dim", f"  {line}")] for line in wrapped(_told(trend), style.columns - GAP)]]


def _told(trend: Trend) -> str:
    if not trend.windows or trend.mean_peak is None:
        return "the first window is under way"
    parts = [f"{counted(trend.windows, 'past window')}", f"peak {pace.percent(trend.mean_peak)}"]
    if trend.windows > 1:
        parts[1] += " on average"
    if trend.change is not None and round(trend.change):
        parts.append(f"{abs(round(trend.change))} points {'higher' if trend.change > 0 else 'lower'} in the later half")
    parts.append(f"used up {counted(trend.used_up, 'time')}" if trend.used_up else "never used up")
    return ", ".join(parts)


def sparkline(values: Iterable[float], style: Style) -> str:
    """A cell each, from nothing to 100 %."""
    glyphs = RISING_ASCII if style.full.isascii() else RISING
    return "".join(glyphs[min(len(glyphs) - 1, int(value * len(glyphs) / 100))] for value in values)


def _table(mine: Sequence[Window], style: Style, zone: tzinfo) -> list[Line]:
    columns = list(COLUMNS)
    for name in (None, *GOES):
        columns = [column for column in columns if column != name]
        grid = [columns, *[[_cell(window, column, zone, style) for column in columns] for window in mine]]
        cells = [max(map(width, texts)) for texts in zip(*grid, strict=True)]
        if sum(cells) + GAP * len(cells) <= style.columns:
            break
    colors = ["dim", *["alarm" if window.used_up_at else "" if window.is_over else "dim" for window in mine]]
    return [_line(columns, texts, cells, color) for texts, color in zip(grid, colors, strict=True)]


def _line(columns: Sequence[str], texts: Sequence[str], cells: Sequence[int], color: str) -> Line:
    padded = []
    for column, text, room in zip(columns, texts, cells, strict=True):
        blank = " " * (room - width(text))
        padded.append(blank + text if column in NUMBERS else text + blank)
    return [(color, "".join(" " * GAP + text for text in padded).rstrip())]


def _cell(window: Window, column: str, zone: tzinfo, style: Style) -> str:
    match column:
        case "Start":
            return _when(window.start, zone, "not known")
        case "Reset":
            return _when(window.resets_at, zone, "not known")
        case "Peak":
            return pace.percent(window.peak)
        case "Used up":
            return _when(window.used_up_at, zone, "-")
    return "-" if window.pace is None else f"{window.pace:.2f}"


def _when(at: datetime | None, zone: tzinfo, otherwise: str) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else otherwise
