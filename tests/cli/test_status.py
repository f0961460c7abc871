import io
import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vibeusage import health, providers
from vibeusage.cli import Parser, status
from vibeusage.errors import ConfigError
from vibeusage.models import ProviderStatus, StatusLevel
from vibeusage.providers.spec import Provider, StatusPage

SAYS = {  # what each provider's page says; None: no page
    "calm": ("none", "All Systems Operational"),
    "slow": ("minor", "Slow"),
    "half": ("major", "Half is down"),
    "down": ("critical", "All is down"),
    "odd": ("new-word", None),
    "broken": "<html>",
    "pageless": None,
}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        assert isinstance(self.server, Pages)
        self.server.asked.append(name)
        says = SAYS[name]
        if isinstance(says, tuple):
            says = json.dumps({"status": {"indicator": says[0], "description": says[1]}})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(says).encode())

    def log_message(self, format, *args):
        pass


class Pages(ThreadingHTTPServer):
    """Plays all status pages on loopback; `asked` are the ids in their order."""

    daemon_threads = True
    asked: list[str]


@pytest.fixture(autouse=True)
def pages(monkeypatch):
    with Pages(("127.0.0.1", 0), Page) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}/"
        known = {name: provider(name, base + name if says else None) for name, says in SAYS.items()}
        monkeypatch.setattr(providers, "ids", lambda: tuple(known))
        monkeypatch.setattr(providers, "load", known.__getitem__)
        yield server
        server.shutdown()
        thread.join()


def provider(name, url):
    page = StatusPage(url=url, parse=health.parse_statuspage) if url else None
    return Provider(id=name, name=name.title(), hosts=(), dashboard_url="", login_hint="", strategies=(), status=page)


def run(*argv):
    parser = Parser(prog="vibeusage status", description=status.__doc__)
    status.add_arguments(parser)
    return status.run(parser.parse_args(argv))


def test_every_level_has_its_symbol_and_its_word(capsys):
    assert run() == 5
    assert capsys.readouterr().out.splitlines() == [
        "● calm      operational     All Systems Operational  (<1m ago)",
        "◐ slow      degraded        Slow  (<1m ago)",
        "◑ half      partial outage  Half is down  (<1m ago)",
        "○ down      major outage    All is down  (<1m ago)",
        "? odd       unknown         (<1m ago)",
        "? broken    unknown         127.0.0.1 sent an answer that we do not understand",
        "? pageless  unknown         Pageless has no status page that can be read",
    ]


def test_a_stream_that_is_not_utf8_gets_ascii(monkeypatch):
    monkeypatch.setitem(SAYS, "slow", ("minor", "Zürich is slow"))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert run("calm", "slow", "half", "down", "odd") == 0
    stream.flush()
    assert stream.buffer.getvalue().decode("ascii").splitlines() == [
        "+ calm  operational     All Systems Operational  (<1m ago)",
        "~ slow  degraded        Z?rich is slow  (<1m ago)",
        "! half  partial outage  Half is down  (<1m ago)",
        "x down  major outage    All is down  (<1m ago)",
        "? odd   unknown         (<1m ago)",
    ]


@pytest.mark.parametrize(
    ("name", "sgr"), [("calm", "32"), ("slow", "33"), ("half", "31"), ("down", "1;31"), ("odd", "90")]
)
def test_the_colour_is_that_of_the_level(name, sgr, monkeypatch, capsys):
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    run(name)
    symbol, word = capsys.readouterr().out.split(f"\x1b[{sgr}m")[1:]
    assert (symbol.partition("\x1b[0m")[2], "\x1b[0m  " in word) == (f" {name}  ", True)


@pytest.mark.parametrize(
    ("environ", "options"), [({"NO_COLOR": "1"}, []), ({}, ["--no-color"])], ids=["NO_COLOR", "option"]
)
def test_colour_can_be_forbidden(environ, options, monkeypatch, capsys):
    for name, value in {"CLICOLOR_FORCE": "1", **environ}.items():
        monkeypatch.setenv(name, value)
    run("calm", *options)
    assert "\x1b" not in capsys.readouterr().out


