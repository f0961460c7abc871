"""How `vibeusage report` looks and what it prints.

`REWRITE_GOLDEN=1 pytest tests/cli/test_report.py` writes the texts in golden/report anew; look at each with cat.
"""

import csv
import io
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from documents import valid
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import cli, terminal
from vibeusage.cli import Parser, report, report_activity, report_csv, report_heatmap, report_insights, report_table
from vibeusage.errors import ConfigError
from vibeusage.escape import width
from vibeusage.figures import amount
from vibeusage.labels import KEY_FILE
from vibeusage.models import Balance, PeriodType, UsagePeriod, UsageSnapshot
from vibeusage.records import activity, blocks, database, days, heatmap, insights, pricing, reports, store
from vibeusage.records.activity import Fact
from vibeusage.records.blocks import Live
from vibeusage.records.readers.spec import Call
from vibeusage.records.reports import Query
from vibeusage.records.tally import Pricer, Tally
from vibeusage.settings import Config, ModelPrices, PlanOptions, Pricing

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
PRICER = Pricer(pricing.load(Pricing(models={"m": ModelPrices(1.0, 2.0)})), {})
PRICER.prices.as_of = date(2026, 1, 1)  # the table of the day would change the golden texts
NOW = datetime(2026, 3, 11, 21, 15, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOME = "/home/me"
BLOCKS, ASCII = ("█", "░"), ("#", "-")
CANARIES = ("Secret-Project", "feature/secret", "secret-machine", "5e551017")
SUMS = [kind for kind in report.KINDS if kind not in (activity.KIND, insights.KIND)]
ALL_KINDS = [kind for kind in SUMS if kind != "heatmap"]


def a_style(columns=80, *, color=False, cells=BLOCKS):
    return terminal.Style(color=color, cells=cells, remaining=False, stale_after=timedelta(0), columns=columns)


def call(uuid: str, when: str, **fields) -> Call:
    return Call(uuid=uuid, ts=int(datetime.fromisoformat(f"2026-{when}Z").timestamp() * 1000), **fields)


def fill(opened: store.Store) -> None:
    secret = {"folder": f"{HOME}/work/{CANARIES[0]}", "branch": CANARIES[1], "session": CANARIES[3]}
    opus = {"model": "claude-opus-4-6", "served_by": "anthropic", **secret}
    claude = [
        call("a", "03-10T09:42", input=2_000, output=900, read=1_234_567, **opus),
        call("b", "03-11T20:30", input=3_000, output=1_200, write=90_000, read=2_345_678, complete=False, **opus),
        call("c", "03-11T21:00", input=9_000, output=4_300, read=3_456_789, kind="subagent", **opus),
    ]
    opened.put("claude", claude, machine=CANARIES[2])
    codex = [
        call("d", "03-11T08:00", input=77, output=5, model="new-model", folder="/srv/日本語の部屋", session="x" * 36),
        call("e", "01-02T08:00", input=10**9, output=5, model="m", speed="fast", folder=f"{HOME}/work", session="y"),
    ]
    opened.put("codex", codex, machine="other")
    opened.put("cursor", [call("f", "03-11T09:00", input=40, kind="estimate")], machine="other")


@pytest.fixture
def filled(tmp_path):
    with store.open(tmp_path / "golden.db") as opened:
        fill(opened)
        yield opened


@pytest.fixture
def stored():
    with store.open() as opened:
        fill(opened)


def made(kind: str, opened: store.Store, *, breakdown: bool = False) -> reports.Report:
    asked = Query(zone=UTC, breakdown=breakdown)
    if kind == "blocks":
        live = {"claude": Live(NOW_MS - 3_600_000, NOW_MS + 4 * 3_600_000, 42.0)}
        return blocks.report(opened, PRICER, asked, now_ms=NOW_MS, live=live)
    if kind == "heatmap":
        return heatmap.levelled(reports.periods("daily", opened, PRICER, asked), "tokens")
    return (reports.periods if kind in days.PERIODS else reports.groups)(kind, opened, PRICER, asked)


def gained(opened: store.Store) -> insights.Insights:
    weekly = UsagePeriod(name="Weekly", utilization=42.0, period_type=PeriodType.WEEKLY, resets_at=NOW + timedelta(3))
    told: dict[str, Any] = {"fetched_at": NOW, "observed_at": NOW, "source": "oauth"}
    known = {
        "claude@acme": UsageSnapshot(provider="claude", account="acme", periods=(weekly,), **told),
        "openrouter": UsageSnapshot(provider="openrouter", balance=Balance(Decimal("12.5")), **told),
    }
    plans = {"max": PlanOptions(price=20.0, provider="claude")}
    around = insights.Surroundings(now=NOW, settings=Config(plans=plans), snapshots=known)
    return insights.report(opened, PRICER, Query(zone=UTC, since=date(2026, 1, 1)), around)


def look(kind: str, opened: store.Store, style: terminal.Style, *, breakdown: bool = False) -> str:
    if kind == activity.KIND:
        return report_activity.table(activity.report(opened, PRICER, Query(zone=UTC)), style)
    if kind == insights.KIND:
        return report_insights.page(gained(opened), style, HOME)
    found = made(kind, opened, breakdown=breakdown)
    if kind == "heatmap":
        last = date(2026, 3, 11)
        first = heatmap.since(last, days.MONDAY)
        told: dict[str, Any] = {"measure": "tokens", "week_start": days.MONDAY, "zone": UTC, "now": NOW_MS // 1000}
        return report_heatmap.text(found, style, first, last, **told)
    return report_table.table(found, style, UTC, HOME, NOW_MS // 1000)


LOOKS: dict[str, dict[str, Any]] = {"mono": {}, "ascii": {"cells": ASCII}, "colour": {"color": True}}


@pytest.mark.parametrize(
    ("columns", "how"), [(40, "mono"), (80, "mono"), (160, "mono"), (80, "ascii"), (160, "colour")]
)
@pytest.mark.parametrize("kind", report.KINDS)
def test_the_look_is_the_golden_one(kind, columns, how, filled):
    path = GOLDEN / f"{kind}-{columns}-{how}.txt"
    text = look(kind, filled, a_style(columns, **LOOKS[how]), breakdown=kind in ("monthly", "models")) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
        pytest.skip(f"{path.name} is rewritten")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", report.KINDS)
def test_a_terminal_without_unicode_gets_ascii_only(kind, filled):
    assert look(kind, filled, a_style(150, cells=ASCII), breakdown=True).isascii()


TEXT = st.text(st.sampled_from("ab/(5h)日本👍🏽e\u0301ｶﾞ\x1b[31m\u202e\u200d한ᄀ…·—=\t\r"), max_size=30)
COUNT = st.integers(0, 10**15)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(ALL_KINDS),
    names=st.lists(TEXT, min_size=7, max_size=7),
    counts=st.lists(COUNT, min_size=4, max_size=4),
    columns=st.integers(1, 220),
    cells=st.sampled_from([BLOCKS, ASCII]),
)
def test_no_line_is_wider_than_the_terminal_and_no_name_gives_it_orders(kind, names, counts, columns, cells):
    tally = Tally(calls=1, input=counts[0], output=counts[1], write=counts[2], read=counts[3], first_ms=0)
    tally.costs["calculated"] = counts[0]
    kinds = ("provider", "route", "model", "session", "project", "branch", "machine")
    fields: dict[str, Any] = dict(zip(kinds, names, strict=True))
    block = {"starts_at": NOW, "ends_at": NOW, "is_gap": False, "is_active": False, "is_estimate": True}
    row = tally.row("2026-03-10", **fields, models=(names[0],), block=block if kind == "blocks" else None)
    row = msgspec.structs.replace(row, breakdown=(tally.row(names[1], model=names[1]),))
    whole = reports.Report(
        report=kind,
        zone=names[2],
        since=None,
        until=None,
        records_since=None,
        synced_at=NOW,
        prices_as_of=date(2026, 1, 1),
        rows=(row,),
        total=tally.row("total"),
        unpriced=(reports.Unpriced(names[3], 1, 1),),
    )
    text = report_table.table(whole, a_style(columns, cells=cells), UTC, HOME, NOW_MS // 1000 + 7200)
    assert all(width(line) <= columns and line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("\u202e=1", "'=1"),
        ("/plain", "/plain"),
        ("a=b", "a=b"),
        ("", ""),
        ("日本", "日本"),
    ],
)
def test_no_csv_cell_is_a_formula(value, cell):
    assert report_csv.harmless(value) == cell


@given(TEXT)
def test_no_name_becomes_a_formula_or_a_second_line(text):
    cell = report_csv.harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.isprintable()


@pytest.mark.parametrize(
    ("count", "full", "short"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1_000, "1,000", "1.0K"),
        (999_940, "999,940", "999.9K"),
        (999_950, "999,950", "1.0M"),
        (1_234_567, "1,234,567", "1.2M"),
        (2_500_000_000, "2,500,000,000", "2.5B"),
        (7_000_000_000_000, "7,000,000,000,000", "7000.0B"),
    ],
)
def test_counts_in_full_and_short(count, full, short):
    assert (amount(count, short=False), amount(count, short=True)) == (full, short)


def run(*argv) -> int:
    parser = Parser(prog="vibeusage report", description=report.__doc__)
    report.add_arguments(parser)
    return report.run(parser.parse_args(argv))


def printed(capsys, *argv) -> str:
    assert run(*argv) == 0
    return capsys.readouterr().out


def test_json_is_the_document_that_others_read(stored, capsys):
    told = json.loads(printed(capsys, "monthly", "--zone", "UTC", "--json", "--until", "2026-02-28"))
    row = {
        "messages": 1,
        "input_tokens": 10**9,
        "output_tokens": 5,
        "cache_creation_tokens": 0,
        "cache_read_tokens": 0,
        "total_tokens": 10**9 + 5,
        "cost": None,
        "cost_state": "unknown",
        "cache_read_share": 0.0,
        "models": ["m"],
        "providers": ["codex"],
        "first_at": "2026-01-02T08:00:00Z",
        "last_at": "2026-01-02T08:00:00Z",
    }
    assert (told["schema"], told["rows"], told["total"]) == (1, [{"key": "2026-01", **row}], {"key": "total", **row})
    assert told["unpriced"] == [{"model": "m", "messages": 1, "total_tokens": 10**9 + 5}]


@pytest.mark.parametrize("kind", SUMS)
def test_the_required_keys_are_in_every_row_of_every_report(kind, stored, capsys):
    told = json.loads(printed(capsys, kind, "--json", "--breakdown", "--since", "2026-01-01"))
    required = {
        *("key", "messages", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens"),
        *("total_tokens", "cost", "cost_state"),
    }
    rows = [*told["rows"], told["total"], *(part for row in told["rows"] for part in row.get("breakdown", []))]
    assert len(told["rows"]) >= 1
    assert [required - {*row} for row in rows] == [set()] * len(rows)
    for name in ("messages", "total_tokens"):
        assert told["total"][name] == sum(row[name] for row in told["rows"])


def test_activity_as_json_and_csv(stored, capsys):
    argv = ("activity", "--zone", "UTC", "--provider", "cursor")
    told = json.loads(printed(capsys, *argv, "--json"))
    nothing = {"name": "", "count": None, "share": None, "usd": None, "is_recorded": False, "source": ""}
    assert (told["schema"], told["report"], told["zone"], told["hidden"]) == (1, "activity", "UTC", 0)
    assert told["rows"] == [
        {"provider": "cursor", "fact": "model_switching", **nothing},
        {"provider": "cursor", "fact": "request_kinds", **nothing},
    ]
    assert printed(capsys, *argv, "--csv").splitlines() == [
        "provider,fact,name,count,share,usd,is_recorded,source",
        "cursor,model_switching,,,,,0,",
        "cursor,request_kinds,,,,,0,",
    ]


@settings(max_examples=100, deadline=None)
@given(names=st.lists(TEXT, min_size=2, max_size=2), count=COUNT, columns=st.integers(1, 200))
def test_no_line_of_activity_is_wider_than_the_terminal(names, count, columns):
    rows = (
        Fact(provider=names[0], fact="languages", name=names[1], count=count, share=0.5),
        Fact(provider=names[0], fact="cache_saved", usd="-12.34"),
        Fact(provider=names[0], fact="completions_accepted", is_recorded=False),
        Fact(provider=names[0], fact="accepted_by_editor", name=names[1], count=count, source=names[1]),
    )
    dates: dict[str, Any] = {"since": None, "until": None, "records_since": None, "prices_as_of": date(2026, 1, 1)}
    text = report_activity.table(activity.Activity(zone="UTC", rows=rows, **dates), a_style(columns))
    assert all(width(line) <= columns and line.isprintable() for line in text.split("\n"))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=5, max_size=5), st.integers(1, 200), st.sampled_from([BLOCKS, ASCII]))
