"""What a declaration finds in the answers: pure, documents in, `Usage` out.

A missing number, null and "" are the same: absent. An absent number makes its period, overage or balance
absent; an answer in which nothing at all is found raises ValueError, as does a value of the wrong kind.
"""

import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from vibeusage.declared import pick
from vibeusage.declared.form import COUNTS, Balance, Declaration, Identity, Number, Overage, Period, Term, terms
from vibeusage.models import Balance as Left
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields

TEXT_LIMIT = 160
SHOWN = 12  # letters of a word that nobody expected: less than a secret has
LONGEST_S = 366 * 86_400


class Part(NamedTuple):
    """An answer, or one element of a list or map in it: paths start at `here`, those with `$.` at `top`."""

    here: Any
    top: Any
    answers: "Answers"
    keys: tuple[str, ...] = ()

    def places(self, path: str) -> list[pick.Place] | None:
        answers = self.answers
        return pick.places(
            path, self.here, top=self.top, keys=self.keys, others=answers.documents, known=answers.known
        )

    def first(self, path: str | None) -> Any:
        found = self.places(path) if path else None
        return found[0].value if found else None

    def each(self, path: str | None) -> list["Part"]:
        if path is None:
            return [self]
        return [Part(place.value, self.top, self.answers, place.keys) for place in self.places(path) or []]


class Answers(NamedTuple):
    """The parts by the name of their request; an optional one that failed is not among them."""

    declared: Declaration
    documents: Mapping[str, Any]
    now: datetime
    region: str = ""
    known: Mapping[str, str] = pick.NOTHING

    def of(self, request: str | None) -> Part:
        asked = {request.name: request for request in self.declared.requests}
        name = request or next(iter(asked))
        top = self.documents.get(name)
        root = asked[name].root
        return Part(pick.first(root, top, top=top) if root else top, top, self)


def usage(answers: Answers) -> Usage:
    """Raises ValueError with the paths that lead nowhere when there is nothing in the answers."""
    declared = answers.declared
    periods = tuple(_one_rule_a_name(declared.period, answers))
    balances = (rule for rule in declared.balance if not (rule.without_period and periods))
    found = Usage(
        periods=periods,
        overage=next(filter(None, (_overage(rule, answers) for rule in declared.overage)), None),
        balance=next(filter(None, (_balance(rule, answers) for rule in balances)), None),
        identity=_identity(declared.identity, answers) if declared.identity else None,
    )
    if not (found.periods or found.overage or found.balance or _is_unlimited(answers)):
        raise ValueError(f"nothing of what is read is there: {', '.join(_wanted(declared))[:200]}")
    return found


def _wanted(declared: Declaration) -> Iterator[str]:
    for rule in declared.period:
        numbers = (getattr(rule, name) for name in ("percent", "percent_left", "fraction", "fraction_left", *COUNTS))
        yield from (_written(number) for number in numbers if number is not None)
    yield from (_written(rule.used) for rule in declared.overage)
    yield from (_written(rule.amount) for rule in declared.balance)


def _written(number: Number) -> str:
    return " + ".join(term.path for term in terms(number))


def _is_unlimited(answers: Answers) -> bool:
    return any(_has_no_limit(rule, part) for rule in answers.declared.period for part in _parts(rule, answers))


def _parts(rule: Period | Overage | Balance, answers: Answers) -> list[Part]:
    return answers.of(rule.request).each(rule.each)


def _one_rule_a_name(rules: Iterable[Period], answers: Answers) -> list[UsagePeriod]:
    """Every window, those of one name by the first rule that finds any."""
    found: list[UsagePeriod] = []
    for rule in rules:
        known = {(period.name, period.model) for period in found}
        found += [period for period in _periods(rule, answers) if (period.name, period.model) not in known]
    return found


def _periods(rule: Period, answers: Answers) -> Iterator[UsagePeriod]:
    for part in _parts(rule, answers):
        used = None if _has_no_limit(rule, part) else _percent(rule, part)
        if part.first(rule.used_up) is True:
            used = max(100.0, used or 0.0)
        if used is not None:
            yield UsagePeriod(
                name=_name(rule, part),
                utilization=used,
                period_type=_type(rule, part),
                resets_at=_reset(rule, part, answers.now),
                model=rule.model and _with_key(rule.model, part),
                window_seconds=_seconds(rule, part),
            )


