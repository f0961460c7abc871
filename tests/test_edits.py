import json
import resource
import stat
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import edits
from vibeusage.edits import drop_member, find_member, put_block, put_member, put_text, take_block
from vibeusage.errors import ConfigError, StorageError

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
KEY = ("statusLine",)
OURS = {"type": "command", "command": "/opt/vibeusage line claude-code", "padding": 0}
BLOCK = b"# >>> vibeusage >>>\nsource it\n# <<< vibeusage <<<\n"
put_lines = partial(put_block, lines=("source it",))
quick = settings(max_examples=40, deadline=None, database=None)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"VIBEUSAGE_{folder}_DIR", str(tmp_path / folder.lower()))
    return tmp_path


def take_lines(data, _original):
    return take_block(data)


def put_key(data):
    return put_member(data, KEY, OURS)


def take_key(data, _original):
    return drop_member(data, KEY)


def apply_block(file):
    return edits.apply("zsh", file, put=put_lines, take=take_lines, now=NOW)


def revert_block(file):
    return edits.revert("zsh", file, take=take_lines)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- text

line = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=12)
texts = st.builds(
    lambda whole, last: "".join(text + end for text, end in whole).encode() + last.encode(),
    st.lists(st.tuples(line, st.sampled_from(["\n", "\r\n"])), max_size=5),
    line,
)


@quick
@given(texts)
def test_a_block_goes_in_and_out_without_touching_another_byte(data):
    joined = data + b"\n" if data and not data.endswith(b"\n") else data
    assert put_lines(data) == joined + BLOCK
    assert take_block(put_lines(data)) == joined


@quick
@given(texts, texts)
def test_a_block_is_renewed_where_it_stands(before, after):
    data = put_lines(before) + after
    assert put_block(data, ("another",)) == data.replace(b"source it", b"another")
    assert put_lines(data) == data


def test_a_block_that_an_editor_gave_dos_lines_is_still_ours():
    assert take_block(b"a\r\n" + BLOCK.replace(b"\n", b"\r\n") + b"b\r\n") == b"a\r\nb\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"# >>> vibeusage >>>\nexport A=1\n", id="no end"),
        pytest.param(b"export A=1\n# <<< vibeusage <<<\n", id="no start"),
        pytest.param(b"# <<< vibeusage <<<\nexport A=1\n# >>> vibeusage >>>\n", id="wrong order"),
        pytest.param(BLOCK + b"export A=1\n" + BLOCK, id="twice"),
    ],
)
def test_damaged_marks_are_refused(data):
    with pytest.raises(ConfigError, match="damaged marks"):
        put_lines(data)


# --- JSON

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalar = st.none() | st.booleans() | numbers | st.text()
value = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5).filter(lambda key: key != "statusLine"), value, max_size=4)
blanks = st.text(" \t\r\n", max_size=3)


