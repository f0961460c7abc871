"""Many machines, one PostgreSQL server: whoever is killed or restored, nothing is lost and nothing counts twice."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from documents import valid
from postgres_server import running

from vibeusage.errors import StorageError
from vibeusage.records import postgres, postgres_schema, push, rollup, server, store
from vibeusage.records.readers.spec import Call
from vibeusage.records.schema import UNITS
from vibeusage.records.stored import Stored

pytestmark = pytest.mark.slow
START, DAY, QUARTER = 1_760_000_400_000, 86_400_000, 900_000
MANY = 60_000
TABLES = ("usage_records", *UNITS)


def call(uuid: str, ts: int = START, **fields: Any) -> Call:
    told: dict[str, Any] = {"uuid": uuid, "ts": ts, "model": "own", "session": "s", "input": 1}
    return Call(**(told | fields))


def sums(stored: Stored, by: tuple[str, ...] = rollup.BY) -> list[rollup.RollupRow]:
    return sorted(stored.rollup(by=by), key=repr)


def machine(folder: Path, url: str) -> Path:
    """A machine of its own, which knows the server; where its usage.db is."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.toml").write_text(f'[storage]\nurl = "{url}"\n')
    return folder / "data" / store.NAME


def sending(folder: Path, *words: str) -> subprocess.Popen:
    own = {f"VIBEUSAGE_{name.upper()}_DIR": str(folder / name) for name in ("config", "cache", "data")}
    command = [sys.executable, "-P", "-m", "vibeusage", "records", "push", *words]
    environ = {**os.environ, **own, "HOME": str(folder)}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_twenty_machines_that_send_at_once_are_summed_exactly(url, tmp_path):
    """Each has calls of its own, and states of calls that all know; two machines send twice at once."""
    folders = [tmp_path / f"m{number}" for number in range(20)]
    with store.open(tmp_path / "all.db") as whole:
        for number, folder in enumerate(folders):
            rng = random.Random(number)
            calls = [call(f"{number}-{at}", START + rng.randrange(9 * DAY), input=at) for at in range(300)]
            calls += [call(f"all-{at}", START + at * 300_000, input=rng.randrange(99)) for at in range(99)]
            with store.open(machine(folder, url)) as local:
                for provider, into in (("claude", local), ("codex", local), ("claude", whole), ("codex", whole)):
                    into.put(provider, [msgspec.structs.replace(one) for one in calls], machine=f"m{number}")
        senders = [sending(folder, "-q") for folder in (*folders, *folders[3:5])]
        assert [(one.communicate(), one.returncode) for one in senders] == [((b"", b""), 0)] * 22
        with server.reader(url) as remote:
            by = ("session", "folder", "branch")
            assert sums(remote, by) == sums(whole, by)
            assert [one.call for one in remote.calls()] == [one.call for one in whole.calls()]
            assert {row.machine for row in remote.rollup(by=["machine"])} == {folder.name for folder in folders}


def test_a_server_and_a_sender_that_are_killed_in_the_middle_lose_and_double_nothing(tmp_path):
    seed, middle = time.time_ns(), 0
    print("seed", seed)
    rng = random.Random(seed)
    with running() as own:
        url = own.database("usage")
        path = machine(tmp_path / "one", url)
        with store.open(path) as local:
            calls = (call(f"{at}", START + at * 60_000, input=at, session=f"s{at % 70}") for at in range(MANY))
            local.put("claude", calls, machine="one")
        for turn in range(8):
            before = sent_so_far(own)
            sender = sending(tmp_path / "one", "-q")
            deadline = time.monotonic() + 60
            while sender.poll() is None and sent_so_far(own) == before and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(rng.random())
            if turn % 3 == 2:
                sender.kill()
            else:
                own.kill()
                own.start()
            sender.communicate()
            middle += 0 < sent_so_far(own) < MANY
        last = sending(tmp_path / "one", "--json")
        told, said = last.communicate()
        assert (last.returncode, said) == (0, b"")
        with store.open(path, readonly=True) as local, server.reader(url) as remote:
            assert sums(remote) == sums(local)
            assert list(remote.calls()) == list(local.calls())
            assert remote.mark(local.sent(remote.id)[0]) == local.last_number()
        assert valid(told, "records-push")["is_whole"]
    assert middle, "no kill came in the middle of anything"


def sent_so_far(own: Any) -> int:
    try:
        with own.admin("usage") as admin:
            return admin.execute("SELECT COUNT(*) FROM vibeusage.usage_records").fetchone()[0]
    except psycopg.errors.UndefinedTable:
        return 0


def both_ways(url: str) -> tuple[push.Pushed | None, list, list]:
    """What a push does, and the sums of both sides after it."""
    pushed = push.run(url)
    with store.open(readonly=True) as local, server.reader(url) as remote:
        return pushed, sums(remote), sums(local)


def test_only_what_is_new_or_has_changed_is_sent(url):
    with store.open() as local:
        local.put("claude", [call("a"), call("b"), call("c")], machine="here")
    pushed, *_ = both_ways(url)
    assert pushed == push.Pushed(server=postgres.name_of(url), sent=3, added=3)
    with store.open() as local:
        local.put("claude", [call("a"), call("b", output=9), call("d", ts=START + DAY)], machine="here")
    pushed, remote, own = both_ways(url)
    assert pushed == push.Pushed(server=postgres.name_of(url), sent=2, added=1)
    assert remote == own
    assert both_ways(url)[0] == push.Pushed(server=postgres.name_of(url), sent=0, added=0)


