"""The tables of the server and the numbered steps that lead to them, all in one transaction under one lock.

They are those of usage.db without the files of logs, which stay with their machine. `clients` has how far the changes
of each machine's usage.db have come, in the transaction that brought them.
"""

import uuid

import psycopg
from psycopg import errors

from vibeusage.errors import StorageError
from vibeusage.records.postgres import SCHEMA, Connection
from vibeusage.records.schema import PLACED, PLACES, PRICED, SUMMED_AGAIN, SUMS

LOCK, PROVIDERS = 0x76696275, 0x76696276  # the first of two numbers: of the tables, and of calls of a provider
TEXT = 'text COLLATE "C"'  # the order of SQLite


def _rollup(name: str, unit: str, keys: tuple[str, ...]) -> tuple[str, str]:
    """Without a key: what is in it is taken out and put back as a whole, and a key would double its size."""
    columns = [f"{key} {TEXT if key == 'provider' else 'bigint'} NOT NULL" for key in (unit, *keys)]
    columns += [f"{name} bigint NOT NULL" for name in (*SUMS, "first_ms", "last_ms")]
    return f"CREATE TABLE {name} ({', '.join(columns)})", f"CREATE INDEX ON {name} ({unit}, provider)"


_FIRST = (
    "CREATE TABLE state (version integer NOT NULL, id text NOT NULL)",
    "CREATE TABLE clients (id text PRIMARY KEY, mark bigint NOT NULL, pushed_ms bigint NOT NULL)",
    f"CREATE TABLE providers (name {TEXT} PRIMARY KEY, pushed_ms bigint NOT NULL)",
    # unique by its digest, since an index takes no text as long as a path may be
    f"""CREATE TABLE names (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        digest bytea NOT NULL UNIQUE,
        text {TEXT} NOT NULL
    )""",
    f"""CREATE TABLE usage_records (
        provider {TEXT} NOT NULL,
        message_uuid {TEXT} NOT NULL,
        timestamp bigint NOT NULL,
        session_id bigint NOT NULL,
        message_type bigint NOT NULL,
        model bigint NOT NULL,
        model_provider bigint NOT NULL,
        folder bigint NOT NULL,
        git_branch bigint NOT NULL,
        provider_version bigint NOT NULL,
        machine_name bigint NOT NULL,
        speed bigint NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        cache_creation_tokens bigint NOT NULL,
        cache_creation_1h bigint NOT NULL,
        cache_read_tokens bigint NOT NULL,
        prompt_class bigint NOT NULL,
        web_searches bigint NOT NULL,
        logged_cost bigint,
        rank bigint NOT NULL,
        ord bigint NOT NULL,
        complete bigint NOT NULL,
        notes text,
        metadata text,
        PRIMARY KEY (provider, message_uuid)
    )""",
    "CREATE INDEX usage_records_timestamp ON usage_records (provider, timestamp)",
    *_rollup("rollup", "quarter", (*PRICED, *PLACED)),
    *_rollup("rollup_models", "quarter", PRICED),
    *_rollup("rollup_days", "day", (*PRICED, *PLACED)),
    *_rollup("rollup_model_days", "day", PRICED),
    *_rollup("rollup_model_hours", "hour", PRICED),
)
_PLACES = (
    *_rollup("rollup_places", "stretch", (*PRICED, *PLACES)),
    f"""INSERT INTO rollup_places SELECT day / 32, {", ".join((*PRICED, *PLACES))}, {SUMMED_AGAIN} FROM rollup_days
        GROUP BY day / 32, {", ".join((*PRICED, *PLACES))}""",  # noqa: S608
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _PLACES)


def identity(connection: Connection) -> tuple[int, str]:
    """The version of the tables and the id of this set of them; (0, "") when there are none."""
    raw = connection.raw
    try:
        with raw.transaction():
            row = raw.execute("SELECT version, id FROM state").fetchone()
    except errors.UndefinedTable:
        return 0, ""
    return (row[0], row[1]) if row else (0, "")


def check(connection: Connection, name: str) -> str:
    """The id. Raises StorageError when the tables are not those of today."""
    version, id = identity(connection)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"the server {name} was set up by a newer vibeusage (schema {version}, this one knows {len(MIGRATIONS)})",
            hint="update vibeusage, or see this machine's own records with `--local`",
        )
    if version < len(MIGRATIONS):
        raise StorageError(
            f"the server {name} has no records yet" if not version else f"the server {name} has older tables",
            hint="`vibeusage records push` makes them new, with a role that owns the schema",
        )
    return id


def migrate(connection: Connection) -> None:
    """Go from whatever tables there are to ours; several that begin at once do it once."""
    raw = connection.raw
    if identity(connection)[0] >= len(MIGRATIONS):
        return
    with raw.transaction():
        raw.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCK,))
        _make_schema(raw)
        version = identity(connection)[0]
        for step in MIGRATIONS[version:]:
            for statement in step:
                raw.execute(statement.encode())
        if version:
            raw.execute("UPDATE state SET version = %s", (len(MIGRATIONS),))
        else:
            raw.execute("INSERT INTO state VALUES (%s, %s)", (len(MIGRATIONS), uuid.uuid4().hex))


def _make_schema(raw: "psycopg.Connection[tuple]") -> None:
    """Only where it is not there: to ask for one takes a right that a careful role does not have."""
    if not raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone():
        raw.execute(f"CREATE SCHEMA {SCHEMA}".encode())
