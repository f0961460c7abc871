"""The cache folder: snapshots, and `line.tsv` compiled from them, the settings and the due times.

A file that is damaged or of an unknown shape is a miss and is replaced at the next success; one
written by a newer version is neither read nor overwritten. `line.tsv` is complete and verified
before the generation changes.
"""

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vibeusage import cachefiles, config, files, gate, observe, paths, table
from vibeusage.errors import ConfigError, StorageError
from vibeusage.models import OverageUsage, PeriodType, UsagePeriod, UsageSnapshot

SCHEMA = 1
TRIES = 5
SEGMENT_AGE_S = 7 * 86400
SHORT = {
    PeriodType.SESSION: "5h",
    PeriodType.DAILY: "24h",
    PeriodType.WEEKLY: "7d",
    PeriodType.MONTHLY: "30d",
}
CONFIG_NOTE = "config.toml has a mistake: vibeusage config show"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as it lies on disk, bound to the login it was fetched with."""

    schema: int
    fingerprint: str
    snapshot: UsageSnapshot


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
    merged = _newest(load_snapshot(snapshot.id), snapshot, is_partial=is_partial, now=now)
    save_snapshot(merged, fingerprint or owner_of(snapshot.id) or "")
    return merged


def _newest(old: UsageSnapshot | None, new: UsageSnapshot, *, is_partial: bool, now: datetime) -> UsageSnapshot:
    if old is None or old.observed_at > now + timedelta(seconds=table.FUTURE_S):
        return new
    if not is_partial:
        newest = new if new.observed_at >= old.observed_at else old
        return msgspec.structs.replace(newest, identity=new.identity or old.identity)
    mine, theirs = _dated(old), _dated(new)
    newer = {name: found for name, found in theirs.items() if name not in mine or _later(found, mine[name])}
    return msgspec.structs.replace(
        old,
        fetched_at=new.fetched_at,
        periods=tuple({**mine, **newer}.values()),
        identity=new.identity or old.identity,
        overage=new.overage or old.overage,
        balance=new.balance or old.balance,
    )


def _dated(snapshot: UsageSnapshot) -> dict[str, UsagePeriod]:
    """The periods by name, each with its own instant and source."""
    return {
        period.name: msgspec.structs.replace(
            period, observed_at=period.observed_at or snapshot.observed_at, source=period.source or snapshot.source
        )
        for period in snapshot.periods
    }


def _later(one: UsagePeriod, other: UsagePeriod) -> bool:
    return one.observed_at is not None and (other.observed_at is None or one.observed_at >= other.observed_at)


def remember(account: str, values: Mapping[str, str]) -> None:
    """Keep ids of a vendor's that it takes a request to learn, such as an organisation's. Raises StorageError."""
    files.write_private(paths.cache_dir() / "org-ids" / account, msgspec.json.encode(values))


def remembered(account: str) -> dict[str, str]:
    try:
        data = files.read_private(paths.cache_dir() / "org-ids" / account) or b"{}"
        return msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def aliases(settings: config.Config) -> dict[str, str]:
    """{account that a status line names after its folder: its name in config.toml} of Claude's accounts."""
    folders = {
        name: options.config_dir
        for name, options in settings.providers.items()
        if options.config_dir and name.partition("@")[0] == "claude"
    }
    found = {observe.claude_account({"CLAUDE_CONFIG_DIR": folder}): name for name, folder in folders.items()}
    return {observed: name for observed, name in found.items() if observed != name}


def is_shown(account: str, settings: config.Config) -> bool:
    """Whether the settings want this account seen: neither it nor its provider is off, nor left out."""
    names = {account, account.partition("@")[0]}
    said = settings.enabled_providers
    off = {name for name, options in settings.providers.items() if not options.enabled}
    return not names & off and (said is None or bool(names & {*said}))


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
        return aliases(config.load())
    except ConfigError:
        return {}


def snapshots_with_observations(now: int) -> dict[str, UsageSnapshot]:
    """Every account's snapshot with newer passive observations folded in."""
    snapshots, passive = load_snapshots(), observed(now)
    accounts = [*snapshots, *(account for account in passive if account not in snapshots)]
    return {account: fold(account, snapshots.get(account), passive.get(account, {}), now) for account in accounts}


def fold(account: str, snapshot: UsageSnapshot | None, rows: dict[str, tuple], now: int) -> UsageSnapshot:
    """Lay passive `rows` over `snapshot`: per period the newest instant wins, the rest keeps its own age."""
    mine = {period.name: period for period in snapshot.periods} if snapshot else {}
    known = {account: {period.name: _row(period, snapshot) for period in mine.values()}} if snapshot else {}
    merged = table.merge(known, {account: rows}, now)[account]
    periods = tuple(
        mine[name] if name in mine and row[4] == _row(mine[name], snapshot)[4] else _period(name, row)
        for name, row in merged.items()
    )
    newest = max((row[4] for row in merged.values()), default=0)
    provider, _, who = account.partition("@")
    if snapshot is None:
        seen = datetime.fromtimestamp(newest, UTC)
        return UsageSnapshot(
            provider=provider,
            account=who or None,
            fetched_at=seen,
            observed_at=seen,
            source="statusline",
            periods=periods,
        )
    return msgspec.structs.replace(snapshot, periods=periods)


