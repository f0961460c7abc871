"""What a declaration may say, and the first mistake in one: its file, its key and what to write instead.

A declaration is a TOML document, `providers/<id>.toml` of ours or `providers.d/<id>.toml` beside config.toml.
What a person reads about a key stands in the last `Meta` of its type, as in `settings`.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vibeusage.declared import pick
from vibeusage.kinds import about, url_problem

NUMBERS = ("percent", "percent_left", "fraction", "fraction_left")
COUNTS = ("used", "left", "limit")
VARIABLE = re.compile(r"\{(\w+)(?::(\w+))?\}")
ADDRESS = re.compile(r"(https?://[^/?#{}]+|\{base\})(/[^#]*)?")
_TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+\Z"


def _path_problem(path: str) -> str:
    try:
        pick.ways(path)
    except ValueError as exc:
        return str(exc)
    return ""


def _number_problem(number: Any) -> str:
    problems = [_path_problem(term.path) for term in terms(number)]
    return next(filter(None, problems), "" if problems else "is empty")


def _auth_problem(auth: str | list[str]) -> str:
    for way in [auth] if isinstance(auth, str) else auth:
        if not re.fullmatch(r"bearer|raw|none|header:[A-Za-z0-9-]+|scheme:[A-Za-z]+", way):
            return 'has a way that is not "bearer", "raw", "none", "header:NAME" or "scheme:WORD"'
    return "" if auth else "is empty"


def _paths_problem(paths: dict[str, str]) -> str:
    return next(filter(None, map(_path_problem, paths.values())), "")


def _address_problem(url: str) -> str:
    found = ADDRESS.fullmatch(url)
    if not found or re.search(r"[^\x21-\x7e]", url):
        return "is not an address: https://host/path, or {base}/path"
    return "" if found[1] == "{base}" else url_problem(found[1])


def _zone_problem(when: str) -> str:
    if when in ("utc-day", "utc-month"):
        return ""
    import zoneinfo  # only a declaration with a zone of its own needs the data

    try:
        zoneinfo.ZoneInfo(when.removeprefix("day:"))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if not zoneinfo.available_timezones():  # a system without the data has no reset, and no mistake
            return ""
        return 'is not "utc-day", "utc-month" or "day:" and a time zone'
    return ""


_Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=_TEXT)]
Name = Annotated[_Line, about("how it is called", "one line of at most 200 characters", "Acme Code")]
Label = Annotated[_Line, about("how it is called", "one line of at most 200 characters", "Weekly")]
Path = Annotated[str, Meta(max_length=500), about("where it lies", "a path such as usage.used", "a.b", _path_problem)]
Address = Annotated[
    str,
    Meta(max_length=1000),
    about("the address to ask", "an https address", "https://api.acme.example/v1/usage", _address_problem),
]
Icon = Annotated[str, Meta(min_length=1, max_length=1, pattern=_TEXT), about("a sign for it", "one character", "◇")]
Page = Annotated[
    str, Meta(max_length=500), about("a page for people", "an https address", "https://acme.example/usage", url_problem)
]
Variable = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\Z"),
    about("a variable of the environment", "the name of an environment variable", "ACME_API_KEY"),
]
Variables = Annotated[
    list[Variable],
    Meta(min_length=1, max_length=8),
    about("the variables that may hold the key", "a list of names of environment variables", ["ACME_API_KEY"]),
]
# no length or pattern within a union: msgspec 0.22 writes past its memory on those (double free)
Auth = Annotated[
    str | list[str],
    about(
        "how the key is sent",
        '"bearer", "raw", "none", "header:NAME" or "scheme:WORD", or a list of these to be tried',
        "header:x-api-key",
        _auth_problem,
    ),
]
Pattern = Annotated[str, Meta(max_length=200), about("what it looks like", "a regular expression", "[a-z0-9-]+")]
Scalar = str | int | float | bool
Values = Annotated[Scalar | list[Scalar], about("what it has to be", "a text, number or boolean, or a list", "ok")]
Texts = Annotated[dict[str, str], about("names and values", "a table of texts", {"a": "b"})]
Kind = Annotated[
    Literal["session", "daily", "weekly", "monthly"],
    about("the kind of window", '"session", "daily", "weekly" or "monthly"', "weekly"),
]
Kinds = Annotated[dict[str, Kind], about("what the words of the answer mean", "a table of kinds", {"5h": "session"})]
Currency = Annotated[
    str, Meta(pattern=r"\A[\w %-]{1,20}\Z"), about("the currency or unit", "a code or a word", "USD")
]
ResetAt = Annotated[
    str, about("when it starts anew", 'such as "utc-day", "utc-month", "day:America/Chicago"', "utc-day", _zone_problem)
]
Stores = Annotated[
    tuple[Literal["apikey", "admin"], ...],
    Meta(min_length=1),
    about("what the key is among those that are stored", 'a list of "apikey", "admin"', ["admin"]),
]
Flag = Annotated[bool, about("yes or no", "true or false", True)]
Method = Annotated[Literal["GET", "POST"], about("the method", '"GET" or "POST"', "POST")]
Word = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,39}\Z"), about("a name", "a name in small letters", "plan")]
Factor = Annotated[float, about("what the number is multiplied by", "a number", 0.01)]
Seconds = Annotated[
    int, Meta(ge=60, le=366 * 86_400), about("how long it lasts", "a whole number of seconds from 60", 3600)
]
Statuses = Annotated[list[int], about("statuses of an answer", "a list of whole numbers", [403])]
NoLimits = Annotated[
    list[int], about("numbers that stand for no limit", "a list of whole numbers", [2147483647])
]
Body = Annotated[dict[str, Any], about("the JSON document that is posted", "a table", {"scope": "all"})]


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without a term that is not `optional` there is no sum: half of it would be a wrong number.

    `per` is a param that the number is divided by; without its value the number is not there.
    """

    path: Path
    factor: Factor = 1.0
    per: Word | None = None
    optional: Flag = False


