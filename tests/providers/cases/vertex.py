"""Rounds of Vertex AI: a person's credentials and a service account's, projects, quotas, and what Google refuses.

Known from: Google's public documentation; every value is invented.
"""

import base64
import json
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from providers.case import AT, Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

GOOGLE, TOKENS = "monitoring.googleapis.com", "oauth2.googleapis.com"
FOLDER = ".config/gcloud"
ADC = f"{FOLDER}/application_default_credentials.json"
WANTED = "[providers.vertex]\nenabled = true\n"
ACCESS = "ya29.invented-access-token-0001"
PERSON = {
    "type": "authorized_user",
    "client_id": "acme.apps.example",
    "client_secret": "invented-client-secret",
    "refresh_token": "1//invented-refresh-token",
    "quota_project_id": "acme-quota",
    "account": "",
}
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ROBOT = {
    "type": "service_account",
    "project_id": "acme-ai",
    "private_key_id": "k1",
    "private_key": PEM,
    "client_email": "robot@acme-ai.example",
    "token_uri": "https://elsewhere.example/token",
}
CPUS = UsagePeriod(name="Quota: online prediction endpoints", utilization=45.0, period_type=PeriodType.DAILY)
USAGE = Usage(periods=(CPUS,), identity=ProviderIdentity(organization="acme-ai"))
NOTHING = Usage(identity=ProviderIdentity(organization="acme-ai"))


def query(kind, **more):
    said = {
        "filter": f'metric.type="serviceruntime.googleapis.com/quota/allocation/{kind}"'
        ' AND resource.type="consumer_quota" AND resource.label.service="aiplatform.googleapis.com"',
        "interval.startTime": "2026-09-13T12:00:00Z",
        "interval.endTime": "2026-09-14T12:00:00Z",
        "aggregation.alignmentPeriod": "3600s",
        "aggregation.perSeriesAligner": "ALIGN_MAX",
        "view": "FULL",
    }
    return urlencode(said | more)


def ask(kind, answer, project="acme-ai", **more):
    return Ask("GET", GOOGLE, f"/v3/projects/{project}/timeSeries", answer, bearer(ACCESS), query(kind, **more))


def redeem(answer=None):
    form = {
        "grant_type": "refresh_token",
        "client_id": "acme.apps.example",
        "client_secret": "invented-client-secret",
        "refresh_token": "1//invented-refresh-token",
    }
    return Ask("POST", TOKENS, "/token", answer or TOKEN, body=urlencode(form).encode())


