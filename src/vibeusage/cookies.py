"""Cookies of the user's browsers, on Linux and macOS: which ones fit, and the key to those encrypted.

A key is asked of the system's keyring only for a value that needs it. Cookie values are in no message.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from vibeusage.browsers import BROWSERS, stores
from vibeusage.cookiejars import PASTE, Cookie, read
from vibeusage.errors import ConfigError, Forbidden, ShapeError, Unavailable

Secret = Callable[[str], bytes | None]

SECRET_WAIT_S = 3.0
SECURITY = "/usr/bin/security"
# all a keyring's tool needs to reach it: logins in our environment are none of its business
_CHILD_ENV = ("PATH", "HOME", "USER", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY")
# Chromium's family: what the key is filed under in the Secret Service, and in the macOS keychain
_KEYS = {
    "chrome": ("chrome", "Chrome"),
    "chromium": ("chromium", "Chromium"),
    "brave": ("brave", "Brave"),
    "edge": ("chromium", "Microsoft Edge"),
    "vivaldi": ("chrome", "Vivaldi"),
    "arc": ("", "Arc"),
    "dia": ("", "Dia"),
    "comet": ("", "Comet"),
    "helium": ("", "Helium"),
    "opera": ("chromium", "Opera"),
}


def find(
    browser: str,
    domains: tuple[str, ...],
    names: tuple[str, ...],
    *,
    now: datetime,
    home: Path,
    environ: Mapping[str, str],
    secret: Secret,
) -> dict[str, str]:
    """Name to value of the live cookies `names` of `domains`, all of one profile: the last used that has any.

    `secret` is asked only for values that the keyring's key opens. Raises Forbidden where the system or
    the browser keeps them from us, Unavailable (a busy file, no keyring, no `cryptography`) and ShapeError.
    """
    if browser not in BROWSERS:
        raise ConfigError(f"{browser!r} is no browser we know", hint="one of: " + ", ".join(BROWSERS))
    secret, damage = functools.cache(secret), None
    for path in stores(browser, home, environ):
        try:
            cookies = read(browser, path, names)
        except ShapeError as exc:
            damage = damage or exc
            continue
        if chosen := _choose(cookies, domains, now.timestamp()):
            is_mac = path.is_relative_to(home / "Library")
            return {name: _value(browser, cookie, is_mac, secret) for name, cookie in chosen.items()}
    if damage:
        raise damage
    return {}


def platform_secret(application: str, *, wait_s: float = SECRET_WAIT_S) -> bytes | None:
    if sys.platform == "darwin":
        return keychain_password(application, wait_s=wait_s)
    return secret_service_password(application, wait_s=wait_s) or kwallet_password(application, wait_s=wait_s)


def secret_service_password(application: str, *, wait_s: float = SECRET_WAIT_S) -> bytes | None:
    """What libsecret's own tool knows for `application` (`chrome`); None without the tool or an answer in time."""
    tool = shutil.which("secret-tool")
    for version in ("v2", "v1") if tool else ():
        schema = f"chrome_libsecret_os_crypt_password_{version}"
        if found := _ask(str(tool), "lookup", "xdg:schema", schema, "application", application, wait_s=wait_s / 2):
            return found
    return None


def kwallet_password(application: str, *, wait_s: float = SECRET_WAIT_S) -> bytes | None:
    """What KDE's wallet has, where Chromium files it under a name of its own; its tool fails with exit code 0."""
    tool, name = shutil.which("kwallet-query"), application.capitalize()
    entry = ("--folder", f"{name} Keys", "--read-password", f"{name} Safe Storage", "kdewallet")
    found = _ask(tool, *entry, wait_s=wait_s) if tool else None
    return None if found and found.lower().startswith(b"failed to read") else found


