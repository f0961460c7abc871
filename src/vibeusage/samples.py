"""Sample answers of every provider in their true shape, and logins that open nothing; for `demo`.

Names, amounts and logins are made up here; resets lie after `now`.
"""

from datetime import datetime, timedelta
from typing import Any

TOKEN = "demo-token-of-no-account"  # noqa: S105  (a sample, good for nothing)
LOGINS = {
    "claude": ("oauth", {"access_token": TOKEN, "owner": "demo"}),
    "codex": ("oauth", {"access_token": TOKEN, "owner": "demo"}),
    "copilot": ("oauth", {"access_token": TOKEN, "owner": "demo"}),
    "cursor": ("session", {"session_token": f"user_demo%3A%3A{TOKEN}", "owner": "demo"}),
    "gemini": ("oauth", {"access_token": TOKEN, "owner": "demo"}),
}


def answers(now: datetime) -> dict[tuple[str, str], Any]:
    """{(method, path behind the provider's address): document}."""
    return {
        ("GET", "/claude/api/oauth/usage"): _claude(now),
        ("GET", "/codex/api/codex/usage"): _codex(now),
        ("GET", "/copilot/copilot_internal/user"): _copilot(now),
        ("GET", "/cursor/api/usage-summary"): _cursor(now),
        ("GET", "/cursor/api/auth/me"): {"email": "you@example.org", "sub": "auth0|user_demo"},
        ("POST", "/gemini/v1internal:loadCodeAssist"): {
            "currentTier": {"id": "standard-tier", "name": "Gemini Code Assist Standard"},
            "cloudaicompanionProject": "demo-project",
        },
        ("POST", "/gemini/v1internal:retrieveUserQuota"): _gemini(now),
    }


def _claude(now: datetime) -> dict[str, Any]:
    session = (now + timedelta(hours=2, minutes=13)).isoformat()
    weekly = (now + timedelta(days=4, hours=12)).isoformat()
    fable = {
        "kind": "weekly_scoped",
        "group": "weekly",
        "percent": 64,
        "resets_at": weekly,
        "scope": {"model": {"id": None, "display_name": "Fable"}, "surface": None},
        "is_active": True,
    }
    return {
        "five_hour": {"utilization": 42.0, "resets_at": session},
        "seven_day": {"utilization": 17.3, "resets_at": weekly},
        "seven_day_opus": None,
        "limits": [fable],
        "spend": {
            "enabled": True,
            "used": {"amount_minor": 655, "currency": "USD", "exponent": 2},
            "limit": {"amount_minor": 4000, "currency": "USD", "exponent": 2},
        },
    }


def _codex(now: datetime) -> dict[str, Any]:
    def window(used: int, length: timedelta, left: timedelta) -> dict[str, int]:
        seconds = int(length.total_seconds())
        return {"used_percent": used, "limit_window_seconds": seconds, "reset_at": int((now + left).timestamp())}

    return {
        "email": "you@example.org",
        "plan_type": "plus",
        "rate_limit": {
            "allowed": True,
            "limit_reached": False,
            "primary_window": window(14, timedelta(hours=5), timedelta(hours=1, minutes=5)),
            "secondary_window": window(71, timedelta(days=7), timedelta(days=3, hours=2)),
        },
        "credits": {"has_credits": True, "unlimited": False, "balance": "18.25"},
    }


def _copilot(now: datetime) -> dict[str, Any]:
    unlimited = {"entitlement": 0, "remaining": 0, "percent_remaining": 100.0, "unlimited": True}
    premium = {"entitlement": 300, "remaining": 222, "percent_remaining": 74.0, "unlimited": False, "overage_count": 0}
    return {
        "login": "you",
        "access_type_sku": "monthly_subscriber",
        "copilot_plan": "individual",
        "quota_reset_date": _month_end(now).strftime("%Y-%m-%d"),
        "quota_snapshots": {"premium_interactions": premium, "chat": unlimited, "completions": unlimited},
    }


def _cursor(now: datetime) -> dict[str, Any]:
    return {
        "billingCycleStart": (now - timedelta(days=19)).isoformat(),
        "billingCycleEnd": (now + timedelta(days=11)).isoformat(),
        "membershipType": "pro",
        "individualUsage": {
            "plan": {
                "enabled": True,
                "used": 1180,
                "limit": 2000,
                "remaining": 820,
                "autoPercentUsed": 4.5,
                "apiPercentUsed": 61.3,
                "totalPercentUsed": 38.1,
            },
            "onDemand": {"enabled": True, "used": 315, "limit": 5000, "remaining": 4685},
        },
    }


def _gemini(now: datetime) -> dict[str, Any]:
    reset = (now + timedelta(hours=9)).isoformat()
    return {
        "buckets": [
            {"modelId": "gemini-3-pro", "remainingFraction": 0.82, "resetTime": reset, "tokenType": "REQUESTS"},
            {"modelId": "gemini-3-flash", "remainingFraction": 0.965, "resetTime": reset, "tokenType": "REQUESTS"},
        ]
    }


def _month_end(now: datetime) -> datetime:
    return (now.replace(day=1) + timedelta(days=32)).replace(day=1)


def claude_document(now: datetime) -> dict[str, Any]:
    """What Claude Code would pipe to its status line right now."""
    return {
        "session_id": "00000000-0000-4000-8000-00000000d3e0",
        "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
        "workspace": {"current_dir": "/home/you/project"},
        "cost": {"total_cost_usd": 0.83, "total_api_duration_ms": 60100},
        "context_window": {"used_percentage": 31, "current_usage": {"input_tokens": 3210}},
        "rate_limits": {
            "five_hour": {"used_percentage": 43, "resets_at": int((now + timedelta(hours=2, minutes=13)).timestamp())},
            "seven_day": {"used_percentage": 17.4, "resets_at": int((now + timedelta(days=4, hours=12)).timestamp())},
        },
    }
