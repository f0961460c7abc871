"""A store with a year of calls: every day, of many tools, models and folders; and one with hostile names."""

import random
from datetime import UTC, datetime, timedelta

from vibeusage.records.quotas import Sample
from vibeusage.records.readers.spec import Call
from vibeusage.records.store import Store

UNTIL = datetime(2026, 11, 26, 15, tzinfo=UTC)
TOOLS = {
    "claude": ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-5"),
    "codex": ("gpt-5.2-codex", "gpt-5.2", "gpt-5.1-codex-mini"),
    "gemini": ("gemini-3-pro", "gemini-2.5-flash"),
    "opencode": ("glm-4.7", "a-model-without-a-price"),
}
SESSION_S, WEEK_S = 5 * 3600, 7 * 86_400
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


def fill_quotas(opened: Store, *, account: str = "claude", days: int = 14) -> None:
    """A session and a weekly window, looked at every quarter of an hour: each session is used further than the last."""
    start = int((UNTIL - timedelta(days=days)).timestamp()) // WEEK_S * WEEK_S
    looks = range(start, int(UNTIL.timestamp()), 900)
    for name, length, every in (("Session (5h)", SESSION_S, 7), ("Weekly", WEEK_S, 3)):
        samples = []
        for at in looks:
            number, passed = divmod(at - start, length)
            used = min(100.0, (number % every + 1) * 100 / every * passed / length * 1.1)
            samples.append(Sample(account, name, "", length, at=at, used=used, resets_at=at - passed + length))
        for place in range(0, len(samples), 500):
            opened.note_quotas(samples[place : place + 500], now=samples[-1].at, keep_from=0)
