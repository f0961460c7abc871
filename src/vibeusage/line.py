"""HOT PATH: the stored segment if it is still true, else `line.tsv` rendered; then out by `os._exit`.

Reads files, prints, stores what it printed. No socket, no lock, no config, no child in the foreground;
imports nothing beyond what an interpreter start has loaded. Whatever is wrong, it exits 0 and the
reason never lands in somebody's prompt. The slow way (missing or outdated `line.tsv`, `--help`, wrong
options) goes through the normal modules.
"""

import _thread
import os
import time

from vibeusage.cachefiles import FILE_LIMIT, cache_folder, is_mono, key_of, start_refresh, store, stored

TARGETS = frozenset(
    (
        *("tmux", "starship", "zsh", "bash", "fish", "claude-code", "copilot", "qwen", "cursor", "agy", "waybar"),
        *("i3blocks", "polybar", "screen", "zjstatus", "swiftbar", "plain", "ansi", "json"),
    )
)
ASSISTANTS = frozenset(("claude-code", "copilot", "qwen", "cursor", "agy"))
OPTIONS = frozenset(
    (
        "--provider",
        "--periods",
        "--format",
        "--separator",
        "--max-width",
        "--icons",
        "--bar",
        "--reset",
        "--show",
        "--costs",
    )
)
DEADLINE_S = 3.0
STDIN_S = 1.0
NOTHING_YET = b"vibeusage: nothing is known yet; `vibeusage` tells what to do\n"


def main(argv):
    """Run `line …` or `harvest`; does not return except from the slow way."""
    if "--help" in argv or "-h" in argv:
        from vibeusage import cli

        return cli.main(argv)
    try:
        code = harvest() if argv[0] == "harvest" else line(argv[1:], time.time())
    except Exception:  # a traceback would land in the prompt
        code = 0
    os._exit(code)


def line(args, now):
    """Print the segment that `args` (target and options) ask for; the exit code, always 0."""
    deadline = _watch()
    folder, mono = cache_folder(os.environ), is_mono(os.environ)
    target = args[0] if args and not args[0].startswith("-") else "ansi"
    key = key_of(args, mono)
    if target not in ASSISTANTS and (found := stored(folder, key, now)):
        text, refresh_due_at, _ = found
        _put(text)
        start_refresh(folder, refresh_due_at, now)
        return 0
    given = parse_options(args[1:] if args and target == args[0] else args)
    if target not in TARGETS or given is None:
        return _explain(args)
    from vibeusage import view

    data = read_stdin() if target in ASSISTANTS else b""
    token, table = view.load(folder, int(now), deadline)
    shown = view.show(target, table, given, data, int(now), mono=mono, environ=os.environ)
    _put(shown.text.encode("utf-8", "replace"))
    if target not in ASSISTANTS and token and table.version:
        store(folder, key, shown, token, table.refresh_due_at, now)
    if shown.observation:
        from vibeusage import observe

        observe.record(folder, shown.observation, int(now))
    start_refresh(folder, table.refresh_due_at, now)
    return 0


def harvest():
    """Pass stdin to stdout unchanged, then record the limits of the document that went through."""
    data, keep = b"", True
    while chunk := os.read(0, 65536):
        data = data + chunk if len(data) <= FILE_LIMIT else data
        keep = keep and _put(chunk)
    _watch()
    from vibeusage import document, observe

    now = int(time.time())
    found = document.decode(data) if len(data) <= FILE_LIMIT else None
    if found and (observation := observe.observation(found, os.environ, now)):
        folder = cache_folder(os.environ)
        observe.record(folder, observe.known_since(folder, observation, now), now)
    return 0


def parse_options(args):
    """{option: text} of `--name value` and `--name=value`, or None for anything else."""
    given, rest = {}, iter(args)
    for arg in rest:
        name, equals, value = arg.partition("=")
        value = value if equals else next(rest, None)
        if name not in OPTIONS or value is None:
            return None
        name = name[2:].replace("-", "_")
        given[name] = f"{given[name]},{value}" if name == "provider" and name in given else value
    numbers = [given[name] for name in ("bar", "max_width") if name in given]
    choices = (("icons", "ascii unicode nerd"), ("reset", "countdown clock none"), ("show", "used remaining"))
    right = all([len(text) < 5 and text.isdecimal() and text.isascii() for text in numbers]) and all(
        [given[name] in words.split() for name, words in choices if name in given]
    )
    return given if right else None


def read_stdin():
    """What is on stdin, for at most a second and a mebibyte; a host may hold it open, silent."""
    from select import select

    from vibeusage.document import SIZE_LIMIT, decode

    data, until = b"", time.monotonic() + STDIN_S
    try:
        while len(data) <= SIZE_LIMIT and not os.isatty(0):
            left = until - time.monotonic()
            if left <= 0 or not select([0], [], [], left)[0]:
                break
            chunk = os.read(0, 65536)
            data += chunk
            if not chunk or (data.rstrip().endswith(b"}") and decode(data)):
                break
    except (OSError, ValueError):
        return b""
    return data if len(data) <= SIZE_LIMIT else b""


def _watch():
    """End the process with 0 if it is still here after the deadline: a hung disk must not hang a prompt.

    A thread, because `exit_group` also ends a thread stuck in a system call, and no signal handler runs then.
    Returns the deadline as a list of one, for the slow way to extend.
    """
    deadline = [time.monotonic() + DEADLINE_S]

    def bark():
        while (left := deadline[0] - time.monotonic()) > 0:
            time.sleep(left)
        os._exit(0)

    try:
        _thread.start_new_thread(bark, ())
    except RuntimeError:
        pass
    return deadline


def _put(data):
    """All of `data` to stdout; False when nobody reads it. Whoever asks by hand is told why nothing comes."""
    try:
        if not data and os.isatty(1):
            os.write(2, NOTHING_YET)
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return False
    return True


def _explain(args):
    """Wrong options: let the full parser say what is wrong; a status line still gets exit code 0."""
    from vibeusage import cli

    try:
        cli.main(["line", *args])
    except SystemExit:
        pass
    return 0
