"""A provider's status page -> ProviderStatus; without a login, and kept for five minutes.

Source: Statuspage's api/v2/status.json (documented by Atlassian), Google's incidents.json (documented
schema, public feed) and OnlineOrNot's incidents.rss (RSS 2.0).
Known from: their public documentation and public trackers; not seen live.
A parse function raises msgspec.DecodeError for an answer that it does not understand. It leaves `updated_at`
to `fetch_all`, for which it is the instant of the answer; a status without one is no answer.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from vibeusage import files, paths
from vibeusage.errors import StorageError, Unavailable, VibeusageError
from vibeusage.models import ProviderStatus, StatusLevel
from vibeusage.providers.spec import Provider, StatusPage

if TYPE_CHECKING:
    import ssl

SCHEMA = 1
REUSE_S = 300
TEXT_LIMIT = 500
INDICATORS = {
    "none": StatusLevel.OPERATIONAL,
    "minor": StatusLevel.DEGRADED,
    "major": StatusLevel.PARTIAL_OUTAGE,
    "critical": StatusLevel.MAJOR_OUTAGE,
    "maintenance": StatusLevel.DEGRADED,  # the description says that it is one
}
UPDATES = {
    "AVAILABLE": StatusLevel.OPERATIONAL,
    "SERVICE_INFORMATION": StatusLevel.DEGRADED,
    "SERVICE_DISRUPTION": StatusLevel.PARTIAL_OUTAGE,
    "SERVICE_OUTAGE": StatusLevel.MAJOR_OUTAGE,
}
SEVERITIES = {
    "low": StatusLevel.DEGRADED,
    "medium": StatusLevel.PARTIAL_OUTAGE,
    "high": StatusLevel.MAJOR_OUTAGE,
}
RANKS = (
    StatusLevel.OPERATIONAL,
    StatusLevel.UNKNOWN,
    StatusLevel.DEGRADED,
    StatusLevel.PARTIAL_OUTAGE,
    StatusLevel.MAJOR_OUTAGE,
)


class _Stored(msgspec.Struct):
    schema: int
    status: ProviderStatus


class _Said(msgspec.Struct):
    indicator: str
    description: str | None = None


class _Page(msgspec.Struct):
    status: _Said


class _Product(msgspec.Struct):
    id: str | None = None
    title: str | None = None


class _Update(msgspec.Struct):
    when: str | None = None
    status: str | None = None


class _Incident(msgspec.Struct):
    begin: str | None = None
    end: str | None = None  # null or absent while active
    external_desc: str | None = None
    severity: str | None = None
    affected_products: list[_Product] | None = None
    currently_affected_products: list[_Product] | None = None  # absent from older incidents
    most_recent_update: _Update | None = None


def parse_statuspage(body: bytes) -> ProviderStatus:
    said = msgspec.json.decode(body, type=_Page).status
    level = INDICATORS.get(said.indicator, StatusLevel.UNKNOWN)
    return ProviderStatus(level=level, description=_text(said.description))


def parse_google(products: tuple[str, ...]) -> Callable[[bytes], ProviderStatus]:
    """A parser of Google's incidents for these products, each named by its id or a part of its title."""

    def parse(body: bytes) -> ProviderStatus:
        incidents = msgspec.json.decode(body, type=list[_Incident])
        active = [each for each in incidents if not each.end and _concerns(each, products)]
        if not active:
            return ProviderStatus(level=StatusLevel.OPERATIONAL)
        worst = max(active, key=lambda each: (RANKS.index(_level(each)), _since(each)))
        return ProviderStatus(level=_level(worst), description=_text(worst.external_desc))

    return parse


def parse_rss(body: bytes, now: datetime | None = None) -> ProviderStatus:
    """A feed of incidents: one of the last day that is not said to be resolved is a degraded service.

    Raises ValueError for what is no RSS feed.
    """
    from xml.etree import ElementTree  # every provider loads this module, and most runs ask no page

    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("a feed with declarations of its own")
    try:
        channel = ElementTree.fromstring(body).find("channel")  # noqa: S314 - declarations were refused
    except ElementTree.ParseError as exc:
        raise ValueError("no XML") from exc
    if channel is None:
        raise ValueError("no RSS feed")
    since = (now or datetime.now(UTC)) - timedelta(days=1)
    for item in channel.iter("item"):
        text = " ".join(item.findtext(name) or "" for name in ("title", "description"))
        if _told_at(item.findtext("pubDate")) > since and "resolved" not in text.lower():
            return ProviderStatus(level=StatusLevel.DEGRADED, description=_text(item.findtext("title")))
    return ProviderStatus(level=StatusLevel.OPERATIONAL)


