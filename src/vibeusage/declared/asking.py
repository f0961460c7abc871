"""The requests of a declaration, sent in their order with the key in its place.

A value of an answer may fill a segment of a later path or a value of its query, never a host, a header or
the key. An optional request may fail with anything but a refused key; where all fail, the first says why.
"""

import re
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.declared import answer, pick
from vibeusage.declared.answer import Answers
from vibeusage.declared.form import VARIABLE, Declaration, Guard, Request
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, ShapeError, StrategyError
from vibeusage.kinds import url_problem
from vibeusage.models import Usage
from vibeusage.providers import fields

BODY_LIMIT = 1 << 20
SAFE = r"[A-Za-z0-9._:@-]{1,200}"  # a value of an answer that goes into an address


async def fetch(declared: Declaration, ctx: Context, login: Login) -> Usage:
    return answer.usage(await answers(declared, ctx, login))


async def answers(declared: Declaration, ctx: Context, login: Login) -> Answers:
    known = {name: value for name in declared.params if (value := param(declared, ctx, name)) is not None}
    documents: dict[str, Any] = {}
    failed: list[Exception] = []
    for request in declared.requests:
        if _is_needless(request, known, login):
            continue
        try:
            documents[request.name] = document = await _document(declared, request, ctx, login, known)
            for name, path in request.take.items():
                known |= _taken(declared, name, path, document, known)
        except AuthError:
            raise
        except (StrategyError, ValueError) as exc:
            if not request.optional:
                raise
            failed.append(exc)
    if failed and not documents:
        raise failed[0]
    return Answers(declared, documents, ctx.now, _region(declared, ctx), known)


def _is_needless(request: Request, known: Mapping[str, str], login: Login) -> bool:
    is_told = bool(request.take) and request.take.keys() <= known.keys() and not request.always
    return is_told or request.unless in known or (request.tool and login.is_ours)


async def _document(
    declared: Declaration, request: Request, ctx: Context, login: Login, known: Mapping[str, str]
) -> Any:
    url = address(declared, ctx, login, request.url, known)
    body = None if request.body is None else msgspec.json.encode(_filled(request.body, ctx.now))
    typed = {"Content-Type": "application/json"} if body else {}
    headers = {name: said for name, value in request.headers.items() if (said := pick.filled(value, known))}
    said = await _said(declared, request, ctx, login, url, {**typed, **headers}, body)
    if len(said) > BODY_LIMIT:
        raise ShapeError(f"{ctx.display_name} sent more than 1 MiB")
    document = msgspec.json.decode(said)
    for guard in request.ok:
        _check(guard, document, ctx, login, known)
    return document


