"""`auth --from-browser` at real hosts over TLS: which browser is taken, what is asked, and that nothing is stored."""

import io
import sys
import time
from pathlib import Path

import pytest
from homes import USAGE, documents, five_answers
from jars import CHROME, FIREFOX, chromium, crumb, firefox, seal
from vendors import Answer, World

from vibeusage import cli, config, cookies, paths, providers, vault
from vibeusage.cli import secrets_in, trial
from vibeusage.providers.spec import Stored

NAME, VALUE = "WorkosCursorSessionToken", "user_01INVENTED%3A%3Acanary-of-cursor"
ZEN = ".zen/x/cookies.sqlite"


def session(value=VALUE, **more):
    return crumb(value, name=NAME, **more)


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        five_answers(made)
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def auth(world, capfd):
    """Run `vibeusage auth …`: exit code, stdout and stderr by line."""

    def run(*words):
        try:
            code = cli.main(["auth", *words])
        except SystemExit as exc:
            code = exc.code
        told = capfd.readouterr()
        assert "canary" not in told.out + told.err
        return code, told.out.splitlines(), told.err.splitlines()

    return run


@pytest.fixture
def settings() -> Path:
    return paths.config_file()


def sent(world) -> list[str]:
    return [request.headers["cookie"] for request in world.requests if request.path == USAGE["cursor"][2]]


UNDO = "it is not stored; to end this: vibeusage config reset 'providers.cursor.browser'"
WORKS = "cursor: Total 41.5%, Auto 30%, API 53%"


def used(browser):
    return [f"cursor: the session cookie of cursor.com is read from {browser} from now on", UNDO, WORKS]


def test_the_cookie_of_a_browser_is_tried_and_stays_there(auth, world, home, settings, tmp_path):
    firefox(home / FIREFOX, session())
    assert auth("cursor", "--from-browser", "firefox") == (0, used("firefox"), [])
    assert sent(world) == [f"{NAME}={VALUE}"]
    assert settings.read_text() == '[providers.cursor]\nbrowser = "firefox"\n'
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert holding == [home / FIREFOX]


def test_the_browser_is_asked_anew_at_each_refresh_also_in_the_background(auth, world, home):
    firefox(home / FIREFOX, session())
    auth("cursor", "--from-browser", "firefox")
    (home / FIREFOX).unlink()
    firefox(home / FIREFOX, session(f"{VALUE}-renewed"))
    cli.main(["refresh", "--if-due"])
    assert sent(world) == [f"{NAME}={VALUE}", f"{NAME}={VALUE}-renewed"]


def test_without_a_name_the_first_browser_whose_cookie_works_is_taken(auth, world, home):
    firefox(home / FIREFOX, session(expires=time.time() - 1))
    firefox(home / ZEN, session(f"{VALUE}-old"))
    chromium(home / CHROME, session(seal(VALUE)))
    refused, good = Answer(status=401), Answer(json=documents()["cursor"])
    world.on(*USAGE["cursor"], lambda request: refused if "-old" in request.headers["cookie"] else good)
    assert auth("cursor", "--from-browser") == (
        0,
        used("chrome"),
        ["firefox: firefox has no live session cookie of cursor.com", "zen: cursor.com refused the login"],
    )
    assert config.get("providers.cursor.browser") == "chrome"


@pytest.mark.parametrize("words", [("cursor", "--from-browser"), ("--from-browser", "cursor")])
def test_the_preferred_browser_is_the_only_one_that_is_looked_into(auth, world, home, words):
    firefox(home / FIREFOX, session("user_1%3A%3Acanary-other"))
    firefox(home / ZEN, session())
    config.set_value("credentials.browser", "zen")
    assert auth(*words) == (0, used("zen"), [])
    assert sent(world) == [f"{NAME}={VALUE}"]


def test_an_account_of_its_own_has_a_browser_of_its_own(auth, home):
    firefox(home / ZEN, session())
    assert auth("cursor@work", "--from-browser", "zen")[0] == 0
    assert config.get('providers."cursor@work".browser') == "zen"
    assert config.get("providers.cursor.browser") is None


def test_no_check_asks_nobody(auth, world, home):
    firefox(home / FIREFOX, session())
    assert auth("cursor", "--from-browser", "firefox", "--no-check") == (0, used("firefox")[:2], [])
    assert world.requests == []


def test_the_last_login_wins_over_one_that_was_pasted(auth, world, home):
    vault.write("cursor", "session", {"session_token": "user_1%3A%3Acanary-pasted", "owner": "o"}, "")
    firefox(home / FIREFOX, session())
    code, out, _ = auth("cursor", "--from-browser", "firefox")
    assert (code, out[1]) == (0, "the one that was pasted is deleted: it would have been used first")
    assert list(vault.entries()) == []
    assert cli.main(["refresh", "cursor"]) == 0
    assert sent(world) == [f"{NAME}={VALUE}"] * 2


