"""ENGINE: which accounts are due, all of them asked at once, one refresher a machine.

A failure keeps the last good snapshot; every outcome leaves the next due time on disk before the lock
is given back. httpx is imported only when a request goes out.
"""

import asyncio
import contextlib
import copy
import functools
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from vibeusage import accounts, cache, config, episodes, fetch, files, gate, idle, paths, providers
from vibeusage.context import Context
from vibeusage.errors import NotConfigured, StorageError, Unavailable
from vibeusage.models import FetchOutcome

if TYPE_CHECKING:
    import ssl

LOCK_WAIT_S = 60.0
MEANWHILE_S = 2.0

Started = Callable[[Sequence[str]], None]
Done = Callable[[str], None]


def refresh(
    wanted: Sequence[str] = (),
    *,
    if_due: bool = False,
    foreground: bool | None = None,
    on_start: Started = lambda asked: None,
    on_done: Done = lambda account: None,
) -> list[FetchOutcome] | None:
    """Ask the wanted (default: all enabled) accounts and store what they say.

    With `if_due` only those that are due, and None at once when another refresher is at work; a person who
    has no numbers at all yet waits for it.
    `foreground` says that a person waits, by default when nothing is asked for being due. `on_start` is told
    the ids of the accounts that are asked, `on_done` each that has answered or failed.
    """
    settings = config.load()
    foreground = not if_due if foreground is None else foreground
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=foreground)
    chosen = accounts.chosen(wanted, settings, around)
    may_wait = not if_due or (foreground and not cache.load_snapshots())
    with contextlib.ExitStack() as held:
        got, problem = _locked(held, LOCK_WAIT_S if may_wait else 0, needed=not foreground)
        if not got:
            if if_due:
                return None
            raise Unavailable("another refresh has been at work for a minute", hint="try again in a moment")
        cache.tidy(time.time())
        for ctx in chosen:
            ctx.now = datetime.now(UTC)  # the lock may have taken a minute
        gates = gate.load()
        changed = [ctx.id for ctx in chosen if if_due and _was_changed(ctx)]
        due = [ctx for ctx in chosen if not if_due or ctx.id in changed or _is_due(ctx, gates)]
        looked = not wanted and _postponed({ctx.id for ctx in chosen}, gates, settings.fetch.interval_s)
        awaited = episodes.waiting(episodes.load()) if settings.alerts.thresholds else ()
        asked = _in_use(due, gates, [*changed, *awaited]) if if_due else due
        if asked and not foreground:
            gate.save(gates)  # a refresher that could not remember a cool-down must not ask
        askings = [fetch.Asking(ctx, gates.get(ctx.id), local_last=not if_due) for ctx in asked]
        outcomes = _ask_all(askings, gates, on_start, on_done)
        try:
            if due or looked:
                gate.save(gate.settled(gates))
        except StorageError as exc:
            problem = problem or exc
        cache.compile_line(nobody_to_ask=not chosen)
    outcomes = _worth_telling(outcomes, quiet=if_due) if not wanted else outcomes
    return [_unstored(outcome, problem) for outcome in outcomes] if problem else outcomes


def _locked(held: contextlib.ExitStack, wait_s: float, *, needed: bool) -> tuple[bool, StorageError | None]:
    """Whether this is the one refresher; where no lock can be made, the reason, unless it is `needed`.

    Whoever asks by hand gets the numbers all the same.
    """
    try:
        return held.enter_context(files.lock(paths.cache_dir() / "refresh.lock", wait_s=wait_s)), None
    except StorageError as exc:
        if needed:
            raise
        return True, exc


def _worth_telling(outcomes: list[FetchOutcome], *, quiet: bool) -> list[FetchOutcome]:
    """Without the accounts that nobody named and that have no login; the common ones of them if that is all."""
    there = [one for one in outcomes if not one.error or one.error.category != NotConfigured.category]
    if there or quiet:
        return there
    common = [one for one in outcomes if providers.load(one.provider_id.partition("@")[0]).is_common]
    return common or outcomes


def _is_due(ctx: Context, gates: dict[str, gate.Gate]) -> bool:
    """Also those that had no login: a look costs nothing, and there may be one by now.

    And, where a person waits, those whose good answer is not there any more.
    """
    fetching, known = ctx.settings.fetch, gates.get(ctx.id)
    if known and known.error and known.error.category == NotConfigured.category:
        return True
    if known and not known.error and ctx.foreground and cache.load_snapshot(ctx.id) is None:
        return True
    return gate.is_due(known, max(fetching.interval_s, fetching.idle_interval_s), ctx.now)


def _postponed(asked: set[str], gates: dict[str, gate.Gate], interval_s: int) -> bool:
    """Whether accounts that are due and out of reach got a later look, lest the line starts us each minute."""
    now = datetime.now(UTC)
    late = [name for name, known in gates.items() if name not in asked and now >= known.due_at]
    gates.update({name: gate.looked(gates[name], interval_s, now) for name in late})
    return bool(late)


def _was_changed(ctx: Context) -> bool:
    """Whether the tool is logged in to another account by now; no keyring is opened to see it."""
    if not cache.owner_of(ctx.id):
        return False  # no numbers that could be another's, and so no need to look for logins
    unattended = copy.copy(ctx)
    unattended.foreground = False
    return _is_anothers(fetch.Asking(unattended, None))