Number = Annotated[
    str | Term | list[str | Term],
    about(
        "a number of the answer", "a path, {path, factor}, or a list of these that are added up", "a.b", _number_problem
    ),
]


def terms(number: Number | None) -> list[Term]:
    listed = number if isinstance(number, list) else [] if number is None else [number]
    return [Term(term) if isinstance(term, str) else term for term in listed]


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"is_not": "not"}):
    """An answer counts only when `path` is `equals` and not `not`; values in `auth` say that the key is refused.

    `there` says whether something has to be there, or must not be. `{name}` is what is known by that name.
    """

    path: Path
    there: Flag | None = None
    equals: Values | None = None
    is_not: Values | None = None
    auth: Values | None = None
    otherwise: Annotated[
        Literal["shape", "auth", "forbidden"], about("what it means", '"shape", "auth" or "forbidden"', "auth")
    ] = "shape"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`take` keeps values of the answer for the addresses of later requests; skipped when all are known already.

    With `always` it is asked all the same, and what is known has to be among them. It is not asked where
    `unless` is known, and with `tool` only with another tool's login.
    """

    url: Address
    name: Word = "usage"
    method: Method = "GET"
    headers: Texts = {}
    body: Body | None = None
    root: Path | None = None
    optional: Flag = False
    always: Flag = False
    unless: Word | None = None
    tool: Flag = False
    ok: list[Guard] = []
    take: Annotated[
        dict[str, str], about("values to keep", "a table of paths", {"project": "id"}, _paths_problem)
    ] = {}


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One window, or one for each element of `each`; of several rules with one name the first that finds it counts."""

    name: Label | None = None
    name_from: Path | None = None
    request: Word | None = None
    each: Path | None = None
    type: Kind | None = None
    type_from: Path | None = None
    types: Kinds = {}
    percent: Number | None = None
    percent_left: Number | None = None
    fraction: Number | None = None
    fraction_left: Number | None = None
    used: Number | None = None
    left: Number | None = None
    limit: Number | None = None
    no_limit: NoLimits = []
    unlimited: Path | None = None
    used_up: Path | None = None
    reset: Path | None = None
    reset_at: ResetAt | None = None
    window: Number | None = None
    window_s: Seconds | None = None
    model: Label | None = None


class Overage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several are tried in their order; the rows of `each` are added up, those in the currency of the first."""

    used: Number
    request: Word | None = None
    each: Path | None = None
    skip_zero: Flag = False
    limit: Number | None = None
    needs_limit: Flag = False
    no_limit: NoLimits = []
    currency: Currency = "USD"
    currency_from: Path | None = None
    reset: Path | None = None
    reset_at: ResetAt | None = None


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several are tried in their order; `skip_zero` hands over to the next when nothing is left.

    With `sum` the rows of `each` are added up, those in the currency of the first.
    """

    amount: Number
    request: Word | None = None
    each: Path | None = None
    sum: Flag = False
    skip_zero: Flag = False
    without_period: Flag = False
    currency: Currency = "USD"
    currencies: Texts = {}
    currency_from: Path | None = None


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status` is told with the plan unless it is one of `usual`."""

    request: Word | None = None
    plan: Path | None = None
    plans: Texts = {}
    status: Path | None = None
    usual: Annotated[list[str], about("what goes without saying", "a list of texts", ["active"])] = []
    email: Path | None = None
    organization: Path | None = None


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `{base}` stands for: the variable `env`, else the region's address; a variable alone must be set."""

    env: Variable | None = None
    regions: Annotated[
        dict[str, Page], about("addresses by region, the usual first", "a table of https addresses", {"global": "…"})
    ] = {}
    region_env: Variable | None = None
    suffix: Annotated[
        str, Meta(pattern=r"\A/[\w/-]+\Z"), about("the end of the address", "a path such as /v1", "/v1")
    ] = ""
    strip: Annotated[list[str], about("ends that are taken off first", "a list of paths", ["/v1"])] = []


class Param(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of an address, or a header, that the person knows; `optional` when an answer may tell it, or nobody.

    What nobody tells is left out of a query or of the headers.
    """

    env: Variable
    about: Name
    pattern: Pattern = r"[A-Za-z0-9._-]{1,128}"
    optional: Flag = False
    default: Label | None = None


class LoginFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key in the JSON file of another tool, which is only read."""

    file: Name
    key: Name
    tool: Name


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    env: Variables = []
    auth: Auth = "bearer"
    url: Address | None = None
    dashboard: Page | None = None
    keys: Page | None = None
    status: Page | None = None
    icon: Icon = "◇"
    hints: Texts = {}
    refused: Statuses = []
    base: Base | None = None
    params: dict[str, Param] = {}
    login: list[LoginFile] = []
    stored: Stores = ("apikey",)
    request: list[Request] = []
    period: list[Period] = []
    overage: list[Overage] = []
    balance: list[Balance] = []
    identity: Identity | None = None

    @property
    def requests(self) -> list[Request]:
        return [Request(url=self.url)] if self.url else self.request
