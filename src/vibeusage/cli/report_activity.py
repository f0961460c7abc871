"""What tools record beyond tokens, as a table and as CSV: a block for each tool."""

import csv
import io
from collections.abc import Sequence
from itertools import groupby

from vibeusage import pace
from vibeusage.cli.report_columns import NOT_RECORDED
from vibeusage.cli.report_csv import harmless
from vibeusage.escape import width
from vibeusage.figures import amount, counted, money
from vibeusage.records.activity import Activity, Fact
from vibeusage.records.stored import LOCAL
from vibeusage.terminal import Line, Style, cut, padded, painted, wrapped

TITLES = {
    "prompt_tokens": "Prompt tokens",
    "cache_saved": "Saved by the cache",
    "model_switching": "Models in a session",
    "request_kinds": "Kinds of requests",
    "providers": "Answers by provider",
    "provider_switching": "Providers in a session",
    "context_providers": "Context providers",
    "slash_commands": "Slash commands",
    "edited_files": "Edited files",
    "completions_accepted": "Completions accepted",
    "accepted_by_language": "Accepted by language",
    "accepted_by_editor": "Accepted by editor",
    "languages": "Languages of code",
    "editors": "Editors",
}
COLUMNS = ("provider", "fact", "name", "count", "share", "usd", "is_recorded", "source")
GAP, LEAST = 2, 8


def table(report: Activity, style: Style) -> str:
    rows = [(fact, _cells(fact, style)) for fact in report.rows]
    first = max((width(cells[0]) for _, cells in rows), default=0)
    named = max((width(cells[1]) for fact, cells in rows if fact.is_recorded), default=0)
    last = [max((width(cells[place]) for _, cells in rows), default=0) for place in (2, 3)]
    rest = style.columns - sum(last) - 3 * GAP - GAP
    named = max(LEAST, min(named, rest - first))
    first = max(LEAST, min(first, rest - named))
    lines = _head(report, style)
    for provider, block in groupby(rows, key=lambda row: row[0].provider):
        lines += [[], [("", style.text(provider))]]
        for source, part in groupby(block, key=lambda row: row[0].source):
            lines += [[("dim", f"{' ' * GAP}{style.text(source)}")]] if source else []
            lines += _block([cells for _, cells in part], (first, named, *last), style)
    notes = [[("dim", line)] for note in _notes(report) for line in wrapped(note, style.columns)]
    return "\n".join(painted(cut(line, style.columns, style), style).rstrip() for line in [*lines, [], *notes])


def as_csv(report: Activity) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for fact in report.rows:
        texts = [harmless(text) for text in (fact.provider, fact.fact, fact.name)]
        counts = ["" if value is None else value for value in (fact.count, fact.share, fact.usd)]
        writer.writerow([*texts, *counts, int(fact.is_recorded), harmless(fact.source)])
    return out.getvalue()


def _head(report: Activity, style: Style) -> list[Line]:
    days = f"{report.since or 'the first record'} to {report.until or 'today'}" if report.since or report.until else ""
    prices = f"cost at list price as of {report.prices_as_of}"
    parts = ["Beyond tokens, by tool", days, report.zone, prices]
    told = style.glyphs.separator.join(style.text(part) for part in parts if part)
    return [[("", line)] for line in wrapped(told, style.columns)]


def _cells(fact: Fact, style: Style) -> tuple[str, str, str, str]:
    """Fact, name, count and share; what is not recorded says so in place of a name."""
    title = TITLES[fact.fact]
    if not fact.is_recorded:
        return title, NOT_RECORDED, "", ""
    count = "" if fact.count is None else amount(fact.count, short=style.columns < 60)
    if fact.usd is not None:
        count = money(fact.usd) if not fact.usd.startswith("-") else f"-{money(fact.usd[1:])}"
    share = "" if fact.share is None else pace.percent(fact.share * 100)
    return title, style.text(fact.name), count, share


def _block(rows: Sequence[tuple[str, str, str, str]], cells: tuple[int, ...], style: Style) -> list[Line]:
    lines, before = [], ""
    for title, name, count, share in rows:
        shown = padded(cut([("", "" if title == before else title)], cells[0], style), cells[0] + GAP)
        if name == NOT_RECORDED:
            lines.append([("", " " * GAP), *shown, ("dim", name)])
        else:
            own = padded(cut([("", name)], cells[1], style), cells[1] + GAP)
            lines.append([("", " " * GAP), *shown, *own, ("", f"{count:>{cells[2]}}{' ' * GAP}{share:>{cells[3]}}")])
        before = title
    return lines


def _notes(report: Activity) -> list[str]:
    found = []
    if not report.rows:
        found.append("no calls in this range" if report.records_since else "no records yet: `vibeusage records sync`")
    if any(fact.fact == "accepted_by_editor" for fact in report.rows):
        found.append("GitHub tells editors of all code together, of completions, chat and agents")
    if report.source != LOCAL:
        found.append(f"records of {report.source}")
    if report.hidden:
        found.append(f"{counted(report.hidden, 'further row')} not shown")
    if report.records_since:
        found.append(f"records since {report.records_since}")
    return found
