"""HOT PATH: what was spent, as units of the line, from the rows that a sync has prepared.

A row is `(provider, name, start, end, amount, tokens, state)`: `provider` "*" for all of them together, `name`
today, month, block or burn, true while `start <= now < end` (epoch seconds; today's end is local midnight).
`amount` is micro-dollars at list price, -1 when no model of it has a price; of burn it is per hour, and
`tokens` what the block will have cost at its end. `state`: recorded, calculated, partial, unknown, estimate.
"""

from vibeusage import pace

RANK = 65
LABELS = {"today": "today", "month": "month", "block": "block"}


def units(rows, options, now):
    """`(units, until)` of the chosen costs: of the chosen providers, else of all together."""
    providers = {name.split("@")[0] for name in options["provider"].split(",") if name} or {"*"}
    found, until = [], pace.NEVER
    for place, name in enumerate([name for name in options["costs"].split(",") if name]):
        mine = [row for row in rows if row[1] == name and row[0] in providers]
        until = min([until, *[edge for row in mine for edge in row[2:4] if edge > now]])
        true = [row for row in mine if row[2] <= now < row[3]]
        if true:
            found.append([(RANK + min(place, 4), style, text) for style, text in _pieces(name, true)])
    return found, until


def _pieces(name, rows):
    amounts = [row[4] for row in rows if row[4] >= 0]
    if name == "burn":
        if not amounts:
            return []
        ends = f" → ~{money(sum([row[5] for row in rows]))}"
        return [("", f"~{money(sum(amounts))}/h"), ("dim", ends)]
    lacks = any([row[4] < 0 or row[6] in ("partial", "unknown") for row in rows])
    if not amounts:
        return [("", f"{LABELS[name]} {count(sum([row[5] for row in rows]))} tok")]
    return [("", f"{LABELS[name]} {money(sum(amounts))}{'+' if lacks else ''}")]


def money(micro):
    """`$0.00`, `$12.34`, `$1235`; an amount that is not nothing never reads as nothing."""
    if 0 < micro < 5_000:
        return "<$0.01"
    cents = (micro + 5_000) // 10_000
    return f"${cents // 100}.{cents % 100:02d}" if cents < 100_000 else f"${(cents + 50) // 100}"


def count(tokens):
    """`950`, `12.3k`, `4.5M`, `1.2G`."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if tokens >= unit:
            return f"{tokens / unit:.1f}{letter}"
    return str(tokens)