PASTE = "or paste the cookie: `vibeusage auth cursor --kind session`"
NO_COOKIE = f"  log in at https://cursor.com there, and run this again after half a minute, when it is stored; {PASTE}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(
            ["cursor", "--from-browser", "zen"],
            2,
            ["vibeusage: zen keeps no cookies on this machine", "  found here: firefox, chrome"],
            id="not here",
        ),
        pytest.param(
            ["cursor", "--from-browser", "firefox"],
            2,
            ["vibeusage: firefox has no live session cookie of cursor.com", NO_COOKIE],
            id="no cookie",
        ),
        pytest.param(
            ["cursor", "--from-browser"],
            2,
            [
                "firefox: firefox has no live session cookie of cursor.com",
                "chrome: chrome has no live session cookie of cursor.com",
                "vibeusage: firefox has no live session cookie of cursor.com",
                NO_COOKIE,
            ],
            id="no cookie anywhere",
        ),
        pytest.param(
            ["cursor", "--from-browser", "canary"],
            4,
            [
                "vibeusage: behind --from-browser stands no browser that we know",
                f"  one of {', '.join(cookies.BROWSERS)}",
            ],
            id="no browser",
        ),
        pytest.param(
            ["codex", "--from-browser", "firefox"],
            4,
            ["vibeusage: Codex has no login by a browser's cookie", "  log in with `codex login`"],
            id="no cookie is of use",
        ),
        *(
            pytest.param(
                words,
                4,
                [
                    "vibeusage: --from-browser goes with one provider and, at most, --no-check",
                    "  vibeusage auth PROVIDER --from-browser [BROWSER]",
                ],
                id=" ".join(words),
            )
            for words in (
                ["--from-browser", "firefox"],
                ["--from-browser"],
                ["cursor", "--from-browser", "firefox", "--status"],
                ["cursor", "--from-browser", "firefox", "--kind", "session"],
                ["cursor", "--host", "acme.ghe.com", "--from-browser"],
            )
        ),
    ],
)
def test_what_is_missing_is_told_with_the_next_step(auth, world, home, settings, words, code, said):
    firefox(home / FIREFOX, crumb(name=NAME, host="a.example"))
    chromium(home / CHROME, crumb(name="other"))
    assert auth(*words) == (code, [], said)
    assert (settings.exists(), world.requests) == (False, [])


@pytest.mark.parametrize("provider", providers.ids())
def test_what_a_browser_may_give_may_be_pasted_as_a_session(provider):
    loaded = providers.load(provider)
    for strategy, _ in trial.with_cookie(loaded):
        assert secrets_in.kinds(loaded)["session"].strategy == strategy.name
        assert [place.kind for place in secrets_in.places(strategy) if isinstance(place, Stored)] == ["session"]


def test_without_any_browser_the_cookie_may_be_pasted(auth):
    said, hint = "no browser that we know keeps cookies on this machine", "`vibeusage auth cursor --kind session`"
    assert auth("cursor", "--from-browser") == (2, [], [f"vibeusage: {said}", f"  paste the cookie: {hint}"])


def test_a_refused_cookie_changes_nothing(auth, world, home, settings):
    vault.write("cursor", "session", {"session_token": "user_1%3A%3Acanary-pasted", "owner": "o"}, "")
    firefox(home / FIREFOX, session())
    world.on(*USAGE["cursor"], Answer(status=401))
    said = ["vibeusage: cursor.com refused the login", "  log in at https://cursor.com in firefox, then run this again"]
    assert auth("cursor", "--from-browser", "firefox") == (2, [], said)
    assert (settings.exists(), [entry.kind for entry in vault.entries()]) == (False, ["session"])


def test_a_vendor_that_asks_to_wait_is_not_asked_with_the_next_browsers_cookie(auth, world, home, settings):
    firefox(home / FIREFOX, session())
    firefox(home / ZEN, session(f"{VALUE}-other"))
    world.on(*USAGE["cursor"], Answer(status=429))
    code, _, err = auth("cursor", "--from-browser")
    assert (code, err[0], sent(world)) == (3, "vibeusage: cursor.com asks to wait", [f"{NAME}={VALUE}"])
    assert not settings.exists()


def test_a_missing_extra_is_told_with_its_command_and_a_pasted_cookie_does_without(auth, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    chromium(home / CHROME, session(seal(VALUE)))
    assert auth("cursor", "--from-browser", "chrome") == (
        3,
        [],
        [
            "vibeusage: the cookies of this browser are encrypted, and the package `cryptography` is missing",
            "  pip install 'vibeusage[browser]'",
        ],
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{NAME}={VALUE}".encode())))
    code, out, err = auth("cursor")
    assert (code, out[-1]) == (0, WORKS)
    assert err[-1] == "  or leave it in the browser: vibeusage auth cursor --from-browser"


LOCKED = [
    "vibeusage: the keyring gave no key for the cookies of chrome",
    "  unlock the keyring and allow the access (Linux: install secret-tool or kwallet-query), or paste the cookie",
]


def test_a_keyring_that_stays_locked_is_told(auth, home, monkeypatch, settings):
    chromium(home / CHROME, session(seal(VALUE, prefix=b"v11", password=b"key")))
    monkeypatch.setattr(cookies, "platform_secret", lambda application, **options: None)
    asked = "the keyring is asked for the key to the cookies of chrome"
    assert auth("cursor", "--from-browser", "chrome") == (3, [], [asked, *LOCKED])
    assert not settings.exists()


def test_a_key_in_the_keyring_is_used_where_a_person_waits_and_nowhere_else(auth, world, home, monkeypatch):
    chromium(home / CHROME, session(seal(VALUE, prefix=b"v11", password=b"key")))
    monkeypatch.setattr(cookies, "platform_secret", lambda application, **options: b"key")
    code, out, _ = auth("cursor", "--from-browser", "chrome")
    assert (code, out[1].partition(":")[0]) == (0, "its key lies in the keyring, which nothing in the background opens")
    cli.main(["refresh", "--if-due"])
    assert len(sent(world)) == 1
    assert cli.main(["refresh", "cursor"]) == 0
    assert len(sent(world)) == 2
