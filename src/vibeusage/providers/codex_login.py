"""Where Codex keeps its login, whose it is, and to what address Codex itself would send it. Read only.

Source: auth.json and config.toml in CODEX_HOME, as the public source of Codex writes and reads them; when a
login has run out stands in the token itself, not in `last_refresh`.
"""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vibeusage import files
from vibeusage.context import Context
from vibeusage.credentials import Login, at, check_expiry, read_document
from vibeusage.errors import ConfigError, NotConfigured
from vibeusage.models import ProviderIdentity
from vibeusage.providers import fields

CHATGPT = ("chatgpt.com", "chat.openai.com")  # Codex itself adds the path when only the host is given
HINT = "log in with `codex login`"


def find(ctx: Context) -> Login | None:
    path, document = read(ctx)
    token = at(document, "tokens.access_token") or at(document, "personal_access_token")
    if not isinstance(token, str):
        refuse_api_key(document)
        return None
    expires = fields.claims(token).get("exp")
    check_expiry(expires * 1000 if isinstance(expires, int | float) else None, str(path), ctx.now)
    return Login(token, str(path), is_ours=False, owner=account(document), data=document, bases=_bases(ctx))


def read(ctx: Context) -> tuple[Path, Any]:
    """Codex's login file, or the one of its first versions, which knew no CODEX_HOME."""
    path = ctx.path("$CODEX_HOME/auth.json")
    document = read_document(path)
    if document is None and not ctx.environ.get("CODEX_HOME"):
        path = ctx.path("~/.config/codex/auth.json")
        document = read_document(path)
    return path, document


def account(document: Any) -> str:
    """The workspace in use: as noted beside the token, else as the login itself names it."""
    auth = fields.claims(at(document, "tokens.id_token")).get("https://api.openai.com/auth")
    return _text(at(document, "tokens.account_id")) or _text(at(auth, "chatgpt_account_id")) or ""


def logged_in_at(ctx: Context) -> datetime | None:
    """When a person last logged in, as the id token says; None when it does not."""
    said = fields.claims(at(read(ctx)[1], "tokens.id_token")).get("auth_time")
    try:
        return fields.instant(said) if isinstance(said, int) else None
    except ValueError:
        return None


def refuse_api_key(document: Any) -> None:
    if at(document, "OPENAI_API_KEY") and not at(document, "tokens.access_token"):
        raise NotConfigured("Codex is logged in with an API key, which has no plan and no limits of one", hint=HINT)


def _bases(ctx: Context) -> tuple[str, ...]:
    """The address in Codex's own settings, () when it is the usual one."""
    path = ctx.path("$CODEX_HOME/config.toml")
    try:
        document = tomllib.loads((files.read_linked(path) or b"").decode())
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} cannot be read as TOML", hint="correct it: Codex cannot read it either") from exc
    profile = at(document, f"profiles.{document.get('profile')}.chatgpt_base_url")
    base = profile or document.get("chatgpt_base_url")
    if not isinstance(base, str) or not base:
        return ()
    if not _is_safe(base):
        raise ConfigError(f"chatgpt_base_url in {path} is not a plain https address", hint="correct it")
    base = base.rstrip("/")
    is_bare = urlsplit(base).hostname in CHATGPT and "/backend-api" not in base
    return (f"{base}/backend-api" if is_bare else base,)


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.netloc == parts.netloc.rpartition("@")[2] and not parts.query and not parts.fragment
    except ValueError:
        return False
    is_loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return plain and bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback))


def identity(said: ProviderIdentity | None, login: Login) -> ProviderIdentity | None:
    """What the answer says, else what the login says of itself."""
    said = said or ProviderIdentity()
    claims, access = fields.claims(at(login.data, "tokens.id_token")), fields.claims(login.token)
    auth, profile = claims.get("https://api.openai.com/auth"), access.get("https://api.openai.com/profile")
    email = said.email or _text(claims.get("email")) or _text(at(profile, "email"))
    plan = said.plan or _text(at(auth, "chatgpt_plan_type"))
    return ProviderIdentity(email=email, plan=plan) if email or plan else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
