"""The dashboard where a PostgreSQL server has the records of two machines, and while that server is away."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from dashboard.test_app import anyio_backend as anyio_backend
from dashboard.test_app import made, shown
from dashboard.test_app import nobody_is_asked as nobody_is_asked
from made_up import NOW
from postgres_server import Cluster, running

from vibeusage.dashboard import app as dashboard
from vibeusage.dashboard import changes
from vibeusage.dashboard.app import Dashboard
from vibeusage.dashboard.loading import Ask, Devices, Source
from vibeusage.errors import Unavailable
from vibeusage.records import postgres, push, reading, store
from vibeusage.records.readers.spec import Call
from vibeusage.records.reading import INSTEAD

DAY_S = 86_400
WAIT_S = 10.0
PRICE = "[pricing.models.own]\ninput = 1.0\noutput = 1.0\n"
# by the key of each page what is on it
BOTH = {
    "u": ("─ · {source}", "$1.00 $6.00 $6.00", "1.0M 6.0M 6.0M"),
    "w": ("2026-W48, 23 Nov to 29 Nov · {source} $5.00 · 5.0M tokens · 5 calls", "Total 5 5.0M $5.00"),
    "m": ("November 2026 · {source} $6.00 · 6.0M tokens · 6 calls", "Total 6 6.0M $6.00"),
    "y": ("2026 · {source} $7.00 · 7.0M tokens · 7 calls", "Total 7 7.0M $7.00"),
    "h": ("Heatmap, Nov 2025 to Nov 2026 · {source}", "$7.00, 7.0M tokens in 7 calls"),
    "d": (
        "Devices · {source}",
        "laptop $2.00 2.0M $2.00 2.0M 2",
        "desk $4.00 4.0M $5.00 5.0M 5",
        "Total $6.00 6.0M $7.00 7.0M 7",
    ),
    "p": ("Providers, November 2026 · {source}", "claude 2 2.0M $2.00", "codex 4 4.0M $4.00", "Total 6 6.0M $6.00"),
}
ALONE = {
    "u": ("{source}", "$1.00 $2.00 $2.00", "1.0M 2.0M 2.0M"),
    "w": ("2026-W48, 23 Nov to 29 Nov $2.00 · 2.0M tokens · 2 calls", "{source}", "Total 2 2.0M $2.00"),
    "m": ("November 2026 $2.00 · 2.0M tokens · 2 calls", "{source}", "Total 2 2.0M $2.00"),
    "y": ("2026 $2.00 · 2.0M tokens · 2 calls", "{source}", "Total 2 2.0M $2.00"),
    "h": ("Heatmap, Nov 2025 to Nov 2026", "{source}", "$2.00, 2.0M tokens in 2 calls"),
    "d": ("Devices", "{source}", "laptop $2.00 2.0M $2.00 2.0M 2", "Total $2.00 2.0M $2.00 2.0M 2"),
    "p": ("Providers, November 2026", "{source}", "claude 2 2.0M $2.00", "Total 2 2.0M $2.00"),
}


@pytest.fixture
def server() -> Iterator[Cluster]:
    with running() as own:
        yield own


@pytest.fixture
def url(server, tmp_path, monkeypatch, config_dir) -> str:
    """What both machines have sent to; we are the laptop."""
    address = server.database("usage")
    with monkeypatch.context() as patch:
        patch.setenv("VIBEUSAGE_DATA_DIR", str(tmp_path / "desk"))
        send(address, "desk", "codex", days_ago=(1, 2, 3, 4, 40))
    send(address, "laptop", "claude", days_ago=(0, 2))
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(f'[storage]\nurl = "{address}"\n{PRICE}')
    return address


def send(address: str, machine: str, tool: str, *, days_ago: tuple[int, ...]) -> None:
    """A call of a dollar on each of the days."""
    instants = [int((NOW.timestamp() - 3_600 - day * DAY_S) * 1000) for day in days_ago]
    with store.open() as local:
        local.put(tool, [Call(uuid=f"{ts}", ts=ts, model="own", input=1_000_000) for ts in instants], machine=machine)
    assert push.run(address) == push.Pushed(server=postgres.name_of(address), sent=len(instants), added=len(instants))


async def looked_at(app: Dashboard, pilot, pages: dict[str, tuple[str, ...]], source: str) -> str:
    """The pages once all of that is on them, which is soon, whatever has become of the server."""
    found = ""
    for key, lines in pages.items():
        await pilot.press(key)
        wanted = [f"{line.format(source=source)} " for line in lines]
        end = time.monotonic() + WAIT_S
        while missing := [line for line in wanted if line not in words(app)]:
            assert time.monotonic() < end, f"{missing} never appeared on:\n{shown(app)}"
            await asyncio.sleep(0.02)
        found += words(app)
    return found


def words(app: Dashboard) -> str:
    """Its lines with one blank between words, and at their ends."""
    return "".join(f"{' '.join(line.split())} \n" for line in shown(app).splitlines())


@pytest.mark.anyio
@pytest.mark.slow
async def test_its_pages_are_of_the_server_and_of_this_machine_while_that_is_away(url, server, monkeypatch):
    monkeypatch.setattr(dashboard, "TICK_S", 0.05)
    monkeypatch.setattr(changes, "SERVER_S", 1)
    app = made()
    async with app.run_test(size=(140, 40)) as pilot:
        await looked_at(app, pilot, BOTH, postgres.name_of(url))
        server.stop()
        alone = await looked_at(app, pilot, ALONE, INSTEAD)
        assert not {"desk", "codex"} & {*alone.split()}
        server.start()
        await looked_at(app, pilot, BOTH, postgres.name_of(url))
        await pilot.press("u", "escape")
    assert app.return_value == 0


def test_a_server_that_cannot_be_reached_is_asked_once_a_minute_and_not_by_each_page(config_dir, monkeypatch):
    config_dir.mkdir()
    (config_dir / "config.toml").write_text('[storage]\nurl = "postgresql://me@127.0.0.1/usage"\n')
    asked = []

    def away(url: str) -> None:
        asked.append(url)
        raise Unavailable("the server takes its time")

    monkeypatch.setattr(reading, "remote", away)
    source = Source()
    for minute, times in ((7, 1), (7, 1), (8, 2), (8, 2)):
        monkeypatch.setattr(changes, "server", lambda settings, minute=minute: (settings.storage.url, minute))
        found = source.load(Ask("devices"), NOW)
        assert isinstance(found, Devices)
        assert (found.every.source, len(asked)) == (INSTEAD, times)
