"""Output safety, rows F1 to F7: whatever comes from outside, every renderer prints visible text and our own codes.

Random text goes through every way a string can take to a screen: the tables of the line, an
assistant's document, `usage`, and the messages on stderr.
"""

import contextlib
import json
import re
import subprocess
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from colours import assert_visible, parsed, seen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth, wcwidth

from vibeusage import cli, escape, items, render, segment, table, terminal, view
from vibeusage.line import ASSISTANTS, TARGETS
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, UsagePeriod, UsageSnapshot

NOW = 1_795_308_000
ENVIRON = {"HOME": "/nowhere", "VIBEUSAGE_CACHE_DIR": "/nowhere/cache"}
ALL = sorted(TARGETS)
PIECES = (
    *(
        "$(id)",
        "`id`",
        "${IFS}",
        "$HOME",
        "%{",
        "%}",
        "%F{red}",
        "%(?.a.b)",
        "%%",
        "#{host}",
        "#(id)",
        "#[fg=red]",
        "##",
    ),
    *("\\[", "\\e]0;x\\a", "\x01", "\x02", "\x05{= r}", "\x1b[31m", "\x1b]8;;http://x\x1b\\", "\x1b]0;x\x07", "\x9b1m"),
    *(
        "\x85",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u2028",
        "\n",
        "\r",
        "\t",
        "\x00",
        "\x7f",
        "|",
        "&",
        "<b>",
    ),
    *(
        "\"'",
        "!",
        "\\",
        "{",
        "[",
        "#",
        "%",
        "$",
        "`",
        "日本",
        "👍🏽",
        "👨‍👩‍👧",
        "e\u0301",
        "🇩🇪",
        "\ufe0f",
        "\u115f",
        "\ue000",
        "---",
    ),
)
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=8).map("".join)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MORE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BIDI_OR_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u061c\u00ad]")
OSC = re.compile(r"\x1b\]|\x9d")


def known(texts):
    """A Table with a hostile text wherever one can be."""
    account, name, short, source, kind, label, note = texts
    made = table.Table()
    made.version = table.VERSION
    row = (short, 18_000, 42.0, NOW + 7200, NOW - 4000, source, kind)
    made.periods = {account: {name: row, "Weekly": ("7d", 604_800, 120.0, NOW + 90_000, NOW, source, "window")}}
    made.accounts = {account: label}
    made.notes = [note] if note else []
    return made


def claude_document(text, other="x"):
    return {
        "session_id": text,
        "session_name": text,
        "cwd": "/" + text,
        "workspace": {
            "current_dir": "/nowhere/" + text,
            "project_dir": text,
            "git_worktree": other,
            "added_dirs": [text],
        },
        "repo": {"owner": text, "name": other},
        "model": {"id": other, "display_name": text, "param_summary": other, "max_mode": True},
        "version": text,
        "agent": {"name": text},
        "agent_type": other,
        "agent_state": text,
        "plan_tier": text,
        "username": text,
        "output_style": {"name": text},
        "effort": {"level": text},
        "vim": {"mode": text},
        "worktree": {"name": text, "branch": text},
        "pr": {"number": 1, "review_state": text},
        "ai_used": {"formatted": text},
        "context_window": {"used_percentage": 12},
        "rate_limits": {
            "five_hour": {"used_percentage": 42, "resets_at": NOW + 7200},
            "seven_day_" + text: {"used_percentage": 9, "resets_at": NOW + 7200},
            text: {"used_percentage": 5},
        },
    }


def shown(target, texts, given_options=None, data=b"", *, mono=False, environ=ENVIRON):
    return view.show(target, known(texts), given_options or {}, data, NOW, mono=mono, environ=environ).text


def test_f1_each_stored_text_leaves_nothing_but_our_own_codes():
    @MORE
    @given(st.tuples(*[TEXT] * 7), st.booleans(), st.sampled_from(["ascii", "unicode", "nerd"]))
    def every_target(texts, mono, icons):
        options = {"format": "{provider}{account}{icon}{period}{percent}{source}{age}", "icons": icons}
        for target in ALL:
            texts_seen = parsed(target, shown(target, texts, options, mono=mono))
            assert not BIDI_OR_INVISIBLE.search("".join(texts_seen)), target

    every_target()


