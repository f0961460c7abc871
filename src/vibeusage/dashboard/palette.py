"""The styles of a page's pieces: those of `escape.SGR` and what a full screen needs besides, as codes of a terminal.

Colours are the terminal's own sixteen, so that they fit its background, dark or light.
"""

from vibeusage import escape

SGR = escape.SGR | {
    "strong": "1",
    "accent": "36",
    "picked": "7",
    "heat0": "90",
    "heat1": "38;5;22",
    "heat2": "38;5;28",
    "heat3": "38;5;34",
    "heat4": "38;5;46",
}
# told apart also by those who do not tell red from green
SAFE = SGR | {
    "green": "34",
    "red": "35",
    "alarm": "1;35",
    "heat1": "38;5;18",
    "heat2": "38;5;26",
    "heat3": "38;5;33",
    "heat4": "38;5;117",
}
MONO = {"strong": "1", "alarm": "1", "picked": "7"}  # what NO_COLOR leaves: weight and the cursor


PALETTES = {"usual": SGR, "safe": SAFE, "none": MONO}