@st.composite
def documents(draw):
    """(bytes, value) of an object laid out by a program, or with any blanks between its tokens."""
    content = draw(objects)
    indent = draw(st.sampled_from([None, 0, 2, 4, "\t"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (",", " : ")]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    regular = json.dumps(content, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    text = draw(st.sampled_from([regular.replace("\n", newline), draw(blanks) + _scattered(draw, content)]))
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + text.encode() + draw(blanks).encode(), content


def _scattered(draw, value):
    def spaced(text):
        return draw(blanks) + text + draw(blanks)

    match value:
        case dict():
            rows = [(spaced(json.dumps(key)), spaced(_scattered(draw, inner))) for key, inner in value.items()]
            return "{" + (",".join(map(":".join, rows)) or draw(blanks)) + "}"
        case list():
            return "[" + (",".join(spaced(_scattered(draw, inner)) for inner in value) or draw(blanks)) + "]"
        case _:
            return json.dumps(value)


def parsed(data):
    return list(json.loads(data.decode("utf-8-sig")).items())


@quick
@given(documents())
def test_a_new_key_comes_last_and_every_other_byte_stays(document):
    data, content = document
    after = put_key(data)
    assert parsed(after) == [*content.items(), ("statusLine", OURS)]
    assert find_member(data, KEY) is None
    assert [find_member(after, (key,)) for key in content] == [find_member(data, (key,)) for key in content]
    assert not content or drop_member(after, KEY) == data


@quick
@given(documents(), st.data())
def test_any_key_is_replaced_and_brought_back_by_its_own_text(document, data):
    before, content = document
    if content:
        path = (data.draw(st.sampled_from(list(content))),)
        raw = find_member(before, path)
        after = put_member(before, path, OURS)
        assert parsed(after) == [(key, OURS if key == path[0] else inner) for key, inner in content.items()]
        assert put_text(after, path, str(raw)) == before


@quick
@given(documents(), st.data())
def test_any_key_is_dropped_with_its_comma_only(document, data):
    before, content = document
    if content:
        gone = data.draw(st.sampled_from(list(content)))
        after = drop_member(before, (gone,))
        assert parsed(after) == [(key, inner) for key, inner in content.items() if key != gone]


@quick
@given(documents())
def test_a_nested_key_goes_into_the_object_that_is_there(document):
    data, content = document
    outer = b'{"ui":' + data.removeprefix(b"\xef\xbb\xbf") + b"}"
    after = put_member(outer, ("ui", "statusLine"), OURS)
    assert parsed(after) == [("ui", {**content, "statusLine": OURS})]
    assert not content or drop_member(after, ("ui", "statusLine")) == outer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"", b'{\n  "k": {\n    "a": [\n      1\n    ]\n  }\n}\n', id="blank"),
        pytest.param(b"{}", b'{\n  "k": {\n    "a": [\n      1\n    ]\n  }\n}', id="empty"),
        pytest.param(b'{"x":1}\n', b'{"x":1,"k":{"a":[1]}}\n', id="minified"),
        pytest.param(b'{"x": 1}', b'{"x": 1, "k": {"a": [1]}}', id="one line"),
        pytest.param(
            b'{\r\n\t"x": 1\r\n}\r\n',
            b'{\r\n\t"x": 1,\r\n\t"k": {\r\n\t\t"a": [\r\n\t\t\t1\r\n\t\t]\r\n\t}\r\n}\r\n',
            id="tabs and DOS lines",
        ),
    ],
)
def test_a_new_value_is_laid_out_as_the_file_is(before, after):
    assert put_member(before, ("k",), {"a": [1]}) == after


def test_a_missing_outer_object_is_made():
    after = b'{\n    "x": 1,\n    "ui": {\n        "k": 2\n    }\n}\n'
    assert put_member(b'{\n    "x": 1\n}\n', ("ui", "k"), 2) == after


# from Python 3.13 on the comma itself is named, before that what follows it
COMMA = "line 2, column 9" if sys.version_info >= (3, 13) else "line 3, column 1"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(b'{\n  "a": 1,\n}', COMMA, id="final comma"),
        pytest.param(b'{ // mine\n  "a": 1}', "line 1, column 3", id="comment"),
        pytest.param(b'{"a": NaN}', "NaN is not a JSON value", id="NaN"),
        pytest.param(b'["a"]', "not a JSON object", id="array"),
        pytest.param(b'{"a": "\xff"}', "not valid JSON", id="not UTF-8"),
        pytest.param(b'{"a":' * 100_000, "not valid JSON", id="too deep"),
        pytest.param(b'{"statusLine": 1, "statusLine": 2}', "2 times", id="key twice"),
    ],
)
def test_a_document_we_cannot_edit_is_refused_with_the_place(data, fault):
    with pytest.raises(ConfigError, match=fault):
        put_key(data)


def test_a_key_below_something_else_than_an_object_is_refused():
    with pytest.raises(ConfigError, match='"ui" is not an object'):
        put_member(b'{"ui": null}', ("ui", "k"), 1)


# --- files

