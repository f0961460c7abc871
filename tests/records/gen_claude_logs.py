"""A tree of Claude Code logs whose every total is known: `gen_claude_logs.py OUT --size-mb N --seed S [--tz ZONE]`.

OUT serves as CLAUDE_CONFIG_DIR. The same seed and size give the same bytes. Printed as JSON (counts in tokens,
costs in USD as text, exact, tokens only; web searches are counted beside them):

expected            calls, the counts, cost; by_model, by_speed, by_day (of --tz), by_project, by_branch,
                    by_session, blocks
if_wrong            the totals of readers that have one named fault
prices              USD per million; a model's `above_200k` holds for the whole call, `fast` multiplies
growth              `append` these to `file`, and `adds` are added: its torn record completes, 20 calls follow
unterminated_tail   a file whose last line is whole, without a newline
unfinished_calls    calls whose output is a lower bound
canaries            words of the conversations: in no record, ever
tree                files, bytes, sha256

Traps, each at every size: calls of 1 to 10 lines with a placeholder output · calls without a last line · a call
across a local midnight · forks (same ids in another session's file) · a side question that repeats its parent's
calls with new request ids, later and with other counts · subagents in their own folder, in the older layout, in a
workflow · journals · mirrors in `progress`, with and without the original · tool results with totals · synthetic
answers · no request id · constant ids of a home-made gateway · no message id · nulls · Bedrock and Vertex · versions
before 1.0.9 (costUSD, no branch, no split) · writes for an hour · a split of 0 and 0 beside a true whole · advisors
· fast mode · prompts above 200k · web searches · counts as floats and digits · "usage" inside a tool's input ·
escaped quotes · spaced JSON · CRLF · a byte order mark · a run of NUL · glued lines · a cut line inside · invalid
UTF-8 · a line of 2 MB (from 8 MB on) · a torn tail · a tail without newline · an empty file · a folder named like a
file · a backup · the oldest layout (chat.jsonl).
"""

import argparse
import hashlib
import json
import os
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 2, tzinfo=UTC)  # the zones of Europe and America change their clocks within the 60 days
DAYS = 60
KINDS = ("input", "output", "write_5m", "write_1h", "read")


def _rates(*rates: str) -> dict[str, Any]:
    return dict(zip(KINDS, rates, strict=True))


PRICES: dict[str, dict[str, Any]] = {
    "claude-opus-4-6": _rates("5", "25", "6.25", "10", "0.5") | {"fast": 6},
    "claude-sonnet-4-5": _rates("3", "15", "3.75", "6", "0.3")
    | {"above_200k": _rates("6", "22.5", "7.5", "12", "0.6")},
    "claude-haiku-4-5": _rates("1", "5", "1.25", "2", "0.1"),
    "us.anthropic.claude-opus-4-6-v1:0": _rates("5.5", "27.5", "6.875", "11", "0.55"),
    "claude-haiku-4-5@20251001": _rates("1", "5", "1.25", "2", "0.1"),
    "glm-4.7": _rates("0.6", "2.2", "0", "0", "0.11"),
}
CANARIES = ("canary-marmalade", "canary-zeppelin", "canary-žluťoučký")


@dataclass(slots=True)
class Call:
    """The truth about one call; `ts` in epoch ms."""

    id: str
    ts: int
    model: str
    session: str
    folder: str = ""
    branch: str = ""
    input: int = 0
    output: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    speed: str = "standard"
    searches: int = 0
    complete: bool = True

    @property
    def counts(self) -> tuple[int, ...]:
        return self.input, self.output, self.write_5m, self.write_1h, self.read


@dataclass(slots=True)
class Seen:
    """What one line says, for the readers with a fault."""

    file: int
    call: Call
    request: str
    uuid: str
    output: int
    side: bool = False
    nulls: bool = False
    hidden: bool = False  # its writes are in the whole only
    advisor: bool = False
    lone_progress: bool = False


@dataclass(slots=True)
class Session:
    """A file that is being written, and what its lines have in common."""

    id: str
    path: str
    now: int
    model: str
    folder: str
    branch: str
    version: str = "2.1.140"
    side: bool = False
    agent: str = ""
    number: int = 0
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, text: str, end: bytes = b"\n") -> bytes:
        line = text.encode() + end
        self.parts.append(line)
        self.size += len(line)
        return line


