"""Numbers and instants to short texts, each with the instant at which it would next differ.

Every function takes `now` (integer epoch seconds) and returns `(text or level, until)`: the same
call gives the same answer at every second before `until`. Pure: no clock is read, nothing imported
but `time` for the local calendar.
"""

import time

NEVER = 9_999_999_999
PACE_FROM = 0.10
GREEN, YELLOW, RED, ALARM = "green", "yellow", "red", "alarm"


def level(utilization, window_s, resets_at, now):
    """Colour by pace once 10 % of the window has passed, by amount before and without a window."""
    if utilization >= 100:
        return ALARM, NEVER
    if not (window_s and resets_at):
        return _amount(utilization), NEVER
    starts_at = resets_at - window_s
    crossings = [starts_at + window_s * share for share in (PACE_FROM, utilization / 130, utilization / 115)]
    # a crossing falls between two whole seconds: both are candidates, so that rounding is never late
    instants = [int(at) + step for at in crossings for step in (-1, 0, 1, 2)]
    until = min((at for at in instants if at > now), default=NEVER)
    elapsed = (now - starts_at) / window_s
    if elapsed < PACE_FROM:
        return _amount(utilization), until
    ratio = utilization / (elapsed * 100)
    return (GREEN if ratio <= 1.15 else YELLOW if ratio <= 1.30 else RED), until


def _amount(utilization):
    return GREEN if utilization < 50 else YELLOW if utilization <= 80 else RED


def percent(value):
    """`17.3%`, `42%`; a non-zero value never reads 0, one below 100 never reads 100."""
    if 0 < value < 0.1:
        return "<0.1%"
    if value < 100 <= round(value, 1):
        return "99.9%"
    text = f"{value:.1f}"
    return (text[:-2] if text.endswith(".0") else text) + "%"


def span(seconds):
    """`4d 12h`, `3h 45m`, `45m`, `<1m`, and how long (s) one more or less second may run before it differs.

    Returns (text, unit): the text depends on `seconds // unit` only.
    """
    if seconds < 60:
        return "<1m", 60
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m", 60
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return (f"{hours}h {minutes}m" if minutes else f"{hours}h"), 60
    days, hours = divmod(hours, 24)
    return (f"{days}d {hours}h" if hours else f"{days}d"), 3600


def countdown(resets_at, now):
    left = resets_at - now
    text, unit = span(left)
    return text, resets_at - (left // unit) * unit + (1 if left >= unit else 0)


def clock(resets_at, now):
    """The local time of the reset: `14:37` today, `Tue 14:37` within six days, else `24 Nov`."""
    here, there = time.localtime(now), time.localtime(resets_at)
    midnight = int(time.mktime((here.tm_year, here.tm_mon, here.tm_mday + 1, 0, 0, 0, 0, 0, -1)))
    if resets_at < midnight:
        text = time.strftime("%H:%M", there)
    elif resets_at - now < 6 * 86400:
        return time.strftime("%a %H:%M", there), midnight
    else:
        return f"{there.tm_mday} {time.strftime('%b', there)}", min(midnight, resets_at - 6 * 86400 + 1)
    return text, midnight


def age(observed_at, now):
    """`12m ago`; an observation from the future has no age."""
    passed = now - observed_at
    if passed < 0:
        return "age unknown", observed_at
    text, unit = span(passed)
    return f"{text} ago", observed_at + (passed // unit + 1) * unit
