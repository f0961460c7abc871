"""What a diagnosis comes to: sentences with a next step, the serious ones being what keeps vibeusage from its work."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from vibeusage import providers, table
from vibeusage.diagnosis import Account, Finding, Folder, Report, Surroundings
from vibeusage.errors import AuthError, Forbidden, NotConfigured
from vibeusage.faults import quoted

ENOUGH_BYTES = 1 << 20
LATE = timedelta(hours=1)


def of(report: Report, program: Path | None) -> Iterator[Finding]:
    """All but what went wrong while looking at an account."""
    own = report.settings
    if own.problem:
        yield Finding(is_serious=True, message=own.problem, hint=own.hint)
    for folder in report.folders:
        yield from _of_folder(folder)
    for fault in report.faults:
        yield Finding(is_serious=fault.is_serious, message=f"{fault.path} {fault.problem}", hint=fault.hint)
    yield from _of_surroundings(report.surroundings)
    named = [fault.path for fault in report.faults]
    for account in report.accounts:
        yield from _of_account(account, report.checked_at)
        for login in account.logins:
            if login.state == "wrong" and not any(path in login.message for path in named):
                yield Finding(is_serious=True, message=f"{account.id}: {login.message}", hint=login.hint)
    yield from _of_refreshing(report)
    if program is None:
        message = "no installed vibeusage was found, only what runs now, so no prompt or timer can start it"
        hint = "install it for good, for example: uv tool install vibeusage"
        yield Finding(is_serious=False, message=message, hint=hint)


def _of_folder(folder: Folder) -> Iterator[Finding]:
    if folder.problem:
        yield Finding(is_serious=True, message=folder.problem, hint=folder.hint)
    elif not folder.is_mine:
        message = f"the {folder.name} folder {folder.path} belongs to another user"
        hint = f'take it over: sudo chown -R "$USER" {quoted(folder.path)}'
        yield Finding(is_serious=True, message=message, hint=hint)
    elif folder.mode and int(folder.mode, 8) & 0o077:
        serious = bool(int(folder.mode, 8) & 0o022)
        can = "write to" if serious else "look into"
        message = f"others can {can} the {folder.name} folder {folder.path} ({folder.mode})"
        yield Finding(is_serious=serious, message=message, hint=f"chmod 700 {quoted(folder.path)}")
    if folder.free_bytes is not None and folder.free_bytes < ENOUGH_BYTES:
        message = f"the disk of the {folder.name} folder {folder.path} is full"
        yield Finding(is_serious=True, message=message, hint="make room, or set another folder")


def _of_surroundings(found: Surroundings) -> Iterator[Finding]:
    if not found.has_home:
        message = "HOME is not set, so the logins of other tools are not found"
        yield Finding(is_serious=False, message=message, hint="set HOME where vibeusage is started")
    for variable in (*found.proxies, *found.certificates):
        if variable.problem:
            yield Finding(is_serious=True, message=variable.problem, hint=variable.hint)


def _of_account(account: Account, now: datetime) -> Iterator[Finding]:
    """Why its numbers do not come, or are not newer."""
    error = account.error
    if account.places:
        message = f"{account.id}: {error.message if error else 'a mistake in vibeusage'}"
        yield Finding(is_serious=True, message=message, hint="please report it with this report")
    elif error and error.category != NotConfigured.category:
        serious = error.category in (AuthError.category, Forbidden.category)
        hint = error.hint or "see its last attempts above"
        yield Finding(is_serious=serious, message=f"{account.id}: {error.message}", hint=hint)
    if error is None:
        dead = [login for login in account.logins if login.state == "expired"]
        if dead and not any(login.state == "found" for login in account.logins):
            hint = providers.load(account.id.partition("@")[0]).login_hint
            yield Finding(is_serious=False, message=f"{account.id}: {dead[0].message}", hint=hint)
    if account.observed_at and account.observed_at > now + timedelta(seconds=table.FUTURE_S):
        message = f"{account.id}: its numbers are from the future, so their age is unknown"
        yield Finding(is_serious=False, message=message, hint="check the clock of this machine")


def _of_refreshing(report: Report) -> Iterator[Finding]:
    has_login = any(login.state not in ("none", "not needed") for each in report.accounts for login in each.logins)
    due_at, now = report.cache.refresh_due_at, report.checked_at
    if report.accounts and not has_login:
        hint = "log in to one of the tools, or run `vibeusage auth PROVIDER`; without an account: vibeusage demo"
        yield Finding(is_serious=False, message="no login of any provider was found", hint=hint)
    elif due_at and now - due_at > LATE:
        message = f"a refresh has been due for {int((now - due_at).total_seconds()) // 3600} h, and nothing has run it"
        hint = "`vibeusage refresh` runs one; `vibeusage install systemd` or `cron` runs them from now on"
        yield Finding(is_serious=False, message=message, hint=hint)
