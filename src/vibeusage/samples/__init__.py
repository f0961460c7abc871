"""Sample answers of the providers in their true shape, and logins that open nothing; for `demo`.

`<id>.json` holds `settings` of the provider, `logins` (kind -> stored document), variables (`environ`), `files` below
the home (lines, or a document), `answers` to `METHOD /path`, and what its tool pipes to a status line (`stdin`). Names
and amounts are made up. `{+4d12h:iso}` is an instant from now: `iso`, a number as `epoch` or `ms`, or a form of
strftime.

A login of another tool is sent to no other address than the vendor's. Where nothing else opens a provider the sample is
what its program has left or prints, by a stand-in in bin/. Vertex AI has none: what gcloud prints goes to Google, too.
"""

import functools
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
TOKEN = "demo-token-of-no-account"  # noqa: S105  (a sample, good for nothing)
INSTANT = re.compile(r"\{([+-](?:\d+[dhm])+):(iso|epoch|ms|%[\w%.:/-]+)\}")
UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    settings: dict[str, Any] = {}
    logins: dict[str, dict[str, str]] = {}
    environ: dict[str, str] = {}
    files: dict[str, list[str] | dict[str, Any]] = {}
    answers: dict[str, Any] = {}
    stdin: dict[str, Any] = {}


@functools.cache
def ids() -> tuple[str, ...]:
    """The providers that have a sample."""
    return tuple(sorted(path.stem for path in HERE.glob("*.json")))


@functools.cache
def load(provider_id: str) -> Sample:
    return msgspec.json.decode((HERE / f"{provider_id}.json").read_bytes(), type=Sample)


def filled(value: Any, now: datetime) -> Any:
    """A document, or a part of it, with its instants."""
    match value:
        case dict():
            return {name: filled(each, now) for name, each in value.items()}
        case list():
            return [filled(each, now) for each in value]
        case str() if whole := INSTANT.fullmatch(value):
            return _written(whole, now)
        case str():
            return INSTANT.sub(lambda found: str(_written(found, now)), value)
    return value


def _written(found: re.Match[str], now: datetime) -> str | int:
    length, form = found.groups()
    parts = {UNITS[unit]: int(number) for number, unit in re.findall(r"(\d+)([dhm])", length)}
    at = now + timedelta(**parts) * (-1 if length[0] == "-" else 1)
    match form:
        case "epoch":
            return int(at.timestamp())
        case "ms":
            return int(at.timestamp()) * 1000
    return at.strftime("%Y-%m-%dT%H:%M:%SZ" if form == "iso" else form)
