"""What is known of each plugin, and how it is shown: in a list, alone, and before a person approves of it."""

import sys
from collections.abc import Iterator

import msgspec

from vibeusage.errors import ConfigError
from vibeusage.plugins import approvals, landlock, seccomp, sources
from vibeusage.plugins.approvals import Approval
from vibeusage.plugins.sources import Found
from vibeusage.terminal import plain


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: on, off, changed, broken, offered (by a distribution) or not approved. `gets` is all it is given."""

    id: str
    kind: str
    name: str
    version: str
    state: str
    sha256: str = ""
    file: str = ""
    distribution: str = ""
    gets: list[str] = []
    problem: str = ""
    todo: str = ""


def rows() -> list[Row]:
    """By id: those that were approved, then those that distributions offer, and what is wrong with one."""
    known = approvals.load()
    found = [_known(one) for _, one in sorted(known.items())]
    for each in sources.offered():
        if isinstance(each, ConfigError):
            text = str(each)
            if all(row.problem != text for row in found):
                found.append(Row(id="", kind="", name="", version="", state="broken", problem=text, todo=each.hint))
        elif each.approval.id not in known:
            found.append(row_of(each, "offered", todo=_ask(each.approval.id)))
    return found


def offered() -> dict[str, Found]:
    """What distributions offer, by id; of two with one id neither."""
    found: dict[str, Found] = {}
    twice = set()
    for each in sources.offered():
        if not isinstance(each, ConfigError):
            twice |= {each.approval.id} & found.keys()
            found[each.approval.id] = each
    return {name: each for name, each in found.items() if name not in twice}


def _known(known: Approval) -> Row:
    try:
        found = sources.current(known)
    except ConfigError as exc:
        row = row_of(Found(known, sources.path(known)), "broken")
        return msgspec.structs.replace(row, problem=str(exc), todo=exc.hint)
    if not sources.is_same(found.approval, known):
        row = row_of(found, "changed", todo=_ask(known.id))
        return msgspec.structs.replace(row, problem=sources.difference(found.approval, known))
    if known.enabled:
        return row_of(found, "on")
    return row_of(found, "off", todo=f"`vibeusage plugin enable {known.id}`")


def _ask(plugin_id: str) -> str:
    return f"`vibeusage plugin enable {plugin_id}` shows it and asks"


def row_of(found: Found, state: str, *, todo: str = "") -> Row:
    known = found.approval
    return Row(
        id=known.id,
        kind=known.manifest.kind,
        name=known.name,
        version=known.version,
        state=state,
        sha256=known.sha256,
        file=str(found.path),
        distribution=known.distribution,
        gets=list(_gets(known)),
        todo=todo,
    )


def _gets(known: Approval) -> Iterator[str]:
    said = known.manifest
    if said.kind == "reader":
        new = "new lines" if said.form == "lines" else "the content"
        yield from (f"{new} of {said.files} below {root}" for root in said.roots)
        return
    if said.login:
        stored = f"what `vibeusage auth {said.id}` stores"
        yield "its key: " + ", or ".join([*(f"${name}" for name in said.env), stored])
    yield from (f"the variable {name}" for name in said.variables)
    yield from (f"requests to {host}" for host in said.hosts)


def print_list(*, as_json: bool) -> int:
    found = rows()
    if as_json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "plugins": found}).decode() + "\n")
        return 0
    cells = [[plain(cell) for cell in (row.id, row.kind, row.state, row.version, row.name)] for row in found]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row, texts in zip(found, cells, strict=True):
        print("  ".join(f"{text:{width}}" for text, width in zip(texts, widths, strict=True)).rstrip())
        for text in filter(None, (row.problem, row.todo)):
            print(f"   {plain(text, 500)}")
    if not found:
        print("there are no plugins; `vibeusage plugin new NAME` writes one to begin with")
    return 0


def show(row: Row, *, as_json: bool) -> int:
    if as_json:
        document = {"schema": 1, "plugin": row, "landlock": landlock.version()}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    print("\n".join(lines(row)))
    return 0


def _fence() -> str:
    kernel = [f"Landlock {landlock.version()}"] if landlock.version() else []
    kernel += ["a filter of system calls"] if seccomp.program() else []
    return f"the kernel ({', '.join(kernel)}) and Python" if kernel else "Python alone, which native code can step over"


def lines(row: Row) -> list[str]:
    """For people."""
    facts = [
        ("state", f"{row.state}: {row.problem}" if row.problem else row.state),
        ("to do", row.todo),
        ("from", f"the distribution {row.distribution}" if row.distribution else ""),
        ("file", row.file),
        ("sha256", row.sha256),
        *(("gets", text) for text in row.gets),
        ("kept in by", _fence()),
    ]
    said = [f"  {title:10}  {plain(text, 500)}" for title, text in facts if text]
    return [f"{plain(row.name)} {plain(row.version)}, a {row.kind} plugin ({row.id})", *said]
