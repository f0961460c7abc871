"""A home with the logins of the five vendors' own tools, and what the vendors answer. Every value is invented."""

import base64
import contextlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from vendors import Answer, World

USER = "user_01INVENTED"
CLAUDE, COPILOT, GEMINI = "sk-ant-oat01-invented-claude", "gho_invented-copilot", "ya29.invented-gemini"
HOSTS = {
    "claude": "api.anthropic.com",
    "codex": "chatgpt.com",
    "copilot": "api.github.com",
    "cursor": "cursor.com",
    "gemini": "cloudcode-pa.googleapis.com",
}
USED = {
    "claude": {"Session (5h)": 37.0, "Weekly": 12.5},
    "codex": {"Session (5h)": 14.0, "Weekly": 52.5},
    "copilot": {"Premium": 26.0},
    "cursor": {"Total": 41.5, "Auto": 30.0, "API": 53.0},
    "gemini": {"Pro": 18.0, "Flash": 3.5},
}
# the one request of each whose answer the numbers stand in
USAGE = {
    "claude": ("GET", HOSTS["claude"], "/api/oauth/usage"),
    "codex": ("GET", HOSTS["codex"], "/backend-api/wham/usage"),
    "copilot": ("GET", HOSTS["copilot"], "/copilot_internal/user"),
    "cursor": ("GET", HOSTS["cursor"], "/api/usage-summary"),
    "gemini": ("POST", HOSTS["gemini"], "/v1internal:retrieveUserQuota"),
}


def jwt(**claims: object) -> str:
    """A token in the form of a JWT that says `claims`, and that it is good for a day; its signature is a word."""
    parts = ({"alg": "none"}, {"exp": int(time.time()) + 86_400, **claims})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2lnbmF0dXJl"])


def write_json(path: Path, document: object) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path


def five_logins(home: Path) -> dict[str, str]:
    """Writes the credential files of the five tools; the token in each."""
    tokens = {
        "claude": CLAUDE,
        "codex": jwt(sub="invented-codex"),
        "copilot": COPILOT,
        "cursor": jwt(sub=f"auth0|{USER}"),
        "gemini": GEMINI,
    }
    later_ms = int(time.time() + 86_400) * 1000
    oauth = {"accessToken": CLAUDE, "expiresAt": later_ms, "scopes": ["user:profile", "user:inference"]}
    write_json(home / ".claude/.credentials.json", {"claudeAiOauth": oauth})
    write_json(home / ".codex/auth.json", {"tokens": {"access_token": tokens["codex"], "account_id": "acct-invented"}})
    entry = {"user": "octo-invented", "oauth_token": COPILOT}
    write_json(home / ".config/github-copilot/apps.json", {"github.com:Iv1.invented": entry})
    write_json(home / ".gemini/oauth_creds.json", {"access_token": GEMINI, "expiry_date": later_ms})
    _write_state(home / ".config/Cursor/User/globalStorage/state.vscdb", {"cursorAuth/accessToken": tokens["cursor"]})
    return tokens


def _write_state(path: Path, items: dict[str, str]) -> None:
    path.parent.mkdir(mode=0o700, parents=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        database.executemany("INSERT INTO ItemTable VALUES (?, ?)", items.items())
    path.chmod(0o600)


def documents() -> dict[str, Any]:
    """What each vendor answers to its request in `USAGE`: the numbers in `USED`, resets hours and days from now."""
    now = int(time.time())
    session, weekly = now + 7_200, now + 345_600
    windows = zip((14, 52.5), (18_000, 604_800), (session, weekly), strict=True)
    rows = [{"used_percent": used, "limit_window_seconds": size, "reset_at": at} for used, size, at in windows]
    quota = {"entitlement": 300, "remaining": 222, "percent_remaining": 74.0, "unlimited": False}
    plan = {"totalPercentUsed": 41.5, "autoPercentUsed": 30, "apiPercentUsed": 53}
    return {
        "claude": {
            "five_hour": {"utilization": 37.0, "resets_at": iso(session)},
            "seven_day": {"utilization": 12.5, "resets_at": iso(weekly)},
        },
        "codex": {
            "plan_type": "plus",
            "rate_limit": {"primary_window": rows[0], "secondary_window": rows[1]},
        },
        "copilot": {
            "login": "octo-invented",
            "copilot_plan": "individual",
            "quota_reset_date": iso(weekly)[:10],
            "quota_snapshots": {"premium_interactions": quota},
        },
        "cursor": {
            "billingCycleStart": iso(now - 864_000),
            "billingCycleEnd": iso(now + 1_728_000),
            "membershipType": "pro",
            "individualUsage": {"plan": plan},
        },
        "gemini": {
            "buckets": [
                {"modelId": "gemini-3-pro", "remainingFraction": 0.82, "resetTime": iso(session)},
                {"modelId": "gemini-3-flash", "remainingFraction": 0.965, "resetTime": iso(session)},
            ]
        },
    }


def iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def five_answers(world: World) -> None:
    """All five vendors answer well, also what is asked beside the numbers."""
    for name, document in documents().items():
        world.on(*USAGE[name], Answer(json=document))
    account = {"email": "dev@example.org"}
    world.on("GET", HOSTS["claude"], "/api/oauth/profile", Answer(json={"account": account}))
    world.on("GET", HOSTS["cursor"], "/api/auth/me", Answer(json=account))
    world.on("GET", HOSTS["cursor"], "/api/usage", Answer(json={}))
    world.on("POST", HOSTS["cursor"], "/api/dashboard/get-sand-usage-status", Answer(json={}))
    assist = {"currentTier": {"id": "standard-tier", "name": "Standard"}, "cloudaicompanionProject": "proj-invented"}
    world.on("POST", HOSTS["gemini"], "/v1internal:loadCodeAssist", Answer(json=assist))
