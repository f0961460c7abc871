"""The usage report of an Anthropic organisation as records of the provider `claude-api`: sums by the hour, asked for.

Source: GET /v1/organizations/usage_report/messages (documented; local-logs.md section 11).
Known from: the vendor's documentation; not seen live.
Units: counts are disjoint; buckets of an hour in UTC; the last ones grow, and any may be corrected, also downwards.

Claude Code with an API key stands in this report and in its own logs too, so sums over all providers leave this one
out (`tally.APART`).
"""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from vibeusage import files, paths, vault
from vibeusage.answers import check
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, Forbidden, NotConfigured, RateLimited, ShapeError, StorageError, Unavailable
from vibeusage.records import place, store, sync
from vibeusage.records.readers.spec import LONG, Call
from vibeusage.records.store import Changed, Store
from vibeusage.settings import Config

if TYPE_CHECKING:
    import httpx

PROVIDER = "claude-api"
BASE = "https://api.anthropic.com"
PATH = "/v1/organizations/usage_report/messages"
KEYS = ("ANTHROPIC_ADMIN_API_KEY", "ANTHROPIC_ADMIN_KEY")
KINDS = ("admin", "apikey")  # as the provider `claude-api` looks for it
GROUPS = ("model", "service_tier", "context_window", "speed")
SHORT_WINDOW = "0-200k"
HOUR_MS = 3_600_000
PAGE = 168  # buckets of an hour, the most that one answer may have
PAGES_MOST = 20
FIRST = timedelta(days=31)
AGAIN = timedelta(hours=48)  # in which numbers are still corrected
WAIT_S = 300
WAIT_MOST_S = 6 * 3600
DEADLINE_S = 60.0


class Update(msgspec.Struct, frozen=True):
    """What an answer brought, of the time since `since`; `asked` is False when it was not time to ask yet."""

    asked: bool
    since: datetime | None = None
    added: int = 0
    changed: int = 0


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`until` is when to ask again, in epoch seconds; `refused` that this key is not to be used by itself."""

    fingerprint: str = ""
    until: int = 0
    refused: bool = False
    covered: int = 0


class _Written(msgspec.Struct):
    ephemeral_1h_input_tokens: int = 0
    ephemeral_5m_input_tokens: int = 0


class _Tools(msgspec.Struct):
    web_search_requests: int = 0


class _Group(msgspec.Struct):
    model: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    speed: str | None = None
    uncached_input_tokens: int = 0
    cache_creation: _Written | None = None
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    server_tool_use: _Tools | None = None


class _Bucket(msgspec.Struct):
    starting_at: datetime
    results: list[_Group]


class _Page(msgspec.Struct):
    data: list[_Bucket]  # absent is an error and no zero
    has_more: bool = False
    next_page: str | None = None


def find_key(environ: Mapping[str, str], *, foreground: bool) -> Login:
    """The organisation's admin key; raises NotConfigured when there is none."""
    for name in KEYS:
        if token := environ.get(name, "").strip():
            return Login(token, f"${name}", is_ours=True)
    for kind in KINDS:
        document = vault.read(PROVIDER, kind, foreground=foreground) or {}
        token = document.get("access_token")
        if isinstance(token, str) and token:
            return Login(token, str(paths.credential_file(PROVIDER, kind)), is_ours=True, kind=kind)
    where = ", ".join([f"${name}" for name in KEYS] + [str(paths.credential_file(PROVIDER, kind)) for kind in KINDS])
    raise NotConfigured(
        "no admin key of an Anthropic organisation was found",
        hint=f"`vibeusage auth {PROVIDER}` stores one; looked in {where}",
    )


def update(
    settings: Config, environ: Mapping[str, str], now: datetime, *, foreground: bool, full: bool = False
) -> Update:
    """Ask for what is new since the last time and store it; at most every five minutes, whoever calls.

    `full` asks for all of the last 31 days. A refused key is tried again only in the `foreground`.
    Raises what `check` raises, NotConfigured, StorageError.
    """
    login, seconds = find_key(environ, foreground=foreground), int(now.timestamp())
    asked = _asked()
    if asked.fingerprint != login.fingerprint:
        asked = _Asked(fingerprint=login.fingerprint)
    if seconds < asked.until <= seconds + WAIT_MOST_S or (asked.refused and not foreground):
        return Update(asked=False)
    since = _since(0 if full else asked.covered, now)
    asked = msgspec.structs.replace(asked, until=seconds + WAIT_S, refused=False)
    _note(asked)
    options = settings.providers.get(PROVIDER)
    base = (options.base_url if options and options.base_url else BASE).rstrip("/")
    try:
        calls = asyncio.run(_fetch(base, login, since, now))
    except RateLimited as exc:
        wait = min(max(int(exc.retry_at.timestamp()) - seconds, WAIT_S), WAIT_MOST_S)
        _note(msgspec.structs.replace(asked, until=seconds + wait))
        raise
    except (AuthError, Forbidden):
        _note(msgspec.structs.replace(asked, refused=True))
        raise
    changed = _keep(calls, since, now)
    _note(msgspec.structs.replace(asked, covered=seconds))
    return Update(asked=True, since=since, added=changed.added, changed=changed.changed)


