"""Rows C12 and C13 of the reliability list: a window that has passed, and observations in any order."""

import calendar
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from e2e import faults
from e2e.faults import period
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import cache, cachefiles, document, observe, table, view
from vibeusage.models import PeriodType, UsagePeriod, UsageSnapshot

# -12 ... +14, half hours, and both kinds of summer time; POSIX rules, so that no zone files are needed
ZONES = {
    "-12": "XXX12",
    "-09:30": "XXX9:30",
    "New York": "EST5EDT,M3.2.0,M11.1.0",
    "UTC": "UTC0",
    "Berlin": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Kolkata": "IST-5:30",
    "Lord Howe": "LHST-10:30LHDT-11,M10.1.0,M4.1.0",
    "+14": "XXX-14",
}
RESETS = {
    "summer time begins": (2026, 3, 29, 1, 0, 0),
    "an hour into it": (2026, 3, 29, 2, 0, 0),
    "summer time ends": (2026, 10, 25, 1, 0, 0),
    "American change": (2026, 11, 1, 6, 0, 0),
    "Lord Howe change": (2026, 4, 4, 15, 0, 0),
    "year end": (2026, 12, 31, 23, 59, 59),
    "new year": (2027, 1, 1, 0, 0, 0),
    "new year at +14": (2026, 12, 31, 10, 0, 0),
    "leap day": (2028, 2, 29, 0, 0, 0),
}
TARGETS = ("tmux", "zsh", "starship", "plain", "waybar", "i3blocks", "json")

# records the observation of session NUMBER, seen at NOW + NUMBER, when the barrier opens
RECORD = """
import os, sys
from vibeusage import observe
folder, number, now, barrier = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
row = ("5h", 18_000, float(number), now + 7_000, now + number, "statusline", "window")
os.read(barrier, 1)
observe.record(folder, ("claude", {"Session (5h)": row}, f"session {number}", str(number)), now + 100)
"""


@pytest.fixture(params=ZONES.values(), ids=list(ZONES))
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def known_at(resets_at: int, observed_at: int, used: float = 42.0) -> table.Table:
    known = table.Table()
    known.version = table.VERSION
    row = ("5h", 18_000, used, resets_at, observed_at, "oauth", "window")
    known.periods = {"claude": {"Session (5h)": row}}
    return known


def shown(target: str, known: table.Table, now: int) -> view.Shown:
    return view.show(target, known, {}, b"", now, mono=True, environ={})


@pytest.mark.parametrize("instant", RESETS.values(), ids=RESETS)
def test_c12_a_window_is_current_until_its_reset_and_not_a_second_longer(instant, zone):
    resets_at = calendar.timegm((*instant, 0, 0, 0))
    known = known_at(resets_at, resets_at - 600)
    for target in TARGETS:
        before, at, after = (shown(target, known, resets_at + step) for step in (-1, 0, 1))
        assert "42" in before.text, target
        assert before.until <= resets_at, target  # what was stored before is not printed any more
        for passed in (at, after):
            assert "42%" not in passed.text, (target, passed.text)
            assert "reset" in passed.text or target == "json", (target, passed.text)
        if target == "json":
            assert [json.loads(one.text)["periods"][0]["utilization"] for one in (before, at, after)] == [
                42.0,
                None,
                None,
            ]


@pytest.mark.parametrize("instant", RESETS.values(), ids=RESETS)
def test_c12_a_stored_text_stays_what_a_fresh_one_says_across_the_change(instant, zone):
    """Walk through the last hours in the steps that the renderer itself names."""
    resets_at = calendar.timegm((*instant, 0, 0, 0))
    known = known_at(resets_at, resets_at - 4_000)
    for target in ("zsh", "tmux"):
        now, steps = resets_at - 4_000, 0
        while now <= resets_at:
            found = shown(target, known, now)
            assert now < found.until, (target, now)
            last = min(found.until - 1, resets_at + 60)
            for later in {last, (now + last) // 2, min(last, now + 1)}:
                assert shown(target, known, later).text == found.text, (target, now, later)
            now, steps = found.until, steps + 1
        assert steps >= 2


def test_c12_a_window_without_a_reset_ends_with_its_length():
    known = known_at(0, 1_000_000)
    texts = [shown("plain", known, 1_018_000 + step).text for step in (-1, 0, 1)]
    assert [("42%" in text, "reset" in text) for text in texts] == [(True, False), (False, True), (False, True)]


@pytest.mark.slow
def test_c12_the_real_program_says_so_too(line_tsv, vibeusage):
    line_tsv(period(resets_in=2, used=42))
    assert b"42%" in vibeusage("line", "tmux").stdout
    time.sleep(2.1)
    after = vibeusage("line", "tmux").stdout  # the stored segment is there and not valid any more
    assert (b"42%" in after, b"reset" in after) == (False, True)


ROWS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["Session (5h)", "Weekly"])), min_size=1, max_size=12)


