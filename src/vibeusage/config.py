"""config.toml: read and checked, changed one key at a time without touching the user's own text."""

import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files, paths, schema, segment, toml_edit
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.kinds import ASSISTANTS
from vibeusage.settings import (
    Alerts,
    Config,
    Credentials,
    Dashboard,
    Fetch,
    History,
    Line,
    LineOptions,
    Machines,
    ModelPrices,
    PlanOptions,
    Pricing,
    ProviderOptions,
    RecordOptions,
    Storage,
)

SIZE_LIMIT = 1 << 20
BACKUP_LIMIT = 64 << 20
TABLES: dict[str, type[msgspec.Struct]] = {
    "fetch": Fetch,
    "dashboard": Dashboard,
    "credentials": Credentials,
    "alerts": Alerts,
    "pricing": Pricing,
    "machines": Machines,
    "history": History,
    "storage": Storage,
}
NAMED: dict[str, type[msgspec.Struct]] = {
    "providers": ProviderOptions,
    "records": RecordOptions,
    "plans": PlanOptions,
}
LINE_KEYS = tuple(schema.leaves(LineOptions))
TARGETS = tuple(field.encode_name for field in msgspec.structs.fields(Line) if field.encode_name not in LINE_KEYS)
_REPAIR = "`vibeusage config edit` opens it; `vibeusage config reset` starts anew and keeps a copy"


def load() -> Config:
    """config.toml over the defaults; a mistake in it is a ConfigError that names file, key and fix."""
    return _checked(read())


def read() -> dict:
    """What config.toml itself says, as plain values that nobody has checked; {} when there is none."""
    return _parsed(_text())


def stamp() -> str:
    """Which config.toml this is, for "has it changed"; `line` works the same text out by hand."""
    try:
        info = paths.config_file().stat()
    except OSError:
        return "-"
    return f"{info.st_mtime_ns}-{info.st_size}-{info.st_ino}"


def effective(config: Config) -> dict:
    """Every setting in force, as plain values; None where target or provider decide by themselves."""
    own = msgspec.to_builtins(config)
    line = {name: own["line"][name] for name in LINE_KEYS}
    targets = {target: _in_force(target, own["line"][target], line) for target in TARGETS}
    return {**own, "line": _in_force("", line, {}) | targets}


def _in_force(target: str, own: dict, line: dict) -> dict:
    """Own setting, else that of [line], else the target's default in `segment`."""
    defaults = segment.DEFAULTS | segment.TARGET_DEFAULTS.get(target, {})
    chosen = {name: next((at[name] for at in (own, line) if at.get(name) is not None), None) for name in own}
    for name, kind in schema.leaves(LineOptions).items():
        if chosen[name] is None and defaults.get(name):
            chosen[name] = schema.value_of(kind, defaults[name])
    return chosen


def get(key: str) -> Any:
    """The value in force, a dict for a table, None when it is left to the target or provider."""
    path = _key(key)
    schema.type_at(Config, path)
    value: Any = effective(load())
    if path[0] in NAMED and len(path) > 1:
        value[path[0]].setdefault(path[1], msgspec.to_builtins(NAMED[path[0]]()))
    if path[:2] in (("pricing", "models"), ("pricing", "aliases")) and len(path) > 2:
        unset = msgspec.to_builtins(ModelPrices()) if path[1] == "models" else None
        value["pricing"][path[1]].setdefault(path[2], unset)
    for part in path:
        value = value[part]
    return value


def set_value(key: str, text: str) -> None:
    """Write one key, its value read as its type asks; a ConfigError leaves the file as it was."""
    path = _key(key)
    kind = schema.type_at(Config, path)
    if schema.is_table(kind):
        raise ConfigError(
            f"{schema.named(path)} is a table, not one value",
            hint=f"`vibeusage config get {key}` lists its keys",
        )
    value = schema.value_of(kind, text)
    schema.check_value(path, kind, value)
    before, old = stamp(), _text()
    document = _parsed(old)
    _sound(toml_edit.without(document, path))
    changed = toml_edit.with_value(document, path, value)
    _checked(changed)
    _save(old, toml_edit.set_key(old, path, value), changed, before)


