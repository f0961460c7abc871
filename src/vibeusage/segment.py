"""Layout: periods to rows of styled pieces, shortened by priority, with the instant they next change.

A *unit* is what stands between two separators (one window, or one item of an assistant's document);
a *piece* is `(rank, style, text)`, the pieces of a unit are joined as they are. The highest rank is
dropped first. All functions are pure; `until` is the first second at which a text or colour may differ.
"""

from vibeusage import pace
from vibeusage.escape import clean, width

DEFAULTS = {
    "provider": "",
    "periods": "all",
    "format": "{provider} {icon} {period} {bar} {percent} {pace} {reset} {age}",
    "separator": "",
    "max_width": "0",
    "icons": "unicode",
    "bar": "0",
    "reset": "countdown",
    "show": "used",
    "stale_after_s": "3600",
    "costs": "today",
}
PROMPTS = {"max_width": "60", "reset": "clock"}
TARGET_DEFAULTS = {
    "tmux": {"max_width": "80"},
    "starship": {"max_width": "60"},
    "zsh": PROMPTS,
    "bash": PROMPTS,
    "fish": PROMPTS,
    "claude-code": {"provider": "claude", "lines": "periods,model,context"},
    "copilot": {"lines": "periods,model,context,requests"},
    "qwen": {"lines": "periods,model,context"},
    "cursor": {"lines": "periods,model,context"},
    "agy": {"lines": "periods,model,context"},
}
GLYPHS = {
    # separator, full cell, empty cell, ellipsis, icon of a provider, icon before a reset
    "ascii": (" | ", "#", "-", "...", "", ""),
    "unicode": (" · ", "█", "░", "…", "", ""),
    "nerd": (" · ", "█", "░", "…", "\U000f06a9 ", "\U000f0150 "),
}
RANK_PERCENT, RANK_PERIOD, RANK_AGE = 0, 12, 8
RANK_NAME, RANK_RESET_FIRST, RANK_RESET, RANK_ICON, RANK_BAR = 60, 55, 80, 84, 90
RANK_ITEM, RANK_SECOND, RANK_MODEL, RANK_PROVIDER = 61, 50, 70, 20


def options_for(target, settings, given):
    """Defaults, then config.toml for all targets and for this one, then the command line."""
    chosen = {**DEFAULTS, **TARGET_DEFAULTS.get(target, {})}
    chosen.update(settings.get("*", {}))
    chosen.update(settings.get(target, {}))
    chosen.update(given)
    for name in (
        "format",
        "separator",
    ):  # the user's own text, yet a control character may not reach a terminal
        chosen[name] = "".join([c for c in chosen[name] if c.isprintable()])
    return chosen


def accounts_shown(periods, wanted):
    """Account ids in order: those asked for (a provider id means all its accounts), else all."""
    known = list(periods)
    if not wanted:
        return known
    return [account for name in wanted for account in known if account == name or account.split("@")[0] == name]


def periods_shown(rows, wanted):
    """`(name, row)` of one account, shortest window first, model windows after, extras last; else as they came."""
    order = {"window": 0, "model": 1, "extra": 2}
    ordered = sorted(rows.items(), key=lambda item: (order.get(item[1][6], 3), item[1][1] or pace.NEVER))
    if wanted == "all":
        # extra usage is of interest once there is some
        return [(name, row) for name, row in ordered if row[6] != "extra" or row[2] > 0]
    if wanted == "primary":
        return ordered[:1]
    names = [name.strip().lower() for name in wanted.split(",")]
    return [(name, row) for name, row in ordered if name.lower() in names or row[0].lower() in names]


def period_units(periods, options, now, *, mono, aged_before=0, lone_name=True):
    """The units of all chosen windows, and the instant their texts next change.

    Windows observed before `aged_before` carry their age even when they are not stale yet.
    `lone_name` says whether a single provider is named.
    """
    wanted = [name for name in options["provider"].split(",") if name]
    chosen = [
        (account, shown)
        for account in accounts_shown(periods, wanted)
        if (shown := periods_shown(periods[account], options["periods"]))
    ]
    several = len(chosen) > 1
    units, until = [], pace.NEVER
    for place, (account, shown) in enumerate(chosen):
        label = clean(account, 32)
        ages = []
        for index, (name, row) in enumerate(shown):
            rank = (RANK_PROVIDER + min(place, 29)) if index == 0 else RANK_MODEL if row[6] != "window" else RANK_SECOND
            values, changes = _values(name, row, options, now, mono=mono, aged_before=aged_before)
            until = min(until, changes)
            first = index == 0 and (several or lone_name)
            values["provider"] = ("", label if first else "", RANK_PROVIDER + place if several else RANK_NAME)
            values["account"] = ("", clean(account.partition("@")[2], 32) if index == 0 else "", RANK_NAME)
            if options["icons"] != "nerd" or index:
                values["icon"] = ("", "", RANK_ICON)
            values["reset"] = (*values["reset"][:2], RANK_RESET if index else RANK_RESET_FIRST)
            ages.append(values["age"][1])
            units.append((rank, values))
        _say_age_once(units[-len(ages) :], ages)
    template = _template(options["format"])
    return [unit for rank, values in units if (unit := _unit(template, values, rank))], until


