"""A PostgreSQL server in the place of usage.db: who may do what, where its password is, and what if it is not there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
import trustme
from documents import valid
from postgres_server import running

from vibeusage import cli, config, vault
from vibeusage.errors import Unavailable
from vibeusage.records import background, postgres, push, reading, server, store
from vibeusage.records.readers.spec import Call
from vibeusage.records.stored import LOCAL, Stored
from vibeusage.settings import Config

README = Path(__file__).parents[2] / "README.md"
DOWN = "postgresql://nobody@127.0.0.1:1/none"
slow = pytest.mark.slow


def stored(*uuids: str) -> None:
    calls = [Call(uuid=uuid, ts=1_760_000_000_000, model="m", input=1) for uuid in uuids]
    with store.open() as local:
        local.put("claude", calls, machine="here")


def name_server(config_dir: Path, url: str) -> None:
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(f'[storage]\nurl = "{url}"\n')


@pytest.fixture
def roles(cluster, url) -> Iterator[None]:
    """What the README says, with passwords."""
    text = README.read_text().partition("    CREATE ROLE vibeusage LOGIN;")
    lines = (text[1] + text[2]).partition("\n\n")[0].splitlines()
    statements = [line.partition("--")[0].strip() for line in lines]
    with cluster.admin("usage") as admin:
        for statement in filter(None, statements):
            if not statement.startswith("CREATE DATABASE"):
                admin.execute(statement.encode())
        for role in ("vibeusage", "vibeusage_reader"):
            admin.execute(f"ALTER ROLE {role} PASSWORD 'p4ss {role}'".encode())
        yield
    with cluster.admin() as admin:
        admin.execute("DROP DATABASE usage WITH (FORCE)")
        admin.execute("DROP ROLE vibeusage, vibeusage_reader")


FORBIDDEN = {
    "vibeusage": ("CREATE TABLE public.x (a int)", "CREATE TEMP TABLE x (a int)", "CREATE SCHEMA x", "CREATE ROLE x"),
    "vibeusage_reader": (
        *("DELETE FROM vibeusage.usage_records", "UPDATE vibeusage.clients SET mark = 0", "DROP TABLE vibeusage.names"),
        *("CREATE TABLE vibeusage.x (a int)", "CREATE TABLE public.x (a int)", "CREATE TEMP TABLE x (a int)"),
    ),
}


@slow
def test_the_roles_of_the_readme_can_do_what_they_are_for_and_no_more(roles, cluster, config_dir, capsys, monkeypatch):
    stored("a")
    for role, words in (("vibeusage", ("records", "push", "-q")), ("vibeusage_reader", ("report", "--json"))):
        name_server(config_dir, cluster.url(role, "usage"))
        monkeypatch.setenv("PGPASSWORD", f"p4ss {role}")
        assert cli.main([*words]) == 0, capsys.readouterr().err
        with psycopg.connect(cluster.url(role, "usage"), autocommit=True) as own:
            for statement in FORBIDDEN[role]:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    own.execute(statement.encode())
    told = json.loads(capsys.readouterr().out)
    assert (told["total"]["messages"], told["source"]) == (1, "127.0.0.1/usage")
    stored("b")
    assert cli.main(["records", "push"]) == 4
    assert "does not allow this: permission denied" in capsys.readouterr().err


@slow
@pytest.mark.parametrize("place", ["PGPASSFILE", "PGPASSWORD", "vault"])
@pytest.mark.usefixtures("roles")
def test_a_password_is_found_where_it_may_be(place, cluster, config_dir, capsys, monkeypatch, tmp_path):
    name_server(config_dir, cluster.url("vibeusage", "usage"))
    password = "p4ss vibeusage"
    match place:
        case "PGPASSWORD":
            monkeypatch.setenv("PGPASSWORD", password)
        case "PGPASSFILE":
            (tmp_path / "pass").write_text(f"127.0.0.1:*:usage:vibeusage:{password}\n")
            (tmp_path / "pass").chmod(0o600)
            monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
        case _:
            command = [sys.executable, "-P", "-m", "vibeusage", "records", "push", "--password"]
            asked = subprocess.run(command, input=f"{password}\n".encode(), capture_output=True, check=True)
            assert b"p4ss" not in asked.stdout + asked.stderr
            assert vault.read("storage", "apikey", foreground=False) == {"apikey": password}
    assert cli.main(["records", "push"]) == 0, capsys.readouterr().err
    if place == "vault":
        assert [cli.main(["records", "push", "--forget-password"]) for _ in range(2)] == [0, 2]
        capsys.readouterr()
        assert cli.main(["records", "push"]) == 3
        assert "no password supplied" in capsys.readouterr().err


@slow
def test_a_report_reads_the_server_unless_it_is_asked_not_to(named, capsys):
    stored("a")
    push.run(named)
    stored("b")
    for words, calls, source in (((), 1, postgres.name_of(named)), (("--local",), 2, LOCAL)):
        assert cli.main(["report", "daily", "--json", *words]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["total"]["messages"], told["source"]) == (calls, source)
    for kind in ("daily", "blocks", "heatmap", "activity", "insights"):
        assert cli.main(["report", kind]) == 0
        assert f"records of {postgres.name_of(named)}" in capsys.readouterr().out


@slow
def test_a_report_that_loses_its_server_in_the_middle_is_this_machines_own():
    with running() as own:
        url = own.database("usage")
        stored("a")
        push.run(url)

        def ask(opened: Stored) -> tuple[str, int]:
            opened.span()
            if opened.source != reading.INSTEAD:
                own.kill()
            return opened.source, len(list(opened.rollup()))

        reasons: list[Unavailable] = []
        settings = msgspec.convert({"storage": {"url": url}}, Config)
        assert reading.read(settings, ask, on_fallback=reasons.append) == (reading.INSTEAD, 1)
        assert "is gone" in str(reasons[0])


@slow
def test_a_report_does_not_wait_for_who_holds_the_tables(named, cluster, monkeypatch, capsys):
    stored("a")
    push.run(named)
    monkeypatch.setitem(postgres._READING, "lock_timeout", "100ms")
    with psycopg.connect(named) as other:
        other.execute("LOCK TABLE vibeusage.usage_records IN ACCESS EXCLUSIVE MODE")
        assert cli.main(["report", "daily", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["source"] == reading.INSTEAD
    assert f"the server {postgres.name_of(named)} is busy with its tables; " in said.err


@slow
def test_a_sync_and_the_refresher_send_what_they_find(named, home, monkeypatch, capsys):
    log = home / ".claude" / "projects" / "p" / "s.jsonl"
    log.parent.mkdir(parents=True)
    line = {
        "type": "assistant",
        "timestamp": "2025-10-10T10:00:00.000Z",
        "sessionId": "s",
        "requestId": "r1",
        "message": {"id": "m1", "model": "own", "usage": {"input_tokens": 3, "output_tokens": 4}},
    }
    log.write_text(json.dumps(line) + "\n")
    assert cli.main(["records", "sync", "-q", "--provider", "claude"]) == 0
    with server.reader(named) as remote:
        assert [one.call.output for one in remote.calls()] == [4]
        assert remote.synced_at() is not None
    line |= {"requestId": "r2", "message": line["message"] | {"id": "m2"}}
    log.write_text(log.read_text() + json.dumps(line) + "\n")
    background.run_if_due(config.load(), int(time.time()) + 301)
    with server.reader(named) as remote:
        assert len(list(remote.calls())) == 2
    assert push.run_if_new(config.load()) is None


def test_where_no_server_answers_a_report_is_this_machines_own_and_says_so(config_dir, capsys):
    name_server(config_dir, DOWN)
    stored("a")
    assert cli.main(["report", "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["total"]["messages"], told["source"]) == (1, "local, as the server cannot be reached")
    assert said.err.startswith("vibeusage: the server 127.0.0.1/none cannot be used: ")
    assert said.err.endswith("; these are the records of this machine alone\n")
    assert cli.main(["report", "--local"]) == 0
    said = capsys.readouterr()
    assert "records of" not in said.out + said.err


def test_where_no_server_answers_a_sync_reads_all_the_same_and_says_that_it_was_not_sent(config_dir, capsys):
    name_server(config_dir, DOWN)
    assert cli.main(["records", "sync"]) == 5
    assert "what is new is sent the next time" in capsys.readouterr().err
    assert cli.main(["records", "push"]) == 3
    assert background.run_if_due(config.load(), int(time.time()) + 301)


def test_a_second_sending_leaves_it_to_the_first(config_dir, capsys, monkeypatch):
    name_server(config_dir, DOWN)
    monkeypatch.setattr(push, "run", lambda *args, **options: None)
    assert cli.main(["records", "push"]) == 0
    assert capsys.readouterr() == ("", "another one is sending, and will do\n")
    assert cli.main(["records", "push", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    told = {"schema": 1, "server": "127.0.0.1/none", "sent": 0, "added": 0, "is_whole": False}
    assert (valid(out, "records-push"), err) == (told, "")


def test_without_an_address_there_is_nothing_to_send_to(capsys):
    assert cli.main(["records", "push"]) == 4
    assert "vibeusage config set storage.url" in capsys.readouterr().err


@slow
def test_a_server_proves_who_it_is_where_that_is_asked_for(tmp_path):
    ours, other = trustme.CA(), trustme.CA()
    for name, authority in (("ours.pem", ours), ("other.pem", other)):
        authority.cert_pem.write_to_path(tmp_path / name)
    with running(ours) as own:
        url = f"{own.database('usage')}?sslmode=verify-full&sslrootcert={tmp_path}"
        with server.writer(f"{url}/ours.pem") as remote:
            used = remote._db.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert used.fetchall() == [(True,)]
        with pytest.raises(Unavailable, match="certificate verify failed"):
            server.writer(f"{url}/other.pem")


@pytest.mark.parametrize(
    ("url", "environ", "mode"),
    [
        ("postgresql://a@db.example/x", {}, "require"),
        ("postgresql://a@localhost,db.example/x", {}, "require"),
        ("postgresql://a@db.example/x?sslmode=verify-full", {}, None),
        ("postgresql://a@db.example/x", {"PGSSLMODE": "verify-full"}, None),
        ("postgresql://a@127.0.0.1:5/x", {}, None),
        ("postgresql://a@[::1]/x", {}, None),
        ("postgresql://a@/x?host=/run/postgresql", {}, None),
        ("postgresql:///x", {}, None),
    ],
)
def test_another_host_is_spoken_to_by_tls_unless_somebody_says_otherwise(url, environ, mode):
    assert postgres._own(url, environ).get("sslmode") == mode


def test_our_statements_are_said_as_postgresql_has_them():
    sql = "SELECT a FROM t CROSS JOIN u INDEXED BY i_x ON a = ? AND b = :name AND c IN (SELECT value FROM json_each(?))"
    assert postgres.translated(sql) == (
        b"SELECT a FROM t JOIN u  ON a = %s AND b = %(name)s AND c IN "
        b"(SELECT value::bigint FROM json_array_elements_text(%s::json))"
    )
    assert postgres.translated("SELECT :days::bigint[]") == b"SELECT %(days)s::bigint[]"


def test_without_psycopg_it_is_said_what_to_install(config_dir, capsys, monkeypatch):
    name_server(config_dir, DOWN)
    for name in [name for name in sys.modules if name in ("vibeusage.records.postgres", "vibeusage.records.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delattr("vibeusage.records.server", raising=False)
    monkeypatch.delattr("vibeusage.records.postgres", raising=False)
    assert cli.main(["report"]) == 4
    assert "pip install 'vibeusage[postgres]'" in capsys.readouterr().err
    assert cli.main(["report", "--local"]) == 0
