"""A stored text is what a fresh render would say, at every second before its `valid_until`."""

import functools
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage import cachefiles, line, table, view

BASE = 1_795_315_000
ZONES = ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]
SPANS = [1, 59, 60, 61, 3599, 3600, 3601, 18_000, 86_399, 86_400, 86_401, 604_800]
instants = st.one_of(st.integers(-400, 700_000), st.sampled_from([s for span in SPANS for s in (span, -span)]))


@st.composite
def period_rows(draw):
    window = draw(st.sampled_from([0, 18_000, 86_400, 604_800, 2_592_000]))
    return (
        draw(st.sampled_from(["5h", "7d", "Fable"])),
        window,
        draw(st.one_of(st.floats(0, 140), st.sampled_from([0, 49.96, 50, 57.5, 65, 80, 99.96, 100]))),
        draw(st.one_of(st.just(0), instants.map(lambda s: BASE + s))),
        BASE - draw(st.one_of(st.integers(0, 90_000), instants)),
        draw(st.sampled_from(["oauth", "statusline"])),
        draw(st.sampled_from(["window", "model", "extra"])),
    )


tables = st.dictionaries(
    st.sampled_from(["claude", "claude@work", "codex"]),
    st.dictionaries(st.sampled_from(["Session (5h)", "Weekly", "Fable"]), period_rows(), max_size=3),
    max_size=3,
)
@st.composite
def cost_rows(draw):
    start = BASE + draw(st.one_of(st.integers(-90_000, 90_000), instants))
    return (
        draw(st.sampled_from(["*", "claude", "codex"])),
        draw(st.sampled_from(["today", "month", "block", "burn"])),
        start,
        start + draw(st.sampled_from([1, 3600, 18_000, 82_800, 86_400, 90_000, 2_678_400])),
        draw(st.sampled_from([-1, 0, 1, 4_999, 5_000, 1_234_567, 987_654_321_000])),
        draw(st.integers(0, 10**12)),
        draw(st.sampled_from(["recorded", "calculated", "partial", "unknown", "estimate"])),
    )


options = st.fixed_dictionaries(
    {},
    optional={
        "periods": st.sampled_from(["all", "primary", "5h,weekly"]),
        "max_width": st.sampled_from(["0", "12", "20", "33", "40", "60"]),
        "icons": st.sampled_from(["ascii", "unicode", "nerd"]),
        "bar": st.sampled_from(["0", "1", "8"]),
        "reset": st.sampled_from(["countdown", "clock", "none"]),
        "show": st.sampled_from(["used", "remaining"]),
        "costs": st.sampled_from(["", "today", "today,block,month,burn", "burn,today"]),
        "provider": st.sampled_from(["", "claude", "codex,claude@work"]),
        "format": st.sampled_from(["{provider} {percent} {age}", "{period}:{percent}{pace} {reset} {source}"]),
    },
)


def shown(target, periods, costs, given_options, now, *, stale_after_s, mono):
    known = table.Table()
    known.version = table.VERSION
    known.settings = {"*": {"stale_after_s": str(stale_after_s)}}
    known.periods = {account: dict(rows) for account, rows in periods.items()}
    known.costs = costs
    return view.show(target, known, given_options, b"", now, mono=mono, environ={})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    target=st.sampled_from(sorted(line.TARGETS - line.ASSISTANTS)),
    periods=tables,
    costs=st.lists(cost_rows(), max_size=4),
    given_options=options,
    zone=st.sampled_from(ZONES),
    stale_after_s=st.sampled_from([60, 3600, 86_400]),
    mono=st.booleans(),
    data=st.data(),
)
def test_the_text_does_not_change_before_valid_until(
    target, periods, costs, given_options, zone, stale_after_s, mono, data
):
    say = functools.partial(shown, target, periods, costs, given_options, stale_after_s=stale_after_s, mono=mono)
    os.environ["TZ"] = zone
    time.tzset()
    try:
        now = BASE + data.draw(st.sampled_from([0, 3, 59, 47_111, 79_999]))
        first = say(now)
        assert first.until > now
        last = min(first.until, now + 3_000_000) - 1
        between = data.draw(st.lists(st.integers(now, last), max_size=12))
        for at in {now, min(now + 1, last), (now + last) // 2, last - 1 if last > now else now, last, *between}:
            assert say(at).text == first.text
    finally:
        del os.environ["TZ"]
        time.tzset()


@pytest.mark.parametrize("ahead", [-1, 0, 1, 10**6])
def test_a_segment_is_never_printed_at_or_after_its_instant_nor_before_its_rendering(cache_dir, ahead):
    (cache_dir / "segments").mkdir(parents=True)
    (cache_dir / "generation").write_text("g1\n")
    (cache_dir / "segments" / "tmux").write_text("vibeusage-segment 1 1000 g1 9999999999 900 - - -\ntext\n")
    folder = str(cache_dir)
    assert cachefiles.stored(folder, "tmux", 999.9) == (b"text\n", 9_999_999_999, 1000)
    assert cachefiles.stored(folder, "tmux", 900) == (b"text\n", 9_999_999_999, 1000)
    if ahead >= 0:
        assert cachefiles.stored(folder, "tmux", 1000 + ahead) is None
    else:
        assert cachefiles.stored(folder, "tmux", 899) is None


def test_a_segment_of_another_generation_is_not_printed(cache_dir):
    (cache_dir / "segments").mkdir(parents=True)
    (cache_dir / "generation").write_text("g2\n")
    (cache_dir / "segments" / "tmux").write_text("vibeusage-segment 1 1000 g1 9999999999 900 - - -\ntext\n")
    assert cachefiles.stored(str(cache_dir), "tmux", 950) is None