@settings(database=None, deadline=None)
@given(seen=ROWS)
def test_c13_in_any_order_the_newest_of_each_window_stays(seen):
    known: dict = {}
    for at, name in seen:
        row = ("5h", 18_000, float(at), 0, at, "x", "window")
        table.merge(known, {"claude": {name: row}}, 100)
    newest = {name: max(at for at, other in seen if other == name) for _, name in seen}
    assert {name: row[4] for name, row in known["claude"].items()} == newest


class Sessions:
    """Sessions of Claude Code that render one after another, in this process, at instants of our choosing."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.start = int(time.time())

    def says(self, session: str, after_s: int, name: str = "after-reply-rate-limits", **said) -> str:
        """The text for a document that arrives `after_s` seconds in; it is recorded as the line does."""
        now = self.start + after_s
        data = faults.document(name, session=session, at=self.start, **said)
        _, known = view.load(self.folder, now, [0.0])
        found = view.show("claude-code", known, {}, data, now, mono=True, environ=os.environ)
        if found.observation:
            observe.record(self.folder, found.observation, now)
        return found.text

    def bar(self, after_s: int) -> str:
        now = self.start + after_s
        return view.show("plain", view.load(self.folder, now, [0.0])[1], {}, b"", now, mono=True, environ={}).text


@pytest.fixture
def sessions(cache_dir, line_tsv) -> Sessions:
    line_tsv(period("Session (5h)", used=1, age=3_000), period("Weekly", "7d", 604_800, 2, 400_100, 3_000))
    return Sessions(cache_dir)


def test_c13_an_idle_session_that_repeats_old_numbers_does_not_win(sessions):
    assert "42%" in sessions.says("a", 0)
    assert "50%" in sessions.says("b", 60, five_hour=50, api_ms=900)
    for later in (120, 180, 400):
        text = sessions.says("a", later)  # nothing new: the same document, drawn again
        assert ("50%" in text, "42%" in text) == (True, False)
        assert "50%" in sessions.bar(later + 1)
    assert "51%" in sessions.says("a", 500, five_hour=51, api_ms=1_000)
    assert "51%" in sessions.bar(501)


def test_c13_limits_that_survive_clear_are_older_than_the_new_session(sessions):
    assert "42%" in sessions.says("a", 60)
    sessions.says("b", 110, five_hour=60, api_ms=2_000)
    text = sessions.says("c", 121, "after-clear")  # what `a` has said, in a session that began 373 ms ago
    assert ("60%" in text, "42%" in text) == (True, False)
    assert "60%" in sessions.bar(122)


@pytest.mark.parametrize("order", ["older last", "newer last"])
def test_c13_two_documents_out_of_order(order, cache_dir):
    now = int(time.time())
    rows = {
        at: {"Weekly": ("7d", 604_800, float(at), now + 9_999, now + at, "statusline", "window")} for at in (10, 20)
    }
    for at in (20, 10) if order == "older last" else (10, 20):
        observe.record(str(cache_dir), ("claude", rows[at], f"s{at}", str(at)), now + 30)
    assert cache.observed(now + 30)["claude"]["Weekly"][2] == 20


@pytest.mark.parametrize(
    ("document_at", "expected"), [(-60, 12.0), (60, 42.0)], ids=["polled is newer", "document is newer"]
)
def test_c13_a_document_and_a_polled_answer_are_merged_by_instant(document_at, expected, cache_dir):
    now = int(time.time())
    polled = datetime.fromtimestamp(now, UTC)
    five = UsagePeriod(name="Session (5h)", utilization=12, period_type=PeriodType.SESSION)
    opus = UsagePeriod(name="Opus", utilization=7, period_type=PeriodType.WEEKLY, model="Opus")
    snapshot = UsageSnapshot(
        provider="claude", fetched_at=polled, observed_at=polled, source="oauth", periods=(five, opus)
    )
    seen = observe.observation(document.decode(faults.document()), os.environ, now + document_at)
    for first in ("document", "answer"):
        faults.empty(cache_dir)
        for step in ("document", "answer") if first == "document" else ("answer", "document"):
            if step == "document":
                observe.record(str(cache_dir), seen, now + document_at)
            else:
                cache.save_snapshot(snapshot, "f")
                cache.compile_line()
        _, known = view.load(str(cache_dir), now + 61, [0.0])
        folded = cache.snapshots_with_observations(now + 61)["claude"]
        assert known.periods["claude"]["Session (5h)"][2] == expected
        assert {one.name: one.utilization for one in folded.periods} == {
            "Session (5h)": expected,
            "Weekly": 17.3,
            "Opus": 7,
        }
        for text in (json.dumps({}), "[]"):  # nor does a document without limits take any away
            assert observe.observation(document.decode(text.encode()) or {}, os.environ, now) is None


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_c13_of_twenty_sessions_at_once_the_newest_stays(rounds, cache_dir):
    lost = []
    for _ in range(rounds):
        faults.empty(cache_dir)
        now = int(time.time()) - 100
        waiting, barrier = os.pipe()
        command = [sys.executable, "-P", "-c", RECORD, str(cache_dir)]
        running = [
            subprocess.Popen([*command, str(number), str(now), str(waiting)], pass_fds=[waiting])
            for number in range(20)
        ]
        time.sleep(0.6)
        os.close(waiting)
        os.close(barrier)
        assert {child.wait(30) for child in running} == {0}
        _, known = view.load(str(cache_dir), now + 100, [0.0])
        kept = [known.periods["claude"]["Session (5h)"][2], cache.observed(now + 100)["claude"]["Session (5h)"][2]]
        lost += [value for value in kept if value != 19]
        for number in range(20):  # and each session's own word is remembered, so that repeating it is not news
            row = ("5h", 18_000, float(number), now + 7_000, now + 100, "statusline", "window")
            again = observe.known_since(
                str(cache_dir), ("claude", {"x": row}, f"session {number}", str(number)), now + 100
            )
            assert again[1]["x"][4] == now + number
    assert lost == []


def test_c13_notes_of_the_past_go_with_the_next_word(cache_dir):
    now = int(time.time())
    row = ("5h", 18_000, 1.0, now + 7_000, now, "statusline", "window")
    for number in range(4):
        observe.record(
            str(cache_dir), ("claude", {"Session (5h)": (*row[:2], float(number), *row[3:])}, "s", str(number)), now
        )
    assert len(cachefiles.observations(str(cache_dir))) == 5
    for name in cachefiles.observations(str(cache_dir)):
        os.utime(cache_dir / "observations" / name, (1, now - 2 * observe.NOTE_S))
    observe.record(str(cache_dir), ("claude", {"Session (5h)": (*row[:2], 9.0, *row[3:])}, "s", "9"), now)
    left = cachefiles.observations(str(cache_dir))
    assert (len(left), left[-1]) == (2, "claude")
    assert cache.observed(now)["claude"]["Session (5h)"][2] == 9
    assert sorted(path.name for path in cache.clear("claude")) == sorted(left)


def test_c13_twenty_real_lines_at_once_leave_one_of_their_numbers(cache_dir, line_tsv, vibeusage):
    line_tsv(period("Session (5h)", used=1, age=600))
    results = faults.at_once(
        20,
        lambda _: ["line", "claude-code"],
        lambda number: faults.document(session=f"s{number}", five_hour=60 + number),
    )
    assert {(code, errors) for code, _, errors in results} == {(0, b"")}
    text = vibeusage("line", "plain").stdout.decode()
    assert any(f"{60 + number}%" in text for number in range(20)), text
