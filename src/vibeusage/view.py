"""The table way of the line: `line.tsv` with newer observations over it, shown for one target."""

import os

from vibeusage import cachefiles, escape, pace, segment, table

FRAMED = frozenset(("json", "waybar", "i3blocks", "swiftbar"))
OWN_PROVIDER = {"copilot": "copilot", "agy": "antigravity"}
EMPTY_NOTE = "vibeusage: no data yet"


class Shown:
    """A rendered text, the instant it next changes, and the observation its document holds (or None)."""

    def __init__(self, text, until, observation=None):
        self.text = text
        self.until = until
        self.observation = observation


def load(folder, now, deadline):
    """`(generation token, table)`: the token is read first, so a race can only make a segment invalid."""
    token, parsed = read(folder, now)
    if parsed is None or (parsed.version == table.VERSION and parsed.stamp != _config_stamp()):
        deadline[0] += cachefiles.SLOW_S
        text = _compile()
        token, again = read(folder, now)
        parsed = again or table.parse(text, table.LINE_MAGIC, now) or parsed or table.Table()
    for name in cachefiles.observations(folder):
        text = cachefiles.read_file(f"{folder}/observations/{name}").decode("utf-8", "replace")
        if (seen := table.parse(text, table.OBSERVATION_MAGIC, now)) and seen.version == table.VERSION:
            table.lay_over(parsed, seen.periods, now)
    return token, parsed


def read(folder, now):
    """`(generation token, table or None)` as they lie on disk."""
    token = cachefiles.read_file(folder + "/generation", 100).strip().decode("ascii", "replace")
    text = cachefiles.read_file(folder + "/line.tsv").decode("utf-8", "replace")
    return token, table.parse(text, table.LINE_MAGIC, now)


def _config_stamp():
    try:
        info = os.stat(cachefiles.config_file(os.environ))
    except (OSError, ValueError):
        return "-"
    return f"{info.st_mtime_ns}-{info.st_size}-{info.st_ino}"


def _compile():
    """The slow way: let the engine's modules write `line.tsv`; its text, or "" when even that fails."""
    try:
        from vibeusage import cache

        return cache.compile_line()
    except Exception:  # whatever is wrong with config or disk, the prompt is not the place to say so
        return ""


def show(target, known, given, data, now, *, mono, environ):
    """`known` (a Table) for `target`; `data` is the document an assistant piped, if any."""
    if known.version not in ("", table.VERSION):
        return Shown("vibeusage: newer data\n", now + 60)
    options = segment.options_for(target, known.settings, given)
    if "lines" in segment.TARGET_DEFAULTS.get(target, {}):
        return _show_assistant(target, known, options, data, now, mono=mono, environ=environ)
    units, until = segment.period_units(known.periods, options, now, mono=mono)
    spent, changes = _costs(known, options, now)
    units, until = _notes(known) + units + spent, min(until, changes)
    if target in FRAMED:
        from vibeusage import frames

        text, changes = frames.frame(target, known, options, units, now, mono=mono)
        return Shown(text, min(until, changes))
    row = _fit(units, options, int(options["max_width"]))
    return Shown(_end(escape.paint(target, row, mono)), until)


def _show_assistant(target, known, options, data, now, *, mono, environ):
    from vibeusage import document, items, observe

    found = document.decode(data) or {}
    seen = observe.observation(found, environ, now)
    aged_before = now + 1
    if seen:
        folder = cachefiles.cache_folder(environ)
        _, rows, _, _ = seen = observe.known_since(folder, seen, now)
        table.lay_over(known, {seen[0]: rows}, now)
        aged_before = min([row[4] for row in rows.values()]) - 59
    periods = _own_first(target, known, options, environ)
    units, until = segment.period_units(
        periods,
        options,
        now,
        mono=mono,
        aged_before=aged_before,
        lone_name=target != "claude-code",
    )
    cells = [
        cells for cells in (int(options["max_width"]), document.max_width(found, environ.get("COLUMNS", ""))) if cells
    ]
    spent, changes = _costs(known, options, now)
    units, until = _notes(known) + units + spent, min(until, changes)
    rows = []
    for names in options["lines"].split(";"):
        line = _line_units(items.item, found, names.split(","), units, now)
        rows.append(escape.paint(target, _fit(line, options, min(cells, default=0)), mono))
    text = "\n".join([row for row in rows if row])
    return Shown(_end(text or EMPTY_NOTE), until, seen)


def _costs(known, options, now):
    """The units of what was spent, and when they next change; nothing where no sync has told."""
    if not known.costs:
        return [], pace.NEVER
    from vibeusage import costs

    return costs.units(known.costs, options, now)


def _own_first(target, known, options, environ):
    """The windows an assistant shows: claude-code those of the account in force, others their own first."""
    if target == "claude-code" and options["provider"] == "claude":
        from vibeusage.observe import claude_account

        account = claude_account(environ)
        account = known.accounts.get(account, account)
        return {account: known.periods.get(account, {})}
    own = OWN_PROVIDER.get(target)
    return dict(sorted(known.periods.items(), key=lambda item: item[0].split("@")[0] != own))


def _line_units(item, found, names, period_units, now):
    line = []
    for place, name in enumerate(names):
        if name == "periods":
            line += period_units
        else:
            style, text = item(name, found, now)
            line.append([(segment.RANK_ITEM + min(place, 8), style, text)] if text else [])
    return line


def _notes(known):
    return [[(1, "red", escape.clean(note, 60))] for note in known.notes]


def _fit(units, options, cells):
    separator, _, _, ellipsis, _, _ = segment.GLYPHS[options["icons"]]
    return segment.fit(units, cells, options["separator"] or separator, ellipsis)


def _end(text):
    return text + "\n" if text else ""
