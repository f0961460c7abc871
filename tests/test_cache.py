import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from vibeusage import alerts, cache, cli, config, errors, merge, paths, table
from vibeusage.cli.refresh import keep_history
from vibeusage.models import (
    LONGEST_S,
    MOST_PERCENT,
    Balance,
    OverageUsage,
    PeriodType,
    ProviderIdentity,
    UsagePeriod,
    UsageSnapshot,
)

NOW = datetime.now(UTC).replace(microsecond=0)
SESSION = UsagePeriod(
    name="Session (5h)", utilization=42.0, period_type=PeriodType.SESSION, resets_at=NOW + timedelta(hours=2)
)
FABLE = UsagePeriod(name="Fable", utilization=64.0, period_type=PeriodType.WEEKLY, model="Fable")


def snapshot(*periods, provider="claude", **fields):
    return UsageSnapshot(
        provider=provider,
        fetched_at=NOW,
        observed_at=NOW,
        source="oauth",
        periods=periods or (SESSION, FABLE),
        **fields,
    )


def observation(used, age_s, name="Session (5h)"):
    now = int(NOW.timestamp())
    return {name: ("5h", 18_000, used, now + 3600, now - age_s, "statusline", "window")}


def window(name, kind, seconds=None, model=None):
    return UsagePeriod(name=name, utilization=1.0, period_type=kind, window_seconds=seconds, model=model)


SPARK = "GPT-5.3-Codex-Spark"


@pytest.mark.parametrize(
    ("periods", "labels"),
    [
        pytest.param(
            [window("Session (5h)", PeriodType.SESSION, 17_940), window("Weekly", PeriodType.WEEKLY)],
            ["5h", "7d"],
            id="usual lengths",
        ),
        pytest.param(
            [window("3 days", PeriodType.DAILY, 259_200), window("14 days", PeriodType.WEEKLY, 1_209_600)],
            ["3d", "14d"],
            id="other lengths",
        ),
        pytest.param([window("Session (12h)", PeriodType.SESSION, 43_200)], ["12h"], id="half a day"),
        pytest.param([window("Monthly", PeriodType.MONTHLY, 2_678_400)], ["30d"], id="a long month"),
        pytest.param(
            [window("Total", PeriodType.MONTHLY), window("Auto", PeriodType.MONTHLY)], ["Total", "Auto"], id="alike"
        ),
        pytest.param(
            [
                window(f"{SPARK} Session (5h)", PeriodType.SESSION, 18_000, SPARK),
                window(f"{SPARK} Weekly", PeriodType.WEEKLY, 604_800, SPARK),
            ],
            [f"{SPARK} 5h", f"{SPARK} 7d"],
            id="of one model",
        ),
        pytest.param(
            [window("Spark", PeriodType.WEEKLY, None, "Spark"), window("Spark (2)", PeriodType.WEEKLY, None, "Spark")],
            ["Spark", "Spark (2)"],
            id="of one model and length",
        ),
    ],
)
def test_each_window_is_called_by_what_tells_it_from_the_others(periods, labels):
    assert [row[0] for row in merge.rows(snapshot(*periods)).values()] == labels


def generation():
    return (paths.cache_dir() / "generation").read_text()


def test_a_snapshot_comes_back_whole_and_only_for_its_own_login():
    cache.save_snapshot(snapshot(), "f1")
    assert cache.load_snapshot("claude") == snapshot()
    assert cache.load_snapshot("claude", "f1") == snapshot()
    assert cache.load_snapshot("claude", "f2") is None


def test_a_window_that_was_seen_in_the_future_keeps_no_partial_source_out():
    late = msgspec.structs.replace(SESSION, observed_at=NOW + timedelta(days=3), source="cache")
    cache.save_snapshot(snapshot(late), "f1")
    seen = snapshot(msgspec.structs.replace(SESSION, utilization=50.0))
    kept = cache.keep(seen, "f1", is_partial=True, now=NOW)
    assert [(period.utilization, period.observed_at) for period in kept.periods] == [(50.0, NOW)]


WHO = ProviderIdentity(email="dev@example.org", organization="Acme")


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        pytest.param(WHO, WHO, ["Session (5h)", "Fable"], id="both say the same of themselves"),
        pytest.param(WHO, ProviderIdentity(email="dev@example.org"), ["Session (5h)"], id="the company is unknown"),
        pytest.param(None, None, ["Session (5h)"], id="nothing is known"),
    ],
)
def test_a_partial_source_with_another_login_is_laid_over_the_numbers_of_the_same_person_alone(before, now, names):
    cache.save_snapshot(snapshot(identity=before), "f1")
    kept = cache.keep(snapshot(SESSION, identity=now), "f2", is_partial=True, now=NOW)
    assert [period.name for period in kept.periods] == names
    assert cache.owner_of("claude") == "f2"