class Tree:
    """Everything written so far, and the truth about it."""

    def __init__(self, out: Path, seed: int) -> None:
        self.out = out
        self.rng = random.Random(seed)
        self.calls: list[Call] = []
        self.seen: list[Seen] = []
        self.tools: list[int] = []  # totals in tool results
        self.hash = hashlib.sha256()
        self.bytes = self.files = 0
        self.texts = [self._text(8, 20, 60, 150) for _ in range(300)]
        self.long_texts = [self._text(20, 100, 300, 700) for _ in range(300)]

    def _text(self, *sizes: int) -> str:
        """Some of a conversation, as it stands inside a JSON string."""
        words = ("let", "cart", '"usage":{', "return", "naïve", "`x`", "\n", "日本", '{"a": 1}', "tests", *CANARIES)
        text = " ".join(self.rng.choices(words, k=self.rng.choice(sizes)))
        return json.dumps(text, ensure_ascii=self.rng.random() < 0.5)[1:-1]

    def uuid(self) -> str:
        text = f"{self.rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def name(self, prefix: str) -> str:
        return f"{prefix}01{self.rng.getrandbits(110):028x}"

    def session(self, **told: Any) -> Session:
        """A new session at a random instant, by default in a main file."""
        rng, self.files = self.rng, self.files + 1
        folder = told.pop("folder", f"/home/ana/{rng.choice(('shop', 'shop.api', 'notes', 'ledger-ui'))}")
        name = told.pop("id", None) or self.uuid()
        path = told.pop("path", None) or f"{_mangled(folder)}/{name}.jsonl"
        now = told.pop("now", None) or _ms(START) + rng.randrange(DAYS * 86_400_000)
        model = told.pop("model", None) or rng.choice(tuple(PRICES)[:3])
        branch = told.pop("branch", None) or rng.choice(("main", "fix/cart", "HEAD"))
        return Session(name, path, now, model, folder, branch, number=self.files, **told)

    def write(self, session: Session, data: bytes | None = None) -> str:
        """The file's name below OUT. Its mtime is that of its last line, so that a fork is younger than its origin."""
        data = b"".join(session.parts) if data is None else data
        path = self.out / "projects" / session.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(session.now * 1_000_000, session.now * 1_000_000))
        self.hash.update(session.path.encode() + b"\0" + hashlib.sha256(data).digest())
        self.bytes += len(data)
        return f"projects/{session.path}"


