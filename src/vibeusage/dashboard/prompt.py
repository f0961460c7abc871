"""One line of text that a setting is to have."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from vibeusage.dashboard.options import Item
from vibeusage.terminal import plain


class Prompt(ModalScreen[str | None]):
    """Gives the text, "" for the default, None when it was left."""

    CSS = """
    Prompt { align: center middle; background: transparent; }
    Prompt Vertical { width: 90%; max-width: 76; height: auto; border: round ansi_cyan; padding: 0 1;
      background: ansi_default; }
    Prompt Static { color: ansi_default; background: ansi_default; }
    Prompt Input { border: none; height: 1; padding: 0; background: ansi_default; color: ansi_default; }
    """
    BINDINGS: ClassVar = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, item: Item) -> None:
        super().__init__()
        self._item = item

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(plain(f"{self._item.key}: {self._item.title}")))
            yield Input(value=plain(self._item.value or "", 1000), select_on_focus=False)
            yield Static(Content(plain(f"{self._item.allowed}; empty: the default. enter sets it, esc leaves it", 500)))

    def on_input_submitted(self, entered: Input.Submitted) -> None:
        self.dismiss(entered.value.strip())