SHAPES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"export A=1\n", id="plain"),
    pytest.param(b"export A=1", id="no final newline"),
    pytest.param(b"export A=1\r\nexport B=2\r\n", id="DOS lines"),
    pytest.param(b"\xff\xfe\x00 \xe4\n", id="not UTF-8"),
]


@pytest.mark.parametrize("data", SHAPES)
def test_the_first_bytes_come_back(home, data):
    file = home / "rc"
    file.write_bytes(data)
    record = apply_block(file)
    assert file.read_bytes() == put_lines(data)
    assert edits.backup("zsh", Path(record.file)).read_bytes() == data
    assert revert_block(file) == "restored"
    assert file.read_bytes() == data
    assert tree(home) == ["data", "data/installs", "rc"]


@quick
@given(documents())
def test_the_first_bytes_of_any_document_come_back(document):
    data, _ = document
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBEUSAGE_DATA_DIR", f"{folder}/data")
        file = Path(folder) / "settings.json"
        file.write_bytes(data)
        edits.apply("copilot", file, put=put_key, take=take_key, now=NOW)
        assert edits.revert("copilot", file, take=take_key) == "restored"
        assert file.read_bytes() == data


def test_a_new_file_and_its_new_folders_go_again(home):
    file = home / "a" / "b" / "rc"
    assert apply_block(file).existed is False
    assert file.read_bytes() == BLOCK
    assert revert_block(file) == "removed"
    assert tree(home) == ["data", "data/installs"]


def test_a_new_folder_that_is_used_meanwhile_stays(home):
    apply_block(home / "a" / "rc")
    (home / "a" / "other").write_bytes(b"")
    assert revert_block(home / "a" / "rc") == "removed"
    assert tree(home / "a") == ["other"]


