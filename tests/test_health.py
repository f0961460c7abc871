import asyncio
import stat
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from vibeusage import health, http
from vibeusage.models import ProviderStatus, StatusLevel
from vibeusage.providers.spec import Provider, StatusPage

NOW = datetime(2026, 9, 14, 10, tzinfo=UTC)
GEMINI = "npdyhgECDJ6tB66MxXyo"
MINOR = b'{"status":{"indicator":"minor","description":"Slow"}}'


def status(level, description=None, updated_at=None):
    return ProviderStatus(level=StatusLevel(level), description=description, updated_at=updated_at)


def provider(name, parse=health.parse_statuspage, *, has_page=True):
    page = StatusPage(url=f"https://status.{name}.example/api/v2/status.json", parse=parse)
    return Provider(
        id=name,
        name=name.title(),
        hosts=(f"api.{name}.example",),
        dashboard_url="",
        login_hint="",
        strategies=(),
        status=page if has_page else None,
    )


def fetch(*names, now=NOW, **options):
    settings = {"timeout_s": 5, "max_concurrent": 5, **options}
    return asyncio.run(health.fetch_all([provider(name) for name in names], now=now, **settings))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", status("operational", "All Systems Operational")),
        ("minor", status("degraded", "Partially Degraded Service")),
        ("major", status("partial_outage", "Partial System Outage")),
        ("critical", status("major_outage", "Major Service Outage")),
        ("maintenance", status("degraded", "Service Under Maintenance")),
        ("unknown-indicator", status("unknown", "Under review")),
        ("no-description", status("operational")),
    ],
)
def test_each_indicator_of_a_statuspage_has_a_level(name, said, fixture_bytes):
    assert health.parse_statuspage(fixture_bytes(f"health/statuspage-{name}.json")) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("none-ever", status("operational"), id="no incident"),
        pytest.param("all-over", status("operational"), id="ended, or of another product"),
        pytest.param("disruption", status("partial_outage", "Gemini answers with errors"), id="null end"),
        pytest.param(
            "information", status("degraded", "Some users may see a notice"), id="the update counts, not the severity"
        ),
        pytest.param("available-again", status("operational", "Gemini is back, we are watching it"), id="back"),
        pytest.param("severity-only", status("major_outage", "Gemini is down"), id="no update"),
        pytest.param("ungraded", status("unknown", "Something is being looked at"), id="words nobody knows"),
        pytest.param("no-longer-affected", status("operational"), id="what is affected now counts"),
        pytest.param("several", status("major_outage", "A newer outage"), id="the worst, of those the newest"),
    ],
)
def test_the_worst_active_incident_of_a_google_product_is_its_level(name, said, fixture_bytes):
    assert health.parse_google((GEMINI,))(fixture_bytes(f"health/google-{name}.json")) == said


def test_a_google_product_may_be_named_by_a_part_of_its_title(fixture_bytes):
    said = health.parse_google(("Gem", "Another"))(fixture_bytes("health/google-severity-only.json"))
    assert said == status("major_outage", "Gemini is down")


def test_a_description_is_kept_to_a_bounded_length():
    body = b'{"status":{"indicator":"none","description":"' + b"a" * 5000 + b'"}}'
    assert health.parse_statuspage(body) == status("operational", "a" * health.TEXT_LIMIT)


BAD = {
    "empty": b"",
    "a web page": b"<html>soon</html>",
    "another type": b'"none"',
    "no indicator": b'{"status":{}}',
    "number for a word": b'{"status":{"indicator":3}}',
    "bad UTF-8": b'{"status":{"indicator":"\xff"}}',
    "text for a list": b'[{"affected_products":"Gemini"}]',
    "nested deeply": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("parse", [health.parse_statuspage, health.parse_google((GEMINI,))], ids=["page", "google"])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_an_answer_that_is_not_understood_raises(parse, body):
    with pytest.raises((ValueError, RecursionError)):
        parse(body)


def test_a_page_is_asked_without_a_login_and_its_answer_is_stamped(respx_mock, cache_dir):
    route = respx_mock.get("https://status.acme.example/api/v2/status.json").respond(content=MINOR)
    assert fetch("acme") == {"acme": status("degraded", "Slow", NOW)}
    (call,) = route.calls
    assert sorted(call.request.headers) == ["accept", "accept-encoding", "connection", "host", "user-agent"]
    assert call.request.headers["user-agent"] == "vibeusage"
    assert stat.S_IMODE((cache_dir / "status" / "acme.json").stat().st_mode) == 0o600


def test_a_provider_without_a_page_is_left_out():
    found = health.fetch_all([provider("acme", has_page=False)], timeout_s=5, max_concurrent=5, now=NOW)
    assert asyncio.run(found) == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(httpx.ConnectError("no route"), "status.acme.example cannot be reached", id="offline"),
        pytest.param(httpx.ReadTimeout("slow"), "status.acme.example did not answer in time", id="silence"),
        pytest.param(httpx.Response(503), "status.acme.example answered 503", id="server down"),
        pytest.param(httpx.Response(401), "status.acme.example answered 401", id="login asked for"),
        pytest.param(httpx.Response(302), "status.acme.example answered 302", id="moved"),
        *[
            pytest.param(
                httpx.Response(200, content=body),
                "status.acme.example sent an answer that we do not understand",
                id=name,
            )
            for name, body in BAD.items()
        ],
    ],
)
def test_a_page_that_cannot_be_had_is_unknown_with_the_reason_and_never_stored(answer, reason, respx_mock, monkeypatch):
    monkeypatch.setattr(http, "FIRST_PAUSE_S", 0)
    route = respx_mock.get("https://status.acme.example/api/v2/status.json")
    route.mock(**{"side_effect" if isinstance(answer, Exception) else "return_value": answer})
    assert fetch("acme") == {"acme": status("unknown", reason)}
    assert health.read("acme") is None


