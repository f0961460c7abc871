"""The tables of usage.db and the numbered steps that lead to them; what is missing happens whole or not at all.

Instants are epoch milliseconds, money is picodollars (1e-12 USD). Texts that repeat stand once in `names`, and
the columns that hold such a text hold its id. `rollup` sums the calls of each quarter of an hour by everything a
report can ask for, `rollup_models` by what a price needs only; `rollup_days` and `rollup_model_days` are the same by
days of UTC, `rollup_model_hours` by hours: what is left of the days of other zones. `rollup_places` has stretches of
32 days without their sessions: most of what projects, branches and machines are summed of.

The quotas' history is compact, see `quotas`: instants of epoch seconds (0 = unknown), hundredths of a percent.

Of machines that share a folder: calls that `is_shared` came from there, and another machine's file tells of them;
`unshared_days` have calls of which no file of ours tells yet; `shared_files` are ours as we wrote them, and
`shared_parts` what is known of all files, by digests.
"""

import sqlite3
from bisect import bisect_left

from vibeusage.errors import StorageError

QUARTER_MS = 900_000
HOUR_QUARTERS, DAY_QUARTERS, STRETCH_QUARTERS = 4, 96, 32 * 96
THRESHOLDS = (100_000, 128_000, 200_000, 256_000, 272_000, 512_000)  # prompt sizes at which some price changes

PRICED = ("provider", "model", "model_provider", "speed", "prompt_class", "is_logged")
PLACES = ("folder", "git_branch", "machine_name")
PLACED = ("session_id", "is_side", *PLACES)
SUMS = (
    *("calls", "lower_bounds", "estimates", "input_tokens", "output_tokens", "write_5m", "write_1h"),
    *("cache_read_tokens", "web_searches", "logged_cost"),
)
SUMMED_AGAIN = ", ".join([*(f"SUM({name})" for name in SUMS), "MIN(first_ms)", "MAX(last_ms)"])  # of sums
UNITS = {  # of the tables of sums: the column, and how many quarters
    "rollup": ("quarter", 1),
    "rollup_models": ("quarter", 1),
    "rollup_model_hours": ("hour", HOUR_QUARTERS),
    "rollup_days": ("day", DAY_QUARTERS),
    "rollup_model_days": ("day", DAY_QUARTERS),
    "rollup_places": ("stretch", STRETCH_QUARTERS),
}


def prompt_class(tokens: int) -> int:
    """How many of THRESHOLDS a prompt of `tokens` (input, writes and reads) is longer than."""
    return bisect_left(THRESHOLDS, tokens)


def _rollup(name: str, unit: str, keys: tuple[str, ...]) -> str:
    columns = [f"{key} {'TEXT' if key == 'provider' else 'INTEGER'} NOT NULL" for key in (unit, *keys)]
    columns += [f"{name} INTEGER NOT NULL" for name in (*SUMS, "first_ms", "last_ms")]
    return f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({unit}, {', '.join(keys)})) WITHOUT ROWID"


