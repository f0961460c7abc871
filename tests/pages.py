"""What a page of HTML is made of, by the parser of Python's library."""

import hashlib
from base64 import b64encode
from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link"}


class Element(NamedTuple):
    """`within` has the names of all that it lies in."""

    name: str
    attributes: dict[str, str | None]
    within: tuple[str, ...]


class Page(HTMLParser):
    """`elements` in their order, `texts` by the name of the element that they are in."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(source)
        self.close()
        self.wrong += [f"<{name}> is not closed" for name in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs), tuple(self.open)))
        self.wrong += [f"<{tag}> has an attribute twice"] * (len(dict(attrs)) < len(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open[-1:] == [tag]:
            self.open.pop()
        else:
            self.wrong.append(f"</{tag}> within {self.open[-1:]}")

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data):
        self.wrong.append(f"a comment: {data}")

    def text_of(self, *names: str) -> list[str]:
        return [text for name, text in self.texts if not names or name in names]

    def all(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]

    def values(self, within: str) -> list[str]:
        """The exact amounts in elements of that name."""
        return [one.attributes["value"] or "" for one in self.all("data") if within in one.within]

    def policy(self) -> str:
        (found,) = [one for one in self.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
        return found.attributes["content"] or ""

    def style_hash(self) -> str:
        (style,) = self.text_of("style")
        return b64encode(hashlib.sha256(style.encode()).digest()).decode()
