"""A store with a year of calls: every day, of many tools, models and folders; and one with hostile names."""

import random
from datetime import UTC, datetime, timedelta

from vibeusage.records.readers.spec import Call
from vibeusage.records.store import Store

UNTIL = datetime(2026, 11, 26, 15, tzinfo=UTC)
TOOLS = {
    "claude": ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-5"),
    "codex": ("gpt-5.2-codex", "gpt-5.2", "gpt-5.1-codex-mini"),
    "gemini": ("gemini-3-pro", "gemini-2.5-flash"),
    "opencode": ("glm-4.7", "a-model-without-a-price"),
}
FOLDERS, BRANCHES = 40, ("main", "feature/login", "fix/אבג")
HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style><script src=//canary.invalid/a.js></script>",
    '"><img src=http://canary.invalid/b.png onerror=alert(2)>',
    "' onmouseover='alert(3)' x='",
    "<svg/onload=alert(4)>&lt;b&gt;&amp;",
    "--><!--<iframe src='http://canary.invalid/c'>]]>",
    "javascript:alert(5)//\u202egnp.exe\u2066\x1b[31m\x07\x00",
    "url(http://canary.invalid/d) } body { display: none",
)


def fill(opened: Store, *, days: int = 365, a_day: int = 30) -> None:
    rng = random.Random(7)
    for tool, models in TOOLS.items():
        calls = [
            _call(f"{tool}-{day}-{number}", UNTIL - timedelta(days=day, minutes=rng.randrange(800)), rng, models)
            for day in range(days)
            for number in range(a_day // len(TOOLS))
        ]
        opened.put(tool, calls, machine="laptop" if tool == "claude" else "desktop")


def _call(uuid: str, at: datetime, rng: random.Random, models: tuple[str, ...]) -> Call:
    return Call(
        uuid=uuid,
        ts=int(at.timestamp() * 1000),
        session=uuid.rpartition("-")[0],
        model=rng.choice(models),
        folder=f"/home/ana/work/project-{rng.randrange(FOLDERS)}",
        branch=rng.choice(BRANCHES),
        input=rng.randrange(1, 4_000),
        output=rng.randrange(20, 5_000),
        write=rng.randrange(30_000),
        read=rng.randrange(4_000, 400_000),
    )


def fill_with(opened: Store, names: tuple[str, ...]) -> None:
    """A call for each name, which stands in all places that a log fills."""
    for place, name in enumerate(names):
        at = int((UNTIL - timedelta(days=place)).timestamp() * 1000)
        one = Call(
            uuid=str(place),
            ts=at,
            session=name,
            model=name,
            served_by=name,
            folder=f"/srv/{name}",
            branch=name,
            input=10 + place,
            output=5,
            read=90,
        )
        opened.put("claude", [one], machine=f"{name}{place}")
