"""What the assistants on this machine consumed, from their own logs: by day, session, block, model and more.

Dates are days of the zone, both inclusive: 2026-03-31, `today`, `yesterday`, or `7d` for the last seven days. Costs
are what the tokens cost at list price, which is not what a plan charges.
"""

import argparse
import os
import sys
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial

import msgspec

from vibeusage import cache, config, health, labels, shown, terminal
from vibeusage.cli import report_activity, report_csv, report_heatmap, report_insights, report_table
from vibeusage.errors import ConfigError, Unavailable
from vibeusage.records import activity, blocks, days, heatmap, insights, readers, reading, reports, tally
from vibeusage.records.reports import Query, Report
from vibeusage.records.stored import Stored

GROUPS = tuple(name for name in reports.GROUPS if name != "sessions")
KINDS = (*days.PERIODS, "sessions", "blocks", *GROUPS, "heatmap", activity.KIND, insights.KIND)
PAGE = "html"  # printed nowhere: it has no table, no JSON and no CSV of its own
NEW_STATUS = timedelta(hours=1)  # an older word of a status page advises nobody
LIMITS = {"sessions": 1_000, "blocks": 500}  # where none is asked for: more take seconds
_LIMIT_HELP = "at most N rows: the newest, or the dearest (default: all, but 1000 sessions, 500 blocks, 5 in insights)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    kinds = (*KINDS, PAGE)
    add("kind", nargs="?", choices=kinds, default="daily", metavar="KIND", help=f"{', '.join(kinds)} (default: daily)")
    add("--since", metavar="DAY", help="the first day")
    add("--until", metavar="DAY", help="the last day")
    add("--provider", "-p", action="append", default=[], metavar="ID", help="only this tool; may be repeated")
    add("--model", default="", metavar="NAME", help="only models with this in their name, or like this pattern (* ?)")
    add("--project", default="", metavar="PATH", help="only this folder and all below, or with this in its path")
    add("--zone", default="", metavar="ZONE", help="whose days, such as Europe/Berlin (default: this machine's)")
    add("--week-start", choices=("monday", "sunday"), default="monday", help="(default: monday, the ISO week)")
    add("--by", choices=heatmap.MEASURES, help="what shades a day of the heatmap (default: tokens)")
    add("--breakdown", "-b", action="store_true", help="a row for each model below each; of models: for each tool")
    add("--limit", type=_limit, default=0, metavar="N", help=_LIMIT_HELP)
    add("--output", "-o", default="", metavar="FILE", help="where the page of `report html` goes; - is stdout")
    add("--redact", action="store_true", help="replace sessions, folders, branches, machines and accounts by labels")
    add("--local", action="store_true", help="this machine's own records, where storage.url names a server")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", "-j", action="store_true", help="print as JSON")
    form.add_argument("--csv", action="store_true", help="print as CSV, without the total")
    add("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings, now, zone = config.load(), datetime.now(UTC), days.zone(args.zone)
    today = now.astimezone(zone).date()
    query = _query(args, zone, today)
    _check_options(args)
    tell = partial(_tell, args, settings, query, now)
    return reading.read(settings, tell, local=args.local, on_fallback=_tell_fallback)


def _check_options(args: argparse.Namespace) -> None:
    """Raises ConfigError for what would do nothing."""
    if args.output and args.kind != PAGE:
        raise ConfigError("--output is for `report html`", hint="send what is printed into a file: `… > FILE`")
    if args.by and args.kind not in ("heatmap", PAGE):
        raise ConfigError("--by is for `report heatmap` and `report html`", hint="leave it out")
    args.by = args.by or heatmap.MEASURES[0]


def _tell_fallback(reason: Unavailable) -> None:
    print(f"vibeusage: {reason}; these are the records of this machine alone", file=sys.stderr)


def _tell(args: argparse.Namespace, settings: config.Config, query: Query, now: datetime, opened: Stored) -> int:
    """Nothing is printed before all of it is read."""
    pricer = tally.pricer(settings.pricing)
    if args.kind == activity.KIND:
        return _print_activity(args, activity.report(opened, pricer, query, limit=args.limit))
    if args.kind == insights.KIND:
        today = now.astimezone(query.zone).date()
        return _print_insights(args, opened, pricer, insights.query_of(query, today), _around(settings, now))
    if args.kind == PAGE:
        return _write_page(args, opened, pricer, query, now)
    report = _report(args, opened, pricer, query, now)
    if not report.rows:
        _check(args.provider, opened)
    if args.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return 0
    if args.csv:
        sys.stdout.write(report_csv.as_csv(report))
        return 0
    print(_shown(args, report, query, _style(args), now))
    return 0


def _print_activity(args: argparse.Namespace, found: activity.Activity) -> int:
    if args.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    elif args.csv:
        sys.stdout.write(report_activity.as_csv(found))
    else:
        print(report_activity.table(found, _style(args)))
    return 0


def _around(settings: config.Config, now: datetime) -> insights.Surroundings:
    known = shown.in_order(cache.snapshots_with_observations(int(now.timestamp())), settings)
    read = {provider: health.read(provider) for provider in {one.provider for one in known.values()}}
    told = {
        provider: status
        for provider, status in read.items()
        if status and status.updated_at and now - NEW_STATUS < status.updated_at <= now
    }
    return insights.Surroundings(now=now, settings=settings, snapshots=known, statuses=told)


def _print_insights(
    args: argparse.Namespace, opened: Stored, pricer: tally.Pricer, query: Query, around: insights.Surroundings
) -> int:
    found = insights.report(opened, pricer, query, around, limit=args.limit)
    if not found.total.messages:
        _check(args.provider, opened)
    if args.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    elif args.csv:
        sys.stdout.write(report_insights.as_csv(found))
    else:
        print(report_insights.page(found, _style(args), "" if args.redact else os.path.expanduser("~")))
    return 0


def _write_page(
    args: argparse.Namespace, opened: Stored, pricer: tally.Pricer, query: Query, now: datetime
) -> int:
    from vibeusage.cli import report_html  # a dozen modules that no other report needs

    report_html.check(args)
    found = report_html.read(args, opened, pricer, query, now)
    if not found.by_time.rows:
        _check(args.provider, opened)
    report_html.write(args, found)
    return 0


def _style(args: argparse.Namespace) -> terminal.Style:
    return terminal.environment_style(sys.stdout, remaining=False, stale_after_s=0, no_color=args.no_color)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)


