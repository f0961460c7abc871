"""A declaration's text -> `Declaration`; ConfigError names file, key and what to write for the first mistake."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from vibeusage import schema
from vibeusage.declared import pick
from vibeusage.declared.form import COUNTS, NUMBERS, VARIABLE, Declaration, Number, Overage, Path, Period, Term, terms
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.toml_edit import literal

TIMES = {"now", "day_start", "month_start", "month_end", "days_ago_30"}
FORMS = {"epoch", "ms", "iso", "date", "text"}
FORBIDDEN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}


def read(text: str, file: str) -> Declaration:
    """`file` is what errors call it."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{file} is not TOML: {clean(str(exc), 120)}", hint=f"correct {file}") from exc
    for where, problem, fix in _mistakes(document):
        raise ConfigError(f"{file}: {where} {problem}", hint=fix)
    return converted(document)


def converted(document: dict[str, Any]) -> Declaration:
    """A single [[overage]] may be written as [overage]. Raises msgspec.ValidationError."""
    said = document.get("overage")
    return msgspec.convert({**document, "overage": [said]} if isinstance(said, dict) else document, Declaration)


def _mistakes(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Where, what is wrong, and what to write."""
    yield from _in_table(Declaration, document, "")
    declared = converted(document)
    yield from _in_whole(declared)
    yield from _in_requests(declared)
    for number, period in enumerate(declared.period, 1):
        yield from _in_period(period, f"period[{number}]")


def _in_table(struct: type[msgspec.Struct], table: dict[str, Any], where: str) -> Iterator[tuple[str, str, str]]:
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, value in table.items():
        here = f"{where}.{clean(name, 60)}".lstrip(".")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield here, "is not a key", f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        else:
            yield from _in_value(_given(known[name].type), value, here)
    missing = [name for name, field in known.items() if field.required and name not in table]
    if missing:
        example = schema.example(_given(known[missing[0]].type))
        yield f"{where}.{missing[0]}".lstrip("."), "is missing", f"for example `{missing[0]} = {literal(example)}`"


def _in_value(kind: Any, value: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """A table, a list or map of tables, or a value."""
    struct = _struct_in(kind)
    if struct is None:
        yield from _in_leaf(kind, value, where)
        return
    header, tables = f"[{where}]", {where: value}
    if get_origin(kind) is list and not (struct is Overage and isinstance(value, dict)):
        header = f"[[{where}]]"
        tables = {f"{where}[{number}]": each for number, each in enumerate(value, 1)} if isinstance(value, list) else {}
    elif get_origin(kind) is dict and isinstance(value, dict):
        tables = {f"{where}.{clean(name, 60)}": each for name, each in value.items()}
    if not all(isinstance(table, dict) for table in tables.values()) or (value and not tables):
        yield where, f"is written as {schema.shown(value)}", f"write its keys below {header}"
        return
    for here, table in tables.items():
        yield from _in_table(struct, table, here)


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct that a table, or a list or map of tables, is made of."""
    parts = (kind,) if isinstance(kind, type) else get_args(kind) if get_origin(kind) in (list, dict) else ()
    return next((part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)), None)


def _in_leaf(kind: Any, value: Any, where: str) -> Iterator[tuple[str, str, str]]:
    about = schema.about_of(kind)
    example = f"for example `{where.rpartition('.')[2]} = {literal(schema.example(kind))}`"
    try:
        said = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        yield where, f"is {schema.shown(value)}, not {about.description}", example
        return
    problem = (about.extra or {}).get("problem", lambda value: "")(said)
    if problem:
        yield where, problem, example


