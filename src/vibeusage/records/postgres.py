"""The way to a PostgreSQL server: its address, its dialect of our statements, and what goes wrong as errors of ours.

The password comes from the vault, else libpq finds it (`PGPASSFILE`, `~/.pgpass`, `PGPASSWORD`); it is never in the
address. Over a network TLS is asked for unless the address or `PGSSLMODE` says otherwise.
"""

import contextlib
import functools
import os
import re
from collections.abc import Generator, Mapping
from typing import Any

from vibeusage import vault
from vibeusage.errors import ConfigError, NotConfigured, StorageError, Unavailable
from vibeusage.escape import clean
from vibeusage.records.stored import PASSWORD_ACCOUNT, PASSWORD_KIND

try:
    import psycopg
    from psycopg import errors
    from psycopg.conninfo import conninfo_to_dict
except ImportError as exc:
    raise ConfigError(
        "storage.url is set, and psycopg is not installed",
        hint="`pip install 'vibeusage[postgres]'`; `report --local` shows this machine's own records",
    ) from exc

SCHEMA = "vibeusage"
CONNECT_S = 5
_PATIENCE: dict[str, Any] = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# a program that stops in the middle must not hold what others wait for
_READING = {"statement_timeout": "60s", "idle_in_transaction_session_timeout": "600s", "lock_timeout": "10s"}
_WRITING = {"statement_timeout": "300s", "idle_in_transaction_session_timeout": "60s", "lock_timeout": "60s"}
# few of very many rows are touched, by their index: without statistics, which new tables lack, nobody would guess that
_WAYS = ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "material")
_WRITING |= {f"enable_{way}": "off" for way in _WAYS}
_SETTINGS = {"search_path": SCHEMA, "jit": "off", "work_mem": "64MB", "client_min_messages": "error"}


class Connection:
    """A connection to which SQLite's statements may be given."""

    def __init__(self, raw: "psycopg.Connection[tuple]") -> None:
        self.raw = raw

    def execute(self, sql: str, parameters: Any = (), /) -> "psycopg.Cursor[tuple]":
        return self.raw.execute(translated(sql), parameters or None)

    def stream(self, sql: str, parameters: Any = ()) -> "psycopg.ServerCursor[tuple]":
        """The same for more rows than memory should hold, inside a transaction."""
        cursor = self.raw.cursor(name="vibeusage")
        cursor.execute(translated(sql), parameters or None)
        return cursor


@functools.cache
def translated(sql: str) -> bytes:
    """What SQLite's statements of ours are called in PostgreSQL."""
    sql = re.sub(r"INDEXED BY \w+", "", sql).replace("CROSS JOIN", "JOIN")
    sql = sql.replace("value FROM json_each(?)", "value::bigint FROM json_array_elements_text(?::json)")
    return re.sub(r"(?<!:):([a-z]+)", r"%(\1)s", sql.replace("?", "%s")).encode()


def name_of(url: str) -> str:
    """`host/database`, for people."""
    known = conninfo_to_dict(url)
    return clean(f"{known.get('host') or 'localhost'}/{known.get('dbname') or known.get('user') or ''}", 100)


def connect(url: str, *, writing: bool, foreground: bool) -> Connection:
    """Raises Unavailable when there is no way in, with the server's reason."""
    own = _own(url, os.environ)
    try:
        if password := _password(foreground=foreground):
            own["password"] = password
        raw = psycopg.connect(url, autocommit=writing, prepare_threshold=None, **own)
        settings = {**_SETTINGS, **(_WRITING if writing else _READING)}
        sets = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
        with raw.transaction() if writing else contextlib.nullcontext():
            encoding = raw.execute(f"SELECT current_setting('server_encoding'), {sets}".encode()).fetchone()
        if not writing:
            raw.commit()
            raw.read_only, raw.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
    except psycopg.Error as exc:
        raise _no_way_in(url, exc) from exc
    if encoding and encoding[0] != "UTF8":
        raw.close()
        raise StorageError(f"the database {name_of(url)} is not UTF-8", hint="create it with ENCODING 'UTF8'")
    return Connection(raw)


def _own(url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    known = conninfo_to_dict(url)
    options: dict[str, Any] = {**_PATIENCE, "application_name": "vibeusage"}
    if "sslmode" not in known and not environ.get("PGSSLMODE") and not _is_here(str(known.get("host") or "")):
        options["sslmode"] = "require"
    return {name: value for name, value in options.items() if name not in known}


def _is_here(hosts: str) -> bool:
    """Whether all of them are this machine; none is its socket."""
    return all(re.fullmatch(r"|/.*|localhost|::1|127\.[\d.]+", host) for host in hosts.split(","))


def _password(*, foreground: bool) -> str:
    with contextlib.suppress(NotConfigured):  # in a keyring, and nobody waits
        found = (vault.read(PASSWORD_ACCOUNT, PASSWORD_KIND, foreground=foreground) or {}).get(PASSWORD_KIND)
        return found if isinstance(found, str) else ""
    return ""


def _no_way_in(url: str, exc: psycopg.Error) -> Unavailable:
    return Unavailable(
        f"the server {name_of(url)} cannot be used: {reason(exc)}",
        hint="`vibeusage config get storage.url` says which; the password is that of `vibeusage records push "
        "--password`, or of ~/.pgpass",
    )


def reason(exc: psycopg.Error) -> str:
    """What the server says, or the last line of libpq, which has one for each address that was tried."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return clean(exc.diag.message_primary or (lines[-1] if lines else type(exc).__name__), 200)


@contextlib.contextmanager
def told(name: str) -> Generator[None]:
    """Errors of the server `name` as ours."""
    try:
        yield
    except (errors.UndefinedTable, errors.InvalidSchemaName) as exc:
        raise StorageError(
            f"the server {name} has no records yet",
            hint="`vibeusage records push` makes the tables, with a role that may use the schema vibeusage",
        ) from exc
    except errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"the server {name} does not allow this: {reason(exc)}",
            hint="the README's section `A server for several machines` has the rights that a role needs",
        ) from exc
    except errors.QueryCanceled as exc:
        raise Unavailable(f"the server {name} took too long", hint="ask for less, such as with `--since`") from exc
    except errors.LockNotAvailable as exc:
        raise Unavailable(f"the server {name} is busy with its tables", hint="try again in a moment") from exc
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise Unavailable(f"the server {name} is gone: {reason(exc)}", hint="try again in a moment") from exc
    except psycopg.Error as exc:
        raise StorageError(f"the server {name} refuses: {reason(exc)}", hint="its log says more") from exc
