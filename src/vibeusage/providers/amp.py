"""Amp: what a day or a subscription's month includes, and prepaid credits.

Source: `amp usage`; POST /api/internal?userDisplayBalanceInfo, the call behind it, which answers with the same text.
Neither is documented.
Known from: the public sources of several working trackers, 2026; not seen live.
Units: see `amp_text`. The balance is the sum of one's own credits and those of one's workspaces.
"""

import re
from typing import Any

import msgspec

from vibeusage.context import Context
from vibeusage.credentials import Login, read_document
from vibeusage.errors import AuthError, NotConfigured, Unavailable
from vibeusage.models import Usage
from vibeusage.providers import amp_text
from vibeusage.providers.spec import Command, Env, Func, Provider, Read, Secret, Stored

HOST = "https://ampcode.com"
METHOD = "userDisplayBalanceInfo"
KEY = "apiKey@https://ampcode.com/"
SIGNED_OUT = re.compile(r"not (?:signed|logged) in|(?:sign|log) ?in\b|amp login|unauthori[sz]ed", re.IGNORECASE)


class _Result(msgspec.Struct, rename="camel"):
    display_text: str | None = None


class _Error(msgspec.Struct):
    code: Any = None


class _Answer(msgspec.Struct):
    ok: bool | None = None
    result: _Result | None = None
    error: _Error | None = None


def _find(ctx: Context) -> Login | None:
    path = ctx.path("$XDG_DATA_HOME/amp/secrets.json")
    document = read_document(path)
    key = document.get(KEY) if isinstance(document, dict) else None
    return Login(key, str(path), is_ours=False) if isinstance(key, str) and key else None


def parse_command(stdout: bytes, ctx: Context) -> Usage:
    text = stdout.decode("utf-8", "replace")
    usage = amp_text.parse(text, ctx.now)
    if usage is None and SIGNED_OUT.search(text) and not amp_text.SIGNED_IN.search(text):
        raise AuthError("`amp` is not logged in")
    if usage is None:  # another program may be called so
        raise NotConfigured("this `amp` tells of no limits: an old one, or not Amp's", hint="see `amp usage`")
    return usage


async def fetch(ctx: Context, login: Login) -> Usage:
    url = f"{ctx.base(HOST, login)}/api/internal?{METHOD}"
    headers = {"Authorization": f"Bearer {login.token}"}
    answer = msgspec.json.decode(await ctx.post(url, headers, {"method": METHOD, "params": {}}), type=_Answer)
    if answer.error or answer.ok is False:
        raise _refused(answer.error.code if answer.error else None)
    text = answer.result.display_text if answer.result else None
    usage = amp_text.parse(text, ctx.now) if text else None
    if usage is None:
        raise ValueError("an answer that tells of no limits")
    return usage


def _refused(code: object) -> AuthError | Unavailable:
    """A 200 that holds an error."""
    if isinstance(code, str) and "auth" in code:
        return AuthError("ampcode.com refused the login")
    word = code if isinstance(code, str) and re.fullmatch(r"[\w-]{1,40}", code) else "no reason"
    return Unavailable(f"ampcode.com could not tell the limits: {word}", hint="try again later")


PROVIDER = Provider(
    id="amp",
    name="Amp",
    hosts=("ampcode.com",),
    dashboard_url="https://ampcode.com/settings/usage",
    login_hint="log in with `amp login`",
    strategies=(
        Command(name="cli", argv=("amp", "usage"), parse=parse_command, is_whole=True),
        Func(
            name="key",
            fetch=fetch,
            login=(Env("AMP_API_KEY"), Stored(kind="apikey"), Read(where="secrets.json of Amp", find=_find)),
        ),
    ),
    folders={"XDG_DATA_HOME": "~/.local/share"},
    secrets=(
        Secret(
            kind="apikey",
            label="access token of Amp",
            how="https://ampcode.com/settings",
            strategy="key",
        ),
    ),
)