def _since(covered: int, now: datetime) -> datetime:
    earliest = now - FIRST
    since = max(earliest, datetime.fromtimestamp(covered, UTC) - AGAIN) if covered else earliest
    return since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def _fetch(base: str, login: Login, since: datetime, now: datetime) -> list[Call]:
    import httpx  # a tenth of a second, and most runs ask nobody

    from vibeusage import http

    hosts = {httpx.URL(base).host}
    try:
        async with asyncio.timeout(DEADLINE_S), http.open_client(DEADLINE_S, hosts, http.tls()) as client:
            return await _pages(client, f"{base}{PATH}", login, since, now)
    except TimeoutError as exc:
        raise Unavailable("the usage report took too long", hint="try again later") from exc


async def _pages(client: "httpx.AsyncClient", url: str, login: Login, since: datetime, now: datetime) -> list[Call]:
    """Every page, or an error: half of the buckets would take the place of all."""
    from vibeusage import http

    headers = {
        "x-api-key": login.token,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "fast-mode-2026-02-01",
    }
    asked = [("starting_at", f"{since:%Y-%m-%dT%H:%M:%SZ}"), ("bucket_width", "1h"), ("limit", str(PAGE))]
    asked += [("group_by[]", group) for group in GROUPS]
    calls, page = [], None
    for _ in range(PAGES_MOST):
        query = urlencode(asked + ([("page", page)] if page else []))
        body = check(await http.send(client, "GET", f"{url}?{query}", headers=headers), now)
        answer = _decoded(body)
        calls += [call for bucket in answer.data for call in _calls(bucket, int(now.timestamp()))]
        page = answer.next_page
        if not (answer.has_more and page):
            return calls
    raise _odd("has more pages than hours")


def _decoded(body: bytes) -> _Page:
    try:
        return msgspec.json.decode(body, type=_Page)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _odd("is not what was expected") from exc


def _odd(what: str) -> ShapeError:
    return ShapeError(f"the usage report {what}", hint="see `vibeusage doctor`")


def _calls(bucket: _Bucket, order: int) -> list[Call]:
    ts = int(bucket.starting_at.timestamp() * 1000)
    calls = [_call(group, ts, order) for group in bucket.results]
    return [call for call in calls if any(_counts(call))]


def _call(group: _Group, ts: int, order: int) -> Call:
    written, tools = group.cache_creation or _Written(), group.server_tool_use or _Tools()
    names = (group.model, group.service_tier, group.context_window, group.speed)
    words = [word for word in (group.speed, group.service_tier) if word and word != "standard"]
    return Call(
        uuid=hashlib.sha256(repr((ts, "1h", *names)).encode(errors="replace")).hexdigest()[:24],
        ts=ts,
        model=group.model or "",
        served_by="anthropic",
        speed=" ".join(words),
        input=group.uncached_input_tokens,
        output=group.output_tokens,
        write=written.ephemeral_1h_input_tokens + written.ephemeral_5m_input_tokens,
        write_1h=written.ephemeral_1h_input_tokens,
        read=group.cache_read_input_tokens,
        searches=tools.web_search_requests,
        kind="aggregate",
        order=order,
        notes=() if group.context_window in (None, SHORT_WINDOW) else (LONG,),
    )


def _counts(call: Call) -> tuple[int, ...]:
    return (call.input, call.output, call.write, call.write_1h, call.read, call.searches)


def _keep(calls: list[Call], since: datetime, now: datetime) -> Changed:
    """In the place of what was stored of that time."""
    path = place.usage_db()
    with files.lock(path.parent / sync.LOCK, wait_s=10.0) as got:
        if not got:
            raise StorageError("another program reads the logs just now", hint="try again in five minutes")
        with store.open(path) as opened, opened.transaction():
            changed = opened.put(PROVIDER, _news(opened, calls, since, now), machine="")
            opened.synced(PROVIDER, BASE + PATH, now_ms=int(now.timestamp() * 1000))
            return changed


def _news(opened: Store, calls: list[Call], since: datetime, now: datetime) -> list[Call]:
    """What differs from what is stored; a group that is no more in the report counts nothing."""
    found = {call.uuid: call for call in calls}
    stored = opened.calls(int(since.timestamp() * 1000), int(now.timestamp() * 1000) + HOUR_MS, provider=PROVIDER)
    known = {record.call.uuid: record.call for record in stored}
    news = [call for uuid, call in found.items() if uuid not in known or _counts(call) != _counts(known[uuid])]
    none: dict[str, Any] = dict.fromkeys(("input", "output", "write", "write_1h", "read", "searches"), 0)
    gone = [call for uuid, call in known.items() if uuid not in found and any(_counts(call))]
    return news + [msgspec.structs.replace(call, order=int(now.timestamp()), **none) for call in gone]


def _asked() -> _Asked:
    try:
        return msgspec.json.decode(files.read_private(_file()) or b"{}", type=_Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Asked()


def forget_covered() -> None:
    """The store has nothing of it any more: all of it is to be asked for again."""
    asked = _asked()
    if asked.covered:
        _note(msgspec.structs.replace(asked, covered=0))


def _note(asked: _Asked) -> None:
    files.write_private(_file(), msgspec.json.encode(asked))


def _file() -> Path:
    return paths.data_dir() / "claude-api.json"
