"""Known from: the sources of Chromium, Firefox and yt-dlp; every database here is a real one, made by SQLite."""

import contextlib
import os
import sqlite3
import stat
import struct
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jars import CHROME, FIREFOX, VALUE, chromium, crumb, database, firefox, seal

from vibeusage import browsers, cookiejars, cookies, errors, files
from vibeusage.kinds import BrowserName

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
LATER, BEFORE = NOW.timestamp() + 60, NOW.timestamp() - 1
SAFARI = "Library/Cookies/Cookies.binarycookies"
quick = settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refuse(application):
    raise AssertionError(f"the keyring was asked for {application}")


@pytest.fixture
def look(home):
    def find(browser, *, domains=("cursor.com",), names=("session",), environ=None, secret=refuse):
        return cookies.find(browser, domains, names, now=NOW, home=home, environ=environ or {}, secret=secret)

    return find


def binarycookies(*pages):
    """A Safari file of pages, each a list of crumbs."""
    blocks = []
    for crumbs in pages:
        records = []
        for host, name, value, expires, _, used in crumbs:
            texts = [text.encode() + b"\0" for text in (host, name, "/", value)]
            starts = [56 + sum(map(len, texts[:place])) for place in range(4)]
            body = struct.pack("<3I", 0, 5, 0) + struct.pack("<6I", *starts, 0, 0)
            body += struct.pack("<2d", expires - 978_307_200, used) + b"".join(texts)
            records.append(struct.pack("<I", len(body) + 4) + body)
        first = 12 + 4 * len(records)
        starts = [first + sum(map(len, records[:place])) for place in range(len(records))]
        blocks.append(b"\0\0\1\0" + struct.pack(f"<{1 + len(starts)}I", len(starts), *starts) + bytes(4))
        blocks[-1] += b"".join(records)
    sizes = struct.pack(f">{1 + len(blocks)}I", len(blocks), *map(len, blocks))
    return b"cook" + sizes + b"".join(blocks) + b"\0\0\0\0\x07\x17\x20\x05"


def one_page(content):
    return b"cook" + struct.pack(">2I", 1, 4 + len(content)) + b"\0\0\1\0" + content