def test_no_line_of_insights_is_wider_than_the_terminal_and_no_name_gives_it_orders(names, columns, cells):
    folder, session, model, branch, window = names
    placed = {"folder": folder, "session": session, "branch": branch}
    own = Pricer(pricing.load(Pricing(models={model or "m": ModelPrices(1.0, 2.0)})), {})
    period = UsagePeriod(name=window, utilization=42.0, period_type=PeriodType.WEEKLY)
    known = UsageSnapshot(provider=window, periods=(period,), fetched_at=NOW, observed_at=NOW, source="oauth")
    around = insights.Surroundings(now=NOW, settings=Config(), snapshots={window: known})
    with store.Store(Path("memory"), database.empty()) as opened:
        opened.put("claude", [call("a", "03-10T09:42", input=2_000, model=model, **placed)], machine="")
        found = insights.report(opened, own, Query(zone=UTC, since=date(2026, 1, 1)), around)
    text = report_insights.page(found, a_style(columns, cells=cells), HOME)
    assert all(width(line) <= columns and line.isprintable() for line in text.split("\n"))
    lines = [*csv.reader(io.StringIO(report_insights.as_csv(found)))]
    assert {len(line) for line in lines} == {len(report_insights.COLUMNS)}
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "@", "\t", "\r"))]