def _say_age_once(units, ages):
    """When all windows of an account are equally old, only the last says so."""
    if len(set(ages)) == 1:
        for _, values in units[:-1]:
            values["age"] = ("", "", RANK_AGE)


def _values(name, row, options, now, *, mono, aged_before):
    """{template field: (style, text, rank)} of one window, and when any of them next changes."""
    short, window_s, utilization, resets_at, observed_at, source, _ = row
    _, full, empty, _, icon, reset_icon = GLYPHS.get(options["icons"], GLYPHS["unicode"])
    stale_after = int(options["stale_after_s"])
    age, age_until = pace.age(observed_at, now)
    if max(aged_before, now - stale_after + 1) <= observed_at <= now:
        age, age_until = "", observed_at + stale_after
    values = {
        "icon": ("", icon.strip(), RANK_ICON),
        "period": ("", clean(short or name, 24), RANK_PERIOD),
        "age": ("dim", f"({age})" if age else "", RANK_AGE),
        "source": ("dim", clean(source, 24), 95),
    }
    over_at = resets_at or (observed_at + window_s if window_s else pace.NEVER)
    if now >= over_at:
        blank = ("", "", RANK_BAR)
        values.update(bar=blank, pace=blank, reset=blank, percent=("dim", "reset", RANK_PERCENT))
        return values, age_until
    style, level_until = pace.level(utilization, window_s, resets_at, now)
    reset, reset_until = _reset(resets_at, options["reset"], now)
    left = options["show"] == "remaining"
    share = max(0.0, 100 - utilization) if left else utilization
    values.update(
        percent=(style, pace.percent(share) + (" left" if left else ""), RANK_PERCENT),
        bar=(style, _bar(share, int(options["bar"]), full, empty), RANK_BAR),
        pace=("", {"yellow": "+", "red": "++", "alarm": "!!"}.get(style, "") if mono else "", 85),
        reset=("dim", f"{reset_icon}{reset}" if reset else "", RANK_RESET),
    )
    return values, min(age_until, level_until, reset_until, over_at)


def _reset(resets_at, kind, now):
    if not resets_at or kind == "none":
        return "", pace.NEVER
    return pace.clock(resets_at, now) if kind == "clock" else pace.countdown(resets_at, now)


def _bar(share, cells, full, empty):
    """`cells` wide; any use shows, and only 100 % fills it."""
    filled = min(cells, int(share * cells / 100 + 0.5))
    if 0 < share < 100 and cells > 1:
        filled = min(max(filled, 1), cells - 1)
    return full * filled + empty * (cells - filled)


def _template(text):
    """[(field, literal after it)] of a format; literals before the first field stand under ""."""
    before, *parts = text.split("{")
    fields = [("", before)] if before else []
    for part in parts:
        name, _, literal = part.partition("}")
        fields.append((name, literal))
    return fields


def _unit(template, values, rank):
    """The pieces of one window; a field that is empty takes the literal behind it along."""
    pieces = []
    for name, literal in template:
        style, text, field_rank = values.get(name, ("", "", 0)) if name else ("", "", 0)
        if text or not name:
            # behind the point: in which order the fields of the last unit go when it has no room
            order = max(rank, field_rank) + field_rank / 1000
            pieces.append((order, style, text))
            pieces.append((order, "", literal))
    return [piece for piece in pieces if piece[2]]


def fit(units, max_width, separator, ellipsis):
    """One row of (style, text) from `units`, at most `max_width` cells (0 = no limit)."""
    units = [list(unit) for unit in units]
    row = _row(units, separator)
    while max_width and _cells(row) > max_width:
        highest, place, last = max(
            ((int(piece[0]), place, piece[0]) for place, unit in enumerate(units) for piece in unit), default=(0, 0, 0)
        )
        left = [piece for piece in units[place] if piece[0] < highest]
        if not left and sum(map(bool, units)) <= 1:
            left = [piece for piece in units[place] if piece[0] < last]
        if not left and sum(map(bool, units)) <= 1:
            return _cut(row, max_width, ellipsis)
        units[place] = left
        row = _row(units, separator)
    return row


def _row(units, separator):
    row = []
    for unit in units:
        texts = [(style, text) for _, style, text in unit]
        while texts and not texts[-1][1].strip():
            texts.pop()
        if not texts:
            continue
        texts[-1] = (texts[-1][0], texts[-1][1].rstrip())
        if row:
            texts.insert(0, ("dim", separator))
        for style, text in texts:
            if row and row[-1][0] == style:
                row[-1] = (style, row[-1][1] + text)
            else:
                row.append((style, text))
    return row


def _cells(row):
    return sum([width(text) for _, text in row])


def _cut(row, max_width, ellipsis):
    if max_width < len(ellipsis):
        ellipsis = ""
    kept, room = [], max_width - len(ellipsis)
    for style, text in row:
        while text and width(text) > room:
            text = text[:-1]
        room -= width(text)
        kept.append((style, text))
        if room <= 0:
            break
    return [*kept, ("", ellipsis)]
