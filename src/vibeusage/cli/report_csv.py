"""Reports as CSV, safe to open in a spreadsheet."""

import csv
import io

from vibeusage.escape import clean
from vibeusage.records.reports import Report

CELL_LIMIT = 4096
COUNTS = (
    *("messages", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens", "total_tokens"),
    *("cost", "cost_state", "output_lower_bounds", "estimates"),
)
NAMES = ("label", "provider", "route", "model", "speed", "family", "session", "project", "branch", "machine")
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet takes for a formula


def as_csv(report: Report) -> str:
    """A line for each row, or for each of its parts where it has some; no total, so that columns can be summed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    has_parts = any(row.breakdown for row in report.rows)
    names = [name for name in NAMES if any(getattr(one, name) for row in report.rows for one in (row, *row.breakdown))]
    writer.writerow(["key", *(["part"] if has_parts else []), *names, *COUNTS])
    for row in report.rows:
        for one in row.breakdown or (row,):
            part = [one.key if one is not row else ""] if has_parts else []
            texts = [row.key, *part, *(getattr(one, name) or getattr(row, name) for name in names)]
            counts = [getattr(one, name) for name in COUNTS]
            writer.writerow([*map(harmless, texts), *("" if count is None else count for count in counts)])
    return out.getvalue()


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    is_formula = text.startswith(_DANGEROUS) or clean(text, CELL_LIMIT).startswith(_DANGEROUS)
    return clean(f"'{text}" if is_formula else text, CELL_LIMIT)
