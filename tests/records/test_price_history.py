"""What stored models cost, as a sync has noted it, outlives what a later price file says."""

from datetime import date

import pytest

from vibeusage.records import price_history, pricing, store
from vibeusage.records.price_history import Noted
from vibeusage.records.price_table import Price, Rates, Table
from vibeusage.records.readers.spec import Call
from vibeusage.settings import ModelPrices, Pricing

OLD = Price(None, Rates(1, 2, 3, 4, 5))
NEW = Price(date(2026, 3, 13), Rates(6, 7, 8, 9, 10), ((200_000, Rates(12, 14, 16, 18, 20)),), {"fast": 250})
MENDED = Price(None, Rates(1, 2, 3, 4, 6))


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        calls = [Call(uuid=model, ts=1_750_000_000_000, model=model) for model in ("m-1", "other", "unknown")]
        opened.put("claude", calls, machine="here")
        yield opened


def prices(*of_m: Price, source: str = "shipped", own: Pricing | None = None) -> pricing.Prices:
    models = {"m-1": of_m, "other": (OLD,), "never used": (OLD,)}
    return pricing.Prices(Table(1, date(2026, 1, 1), (source,), {}, models), own or Pricing())


@pytest.fixture
def clock(monkeypatch):
    """Milliseconds, one more with every look."""
    now = iter(range(1, 99))
    monkeypatch.setattr(price_history.time, "time_ns", lambda: next(now) * 1_000_000)


def test_dated_prices_and_tiers_of_stored_models_are_noted_once(db, clock):
    assert price_history.note(db, prices(OLD, NEW)) == 3
    before = db.noted_prices()
    assert (price_history.note(db, prices(OLD, NEW, source="later")), db.noted_prices()) == (0, before)
    assert price_history.of("M-1", db) == [
        Noted("claude", "m-1", OLD, "shipped", 1),
        Noted("claude", "m-1", NEW, "shipped", 1),
    ]
    assert [noted.model for noted in price_history.of("", db)] == ["m-1", "m-1", "other"]
    assert price_history.of("never", db) == []


def test_a_price_that_a_later_file_mends_stays_with_the_day_it_was_replaced(db, clock):
    price_history.note(db, prices(OLD, NEW))
    assert price_history.note(db, prices(MENDED, NEW, source="later")) == 1
    assert price_history.of("m-1", db) == [
        Noted("claude", "m-1", OLD, "shipped", 1, replaced_ms=2),
        Noted("claude", "m-1", MENDED, "later", 2),
        Noted("claude", "m-1", NEW, "shipped", 1),
    ]
    assert price_history.note(db, prices(OLD, NEW)) == 1
    assert [(noted.price, noted.noted_ms, noted.replaced_ms) for noted in price_history.of("m-1", db)] == [
        (OLD, 1, 2),
        (MENDED, 2, 3),
        (OLD, 3, None),
        (NEW, 1, None),
    ]


def test_a_price_of_the_settings_is_none_of_a_table(db):
    own = Pricing(models={"m-1": ModelPrices(1.0, 2.0)})
    assert price_history.note(db, prices(OLD, own=own)) == 1
    assert [noted.model for noted in price_history.of("", db)] == ["other"]
