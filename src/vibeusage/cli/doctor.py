"""Tell what is wrong and what to do next: versions, folders, logins, requests, proxies. It changes nothing.

The output is safe to paste: no tokens, and of names, mails, accounts and hosts only the first letter.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from vibeusage import diagnosis, findings, mask, pace
from vibeusage.cli.init import find_program
from vibeusage.diagnosis import Account, Finding, Folder, Login, Report, Surroundings
from vibeusage.errors import ConfigError
from vibeusage.faults import Cache
from vibeusage.figures import counted
from vibeusage.models import FetchAttempt
from vibeusage.terminal import Line, Style, cells_of, columns, glyphs, padded, painted, use_color, wrapped

EXIT_SERIOUS = 1
TEXT_LIMIT = 500
CODES = "exit codes: 0 nothing serious, 1 something keeps vibeusage from its work, 4 config.toml is wrong"
LOOKS = {  # symbol, the same in ASCII, style
    "good": ("✓", "+", "green"),
    "bad": ("✗", "x", "red"),
    "warn": ("!", "!", "yellow"),
    "none": ("·", "-", "dim"),
    "": (" ", " ", ""),
}
OF_LOGIN = {
    "found": ("good", ""),
    "not needed": ("none", "needs no login"),
    "none": ("none", ""),
    "keyring": ("good", "opened only when you wait for it"),
    "expired": ("warn", ""),
    "refused": ("bad", "refused: "),
    "cooling": ("warn", ""),
    "wrong": ("bad", ""),
}


class Row(NamedTuple):
    look: str
    label: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", "-j", action="store_true", help="print the report as JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="also where logins were looked for in vain")
    parser.add_argument("--no-color", action="store_true", help="print without colours")
    parser.epilog = CODES


def run(args: argparse.Namespace) -> int:
    program = _program()
    report, private = diagnosis.diagnose(os.environ, datetime.now(UTC), program)
    found = (*findings.of(report, program), *report.findings)
    document = mask.masked(msgspec.structs.replace(report, findings=found), mask.masker(private))
    if args.json:
        sys.stdout.write(msgspec.json.encode(document).decode("utf-8") + "\n")
    else:
        for line in _lines(msgspec.convert(document, Report), _style(args), verbose=args.verbose):
            print(line)
    return _exit_code(report.settings, found)


def _program() -> Path | None:
    try:
        return find_program()
    except ConfigError:
        return None


def _exit_code(settings: diagnosis.Settings, found: Iterable[Finding]) -> int:
    if settings.problem:
        return ConfigError.exit_code
    return EXIT_SERIOUS if any(each.is_serious for each in found) else 0


def _style(args: argparse.Namespace) -> Style:
    return Style(
        color=use_color(sys.stdout, os.environ, forbidden=args.no_color),
        cells=glyphs(sys.stdout),
        remaining=False,
        stale_after=timedelta(0),
        columns=columns(sys.stdout, os.environ),
    )


# --- the page


def _lines(report: Report, style: Style, *, verbose: bool) -> Iterator[str]:
    for title, rows in _sections(report, verbose=verbose):
        yield painted([("dim", title)], style)
        width = max((cells_of([("", _text(row.label, style))]) for row in rows), default=0)
        for row in rows:
            yield from _row_lines(row, width, style)
        yield ""
    yield painted([("dim", "findings")], style)
    for found in report.findings:
        yield from _row_lines(Row("bad" if found.is_serious else "warn", "", found.message), 0, style)
        yield from _row_lines(Row("", "", f"next: {found.hint}"), 0, style)
    if not report.findings:
        yield from _row_lines(Row("good", "", "nothing is wrong"), 0, style)


def _row_lines(row: Row, width: int, style: Style) -> Iterator[str]:
    """`  ✓ label  text`, further lines of the text below it."""
    symbol, in_ascii, color = LOOKS[row.look]
    head: Line = [("", "  "), (color, in_ascii if style.full.isascii() else symbol), ("", " ")]
    head += padded([("", _text(row.label, style))], width + 2) if width else []
    first, *rest = wrapped(_text(row.text, style), max(20, style.columns - cells_of(head))) or [""]
    yield painted([*head, ("", first)], style).rstrip()
    for part in rest:
        yield " " * cells_of(head) + part


def _text(outside: str, style: Style) -> str:
    """Cleaned, but for the indentation; a masked word stays readable in ASCII."""
    indent = outside[: len(outside) - len(outside.lstrip(" "))]
    return indent + style.text(outside.replace(mask.GONE, style.glyphs.ellipsis), TEXT_LIMIT)


def _sections(report: Report, *, verbose: bool) -> Iterator[tuple[str, list[Row]]]:
    now = report.checked_at
    yield "versions", [Row("", each.name, each.version) for each in report.versions]
    yield "folders", [*map(_folder, report.folders), *_settings(report)]
    faults = [Row("bad" if each.is_serious else "warn", "", f"{each.path} {each.problem}") for each in report.faults]
    yield "cache", [*_cache(report.cache, now), *faults]
    yield "logins", [*_logins(report, now, verbose=verbose)]
    yield "requests", [*_requests(report.accounts, now)] or [Row("none", "", "nobody has been asked yet")]
    yield "surroundings", [*_surroundings(report.surroundings)]
    where = [Row("good", each.target, ", ".join(each.files)) for each in report.integrations]
    yield "installed in", where or [Row("none", "", "nothing that `vibeusage install` has changed")]


def _folder(folder: Folder) -> Row:
    free = "" if folder.free_bytes is None else f"{_size(folder.free_bytes)} free"
    state = "cannot be written to" if folder.problem else folder.mode or "is made when needed"
    told = ", ".join(filter(None, (state, free)))
    return Row("bad" if folder.problem else "good", folder.name, f"{folder.path} ({told})".strip())


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"


def _settings(report: Report) -> Iterator[Row]:
    own = report.settings
    state = "is wrong, so the defaults are in force" if own.problem else "is right" if own.exists else "is not there"
    yield Row("bad" if own.problem else "good" if own.exists else "none", "config.toml", state)


def _cache(cache: Cache, now: datetime) -> Iterator[Row]:
    if cache.line_written_at is None:
        yield Row("none", "line.tsv", "is not there, or not to be read")
    else:
        current = "" if cache.is_current else ", older than config.toml"
        due = f", next refresh {_until(cache.refresh_due_at, now)}" if cache.refresh_due_at else ""
        text = f"written {_age(cache.line_written_at, now)}{current}{due}"
        yield Row("good" if cache.is_current else "warn", "line.tsv", text)
    yield Row("", "snapshots", str(cache.snapshots))
    yield Row("", "segments", str(cache.segments))
    for observed in cache.observations:
        yield Row("", "status line", f"{observed.account} spoke {_age(observed.written_at, now)}")


def _logins(report: Report, now: datetime, *, verbose: bool) -> Iterator[Row]:
    without = []
    for account in report.accounts:
        shown = [login for login in account.logins if verbose or login.state != "none"]
        if not verbose and all(login.state in ("none", "not needed") for login in account.logins):
            without.append(account.id)
        else:
            yield from (_login(account.id, login, now) for login in shown)
    if without:
        yield Row("none", "no login", ", ".join(without))
    if report.switched_off:
        yield Row("none", "off", ", ".join(report.switched_off))
    for program in report.programs:
        yield Row("good" if program.path else "none", "program", f"{program.name}: {program.path or 'not found'}")


def _login(account: str, login: Login, now: datetime) -> Row:
    look, word = OF_LOGIN[login.state]
    owner = {True: "given to vibeusage", False: "of another tool, only read", None: ""}[login.is_ours]
    where = f"{login.where} ({owner})" if owner and login.where else login.where
    message = "" if login.state == "keyring" else login.message
    until = f"may ask {_until(login.until, now)}" if login.until else ""
    return Row(look, f"{account} {login.strategy}", ", ".join(filter(None, (where, word + message, until))))


def _requests(known: Iterable[Account], now: datetime) -> Iterator[Row]:
    for account in known:
        if (account.asked_at is None and account.due_at is None) or _is_bare(account):
            continue
        asked = f"asked {_age(account.asked_at, now)}" if account.asked_at else "never asked"
        due = f"next {_until(account.due_at, now)}" if account.due_at else ""
        count = len(account.failed_at)
        failed = f"{counted(count, 'failure')} of late" if count else ""
        numbers = f"numbers of {_age(account.observed_at, now)}" if account.observed_at else "no numbers"
        look = "good" if account.error is None else "none" if account.error.category == "not_configured" else "warn"
        yield Row(look, account.id, ", ".join(filter(None, (asked, due, failed, numbers))))
        yield from map(_attempt, account.attempts)
        yield from (Row("bad", "", place) for place in account.places)


def _is_bare(account: Account) -> bool:
    """Nobody is logged in there, so nothing was tried."""
    is_unknown = account.error is not None and account.error.category == "not_configured"
    return is_unknown and not account.attempts and account.observed_at is None


def _attempt(attempt: FetchAttempt) -> Row:
    state = "answered" if attempt.success else "failed"
    why = f": {attempt.error}" if attempt.error else ""
    return Row("", f"  {attempt.strategy}", f"{state} in {attempt.duration_ms} ms{why}")


def _surroundings(found: Surroundings) -> Iterator[Row]:
    yield Row("good" if found.has_home else "warn", "HOME", "is set" if found.has_home else "is not set")
    for variable in (*found.proxies, *found.certificates):
        yield Row("bad" if variable.problem else "good", variable.name, variable.problem or variable.value)
    if not found.proxies:
        yield Row("none", "proxy", "none")
    yield Row("none", "netrc", f"{found.netrc} is there and not used" if found.netrc else "none; it would not be used")
    if found.overrides:
        yield Row("", "variables", ", ".join(found.overrides))


def _age(seen: datetime, now: datetime) -> str:
    return pace.age(int(seen.timestamp()), int(now.timestamp()))[0]


def _until(at: datetime, now: datetime) -> str:
    left = int((at - now).total_seconds())
    return f"in {pace.span(left)[0]}" if left > 0 else "now"
