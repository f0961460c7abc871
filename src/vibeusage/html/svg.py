"""Charts as inline SVG, from plain numbers. Colours are classes of the style sheet: `s0` and on for series."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import floor, log10
from typing import NamedTuple

from vibeusage.escape import clean, width
from vibeusage.html.markup import Markup, joined, number, outside, tag

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 28
PLOT_HEIGHT, CURVE_HEIGHT = 220, 100
TICKS = 5
WIDEST = 48.0  # column
LABEL_ROOM = 52  # from the beginning of a label to that of the next
ROW_HEIGHT, BAR_HEIGHT, NAME_ROOM, VALUE_ROOM, NAME_CELLS = 28, 16, 230, 240, 30
DOT = 3  # its radius
CELL, CELL_GAP, WEEK_LEFT, WEEK_TOP = 14, 3, 40, 22


class About(NamedTuple):
    """What a chart is, for who cannot see it; `id` begins the ids in it."""

    id: str
    title: str
    text: str


class Scale(NamedTuple):
    """The highest value that has room, and the lines across: (value, text)."""

    top: float
    lines: tuple[tuple[float, str], ...]


class Bar(NamedTuple):
    """A row of `rows`; `series` is its colour."""

    name: str
    size: float
    text: str
    series: int = 0


class Curve(NamedTuple):
    """Percent over time, x from 0 to 1: a value stays until the next of its line; between lines none is known."""

    lines: Sequence[Sequence[tuple[float, float]]]
    resets: Sequence[float]
    labels: Sequence[tuple[float, str]]
    top: float = 100


def drawing(about: About, height: float, parts: Iterable[str]) -> Markup:
    ids = f"{about.id}-title", f"{about.id}-text"
    told = (tag("title", about.title, id=ids[0]), tag("desc", about.text, id=ids[1]))
    box = f"0 0 {WIDTH} {number(height)}"
    return tag("svg", *told, *parts, role="img", aria_labelledby=" ".join(ids), viewBox=box, class_="drawing")


def ticks(top: float) -> list[float]:
    """From 0 to the first beyond `top`, by 1, 2 or 5 of some power of ten."""
    if top <= 0:
        return [0.0]
    rough = top / (TICKS - 1)
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    count = -int(-top / step // 1) if top / step % 1 > 1e-9 else round(top / step)
    return [step * place for place in range(count + 1)]


def stacked(
    about: About,
    columns: Sequence[Sequence[float]],
    scale: Scale,
    labels: Sequence[tuple[int, str]],
    told: Sequence[str],
) -> Markup:
    """A column for each of `columns`, which hold a value for each series; `told` is what is said of a column."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(columns))
    parts = [*_lines(scale), *_labels(labels, step)]
    parts += _bars(columns, scale.top, step)
    for place, text in enumerate(told):
        if text:
            box = f"M{number(LEFT + place * step)} {TOP}h{number(step)}v{PLOT_HEIGHT}h-{number(step)}z"
            parts.append(tag("path", tag("title", text), class_="over", d=box))
    return drawing(about, TOP + PLOT_HEIGHT + BOTTOM, parts)


def _lines(scale: Scale, height: float = PLOT_HEIGHT) -> Iterable[Markup]:
    for value, text in scale.lines:
        y = _y(value, scale.top, height)
        yield tag("path", d=f"M{LEFT} {number(y)}H{WIDTH - RIGHT}", class_="line")
        yield tag("text", text, x=float(LEFT - 8), y=y + 4, class_="end")


def _labels(labels: Sequence[tuple[int, str]], step: float) -> Iterable[Markup]:
    """Those that have room beside the one before."""
    free = 0.0
    for place, text in labels:
        x = LEFT + place * step + (step - _bar(step)) / 2
        if x >= free and x + width(text) * 7 <= WIDTH:
            yield tag("text", text, x=x, y=float(TOP + PLOT_HEIGHT + 20))
            free = x + max(LABEL_ROOM, width(text) * 7 + 12)


def _bars(columns: Sequence[Sequence[float]], top: float, step: float) -> Iterable[Markup]:
    """One path for each series, so that a year of days stays small."""
    count, bar = max(map(len, columns), default=0), _bar(step)
    base, pieces = [0.0] * len(columns), [[] for _ in range(count)]
    for place, values in enumerate(columns):
        x = LEFT + place * step + (step - bar) / 2
        for series, value in enumerate(values):
            if value > 0:
                high, low = number(_y(base[place] + value, top)), number(_y(base[place], top))
                pieces[series].append(f"M{number(x)} {low}V{high}h{number(bar)}V{low}z")
                base[place] += value
    return [tag("path", d=Markup("".join(found)), class_=f"s{series}") for series, found in enumerate(pieces) if found]