def test_insights_are_of_their_schema(filled):
    told = valid(msgspec.json.encode(gained(filled)), "report-insights")
    assert all(told[section] for section in ("projects", "sessions", "plans", "choices"))


def test_insights_as_json_and_csv_are_one_document(stored, capsys):
    argv = ("insights", "--zone", "UTC", "--since", "2026-03-01", "--until", "2026-03-31", "--provider", "claude")
    told = json.loads(printed(capsys, *argv, "--json"))
    assert (told["schema"], told["report"], told["total"]["cost"]) == (1, "insights", "8.542034")
    assert told["comparison"]["usd"] == told["cache"]["total"]["usd"] == told["projects"][0]["usd"] == "8.542034"
    rows = [*csv.DictReader(io.StringIO(printed(capsys, *argv, "--csv")))]
    assert [row["section"] for row in rows if row["section"] != "comparison"] == [
        *("cache", "cache", "projects", "sessions", "plans"),
    ]
    costs = {row["model"]: float(row["usd"]) for row in rows if row["section"] == "comparison"}
    assert costs == {"": 8.542034} | {one["model"]: float(one["usd"]) for one in told["comparison"]["rows"]}


def test_csv_has_a_line_for_each_part_and_exact_costs(stored, capsys):
    text = printed(capsys, "models", "--csv", "--breakdown", "--zone", "UTC", "--provider", "claude")
    assert list(csv.DictReader(io.StringIO(text))) == [
        {
            "key": "claude-opus-4-6",
            "part": "claude:anthropic",
            "provider": "claude",
            "route": "anthropic",
            "model": "claude-opus-4-6",
            "family": "claude-opus",
            "messages": "3",
            "input_tokens": "14000",
            "output_tokens": "6400",
            "cache_creation_tokens": "90000",
            "cache_read_tokens": "7037034",
            "total_tokens": "7147434",
            "cost": "8.542034",  # long prompts, before 13 March: 10, 37.50, 12.50 and 1 USD per million
            "cost_state": "calculated",
            "output_lower_bounds": "1",
            "estimates": "0",
        }
    ]


