"""One round of one provider as data: logins, what is asked and answered, what comes of it; run over real TLS.

`tests/providers/cases/<id>.py` holds `CASES` of a provider; the first is a good round with the login most people
have. Fixtures lie in `tests/fixtures/<id>/`, every value in them is invented. It is AT in every case.
"""

import asyncio
import importlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vendors import Answer, Request, World

from vibeusage import accounts, config, fetch, providers
from vibeusage.models import Usage

AT = datetime(2026, 9, 14, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
FORM = "application/x-www-form-urlencoded"
USUAL = {"host", "accept", "accept-encoding", "connection", "content-length"}  # what each request has


@dataclass(frozen=True)
class Ask:
    """One request: `answer` is a fixture's name, a document, or an Answer; `headers` are all it may have of its own.

    `agent` is the User-Agent, `body` the document that is sent, or the bytes of a form.
    """

    method: str
    host: str
    path: str
    answer: str | dict | list | Answer
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: Any = None
    agent: str = "vibeusage"

    def seen(self) -> tuple:
        headers, body = {**self.headers, "user-agent": self.agent}, b""
        if isinstance(self.body, bytes):
            body = self.body
            headers.setdefault("content-type", FORM)
        elif self.body is not None:
            body = json.dumps(self.body, sort_keys=True).encode()
            headers.setdefault("content-type", "application/json")
        return self.method, self.host, self.path, self.query, tuple(sorted(headers.items())), body


@dataclass(frozen=True)
class Case:
    """`files` are written below HOME, each a document, a text or bytes; `error` is (category, a part of its sentence).

    `source` is the strategy that has to answer.
    """

    name: str
    asks: tuple[Ask, ...]
    usage: Usage | None = None
    error: tuple[str, str] | None = None
    source: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    settings: str = ""


def cases_of(provider_id: str) -> tuple[Case, ...]:
    """() for a provider that has only tests of its own."""
    if not (Path(__file__).parent / "cases" / f"{provider_id}.py").exists():
        return ()
    return importlib.import_module(f"providers.cases.{provider_id}").CASES


def every() -> list[tuple[str, Case]]:
    return [(name, case) for name in providers.ids() for case in cases_of(name)]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def fixture(provider_id: str, name: str) -> bytes:
    return (ROOT / "fixtures" / provider_id / name).read_bytes()


def settle(provider_id: str, case: Case, home: Path) -> None:
    """Its files below `home`."""
    for name, content in case.files.items():
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o600)


def play(provider_id: str, case: Case, world: World) -> None:
    """What the vendor answers; several asks of one address are answered in their order."""
    answers: dict[tuple[str, str, str], list] = {}
    for ask in case.asks:
        match ask.answer:
            case Answer() as answer:
                pass
            case str() as name:
                answer = Answer(body=fixture(provider_id, name), headers={"content-type": "application/json"})
            case document:
                answer = Answer(json=document)
        answers.setdefault((ask.method, ask.host, ask.path), []).append(answer)
    for (method, host, path), said in answers.items():
        world.on(method, host, path, said)


def asked(request: Request) -> tuple:
    """A request that arrived in the form of `Ask.seen`, a JSON body with its keys in order."""
    headers = {name: value for name, value in request.headers.items() if name not in USUAL}
    body = request.body
    if body and headers.get("content-type") != FORM:
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    assert (request.scheme, request.headers["host"]) == ("https", request.host)
    return request.method, request.host, request.path, request.query, tuple(sorted(headers.items())), body


def run(provider_id: str, environ: Mapping[str, str], verify: ssl.SSLContext) -> fetch.Round:
    around = accounts.Surroundings(environ, AT, foreground=True)
    asking = fetch.Asking(accounts.one(provider_id, config.load(), around), None)
    return asyncio.run(asking.answer(verify)) if asking.usable else asking.without_asking()