def _bar(step: float) -> float:
    return min(WIDEST, step * (0.82 if step > 3 else 0.94))


def _y(value: float, top: float, height: float = PLOT_HEIGHT) -> float:
    return TOP + height * (1 - (value / top if top > 0 else 0))


def rows(about: About, bars: Sequence[Bar]) -> Markup:
    """A bar to the right of each name, and its value behind."""
    top, room = max((bar.size for bar in bars), default=0), WIDTH - NAME_ROOM - VALUE_ROOM
    parts: list[Markup] = []
    for place, bar in enumerate(bars):
        y = place * ROW_HEIGHT
        long = room * bar.size / top if top > 0 else 0
        parts += [
            tag("text", short(bar.name), x=float(NAME_ROOM - 10), y=y + 20.0, class_="end name"),
            tag("rect", x=float(NAME_ROOM), y=y + 7.0, width=float(room), height=float(BAR_HEIGHT), class_="track"),
        ]
        if long > 0:
            box = {"x": float(NAME_ROOM), "y": y + 7.0, "width": max(1.0, long), "height": float(BAR_HEIGHT)}
            parts.append(tag("rect", **box, class_=f"s{bar.series}"))
        parts.append(tag("text", bar.text, x=float(NAME_ROOM + room + 10), y=y + 20.0))
    return drawing(about, len(bars) * ROW_HEIGHT + 4, parts)


def short(name: str, cells: int = NAME_CELLS) -> str:
    """The end of it, which tells paths apart, where all of it has no room."""
    name = clean(name, 400)
    if width(name) <= cells:
        return name
    widths = [width(name[place:]) for place in range(len(name))]
    return "…" + name[len(widths) - bisect_left(widths[::-1], cells) :]


def weeks(
    about: About, columns: Sequence[Sequence[tuple[int, str] | None]], months: dict[int, str], names: Sequence[str]
) -> Markup:
    """A square for each day: its level from 0 to 4 and what is said of it; every other day of a week is named."""
    size = CELL + CELL_GAP
    parts = [tag("text", text, x=WEEK_LEFT + place * size, y=14) for place, text in months.items()]
    parts += [tag("text", names[row], x=0, y=WEEK_TOP + row * size + 11) for row in (0, 2, 4)]
    for place, column in enumerate(columns):
        for row, day in enumerate(column):
            if day:
                box = {"x": WEEK_LEFT + place * size, "y": WEEK_TOP + row * size}
                told = tag("title", day[1])
                parts.append(tag("rect", told, **box, width=CELL, height=CELL, rx=2, class_=f"l{day[0]}"))
    return drawing(about, WEEK_TOP + 7 * size, parts)


def curve(about: About, found: Curve) -> Markup:
    """A dashed line stands where a window was reset, a dot where too little was seen of one for a line."""
    scale = Scale(found.top, tuple((value, f"{value:.0f}%") for value in (0, 50, 100) if value <= found.top))
    height, room = CURVE_HEIGHT, WIDTH - LEFT - RIGHT
    parts = [*_lines(scale, height)]
    for x in found.resets:
        parts.append(tag("path", d=f"M{number(LEFT + x * room)} {TOP}v{height}", class_="reset"))
    drawn = "".join(
        f"{'H' if place else 'M'}{number(LEFT + x * room)}{'V' if place else ' '}{number(_y(y, found.top, height))}"
        for line in found.lines
        for place, (x, y) in enumerate(line)
    )
    parts.append(tag("path", d=Markup(drawn), class_="step"))
    for (*_, (x, y)) in (line for line in found.lines if line and (line[-1][0] - line[0][0]) * room < DOT):
        parts.append(_dot(LEFT + x * room, _y(y, found.top, height)))
    parts += [tag("text", text, x=LEFT + x * room, y=TOP + height + 20) for x, text in found.labels]
    return drawing(about, TOP + height + BOTTOM, parts)


def _dot(x: float, y: float) -> Markup:
    half = f"a{DOT} {DOT} 0 1 0"
    return tag("path", d=f"M{number(x - DOT)} {number(y)}{half} {2 * DOT} 0{half} -{2 * DOT} 0z", class_="dot")


def framed(chart: Markup, title: str) -> Markup:
    """In a window of its own, which a narrow screen or the keys can move."""
    return tag("div", chart, class_="chart", tabindex=0, role="group", aria_label=f"Chart: {title}")


def swatches(names: Sequence[str]) -> Markup:
    """What the colours of the series mean, in their order."""
    items = (tag("li", swatch(f"s{place}"), Markup(" "), outside(name)) for place, name in enumerate(names))
    return tag("ul", joined(items), class_="legend")


def swatch(color: str) -> Markup:
    return tag("svg", tag("rect", width=12, height=12, rx=2, class_=color), width=12, height=12, aria_hidden="true")
