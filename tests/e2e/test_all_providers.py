"""Every provider with the login of its first case, all at once, by their real names: what is read, time and memory.

The login of a first case lasts for decades, as it is today here and not the day of the cases.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import homes
import msgspec
import pytest
from e2e.measured import Measured, measured
from providers import case as cases
from providers.case import Case
from vendors import Answer, World

from vibeusage import providers
from vibeusage.models import Balance

PROGRAM = [sys.executable, "-P", "-m", "vibeusage", "refresh", "--json"]
MEMORY_MIB = 150
SLOW_S = 2.0
SLOW = "claude"


def good() -> dict[str, Case]:
    """The good round of each that has one; those of `homes` have their own."""
    found = {name: cases.cases_of(name) for name in providers.shipped() if name not in homes.HOSTS}
    return {name: rounds[0] for name, rounds in found.items() if rounds}


@pytest.fixture
def world() -> Iterator[World]:
    with World() as made:
        homes.five_answers(made)
        for name, case in good().items():
            cases.play(name, case, made)
        yield made


def settle(home: Path) -> dict[str, str]:
    """All logins below `home`, what was wanted of the settings, and the environment they take."""
    homes.five_logins(home)
    environ: dict[str, str] = {}
    said = ""
    for name, case in good().items():
        cases.settle(name, case, home)
        environ |= case.environ
        said += case.settings
    config = home.parent / "config"  # where cases put logins of our own
    config.mkdir(mode=0o700, exist_ok=True)
    (config / "config.toml").write_text(said)
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "VIBEUSAGE_CONFIG_DIR": str(config), **environ}


def refreshed(home: Path, world: World) -> Measured:
    return measured(PROGRAM, {**world.environ, **settle(home)})


def test_all_answer_at_once_within_time_and_memory(home, world):
    url = homes.USAGE[SLOW]
    world.on(*url, Answer(json=homes.documents()[SLOW], delay_s=SLOW_S))
    run = refreshed(home, world)
    outcomes = {one["provider_id"]: one for one in json.loads(run.stdout)["outcomes"]}
    wanted = {*homes.HOSTS, *good()}
    assert {name: one.get("error") for name, one in outcomes.items() if not one["success"]} == {}
    assert wanted <= outcomes.keys()
    assert len(wanted) >= 20
    for name, case in good().items():
        assert case.usage is not None
        said = outcomes[name]["snapshot"]
        # the windows' numbers are those of the cases' day
        assert [one["name"] for one in said.get("periods", ())] == [one.name for one in case.usage.periods]
        balance = said.get("balance")
        assert (balance and msgspec.convert(balance, Balance)) == case.usage.balance
    assert world.unknown == []
    print(f"\n{len(wanted)} providers, {len(world.requests)} requests: {run.took_s - SLOW_S:.2f} s beside the slowest")
    print(f"answer of {SLOW_S} s, {run.cpu_s:.2f} s of CPU, {run.peak_mib:.0f} MiB")
    assert run.peak_mib < MEMORY_MIB


@pytest.mark.slow
def test_no_key_is_sent_to_a_host_of_another(home, world):
    refreshed(home, world)
    own = {name: {ask.host for ask in case.asks} for name, case in good().items()}
    for name, case in good().items():
        secrets = [value for key, value in case.environ.items() if key.endswith(("KEY", "TOKEN", "SECRET"))]
        for request in world.requests:
            told = json.dumps([dict(request.headers), request.path, request.query, request.body.decode("latin-1")])
            assert request.host in own[name] or [secret for secret in secrets if secret in told] == []
