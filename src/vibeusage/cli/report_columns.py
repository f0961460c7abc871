"""The columns of each report, and the text of a cell.

Every string from outside passes `Style.text` here, at the boundary.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import NamedTuple

from vibeusage import pace
from vibeusage.figures import amount, price
from vibeusage.records.reports import Report
from vibeusage.records.tally import Row
from vibeusage.terminal import Style

NOT_RECORDED = "not recorded by this tool"
PATH_LIMIT = 400


class Look(NamedTuple):
    """What cells depend on besides their row; `recorded` has the providers that record a field anywhere here."""

    style: Style
    zone: tzinfo
    home: str
    recorded: dict[str, set[str]]


class Column(NamedTuple):
    """`goes`: the higher, the earlier it is left out; 0 stays. Of `is_name` the text may be cut."""

    title: str
    text: Callable[[Row, Look, bool], str]  # the last: short
    goes: int = 0
    is_name: bool = False


def providers_of(row: Row) -> tuple[str, ...]:
    return (row.provider,) if row.provider else row.providers


def of_report(report: Report) -> list[Column]:
    models = Column("Models", _models, goes=8, is_name=True)
    match report.report:
        case "sessions":
            names = [
                Column("Last call", lambda row, look, short: _when(row.last_at, look, short)),
                Column("Tool", _text_of("provider"), is_name=True),
                Column("Project", _project, goes=1, is_name=True),
                Column("Branch", _text_of("branch"), goes=10, is_name=True),
                Column("Session", _session, goes=6, is_name=True),
                Column("Models", _models, goes=11, is_name=True),
            ]
        case "blocks":
            names = [
                Column("Start", lambda row, look, short: _when(_of_block(row, "starts_at"), look, short)),
                Column("Until", _until, goes=2),
                Column("Tool", _text_of("provider"), is_name=True),
                Column("", _block_state, is_name=True),
                models,
            ]
        case "models":
            names = [
                Column("Model", _model, is_name=True),
                Column("Family", lambda row, look, short: look.style.text(row.family), goes=8, is_name=True),
                Column("Tools", lambda row, look, short: look.style.text(", ".join(row.providers)), 7, is_name=True),
            ]
        case "providers":
            names = [Column("Tool", _text_of("provider")), Column("Route", _text_of("route"), is_name=True), models]
        case "projects":
            names = [Column("Project", _project, is_name=True), models]
        case "branches":
            names = [
                Column("Project", _project, is_name=True), Column("Branch", _text_of("branch"), is_name=True), models
            ]
        case "devices":
            names = [Column("Machine", _text_of("machine"), is_name=True), models]
        case period:
            title = {"daily": "Day", "weekly": "Week", "monthly": "Month", "yearly": "Year"}[period]
            names = [Column(title, lambda row, look, short: f"{row.key} {row.label}".strip()), models]
    return names + COUNTS


def _number(name: str) -> Callable[[Row, Look, bool], str]:
    return lambda row, look, short: amount(getattr(row, name), short=short)


def _text_of(name: str) -> Callable[[Row, Look, bool], str]:
    return lambda row, look, short: look.style.text(getattr(row, name)) or _absent(row, name, look)


def _absent(row: Row, name: str, look: Look) -> str:
    """Nothing, where the tool does record such names elsewhere."""
    return "-" if look.recorded.get(name, set()) & set(providers_of(row)) else NOT_RECORDED


def _project(row: Row, look: Look, short: bool) -> str:
    folder = row.project
    if look.home and (folder + "/").startswith(look.home + "/"):
        folder = "~" + folder[len(look.home) :]
    text = look.style.text(folder, PATH_LIMIT)
    return (text.rpartition("/")[2] or text if short else text) or _absent(row, "project", look)


def _session(row: Row, look: Look, short: bool) -> str:
    name = look.style.text(row.session[:13] if short else row.session) or _absent(row, "session", look)
    return f"{name} (side chain)" if row.is_side else name


def _model(row: Row, look: Look, short: bool) -> str:
    return " ".join(part for part in (look.style.text(row.model) or _absent(row, "model", look), row.speed) if part)


def _models(row: Row, look: Look, short: bool) -> str:
    return look.style.text(", ".join(row.models), PATH_LIMIT)


def _cost(row: Row, look: Look, short: bool) -> str:
    return "-" if row.block and row.block["is_gap"] else price(row, look.style)


def _share(row: Row, look: Look, short: bool) -> str:
    return "-" if row.cache_read_share is None else pace.percent(row.cache_read_share * 100)


def _of_block(row: Row, name: str) -> datetime | None:
    return (row.block or {}).get(name)


def _until(row: Row, look: Look, short: bool) -> str:
    ends = _of_block(row, "ends_at")
    return f"{ends.astimezone(look.zone):%H:%M}" if ends else ""


def _block_state(row: Row, look: Look, short: bool) -> str:
    told = row.block or {}
    if told.get("is_gap"):
        return "no use"
    words = ["active"] if told.get("is_active") else []
    return ", ".join([*words, "estimated" if told.get("is_estimate") else "reported"])


def _when(at: datetime | None, look: Look, short: bool) -> str:
    return f"{at.astimezone(look.zone):{'%m-%d %H:%M' if short else '%Y-%m-%d %H:%M'}}" if at else ""


COUNTS = [
    Column("Calls", _number("messages"), goes=3),
    Column("Input", _number("input_tokens"), goes=4),
    Column("Output", _number("output_tokens"), goes=4),
    Column("Cache write", _number("cache_creation_tokens"), goes=7),
    Column("Cache read", _number("cache_read_tokens"), goes=5),
    Column("Cached", _share, goes=9),
    Column("Total tokens", _number("total_tokens"), goes=1),
    Column("Cost", _cost),
]