def safari(path, *crumbs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(binarycookies([crumb("other", host="a.example")], list(crumbs)))


def tree(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


MAKERS = [
    pytest.param("firefox", FIREFOX, firefox, id="firefox"),
    pytest.param("chrome", CHROME, chromium, id="chrome"),
    pytest.param("safari", SAFARI, safari, id="safari"),
]


@pytest.mark.parametrize(
    ("browser", "place", "make"),
    [
        *MAKERS,
        pytest.param("firefox", "snap/firefox/common/.mozilla/firefox/x/cookies.sqlite", firefox, id="firefox snap"),
        pytest.param("firefox", ".config/mozilla/firefox/x/cookies.sqlite", firefox, id="firefox, new place"),
        pytest.param(
            "firefox", "Library/Application Support/Firefox/Profiles/x/cookies.sqlite", firefox, id="firefox mac"
        ),
        pytest.param("zen", ".zen/x.Default (release)/cookies.sqlite", firefox, id="zen"),
        pytest.param("librewolf", ".librewolf/x/cookies.sqlite", firefox, id="librewolf"),
        pytest.param("chrome", ".config/google-chrome/Profile 2/Network/Cookies", chromium, id="network folder"),
        pytest.param("chrome", "Library/Application Support/Google/Chrome/Default/Cookies", chromium, id="chrome mac"),
        pytest.param("chromium", "snap/chromium/common/chromium/Default/Cookies", chromium, id="chromium snap"),
        pytest.param("brave", ".config/BraveSoftware/Brave-Browser/Default/Cookies", chromium, id="brave"),
        pytest.param(
            "edge", ".var/app/com.microsoft.Edge/config/microsoft-edge/Default/Cookies", chromium, id="edge flatpak"
        ),
        pytest.param("vivaldi", ".config/vivaldi/Default/Cookies", chromium, id="vivaldi"),
        pytest.param("arc", "Library/Application Support/Arc/User Data/user-1/Cookies", chromium, id="arc"),
        pytest.param("dia", "Library/Application Support/Dia/User Data/Default/Cookies", chromium, id="dia"),
        pytest.param("comet", "Library/Application Support/Comet/Profile 1/Cookies", chromium, id="comet"),
        pytest.param("helium", "Library/Application Support/net.imput.helium/Default/Cookies", chromium, id="helium"),
        pytest.param("opera", ".config/opera/Cookies", chromium, id="opera, no profile folder"),
        pytest.param(
            "safari",
            "Library/Containers/com.apple.Safari/Data/Library/WebKit/WebsiteDataStore/1/Cookies/Cookies.binarycookies",
            safari,
            id="safari profile",
        ),
    ],
)
def test_each_browser_is_read_where_it_keeps_its_cookies(home, look, browser, place, make):
    assert look(browser) == {}
    make(home / place, crumb(), crumb("b", name="other"))
    assert look(browser) == {"session": VALUE}


def test_the_settings_know_the_same_browsers():
    assert get_args(BrowserName) == browsers.BROWSERS


def test_a_moved_configuration_folder_is_followed(home, look, tmp_path):
    chromium(tmp_path / "xdg/google-chrome/Default/Cookies", crumb())
    assert look("chrome") == {}
    assert look("chrome", environ={"XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == {"session": VALUE}
    assert look("chrome", environ={"XDG_CONFIG_HOME": "xdg"}) == {}


def test_an_unknown_browser_is_named_with_those_known(look):
    with pytest.raises(errors.ConfigError, match="'netscape'") as caught:
        look("netscape")
    assert caught.value.hint == "one of: " + ", ".join(cookies.BROWSERS)


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS)
@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("cursor.com", True),
        (".cursor.com", True),
        ("www.cursor.com", True),
        (".a.b.Cursor.com", True),
        ("evilcursor.com", False),
        ("cursor.com.evil.example", False),
        ("com", False),
        ("", False),
    ],
)
def test_a_host_is_the_domain_or_below_it(home, look, browser, place, make, host, is_ours):
    make(home / place, crumb(host=host))
    assert look(browser) == ({"session": VALUE} if is_ours else {})


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS)
def test_an_expired_cookie_is_out(home, look, browser, place, make):
    make(home / place, crumb(expires=BEFORE), crumb(name="live"), crumb("", name="empty"))
    assert look(browser, names=("session", "live", "empty")) == {"live": VALUE}


def test_chromium_keeps_a_session_cookie_without_an_end(home, look):
    chromium(home / CHROME, crumb(expires=0))
    assert look("chrome") == {"session": VALUE}


@pytest.mark.parametrize("version", [15, 16, 17])
def test_firefox_counts_in_milliseconds_since_version_16(home, look, version):
    firefox(home / FIREFOX, crumb("old", expires=BEFORE), crumb("live", name="b"), version=version)
    assert look("firefox", names=("session", "b")) == {"b": "live"}


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS)
def test_of_one_name_the_first_domain_its_own_host_and_the_last_use_win(home, look, browser, place, make):
    rows = [
        crumb("sub", host="www.cursor.com", used=9),
        crumb("older", used=1),
        crumb("newer", used=2),
        crumb("second", host="cursor.sh", used=8),
    ]
    make(home / place, *rows)
    assert look(browser, domains=("cursor.com", "cursor.sh")) == {"session": "newer"}
    assert look(browser, domains=("cursor.sh", "cursor.com")) == {"session": "second"}


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS[:2])
def test_a_cookie_of_a_container_or_another_sites_frame_comes_second(home, look, browser, place, make):
    make(home / place, crumb("plain", used=1), crumb("apart", container="^userContextId=2", used=9))
    assert look(browser) == {"session": "plain"}
    (home / place).unlink()
    make(home / place, crumb("apart", container="^userContextId=2"))
    assert look(browser) == {"session": "apart"}


def test_the_last_used_profile_that_has_any_answers_alone(home, look):
    root = home / ".config/google-chrome"
    chromium(root / "Default/Cookies", crumb("old"), crumb("old b", name="b"), changed_at=100)
    chromium(root / "Profile 1/Cookies", crumb("new"), changed_at=300)
    chromium(root / "Profile 2/Cookies", crumb("no", host="a.example"), changed_at=900)
    assert look("chrome", names=("session", "b")) == {"session": "new"}
    os.utime(root / "Default/Cookies", (500, 500))
    assert look("chrome", names=("session", "b")) == {"session": "old", "b": "old b"}


