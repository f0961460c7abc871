"""Antigravity: a 5-hour and a weekly window for Gemini models, and the same for all others.

Source: the language server of the running editor or `agy`; `agy -p /usage --output-format json` (its headless mode is
documented, the shape is not); v1internal:retrieveUserQuotaSummary of Google's cloud, which both of them ask.
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: what is left of each window is a fraction, 0-1; resets are ISO 8601.
The cloud is asked at its `daily-` host only: the other one is reported to tell old numbers. Prompt credits are left
out: trackers found them to be a leftover that nothing counts.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from vibeusage import health, programs
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, Forbidden, ShapeError, Unavailable
from vibeusage.models import Usage, UsagePeriod
from vibeusage.providers import antigravity_local, antigravity_login, antigravity_processes
from vibeusage.providers.antigravity_quota import NOBODY, Person, parse_models, parse_summary, person_of
from vibeusage.providers.spec import Func, Provider, Read, StatusPage

HOST = "https://daily-cloudcode-pa.googleapis.com"
AGENT = "antigravity"
CLIENT = {"metadata": {"ideType": "ANTIGRAVITY", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}}
ARGV = ("agy", "-p", "/usage", "--output-format", "json")
ANSWERS_SINCE = (1, 1, 11)  # before, /usage would be a prompt for a model
LOGGED_OUT = re.compile(rb"sign(?:ed)?[ -]?(?:in|out)|log(?:ged)?[ -]?(?:in|out)|unauthenticated|oauth", re.IGNORECASE)


# agy, which renews its login by itself


def find_agy(ctx: Context) -> Login | None:
    """The program, which keeps its token to itself; None where it was never used, or the account is a named one."""
    if ctx.name or not antigravity_login.was_used(ctx):
        return None
    path = programs.find(ARGV[0], ctx.environ)
    return Login("", path, is_ours=False) if path else None


async def fetch_from_agy(ctx: Context, _: Login) -> Usage:
    version = re.search(rb"(\d+)\.(\d+)\.(\d+)", await programs.run((ARGV[0], "--version"), ctx.environ))
    if version is None or tuple(map(int, version.groups())) < ANSWERS_SINCE:
        raise Unavailable("this agy is too old to tell its limits", hint="run `agy update`")
    return Usage(periods=parse_report(await programs.run(ARGV, ctx.environ)))


def parse_report(stdout: bytes) -> tuple[UsagePeriod, ...]:
    """The windows in what agy prints. Raises AuthError when it is not logged in."""
    try:
        report = msgspec.json.decode(stdout)
    except (ValueError, RecursionError):
        report = None
    if at(report, "status") != "SUCCESS":
        if LOGGED_OUT.search(stdout):
            raise AuthError("agy is not logged in", hint="run `agy` and log in")
        raise Unavailable("agy could not tell its limits", hint=f"run it: {' '.join(ARGV)}")
    if at(report, "command.name") != "usage":
        raise ValueError("not the report of /usage")
    return parse_summary(stdout, NOBODY)


# the cloud


async def fetch_from_cloud(ctx: Context, login: Login) -> Usage:
    base = ctx.base(HOST, login) + "/v1internal:"
    project, who = await _assist(ctx, login, base)
    document = {"project": project} if project else {}
    methods: tuple[tuple[str, Callable[[bytes], tuple[UsagePeriod, ...]]], ...] = (
        ("retrieveUserQuotaSummary", lambda body: parse_summary(body, who)),
        ("fetchAvailableModels", lambda body: parse_models(body, who, ctx.now)),
        ("retrieveUserQuota", lambda body: parse_models(body, who, ctx.now)),
    )
    odd: Exception | None = None
    for method, parse in methods:
        try:
            return Usage(periods=parse(await _post(ctx, login, base + method, document)), identity=who.identity)
        except Forbidden as exc:
            raise Forbidden(f"limits unavailable: {exc}", hint="Antigravity itself shows them in its settings") from exc
        except (ShapeError, ValueError, ArithmeticError, RecursionError) as exc:
            odd = odd or exc
    raise odd or AssertionError("one of the methods returns or raises")


async def _assist(ctx: Context, login: Login, base: str) -> tuple[str, Person]:
    """The project to name ("" for none) and whose login it is, as far as Google says."""
    email = login.data.get("email")
    email = email if isinstance(email, str) else ""
    try:
        said = msgspec.json.decode(await _post(ctx, login, base + "loadCodeAssist", CLIENT))
    except (Forbidden, ShapeError, ValueError, RecursionError):
        return "", person_of(email, "", "")
    project = at(said, "cloudaicompanionProject")
    names = (project, at(project, "id"), at(project, "projectId"))
    current, paid = at(said, "currentTier"), at(said, "paidTier")
    plan = next((text for tier in (paid, current) if (text := _text(at(tier, "name")))), "")
    tier = next((text for tier in (paid, current) if (text := _text(at(tier, "id")))), "")
    return next((name for name in map(_text, names) if name), ""), person_of(email, plan, tier)


async def _post(ctx: Context, login: Login, url: str, document: dict[str, Any]) -> bytes:
    return await ctx.post(url, {"Authorization": f"Bearer {login.token}", "User-Agent": AGENT}, document)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


PROVIDER = Provider(
    id="antigravity",
    name="Antigravity",
    hosts=("daily-cloudcode-pa.googleapis.com",),
    dashboard_url="https://antigravity.google",
    login_hint=antigravity_login.HINT,
    strategies=(
        Func(
            name="local",
            fetch=antigravity_local.fetch,
            login=(Read(where="a running Antigravity", find=antigravity_processes.find),),
        ),
        Func(name="cli", fetch=fetch_from_agy, login=(Read(where="agy", find=find_agy),)),
        Func(
            name="cloud",
            fetch=fetch_from_cloud,
            login=(
                Read(where="the keyring entry of Antigravity", find=antigravity_login.in_keyring),
                Read(where="the login file of agy", find=antigravity_login.in_file),
                Read(where="Antigravity's state.vscdb", find=antigravity_login.in_editor),
            ),
        ),
    ),
    status=StatusPage(
        url="https://www.google.com/appsstatus/dashboard/incidents.json",
        parse=health.parse_google(("npdyhgECDJ6tB66MxXyo",)),
    ),
    folders={"XDG_CONFIG_HOME": "~/.config"},
    activity=("~/.gemini/antigravity/conversations", "~/.gemini/antigravity-cli/conversations"),
    # a process' token is new with each start, and whose it is stands in no file: it is Antigravity's own login
    owner=lambda ctx: "antigravity",
)