def test_twice_is_once(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    apply_block(file)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert apply_block(file) is None
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_an_outdated_block_is_renewed_and_the_first_bytes_still_come_back(home):
    file = home / "rc"
    file.write_bytes(b"a")
    edits.apply("zsh", file, put=partial(put_block, lines=("old",)), take=take_lines, now=NOW)
    apply_block(file)
    assert file.read_bytes() == b"a\n" + BLOCK
    assert revert_block(file) == "restored"
    assert file.read_bytes() == b"a"


def test_what_was_changed_since_then_stays(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    apply_block(file)
    file.write_bytes(b"first\n" + file.read_bytes() + b"last\n")
    assert revert_block(file) == "edited"
    assert file.read_bytes() == b"first\na\nlast\n"


def test_what_was_changed_before_a_renewal_stays_too(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    edits.apply("zsh", file, put=partial(put_block, lines=("old",)), take=take_lines, now=NOW)
    file.write_bytes(file.read_bytes() + b"mine\n")
    apply_block(file)
    assert revert_block(file) == "restored"
    assert file.read_bytes() == b"a\nmine\n"


def test_a_file_that_only_ever_held_ours_is_removed_after_an_edit_and_a_renewal(home):
    file = home / "new" / "rc"
    edits.apply("zsh", file, put=partial(put_block, lines=("old",)), take=take_lines, now=NOW)
    file.write_bytes(file.read_bytes().replace(b"old", b"changed"))
    apply_block(file)
    assert revert_block(file) == "removed"
    assert tree(home) == ["data", "data/installs"]


def test_a_block_without_a_note_is_taken_out(home):
    file = home / "rc"
    file.write_bytes(b"a\n" + BLOCK)
    assert revert_block(file) == "edited"
    assert file.read_bytes() == b"a\n"


@pytest.mark.parametrize("damage", [b"", b"{}", b"other bytes"])
@pytest.mark.parametrize("suffix", ["json", "original"])
def test_a_damaged_note_or_backup_is_never_written_back(home, suffix, damage):
    file = home / "rc"
    file.write_bytes(b"a\n")
    apply_block(file)
    next((home / "data").rglob(f"*.{suffix}")).write_bytes(damage)
    assert revert_block(file) == "edited"
    assert file.read_bytes() == b"a\n"


@pytest.mark.parametrize("data", [None, b"a\n"])
def test_where_nothing_is_ours_nothing_happens(home, data):
    file = home / "rc"
    if data is not None:
        file.write_bytes(data)
    assert revert_block(file) == "absent"
    assert (file.read_bytes() if file.exists() else None) == data


def test_a_file_that_was_put_back_by_hand_gets_a_new_original(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    apply_block(file)
    file.write_bytes(b"b\n")
    apply_block(file)
    assert revert_block(file) == "restored"
    assert file.read_bytes() == b"b\n"


def test_two_files_of_one_target_keep_their_own_originals(home):
    for name in "ab":
        (home / name).write_bytes(name.encode())
        apply_block(home / name)
    assert sorted(edits.recorded("zsh")) == [str(home / "a"), str(home / "b")]
    assert [revert_block(home / name) for name in "ab"] == ["restored", "restored"]
    assert [(home / name).read_bytes() for name in "ab"] == [b"a", b"b"]
    assert edits.recorded("zsh") == []


def test_a_symlink_stays_one_and_the_mode_is_kept(home):
    real, link = home / "dotfiles" / "rc", home / "rc"
    real.parent.mkdir()
    real.write_bytes(b"a\n")
    real.chmod(0o640)
    link.symlink_to("dotfiles/rc")
    apply_block(link)
    assert real.read_bytes() == b"a\n" + BLOCK
    assert revert_block(real) == "restored"
    assert real.read_bytes() == b"a\n"
    assert (str(link.readlink()), stat.S_IMODE(real.stat().st_mode)) == ("dotfiles/rc", 0o640)


def test_a_symlink_to_nothing_points_to_nothing_again(home):
    link = home / "rc"
    link.symlink_to(home / "later")
    apply_block(link)
    assert link.read_bytes() == BLOCK
    assert revert_block(link) == "removed"
    assert (link.is_symlink(), link.exists()) == (True, False)


def test_backups_are_private(home):
    (home / "rc").write_bytes(b"a\n")
    apply_block(home / "rc")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home / "data").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_a_read_only_file_is_left_alone(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    file.chmod(0o444)
    with pytest.raises(StorageError, match="read-only"):
        apply_block(file)
    assert (file.read_bytes(), tree(home)) == (b"a\n", ["data", "data/installs", "rc"])


@pytest.mark.parametrize("room", [1500, 2010], ids=["for no backup", "for the backup only"])
def test_a_full_disk_loses_nothing(home, room):
    file = home / "rc"
    file.write_bytes(b"a" * 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(StorageError):
            apply_block(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == b"a" * 2000
    assert [path for path in tree(home) if path.endswith((".json", ".original"))] == []
    apply_block(file)
    assert revert_block(file) == "restored"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)], ids=["folder", "loop"])
def test_what_is_not_a_file_is_refused(home, make):
    make(home / "rc")
    with pytest.raises((ConfigError, StorageError), match="rc"):
        apply_block(home / "rc")


def test_a_lost_backup_is_made_again_at_the_next_renewal(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    edits.apply("zsh", file, put=partial(put_block, lines=("old",)), take=take_lines, now=NOW)
    next((home / "data").rglob("*.original")).unlink()
    record = apply_block(file)
    assert edits.backup("zsh", Path(record.file)).read_bytes() == b"a\n"
    assert revert_block(file) == "restored"
    assert file.read_bytes() == b"a\n"


def test_a_file_the_user_emptied_is_theirs(home):
    apply_block(home / "rc")
    (home / "rc").write_bytes(b"")
    assert revert_block(home / "rc") == "absent"
    assert (home / "rc").read_bytes() == b""


def test_an_uninstall_that_fails_can_be_tried_again(home):
    file = home / "rc"
    file.write_bytes(b"a\n")
    apply_block(file)
    file.chmod(0o400)
    with pytest.raises(StorageError, match="read-only"):
        revert_block(file)
    assert file.read_bytes() == b"a\n" + BLOCK
    file.chmod(0o600)
    assert revert_block(file) == "restored"
    assert file.read_bytes() == b"a\n"