INI = """[Install4F96D1932A9F858E]
Default=Profiles/installed
Locked=1

[Profile1]
Name=default
IsRelative=1
Path=Profiles/marked
Default=1

[Profile0]
IsRelative=0
Path={elsewhere}
"""


def test_firefoxs_installation_names_the_profile(home, look, tmp_path):
    root = home / ".mozilla/firefox"
    profiles = {name: root / "Profiles" / name / "cookies.sqlite" for name in ("installed", "marked", "last")}
    profiles["elsewhere"] = tmp_path / "elsewhere/cookies.sqlite"
    for age, (name, path) in enumerate(profiles.items()):
        firefox(path, crumb(name), changed_at=100 + age)
    (root / "profiles.ini").write_text(INI.format(elsewhere=tmp_path / "elsewhere"))
    seen = []
    for _ in profiles:
        seen.append(look("firefox")["session"])
        profiles[seen[-1]].unlink()
    assert seen == ["installed", "marked", "elsewhere", "last"]


@pytest.mark.parametrize(
    "ini", [b"\xff\xfe\0[", b"Path=x", b"[Profile0]\nPath", b"[Install]\nDefault=a\0b", b"[P]\nPath=../.."]
)
def test_a_broken_profiles_ini_is_as_good_as_none(home, look, ini):
    firefox(home / FIREFOX, crumb())
    (home / ".mozilla/firefox/profiles.ini").write_bytes(ini)
    assert look("firefox") == {"session": VALUE}


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS[:2])
def test_rows_that_are_only_in_the_log_are_read_and_nothing_of_the_browser_changes(home, look, browser, place, make):
    make(home / place, crumb("stale"))
    table = "moz_cookies" if browser == "firefox" else "cookies"
    with contextlib.closing(sqlite3.connect(home / place, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute(f"UPDATE {table} SET value = 'fresh'")
        before = tree(home)
        assert look(browser) == {"session": "fresh"}
        assert tree(home) == before
        assert {path.name.removeprefix(Path(place).name) for path in before if path.is_file()} == {"", "-wal", "-shm"}


def test_a_change_that_the_browser_has_not_finished_is_not_seen(home, look):
    chromium(home / CHROME, crumb("whole"), *(crumb("x" * 3000, name=f"n{count}") for count in range(50)))
    with contextlib.closing(sqlite3.connect(home / CHROME, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN EXCLUSIVE")
        before = (home / CHROME).read_bytes()
        writer.execute("UPDATE cookies SET value = 'half' || substr(value, 1, 2900)")
        assert (home / CHROME).read_bytes() != before, "nothing was spilled into the file"
        assert look("chrome") == {"session": "whole"}


@pytest.mark.parametrize("error", [None, "damaged"])
def test_the_copy_is_private_and_gone_afterwards(home, look, tmp_path, monkeypatch, error):
    firefox(home / FIREFOX, crumb())
    if error:
        (home / FIREFOX).write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    (tmp_path / "temporary").mkdir(mode=0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    modes_seen, connect = [], sqlite3.connect

    def watched(path):
        modes_seen.extend(stat.S_IMODE(os.stat(place).st_mode) for place in (path, Path(path).parent))
        return connect(path)

    monkeypatch.setattr(sqlite3, "connect", watched)
    with pytest.raises(errors.ShapeError, match=error) if error else contextlib.nullcontext():
        look("firefox")
    assert (modes_seen, os.listdir(tmp_path / "temporary")) == ([0o600, 0o700], [])


def test_a_file_that_never_rests_is_an_error_and_one_that_rests_soon_is_read(home, look, monkeypatch):
    firefox(home / FIREFOX, crumb())
    read, touched = files.read_regular, []

    def restless(path, *, limit):
        data = read(path, limit=limit)
        if path == home / FIREFOX and len(touched) < times:
            touched.append(path)
            os.utime(path, (len(touched), len(touched)))
        return data

    monkeypatch.setattr(files, "read_regular", restless)
    times = 2
    assert look("firefox") == {"session": VALUE}
    times = 9
    with pytest.raises(errors.Unavailable, match="was changed while it was read"):
        look("firefox")


def damaged(path, kind):
    whole = path.read_bytes()
    match kind:
        case "noise":
            path.write_bytes(b"no database at all" * 100)
        case "header only":
            path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
        case "no table":
            path.unlink()
            database(path, "CREATE TABLE t (x); PRAGMA user_version = 16;")
        case "empty":
            path.write_bytes(b"")


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS)
@pytest.mark.parametrize("kind", ["noise", "header only", "no table", "empty"])
def test_a_damaged_file_is_an_error_unless_another_profile_answers(home, look, browser, place, make, kind):
    make(home / place, crumb())
    damaged(home / place, kind)
    with pytest.raises(errors.ShapeError, match=f"the cookies of {browser} in .* are damaged") as caught:
        look(browser)
    assert "paste the cookie" in caught.value.hint
    other = {
        "firefox": ".mozilla/firefox/b/cookies.sqlite",
        "chrome": ".config/google-chrome/Profile 1/Cookies",
        "safari": "Library/WebKit/WebsiteDataStore/1/Cookies/Cookies.binarycookies",
    }
    make(home / other[browser], crumb("second"))
    os.utime(home / place, (LATER, LATER + 10**9))  # the damaged one is looked at first
    assert look(browser) == {"session": "second"}


def test_a_copy_that_a_killed_reader_has_left_is_removed_by_the_next(home, look, tmp_path, monkeypatch):
    firefox(home / FIREFOX, crumb())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new, other = (tmp_path / name for name in ("vibeusage-cookies-old", "vibeusage-cookies-new", "other"))
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "copy").touch()
    for folder in (old, other):
        os.utime(folder, (100, 100))
    assert look("firefox") == {"session": VALUE}
    assert [folder.exists() for folder in (old, new, other)] == [False, True, True]


NEWER = [
    ("firefox", FIREFOX, {"version": 18}, "form 18, .* up to 17"),
    ("chrome", CHROME, {"schema": 25}, "form 25, .* up to 24"),
]


@pytest.mark.parametrize(("browser", "place", "form", "said"), NEWER)
def test_a_newer_form_is_not_guessed_at(home, look, browser, place, form, said):
    make = firefox if browser == "firefox" else chromium
    make(home / place, crumb(), **form)
    with pytest.raises(errors.ShapeError, match=f"{browser} keeps its cookies in {said}") as caught:
        look(browser)
    assert caught.value.hint == "a newer vibeusage may know it; until then paste the cookie"


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS[:2])
def test_a_row_that_is_no_text_does_not_spoil_the_others(home, look, browser, place, make):
    make(home / place, crumb(), crumb(name="odd"))
    table, host = ("moz_cookies", "host") if browser == "firefox" else ("cookies", "host_key")
    database(home / place, f"UPDATE {table} SET value = CAST(x'41ff' AS TEXT) WHERE name = 'odd'")
    with pytest.raises(errors.ShapeError, match=f"the cookie odd of {browser} holds"):
        look(browser, names=("session", "odd"))
    database(home / place, f"UPDATE {table} SET name = 'session', {host} = 'a.example' WHERE name = 'odd'")
    assert look(browser) == {"session": VALUE}


@quick
@given(data=st.data())
def test_a_torn_or_altered_database_gives_cookies_or_our_error(home, look, data):
    path = home / FIREFOX
    path.unlink(missing_ok=True)
    firefox(path, crumb())
    whole = bytearray(path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size))])
    for place in data.draw(st.lists(st.integers(0, max(0, len(whole) - 1)), max_size=9)) if whole else ():
        whole[place] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with contextlib.suppress(errors.ShapeError):
        assert set(look("firefox")) <= {"session"}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
