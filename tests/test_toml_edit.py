"""toml_edit: one key changes, every other byte stays, and what cannot be proved is refused."""

import tomllib

import pytest
import tomli_w
from hypothesis import assume, given
from hypothesis import strategies as st

from vibeusage.toml_edit import dotted, literal, remove_key, set_key, split_key, with_value

USER_FILE = """\
# my settings, do not sort

[fetch]   # slow link
timeout_s = 20 # seconds

[line]
# the bar
bar = 5   # cells
provider = [
  "claude", # work
  "codex",
]

[line."claude-code"]
bar = 3
# end
"""


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        pytest.param(USER_FILE, "line.bar", 9, USER_FILE.replace("bar = 5 ", "bar = 9 "), id="replaced, comment kept"),
        pytest.param(
            USER_FILE,
            "fetch.interval_s",
            600,
            USER_FILE.replace("# seconds\n", "# seconds\ninterval_s = 600\n"),
            id="end of its table",
        ),
        pytest.param(USER_FILE, "line.tmux.bar", 4, USER_FILE + "\n[line.tmux]\nbar = 4\n", id="new table at the end"),
        pytest.param(USER_FILE, "line.claude-code.bar", 4, USER_FILE.replace("bar = 3", "bar = 4"), id="quoted header"),
        pytest.param(
            USER_FILE,
            "line.provider",
            ["codex"],
            USER_FILE.replace('provider = [\n  "claude", # work\n  "codex",\n]', '# work\nprovider = ["codex"]'),
            id="comment inside a replaced list moves above it",
        ),
        pytest.param("", "line.bar", 1, "[line]\nbar = 1\n", id="empty file"),
        pytest.param("# only this", "line.bar", 1, "# only this\n\n[line]\nbar = 1\n", id="no newline at the end"),
        pytest.param(
            "[line]\nbar = 1",
            "line.icons",
            "ascii",
            '[line]\nbar = 1\nicons = "ascii"\n',
            id="last line unended",
        ),
        pytest.param("[line]\r\nbar = 1\r\n", "line.bar", 2, "[line]\r\nbar = 2\r\n", id="CRLF replaced"),
        pytest.param(
            "[line]\r\nbar = 1",
            "line.show",
            "used",
            '[line]\r\nbar = 1\r\nshow = "used"\r\n',
            id="CRLF inserted",
        ),
        pytest.param(
            "line.bar = 1 # x\n",
            "line.show",
            "used",
            'line.bar = 1 # x\nline.show = "used"\n',
            id="dotted keys at the top",
        ),
        pytest.param(
            "[line]\n  tmux.bar = 1\n",
            "line.tmux.show",
            "used",
            '[line]\n  tmux.bar = 1\n  tmux.show = "used"\n',
            id="dotted in a table",
        ),
        pytest.param(
            "[line]\nsep=' # = \"'#c\n",
            "line.sep",
            "x",
            '[line]\nsep="x"#c\n',
            id="hash and equals in a string",
        ),
        pytest.param(
            "[line]\nsep = '''\na # no\n''' # c\n",
            "line.sep",
            "x",
            '[line]\nsep = "x" # c\n',
            id="multi-line string",
        ),
        pytest.param(
            '[line]\nsep = """a\\""""" # c\n',
            "line.sep",
            "x",
            '[line]\nsep = "x" # c\n',
            id="quotes at its end",
        ),
        pytest.param("[line]\n\t bar=1\n", "line.bar", 2, "[line]\n\t bar=2\n", id="indent kept"),
        pytest.param(
            "[line.tmux]\nbar = 1\n",
            "line.bar",
            2,
            "[line.tmux]\nbar = 1\n\n[line]\nbar = 2\n",
            id="parent after child",
        ),
        pytest.param("[a]\nx = 1\n", "top", 2, "top = 2\n[a]\nx = 1\n", id="top level key before the tables"),
        pytest.param('["a.b"]\nx = 1\n', '"a.b".x', 2, '["a.b"]\nx = 2\n', id="dot inside a part"),
    ],
)
def test_one_key_changes_and_every_other_byte_stays(text, key, value, expected):
    assert set_key(text, split_key(key), value) == expected


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        pytest.param(USER_FILE, "line.bar", USER_FILE.replace("bar = 5   # cells\n", ""), id="one value"),
        pytest.param(
            USER_FILE,
            "line.claude-code",
            USER_FILE.replace('[line."claude-code"]\nbar = 3\n', ""),
            id="a table",
        ),
        pytest.param("line.bar = 1\nline.tmux.bar = 2\n", "line.tmux", "line.bar = 1\n", id="dotted"),
        pytest.param(USER_FILE, "line.absent", USER_FILE, id="absent"),
    ],
)
def test_a_key_goes_with_its_lines_and_comments_stay(text, key, expected):
    assert remove_key(text, split_key(key)) == expected


@pytest.mark.parametrize("text", ["line = {bar = 1}\n", "[[line]]\nbar = 1\n"])
def test_an_edit_that_cannot_be_proved_is_refused(text):
    document = tomllib.loads(text)
    if isinstance(document["line"], dict):
        assert set_key(text, ("line", "show"), "used") is None
        assert remove_key(text, ("line", "bar")) is None
    else:
        with pytest.raises(TypeError):
            set_key(text, ("line", "show"), "used")


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", 'a."b', "a b", "a.'b'c"])
def test_a_broken_dotted_key_is_a_value_error(text):
    with pytest.raises(ValueError):
        split_key(text)


names = st.text("abc-_. é\"'#=[]\\", min_size=1, max_size=6)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
leaves = st.one_of(texts, st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
values = leaves | st.lists(leaves, max_size=4)
documents = st.dictionaries(
    names,
    values | st.dictionaries(names, values | st.dictionaries(names, values, max_size=3), max_size=4),
    max_size=4,
)


@given(st.lists(names, min_size=1, max_size=4).map(tuple))
def test_a_key_survives_being_written_and_split(key):
    assert split_key(dotted(key)) == key


@given(values | st.dictionaries(names, values, max_size=3))
def test_a_literal_reads_back_as_the_value_on_one_line(value):
    text = literal(value)
    assert "\n" not in text
    assert tomllib.loads(f"v = {text}")["v"] == value


def commented(document: dict) -> str:
    """The document as TOML with a numbered comment above every statement."""
    lines = tomli_w.dumps(document).split("\n")
    return "\n".join(f"# note {at}\n{line}" if line[:1] not in " ]" else line for at, line in enumerate(lines))


@given(documents, st.lists(names, min_size=1, max_size=3).map(tuple), leaves)
def test_any_document_takes_any_key_and_keeps_its_comments_in_order(document, key, value):
    text = commented(document)
    try:
        expected = with_value(document, key, value)
    except TypeError:
        assume(False)
    assume(not isinstance(found(document, key), dict))  # a table is not one value
    new = set_key(text, key, value)
    assert new is not None
    assert tomllib.loads(new) == expected
    assert notes(new) == notes(text)


@given(documents, st.data())
def test_any_key_of_any_document_can_be_removed_and_comments_stay(document, data):
    paths = [(a,) for a in document] + [
        (a, b) for a, inner in document.items() if isinstance(inner, dict) for b in inner
    ]
    assume(paths)
    key = data.draw(st.sampled_from(paths))
    new = remove_key(commented(document), key)
    assert new is not None
    assert notes(new) == notes(commented(document))


def found(document, key):
    for part in key:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def notes(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("# note ")]