async def _said(
    declared: Declaration,
    request: Request,
    ctx: Context,
    login: Login,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> bytes:
    """The body of a 2xx answer; each way to send the key is tried until one is not refused."""
    ways = [declared.auth] if isinstance(declared.auth, str) else declared.auth
    for way in ways:
        sent = {**headers, **_key_header(way, login)}
        said = await ctx.send(request.method, url, sent, body)
        if said.status != 401 or way == ways[-1]:
            break
    is_page = said.body.lstrip()[:1] == b"<"  # of what stands before the API, so it says nothing of the key
    hint = "" if is_page else declared.hints.get(str(said.status), "")
    if said.status == 402:
        raise Forbidden(f"{said.host} answered 402: no credit is left", hint=hint or f"see {declared.dashboard or url}")
    if hint and said.status == 404:
        raise Forbidden(f"{said.host} answered 404", hint=hint)
    if said.status in declared.refused and not (is_page or request.optional):
        raise AuthError(f"{said.host} refused the key", hint=hint)
    try:
        return check(said, ctx.now)
    except StrategyError as exc:
        exc.hint = hint or exc.hint
        raise


def _key_header(way: str, login: Login) -> dict[str, str]:
    kind, _, word = way.partition(":")
    if kind == "none":
        return {}
    key = clean_key(login.token)
    if not key or not key.isprintable() or not key.isascii():
        raise AuthError(f"the key in {login.where} holds what no key does, such as a line break")
    return {
        "bearer": {"Authorization": f"Bearer {key}"},
        "raw": {"Authorization": key},
        "scheme": {"Authorization": f"{word} {key}"},
        "header": {word: key},
    }[kind]


def clean_key(text: str) -> str:
    """A key without what is pasted along with it: blanks, a pair of quotes, `Bearer `."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1].strip()
    return re.sub(r"\A(Authorization: *)?Bearer +", "", bare, flags=re.IGNORECASE)


def address(declared: Declaration, ctx: Context, login: Login, url: str, known: Mapping[str, str]) -> str:
    """Where to ask, with every variable filled in. Raises ValueError where no answer has told one."""
    url = _without_untold(declared, url, known)
    if url.startswith("{base}"):
        start, rest = base(declared, ctx, login), url.removeprefix("{base}")
    else:
        parts = urllib.parse.urlsplit(url)
        start = ctx.base(f"{parts.scheme}://{parts.netloc}", login)
        rest = url[len(f"{parts.scheme}://{parts.netloc}") :]
    return start + VARIABLE.sub(lambda found: _value(found, known, ctx.now), rest)


def _without_untold(declared: Declaration, url: str, known: Mapping[str, str]) -> str:
    """The address without the pairs of its query whose value a person may tell and has not."""
    untold = declared.params.keys() - known.keys() - {name for request in declared.requests for name in request.take}
    start, mark, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if not untold & {name for name, _ in VARIABLE.findall(pair)}]
    return start + mark + "&".join(pairs)


def _value(found: re.Match[str], known: Mapping[str, str], now: datetime) -> str:
    text = time_text(found[1], found[2], now) if found[2] else known.get(found[1])
    if text is None:
        raise ValueError(f"no answer tells {found[1]}, which a later request needs")
    return urllib.parse.quote(text, safe="")


def time_text(name: str, form: str, now: datetime) -> str:
    """An instant of UTC by its name, as `form` writes it."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    instant = {
        "now": now.astimezone(UTC),
        "day_start": day,
        "month_start": day.replace(day=1),
        "month_end": fields.month_end(now),
        "days_ago_30": day - timedelta(days=30),
    }[name]
    seconds = int(instant.timestamp())
    return {
        "epoch": str(seconds),
        "ms": str(seconds * 1000),
        "iso": f"{instant:%Y-%m-%dT%H:%M:%SZ}",
        "date": f"{instant:%Y-%m-%d}",
        "text": f"{instant:%Y-%m-%d %H:%M:%S}",
    }[form]


def _filled(body: Any, now: datetime) -> Any:
    """The body with its instants; nothing else of it is made here."""
    match body:
        case str():
            found = VARIABLE.fullmatch(body)
            return time_text(found[1], found[2], now) if found and found[2] else body
        case dict():
            return {name: _filled(value, now) for name, value in body.items()}
        case list():
            return [_filled(value, now) for value in body]
    return body


def base(declared: Declaration, ctx: Context, login: Login) -> str:
    """What `{base}` stands for.

    Raises NotConfigured where the person has to say it, ConfigError for an address that may not be asked.
    """
    said = declared.base
    if said is None:
        raise AssertionError("checked when it was read")
    override = ctx.environ.get(said.env, "") if said.env else ""
    usual = said.regions.get(_region(declared, ctx), "")
    found = ctx.base(override or usual, login)
    if not found:
        hint = f"export {said.env}=https://…, or `vibeusage config set providers.{ctx.id}.base_url https://…`"
        raise NotConfigured(f"{ctx.display_name} has no address yet", hint=hint)
    if override and found == override and (problem := url_problem(override, private=not said.regions)):
        raise ConfigError(f"${said.env} {problem}", hint=f"correct or unset {said.env}")
    if override and not login.is_ours:
        raise ConfigError(
            f"${said.env} would send the login of another tool to another host",
            hint=f"unset {said.env}, or give vibeusage a key of its own: `vibeusage auth {ctx.id}`",
        )
    found = found.rstrip("/")
    for end in said.strip:
        found = found.removesuffix(end)
    return found if found.endswith(said.suffix) else found + said.suffix


