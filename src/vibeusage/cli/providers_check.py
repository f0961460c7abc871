"""Ask a provider once and tell what was read: of a declaration each number, of any other its windows.

Nothing is stored.
"""

import asyncio
import os
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, config, declared, fetch, providers
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.declared import answer, asking
from vibeusage.models import Usage
from vibeusage.providers.spec import Func, Provider
from vibeusage.terminal import plain

MOST_NAMES = 20


def run(name: str) -> int:
    """Raises what keeps the provider from answering, after all that was seen on the way."""
    from vibeusage import http  # httpx costs a tenth of a second

    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    ctx = accounts.one(name, config.load(), around)
    seen: list[tuple[str, str]] = []
    path = providers.path(ctx.provider.id)
    if path.suffix == ".toml":
        ctx.provider = _watched(ctx.provider, declared.read(path), seen)
    asked = fetch.Asking(ctx, None)
    said = asyncio.run(asked.answer(http.tls())) if asked.usable else asked.without_asking()
    for one in said.attempts:
        print(f"{one.strategy}: {'answered' if one.success else plain(one.error or '')} ({one.duration_ms} ms)")
    if said.snapshot and not seen:
        seen = [("window", answer.line(period)) for period in said.snapshot.periods]
    _print(seen)
    if said.error:
        raise said.error
    return 0


def _watched(provider: Provider, form: declared.Declaration, seen: list[tuple[str, str]]) -> Provider:
    """The same provider; what each rule of its declaration finds is put into `seen`."""

    async def fetch_watched(ctx: Context, login: Login) -> Usage:
        answers = await asking.answers(form, ctx, login)
        seen.extend((f"answer {name}", _outline(document)) for name, document in answers.documents.items())
        seen.extend(answer.told(answers))
        return answer.usage(answers)

    (strategy,) = provider.strategies
    login = strategy.login if isinstance(strategy, Func) else ()
    return msgspec.structs.replace(provider, strategies=(Func(name=strategy.name, login=login, fetch=fetch_watched),))


def _print(seen: Iterable[tuple[str, str]]) -> None:
    for what, text in seen:
        print(f"  {what:12}  {plain(text)}", flush=True)


def _outline(document: object) -> str:
    """The names in an answer, so that a path can be written, and never a value."""
    match document:
        case dict():
            names = [f"{name}: {_outline(value)}" for name, value in list(document.items())[:MOST_NAMES]]
            return "{" + ", ".join(names) + "}"
        case list():
            return f"{len(document)} × {_outline(document[0])}" if document else "[]"
    return type(document).__name__