def test_what_is_no_plain_file_is_refused_without_waiting(home, look, make):
    (home / FIREFOX).parent.mkdir(parents=True)
    make(home / FIREFOX)
    with pytest.raises(errors.Unavailable, match="cannot be copied"):
        look("firefox")


def test_a_flood_is_refused(home, look, monkeypatch):
    firefox(home / FIREFOX, crumb())
    monkeypatch.setattr(cookiejars, "MAX_BYTES", 4000)
    with pytest.raises(errors.Unavailable, match="too large"):
        look("firefox")


@pytest.mark.parametrize("part", [Path(CHROME), Path(CHROME).parent], ids=["file", "profile"])
def test_a_link_to_the_cookies_is_followed(home, look, tmp_path, part):
    chromium(home / CHROME, crumb())
    (home / part).rename(tmp_path / "real")
    (home / part).symlink_to(tmp_path / "real")
    assert look("chrome") == {"session": VALUE}


def test_links_in_a_circle_are_an_error(home, look):
    (home / CHROME).parent.mkdir(parents=True)
    (home / CHROME).symlink_to(home / CHROME)
    with pytest.raises(errors.Unavailable, match="cannot be read"):
        look("chrome")


@pytest.mark.parametrize(
    ("browser", "place", "make", "call", "hint"),
    [
        pytest.param("safari", SAFARI, safari, "open", "Full Disk Access", id="safari"),
        pytest.param("safari", SAFARI, safari, "stat", "Full Disk Access", id="safari, unseen"),
        pytest.param("firefox", FIREFOX, firefox, "open", "check the rights", id="firefox"),
    ],
)
def test_a_closed_door_is_named_with_its_key(home, look, monkeypatch, browser, place, make, call, hint):
    """Root may read all, so the system's refusal (EPERM by macOS) is played."""
    make(home / place, crumb())

    def refusing(real):
        def act(path, *args, **options):
            if str(path) == str(home / place):
                raise PermissionError(1, "Operation not permitted")
            return real(path, *args, **options)

        return act

    for name in {call, "open"}:
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    with pytest.raises(errors.Forbidden, match="does not let us read") as caught:
        look(browser)
    assert hint in caught.value.hint


