"""The settings that a person changes while looking: which there are, what they are set to, and the page of them.

Every change goes through `config`, which checks it and leaves the rest of the file as it is.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from vibeusage import cache, config, providers, schema, toml_edit
from vibeusage.config import Config
from vibeusage.dashboard.page import Column, Page, heading, marked, table
from vibeusage.records import readers
from vibeusage.settings import ProviderOptions, RecordOptions
from vibeusage.terminal import Line, Style, cut

GROUPS = {
    "Display": (
        *("line.show", "line.icons", "line.bar", "line.reset", "line.periods", "line.costs"),
        *("dashboard.colors", "dashboard.plots"),
    ),
    "Refreshing": (
        *("fetch.interval_s", "fetch.idle_interval_s", "fetch.stale_after_s", "fetch.timeout_s"),
        "fetch.max_concurrent",
    ),
    "Machines and storage": (
        *("machines.name", "machines.folder", "machines.interval_s"),
        *("storage.folder", "storage.url", "history.days"),
    ),
}
NOT_SET = "not set"
KEYS = (("enter", "change"), ("⌫", "default"))


class Item(NamedTuple):
    """`value` is the text that `config.set_value` reads back; `choices` are all there are, where they are few."""

    group: str
    key: str
    title: str
    value: str | None
    allowed: str
    choices: tuple[str, ...] = ()

    def following(self) -> str:
        """The choice after the one in force."""
        at = self.choices.index(self.value) if self.value in self.choices else -1
        return self.choices[(at + 1) % len(self.choices)]


def of_all() -> list[Item]:
    in_force = config.effective(config.load())
    return [_item(group, key, in_force) for group, keys in GROUPS.items() for key in keys]


def of_provider(name: str) -> list[Item]:
    """Its settings, what its address takes, and how the logs of its tool are read; many a tool has logs alone."""
    in_force, groups = config.effective(config.load()), {}
    provider = name.partition("@")[0]
    if provider in providers.ids():
        params = providers.load(provider).params
        groups["Settings"] = [("providers", name, key) for key in schema.leaves(ProviderOptions)]
        groups["Parameters"] = [("providers", name, "params", param) for param in params]
        in_force["providers"].setdefault(name, msgspec.to_builtins(ProviderOptions()))
    if name in readers.load_all():
        groups["Logs"] = [("records", name, key) for key in schema.leaves(RecordOptions)]
        in_force["records"].setdefault(name, msgspec.to_builtins(RecordOptions()))
    return [_item(group, toml_edit.dotted(key), in_force) for group, keys in groups.items() for key in keys]


def change(key: str, text: str) -> None:
    """Empty: back to the default. Raises ConfigError, and then nothing is changed."""
    if text:
        config.set_value(key, text)
    else:
        config.reset(key)
    cache.compile_line()


def _item(group: str, key: str, in_force: dict) -> Item:
    path = toml_edit.split_key(key)
    kind = schema.type_at(Config, path)
    about = schema.about_of(kind)
    value: Any = in_force
    for part in path:
        value = value.get(part)
    return Item(group, key, about.title or "", _text(value), about.description or "", _choices(kind))


def _choices(kind: Any) -> tuple[str, ...]:
    """Where all that is allowed are a few words."""
    plain = get_args(kind)[0]
    if any(get_origin(one) not in (None, Literal) for one in get_args(plain)):
        return ()
    return ("false", "true") if plain is bool else schema.choices(plain)


def _text(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if value is None or isinstance(value, str) else toml_edit.literal(value)


def page(
    title: str,
    items: Sequence[Item],
    picked: int,
    style: Style,
    *,
    above: Sequence[Line] = (),
    keys: tuple[tuple[str, str], ...] = (),
) -> Page:
    names = [style.text(item.title[:1].upper() + item.title[1:]) for item in items]
    dotted = [("dim", style.text(item.key)) for item in items]
    cells = [[name, _shown(item, style), key] for name, item, key in zip(names, items, dotted, strict=True)]
    columns = [Column("", is_name=True), Column("", is_name=True), Column("", is_name=True, goes=1)]
    rows = table(columns, cells, style, style.columns)[1:]
    lines: list[Line] = [*above, *([[]] if above else [])]
    at, group = 0, ""
    for place, (item, row) in enumerate(zip(items, rows, strict=True)):
        if item.group != group:
            lines += [*([[]] if group else []), cut(heading(item.group), style.columns, style)]
            group = item.group
        if place == picked:
            at = len(lines)
            row = marked(row, style.columns)
        lines.append(row)
    rule: Line = [("dim", style.glyphs.across * style.columns)]
    told: Line = [("dim", f"{style.text(items[picked].key)}: {style.text(items[picked].allowed)}")]
    below = [rule, cut(told, style.columns, style)]
    return Page([("strong", title)], lines, below, (*KEYS, *keys), at)


def _shown(item: Item, style: Style) -> tuple[str, str]:
    if item.value is None:
        return "dim", NOT_SET
    return "accent", style.text(item.value) or '""'
