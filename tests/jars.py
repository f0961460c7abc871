"""Cookie files of Firefox and Chromium, made by SQLite in the forms that the browsers have. Every value is invented."""

import contextlib
import hashlib
import os
import sqlite3

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VALUE, FAR = "made-up-value-1", 4_000_000_000.0
CHROME, FIREFOX = ".config/google-chrome/Default/Cookies", ".mozilla/firefox/a.default/cookies.sqlite"


def seal(value, *, host="cursor.com", prefix=b"v10", password=b"peanuts", rounds=1, schema=24):
    text = (hashlib.sha256(host.encode()).digest() if schema >= 24 else b"") + value.encode()
    size = 16 - len(text) % 16
    key = hashlib.pbkdf2_hmac("sha1", password, b"saltysalt", rounds, 16)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).encryptor()
    return prefix + encryptor.update(text + bytes([size]) * size) + encryptor.finalize()


def crumb(value=VALUE, *, host="cursor.com", name="session", expires=FAR, container="", used=0):
    return (host, name, value, expires, container, used)


def database(path, script, changed_at=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    if changed_at:
        os.utime(path, (changed_at, changed_at))


def insert(connection, table, rows):
    connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)


def firefox(path, *crumbs, version=16, changed_at=None):
    columns = "host TEXT, name TEXT, value TEXT, expiry INTEGER, originAttributes TEXT NOT NULL, lastAccessed INTEGER"
    database(path, f"PRAGMA user_version = {version}; CREATE TABLE moz_cookies ({columns});")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        scale = 1000 if version >= 16 else 1
        rows = [(host, name, value, int(end * scale), where, used) for host, name, value, end, where, used in crumbs]
        insert(connection, "moz_cookies", rows)
    if changed_at:
        os.utime(path, (changed_at, changed_at))


def chromium(path, *crumbs, schema=24, changed_at=None):
    columns = "host_key TEXT, name TEXT, value TEXT, encrypted_value BLOB, expires_utc INTEGER, last_access_utc INTEGER"
    script = f"CREATE TABLE meta (key TEXT, value TEXT); INSERT INTO meta VALUES ('version', '{schema}');"
    database(path, f"{script} CREATE TABLE cookies ({columns}, top_frame_site_key TEXT);")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for host, name, value, end, where, used in crumbs:
            plain, sealed = ("", value) if isinstance(value, bytes) else (value, b"")
            expires = int((end + 11_644_473_600) * 1_000_000) if end else 0
            insert(connection, "cookies", [(host, name, plain, sealed, expires, used, where)])
    if changed_at:
        os.utime(path, (changed_at, changed_at))
