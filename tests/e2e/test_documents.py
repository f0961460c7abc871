"""The recorded documents of real assistants, through the real program, as if each were sent now."""

import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from colours import parsed
from wcwidth import wcswidth

from vibeusage import document, items, table, view
from vibeusage.line import TARGETS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ROOT / "tests" / "fixtures"
CLAUDE = sorted(path.stem for path in (FOLDERS / "claude-code-stdin").glob("*.json"))
OTHERS = sorted(path.stem for path in (FOLDERS / "other-cli-stdin").glob("*.json"))
TTL_S = {"5m": 300, "1h": 3600}
INSTANTS = ("resets_at", "expires_at", "last_miss_at")
PERCENT = r"(<?\d+(?:\.\d+)?%)"
KNOWN = "5h 42% 2h 1m (<1m ago)"  # of period(used=42.0)
LABEL = {"five_hour": "5h", "seven_day": "7d"}


def period(name="Session (5h)", short="5h", window_s=18_000, used=42.0, resets_in=7_300, age=0) -> tuple:
    """One period row of `line.tsv`, relative to now."""
    now = int(time.time())
    return ("period", "claude", name, short, window_s, used, now + resets_in, now - age, "oauth", "window")


def recorded(name: str) -> dict:
    folder = "claude-code-stdin" if name in CLAUDE else "other-cli-stdin"
    return json.loads((FOLDERS / folder / f"{name}.json").read_text())


def sent_now(name: str) -> dict:
    """The document with its instants shifted as if it had been recorded at this moment."""
    found = recorded(name)
    if expires_at := found.get("prompt_cache", {}).get("expires_at"):
        moment = expires_at - TTL_S[found["prompt_cache"]["ttl"]]
    else:
        moment = found.get("rate_limits", {}).get("five_hour", {}).get("resets_at", 7200) - 7200
    return shifted(found, int(time.time()) - moment)


def shifted(value, by):
    if not isinstance(value, dict):
        return value
    return {k: v + by if k in INSTANTS and v else shifted(v, by) for k, v in value.items()}


def limits_of(found: dict) -> dict[str, str]:
    """{label: percentage} that the document itself states."""
    return {LABEL[key]: f"{limit['used_percentage']:g}%" for key, limit in found.get("rate_limits", {}).items()}


def shown_limits(text: str) -> dict[str, str]:
    """{label: percentage} on screen; the share of the context is another matter."""
    return dict(re.findall(rf"\b(5h|7d) {PERCENT}", text))


def rows(target, done):
    """The visible rows of a finished `line`, which must have ended well and in silence."""
    assert (done.returncode, done.stderr) == (0, b"")
    return parsed(target, done.stdout.decode())


def timeless(row: str) -> str:
    """`row` with each countdown as T: it depends on when the document was recorded, to the second."""
    return re.sub(r"(?<=% )(?:\d+[dhm] ?)+(?=$| )", "T", row)


def as_bytes(found: object) -> bytes:
    return (json.dumps(found) + "\n").encode()


WITH_LIMITS = [name for name in CLAUDE if "rate_limits" in recorded(name)]
WITHOUT_LIMITS = [name for name in CLAUDE if name not in WITH_LIMITS]


def test_the_recordings_are_all_there():
    assert (len(CLAUDE), len(OTHERS), len(WITH_LIMITS)) == (26, 4, 10)


@pytest.mark.parametrize("name", WITH_LIMITS)
def test_a_document_shows_exactly_the_percentages_it_holds(vibeusage, name):
    found = sent_now(name)
    assert all(limit["resets_at"] > time.time() for limit in found["rate_limits"].values())
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    quotas = re.sub(r"ctx \S+", "", row)
    assert (shown_limits(row), set(re.findall(PERCENT, quotas))) == (limits_of(found), set(limits_of(found).values()))
    assert "ago" not in row


