"""`vibeusage report html`: where the page goes, what it holds of a filter, what is refused."""

import os
from pathlib import Path

import msgspec
import pytest
from pages import Page, problems
from records import a_year

from vibeusage import cli
from vibeusage.records import store
from vibeusage.records.readers.spec import Call

NAMES = ("claude-opus-4-6", "gpt-5.2", "some-model")
DAYS = ("--since=2026-11-20", "--until=2026-11-26", "--zone=UTC")


@pytest.fixture
def stored():
    with store.open() as opened:
        a_year.fill_with(opened, NAMES)


def written(capsysbinary, *argv: str) -> str:
    assert cli.main(["report", "html", "--output", "-", *argv]) == 0
    return capsysbinary.readouterr().out.decode()


def test_the_page_goes_whole_into_a_file_that_nobody_else_reads(stored, tmp_path, capsys):
    path = tmp_path / "report.html"
    assert cli.main(["report", "html", "-o", str(path), *DAYS]) == 0
    assert problems(path.read_text("utf-8")) == []
    assert (path.stat().st_mode & 0o777, [*tmp_path.glob("*.html*")]) == (0o600, [path])
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"vibeusage: {path} has the page, ")) == ("", True)


def test_a_file_that_was_there_keeps_its_rights_and_its_link(stored, tmp_path):
    path, link = tmp_path / "report.html", tmp_path / "link.html"
    path.write_text("old")
    path.chmod(0o644)
    link.symlink_to(path)
    assert cli.main(["report", "html", "--output", str(link), *DAYS]) == 0
    assert (path.stat().st_mode & 0o777, link.is_symlink()) == (0o644, True)
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_gets_what_a_file_gets(name, stored, tmp_path, vibeusage):
    path = tmp_path / "report.html"
    done = vibeusage("report", "html", "--output", name, *DAYS)
    assert cli.main(["report", "html", "--output", str(path), *DAYS]) == done.returncode == 0
    found = [Page(text).text_of("h2", "th", "td", "dd") for text in (done.stdout.decode(), path.read_text("utf-8"))]
    assert found[0] == found[1]


def test_a_folder_is_no_place_for_it(stored, tmp_path, capsys):
    assert cli.main(["report", "html", "--output", str(tmp_path)]) == 1
    said = f"vibeusage: {tmp_path} cannot be used: Is a directory\n  check its name and rights, and the free space\n"
    assert capsys.readouterr().err == said


def test_a_folder_that_is_not_there_is_not_made(stored, tmp_path, capsys):
    folder = tmp_path / "mistyped"
    assert cli.main(["report", "html", "--output", str(folder / "usage.html")]) == 4
    assert f"vibeusage: the folder {folder} is not there\n" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["html"], "takes --output"),
        (["html", "--output", "-", "--json"], "--json is not for a page"),
        (["html", "--output", "-", "--csv"], "--csv is not for a page"),
        (["html", "--output", "-", "--breakdown"], "--breakdown is not for a page"),
        (["html", "--output", "-", "--no-color"], "--no-color is not for a page"),
        (["html", "--output", "-", "--provider", "cluade"], "is not a tool with records"),
        (["daily", "--output", "x.html"], "--output is for `report html`"),
    ],
)
def test_what_does_not_go_together_is_refused(argv, says, stored, capsys):
    assert cli.main(["report", *argv]) == 4
    assert says in capsys.readouterr().err


def test_a_filter_is_told_and_its_names_are_labels_when_redacted(stored, capsysbinary):
    asked = ("--model=opus", "--project=/srv", *DAYS)
    plain, redacted = written(capsysbinary, *asked), written(capsysbinary, *asked, "--redact")
    assert "Only models like opus; projects like /srv." in Page(plain).text_of("p")
    assert "/srv" not in redacted
    assert "Only models like opus; projects like project-" in redacted
    assert problems(redacted) == []


def test_a_redacted_page_holds_no_name_of_this_machine(capsysbinary):
    with store.open() as opened:
        for machine in ("secret-machine", "other-secret"):
            told = Call(uuid=machine, ts=1_790_000_000_000, session="secret-session", folder="/srv/secret-project")
            opened.put("claude", [msgspec.structs.replace(told, branch="secret/branch", input=1)], machine=machine)
    assert "secret" in written(capsysbinary)
    redacted = written(capsysbinary, "--redact")
    assert "secret" not in redacted
    labels = [text for text in Page(redacted).text_of("th", "td") if "-" in text]
    assert {text.partition("-")[0] for text in labels} == {"2026", "project", "branch", "machine"}


def test_folders_below_home_begin_with_a_tilde(capsysbinary, monkeypatch):
    monkeypatch.setenv("HOME", "/srv")
    with store.open() as opened:
        a_year.fill_with(opened, NAMES)
    assert {f"~/{name}" for name in NAMES} <= {*Page(written(capsysbinary)).text_of("th")}


def test_the_heatmap_is_shaded_by_what_is_asked_for(stored, capsysbinary):
    by_tokens, by_cost = (written(capsysbinary, f"--by={measure}", *DAYS) for measure in ("tokens", "cost"))
    assert "more tokens a day" in by_tokens and "more cost a day" in by_cost
    assert days_of(by_tokens) != days_of(by_cost)


def days_of(text: str) -> list[str | None]:
    return [one.attributes["class"] for one in Page(text).all("rect") if "rx" in one.attributes]


def test_without_records_the_page_says_how_to_get_some(capsysbinary):
    assert "no records yet: `vibeusage records sync`" in Page(written(capsysbinary)).text_of("li")
    assert not Path(os.environ["VIBEUSAGE_DATA_DIR"]).exists()