def _query(args: argparse.Namespace, zone: tzinfo, today: date) -> Query:
    since = days.parse(args.since, today) if args.since else None
    until = days.parse(args.until, today) if args.until else None
    if since and until and since > until:
        raise ConfigError(f"--since {since} is after --until {until}", hint="both days are included")
    if args.kind == activity.KIND and args.provider and not {*args.provider} & {*activity.TOOLS}:
        raise ConfigError(
            f"{', '.join(args.provider)}: nothing beyond tokens is known of it",
            hint=f"it is of {', '.join(activity.TOOLS)}",
        )
    week_start = days.SUNDAY if args.week_start == "sunday" else days.MONDAY
    if args.kind == "heatmap":
        until = until or today
        since = since or heatmap.since(until, week_start)
    return Query(
        zone=zone,
        since=since,
        until=until,
        providers=tuple(args.provider),
        model=args.model,
        project=args.project,
        breakdown=args.breakdown,
        week_start=week_start,
        names=labels.stable() if args.redact else lambda kind, name: name,
    )


def _report(
    args: argparse.Namespace, opened: Stored, pricer: tally.Pricer, query: Query, now: datetime
) -> Report:
    limit = args.limit or LIMITS.get(args.kind, 0)
    match args.kind:
        case "blocks":
            if args.provider and not {*args.provider} & {*blocks.STARTS_AT}:
                raise ConfigError(
                    f"{', '.join(args.provider)}: no five-hour windows are known of it",
                    hint=f"they are of {' and '.join(blocks.STARTS_AT)}",
                )
            now_ms = int(now.timestamp() * 1000)
            live = blocks.live_windows(now)
            return blocks.report(opened, pricer, query, now_ms=now_ms, live=live, limit=limit)
        case "heatmap":
            return heatmap.levelled(reports.periods("daily", opened, pricer, query, limit=limit), args.by)
        case period if period in days.PERIODS:
            return reports.periods(period, opened, pricer, query, limit=limit)
    return reports.groups(args.kind, opened, pricer, query, limit=limit)


def _check(names: list[str], opened: Stored) -> None:
    """Raises ConfigError for a tool that nobody knows: without it a mistyped name would pass for one without calls."""
    known = {*readers.load_all(), *opened.counts()}
    for name in names:
        if name not in known:
            raise ConfigError(f"{name!r} is not a tool with records", hint=f"known are: {', '.join(sorted(known))}")


def _shown(args: argparse.Namespace, report: Report, query: Query, style: terminal.Style, now: datetime) -> str:
    if args.kind == "heatmap" and query.since and query.until:
        told = {"measure": args.by, "week_start": query.week_start, "zone": query.zone, "now": int(now.timestamp())}
        return report_heatmap.text(report, style, query.since, query.until, **told)
    home = "" if args.redact else os.path.expanduser("~")
    return report_table.table(report, style, query.zone, home, int(now.timestamp()))

