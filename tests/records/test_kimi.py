"""Kimi CLI and Kimi Code: calls, mirrors, totals, and sessions that the other one took over."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.kimi import READER
from vibeusage.records.readers.spec import Call, Places

WORK = "/home/ana/shop"
MD5 = hashlib.md5(WORK.encode()).hexdigest()


@pytest.fixture
def cli(tmp_path) -> Path:
    home = tmp_path / ".kimi"
    (home / "sessions" / MD5 / "s-1").mkdir(parents=True)
    (home / "kimi.json").write_text(f'{{"work_dirs":[{{"path":"/other"}},{{"path":"{WORK}","kaos":"local"}}]}}')
    (home / "config.toml").write_text('default_model = "k"\n[models.k]\nprovider = "p"\nmodel = "kimi-for-coding"\n')
    return home / "sessions" / MD5 / "s-1"


@pytest.fixture
def code(tmp_path) -> Path:
    session = tmp_path / ".kimi-code" / "sessions" / "wd_shop_1" / "session_9"
    session.mkdir(parents=True)
    (session / "state.json").write_text(f'{{"workDir":"{WORK}","title":"{CANARY}"}}')
    return session


def status(name="chatcmpl-1", at=1_791_014_406.5, counts=(2000, 7000, 500, 420)):
    names = ("input_other", "input_cache_read", "input_cache_creation", "output")
    usage = dict(zip(names, counts, strict=True)) if counts else None
    return {"timestamp": at, "message": {"type": "StatusUpdate", "payload": {"token_usage": usage, "message_id": name}}}


def used(at=1_791_014_406_500, counts=(2000, 7000, 500, 420), scope: str | None = "turn", **more):
    names = ("inputOther", "inputCacheRead", "inputCacheCreation", "output")
    usage = dict(zip(names, counts, strict=True))
    return {"type": "usage.record", "time": at, "model": "kimi-code/k", "usage": usage, "usageScope": scope, **more}


REQUEST = {"type": "llm.request", "time": 1_791_014_400_000, "model": "kimi-k2.6", "messages": [CANARY]}


def test_a_status_of_the_cli_is_a_call(cli):
    path = lines(cli / "wire.jsonl", {"type": "metadata", "protocol_version": "1"}, status())
    assert feed(READER, path).calls == {
        "chatcmpl-1": Call(
            uuid="chatcmpl-1",
            ts=1_791_014_406_500,
            session="s-1",
            model="kimi-for-coding",
            folder=WORK,
            input=2000,
            output=420,
            write=500,
            read=7000,
            served_by="moonshot",
        )
    }


@pytest.mark.parametrize("at", ["2026-10-03T08:00:06.5Z", "1791014406.5", 1_791_014_406_500], ids=repr)
def test_a_time_is_read_however_it_is_written(cli, code, at):
    old, new = lines(cli / "wire.jsonl", status(at=at)), lines(code / "agents" / "main" / "wire.jsonl", used(at=at))
    assert [call.ts for call in feed(READER, old, new).calls.values()] == [1_791_014_406_500] * 2


def test_a_message_that_tells_its_status_twice_is_one_call(cli):
    path = lines(cli / "wire.jsonl", status(counts=(2000, 7000, 500, 1)), status(at=1_791_014_409.0))
    assert feed(READER, path).counts() == {"chatcmpl-1": (2000, 420, 500, 7000)}
    assert feed(READER, path).calls["chatcmpl-1"].ts == 1_791_014_406_500


def test_a_subagent_counts_where_it_wrote_and_not_in_its_parent_s_mirror(cli):
    event = {"type": "StatusUpdate", "payload": status("chatcmpl-2")["message"]["payload"]}
    mirror = {"timestamp": 1_791_014_406.5, "message": {"type": "SubagentEvent", "payload": {"event": event}}}
    parent = lines(cli / "wire.jsonl", status(), mirror)
    child = lines(cli / "subagents" / "a1" / "wire.jsonl", status("chatcmpl-2"))
    fed = feed(READER, parent, child)
    assert fed.total() == (4000, 840, 1000, 14_000)
    call = fed.calls["chatcmpl-2"]
    assert (call.session, call.kind, call.folder, call.data) == ("s-1", "subagent", WORK, {"agent": "a1"})


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        ('default_model = "plain"\n', "plain"),
        ("default_model = 5\n", ""),
        ("not TOML", ""),
        ('default_model = "k"\nmodels = 5\n', "k"),
        (None, ""),
    ],
    ids=["no table", "odd", "not TOML", "odd table", "missing"],
)
def test_the_cli_s_model_is_that_of_its_settings_or_unknown(cli, settings, model):
    path = cli.parents[2] / "config.toml"
    path.write_text(settings) if settings else path.unlink()
    assert feed(READER, lines(cli / "wire.jsonl", status())).calls["chatcmpl-1"].model == model


def test_a_usage_record_of_kimi_code_is_a_call_of_the_model_asked_before(code):
    path = lines(code / "agents" / "main" / "wire.jsonl", REQUEST, used(), used(1_791_014_410_000, scope="session"))
    (call,) = feed(READER, path).calls.values()
    assert call == Call(
        uuid=call.uuid,
        ts=1_791_014_406_500,
        session="session_9",
        model="kimi-k2.6",
        folder=WORK,
        input=2000,
        output=420,
        write=500,
        read=7000,
        served_by="moonshot",
    )


@pytest.mark.parametrize("size", [1, 1 << 20], ids=["line by line", "at once"])
def test_the_request_s_model_holds_until_the_next(code, size):
    other = {**REQUEST, "model": "kimi-k2-thinking"}
    path = lines(
        code / "agents" / "a-2" / "wire.jsonl", used(), REQUEST, used(2e12), used(2e12 + 1), other, used(2e12 + 2)
    )
    fed = feed(READER, path, size=size)
    assert [call.model for call in fed.calls.values()] == ["k", "kimi-k2.6", "kimi-k2.6", "kimi-k2-thinking"]
    assert {call.kind for call in fed.calls.values()} == {"subagent"}


@pytest.mark.parametrize("prefix", ["", "session_", "ses_"])
def test_what_the_cli_used_stays_counted_when_kimi_code_takes_the_session_over(tmp_path, cli, prefix):
    """The copy has the conversation and no counts; what Kimi Code uses when it goes on is its own."""
    old = lines(cli / "wire.jsonl", status())
    taken = tmp_path / ".kimi-code" / "sessions" / "wd_shop_1" / f"{prefix}s-1"
    copied = {"type": "context.append_message", "message": {"role": "assistant", "content": [CANARY]}}
    measured = {"type": "token_counting.measured", "length": 2, "tokens": 9133, "time": 1_791_014_406_500}
    new = lines(taken / "agents" / "main" / "wire.jsonl", {"type": "metadata"}, copied, measured)
    assert feed(READER, old, new).calls == feed(READER, new, old).calls == feed(READER, old).calls != {}
    lines(new, {"type": "metadata"}, copied, measured, REQUEST, used(1_791_100_000_000))
    assert feed(READER, old, new).total() == feed(READER, new, old).total() == (4000, 840, 1000, 14_000)


@pytest.mark.parametrize("prefix", ["", "session_", "ses_"])
def test_calls_that_kimi_code_states_too_are_read_there_only(tmp_path, cli, prefix):
    old = lines(cli / "wire.jsonl", status("a", 1_791_014_000, (1, 2, 3, 4)), status())
    taken = tmp_path / ".kimi-code" / "sessions" / "wd_shop_1" / f"{prefix}s-1"
    total = used(1_791_013_000_000, scope="session")
    new = lines(taken / "agents" / "main" / "wire.jsonl", {"type": "metadata"}, REQUEST, total, used())
    assert feed(READER, old, new).total() == feed(READER, new, old).total() == (2001, 424, 503, 7002)
    assert feed(READER, old).skipped == {"read by Kimi Code": 1}


@pytest.mark.parametrize("name", ["workDir", "cwd"])
def test_the_folder_is_told_by_either_version_of_the_state(code, name):
    (code / "state.json").write_text(f'{{"{name}":"{WORK}"}}')
    (call,) = feed(READER, lines(code / "agents" / "main" / "wire.jsonl", REQUEST, used())).calls.values()
    assert call.folder == WORK


@pytest.mark.parametrize(
    ("line", "skipped"),
    [
        (status(counts=None), {}),
        (status(counts=(0, 0, 0, 0)), {}),
        (status(at=None), {"no time": 1}),
        (status(at=1.0), {"too old": 1}),
        ({**status(), "message": {**status()["message"], "type": "TurnEnd"}}, {}),
    ],
    ids=["no counts yet", "all zero", "no time", "too old", "another message"],
)
def test_what_is_no_call_is_left_out(cli, line, skipped):
    fed = feed(READER, lines(cli / "wire.jsonl", line))
    assert (fed.calls, fed.skipped) == ({}, skipped)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(cli, code, name):
    old, new = cli / "wire.jsonl", code / "agents" / "main" / "wire.jsonl"
    new.parent.mkdir(parents=True)
    old.write_bytes(damages(msgspec.json.encode(status()))[name])
    new.write_bytes(damages(msgspec.json.encode(used()))[name])
    assert feed(READER, old, new).total() == (4000, 840, 1000, 14_000)


@pytest.mark.parametrize(
    ("environ", "roots"),
    [
        ({}, ["/home/ana/.kimi/sessions", "/home/ana/.kimi-code/sessions"]),
        ({"KIMI_SHARE_DIR": "/srv/a", "KIMI_CODE_HOME": "/srv/b"}, ["/srv/a/sessions", "/srv/b/sessions"]),
    ],
    ids=["usual", "named"],
)
def test_the_tools_own_variables_replace_the_folders(environ, roots):
    found = READER.roots(Places(environ=environ, home=Path("/home/ana"), platform="linux"))
    assert found == [Path(root) for root in roots]


def test_the_wires_of_both_are_found(tmp_path, cli, code):
    places = [cli / "wire.jsonl", cli / "subagents" / "a" / "wire.jsonl", code / "agents" / "main" / "wire.jsonl"]
    for path in (*places, cli / "context.jsonl"):
        lines(path)
    roots = READER.roots(Places(environ={}, home=tmp_path, platform="linux"))
    assert {path for root in roots for path in READER.find(root)} == set(places)
