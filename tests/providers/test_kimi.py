"""A login of our own at Kimi: by code, with the headers that Kimi wants, and renewed as the same device."""

import asyncio
import json
import os
import re
from urllib.parse import parse_qs

import pytest
from providers import case as cases
from vendors import Answer, World

from vibeusage import accounts, config, http, oauth, vault
from vibeusage.providers import kimi

AUTH = "auth.kimi.com"
CODE = {
    "user_code": "ABCD-1234",
    "device_code": "invented-device-code",
    "verification_uri": "",
    "verification_uri_complete": "https://www.kimi.com/code/authorize_device?user_code=ABCD-1234",
    "expires_in": 600,
    "interval": 1,
}
TOKEN = {"access_token": "invented-access", "refresh_token": "invented-refresh-1", "expires_in": 900, "scope": "kimi"}
HEADERS = ("platform", "version", "device-name", "device-model", "os-version", "device-id")


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


async def log_in():
    flow = kimi.PROVIDER.device
    assert flow
    ctx = accounts.one("kimi", config.load(), accounts.Surroundings(os.environ, cases.AT, foreground=True))
    async with http.open_client(10, ctx.provider.hosts, http.tls()) as ctx.client:
        code = await oauth.request_code(flow, ctx)
        return code, await oauth.await_token(flow, code, ctx)


def forms(world):
    return [{name: values[0] for name, values in parse_qs(one.body.decode()).items()} for one in world.to(AUTH)]


def test_a_login_by_code_is_stored_with_the_device_and_renewed_as_the_same(world, monkeypatch):
    real = asyncio.sleep
    monkeypatch.setattr(oauth.asyncio, "sleep", lambda seconds: real(0))
    world.on("POST", AUTH, "/api/oauth/device_authorization", Answer(json=CODE))
    pending = Answer(status=400, json={"error": "authorization_pending"})
    renewed = {**TOKEN, "access_token": "invented-access-2", "refresh_token": "invented-refresh-2"}
    world.on("POST", AUTH, "/api/oauth/token", [pending, Answer(json=TOKEN), Answer(json=renewed)])
    world.on("GET", "api.kimi.com", "/coding/v1/usages", Answer(body=cases.fixture("kimi", "usages.json")))
    code, kept = asyncio.run(log_in())
    assert code.verification_uri == CODE["verification_uri_complete"]

    vault.write("kimi", "oauth", {**kept, "expires_at": cases.AT.timestamp() * 1000}, "")  # about to run out
    said = cases.run("kimi", dict(os.environ), http.tls())
    assert said.error is None
    assert world.to("api.kimi.com")[0].headers["authorization"] == "Bearer invented-access-2"
    after = vault.read("kimi", "oauth", foreground=True)
    assert after and (after["refresh_token"], after["device_id"]) == ("invented-refresh-2", kept["device_id"])

    client = {"client_id": kimi.CLIENT_ID}
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": CODE["device_code"]}
    again = {"grant_type": "refresh_token", "refresh_token": "invented-refresh-1"}
    assert forms(world) == [client, client | grant, client | grant, client | again]
    sent = [{name: one.headers[f"x-msh-{name}"] for name in HEADERS} for one in world.to(AUTH)]
    assert sent == [sent[0]] * 4
    assert re.fullmatch(r"[0-9a-f]{32}", kept["device_id"])
    assert (sent[0]["device-id"], sent[0]["platform"]) == (kept["device_id"], "vibeusage")
    assert [name for name in world.requests[-1].headers if name.startswith("x-msh")] == []
    assert "invented-refresh" not in json.dumps([str(one) for one in said.attempts])


def test_what_is_told_of_a_device_is_ascii_and_never_empty(monkeypatch):
    monkeypatch.setattr(kimi.platform, "release", lambda: "日本")
    monkeypatch.setattr(kimi.platform, "system", lambda: "Línux")
    said = kimi.device_headers("d")
    assert (said["X-Msh-Os-Version"], said["X-Msh-Device-Model"].split()[0]) == ("unknown", "Lnux")
