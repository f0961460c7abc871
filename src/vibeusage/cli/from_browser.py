"""A login that stays in the browser: its session cookie is tried, and from then on read there each time.

Nothing of it is stored, since a copy goes stale while the browser renews its own. What is stored is which
browser may be asked (`providers.ID.browser`).
"""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vibeusage import browsers, cache, config, cookies, credentials, gate, toml_edit, vault
from vibeusage.cli import secrets_in, trial
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, NotConfigured, StrategyError
from vibeusage.escape import clean
from vibeusage.providers.spec import Cookie, Stored, Strategy

UNLOCK_S = 60.0  # in which a person has read what the keyring asks, and found the password


def log_in(ctx: Context, said: str, *, is_checked: bool) -> int:
    """Let the account use the browser `said`, the preferred one, or the first whose cookie works."""
    strategy, place = next(trial.with_cookie(ctx.provider), (None, None))
    if strategy is None or place is None:
        raise ConfigError(f"{ctx.provider.name} has no login by a browser's cookie", hint=ctx.provider.login_hint)
    there, told = _first_that_works(ctx, strategy, place, list(_candidates(ctx, said)), is_checked=is_checked)
    key = toml_edit.dotted(("providers", ctx.id, "browser"))
    config.set_value(key, there.options.browser or "")
    was_stored = _forget_stored(ctx, strategy)
    gate.forget(ctx.id, exact=True)
    cache.compile_line()
    print(f"{ctx.id}: the session cookie of {place.domains[0]} is read from {there.options.browser} from now on")
    if was_stored:
        print("the one that was pasted is deleted: it would have been used first")
    if _is_under_lock(there, place):
        print(
            "its key lies in the keyring, which nothing in the background opens: numbers come with `vibeusage` and "
            "`vibeusage refresh` only; those of a pasted cookie come by themselves: "
            f"`vibeusage auth {ctx.id} --kind session`"
        )
    print(f"it is not stored; to end this: vibeusage config reset '{key}'")
    if told:
        print(told)
    return 0


def _candidates(ctx: Context, said: str) -> Iterator[str]:
    """The browser that is named here or in the settings, else all that are here. Raises when there is none."""
    home = Path(ctx.environ.get("HOME", "~")).expanduser()
    here = [browser for browser in browsers.BROWSERS if browsers.stores(browser, home, ctx.environ)]
    wanted = said or ctx.settings.credentials.browser
    if wanted and wanted not in browsers.BROWSERS:
        known = ", ".join(browsers.BROWSERS)
        raise ConfigError("behind --from-browser stands no browser that we know", hint=f"one of {known}")
    if wanted and wanted not in here:
        found = f"found here: {', '.join(here)}" if here else "no browser that we know was found here"
        raise NotConfigured(f"{wanted} keeps no cookies on this machine", hint=found)
    if not here:
        paste = f"paste the cookie: `vibeusage auth {ctx.id} --kind session`"
        raise NotConfigured("no browser that we know keeps cookies on this machine", hint=paste)
    yield from [wanted] if wanted else here


class _Useless(Exception):
    """A cookie that is missing, cannot be read, or is refused: another browser may have a better one."""

    def __init__(self, why: StrategyError) -> None:
        super().__init__(str(why))
        self.why = why


def _first_that_works(
    ctx: Context, strategy: Strategy, place: Cookie, names: list[str], *, is_checked: bool
) -> tuple[Context, str]:
    """The account with the first browser whose cookie is accepted, and what the vendor then says."""
    failed: list[StrategyError] = []
    for browser in names:
        there = copy.copy(ctx)
        there.options = msgspec.structs.replace(ctx.options, browser=browser)
        try:
            return there, _tried(there, strategy, place, is_checked=is_checked)
        except _Useless as exc:
            failed.append(exc.why)
            if len(names) > 1:
                _tell(f"{browser}: {clean(str(exc), 300)}")
    raise next((exc for exc in failed if not isinstance(exc, credentials.NoLogin)), failed[0])


def _tried(ctx: Context, strategy: Strategy, place: Cookie, *, is_checked: bool) -> str:
    browser, site = ctx.options.browser, place.domains[0]
    try:
        login = credentials.from_browser(place, ctx, _key)
    except StrategyError as exc:
        raise _Useless(exc) from exc
    if login is None:
        hint = f"log in at https://{site} there, and run this again after half a minute, when it is stored"
        hint += f"; or paste the cookie: `vibeusage auth {ctx.id} --kind session`"
        raise _Useless(credentials.NoLogin(f"{browser} has no live session cookie of {site}", hint=hint))
    try:
        return trial.percentages(ctx, strategy, login) if is_checked else ""
    except AuthError as exc:
        exc.hint = f"log in at https://{site} in {browser}, then run this again"
        raise _Useless(exc) from exc


def _key(application: str) -> bytes | None:
    _tell(f"the keyring is asked for the key to the cookies of {application}")
    return cookies.platform_secret(application, wait_s=UNLOCK_S)


def _forget_stored(ctx: Context, strategy: Strategy) -> bool:
    """Whether a secret of ours was there, which would be used before the cookie."""
    kinds = [place.kind for place in secrets_in.places(strategy) if isinstance(place, Stored)]
    with vault.lock():
        gone = [vault.delete(ctx.id, kind) for kind in kinds]
    return any(gone)


def _is_under_lock(ctx: Context, place: Cookie) -> bool:
    """Whether a refresh in the background will not get at the cookie."""
    behind = copy.copy(ctx)
    behind.foreground = False
    try:
        credentials.from_browser(place, behind)
    except StrategyError as exc:
        return isinstance(exc, NotConfigured)
    return False


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
