"""Vertex AI: the fullest quota of a Google Cloud project, as Cloud Monitoring measures it.

Source: GET /v3/projects/PROJECT/timeSeries of Cloud Monitoring (documented), with gcloud's application default
credentials (ADC, documented).
Known from: Google's public documentation and a public tracker, 2026; not seen live.
Units: usage and limit are counts of one unit, a text (`int64Value`) or a number (`doubleValue`), newest first; a
limit below 1 is none. A quota has no reset: it is told as a daily one.

Many projects have no such data, which is no error. Quotas of a rate (requests a minute) are left out: their
usage is told per method and names no limit. What was spent is in no answer of Monitoring: of the tools that name
Vertex in their logs, `vibeusage report providers` tells it by route; the bill itself only Google's console.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from vibeusage import health, programs
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import Forbidden
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields, vertex_login
from vibeusage.providers.spec import Func, Provider, Read, StatusPage

HOST = "https://monitoring.googleapis.com"
METRIC = "serviceruntime.googleapis.com/quota/allocation/"
OF_VERTEX = 'resource.type="consumer_quota" AND resource.label.service="aiplatform.googleapis.com"'
SPAN = timedelta(hours=24)
PAGES = 20
PRINT_TOKEN = ("gcloud", "auth", "application-default", "print-access-token")

Key = tuple[str, str, str]  # quota metric, name of the limit, location


class _Labels(msgspec.Struct):
    quota_metric: str | None = None
    limit_name: str | None = None
    location: str | None = None


class _Labelled(msgspec.Struct):
    labels: _Labels = msgspec.field(default_factory=_Labels)


class _Value(msgspec.Struct, rename="camel"):
    int64_value: Any = None
    double_value: Any = None


class _Point(msgspec.Struct):
    value: _Value


class _Series(msgspec.Struct):
    metric: _Labelled
    resource: _Labelled
    points: list[_Point] = []


class _Page(msgspec.Struct, rename="camel"):
    time_series: list[_Series] = []
    next_page_token: str = ""


async def fetch(ctx: Context, login: Login) -> Usage:
    project = vertex_login.project(ctx, login)
    return await _quotas(ctx, login, await vertex_login.access_token(ctx, login), project)


async def fetch_with_gcloud(ctx: Context, login: Login) -> Usage:
    """For credentials that only gcloud can turn into a token."""
    project = vertex_login.project(ctx, login)
    printed = (await programs.run(PRINT_TOKEN, vertex_login.environ(ctx))).decode("ascii", "replace").strip()
    if not vertex_login.TOKEN.fullmatch(printed):
        raise ValueError("gcloud printed something else than a token")
    return await _quotas(ctx, login, printed, project)


async def _quotas(ctx: Context, login: Login, token: str, project: str) -> Usage:
    used = await _series(ctx, login, token, project, "usage")
    limits = await _series(ctx, login, token, project, "limit") if used else []
    email = at(login.data, "client_email") or at(login.data, "account")
    identity = ProviderIdentity(email=email if isinstance(email, str) and email else None, organization=project)
    return Usage(periods=fullest(used, limits), identity=identity)


async def _series(ctx: Context, login: Login, token: str, project: str, kind: str) -> list[_Series]:
    """Every time series of this kind, over all pages."""
    now = ctx.now.replace(microsecond=0)
    query = {
        "filter": f'metric.type="{METRIC}{kind}" AND {OF_VERTEX}',
        "interval.startTime": _written(now - SPAN),
        "interval.endTime": _written(now),
        "aggregation.alignmentPeriod": "3600s",
        "aggregation.perSeriesAligner": "ALIGN_MAX",
        "view": "FULL",
    }
    url = f"{ctx.base(HOST, login)}/v3/projects/{quote(project, safe='')}/timeSeries?"
    found: list[_Series] = []
    for _ in range(PAGES):
        page = msgspec.json.decode(await _page(ctx, url + urlencode(query), token, project), type=_Page)
        found += page.time_series
        if not page.next_page_token:
            return found
        query["pageToken"] = page.next_page_token
    raise ValueError("more pages than a project has quotas")


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


async def _page(ctx: Context, url: str, token: str, project: str) -> bytes:
    answer = await ctx.send("GET", url, {"Authorization": f"Bearer {token}"})
    is_page = answer.body.lstrip()[:1] == b"<" or "cf-mitigated" in answer.headers
    if answer.status == 403 and not is_page:
        if b"SERVICE_DISABLED" in answer.body:
            enable = f"gcloud services enable monitoring.googleapis.com --project {project}"
            raise Forbidden(f"Cloud Monitoring is off in the project {project}", hint=f"`{enable}`")
        raise Forbidden(
            f"this login may not read the metrics of the project {project}",
            hint="it takes monitoring.timeSeries.list, which the role roles/monitoring.viewer has",
        )
    if answer.status == 404:
        raise Forbidden(f"Google knows no project {project}", hint="set GOOGLE_CLOUD_PROJECT to the one with Vertex AI")
    return check(answer, ctx.now)


def fullest(used: list[_Series], limits: list[_Series]) -> tuple[UsagePeriod, ...]:
    """The quota that is used most of all, () when none has both a usage and a limit."""
    known = _newest(limits)
    found = []
    for (metric, name, location), count in _newest(used).items():
        limit = known.get((metric, name, location)) if name else _only(known, metric, location)
        share = fields.percent_of(count, limit)
        if share is not None:
            found.append((share, metric.rpartition("/")[2].replace("_", " ")))
    if not found:
        return ()
    share, name = max(found)
    return (UsagePeriod(name=f"Quota: {name}", utilization=share, period_type=PeriodType.DAILY),)


def _newest(series: list[_Series]) -> dict[Key, float]:
    """The newest value of each quota; more than one series of the same (by method or model) are not summed."""
    found: dict[Key, float] = {}
    for one in series:
        metric = one.metric.labels.quota_metric
        value = one.points[0].value if one.points else _Value()
        count = fields.num(value.double_value if value.int64_value is None else value.int64_value)
        if metric and count is not None:
            key = metric, one.metric.labels.limit_name or "", one.resource.labels.location or ""
            found[key] = max(count, found.get(key, count))
    return found


def _only(limits: dict[Key, float], metric: str, location: str) -> float | None:
    """The limit of a usage that does not name one, when there is only one."""
    found = [limit for (of, _, there), limit in limits.items() if (of, there) == (metric, location)]
    return found[0] if len(found) == 1 else None


PROVIDER = Provider(
    id="vertex",
    name="Vertex AI",
    hosts=("monitoring.googleapis.com", "oauth2.googleapis.com"),
    dashboard_url="https://console.cloud.google.com/iam-admin/quotas",
    login_hint=vertex_login.HINT,
    strategies=(
        Func(
            name="adc",
            fetch=fetch,
            login=(Read(where=vertex_login.WHERE, find=vertex_login.find),),
        ),
        Func(
            name="gcloud",
            fetch=fetch_with_gcloud,
            login=(Read(where="", find=vertex_login.find_of_other_kind),),
        ),
    ),
    status=StatusPage(url="https://status.cloud.google.com/incidents.json", parse=health.parse_google(("Vertex",))),
    folders={"CLOUDSDK_CONFIG": "~/.config/gcloud"},
    is_opt_in=True,
    params={"project": "the project with Vertex AI"},
)