@pytest.mark.parametrize("name", WITH_LIMITS)
def test_every_target_shows_afterwards_what_the_document_said(cache_dir, vibeusage, name):
    found = sent_now(name)
    vibeusage("line", "claude-code", stdin=as_bytes(found))
    now = int(time.time())
    said = {}
    for target in TARGETS:
        _, known = view.load(str(cache_dir), now, [0.0])
        shown = view.show(target, known, {}, b"", now, mono=False, environ=dict(os.environ)).text
        said[target] = _limits_in(target, shown)
    assert said == dict.fromkeys(TARGETS, limits_of(found))


@pytest.mark.slow
def test_every_target_says_so_as_a_program_too(vibeusage):
    found = sent_now("after-two-replies-rate-limits")
    vibeusage("line", "claude-code", stdin=as_bytes(found))
    said = {}
    for target in TARGETS:
        done = vibeusage("line", target)
        assert (done.returncode, done.stderr) == (0, b"")
        said[target] = _limits_in(target, done.stdout.decode())
    assert said == {target: {"5h": "43.5%", "7d": "18.1%"} for target in TARGETS}


def _limits_in(target, output):
    if target == "json":
        return {each["label"]: f"{each['utilization']:g}%" for each in json.loads(output)["periods"]}
    return shown_limits(parsed(target, output)[0])


@pytest.mark.parametrize("name", WITHOUT_LIMITS)
def test_a_document_without_limits_keeps_the_last_known_with_their_age(line_tsv, vibeusage, name):
    line_tsv(period(used=42.0, age=20), period("Weekly", "7d", 604_800, 17.3, 92_000, 20))
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(sent_now(name))))
    assert re.match(r"5h 42% 2h 1m · 7d 17\.3% 1d 1h \(<1m ago\)", row), row
    assert not re.search(r"\b0%", row)


@pytest.mark.parametrize("name", WITHOUT_LIMITS)
def test_a_document_without_limits_invents_none(name):
    found, known = sent_now(name), table.Table()
    known.version = table.VERSION
    environ = {"HOME": "/nowhere", "VIBEUSAGE_CACHE_DIR": "/nowhere/cache"}
    now = int(time.time())
    shown = view.show("claude-code", known, {}, as_bytes(found), now, mono=False, environ=environ)
    used = found["context_window"]["used_percentage"]
    context = f" · ctx {used}%" if used else ""
    assert parsed("claude-code", shown.text) == [found["model"]["display_name"] + context]


def test_more_than_all_is_100_and_almost_nothing_is_what_the_client_rounds_it_to(vibeusage):
    found = sent_now("utilization-above-one")
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    assert timeless(row) == "5h 100% T · 7d 0% T · Opus 5.5 · ctx 3%"
    assert b"\x1b[1;31m100%" in vibeusage("line", "claude-code", stdin=as_bytes(found)).stdout


def test_a_window_that_the_client_dropped_after_its_reset_is_shown_as_reset(line_tsv, vibeusage):
    line_tsv(period(used=88.0, resets_in=-30, age=600))
    found = sent_now("five-hour-window-passed")
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    assert timeless(row) == "5h reset (10m ago) · 7d 50% T · Opus 5.5 · ctx 3%"


def test_a_reset_that_lies_in_the_past_shows_reset_for_the_old_percentage(vibeusage):
    found = sent_now("after-reply-rate-limits")
    found["rate_limits"]["five_hour"]["resets_at"] = int(time.time()) - 5
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    assert timeless(row) == "5h reset · 7d 17.3% T · Opus 5.5 · ctx 3%"


@pytest.mark.parametrize("name", OTHERS)
def test_another_assistant_shows_its_items_and_the_limits_that_are_known(line_tsv, vibeusage, name):
    line_tsv(period(used=42.0))
    target, found = name.partition("-")[0], recorded(name)
    [row] = rows(target, vibeusage("line", target, stdin=as_bytes(found)))
    window = found["context_window"]
    used = window.get("current_context_used_percentage", window["used_percentage"])
    items = [found["model"]["display_name"]] + [f"ctx {used}%"] * bool(used) + ["0 premium"] * (target == "copilot")
    assert row == " · ".join(["claude " + KNOWN, *items])


# What the documents hold, field by field


