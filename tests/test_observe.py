"""What a document adds to the observations: a reply is news, an idle session's repetition is not."""

import json
import os

import pytest

from vibeusage import cache, cachefiles, document, observe, table

NOW = 1_795_315_000


def doc(session="s1", five=42.0, seven=17.3, api_ms=200, **more):
    limits = {}
    if five is not None:
        limits["five_hour"] = {"used_percentage": five, "resets_at": NOW + 7200}
    if seven is not None:
        limits["seven_day"] = {"used_percentage": seven, "resets_at": NOW + 400_000}
    return {
        "session_id": session,
        "cost": {"total_api_duration_ms": api_ms, "total_duration_ms": 90_000},
        "context_window": {"current_usage": {"input_tokens": 1}},
        "rate_limits": limits,
        **more,
    }


def seen(found, now):
    observation = observe.observation(found, os.environ, now)
    assert observation
    folder = cachefiles.cache_folder(os.environ)
    shown = observe.known_since(folder, observation, now)
    observe.record(folder, observation, now)
    return shown


def known(now=NOW):
    text = cachefiles.read_file(cachefiles.cache_folder(os.environ) + "/observations/claude").decode()
    parsed = table.parse(text, table.OBSERVATION_MAGIC, now)
    assert parsed
    return {name: (row[2], row[4]) for name, row in parsed.periods["claude"].items()}


def test_an_idle_session_does_not_bring_its_old_numbers_back():
    seen(doc("s1", 42.0, 17.3), NOW)
    seen(doc("s2", 55.0, 19.0), NOW + 60)
    repeated = seen(doc("s1", 42.0, 17.3), NOW + 120)
    assert known(NOW + 120) == {"Session (5h)": (55.0, NOW + 60), "Weekly": (19.0, NOW + 60)}
    assert {row[4] for row in repeated[1].values()} == {NOW}
    seen(doc("s1", 58.0, 20.0, api_ms=300), NOW + 180)
    assert known(NOW + 180) == {"Session (5h)": (58.0, NOW + 180), "Weekly": (20.0, NOW + 180)}


def test_an_idle_session_of_the_account_before_does_not_bring_its_numbers_back():
    seen(doc("s1", 42.0, 17.3), NOW)
    cache.forget_numbers("claude", NOW + 60)
    assert cache.snapshots_with_observations(NOW + 60) == {}
    assert {row[4] for row in seen(doc("s1", 42.0, 17.3), NOW + 120)[1].values()} == {NOW}
    assert cache.snapshots_with_observations(NOW + 120) == {}
    seen(doc("s1", 3.0, 1.0, api_ms=300), NOW + 180)
    assert known(NOW + 180) == {"Session (5h)": (3.0, NOW + 180), "Weekly": (1.0, NOW + 180)}


def test_a_reply_with_the_same_numbers_is_still_news():
    seen(doc("s1", api_ms=200), NOW)
    seen(doc("s1", api_ms=300), NOW + 60)
    assert known(NOW + 60)["Session (5h)"] == (42.0, NOW + 60)


def test_limits_that_survived_a_clear_are_no_newer_than_the_session():
    seen(doc("s1", 50.0), NOW)
    cleared = doc("s2", 42.0, api_ms=0)
    cleared["context_window"] = {"current_usage": None}
    seen(cleared, NOW + 30)  # begun 90 s ago, before the 50 % were seen
    assert known(NOW + 30)["Session (5h)"] == (50.0, NOW)


def test_a_window_that_is_no_longer_sent_keeps_its_own_age():
    seen(doc("s1"), NOW)
    seen(doc("s1", 43.0, None, api_ms=300), NOW + 60)
    assert known(NOW + 60) == {"Session (5h)": (43.0, NOW + 60), "Weekly": (17.3, NOW)}


def test_nothing_new_writes_nothing():
    seen(doc(), NOW)
    folder = cachefiles.cache_folder(os.environ)
    before = [os.stat(f"{folder}/{name}").st_ino for name in ("observations/claude", "generation")]
    seen(doc(), NOW + 60)
    assert [os.stat(f"{folder}/{name}").st_ino for name in ("observations/claude", "generation")] == before


