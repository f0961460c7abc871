"""A call as a row of usage.db, and back."""

from collections.abc import Callable, Mapping

import msgspec

from vibeusage.records.database import kept
from vibeusage.records.readers.spec import Call
from vibeusage.records.schema import prompt_class

_TEXTS = (
    *("session_id", "message_type", "model", "model_provider", "folder", "git_branch"),
    *("provider_version", "machine_name", "speed"),
)
COLUMNS = (
    *("provider", "message_uuid", "timestamp", *_TEXTS, "input_tokens", "output_tokens", "cache_creation_tokens"),
    *("cache_creation_1h", "cache_read_tokens", "prompt_class", "web_searches", "logged_cost", "rank", "ord"),
    *("complete", "notes", "metadata"),
)


def _upsert(columns: tuple[str, ...], kept: tuple[str, ...], more: str = "") -> str:
    """A row of `columns`; of a call that is there all but those `kept` are replaced."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
    return f"""INSERT INTO usage_records ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
        ON CONFLICT (provider, message_uuid) DO UPDATE SET {changed}{more}"""  # noqa: S608


_KEY = ("provider", "message_uuid")
UPSERT = _upsert(COLUMNS, (*_KEY, "machine_name"), ", is_shared = 0")  # read here: told by whoever read it first
JOIN = _upsert(COLUMNS, _KEY)
TAKE = _upsert((*COLUMNS, "is_shared"), (*_KEY, "is_shared"))
NAMED = tuple(range(3, 3 + len(_TEXTS)))  # which columns are ids of names
SELECT = f"SELECT {', '.join(COLUMNS)} FROM usage_records"  # noqa: S608


class Record(msgspec.Struct, frozen=True):
    """A stored call, whose it is and where it was first read."""

    provider: str
    machine: str
    call: Call


def of_call(provider: str, call: Call, machine: str, id: Callable[[str], int]) -> tuple:
    """Its row; `id` is that of a text."""
    return (  # by place, since a first sync makes many
        provider,
        kept(call.uuid),
        call.ts,
        id(call.session),
        id(call.kind),
        id(call.model),
        id(call.served_by),
        id(call.folder),
        id(call.branch),
        id(call.version),
        id(machine),
        id(call.speed),
        call.input,
        call.output,
        call.write,
        min(call.write_1h, call.write),
        call.read,
        prompt_class(call.prompt),
        call.searches,
        call.cost,
        call.rank,
        call.order,
        int(call.complete),
        " ".join(call.notes) or None,
        msgspec.json.encode(call.data).decode() if call.data else None,
    )


def texts(call: Call) -> tuple[str, ...]:
    """Those of which a row has the ids, the machine's beside."""
    return call.session, call.kind, call.model, call.served_by, call.folder, call.branch, call.version, call.speed


def of_row(row: tuple, names: Mapping[int, str]) -> Record:
    provider, uuid, ts, *rest = row
    session, kind, model, served_by, folder, branch, version, machine, speed = (names[id] for id in rest[:9])
    fresh, output, write, write_1h, read, _, searches, cost, rank, order, complete, notes, data = rest[9:]
    call = Call(
        uuid=uuid,
        ts=ts,
        session=session,
        model=model,
        folder=folder,
        branch=branch,
        version=version,
        input=fresh,
        output=output,
        write=write,
        write_1h=write_1h,
        read=read,
        rank=rank,
        order=order,
        complete=bool(complete),
        kind=kind,
        served_by=served_by,
        speed=speed,
        searches=searches,
        cost=cost,
        notes=tuple(notes.split(" ")) if notes else (),
        data=msgspec.json.decode(data) if data else None,
    )
    return Record(provider, machine, call)
