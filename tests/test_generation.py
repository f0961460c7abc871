"""A refresh that changes nothing a line shows leaves the stored segments valid, and tells them when the next is due."""

import os
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from vibeusage import cache, cachefiles, cli, gate, generation, table, view
from vibeusage.config import Config
from vibeusage.records import background
from vibeusage.refresh import refresh

NOW = int(time.time())
ROWS = table.row("set", "*", "stale_after_s", 3600)
TEXT = b"42%\n"


def line(due_at: int, *, asked_at: int = NOW, rows: str = ROWS) -> str:
    return table.row(table.LINE_MAGIC, table.VERSION, "-", due_at, asked_at) + rows


def segment(cache_dir: Path, *, due_at: int, key: str = "tmux", until: int = NOW + 5000, now: int = NOW) -> Path:
    """Stored as the line does it."""
    token, _ = view.read(str(cache_dir), NOW)
    cachefiles.store(str(cache_dir), key, view.Shown(TEXT.decode(), until), token, due_at, now)
    return cache_dir / "segments" / key


@pytest.mark.parametrize(
    ("changed", "is_valid"),
    [
        pytest.param(line(NOW + 100), True, id="nothing"),
        pytest.param(line(NOW + 400), True, id="due later"),
        pytest.param(line(NOW + 100, asked_at=NOW + 60), True, id="when it was asked last"),
        pytest.param(line(NOW + 99), False, id="due earlier"),
        pytest.param(line(NOW + 100, rows=ROWS + table.row("note", "a mistake")), False, id="a row more"),
        pytest.param(line(NOW + 400, rows=""), False, id="a row less"),
    ],
)
def test_a_change_that_shows_or_an_earlier_due_time_outdates_the_segments(changed, is_valid, cache_dir):
    generation.store_line(line(NOW + 100))
    segment(cache_dir, due_at=NOW + 100)
    assert generation.store_line(changed)
    assert (cache_dir / "line.tsv").read_text() == changed
    assert (cachefiles.stored(str(cache_dir), "tmux", NOW) is not None) == is_valid


@pytest.mark.parametrize("missed", [b"", None, b"0123456789ab\n"])
def test_rows_whose_token_was_never_written_get_one_the_next_time(missed, cache_dir):
    generation.store_line(line(NOW))
    path = cache_dir / "generation"
    if missed is None:
        path.unlink()
    else:
        path.write_bytes(missed)
    generation.store_line(line(NOW))
    token = path.read_bytes()
    assert (len(token), token == missed) == (13, False)
    generation.store_line(line(NOW))
    assert path.read_bytes() == token


@pytest.mark.parametrize(
    ("has", "due_at", "told"),
    [
        pytest.param(NOW + 100, NOW + 400, NOW + 400, id="later"),
        pytest.param(0, NOW + 400, NOW + 400, id="was due"),
        pytest.param(NOW + 100, cachefiles.NEVER, cachefiles.NEVER, id="never"),
        pytest.param(NOW + 900, NOW + 400, NOW + 900, id="of a newer line, that is about to be written"),
    ],
)
def test_a_valid_segment_is_told_a_later_due_time_and_nothing_else(has, due_at, told, cache_dir):
    generation.store_line(line(due_at))
    path = segment(cache_dir, due_at=has, now=NOW - 60)
    os.utime(path, (NOW - 3600, NOW - 3600))
    generation.put_off(NOW)
    assert cachefiles.stored(str(cache_dir), "tmux", NOW) == (TEXT, told, NOW + 5000)
    assert int(path.stat().st_mtime) == NOW - 3600  # of its last caller


def test_a_shell_without_a_clock_is_told_it_too(cache_dir):
    generation.store_line(line(NOW + 400))
    path = segment(cache_dir, due_at=NOW + 100, now=NOW - 60)
    generation.put_off(NOW)
    told = path.read_bytes()
    segment(cache_dir, due_at=NOW + 400)
    once, again = (data.partition(b"\n")[0].split() for data in (told, path.read_bytes()))
    assert once[:7] == again[:7]
    assert [abs(int(one) - int(other)) <= 5 for one, other in zip(once[7:], again[7:], strict=True)] == [True, True]


@pytest.mark.parametrize("of", [{"until": NOW}, {"now": NOW + 60}], ids=["expired", "rendered in the future"])
def test_a_segment_that_is_not_valid_stays_as_it_is(of, cache_dir):
    generation.store_line(line(NOW + 400))
    path = segment(cache_dir, due_at=NOW + 100, **of)
    before = path.read_bytes()
    generation.put_off(NOW)
    assert path.read_bytes() == before


def test_a_line_that_was_asked_in_the_future_puts_nothing_off(cache_dir):
    generation.store_line(line(NOW + 90_000, asked_at=NOW + 86_400))
    segment(cache_dir, due_at=NOW + 100)
    generation.put_off(NOW)
    assert cachefiles.stored(str(cache_dir), "tmux", NOW) == (TEXT, NOW + 100, NOW + 5000)


def test_two_due_refreshes_without_a_login_leave_the_segments_valid(home, cache_dir, vibeusage):
    refresh(if_due=True)
    background.run_if_due(Config(), NOW - 400)
    earlier = {name: _asked(known, NOW - 400) for name, known in gate.load().items()}
    gate.save(earlier)
    cache.compile_line()
    (cache_dir / f"attempt-{int(time.time()) // 60}").touch()  # the line starts none of its own
    (cache_dir / f"attempt-{int(time.time()) // 60 + 1}").touch()
    assert vibeusage("line", "waybar").returncode == 0
    head, token = (cache_dir / "line.tsv").read_text().split(), (cache_dir / "generation").read_bytes()
    text, due_at, until = cachefiles.stored(str(cache_dir), "waybar", time.time()) or (b"", 0, 0)
    assert (int(head[3]), due_at) == (NOW - 100, NOW - 100)

    assert cli.main(["refresh", "--if-due", "--quiet"]) == 0
    after = (cache_dir / "line.tsv").read_text().split()
    assert int(after[3]) >= NOW + 300
    assert int(after[4]) >= NOW
    assert (cache_dir / "generation").read_bytes() == token
    assert cachefiles.stored(str(cache_dir), "waybar", time.time()) == (text, int(after[3]), until)


def _asked(known: gate.Gate, at: int) -> gate.Gate:
    since = timedelta(seconds=int(time.time()) - at)
    asked = known.asked_at - since if known.asked_at else None
    return msgspec.structs.replace(known, asked_at=asked, due_at=known.due_at - since)
