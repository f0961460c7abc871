"""Every case of every provider, over TLS: what is asked of whom, with which headers, and all that comes of it."""

import json
import os

import pytest
from providers import case as cases
from vendors import World

from vibeusage import http
from vibeusage.models import Usage


@pytest.fixture(scope="module")
def world():
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def verify(world):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", world.environ["SSL_CERT_FILE"])
        return http.tls()


@pytest.mark.parametrize(
    ("provider_id", "case"), [pytest.param(name, case, id=f"{name}: {case.name}") for name, case in cases.every()]
)
def test_a_case(provider_id, case, world, verify, home, config_dir, monkeypatch):
    cases.settle(provider_id, case, home)
    cases.play(provider_id, case, world)
    if case.settings:
        config_dir.mkdir(mode=0o700, exist_ok=True)
        (config_dir / "config.toml").write_text(case.settings)
    for name, value in {**world.environ, **case.environ}.items():
        monkeypatch.setenv(name, value)
    before, connected = len(world.requests), len(world.connects)
    said = cases.run(provider_id, {**os.environ, "PATH": "/nowhere"}, verify)

    snapshot, error = said.snapshot, said.error
    usage = snapshot and Usage(
        periods=snapshot.periods, overage=snapshot.overage, balance=snapshot.balance, identity=snapshot.identity
    )
    if case.error:
        category, part = case.error
        assert (usage, error and error.category) == (None, category)
        assert error and part in str(error)
        assert error.hint
    else:
        assert (usage, error) == (case.usage, None)
    if case.source:
        assert snapshot and snapshot.source == case.source
    assert sorted(map(cases.asked, world.requests[before:])) == sorted(ask.seen() for ask in case.asks)
    assert {host.rpartition(":")[0] for host in world.connects[connected:]} <= {ask.host for ask in case.asks}
    secrets = [value for name, value in case.environ.items() if name.endswith(("KEY", "TOKEN", "SECRET"))]
    told = f"{said} {error} {error and error.hint} {json.dumps([str(one) for one in said.attempts])}"
    assert [secret for secret in secrets if secret in told] == []