def test_the_line_is_compiled_from_snapshots_and_settings():
    paths.config_dir().mkdir()
    paths.config_file().write_text('[line]\nbar = 5\n[line.claude-code]\nlines = [["periods"], ["model", "cost"]]\n')
    overage = OverageUsage(used=Decimal(10), limit=Decimal(40))
    cache.save_snapshot(snapshot(overage=overage), "f1")
    cache.compile_line()
    parsed = table.parse((paths.cache_dir() / "line.tsv").read_text(), table.LINE_MAGIC, int(NOW.timestamp()))
    assert parsed is not None
    at = int(NOW.timestamp())
    assert (parsed.stamp, parsed.settings, parsed.periods) == (
        config.stamp(),
        {"*": {"stale_after_s": "3600", "bar": "5"}, "claude-code": {"lines": "periods;model,cost"}},
        {
            "claude": {
                "Session (5h)": ("5h", 18_000, 42.0, at + 7200, at, "oauth", "window"),
                "Fable": ("Fable", 604_800, 64.0, 0, at, "oauth", "model"),
                "Extra usage": ("extra", 0, 25.0, 0, at, "oauth", "extra"),
            }
        },
    )


def test_the_generation_changes_only_with_the_line():
    cache.compile_line()
    first = generation()
    cache.compile_line()
    assert generation() == first
    cache.save_snapshot(snapshot(), "f1")
    cache.compile_line()
    assert generation() != first


def test_a_switched_off_provider_is_not_in_the_line():
    cache.save_snapshot(snapshot(), "f1")
    paths.config_dir().mkdir()
    paths.config_file().write_text("[providers.claude]\nenabled = false\n")
    assert "period" not in cache.compile_line()


def test_a_mistake_in_the_config_is_shown_in_the_line_and_loses_no_numbers(vibeusage):
    cache.save_snapshot(snapshot(SESSION), "f1")
    paths.config_dir().mkdir()
    paths.config_file().write_text("[line]\nbra = 5\n")
    done = vibeusage("line", "plain")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith("config.toml has a mistake: vibeusage config show · claude 5h 42%")


ABSURD = {
    '"utilization":42.0': ('"utilization":{}', ("1e308", "-1e308", "1e999", "NaN", '"nan"', "1000001", "-0.1")),
    '"window_seconds":3600': ('"window_seconds":{}', ("1" + "0" * 18, "-1" + "0" * 18, "1e308")),
    '"used":"3"': ('"used":"{}"', ("1e308", "1e999999", "-1e999999", "NaN", "sNaN", "Infinity", "1e-999999")),
    '"limit":"7"': ('"limit":"{}"', ("1e999999", "NaN", "1e-999999")),
    '"amount":"9"': ('"amount":"{}"', ("1e999", "sNaN", "-Infinity")),
    '"resets_at":"2030-01-01T00:00:00Z"': ('"resets_at":"{}"', ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z")),
    '"observed_at":"2025-01-01T00:00:00Z"': ('"observed_at":"{}"', ("0001-01-01T00:00:00Z",)),
}


def absurd():
    """(what it says, a stored snapshot that does), for each number that cannot be reckoned with."""
    then, seen = datetime(2030, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    period = msgspec.structs.replace(SESSION, window_seconds=3600, resets_at=then, observed_at=seen)
    money = {"overage": OverageUsage(used=Decimal(3), limit=Decimal(7)), "balance": Balance(Decimal(9))}
    stored = msgspec.json.encode(cache.Stored(schema=1, fingerprint="f", snapshot=snapshot(period, **money))).decode()
    for said, (form, values) in ABSURD.items():
        assert stored.count(said) == 1
        yield from ((form.format(value), stored.replace(said, form.format(value)).encode()) for value in values)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b'{"schema":1}', id="fields missing"),
        pytest.param(b'{"schema":1,"fingerprint":"f","snapshot":{"provider":5}}', id="wrong type"),
        pytest.param(b'{"schema":"one"}', id="schema of another type"),
        *(pytest.param(data, id=name) for name, data in absurd()),
    ],
)
def test_a_damaged_snapshot_is_a_miss_and_is_replaced(data):
    path = cache.snapshot_file("claude")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert cache.load_snapshot("claude") is None
    cache.save_snapshot(snapshot(), "f1")
    assert cache.load_snapshot("claude") == snapshot()


