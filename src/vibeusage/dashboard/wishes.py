"""What keys ask to be done, besides what they change on the screen."""

from typing import NamedTuple


class Quit(NamedTuple):
    code: int = 0


class Change(NamedTuple):
    key: str
    text: str


class Switch(NamedTuple):
    name: str
    on: bool


class AskNow(NamedTuple):
    """The providers are to be asked."""


class Operate(NamedTuple):
    """Of the database; `file` is the copy that is put back."""

    name: str
    file: str = ""


class Say(NamedTuple):
    """Why a key does nothing here."""

    text: str


class Question(NamedTuple):
    text: str
    about: str
    wish: Operate


class Failure(NamedTuple):
    message: str
    hint: str


Wish = Quit | Change | Switch | AskNow | Operate | Say
