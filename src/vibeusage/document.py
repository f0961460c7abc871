"""The JSON document an assistant pipes to its status-line command: its limits and its other items.

Source: Claude Code 2.1.330, GitHub Copilot CLI 1.0.102 and Qwen Code 0.24.4 as recorded; Cursor CLI and
Antigravity `agy` as documented. Every field is optional: keys come and go between versions.
Imported by the line only in the branch that reads such a document; `os` and C modules, nothing else.
"""

from vibeusage.escape import clean
from vibeusage.table import MOST_PERCENT

SIZE_LIMIT = 1 << 20
SESSION_S, DAY_S, WEEK_S, MONTH_S = 18_000, 86_400, 604_800, 2_592_000
CLAUDE_WINDOWS = {
    # key: (name, short, window in seconds, kind)
    "five_hour": ("Session (5h)", "5h", SESSION_S, "window"),
    "seven_day": ("Weekly", "7d", WEEK_S, "window"),
    "seven_day_opus": ("Opus", "Opus", WEEK_S, "model"),
    "seven_day_sonnet": ("Sonnet", "Sonnet", WEEK_S, "model"),
}
SPEND_WINDOWS = {"daily": DAY_S, "weekly": WEEK_S, "monthly": MONTH_S}
AGY_NAMES = {"gemini": "Gemini", "3p": "Other models"}
AGY_WINDOWS = {"5h": ("Session (5h)", SESSION_S), "weekly": ("Weekly", WEEK_S)}


def decode(data):
    """The document as a dict, or None for anything that is not one JSON object."""
    try:
        text = data.decode("utf-8").strip()
        value, end = _scanner()(text, 0)
    except (ValueError, StopIteration, RecursionError, SystemError):
        return None  # SystemError: before 3.12 the bare scanner has no error to raise for a torn object
    return value if isinstance(value, dict) and end == len(text) else None


def _scanner():
    """json's own C scanner without the json package: a quarter of the import cost, the same code.

    `_json` is private, so anything unexpected in it falls back to the public module.
    """
    try:
        from _json import make_scanner

        return make_scanner(_Context)  # ty: ignore[invalid-argument-type]
    except (ImportError, AttributeError, TypeError):
        from json import JSONDecoder

        return JSONDecoder().raw_decode


class _Context:
    strict = False
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int

    @staticmethod
    def parse_constant(name):
        raise ValueError(name)


def at(document, *keys):
    """The value under nested keys, or None."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def number(value):
    """A finite float from a JSON number or numeric string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        value = float(value)
    except (ValueError, OverflowError):
        return None
    return value if -1e15 < value < 1e15 else None


def instant(value):
    """Epoch seconds from seconds, milliseconds or ISO 8601 text with an offset; 0 when unknown."""
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        return _iso(value)
    if seconds is None or seconds <= 0:
        return 0
    return int(seconds / 1000 if seconds > 1e11 else seconds)


def _iso(text):
    """`2026-09-14T16:20:00.4+02:00` to epoch seconds, without the datetime module."""
    try:
        year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
        zone = text[19:].lstrip(".0123456789")
        offset = 0 if zone in ("Z", "z") else (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[0] == "-" else 60)
    except (ValueError, IndexError):
        return 0
    # days from civil, H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"
    year -= month <= 2
    era_day = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + era_day - 719_468
    return days * 86_400 + hour * 3600 + minute * 60 + second - offset


def limits(document, now):
    """`(provider, {period name: row})` of the quotas in the document; ("", {}) when there are none."""
    if isinstance(at(document, "rate_limits"), dict):
        return "claude", _claude_limits(document, observed_at(document, now))
    if isinstance(at(document, "quota"), dict):
        return "antigravity", _agy_limits(document["quota"], now)
    return "", {}


def observed_at(document, now):
    """When the document's limits were true: now after a reply, else before this session began.

    Limits survive `/clear`, so without a reply since then they are at least as old as the session.
    """
    if (
        at(document, "context_window", "current_usage") is None
        and number(at(document, "cost", "total_api_duration_ms")) == 0
    ):
        return now - 1 - int((number(at(document, "cost", "total_duration_ms")) or 0) / 1000)
    return now


def signature(document):
    """What changes with each reply: equal signatures are the same observation seen again."""
    used = [
        f"{key}={at(window, 'used_percentage')}@{at(window, 'resets_at')}"
        for key, window in sorted((at(document, "rate_limits") or {}).items())
    ]
    return clean(",".join([str(at(document, "cost", "total_api_duration_ms")), *used]), 300)


def _claude_limits(document, seen_at):
    rows = {}
    for key, window in document["rate_limits"].items():
        used = number(at(window, "used_percentage"))
        if used is None or not 0 <= used <= MOST_PERCENT:
            continue
        if key == "spend_limit":
            window_s = SPEND_WINDOWS.get(at(window, "period"), MONTH_S)
            name, short, kind = "Spend limit", "spend", "extra"
        elif key in CLAUDE_WINDOWS:
            name, short, window_s, kind = CLAUDE_WINDOWS[key]
        else:
            name = short = clean(key.removeprefix("seven_day_").replace("_", " ").capitalize(), 24)
            window_s, kind = (WEEK_S if key.startswith("seven_day") else 0), "model"
        rows[name] = (short, window_s, used, instant(at(window, "resets_at")), seen_at, "statusline", kind)
    return rows


def _agy_limits(quota, now):
    rows = {}
    for key, window in quota.items():
        left = number(at(window, "remaining_fraction"))
        family, _, length = key.rpartition("-")
        if left is None or not 0 <= left <= 1 or length not in AGY_WINDOWS:
            continue
        label, (name, window_s) = AGY_NAMES.get(family, clean(family, 24)), AGY_WINDOWS[length]
        seconds = number(at(window, "reset_in_seconds"))
        resets_at = instant(at(window, "reset_time")) or (now + int(seconds) if seconds and seconds > 0 else 0)
        short = ("7d" if length == "weekly" else length) + ("" if family == "gemini" else f" {label}")
        kind = "window" if family == "gemini" else "model"
        rows[f"{label} {name}"] = (short, window_s, (1 - left) * 100, resets_at, now, "statusline", kind)
    return rows


def max_width(document, columns, padding=0):
    """Cells the host gives a line; 0 when it does not say."""
    cells = number(at(document, "render_width_chars")) or number(at(document, "terminal_width"))
    if cells:
        return max(1, int(cells))
    return max(1, int(columns) - 4 - 2 * padding) if columns.isdecimal() and int(columns) > 0 else 0
