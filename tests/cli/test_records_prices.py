"""`records prices`: where they are from, and newer ones from a server on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from documents import valid

from vibeusage import cli


@pytest.fixture
def price_server(config_dir):
    """A server of a price table; `config.toml` names it."""
    rates = {"input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6}
    entry = {"litellm_provider": "anthropic", "mode": "chat", **rates}
    table = {f"acme-{number}": dict(entry) for number in range(30)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(table).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(f'[pricing]\nurl = "http://127.0.0.1:{server.server_port}/prices.json"\n')
    yield table
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_prices_that_are_shipped_say_of_when_and_from_where(capsys):
    assert cli.main(["records", "prices", "--json"]) == 0
    told = valid(capsys.readouterr().out, "records-prices")
    assert (told["schema"], told["update"]) == (1, None)
    assert any("litellm" in source for source in told["sources"])


@pytest.fixture
def synced(home):
    """A sync of a call of Opus 4.6, whose long prompts have had another price since 13 March 2026."""
    message = {"id": "msg_1", "model": "claude-opus-4-6", "stop_reason": "end_turn", "usage": {"input_tokens": 1}}
    told = {"type": "assistant", "timestamp": "2026-01-05T12:00:00Z", "sessionId": "s", "message": message}
    path = home / ".claude" / "projects" / "p" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told) + "\n")
    assert cli.main(["records", "sync", "--quiet"]) == 0


def test_the_prices_that_costs_rest_on_are_told_with_their_dates_tiers_and_source(synced, capsys):
    assert cli.main(["records", "prices", "Opus"]) == 0
    first, before, tier, ways, noted, after, *rest = capsys.readouterr().out.splitlines()
    assert first == "claude  claude-opus-4-6, USD per million tokens"
    usual = "input 5.00, output 25.00, cache write 6.25, cache write 1h 10.00, cache read 0.50"
    assert (before, after) == (f"  from the first day on: {usual}", f"  since 2026-03-13: {usual}")
    assert tier.startswith("    prompts over 200,000 tokens: input 10.00, output 37.50, ")
    assert (ways, len(rest)) == ("    served otherwise: batch 50 %, fast 600 %, us 110 %", 2)
    assert noted.startswith("    noted 20")
    assert "litellm" in noted


def test_noted_prices_are_a_document(synced, capsys):
    assert cli.main(["records", "prices", "opus", "--json"]) == 0
    first, second = valid(capsys.readouterr().out, "records-prices-model")["prices"]
    assert (first["since"], second["since"], second["tiers"]) == (None, "2026-03-13", [])
    assert first["tiers"][0]["above_tokens"] == 200_000
    assert {**second, "noted_at": None, "source": ""} == {
        "provider": "claude",
        "model": "claude-opus-4-6",
        "since": "2026-03-13",
        "usd_per_million": {
            "input": "5.00",
            "output": "25.00",
            "cache_write": "6.25",
            "cache_write_1h": "10.00",
            "cache_read": "0.50",
        },
        "tiers": [],
        "percent": {"batch": 50, "fast": 600, "us": 110},
        "source": "",
        "noted_at": None,
        "replaced_at": None,
    }


def test_a_model_without_calls_has_no_noted_price(synced, capsys):
    assert cli.main(["records", "prices", "gpt-5"]) == 4
    assert "no price is noted of 'gpt-5'" in capsys.readouterr().err


def test_newer_prices_are_taken_and_stay(price_server, capsys):
    assert cli.main(["records", "prices", "update"]) == 0
    assert capsys.readouterr().out.startswith("30 models are new: acme-0, ")
    assert cli.main(["records", "prices", "update"]) == 0
    assert capsys.readouterr().out.startswith("0 models are new\n")


def test_a_wild_change_is_taken_only_by_force(price_server, capsys):
    assert cli.main(["records", "prices", "update"]) == 0
    price_server["acme-3"]["input_cost_per_token"] = 1e-3
    assert cli.main(["records", "prices", "update"]) == 1
    assert "acme-3 differ by more than a factor of 10" in capsys.readouterr().err
    assert cli.main(["records", "prices", "update", "--force", "--json"]) == 0
    assert valid(capsys.readouterr().out, "records-prices")["update"]["changed"] == ["acme-3"]
