"""Rows D9 and D10 of the reliability list: every recorded answer, changed in every way, is read or refused by name."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage import health
from vibeusage.errors import StrategyError
from vibeusage.gate import after_success
from vibeusage.models import Usage, UsagePeriod, UsageSnapshot
from vibeusage.providers import (
    antigravity,
    antigravity_quota,
    augment,
    claude_text,
    claude_usage,
    claude_web,
    cline,
    codex_limits,
    copilot,
    cursor_usage,
    factory,
    fields,
    gemini,
    grok,
    kimi,
    kiro,
    minimax,
    opencode,
    openrouter,
    vertex,
    windsurf_usage,
    zai,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = datetime(2026, 9, 14, 12, tzinfo=UTC)
WHO = antigravity_quota.NOBODY
# what the engine turns into an error of the provider; anything else would be a mistake of ours
KNOWN = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError, StrategyError)


def vertex_series(source: bytes | str) -> list:
    """Of an answer, or of the fixture of this name."""
    body = (FIXTURES / f"vertex/{source}.json").read_bytes() if isinstance(source, str) else source
    return msgspec.json.decode(body, type=vertex._Page).time_series


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "antigravity/models-*": lambda body: Usage(periods=antigravity_quota.parse_models(body, WHO, NOW)),
    "antigravity/report": lambda body: Usage(periods=antigravity.parse_report(body)),
    "antigravity/status*": antigravity_quota.parse_status,
    "antigravity/summary*": lambda body: Usage(periods=antigravity_quota.parse_summary(body, WHO)),
    "augment/credits*": augment.parse_credits,
    "claude/usage*": lambda body: claude_usage.parse_usage(body, NOW),
    "claude/text-*": lambda body: claude_text.parse_text(body, NOW),
    "claude/web-account": lambda body: claude_web._identity(body, "org"),
    "claude/web-organizations": claude_web._choose,
    "claude/web-overage": lambda body: claude_web._overage(body, NOW),
    "claude/web-prepaid": claude_web._balance,
    "cline/balance": lambda body: Usage(balance=cline.parse_balance(body)),
    "cline/limits": lambda body: Usage(periods=cline.parse_limits(body)),
    "codex/app-server": lambda body: codex_limits.parse_usage(body, NOW),
    "codex/usage-*": lambda body: codex_limits.parse_usage(body, NOW),
    "copilot/status-summary": copilot.parse_status,
    "copilot/user-*": copilot.parse_usage,
    "cursor/bot": cursor_usage.parse_bot,
    "cursor/current-*": cursor_usage.parse_current,
    "cursor/me": cursor_usage.parse_email,
    "cursor/requests*": cursor_usage.parse_requests,
    "cursor/summary-*": cursor_usage.parse_summary,
    "factory/limits*": lambda body: factory.parse_limits(body, NOW),
    "factory/subscription*": factory.parse_subscription,
    "gemini/assist*": lambda body: gemini._has_ended(msgspec.json.decode(body, type=gemini._Assist)),
    "gemini/quota": lambda body: Usage(periods=gemini.parse_quota(body)),
    "kimi/usages*": kimi.parse_usage,
    "kimi/web-stats": lambda body: Usage(periods=kimi.parse_stats(body)),
    "kimi/web-usages": kimi.parse_billing,
    "kiro/usage*": kiro.parse_limits,
    "minimax/remains*": minimax.parse_usage,
    "opencode/go": opencode.parse_go,
    "openrouter/key*": lambda body: Usage(periods=openrouter.limits(openrouter._data(body, openrouter._Key), NOW)),
    "openrouter/credits": lambda body: Usage(balance=openrouter._left(openrouter._data(body, openrouter._Credits))),
    "openrouter/activity": lambda body: openrouter.added_up(openrouter._data(body, list[openrouter._Row]), "2026-09"),
    "vertex/limit": lambda body: Usage(periods=vertex.fullest(vertex_series("usage"), vertex_series(body))),
    "vertex/usage": lambda body: Usage(periods=vertex.fullest(vertex_series(body), vertex_series("limit"))),
    "zai/quota*": lambda body: zai.parse_usage(body, NOW),
    "windsurf/devin": windsurf_usage.parse_devin,
    "windsurf/plan*": windsurf_usage.parse_cached,
    "windsurf/status*": windsurf_usage.parse_status,
    "grok/*": lambda body: grok.parse_usage(body, NOW),
    "health/google-*": health.parse_google(("npdyhgECDJ6tB66MxXyo",)),
    "health/statuspage-*": health.parse_statuspage,
}
CASES = [
    (json.loads(path.read_bytes()), parse)
    for pattern, parse in PARSERS.items()
    for path in sorted(FIXTURES.glob(f"{pattern}.json"))
]
# objects whose keys are data, so that a new one means something
MAPS = {"quota_snapshots", "monthly_quotas", "limited_user_quotas", "rateLimitsByLimitId", "rate_limits_by_limit_id"}
# without these, a number that they made meaningless is one again
SWITCHES = {"isUnlimited", "unlimited", "entitlement"}  # the last is -1 or 0 where there is no limit
SWITCHES |= {"current_interval_status", "current_weekly_status"}  # 3 is no limit at MiniMax
SWITCHES |= {"creditUsagePercent"}  # what Grok leaves out where it is 0
# what JSON cannot be made to say by way of Python: the text itself, put in later
RAW = ("1e999", "-1e999", "1e308", "-1e308", "1" + "0" * 400, "NaN", "Infinity", "1e-400", "-0", "9007199254740993")
MARK = "@raw@"

leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2026-10-01", "1e5", "-5", "100.5"])
)


def grown(leaf: st.SearchStrategy) -> st.SearchStrategy:
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )


new = grown(leaf)
odd = grown(leaf | st.sampled_from(RAW).map(lambda text: MARK + text))
quickly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def encoded(document: Any) -> bytes:
    text = json.dumps(document)
    for raw in RAW:
        text = text.replace(f'"{MARK}{raw}"', raw)
    return text.encode()


def items(document: Any) -> list[tuple[Any, Any]]:
    if isinstance(document, dict):
        return list(document.items())
    return list(enumerate(document)) if isinstance(document, list) else []


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value."""
    for name, value in items(document):
        yield document, name
        yield from places(value)


