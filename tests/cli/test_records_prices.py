"""`records prices`: where they are from, and newer ones from a server on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

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
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["update"]) == (1, None)
    assert any("litellm" in source for source in told["sources"])


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
    assert json.loads(capsys.readouterr().out)["update"]["changed"] == ["acme-3"]
