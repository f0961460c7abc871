"""Kimi CLI and its successor Kimi Code: what each call used stands in a session's `wire.jsonl`.

Source: local-logs.md section 14 (kimi-cli 1.x: StatusUpdate; Kimi Code 2026: usage.record).
Known from: public sources of trackers and of Kimi Code's own migration (August 2026), made-up files; not seen live.
Units: disjoint counts; times are epoch seconds (CLI) or milliseconds (Code).

What Kimi Code takes over of the CLI's sessions is the conversation, without any counts; the old files stay as they
are. So both are read; should its file of a session state the old calls too, they are read there only. In a parent's
file a subagent's StatusUpdate is wrapped in another message; it counts where the subagent wrote it. A usage.record of
the scope "session" is a total.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import moment
from vibeusage.records.readers.jsonl import Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Lines, Places, Reader, Source

_CODE_LINES = re.compile(rb'"(?:usage\.record|llm\.request)"')
_SERVED_BY = "moonshot"


class _Usage(msgspec.Struct, gc=False):
    input_other: Tokens = 0
    input_cache_read: Tokens = 0
    input_cache_creation: Tokens = 0
    output: Tokens = 0


class _CodeUsage(msgspec.Struct, gc=False, rename="camel"):
    input_other: Tokens = 0
    input_cache_read: Tokens = 0
    input_cache_creation: Tokens = 0
    output: Tokens = 0


class _Payload(msgspec.Struct, gc=False):
    token_usage: _Usage | None = None
    message_id: str | None = None


class _Message(msgspec.Struct, gc=False):
    type: str | None = None
    payload: _Payload | None = None


class _Line(msgspec.Struct, gc=False):
    timestamp: Any = None
    message: _Message | None = None


class _CodeLine(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None
    time: Any = None
    model: str | None = None  # an alias; the request before it names the model itself
    usage_scope: str | None = None
    usage: _CodeUsage | None = None


class _Folder(msgspec.Struct, gc=False):
    path: str = ""


class _Register(msgspec.Struct, gc=False):
    work_dirs: list[_Folder] | None = None


class _State(msgspec.Struct, gc=False, rename="camel"):
    work_dir: str | None = None
    cwd: str | None = None  # its name since the second version


_DECODER, _CODE_DECODER = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_CodeLine)


def read(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """The calls of either tool; which one wrote a file, its path says."""
    if source.path.parent.parent.name == "agents":
        return _of_code(block, source, state)
    return _of_cli(block, source)


def _of_cli(block: bytes, source: Source) -> Iterator[Call]:
    home, session, agent = _cli_place(source.path)
    model, folder = _model(home), _folder(home, source.path)
    taken_over = _taken_over(home, session)
    for text in hits(block, b'"token_usage"'):
        line = decoded(text, _DECODER, source)
        message = line.message if line else None
        payload = message.payload if message and message.type == "StatusUpdate" else None
        if line and payload and payload.token_usage:
            call = _call(payload.token_usage, line.timestamp, source, session, agent)
            if call and taken_over is not None and call.ts >= taken_over:
                source.skip("read by Kimi Code")
            elif call:
                call.uuid, call.model, call.folder = payload.message_id or call.uuid, model, folder
                yield call


def _of_code(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    home = source.path.parents[2]
    agent = source.path.parent.name
    told = _decode(home / "state.json", _State)
    folder = told.work_dir or told.cwd or ""
    for text in hits(block, _CODE_LINES):
        line = decoded(text, _CODE_DECODER, source)
        if line and line.type == "llm.request":
            state["model"] = line.model or ""
        elif line and line.type == "usage.record" and line.usage and line.usage_scope != "session":
            call = _call(line.usage, line.time, source, home.name, "" if agent == "main" else agent)
            if call:
                call.model = (state.get("model") or line.model or "").removeprefix("kimi-code/")
                call.folder = folder
                yield call


def _call(usage: _Usage | _CodeUsage, at: Any, source: Source, session: str, agent: str) -> Call | None:
    counts = (usage.input_other, usage.output, usage.input_cache_creation, usage.input_cache_read)
    ts = moment(at, source) if any(counts) else None
    if ts is None:
        return None
    return Call(
        uuid=f"{session}:{agent}:{ts}:{counts}",
        ts=ts,
        session=session,
        input=usage.input_other,
        output=usage.output,
        write=usage.input_cache_creation,
        read=usage.input_cache_read,
        kind="subagent" if agent else "assistant",
        served_by=_SERVED_BY,
        data={"agent": agent} if agent else None,
    )


def _cli_place(path: Path) -> tuple[Path, str, str]:
    """Home, session and subagent of `<home>/sessions/<md5>/<session>[/subagents/<agent>]/wire.jsonl`."""
    is_side = path.parent.parent.name == "subagents"
    folder = path.parents[2] if is_side else path.parent
    return folder.parents[2], folder.name, path.parent.name if is_side else ""


def _taken_over(home: Path, session: str) -> int | None:
    """When Kimi Code's files of the session begin to state what was used, in milliseconds; None where they never do."""
    folders = (home.parent / ".kimi-code" / "sessions").glob("*")
    named = (folder / f"{prefix}{session}" for folder in folders for prefix in ("", "ses_", "session_"))
    files = (Source(path, one) for one in named for path in one.glob("agents/*/wire.jsonl"))
    return min((ts for file in files for ts in _used_from(file)), default=None)


def _used_from(source: Source) -> Iterator[int]:
    """The instant of a file's first usage.record, where there is one."""
    try:
        with source.path.open("rb") as file:
            stated = (decoded(text, _CODE_DECODER, source) for text in file if b'"usage.record"' in text)
            times = (moment(line.time, source) for line in stated if line and line.usage_scope != "session")
            yield from itertools.islice((ts for ts in times if ts is not None), 1)
    except OSError:
        return


def _model(home: Path) -> str:
    """The model of the settings as they are now: the log names none."""
    try:
        settings = tomllib.loads((home / "config.toml").read_text(errors="replace"))
    except (OSError, tomllib.TOMLDecodeError):
        return ""
    name = settings.get("default_model")
    models = settings.get("models")
    found = models.get(name) if isinstance(models, dict) and isinstance(name, str) else None
    model = found.get("model") if isinstance(found, dict) else name
    return model if isinstance(model, str) else ""


def _folder(home: Path, path: Path) -> str:
    """The working directory: the sessions' folder has the MD5 of its path for a name."""
    names = path.parts
    folders = _decode(home / "kimi.json", _Register).work_dirs or []
    return next((one.path for one in folders if _md5(one.path) in names), "")


def _md5(text: str) -> str:
    import hashlib  # as in `values`

    return hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


def _decode(path: Path, wanted: Any) -> Any:
    """What a small file of the tool says; an empty `wanted` where there is none, or another shape."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=wanted)
    except (OSError, msgspec.MsgspecError):
        return wanted()


def find(root: Path) -> Iterator[Path]:
    return below(root, "wire.jsonl")


def _roots(places: Places) -> list[Path]:
    cli = places.variable("KIMI_SHARE_DIR") or [places.home / ".kimi"]
    code = places.variable("KIMI_CODE_HOME") or [places.home / ".kimi-code"]
    return [base / "sessions" for base in (*cli, *code)]


READER = Reader(id="kimi", name="Kimi CLI and Kimi Code", parser=1, roots=_roots, find=find, form=Lines(read))