def test_f1_each_text_of_a_document_leaves_nothing_but_our_own_codes():
    rows = ";".join(items.ITEMS) + ";periods," + ",".join(items.ITEMS)

    @FEW
    @given(TEXT, TEXT, st.booleans())
    def every_assistant(text, other, mono):
        data = json.dumps(claude_document(text, other)).encode()
        for target in sorted(ASSISTANTS):
            made = table.Table()
            made.version = table.VERSION
            made.settings = {target: {"lines": rows}}
            shown_text = view.show(target, made, {}, data, NOW, mono=mono, environ=ENVIRON).text
            assert not BIDI_OR_INVISIBLE.search("".join(parsed(target, shown_text))), target

    every_assistant()


def test_f1_the_users_own_format_and_separator_bring_no_control_character():
    @FEW
    @given(TEXT, TEXT)
    def every_target(form, separator):
        options = {"format": form + " {percent}", "separator": separator}
        for target in ALL:
            parsed(target, shown(target, ["claude", "Session", "5h", "oauth", "window", "claude", ""], options))

    every_target()


def test_f1_usage_prints_nothing_but_our_own_codes():
    @MORE
    @given(st.tuples(*[TEXT] * 9), st.booleans(), st.booleans())
    def every_field(texts, color, remaining):
        provider, account, source, name, model, email, organization, plan, currency = texts
        now = datetime.fromtimestamp(NOW, UTC)
        periods = tuple(
            UsagePeriod(name=each, utilization=42.0, period_type=PeriodType.SESSION, model=model, resets_at=resets)
            for each, resets in ((name, now + timedelta(hours=2)), (name + "x", None), ("z", now - timedelta(hours=1)))
        )
        snapshot = UsageSnapshot(
            provider=provider,
            account=account,
            fetched_at=now,
            observed_at=now - timedelta(hours=3),
            source=source,
            periods=periods,
            identity=ProviderIdentity(email=email, organization=organization, plan=plan),
            overage=OverageUsage(used=Decimal(5), limit=Decimal(10), currency=currency),
        )
        style = terminal.Style(color=color, cells=("█", "░"), remaining=remaining, stale_after=timedelta(hours=1))
        text = render.usage([render.Entry(id=account, name=provider, snapshot=snapshot)], style, now, verbose=True)
        for row in text.split("\n"):
            assert not BIDI_OR_INVISIBLE.search(seen("ansi" if color else "plain", row))

    every_field()


WORDS = TEXT.filter(lambda text: text and not text.startswith("-") and text not in cli.COMMANDS)
REFUSED = (
    *(["usage", "{}"], ["usage", "claude@{}"], ["config", "get", "{}"], ["config", "set", "{}", "{}"]),
    *(["cache", "clear", "{}"], ["refresh", "{}"]),
)
MISREAD = (
    *(["line", "{}"], ["line", "tmux", "--show", "{}"], ["line", "tmux", "--{}"], ["init", "{}"], ["install", "{}"]),
    *(["refresh", "--{}"], ["usage", "--{}"]),
)


def printed(argv, capsys):
    with contextlib.suppress(SystemExit):
        cli.main(argv)
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(REFUSED, id="words that a command refuses"),
        pytest.param(MISREAD, id="words that the parser refuses"),
    ],
)
def test_f1_messages_hold_nothing_but_visible_text(capsys, commands):
    @FEW
    @given(WORDS)
    def any_words(text):
        for command in commands:
            for row in printed([word.replace("{}", text) for word in command], capsys).split("\n"):
                assert_visible(row)
                assert not BIDI_OR_INVISIBLE.search(row)

    any_words()


HOSTILE = "$(touch canary)`touch canary`${IFS}%{%F{red}%(?.a.b)%}\\[\\u\\e]0;t\\a\\033!"


