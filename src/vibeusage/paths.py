"""Our three folders and the name of every file in them.

Each folder: `VIBEUSAGE_*_DIR`, else the absolute XDG variable, else the platform's own place.
`line` works the cache folder out by hand (no imports there); tests hold the two together.
"""

import os
import sys
from pathlib import Path

import platformdirs

from vibeusage.errors import ConfigError

APP = "vibeusage"


def config_dir() -> Path:
    return _folder("VIBEUSAGE_CONFIG_DIR", "XDG_CONFIG_HOME", platformdirs.user_config_path)


def cache_dir() -> Path:
    return _folder("VIBEUSAGE_CACHE_DIR", "XDG_CACHE_HOME", platformdirs.user_cache_path)


def data_dir() -> Path:
    return _folder("VIBEUSAGE_DATA_DIR", "XDG_DATA_HOME", platformdirs.user_data_path)


def config_file() -> Path:
    return config_dir() / "config.toml"


def credential_file(account: str, kind: str) -> Path:
    return config_dir() / "credentials" / account / f"{kind}.json"


def shell_dir() -> Path:
    """The scripts users source: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "shell"
    return installed if installed.is_dir() else package.parents[1] / "shell"


def claude_config_dir() -> Path:
    """Claude Code's own folder; `CLAUDE_CONFIG_DIR` is taken literally, as Claude Code does."""
    override = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(override) if override else Path.home() / ".claude"


def _folder(variable: str, xdg: str, default) -> Path:
    if override := os.environ.get(variable):
        path = Path(override).expanduser()
        if not path.is_absolute():
            raise ConfigError(
                f"{variable} is {override!r}, a relative path", hint=f"set {variable} to an absolute path"
            )
        return path
    base = os.environ.get(xdg, "")
    if sys.platform != "win32" and os.path.isabs(base):
        return Path(base) / APP
    try:
        path = default(APP, appauthor=False)
    except RuntimeError:  # no HOME, and nobody knows this user
        path = Path()
    if not path.is_absolute():
        raise ConfigError("there is no home folder", hint=f"set HOME or {variable} to an absolute path")
    return path
