"""Targets that want more than one line of text: JSON for programs, Waybar, i3blocks, SwiftBar."""

from vibeusage import escape, pace, segment
from vibeusage.escape import clean

LEVELS = ("green", "yellow", "red", "alarm")


def frame(target, known, options, units, now, *, mono):
    """`(output, until)` for `target`; `units` are the laid out windows, `known` is the Table behind them."""
    separator, _, _, ellipsis, _, _ = segment.GLYPHS[options["icons"]]
    row = segment.fit(units, int(options["max_width"]), options["separator"] or separator, ellipsis)
    shown = _windows(known, options, now)
    if target == "json":
        return _json(known, shown, now), now + 1
    until = min([_until(window, now) for window in shown], default=pace.NEVER)
    worst = max((window["level"] for window in shown if window["level"]), key=LEVELS.index, default="")
    text = escape.paint(target, row, mono)
    if target == "waybar":
        highest = max([window["utilization"] or 0 for window in shown], default=0)
        tooltip = "\n".join([escape.markup(_sentence(window)) for window in shown])
        fields = {
            "text": text,
            "alt": worst,
            "tooltip": tooltip,
            "class": worst,
            "percentage": min(100, int(highest)),
        }
        return encode(fields) + "\n", until
    if target == "i3blocks":
        short = escape.paint(target, segment.fit(units[:1], 0, "", ellipsis), mono)
        text = text and f"{text}\n{short}\n{'' if mono else escape.HEX.get(worst, '')}\n"
        return text, until
    menu = [f"{_bar_text(_sentence(window))} | trim=false" for window in shown]
    return ("\n".join([f"{_bar_text(text)} | ansi=true", "---", *menu]) + "\n" if text else ""), until


def _until(window, now):
    """When the sentence about a window next differs."""
    ticks = [pace.age(window["observed_at"], now)[1]] if window["observed_at"] else []
    if window["resets_in_s"]:
        ticks.append(pace.countdown(window["resets_at"], now)[1])
    return min(ticks, default=pace.NEVER)


def _bar_text(text):
    """A row whose own text is neither an option of SwiftBar's nor, by dashes at its start, a separator or submenu."""
    return text.replace("|", "¦").replace("-", "\u2010", text.startswith("-"))


def _windows(known, options, now):
    """Every chosen window as a dict with numbers; utilization None once its reset has passed."""
    wanted = [name for name in options["provider"].split(",") if name]
    windows = []
    for account in segment.accounts_shown(known.periods, wanted):
        provider, _, who = account.partition("@")
        for name, row in segment.periods_shown(known.periods[account], options["periods"]):
            short, window_s, used, resets_at, observed_at, source, kind = row
            over = now >= (resets_at or (observed_at + window_s if window_s else pace.NEVER))
            windows.append(
                {
                    "provider": clean(provider),
                    "account": clean(who) or None,
                    "name": clean(name),
                    "label": clean(short),
                    "kind": clean(kind),
                    "utilization": None if over else used,
                    "resets_at": resets_at or None,
                    "resets_in_s": max(0, resets_at - now) if resets_at else None,
                    "window_s": window_s or None,
                    "observed_at": observed_at or None,
                    "age_s": now - observed_at if 0 < observed_at <= now else None,
                    "stale": not now - int(options["stale_after_s"]) < observed_at <= now,
                    "source": clean(source),
                    "level": "" if over else pace.level(used, window_s, resets_at, now)[0],
                }
            )
    return windows


def _sentence(window):
    used = "reset" if window["utilization"] is None else f"{pace.percent(window['utilization'])} used"
    left = window["resets_in_s"]
    who = f"{window['provider']}@{window['account']}" if window["account"] else window["provider"]
    resets = f", resets in {pace.span(left)[0]}" if left else ""
    age = f", {pace.span(window['age_s'])[0]} old" if window["stale"] and window["age_s"] is not None else ""
    return f"{who} {window['name']}: {used}{resets}{age}"


def _json(known, windows, now):
    notes = [clean(note) for note in known.notes]
    spent = [_spent(row) for row in known.costs if row[2] <= now < row[3]]
    return encode({"schema": 1, "generated_at": now, "periods": windows, "costs": spent, "notes": notes}) + "\n"


def _spent(row):
    """One row of `costs` with names; `amount_usd` null where nothing has a price."""
    provider, name, start, end, amount, tokens, state = row
    fields = {
        "provider": None if provider == "*" else clean(provider),
        "name": clean(name),
        "start": start,
        "end": end,
        "amount_usd": amount / 1_000_000 if amount >= 0 else None,
    }
    last = "projected_usd" if name == "burn" else "tokens"
    return {**fields, last: tokens / 1_000_000 if name == "burn" else tokens, "state": clean(state)}


def encode(value):
    """JSON without the json package, whose import costs as much as half an interpreter start."""
    if isinstance(value, dict):
        return "{" + ",".join([f"{_string(key)}:{encode(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([encode(item) for item in value]) + "]"
    if isinstance(value, str):
        return _string(value)
    return (
        {None: "null", True: "true", False: "false"}.get(value)
        if isinstance(value, (bool, type(None)))
        else repr(value)
    )


def _string(text):
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json.encoder import py_encode_basestring_ascii as encode_basestring_ascii
    return encode_basestring_ascii(text)
