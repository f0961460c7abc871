"""One class per thing a caller does differently; each knows its exit code.

`str(error)` is one sentence with the fact; `hint` is what the user can type or do next.
"""

from datetime import datetime


class VibeusageError(Exception):
    """Base of every error we raise on purpose."""

    exit_code = 1
    category = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(VibeusageError):
    """Our configuration, another tool's settings file, or an option is wrong."""

    exit_code = 4
    category = "configuration"


class StorageError(VibeusageError):
    """A file of ours cannot be written: full disk, read-only folder, foreign owner."""

    category = "storage"


class StrategyError(VibeusageError):
    """This strategy failed; the engine tries the next."""


class NotConfigured(StrategyError):
    """Nothing to log in with; silent unless the provider was asked for by name."""

    exit_code = 2
    category = "not_configured"


class AuthError(StrategyError):
    """Refused or expired; a new login helps."""

    exit_code = 2
    category = "authentication"


class Forbidden(StrategyError):
    """No plan, missing scope, or a bot block; a new login does not help."""

    exit_code = 2
    category = "authorization"


class RateLimited(StrategyError):
    """Asked too often; `retry_at` is the earliest instant (aware UTC) to ask again."""

    exit_code = 3
    category = "rate_limited"

    def __init__(self, message: str, *, retry_at: datetime, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_at = retry_at


class Unavailable(StrategyError):
    """Network, timeout, 5xx, or a missing program."""

    exit_code = 3
    category = "network"


class Offline(Unavailable):
    """No way to the host at all: our own network is down, so it says nothing about the provider."""


class ShapeError(StrategyError):
    """An answer we do not understand."""

    category = "parse"


EXIT_CODES = {
    kind.category: kind.exit_code
    for kind in (
        ConfigError,
        StorageError,
        NotConfigured,
        AuthError,
        Forbidden,
        RateLimited,
        Unavailable,
        ShapeError,
    )
}