def _seconds(rule: Period, part: Part) -> int | None:
    found = None if rule.window is None else _number(rule.window, part)
    return int(found) if found and 0 < found <= LONGEST_S else rule.window_s


def _has_no_limit(rule: Period | Overage, part: Part) -> bool:
    said = part.first(rule.unlimited) if isinstance(rule, Period) else None
    if said is True or said == "unlimited":
        return True
    limit = _number(rule.limit, part) if rule.limit is not None and rule.no_limit else None
    return limit is not None and limit in rule.no_limit


def _percent(rule: Period, part: Part) -> float | None:
    """Percent used, never below 0, over 100 as it is sent."""
    for number, whole, is_left in (
        (rule.percent, 1, False),
        (rule.percent_left, 1, True),
        (rule.fraction, 100, False),
        (rule.fraction_left, 100, True),
    ):
        if number is not None:
            found = _number(number, part)
            if found is None:
                return None
            value = round(float(found * whole), 6)
            return fields.percent_left(value) if is_left else fields.percent(max(0.0, value))
    used, left, limit = (None if each is None else _number(each, part) for each in (rule.used, rule.left, rule.limit))
    if used is None and left is not None and limit is not None:
        used = limit - left
    if limit is None and used is not None and left is not None:
        limit = used + left
    percent = fields.percent_of(None if used is None else float(used), None if limit is None else float(limit))
    return None if percent is None else round(percent, 6)


def _number(number: Number, part: Part) -> Decimal | None:
    """The sum; None when no term is there, or one is missing that is not optional."""
    listed = [(term, _term(term, part)) for term in terms(number)]
    found = [value for _, value in listed if value is not None]
    is_whole = all(value is not None or term.optional for term, value in listed)
    return sum(found, Decimal(0)) if found and is_whole else None


def _term(term: Term, part: Part) -> Decimal | None:
    """All that a path with `[*]` leads to is added up: nothing in an empty list is 0."""
    found = part.places(term.path)
    if found is None:
        return None
    numbers = [value for place in found if (value := _decimal(place.value, term.path)) is not None]
    divisor = _divisor(term.per, part.answers.known) if term.per else Decimal(1)
    if divisor is None or (found and not numbers):
        return None
    return sum(numbers, Decimal(0)) * (Decimal(str(term.factor)) if term.factor != 1 else 1) / divisor


def _divisor(name: str, known: Mapping[str, str]) -> Decimal | None:
    """What the person says; its pattern may let through what is no number."""
    found = fields.money(known.get(name), 0)
    if found is not None and found <= 0:
        raise ValueError(f"{name}: nothing can be divided by {found:f}"[:TEXT_LIMIT])
    return found


def _decimal(value: Any, path: str) -> Decimal | None:
    """Exact for the digits that were sent; `"$1,200.50"` is a number, too."""
    text = value.strip().removeprefix("$").replace(",", "") if isinstance(value, str) else value
    try:
        return fields.money(text, 0)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from None


def _name(rule: Period, part: Part) -> str:
    """`{key}` in a name is the element's key, or the keys on the way to it."""
    said = part.first(rule.name_from)
    name = str(said) if isinstance(said, str | int) else rule.name or "/".join(part.keys)
    return _with_key(name, part)


def _with_key(text: str, part: Part) -> str:
    return text.replace("{key}", "/".join(part.keys))[:TEXT_LIMIT]


def _type(rule: Period, part: Part) -> PeriodType:
    said = part.first(rule.type_from)
    kind = rule.types.get(str(said)) or rule.type
    if kind is None:
        raise ValueError(f"{rule.type_from}: {str(said)[:SHOWN]!r} is none of {', '.join(rule.types)}")
    return PeriodType(kind)


def _reset(rule: Period | Overage, part: Part, now: datetime) -> datetime | None:
    """An instant that has passed says nothing of the window that runs now."""
    if rule.reset_at:
        return next_start(rule.reset_at, now)
    try:
        found = fields.instant(part.first(rule.reset))
    except ValueError as exc:
        raise ValueError(f"{rule.reset}: {exc}") from None
    return found if found and found > now else None