def test_only_so_many_sessions_are_remembered():
    for number in range(60):
        seen(doc(f"s{number}", api_ms=number + 1), NOW + number)
    text = cachefiles.read_file(cachefiles.cache_folder(os.environ) + "/observations/claude").decode()
    assert text.count("session\t") == table.SESSIONS_KEPT


@pytest.mark.parametrize(
    ("limits", "rows"),
    [
        pytest.param({"five_hour": None, "seven_day": {}}, {}, id="windows without numbers"),
        pytest.param({"five_hour": {"used_percentage": -1}}, {}, id="negative"),
        pytest.param(
            {"five_hour": {"used_percentage": 2e6}, "seven_day": {"used_percentage": 7}},
            {"Weekly": ("7d", 604_800, 7.0, 0, NOW, "statusline", "window")},
            id="absurd, beside one that is not",
        ),
        pytest.param({"five_hour": {"used_percentage": True}}, {}, id="no number"),
        pytest.param(
            {"five_hour": {"used_percentage": "41.7", "resets_at": "2026-11-22T05:00:00Z"}},
            {"Session (5h)": ("5h", 18_000, 41.7, 1_795_323_600, NOW, "statusline", "window")},
            id="texts for numbers",
        ),
        pytest.param(
            {"five_hour": {"used_percentage": 5, "resets_at": 1_795_323_600_000}},
            {"Session (5h)": ("5h", 18_000, 5.0, 1_795_323_600, NOW, "statusline", "window")},
            id="milliseconds",
        ),
        pytest.param(
            {"seven_day_opus": {"used_percentage": 12}, "seven_day_new_lane": {"used_percentage": 3}},
            {
                "Opus": ("Opus", 604_800, 12.0, 0, NOW, "statusline", "model"),
                "New lane": ("New lane", 604_800, 3.0, 0, NOW, "statusline", "model"),
            },
            id="windows per model, known and new",
        ),
        pytest.param(
            {"spend_limit": {"used_percentage": 103.5, "period": "weekly"}},
            {"Spend limit": ("spend", 604_800, 103.5, 0, NOW, "statusline", "extra")},
            id="spend limit of a gateway",
        ),
    ],
)
def test_each_shape_of_limits_is_read_as_it_says(limits, rows):
    found = {"rate_limits": limits, "context_window": {"current_usage": {}}}
    assert document.limits(found, NOW)[1] == rows


def test_antigravity_quotas_are_read_as_used():
    quota = {
        "gemini-5h": {"remaining_fraction": 0.25, "reset_in_seconds": 600},
        "gemini-weekly": {"remaining_fraction": 1, "reset_time": "2026-11-24T00:00:00Z"},
        "3p-5h": {"remaining_fraction": 0.5},
        "3p-weekly": {"remaining_fraction": "soon"},
        "unknown": {"remaining_fraction": 0.5},
    }
    assert document.limits({"product": "antigravity", "quota": quota}, NOW) == (
        "antigravity",
        {
            "Gemini Session (5h)": ("5h", 18_000, 75.0, NOW + 600, NOW, "statusline", "window"),
            "Gemini Weekly": ("7d", 604_800, 0, 1_795_478_400, NOW, "statusline", "window"),
            "Other models Session (5h)": ("5h Other models", 18_000, 50.0, 0, NOW, "statusline", "model"),
        },
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2.5, null, true, "\\u00e9\\ud83d\\ude00\\n"], "b": {"c": {}}}',
        ' {"dup": 1, "dup": 2} \n',
        '{"big": 123456789012345678901234567890, "e": 1e3}',
    ],
)
def test_the_fast_decoder_reads_what_json_reads(text):
    assert document.decode(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"a":',
        b'{"a":1}x',
        b'{"a":NaN}',
        b"\xff",
        b'{"a":' + b"[" * 100_000,
        b'{"a":1' + b"0" * 5000 + b"}",
    ],
    ids=["empty", "list", "null", "torn", "more behind", "NaN", "bytes", "deep", "5000 digits"],
)
def test_what_is_no_document_is_none(data):
    assert document.decode(data) is None


def test_the_decoder_does_without_the_private_scanner(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "_json", None)
    assert document.decode(b' {"a": {"b": 1.5}} ') == {"a": {"b": 1.5}}
