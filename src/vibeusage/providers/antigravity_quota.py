"""What Antigravity's answers say: limits per pool of models, else what is left per model; and whose they are.

A pool has a 5-hour and a weekly window. What is left of a single model is that of whichever of its pool's windows is
nearer to its end, so it is shown as the pool's, with the length that its reset allows.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from vibeusage.credentials import at
from vibeusage.document import AGY_NAMES, AGY_WINDOWS
from vibeusage.models import PeriodType, ProviderIdentity, UsagePeriod
from vibeusage.providers import fields

# where the groups stand: by themselves, as the language server wraps them, and as `agy -p /usage` does
PLACES = ("", "response", "summary", "quotaSummary", "root", "command.data")
GEMINI, OTHERS = AGY_NAMES["gemini"], AGY_NAMES["3p"]
# what a window is called in `window`, else in the id or name of its bucket
LENGTHS = {
    "5h": (r"\b5[- ]?h|five[- ]?hour", PeriodType.SESSION),
    "weekly": (r"week", PeriodType.WEEKLY),
    "daily": (r"\bdaily\b|\b24 ?h", PeriodType.DAILY),
    "monthly": (r"month", PeriodType.MONTHLY),
}
FREE = re.compile(r"(?<![a-z])free(?![a-z])", re.IGNORECASE)
# models beside the pools: of the editor itself, and for pictures
ASIDE = re.compile(r"\b(?:lite|image|tab|autocomplete|embedding)\b", re.IGNORECASE)
SESSION = timedelta(hours=5, minutes=1)  # no 5-hour window is reset later


class Person(NamedTuple):
    """`is_free`: of a plan that has no 5-hour window."""

    identity: ProviderIdentity | None = None
    is_free: bool = False


NOBODY = Person()


def parse_summary(body: bytes, who: Person) -> tuple[UsagePeriod, ...]:
    """The windows of each pool. Raises ValueError when no bucket says how much is left."""
    document = msgspec.json.decode(body)
    groups = next((found for key in PLACES if isinstance(found := _groups(document, key), list)), None)
    if groups is None:
        raise ValueError("no groups of limits")
    periods: dict[str, UsagePeriod] = {}
    for group in groups:
        for bucket in _list(at(group, "buckets")):
            period = _period(group, bucket)
            if period and not (who.is_free and period.period_type is PeriodType.SESSION):
                _keep_fuller(periods, period)
    if not periods:
        raise ValueError("no bucket that says how much is left")
    return tuple(periods.values())


def _groups(document: Any, key: str) -> Any:
    return at(document, f"{key}.groups" if key else "groups")


def _period(group: Any, bucket: Any) -> UsagePeriod | None:
    left = None if at(bucket, "disabled") is True else _left(bucket)
    bucket_id = _said(bucket, "bucketId", "id")
    length = _length(_said(bucket, "window"), bucket_id, _said(bucket, "displayName", "name"))
    pool = AGY_NAMES.get(bucket_id.rpartition("-")[0]) or _pool(_said(group, "displayName", "name"))
    if left is None or length is None or not pool:
        return None
    kind = LENGTHS[length][1]
    name = AGY_WINDOWS[length][0] if length in AGY_WINDOWS else kind.capitalize()
    return UsagePeriod(
        name=f"{pool} {name}",
        utilization=_used(left),
        period_type=kind,
        resets_at=_reset(bucket),
        model=None if pool == GEMINI else pool,
    )


def _left(bucket: Any) -> float | None:
    """0-1 in any of its spellings; None when it is not said, which is not the same as nothing."""
    remaining = at(bucket, "remaining")
    for holder in (bucket, remaining):
        for key in ("remainingFraction", "remaining_fraction"):
            if (found := fields.num(at(holder, key))) is not None:
                return _fraction(found)
    is_fraction = at(remaining, "case") in ("remainingFraction", "remaining_fraction")
    found = fields.num(at(remaining, "value")) if is_fraction else None
    return None if found is None else _fraction(found)


def _fraction(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{value:g} where a fraction belongs")
    return value


def _used(left: float) -> float:
    return fields.percent_left(round(left * 100, 6)) or 0.0


def _reset(holder: Any) -> datetime | None:
    return fields.instant(at(holder, "resetTime") or at(holder, "reset_time"))


def _length(*texts: str) -> str | None:
    """The first that a text names."""
    for text in texts:
        for length, (words, _) in LENGTHS.items():
            if re.search(words, text, re.IGNORECASE):
                return length
    return None


def _pool(text: str) -> str:
    if re.search("gemini", text, re.IGNORECASE):
        return GEMINI
    return OTHERS if re.search(r"claude|gpt", text, re.IGNORECASE) else text.removesuffix(" Models")[:40].strip()


def _keep_fuller(periods: dict[str, UsagePeriod], period: UsagePeriod) -> None:
    known = periods.get(period.name)
    if known is None or period.utilization > known.utilization:
        periods[period.name] = period


# what is left per model


def parse_status(body: bytes) -> Person:
    """Whose account the language server works for."""
    status = at(msgspec.json.decode(body), "userStatus")
    if not isinstance(status, dict):
        raise ValueError("no userStatus")
    tier, plan = at(status, "userTier"), at(status, "planStatus.planInfo")
    name = _said(tier, "name") or _said(plan, "planDisplayName", "planName")
    return person_of(_said(status, "email"), name, _said(tier, "id") or name)


def person_of(email: str, plan: str, tier: str) -> Person:
    identity = ProviderIdentity(email=email or None, plan=plan or None)
    return Person(identity if identity != ProviderIdentity() else None, bool(FREE.search(tier)))


def parse_models(body: bytes, who: Person, now: datetime) -> tuple[UsagePeriod, ...]:
    """One window per pool, the fullest of its models.

    Raises ValueError when no model says how much is left, or all say the same nothing.
    """
    models = [(name, quota) for name, quota in _models(msgspec.json.decode(body)) if not ASIDE.search(name)]
    known = [(name, left, _reset(quota)) for name, quota in models if (left := _left(quota)) is not None]
    if all(left == 1 and reset is None for _, left, reset in known):
        raise ValueError("no model that says how much is left" if not known else "every model is full, without a reset")
    periods: dict[str, UsagePeriod] = {}
    for name, left, reset in known:
        if pool := _pool(name):
            kind = PeriodType.WEEKLY if who.is_free or (reset and reset - now > SESSION) else PeriodType.SESSION
            used = _used(left)
            period = UsagePeriod(name=pool, utilization=used, period_type=kind, resets_at=reset, model=pool)
            _keep_fuller(periods, period)
    return tuple(periods.values())


def _models(document: Any) -> Iterator[tuple[str, Any]]:
    """(name, quota) of each model, in the forms of the language server and of the cloud."""
    status = at(document, "userStatus.cascadeModelConfigData.clientModelConfigs")
    for model in _list(status if status is not None else at(document, "clientModelConfigs")):
        yield _said(model, "label") or _said(at(model, "modelOrAlias"), "model"), at(model, "quotaInfo")
    models = at(document, "models")
    for model_id, model in models.items() if isinstance(models, dict) else ():
        if at(model, "isInternal") is not True:
            yield _said(model, "displayName") or model_id, at(model, "quotaInfo")
    for bucket in _list(at(document, "buckets")):
        yield _said(bucket, "modelId"), bucket


def _said(holder: Any, *keys: str) -> str:
    """The first text under one of the keys, "" when there is none."""
    found = (at(holder, key) for key in keys)
    return next((text for text in found if isinstance(text, str) and text), "")


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
