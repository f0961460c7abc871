"""Google Cloud's application default credentials (ADC), and the project that they are used with. Read only.

Source: the documentation of ADC and of the signed assertion of a service account, by Google Cloud; gcloud's
folder of configurations.

They open far more than Vertex AI and lie on many a machine for other reasons, so they are used only where a person
has named `vertex` in the settings. The refresh token in a person's file is one that Google does not rotate, made
for any program to redeem; the access token that comes of it is kept in memory and nowhere else.
"""

import base64
import configparser
import importlib.util
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from vibeusage import files, toml_edit
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at, read_document
from vibeusage.errors import AuthError, NotConfigured

KEYS = {"authorized_user": "refresh_token", "service_account": "private_key"}
GOOGLE = "googleapis.com"
HINT = "run `gcloud auth application-default login`"
WHERE = "application_default_credentials.json of gcloud, or what GOOGLE_APPLICATION_CREDENTIALS names"
VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://www.googleapis.com/auth/monitoring.read"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN = re.compile(r"[\x21-\x7e]{20,8192}")
PROJECT = re.compile(r"[a-z0-9.:-]{1,100}")  # an id (`example.com:name` is an old form) or a number
PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
REFUSED = ("invalid_grant", "invalid_client", "unauthorized_client", "deleted_client")
LIFE_S = 3600


def find(ctx: Context) -> Login | None:
    """A person's credentials or a service account's key; raises NotConfigured for one that cannot be used."""
    path, document = _read(ctx)
    kind = at(document, "type")
    if kind not in KEYS:
        return None
    _check_wanted(ctx)
    if kind == "service_account" and not _can_sign():
        raise NotConfigured(
            "a service account's key takes RSA, which the extra `browser` has", hint="pip install 'vibeusage[browser]'"
        )
    token = _text(at(document, KEYS[kind]))
    if not token:
        raise NotConfigured(f"the credentials in {path} have nothing to log in with", hint=HINT)
    if (at(document, "universe_domain") or GOOGLE) != GOOGLE:
        raise NotConfigured(f"the credentials in {path} are of another cloud than Google's own", hint=HINT)
    return Login(token, str(path), is_ours=False, owner=_text(at(document, "client_email")), data=document)


def find_of_other_kind(ctx: Context) -> Login | None:
    """What gcloud alone turns into a token: of another cloud, impersonated, or a key that we cannot sign with."""
    path, document = _read(ctx)
    kind = _text(at(document, "type"))
    if not kind or kind == "authorized_user" or (kind == "service_account" and _can_sign()):
        return None
    _check_wanted(ctx)
    return Login(msgspec.json.encode(document).decode(), str(path), is_ours=False, data=document)


def _check_wanted(ctx: Context) -> None:
    if ctx.id not in {*ctx.settings.providers, *(ctx.settings.enabled_providers or ())}:
        raise NotConfigured(
            "the credentials of gcloud open all of Google Cloud, so they are used for Vertex AI only where you say so",
            hint=f"vibeusage providers enable {ctx.id}",
        )


def _read(ctx: Context) -> tuple[Path, Any]:
    named = _variable(ctx, VARIABLE)
    path = Path(named) if named else ctx.path("$CLOUDSDK_CONFIG/application_default_credentials.json")
    document = read_document(path)
    if named and not isinstance(document, dict):
        raise NotConfigured(f"${VARIABLE} names no credentials", hint=f"correct or unset {VARIABLE}")
    return path, document


def _variable(ctx: Context, name: str) -> str:
    """Its value, "" for an account with a folder of its own: the environment is that of another."""
    return "" if ctx.options.config_dir else ctx.environ.get(name, "").strip()


def environ(ctx: Context) -> dict[str, str]:
    """What gcloud may see of it, so that it takes the same credentials."""
    return {name: value for name, value in ctx.environ.items() if name != VARIABLE or _variable(ctx, name)}


def _can_sign() -> bool:
    return importlib.util.find_spec("cryptography") is not None


async def access_token(ctx: Context, login: Login) -> str:
    """A token for reading metrics, good for an hour; raises AuthError when Google takes the credentials no more."""
    is_key = login.data.get("type") == "service_account"
    form = _assertion(ctx, login) if is_key else _refresh(login)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await ctx.send("POST", TOKEN_URL, headers, urlencode(form).encode())
    try:
        said = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        said = None
    if answer.status in (400, 401) and at(said, "error") in REFUSED:
        hint = "make a new key for the service account" if is_key else HINT
        raise AuthError(f"Google refused the credentials in {login.where}: {at(said, 'error')}", hint=hint)
    check(answer, ctx.now)
    token = at(said, "access_token")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise ValueError("an answer without an access token")
    return token


def _refresh(login: Login) -> dict[str, str]:
    client = {name: _text(login.data.get(name)) for name in ("client_id", "client_secret")}
    return {"grant_type": "refresh_token", **client, "refresh_token": login.token}


def _assertion(ctx: Context, login: Login) -> dict[str, str]:
    now = int(ctx.now.timestamp())
    head = {"alg": "RS256", "typ": "JWT", "kid": _text(login.data.get("private_key_id"))}
    said = {
        "iss": _text(login.data.get("client_email")),
        "scope": SCOPE,
        "aud": TOKEN_URL,
        "iat": now,
        "exp": now + LIFE_S,
    }
    text = b".".join(map(_base64, map(msgspec.json.encode, (head, said))))
    return {"grant_type": BEARER, "assertion": b".".join((text, _base64(_signed(text, login)))).decode()}


def _signed(text: bytes, login: Login) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(login.token.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # what it says may repeat the key
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise AuthError(f"private_key in {login.where} is no RSA key", hint="make a new key for the service account")
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def project(ctx: Context, login: Login) -> str:
    """The project to ask about; raises NotConfigured when none is named, or by something that is no name."""
    said = (
        ctx.options.params.get("project", ""),
        *(_variable(ctx, name) for name in PROJECT_VARIABLES),
        *(_text(login.data.get(name)) for name in ("project_id", "quota_project_id")),
        _of_configuration(ctx),
    )
    found = next(filter(None, said), "")
    if not PROJECT.fullmatch(found):
        what = "is not the name of one" if found else "is named nowhere"
        raise NotConfigured(
            f"the project of Google Cloud that Vertex AI is used in {what}",
            hint=f"vibeusage config set {toml_edit.dotted(('providers', ctx.id, 'params', 'project'))} PROJECT",
        )
    return found


def _of_configuration(ctx: Context) -> str:
    """`project` of the configuration of gcloud that is active."""
    folder = ctx.path("$CLOUDSDK_CONFIG")
    active = (files.read_linked(folder / "active_config", limit=1 << 10) or b"").decode("utf-8", "replace").strip()
    name = active if re.fullmatch(r"[a-z][a-z0-9-]{0,100}", active) else "default"
    data = files.read_linked(folder / "configurations" / f"config_{name}", limit=1 << 16) or b""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(data.decode("utf-8", "replace"))
    except configparser.Error:
        return ""
    return parser.get("core", "project", fallback="").strip()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
