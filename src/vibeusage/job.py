"""What a timer runs, and how cron, systemd and launchd want it written.

The job carries what its surroundings lack: the absolute program, and the variables that lead to the same
folders, proxy and certificates. Never a secret: crontabs and units are no place for one.
Contracts: crontab(5), systemd.syntax(7), systemd.service(5), systemd.timer(5), launchd.plist(5).
"""

import contextlib
import os
import plistlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from vibeusage.errors import ConfigError

VERB = ("refresh", "--if-due", "--quiet")
LABEL = "vibeusage.refresh"
MARK = b"Written by `vibeusage install"
OUR_FOLDERS = ("VIBEUSAGE_CONFIG_DIR", "VIBEUSAGE_CACHE_DIR", "VIBEUSAGE_DATA_DIR")
XDG_FOLDERS = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
VENDOR_FOLDERS = (
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_SECURESTORAGE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "GH_CONFIG_DIR",
)
PLACES = (*VENDOR_FOLDERS, "SSL_CERT_FILE", "SSL_CERT_DIR")  # may be relative to here
PROXIES = tuple(
    cased(name) for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY") for cased in (str.upper, str.lower)
)
_SERVICE_TEXT = """\
# Written by `vibeusage install systemd`; `vibeusage uninstall systemd` removes it.
[Unit]
Description=Ask the AI coding plans how much of them is used

[Service]
Type=oneshot
{environment}ExecStart={command}
# a missing login, no network and an answer of some only are told by the numbers' age, not by a failed unit
SuccessExitStatus=2 3 5
TimeoutStartSec=2min
Nice=10
IOSchedulingClass=idle
"""
TIMER_TEXT = b"""\
# Written by `vibeusage install systemd`; `vibeusage uninstall systemd` removes it.
[Unit]
Description=Ask the AI coding plans every five minutes

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=30
Persistent=true

[Install]
WantedBy=timers.target
"""


class Job(NamedTuple):
    program: Path
    environment: dict[str, str]


# --- what the job carries


def carried(environ: Mapping[str, str], account_home: str) -> tuple[dict[str, str], list[str]]:
    """The variables that go into the job, and a note on each that does not."""
    names = ("HOME", *OUR_FOLDERS, *XDG_FOLDERS, *PLACES, *PROXIES)
    found: dict[str, str] = {name: environ[name] for name in names if environ.get(name)}
    if found.get("HOME") == account_home:
        del found["HOME"]
    secret = [name for name in PROXIES if "@" in found.get(name, "")]
    for name in secret:
        del found[name]
    for name, value in found.items():
        if not value.isprintable():
            raise ConfigError(f"{name} holds a character that no timer can carry", hint=f"unset or change {name}")
        if name in PLACES and not os.path.isabs(value):  # else to the letter: Claude Code takes a hash of it
            found[name] = os.path.abspath(value)
    return found, [f"{name} holds a login and is not carried into the job" for name in secret]


def account_home() -> str:
    """HOME as cron and the user managers set it; empty where nobody knows this user."""
    import pwd  # not on Windows

    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_dir
    return ""


# --- the texts


def cron_lines(job: Job) -> tuple[str, ...]:
    """One line for any SHELL a crontab may set; cron would mail what it prints."""
    assignments = [f"{name}={value}" for name, value in job.environment.items()]
    words = [*(["/usr/bin/env", *assignments] if assignments else []), str(job.program), *VERB]
    return (f"*/5 * * * * {' '.join(map(_cron_word, words))} >/dev/null 2>&1",)


def _cron_word(word: str) -> str:
    """Quoted for the shell, then for cron, to which `%` is a line break, and a backslash before it takes that away."""
    return shlex.quote(word).replace("\\", "\\''").replace("%", "\\%")


def service_text(job: Job) -> bytes:
    """systemd takes no quotes, backslashes or dollars in the program's own name, but in an argument."""
    lines = "".join(f"Environment={_unit_word(f'{name}={value}')}\n" for name, value in job.environment.items())
    program = _unit_word(str(job.program))
    if re.search(r"""['"\\$]""", str(job.program)):
        program = f"/usr/bin/env {program.replace('$', '$$')}"
    return _SERVICE_TEXT.format(environment=lines, command=" ".join((program, *VERB))).encode()


def _unit_word(word: str) -> str:
    return '"' + re.sub(r'([\\"])', r"\\\1", word).replace("%", "%%") + '"'


def plist_text(job: Job) -> bytes:
    agent = {
        "Label": LABEL,
        "ProgramArguments": [str(job.program), *VERB],
        "EnvironmentVariables": job.environment,
        "StartInterval": 300,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "LowPriorityIO": True,
    }
    head, root, rest = plistlib.dumps(agent, sort_keys=False).partition(b"<plist")
    return head + b"<!-- " + MARK + b" launchd` -->\n" + root + rest