def assertion():
    """What a service account signs; RSA with this padding gives the same signature each time."""
    said = {
        "iss": "robot@acme-ai.example",
        "scope": "https://www.googleapis.com/auth/monitoring.read",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": int(AT.timestamp()),
        "exp": int(AT.timestamp()) + 3600,
    }
    head = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    text = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, said))
    signed = encoded(KEY.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": f"{text}.{signed}"}
    return Ask("POST", TOKENS, "/token", TOKEN, body=urlencode(form).encode())


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


TOKEN = {"access_token": ACCESS, "expires_in": 3599, "token_type": "Bearer"}


def person(name, *asks, environ=None, files=None, **said):
    environ = {"GOOGLE_CLOUD_PROJECT": "acme-ai"} if environ is None else environ
    return Case(name, asks, environ=environ, files={ADC: PERSON, **(files or {})}, settings=WANTED, **said)


def refused(name, status, body, category, part, **answer):
    document = Answer(status=status, **({"json": body} if isinstance(body, dict) else {"body": body}), **answer)
    return person(name, redeem(), ask("usage", document), error=(category, part))


def refusal(status, reason=""):
    return {"error": {"code": 403, "message": "no", "status": status, "details": [{"reason": reason}]}}


CASES = (
    person(
        "a person's credentials",
        redeem(),
        ask("usage", "usage.json"),
        ask("limit", "limit.json"),
        usage=USAGE,
        source="adc",
    ),
    Case(
        "a service account",
        (assertion(), ask("usage", "usage.json"), ask("limit", "limit.json")),
        Usage(periods=(CPUS,), identity=ProviderIdentity(email="robot@acme-ai.example", organization="acme-ai")),
        files={ADC: ROBOT},
        settings=WANTED,
    ),
    person("no data, which is no error", redeem(), ask("usage", {}), usage=NOTHING),
    person("a usage without its limit", redeem(), ask("usage", "usage.json"), ask("limit", {}), usage=NOTHING),
    person(
        "pages",
        redeem(),
        ask("usage", {"nextPageToken": "p2"}),
        ask("usage", "usage.json", pageToken="p2"),
        ask("limit", "limit.json"),
        usage=USAGE,
    ),
    person(
        "the project beside the credentials",
        redeem(),
        ask("usage", {}, "acme-quota"),
        environ={},
        usage=Usage(identity=ProviderIdentity(organization="acme-quota")),
    ),
    person(
        "the project of gcloud's active configuration",
        redeem(),
        ask("usage", {}, "acme-work"),
        environ={},
        files={
            ADC: {**PERSON, "quota_project_id": "", "account": "ana@acme.example"},
            f"{FOLDER}/active_config": "work\n",
            f"{FOLDER}/configurations/config_work": "[core]\naccount = ana@acme.example\nproject = acme-work\n",
            f"{FOLDER}/configurations/config_default": "[core]\nproject = acme-other\n",
        },
        usage=Usage(identity=ProviderIdentity(email="ana@acme.example", organization="acme-work")),
    ),
    Case(
        "the project of the settings",
        (redeem(), ask("usage", {}, "acme-set")),
        Usage(identity=ProviderIdentity(organization="acme-set")),
        environ={"GOOGLE_CLOUD_PROJECT": "acme-ai"},
        files={ADC: PERSON},
        settings='[providers.vertex.params]\nproject = "acme-set"\n',
    ),
    person(
        "no project",
        environ={},
        files={ADC: {**PERSON, "quota_project_id": None}},
        error=("not_configured", "is named nowhere"),
    ),
    person(
        "a project that is no name",
        environ={"GOOGLE_CLOUD_PROJECT": "../../v1/x"},
        error=("not_configured", "is not the name of one"),
    ),
    Case(
        "not wanted",
        (),
        error=("not_configured", "only where you say so"),
        environ={"GOOGLE_CLOUD_PROJECT": "acme-ai"},
        files={ADC: PERSON},
    ),
    Case("no credentials", (), error=("not_configured", "has no login"), settings=WANTED),
    person("nothing in them", files={ADC: {"type": "authorized_user"}}, error=("not_configured", "nothing to log in")),
    person(
        "another operator's cloud",
        files={ADC: {**PERSON, "universe_domain": "cloud.example"}},
        error=("not_configured", "of another cloud"),
    ),
    Case(
        "a key that is none",
        (),
        error=("authentication", "is no RSA key"),
        files={ADC: {**ROBOT, "private_key": "-----BEGIN PRIVATE KEY-----\ninvented\n"}},
        settings=WANTED,
    ),
    person(
        "credentials that have run out",
        redeem(Answer(status=400, json={"error": "invalid_grant", "error_description": "reauth related error"})),
        error=("authentication", "invalid_grant"),
    ),
    person("a token answer without one", redeem({"token_type": "Bearer"}), error=("parse", "without an access token")),
    person("a token answer that is a page", redeem(Answer(body=b"<html>")), error=("parse", "without an access token")),
    person("Google is down", redeem(Answer(status=503, headers={"retry-after": "9"})), error=("network", "503")),
    refused("the token is refused", 401, refusal("UNAUTHENTICATED"), "authentication", "refused the login"),
    refused("no right to metrics", 403, refusal("PERMISSION_DENIED"), "authorization", "may not read the metrics"),
    refused("monitoring is off", 403, refusal("PERMISSION_DENIED", "SERVICE_DISABLED"), "authorization", "is off"),
    refused("a page in between", 403, b"<html>", "authorization", "as coming from a bot"),
    refused("no such project", 404, {"error": {"code": 404}}, "authorization", "knows no project"),
    refused("too often", 429, {}, "rate_limited", "asks to wait"),
    refused("wrong shape", 200, {"timeSeries": {}}, "parse", "timeSeries"),
    refused(
        "a point without a value",
        200,
        {"timeSeries": [{"metric": {}, "resource": {}, "points": [{}]}]},
        "parse",
        "value",
    ),
)
