"""The dashboard as Textual runs it, with keys pressed by its own pilot."""

import asyncio
import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import made_up
import msgspec
import pytest
from made_up import NOW

from vibeusage import cache, config
from vibeusage.dashboard import app as dashboard
from vibeusage.dashboard import palette
from vibeusage.dashboard.app import Dashboard
from vibeusage.dashboard.asking import Refresher
from vibeusage.dashboard.loading import Source
from vibeusage.dashboard.widgets import Lines, Scroll, look
from vibeusage.errors import ConfigError
from vibeusage.models import ProviderIdentity
from vibeusage.records import store
from vibeusage.records.readers.spec import Call

pytestmark = pytest.mark.anyio
BLOCKS = ("█", "░")
RED = 1
PAGES = (("w", "2026-W48"), ("d", "Last call"), ("p", "Models, of all"), ("enter", "Manage"))
PAGES += (("u", "42%"), ("s", "line.show"))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch):
    monkeypatch.setattr(Refresher, "start_if_due", lambda self, now: None)


def made(*, color: bool = False, redacted: bool = False) -> Dashboard:
    return Dashboard(config.load(), color=color, cells=BLOCKS, redacted=redacted, clock=lambda: NOW)


def shown(app: Dashboard) -> str:
    head, below, foot = (app.query_one(f"#{name}", Lines) for name in ("head", "below", "foot"))
    parts = (head, app.query_one(Scroll), below, foot)
    return "\n".join(part.render_line(y).text.rstrip() for part in parts for y in range(part.size.height))


def drawn(app: Dashboard) -> list[tuple[str, int | None]]:
    """(text, the number of its colour among the terminal's own) of every piece of the page."""
    page = app.query_one(Scroll)
    pieces = [piece for y in range(page.size.height) for piece in page.render_line(y)]
    return [(piece.text, piece.style.color.number if piece.style and piece.style.color else None) for piece in pieces]


async def seen(app: Dashboard, pilot, text: str) -> str:
    """The screen once `text` is on it."""
    for _ in range(200):
        await pilot.pause()
        if text in (found := shown(app)):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{text!r} never appeared on:\n{shown(app)}")


@pytest.mark.slow
async def test_every_key_shows_its_page(filled):
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "resets in 2h 13m")
        for key, text in (
            ("w", "2026-W48"),
            ("left", "2026-W47"),
            ("m", "November 2026"),
            ("y", "Nov  "),
            ("h", "Heatmap, Nov 2025"),
            ("d", "build-server"),
            ("p", "Models, of all providers"),
            ("enter", "Manage providers"),
            ("s", "What a percentage counts"),
            ("escape", "resets in 2h 13m"),
        ):
            await pilot.press(key)
            await seen(app, pilot, text)
        await pilot.press("escape")
    assert app.return_value == 0


async def test_keys_turn_the_pages_and_esc_ends_it(filled):
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "resets in 2h 13m")
        await pilot.press("w")
        await seen(app, pilot, "2026-W48")
        await pilot.press("escape", "escape")
    assert app.return_value == 0


@pytest.mark.parametrize("style", palette.SGR)
def test_every_style_has_a_look_in_each_palette(style):
    usual, safe = (look(of[style]) for of in (palette.SGR, palette.SAFE))
    assert usual.color or usual.bold or usual.reverse
    assert safe.color is None or safe.color.number not in (1, 2)  # red and green


async def test_ctrl_c_ends_it_as_it_ends_a_command(filled):
    app = made()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+c")
    assert app.return_value == 130


async def test_a_change_of_the_cache_is_on_the_screen_a_tick_later(filled, monkeypatch):
    monkeypatch.setattr(dashboard, "TICK_S", 0.05)
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "42% used")
        first = next(made_up.snapshots())
        period = msgspec.structs.replace(first.periods[0], utilization=47.0)
        cache.save_snapshot(msgspec.structs.replace(first, periods=(period,), observed_at=NOW), "")
        cache.compile_line()
        found = await seen(app, pilot, "47% used")
    assert "81% used" not in found


async def test_a_countdown_goes_on_by_itself(filled, monkeypatch):
    monkeypatch.setattr(dashboard, "TICK_S", 0.05)
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "resets in 2h 13m")
        app.clock = lambda: NOW + timedelta(minutes=3)
        await seen(app, pilot, "resets in 2h 10m")


@pytest.mark.slow
async def test_settings_are_changed_by_keys_and_by_a_typed_text(filled):
    app, file = made(), Path(os.environ["VIBEUSAGE_CONFIG_DIR"]) / "config.toml"
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("s")
        await seen(app, pilot, "What a percentage counts")
        await pilot.press("enter")
        await seen(app, pilot, "line.show is remaining")
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        await pilot.press("backspace", "1", "2", "enter")
        await seen(app, pilot, "line.bar is 12")
        assert tomllib.loads(file.read_text()) == {"line": {"show": "remaining", "bar": 12}}
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("9", "9", "enter")
        await seen(app, pilot, "line.bar is 1299, not a whole number from 0 to 40")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("7", "escape")
        await pilot.press("backspace")
        await seen(app, pilot, "line.bar is at its default")
    assert tomllib.loads(file.read_text()) == {"line": {"show": "remaining"}}


CANARIES = ("secret-machine", "Secret Org", "secret@example.com", "secret-account", "secret-folder")


