"""A TOML document against Structs: the first key that is wrong, what is wrong, and what to type instead.

What a person reads about a key stands in the last `Meta` of its type: title = what it is, description = what
is allowed, examples = a value that works, extra["problem"] = a further check: value -> problem or "".
"""

import shlex
import tomllib
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.toml_edit import Key, dotted, literal


def check(root: type[msgspec.Struct], document: dict, where: str) -> None:
    """ConfigError for the first mistake, in the order of the document; `where` stands before its key."""
    _check_table(root, (), document, where)


def check_value(path: Key, kind: Any, value: Any, where: str = "") -> None:
    about = about_of(kind)
    try:
        msgspec.convert(value, kind)
        problem = (about.extra or {}).get("problem", lambda value: "")(value)
    except msgspec.ValidationError:
        problem = f"is {shown(value)}, not {about.description}"
    if problem:
        raise ConfigError(f"{where}{named(path)} {problem}", hint=f"for example `{command(path, kind)}`")


def _check_name(path: Key, kind: Any, where: str) -> None:
    try:
        msgspec.convert(path[-1], kind)
    except msgspec.ValidationError as exc:
        raise ConfigError(
            f"{where}{named(path)} has a name that is not {about_of(kind).description}",
            hint=f"such as {named((*path[:-1], example(kind)))}; `vibeusage config edit` opens the file",
        ) from exc


def type_at(root: type[msgspec.Struct], path: Key, where: str = "") -> Any:
    """The type that `path` must have; ConfigError with the nearest known name when there is no such key."""
    kind: Any = root
    for depth, name in enumerate(path):
        here = path[: depth + 1]
        if get_origin(kind) is dict:
            name_kind, kind = get_args(kind)
            _check_name(here, name_kind, where)
        elif is_table(kind):
            known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
            if name not in known:
                raise _unknown(root, here, list(known), where)
            kind = _given(known[name])
        else:
            raise ConfigError(
                f"{where}{named(path[:depth])} is a table, not {about_of(kind).description}",
                hint=f"for example `{command(path[:depth], kind)}`",
            )
    return kind


def is_table(kind: Any) -> bool:
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def about_of(kind: Any) -> Meta:
    return get_args(kind)[-1]


def leaves(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """{name: type} of the keys of one table that hold a value."""
    known = {field.encode_name: _given(field.type) for field in msgspec.structs.fields(struct)}
    return {name: kind for name, kind in known.items() if not is_table(kind)}


def value_of(kind: Any, text: str) -> Any:
    """A text from a command line as `kind` wants it; what does not fit comes back as it was."""
    plain = get_args(kind)[0]
    lists = [one for one in (plain, *get_args(plain)) if get_origin(_bare(one)) is list]
    if text in choices(plain) or plain is str:
        return text
    if not lists:
        return _lax(plain, text)
    if text.strip().startswith("["):
        return _array(text)
    element = get_args(_bare(lists[0]))[0]
    rows = get_origin(_bare(element)) is list
    return [_names(row) for row in text.split(";")] if rows else [_lax(element, name) for name in _names(text)]


def example(kind: Any) -> Any:
    return (about_of(kind).examples or [""])[0]


def command(path: Key, kind: Any) -> str:
    """A command that sets `path` to a value that works."""
    value = example(kind)
    text = value if isinstance(value, str) else literal(value)
    return shlex.join(["vibeusage", "config", "set", named(path), text])


def named(path: Key) -> str:
    return clean(dotted(path), 80)


def shown(value: Any) -> str:
    return "a table" if isinstance(value, dict) else clean(literal(value), 60)


def _check_table(root: type[msgspec.Struct], path: Key, table: dict, where: str) -> None:
    for name, value in table.items():
        here = (*path, name)
        kind = type_at(root, here, where)
        if not is_table(kind):
            check_value(here, kind, value, where)
        elif isinstance(value, dict):
            _check_table(root, here, value, where)
        else:
            raise ConfigError(
                f"{where}{named(here)} is {shown(value)}, not a table",
                hint=f"`vibeusage config edit`, and write its keys below [{named(here)}]",
            )


def _unknown(root: type[msgspec.Struct], path: Key, known: list[str], where: str) -> ConfigError:
    name = path[-1][:60]
    near = [(*path[:-1], match) for match in _close(name, known)] or _elsewhere(root, name)
    table = f"[{named(path[:-1])}]" if len(path) > 1 else "the file"
    hint = f"did you mean {named(near[0])}?" if near else f"{table} knows {', '.join(known)}"
    if where:
        remove = shlex.join(["vibeusage", "config", "reset", named(path)])
        hint += f" `{remove}` removes it, `vibeusage config edit` opens the file"
    return ConfigError(f"{where}{named(path)} is not a setting", hint=hint)


def _elsewhere(root: type[msgspec.Struct], name: str) -> list[Key]:
    """Where else a key of this name stands: `bar` at the top is meant for [line]."""
    tables = {field.encode_name: field.type for field in msgspec.structs.fields(root)}
    structs = {table: kind for table, kind in tables.items() if is_table(kind) and get_origin(kind) is not dict}
    inner = {(table, key) for table, kind in structs.items() for key in leaves(kind)}
    close = _close(name, [key for _, key in inner])
    return sorted(path for path in inner if path[1] in close)


def _close(name: str, known: list[str]) -> list[str]:
    import difflib  # for a mistake only, and every command loads this module

    return difflib.get_close_matches(name, known, n=1)


def _given(kind: Any) -> Any:
    """`X` of `X | None`."""
    return get_args(kind)[0] if type(None) in get_args(kind) else kind


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def choices(kind: Any) -> tuple:
    """The values of a Literal, alone or in a union; those inside a list are no value of their own."""
    if get_origin(kind) is list:
        return ()
    parts = get_args(kind)
    return parts if parts and all(isinstance(part, str) for part in parts) else sum(map(choices, parts), ())


def _lax(kind: Any, text: str) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return text


def _array(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if list(document) == ["value"] else text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
