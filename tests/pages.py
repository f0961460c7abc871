"""What a page of HTML is made of, by the parser of Python's library."""

import hashlib
from base64 import b64encode
from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link"}
ELEMENTS = {
    *("html", "head", "meta", "title", "link", "style", "body", "main", "header", "nav", "section"),
    *("h1", "h2", "h3", "p", "ul", "li", "a", "dl", "div", "dt", "dd", "data", "bdi", "details", "summary"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("svg", "desc", "path", "rect", "text"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "rel", "href", "id", "class", "value", "scope", "tabindex"),
    *("role", "aria-label", "aria-labelledby", "aria-hidden"),
    *("viewbox", "x", "y", "width", "height", "rx", "d"),
}


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


def problems(text: str) -> list[str]:
    """What no page of ours may have, whatever the names in it."""
    found = Page(text)
    wrong = list(found.wrong)
    for name, attributes, _ in found.elements:
        wrong += [] if name in ELEMENTS else [f"<{name}>"]
        wrong += [f"{name} {key}" for key in attributes if key not in ATTRIBUTES]
        wrong += [] if (attributes.get("href") or "#").startswith(("#", "data:,")) else [f"{name} {attributes['href']}"]
    wrong += sorted({repr(c) for c in text if not (c.isprintable() or c == "\n")})
    return wrong


def skeleton(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements and their attributes without what these hold."""
    return [(name, tuple(attributes)) for name, attributes, _ in Page(text).elements]