@pytest.mark.parametrize("whose", ["new server", "server of yesterday", "usage.db of yesterday", "new usage.db"])
def test_a_backup_that_is_restored_on_either_side_loses_nothing(whose, url, cluster):
    with store.open() as local:
        local.put("claude", [call(f"{at}", START + at * QUARTER) for at in range(40)], machine="here")
        path = local.path
    push.run(url)
    saved = path.read_bytes()
    with store.open() as local:
        local.put("claude", [call("7", START + 7 * QUARTER, output=5), call("new", START + DAY)], machine="here")
    push.run(url)
    with cluster.admin("usage") as admin:
        match whose:
            case "new server":
                admin.execute("DROP SCHEMA vibeusage CASCADE")
            case "server of yesterday":
                for table in TABLES:
                    admin.execute(f"DELETE FROM vibeusage.{table}".encode())
                admin.execute("UPDATE vibeusage.clients SET mark = 0")
            case "usage.db of yesterday":
                path.write_bytes(saved)
            case _:
                path.unlink()
    with store.open() as local:  # what the logs still have
        local.put("claude", [call(f"{at}", START + at * QUARTER, input=2) for at in range(40)], machine="here")
        local.put("claude", [call("7", START + 7 * QUARTER, output=5), call("new", START + DAY)], machine="here")
    _, remote, own = both_ways(url)
    assert remote == own


def test_a_call_that_took_the_number_of_a_deleted_one_is_sent(url):
    with store.open() as local:
        local.put("claude", [call("a"), call("b")], machine="here")
    push.run(url)
    with store.open() as local:
        local._db.execute("DELETE FROM usage_records WHERE message_uuid = 'b'")
        local.put("claude", [call("c", ts=START + DAY)], machine="here")
    assert push.run(url) == push.Pushed(server=postgres.name_of(url), sent=1, added=1)


def test_what_postgresql_cannot_keep_is_kept_as_well_as_it_can(url):
    odd = call("a\0b", session="\0", folder="x" * 9000, notes=("approximate",), data={"a": "\0"})
    long = call("y" * 5000, ts=START + 1)
    with store.open() as local:
        local.put("claude", [odd, long], machine="here\0")
    push.run(url)
    assert push.run(url) == push.Pushed(server=postgres.name_of(url))
    with server.reader(url) as remote:
        found = list(remote.calls())
    assert [(one.machine, one.call.session, one.call.folder) for one in found] == [
        ("here\ufffd", "\ufffd", "x" * 9000),
        ("here\ufffd", "s", ""),
    ]
    assert found[0].call.uuid == "a\ufffdb"
    assert found[1].call.uuid.startswith("sha256:")


def test_what_comes_meanwhile_changes_no_report_that_is_being_read(url):
    with store.open() as local:
        local.put("claude", [call("a")], machine="here")
    push.run(url)
    with server.reader(url) as remote:
        before = sums(remote)
        with store.open() as local:
            local.put("claude", [call("b")], machine="here")
        push.run(url)
        assert sums(remote) == before
    with server.reader(url) as remote:
        assert sum(row.calls for row in sums(remote)) == 2


def test_machines_that_make_the_tables_at_once_make_them_once(url):
    code = f"from vibeusage.records import server; server.writer({url!r}).close()"
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(8)]
    assert [(one.communicate()[1], one.returncode) for one in running] == [(b"", 0)] * 8
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT version FROM vibeusage.state").fetchall() == [(len(postgres_schema.MIGRATIONS),)]


@pytest.mark.parametrize(("version", "said"), [(99, "set up by a newer vibeusage"), (0, "no records yet")])
def test_tables_of_another_version_are_left_alone_by_who_reads(version, said, url):
    server.writer(url).close()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("UPDATE vibeusage.state SET version = %s", (version,))
    with pytest.raises(StorageError, match=said):
        server.reader(url)
    if version:
        with pytest.raises(StorageError, match=said):
            server.writer(url)


def test_tables_of_a_version_before_get_what_they_lack(url):
    with store.open() as local:
        calls = [call(str(at), START + at * DAY, folder="f" * (at % 3)) for at in range(90)]
        local.put("claude", calls, machine="here")
    push.run(url)
    with server.reader(url) as remote:
        before = sums(remote, ("folder", "machine"))
    with psycopg.connect(url, autocommit=True) as admin:
        kept = admin.execute("SELECT * FROM vibeusage.rollup_places ORDER BY 1, 8").fetchall()
        admin.execute("DROP TABLE vibeusage.rollup_places")
        admin.execute("UPDATE vibeusage.state SET version = 1")
    with pytest.raises(StorageError, match="has older tables"):
        server.reader(url)
    server.writer(url).close()
    with server.reader(url) as remote:
        assert sums(remote, ("folder", "machine")) == before
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT * FROM vibeusage.rollup_places ORDER BY 1, 8").fetchall() == kept