def _told_at(text: str | None) -> datetime:
    """A time in no form of RSS says that it is not of today."""
    import email.utils

    try:
        found = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _concerns(incident: _Incident, products: tuple[str, ...]) -> bool:
    affected = incident.currently_affected_products
    if affected is None:
        affected = incident.affected_products or []
    return any(name == each.id or name in (each.title or "") for each in affected for name in products)


def _level(incident: _Incident) -> StatusLevel:
    update = incident.most_recent_update or _Update()
    return UPDATES.get(update.status or "") or SEVERITIES.get(incident.severity or "", StatusLevel.UNKNOWN)


def _since(incident: _Incident) -> str:
    """When it was last told of; ISO 8601 in UTC, so that texts compare as instants do."""
    update = incident.most_recent_update or _Update()
    return update.when or incident.begin or ""


def _text(description: str | None) -> str | None:
    return description[:TEXT_LIMIT] if description else None


async def fetch_all(
    providers: Iterable[Provider], *, timeout_s: float, max_concurrent: int, now: datetime, reuse_s: float = REUSE_S
) -> dict[str, ProviderStatus]:
    """By id, for each provider that has a page; each page has `timeout_s` of its own.

    What cannot be had is UNKNOWN with one sentence for a description. An answer younger than `reuse_s` is not
    asked for again.
    """
    pages = {provider.id: provider.status for provider in providers if provider.status}
    found = {name: status for name in pages if (status := _kept(name, now - timedelta(seconds=reuse_s), now))}
    missing = [name for name in pages if name not in found]
    if missing:
        import asyncio  # a fortieth of a second, and httpx a tenth: most who load a provider ask no page

        from vibeusage import http

        slots, verify = asyncio.Semaphore(max_concurrent), http.tls()

        async def ask(name: str) -> ProviderStatus:
            async with slots:
                return await _ask(name, pages[name], verify, timeout_s, now)

        found |= dict(zip(missing, await asyncio.gather(*map(ask, missing)), strict=True))
    return {name: found[name] for name in pages}


async def _ask(
    name: str, page: StatusPage, verify: "ssl.SSLContext", timeout_s: float, now: datetime
) -> ProviderStatus:
    import asyncio

    host = urlsplit(page.url).hostname or ""
    try:
        async with asyncio.timeout(timeout_s):
            said = page.parse(await _body(page.url, host, verify, timeout_s))
    except TimeoutError:
        return _unknown(f"{host} did not answer within {timeout_s:g} s")
    except VibeusageError as exc:
        return _unknown(str(exc))
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        return _unknown(f"{host} sent an answer that we do not understand")
    status = msgspec.structs.replace(said, updated_at=now)
    with contextlib.suppress(StorageError):  # it is an answer all the same, and is asked for again next time
        write(name, status)
    return status


async def _body(url: str, host: str, verify: "ssl.SSLContext", timeout_s: float) -> bytes:
    """Not by a context: its errors speak of a login, and here none is sent."""
    from vibeusage import http

    async with http.open_client(timeout_s, {host}, verify) as client:
        answer = await http.send(client, "GET", url, headers={})
    if not 200 <= answer.status < 300:
        raise Unavailable(f"{host} answered {answer.status}")
    return answer.body


def _unknown(reason: str) -> ProviderStatus:
    return ProviderStatus(level=StatusLevel.UNKNOWN, description=reason)


def _kept(provider_id: str, since: datetime, now: datetime) -> ProviderStatus | None:
    status = read(provider_id)
    return status if status and status.updated_at and since < status.updated_at <= now else None


def read(provider_id: str) -> ProviderStatus | None:
    """The last answer, however old; `updated_at` tells. A damaged file, or one of another version, is none."""
    data = files.read_private(_file(provider_id))
    if data is None:
        return None
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return stored.status if stored.schema == SCHEMA else None


def write(provider_id: str, status: ProviderStatus) -> None:
    """Raises StorageError."""
    files.write_private(_file(provider_id), msgspec.json.encode(_Stored(schema=SCHEMA, status=status)))


def _file(provider_id: str) -> Path:
    return paths.cache_dir() / "status" / f"{provider_id}.json"