def hosts(declared: Declaration, ctx: Context) -> list[str]:
    """The host that the environment names in the place of the usual one."""
    override = ctx.environ.get(declared.base.env, "") if declared.base and declared.base.env else ""
    host = urllib.parse.urlsplit(override).hostname if override else None
    return [host] if host else []


def _region(declared: Declaration, ctx: Context) -> str:
    said = declared.base
    if said is None or not said.regions:
        return ""
    named = ctx.options.region or (ctx.environ.get(said.region_env, "") if said.region_env else "")
    name = named.strip().lower()
    if name and name not in said.regions:
        raise ConfigError(
            f"{ctx.display_name} has no region {name[:40]!r}", hint=f"regions are {', '.join(said.regions)}"
        )
    return name or next(iter(said.regions))


def param(declared: Declaration, ctx: Context, name: str) -> str | None:
    """What the settings or the environment say; None where an answer may tell it."""
    rule = declared.params[name]
    value = ctx.options.params.get(name) or ctx.environ.get(rule.env, "").strip() or rule.default
    if not value:
        if rule.optional:
            return None
        raise NotConfigured(
            f"{ctx.display_name} needs {rule.about}",
            hint=f"export {rule.env}=…, or `vibeusage config set providers.{ctx.id}.params.{name} …`",
        )
    if not re.fullmatch(rule.pattern, value):
        raise ConfigError(
            f"{ctx.display_name}: {rule.about} does not look like one", hint=f"it has the form {rule.pattern}"
        )
    return value


def _taken(
    declared: Declaration, name: str, path: str, document: Any, known: Mapping[str, str]
) -> Mapping[str, str]:
    """The one name that the path leads to, of a resource (`accounts/x`) the last part; {} where it leads nowhere.

    Where there are several the person has to choose, and what is known already has to be among them.
    """
    found = pick.places(path, document, top=document) or []
    said = [str(place.value) for place in found if isinstance(place.value, str | int)]
    values = list(dict.fromkeys(value.rpartition("/")[2] for value in said))
    rule = declared.params.get(name)
    if rule and name in known and known[name] not in values:
        raise NotConfigured(f"{rule.about} is none of the {len(values)} there are", hint=f"correct or unset {rule.env}")
    if rule and name not in known and len(values) > 1:
        raise NotConfigured(f"there are {len(values)} to choose from for {rule.about}", hint=f"export {rule.env}=…")
    if name in known or not found:
        return {}
    if len(values) != 1 or not re.fullmatch(SAFE, values[0]):
        raise ValueError(f"{path}: no single name of {name}")
    return {name: values[0]}


def _check(guard: Guard, document: Any, ctx: Context, login: Login, known: Mapping[str, str]) -> None:
    value = pick.first(guard.path, document, top=document)
    text = "not there" if value is None else "a text with the key in it" if login.is_in(str(value)) else str(value)
    said = f"{guard.path} is {text[:40]}"
    if guard.auth is not None and _is_one(value, guard.auth):
        raise AuthError(f"{ctx.display_name} refused the key ({said})")
    wrong = (
        (guard.there is not None and (value is not None) != guard.there)
        or (guard.equals is not None and not _is_one(value, pick.filled(guard.equals, known)))
        or (guard.is_not is not None and _is_one(value, guard.is_not))
    )
    if not wrong:
        return
    if guard.otherwise == "auth":
        raise AuthError(f"{ctx.display_name} refused the key ({said})")
    if guard.otherwise == "forbidden":
        raise Forbidden(f"{ctx.display_name} has nothing to tell for this key ({said})", hint=ctx.provider.login_hint)
    raise ValueError(f"{said}, which is no success")


def _is_one(value: Any, wanted: Any) -> bool:
    """Whether the value is the wanted one, or one of them; true is not 1."""
    one_of = wanted if isinstance(wanted, list) else [wanted]
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in one_of)
