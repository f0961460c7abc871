"""GitHub logins that other tools keep, read only: editors with Copilot, gh, OpenCode.

Source: the files of those tools, in the shapes that working trackers know, 2026.
Only a login of the account's own host is ever found: one of github.com never goes to an enterprise, nor the reverse.
"""

from typing import Any
from urllib.parse import urlsplit

from vibeusage import files
from vibeusage.context import Context
from vibeusage.credentials import Login, at, read_document

GITHUB = "github.com"


def host(ctx: Context) -> str:
    """github.com, or the one whose API stands in the settings: `https://api.acme.ghe.com` is acme.ghe.com."""
    base = ctx.options.base_url
    return (urlsplit(base).hostname or "").removeprefix("api.") if base else GITHUB


def of_editors(ctx: Context) -> Login | None:
    for name in ("apps.json", "hosts.json"):
        path = ctx.path(f"$XDG_CONFIG_HOME/github-copilot/{name}")
        document = read_document(path)
        for key, entry in document.items() if isinstance(document, dict) else ():
            if key.partition(":")[0] == host(ctx):  # apps.json adds the application behind a colon
                login = _login(ctx, at(entry, "oauth_token"), str(path), at(entry, "user"))
                if login:
                    return login
    return None


def of_gh(ctx: Context) -> Login | None:
    own = ctx.environ.get("GH_CONFIG_DIR")
    path = ctx.path(f"{own}/hosts.yml" if own else "$XDG_CONFIG_HOME/gh/hosts.yml")
    data = files.read_linked(path, limit=1 << 20) or b""
    entry = read_yaml(data.decode("utf-8", "replace")).get(host(ctx))
    if not isinstance(entry, dict):
        return None
    user, users = entry.get("user"), entry.get("users")
    users = users if isinstance(users, dict) else {}
    if user is None and len(users) == 1:
        user = next(iter(users))
    of_user = users.get(user) if isinstance(user, str) else None
    return _login(ctx, entry.get("oauth_token") or at(of_user, "oauth_token"), str(path), user)


def of_opencode(ctx: Context) -> Login | None:
    """Its `refresh` is the GitHub token itself; `access` is a short one for the models, which is of no use here."""
    path = ctx.path("$XDG_DATA_HOME/opencode/auth.json")
    document = read_document(path)
    for name in ("github-copilot", "github-copilot-enterprise"):
        entry = document.get(name) if isinstance(document, dict) else None
        address = at(entry, "enterpriseUrl") or GITHUB
        if isinstance(address, str) and address.removeprefix("https://").rstrip("/") == host(ctx):
            login = _login(ctx, at(entry, "refresh"), str(path), None)
            if login:
                return login
    return None


def _login(ctx: Context, token: object, where: str, user: object) -> Login | None:
    if not isinstance(token, str) or not token:
        return None
    base = ctx.options.base_url
    owner = f"{user}@{host(ctx)}" if isinstance(user, str) and user else ""
    return Login(token, where, is_ours=False, owner=owner, bases=(base,) if base else ())


def read_yaml(text: str) -> dict[str, Any]:
    """Mappings of plain or quoted words, which is all that gh writes; {} for anything else."""
    opened: dict[str, Any] | None = {}
    levels: list[tuple[int, dict[str, Any]]] = [(0, opened)]
    root, opened = opened, None
    for line in text.splitlines():
        content = line.strip()
        if not content or content.startswith("#") or line == "---":
            continue
        indent = len(line) - len(line.lstrip(" "))
        if opened is not None and indent > levels[-1][0]:
            levels.append((indent, opened))
        while indent < levels[-1][0]:
            levels.pop()
        key, colon, value = content.partition(":")
        word, name = _word(value), _word(f" {key}")
        if indent != levels[-1][0] or "\t" in line or not colon or not name or word is None:
            return {}
        opened = None if word else {}
        levels[-1][1][name] = word or opened
    return root


def _word(text: str) -> str | None:
    """The word behind a blank, "" when there is none; None when it is not a plain one."""
    plain = text.partition(" #")[0].strip()
    if plain in ("", '""', "''", "{}"):
        return ""
    if not text.startswith(" ") or plain[0] in "-[]{}&*!|>%@`,?":
        return None
    if plain[0] in "\"'":
        is_closed = len(plain) > 2 and plain[-1] == plain[0] and plain[0] not in plain[1:-1] and "\\" not in plain
        return plain[1:-1] if is_closed else None
    return plain
