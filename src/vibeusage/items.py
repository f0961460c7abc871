"""The items of an assistant's document that are no quota: model, context, cost, branch and the like.

Each reader takes the document and the instant and gives `(style, text)`; a field that is missing gives "".
"""

import os

from vibeusage import pace
from vibeusage.document import at, instant, number
from vibeusage.escape import clean


def item(name, document, now):
    """`(style, text)` of one named item of the document; empty text when the document lacks it."""
    read = ITEMS.get(name)
    style, text = read(document, now) if read else ("", "")
    return style, clean(text, 60)


def _text(*keys, prefix=""):
    def read(document, now):
        value = at(document, *keys)
        return "", f"{prefix}{value}" if isinstance(value, (str, int)) and value not in (
            "",
            True,
            False,
        ) else ""

    return read


def _flag(text, *keys):
    def read(document, now):
        return "", text if at(document, *keys) is True else ""

    return read


def _model(document, now):
    summary = at(document, "model", "param_summary")
    mode = "max" if at(document, "model", "max_mode") is True else ""
    name = at(document, "model", "display_name") or at(document, "model", "id")
    return "", " ".join([str(part) for part in (name, summary, mode) if part])


def _context(document, now):
    window = at(document, "context_window")
    used = number(at(window, "current_context_used_percentage"))
    used = number(at(window, "used_percentage")) if used is None else used
    if not used:  # unknown, or nothing said yet
        return "", ""
    mark = " >200k" if at(document, "exceeds_200k_tokens") is True else ""
    return pace.level(used, 0, 0, now)[0], f"ctx {pace.percent(used)}{mark}"


def _tokens(document, now):
    window = at(document, "context_window")
    now_in = number(at(window, "current_context_tokens")) or number(at(window, "total_input_tokens"))
    size = number(at(window, "displayed_context_limit")) or number(at(window, "context_window_size"))
    return "", f"{short_count(now_in)}/{short_count(size)}" if now_in is not None and size else ""


def short_count(value):
    """`950`, `31.4k`, `1M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return str(int(value))


def _cost(document, now):
    cost = number(at(document, "cost", "total_cost_usd"))
    return "", "" if cost is None else f"${cost:.2f}"


def _duration(key, prefix=""):
    def read(document, now):
        milliseconds = number(at(document, "cost", key))
        return "", "" if milliseconds is None else prefix + pace.span(int(milliseconds / 1000))[0]

    return read


def _lines(document, now):
    place = at(document, "metrics", "files") or at(document, "cost")
    added, removed = number(at(place, "total_lines_added")), number(at(place, "total_lines_removed"))
    return "", "" if added is None or removed is None else f"+{int(added)} -{int(removed)}"


def _folder(*keys):
    def read(document, now):
        path = at(document, "workspace", *keys) or at(document, "cwd")
        return "", os.path.basename(path.rstrip("/")) or "/" if isinstance(path, str) and path else ""

    return read


def _added(document, now):
    folders = at(document, "workspace", "added_dirs")
    return "", f"+{len(folders)} dir" if isinstance(folders, list) and folders else ""


def _branch(document, now):
    told = at(document, "worktree", "branch") or at(document, "vcs", "branch") or at(document, "git", "branch")
    if isinstance(told, str) and told:
        return "", told + ("*" if at(document, "vcs", "dirty") is True else "")
    folder = at(document, "workspace", "current_dir") or at(document, "cwd")
    return "", git_branch(folder) if isinstance(folder, str) and folder.startswith("/") else ""


def git_branch(folder):
    """The branch, or short commit, that `.git/HEAD` above `folder` names; no git, no config is read."""
    for _ in range(64):
        head = _small(f"{folder}/.git/HEAD")
        if not head and (link := _small(f"{folder}/.git")).startswith("gitdir: "):
            head = _small(os.path.join(folder, link[8:], "HEAD"))
        if head:
            return head[16:] if head.startswith("ref: refs/heads/") else head[:8]
        folder, name = os.path.split(folder)
        if not name:
            break
    return ""


def _small(path):
    """The stripped text of a small regular file, or ""."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        return os.read(fd, 4096).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def _repo(document, now):
    owner, name = at(document, "workspace", "repo", "owner"), at(document, "workspace", "repo", "name")
    return "", f"{owner}/{name}" if owner and name else ""


def _worktree(document, now):
    name = at(document, "worktree", "name") or at(document, "workspace", "git_worktree")
    return "", str(name or "")


def _style(document, now):
    name = at(document, "output_style", "name")
    return "", "" if name in (None, "default") else str(name)


def _agent(document, now):
    return "", str(at(document, "agent", "name") or at(document, "agent_type") or "")


def _cache(document, now):
    cache = at(document, "prompt_cache")
    hits, expires_at = number(at(cache, "hit_ratio")), instant(at(cache, "expires_at"))
    if hits is None:
        return "", ""
    state = pace.countdown(expires_at, now)[0] if at(cache, "warm") is True and expires_at > now else "cold"
    return "", f"cache {pace.percent(hits * 100)} {state}"


def _pr(document, now):
    issue = at(document, "pr", "number")
    mark = "!" if at(document, "pr", "kind") == "mr" else "#"
    return "", f"{mark}{issue} {at(document, 'pr', 'review_state') or ''}" if isinstance(issue, int) else ""


def _remote(document, now):
    return "", "remote" if at(document, "remote", "session_id") or at(document, "remote", "connected") is True else ""


def _requests(document, now):
    premium = number(at(document, "cost", "total_premium_requests"))
    if premium is not None:
        return "", f"{premium:g} premium"
    models = at(document, "metrics", "models")
    if not isinstance(models, dict) or not models:
        return "", ""
    return (
        "",
        f"{sum(number(at(model, 'api', 'total_requests')) or 0 for model in models.values()):g} requests",
    )


def _credits(document, now):
    text = at(document, "ai_used", "formatted")
    return "", f"{text} AIU" if isinstance(text, str) and text else ""


def _autonomy(document, now):
    free = at(document, "allow_all_enabled") is True or at(document, "autorun") is True
    return ("yellow", "allow all") if free else ("", "")


def _thinking(document, now):
    return "", {True: "thinking", False: "no thinking"}.get(at(document, "thinking", "enabled"), "")


def _session_id(document, now):
    return "", str(at(document, "session_id") or "")[:8]


ITEMS = {
    "model": _model,
    "model_id": _text("model", "id"),
    "effort": _text("effort", "level"),
    "thinking": _thinking,
    "fast": _flag("fast", "fast_mode"),
    "context": _context,
    "tokens": _tokens,
    "cost": _cost,
    "duration": _duration("total_duration_ms"),
    "api_duration": _duration("total_api_duration_ms", "api "),
    "lines": _lines,
    "directory": _folder("current_dir"),
    "project": _folder("project_dir"),
    "added_dirs": _added,
    "branch": _branch,
    "repo": _repo,
    "worktree": _worktree,
    "session": _text("session_name"),
    "session_id": _session_id,
    "version": _text("version", prefix="v"),
    "style": _style,
    "vim": _text("vim", "mode"),
    "agent": _agent,
    "cache": _cache,
    "pr": _pr,
    "remote": _remote,
    "requests": _requests,
    "credits": _credits,
    "autonomy": _autonomy,
    "plan": _text("plan_tier"),
    "user": _text("username"),
    "state": _text("agent_state"),
    "tasks": _text("task_count", prefix="tasks "),
    "artifacts": _text("artifact_count", prefix="artifacts "),
    "sandbox": _flag("sandbox", "sandbox", "enabled"),
}