@pytest.mark.parametrize("option", ["prompt_subst", "no_prompt_subst"])
@pytest.mark.parametrize("form", ['print -rP -- "${text}"', "PROMPT=$text; print -rP -- $PROMPT"])
def test_f2_zsh_text_is_inert_and_reads_as_sent(require, tmp_path, option, form):
    text = escape.paint("zsh", [("red", HOSTILE)], False)
    script = f"setopt {option}; text=$(<text); {form}"
    (tmp_path / "text").write_text(text)
    done = subprocess.run([require("zsh"), "-fc", script], cwd=tmp_path, capture_output=True, check=True)
    printed = done.stdout.decode().rstrip("\n")
    assert re.sub(r"\x1b\[[0-9;]*m", "", printed) == HOSTILE.replace("`", "'")
    assert (done.stderr, sorted(path.name for path in tmp_path.iterdir() if path.is_file())) == (b"", ["text"])


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("V=$text; PS1='${V}'", id="a variable that PS1 names"),
        pytest.param('PS1="$text"', id="assigned to PS1"),
        pytest.param("PS1='$(cat text)'", id="a command that PS1 names"),
    ],
)
def test_f3_bash_text_is_inert_and_reads_as_sent(require, tmp_path, form):
    text = escape.paint("bash", [("red", HOSTILE)], False)
    (tmp_path / "text").write_text(text)
    script = f"text=$(<text); {form}; printf '%s' \"${{PS1@P}}\""
    done = subprocess.run([require("bash"), "-c", script], cwd=tmp_path, capture_output=True, check=True)
    printed = re.sub("\x01[^\x02]*\x02", "", done.stdout.decode())
    assert printed == HOSTILE.replace("`", "'")
    assert (done.stderr, sorted(path.name for path in tmp_path.iterdir() if path.is_file())) == (b"", ["text"])


def test_f4_every_number_sign_from_outside_is_doubled_for_tmux():
    @MORE
    @given(st.tuples(*[TEXT] * 7))
    def any_text(texts):
        text = shown("tmux", texts)
        bare = re.sub(r"#\[fg=[a-z0-9,]+\]", "", text.replace("##", ""))
        assert "#" not in bare
        assert text.count("\n") == 1
        assert text.strip()

    any_text()


def test_f5_json_and_markup_of_waybar_parse_whatever_the_names():
    @MORE
    @given(st.tuples(*[TEXT] * 7))
    def any_text(texts):
        fields = json.loads(shown("waybar", texts))
        _, tooltip, *_ = parsed("waybar", json.dumps(fields) + "\n")
        assert fields["class"] == "alarm"
        assert escape.clean(texts[0].partition("@")[0]) in tooltip

    any_text()


def test_f6_no_hyperlink_is_ever_printed():
    @FEW
    @given(st.tuples(*[TEXT] * 7), TEXT)
    def every_target(texts, text):
        data = json.dumps(claude_document("\x1b]8;;http://x\x07" + text)).encode()
        for target in ALL:
            assert not OSC.search(shown(target, ["\x1b]8;;http://x\x1b\\" + each for each in texts], data=data))

    every_target()


# Unicode 16 made the first four wide: older terminals, and Python before 3.14, have them narrow. A letter of a flag is
# one cell in Unicode's table, as half of a flag's two; wcwidth gives two to a letter that has no partner.
OTHER_TABLE = {
    *(*range(0x2630, 0x2638), *range(0x268A, 0x2690), *range(0x4DC0, 0x4E00), *range(0x1D300, 0x1D377)),
    *range(0x1F1E6, 0x1F200),
}


@pytest.mark.slow
def test_f7_every_visible_character_has_the_width_that_wcwidth_says():
    different = {
        c: (cells, unicodedata.category(c))
        for c in map(chr, range(0xA0, 0x110000))
        if escape.clean(c) == c and (cells := (escape.width(c), max(0, wcwidth(c))))[0] != cells[1]
    }
    # spacing marks: terminals disagree; where one draws them without a cell of their own, a cell stays empty
    assert {what for c, what in different.items() if ord(c) not in OTHER_TABLE} == {((1, 0), "Mc"), ((2, 0), "Mc")}


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("日本語", (6, 6), id="wide"),
        pytest.param("e\u0301a\u0308", (2, 2), id="combining"),
        pytest.param("か\u3099", (2, 2), id="combining with kana"),
        pytest.param("👍", (2, 2), id="emoji"),
        pytest.param("🇩🇪", (2, 2), id="flag"),
        pytest.param("👨‍👩‍👧", (6, 6), id="family, whose joiners are taken out"),
        pytest.param("👍🏽", (4, 2), id="skin tone: two pictures where the font lacks the pair"),
    ],
)
def test_f7_clusters_have_the_width_of_their_widest_drawing(text, cells):
    text = escape.clean(text)
    assert (escape.width(text), wcswidth(text)) == cells


