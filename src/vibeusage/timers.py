"""A timer of the system that refreshes every five minutes: cron, systemd's user manager, or launchd.

What was there before is kept by `edits`, the crontab's bytes too. Where a manager cannot be reached, as in a
container or over ssh, its files stay written, and a note says so. Contracts: crontab(1), systemctl(1), launchctl(1).
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vibeusage import edits, files, paths
from vibeusage.errors import ConfigError, VibeusageError
from vibeusage.escape import clean
from vibeusage.job import LABEL, MARK, TIMER_TEXT, Job, account_home, carried, cron_lines, plist_text, service_text

TARGETS = ("cron", "systemd", "launchd")
LIMIT_S = 20
# what crontab, systemctl and launchctl need to find their user; tokens in our environment stay with us
PASSED = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
_TIMER = "vibeusage.timer"
_START = (("systemctl", "--user", "daemon-reload"), ("systemctl", "--user", "enable", "--now", _TIMER))


class Installed(NamedTuple):
    place: str
    records: list[edits.Record]  # of what was changed; empty if all was there
    next_step: str
    notes: list[str]


class Removed(NamedTuple):
    outcomes: list[tuple[str, str]]  # (what became of it as `edits.revert` says, its place)
    notes: list[str]


def install(target: str, program: Path, *, replace: bool, now: datetime) -> Installed:
    """Raises ConfigError where `target` is absent or holds another's file, VibeusageError if it refuses ours."""
    _require(target)
    environment, notes = carried(os.environ, account_home())
    job = Job(program, environment)
    match target:
        case "cron":
            done = _install_cron(job, now)
        case "systemd":
            service, timer = unit_files()
            texts = {service: service_text(job), timer: TIMER_TEXT}
            done = _start_systemd(timer, _put_files(target, texts, replace=replace, now=now))
        case _:
            agent = agent_file()
            done = _start_launchd(agent, _put_files(target, {agent: plist_text(job)}, replace=replace, now=now))
    return done._replace(notes=notes + done.notes)


def uninstall(target: str) -> Removed:
    if target != "systemd":  # its files can go without systemctl
        _require(target)
    match target:
        case "cron":
            return _uninstall_cron()
        case "systemd":
            return _uninstall_systemd()
        case _:
            return _uninstall_launchd()


# --- cron


def _install_cron(job: Job, now: datetime) -> Installed:
    put = partial(edits.put_block, lines=cron_lines(job))
    with _crontab() as file:
        record = edits.apply("cron", file, put=put, take=_take_block, now=now)
    next_step = "nothing; where a cron daemon runs, the first refresh comes within five minutes"
    return Installed("your crontab", [record] if record else [], next_step, [])


def _uninstall_cron() -> Removed:
    with _crontab() as file:
        outcome = edits.revert("cron", file, take=_take_block)
    return Removed([(outcome, "your crontab")], [])


def _take_block(data: bytes, _original: bytes | None) -> bytes:
    return edits.take_block(data)


@contextlib.contextmanager
def _crontab() -> Generator[Path]:
    """The user's crontab as a file for `edits`; crontab(1) gets what became of it if that differs."""
    file = paths.data_dir().resolve() / "installs" / "cron" / "crontab"
    before = _read_crontab()
    file.unlink(missing_ok=True)
    if before is not None:
        files.write_private(file, before)
    try:
        yield file
        after = files.read_regular(file)
        if after is None and before is not None:
            _call("crontab", "-r")
        elif after is not None and after != before:
            _call("crontab", "-", stdin=after)
    finally:
        file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            file.parent.rmdir()


def _read_crontab() -> bytes | None:
    """What `crontab -l` says, or None where there is none yet; nothing else counts as none, lest it be overwritten."""
    done = _run("crontab", "-l")
    if done.returncode and re.search(rb"no crontab for|No such file", done.stderr):
        return None
    _check(done)
    try:
        edits.take_block(done.stdout)
    except ConfigError as exc:
        raise ConfigError(f"your crontab: {exc}", hint="delete the block by hand first: crontab -e") from exc
    return done.stdout


# --- systemd


