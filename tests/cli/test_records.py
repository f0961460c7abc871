"""`records sync` and `records show`, from the logs to what a person reads."""

import json
from pathlib import Path

import pytest
from documents import valid

from vibeusage import cli, paths
from vibeusage.records import store, sync


def line(id: str) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 2}
    message = {"id": f"msg_01{id}", "model": "claude-x", "stop_reason": "end_turn", "usage": usage}
    document = {"type": "assistant", "timestamp": "2026-01-05T12:00:00Z", "sessionId": "s", "message": message}
    return json.dumps(document).encode() + b"\n"


@pytest.fixture
def log(home) -> Path:
    path = home / ".claude" / "projects" / "p" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(line("0000000001") + b'{"usage":\n' + line("0000000002"))
    return path


def test_a_sync_tells_what_it_read_and_what_it_skipped(log, capsys):
    assert cli.main(["records", "sync"]) == 0
    assert capsys.readouterr() == ("claude: 1 file, 1 read, 2 new calls, skipped 1 (not JSON)\n", "")
    assert cli.main(["records", "sync", "--provider", "claude"]) == 0
    assert capsys.readouterr() == ("claude: 1 file, 0 read, 0 new calls\n", "")


def test_a_sync_without_logs_says_so(capsys):
    assert cli.main(["records", "sync"]) == 0
    assert capsys.readouterr() == ("no logs were found\n", "")


def test_a_quiet_sync_says_nothing(log, capsys):
    assert cli.main(["records", "sync", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_figures_of_a_sync_are_a_document(log, capsys):
    assert cli.main(["records", "sync", "--json", "--provider", "claude"]) == 0
    assert valid(capsys.readouterr().out, "records-sync") == {
        "schema": 1,
        "providers": [
            {
                "provider": "claude",
                "files": 1,
                "read": 1,
                "unchanged": 0,
                "gone": 0,
                "bytes": log.stat().st_size,
                "added": 2,
                "changed": 0,
                "skipped": {"not JSON": 1},
                "errors": [],
            }
        ],
        "moved": "",
        "carried": 0,
    }


def test_an_unreadable_file_is_named_and_the_rest_is_read(log, capsys, monkeypatch):
    other = log.with_name("b\x1b[31m.jsonl")
    other.write_bytes(line("0000000003"))
    opened = sync.logfiles.opened

    def refusing(path: str):
        if path == str(other):
            raise PermissionError(13, "Permission denied")
        return opened(path)

    monkeypatch.setattr(sync.logfiles, "opened", refusing)
    assert cli.main(["records", "sync"]) == 5
    out, err = capsys.readouterr()
    assert out == "claude: 2 files, 1 read, 2 new calls, skipped 1 (not JSON)\n"
    assert err.endswith(": Permission denied\n") and "\x1b" not in err


def test_a_damaged_store_is_built_anew_and_it_is_said(log, capsys):
    cli.main(["records", "sync"])
    (paths.data_dir() / store.NAME).write_bytes(b"nonsense" * 1000)
    capsys.readouterr()
    assert cli.main(["records", "sync"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("claude: 1 file, 1 read, 2 new calls")
    assert err.startswith("the store was damaged and is built anew from the logs; 0 calls that no log has any more")
    assert str(next(paths.data_dir().glob("usage.db.kept-*[0-9]"))) in err


def test_an_unknown_provider_is_refused(capsys):
    assert cli.main(["records", "sync", "--provider", "nobody"]) == 4
    assert capsys.readouterr().err.startswith("vibeusage: no logs are known of 'nobody'\n  known are: ")


def test_show_tells_what_is_stored(log, capsys):
    assert cli.main(["records", "show"]) == 0
    path = paths.data_dir() / store.NAME
    assert capsys.readouterr().out == f"{path}\n  nothing is stored yet; `vibeusage records sync` reads the logs\n"
    cli.main(["records", "sync"])
    log.unlink()
    cli.main(["records", "sync"])
    capsys.readouterr()
    assert cli.main(["records", "show"]) == 0
    told = "2 calls, 2026-01-05 to 2026-01-05, 1 file (1 gone), skipped 1 (not JSON)"
    assert capsys.readouterr().out == f"{path}\n  claude  {told}\n"
    assert cli.main(["records", "show", "--json"]) == 0
    shown = valid(capsys.readouterr().out, "records-show")
    assert (shown["schema"], shown["path"], shown["providers"]["claude"]["calls"]) == (1, str(path), 2)


def test_a_second_sync_leaves_it_to_the_first(log, capsys, monkeypatch):
    monkeypatch.setattr(sync, "run", lambda *args, **options: None)
    assert cli.main(["records", "sync"]) == 0
    assert capsys.readouterr() == ("", "another sync is running, and will do\n")
    assert cli.main(["records", "sync", "--json"]) == 0
    out, err = capsys.readouterr()
    assert valid(out, "records-sync") == {"schema": 1, "providers": [], "moved": "", "carried": 0}
    assert err == "another sync is running, and will do\n"


@pytest.mark.parametrize("more", [[], ["--quiet"]], ids=["shown", "quiet"])
def test_progress_is_drawn_on_a_terminal_only_and_erased(log, monkeypatch, capsys, more):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    cli.main(["records", "sync", *more])
    err = capsys.readouterr().err
    assert err == ("" if more else "\r\x1b[Kreading claude … 100 %\r\x1b[K")
