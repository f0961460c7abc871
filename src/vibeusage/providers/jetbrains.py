"""JetBrains AI: the quota of AI credits as the newest of the IDEs has noted it; asks nobody.

Source: options/AIAssistantQuotaManager2.xml in the settings folder of each IDE of JetBrains (undocumented).
Known from: a public tracker, 2026; not seen live.
Units: amounts are texts in AI credits; `available` is what is left of `maximum`; `nextRefill.next` is ISO 8601,
`tariff.duration` an ISO 8601 duration; `quotaInfo.until` is the end of the licence, not of the window.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec

from vibeusage import files
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import NotConfigured
from vibeusage.models import PeriodType, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Func, Provider, Read

VENDORS = ("JetBrains", "Google")  # Android Studio is of Google
FOLDERS = ("$XDG_CONFIG_HOME", "~/Library/Application Support")
FILE = "options/AIAssistantQuotaManager2.xml"
SIZE_LIMIT = 1 << 20
HINT = "open AI Assistant in an IDE of JetBrains, which notes the quota"


class _Tariff(msgspec.Struct):
    available: Any = None
    duration: str | None = None


class _Quota(msgspec.Struct, rename="camel"):
    maximum: Any = None
    current: Any = None  # used
    tariff_quota: _Tariff | None = None


class _Refill(msgspec.Struct):
    next: Any = None
    tariff: _Tariff | None = None


def noted(ctx: Context) -> Login | None:
    """The newest of the notes of all IDEs, with the instant (epoch seconds) at which it was written."""
    try:
        found = [(path.stat().st_mtime, path) for path in _files(ctx)]
    except OSError:  # no such home, or nobody may look into it
        return None
    if not found:
        return None
    written_at, path = max(found)
    text = (files.read_linked(path, limit=SIZE_LIMIT) or b"").decode("utf-8", "replace")
    return Login("", str(path), is_ours=False, data={"text": text, "written_at": written_at})


def _files(ctx: Context) -> Iterator[Path]:
    for folder in FOLDERS:
        for vendor in VENDORS:
            yield from (path for path in (ctx.path(folder) / vendor).glob(f"*/{FILE}") if path.is_file())


async def fetch(ctx: Context, login: Login) -> Usage:
    written_at = datetime.fromtimestamp(login.data["written_at"], UTC)
    period = parse(login.data["text"])
    if period.resets_at and period.resets_at <= ctx.now:
        raise NotConfigured("what the IDE has noted is of a window that is over", hint=HINT)
    return Usage(periods=(period,), observed_at=min(written_at, ctx.now))


def parse(text: str) -> UsagePeriod:
    """Raises ValueError where the note is none, or does not say how much is left."""
    options = _options(text)
    quota = msgspec.json.decode(options.get("quotaInfo", ""), type=_Quota)
    refill = msgspec.json.decode(options.get("nextRefill", "{}"), type=_Refill)
    left = fields.num(quota.tariff_quota.available) if quota.tariff_quota else None
    most = fields.num(quota.maximum)
    used = fields.num(quota.current) if left is None or most is None else most - left
    percent = fields.percent_of(used, most)
    if percent is None:
        raise ValueError("quotaInfo does not say how much is left of how much")
    length = _seconds(refill.tariff.duration if refill.tariff else None)
    kind = PeriodType.nearest(length) if length else PeriodType.MONTHLY
    return UsagePeriod(
        name="Credits", utilization=round(percent, 6), period_type=kind, resets_at=fields.instant(refill.next)
    )


def _options(text: str) -> dict[str, str]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a note with declarations of its own")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - declarations were refused
    except ElementTree.ParseError as exc:
        raise ValueError("the note is no XML") from exc
    return {each.get("name", ""): each.get("value", "") for each in root.iter("option")}


def _seconds(duration: str | None) -> float | None:
    """Of `PT720H` or `P30D`; None for any other form."""
    found = re.fullmatch(r"P(?:(\d{1,4})D)?(?:T(\d{1,5})H)?", duration or "")
    return int(found[1] or 0) * 86_400.0 + int(found[2] or 0) * 3600 if found else None


PROVIDER = Provider(
    id="jetbrains",
    name="JetBrains AI",
    hosts=(),
    dashboard_url="https://account.jetbrains.com/licenses",
    login_hint=HINT,
    strategies=(
        Func(name="cache", fetch=fetch, login=(Read(where=f"{FILE} of an IDE", find=noted),), is_local=True),
    ),
    folders={"XDG_CONFIG_HOME": "~/.config"},
)
