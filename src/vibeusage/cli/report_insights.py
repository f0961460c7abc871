"""Insights as pages for people and as CSV: a section for each question. What is an estimate has a `~` before it."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from vibeusage import pace, toml_edit
from vibeusage.cli.report_csv import harmless
from vibeusage.cli.report_table import without_price
from vibeusage.escape import width
from vibeusage.figures import amount, counted, left_out, money, price, uncertain
from vibeusage.records.insights import Insights
from vibeusage.records.insights.caching import Caching
from vibeusage.records.insights.comparison import AtModel, Comparison
from vibeusage.records.insights.dearest import Dear
from vibeusage.records.insights.plans import PlanRow
from vibeusage.records.stored import LOCAL
from vibeusage.terminal import Line, Style, cut, painted, wrapped

COLUMNS = ("section", "name", "provider", "model", "usd", "is_estimate", "messages", "total_tokens", "share", "note")
SAME = (
    "the same counts of tokens, prompt sizes and days at each model's own list price; other models split text into "
    "other tokens, answer at other lengths and hit their caches at other times"
)
ABOUT = "~ is an estimate; `--json` has the terms of each number"
GAP, INDENT, LEAST, TEXT_LIMIT = 2, 2, 8, 400
NARROW = 70  # columns from which on makers are told
NOT_KNOWN = "not known"
USABLE = ("use", "with care", "pays by use")


def page(found: Insights, style: Style, home: str) -> str:
    """`home` is shown as ~."""
    lines = [*_head(found, style)]
    for title, body in _sections(found, style, home):
        lines += [[], [("dim", title)], *body]
    notes = [line for note in _notes(found, style) for line in _wrapped(note, style, "dim")]
    return "\n".join(painted(cut(line, style.columns, style), style).rstrip() for line in [*lines, [], *notes])


def _sections(found: Insights, style: Style, home: str) -> Iterator[tuple[str, list[Line]]]:
    yield "The same tokens at other models", _comparison(found.comparison, style)
    yield "The cache", _cache(found.cache, style)
    yield "The dearest projects", _dear(found.projects, style, home)
    yield "The dearest sessions", _dear(found.sessions, style, home)
    yield "Plans against paying for each token", _plans(found.plans, style)
    yield "What to use now", _choices(found, style)


def _head(found: Insights, style: Style) -> list[Line]:
    days = f"{found.since or 'the first record'} to {found.until or 'today'}"
    told = ["Insights", days, found.zone, f"cost at list price as of {found.prices_as_of}"]
    total = f"{counted(found.total.messages, 'call')}, {found.total.total_tokens:,} tokens, {price(found.total, style)}"
    head = style.glyphs.separator.join(style.text(part) for part in told)
    return [*_wrapped(head, style, ""), *_wrapped(total, style, "")]


# --- the sections


def _comparison(found: Comparison, style: Style) -> list[Line]:
    if found.usd is None:
        return _told(["no calls with a known cost"], style)
    rows = [("Model", "Maker", "Cost", ""), ("as it was used", "", money(found.usd), "")]
    rows += [_at(one, style) for one in found.rows]
    if style.columns < NARROW:
        rows = [(model, cost, times) for model, _, cost, times in rows]
    lines = _table(rows, style, left=1 if style.columns < NARROW else 2)
    notes = [SAME]
    if found.left_out_messages:
        count = f"{counted(found.left_out_messages, 'call')} ({found.left_out_tokens:,} tokens)"
        notes.append(f"without {count} whose cost is not known")
    if otherwise := sum(one.messages_at_standard > 0 for one in found.rows):
        notes.append(f"{otherwise} of them have no price for how some calls were served: their usual one is taken")
    return [*lines, *_told(notes, style)]


def _at(one: AtModel, style: Style) -> tuple[str, str, str, str]:
    about = "~" if one.is_estimate else ""
    maker = ", ".join(part for part in (one.maker, "used here" if one.is_used else "") if part)
    times = "" if one.times is None else f"{about}{one.times:.2f} times"
    return style.text(one.model), style.text(maker), about + money(one.usd), times


def _cache(found: Caching, style: Style) -> list[Line]:
    total = found.total
    if not total.prompt_tokens:
        return _told(["no prompts in this range"], style)
    share = pace.percent((total.read_share or 0.0) * 100)
    written = f"{total.written_tokens:,} written to it"
    said = [f"{share} of {total.prompt_tokens:,} prompt tokens were read from a cache, {written}"]
    if total.saved_usd is None:
        said.append("what that saved is not known: no model has a price")
    else:
        reads, writes = _signed(total.reads_saved_usd), _signed(total.writes_cost_usd)
        said.append(
            f"saved {_signed(total.saved_usd)}: reading was {reads} cheaper, writing {writes} dearer than plain input; "
            f"without a cache {_signed(total.without_cache_usd)} instead of {_signed(total.usd)}"
        )
    if total.unpriced_tokens:
        said.append(f"without {total.unpriced_tokens:,} tokens of models that have no price")
    rows = [
        (
            style.text(one.model) or NOT_KNOWN,
            "-" if one.read_share is None else pace.percent(one.read_share * 100),
            NOT_KNOWN if one.saved_usd is None else _signed(one.saved_usd),
        )
        for one in found.rows
    ]
    return [*_told(said, style), *(_table([("Model", "Read", "Saved"), *rows], style, left=1) if len(rows) > 1 else [])]


def _dear(found: Sequence[Dear], style: Style, home: str) -> list[Line]:
    if not found:
        return _told(["nothing with a known cost"], style)
    lines: list[Line] = []
    for one in found:
        share = "" if one.share is None else f" ({pace.percent(one.share * 100)})"
        name = style.text(_name(one, home), TEXT_LIMIT)
        size = f"{counted(one.messages, 'call')}, {amount(one.total_tokens, short=True)} tokens"
        lines += _hanging(f"{_least(one.cost_state, style)}{money(one.usd)}{share}", f"{name}: {size}", style)
        lines += _told([f"why: {'; '.join(style.text(reason) for reason in one.reasons)}"], style, indent=2 * INDENT)
    return lines


def _name(one: Dear, home: str) -> str:
    folder = one.project
    if home and (folder + "/").startswith(home + "/"):
        folder = "~" + folder[len(home) :]
    named = [part for part in (one.provider, one.session) if part]
    return " ".join([*named, f"in {folder}" if folder and named else folder]) or "not recorded"


def _plans(found: Sequence[PlanRow], style: Style) -> list[Line]:
    if not found:
        return _told(["no calls in this month"], style)
    return [line for one in found for line in _hanging(style.text(one.plan or one.provider), _plan(one, style), style)]


def _plan(one: PlanRow, style: Style) -> str:
    cost = "cost not known" if one.usd is None else _least(one.cost_state, style) + money(one.usd)
    said = [f"{cost}{f' of {one.provider}' if one.plan else ''} in {one.month}"]
    if one.projected_usd is not None:
        said.append(f"~{money(one.projected_usd)} by its end at this rate")
    if one.price_usd is not None:
        return style.text(f"{', '.join(said)}; {money(one.price_usd)} a month: {one.verdict}", TEXT_LIMIT)
    plan = f" of {one.told_plan}" if one.told_plan else ""
    key = f"vibeusage config set {toml_edit.dotted(('plans', one.provider, 'price'))} DOLLARS"
    return style.text(f"{', '.join(said)}; the price{plan} is not known: `{key}`", TEXT_LIMIT)


def _choices(found: Insights, style: Style) -> list[Line]:
    if not found.choices:
        return _told(["no limits are known: `vibeusage refresh` asks for them"], style)
    first = found.choices[0]
    if first.verdict not in USABLE:
        lines = _told(["none is known to have anything left"], style)
    else:
        lines = [[("", " " * INDENT), ("green", f"{style.text(first.account)}")]]
        lines[0].append(("", "" if first.verdict == "use" else f" ({first.verdict})"))
    for place, one in enumerate(found.choices):
        if place or first.verdict not in USABLE:
            lines += _told([f"{style.text(one.account)}: {one.verdict}"], style)
        lines += [
            line
            for reason in one.reasons
            for line in _hanging("-", style.text(reason, TEXT_LIMIT), style, indent=2 * INDENT)
        ]
    return lines


def _notes(found: Insights, style: Style) -> Iterator[str]:
    yield ABOUT
    if found.source != LOCAL:
        yield f"records of {style.text(found.source)}"
    if not found.total.messages:
        yield "no calls in this range" if found.records_since else "no records yet: `vibeusage records sync`"
    yield from (left_out(style.text(name)) for name in found.left_out)
    if found.unpriced:
        yield without_price(found.unpriced, style)
    yield from uncertain(found.total)


# --- lines


def _least(state: str, style: Style) -> str:
    return ("≥" if not style.full.isascii() else ">=") if state == "partial" else ""


def _signed(usd: str | None) -> str:
    if usd is None:
        return NOT_KNOWN
    return f"-{money(usd[1:])}" if usd.startswith("-") else money(usd)


def _wrapped(text: str, style: Style, color: str) -> list[Line]:
    return [[(color, line)] for line in wrapped(text, style.columns)]


def _told(texts: Iterable[str], style: Style, indent: int = INDENT) -> list[Line]:
    room = max(LEAST, style.columns - indent)
    return [[("", " " * indent + line)] for text in texts for line in wrapped(text, room)]


def _hanging(head: str, text: str, style: Style, indent: int = INDENT) -> list[Line]:
    """`text` behind `head`, its further lines a little further in."""
    first, *rest = wrapped(f"{head}  {text}", max(LEAST, style.columns - indent)) or [head]
    deeper = indent + INDENT
    more = [line for part in [" ".join(rest)] if part for line in wrapped(part, max(LEAST, style.columns - deeper))]
    return [[("", " " * indent + first)], *[[("", " " * deeper + line)] for line in more]]


def _table(rows: Sequence[tuple[str, ...]], style: Style, *, left: int) -> list[Line]:
    """The first `left` columns begin at their left; the first one is cut where room is short."""
    cells = [max(map(width, column)) for column in zip(*rows, strict=True)]
    rest = sum(cells[1:]) + GAP * (len(cells) - 1) + INDENT
    cells[0] = min(cells[0], max(LEAST, style.columns - rest))
    lines: list[Line] = []
    for row in rows:
        texts = []
        for place, (text, room) in enumerate(zip(row, cells, strict=True)):
            own = "".join(piece for _, piece in cut([("", text)], room, style))
            blank = " " * (room - width(own))
            texts.append(own + blank if place < left else blank + own)
        lines.append([("dim" if not lines else "", " " * INDENT + (" " * GAP).join(texts))])
    return lines


# --- CSV


def as_csv(found: Insights) -> str:
    """A line for each number of each section."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _csv_rows(found):
        writer.writerow(["" if cell is None else harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _csv_rows(found: Insights) -> Iterator[tuple]:
    same, cache = found.comparison, found.cache
    yield "comparison", "as used", "", "", _plain(same.usd), 0, same.messages, same.total_tokens, None, same.cost_state
    for one in same.rows:
        yield "comparison", "", one.maker, one.model, _plain(one.usd), int(one.is_estimate), None, None, one.times, ""
    for one in (cache.total, *cache.rows):
        usd = _plain(one.saved_usd)
        yield "cache", "saved", "", one.model, usd, 0, None, one.prompt_tokens, one.read_share, ""
    for section, rows in (("projects", found.projects), ("sessions", found.sessions)):
        for one in rows:
            name = one.session or one.project
            counts = (one.messages, one.total_tokens, one.share)
            yield section, name, one.provider, "", _plain(one.usd), 0, *counts, "; ".join(one.reasons)
    for one in found.plans:
        yield "plans", one.plan, one.provider, "", _plain(one.usd), 0, None, one.total_tokens, None, one.verdict
    for one in found.choices:
        left = None if one.remaining is None else round(one.remaining / 100, 4)
        yield "choices", one.account, one.provider, "", None, 0, None, None, left, one.verdict


def _plain(usd: str | None) -> float | None:
    """A number also below nothing, which as a text would pass for a formula."""
    return None if usd is None else float(usd)
