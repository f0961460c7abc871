"""The demo's samples: one for every provider that can be asked, whole and of today."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from vibeusage import demo, samples

NOW = datetime(2026, 12, 30, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def round_of_all():
    """{provider: outcome} of one refresh in the demo's home, and {(method, path): answer} of all that it asked."""
    asked, answer_to = {}, demo.answer_to

    def noted(method, path):
        asked[method, path] = answer_to(method, path)
        return asked[method, path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "answer_to", noted)
        with demo.server() as base_url, demo.home(base_url) as environ:
            command = [sys.executable, "-m", "vibeusage", "refresh", "--json"]
            done = subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)
    outcomes = json.loads(done.stdout)["outcomes"]
    return {outcome["provider_id"]: outcome for outcome in outcomes}, asked


def test_asked_with_its_sample_every_provider_says_a_number_and_no_error(round_of_all):
    outcomes, _ = round_of_all
    assert {name: wrong for name in samples.ids() if (wrong := _wrong(outcomes.get(name)))} == {}


def _wrong(outcome):
    if outcome is None:
        return "not there"
    if error := outcome.get("error"):
        return error["message"]
    return "" if {"periods", "balance", "overage"} & outcome["snapshot"].keys() else "says nothing"


def test_every_answer_is_asked_for_and_no_other(round_of_all):
    _, asked = round_of_all
    known = {(name, *key.split(" ")) for name in samples.ids() for key in samples.load(name).answers}
    assert {*asked} == {(method, f"/{name}{path}") for name, method, path in known}
    assert [key for key, answer in asked.items() if answer is None] == []


def test_every_window_is_open(round_of_all):
    outcomes, _ = round_of_all
    asked_at = datetime.now(UTC) - timedelta(minutes=1)  # a day may have ended since
    ends = [
        (name, datetime.fromisoformat(period["resets_at"]))
        for name, outcome in outcomes.items()
        for period in outcome["snapshot"].get("periods", ())
        if period.get("resets_at")
    ]
    assert len(ends) > 50
    assert [name for name, at in ends if not asked_at < at < asked_at + timedelta(days=60)] == []


@pytest.mark.parametrize("name", samples.ids())
def test_a_sample_names_nobody(name):
    text = (samples.HERE / f"{name}.json").read_text()
    assert {*re.findall(r"[\w.-]+@[\w.-]+", text)} <= {"you@example.org"}
    # an instant that is no placeholder would be over one day
    assert re.findall(r"\b20[2-9]\d-[01]\d|\b1[78]\d{8}\b", text) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("{+4d12h:iso}", "2027-01-04T00:00:00Z", id="iso"),
        pytest.param("{+30m:epoch}", 1798633800, id="a number of seconds"),
        pytest.param("{-1d:ms}", 1798545600000, id="a number of milliseconds"),
        pytest.param("{+16d:%m/%d}", "01/15", id="a form of strftime"),
        pytest.param("<next={+2d:%Y-%m-%d}>", "<next=2027-01-01>", id="within a text"),
        pytest.param("{+0m:epoch} s", "1798632000 s", id="a number within a text"),
        pytest.param({"a": [{"b": "{+1h:iso}"}, None, 3]}, {"a": [{"b": "2026-12-30T13:00:00Z"}, None, 3]}, id="deep"),
        pytest.param("{now:iso} {+1w:iso}", "{now:iso} {+1w:iso}", id="no length"),
    ],
)
def test_an_instant_is_written_from_now(written, expected):
    assert samples.filled(written, NOW) == expected
