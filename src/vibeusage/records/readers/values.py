"""Odd values of logs to ours: counts, instants, money, who serves a model. Nonsense is None, never 0."""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from vibeusage.records.readers.spec import MOST_TOKENS

FIRST_MS = 1_640_995_200_000  # 2022-01-01: no tool is older
PICO = Decimal(10) ** 12
_SERVED = (
    ("anthropic", r"claude"),
    ("openai", r"gpt|o[1-9]\b|o[1-9]-|codex|chatgpt"),
    ("google", r"gemini|gemma"),
    ("xai", r"grok"),
    ("deepseek", r"deepseek"),
    ("zai", r"glm"),
    ("moonshot", r"kimi|k2"),
    ("alibaba", r"qwen"),
    ("minimax", r"minimax"),
    ("mistral", r"mistral|devstral|codestral"),
)


def count(value: Any) -> int | None:
    """A count from an int, float or digit string; None for anything else, and for negative ones."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except (ValueError, OverflowError):
            return None
    if not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)


def soon() -> int:
    """Epoch milliseconds a day from now: who waits for what is newer than a time after that would wait for years."""
    return time.time_ns() // 1_000_000 + 86_400_000


def word(value: Any) -> str:
    """The text of a database's column, which may hold anything."""
    return value if isinstance(value, str) else ""


def sha256(text: str) -> str:
    """Its digest in hex, of whatever text."""
    import hashlib  # OpenSSL takes long to load, and most syncs find nothing to read

    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def millis(value: Any) -> int | None:
    """Epoch milliseconds from RFC 3339, SQLite's text (UTC), epoch seconds to microseconds, or [seconds, nanos]."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return value[0] * 1000 + value[1] // 1_000_000
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value):
        return _from_text(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(value, bool) or not 0 < number < 1e20:
        return None
    scale = 1000 if number < 1e11 else 1 if number < 1e14 else 0.001 if number < 1e17 else 1e-6
    return int(number * scale)


def _from_text(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None and "T" not in text:
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000) if found.tzinfo else None


def pico(dollars: Any) -> int | None:
    """Picodollars of a stated cost; None for none and for 0, which means "unknown or subscription", never free."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float | str):
        return None
    try:
        amount = Decimal(str(dollars)) * PICO
    except InvalidOperation:
        return None
    return int(amount) if amount.is_finite() and 0 < amount < PICO * 1_000_000 else None


def served_by(model: str, message_id: str = "") -> str:
    """Who serves a model, by its name or the message's; "" when nothing tells."""
    name = model.lower()
    if message_id.startswith("msg_bdrk_") or re.match(r"bedrock/|((us|eu|apac|jp|au|global)\.)?anthropic\.", name):
        return "bedrock"
    if message_id.startswith("msg_vrtx_") or ("claude" in name and "@" in name):
        return "vertex"
    if message_id.startswith("gen-") or name.startswith("openrouter/"):
        return "openrouter"
    bare = name.rpartition("/")[2]
    return next((who for who, pattern in _SERVED if re.match(pattern, bare)), "")