def reset(key: str | None = None) -> bool:
    """Back to the default: one key, a table, or all with a copy kept; False when nothing is set."""
    if key is None:
        return _reset_all()
    path = _key(key)
    before, old = stamp(), _text()
    document = _parsed(old)
    rest = toml_edit.without(document, path)
    if rest == document:
        schema.type_at(Config, path)
        return False
    _sound(rest)
    _save(old, toml_edit.remove_key(old, path), rest, before)
    return True


def write(data: bytes) -> None:
    """Replace the file; a symlinked one stays one. The line sees it once `cache.compile_line` has run."""
    path = paths.config_file()
    if not path.parent.is_dir():
        files.ensure_folder(path.parent)
    files.write_through(path, data)


def as_toml(config: Config, document: dict) -> str:
    """The settings in force; what `document`, the file, does not say is a comment: it reads back equal."""
    now, said = effective(config), document.get("line", {})
    parts = _rows(Config, now, document)
    parts += _table_text(("line",), LineOptions, now["line"], said)
    for target in TARGETS:
        other = {name: value for name, value in now["line"][target].items() if value != now["line"][name]}
        if other or target in said:
            parts += _table_text(("line", target), LineOptions, other | said.get(target, {}), said.get(target, {}))
    for name, struct in TABLES.items():
        parts += _table_text((name,), struct, now[name], document.get(name, {}))
    for table, struct in NAMED.items():
        for name, values in now[table].items():
            parts += _table_text((table, name), struct, values, document[table][name])
            parts += _texts((table, name, "params"), values.get("params"))
    parts += _texts(("pricing", "aliases"), now["pricing"]["aliases"])
    for name, values in now["pricing"]["models"].items():
        said = document["pricing"]["models"][name]
        parts += _table_text(("pricing", "models", name), ModelPrices, values, said)
    return "\n".join(parts).lstrip("\n") + "\n"


def _texts(path: toml_edit.Key, values: dict[str, str] | None) -> list[str]:
    """A table whose names the person has chosen."""
    rows = [f"{toml_edit.dotted((name,))} = {toml_edit.literal(value)}" for name, value in (values or {}).items()]
    return ["", f"[{toml_edit.dotted(path)}]", *rows] if rows else []


def _table_text(path: toml_edit.Key, struct: type[msgspec.Struct], values: dict, said: dict) -> list[str]:
    return ["", f"[{toml_edit.dotted(path)}]", *_rows(struct, values, said)]


def _rows(struct: type[msgspec.Struct], values: dict, said: dict) -> list[str]:
    rows = []
    for name, kind in schema.leaves(struct).items():
        if name in said:
            rows.append(f"{name} = {toml_edit.literal(values[name])}")
        elif name in values:
            text = "is not set" if values[name] is None else f"= {toml_edit.literal(values[name])}  # default"
            rows.append(f"# {name} {text}: {schema.about_of(kind).title}")
    return rows


def template() -> str:
    """A file that sets nothing and shows everything, for `config edit` to start with."""
    rows = ["# vibeusage: take the `#` off a key to set it. `vibeusage config show` tells what is in force."]
    rows += [
        "",
        *_examples(Config),
        "",
        "[line]",
        *_examples(LineOptions),
        "",
        "[line.claude-code]  # likewise for every other target",
    ]
    for name, struct in TABLES.items():
        rows += ["", f"[{name}]", *_examples(struct)]
    for name, struct in NAMED.items():
        rows += ["", f"# [{name}.claude]", *_examples(struct)]
    rows += ["", "# [pricing.models.my-model]  # in USD per million tokens", *_examples(ModelPrices)]
    rows += ["", "# [pricing.aliases]", '# my-name = "claude-opus-5"  # the model that a name in the logs stands for']
    return "\n".join(rows) + "\n"


