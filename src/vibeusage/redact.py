"""What others may see of names, mails, organisations, paths and hosts: labels that are the same each time.

Where `mask` leaves the first letter, a label stays: one account is `account-1a2b3c4d` in every output of this machine.
Folders where tools usually keep their files (`~/.codex`) and those of the system stay as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from vibeusage import cache, config, labels, mask, providers
from vibeusage.errors import VibeusageError
from vibeusage.labels import Label
from vibeusage.mask import Private
from vibeusage.models import UsageSnapshot
from vibeusage.settings import Config

SYSTEM = (
    *("/Applications/", "/Library/", "/System/", "/bin/", "/dev/", "/etc/", "/nix/store/", "/opt/homebrew/", "/proc/"),
    *("/sbin/", "/snap/", "/usr/"),
)
USUAL = ("~/.", "~/Library/")
NO_PLACES = ("~", "/", "/usage")  # the last is what an assistant is asked by
_PATH = re.compile(r"""(?<![\w.:/~@-])(?:~/|/)[^\s"'`,;:()]+""")
_LABEL = re.compile(r"(account|host|mail|name|organisation|path|user)-[0-9a-f]{8}")
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Redaction(NamedTuple):
    """`text` is for sentences and places, the rest for what is known to be a name."""

    label: Label
    text: Callable[[str], str]

    def account(self, id: str) -> str:
        """`claude@account-1a2b3c4d` of `claude@work`."""
        provider, at, name = id.partition("@")
        return f"{provider}{at}{self.label('account', name)}"

    def snapshot(self, of: UsageSnapshot) -> UsageSnapshot:
        who = of.identity
        known = who and msgspec.structs.replace(
            who,
            email=who.email and self.label("mail", who.email),
            organization=who.organization and self.label("organisation", who.organization),
        )
        return msgspec.structs.replace(
            of,
            account=of.account and self.label("account", of.account),
            identity=known,
            status=of.status and self.struct(of.status),
            periods=tuple(msgspec.structs.replace(period, name=self.text(period.name)) for period in of.periods),
        )

    def document(self, value: Any) -> Any:
        """Plain values with every text in them redacted."""
        return mask.masked(value, self.text)

    def struct(self, value: _Struct) -> _Struct:
        """The same with every text in it redacted."""
        return mask.changed(value, self.text)

    def error(self, error: VibeusageError) -> VibeusageError:
        """The same error with what it says redacted."""
        error.args = (self.text(str(error)), *error.args[1:])
        error.hint = self.text(error.hint)
        return error


NOTHING = Redaction(lambda kind, word: word, lambda text: text)


def if_asked(environ: Mapping[str, str], *, is_asked: bool) -> Redaction:
    """That of this machine, or one that leaves everything as it is."""
    return of_this_machine(environ, config.load()) if is_asked else NOTHING


def of_this_machine(environ: Mapping[str, str], settings: Config) -> Redaction:
    """Reads every provider and snapshot that there is."""
    label, kinds = labels.stable(), dict(_kinds(settings))
    private = mask.find_private(environ, settings, (), ())
    kinds |= {user.lower(): ("user", user) for user in (environ.get(name, "") for name in mask.USER_NAMES) if user}

    def once(kind: str, word: str) -> str:
        if _LABEL.fullmatch(word):
            return word
        return label(*(kinds.get(word.lower(), (kind, word)) if kind == "name" else (kind, word)))

    places, words = _places(private, _folders(environ, settings), label), mask.masker(private, once)
    return Redaction(label, lambda text: words(places(text)))


def _kinds(settings: Config) -> Iterator[tuple[str, tuple[str, str]]]:
    """(word in small letters, (what it is, the word)), so that each has one label everywhere."""
    for options in settings.providers.values():
        if host := urlsplit(options.base_url or "").hostname:
            yield host, ("host", host)
    for snapshot in cache.load_snapshots().values():
        if who := snapshot.identity:
            for kind, word in (("mail", who.email), ("organisation", who.organization)):
                if word:
                    yield word.lower(), (kind, word)


def _folders(environ: Mapping[str, str], settings: Config) -> list[str]:
    """Folders that the person has chosen, the longest first."""
    said = [options.config_dir for options in settings.providers.values()]
    said += [root for options in settings.records.values() for root in options.roots or ()]
    variables = {name for id in providers.shipped() for name in providers.load(id).folders}
    said += [environ.get(name, "") for name in variables]
    return sorted({path.rstrip("/") for path in said if path and "/" in path.strip("/~")}, key=len, reverse=True)


def _places(private: Private, folders: list[str], label: Label) -> Callable[[str], str]:
    chosen = [f"~{folder[len(home) :]}" for folder in folders for home in private.homes if _is_in(folder, home)]
    own = [*dict.fromkeys([*chosen, *folders])]

    def place(found: re.Match[str]) -> str:
        path = found[0]
        for home in private.homes:
            if _is_in(path, home):
                path = "~" + path[len(home) :]
        folder = next((one for one in own if _is_in(path, one)), "")
        if folder:
            return label("path", folder) + path[len(folder) :]
        if path in NO_PLACES or path.startswith((*USUAL, *SYSTEM)):
            return path
        return label("path", path.rstrip("/"))

    return lambda text: _PATH.sub(place, text)


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