def objects(document: Any, key: Any = None) -> Iterator[dict]:
    """Every object with named fields; `key` is what it stands under."""
    if isinstance(document, dict) and key not in MAPS:
        yield document
    for name, value in items(document):
        yield from objects(value, name)


def zeros(found: Any) -> set[str]:
    periods = found.periods if isinstance(found, Usage) else ()
    return {period.name for period in periods if period.utilization == 0}


def outcome(parse: Callable[[bytes], Any], document: Any) -> Any:
    """What is read, or the kind of error that it is refused with."""
    try:
        return parse(encoded(document))
    except KNOWN as exc:
        return type(exc)


def copy(document: Any) -> Any:
    return json.loads(json.dumps(document))


def check(found: Any) -> None:
    """Whatever was read: numbers in their range, times that can be reckoned with, all of it good to be stored."""
    if isinstance(found, UsagePeriod):
        found = Usage(periods=(found,))
    if not isinstance(found, Usage):
        return
    for period in found.periods:
        assert math.isfinite(period.utilization)
        assert 0 <= period.utilization <= fields.MOST_PERCENT
        assert period.window > timedelta(0)
        period.pace_ratio(NOW)
        period.time_until_reset(NOW)
    money = [found.overage.used, found.overage.limit] if found.overage else []
    money += [found.balance.amount] if found.balance else []
    assert [amount for amount in money if amount is not None and not abs(amount) <= fields.MOST_MONEY] == []
    assert found.overage is None or found.overage.used >= 0
    if found.overage and (used := found.overage.utilization()) is not None:
        assert math.isfinite(used)
    times = [period.resets_at for period in found.periods if period.resets_at]
    after_success(None, interval_s=300, took_s=1.0, resets=times, now=NOW)
    snapshot = UsageSnapshot(
        provider="acme",
        fetched_at=NOW,
        observed_at=NOW,
        source="oauth",
        periods=found.periods,
        overage=found.overage,
        balance=found.balance,
        identity=found.identity,
    )
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=UsageSnapshot) == snapshot


def test_d9_there_is_a_recorded_answer_for_every_parser():
    assert [pattern for pattern in PARSERS if not list(FIXTURES.glob(f"{pattern}.json"))] == []


@pytest.mark.slow
@quickly
@given(st.sampled_from(CASES), st.data())
def test_d9_fields_that_nobody_knows_change_nothing(case, data):
    document, parse = copy(case[0]), case[1]
    before = outcome(parse, document)
    for place in objects(document):
        if data.draw(st.booleans()):
            place["zz_not_known"] = data.draw(new)
    assert outcome(parse, document) == before


@quickly
@given(st.sampled_from(CASES), st.data())
def test_d9_a_missing_field_is_an_unknown_number_and_never_a_zero(case, data):
    document, parse = copy(case[0]), case[1]
    before = outcome(parse, document)
    for _ in range(data.draw(st.integers(1, 4))):
        known = [place for place in places(document) if isinstance(place[0], dict) and place[1] not in SWITCHES]
        if known:
            container, name = data.draw(st.sampled_from(known))
            del container[name]
    after = outcome(parse, document)
    check(after)
    assert zeros(after) <= zeros(before)


@quickly
@given(st.sampled_from(CASES), st.data())
def test_d10_whatever_stands_in_a_field_is_in_its_range_or_refused(case, data):
    document, parse = copy(case[0]), case[1]
    for _ in range(data.draw(st.integers(1, 3))):
        known = list(places(document))
        if known:
            container, name = data.draw(st.sampled_from(known))
            container[name] = data.draw(odd)
    check(outcome(parse, document))


@quickly
@given(st.sampled_from([parse for _, parse in CASES]), odd)
def test_d9_whatever_stands_in_place_of_an_answer_is_read_or_refused(parse, document):
    check(outcome(parse, document))


@quickly
@given(st.sampled_from(CASES), st.data())
def test_d9_an_answer_cut_or_with_foreign_bytes_is_read_or_refused(case, data):
    body = bytearray(encoded(case[0]))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(1, len(body))) :]
    with contextlib.suppress(*KNOWN):
        check(case[1](bytes(body)))


@given(odd.map(lambda value: json.loads(encoded(value), parse_constant=float)))
@quickly
def test_d10_a_field_is_a_value_in_its_range_or_raises(value):
    for read, is_right in (
        (fields.percent, lambda found: 0 <= found <= fields.MOST_PERCENT),
        (fields.percent_left, lambda found: 0 <= found <= fields.MOST_PERCENT),
        (fields.money, lambda found: isinstance(found, Decimal) and abs(found) <= fields.MOST_MONEY),
        (fields.instant, lambda found: found.tzinfo is UTC and found.year in fields.YEARS),
    ):
        try:
            found = read(value)
        except (ValueError, ArithmeticError):
            continue
        assert found is None or is_right(found)


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31", 253402300799, 0, "0", "", None, -62135596800],
)
def test_d10_a_time_that_stands_for_none_or_never_is_none(value):
    assert fields.instant(value) is None