@pytest.mark.parametrize("kind", SUMS)
def test_a_report_of_any_kind_is_of_its_schema(kind, filled):
    told = valid(msgspec.json.encode(made(kind, filled, breakdown=True)), "report")
    assert told["rows"]
    assert [("block" in row) for row in told["rows"]] == [kind == "blocks"] * len(told["rows"])


@pytest.mark.parametrize("form", ["--json", "--csv", "--no-color"])
@pytest.mark.parametrize("kind", report.KINDS)
def test_redacted_reports_hold_no_name_of_this_machine(kind, form, stored, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    plain = printed(capsys, kind, form, "--breakdown")
    redacted = printed(capsys, kind, form, "--breakdown", "--redact")
    shown = [name for name in (*CANARIES, "日本語", "/srv", "home/") if name in redacted]
    assert shown == []
    if kind in ("sessions", "projects", "branches", "devices"):
        assert any(name in plain for name in CANARIES)


def test_a_redacted_name_has_one_label_in_every_run_and_another_on_another_machine(stored, capsys):
    once = json.loads(printed(capsys, "sessions", "--json", "--redact"))
    again = json.loads(printed(capsys, "projects", "--json", "--redact"))
    labels = {row["project"] for row in once["rows"] if "project" in row}
    assert labels == {row["project"] for row in again["rows"] if "project" in row}
    assert all(label.startswith("project-") for label in labels)
    (Path(os.environ["VIBEUSAGE_DATA_DIR"]) / KEY_FILE).unlink()
    other = json.loads(printed(capsys, "projects", "--json", "--redact"))
    assert not labels & {row["project"] for row in other["rows"] if "project" in row}


def test_costs_obey_the_configured_mode_and_prices(stored, capsys, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text('[pricing.models."new-model"]\ninput = 1000000\noutput = 0\n')
    told = json.loads(printed(capsys, "models", "--json", "--model", "new-model"))
    assert (told["total"]["cost"], told["total"]["cost_state"]) == ("77.00", "calculated")
    (config_dir / "config.toml").write_text('[pricing]\ncost_mode = "recorded"\n')
    told = json.loads(printed(capsys, "models", "--json"))
    assert (told["total"]["cost"], told["total"]["cost_state"]) == (None, "unknown")


def test_days_are_those_of_the_zone_that_is_asked_for(stored, capsys):
    argv = ("daily", "--json", "--since", "2026-03-11", "--until", "2026-03-11")
    there = json.loads(printed(capsys, *argv, "--zone", "Asia/Tokyo"))
    here = json.loads(printed(capsys, *argv, "--zone", "UTC"))
    assert (there["total"]["messages"], there["zone"]) == (2, "Asia/Tokyo")
    assert (here["total"]["messages"], here["zone"]) == (4, "UTC")


def test_without_a_kind_it_is_daily(stored, capsys):
    assert json.loads(printed(capsys, "--json"))["report"] == "daily"


def test_without_records_it_says_how_to_get_some(capsys):
    assert "no records yet: `vibeusage records sync`" in printed(capsys, "daily")
    assert not Path(os.environ["VIBEUSAGE_DATA_DIR"]).exists()


@pytest.mark.parametrize(("kind", "newest"), [("sessions", 0), ("blocks", -1)])
def test_only_the_newest_of_many_rows_are_shown_unless_more_are_asked_for(kind, newest, stored, capsys, monkeypatch):
    monkeypatch.setitem(report.LIMITS, kind, 1)
    whole = json.loads(printed(capsys, kind, "--json", "--limit", "999999"))
    found = json.loads(printed(capsys, kind, "--json"))
    assert (found["rows"], found["hidden"]) == ([whole["rows"][newest]], len(whole["rows"]) - 1)
    assert (found["total"], whole["hidden"]) == (whole["total"], 0)
    assert " not shown, but in the total" in printed(capsys, kind)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (None, None),
        (3600, None),
        (3601, "logs last read 2026-03-12 05:14, 1h ago"),
        (2 * 86_400, "logs last read 2026-03-10 06:15, 2d ago"),
    ],
)
@pytest.mark.parametrize("kind", ["daily", "blocks", "heatmap"])
def test_numbers_older_than_an_hour_say_when_the_logs_were_read(kind, seconds, says, filled):
    if seconds is not None:
        filled.mark_synced()
        then = NOW_MS // 1000 - seconds
        os.utime(filled.path.parent / store.SYNCED, (then, then))
    found, style, now = made(kind, filled), a_style(), NOW_MS // 1000
    notes = report_table.notes(found, style, ZoneInfo("Asia/Tokyo"), now)
    assert [note for note in notes if "last read" in note] == ([says] if says else [])
    assert found.synced_at == (None if seconds is None else NOW - timedelta(seconds=seconds))


