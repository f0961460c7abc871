"""Droid's running totals: one record per session, replaced as it grows, dated by its transcript."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.merge import fold
from vibeusage.records.readers.droid import READER, plain, read
from vibeusage.records.readers.spec import Call, Places, Source

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "droid"
AT = 1_790_000_000_000  # 2026-09-21T14:13:20Z
USAGE = {"inputTokens": 1234, "outputTokens": 567, "cacheCreationTokens": 89, "cacheReadTokens": 12_000}
USAGE |= {"thinkingTokens": 34}
CALL = Call(
    uuid="d1",
    ts=AT,
    session="d1",
    model="claude-opus-4-6",
    input=1234,
    output=567,
    write=89,
    read=12_000,
    order=13_890,
    kind="aggregate",
    served_by="anthropic",
)


def settings(*, usage: Any = USAGE, **over: Any):
    lock = {"providerLock": "anthropic", "providerLockTimestamp": "2026-09-21T14:13:20.000Z"}
    return {"model": CALL.model, **lock, "tokenUsage": usage, **over}


def calls(folder, told, transcript=None, skipped=None):
    path = folder / "d1.settings.json"
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    if transcript is not None:
        (folder / "d1.jsonl").write_bytes(transcript)
    source = Source(path, folder)
    found = list(read(body, source))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def test_a_session_is_dated_by_the_last_line_of_its_transcript():
    (path,) = READER.find(FIXTURES)
    found = list(read(path.read_bytes(), Source(path, FIXTURES)))
    later = {"ts": AT + 90_000, "folder": "/home/ana/shop"}
    assert found == [but(uuid="3f2a", session="3f2a", model="GLM-4.6", served_by="fireworks", **later)]


HAND = [
    pytest.param(settings(), [CALL], {}, id="no transcript: when the provider was chosen"),
    pytest.param(settings(providerLockTimestamp=None), [], {"no time": 1}, id="no time"),
    pytest.param(settings(providerLockTimestamp="2001-01-01T00:00:00Z"), [], {"too old": 1}, id="too old"),
    pytest.param(settings(providerLock=None), [CALL], {}, id="who serves, by the model"),
    pytest.param(settings(model=None), [but(model="")], {}, id="no model"),
    pytest.param(settings(usage=None), [], {}, id="nothing used"),
    pytest.param(settings(usage=dict.fromkeys(USAGE, 0)), [], {}, id="zeros"),
    pytest.param(settings(usage=USAGE | {"inputTokens": "1234", "outputTokens": 567.0}), [CALL], {}, id="odd numbers"),
    pytest.param(settings(usage=USAGE | {"cacheReadTokens": None}), [but(read=0, order=1890)], {}, id="null"),
    pytest.param(json.dumps(settings(), indent=1).replace("\n", "\r\n").encode(), [CALL], {}, id="CRLF"),
    pytest.param(b"\xef\xbb\xbf" + json.dumps(settings()).encode(), [CALL], {}, id="BOM"),
    pytest.param(b"\0" * 99 + json.dumps(settings()).encode(), [CALL], {}, id="NUL run"),
    pytest.param(json.dumps(settings(t="@")).encode().replace(b"@", b"\xff"), [CALL], {}, id="invalid UTF-8"),
    pytest.param(b"", [], {"not JSON": 1}, id="empty"),
    pytest.param(json.dumps(settings()).encode()[:-4], [], {"not JSON": 1}, id="torn"),
]


@pytest.mark.parametrize(("told", "expected", "reasons"), HAND)
def test_settings_become_a_total(told, expected, reasons, tmp_path):
    skipped = {}
    assert calls(tmp_path, told, skipped=skipped) == expected
    assert skipped == reasons


def test_a_transcript_that_is_older_than_the_choice_or_damaged_moves_nothing(tmp_path):
    old = b'{"type":"session_start","cwd":"/w"}\n{"type":"message","timestamp":"2026-09-20T00:00:00Z"}\n'
    assert calls(tmp_path, settings(), old) == [but(folder="/w")]
    assert calls(tmp_path, settings(), b"\xff{torn\n") == [CALL]


def test_of_a_long_transcript_only_the_ends_are_read(tmp_path):
    first = b'{"type":"session_start","title":"CANARY","cwd":"/w"}\n'
    line = b'{"type":"message","timestamp":"2026-09-21T14:14:50.000Z","text":"' + b"CANARY" * 100_000 + b'"}\n'
    last = b'{"type":"message","timestamp":"2026-09-21T14:14:50.000Z"}\n'
    assert calls(tmp_path, settings(), first + line * 20 + last) == [but(ts=AT + 90_000, folder="/w")]


def test_a_session_that_grows_replaces_what_it_was(tmp_path):
    small, large = (calls(tmp_path, settings(usage=USAGE | {"inputTokens": count}))[0] for count in (34, 1234))
    for order in ((small, large), (large, small), (large, small, large)):
        found: dict[str, Call] = {}
        for call in order:
            fold(found, msgspec.structs.replace(call))
        assert list(found.values()) == [CALL]


MODELS = [
    ("custom:GLM-4.6-[Z.AI]-0", "GLM-4.6"),
    ("custom:Claude-Opus-4.5-Thinking-[Anthropic]-12", "Claude-Opus-4.5-Thinking"),
    ("custom:Kimi-K3-(free)-0", "Kimi-K3-(free)"),
    ("Claude-Sonnet-4-[Anthropic]", "Claude-Sonnet-4"),
    ("gpt-5-2", "gpt-5-2"),
    ("", ""),
]


@pytest.mark.parametrize(("told", "model"), MODELS)
def test_a_model_loses_what_droid_added(told, model):
    assert plain(told) == model


def test_the_folder_of_the_sessions_can_be_moved():
    def roots(**environ):
        return READER.roots(Places(environ=environ, home=Path("/h"), platform="linux"))

    assert roots() == [Path("/h/.factory/sessions")]
    assert roots(FACTORY_DIR="/f") == [Path("/f/sessions")]
    assert roots(FACTORY_DIR="/f", DROID_SESSIONS_DIR="/s") == [Path("/s")]
