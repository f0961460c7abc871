"""Rounds of Antigravity's cloud; what runs on this machine is in test_antigravity.py. Every value is invented."""

from datetime import UTC, datetime

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

HOST = "daily-cloudcode-pa.googleapis.com"
ASSIST, SUMMARY, MODELS, BUCKETS = (
    f"/v1internal:{method}"
    for method in ("loadCodeAssist", "retrieveUserQuotaSummary", "fetchAvailableModels", "retrieveUserQuota")
)
CLIENT = {"metadata": {"ideType": "ANTIGRAVITY", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}}
TOKEN, PROJECT = "ya29.invented-antigravity", {"project": "proj-invented"}
TOKENS = {"access_token": TOKEN, "refresh_token": "1//invented", "token_type": "Bearer"}
LATER, BEFORE = "2099-09-14T12:30:00.5Z", "2026-09-14T11:59:59Z"
JETSKI = ".gemini/jetski-standalone-oauth-token"
OLD_FILE = ".gemini/antigravity-cli/antigravity-oauth-token"
SHARED = ".gemini/oauth_creds.json"
FILES = {JETSKI: {"auth_method": "consumer", "token": {**TOKENS, "expiry": LATER}}}
PRO = ProviderIdentity(plan="Google AI Pro")


def window(name: str, used: float, kind: PeriodType, resets_at: str, model: str | None = None) -> UsagePeriod:
    resets = datetime.fromisoformat(resets_at).replace(tzinfo=UTC)
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets, model=model)


FOUR = (
    window("Gemini Session (5h)", 9.0, PeriodType.SESSION, "2026-09-14T17:05:00"),
    window("Gemini Weekly", 56.0, PeriodType.WEEKLY, "2026-09-19T06:00:00"),
    window("Other models Session (5h)", 1.5, PeriodType.SESSION, "2026-09-14T16:00:00", "Other models"),
    window("Other models Weekly", 30.0, PeriodType.WEEKLY, "2026-09-20T06:00:00", "Other models"),
)
OF_MODELS = (
    window("Gemini", 56.0, PeriodType.WEEKLY, "2026-09-19T06:00:00", "Gemini"),
    window("Other models", 30.0, PeriodType.SESSION, "2026-09-14T16:00:00", "Other models"),
)
OF_BUCKETS = (window("Gemini", 18.0, PeriodType.WEEKLY, "2026-09-15T07:00:00", "Gemini"),)
GOOD = Usage(periods=FOUR, identity=PRO)


def ask(path: str, answer: str | dict | list | Answer, body: dict = PROJECT) -> Ask:
    return Ask("POST", HOST, path, answer, bearer(TOKEN), body=body, agent="antigravity")


KNOWN = ask(ASSIST, "assist.json", CLIENT)
ROUND = (KNOWN, ask(SUMMARY, "summary.json"))
GONE = Answer(status=404, json={"error": {"status": "NOT_FOUND"}})
DENIED = Answer(status=403, json={"error": {"status": "PERMISSION_DENIED"}})
PAGE = Answer(status=403, body=b"<html>blocked</html>", headers={"content-type": "text/html"})


def of_file(name: str, document: object, *more: str) -> dict:
    return {name: document, **dict.fromkeys(more, "x")}


def after(name: str, *answers: str | dict | list | Answer, error: tuple[str, str] | None = None, **options) -> Case:
    """What the methods answer, in their order, after a project that is known."""
    paths = (SUMMARY, MODELS, BUCKETS)
    asks = tuple(ask(path, answer) for path, answer in zip(paths, answers, strict=False))
    return Case(name, (KNOWN, *asks), error=error, source="" if error else "cloud", files=FILES, **options)


CASES = (
    Case("the login file of agy", ROUND, GOOD, source="cloud", files=FILES),
    Case("its old place", ROUND, GOOD, files=of_file(OLD_FILE, {"token": {**TOKENS, "expiry": LATER}})),
    Case(
        "the login that agy shares with gemini",
        ROUND,
        Usage(periods=FOUR, identity=ProviderIdentity(email="dev@example.org", plan="Google AI Pro")),
        files={
            ".gemini/antigravity-cli/settings.json": {},
            SHARED: {
                **TOKENS,
                "expiry_date": 1789389000000,
                "id_token": "e30.eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyJ9.invented",
            },
        },
    ),
    Case(
        "gemini's login where agy never ran is gemini's",
        (),
        error=("not_configured", "no login"),
        files={SHARED: {**TOKENS, "expiry_date": 1789389000000}},
    ),
    Case(
        "one that has run out beside a good one",
        ROUND,
        GOOD,
        files={OLD_FILE: {"token": {**TOKENS, "expiry": BEFORE}}, **FILES},
    ),
    Case(
        "a login that has run out is not sent",
        (),
        error=("authentication", "has expired"),
        files={JETSKI: {"token": {**TOKENS, "expiry": BEFORE}}},
    ),
    Case("an expiry in words is unknown", ROUND, GOOD, files={JETSKI: {"token": {**TOKENS, "expiry": "soon"}}}),
    Case("a file without a token", (), error=("not_configured", "no login"), files={JETSKI: {"token": {}}}),
    Case("a file that is no document", (), error=("not_configured", "no login"), files={JETSKI: "{"}),
    Case(
        "a free plan has no 5-hour window",
        (ask(ASSIST, "assist-free.json", CLIENT), ask(SUMMARY, "summary.json", {"project": "proj-object"})),
        Usage(periods=(FOUR[1], FOUR[3]), identity=ProviderIdentity(plan="Antigravity Starter")),
        files=FILES,
    ),
    Case(
        "without a project none is named",
        (ask(ASSIST, {}, CLIENT), ask(SUMMARY, "summary.json", {})),
        Usage(periods=FOUR),
        files=FILES,
    ),
    Case(
        "who it is may be denied",
        (ask(ASSIST, DENIED, CLIENT), ask(SUMMARY, "summary.json", {})),
        Usage(periods=FOUR),
        files=FILES,
    ),
    after("no summary", GONE, "models-cloud.json", usage=Usage(periods=OF_MODELS, identity=PRO)),
    after("an empty summary", {}, "models-cloud.json", usage=Usage(periods=OF_MODELS, identity=PRO)),
    after(
        "a placeholder of models",
        GONE,
        "models-placeholder.json",
        "models-buckets.json",
        usage=Usage(periods=OF_BUCKETS, identity=PRO),
    ),
    after("nothing is known", {"groups": []}, GONE, GONE, error=("parse", "no bucket that says how much is left")),
    after("nothing is there", GONE, GONE, GONE, error=("parse", "answered 404")),
    after("another type", [], {"models": 7}, {"buckets": "x"}, error=("parse", "no groups of limits")),
    after("limits are denied", DENIED, error=("authorization", "limits unavailable")),
    after("a page that blocks", PAGE, error=("authorization", "bot")),
    after("refused", Answer(status=401, json={}), error=("authentication", "refused the login")),
    after("asked too often", Answer(status=429, json={}), error=("rate_limited", "asks to wait")),
    Case(
        "refused at once",
        (ask(ASSIST, Answer(status=401, json={}), CLIENT),),
        error=("authentication", "refused the login"),
        files=FILES,
    ),
    after("down", Answer(status=503, json={}, headers={"retry-after": "9"}), error=("network", "answered 503")),
    Case(
        "another address is not for this login",
        (),
        error=("configuration", "base_url"),
        files=FILES,
        settings='[providers.antigravity]\nbase_url = "https://proxy.example"\n',
    ),
)