def test_a_sync_says_in_the_reports_when_it_was(capsys):
    assert json.loads(printed(capsys, "daily", "--json"))["synced_at"] is None
    begin = datetime.now(UTC).replace(microsecond=0)
    assert cli.main(["records", "sync", "--quiet"]) == 0
    first = datetime.fromisoformat(json.loads(printed(capsys, "daily", "--json"))["synced_at"])
    os.utime(Path(os.environ["VIBEUSAGE_DATA_DIR"]) / store.SYNCED, (0, 0))
    assert "logs last read 1970-01-01" in printed(capsys, "daily", "--zone", "UTC")
    assert cli.main(["records", "sync", "--quiet"]) == 0  # with nothing new
    again = datetime.fromisoformat(json.loads(printed(capsys, "daily", "--json"))["synced_at"])
    assert begin <= first <= again
    assert "last read" not in printed(capsys, "heatmap")


def test_a_range_without_calls_says_so(stored, capsys):
    text = printed(capsys, "daily", "--since", "2026-02-01", "--until", "2026-02-02")
    assert "no calls in this range\nrecords since 2026-01-02" in text


def test_what_counts_only_when_asked_for_is_named(stored, capsys):
    with store.open() as opened:
        opened.put("claude-api", [call("g", "03-11T08:00", input=10**6, model="m")], machine="")
    assert "claude-api is left out" in printed(capsys, "daily")
    assert "left out" not in printed(capsys, "daily", "--provider", "claude-api")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        pytest.param(["--since", "2026-03-02", "--until", "2026-03-01"], "is after", id="an empty range"),
        pytest.param(["--since", "soon"], "is not a day", id="no day"),
        pytest.param(["--zone", "Mars/Olympus"], "is not a time zone", id="no zone"),
        pytest.param(["--provider", "cluade"], "is not a tool", id="no tool"),
        pytest.param(["activity", "--provider", "codex"], "nothing beyond tokens", id="nothing beyond tokens"),
        pytest.param(["blocks", "--provider", "cursor"], "no five-hour windows", id="no windows"),
    ],
)
def test_what_cannot_be_asked_is_refused(argv, says, stored):
    with pytest.raises(ConfigError, match=says):
        run(*argv)


