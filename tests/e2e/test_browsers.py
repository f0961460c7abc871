"""Cookies that real browsers have stored: read while they run and afterwards, and nothing of it anywhere else.

Known from: firefox-esr and chromium of Debian, run by these tests in a network of their own without a way out
(browser_host.py). Every value is invented.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from e2e import faults
from e2e.waiting import wait_until
from homes import USAGE, five_answers
from npm import offline
from real import unavailable
from vendors import World

from vibeusage import config, cookies
from vibeusage.errors import StrategyError
from vibeusage.providers import cursor_login

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a network of its own is of Linux")

HOST = Path(__file__).with_name("browser_host.py")
SESSION = "user_01INVENTED%3A%3AeyJhbGciOiJub25lIn0." + "x" * 900
SET = [
    f"WorkosCursorSessionToken={SESSION}; Max-Age=5184000; Path=/; Secure; HttpOnly; SameSite=Lax",
    "__Secure-authjs.session-token=secure; Max-Age=5184000; Path=/; Secure",
    "next-auth.session-token=plain; Max-Age=5184000",
    "authjs.session-token=apart; Max-Age=5184000; Path=/; Secure; SameSite=None; Partitioned",
    "wos-session=until-the-end",
    "other=not-asked-for; Max-Age=5184000",
]
# what a browser forgets when it ends, Firefox does not write into this file at all
LASTING = {
    "WorkosCursorSessionToken": SESSION,
    "__Secure-authjs.session-token": "secure",
    "next-auth.session-token": "plain",
    "authjs.session-token": "apart",
}
HELD = {"firefox": LASTING, "chromium": {**LASTING, "wos-session": "until-the-end"}}
CHROMIUM = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--ignore-certificate-errors"),
    *("--remote-debugging-pipe", "--host-resolver-rules=MAP * 127.0.0.1"),
)


class Login(NamedTuple):
    """The two files that `browser_host.py` takes, and the certificate's fingerprint."""

    certificate: Path
    cookies: Path
    fingerprint: str


@pytest.fixture(scope="module")
def login(tmp_path_factory) -> Login:
    folder = tmp_path_factory.mktemp("server")
    certificate = trustme.CA().issue_cert("cursor.com")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "cookies").write_text("\n".join(SET))
    known = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    digest = hashlib.sha256(known.public_bytes(Encoding.DER)).hexdigest().upper()
    return Login(folder / "server.pem", folder / "cookies", ":".join(re.findall("..", digest)))


def command_for(browser: str, home: Path, login: Login, program: str, *, store: str = "basic") -> list[str]:
    """How to start a browser that goes to the server; Firefox gets a profile that trusts it."""
    if browser == "chromium":
        profile = home / ".config" / "chromium"
        return [program, *CHROMIUM, f"--user-data-dir={profile}", f"--password-store={store}", "https://cursor.com/many"]
    made = [program, "--headless", "-CreateProfile", "default"]
    subprocess.run(offline(made), env=environ_of(home), capture_output=True, timeout=60, check=True)
    (times,) = home.rglob("times.json")
    exception = f"cursor.com:443:\tOID.2.16.840.1.101.3.4.2.1\t{login.fingerprint}\t\n"
    (times.parent / "cert_override.txt").write_text(exception)
    (times.parent / "user.js").write_text('user_pref("network.dns.forceResolve", "127.0.0.1");\n')
    return [program, "--headless", "-P", "default", "https://cursor.com/"]


