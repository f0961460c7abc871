"""An update brings what is new, from its own day on; nothing known is lost, and nothing wild is taken."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from vendors import MIB, Answer, World, redirect

from vibeusage.errors import ConfigError, ShapeError, Unavailable, VibeusageError
from vibeusage.records import price_table, price_update, pricing
from vibeusage.records.price_update import URL, Update
from vibeusage.records.pricing import Rates

HOST = "raw.githubusercontent.com"
PATH = URL.removeprefix(f"https://{HOST}")
FIRST, SECOND = date(2026, 12, 1), date(2026, 12, 24)
TAIL = {f"gpt-9.{at}": (1.0, 4.0) for at in range(30)}


def table(**prices: tuple[float, float]) -> bytes:
    """LiteLLM's file of these models, in USD per million tokens, and of enough others."""
    dollars = TAIL | {name.replace("_", "-"): pair for name, pair in prices.items()}
    entries = {
        name: {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": price_in / 1e6,
            "output_cost_per_token": price_out / 1e6,
        }
        for name, (price_in, price_out) in dollars.items()
    }
    return json.dumps({"sample_spec": {"mode": "one of: chat"}} | entries).encode()


def update(day=FIRST, *, force=False, **prices) -> Update:
    return pricing.update(lambda: table(**prices), today=day, force=force)


UNPRICED = Rates(0, 0, 0, 0, 0)


def rates(model: str, day: date) -> Rates:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return pricing.load().rates(model, int(noon.timestamp() * 1000)) or UNPRICED


def kept_file() -> Path:
    return Path(os.environ["VIBEUSAGE_DATA_DIR"]) / "prices.json"


def test_a_new_model_has_its_price_for_all_days_and_a_changed_one_from_today():
    before = rates("claude-opus-5", date(2026, 11, 30))
    assert update(claude_opus_5=(4, 20), mine=(2, 3)) == Update(FIRST, (*sorted(TAIL), "mine"), ("claude-opus-5",))
    assert rates("mine", date(2026, 1, 1)) == Rates(2_000_000, 3_000_000, 2_000_000, 2_000_000, 2_000_000)
    assert rates("claude-opus-5", date(2026, 11, 30)) == before
    assert rates("claude-opus-5", FIRST) == Rates(4_000_000, 20_000_000, 4_000_000, 4_000_000, 4_000_000)


def test_a_second_update_forgets_nothing_of_the_first():
    update(claude_opus_5=(4, 20), mine=(2, 3))
    assert update(SECOND, claude_opus_5=(3, 15)) == Update(SECOND, (), ("claude-opus-5",))
    assert [rates("claude-opus-5", day).input for day in (FIRST, SECOND)] == [4_000_000, 3_000_000]
    assert UNPRICED not in (rates("mine", SECOND), rates("claude-3-opus-20240229", SECOND))
    prices = pricing.load()
    assert prices.as_of == SECOND
    assert {f"{URL}, {FIRST}", f"{URL}, {SECOND}"} < set(prices.sources)


def test_what_the_file_does_not_state_of_a_known_model_is_kept():
    known = price_table.current().models["claude-opus-5"][-1]
    assert update(claude_opus_5=(5, 25)).changed == ()
    assert price_table.current().models["claude-opus-5"][-1] == known


def test_another_writing_of_a_known_model_is_nothing_new():
    found = update(claude_opus_5_20260601=(5, 25), claude_opus_5_20260602=(5, 26))
    assert set(found.added) - set(TAIL) == {"claude-opus-5-20260602"}


@pytest.mark.parametrize("pair", [(51, 250), (5, 251), (0.4, 25)])
def test_a_wild_change_is_refused_as_a_whole_unless_it_is_forced(pair):
    with pytest.raises(ShapeError, match="claude-opus-5 differ by more than a factor of 10") as caught:
        update(claude_opus_5=pair, mine=(1, 1))
    assert "--force" in caught.value.hint
    assert not kept_file().exists()
    assert update(claude_opus_5=pair, force=True).changed == ("claude-opus-5",)
    assert rates("claude-opus-5", FIRST).input == round(pair[0] * 1_000_000)


def test_a_change_by_a_factor_of_ten_is_taken():
    assert update(claude_opus_5=(50, 250)).changed == ("claude-opus-5",)


@pytest.mark.parametrize("body", [b"<html>", b"{}", json.dumps({"a": {"mode": "chat"}}).encode()])
def test_what_is_no_price_table_changes_nothing(body):
    update(mine=(2, 3))
    before = kept_file().read_bytes()
    with pytest.raises(ShapeError) as caught:
        pricing.update(lambda: body, today=SECOND)
    assert "nothing was changed" in caught.value.hint
    assert kept_file().read_bytes() == before


def test_what_is_kept_is_private():
    update()
    assert [path.stat().st_mode & 0o777 for path in (kept_file(), kept_file().parent)] == [0o600, 0o700]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema":1}', b"\xff" * 99])
def test_a_damaged_file_leaves_the_shipped_prices_and_is_replaced_by_the_next_update(data):
    update(mine=(2, 3))
    kept_file().write_bytes(data)
    assert (rates("mine", FIRST), rates("claude-opus-5", FIRST).input) == (UNPRICED, 5_000_000)
    assert "mine" in update(SECOND, mine=(2, 3)).added


def test_a_file_that_others_may_write_is_not_believed():
    update(mine=(2, 3))
    kept_file().chmod(0o666)
    assert rates("mine", FIRST) == UNPRICED


# the way to the table


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


def test_the_table_is_asked_for_once_at_its_own_host(world):
    world.on("GET", HOST, PATH, Answer(body=table(mine=(2, 3))))
    assert "mine" in pricing.update(pricing.download, today=FIRST).added
    assert world.hosts == {HOST}


def test_the_settings_can_name_another_address(world):
    world.on("GET", "mirror.example", "/p.json", Answer(body=b"{}"))
    assert pricing.download("https://mirror.example/p.json") == b"{}"
    assert world.hosts == {"mirror.example"}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        pytest.param(redirect("https://elsewhere.example/"), ShapeError, "answered 302", id="sent elsewhere"),
        pytest.param(Answer(status=404), ShapeError, "answered 404", id="gone"),
        pytest.param(Answer(status=503, headers={"retry-after": "9"}), Unavailable, "answered 503", id="down"),
        pytest.param(Answer(repeat_bytes=33 * MIB, announced=False), ShapeError, "sent more than", id="endless"),
    ],
)
def test_an_answer_that_is_no_table_is_an_error_with_the_host(answer, error, said, world):
    world.on("GET", HOST, PATH, answer)
    with pytest.raises(VibeusageError, match=f"{HOST} {said}") as caught:
        pricing.download()
    assert type(caught.value) is error
    assert world.hosts == {HOST}


def test_a_host_whose_certificate_is_anothers_is_not_believed(world):
    world.on("GET", HOST, PATH, Answer(body=table()))
    world.certificate(HOST, "wrong-name")
    with pytest.raises(Unavailable, match="does not prove"):
        pricing.download()


def test_certificates_that_are_none_are_a_mistake_in_the_environment(monkeypatch, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        price_update.download()
