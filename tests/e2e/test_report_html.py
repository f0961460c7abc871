"""The page in a real Chromium that has no network, and what a validator and an accessibility checker say of it.

html-validate and axe-core are those of npm (`VIBEUSAGE_TEST_NPM`). Known from: Chromium 156.
"""

import json
import re
import shutil
import subprocess
import sys
import zlib
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from npm import offline, program
from pages import Page, problems, skeleton
from records import a_year

from vibeusage import cli
from vibeusage.escape import clean
from vibeusage.records import store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a network of its own is of Linux"),
]
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
)
SCHEMES = {"dark": 0, "light": 1}  # of Blink's preferredColorScheme
GROUND = {"dark": b"\x14\x17\x1c", "light": b"\xff\xff\xff"}
OWN = ("google.com", "googleapis.com", "gstatic.com")  # whom Chromium asks for newer versions of itself
AXE = """axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const told = document.createElement("pre");
  const shown = found.violations.map(one => [one.id, one.help, one.nodes.map(node => node.html.slice(0, 200))]);
  told.id = "axe";
  told.textContent = JSON.stringify({violations: shown, passes: found.passes.map(one => one.id)});
  document.body.replaceChildren(told);
})"""
TRAPS = {
    "an image from elsewhere": ('<img src="http://canary.invalid/a.png">', False),
    "an image that the policy forbids": ('<img src="http://canary.invalid/a.png">', True),
    "a script that the policy forbids": ("<script>1</script>", True),
    "a script that tells": ("<script>console.log('here')</script>", False),
}


class Seen(NamedTuple):
    """`console`: what the page made the browser say; `hosts`: who was asked, but for the browser's own."""

    dom: str
    console: list[str]
    hosts: set[str]


@pytest.fixture
def browse(require, tmp_path):
    chromium = require("chromium")

    def run(page: Path, *options: str) -> Seen:
        log, profile = tmp_path / "net.json", tmp_path / "profile"
        command = [chromium, *QUIET, f"--user-data-dir={profile}", f"--log-net-log={log}", *options, page.as_uri()]
        done = subprocess.run(
            offline(command), capture_output=True, text=True, errors="replace", timeout=120, check=False
        )
        shutil.rmtree(profile, ignore_errors=True)
        said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line and "source: file:" in line]
        asked = {*re.findall(r"(?:https?|wss?|ftp)://([^/\"\\: ]+)", log.read_text("utf-8", "replace"))}
        return Seen(done.stdout, said, {host for host in asked if not host.endswith(OWN)})

    return run


@pytest.fixture
def page(tmp_path, capsys) -> Path:
    """Two months of ordinary calls, and one of each hostile name."""
    with store.open() as opened:
        a_year.fill(opened, days=60)
        a_year.fill_with(opened, a_year.HOSTILE)
        a_year.fill_quotas(opened)
        a_year.fill_quotas(opened, account=f"codex@{a_year.HOSTILE[2]}")
    path = tmp_path / "report.html"
    assert cli.main(["report", "html", "--output", str(path)]) == 0
    return path


def test_f9_nothing_is_said_asked_or_run_and_hostile_names_stay_text(page, browse):
    seen = browse(page, "--dump-dom")
    assert (seen.console, seen.hosts, problems(seen.dom)) == ([], set(), [])
    assert skeleton(seen.dom) == skeleton(page.read_text("utf-8"))
    assert {clean(name) for name in a_year.HOSTILE} <= {*Page(seen.dom).text_of("th", "td")}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_request_or_a_message_would_be_noticed(trap, page, browse):
    markup, has_policy = TRAPS[trap]
    text = page.read_text("utf-8").replace("</main>", f"{markup}</main>")
    page.write_text(text if has_policy else re.sub("<meta http-equiv[^>]*>", "", text), "utf-8")
    seen = browse(page, "--dump-dom")
    assert bool(seen.console) or seen.hosts == {"canary.invalid"}
    assert problems(seen.dom) != []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_light_or_dark_as_the_system_is(scheme, page, browse, tmp_path):
    picture = tmp_path / f"{scheme}.png"
    options = (f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", "--window-size=1200,2400")
    seen = browse(page, *options, "--hide-scrollbars", f"--screenshot={picture}")
    assert (seen.console, first_pixel(picture.read_bytes())) == ([], GROUND[scheme])


def first_pixel(png: bytes) -> bytes:
    """Red, green and blue: before the first pixel of the first line there is nothing that a filter could refer to."""
    at, data = 8, b""
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return zlib.decompress(data)[1:4]


def test_a_validator_finds_nothing(page, require):
    command = [require("node"), program("html-validate"), "--formatter=text", str(page)]
    done = subprocess.run(offline(command), capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")


def test_a_validator_would_find_something(page, require):
    page.write_text(page.read_text("utf-8").replace('id="tokens"', 'id="cost"'), "utf-8")
    command = [require("node"), program("html-validate"), "--formatter=text", str(page)]
    done = subprocess.run(offline(command), capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "no-dup-id" in done.stdout) == (1, True)


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")])
def test_an_accessibility_checker_finds_nothing_with_all_tables_open(width, scheme, page, browse):
    found = checked(page, browse, width, scheme)
    assert found["violations"] == []
    assert {"color-contrast", "svg-img-alt", "heading-order", "th-has-data-cells"} <= {*found["passes"]}


def test_an_accessibility_checker_would_find_something(page, browse):
    page.write_text(page.read_text("utf-8").replace("--dim: #535b66", "--dim: #b0b6bf"), "utf-8")
    assert "color-contrast" in [name for name, *_ in checked(page, browse, 1200, "light")["violations"]]


def checked(page: Path, browse, width: int, scheme: str) -> dict:
    """By axe, in a copy without the policy, which allows no script, not even axe's."""
    axe = Path(program("axe-core")).read_text("utf-8").replace("</script", "<\\/script")
    text = re.sub("<meta http-equiv[^>]*>", "", page.read_text("utf-8"), count=1).replace("<details>", "<details open>")
    page.write_text(text.replace("</body>", f"<script>{axe}</script><script>{AXE}</script></body>"), "utf-8")
    looks = (f"--window-size={width},900", f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}")
    seen = browse(page, *looks, "--virtual-time-budget=60000", "--dump-dom")
    (told,) = re.findall(r'<pre id="axe">(.*?)</pre>', seen.dom, re.S)
    return json.loads(unescape(told))


def test_a_year_is_less_than_a_megabyte(tmp_path, capsys):
    with store.open() as opened:
        a_year.fill(opened)
        for account in ("claude", "claude@work", "codex", "gemini"):
            a_year.fill_quotas(opened, account=account, days=100)
    path = tmp_path / "year.html"
    assert cli.main(["report", "html", "--output", str(path), "--zone", "UTC"]) == 0
    assert path.stat().st_size < 1_000_000
    assert len(Page(path.read_text("utf-8")).all("table")) == 9 + 8
