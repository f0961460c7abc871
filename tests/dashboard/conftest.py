"""One store for all pages: made once, read by every test."""

import os
import time
from pathlib import Path

import made_up
import pytest

from vibeusage.dashboard.loading import Ask, Source
from vibeusage.records import pricing
from vibeusage.records.tally import Pricer
from vibeusage.settings import Pricing


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def usage_db(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("records") / "usage.db"
    made_up.fill(path)
    return path


@pytest.fixture
def filled(usage_db, home) -> None:
    """The records are this home's, and some providers have numbers."""
    folder = Path(os.environ["VIBEUSAGE_DATA_DIR"])
    folder.mkdir(mode=0o700)
    (folder / "usage.db").write_bytes(usage_db.read_bytes())
    (folder / "usage.db").chmod(0o600)
    made_up.store_snapshots(made_up.snapshots())


@pytest.fixture
def load(monkeypatch):
    """What a page is made of, at the instant of all tests and by prices of their own."""
    pricer = Pricer(pricing.load(Pricing(models=made_up.PRICES)), {})
    monkeypatch.setattr(Source, "_prices", lambda self, settings, today: pricer)
    source = Source()
    return lambda kind, back=0, provider="": source.load(Ask(kind, back, provider), made_up.NOW)
