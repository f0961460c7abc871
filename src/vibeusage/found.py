"""What an account has to log in with: which login was found where, and whether it is of use. Never the login itself."""

from collections.abc import Iterator

import msgspec

from vibeusage import credentials, gate, programs, toml_edit, vault
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, StorageError, StrategyError
from vibeusage.escape import clean
from vibeusage.providers.spec import Command, Env, Func, Place, Stored, Strategy

TEXT_LIMIT = 300
OWN_LOGIN = "the program has its own login"


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """A login, without it. `state`: ready, waiting (for a cool-down), expired, refused, unusable, or unknown."""

    strategy: str
    where: str
    is_ours: bool
    state: str
    note: str = ""


class Account(msgspec.Struct, frozen=True):
    """`hint` is what to do when no login is of use."""

    id: str
    provider: str
    logins: list[Found]
    hint: str


def account(ctx: Context) -> Account:
    logins = list(_logins(ctx, gate.load().get(ctx.id)))
    found = Account(ctx.id, ctx.provider.id, logins, "")
    return found if is_working(found) else msgspec.structs.replace(found, hint=_hint(ctx))


def is_working(found: Account) -> bool:
    return any(login.state in ("ready", "waiting") for login in found.logins)


def _logins(ctx: Context, known: gate.Gate | None) -> Iterator[Found]:
    """Every login of every strategy in use, in their order; the first that is ready is the one that is used."""
    for strategy in ctx.provider.strategies:
        if ctx.options.strategies and strategy.name not in ctx.options.strategies:
            continue
        if isinstance(strategy, Command):
            yield from _program(strategy, ctx)
        elif not (isinstance(strategy, Func) and strategy.is_local):
            found = (login for place in strategy.login for login in _login_at(place, strategy, ctx, known))
            yield from dict.fromkeys(found)  # one variable may stand for several


def _program(strategy: Command, ctx: Context) -> Iterator[Found]:
    path = programs.find(strategy.argv[0], ctx.environ)
    if path and ctx.sees_tool and ctx.settings.credentials.reuse_provider_credentials:
        yield Found(strategy.name, path, False, "unknown", OWN_LOGIN)


def _login_at(place: Place, strategy: Strategy, ctx: Context, known: gate.Gate | None) -> Iterator[Found]:
    is_ours, where, note = isinstance(place, Env | Stored), _where(place, ctx), ""
    try:
        login = credentials.find((place,), ctx)
    except credentials.NoLogin:
        return
    except AuthError as exc:
        state, note = "expired", str(exc)
    except (StrategyError, ConfigError, StorageError) as exc:
        state, note = "unusable", f"{exc}: {exc.hint}" if exc.hint else str(exc)
    except OSError as exc:
        state, note = "unusable", f"{exc.filename or 'a file'} cannot be read: {exc.strerror}"
    else:
        hold = gate.held(known, strategy.name, login.fingerprint, ctx.now)
        state = "ready" if hold is None else "waiting" if hold.until else "refused"
        note = hold.error.message if hold else ""
        if not login.token:
            state, note = "unknown", OWN_LOGIN
        where = where if isinstance(place, Stored) else login.where
    yield Found(strategy.name, where, is_ours, state, note)


def _where(place: Place, ctx: Context) -> str:
    known = vault.entry(ctx.id, place.kind) if isinstance(place, Stored) else None
    return vault.place(known) if known else credentials.where(place, ctx)


def _hint(ctx: Context) -> str:
    """What to do without a login: the vendor's way where its files are this account's, and ours."""
    ours = f"`vibeusage auth {ctx.id}`" if ctx.provider.device or ctx.provider.secrets else ""
    folder = toml_edit.dotted(("providers", ctx.id, "config_dir"))
    theirs = ctx.provider.login_hint
    if not ctx.sees_tool:
        theirs = f"name its folder: vibeusage config set '{folder}' PATH" if ctx.provider.folders and not ours else ""
    if ours and not theirs:
        return f"log in with {ours}"
    return theirs if ours in theirs else f"{theirs}, or {ours}"


def table(known: list[Account]) -> str:
    rows = [row for found in known for row in _rows(found)]
    widths = [max((len(row[column]) for row in rows if len(row) > 1), default=0) for column in (0, 1)]
    return "\n".join(
        row[0] if len(row) == 1 else f"  {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows
    )


def _rows(found: Account) -> Iterator[tuple[str, ...]]:
    yield (clean(found.id),)
    for one in found.logins:
        said = f"{one.state}: {one.note}" if one.note else one.state
        yield clean(one.strategy), clean(one.where, TEXT_LIMIT), clean(said, TEXT_LIMIT)
    if not found.logins:
        yield ("  no login was found",)
    if found.hint:
        yield (f"  {clean(found.hint, TEXT_LIMIT)}",)
