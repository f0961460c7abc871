"""The full command line: one module per command, only the chosen one is imported."""

import argparse
import contextlib
import importlib
import os
import sys

from vibeusage.errors import VibeusageError
from vibeusage.escape import clean

COMMANDS = {
    "usage": "show every plan: used, reset, pace (the default)",
    "line": "print the segment for one target from the cache",
    "harvest": "record the limits in a Claude Code document and pass it on",
    "dashboard": "look at all of it in one screen that keeps itself up to date",
    "watch": "the quotas, redrawn as they change",
    "refresh": "ask the providers now, or only those that are due",
    "auth": "log in, or tell where a login was found",
    "providers": "list, show, switch and set up the providers",
    "plugin": "list, install, approve, switch, remove or write providers and readers of others",
    "key": "list, set, move or delete the secrets vibeusage keeps",
    "alerts": "tell when a plan is nearly used up: thresholds, and what was told of",
    "status": "show what the providers' own status pages say",
    "doctor": "tell what is wrong and what to do, safe to paste",
    "report": "what was consumed and what it cost, by day, month, model, project and more",
    "records": "read the assistants' own logs into the store",
    "history": "what the quotas were: past windows, when they were used up, and how they change",
    "db": "the database as a whole: back up, restore, delete, check",
    "config": "show, change or reset the settings",
    "cache": "show or clear what is stored",
    "init": "print the line for a shell's rc file",
    "install": "put vibeusage into a program's own configuration",
    "uninstall": "take it out again, to the byte",
    "demo": "run the whole way without an account",
}
EXIT_USAGE = 4
EXIT_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """argparse with our exit code for bad usage and one sentence with a next step."""

    def error(self, message: str):
        self.exit(EXIT_USAGE, f"vibeusage: {clean(message, 500)}; see `{self.prog} --help`\n")


def main(argv: list[str]) -> int:
    """Run one command; the exit code. Errors go to stderr as one sentence and a hint."""
    _open_missing()
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except VibeusageError as exc:
        if "--redact" in argv:
            _redact(exc)
        _complain(f"{exc}\n{exc.hint}")
        if {"--json", "-j"} & {*argv}:
            _print_as_json(exc)
        return exc.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except OSError as exc:
        _forget_stdout()
        what = f"{exc.filename} cannot be used" if exc.filename else "the output cannot be written"
        hint = "check its name and rights, and the free space" if exc.filename else "check where it goes, and the space"
        _complain(f"{what}: {exc.strerror}\n{hint}")
        return 1
    except Exception as exc:  # its text may hold anything, a secret too: only its kind and place are told
        import traceback  # an eighth of an interpreter start

        frame = traceback.extract_tb(exc.__traceback__)[-1]
        what = f"a mistake in vibeusage ({type(exc).__name__}) at {frame.filename}:{frame.lineno} {frame.name}"
        _complain(f"{what}\nplease report it, with what `vibeusage doctor` prints")
        return 1


def _redact(error: VibeusageError) -> None:
    """What it says may stand on the same screen."""
    from vibeusage import config, redact  # as with all that is shown so

    try:
        settings = config.load()
    except VibeusageError:  # what is said may be just that
        settings = config.Config()
    redact.of_this_machine(os.environ, settings).error(error)


def _complain(text: str) -> None:
    """One sentence, and its hint on lines of their own; file names and answers may hold anything."""
    first, *rest = [clean(line, 500) for line in text.strip().split("\n")]
    print("\n  ".join([f"vibeusage: {first}", *rest]), file=sys.stderr)


def _print_as_json(error: VibeusageError) -> None:
    """What came instead of the document that was asked for: `{"schema": 1, "error": {category, message, hint}}`."""
    import json  # the one place here that needs it

    told = {"category": error.category, "message": clean(str(error), 500), "hint": clean(error.hint, 2000)}
    with contextlib.suppress(OSError):
        print(json.dumps({"schema": 1, "error": told}), flush=True)


def _open_missing() -> None:
    """A stream that was closed before (`>&-`) takes and gives nothing; else a file of ours would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 for all the time that we run


def _forget_stdout() -> None:
    """Nobody takes our output: point stdout elsewhere, so that the flush at exit stays quiet too."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(argv: list[str]) -> int:
    if argv and argv[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(f"vibeusage {version('vibeusage')}")
        return 0
    if argv and argv[0] in ("--help", "-h"):
        print(_overview())
        return 0
    name, rest = _chosen(argv)
    module = importlib.import_module(f"vibeusage.cli.{name}")
    parser = Parser(prog=f"vibeusage {name}", description=module.__doc__)
    module.add_arguments(parser)
    return module.run(parser.parse_args(rest))


def _chosen(argv: list[str]) -> tuple[str, list[str]]:
    """The command and what is left for it; options may stand before it, as in `vibeusage --json status`."""
    place = next((place for place, word in enumerate(argv) if not word.startswith("-")), None)
    if place is None or argv[place] not in COMMANDS:
        return "usage", argv
    return argv[place], argv[:place] + argv[place + 1 :]


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vibeusage [COMMAND] [OPTIONS]",
            "",
            *rows,
            "",
            "`vibeusage COMMAND --help` tells the options of one; --version the version.",
        ]
    )
