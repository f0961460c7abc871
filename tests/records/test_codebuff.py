"""Codebuff's chats: each answer with the first place that has counts."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.readers.codebuff import READER, read
from vibeusage.records.readers.spec import Call, Places, Source

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "codebuff"
CHAT = "2026-09-21T14-13-20.000Z"
AT = 1_790_000_000_000
USAGE = {"inputTokens": 1000, "outputTokens": 400, "cacheReadInputTokens": 200, "cacheCreationInputTokens": 50}
CALL = Call(
    uuid="a1",
    ts=AT,
    session=CHAT,
    model="claude-sonnet-4-5",
    input=1000,
    output=400,
    write=50,
    read=200,
    served_by="anthropic",
    notes=("approximate",),
    data={"credits": 1.5},
)


def answer(*, metadata: Any = None, **over: Any):
    told = {"id": "a1", "variant": "ai", "content": "CANARY", "timestamp": "02:13 PM", "credits": 1.5}
    return told | {"metadata": {"model": CALL.model, "usage": USAGE} if metadata is None else metadata} | over


def calls(*told, skipped=None, chat=CHAT):
    body = told[0] if told and isinstance(told[0], bytes) else json.dumps(told).encode()
    source = Source(Path("/m/projects/shop/chats", chat, "chat-messages.json"), Path("/m"))
    found = list(read(body, source))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def run(usage=None, **own):
    options = {"usage": usage, "codebuff": own}
    history: list[Any] = [{"role": "assistant", "providerOptions": {"usage": {"inputTokens": 7}}}]
    history += [{"role": "assistant", "providerOptions": options}, {"role": "user", "content": "CANARY"}]
    return {"runState": {"sessionState": {"mainAgentState": {"messageHistory": history}}}}


def test_a_chat_is_read():
    (path,) = READER.find(FIXTURES / "manicode")
    found = list(read(path.read_bytes(), Source(path, FIXTURES)))
    assert b"CANARY" not in msgspec.json.encode(found)
    credits = Call(uuid="a2", ts=AT, session=CHAT, notes=("approximate",), data={"credits": 3.0})
    assert found == [CALL, credits]


OPENAI = {"prompt_tokens": 1000, "completion_tokens": 400, "prompt_tokens_details": {"cached_tokens": 300}}
NO_WRITE: dict[str, Any] = {"write": 0, "model": "gpt-5.2", "served_by": "openai"}
HAND = [
    pytest.param([answer()], [CALL], {}, id="on the message"),
    pytest.param(
        [answer(metadata={"model": CALL.model, "usage": {}, "codebuff": {"usage": USAGE}})], [CALL], {}, id="in its own"
    ),
    pytest.param([answer(metadata=run(USAGE, model=CALL.model))], [CALL], {}, id="on the run's last answer"),
    pytest.param([answer(metadata=run(model=CALL.model) | {"usage": USAGE})], [CALL], {}, id="the model there"),
    pytest.param(
        [answer(metadata={"model": "gpt-5.2", "usage": OPENAI})],
        [but(input=700, read=300, **NO_WRITE)],
        {},
        id="the whole prompt",
    ),
    pytest.param(
        [answer(metadata={"usage": OPENAI | {"prompt_tokens": 100, "model": "gpt-5.2"}})],
        [but(input=100, read=300, **NO_WRITE | {"notes": ("disjoint", "approximate")})],
        {},
        id="a cache larger than the prompt",
    ),
    pytest.param([answer(timestamp="2026-09-21T14:13:25Z")], [but(ts=AT + 5000, notes=())], {}, id="a time of its own"),
    pytest.param([answer(id=None), answer(id=None)], [but(uuid=f"{CHAT}:0"), but(uuid=f"{CHAT}:1")], {}, id="no ids"),
    pytest.param([answer(variant="user"), answer(variant=None, role="assistant")], [CALL], {}, id="a user's is none"),
    pytest.param([answer(metadata={}, credits=None)], [], {}, id="nothing counted"),
    pytest.param([answer(credits=-1)], [but(data=None)], {}, id="impossible credits"),
    pytest.param(
        [answer(metadata={"model": CALL.model, "usage": USAGE | {"inputTokens": "1000"}})], [CALL], {}, id="odd numbers"
    ),
    pytest.param([answer(metadata="CANARY", credits=None), answer()], [CALL], {}, id="an odd answer"),
    pytest.param([json.dumps([answer()], indent=1).replace("\n", "\r\n").encode()], [CALL], {}, id="CRLF"),
    pytest.param([b"\xef\xbb\xbf" + json.dumps([answer()]).encode()], [CALL], {}, id="BOM"),
    pytest.param([b"\0" * 99 + json.dumps([answer()]).encode()], [CALL], {}, id="NUL run"),
    pytest.param(
        [json.dumps([answer(content="@")]).encode().replace(b"@", b"\xff")], [CALL], {}, id="invalid UTF-8"
    ),
    pytest.param([b""], [], {"not JSON": 1}, id="empty"),
    pytest.param([json.dumps([answer()]).encode()[:-4]], [], {"not JSON": 1}, id="torn"),
]


@pytest.mark.parametrize(("told", "expected", "reasons"), HAND)
def test_answers_become_calls(told, expected, reasons):
    skipped = {}
    assert calls(*told, skipped=skipped) == expected
    assert skipped == reasons


def test_a_chat_without_a_time_is_left_out():
    skipped = {}
    assert calls(answer(), chat="mine", skipped=skipped) == []
    assert skipped == {"no time": 1}


def test_every_channel_has_its_folder(tmp_path):
    for name in ("manicode", "manicode-dev", "other"):
        (tmp_path / ".config" / name).mkdir(parents=True)
    roots = READER.roots(Places(environ={}, home=tmp_path, platform="darwin"))
    assert roots == [tmp_path / ".config" / "manicode", tmp_path / ".config" / "manicode-dev"]
