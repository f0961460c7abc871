"""What a session of Continue names beside tokens: who served its answers, context providers, slash commands.

Names only, and of a bounded number: what a name holds or was asked never reaches us.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from vibeusage.records.readers.spec import MOST_WORD

_MOST_NAMES = 64
_NAME = re.compile(r"[\w./:@+-][\w ./:@+-]*")
_TOOL_CALL = "toolCall"  # the answer of a tool is kept as an item of context, too


class _Id(msgspec.Struct, gc=False, rename="camel"):
    provider_title: str | None = None


class _Context(msgspec.Struct, gc=False):
    id: _Id | None = None


class _Prompt(msgspec.Struct, gc=False, rename="camel"):
    model_provider: str | None = None


class _Named(msgspec.Struct, gc=False):
    name: str | None = None


class _Attributes(msgspec.Struct, gc=False):
    label: str | None = None
    item: _Named | None = None


class _Node(msgspec.Struct, gc=False):
    type: str | None = None
    attrs: _Attributes | None = None


class _Block(msgspec.Struct, gc=False):
    """A paragraph of what was typed: a command is one of its parts, in later versions a block of its own."""

    type: str | None = None
    attrs: _Attributes | None = None
    content: list[_Node] | None = None


class _Editor(msgspec.Struct, gc=False):
    content: list[_Block] | None = None


class Told(msgspec.Struct, gc=False, rename="camel"):
    """Of one message."""

    context_items: list[_Context] | None = None
    prompt_logs: list[_Prompt] | None = None
    editor_state: _Editor | None = None


def found(history: Iterable[Told]) -> dict[str, dict[str, int]]:
    """{"providers", "contexts", "commands": {name: how often}}; what has none is left out."""
    counts: dict[str, Counter[str]] = {"providers": Counter(), "contexts": Counter(), "commands": Counter()}
    for told in history:
        counts["providers"].update(_names(one.model_provider for one in told.prompt_logs or ()))
        items = (one.id.provider_title for one in told.context_items or () if one.id)
        counts["contexts"].update(name for name in _names(items) if name != _TOOL_CALL)
        counts["commands"].update(name.removeprefix("/") for name in _names(_commands(told.editor_state)))
    return {kind: dict(named.most_common(_MOST_NAMES)) for kind, named in counts.items() if named}


def _commands(editor: _Editor | None) -> Iterator[str | None]:
    for block in (editor.content if editor else None) or ():
        if block.type == "prompt-block":
            yield block.attrs.item.name if block.attrs and block.attrs.item else None
        yield from (node.attrs.label for node in block.content or () if node.type == "slashcommand" and node.attrs)


def _names(texts: Iterable[Any]) -> Iterator[str]:
    """Those that are a name: short, in one line, without quotes or brackets."""
    return (text for text in texts if text and len(text) <= MOST_WORD and _NAME.fullmatch(text))