def keychain_password(application: str, *, wait_s: float = SECRET_WAIT_S) -> bytes | None:
    """The keychain's key for `application` (`Chrome`); None over SSH, where nobody sees the keychain ask."""
    if "SSH_CONNECTION" in os.environ:
        return None
    service = "Helium Storage Key" if application == "Helium" else f"{application} Safe Storage"
    return _ask(SECURITY, "find-generic-password", "-s", service, "-a", application, "-w", wait_s=wait_s)


def _ask(*command: str, wait_s: float) -> bytes | None:
    env = {name: os.environ[name] for name in _CHILD_ENV if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=wait_s, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip(b"\n") or None if done.returncode == 0 else None


def _choose(cookies: list[Cookie], domains: tuple[str, ...], now: float) -> dict[str, Cookie]:
    """One cookie a name: of the earlier domain, of the domain itself before a subdomain, of the higher rank."""
    fitting = []
    for cookie in cookies:
        host = cookie.host.lower().removeprefix(".")
        for place, domain in enumerate(domains):
            if cookie.value and cookie.expires > now and (host == domain or host.endswith(f".{domain}")):
                fitting.append(((-place, host == domain, cookie.rank), cookie))
                break
    return {cookie.name: cookie for _, cookie in sorted(fitting, key=lambda pair: pair[0])}


def _value(browser: str, cookie: Cookie, is_mac: bool, secret: Secret) -> str:
    text = cookie.value
    if isinstance(text, bytes):
        text = _decrypt(browser, cookie, text, _passwords(browser, text[:3], is_mac, secret), 1003 if is_mac else 1)
    # a wrong key shows as random bytes; and none of these may stand in a Cookie header
    if not text.isascii() or not text.isprintable() or ";" in text:
        raise ShapeError(f"the cookie {cookie.name} of {browser} holds what no request can carry", hint=PASTE)
    return text


def _passwords(browser: str, prefix: bytes, is_mac: bool, secret: Secret) -> list[bytes]:
    """By the value's prefix, never by trial; Chromium used an empty one at times, which only a hash may prove."""
    match prefix, is_mac:
        case b"v10", False:
            return [b"peanuts"]
        case (b"v11", False) | (b"v10", True):
            if (found := secret(_KEYS[browser][is_mac])) is not None:
                return [found, b""]
            raise Unavailable(
                f"the keyring gave no key for the cookies of {browser}",
                hint="unlock the keyring and allow the access (Linux: install secret-tool or kwallet-query), "
                "or paste the cookie",
            )
        case b"v20", _:
            raise Forbidden(f"{browser} has bound its cookies to itself; no other program can read them", hint=PASTE)
    raise ShapeError(f"{browser} encrypts its cookies in a way we do not know", hint=PASTE)


def _decrypt(browser: str, cookie: Cookie, data: bytes, passwords: list[bytes], rounds: int) -> str:
    """Since schema 24 the text follows the SHA-256 of its host, which tells a wrong key."""
    mark = hashlib.sha256(cookie.host.encode()).digest() if cookie.schema >= 24 else b""
    for password in passwords if mark else passwords[:1]:
        plain = _aes_cbc(data[3:], hashlib.pbkdf2_hmac("sha1", password, b"saltysalt", rounds, 16))
        if plain is not None and plain.startswith(mark):
            return plain.removeprefix(mark).decode("utf-8", "replace")
    raise ShapeError(f"the key we have does not open the cookie {cookie.name} of {browser}", hint=PASTE)


def _aes_cbc(data: bytes, key: bytes) -> bytes | None:
    """None where length or padding is wrong."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # extra `browser`
    except ImportError as exc:
        raise Unavailable(
            "the cookies of this browser are encrypted, and the package `cryptography` is missing",
            hint="pip install 'vibeusage[browser]'",
        ) from exc
    if not data or len(data) % 16:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).decryptor()
    plain = decryptor.update(data) + decryptor.finalize()
    size = plain[-1]
    return plain[:-size] if 1 <= size <= 16 and plain.endswith(bytes([size]) * size) else None
