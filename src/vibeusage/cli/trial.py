"""A login tried at once: the vendor is asked with it alone."""

import asyncio
from collections.abc import Iterator

from vibeusage import fetch
from vibeusage.cli.secrets_in import places
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.escape import clean
from vibeusage.providers.spec import Cookie, Provider, Strategy


def percentages(ctx: Context, strategy: Strategy, login: Login) -> str:
    """What the vendor answers, for people. Raises what keeps it from answering."""
    from vibeusage import http  # httpx costs a tenth of a second

    asking = fetch.Asking(ctx, None, found=[fetch.Candidate(strategy, login, None)])
    answered = asyncio.run(asking.answer(http.tls()))
    if answered.error:
        raise answered.error
    periods = answered.snapshot.periods if answered.snapshot else ()
    texts = [f"{clean(period.name)} {period.utilization:g}%" for period in periods]
    return f"{ctx.id}: " + (", ".join(texts) or "it works, and has no window to show")


def with_cookie(provider: Provider) -> Iterator[tuple[Strategy, Cookie]]:
    """The strategies that a browser's cookie can log in."""
    for strategy in provider.strategies:
        for place in places(strategy):
            if isinstance(place, Cookie):
                yield strategy, place