def unit_files() -> tuple[Path, Path]:
    """The service and its timer."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = (base if base.is_absolute() else Path.home() / ".config") / "systemd" / "user"
    return folder / "vibeusage.service", folder / _TIMER


def _start_systemd(file: Path, records: list[edits.Record]) -> Installed:
    fault = _try(*_START)
    if fault:
        step = "where your user manager runs: " + " && ".join(map(shlex.join, _START))
        return Installed(str(file), records, step, [f"the timer does not run yet: {fault}"])
    return Installed(str(file), records, "nothing; to refresh while you are logged out too: loginctl enable-linger", [])


def _uninstall_systemd() -> Removed:
    units = unit_files()
    if not any(map(_is_ours, units)):
        return Removed([_take_file("systemd", units[-1])], [])
    fault = _try(("systemctl", "--user", "disable", "--now", _TIMER))
    wants = units[-1].parent / "timers.target.wants"
    with contextlib.suppress(OSError):  # systemctl has done it, if it reached the manager
        (wants / _TIMER).unlink()
        wants.rmdir()
    outcomes = [_take_file("systemd", file) for file in reversed(units)]  # the first one made their folder
    fault = fault or _try(_START[0])
    return Removed(outcomes, [f"a user manager that runs may still know it: {fault}"] if fault else [])


# --- launchd


def agent_file() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def _start_launchd(file: Path, records: list[edits.Record]) -> Installed:
    """A loaded job keeps what it was loaded with: it is taken out before a changed one goes in."""
    domain = f"gui/{os.getuid()}"
    loaded = not _try(("launchctl", "print", f"{domain}/{LABEL}"))
    if loaded and records:
        _try(("launchctl", "bootout", f"{domain}/{LABEL}"))
    bootstrap = ("launchctl", "bootstrap", domain, str(file))
    fault = "" if loaded and not records else _try(bootstrap)
    if fault:
        step = f"in a session on the screen: {shlex.join(bootstrap)}"
        return Installed(str(file), records, step, [f"the job does not run yet: {fault}"])
    return Installed(str(file), records, "nothing; it runs now and every five minutes", [])


def _uninstall_launchd() -> Removed:
    file = agent_file()
    fault = _try(("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")) if _is_ours(file) else ""
    outcome = _take_file("launchd", file)
    return Removed([outcome], [f"launchd may still run it until you log out: {fault}"] if fault else [])


# --- a file that is ours as a whole


def _put_files(target: str, texts: dict[Path, bytes], *, replace: bool, now: datetime) -> list[edits.Record]:
    """Write each over nothing, ours, or with `replace` anything; what is known of those that changed."""
    for file in texts:
        if not replace and file.exists() and file.read_bytes().strip() and not _is_ours(file):
            hint = f"to put ours in its place: vibeusage install {target} --replace"
            raise ConfigError(f"{file} is there already, and not ours", hint=hint)
    records = [
        edits.apply(target, file, put=partial(_instead, text=text), take=_without_ours, now=now)
        for file, text in texts.items()
    ]
    return [record for record in records if record]


def _instead(_: bytes, *, text: bytes) -> bytes:
    return text


def _take_file(target: str, file: Path) -> tuple[str, str]:
    """As `edits.revert`; ours is removed also where the note on it is lost."""
    outcome = edits.revert(target, file, take=_without_ours)
    if outcome == "edited" and not file.read_bytes():
        file.unlink()
        outcome = "removed"
    return outcome, str(file)


def _without_ours(data: bytes, original: bytes | None) -> bytes:
    return (original or b"") if MARK in data else data


def _is_ours(file: Path) -> bool:
    return MARK in (files.read_linked(file) or b"")


# --- other programs


def _require(target: str) -> None:
    """ConfigError with another way where this machine does not have `target`."""
    on_mac = sys.platform == "darwin"
    if target == "launchd" and not on_mac:
        hint = "vibeusage install systemd, or: vibeusage install cron"
        raise ConfigError("launchd is a part of macOS, and this is another system", hint=hint)
    program = {"cron": "crontab", "systemd": "systemctl", "launchd": "launchctl"}[target]
    if shutil.which(program) is None:
        other = "launchd" if on_mac else "cron" if target == "systemd" else "systemd"
        raise ConfigError(f"{program} is not on this machine", hint=f"try: vibeusage install {other}")


def _try(*commands: tuple[str, ...]) -> str:
    """Run them until one fails; the sentence on that one, or nothing."""
    try:
        for command in commands:
            _call(*command)
    except VibeusageError as exc:
        return str(exc)
    return ""


def _call(*command: str, stdin: bytes = b"") -> None:
    _check(_run(*command, stdin=stdin))


def _run(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environ = {"LC_ALL": "C", **{name: os.environ[name] for name in PASSED if name in os.environ}}
    try:
        return subprocess.run(  # noqa: S603  (fixed words and our own paths, no shell)
            command, input=stdin, capture_output=True, env=environ, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        fault = f"`{_named(command)}` did not end within {LIMIT_S} seconds"
        raise VibeusageError(fault, hint="nothing was changed; see why it hangs") from exc
    except OSError as exc:
        fault = f"`{_named(command)}` cannot be run: {exc.strerror}"
        raise VibeusageError(fault, hint="nothing was changed; check its rights") from exc


def _check(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode:
        said = clean(done.stderr.decode(errors="replace"), 300) or f"exit code {done.returncode}"
        fault = f"`{_named(done.args)}` failed: {said}"
        raise VibeusageError(fault, hint="nothing was changed; see to that and try again")


def _named(command: tuple[str, ...]) -> str:
    return clean(shlex.join(command), 200)