def _mangled(folder: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in folder)


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def _stamp(ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


# lines


def new_call(tree: Tree, session: Session, **told: Any) -> Call:
    rng = tree.rng
    session.now += rng.randrange(4_000, 90_000)
    write = rng.randrange(200, 9_000)
    hour = write if rng.random() < 0.4 else 0
    counts: dict[str, Any] = {
        "input": rng.randrange(1, 40),
        "output": rng.randrange(20, 1_800),
        "write_5m": write - hour,
        "write_1h": hour,
        "read": rng.randrange(4_000, 150_000),
    }
    base = Call(tree.name("msg_"), session.now, session.model, session.id, session.folder, session.branch, **counts)
    return replace(base, **told)


def say(tree: Tree, session: Session, call: Call, **odd: Any) -> None:
    """All lines of a call: `lines` of them, with one `request` (None: none). `odd` goes to `line`."""
    rng = tree.rng
    lines = odd.pop("lines", 0) or rng.choices((1, 2, 3, 4, 10), (20, 45, 25, 8, 2))[0]
    request = odd.pop("request") if "request" in odd else tree.name("req_")
    for number in range(lines):
        last = number == lines - 1 and call.complete
        output = call.output if last or not call.complete else min(call.output, rng.randrange(1, 10))
        line(tree, session, call, at=session.now, output=output, stop=last, request=request, **odd)
        session.now += rng.randrange(300, 3_000)
        if rng.random() < 0.1:
            chatter(tree, session)
    tree.calls.append(call)


def line(tree: Tree, session: Session, call: Call, *, at: int, output: int, stop: bool, **odd: Any) -> bytes:
    """One line of a call, written and noted."""
    uuid, request = odd.get("uuid") or tree.uuid(), odd.get("request")
    side = odd.get("side", session.side)
    text = _line_text(tree, session, call, at=at, output=output, stop=stop, uuid=uuid, side=side, odd=odd)
    odd_ones = {"nulls": bool(odd.get("nulls")), "hidden": bool(odd.get("hidden"))}
    tree.seen.append(Seen(session.number, call, request or "", uuid, output, side, **odd_ones))
    return session.add(text)


def _line_text(
    tree: Tree, session: Session, call: Call, *, at: int, output: int, stop: bool, uuid: str, side: bool, odd: dict
) -> str:
    rng, nulls, old = tree.rng, odd.get("nulls"), odd.get("old")
    request = odd.get("request")
    asked = "" if request is None and not nulls else f'"requestId":{json.dumps(request)},'
    cost = ',"costUSD":null' if nulls else f',"costUSD":{old}' if old else ""
    stop_reason = f'"{rng.choice(("end_turn", "tool_use"))}"' if stop else "null"
    agent = f'"agentId":"{session.agent}",' if session.agent else ""
    branch = "" if old else f'"gitBranch":"{session.branch}",'
    return (
        f'{{"parentUuid":"{uuid[::-1]}","isSidechain":{str(side).lower()},"userType":"external",'
        f'"cwd":{json.dumps(call.folder or None)},"sessionId":"{session.id}",'
        f'"version":{"null" if nulls else json.dumps(session.version)},{branch}{agent}"type":"assistant",{asked}'
        f'"message":{{{_id(call)}"type":"message","role":"assistant","model":"{call.model}","content":[{_content(tree)}],'
        f'"stop_reason":{stop_reason},"stop_sequence":null,"usage":{_usage(call, output, odd)}}},'
        f'"uuid":"{uuid}","timestamp":"{_stamp(at)}"{cost}}}'
    )


def _id(call: Call) -> str:
    """Identities of ours that are not message ids hold a bar: what is behind it is not in the message."""
    name = call.id.partition("|")[0]
    return f'"id":"{name}",' if name else ""


def _content(tree: Tree) -> str:
    kind, text = tree.rng.random(), tree.rng.choice(tree.texts)
    if kind < 0.3:
        return f'{{"type":"thinking","thinking":"{text}","signature":"{tree.rng.getrandbits(900):x}"}}'
    if kind < 0.5:
        return f'{{"type":"text","text":"{text}"}}'
    usage = '"usage":{"input_tokens":999999,"output_tokens":999999},' if kind < 0.55 else ""
    return f'{{"type":"tool_use","id":"toolu_1","name":"Edit","input":{{{usage}"new_string":"{text}"}}}}'


def _usage(call: Call, output: int, odd: dict) -> str:
    form = odd.get("numbers", str)
    write = call.write_5m + call.write_1h
    hidden, split = odd.get("hidden"), ""
    if not odd.get("old"):
        parts = (0, 0) if hidden else (call.write_5m, call.write_1h)
        split = f'"cache_creation":{{"ephemeral_5m_input_tokens":{parts[0]},"ephemeral_1h_input_tokens":{parts[1]}}},'
    read = "null" if odd.get("nulls") and not call.read else form(call.read)
    return (
        f'{{"input_tokens":{form(call.input)},"cache_creation_input_tokens":{form(write)},'
        f'"cache_read_input_tokens":{read},{split}"output_tokens":{form(output)},"service_tier":"standard",'
        f'"speed":"{call.speed}","server_tool_use":{{"web_search_requests":{call.searches},"web_fetch_requests":0}}'
        f'{odd.get("iterations", "")}}}'
    )


def chatter(tree: Tree, session: Session) -> None:
    """A line without a call: a person's words, a tool's result, or bookkeeping."""
    rng, text, at = tree.rng, tree.rng.choice(tree.long_texts), _stamp(session.now)
    head = f'{{"parentUuid":null,"isSidechain":false,"sessionId":"{session.id}","uuid":"{tree.uuid()}",'
    kind = rng.random()
    if kind < 0.8:
        more = rng.choice(tree.long_texts)
        said = f'{{"role":"user","content":[{{"type":"tool_result","content":"{text} {more}"}}]}}'
        session.add(f'{head}"type":"user","message":{said},"toolUseResult":{{"stdout":"{more}"}},"timestamp":"{at}"}}')
    elif kind < 0.9:
        session.add(f'{head}"type":"user","message":{{"role":"user","content":"{text}"}},"timestamp":"{at}"}}')
    else:
        session.add(f'{head}"type":"file-history-snapshot","snapshot":{{"trackedFileBackups":{{"a.py":"{text}"}}}}}}')


# traps


def trap_forms(tree: Tree, session: Session) -> None:
    """What a single call may look like."""
    for told, odd in (
        ({}, {"lines": 10}),
        ({"complete": False, "output": 4}, {"lines": 2}),
        ({"speed": "fast", "model": "claude-opus-4-6"}, {}),
        ({"model": "claude-sonnet-4-5", "read": 230_000}, {}),
        ({"searches": 3}, {}),
        ({"write_1h": 0}, {"hidden": True}),
        ({}, {"request": None}),
        ({"folder": "", "branch": session.branch}, {"request": None, "nulls": True}),
        ({"read": 0, "folder": ""}, {"request": None, "nulls": True, "lines": 3}),
        ({}, {"numbers": "{}.0".format}),
        ({}, {"numbers": '"{}"'.format}),
        ({"id": f"msg_bdrk_{tree.rng.getrandbits(90):024x}", "model": "us.anthropic.claude-opus-4-6-v1:0"}, {}),
        ({"id": f"msg_vrtx_{tree.rng.getrandbits(90):024x}", "model": "claude-haiku-4-5@20251001"}, {}),
        ({"id": f"9{tree.rng.getrandbits(120):031x}", "model": "glm-4.7", "write_5m": 0}, {"request": None}),
    ):
        say(tree, session, new_call(tree, session, **told), **odd)


def trap_old(tree: Tree) -> None:
    """Version 1.0: a cost of its own, no branch, no split. In the oldest layout the file is called chat.jsonl."""
    for version, layout in (("1.0.30", "{}.jsonl"), ("0.2.90", "{}/chat.jsonl")):
        name = tree.uuid()
        session = tree.session(id=name, path=f"-home-ana-old/{layout.format(name)}", version=version, branch="main")
        for _ in range(3):
            say(tree, session, new_call(tree, session, write_1h=0, branch=""), old="0.25", lines=1)
        tree.write(session)


def trap_ids(tree: Tree, session: Session) -> None:
    """A gateway that calls every message `msg`, told apart by the request or the line; and one without any id."""
    for _ in range(3):
        request, uuid = tree.name("req_"), tree.uuid()
        say(tree, session, new_call(tree, session, id=f"msg|{request}"), request=request)
        say(tree, session, new_call(tree, session, id=f"msg|{uuid}"), request=None, lines=1, uuid=uuid)
        uuid = tree.uuid()
        say(tree, session, new_call(tree, session, id=f"|{uuid}"), request=None, lines=1, uuid=uuid)


def trap_advisor(tree: Tree, session: Session) -> None:
    """Another model's answer inside a call: a call of its own; `message` iterations repeat the call."""
    call = new_call(tree, session)
    advice = replace(call, id=f"{call.id}:advisor:1", model="claude-opus-4-6", speed="standard")
    advice = replace(advice, input=700, output=90, write_5m=0, write_1h=0, read=0)
    told = '{"type":"advisor_message","model":"claude-opus-4-6","input_tokens":700,"output_tokens":90}'
    same = f'{{"type":"message","input_tokens":{call.input},"output_tokens":{call.output}}}'
    parts = f'[{same},{told},{{"type":"compaction","input_tokens":5}}]'
    say(tree, session, call, iterations=f',"iterations":{parts}', lines=2)
    tree.calls.append(advice)
    tree.seen.append(replace(tree.seen[-1], call=advice, output=90, advisor=True))


def trap_noise(tree: Tree, session: Session) -> None:
    """Lines with numbers that are no call."""
    zero = '"usage":{"input_tokens":0,"output_tokens":0,"cache_creation_input_tokens":0}'
    head = f'"isSidechain":false,"sessionId":"{session.id}","timestamp":"{_stamp(session.now)}"'
    said = f'"message":{{"id":"{tree.uuid()}","model":"<synthetic>","role":"assistant","content":[],{zero}}}'
    session.add(f'{{"type":"assistant",{head},"uuid":"{tree.uuid()}","isApiErrorMessage":true,{said}}}')
    total = tree.rng.randrange(50_000, 90_000)
    used = f'"usage":{{"input_tokens":{total - 500},"output_tokens":500}}'
    said = '"message":{"role":"user","content":[{"type":"tool_result","content":"done"}]}'
    session.add(f'{{"type":"user",{head},{said},"toolUseResult":{{"totalTokens":{total},{used},"agentId":"a1"}}}}')
    session.add(f'{{"type":"user",{head},"message":"a text with \\"usage\\":{{\\"input_tokens\\":7}}","usage":{{}}}}')
    tree.tools.append(total)


def trap_damage(tree: Tree, session: Session) -> None:
    """Lines that nobody can read; each call in them stands whole on other lines too."""
    call = new_call(tree, session)
    say(tree, session, call, lines=2)
    whole = session.parts[-1] if b'"usage":{"input_tokens"' in session.parts[-1] else session.parts[-2]
    session.parts += [whole[:-60] + b"\n", b"\0" * 300 + b"\n", whole.rstrip() + whole, b"\n", b"{}\n", b"[1]\n"]
    session.parts.append(b'{"type":"user","message":{"role":"user","content":"\xff\xfe\xc3"},"usage":1}\n')


def trap_progress(tree: Tree, session: Session, call: Call, *, lone: bool) -> None:
    """A mirror of a subagent's line. Alone, where the subagent's file is gone, it is the call."""
    usage = _usage(call, call.output, {})
    said = f'"id":"{call.id}","type":"message","role":"assistant","model":"{call.model}","stop_reason":"end_turn"'
    inner = f'"timestamp":"{_stamp(call.ts)}","requestId":"{tree.name("req_")}","isSidechain":true'
    head = f'"type":"progress","cwd":"{call.folder}","sessionId":"{session.id}","gitBranch":"{call.branch}"'
    body = f'"data":{{"type":"agent_progress","message":{{{inner},"message":{{{said},"usage":{usage}}}}}}}'
    session.add(f'{{{head},"uuid":"{tree.uuid()}","timestamp":"{_stamp(session.now)}",{body}}}')
    tree.seen.append(Seen(session.number, call, "progress", tree.uuid(), call.output, True, lone_progress=lone))
    if lone:
        tree.calls.append(call)


def subagent(tree: Tree, parent: Session, *, layout: str, calls: int) -> None:
    """A side chain in its own file, with the parent's session id; some of its lines are mirrored in the parent."""
    base, agent = parent.path.removesuffix(".jsonl"), f"{tree.rng.getrandbits(32):08x}"
    path = {
        "new": f"{base}/subagents/agent-{agent}.jsonl",
        "workflow": f"{base}/subagents/workflows/wf_{agent}/agent-{agent}.jsonl",
        "old": f"{Path(base).parent}/agent-{agent}.jsonl",
    }[layout]
    told = {"now": parent.now, "folder": parent.folder, "branch": parent.branch, "model": "claude-haiku-4-5"}
    child = tree.session(id=parent.id, path=path, side=True, agent=agent, **told)
    for _ in range(calls):
        call = new_call(tree, child)
        say(tree, child, call)
        if tree.rng.random() < 0.3:
            trap_progress(tree, parent, call, lone=False)
    tree.write(child)
    if layout == "workflow":
        journal = replace(child, path=str(Path(path).with_name("journal.jsonl")), parts=list(child.parts))
        tree.write(journal, b"".join(child.parts).replace(b'"id":"msg_01', b'"id":"msg_02'))
    tree.write(replace(child, path=path.replace(".jsonl", ".meta.json")), b'{"agentType":"explore"}')


def side_question(tree: Tree, session: Session, calls: list[Call]) -> None:
    """The parent's calls once more: same ids, new requests, later, other counts. None of it counts."""
    agent = f"{tree.rng.getrandbits(32):08x}"
    path = f"{Path(session.path).parent}/agent-{agent}.jsonl"
    told = {"folder": session.folder, "branch": session.branch, "model": session.model}
    aside = tree.session(id=session.id, path=path, side=True, agent=agent, now=session.now + 86_400_000, **told)
    for call in calls:
        again = replace(call, output=call.output + 77, read=call.read + 1)
        line(tree, aside, again, at=aside.now, output=again.output, stop=True, request=tree.name("req_"))
        aside.now += 50
    say(tree, aside, new_call(tree, aside))
    tree.write(aside)


def fork(tree: Tree, session: Session) -> None:
    """The session's lines in another file with another session id, then calls of its own."""
    now = session.now + 3_600_000
    child = tree.session(now=now, folder=session.folder, branch=session.branch, model=session.model)
    old, new = f'"sessionId":"{session.id}"'.encode(), f'"sessionId":"{child.id}"'.encode()
    child.parts = [part.replace(old, new) for part in session.parts]
    tree.seen += [replace(seen, file=child.number) for seen in tree.seen if seen.file == session.number]
    for _ in range(5):
        say(tree, child, new_call(tree, child))
    tree.write(child)


def midnight(tree: Tree, zone: ZoneInfo) -> None:
    """A call that begins before a local midnight and ends after it; the day the clocks change too."""
    for month, number in ((3, 9), (3, 29), (3, 30), (4, 14)):
        day = datetime(2026, month, number, tzinfo=zone)
        session = tree.session(now=_ms(day))
        call = new_call(tree, session, ts=_ms(day) - 700)
        session.now = _ms(day) - 700
        line(tree, session, call, at=session.now, output=2, stop=False, request="req_midnight")
        line(tree, session, call, at=session.now + 1_400, output=call.output, stop=True, request="req_midnight")
        session.now += 1_400
        tree.calls.append(call)
        tree.write(session)


def texts(tree: Tree) -> None:
    """The same lines as other writers set them: spaces, CRLF, a byte order mark; and files without a line."""
    for name, change in (
        ("spaced", lambda part: json.dumps(json.loads(part)).encode() + b"\n"),
        ("crlf", lambda part: part.replace(b"\n", b"\r\n")),
        ("mark", lambda part: part),
    ):
        session = tree.session(branch=name)
        for _ in range(4):
            say(tree, session, new_call(tree, session))
        data = b"".join(map(change, session.parts))
        tree.write(session, b"\xef\xbb\xbf" + data if name == "mark" else data)
    tree.write(tree.session(), b"")
    backup = tree.session()
    tree.write(replace(backup, path=f"{backup.path}.bak"), b'{"message":{"model":"m","usage":{"input_tokens":5}}}\n')
    (tree.out / "projects" / "-home-ana" / "folder.jsonl").mkdir(parents=True)


def tail(tree: Tree) -> str:
    session = tree.session()
    for _ in range(3):
        say(tree, session, new_call(tree, session))
    say(tree, session, new_call(tree, session), lines=1)
    while b'"stop_reason":"' not in session.parts[-1]:
        session.parts.pop()
    return tree.write(session, b"".join(session.parts).removesuffix(b"\n"))


def growth(tree: Tree) -> dict[str, Any]:
    """A file that ends inside a record, and what comes later. That is no part of the tree's truth."""
    session = tree.session()
    for _ in range(3):
        say(tree, session, new_call(tree, session))
    calls, seen, kept = len(tree.calls), len(tree.seen), len(session.parts)
    say(tree, session, new_call(tree, session), lines=2)
    for _ in range(20):
        say(tree, session, new_call(tree, session))
    new = b"".join(session.parts[kept:])
    cut = new.index(b'"usage":{"input_tokens"') + 40
    adds = totals(tree.calls[calls:])
    del tree.calls[calls:], tree.seen[seen:]
    file = tree.write(session, b"".join(session.parts[:kept]) + new[:cut])
    return {"file": file, "append": new[cut:].decode(), "adds": adds}


def huge(tree: Tree) -> None:
    session = tree.session()
    say(tree, session, new_call(tree, session), lines=1)
    session.add(f'{{"type":"user","message":{{"role":"user","content":"{"x" * 2_000_000}"}}}}')
    say(tree, session, new_call(tree, session), lines=1)
    tree.write(session)


def ordinary(tree: Tree, size: int) -> None:
    """One session as people have them, with every trap now and then."""
    rng, session = tree.rng, tree.session()
    first = len(tree.calls)
    while session.size < size:
        if rng.random() < 0.85:
            chatter(tree, session)
        odd: dict[str, Any] = {"request": None} if rng.random() < 0.12 else {}
        told: dict[str, Any] = {}
        match rng.randrange(100):
            case 0:
                told, odd = {"complete": False, "output": rng.randrange(1, 10)}, {"lines": 2}
            case 1:
                told, odd = {"write_1h": 0}, {"hidden": True}
            case 2:
                odd = {"request": None, "nulls": True}
            case 3:
                told = {"model": "claude-opus-4-6", "speed": "fast"}
            case 4:
                trap_advisor(tree, session)
            case 5:
                trap_noise(tree, session)
            case 6:
                session.model = rng.choice(tuple(PRICES)[:3])
        say(tree, session, new_call(tree, session, **told), **odd)
    mine = [call for call in tree.calls[first:] if "|" not in call.id and ":" not in call.id]
    if rng.random() < 0.4:
        subagent(tree, session, layout=rng.choice(("new", "old", "workflow")), calls=rng.randrange(3, 20))
    tree.write(session)
    if rng.random() < 0.1:
        side_question(tree, session, mine[-5:])
    if rng.random() < 0.05:
        fork(tree, session)


def traps(tree: Tree, zone: ZoneInfo) -> dict[str, Any]:
    session = tree.session(folder="/home/ana/shop", branch="main")
    trap_forms(tree, session)
    trap_ids(tree, session)
    trap_advisor(tree, session)
    trap_noise(tree, session)
    trap_damage(tree, session)
    trap_progress(tree, session, new_call(tree, session), lone=True)
    for layout in ("new", "workflow", "old"):
        subagent(tree, session, layout=layout, calls=4)
    tree.write(session)
    origin = tree.session()
    first = len(tree.calls)
    for _ in range(8):
        say(tree, origin, new_call(tree, origin))
    tree.write(origin)
    side_question(tree, origin, tree.calls[first + 3 : first + 8])
    fork(tree, origin)
    trap_old(tree)
    midnight(tree, zone)
    texts(tree)
    return {"unterminated_tail": tail(tree), "growth": growth(tree)}


# truths


def pico(call: Call, *, five_minutes: bool = False) -> int:
    """Picodollars of a call's tokens; `five_minutes` prices every write so."""
    prices = PRICES[call.model]
    prompt = call.input + call.write_5m + call.write_1h + call.read
    rates = prices["above_200k"] if "above_200k" in prices and prompt > 200_000 else prices
    names = ("input", "output", "write_5m", "write_5m" if five_minutes else "write_1h", "read")
    times = prices.get("fast", 1) if call.speed == "fast" else 1
    parts = (count * int(Decimal(rates[name]) * 10**6) for count, name in zip(call.counts, names, strict=True))
    return sum(parts) * times


def totals(calls: Iterable[Call], cost: Callable[[Call], int] = pico) -> dict[str, Any]:
    sums, number, spent = [0] * 5, 0, 0
    for call in calls:
        number += 1
        spent += cost(call)
        sums = [left + right for left, right in zip(sums, call.counts, strict=True)]
    money = f"{Decimal(spent).scaleb(-12):f}"
    return {"calls": number, **dict(zip(KINDS, sums, strict=True)), "total": sum(sums), "cost": money}


def grouped(calls: list[Call], key: Callable[[Call], str]) -> dict[str, Any]:
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(key(call), []).append(call)
    return {name: totals(found[name]) for name in sorted(found)}


def blocks(calls: list[Call]) -> list[dict[str, Any]]:
    """Five hours from a full hour; another one more than five hours after its start, or after the call before."""
    hours, found, start, before = 5 * 3_600_000, [], 0, 0
    for call in sorted(calls, key=lambda one: one.ts):
        if not found or call.ts - start > hours or call.ts - before > hours:
            start = call.ts - call.ts % 3_600_000
            found.append((start, []))
        found[-1][1].append(call)
        before = call.ts
    return [{"start": _stamp(start), **totals(inside)} for start, inside in found]


def expected(calls: list[Call], zone: ZoneInfo) -> dict[str, Any]:
    return {
        **totals(calls),
        "searches": sum(call.searches for call in calls),
        "by_model": grouped(calls, lambda call: call.model),
        "by_speed": grouped(calls, lambda call: call.speed),
        "by_day": grouped(calls, lambda call: f"{datetime.fromtimestamp(call.ts // 1000, zone):%Y-%m-%d}"),
        "by_project": grouped(calls, lambda call: call.folder),
        "by_branch": grouped(calls, lambda call: call.branch),
        "by_session": grouped(calls, lambda call: call.session),
        "blocks": blocks(calls),
    }


def if_wrong(tree: Tree) -> dict[str, Any]:
    """The totals of readers that have one fault and no other."""
    seen = tree.seen

    def called(line: Seen) -> str:
        return line.call.id

    main = {line.call.id for line in seen if not line.side}
    right = [line for line in seen if not (line.side and line.call.id in main)]
    def lone(line: Seen) -> Any:
        return called(line) if line.request else id(line)

    wrong = {
        "no merge": merged(seen, key=id),
        "first line wins": merged(right, key=called, keep="first"),
        "merge per file": merged(right, key=lambda line: (line.file, line.call.id)),
        "side chain copies merged by maximum": merged(seen, key=called),
        "key is id and request": merged(seen, key=lambda line: (line.call.id, line.request)),
        "lines without request never merged": merged(right, key=lone),
        "lines without request dropped": merged((line for line in right if line.request), key=called),
        "side chains dropped": merged((line for line in right if not line.side), key=called),
        "lines with nulls dropped": merged((line for line in right if not line.nulls), key=called),
        "split trusted over the whole": merged(right, key=called, hide=True),
        "advisors not counted": merged((line for line in right if not line.advisor), key=called),
        "progress not counted": merged((line for line in right if not line.lone_progress), key=called),
    }
    found = {name: totals(calls) for name, calls in wrong.items()}
    found["all writes for five minutes"] = totals(tree.calls, lambda call: pico(call, five_minutes=True))
    found["tool results added"] = {"total": totals(tree.calls)["total"] + sum(tree.tools)}
    return found


def merged(lines: Iterable[Seen], *, key: Callable[[Seen], Any], keep: str = "most", hide: bool = False) -> list[Call]:
    found: dict[Any, Call] = {}
    for seen in lines:
        call = replace(seen.call, output=seen.output)
        if hide and seen.hidden:
            call = replace(call, write_5m=0, write_1h=0)
        kept = found.setdefault(key(seen), call)
        if keep == "most" and kept is not call:
            for kind in KINDS:
                setattr(kept, kind, max(getattr(kept, kind), getattr(call, kind)))
    return list(found.values())


def generate(out: Path, size_mb: float, seed: int, tz: str = "Europe/Berlin") -> dict[str, Any]:
    """Writes the tree below `out`, which must not hold one yet; what is printed, as a dict."""
    tree, zone = Tree(Path(out), seed), ZoneInfo(tz)
    special = traps(tree, zone)
    if size_mb >= 8:
        huge(tree)
    while tree.bytes < size_mb * 1_000_000:
        left = int(size_mb * 1_000_000) - tree.bytes
        ordinary(tree, min(left, tree.rng.choice((100_000, 500_000, 1_000_000, 3_000_000))))
    return {
        "expected": expected(tree.calls, zone),
        "if_wrong": if_wrong(tree),
        "prices": PRICES,
        **special,
        "unfinished_calls": sorted(call.id for call in tree.calls if not call.complete),
        "canaries": CANARIES,
        "tree": {"files": tree.files, "bytes": tree.bytes, "sha256": tree.hash.hexdigest()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Claude Code logs whose totals are known")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size-mb", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tz", default="Europe/Berlin")
    args = parser.parse_args()
    json.dump(generate(args.out, args.size_mb, args.seed, args.tz), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