def test_f7_a_text_is_never_wider_than_escape_width_says():
    @settings(max_examples=200, deadline=None)
    @given(TEXT)
    def any_text(text):
        text = "".join([c for c in escape.clean(text) if ord(c) not in OTHER_TABLE])
        assert max(0, wcswidth(text)) <= escape.width(text)

    any_text()


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "icons": st.sampled_from(["ascii", "unicode", "nerd"]),
        "bar": st.sampled_from(["0", "1", "5", "40"]),
        "reset": st.sampled_from(["countdown", "clock", "none"]),
        "show": st.sampled_from(["used", "remaining"]),
        "separator": st.sampled_from(["", " ", " | ", "日"]),
        "format": st.sampled_from(
            ["{percent}", "{provider} {period} {percent}", "<{bar}|{percent}> {account}{source}"]
        ),
        "periods": st.sampled_from(["all", "primary", "7d", "none such"]),
    },
)


def row_of(target, output):
    """The one row of an output that a width holds for."""
    return parsed(target, output)[0] if output else ""


@pytest.mark.slow
def test_f7_no_target_is_wider_than_asked():
    targets = [target for target in ALL if target not in ASSISTANTS and target != "json"]

    @MORE
    @given(st.tuples(*[TEXT] * 7), OPTIONS, st.integers(1, 60), st.booleans())
    def every_target(texts, options, cells, mono):
        for target in targets:
            options["max_width"] = str(cells)
            assert escape.width(row_of(target, shown(target, texts, options, mono=mono))) <= cells, target

    every_target()


def test_f7_no_row_of_an_assistant_is_wider_than_the_host_allows():
    made = table.Table()
    made.version = table.VERSION
    every = ",".join(items.ITEMS)
    made.settings = {target: {"lines": f"periods,{every};{every};model,cost,branch"} for target in ASSISTANTS}

    @FEW
    @given(TEXT, st.integers(1, 90), st.sampled_from(sorted(ASSISTANTS)), st.booleans())
    def any_width(text, cells, target, by_document):
        found = claude_document(text) | ({"render_width_chars": cells} if by_document else {})
        environ = ENVIRON if by_document else {**ENVIRON, "COLUMNS": str(cells + 4)}
        output = view.show(target, made, {}, json.dumps(found).encode(), NOW, mono=False, environ=environ).text
        widths = [escape.width(row) for row in parsed(target, output)]
        assert all(width <= cells for width in widths) or output == view.EMPTY_NOTE + "\n", widths

    any_width()


def test_f7_the_primary_percentage_outlives_everything_else():
    made = table.Table()
    made.version = table.VERSION
    rows = {
        "Session (5h)": ("5h", 18_000, 42.0, NOW + 7200, NOW, "oauth", "window"),
        "Weekly": ("7d", 604_800, 17.3, NOW + 90_000, NOW, "oauth", "window"),
        "Opus": ("Opus", 604_800, 80.5, NOW + 90_000, NOW, "oauth", "model"),
    }
    made.periods = {"claude": rows}
    steps = {}
    for cells in range(60, 0, -1):
        options = {"max_width": str(cells)}
        text = view.show("plain", made, options, b"", NOW, mono=True, environ=ENVIRON).text.rstrip("\n")
        steps.setdefault(text, cells)
    assert steps == {
        "claude 5h 42% 2h · 7d 17.3% 1d 1h · Opus 80.5% 1d 1h": 60,
        "claude 5h 42% 2h · 7d 17.3% 1d 1h · Opus 80.5%": 51,
        "claude 5h 42% 2h · 7d 17.3% · Opus 80.5%": 45,
        "claude 5h 42% 2h · 7d 17.3%": 39,
        "5h 42% 2h · 7d 17.3%": 26,
        "5h 42% · 7d 17.3%": 19,
        "5h 42%": 16,
        "42%": 5,
        "4…": 2,
        "…": 1,
    }


def test_f7_an_ellipsis_shows_what_was_cut_where_there_is_room_for_it():
    fitted = {cells: segment.fit([[(0, "red", "abcdef")]], cells, " · ", "…") for cells in (6, 5, 2, 1)}
    assert {cells: "".join(text for _, text in row) for cells, row in fitted.items()} == {
        6: "abcdef",
        5: "abcd…",
        2: "a…",
        1: "…",
    }


@pytest.mark.slow
def test_the_program_itself_prints_the_same(line_tsv, vibeusage):
    hostile = "$(id) \x1b[31m #{host} %F{red} \u202e"
    line_tsv(("period", f"claude@{hostile}", hostile, "5h", 0, 42, 0, 1, "oauth", "window"))
    for target in ALL:
        done = vibeusage("line", target)
        assert (done.returncode, done.stderr) == (0, b"")
        parsed(target, done.stdout.decode())
