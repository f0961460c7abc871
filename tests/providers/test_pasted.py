"""What a person pastes at `vibeusage auth` is tried as it is sent later, and found again at the next refresh."""

import io
import sys

import pytest
from providers import case as cases
from providers.cases import amp, augment, factory, windsurf
from vendors import World

from vibeusage import cli, vault

RUNNING = {"limits": {"standard": {"weekly": {"usedPercent": 11.5, "secondsRemaining": 600}}}}
PASTED = {
    "amp": (f"AMP_API_KEY={amp.KEY}", amp.ask(amp.told("tier")), "Monthly 24.75%, Orb 25%"),
    "augment": (
        "Cookie: tracking=1; session=invented-1; _session=invented-2",
        augment.asks("credits.json"),
        "Credits 55.94%",
    ),
    "factory": (factory.KEY, factory.asks(factory.KEY, RUNNING), "Weekly 11.5%"),
    "windsurf": (f"org-invented1:{windsurf.TOKEN}", (windsurf.web("devin.json"),), "Daily 17%, Weekly 36%"),
}


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in {**made.environ, "PATH": "/nowhere"}.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.mark.parametrize("provider_id", PASTED)
def test_a_pasted_login_is_tried_stored_and_found_again(provider_id, world, monkeypatch, capfd):
    text, asks, told = PASTED[provider_id]
    cases.play(provider_id, cases.Case("", asks), world)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(["auth", provider_id]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"{provider_id}: {told}"
    assert cli.main(["refresh", provider_id]) == 0
    assert [cases.asked(request) for request in world.requests] == [ask.seen() for ask in (*asks, *asks)]
    assert [entry.account for entry in vault.entries()] == [provider_id]


@pytest.mark.parametrize(
    ("provider_id", "text"),
    [
        pytest.param("augment", "tracking=1", id="augment: no cookie of the session"),
        pytest.param("factory", "sk-ant-of-another", id="factory: a key of another"),
    ],
)
def test_a_wrong_paste_is_refused_before_anybody_is_asked(provider_id, text, world, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(["auth", provider_id]) == 4
    said = capfd.readouterr()
    assert ("that is no" in said.err, text in said.out + said.err) == (True, False)
    assert (world.requests, [*vault.entries()]) == ([], [])


def test_a_session_of_devin_is_not_stored_without_its_organization(world, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(windsurf.TOKEN.encode())))
    assert cli.main(["auth", "windsurf"]) == 2
    assert "vibeusage config set providers.windsurf.params.organization" in capfd.readouterr().err
    assert (world.requests, [*vault.entries()]) == ([], [])