@pytest.mark.slow
async def test_with_redact_no_page_holds_a_name_and_nothing_can_be_changed(filled, config_dir):
    config.set_value('providers."claude@secret-account".config_dir', "~/secret-folder")
    config.set_value("machines.name", "secret-machine")
    config.set_value("machines.folder", "~/secret-folder/shared")
    first = next(made_up.snapshots())
    who = ProviderIdentity(plan="Max", email="secret@example.com", organization="Secret Org")
    cache.save_snapshot(msgspec.structs.replace(first, account="secret-account", identity=who), "")
    call = Call(uuid="x", ts=int(NOW.timestamp() * 1000) - 10_000, session="s", model="m", folder="/secret-folder")
    with store.open() as opened:
        opened.put("claude", [call], machine="secret-machine")
    before = (config_dir / "config.toml").read_bytes()
    found, open_ = [], []
    for redacted in (True, False):
        app = made(redacted=redacted)
        async with app.run_test(size=(200, 60)) as pilot:
            for key, text in PAGES:
                await pilot.press(key)
                (found if redacted else open_).append(await seen(app, pilot, text))
            if redacted:
                await pilot.press("enter")
                found.append(await seen(app, pilot, "nothing is changed while names are hidden"))
    assert [name for name in CANARIES if name in "".join(found)] == []
    assert [name for name in CANARIES if name in "".join(open_)] == ["secret-machine", "Secret Org", *CANARIES[3:]]
    assert (config_dir / "config.toml").read_bytes() == before


@pytest.mark.slow
async def test_the_database_is_copied_deleted_and_put_back(filled):
    app, folder = made(), Path(os.environ["VIBEUSAGE_DATA_DIR"])
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("s")
        await seen(app, pilot, "claude 2,439")
        await pilot.press("B")
        await seen(app, pilot, "copied to")
        (copy,) = (folder / "backups").iterdir()
        await pilot.press("D")
        await seen(app, pilot, "Delete ")
        await pilot.press("y")
        await seen(app, pilot, "deleted; what was there is in")
        await seen(app, pilot, "none yet: ")
        app._note_until = 0.0
        await pilot.press("R")
        await seen(app, pilot, "restore from = ")
        await pilot.press("ctrl+u", *(letter for letter in str(copy)))
        await pilot.press("enter", "y")
        await seen(app, pilot, "restored")
        await seen(app, pilot, "claude 2,439")


@pytest.mark.slow
async def test_a_provider_is_switched_off_and_on_at_the_cursor(filled):
    app, file = made(), Path(os.environ["VIBEUSAGE_CONFIG_DIR"]) / "config.toml"
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("p", "enter")
        await seen(app, pilot, "Claude Code's .credentials.json")
        await pilot.press("space")
        await seen(app, pilot, "claude is off")
        assert tomllib.loads(file.read_text()) == {"providers": {"claude": {"enabled": False}}}
        await seen(app, pilot, "  off ")
        await pilot.press("space")
        await seen(app, pilot, "claude is on")
    assert tomllib.loads(file.read_text()) in ({}, {"providers": {"claude": {}}}, {"providers": {}})


@pytest.mark.slow
async def test_what_could_not_be_changed_reads_as_it_was_and_why(filled, monkeypatch):
    def full(name: str, *, on: bool) -> None:
        raise ConfigError("config.toml cannot be written: No space left on device", hint="check the free space")

    monkeypatch.setattr(dashboard.switching, "switch", full)
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "enter")
        before = await seen(app, pilot, "numbers     oauth")
        await pilot.press("space")
        await seen(app, pilot, "config.toml cannot be written: No space left on device; check the free space")
        for _ in range(100):
            await pilot.pause(0.01)
            if rows_of(shown(app)) == rows_of(before):
                return
    assert rows_of(shown(app)) == rows_of(before)


def rows_of(screen: str) -> list[str]:
    """The providers and their states."""
    return [row for row in screen.splitlines() if " working " in row or " off " in row]


async def test_names_from_outside_are_text_and_no_markup(filled):
    first = next(made_up.snapshots())
    period = msgspec.structs.replace(first.periods[0], name="[red]x[/] \x1b[31m[@click=app.quit]y")
    cache.save_snapshot(msgspec.structs.replace(first, periods=(period,)), "")
    app = made()
    async with app.run_test(size=(120, 24)) as pilot:
        await seen(app, pilot, "[red]x[/] [31m[@click=app.quit]y")


async def test_without_colour_nothing_is_coloured(filled):
    app = made()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "81% used ++")
        colours = {colour for _, colour in drawn(app)}
    assert colours == {None}


async def test_with_colour_the_pace_is_coloured(filled):
    app = made(color=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(app, pilot, "81% used ")
        red = "".join(text for text, colour in drawn(app) if colour == RED)
    assert re.findall(r"\d+%", red) == ["81%", "57%", "100%"]


async def test_a_mistake_of_ours_ends_it_and_shows_no_variables(filled, monkeypatch, capsys):
    def load(self, ask, now):
        secret = "sk-canary"
        raise RuntimeError(len(secret))

    monkeypatch.setattr(Source, "load", load)
    app = made()
    with pytest.raises(RuntimeError):
        async with app.run_test():
            await asyncio.sleep(0.2)
    told = capsys.readouterr()
    assert "canary" not in told.out + told.err
    assert "locals" not in told.out + told.err