@pytest.mark.parametrize("schema", [23, 24])
@pytest.mark.parametrize("value", [VALUE, "x" * 15, "y" * 16, "z" * 4000])
def test_the_fixed_key_of_linux_opens_v10_and_the_keyring_is_not_asked(home, look, schema, value):
    chromium(home / CHROME, crumb(seal(value, schema=schema)), schema=schema)
    assert look("chrome") == {"session": value}


@pytest.mark.parametrize(
    ("browser", "place", "application", "prefix", "rounds"),
    [
        ("chrome", CHROME, "chrome", b"v11", 1),
        ("brave", ".config/BraveSoftware/Brave-Browser/Default/Cookies", "brave", b"v11", 1),
        ("edge", ".config/microsoft-edge/Default/Cookies", "chromium", b"v11", 1),
        ("chrome", "Library/Application Support/Google/Chrome/Default/Cookies", "Chrome", b"v10", 1003),
        ("edge", "Library/Application Support/Microsoft Edge/Default/Cookies", "Microsoft Edge", b"v10", 1003),
    ],
)
@pytest.mark.parametrize("schema", [23, 24])
def test_the_keyring_is_asked_once_for_a_value_that_needs_it(
    home, look, browser, place, application, prefix, rounds, schema
):
    sealed = [
        crumb(seal(f"v{name}", prefix=prefix, password=b"key", rounds=rounds, schema=schema), name=name)
        for name in ("a", "b")
    ]
    chromium(home / place, *sealed, schema=schema)
    asked = []

    def secret(name):
        asked.append(name)
        return b"key"

    assert look(browser, names=("a", "b"), secret=secret) == {"a": "va", "b": "vb"}
    assert asked == [application]
    assert look(browser, domains=("a.example",), names=("a", "b")) == {}


def test_an_empty_password_opens_only_what_a_hash_proves(home, look):
    chromium(home / CHROME, crumb(seal(VALUE, prefix=b"v11", password=b"")))
    assert look("chrome", secret=lambda _: b"key") == {"session": VALUE}
    old = home / ".config/vivaldi/Default/Cookies"
    chromium(old, crumb(seal(VALUE, prefix=b"v11", password=b"", schema=23)), schema=23)
    with pytest.raises(errors.ShapeError):
        look("vivaldi", secret=lambda _: b"key")


@quick
@given(key=st.binary(min_size=1).filter(lambda key: key.rstrip(b"\0") != b"right"), schema=st.sampled_from([20, 24]))
def test_a_wrong_key_is_an_error_and_never_a_value(home, look, key, schema):
    (home / CHROME).unlink(missing_ok=True)
    chromium(home / CHROME, crumb(seal(VALUE, prefix=b"v11", password=b"right", schema=schema)), schema=schema)
    with pytest.raises(errors.ShapeError, match="session of chrome"):
        look("chrome", secret=lambda _: key)


