"""Which browsers there are, and where each of them keeps the cookies of its profiles, on Linux and macOS.

Places were read in the sources of Chromium, Firefox and yt-dlp. ChatGPT Atlas is missing: its key lies where
the macOS keychain's own tool does not reach.
"""

import configparser
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vibeusage import files

# folders below home, native ones first; `.config` stands for XDG_CONFIG_HOME, `Library` for macOS
_PLACES: dict[str, tuple[str, ...]] = {
    "firefox": (
        ".mozilla/firefox",
        ".config/mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        "snap/firefox/common/.config/mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/config/mozilla/firefox",
        "Library/Application Support/Firefox",
    ),
    "zen": (
        ".zen",
        ".config/zen",
        ".var/app/app.zen_browser.zen/.zen",
        ".var/app/app.zen_browser.zen/config/zen",
        "Library/Application Support/zen",
    ),
    "librewolf": (
        ".librewolf",
        ".config/librewolf/librewolf",
        ".var/app/io.gitlab.librewolf-community/.librewolf",
        ".var/app/io.gitlab.librewolf-community/config/librewolf/librewolf",
        "Library/Application Support/librewolf",
    ),
    "chrome": (
        ".config/google-chrome",
        ".config/google-chrome-beta",
        ".var/app/com.google.Chrome/config/google-chrome",
        "Library/Application Support/Google/Chrome",
    ),
    "chromium": (
        ".config/chromium",
        "snap/chromium/common/chromium",
        ".var/app/org.chromium.Chromium/config/chromium",
        "Library/Application Support/Chromium",
    ),
    "brave": (
        ".config/BraveSoftware/Brave-Browser",
        "snap/brave/current/.config/BraveSoftware/Brave-Browser",
        ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
        "Library/Application Support/BraveSoftware/Brave-Browser",
    ),
    "edge": (
        ".config/microsoft-edge",
        ".var/app/com.microsoft.Edge/config/microsoft-edge",
        "Library/Application Support/Microsoft Edge",
    ),
    "vivaldi": (
        ".config/vivaldi",
        ".var/app/com.vivaldi.Vivaldi/config/vivaldi",
        "Library/Application Support/Vivaldi",
    ),
    "arc": ("Library/Application Support/Arc/User Data",),
    "dia": ("Library/Application Support/Dia/User Data",),
    "comet": ("Library/Application Support/Comet",),
    "helium": ("Library/Application Support/net.imput.helium",),
    "opera": (
        ".config/opera",
        ".var/app/com.opera.Opera/config/opera",
        "Library/Application Support/com.operasoftware.Opera",
    ),
    "safari": (
        "Library/Containers/com.apple.Safari/Data/Library",
        "Library",
    ),
}
CHROMIUM = ("chrome", "chromium", "brave", "edge", "vivaldi", "arc", "dia", "comet", "helium", "opera")
BROWSERS: tuple[str, ...] = tuple(_PLACES)


def stores(browser: str, home: Path, environ: Mapping[str, str]) -> list[Path]:
    """The browser's cookie files, its default profile first where it names one, then by their last change."""
    ranks: dict[Path, int] = {}
    for place in _PLACES[browser]:
        config = environ.get("XDG_CONFIG_HOME", "")
        moved = place.startswith(".config/") and os.path.isabs(config)
        root = Path(config, place.removeprefix(".config/")) if moved else home / place
        if browser in CHROMIUM:
            ranks |= dict.fromkeys(_chromium_files(root), 0)
        elif browser == "safari":
            ranks |= dict.fromkeys(_safari_files(root), 0)
        else:
            ranks |= _firefox_files(root)
    order = [(rank, changed, path) for path, rank in ranks.items() if (changed := _changed_at(path)) is not None]
    return [path for _, _, path in sorted(order, reverse=True)]


def _chromium_files(root: Path) -> Iterator[Path]:
    for profile in (root, *root.glob("Default"), *root.glob("Profile *"), *root.glob("user-*")):
        yield from (profile / "Cookies", profile / "Network" / "Cookies")


def _safari_files(root: Path) -> Iterator[Path]:
    yield root / "Cookies" / "Cookies.binarycookies"
    yield from root.glob("WebKit/WebsiteDataStore/*/Cookies/Cookies.binarycookies")


def _firefox_files(root: Path) -> dict[Path, int]:
    """Each profile's database; 2 for the one an installation starts, 1 for the default of old, else 0."""
    ini = configparser.RawConfigParser(strict=False, delimiters=("=",))
    text = files.read_regular(Path(os.path.realpath(root / "profiles.ini")), limit=1 << 20) or b""
    with contextlib.suppress(configparser.Error):
        ini.read_string(text.decode("utf-8-sig", "replace"))
    ranks = dict.fromkeys((*root.glob("*/cookies.sqlite"), *root.glob("Profiles/*/cookies.sqlite")), 0)
    for name in ini.sections():
        is_install = name.startswith("Install")
        folder = ini[name].get("Default" if is_install else "Path", "").replace("\0", "")
        path = root / folder / "cookies.sqlite"
        rank = 2 if is_install else int(ini[name].get("Default") == "1")
        if folder:
            ranks[path] = max(rank, ranks.get(path, 0))
    return ranks


def _changed_at(path: Path) -> int | None:
    """Nanoseconds; None for no such file, 0 for one behind a closed door: reading it last tells why."""
    try:
        found = state(path)
    except OSError:
        return 0
    return max(mtime_ns for _, mtime_ns, _ in found.values()) if "" in found else None


def state(path: Path) -> dict[str, tuple[int, int, int]]:
    """What tells one moment of a file and of the logs beside it from another, by suffix."""
    found = {}
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            info = os.stat(f"{path}{suffix}")
            found[suffix] = (info.st_ino, info.st_mtime_ns, info.st_size)
    return found
