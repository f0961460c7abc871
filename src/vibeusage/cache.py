"""The cache folder: snapshots, and `line.tsv` compiled from them, the settings and the due times.

A file that is damaged or of an unknown shape is a miss and is replaced at the next success; one
written by a newer version is neither read nor overwritten. `line.tsv` is complete and verified
before the generation changes, see `generation`.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from vibeusage import cachefiles, config, episodes, files, gate, generation, merge, observe, paths, shown, table
from vibeusage.errors import ConfigError, StorageError
from vibeusage.models import UsageSnapshot, is_sound

SCHEMA = 1
TRIES = 5
SEGMENT_AGE_S = 7 * 86400
OTHERS = ("line.tsv", "gates.json", "alerts.json", "costs.tsv")
CONFIG_NOTE = "config.toml has a mistake: vibeusage config show"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as it lies on disk, bound to the login it was fetched with."""

    schema: int
    fingerprint: str
    snapshot: UsageSnapshot

    def __post_init__(self) -> None:
        if not is_sound(self.snapshot):
            raise ValueError("a number out of range")


def snapshot_file(account: str) -> Path:
    return paths.cache_dir() / "snapshots" / f"{account}.json"


def save_snapshot(snapshot: UsageSnapshot, fingerprint: str) -> None:
    """Raises StorageError; keeps a file of a newer version as it is."""
    path = snapshot_file(snapshot.id)
    if _schema(files.read_private(path)) > SCHEMA:
        raise StorageError(f"{path} was written by a newer vibeusage", hint="upgrade, or run `vibeusage cache clear`")
    stored = Stored(schema=SCHEMA, fingerprint=fingerprint, snapshot=snapshot)
    files.write_private(path, msgspec.json.encode(stored))


def load_snapshot(account: str, fingerprint: str | None = None) -> UsageSnapshot | None:
    """The stored snapshot; None when there is none, or when it belongs to another login."""
    stored = _stored(account)
    return stored.snapshot if stored and fingerprint in (None, stored.fingerprint) else None


