"""What a reader sees of a target's text: our own codes taken out by a strict grammar, escapes undone.

A code that is not ours, a control character, or a special character that was not made literal fails.
"""

import json
import re
import xml.etree.ElementTree as ET

SGR = r"\x1b\[(?:90|32|33|31|1;31|0)m"
HEX = "#808080|#5faf5f|#d7af00|#d75f5f|#ff5f5f"
STYLE = r"#\[fg=(?:colour8|green|yellow|red|red,bold)\]"
# target: (our codes, {escape: literal}, what may never be left over)
GRAMMAR = {
    "bash": (rf"\x01{SGR}\x02|\x01\x02", {}, r"[`]|[$\\](?!\x01\x02)"),
    "zsh": (r"%F\{(?:8|green|yellow|red)\}|%[fBb]|%\{%\}", {"%%": "%"}, r"`|[$\\](?!%\{%\})"),
    "tmux": (rf"{STYLE}|#\[fg=default(?:,nobold)?\]", {"##": "#"}, r"(?!)"),
    "zjstatus": (rf"#\[fg=(?:{HEX})(?:,bold)?\]|#\[default\]", {}, r"(?!)"),
    "polybar": (rf"%\{{F(?:{HEX}|-)\}}", {}, r"(?!)"),
    "screen": (r"\x05\{(?:= [Kgyr]|=b r|-)\}", {}, r"(?!)"),
    "starship": (SGR, {}, r"\\"),
    "plain": (r"(?!)", {}, r"(?!)"),
    "ansi": (SGR, {}, r"(?!)"),
}
SPECIAL = {"zsh": "%", "tmux": "#"}
STARTS = {"zjstatus": "#[", "polybar": "%{"}


def seen(target: str, text: str) -> str:
    """The visible text of one row in `target`'s notation."""
    codes, escapes, forbidden = GRAMMAR.get(target, GRAMMAR["ansi"])
    assert not re.search(forbidden, text), f"{target}: not literal in {text!r}"
    known = re.compile("|".join([f"(?P<code>{codes})", *[f"(?P<escape>{re.escape(e)})" for e in escapes]]))
    left, at = [], 0
    while at < len(text):
        if found := known.match(text, at):
            left.append(escapes.get(found.group(), ""))
            at = found.end()
            continue
        start = STARTS.get(target, SPECIAL.get(target, "\0"))
        assert not text.startswith(start, at), f"{target}: {text[at : at + 20]!r} is neither ours nor literal"
        left.append(text[at])
        at += 1
    plain = "".join(left)
    assert_visible(plain)
    return plain


def assert_visible(text: str) -> None:
    """No control, bidi, zero-width, separator, private or surrogate character; Nerd Font icons of ours may be."""
    wrong = [c for c in text if not c.isprintable() and c not in "\U000f06a9\U000f0150"]
    assert not wrong, f"{wrong} in {text!r}"


def parsed(target: str, output: str) -> list[str]:
    """Every visible text of a whole output: rows, JSON strings, tooltip and menu lines."""
    assert output == "" or output.endswith("\n"), output
    if target == "json":
        return _strings(json.loads(output))
    if target == "waybar":
        assert output.count("\n") == 1
        fields = json.loads(output)
        assert fields.keys() == {"text", "alt", "tooltip", "class", "percentage"}
        tooltip = [_markup(line) for line in fields["tooltip"].split("\n")]
        return [_markup(fields["text"]), *tooltip, fields["alt"], fields["class"]]
    rows = output.split("\n")[:-1]
    if target == "i3blocks" and rows:
        full, short, colour = rows
        assert re.fullmatch(f"(?:{HEX})?", colour)
        return [seen("plain", full), seen("plain", short)]
    if target == "swiftbar" and rows:
        assert rows[1] == "---"
        lines = [row.split(" | ") for row in (rows[0], *rows[2:])]
        assert [line[1:] for line in lines] == [["ansi=true"], *[["trim=false"]] * (len(lines) - 1)]
        assert not any(line[0].startswith("-") for line in lines)
        assert "|" not in "".join(line[0] for line in lines)
        return [seen("ansi", lines[0][0]), *[seen("plain", line[0]) for line in lines[1:]]]
    return [seen(target, row) for row in rows]


def _markup(text: str) -> str:
    """The text of Pango markup that holds nothing but our spans."""
    root = ET.fromstring(f"<markup>{text}</markup>")
    for span in root:
        assert (span.tag, len(span)) == ("span", 0)
        assert re.fullmatch(HEX, span.attrib["color"])
        assert {k: v for k, v in span.attrib.items() if k != "color"} in ({}, {"weight": "bold"})
    plain = "".join(root.itertext())
    assert_visible(plain)
    return plain


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        assert_visible(value)
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]
