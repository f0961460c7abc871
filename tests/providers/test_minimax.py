"""The region of a MiniMax key is found once and kept with the key."""

import os

from providers import case as cases
from providers.cases.minimax import CHINA, PATH, WORLD, error
from vendors import Answer, World

from vibeusage import http


def test_the_region_that_knows_a_key_is_asked_alone_until_there_is_another_key(monkeypatch):
    with World() as world:
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        known = Answer(body=cases.fixture("minimax", "remains.json"))
        world.on("GET", WORLD, PATH, Answer(json=error(1004)))
        world.on("GET", CHINA, PATH, [known, known, Answer(json=error(1004)), known])

        def asked(key):
            before = len(world.requests)
            said = cases.run("minimax", {**os.environ, "MINIMAX_API_KEY": key}, http.tls())
            return [request.host for request in world.requests[before:]], said.error and said.error.category

        assert asked("sk-cp-one") == ([WORLD, CHINA], None)
        assert asked("sk-cp-one") == ([CHINA], None)
        assert asked("sk-cp-one") == ([CHINA], "authentication")
        assert asked("sk-cp-two") == ([WORLD, CHINA], None)