def _examples(struct: type[msgspec.Struct]) -> list[str]:
    kinds = schema.leaves(struct).items()
    texts = [(f"# {name} = {toml_edit.literal(schema.example(kind))}", schema.about_of(kind)) for name, kind in kinds]
    return [f"{text}  # {about.title}; {about.description}" for text, about in texts]


def _save(old: str, new: str | None, document: dict, before: str) -> None:
    if new is None:
        import tomli_w  # only here: a text that cannot be edited in place, such as a table within one line

        _keep_copy(old.encode())
        print(
            f"vibeusage: config.toml is written anew, without its comments; {_copy()} keeps the old text",
            file=sys.stderr,
        )
        new = tomli_w.dumps(document)
    if stamp() != before:
        raise ConfigError(
            f"{paths.config_file()} was changed by another program just now", hint="run the command again"
        )
    write(new.encode())


def _reset_all() -> bool:
    path = paths.config_file()
    if not path.exists():
        return False
    data = files.read_linked(path, limit=BACKUP_LIMIT)
    if data is None:
        raise ConfigError(f"{path} cannot be read, so no copy can be kept", hint=f"move it away: mv {path} {_copy()}")
    if not data.strip():
        return False  # a second reset must not put nothing in the place of the copy
    _keep_copy(data)
    write(b"")
    return True


def _copy() -> Path:
    return paths.config_file().with_name("config.toml.bak")


def _keep_copy(data: bytes) -> None:
    files.write_through(_copy(), data)


def _checked(document: dict) -> Config:
    where = f"{paths.config_file()}: "
    schema.check(Config, document, where)
    for target, said in document.get("line", {}).items():
        if isinstance(said, dict) and "lines" in said and target not in ASSISTANTS:
            raise ConfigError(
                f"{where}line.{target}.lines has no meaning: {target} shows one row",
                hint=f"`vibeusage config reset line.{target}.lines`; rows are for {', '.join(ASSISTANTS)}",
            )
    return msgspec.convert(document, Config)


def _sound(rest: dict) -> None:
    """Nothing is written into a file with a mistake elsewhere; the key at hand may be the mistake."""
    try:
        _checked(rest)
    except ConfigError as exc:
        raise ConfigError(str(exc), hint=f"{exc.hint}\n  nothing is written before that is right: {_REPAIR}") from exc


def _key(text: str) -> toml_edit.Key:
    try:
        path = toml_edit.split_key(text)
    except ValueError as exc:
        raise ConfigError(
            f"{clean(text, 80)!r} is not a key", hint="a key is such as line.bar or providers.claude.enabled"
        ) from exc
    if len(path) > 8:
        raise ConfigError(f"{schema.named(path)} is not a setting", hint="`vibeusage config show` lists all")
    return path


def _text() -> str:
    """The text of the file, "" when there is none; ConfigError for all that is no readable text."""
    path = paths.config_file()
    try:
        info = path.stat()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint=f"check its rights: ls -lL {path}") from exc
    if not stat.S_ISREG(info.st_mode):
        raise ConfigError(f"{path} is not a regular file", hint=f"move it away: mv {path} {_copy()}")
    if info.st_size > SIZE_LIMIT:
        raise ConfigError(f"{path} is larger than 1 MiB", hint=_REPAIR)
    data = files.read_linked(path, limit=SIZE_LIMIT)
    if data is None:
        raise ConfigError(f"{path} cannot be read", hint=f"check its rights: ls -lL {path}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError(f"{path} is not UTF-8: line {line} holds byte 0x{data[exc.start]:02x}", hint=_REPAIR) from exc


def _parsed(text: str) -> dict:
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ConfigError(f"{paths.config_file()} is not TOML we can read: nested too deeply", hint=_REPAIR) from exc
    except ValueError as exc:
        what, _, place = str(exc).partition(" (at ")
        if place == "end of document)":
            lines = text.rstrip("\n").split("\n")
            place = f"line {len(lines)}, column {len(lines[-1]) + 1})"
        at = f" at {place.rstrip(')')}" if place else ""
        raise ConfigError(f"{paths.config_file()} is not TOML{at}: {clean(what, 80)}", hint=_REPAIR) from exc