def _in_use(due: list[Context], gates: dict[str, gate.Gate], at_once: Sequence[str]) -> list[Context]:
    """Those whose tool has been in use since they were asked, or that may not wait; the others get a later look."""
    used = []
    for ctx in due:
        known = gates.get(ctx.id)
        if known and ctx.id not in at_once and idle.is_idle(ctx, known):
            gates[ctx.id] = gate.looked(known, ctx.settings.fetch.interval_s, ctx.now)
        else:
            used.append(ctx)
    return used


def _ask_all(
    askings: list[fetch.Asking], gates: dict[str, gate.Gate], on_start: Started, on_done: Done
) -> list[FetchOutcome]:
    """The outcomes in order; `gates` gets the next due time of each."""
    for asking in askings:
        _forget_another(asking)
    if usable := [asking.ctx.id for asking in askings if asking.usable]:
        on_start(usable)
        return asyncio.run(_all(askings, gates, on_done))
    return [_finished(asking, asking.without_asking(), 0.0, gates) for asking in askings]  # no event loop, no client


async def _all(askings: list[fetch.Asking], gates: dict[str, gate.Gate], on_done: Done) -> list[FetchOutcome]:
    verify = functools.cache(_tls)  # once for all of them
    room = asyncio.Semaphore(askings[0].ctx.settings.fetch.max_concurrent)

    async def ask(asking: fetch.Asking) -> FetchOutcome:
        if not asking.usable:
            return _finished(asking, asking.without_asking(), 0.0, gates)
        async with room:
            started = time.monotonic()
            answered = await asking.answer(verify)
        on_done(asking.ctx.id)
        outcome = _finished(asking, answered, time.monotonic() - started, gates)
        if gates[asking.ctx.id].holds:
            with contextlib.suppress(StorageError):  # told at the end; whoever is killed before forgets no cool-down
                gate.save(gates)
        return outcome

    meanwhile = asyncio.create_task(_show_meanwhile(gates))
    try:
        outcomes = await asyncio.gather(*map(ask, askings), return_exceptions=True)
    finally:
        meanwhile.cancel()
    return [_survived(asking, outcome, gates) for asking, outcome in zip(askings, outcomes, strict=True)]


def _tls() -> "ssl.SSLContext":
    from vibeusage import http  # httpx costs a tenth of a second, and most runs ask nobody

    return http.tls()


def _survived(
    asking: fetch.Asking, outcome: FetchOutcome | BaseException, gates: dict[str, gate.Gate]
) -> FetchOutcome:
    """The outcome of an account whose good answer broke us while it was put away, too."""
    if isinstance(outcome, FetchOutcome):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    return _finished(asking, asking.failed(fetch.Mistake(asking.ctx, outcome)), 0.0, gates)


async def _show_meanwhile(gates: dict[str, gate.Gate]) -> None:
    """One that takes its time keeps nobody else's numbers from the line."""
    while True:
        await asyncio.sleep(MEANWHILE_S)
        with contextlib.suppress(StorageError):
            gate.save(gates)
        cache.compile_line()


def _forget_another(asking: fetch.Asking) -> None:
    """Before anything is shown again: what an account has left that no login of this place belongs to."""
    if _is_anothers(asking):
        with contextlib.suppress(StorageError):  # its numbers are told all the same, and laid over nobody else's
            cache.forget_numbers(asking.ctx.id, int(time.time()))


def _is_anothers(asking: fetch.Asking) -> bool:
    """Whether the stored numbers belong to none of the account's logins."""
    stored = cache.owner_of(asking.ctx.id)
    return bool(stored and asking.owners) and stored not in asking.owners


def _finished(
    asking: fetch.Asking, answered: fetch.Round, took_s: float, gates: dict[str, gate.Gate]
) -> FetchOutcome:
    """The outcome, its gate for the next time, and its snapshot on disk."""
    ctx, now, interval_s = asking.ctx, datetime.now(UTC), asking.ctx.settings.fetch.interval_s
    if answered.error is not None:
        known = gate.after_failure(answered.gate, answered.error, interval_s=interval_s, now=now)
        gates[ctx.id] = msgspec.structs.replace(known, attempts=answered.attempts, places=answered.places)
        return FetchOutcome(
            provider_id=ctx.id,
            success=False,
            snapshot=cache.load_snapshot(ctx.id),
            attempts=answered.attempts,
            error=known.error,
        )
    snapshot = answered.snapshot
    if snapshot is None:
        raise AssertionError("a round without an error has a snapshot")
    resets = [period.resets_at for period in snapshot.periods if period.resets_at]
    known = gate.after_success(answered.gate, interval_s=interval_s, took_s=took_s, resets=resets, now=now)
    gates[ctx.id] = msgspec.structs.replace(known, attempts=answered.attempts)
    outcome = FetchOutcome(
        provider_id=ctx.id,
        success=True,
        snapshot=snapshot,
        source=snapshot.source,
        attempts=answered.attempts,
        is_fresh=True,
    )
    try:
        kept = cache.keep(snapshot, answered.owner, is_partial=answered.is_partial, now=now)
    except StorageError as exc:
        return _unstored(outcome, exc)
    return msgspec.structs.replace(outcome, snapshot=kept)


def _unstored(outcome: FetchOutcome, problem: StorageError) -> FetchOutcome:
    """The outcome with the reason why nothing was stored, unless it has another error already."""
    return msgspec.structs.replace(outcome, error=outcome.error or gate.as_data(problem))