def test_a_value_moved_from_another_host_does_not_open(home, look):
    chromium(home / CHROME, crumb(seal(VALUE, host="a.example")))
    with pytest.raises(errors.ShapeError, match="does not open the cookie session of chrome"):
        look("chrome")


@pytest.mark.parametrize(
    ("sealed", "error", "hint"),
    [
        pytest.param(b"v20" + b"x" * 60, errors.Forbidden, "or log in with Firefox", id="v20"),
        pytest.param(seal(VALUE, prefix=b"v11"), errors.Unavailable, "unlock the keyring", id="keyring is silent"),
        pytest.param(b"v99" + b"x" * 16, errors.ShapeError, "paste the cookie", id="unknown form"),
        pytest.param(b"v10", errors.ShapeError, "paste the cookie", id="nothing inside"),
        pytest.param(b"v10" + b"x" * 17, errors.ShapeError, "paste the cookie", id="torn"),
        pytest.param(seal(VALUE)[:-16], errors.ShapeError, "paste the cookie", id="no padding"),
        pytest.param(seal("a\nb"), errors.ShapeError, "paste the cookie", id="line break inside"),
    ],
)
def test_what_cannot_be_opened_says_why_and_what_to_do(home, look, sealed, error, hint):
    chromium(home / CHROME, crumb(sealed))
    with pytest.raises(error, match="chrome") as caught:
        look("chrome", secret=lambda _: None)
    assert hint in caught.value.hint


@pytest.mark.parametrize(("browser", "place", "make"), MAKERS)
@pytest.mark.parametrize("value", ["a; admin=1", "a\r\nX-Evil: 1", "naïve", "a\x7fb"])
def test_a_value_that_would_break_a_header_is_refused_and_not_shown(home, look, browser, place, make, value):
    make(home / place, crumb(value))
    with pytest.raises(errors.ShapeError, match="holds what no request can carry") as caught:
        look(browser)
    assert value not in f"{caught.value} {caught.value.hint}"