def test_numbers_at_the_edge_of_what_is_believed_are_shown_everywhere(capsys):
    most = Decimal("9999999999999999")
    window = msgspec.structs.replace(SESSION, utilization=MOST_PERCENT, window_seconds=LONGEST_S)
    money = {"overage": OverageUsage(used=most, limit=Decimal("1e-400")), "balance": Balance(-most, "credits")}
    cache.save_snapshot(snapshot(window, **money), "f1")
    cache.compile_line()
    config.set_value("alerts.thresholds", "80")
    for _ in range(2):
        alerts.after_round(config.load(), {})
    keep_history()
    for words in (["usage"], ["usage", "--json"], ["history"], ["report", "insights"], ["alerts"]):
        assert cli.main(words) == 0, words
        said = capsys.readouterr()
        assert ("1000000" in said.out, said.err) == (words[0] != "report", ""), words
    assert [row[2] for row in merge.rows(cache.load_snapshots()["claude"]).values()] == [MOST_PERCENT]


@pytest.mark.parametrize("place", [1, 2, 4], ids=["window", "percentage", "observed"])
@pytest.mark.parametrize("value", ["1e308", "1e999", "-1e308", "nan", "9" * 30, "-1"])
def test_a_number_in_an_observation_that_cannot_be_reckoned_with_makes_its_row_a_miss(place, value):
    rows = observation(50.0, 0, "Weekly") | observation(50.0, 0)
    rows["Weekly"] = (*rows["Weekly"][:place], value, *rows["Weekly"][place + 1 :])
    path = paths.cache_dir() / "observations" / "claude"
    path.parent.mkdir(parents=True)
    path.write_text(table.observation_text("statusline", {"claude": rows}, {}))
    known = cache.snapshots_with_observations(int(NOW.timestamp()))["claude"]
    assert [(period.name, period.utilization) for period in known.periods] == [("Session (5h)", 50.0)]


def test_a_snapshot_of_a_newer_version_is_neither_read_nor_overwritten():
    path = cache.snapshot_file("claude")
    path.parent.mkdir(parents=True)
    path.write_text('{"schema":2,"what":"we cannot know"}')
    assert cache.load_snapshot("claude") is None
    with pytest.raises(errors.StorageError, match="newer vibeusage"):
        cache.save_snapshot(snapshot(), "f1")
    assert json.loads(path.read_text()) == {"schema": 2, "what": "we cannot know"}


def test_a_passive_window_wins_only_when_it_is_newer_and_the_rest_keeps_its_age():
    known = snapshot()
    at = int(NOW.timestamp())
    newer = merge.fold("claude", known, observation(50.0, -1), at + 1)
    assert [(p.name, p.utilization, p.source) for p in newer.periods] == [
        ("Session (5h)", 50.0, "statusline"),
        ("Fable", 64.0, None),
    ]
    assert merge.fold("claude", known, observation(50.0, 60), at) == known
    tied = merge.fold("claude", known, observation(50.0, 0), at)  # as `table.merge` has it, which the line shows
    assert [p.utilization for p in tied.periods] == [50.0, 64.0]


def test_a_passive_window_alone_makes_a_snapshot():
    made = merge.fold("claude@work", None, observation(50.0, 0), int(NOW.timestamp()))
    assert (made.provider, made.account, made.source, made.observed_at) == ("claude", "work", "statusline", NOW)


def test_clearing_one_provider_leaves_the_others():
    cache.save_snapshot(snapshot(), "f1")
    cache.save_snapshot(snapshot(provider="codex"), "f1")
    cache.compile_line()
    assert [str(path) for path in cache.clear("claude")] == ["snapshots/claude.json"]
    assert list(cache.load_snapshots()) == ["codex"]
    assert "claude" not in (paths.cache_dir() / "line.tsv").read_text()


def test_clearing_everything_leaves_an_empty_line():
    cache.save_snapshot(snapshot(), "f1")
    cache.compile_line()
    cache.clear()
    assert cache.load_snapshots() == {}
    assert "period" not in (paths.cache_dir() / "line.tsv").read_text()


def test_tidying_removes_old_segments_and_attempts_only():
    folder = paths.cache_dir()
    (folder / "segments").mkdir(parents=True)
    for name in ("segments/tmux", "attempt-1", "line.tsv"):
        (folder / name).write_text("x")
    cache.tidy(time.time() + 3600)
    assert (folder / "segments/tmux").exists()
    cache.tidy(time.time() + 8 * 86400)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["line.tsv"]
