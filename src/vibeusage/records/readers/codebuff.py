"""Codebuff and Freebuff: one document per chat, usage on each answer.

Source: `~/.config/manicode*/projects/<p>/chats/<id>/chat-messages.json` (undocumented).
Known from: the public source of a tracker, read in August 2026; not seen live.
Units: Anthropic-style counts are disjoint, `promptTokens` with cached details include those; `credits` are
Codebuff's own unit; a chat's id is its time, ISO 8601 with `-` for `:`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import APPROXIMATE, fresh, moment
from vibeusage.records.readers.jsonl import decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import count, millis, served_by

_ANSWERS = ("ai", "agent", "assistant")
_INPUT = ("inputTokens", "input_tokens", "promptTokens", "prompt_tokens")
_OUTPUT = ("outputTokens", "output_tokens", "completionTokens", "completion_tokens")
_READ = ("cacheReadInputTokens", "cache_read_input_tokens")
_WRITE = ("cacheCreationInputTokens", "cache_creation_input_tokens", "cacheCreationTokens", "cache_creation_tokens")
_DETAILS = ("promptTokensDetails", "prompt_tokens_details")
_CACHED = ("cachedTokens", "cached_tokens")


class _Own(msgspec.Struct, gc=False):
    usage: dict[str, Any] | None = None
    model: str | None = None


class _Options(msgspec.Struct, gc=False):
    usage: dict[str, Any] | None = None
    codebuff: _Own = msgspec.field(default_factory=_Own)


class _Entry(msgspec.Struct, gc=False, rename="camel"):
    role: str = ""
    provider_options: _Options | None = None


class _Agent(msgspec.Struct, gc=False, rename="camel"):
    message_history: list[_Entry] = []


class _State(msgspec.Struct, gc=False, rename="camel"):
    main_agent_state: _Agent = msgspec.field(default_factory=_Agent)


class _Run(msgspec.Struct, gc=False, rename="camel"):
    session_state: _State = msgspec.field(default_factory=_State)


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    model: str | None = None
    timestamp: Any = None
    usage: dict[str, Any] | None = None
    codebuff: _Own = msgspec.field(default_factory=_Own)
    run_state: _Run = msgspec.field(default_factory=_Run)


class _Message(msgspec.Struct, gc=False, rename="camel"):
    id: str | None = None
    variant: str | None = None
    role: str | None = None
    timestamp: Any = None
    created_at: Any = None
    credits: float | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_MESSAGES = msgspec.json.Decoder(list[_Message])


def read(body: bytes, source: Source) -> Iterator[Call]:
    chat = source.path.parent.name
    begun = millis(re.sub(r"T(\d\d)-(\d\d)-", r"T\1:\2:", chat)) or 0
    for number, message in enumerate(decoded(body, _MESSAGES, source) or ()):
        if (message.variant or message.role) in _ANSWERS:
            call = _call(message, f"{chat}:{number}", chat, begun)
            told = call.input or call.output or call.write or call.read or call.data
            if told and moment(call.ts or None, source):
                yield call


def _call(message: _Message, fallback: str, chat: str, begun: int) -> Call:
    metadata = message.metadata
    usage, model = _usage(metadata)
    credits = count(message.credits) and message.credits
    rest, read_, notes = _split(usage)
    at = millis(message.timestamp) or millis(message.created_at) or millis(metadata.timestamp)
    return Call(
        uuid=message.id or fallback,
        ts=at or begun,
        session=chat,
        model=model,
        input=rest,
        output=_first(usage, _OUTPUT) or 0,
        read=read_,
        write=_first(usage, _WRITE) or 0,
        served_by=served_by(model),
        notes=notes if at else (*notes, APPROXIMATE),
        data={"credits": credits} if credits else None,
    )


def _usage(metadata: _Metadata) -> tuple[dict[str, Any], str]:
    """The first usage with a count, and the model: on the message, else on the run's last answer."""
    own = metadata.codebuff
    options = _last_answer(metadata.run_state)
    inner = options.codebuff
    usages = [usage for usage in (metadata.usage, own.usage, options.usage, inner.usage) if usage]
    usage = next((usage for usage in usages if _first(usage, _INPUT) or _first(usage, _OUTPUT)), {})
    names = (metadata.model, usage.get("model"), own.model, inner.model)
    return usage, next((name for name in names if name and isinstance(name, str)), "")


def _last_answer(run: _Run) -> _Options:
    history = run.session_state.main_agent_state.message_history
    answers = (entry.provider_options for entry in reversed(history) if entry.role == "assistant")
    return next((options for options in answers if options), _Options())


def _split(usage: dict[str, Any]) -> tuple[int, int, tuple[str, ...]]:
    """Fresh and cached input, and what to note."""
    whole, read_ = _first(usage, _INPUT) or 0, _first(usage, _READ)
    if read_ is not None:
        return whole, read_, ()
    details = next((usage[name] for name in _DETAILS if isinstance(usage.get(name), dict)), {})
    cached = _first(details, _CACHED) or 0
    rest, notes = fresh(whole, cached)
    return rest, cached, notes


def _first(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((number for name in names if (number := count(usage.get(name))) is not None), None)


def _roots(places: Places) -> list[Path]:
    return sorted((places.home / ".config").glob("manicode*"))


def _find(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("projects/*/chats/*/chat-messages.json") if path.is_file())


READER = Reader(id="codebuff", name="Codebuff", parser=1, roots=_roots, find=_find, form=Document(read))
