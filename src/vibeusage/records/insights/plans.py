"""Which plan pays off against paying for each token: a month's cost at list price against the price of the plan.

Plan prices are the user's own (`[plans.NAME]`): no vendor tells them in a form that could be kept true. A plan covers
all calls of its tool, so that no filter of the report counts here.
"""

from collections.abc import Mapping
from datetime import tzinfo

import msgspec

from vibeusage.models import PACE_FROM
from vibeusage.records import days
from vibeusage.records.bills import MILLION
from vibeusage.records.reports import ALL, Spent
from vibeusage.records.tally import APART, dollars
from vibeusage.settings import PlanOptions


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, or a tool with calls and no plan price. `usd` is what the month's calls cost at list price so far.

    `projected_usd` is an estimate: `usd` / `elapsed_share`; None once the month is over and before a tenth of it.
    `difference_usd` = `usd` - `price_usd`, and the same of the projection. `told_plan` is the provider's word.
    """

    plan: str
    provider: str
    told_plan: str = ""
    month: str
    elapsed_share: float
    total_tokens: int
    usd: str | None
    cost_state: str
    projected_usd: str | None = None
    price_usd: str | None = None
    price_source: str = ""
    difference_usd: str | None = None
    projected_difference_usd: str | None = None
    verdict: str


def compared(
    spent: Mapping[str, Spent],
    plans: Mapping[str, PlanOptions],
    told: Mapping[str, str],
    *,
    zone: tzinfo,
    now_ms: int,
    providers: tuple[str, ...] = (),
) -> tuple[PlanRow, ...]:
    """`spent` is what each tool consumed in the month; `told` the plan that each provider says an account has."""
    month = spent[ALL]
    tools = {name: options.provider or name for name, options in plans.items() if options.price is not None}
    bare = [name for name, one in spent.items() if name not in (*tools.values(), ALL, *APART) and one.tokens]
    nothing = Spent(month.start_ms, month.end_ms, 0, 0, "calculated")
    elapsed = min(1.0, max(0.0, (now_ms - month.start_ms) / (month.end_ms - month.start_ms)))
    key = f"{days.of(month.start_ms, zone):%Y-%m}"
    asked = [(name, tool, plans[name].price) for name, tool in tools.items()] + [("", name, None) for name in bare]
    rows = [
        _row(plan, tool, spent.get(tool, nothing), told.get(tool, ""), price=price, month=key, elapsed=elapsed)
        for plan, tool, price in asked
        if not providers or tool in providers
    ]
    return tuple(sorted(rows, key=lambda row: (not row.plan, row.provider, row.plan)))


def _row(
    plan: str, provider: str, spent: Spent, told_plan: str, *, price: float | None, month: str, elapsed: float
) -> PlanRow:
    cost = spent.cost_pico
    projected = round(cost / elapsed) if cost is not None and PACE_FROM <= elapsed < 1 else None
    pico = None if price is None else round(price * MILLION) * MILLION
    return PlanRow(
        plan=plan,
        provider=provider,
        told_plan=told_plan,
        month=month,
        elapsed_share=round(elapsed, 4),
        total_tokens=spent.tokens,
        usd=_text(cost),
        cost_state=spent.state,
        projected_usd=_text(projected),
        price_usd=_text(pico),
        price_source=f"config.toml, plans.{plan}" if plan else "",
        difference_usd=_less(cost, pico),
        projected_difference_usd=_less(projected, pico),
        verdict=_verdict(cost, projected, pico, is_over=elapsed >= 1, is_whole=spent.state != "partial"),
    )


def _verdict(cost: int | None, projected: int | None, price: int | None, *, is_over: bool, is_whole: bool) -> str:
    """What has no price can only add to the cost: a plan that it makes pay off does so all the more."""
    if price is None:
        return "price not known"
    if cost is None:
        return "cost not known"
    if cost >= price:
        return "pays off"
    if projected is not None and projected >= price:
        return "pays off at this rate"
    if not is_whole:
        return "not known: some calls have no price"
    if is_over:
        return "does not pay off"
    return "too early to tell" if projected is None else "does not pay off at this rate"


def _text(pico: int | None) -> str | None:
    return None if pico is None else dollars(pico)


def _less(pico: int | None, other: int | None) -> str | None:
    return None if pico is None or other is None else dollars(pico - other)