def compile_line(*, nobody_to_ask: bool = False) -> str:
    """Write `line.tsv` anew and return its text; a new generation only when something changed.

    Written without a lock, so the inputs are looked at again afterwards: whoever writes last has
    seen them all. A disk that takes no file costs the storing, not the text.
    """
    text = ""
    for _ in range(TRIES):
        before = _inputs()
        text = _line_text(nobody_to_ask=nobody_to_ask)
        path = paths.cache_dir() / "line.tsv"
        with contextlib.suppress(StorageError):
            old = (files.read_private(path) or b"").decode("utf-8", "replace")
            known = table.parse(old, table.LINE_MAGIC, 0)
            if known and known.version != table.VERSION:
                break
            if old != text:
                files.write_private(path, text.encode())
                new_generation()
            elif files.read_private(paths.cache_dir() / "generation") is None:
                new_generation()
        if _inputs() == before:
            break
    return text


def new_generation() -> None:
    """Every stored segment is outdated from here on; without a token too, should it not fit on the disk."""
    token, path = cachefiles.new_token(), paths.cache_dir() / "generation"
    try:
        files.write_private(path, token)
    except StorageError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


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
            *(path for path in _listed(".") if path.name.startswith(("line.tsv", "gates.json"))),
        ]
    for path in gone:
        _remove(path)
    if account is not None:
        gate.forget(account, exact=exact)
    if gone or account is not None:
        compile_line()
    if gone:  # a stored text may show what was only in an observation
        new_generation()
    return [path.relative_to(folder) for path in gone]


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
    watched = [*_listed("snapshots", ".json"), paths.cache_dir() / "gates.json"]
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
    rows += [table.row("account", *pair) for pair in aliases(settings).items()]
    for account, snapshot in in_order(load_snapshots(), settings).items():
        periods = _rows(snapshot)
        if extra := _overage_row(snapshot.overage, snapshot):
            periods["Extra usage"] = extra
        rows.append(table.period_rows({account: periods}))
    hidden = [account for account in gate.load() if not is_shown(account, settings)]
    due = (cachefiles.NEVER, 0) if nobody_to_ask else (gate.next_due_at(hidden), gate.first_asked_at(hidden))
    head = table.row(table.LINE_MAGIC, table.VERSION, stamp, *due)
    return head + "".join(rows)


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


def in_order(snapshots: Mapping[str, UsageSnapshot], settings: config.Config) -> dict[str, UsageSnapshot]:
    """Those that are shown, in the order the settings give, else by id."""
    said = settings.enabled_providers or []
    places = {name: place for place, name in enumerate(said)}

    def place(account: str) -> int:
        return min(places.get(name, len(said)) for name in (account, account.partition("@")[0]))

    shown = [account for account in snapshots if is_shown(account, settings)]
    return {account: snapshots[account] for account in sorted(shown, key=lambda account: (place(account), account))}


def _rows(snapshot: UsageSnapshot) -> dict[str, tuple]:
    """A table row per period; where several windows are of one length, each is called by its name."""
    rows = {period.name: _row(period, snapshot) for period in snapshot.periods}
    shorts = [row[0] for row in rows.values()]
    return {name: (name, *row[1:]) if shorts.count(row[0]) > 1 else row for name, row in rows.items()}


def _row(period: UsagePeriod, snapshot: UsageSnapshot | None) -> tuple:
    """A table row of one period; instants as epoch seconds, 0 where unknown."""
    seen = period.observed_at or (snapshot.observed_at if snapshot else None)
    return (
        period.model or SHORT[period.period_type],
        period.window_seconds or period.period_type.hours * 3600,
        period.utilization,
        int(period.resets_at.timestamp()) if period.resets_at else 0,
        int(seen.timestamp()) if seen else 0,
        period.source or (snapshot.source if snapshot else ""),
        "model" if period.model else "window",
    )


def _overage_row(overage: OverageUsage | None, snapshot: UsageSnapshot) -> tuple | None:
    used = overage.utilization() if overage and overage.is_enabled else None
    if overage is None or used is None:
        return None
    resets_at = int(overage.resets_at.timestamp()) if overage.resets_at else 0
    return "extra", 0, used, resets_at, int(snapshot.observed_at.timestamp()), snapshot.source, "extra"


def _period(name: str, row: tuple) -> UsagePeriod:
    short, window_s, utilization, resets_at, observed_at, source, kind = row
    return UsagePeriod(
        name=name,
        utilization=utilization,
        period_type=period_type_of(window_s),
        resets_at=datetime.fromtimestamp(resets_at, UTC) if resets_at else None,
        model=short if kind == "model" else None,
        window_seconds=window_s or None,
        observed_at=datetime.fromtimestamp(observed_at, UTC),
        source=source,
    )


def period_type_of(window_s: int) -> PeriodType:
    """The nearest period type of a window's length in seconds."""
    return min(PeriodType, key=lambda kind: abs(kind.hours * 3600 - window_s))
