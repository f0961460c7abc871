"""What a plugin may say of itself in `PLUGIN`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+\Z"

_Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]
_Variable = Annotated[str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\Z")]
_Host = Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")]
_Folder = Annotated[str, Meta(pattern=r"\A(~/|/)[^\x00-\x1f\x7f]{1,400}\Z")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`env` are variables that may hold the login, in their order; `variables` are others that it gets.

    `roots` and `files` (a glob) say which logs a reader is given; `form` whether it gets them whole, or new lines only.
    """

    api: Literal[1]
    kind: Literal["provider", "reader"]
    id: Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_-]{0,39}\Z")]
    name: _Line
    version: Annotated[str, Meta(pattern=r"\A[\w.+!-]{1,40}\Z")]
    env: Annotated[list[_Variable], Meta(max_length=8)] = []
    variables: Annotated[list[_Variable], Meta(max_length=16)] = []
    login: bool = True
    hosts: Annotated[list[_Host], Meta(max_length=16)] = []
    dashboard: str = ""
    hint: Annotated[str, Meta(max_length=500)] = ""
    roots: Annotated[list[_Folder], Meta(max_length=16)] = []
    files: Annotated[str, Meta(min_length=1, max_length=200)] = "*.jsonl"
    form: Literal["document", "lines"] = "document"
