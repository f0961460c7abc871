"""The charts over time, from the rows of a report."""

from collections.abc import Sequence
from datetime import date, timedelta

from vibeusage.html import svg
from vibeusage.html.content import Content
from vibeusage.html.markup import Markup
from vibeusage.html.svg import About, Scale
from vibeusage.html.wording import NAMES, marks, name_of, scale_text, size, together, told
from vibeusage.records import heatmap
from vibeusage.records.tally import Row

SERIES = 7  # models with a colour of their own
OTHERS = "all other models"
MONDAY = date(2024, 1, 1)  # some Monday
CACHE = ("read from the cache", "written to the cache", "not cached")


def models_of(content: Content) -> list[str]:
    """Those with a colour of their own, the dearest first."""
    found: dict[str, list[Row]] = {}
    for row in content.by_time.rows:
        for part in row.breakdown:
            found.setdefault(part.model, []).append(part)
    sums = {model: together(parts) for model, parts in found.items()}
    return sorted(sums, key=lambda model: (-size(sums[model], "cost"), -sums[model].total_tokens, model))[:SERIES]


def named(models: Sequence[str], content: Content) -> list[str]:
    """The models as a legend has them, with the rest where there is one."""
    has_others = any(part.model not in models for row in content.by_time.rows for part in row.breakdown)
    return [*(name_of(model) for model in models), *([OTHERS] if has_others else [])]


def by_model(row: Row, models: Sequence[str]) -> list[Row | None]:
    """What each of `models` has of a row, and last all others."""
    found: list[list[Row]] = [[] for _ in range(len(models) + 1)]
    for part in row.breakdown:
        found[models.index(part.model) if part.model in models else len(models)].append(part)
    return [together(parts) if parts else None for parts in found]


def over_time(content: Content, models: Sequence[str], measure: str) -> Markup:
    """Columns stacked by model."""
    rows = {row.key: row for row in content.by_time.rows}
    columns, texts = [], []
    for span in content.spans:
        row = rows.get(span.key)
        parts = by_model(row, models) if row else []
        columns.append([size(part, measure) if part else 0.0 for part in parts])
        texts.append(_said(row, models, parts, measure) if row else "")
    most = max(content.by_time.rows, key=lambda row: size(row, measure))
    unit = NAMES[content.period]
    text = (
        f"{len(content.by_time.rows)} of {len(content.spans)} {unit}s have calls. Most: {most.key} with "
        f"{told(most, measure)}. In all {told(content.by_time.total, measure)}. The table below has every number."
    )
    about = About(measure, f"{measure.capitalize()} by {unit}, stacked by model", text)
    top = max(map(sum, columns), default=0)
    return svg.stacked(about, columns, scale(top, measure), marks([span.first for span in content.spans]), texts)


def _said(row: Row, models: Sequence[str], parts: Sequence[Row | None], measure: str) -> str:
    names = [*(name_of(model) for model in models), OTHERS]
    pairs = [(part, name) for part, name in zip(parts, names, strict=True) if part]
    pairs.sort(key=lambda pair: -size(pair[0], measure))
    return f"{row.key}: {told(row, measure)} ({', '.join(f'{name} {told(part, measure)}' for part, name in pairs)})"


def scale(top: float, measure: str) -> Scale:
    lines = svg.ticks(top)
    step = lines[-1] / max(1, len(lines) - 1)
    return Scale(lines[-1], tuple((value, scale_text(value, step, measure)) for value in lines))


def cache(content: Content) -> Markup:
    """Of each prompt, what the cache had."""
    rows = {row.key: row for row in content.by_time.rows}
    columns, texts = [], []
    for span in content.spans:
        row = rows.get(span.key)
        prompt = prompt_of(row) if row else 0
        parts = (row.cache_read_tokens, row.cache_creation_tokens, row.input_tokens) if row and prompt else ()
        columns.append([100 * part / prompt for part in parts])
        said = (f"{100 * part / prompt:.1f}% {name}" for part, name in zip(parts, CACHE, strict=False))
        texts.append(f"{span.key}: {', '.join(said)}" if parts else "")
    total, unit = content.by_time.total, NAMES[content.period]
    sums = (total.cache_read_tokens, total.cache_creation_tokens, total.input_tokens)
    said = (f"{100 * part / max(1, prompt_of(total)):.1f}% {name}" for part, name in zip(sums, CACHE, strict=True))
    text = f"In all: {', '.join(said)}."
    about = About("cache", f"What the cache had of the prompts, by {unit}", f"{text} The table below has every number.")
    return svg.stacked(about, columns, scale(100, "percent"), marks([span.first for span in content.spans]), texts)


def prompt_of(row: Row) -> int:
    return row.input_tokens + row.cache_creation_tokens + row.cache_read_tokens


def heat(content: Content) -> Markup:
    year, measure = content.year, content.measure
    first, last = year.since or content.first, year.until or content.last
    columns = heatmap.weeks(first, last, content.query.week_start)
    rows = {row.key: row for row in year.rows}
    months, before = {}, ""
    for place, column in enumerate(columns):
        day = next((day for day in column if day and day.day <= 7), None)
        if day and f"{day:%b}" != before and place + 2 <= len(columns):
            before = months[place] = f"{day:%b}"
    facts = heatmap.facts(year, measure)
    most = f", most on {facts.busiest}" if facts.busiest else ""
    text = f"{facts.active} days with records{most}. The table below has every number."
    about = About("year", f"{measure.capitalize()} of each day from {first} to {last}", text)
    squares = [[_square(day, rows, measure) for day in column] for column in columns]
    names = [f"{MONDAY + timedelta(days=content.query.week_start + place):%a}" for place in range(7)]
    return svg.weeks(about, squares, months, names)


def _square(day: date | None, rows: dict[str, Row], measure: str) -> tuple[int, str] | None:
    if day is None:
        return None
    row = rows.get(day.isoformat())
    return (row.level, f"{day:%a} {day}: {told(row, measure)}") if row else (0, f"{day:%a} {day}: nothing")