def _stored(account: str) -> Stored | None:
    data = files.read_private(snapshot_file(account))
    if data is None or _schema(data) != SCHEMA:
        return None
    try:
        return msgspec.json.decode(data, type=Stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def owner_of(account: str) -> str | None:
    """The fingerprint of the login that the stored snapshot belongs to; None without a snapshot."""
    stored = _stored(account)
    return stored.fingerprint if stored else None


def keep(snapshot: UsageSnapshot, fingerprint: str, *, is_partial: bool, now: datetime) -> UsageSnapshot:
    """Store what is newest of the stored snapshot and this one of the same account; the result.

    A partial one lacks what its source does not know: that stays, with its own age. Raises StorageError.
    """
    stored = _stored(snapshot.id)
    old = stored.snapshot if stored and _is_one_account(stored, snapshot, fingerprint) else None
    merged = merge.newest(old, snapshot, is_partial=is_partial, now=now)
    save_snapshot(merged, fingerprint or (stored.fingerprint if stored else ""))
    return merged


def _is_one_account(stored: Stored, snapshot: UsageSnapshot, fingerprint: str) -> bool:
    """By the login, or by what two logins say of whom they belong to."""
    if fingerprint in ("", stored.fingerprint):
        return True
    one, other = stored.snapshot.identity, snapshot.identity
    if not (one and other and one.email and one.organization):
        return False
    return (one.email, one.organization) == (other.email, other.organization)


def remember(account: str, values: Mapping[str, str]) -> None:
    """Keep ids of a vendor's that it takes a request to learn, such as an organisation's. Raises StorageError."""
    files.write_private(paths.cache_dir() / "org-ids" / account, msgspec.json.encode(values))


def remembered(account: str) -> dict[str, str]:
    try:
        data = files.read_private(paths.cache_dir() / "org-ids" / account) or b"{}"
        return msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def load_snapshots() -> dict[str, UsageSnapshot]:
    found = {path.stem: load_snapshot(path.stem) for path in _listed("snapshots", ".json")}
    return {account: snapshot for account, snapshot in found.items() if snapshot}


def observed(now: int) -> dict[str, dict[str, tuple]]:
    """{account: {period name: row}} of what passive sources said last."""
    known: dict[str, dict[str, tuple]] = {}
    named = _aliases_in_force()
    for path in reversed(_listed("observations")):  # notes before their table, see `observe`
        text = (files.read_private(path, limit=cachefiles.FILE_LIMIT) or b"").decode("utf-8", "replace")
        seen = table.parse(text, table.OBSERVATION_MAGIC, now)
        if seen and seen.version == table.VERSION:
            table.merge(known, {named.get(account, account): rows for account, rows in seen.periods.items()}, now)
    return known


def _aliases_in_force() -> dict[str, str]:
    try:
        return shown.aliases(config.load())
    except ConfigError:
        return {}


def snapshots_with_observations(now: int) -> dict[str, UsageSnapshot]:
    """Every account's snapshot with newer passive observations folded in."""
    snapshots, passive = load_snapshots(), observed(now)
    accounts = [*snapshots, *(account for account in passive if account not in snapshots)]
    return {account: merge.fold(account, snapshots.get(account), passive.get(account, {}), now) for account in accounts}


def compile_line(*, nobody_to_ask: bool = False) -> str:
    """Write `line.tsv` anew and return its text; stored segments are outdated only when what they show has changed.

    Written without a lock, so the inputs are looked at again afterwards: whoever writes last has
    seen them all. A disk that takes no file costs the storing, not the text.
    """
    text = ""
    for _ in range(TRIES):
        before = _inputs()
        text = _line_text(nobody_to_ask=nobody_to_ask)
        with contextlib.suppress(StorageError):
            if not generation.store_line(text):
                break
        if _inputs() == before:
            break
    generation.put_off(int(time.time()))
    return text


def clear(account: str | None = None, *, exact: bool = False) -> list[Path]:
    """Remove what is stored of one account (unless `exact`, a provider id means all its accounts), or everything.

    Returns what went.
    """
    folder = paths.cache_dir()
    kinds = ("snapshots", "observations", "org-ids")
    named, known = _aliases_in_force(), [path for kind in kinds for path in _listed(kind)]
    gone = [path for path in known if account is None or _belongs(path, account, exact, named)]
    if account is None:
        gone += [
            *_listed("segments"),
            *_listed("status"),
            *(path for path in _listed(".") if path.name.startswith(OTHERS)),
        ]
    for path in gone:
        _remove(path)
    if account is not None:
        gate.forget(account, exact=exact)
        episodes.forget(account, exact=exact)
    text = compile_line() if gone or account is not None else ""
    if gone:  # a stored text may show what was only in an observation
        generation.new(text)
    return [path.relative_to(folder) for path in gone]


def forget_numbers(account: str, now: int) -> None:
    """Remove what another account has left under this name. Raises StorageError.

    Who said what stays known: one of its sessions that still repeats itself must not pass for news.
    """
    named = _aliases_in_force()
    mine = [path.name for path in _listed("observations") if _belongs(path, account, True, named)]
    tables = {name.partition(observe.NOTE_MARK)[0] for name in mine}
    said = {name: observe.sessions(paths.cache_dir(), name, now) for name in tables}
    clear(account, exact=True)
    for name, sessions in said.items():
        text = table.observation_text("statusline", {}, sessions)
        files.write_private(paths.cache_dir() / "observations" / name, text.encode())


def tidy(now: float) -> None:
    """Sweep what killed processes left, attempt files, and segments that no caller has asked for in a week."""
    folder = paths.cache_dir()
    for part in (folder, *(folder / name for name in ("snapshots", "segments", "observations", "org-ids", "status"))):
        files.sweep(part, now=now)
    tried = [path for path in _listed(".") if path.name.startswith("attempt-")]
    for paths_of, age in ((_listed("segments"), SEGMENT_AGE_S), (tried, 2 * cachefiles.ATTEMPT_S)):
        for path in paths_of:
            with contextlib.suppress(OSError):
                if now - path.lstat().st_mtime > age:
                    path.unlink()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StorageError(f"{path} cannot be removed: {exc.strerror}", hint="check the rights of its folder") from exc


def _belongs(path: Path, account: str, exact: bool, named: Mapping[str, str]) -> bool:
    name = path.name.removesuffix(".json").partition("+")[0]
    name = named.get(name, name)
    return name == account or (not exact and name.partition("@")[0] == account)


def _listed(kind: str, suffix: str = "") -> list[Path]:
    """The regular files of one folder of the cache, sorted; none when it is missing."""
    try:
        entries = sorted(os.scandir(paths.cache_dir() / kind), key=lambda entry: entry.name)
    except OSError:
        return []
    return [
        Path(entry.path)
        for entry in entries
        if entry.is_file(follow_symlinks=False) and entry.name.endswith(suffix) and files.TEMP_MARK not in entry.name
    ]


class _Versioned(msgspec.Struct):
    schema: int = 0


def _schema(data: bytes | None) -> int:
    """The schema number of a document of ours; 0 when there is none to read."""
    try:
        return msgspec.json.decode(data or b"", type=_Versioned).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _inputs() -> list[tuple]:
    """What identifies every file that `line.tsv` is compiled from."""
    watched = [*_listed("snapshots", ".json"), *(paths.cache_dir() / name for name in ("gates.json", "costs.tsv"))]
    seen: list[tuple] = [("config", config.stamp())]
    for path in watched:
        with contextlib.suppress(OSError):
            info = path.lstat()
            seen.append((path.name, info.st_mtime_ns, info.st_size, info.st_ino))
    return seen


def _line_text(*, nobody_to_ask: bool) -> str:
    stamp = config.stamp()
    rows = []
    try:
        settings = config.load()
    except ConfigError:
        # the line goes on with the defaults and says so; stamped, neither it nor a refresher tries again
        # until the file changes
        settings, nobody_to_ask = config.Config(), True
        rows.append(table.row("note", CONFIG_NOTE))
    rows += [table.row("set", *setting) for setting in _settings(settings)]
    rows += [table.row("account", *pair) for pair in shown.aliases(settings).items()]
    for account, snapshot in shown.in_order(load_snapshots(), settings).items():
        periods = merge.rows(snapshot)
        if extra := merge.overage_row(snapshot.overage, snapshot):
            periods["Extra usage"] = extra
        rows.append(table.period_rows({account: periods}))
    costs_due_at, costs = _costs()
    rows += costs
    hidden = [account for account in gate.load() if not shown.is_shown(account, settings)]
    due = (cachefiles.NEVER, 0) if nobody_to_ask else (gate.next_due_at(hidden), gate.first_asked_at(hidden))
    if costs_due_at is not None:
        due = (min(due[0], costs_due_at), due[1])
    head = table.row(table.LINE_MAGIC, table.VERSION, stamp, *due)
    return head + "".join(rows)


def costs_due_at() -> int | None:
    """When the logs are to be looked at again (epoch seconds); None when nobody ever has."""
    return _costs()[0]


def _costs() -> tuple[int | None, list[str]]:
    """What a sync has prepared for the line: when to look again, and the rows of what was spent."""
    text = (files.read_private(paths.cache_dir() / "costs.tsv") or b"").decode("utf-8", "replace")
    first, *rows = text.splitlines(keepends=True) or [""]
    magic, version, due_at = [*first.rstrip("\n").split("\t"), "", ""][:3]
    if magic != table.COSTS_MAGIC or version != table.VERSION or not due_at.isdecimal():
        return None, []
    return int(due_at[:12]), [row for row in rows if row.startswith("cost\t")]


def _settings(settings: config.Config):
    """(target or "*", key, text) of every [line] setting that is set, in the line's own form."""
    yield "*", "stale_after_s", settings.fetch.stale_after_s
    tables = {
        "*": settings.line,
        **{name: getattr(settings.line, name.replace("-", "_")) for name in config.TARGETS},
    }
    for target, options in tables.items():
        for key in config.LINE_KEYS if options else ():
            value = getattr(options, key)
            if value is not None:
                yield target, key, _setting_text(key, value)


def _setting_text(key: str, value: object) -> str:
    if key == "lines" and isinstance(value, list):
        return ";".join(",".join(names) for names in value)
    return ",".join(value) if isinstance(value, list) else str(value)
