"""What a value in config.toml may be, and what a person reads about it: one kind for each setting, in their order."""

import ipaddress
import os
import re
from typing import Annotated, Any, Literal

from msgspec import Meta

from vibeusage import items, schema

FORMAT_FIELDS = ("provider", "account", "icon", "period", "percent", "bar", "reset", "pace", "age", "source")
ITEMS = ("periods", *items.ITEMS)
PLACEHOLDERS = ("title", "text", "account", "period", "percent", "threshold")
SERVER_PARAMETERS = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "gssencmode", "host", "hostaddr", "port"),
    *("connect_timeout", "target_session_attrs", "load_balance_hosts"),
)
ASSISTANTS = ("claude-code", "copilot", "qwen", "cursor", "agy")

# C0, DEL, C1, line separators, bidirectional overrides, halves of surrogates
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=rf"\A[^,{_CONTROL}]+\Z")]
Names = Annotated[list[Name], Meta(min_length=1)]
Text = Annotated[str, Meta(max_length=200, pattern=rf"\A[^{_CONTROL}]*\Z")]
Row = Annotated[list[Name], Meta(min_length=1)]


def about(title: str, description: str, example: Any, problem: Any = None) -> Meta:
    extra = {"problem": problem} if problem else None
    return Meta(title=title, description=description, examples=[example], extra=extra)


def _format_problem(text: str) -> str:
    """Braces stand for fields only: the line knows no escape for them."""
    fields = re.findall(r"\{([^{}]*)\}", text)
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
        return "has a brace without its partner"
    unknown = [name for name in fields if name not in FORMAT_FIELDS]
    return f"has an unknown field {schema.shown(unknown[0])}; known are {', '.join(FORMAT_FIELDS)}" if unknown else ""


def _rows_problem(rows: list[list[str]]) -> str:
    unknown = [item for row in rows for item in row if item not in ITEMS]
    return f"has an unknown item {schema.shown(unknown[0])}; known are {', '.join(ITEMS)}" if unknown else ""


def _command_problem(argv: list[str]) -> str:
    """Braces that hold no name are the program's own, such as those of JSON."""
    if not os.path.isabs(argv[0]) or "{" in argv[0]:
        return f"begins with {schema.shown(argv[0])}, not with the absolute path of a program"
    unknown = [name for text in argv for name in re.findall(r"\{([a-z_]+)\}", text) if name not in PLACEHOLDERS]
    known = ", ".join(PLACEHOLDERS)
    return f"has an unknown placeholder {schema.shown(unknown[0])}; known are {known}" if unknown else ""


def _folder_problem(path: str) -> str:
    is_whole = path.startswith(("/", "~/")) or os.path.isabs(path)
    return "" if is_whole and ".." not in path.split("/") else "is not the whole path of a folder"


