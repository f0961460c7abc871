"""Markup that nothing from outside can break out of: a string that is not `Markup` is escaped where it is put in.

What is escaped is first made one line of visible characters: no control or bidi ones.
"""

from collections.abc import Iterable

from vibeusage import escape

LIMIT = 400
VOID = frozenset({"meta", "link"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str, limit: int = LIMIT) -> Markup:
    return text if isinstance(text, Markup) else Markup(escape.markup(escape.clean(text, limit)))


def tag(name: str, /, *inside: str, **attributes: str | float | None) -> Markup:
    """An element; of attributes `class_` is `class` and `aria_label` is `aria-label`, None is left out."""
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    return Markup(between.join(map(escaped, parts)))


def outside(name: str) -> Markup:
    """A name that may be written from right to left, beside text of ours."""
    return tag("bdi", name)


def _attribute(key: str, value: str | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    text = number(value) if isinstance(value, float) else value if isinstance(value, str) else str(value)
    return f' {name}="{escaped(text)}"'


def number(value: float) -> str:
    """With one digit behind the point where it has any."""
    return f"{value:.1f}".removesuffix(".0")