_FIRST = (
    "CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE usage_records (
        id INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        message_uuid TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        session_id INTEGER NOT NULL,
        message_type INTEGER NOT NULL,
        model INTEGER NOT NULL,
        model_provider INTEGER NOT NULL,
        folder INTEGER NOT NULL,
        git_branch INTEGER NOT NULL,
        provider_version INTEGER NOT NULL,
        machine_name INTEGER NOT NULL,
        speed INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_creation_tokens INTEGER NOT NULL,
        cache_creation_1h INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        prompt_class INTEGER NOT NULL,
        web_searches INTEGER NOT NULL,
        logged_cost INTEGER,
        rank INTEGER NOT NULL,
        ord INTEGER NOT NULL,
        complete INTEGER NOT NULL,
        notes TEXT,
        metadata TEXT,
        UNIQUE (provider, message_uuid)
    )""",
    "CREATE INDEX usage_records_timestamp ON usage_records (timestamp, provider)",
    """CREATE TABLE providers (
        name TEXT PRIMARY KEY,
        enabled INTEGER NOT NULL DEFAULT 1,
        source TEXT NOT NULL,
        last_sync INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE provider_pricing (
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        since TEXT NOT NULL,
        prices TEXT NOT NULL,
        source TEXT NOT NULL,
        PRIMARY KEY (provider, model, since)
    ) WITHOUT ROWID""",
    """CREATE TABLE source_files (
        id INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        path BLOB NOT NULL,
        dev INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        head BLOB NOT NULL,
        tail BLOB NOT NULL,
        parser INTEGER NOT NULL,
        state BLOB NOT NULL,
        first_seen INTEGER NOT NULL,
        gone INTEGER NOT NULL DEFAULT 0,
        skipped TEXT NOT NULL,
        last_error TEXT NOT NULL,
        UNIQUE (provider, path)
    )""",
    _rollup("rollup", "quarter", (*PRICED, *PLACED)),
    _rollup("rollup_models", "quarter", PRICED),
    _rollup("rollup_days", "day", (*PRICED, *PLACED)),
)
_MODEL_DAYS = (
    _rollup("rollup_model_days", "day", PRICED),
    f"""INSERT INTO rollup_model_days SELECT day, {", ".join(PRICED)}, {SUMMED_AGAIN} FROM rollup_days
        GROUP BY day, {", ".join(PRICED)}""",  # noqa: S608
)
_MODEL_HOURS = (
    _rollup("rollup_model_hours", "hour", PRICED),
    f"""INSERT INTO rollup_model_hours SELECT quarter / 4, {", ".join(PRICED)}, {SUMMED_AGAIN} FROM rollup_models
        GROUP BY quarter / 4, {", ".join(PRICED)}""",  # noqa: S608
)
_NOTED_PRICES = (
    "ALTER TABLE providers RENAME TO older_providers",
    "CREATE TABLE providers (name TEXT PRIMARY KEY, source TEXT NOT NULL, last_sync INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO providers SELECT name, source, last_sync FROM older_providers",
    "DROP TABLE older_providers",
    "DROP TABLE provider_pricing",
    """CREATE TABLE provider_pricing (
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        since TEXT NOT NULL,
        noted INTEGER NOT NULL,
        prices TEXT NOT NULL,
        source TEXT NOT NULL,
        PRIMARY KEY (provider, model, since, noted)
    ) WITHOUT ROWID""",
)
# A call that changes gets the next number: what a server has not been sent yet is all above `mark`. SQLite gives the
# number of a last row that was deleted out anew.
_SENT = (
    """CREATE TABLE sent (
        server TEXT PRIMARY KEY,
        client TEXT NOT NULL,
        mark INTEGER NOT NULL,
        url TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TRIGGER usage_records_changed AFTER UPDATE ON usage_records WHEN NEW.id = OLD.id BEGIN
        UPDATE usage_records SET id = (SELECT MAX(id) + 1 FROM usage_records) WHERE id = NEW.id;
    END""",
    """CREATE TRIGGER usage_records_deleted AFTER DELETE ON usage_records BEGIN
        UPDATE sent SET mark = (SELECT COALESCE(MAX(id), 0) FROM usage_records)
        WHERE mark > (SELECT COALESCE(MAX(id), 0) FROM usage_records);
    END""",
)
_SHARED = (
    "ALTER TABLE usage_records ADD COLUMN is_shared INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE unshared_days (day INTEGER PRIMARY KEY)",
    "CREATE TABLE shared_parts (digest BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE shared_files (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID",
)
_QUOTAS = (
    """CREATE TABLE quota_windows (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL,
        name INTEGER NOT NULL,
        model INTEGER NOT NULL,
        window_s INTEGER NOT NULL,
        UNIQUE (account, name)
    )""",
    """CREATE TABLE quota_points (
        window_id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        used INTEGER NOT NULL,
        resets_at INTEGER NOT NULL,
        PRIMARY KEY (window_id, at)
    ) WITHOUT ROWID""",
)
_PLACES = (
    _rollup("rollup_places", "stretch", (*PRICED, *PLACES)),
    f"""INSERT INTO rollup_places SELECT day / 32, {", ".join((*PRICED, *PLACES))}, {SUMMED_AGAIN} FROM rollup_days
        GROUP BY day / 32, {", ".join((*PRICED, *PLACES))}""",  # noqa: S608
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    *(_FIRST, _MODEL_DAYS, _MODEL_HOURS, _NOTED_PRICES, _SENT, _SHARED, _QUOTAS, _PLACES),
)


def version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


def check(database: sqlite3.Connection) -> bool:
    """Whether the schema is ours of today; raises StorageError for that of a later program."""
    found = version(database)
    if found > len(MIGRATIONS):
        raise StorageError(
            f"usage.db was written by a newer vibeusage (schema {found}, this one knows {len(MIGRATIONS)})",
            hint="update vibeusage, or name another folder with VIBEUSAGE_DATA_DIR",
        )
    return found == len(MIGRATIONS)


def migrate(database: sqlite3.Connection) -> None:
    """Go from whatever schema there is to ours, all of the way or none of it."""
    if check(database):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        if not check(database):  # another program may have made it meanwhile
            for statement in (one for step in MIGRATIONS[version(database) :] for one in step):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
