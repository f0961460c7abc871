"""The tables the line reads: `line.tsv` and `observations/*`, their rows, and the merge of both.

One row a line, fields separated by tabs, the first field names the kind; the first row is
`vibeusage-line <version> <config stamp> <refresh due> <last asked>`. Rows of an unknown kind pass, damaged rows
are skipped. Used by the line and by the engine that writes them, so that the two cannot drift.

Instants are integer epoch seconds (0 = unknown), windows seconds (0 = unknown), utilization percent used.
"""

VERSION = "1"
LINE_MAGIC = "vibeusage-line"
COSTS_MAGIC = "vibeusage-costs"
OBSERVATION_MAGIC = "vibeusage-observation"
SESSIONS_KEPT = 32
FUTURE_S = 300
FARTHEST_RESET_S = 400 * 86400
MOST_PERCENT = 1_000_000
LONGEST_S, LATEST_S = 10_000_000_000, 100_000_000_000
MOST_SPENT = 1_000_000_000_000_000_000


class Table:
    """One parsed table: `settings` {target or "*": {key: text}}, `accounts` {id in an observation: id we show},
    `periods` {account id: {period name: row}}, `notes` [text], `sessions` {session id: (signature, instant)}.

    `costs` are rows of what was spent, see `costs`.

    A period row is `(short, window_s, utilization, resets_at, observed_at, source, kind)`,
    kind one of `window`, `model`, `extra`.
    """

    def __init__(self):
        self.version = ""
        self.stamp = ""
        self.refresh_due_at = 0
        self.settings = {}
        self.accounts = {}
        self.periods = {}
        self.notes = []
        self.costs = []
        self.sessions = {}


def parse(text, magic, now):
    """The table in `text`, empty when a newer version wrote it; None when its first row is not ours."""
    lines = text.split("\n")
    head = lines[0].split("\t")
    if len(head) < 2 or head[0] != magic:
        return None
    table = Table()
    table.version = head[1]
    if table.version != VERSION:
        return table if _is_newer(table.version) else None
    if magic == LINE_MAGIC:
        try:
            table.stamp, table.refresh_due_at = head[2], int(head[3])
            if len(head) > 4 and int(head[4]) > now + FUTURE_S:  # asked in the future: the clock was wrong, then or now
                table.refresh_due_at = 0
        except (IndexError, ValueError):
            return None
    for line in lines[1:]:
        try:
            _take(table, line.split("\t"), now)
        except (ValueError, IndexError, OverflowError):
            continue
    return table


def _is_newer(version):
    return version.isdecimal() and len(version) < 10 and int(version) > int(VERSION)


def _take(table, row, now):
    kind = row[0]
    if kind == "period":
        account, name, *rest = row[1:]
        table.periods.setdefault(account, {})[name] = checked(rest, now)
    elif kind == "account":
        table.accounts[row[1]] = row[2]
    elif kind == "set":
        table.settings.setdefault(row[1], {})[row[2]] = row[3]
    elif kind == "note":
        table.notes.append(row[1])
    elif kind == "cost":
        table.costs.append(_cost(row[1:8]))
    elif kind == "session":
        table.sessions[row[1]] = (row[2], int(row[3]))


def _cost(fields):
    provider, name, start, end, amount, tokens, state = fields
    start, end, amount, tokens = int(start), int(end), int(amount), int(tokens)
    is_spent = -1 <= amount <= MOST_SPENT and 0 <= tokens <= MOST_SPENT
    if not (0 <= start < end < start + FARTHEST_RESET_S and is_spent):
        raise ValueError
    return provider, name, start, end, amount, tokens, state


def checked(fields, now):
    """A period row from its texts or numbers; ValueError when a number is out of all reason."""
    short, window_s, utilization, resets_at, observed_at, source, kind = fields
    window_s, resets_at, observed_at = int(window_s), int(resets_at), int(observed_at)
    utilization = float(utilization)
    if not (0 <= utilization <= MOST_PERCENT and 0 <= window_s <= LONGEST_S and 0 <= observed_at <= LATEST_S):
        raise ValueError
    if not 0 < resets_at < now + FARTHEST_RESET_S:
        resets_at = 0
    return short, window_s, utilization, resets_at, observed_at, source, kind


def lay_over(table, fresh, now):
    """Merge `fresh` periods into those of `table`, under the ids that its accounts are shown by."""
    for account, rows in fresh.items():
        merge(table.periods, {table.accounts.get(account, account): rows}, now)


def merge(known, fresh, now):
    """Lay the period rows of `fresh` over `known`, both {account: {name: row}}; the newest instant wins.

    An instant from the future proves nothing, so it loses against any other.
    """
    for account, rows in fresh.items():
        mine = known.setdefault(account, {})
        for name, row in rows.items():
            old = mine.get(name)
            if old is None or _instant(row, now) >= _instant(old, now):
                mine[name] = row
    return known


def _instant(row, now):
    return row[4] if row[4] <= now + FUTURE_S else -1


def field(text):
    """`text` as one field: tabs and line ends would be structure."""
    return str(text).replace("\t", " ").replace("\n", " ").replace("\r", " ")


def row(*fields):
    return "\t".join([field(f) for f in fields]) + "\n"


def period_rows(periods):
    return "".join(
        [row("period", account, name, *values) for account, rows in periods.items() for name, values in rows.items()]
    )


def observation_text(source, periods, sessions):
    kept = sorted(sessions.items(), key=lambda item: item[1][1])[-SESSIONS_KEPT:]
    return (
        row(OBSERVATION_MAGIC, VERSION, source)
        + period_rows(periods)
        + "".join([row("session", session, *seen) for session, seen in kept])
    )