def test_a_missing_extra_is_named_with_its_command_and_firefox_does_without(home, look, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    firefox(home / FIREFOX, crumb())
    chromium(home / CHROME, crumb(seal(VALUE)))
    assert look("firefox") == {"session": VALUE}
    with pytest.raises(errors.Unavailable, match="`cryptography` is missing") as caught:
        look("chrome")
    assert caught.value.hint == "pip install 'vibeusage[browser]'"


def test_a_cookies_value_is_in_no_repr(home):
    firefox(home / FIREFOX, crumb())
    (cookie,) = cookiejars.read("firefox", home / FIREFOX, ("session",))
    assert (cookie.value, VALUE in repr(cookie)) == (VALUE, False)


@quick
@given(size=st.integers(0, 500))
def test_a_cut_off_safari_file_is_an_error(home, look, size):
    whole = binarycookies([crumb()], [crumb("b", name="b"), crumb("c", name="c")])
    (home / SAFARI).parent.mkdir(parents=True, exist_ok=True)
    (home / SAFARI).write_bytes(whole[: min(size, len(whole) - 9)])  # the checksum is eight bytes
    with pytest.raises(errors.ShapeError):
        look("safari")


@quick
@given(changes=st.dictionaries(st.integers(0, 220), st.integers(0, 255), max_size=12), noise=st.binary(max_size=200))
def test_no_safari_file_makes_anything_but_cookies_or_our_error(home, look, changes, noise):
    (home / SAFARI).parent.mkdir(parents=True, exist_ok=True)
    altered = bytearray(binarycookies([crumb()], [crumb("b", name="b")]))
    for place, byte in changes.items():
        altered[place % len(altered)] = byte
    for data in (bytes(altered), b"cook" + noise, one_page(noise)):
        (home / SAFARI).write_bytes(data)
        with contextlib.suppress(errors.ShapeError):
            assert set(look("safari", names=("session", "b"))) <= {"session", "b"}


WHOLE = binarycookies([crumb()])
RECORD = 28  # where WHOLE's only record starts: its size, then at 16 and on the starts of host, name, path and value


def altered(place, value, form="<I"):
    data = bytearray(WHOLE)
    struct.pack_into(form, data, place, value)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"cook\xff\xff\xff\xff", id="four thousand million pages"),
        pytest.param(altered(8, len(WHOLE), ">I"), id="page longer than the file"),
        pytest.param(one_page(struct.pack("<2I", 1, 4096)), id="offset outside"),
        pytest.param(one_page(struct.pack("<3I", 1, 12, 0)), id="empty record"),
        pytest.param(altered(RECORD, len(WHOLE) - 8 - RECORD + 8), id="record longer than its page"),
        pytest.param(one_page(struct.pack("<4I", 2, 20, 20, 0) + WHOLE[RECORD:-8]), id="one record twice"),
        pytest.param(altered(RECORD + 28, 40), id="value inside the head"),
        pytest.param(altered(RECORD + 28, 4096), id="value outside"),
        pytest.param(altered(RECORD, len(WHOLE) - 8 - RECORD - 1), id="value without an end"),
    ],
)
def test_a_safari_file_that_points_out_of_itself_is_an_error(home, look, data):
    (home / SAFARI).parent.mkdir(parents=True)
    (home / SAFARI).write_bytes(data)
    with pytest.raises(errors.ShapeError, match="damaged"):
        look("safari")


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A program in front of all others that runs a few lines of sh; its arguments and environment are noted."""

    def make(name, body):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/args\nenv > {tmp_path}/env\n{body}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        return path

    return make


def test_libsecrets_tool_is_asked_for_the_newer_schema_then_the_older(tmp_path, tool, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "made-up-key")
    tool("secret-tool", 'case "$*" in *_v1*) echo made-up==;; *) exit 1;; esac')
    assert cookies.secret_service_password("chrome") == b"made-up=="
    asked = "lookup xdg:schema chrome_libsecret_os_crypt_password_{} application chrome\n"
    assert (tmp_path / "args").read_text() == asked.format("v2") + asked.format("v1")
    assert "ACME_API_KEY" not in (tmp_path / "env").read_text()


@pytest.mark.parametrize("body", ["exec sleep 60", "exit 1", "exit 0", "echo partly; exit 3"])
def test_a_keyring_that_gives_nothing_in_time_is_none(tool, monkeypatch, body):
    monkeypatch.setattr(cookies, "SECURITY", str(tool("secret-tool", body)))
    assert cookies.secret_service_password("chrome", wait_s=0.4) is None
    assert cookies.keychain_password("Chrome", wait_s=0.2) is None


def test_without_a_tool_of_a_keyring_there_is_no_password(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cookies.platform_secret("chrome") is None


@pytest.mark.parametrize(
    ("body", "password"),
    [
        ("echo made-up==", b"made-up=="),
        ("echo 'Failed to read entry Chrome Safe Storage value from the kdewallet wallet.'", None),
        ("exit 2", None),
    ],
)
def test_kdes_wallet_is_asked_where_the_secret_service_has_nothing(tmp_path, tool, body, password):
    tool("secret-tool", "exit 1")
    tool("kwallet-query", body)
    assert cookies.platform_secret("chrome") == password
    asked = (tmp_path / "args").read_text().splitlines()[-1]
    assert asked == "--folder Chrome Keys --read-password Chrome Safe Storage kdewallet"


def test_the_keychain_is_asked_by_apples_own_tool_and_not_over_ssh(tmp_path, tool, monkeypatch):
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr(cookies, "SECURITY", str(tool("security", "echo made-up==")))
    assert cookies.keychain_password("Chrome") == b"made-up=="
    assert cookies.keychain_password("Helium") == b"made-up=="
    asked = "find-generic-password -s {} -a {} -w\n"
    named = [asked.format("Chrome Safe Storage", "Chrome"), asked.format("Helium Storage Key", "Helium")]
    assert (tmp_path / "args").read_text() == "".join(named)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert cookies.keychain_password("Chrome") is None


@pytest.mark.parametrize(("platform", "password"), [("linux", b"of linux"), ("darwin", b"of macos")])
def test_each_platform_has_its_own_keyring(tool, monkeypatch, platform, password):
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr(cookies, "SECURITY", str(tool("security", "echo of macos")))
    tool("secret-tool", "echo of linux")
    monkeypatch.setattr(cookies, "sys", SimpleNamespace(platform=platform))
    assert cookies.platform_secret("chrome") == password
