"""Plans for people: bars, percentages, resets, ages. Plain where colour is not wanted.

Every string from outside passes `plain` here, at the boundary.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TextIO

from vibeusage import escape, pace
from vibeusage.models import OverageUsage, UsagePeriod, UsageSnapshot

BAR_CELLS = 20
plain = escape.clean


def use_color(stream: TextIO, environ: Mapping[str, str], *, forbidden: bool = False) -> bool:
    """NO_COLOR and --no-color win, then CLICOLOR_FORCE, then whether a capable terminal is there."""
    if forbidden or environ.get("NO_COLOR") or environ.get("VIBEUSAGE_NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb" and environ.get("CLICOLOR") != "0"


def glyphs(stream: TextIO) -> tuple[str, str]:
    """The full and the empty cell of a bar that `stream` can encode."""
    return ("█", "░") if (stream.encoding or "").lower().replace("-", "") == "utf8" else ("#", "-")


class Style:
    """How one print-out looks: colour or not, which cells, used or remaining, and how old is stale."""

    def __init__(self, *, color: bool, cells: tuple[str, str], remaining: bool, stale_after: timedelta) -> None:
        self.color = color
        self.full, self.empty = cells
        self.remaining = remaining
        self.stale_after = stale_after

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{escape.SGR[style]}m{text}\x1b[0m" if self.color and style else text

    def bar(self, share: float) -> str:
        filled = min(BAR_CELLS, round(max(0.0, share) * BAR_CELLS / 100))
        return self.full * filled + self.empty * (BAR_CELLS - filled)


def snapshots(found: Iterable[UsageSnapshot], style: Style, now: datetime, *, verbose: bool = False) -> str:
    return "\n\n".join(_snapshot(snapshot, style, now, verbose=verbose) for snapshot in found)


def _snapshot(snapshot: UsageSnapshot, style: Style, now: datetime, *, verbose: bool) -> str:
    identity = snapshot.identity
    about = [plain(text) for text in (identity.plan, identity.organization, identity.email) if text] if identity else []
    title = plain(snapshot.id) + (f"  ({', '.join(about)})" if about else "")
    width = max((escape.width(plain(period.name)) for period in snapshot.periods), default=0)
    rows = [style.paint("alarm", title) if style.color else title]
    rows += [_period(period, snapshot, width, style, now) for period in snapshot.periods]
    if snapshot.overage and snapshot.overage.is_enabled:
        rows.append(f"  extra usage  {_overage(snapshot.overage)}")
    if snapshot.balance:
        rows.append(f"  balance  {money(snapshot.balance.amount, snapshot.balance.currency)}")
    if verbose:
        account = plain(snapshot.account or "default")
        rows.append(f"  source {plain(snapshot.source)}, account {account}, fetched {_age(snapshot.fetched_at, now)}")
    return "\n".join(rows)


def _period(period: UsagePeriod, snapshot: UsageSnapshot, width: int, style: Style, now: datetime) -> str:
    name = plain(period.name)
    name += " " * (width - escape.width(name))
    seen = period.observed_at or snapshot.observed_at
    instant, resets_at = int(now.timestamp()), int(period.resets_at.timestamp()) if period.resets_at else 0
    age = f"  ({_age(seen, now)})" if not now - style.stale_after < seen <= now else ""
    over_at = period.resets_at or seen + period.window
    if now >= over_at:
        return f"  {name}  {style.paint('dim', style.empty * BAR_CELLS)}  reset{age}"
    level, _ = pace.level(period.utilization, int(period.window.total_seconds()), resets_at, instant)
    share = period.remaining() if style.remaining else period.utilization
    word = "left" if style.remaining else "used"
    told = (
        f"resets in {pace.countdown(resets_at, instant)[0]} ({pace.clock(resets_at, instant)[0]})" if resets_at else ""
    )
    amount = f"{pace.percent(share):>6} {word}"
    return f"  {name}  {style.paint(level, style.bar(share))}  {style.paint(level, amount)}  {told}{age}".rstrip()


def _age(seen: datetime, now: datetime) -> str:
    return pace.age(int(seen.timestamp()), int(now.timestamp()))[0]


def _overage(overage: OverageUsage) -> str:
    limit = f" of {money(overage.limit, overage.currency)}" if overage.limit is not None else ", no limit"
    return money(overage.used, overage.currency) + limit


def money(amount: object, currency: str) -> str:
    """`$6.55`, `6.55 EUR`, `12 credits`."""
    if currency == "USD":
        return f"${amount:.2f}"
    return f"{amount:.2f} {plain(currency)}" if len(currency) == 3 else f"{amount} {plain(currency)}"


def environment_style(stream: TextIO, *, remaining: bool, stale_after_s: int, no_color: bool) -> Style:
    return Style(
        color=use_color(stream, os.environ, forbidden=no_color),
        cells=glyphs(stream),
        remaining=remaining,
        stale_after=timedelta(seconds=stale_after_s),
    )