def next_start(when: str, now: datetime) -> datetime | None:
    """The next midnight or first of a month, UTC, or the next midnight of a zone, where the system knows zones."""
    if when == "utc-month":
        return fields.month_end(now)
    try:
        zone = zoneinfo.ZoneInfo(when.removeprefix("day:")) if when != "utc-day" else UTC
    except zoneinfo.ZoneInfoNotFoundError:  # the system has no data of zones
        return None
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _overage(rule: Overage, answers: Answers) -> OverageUsage | None:
    part = answers.of(rule.request)
    used, currency = _added_up(rule, rule.used, answers)
    limit = None if rule.limit is None or _has_no_limit(rule, part) else _number(rule.limit, part)
    limit = limit if limit and limit > 0 else None
    if used is None or (rule.skip_zero and used <= 0) or (rule.needs_limit and limit is None):
        return None
    resets_at = _reset(rule, part, answers.now)
    return OverageUsage(used=max(Decimal(0), used), limit=limit, currency=currency, resets_at=resets_at)


def _balance(rule: Balance, answers: Answers) -> Left | None:
    rows = [_added_up(rule, rule.amount, answers)] if rule.sum else _rows(rule, rule.amount, answers)
    there = ((amount, currency) for amount, currency in rows if amount is not None)
    return next((Left(amount, currency) for amount, currency in there if amount or not rule.skip_zero), None)


def _rows(rule: Overage | Balance, number: Number, answers: Answers) -> Iterator[tuple[Decimal, str]]:
    """Each amount that is there and its currency."""
    for part in _parts(rule, answers):
        amount = _number(number, part)
        if amount is not None:
            yield amount, _currency(rule, part, answers.region)


def _added_up(rule: Overage | Balance, number: Number, answers: Answers) -> tuple[Decimal | None, str]:
    """The amounts in the currency of the first row; nothing in an empty list is 0, of its absence nothing is known."""
    rows = list(_rows(rule, number, answers))
    if not rows:
        is_empty = rule.each is not None and answers.of(rule.request).places(rule.each) == []
        return Decimal(0) if is_empty else None, rule.currency
    currency = rows[0][1]
    return sum((amount for amount, said in rows if said == currency), Decimal(0)), currency


def _currency(rule: Overage | Balance, part: Part, region: str) -> str:
    """Raises ValueError when the amounts that were added up are of several."""
    usual = rule.currencies.get(region, rule.currency) if isinstance(rule, Balance) else rule.currency
    if rule.currency_from is None:
        return usual
    found = part.places(rule.currency_from) or []
    said = {place.value.upper() for place in found if isinstance(place.value, str) and place.value}
    if len(said) > 1:
        raise ValueError(f"{rule.currency_from}: amounts in {' and '.join(sorted(said))[:40]} cannot be added up")
    return next(iter(said), usual)[:20]


def _identity(rule: Identity, answers: Answers) -> ProviderIdentity | None:
    part = answers.of(rule.request)
    plan, email, organization = (_label(part.first(path)) for path in (rule.plan, rule.email, rule.organization))
    named = plan and rule.plans.get(plan, plan.replace("_", " "))
    status = _label(part.first(rule.status))
    told = [named, status if status not in rule.usual else None]
    found = ProviderIdentity(email=email, organization=organization, plan=", ".join(filter(None, told)) or None)
    return found if any((found.plan, email, organization)) else None


def _label(value: Any) -> str | None:
    return str(value)[:TEXT_LIMIT] if isinstance(value, str | int) and str(value) and value is not True else None


def told(answers: Answers) -> Iterable[tuple[str, str]]:
    """For people: each thing that is read and what was found for it."""
    for number, rule in enumerate(answers.declared.period, 1):
        found = list(_periods(rule, answers))
        yield f"period {number}", ", ".join(map(line, found)) or "is not in the answer, or has no limit"
    for number, rule in enumerate(answers.declared.balance, 1):
        left = _balance(rule, answers)
        yield f"balance {number}", f"{left.amount} {left.currency}" if left else "is not in the answer"
    for number, rule in enumerate(answers.declared.overage, 1):
        spent = _overage(rule, answers)
        limit = f" of {spent.limit}" if spent and spent.limit else ""
        yield f"overage {number}", f"{spent.used}{limit} {spent.currency}" if spent else "is not in the answer"
    if answers.declared.identity:
        said = _identity(answers.declared.identity, answers)
        yield "plan", (said and said.plan) or "is not in the answer"


def line(period: UsagePeriod) -> str:
    reset = f", resets {period.resets_at:%Y-%m-%d %H:%M} UTC" if period.resets_at else ""
    return f"{period.name} {period.utilization:g}% ({period.period_type}{reset})"