def _in_whole(declared: Declaration) -> Iterator[tuple[str, str, str]]:
    if bool(declared.url) == bool(declared.request):
        yield "url", "or [[request]] has to be there, and not both", 'for example `url = "https://host/path"`'
    if not (declared.period or declared.overage or declared.balance):
        yield "period", "is missing: nothing is read", "write a [[period]], [[balance]] or [overage]"
    if declared.auth != "none" and not declared.env and not declared.login:
        yield "env", "is missing", 'name a variable for the key, `env = ["ACME_API_KEY"]`, or `auth = "none"`'
    names = {request.name for request in declared.requests}
    readers: list[tuple[str, Any]] = [("identity", declared.identity)]
    for kind, rules in (("period", declared.period), ("overage", declared.overage), ("balance", declared.balance)):
        readers += [(f"{kind}[{number}]", rule) for number, rule in enumerate(rules, 1)]
    for where, rule in readers:
        if rule and rule.request and rule.request not in names:
            yield f"{where}.request", f"is {schema.shown(rule.request)}, no request", f"one of {', '.join(names)}"
        for key, paths in _paths(rule) if rule else ():
            others = {way.other for term in paths for way in pick.ways(term.path) if way.other}
            for other in others - names:
                yield f"{where}.{key}", f"starts at ${other}, no request", f"one of {', '.join(names)}"
            for name in {term.per for term in paths if term.per} - declared.params.keys():
                yield f"{where}.{key}", f"is per {name}, which is no param", f"describe it below [params.{name}]"
    base = declared.base
    if base and not (base.env or base.regions):
        yield "base", "says no address", 'write env = "ACME_BASE_URL", or [base.regions]'


def _paths(rule: msgspec.Struct) -> Iterator[tuple[str, list[Term]]]:
    """The paths of a rule by key, with what is made of their numbers."""
    for field in msgspec.structs.fields(rule):
        if _given(field.type) in (Path, Number):
            yield field.encode_name, terms(getattr(rule, field.name))


def _in_requests(declared: Declaration) -> Iterator[tuple[str, str, str]]:
    known = set(declared.params)
    names: set[str] = set()
    for number, request in enumerate(declared.requests, 1):
        where = "url" if declared.url else f"request[{number}].url"
        if request.url.startswith("{base}") and not declared.base:
            yield where, "names {base}, and there is no [base]", "write the host, or add [base]"
        for name, form in VARIABLE.findall(request.url.removeprefix("{base}")):
            if name not in known | TIMES or form not in FORMS | {""} or bool(form) != (name in TIMES):
                usable = sorted(known) + [f"{time}:{form}" for time in sorted(TIMES) for form in ("epoch",)]
                yield where, f"names {{{name}}}, which nothing tells", f"known are {', '.join(usable)}"
        for header, value in request.headers.items():
            if header.lower() in FORBIDDEN_HEADERS or not re.fullmatch(r"[A-Za-z0-9-]+", header):
                yield f"request[{number}].headers", f"may not set {clean(header, 40)}", "take it out"
            own = re.fullmatch(r"\{(\w+)\}", value)
            if not (own and own[1] in declared.params) and re.search(r"[{}]|[^\x20-\x7e]", value):
                yield f"request[{number}].headers.{header}", "holds more than plain text", "write a constant text"
        if request.unless and request.unless not in known:
            yield f"request[{number}].unless", f"is {request.unless}, which nothing tells", "name what was taken"
        if request.name in names:
            yield f"request[{number}].name", "is there twice", "give each request a name of its own"
        names.add(request.name)
        known |= set(request.take)


def _in_period(period: Period, where: str) -> Iterator[tuple[str, str, str]]:
    given = [name for name in (*NUMBERS, *COUNTS) if getattr(period, name) is not None]
    counts = [name for name in given if name in COUNTS]
    if not (len(given) == 1 and not counts) and not (len(counts) >= 2 and given == counts):
        fix = "write one of percent, percent_left, fraction, fraction_left, or two of used, left, limit"
        yield where, "does not say once how much is used", fix
    if not (period.type or period.type_from):
        yield f"{where}.type", "is missing", 'for example `type = "weekly"`'
    if not (period.name or period.name_from):
        yield f"{where}.name", "is missing", 'for example `name = "Weekly"`'
    if period.type_from and not period.types:
        yield f"{where}.types", "is missing", 'for example `types = { "5h" = "session" }`'


def _given(kind: Any) -> Any:
    """`X` of `X | None`."""
    parts = get_args(kind)
    return next(part for part in parts if part is not type(None)) if type(None) in parts else kind