def environ_of(home: Path) -> dict[str, str]:
    names = ("PATH", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
    return {"HOME": str(home), **{name: os.environ[name] for name in names if name in os.environ}}


@contextlib.contextmanager
def running(command: list[str], home: Path, login: Login) -> Generator[subprocess.Popen]:
    """The browser at the server; ended as its user would end it."""
    inside = offline([sys.executable, "-P", str(HOST), str(login.certificate), str(login.cookies), *command])
    with subprocess.Popen(
        inside, env=environ_of(home), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as host:
        try:
            yield host
        finally:
            assert host.stdin
            host.stdin.close()
            host.wait(60)


def found(browser: str, home: Path) -> dict[str, str]:
    """What we read of the cookies that could log in at Cursor."""
    here = {"now": datetime.now(UTC), "home": home, "environ": {}, "secret": cookies.platform_secret}
    return cookies.find(browser, ("cursor.com",), cursor_login.COOKIES, **here)


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content; sockets and broken links left out."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, in this process and in children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


REAL = [
    pytest.param("chromium", "basic", id="chromium", marks=pytest.mark.slow),
    pytest.param("chromium", "gnome-libsecret", id="chromium, keyring", marks=pytest.mark.slow),
    pytest.param("firefox", "", id="firefox", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("browser", "store"), REAL)
def test_a_real_browsers_cookies_are_read_while_it_runs_and_when_it_has_ended(
    browser, store, home, login, require, request
):
    if store == "gnome-libsecret":
        request.getfixturevalue("gnome_keyring")("made-up password")
    temporary = request.getfixturevalue("temporary")  # not for the bus: the address of a socket has to be short
    program = require({"firefox": "firefox-esr"}.get(browser, browser))
    with running(command_for(browser, home, login, program, store=store), home, login) as host:
        wait_until(lambda: is_stored(browser, home), seconds=60)
        assert host.poll() is None
        assert os.listdir(temporary) == []
    (path,) = stores(browser, home)
    if browser == "chromium":
        assert sealed_by(path) == {b"v11" if store == "gnome-libsecret" else b"v10"}
    else:
        assert path.with_name("cookies.sqlite-wal").stat().st_size > 0  # it was killed
    before = files_of(home)
    assert found(browser, home) == HELD[browser]
    with locked(path):
        assert found(browser, home) == HELD[browser]
    assert (files_of(home), os.listdir(temporary)) == (before, [])


@pytest.mark.slow
def test_a_keyring_that_is_locked_is_told_and_asked_by_nothing_in_the_background(
    home, login, require, gnome_keyring, lock_keyring, vibeusage, config_dir
):
    gnome_keyring("made-up password")
    with running(command_for("chromium", home, login, require("chromium"), store="gnome-libsecret"), home, login):
        wait_until(lambda: is_stored("chromium", home), seconds=60)
    lock_keyring()
    done = vibeusage("auth", "cursor", "--from-browser", "chromium")
    assert (done.returncode, done.stdout, done.stderr.decode().splitlines()) == (
        3,
        b"",
        [
            "the keyring is asked for the key to the cookies of chromium",
            "vibeusage: the keyring gave no key for the cookies of chromium",
            f"  {UNLOCK}",
        ],
    )
    assert not config_dir.exists()
    config.set_value("providers.cursor.browser", "chromium")
    done = vibeusage("refresh", "cursor", "--if-due")
    assert b"the key to the cookies of chromium lies in the keyring, which nothing in the background" in done.stderr


UNLOCK = "unlock the keyring and allow the access (Linux: install secret-tool or kwallet-query), or paste the cookie"


def is_stored(browser: str, home: Path) -> bool:
    """A file that the browser has only begun to make may be no database yet."""
    with contextlib.suppress(StrategyError):
        return found(browser, home) == HELD[browser]
    return False


def stores(browser: str, home: Path) -> list[Path]:
    return list(home.rglob({"firefox": "cookies.sqlite", "chromium": "Cookies"}[browser]))


def sealed_by(path: Path) -> set[bytes]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        return {prefix for (prefix,) in database.execute("SELECT substr(encrypted_value, 1, 3) FROM cookies")}


# as SQLite locks a whole file, by the byte PENDING and those behind it; nothing of the file changes
LOCK = """
import fcntl, sys
with open(sys.argv[1], "rb+") as stream:
    fcntl.lockf(stream, fcntl.LOCK_EX, 512, 1 << 30)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """By another process, so that who asks SQLite for it is refused."""
    command = [sys.executable, "-P", "-c", LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin and holder.stdout and holder.stdout.readline() == b"held\n"
        address = f"{path.as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(address, uri=True, timeout=0)) as database,
            pytest.raises(sqlite3.OperationalError, match="database is locked"),
        ):
            database.execute("SELECT * FROM sqlite_master")
        yield
        holder.stdin.close()


@pytest.fixture(scope="module")
def profiles(tmp_path_factory, login) -> Callable[[str], Path]:
    """A home in which a browser has run and ended; each is made once."""
    made: dict[str, Path] = {}

    def of(browser: str) -> Path:
        if browser not in made:
            name = {"firefox": "firefox-esr"}.get(browser, browser)
            program = shutil.which(name) or unavailable(f"{name} is not installed")
            home = made[browser] = tmp_path_factory.mktemp(browser)
            with running(command_for(browser, home, login, program), home, login):
                wait_until(lambda: is_stored(browser, home), seconds=60)
        return made[browser]

    return of


@pytest.fixture
def profile(profiles, home) -> Callable[[str], Path]:
    """Put a copy of what a browser has stored into the home; the file with the cookies."""

    def put(browser: str) -> Path:
        whole = profiles(browser)
        for path in (*stores(browser, whole), *whole.rglob("cookies.sqlite-wal"), *whole.rglob("profiles.ini")):
            place = home / path.relative_to(whole)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
        (path,) = stores(browser, home)
        return path

    return put


def raised(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        is_firefox = path.name == "cookies.sqlite"
        statement = "PRAGMA user_version = 99" if is_firefox else "UPDATE meta SET value = 99 WHERE key = 'version'"
        database.execute(statement)


def overwritten(path: Path) -> None:
    size = path.stat().st_size
    path.write_bytes(b"\xff" * size)


def cut_off(path: Path) -> None:
    os.truncate(path, 5000)
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)


DAMAGED = "the cookies of {} in {} are damaged, or of a form we do not know"
INSTEAD = "paste the cookie instead, or log in with Firefox"
HARMS = [
    pytest.param(
        raised,
        "{} keeps its cookies in form 99, and we know those up to [0-9]+ only: {}",
        "a newer vibeusage may know it; until then paste the cookie",
        id="newer",
    ),
    pytest.param(overwritten, DAMAGED, INSTEAD, id="overwritten"),
    pytest.param(cut_off, DAMAGED, INSTEAD, id="cut off"),
]


@pytest.mark.slow
@pytest.mark.parametrize("browser", ["firefox", "chromium"])
@pytest.mark.parametrize(("harm", "said", "hint"), HARMS)
def test_a_newer_or_damaged_store_is_told_and_nothing_is_left(
    browser, harm, said, hint, profile, home, temporary, vibeusage, config_dir
):
    path = profile(browser)
    harm(path)
    before = files_of(home)
    done = vibeusage("auth", "cursor", "--from-browser", browser)
    assert (done.returncode, done.stdout) == (1, b"")
    message, told = done.stderr.decode().splitlines()
    assert re.fullmatch(f"vibeusage: {said.format(browser, re.escape(str(path)))}", message)
    assert told == f"  {hint}"
    assert (files_of(home), os.listdir(temporary), config_dir.exists()) == (before, [], False)


@pytest.mark.slow
@pytest.mark.parametrize("browser", ["firefox", "chromium"])
def test_the_whole_way_from_a_real_profile_to_numbers(browser, profile, home, temporary, vibeusage, tmp_path):
    profile(browser)
    before = files_of(home)
    with World() as world:
        five_answers(world)
        done = vibeusage("auth", "cursor", "--from-browser", env=world.environ)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"cursor: Total 41.5%, Auto 30%, API 53%")
        alone = {**world.environ, "VIBEUSAGE_ENABLED_PROVIDERS": "cursor"}
        assert vibeusage("refresh", "--if-due", "--quiet", env=alone).returncode == 0
        asked = [request.headers["cookie"] for request in world.requests if request.path == USAGE["cursor"][2]]
    assert asked == [f"WorkosCursorSessionToken={SESSION}"] * 2
    assert b"Total" in vibeusage("line", "plain", "--format", "{period} {percent}").stdout
    assert (files_of(home), os.listdir(temporary)) == (before, [])
    ours = [path for name in ("config", "cache", "data") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert [path for path in ours if SESSION.encode() in path.read_bytes()] == []


UNASKED = [["line", "claude-code"], ["line", "plain"], ["refresh", "--if-due"], ["usage"], ["auth"], ["doctor"]]


@pytest.mark.slow
def test_no_browsers_store_is_looked_at_unless_the_user_said_so(profile, home, tmp_path, require):
    profile("firefox"), profile("chromium")
    with World() as world:
        five_answers(world)
        assert [touched(words, world, tmp_path, require) for words in UNASKED] == [[]] * len(UNASKED)
        config.set_value("providers.cursor.browser", "firefox")
        (path,) = stores("firefox", home)
        assert str(path) in touched(["refresh", "--if-due"], world, tmp_path, require)
        assert touched(["line", "plain"], world, tmp_path, require) == []


def touched(words: list[str], world: World, tmp_path: Path, require) -> list[str]:
    """Files in a browser's folders that a command has named to the system, or a process that it has started."""
    log = tmp_path / "calls"
    command = [faults.strace(require), "-f", "-qq", "-e", "trace=%file", "-s", "4096", "-o", str(log), *faults.PROGRAM]
    env = {**os.environ, **world.environ}
    done = subprocess.run([*command, *words], env=env, input=b"", capture_output=True, timeout=60, check=False)
    assert b"mistake" not in done.stderr
    places = re.findall(r'"([^"]*(?:mozilla|chromium)[^"]*)"', log.read_text())
    return sorted({place for place in places if place.startswith(str(Path.home()))})
