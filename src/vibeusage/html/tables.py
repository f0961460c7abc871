"""Tables: what a chart shows in numbers. The sums hold the exact amount beside the one that is read."""

from collections.abc import Sequence
from typing import NamedTuple

from vibeusage.figures import amount
from vibeusage.html.markup import Markup, tag
from vibeusage.html.wording import cached, price
from vibeusage.records.tally import Row

COUNTS = ("Calls", "Input", "Output", "Cache write", "Cache read", "Cached", "Total tokens", "Cost")


class Table(NamedTuple):
    """The first of `names` columns names its row; `total` begins with the second column."""

    id: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] = ()
    names: int = 1


def behind(table: Table) -> Markup:
    """A table that opens below its chart."""
    named = f"{table.id}-caption"
    scrolled = tag("section", drawn(table), class_="scroll", tabindex=0, aria_labelledby=named)
    return tag("details", tag("summary", f"Table: {table.caption[:1].lower()}{table.caption[1:]}"), scrolled)


def drawn(table: Table) -> Markup:
    names = ["name" if place < table.names else None for place in range(len(table.heads))]
    heads = [tag("th", text, scope="col", class_=name) for text, name in zip(table.heads, names, strict=True)]
    parts = [
        tag("caption", table.caption, id=f"{table.id}-caption"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *(_row(cells, names) for cells in table.rows)),
    ]
    last = [tag("tfoot", _row(("Total", *table.total), names))] if table.total else []
    return tag("table", *parts, *last)


def _row(cells: Sequence[str], names: Sequence[str | None]) -> Markup:
    first, *rest = cells
    found = (tag("td", text, class_=name) for text, name in zip(rest, names[1:], strict=True))
    return tag("tr", tag("th", first, scope="row"), *found)


def counts(row: Row) -> list[str]:
    numbers = (row.messages, row.input_tokens, row.output_tokens, row.cache_creation_tokens, row.cache_read_tokens)
    return [*(f"{number:,}" for number in numbers), cached(row), f"{row.total_tokens:,}", price(row)]


def exact_counts(row: Row) -> list[str]:
    """Of a sum."""
    *numbers, share, _, _ = counts(row)
    return [*numbers, share, exact_tokens(row), exact_price(row)]


def exact_price(row: Row) -> Markup:
    shown = price(row)
    return Markup(shown) if row.cost is None else tag("data", shown, value=row.cost)


def exact_tokens(row: Row, *, short: bool = False) -> Markup:
    return tag("data", amount(row.total_tokens, short=short), value=row.total_tokens)
