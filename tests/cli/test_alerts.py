import json
from datetime import UTC, datetime, timedelta

import pytest
from documents import valid

from vibeusage import cli, episodes
from vibeusage.episodes import Alert, Known, Seen


@pytest.fixture
def settle(config_dir):
    def write(text: str) -> None:
        config_dir.mkdir(mode=0o700, exist_ok=True)
        (config_dir / "config.toml").write_text(text)

    return write


def test_without_thresholds_it_says_how_to_set_them(capsys):
    assert cli.main(["alerts"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "alerts are off: `vibeusage config set alerts.thresholds 80,95` switches them on",
        "  nothing was told of yet",
    ]


def test_the_hint_works(capsys):
    assert cli.main(["config", "set", "alerts.thresholds", "80,95"]) == 0
    assert cli.main(["alerts"]) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == "thresholds  80%, 95%"
    _, _, hint = second.split("`")[1].partition("vibeusage config set alerts.command ")
    assert cli.main(["config", "set", "alerts.command", hint.strip("'")]) == 0
    assert cli.main(["alerts"]) == 0
    assert "command     /usr/bin/notify-send -- '{title}' '{text}'\n" in capsys.readouterr().out


def test_what_was_told_of_and_what_waits_is_shown(settle, capsys):
    settle('[alerts]\nthresholds = [95, 80]\ncommand = ["/bin/true", "{title}"]')
    now = datetime.now(UTC)
    alert = Alert(
        account="claude\x1b[31m",
        period="Weekly",
        threshold=80,
        utilization=81.0,
        at=now - timedelta(minutes=12),
        until=now,
        outcome="ended with code 3",
    )
    seen = Seen(utilization=96, at=now, is_waiting=True)
    episodes.save(Known(seen={"codex": {"Session (5h)": seen, "Weekly": Seen(utilization=1, at=now)}}, alerts=(alert,)))
    assert cli.main(["alerts", "--json"]) == 0
    told = valid(capsys.readouterr().out, "alerts")
    assert (len(told["fired"]), len(told["waiting"])) == (1, 1)
    assert cli.main(["alerts"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "thresholds  80%, 95%",
        "command     /bin/true '{title}'",
        "  claude[31m Weekly  81% (threshold 80%)  12m ago: ended with code 3",
        "  codex Session (5h)  96% was seen once, so it is not told of yet",
    ]


def test_a_test_without_a_command_is_a_mistake(capsys):
    assert cli.main(["alerts", "test"]) == 4
    assert capsys.readouterr().err.startswith("vibeusage: no alerts.command is set\n  for example `")


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("echo hello", 0, ["  hello", "it ended well"]),
        ("printf '\\033[31mred\\nline'; exit 7", 1, ["  [31mred", "  line", "it ended with code 7"]),
    ],
)
def test_a_test_shows_what_was_run_what_it_printed_and_how_it_ended(script, code, said, settle, capsys):
    settle(f"[alerts]\ncommand = {json.dumps(['/bin/sh', '-c', script, '{percent}'])}")
    assert cli.main(["alerts", "test"]) == code
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("/bin/sh -c ") and first.endswith(" 83%")
    assert rest == said
    assert episodes.load() == Known()


def test_a_test_as_json(settle, capsys):
    settle('[alerts]\ncommand = ["/bin/echo", "{account}"]')
    assert cli.main(["alerts", "test", "--json"]) == 0
    assert valid(capsys.readouterr().out, "alerts-test") == {
        "schema": 1,
        "command": ["/bin/echo", "claude"],
        "outcome": "ok",
        "output": ["claude"],
    }


def test_clearing_the_cache_forgets_what_was_told(settle, cache_dir):
    seen = {"Weekly": Seen(utilization=96, at=datetime.now(UTC))}
    episodes.save(Known(seen={"codex": seen, "claude": seen}))
    assert cli.main(["cache", "clear", "claude"]) == 0
    assert episodes.load() == Known(seen={"codex": seen})
    assert cli.main(["cache", "clear"]) == 0
    assert not (cache_dir / "alerts.json").exists()