def test_a_page_that_hangs_is_given_up_alone(respx_mock):
    async def hang(request):
        await asyncio.Event().wait()

    respx_mock.get("https://status.slow.example/api/v2/status.json").mock(side_effect=hang)
    respx_mock.get("https://status.acme.example/api/v2/status.json").respond(content=MINOR)
    assert fetch("slow", "acme", timeout_s=0.2) == {
        "slow": status("unknown", "status.slow.example did not answer within 0.2 s"),
        "acme": status("degraded", "Slow", NOW),
    }


def test_no_more_pages_than_allowed_are_asked_at_once_and_with_one_tls_context(respx_mock, monkeypatch):
    running, seen, contexts = [], [], []

    async def answer(request):
        running.append(request)
        seen.append(len(running))
        await asyncio.sleep(0.01)
        running.remove(request)
        return httpx.Response(200, content=MINOR)

    tls = http.tls
    monkeypatch.setattr(http, "tls", lambda: contexts.append(tls()) or contexts[-1])
    respx_mock.get(url__regex=r"https://status\.p\d\.example/").mock(side_effect=answer)
    found = fetch(*(f"p{number}" for number in range(6)), max_concurrent=2)
    assert (list(found), max(seen), len(contexts)) == ([f"p{number}" for number in range(6)], 2, 1)


@pytest.mark.parametrize(
    ("age_s", "options", "asked"),
    [
        pytest.param(0, {}, False, id="just now"),
        pytest.param(299, {}, False, id="under five minutes"),
        pytest.param(300, {}, True, id="five minutes"),
        pytest.param(-1, {}, True, id="from the future"),
        pytest.param(0, {"reuse_s": 0}, True, id="asked for now"),
    ],
)
def test_an_answer_is_used_again_for_five_minutes(age_s, options, asked, respx_mock):
    kept = status("major_outage", "Down", NOW - timedelta(seconds=age_s))
    health.write("acme", kept)
    respx_mock.get("https://status.acme.example/api/v2/status.json").respond(content=MINOR)
    respx_mock.assert_all_called = False
    assert fetch("acme", **options) == {"acme": status("degraded", "Slow", NOW) if asked else kept}
    assert len(respx_mock.calls) == asked


def test_a_failure_keeps_the_last_answer_in_the_cache(respx_mock):
    kept = status("major_outage", "Down", NOW - timedelta(hours=1))
    health.write("acme", kept)
    respx_mock.get("https://status.acme.example/api/v2/status.json").respond(404)
    assert fetch("acme") == {"acme": status("unknown", "status.acme.example answered 404")}
    assert health.read("acme") == kept


def test_a_cache_that_cannot_be_written_takes_no_answer_away(respx_mock, cache_dir):
    cache_dir.mkdir()
    (cache_dir / "status").write_text("a file in the place of the folder")
    respx_mock.get("https://status.acme.example/api/v2/status.json").respond(content=MINOR)
    assert fetch("acme") == {"acme": status("degraded", "Slow", NOW)}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"schema":1,"status":{"level":"degr', id="torn"),
        pytest.param(b'{"schema":2,"status":{"level":"degraded"}}', id="a newer schema"),
        pytest.param(b'{"schema":1,"status":{"level":"great"}}', id="a level nobody knows"),
        pytest.param(b'{"schema":1,"status":{"level":"degraded","description":"\xff"}}', id="bad UTF-8"),
        pytest.param(b"[" * 100_000, id="nested deeply"),
    ],
)
def test_a_damaged_file_is_none_and_is_replaced(data, cache_dir):
    health.write("acme", status("degraded", "Slow", NOW))
    (cache_dir / "status" / "acme.json").write_bytes(data)
    assert health.read("acme") is None
    health.write("acme", status("operational", None, NOW))
    assert health.read("acme") == status("operational", None, NOW)


def feed(*items):
    rows = "".join(
        f"<item><title>{title}</title><pubDate>{at}</pubDate><description>{text}</description></item>"
        for title, at, text in items
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Acme</title>{rows}</channel></rss>'.encode()


TODAY, BEFORE = "Mon, 14 Sep 2026 08:00:00 GMT", "Sat, 12 Sep 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ((), status("operational")),
        ((("Slow answers", TODAY, "investigating"),), status("degraded", "Slow answers")),
        ((("Slow answers", TODAY, "This is Resolved."),), status("operational")),
        ((("Slow answers", BEFORE, "investigating"),), status("operational")),
        ((("Slow answers", "soon", "investigating"),), status("operational")),
        ((("Done", TODAY, "resolved"), ("Down", TODAY, "")), status("degraded", "Down")),
    ],
    ids=["none", "now", "resolved", "of another day", "no time", "the second"],
)
def test_a_feed_of_incidents_tells_of_those_of_the_last_day(items, said):
    assert health.parse_rss(feed(*items), NOW) == said


@pytest.mark.parametrize(
    "body", [b"{}", b"<rss></rss>", b'<!DOCTYPE rss [<!ENTITY a "b">]><rss><channel/></rss>', b"<rss><channel>"]
)
def test_what_is_no_feed_of_incidents_is_refused(body):
    with pytest.raises(ValueError, match=r"feed|XML"):
        health.parse_rss(body)
