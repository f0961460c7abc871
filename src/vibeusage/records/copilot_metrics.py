"""GitHub's usage metrics of an organisation, as facts of the provider `copilot`: what was accepted on each day.

Source: GET /orgs/ORG/copilot/metrics/reports/organization-28-day/latest, and organization-1-day for other days
(documented); they answer with links to files, of JSON lines or of one document.
Known from: the vendor's documentation, and for the files its example and public clients; not seen live.
Units: counts of suggestions and of acceptances, by days of UTC. GitHub corrects a day for about three days; asking
again takes its place.

The older /orgs/ORG/copilot/metrics ended on 2026-04-02. A link is signed and lives an hour: it gets no token, is not
kept, and must lead to a host that GitHub's list of Copilot's hosts has.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from vibeusage import files, paths, vault
from vibeusage.answers import Answer, check
from vibeusage.credentials import Login
from vibeusage.errors import ConfigError, Forbidden, NotConfigured, ShapeError, StorageError, Unavailable
from vibeusage.records import place, store, sync
from vibeusage.records.readers.spec import FACTS, MOST_TOKENS, MOST_WORD, Call

if TYPE_CHECKING:
    import httpx


PROVIDER = "copilot"
KIND = "admin"
VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")
HOST = "api.github.com"
FILE_HOSTS = re.compile(
    r"copilot-reports\.github\.com|copilot-reports-[a-z0-9-]+\.b01\.azurefd\.net"
    r"|usagereports[a-z0-9]*\.blob\.core\.windows\.net"
)
ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2026-03-10"}
NEEDS = (
    "it takes the policy `Copilot usage metrics`, and of an owner, or of a role that views the organisation's Copilot "
    "metrics, a classic token with read:org or a fine-grained one that reads `Organization Copilot metrics`"
)
COMPLETION = "code_completion"
FILE_LIMIT = 64 << 20
DAYS_MOST = 100  # of one call, for they are asked for one by one
KEPT = timedelta(days=365)
TIMEOUT_S, DEADLINE_S = 30.0, 300.0


class Update(msgspec.Struct, frozen=True):
    """How many days came, and the first and the last of them."""

    organisation: str
    days: int
    since: date | None = None
    until: date | None = None


class Span(NamedTuple):
    """Both days inclusive."""

    since: date
    until: date


Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _Part(msgspec.Struct):
    code_generation_activity_count: Count
    code_acceptance_activity_count: Count
    feature: str | None = None
    language: str | None = None
    ide: str | None = None


class _Day(msgspec.Struct):
    day: date
    totals_by_language_feature: list[_Part]
    totals_by_ide: list[_Part]


class _Days(msgspec.Struct):
    day_totals: list[_Day]


class _Links(msgspec.Struct):
    download_links: list[str]


def span(since: date | None, until: date | None, now: datetime) -> Span | None:
    """The days that are meant, None for the latest 28; a day has a report once it is over. Raises ConfigError."""
    if since is None and until is None:
        return None
    today = now.astimezone(UTC).date()
    last = min(until or today, today - timedelta(days=1))
    first = since or last - timedelta(days=27)
    if first > last:
        raise ConfigError("there is no day that is over among these", hint="both days are included, and are UTC's")
    if first < today - KEPT:
        raise ConfigError(f"GitHub has reports of a year, and {first} is before", hint=f"--since {today - KEPT}")
    if last - first >= timedelta(days=DAYS_MOST):
        raise ConfigError(f"these are more than {DAYS_MOST} days", hint="ask several times, with --since and --until")
    return Span(first, last)


def find_token(environ: Mapping[str, str]) -> Login:
    """Our own for this first: the variables are for much else. Raises NotConfigured when there is none."""
    document = vault.read(PROVIDER, KIND, foreground=True) or {}
    token = document.get("access_token")
    if isinstance(token, str) and token:
        return Login(token, str(paths.credential_file(PROVIDER, KIND)), is_ours=True, kind=KIND)
    for name in VARIABLES:
        if token := environ.get(name, "").strip():
            return Login(token, f"${name}", is_ours=True)
    where = ", ".join(f"${name}" for name in VARIABLES)
    raise NotConfigured(
        "no GitHub token for the metrics of an organisation was found",
        hint=f"`vibeusage key {PROVIDER} set --kind {KIND}` asks for one, or set one of {where}; {NEEDS}",
    )


def update(organisation: str, wanted: Span | None, environ: Mapping[str, str], now: datetime) -> Update:
    """Ask for these days, or the latest 28, and store them in the place of what was known of them.

    Raises what `check` raises, ConfigError, NotConfigured, StorageError.
    """
    if not ORGANISATION.fullmatch(organisation):
        raise ConfigError("that is not the name of an organisation", hint="as in https://github.com/orgs/NAME")
    name = organisation.lower()  # GitHub makes no difference
    found = asyncio.run(_fetch(name, wanted, find_token(environ), now))
    told = {one.day: one for one in found}
    if len(told) < len(found):
        raise _odd("tells of a day twice")
    _keep([_facts(name, one, now) for one in found])
    return Update(name, len(told), min(told, default=None), max(told, default=None))


async def _fetch(name: str, wanted: Span | None, login: Login, now: datetime) -> list[_Day]:
    """Every file, or an error."""
    from vibeusage import http  # a tenth of a second, and most runs ask nobody

    verify = http.tls()
    try:
        async with asyncio.timeout(DEADLINE_S):
            async with http.open_client(TIMEOUT_S, {HOST}, verify) as client:
                links = [link for path in _paths(wanted) for link in await _links(client, name, path, login, now)]
            async with http.open_client(TIMEOUT_S, {_file_host(link) for link in links}, verify) as client:
                return [day for link in links for day in _days(await _file(client, link, now))]
    except TimeoutError as exc:
        raise Unavailable("the organisation's metrics took too long", hint="ask for fewer days at a time") from exc


def _paths(wanted: Span | None) -> Iterator[str]:
    if wanted is None:
        yield "organization-28-day/latest"
        return
    for after in range((wanted.until - wanted.since).days + 1):
        yield f"organization-1-day?day={wanted.since + timedelta(days=after)}"


async def _links(client: "httpx.AsyncClient", name: str, path: str, login: Login, now: datetime) -> list[str]:
    from vibeusage import http

    url = f"https://{HOST}/orgs/{name}/copilot/metrics/reports/{path}"
    answer = await http.send(client, "GET", url, headers={**HEADERS, "Authorization": f"Bearer {login.token}"})
    if answer.status == 204:  # no report of these days
        return []
    try:
        return msgspec.json.decode(_checked(answer, name, now), type=_Links).download_links
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _odd("have an answer that was not expected") from exc


def _checked(answer: Answer, name: str, now: datetime) -> bytes:
    if answer.status == 404:
        raise Forbidden(f"GitHub shows this token no organisation {name} with Copilot metrics", hint=NEEDS)
    if answer.status == 422:
        raise Forbidden(f"the Copilot metrics of {name} are switched off", hint=NEEDS)
    if answer.status == 403 and "retry-after" in answer.headers:
        answer = answer._replace(status=429)
    try:
        return check(answer, now)
    except Forbidden as exc:
        raise Forbidden(f"GitHub does not show the Copilot metrics of {name} to this token", hint=NEEDS) from exc


def _file_host(link: str) -> str:
    import httpx

    try:
        url = httpx.URL(link)
    except httpx.InvalidURL:
        raise _odd("have a link that is none") from None  # its text is as good as a login
    if url.scheme != "https" or url.port or url.userinfo or not FILE_HOSTS.fullmatch(url.host):
        raise _odd("lie at a place that is not known as GitHub's")
    return url.host


async def _file(client: "httpx.AsyncClient", link: str, now: datetime) -> bytes:
    from vibeusage import http

    answer = await http.send(client, "GET", link, headers={}, limit=FILE_LIMIT)
    if answer.status in (401, 403, 404, 410):
        raise Unavailable(f"{answer.host} does not take GitHub's link", hint="a link lives an hour; ask again")
    return check(answer, now)


def _days(body: bytes) -> list[_Day]:
    try:
        return [day for record in _records(body) for day in _of(record)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _odd("are not what was expected") from exc


def _records(body: bytes) -> list:
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return msgspec.json.Decoder().decode_lines(body)
    return told if isinstance(told, list) else [told]


def _of(record: object) -> list[_Day]:
    if isinstance(record, dict) and "day_totals" in record:
        return msgspec.convert(record, _Days).day_totals
    return [msgspec.convert(record, _Day)]


def _odd(what: str) -> ShapeError:
    return ShapeError(f"the organisation's metrics {what}", hint="see `vibeusage doctor`")


def _facts(name: str, told: _Day, now: datetime) -> Call:
    """At noon, which is on the same day nearly everywhere: reports take days of a zone."""
    noon = datetime.combine(told.day, time(12), UTC)
    parts = [part for part in told.totals_by_language_feature if part.feature == COMPLETION]
    return Call(
        uuid=f"{FACTS}:{name}:{told.day}",
        ts=int(noon.timestamp() * 1000),
        order=int(now.timestamp() * 1000),
        kind=FACTS,
        data={
            "organisation": name,
            "completions": _counts((part.language, part) for part in parts),
            "code": _counts((part.ide, part) for part in told.totals_by_ide),
        },
    )


def _counts(parts: Iterable[tuple[str | None, _Part]]) -> dict[str, list[int]]:
    """{name: [suggested, accepted]}."""
    found: dict[str, list[int]] = {}
    for name, part in parts:
        known = found.setdefault((name or "").strip().lower()[:MOST_WORD] or "unknown", [0, 0])
        known[0] += part.code_generation_activity_count
        known[1] += part.code_acceptance_activity_count
    return found


def _keep(facts: list[Call]) -> None:
    path = place.usage_db()
    with files.lock(path.parent / sync.LOCK, wait_s=10.0) as got:
        if not got:
            raise StorageError("another program reads the logs just now", hint="try again in a moment")
        with store.open(path) as opened:
            opened.put(PROVIDER, facts, machine="")
