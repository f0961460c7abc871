"""Text for one target: outside strings made harmless, our colours in the target's own notation.

A row is a list of `(style, text)`; styles are "", dim, green, yellow, red, alarm. Whatever came from
outside has passed `clean` before; here each target's own special characters are made literal.
Contracts: tmux(1) FORMATS and STYLES, zshmisc(1) PROMPT EXPANSION, readline's \\001 \\002, screen(1)
STRING ESCAPES, Pango markup, and the documentation of each bar.
"""

SGR = {"dim": "90", "green": "32", "yellow": "33", "red": "31", "alarm": "1;31"}
NAMES = {"dim": "colour8", "green": "green", "yellow": "yellow", "red": "red", "alarm": "red,bold"}
ZSH = {"dim": "8", "green": "green", "yellow": "yellow", "red": "red", "alarm": "red"}
HEX = {"dim": "#808080", "green": "#5faf5f", "yellow": "#d7af00", "red": "#d75f5f", "alarm": "#ff5f5f"}
SCREEN = {"dim": "= K", "green": "= g", "yellow": "= y", "red": "= r", "alarm": "=b r"}
TEXT_LIMIT = 120
NARROW = "█░…"  # our own glyphs, one cell each


def clean(text, limit=TEXT_LIMIT):
    """One line of visible characters: no control, bidi, zero-width or private ones, length capped.

    `str.isprintable` is false for exactly those classes; variation selectors and Hangul fillers are
    printable but make widths lie, so they go too.
    """
    text = text[: limit * 4]
    if not text.isprintable():
        text = "".join([c if c.isprintable() else " " if c.isspace() else "" for c in text])
    if not text.isascii():
        text = "".join([c for c in text if not ("\ufe00" <= c <= "\ufe0f" or c in "\u115f\u1160\u3164\uffa0")])
    return " ".join(text.split())[:limit]


def width(text):
    """Terminal cells of cleaned text: 2 for wide, 0 for combining characters."""
    if text.isascii() or all([c < "\u0300" or c in NARROW for c in text]):
        return len(text)
    from unicodedata import category, east_asian_width  # a library of its own: half a millisecond

    cells = 0
    for c in text:
        # marks first: some that combine with kana are listed as wide
        if category(c) in ("Mn", "Me", "Cf") or "\u1160" <= c <= "\u11ff" or "\ud7b0" <= c <= "\ud7ff":
            continue
        cells += 2 if east_asian_width(c) in "WF" else 1
    return cells


def markup(text):
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace('"', "&quot;")
    )


def _ansi(style, text):
    return f"\x1b[{SGR[style]}m{text}\x1b[0m" if style else text


def _bash(style, text):
    """Inert and right both in `PS1='${V}'`, which shows a value as it is, and in `PS1="$(…)"`, which expands it.

    A `\\$` would show its backslash in the first. An empty \\001 \\002 takes no cell and parts `$` or a backslash
    from what follows, so that neither means anything; nothing can do that for a backtick.
    """
    for special in "\\$":
        text = text.replace(special, special + "\x01\x02")
    text = text.replace("`", "'")
    return f"\x01\x1b[{SGR[style]}m\x02{text}\x01\x1b[0m\x02" if style else text


def _starship(style, text):
    """starship 1.26 escapes for bash once where bash reads twice: behind a backslash, `$(` and backticks would run."""
    return _ansi(style, text.replace("\\", "/"))


def _zsh(style, text):
    """As `_bash`, for a `PROMPT="$(…)"` under prompt_subst; zsh's empty, widthless mark is `%{%}`."""
    text = text.replace("%", "%%")
    for special in "\\$":
        text = text.replace(special, special + "%{%}")
    text = text.replace("`", "'")
    if style == "alarm":
        return f"%B%F{{red}}{text}%f%b"
    return f"%F{{{ZSH[style]}}}{text}%f" if style else text


def _tmux(style, text):
    text = text.replace("#", "##")
    end = "fg=default,nobold" if style == "alarm" else "fg=default"
    return f"#[fg={NAMES[style]}]{text}#[{end}]" if style else text


def _part(text, first, second, other):
    """`text` with `other`, as wide, where `second` would stand behind `first`, perhaps that of the piece before."""
    text = text.replace(first + second, first + other)
    return other + text[1:] if text.startswith(second) else text


def _zjstatus(style, text):
    text = _part(text, "#", "[", "(")
    weight = ",bold" if style == "alarm" else ""
    return f"#[fg={HEX[style]}{weight}]{text}#[default]" if style else text


def _polybar(style, text):
    text = _part(text, "%", "{", "(")
    return f"%{{F{HEX[style]}}}{text}%{{F-}}" if style else text


def _screen(style, text):
    return f"\x05{{{SCREEN[style]}}}{text}\x05{{-}}" if style else text


def _pango(style, text):
    weight = " weight='bold'" if style == "alarm" else ""
    return f"<span color='{HEX[style]}'{weight}>{markup(text)}</span>" if style else markup(text)


def _swiftbar(style, text):
    return _ansi(style, text.replace("|", "¦"))


PAINT = {
    "tmux": _tmux,
    "starship": _starship,
    "zsh": _zsh,
    "bash": _bash,
    "polybar": _polybar,
    "screen": _screen,
    "zjstatus": _zjstatus,
    "waybar": _pango,
    "swiftbar": _swiftbar,
}


def paint(target, row, mono):
    """One row in the target's notation; `mono` leaves the colours out, never the escaping."""
    if target in ("plain", "json", "i3blocks"):
        return "".join([text for _, text in row])
    draw = PAINT.get(target, _ansi)
    return "".join([draw("" if mono else style, text) for style, text in row])
