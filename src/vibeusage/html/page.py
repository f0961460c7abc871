"""The page: one file without a script, which loads nothing from anywhere and says so in its policy."""

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from vibeusage.html import sections
from vibeusage.html.content import Content
from vibeusage.html.markup import Markup, escaped, joined, tag
from vibeusage.html.sections import Shown
from vibeusage.records import days

TITLE = "AI coding usage"
NOTE_LIMIT = 4000  # it names many models


def page(content: Content, notes: Sequence[str], shown: Shown) -> str:
    style = resources.files("vibeusage.html").joinpath("style.css").read_text("utf-8")
    return f'<!DOCTYPE html>\n<html lang="en">{_head(content, style)}{_body(content, notes, shown)}</html>\n'


def policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _head(content: Content, style: str) -> Markup:
    parts = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{TITLE}, {_range(content)}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )
    return tag("head", *parts)


def _body(content: Content, notes: Sequence[str], shown: Shown) -> Markup:
    found = sections.all_of(content, shown)
    links = joined(tag("li", tag("a", title, href=f"#{id}")) for id, title, _ in found)
    contents = [tag("nav", tag("ul", links), aria_label="Contents")] if found else []
    every = [tag("section", tag("h2", title, id=id), body, aria_labelledby=id) for id, title, body in found]
    told = tag("ul", *(tag("li", escaped(note, limit=NOTE_LIMIT)) for note in notes))
    last = tag("section", tag("h2", "Notes", id="notes"), told, aria_labelledby="notes")
    header = tag("header", tag("h1", TITLE), tag("p", _about(content)), *_filters(content))
    parts = (header, sections.cards(content), *contents, *every, *([last] if notes else []))
    return tag("body", tag("main", joined(parts, "\n")))


def _range(content: Content) -> str:
    return f"{content.first} to {content.last}" if content.first <= content.last else f"{content.last}"


def _about(content: Content) -> str:
    made = content.made_at.astimezone(content.query.zone)
    prices = f"cost at list price as of {content.by_time.prices_as_of}, which is not what a plan charges"
    return f"{_range(content)} ({days.name_of(content.query.zone)}). Made {made:%Y-%m-%d %H:%M}; {prices}."


def _filters(content: Content) -> list[Markup]:
    query = content.query
    told = [
        f"tools {', '.join(query.providers)}" if query.providers else "",
        f"models like {query.model}" if query.model else "",
        f"projects like {query.names('project', query.project)}" if query.project else "",
    ]
    found = [text for text in told if text]
    return [tag("p", f"Only {'; '.join(found)}.")] if found else []
