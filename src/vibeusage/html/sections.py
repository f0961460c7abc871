"""The parts of the page: a heading, a chart, what its colours mean, and a table behind it."""

from collections.abc import Callable, Sequence

from vibeusage.figures import amount, counted
from vibeusage.html import charts, quotas, svg, tables
from vibeusage.html.content import Content
from vibeusage.html.markup import Markup, joined, outside, tag
from vibeusage.html.svg import About, Bar
from vibeusage.html.wording import NAMES, cached, name_of, price, share, size, together, told
from vibeusage.records import heatmap
from vibeusage.records.reports import Report
from vibeusage.records.tally import Row

BARS = 12  # of a chart of names
TITLES = {  # of the section, and of its columns of names
    "models": ("Models", "Model"),
    "providers": ("Tools", "Tool"),
    "projects": ("Projects", "Project"),
    "branches": ("Branches", "Project", "Branch"),
    "devices": ("Machines", "Machine"),
}

Shown = Callable[[str], str]  # a folder as it is shown


def all_of(content: Content, shown: Shown) -> list[tuple[str, str, Markup]]:
    """(id, title, section) of each."""
    past = [("quotas", "Quota history", quotas.section(content.quotas, content.query, content.made_at))]
    return [*(_of_records(content, shown) if content.by_time.rows else []), *(past if content.quotas else [])]


def _of_records(content: Content, shown: Shown) -> list[tuple[str, str, Markup]]:
    models = charts.models_of(content)
    unit = NAMES[content.period]
    found = [
        ("cost", f"Cost by {unit}", over_time(content, models, "cost")),
        ("tokens", f"Tokens by {unit}", over_time(content, models, "tokens")),
        ("year", "Heatmap", year(content)),
        *((kind, TITLES[kind][0], groups(content, kind, shown, models)) for kind in ("providers", "models")),
        ("cache", "Cache efficiency", cache(content)),
    ]
    others = [kind for kind in ("projects", "branches", "devices") if _is_recorded(content, kind)]
    return [*found, *((kind, TITLES[kind][0], groups(content, kind, shown, models)) for kind in others)]


def cards(content: Content) -> Markup:
    """The sums of all, exact in their `value`."""
    total = content.by_time.total
    facts = [
        ("Cost at list price", tables.exact_price(total)),
        ("Tokens", tables.exact_tokens(total, short=True)),
        ("Calls", tag("data", f"{total.messages:,}", value=total.messages)),
        ("Prompts cached", cached(total) or "-"),
        ("Models", f"{len(total.models):,}"),
        ("Tools", f"{len(total.providers):,}"),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in facts), class_="cards", id="sums")


def over_time(content: Content, models: Sequence[str], measure: str) -> Markup:
    if measure == "cost" and not size(content.by_time.total, measure):
        is_known = content.by_time.total.cost is not None
        return tag("p", "At list price these calls cost nothing." if is_known else "No price of these models is known.")
    names = charts.named(models, content)
    whole = content.by_time.total
    unit = NAMES[content.period]
    rows = [
        [row.key, _exact(row, measure), *(_part(part, measure) for part in charts.by_model(row, models)[: len(names)])]
        for row in content.by_time.rows
    ]
    parts = [part for row in content.by_time.rows for part in row.breakdown]
    sums = charts.by_model(together(content.by_time.rows, breakdown=tuple(parts)), models)[: len(names)]
    total = [_exact(whole, measure), *(_part(part, measure) for part in sums)]
    heads = [unit.capitalize(), "All", *map(outside, names)]
    caption = f"{measure.capitalize()} by {unit} and model"
    table = tables.Table(measure, caption, heads, rows, total)
    legend = svg.swatches(names)
    return joined([svg.framed(charts.over_time(content, models, measure), caption), legend, tables.behind(table)])


def _part(row: Row | None, measure: str) -> str:
    return told(row, measure) if row else ""


def _exact(row: Row, measure: str) -> Markup:
    return tables.exact_price(row) if measure == "cost" else tables.exact_tokens(row)


def year(content: Content) -> Markup:
    found = content.year
    facts = heatmap.facts(found, content.measure)
    told = f"{counted(facts.active, 'day')} with records, at most {facts.streak} in a row"
    most = f"; most {content.measure} on {facts.busiest}" if facts.busiest else ""
    text = tag("p", f"{told}{most}." if facts.active else "No records.")
    marks = joined(svg.swatch(f"l{level}") for level in range(5))
    legend = tag("p", "less", Markup(" "), marks, Markup(" "), f"more {content.measure} a day", class_="legend")
    rows = [[row.key, *tables.counts(row)] for row in found.rows]
    caption = f"Days from {found.since} to {found.until}"
    table = tables.Table("year", caption, ("Day", *tables.COUNTS), rows, tables.counts(_sum(found.rows, found.total)))
    return joined([text, svg.framed(charts.heat(content), caption), legend, tables.behind(table)])