def url_problem(url: str, *, private: bool = False) -> str:
    """Never says the address itself: a mistaken one may hold a password.

    http is for this machine, and where `private` is set for those of a private network.
    """
    if re.search(r"[^\x21-\x7e]|[\\@?#]|%(2[0f35]|3f|40|5c|7f|[01][0-9a-f]|(?![0-9a-f]{2}))", url, re.IGNORECASE):
        return "must not hold a user name, query, fragment, blank or percent-coded delimiter"
    found = re.fullmatch(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?(/.*)?", url, re.IGNORECASE)
    if not found or int((found[3] or ":1")[1:]) not in range(1, 65_536):
        return "is not an address such as https://host/path"
    loopback = re.fullmatch(r"localhost|\[::1\]|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}", found[2].lower())
    if found[1].lower() == "https" or loopback or (private and _is_private(found[2].lower())):
        return ""
    return f"is http, which is allowed for {'private networks' if private else 'this machine only'}"


def server_problem(url: str) -> str:
    """Never says the address itself: a mistaken one may hold a password."""
    found = re.fullmatch(r"postgres(?:ql)?://(?:([^@/?#]*)@)?[^@/?#]*(?:/[^@/?#]*)?(?:\?([^#]*))?", url)
    if not found or len(url) > 500 or not re.fullmatch(r"[\x21-\x7e]+", url):
        return "is not an address such as postgresql://user@host/database"
    names = [part.partition("=")[0] for part in (found[2] or "").split("&") if part]
    if ":" in (found[1] or "") or "password" in names:
        return (
            "must not hold a password: `vibeusage records push --password` keeps it, else ~/.pgpass (PGPASSFILE) or "
            "PGPASSWORD has it"
        )
    unknown = [name for name in names if name not in SERVER_PARAMETERS]
    return f"may have these parameters only: {', '.join(SERVER_PARAMETERS)}" if unknown else ""


def _is_private(host: str) -> bool:
    """10.x, 172.16-31.x, 192.168.x, fc00::/7, link-local, and names that end in .local."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return host.endswith(".local")


Id = Annotated[Name, about("a provider's id", "a name of 1 to 100 visible characters", "claude")]
Providers = Annotated[
    Names,
    about("which providers, in this order", "a list of provider or account names", ["claude", "codex"]),
]
Periods = Annotated[
    Literal["all", "primary"] | Names,
    about("which windows", '"all", "primary" or a list of period names', "primary"),
]
Format = Annotated[
    Text,
    about(
        "the text of one window",
        "one line of at most 200 characters",
        "{provider} {percent}",
        _format_problem,
    ),
]
Separator = Annotated[
    Text,
    about("between two windows; empty: as the icons have it", "one line of at most 200 characters", " | "),
]
MaxWidth = Annotated[
    int, Meta(ge=0, le=10_000), about("cells of a row, 0 = no limit", "a whole number from 0 to 10000", 60)
]
Icons = Annotated[Literal["ascii", "unicode", "nerd"], about("the glyphs", '"ascii", "unicode" or "nerd"', "unicode")]
Bar = Annotated[int, Meta(ge=0, le=40), about("cells of the bar, 0 = none", "a whole number from 0 to 40", 5)]
Reset = Annotated[
    Literal["countdown", "clock", "none"],
    about("how the reset is told", '"countdown", "clock" or "none"', "countdown"),
]
Show = Annotated[Literal["used", "remaining"], about("what a percentage counts", '"used" or "remaining"', "used")]
Costs = Annotated[
    list[Literal["today", "block", "month", "burn"]],
    Meta(max_length=4),
    about("what was spent, of the records", 'a list of "today", "block", "month", "burn"', ["today", "burn"]),
]
Rows = Annotated[
    list[Row],
    Meta(min_length=1),
    about(
        "the rows of an assistant",
        "a list of rows, each a list of items",
        [["model", "context"], ["periods"]],
        _rows_problem,
    ),
]
Colors = Annotated[
    Literal["usual", "safe", "none"],
    about(
        "the colours of pace: green to red, blue to magenta, or marks only",
        '"usual", "safe" or "none"',
        "safe",
    ),
]
Plots = Annotated[
    Literal["cost", "tokens"], about("what the dashboard plots at first", '"cost" or "tokens"', "tokens")
]
Timeout = Annotated[float, Meta(ge=1, le=120), about("seconds for one provider", "a number from 1 to 120", 15.0)]
Interval = Annotated[
    int,
    Meta(ge=300, le=604_800),
    about("seconds between two requests", "a whole number from 300 to 604800", 300),
]
StaleAfter = Annotated[
    int,
    Meta(ge=60, le=604_800),
    about("seconds until data is marked as old", "a whole number from 60 to 604800", 3600),
]
IdleInterval = Annotated[
    int,
    Meta(ge=300, le=604_800),
    about("the same while the tool is not in use here", "a whole number from 300 to 604800", 3600),
]
MaxConcurrent = Annotated[
    int, Meta(ge=1, le=50), about("providers asked at the same time", "a whole number from 1 to 50", 5)
]
EnabledProviders = Annotated[
    Names, about("only these providers, in this order", "a list of provider or account names", ["claude", "codex"])
]
ProviderOrder = Annotated[
    Names, about("these providers first, in this order", "a list of provider or account names", ["codex", "claude"])
]
UseKeyring = Annotated[bool, about("keep our keys in the desktop's keyring", "true or false", True)]
KeyringBackend = Annotated[
    Literal["secret-service", "kwallet", "macos"],
    about("which keyring; not set: the platform's own", '"secret-service", "kwallet" or "macos"', "kwallet"),
]
Reuse = Annotated[bool, about("use the logins of other tools, read only", "true or false", False)]
ConfigDir = Annotated[
    str,
    Meta(min_length=1, max_length=1000, pattern=rf"\A[^{_CONTROL}]+\Z"),
    about("the tool's own folder of this account", "a path", "~/.claude-work"),
]
Variable = Annotated[
    str,
    Meta(max_length=200, pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z"),
    about("the variable that holds this account's token", "the name of an environment variable", "WORK_TOKEN"),
]
Strategies = Annotated[
    Names, about("only these ways to ask, in this order", "a list of strategy names", ["oauth", "web"])
]
BrowserName = Literal[
    "firefox", "zen", "librewolf", "chrome", "chromium", "brave", "edge", "vivaldi", "arc", "dia", "comet", "helium",
    "opera", "safari",
]
Browser = Annotated[
    BrowserName,
    about("the browser whose cookie may be used", 'a browser such as "firefox" or "chrome"', "firefox"),
]
PreferredBrowser = Annotated[
    BrowserName,
    about("where `auth --from-browser` looks; not set: all", 'a browser such as "firefox" or "chrome"', "firefox"),
]
Region = Annotated[Name, about("which of the provider's regions", "a region's name", "china")]
ParamName = Annotated[Name, about("what the provider asks for", "a name that its row in the README tells", "team")]
ParamValue = Annotated[Name, about("a part of its address", "a name of 1 to 100 visible characters", "my-team")]
SyncMode = Annotated[
    Literal["real-time", "polling", "manual"],
    about(
        "when its logs are read: as they grow, every so often, or on command",
        '"real-time", "polling" or "manual"',
        "manual",
    ),
]
SyncInterval = Annotated[
    int, Meta(ge=60, le=604_800), about("seconds between two looks", "a whole number from 60 to 604800", 300)
]
LogFolders = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=1000, pattern=rf"\A[^{_CONTROL}]+\Z")]],
    Meta(min_length=1),
    about("where its logs are, instead of the usual places", "a list of paths", ["~/.claude"]),
]
Enabled = Annotated[bool, about("whether to ask this provider", "true or false", False)]
BaseUrl = Annotated[
    str,
    Meta(max_length=500),
    about("another address for this provider", "an https address", "https://proxy.example/v1", url_problem),
]

ModelName = Annotated[Name, about("a model's name in the logs", "a name of 1 to 100 visible characters", "my-model")]
CostMode = Annotated[
    Literal["auto", "calculate", "recorded"],
    about(
        "whether a cost that a log states counts: first, never or alone; not set: as fits each tool",
        '"auto", "calculate" or "recorded"',
        "calculate",
    ),
]
PricesUrl = Annotated[
    str,
    Meta(max_length=500),
    about(
        "where `records prices update` finds LiteLLM's table",
        "an https address",
        "https://mirror.example/prices.json",
        url_problem,
    ),
]
Alias = Annotated[Name, about("the model whose prices this name has", "the name of a model", "claude-opus-5")]

_Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
_RANGE = "a number from 0 to 1000000"
InputPrice = Annotated[_Dollars, about("USD per million tokens of the prompt", _RANGE, 3.0)]
OutputPrice = Annotated[_Dollars, about("USD per million tokens of the answer", _RANGE, 15.0)]
WritePrice = Annotated[_Dollars, about("USD per million tokens written to the cache; not set: as input", _RANGE, 3.75)]
LongWritePrice = Annotated[_Dollars, about("the same, kept for an hour; not set: as cache_write", _RANGE, 6.0)]
ReadPrice = Annotated[_Dollars, about("USD per million tokens read from the cache; not set: as input", _RANGE, 0.3)]

PlanPrice = Annotated[_Dollars, about("what the plan costs, USD a month", _RANGE, 20.0)]
PlanName = Annotated[Name, about("a plan or the tool it is for", "a name of 1 to 100 visible characters", "claude")]
PlanProvider = Annotated[Name, about("whose calls the plan covers; not set: its own name", "a tool's id", "claude")]

Thresholds = Annotated[
    list[Annotated[int, Meta(ge=1, le=1000)]],
    Meta(max_length=20),
    about("percent used that are told of, once until the reset", "a list of whole numbers from 1 to 1000", [80, 95]),
]
AlertCommand = Annotated[
    list[Annotated[str, Meta(max_length=4000, pattern=r"\A[^\x00]*\Z")]],
    Meta(min_length=1, max_length=100),
    about(
        "what is run to tell it",
        "a list: the absolute path of a program, and its arguments",
        ["/usr/bin/notify-send", "--", "{title}", "{text}"],
        _command_problem,
    ),
]


StorageFolder = Annotated[
    str,
    Meta(min_length=1, max_length=1000, pattern=rf"\A[^{_CONTROL}]+\Z"),
    about("where usage.db lies; not set: the data folder", "an absolute path, or ~/…", "~/records", _folder_problem),
]
StorageUrl = Annotated[
    str,
    about(
        "the PostgreSQL server of several machines, without a password",
        "an address such as postgresql://user@host/database",
        "postgresql://ana@db.example/usage?sslmode=verify-full",
        server_problem,
    ),
]
HistoryDays = Annotated[
    int, Meta(ge=0, le=36_500), about("days that the quotas' history is kept", "a whole number from 0 to 36500", 90)
]


MachineName = Annotated[
    Name,
    about("this machine in reports; not set: its host name", "a name of 1 to 100 visible characters", "desk"),
]
SharedFolder = Annotated[
    str,
    Meta(min_length=1, max_length=1000, pattern=rf"\A(?:/|~)[^{_CONTROL}]*\Z"),
    about("a folder that all your machines share", "an absolute path, or ~/…", "~/Drive/vibeusage"),
]
SharedInterval = Annotated[
    int, Meta(ge=60, le=604_800), about("seconds between two exchanges", "a whole number from 60 to 604800", 900)
]