class Watched(dict):
    """A dict that remembers which of its fields, and of those within, were looked at."""

    def __init__(self, value: dict, path: str, log: set[str]) -> None:
        inside = {
            key: Watched(item, f"{path}{key}.", log) if isinstance(item, dict) else item for key, item in value.items()
        }
        super().__init__(inside)
        self.path, self.log = path, log

    def get(self, key, default=None):
        self.log.add(self.path + str(key))
        return super().get(key, default)

    def values(self):
        self.log.add(self.path + "*")
        return super().values()


def leaves(value: object, path: str = "") -> dict[str, object]:
    """{field path: value}; the name of a model that is a key stands as *."""
    if not isinstance(value, dict) or not value:
        return {re.sub(r"^metrics\.models\.[^.]+", "metrics.models.*", path): value}
    return {k: v for key, item in value.items() for k, v in leaves(item, f"{path}.{key}" if path else key).items()}


def alone(path: str, value: object) -> dict:
    """A document that holds this one field."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value if isinstance(value, dict) else {}


ALL_DOCUMENTS = {name: recorded(name) for name in CLAUDE + OTHERS}
EVERY_FIELD = {path: value for found in ALL_DOCUMENTS.values() for path, value in leaves(found).items()}


def looked_at() -> dict[str, set[str]]:
    """{item or "periods": the field paths it reads in any recorded document, or in one that holds a single field}."""
    documents = [*ALL_DOCUMENTS.values(), *[alone(path, value) for path, value in EVERY_FIELD.items()]]
    found = {name: set() for name in [*items.ITEMS, "periods"]}
    for each in documents:
        for name in items.ITEMS:
            items.item(name, Watched(each, "", found[name]), 1_795_308_000)
        watched = Watched(each, "", found["periods"])
        _, windows = document.limits(watched, 1_795_308_000)
        if windows:
            document.signature(watched)
    return found


def readme_rows() -> dict[str, tuple[list[str], str]]:
    """{field path: (items, why not)} of the table in README.md."""
    text = (ROOT / "README.md").read_text()
    _, _, section = text.partition("What Claude Code's document holds\n")
    section = re.split(r"(?m)^#{1,6} ", section)[0]
    table_rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return {
        path: (re.findall(r"`([^`]+)`", items), why.strip())
        for paths, items, why in table_rows
        for path in re.findall(r"`([^`]+)`", paths)
    }


def test_every_recorded_field_is_shown_or_the_readme_says_why_not():
    told = readme_rows()
    assert sorted(EVERY_FIELD.keys() - told.keys()) == []
    assert [path for path, (items, why) in told.items() if not items and not why] == []


def test_the_readme_names_for_each_field_items_that_read_it_and_only_if_there_are_any():
    reads = looked_at()
    readers = {
        path: {item for item, seen in reads.items() if any(_same(path, each) for each in seen)} for path in EVERY_FIELD
    }
    told = {path: set(items) for path, (items, _) in readme_rows().items()}
    wrong = {
        path: (told.get(path), items)
        for path, items in readers.items()
        if not told.get(path, set()) <= items or bool(told.get(path)) != bool(items)
    }
    assert wrong == {}


def _same(path: str, read: str) -> bool:
    return path in (read, re.sub(r"^metrics\.models\.(?!\*)[^.]+", "metrics.models.*", read))


# Rows, branch, width


def config(text: str) -> None:
    folder = Path(os.environ["VIBEUSAGE_CONFIG_DIR"])
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)


def test_several_rows_are_several_lines(vibeusage):
    config('[line.claude-code]\nlines = [["periods"], ["directory", "branch"], ["worktree", "vim"], ["pr"]]\n')
    found = sent_now("worktree") | {"rate_limits": sent_now("after-reply-rate-limits")["rate_limits"]}
    shown = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    assert [timeless(row) for row in shown] == ["5h 42% T · 7d 17.3% T", "feature-x · worktree-feature-x", "feature-x"]


@pytest.fixture
def git(require, tmp_path):
    program = require("git")

    def run(*args, cwd=tmp_path):
        settings = ("-c", "user.name=n", "-c", "user.email=e@example.invalid", "-c", "init.defaultBranch=main")
        return subprocess.run([program, *settings, *args], cwd=cwd, check=True, capture_output=True, text=True).stdout

    return run


@pytest.mark.parametrize("place", ["repository", "subfolder", "worktree", "detached", "unborn", "none"])
def test_the_branch_is_read_from_a_real_repository_and_no_process_starts(line_tsv, require, git, tmp_path, place):
    repository, folder, branch = tmp_path / "repository", tmp_path / "repository", "feature/über-1"
    repository.mkdir()
    if place != "none":
        git("init", cwd=repository)
        git("checkout", "-b", branch, cwd=repository)
    if place not in ("none", "unborn"):
        git("commit", "--allow-empty", "-m", "one", cwd=repository)
    if place == "subfolder":
        folder = repository / "a" / "b"
        folder.mkdir(parents=True)
    elif place == "worktree":
        git("worktree", "add", "-b", "other", "../linked", cwd=repository)
        folder, branch = tmp_path / "linked", "other"
    elif place == "detached":
        git("checkout", "--detach", cwd=repository)
        branch = git("rev-parse", "HEAD", cwd=repository)[:8]
    line_tsv(("set", "claude-code", "lines", "model,branch"))
    found = {"model": {"display_name": "Opus"}, "workspace": {"current_dir": str(folder)}}
    log = tmp_path / "log"
    command = [require("strace"), "-f", "-qq", "-e", "trace=execve,fork,vfork", "-o", str(log)]
    command += [sys.executable, "-P", "-m", "vibeusage", "line", "claude-code"]
    done = subprocess.run(command, input=as_bytes(found), capture_output=True, check=False)
    assert rows("claude-code", done) == ["Opus" if place == "none" else f"Opus · {branch}"]
    # the interpreter itself, and nothing after
    assert [line.split("(")[1].split(",")[0].strip('"') for line in log.read_text().splitlines()] == [sys.executable]


def _known_after(found: dict) -> table.Table:
    made = table.Table()
    made.version = table.VERSION
    made.settings = {"claude-code": {"lines": "periods,model,context,cost,lines;directory,branch,session,version"}}
    now = int(time.time())
    made.periods = {"claude": {"Opus": ("Opus", 604_800, 80.5, now + 92_000, now, "oauth", "model")}}
    return made


def test_no_row_is_wider_than_the_host_draws():
    found = sent_now("session-named")
    found["session_name"] = "日本語のセッション 👍 with a long name of its own"
    data, now = as_bytes(found), int(time.time())
    wider = {}
    for columns in range(40, 201):
        environ = {"HOME": "/nowhere", "COLUMNS": str(columns), "VIBEUSAGE_CACHE_DIR": "/nowhere/x"}
        shown = view.show("claude-code", _known_after(found), {}, data, now, mono=False, environ=environ).text
        widths = [wcswidth(row) for row in parsed("claude-code", shown)]
        assert len(widths) == 2
        wider |= {columns: widths} if max(widths) > columns - 4 else {}
    assert wider == {}


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_program_obeys_columns(vibeusage, columns):
    config(
        '[line.claude-code]\nlines = [["periods", "model", "context", "cost", "duration", "directory", "version"]]\n'
    )
    done = vibeusage("line", "claude-code", stdin=as_bytes(sent_now("large-context")), env={"COLUMNS": str(columns)})
    [row] = rows("claude-code", done)
    assert wcswidth(row) <= columns - 4
    assert shown_limits(row) == {"5h": "42%", "7d": "17.3%"}


def test_cursor_is_obeyed_in_the_width_it_names(vibeusage, line_tsv):
    line_tsv(period(used=42.0), period("Weekly", "7d", 604_800, 17.3, 92_000))
    found = recorded("fresh-subscriber") | {"autorun": True, "context_window": {"used_percentage": None}}
    widths = {}
    for cells in (20, 38, 70):
        [row] = rows("cursor", vibeusage("line", "cursor", stdin=as_bytes(found | {"render_width_chars": cells})))
        widths[cells] = row
    assert widths == {
        20: "5h 42%",
        38: "5h 42% 2h 1m · 7d 17.3% (<1m ago)",
        70: "claude 5h 42% 2h 1m · 7d 17.3% 1d 1h (<1m ago) · Opus 5.5",
    }


def test_agy_shows_used_shares_of_its_quota(vibeusage):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7300))
    quota = {
        "gemini-5h": {"remaining_fraction": 0.58, "reset_time": soon},
        "gemini-weekly": {"remaining_fraction": 0.827, "reset_in_seconds": 92_000},
        "3p-5h": {"remaining_fraction": 1},
        "3p-weekly": {"remaining_fraction": 0, "reset_in_seconds": 92_000},
        "new-kind": {"remaining_fraction": "x"},
    }
    found = {"product": "antigravity", "model": {"display_name": "Gemini 4"}, "terminal_width": 120, "quota": quota}
    [row] = rows("agy", vibeusage("line", "agy", stdin=as_bytes(found)))
    assert row == (
        "antigravity 5h 42% 2h 1m · 7d 17.3% 1d 1h · 5h Other models 0% · 7d Other models 100% 1d 1h · Gemini 4"
    )
    assert shown_limits(rows("plain", vibeusage("line", "plain"))[0]) == {"5h": "42%", "7d": "17.3%"}


# stdin that is not what it should be


HUGE = 1 << 20


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
        pytest.param(b"not json", id="text"),
        pytest.param(b'{"model": {"display_name": "Opus"', id="torn"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"model": NaN}', id="NaN"),
        pytest.param(b'{"rate_limits": {"five_hour": {"used_percentage": Infinity}}}', id="Infinity"),
        pytest.param(b'{"rate_limits": {"five_hour": {"used_percentage": 1e999, "resets_at": 1e999}}}', id="overflow"),
        pytest.param(b'{"rate_limits": {"five_hour": {"used_percentage": ' + b"9" * 6000 + b"}}}", id="6000 digits"),
        pytest.param(b'{"rate_limits": {"five_hour": {"used_percentage": -5}}}', id="negative"),
        pytest.param(b'{"rate_limits": {"five_hour": {"used_percentage": "x"}}}', id="not a number"),
        pytest.param(b'{"rate_limits": {"five_hour": [], "seven_day": null}}', id="wrong types"),
        pytest.param(b'{"rate_limits": 7}', id="limits of no shape"),
        pytest.param(b'{"model": {"display_name": "\xff\xfe"}}', id="bad UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested 100000 deep"),
        pytest.param(b'{"a": "' + b"x" * HUGE + b'"}', id="more than a mebibyte"),
        pytest.param(b"{} {}", id="two documents"),
    ],
)
def test_a_broken_document_leaves_the_known_limits_on_screen(line_tsv, vibeusage, cache_dir, data):
    line_tsv(period(used=42.0))
    assert rows("claude-code", vibeusage("line", "claude-code", stdin=data)) == [KNOWN]
    assert not (cache_dir / "observations").exists()


def test_the_last_of_two_equal_keys_counts(vibeusage):
    data = b'{"model": {"display_name": "A"}, "model": {"display_name": "B"}}'
    assert rows("claude-code", vibeusage("line", "claude-code", stdin=data)) == ["B"]


def test_half_a_surrogate_pair_is_left_out(vibeusage):
    data = b'{"model": {"display_name": "A\\ud800B\\u0000"}}'
    assert rows("claude-code", vibeusage("line", "claude-code", stdin=data)) == ["AB"]


def test_a_document_of_almost_a_mebibyte_is_read(vibeusage):
    found = sent_now("after-reply-rate-limits") | {"x": "y" * (HUGE - 4000)}
    [row] = rows("claude-code", vibeusage("line", "claude-code", stdin=as_bytes(found)))
    assert shown_limits(row) == {"5h": "42%", "7d": "17.3%"}


@pytest.mark.parametrize(
    ("written", "row"),
    [
        pytest.param(b"", KNOWN, id="nothing"),
        pytest.param(b'{"model": ', KNOWN, id="the beginning"),
        pytest.param(b'{"model": {"display_name": "B"}}', f"{KNOWN} · B", id="a whole document"),
    ],
)
@pytest.mark.parametrize("target", ["claude-code", "agy"])
def test_stdin_that_stays_open_does_not_hold_the_line_up(line_tsv, target, written, row):
    line_tsv(period(used=42.0))
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "vibeusage", "line", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(written)
        child.stdin.flush()
        assert select.select([child.stdout], [], [], 4.0)[0], "nothing was printed"
        shown = parsed(target, child.stdout.read().decode())
        took = time.monotonic() - started
        assert child.wait(2) == 0
    name = "" if target == "claude-code" else "claude "
    assert shown == [name + row]
    assert took < 3.0


def test_stdin_that_never_ends_does_not_hold_the_line_up(line_tsv, require):
    line_tsv(period(used=42.0))
    with subprocess.Popen([require("yes"), '{"a": '], stdout=subprocess.PIPE) as endless:
        command = [sys.executable, "-P", "-m", "vibeusage", "line", "claude-code"]
        done = subprocess.run(command, stdin=endless.stdout, capture_output=True, timeout=10, check=False)
        endless.kill()
    assert rows("claude-code", done) == [KNOWN]


def test_a_closed_stdin_and_a_terminal_on_stdin_show_the_known_limits(line_tsv):
    line_tsv(period(used=42.0))
    master, slave = os.openpty()
    command = [sys.executable, "-P", "-m", "vibeusage", "line", "claude-code"]
    terminal = subprocess.run(command, stdin=slave, capture_output=True, timeout=10, check=False)
    closed = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, timeout=10, check=False)
    os.close(master), os.close(slave)
    assert (rows("claude-code", terminal), rows("claude-code", closed)) == ([KNOWN], [KNOWN])


# harvest


def test_harvest_passes_every_byte_and_records_the_limits(vibeusage):
    data = as_bytes(sent_now("after-reply-rate-limits")) + b"  \n"
    done = vibeusage("harvest", stdin=data)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", data)
    assert shown_limits(rows("plain", vibeusage("line", "plain"))[0]) == {"5h": "42%", "7d": "17.3%"}


def test_harvest_passes_five_megabytes_of_anything(vibeusage, cache_dir):
    data = bytes(range(256)) * 20_000 + b"\xff\x00"
    done = vibeusage("harvest", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data
    assert not (cache_dir / "observations").exists()


def test_harvest_records_although_its_reader_has_left(vibeusage):
    program = f"'{sys.executable}' -P -m vibeusage harvest"
    data = as_bytes(sent_now("after-reply-rate-limits") | {"padding": "x" * 500_000})
    done = subprocess.run(["sh", "-c", f"{program} | true"], input=data, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
    deadline = time.monotonic() + 5
    while (shown := rows("plain", vibeusage("line", "plain"))) == [] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shown_limits(shown[0]) == {"5h": "42%", "7d": "17.3%"}


def test_harvest_stands_in_front_of_another_status_line(tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\nwc -c\n")
    other.chmod(0o755)
    data = as_bytes(sent_now("after-reply-rate-limits"))
    chain = f"'{sys.executable}' -P -m vibeusage harvest | '{other}'"
    done = subprocess.run(["sh", "-c", chain], input=data, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr, int(done.stdout)) == (0, b"", len(data))


def test_harvest_hands_on_the_first_bytes_before_the_last_have_come():
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "vibeusage", "harvest"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"first")
        child.stdin.flush()
        assert select.select([child.stdout], [], [], 5.0)[0]
        assert os.read(child.stdout.fileno(), 100) == b"first"
        child.stdin.close()
        assert child.wait(5) == 0


def test_a_person_at_a_terminal_is_told_why_nothing_comes_and_a_pipe_is_not(vibeusage):
    piped = vibeusage("line")
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, b"", b"")
    master, slave = os.openpty()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "vibeusage", "line"], stdout=slave, stderr=subprocess.PIPE, timeout=30
    )
    os.close(slave)
    os.close(master)
    assert done.stderr == b"vibeusage: nothing is known yet; `vibeusage` tells what to do\n"