@pytest.mark.parametrize(
    "argv", [["hourly"], ["--limit", "0"], ["--limit", "-1"], ["--limit", "x"], ["--json", "--csv"]]
)
def test_bad_usage_ends_with_four(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*argv)
    assert caught.value.code == 4


def test_the_live_quota_comes_first_and_the_rest_is_marked_as_an_estimate(filled):
    text = look("blocks", filled, a_style(200))
    assert (
        "\nclaude: 42% used, resets in 4h; 196,999 tokens/min (normal); $14.51 an hour; "
        "at this rate 53,189,703 tokens, $65.28 by its end (estimated)\n"
    ) in text


def test_a_heatmap_narrower_than_a_year_shows_the_newest_weeks(filled):
    text = look("heatmap", filled, a_style(20))
    months, monday = text.splitlines()[4:6]
    assert (months.split(), len(monday) <= 20) == (["Dec", "Jan", "Feb", "Mar"], True)


@pytest.mark.parametrize(("count", "more"), [(2, ""), (12, ""), (13, ", 1 more model"), (40, ", 28 more models")])
def test_of_many_models_without_a_price_the_largest_are_named(count, more):
    models = [reports.Unpriced(f"m{at}", 1, 100 - at) for at in range(count)]
    named = ", ".join(f"m{at} ({100 - at} tokens)" for at in range(min(count, 12)))
    assert report_table.without_price(models, a_style(80)) == f"without a price: {named}{more}"


@pytest.mark.parametrize("kind", ["daily", "insights", "models"])
def test_what_shades_a_day_is_asked_of_pictures_of_days_only(kind, home, capsys):
    assert cli.main(["report", kind, "--by", "cost"]) == 4
    assert "--by is for `report heatmap` and `report html`" in capsys.readouterr().err
    assert cli.main(["report", "heatmap", "--by", "cost"]) == 0
