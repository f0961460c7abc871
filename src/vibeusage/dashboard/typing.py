"""One line of text, while it is typed: what a setting is to be, or the copy that is to be put back.

Textual's own input field runs keys that are bound after those that print, so that what comes at once over a slow
line would be mixed up.
"""

from vibeusage.escape import width
from vibeusage.terminal import Line, Style

LONGEST = 1000


class Typing:
    """`at` is where the next character goes; `hint` is what may be typed."""

    def __init__(self, label: str, text: str, hint: str) -> None:
        self.label, self.text, self.hint = label, text, hint
        self.at = len(text)

    def insert(self, text: str) -> None:
        text = "".join(one for one in text if one.isprintable())
        if len(self.text) + len(text) <= LONGEST:
            self.text = self.text[: self.at] + text + self.text[self.at :]
            self.at += len(text)

    def key(self, key: str) -> None:
        match key:
            case "backspace" if self.at:
                self.text, self.at = self.text[: self.at - 1] + self.text[self.at :], self.at - 1
            case "delete":
                self.text = self.text[: self.at] + self.text[self.at + 1 :]
            case "ctrl+u":
                self.text, self.at = self.text[self.at :], 0
            case "left" | "right" | "home" | "end":
                to = {"left": self.at - 1, "right": self.at + 1, "home": 0, "end": len(self.text)}[key]
                self.at = max(0, min(to, len(self.text)))

    def line(self, style: Style) -> Line:
        """The part around the cursor where not all has room."""
        label = f"{style.text(self.label)} = "
        before, under, after = self.text[: self.at], self.text[self.at : self.at + 1] or " ", self.text[self.at + 1 :]
        room = max(1, style.columns - width(label) - width(under))
        while width(before) > room:
            before = before[1:]
        while width(after) > room - width(before):
            after = after[:-1]
        return [("strong", label), ("accent", before), ("picked", under), ("accent", after)]
