"""A provider's status page -> ProviderStatus; without a login, and kept for five minutes.

Source: Statuspage's api/v2/status.json (documented by Atlassian) and Google's incidents.json (documented
schema, public feed).
Known from: their public documentation and public trackers; not seen live.
A parse function raises msgspec.DecodeError or ValueError for an answer that it does not understand.
"""

from collections.abc import Callable

import msgspec

from vibeusage.models import ProviderStatus, StatusLevel

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
    """A parser of Google's incidents for these products, each named by its id or its title."""

    def parse(body: bytes) -> ProviderStatus:
        incidents = msgspec.json.decode(body, type=list[_Incident])
        active = [each for each in incidents if not each.end and _concerns(each, products)]
        if not active:
            return ProviderStatus(level=StatusLevel.OPERATIONAL)
        worst = max(active, key=lambda each: (RANKS.index(_level(each)), _since(each)))
        return ProviderStatus(level=_level(worst), description=_text(worst.external_desc))

    return parse


def _concerns(incident: _Incident, products: tuple[str, ...]) -> bool:
    affected = incident.currently_affected_products
    if affected is None:
        affected = incident.affected_products or []
    return any(product.id in products or product.title in products for product in affected)


def _level(incident: _Incident) -> StatusLevel:
    update = incident.most_recent_update
    graded = UPDATES.get((update and update.status) or "")
    return graded or SEVERITIES.get(incident.severity or "", StatusLevel.UNKNOWN)


def _since(incident: _Incident) -> str:
    """When it was last told of; ISO 8601 in UTC, so that texts compare as instants do."""
    update = incident.most_recent_update
    return (update and update.when) or incident.begin or ""


def _text(description: str | None) -> str | None:
    return description[:TEXT_LIMIT] if description else None