def test_what_a_page_says_does_nothing_to_the_terminal(monkeypatch, capsys):
    monkeypatch.setitem(SAYS, "slow", ("minor", "a\x1b]0;title\x07b\nc\u202ed" + "x" * 400))
    run("slow")
    assert capsys.readouterr().out == f"◐ slow  degraded        a]0;titleb cd{'x' * 187}  (<1m ago)\n"


def test_json_has_every_provider_under_its_id(capsys):
    before = datetime.now(UTC)
    assert run("--json", "slow", "broken", "pageless") == 5
    document = json.loads(capsys.readouterr().out)
    assert before <= datetime.fromisoformat(document["fetched_at"]) <= datetime.now(UTC)
    assert document == {
        "schema": 1,
        "fetched_at": document["fetched_at"],
        "statuses": {
            "slow": {"level": "degraded", "description": "Slow", "updated_at": document["fetched_at"]},
            "broken": {"level": "unknown", "description": "127.0.0.1 sent an answer that we do not understand"},
            "pageless": {"level": "unknown", "description": "Pageless has no status page that can be read"},
        },
    }


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        pytest.param(["calm"], 0, id="all is well"),
        pytest.param(["calm", "down"], 0, id="a page that answered, whatever it says"),
        pytest.param(["odd"], 0, id="an answer with a word nobody knows"),
        pytest.param(["pageless"], 0, id="nobody to ask"),
        pytest.param(["calm", "pageless"], 0, id="one page, and one without"),
        pytest.param(["broken"], 3, id="no page"),
        pytest.param(["broken", "pageless"], 3, id="no page, and one without"),
        pytest.param(["calm", "broken"], 5, id="some pages"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_the_exit_code_tells_whether_the_pages_answered(wanted, code, form):
    assert run(*wanted, *form) == code


def test_a_page_that_cannot_be_reached_says_so_and_exits_3(monkeypatch, capsys):
    monkeypatch.setattr(providers, "load", lambda name: provider(name, "http://127.0.0.1:1/"))
    assert run("calm") == 3
    assert capsys.readouterr().out == "? calm  unknown         127.0.0.1 cannot be reached\n"


def test_a_new_answer_is_used_again_and_refresh_asks(pages, capsys):
    kept = ProviderStatus(
        level=StatusLevel.MAJOR_OUTAGE, description="Down", updated_at=datetime.now(UTC) - timedelta(minutes=3)
    )
    health.write("calm", kept)
    run("calm")
    assert capsys.readouterr().out == "○ calm  major outage    Down  (3m ago)\n"
    assert pages.asked == []
    run("calm", "--refresh")
    assert capsys.readouterr().out == "● calm  operational     All Systems Operational  (<1m ago)\n"
    assert pages.asked == ["calm"]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        pytest.param('enabled_providers = ["half", "calm@work", "calm"]', ["half", "calm"], id="named, in order"),
        pytest.param(
            'enabled_providers = ["half", "calm"]\n[providers.half]\nenabled = false', ["calm"], id="switched off"
        ),
    ],
)
def test_without_a_name_the_enabled_providers_are_shown(settings, asked, config_dir, capsys):
    config_dir.mkdir()
    (config_dir / "config.toml").write_text(settings)
    assert run("--json") == 0
    assert list(json.loads(capsys.readouterr().out)["statuses"]) == asked


def test_with_all_switched_off_it_says_so(config_dir, capsys):
    config_dir.mkdir()
    (config_dir / "config.toml").write_text('enabled_providers = ["calm"]\n[providers.calm]\nenabled = false\n')
    assert run() == 0
    assert capsys.readouterr().out == "no provider is enabled\n"


def test_a_disabled_provider_is_asked_when_named(config_dir, pages):
    config_dir.mkdir()
    (config_dir / "config.toml").write_text("[providers.calm]\nenabled = false\n")
    assert (run("calm@work"), pages.asked) == (0, ["calm"])


def test_an_unknown_provider_is_refused_with_the_nearest(pages):
    with pytest.raises(ConfigError) as caught:
        run("calm", "clam")
    error = caught.value
    assert (str(error), error.hint, error.exit_code) == (
        "'clam' is not a provider",
        "did you mean calm? `vibeusage providers list --all` names them all",
        4,
    )
    assert pages.asked == []