def _sum(rows: Sequence[Row], whole: Row) -> Row:
    return together(rows) if rows else whole


def cache(content: Content) -> Markup:
    total, unit = content.by_time.total, NAMES[content.period]
    said = f"{cached(total)} of all prompt tokens were read from the cache, at a fraction of the price of new ones."
    rows = [[row.key, *_cache_cells(row)] for row in content.by_time.rows if charts.prompt_of(row)]
    heads = (unit.capitalize(), "Prompt tokens", "Cache read", "Cache write", "Not cached", "Read from the cache")
    caption = f"What the cache had of the prompts, by {unit}"
    table = tables.Table("cache", caption, heads, rows, _cache_cells(total))
    legend = svg.swatches(charts.CACHE)
    return joined([tag("p", said), svg.framed(charts.cache(content), caption), legend, tables.behind(table)])


def _cache_cells(row: Row) -> list[str]:
    numbers = (charts.prompt_of(row), row.cache_read_tokens, row.cache_creation_tokens, row.input_tokens)
    return [*(f"{number:,}" for number in numbers), cached(row)]


def groups(content: Content, kind: str, shown: Shown, models: Sequence[str]) -> Markup:
    """Bars of the dearest, with their share of all; a model has the colour that it has in the other charts."""
    found = content.groups[kind]
    rows = _tools(found.rows) if kind == "providers" else list(found.rows)
    measure = "cost" if size(found.total, "cost") else "tokens"
    colors = {model: place for place, model in enumerate(models)} if kind == "models" else {}
    bars = [
        Bar(" · ".join(_names(row, kind, shown)), size(row, measure), _bar_text(row, found.total, measure), color)
        for row, color in ((row, colors.get(row.model, len(colors))) for row in rows[:BARS])
    ]
    title = TITLES[kind][0]
    most = ", ".join(f"{bar.name} {bar.text}" for bar in bars[:3])
    about = About(kind, f"{title} by {measure}", f"The largest: {most}. The table below has every number.")
    more = f"{len(rows) - BARS:,} more are in the table." if len(rows) > BARS else ""
    told = [tag("p", more)] if more else []
    table = tables.behind(_table(found, kind, rows, shown, measure))
    return joined([svg.framed(svg.rows(about, bars), about.title), *told, table])


def _table(found: Report, kind: str, rows: Sequence[Row], shown: Shown, measure: str) -> tables.Table:
    title, *heads = TITLES[kind]
    hidden = f"; {found.hidden:,} more are in the sum only" if found.hidden else ""
    cells = [
        [*_names(row, kind, shown), *tables.counts(row), share(row, found.total, measure)] for row in rows
    ]
    total = [*[""] * (len(heads) - 1), *tables.exact_counts(found.total), ""]
    caption = f"{title}, the dearest first{hidden}"
    return tables.Table(kind, caption, (*heads, *tables.COUNTS, "Share"), cells, total, names=len(heads))


def _bar_text(row: Row, whole: Row, measure: str) -> str:
    told = [price(row), share(row, whole, measure), f"{amount(row.total_tokens, short=True)} tokens"]
    return " · ".join(filter(None, told))


def _tools(rows: Sequence[Row]) -> list[Row]:
    """By tool, whatever route its calls took."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.provider, []).append(row)
    sums = [together(some, provider=name) for name, some in found.items()]
    return sorted(sums, key=lambda row: (-size(row, "cost"), -row.total_tokens))


def _names(row: Row, kind: str, shown: Shown) -> list[str]:
    match kind:
        case "models":
            return [" ".join(filter(None, (name_of(row.model), row.speed)))]
        case "providers":
            return [row.provider]
        case "projects":
            return [name_of(shown(row.project))]
        case "branches":
            return [name_of(shown(row.project)), name_of(row.branch)]
    return [name_of(row.machine)]


def _is_recorded(content: Content, kind: str) -> bool:
    """Whether it says more than the sums: one machine is no comparison."""
    rows = content.groups[kind].rows
    name = {"projects": "project", "branches": "branch", "devices": "machine"}[kind]
    return any(getattr(row, name) for row in rows) and (kind != "devices" or len(rows) > 1)
