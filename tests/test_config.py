"""config: a mistake is named with key and fix, an edit keeps the text, a bad file is never overwritten."""

import os
import tomllib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage import config, paths, schema
from vibeusage.config import Config, Line, LineOptions
from vibeusage.errors import ConfigError
from vibeusage.kinds import ASSISTANTS, FORMAT_FIELDS, ITEMS
from vibeusage.settings import Alerts, Credentials, Fetch, ModelPrices, PlanOptions, Pricing, ProviderOptions
from vibeusage.toml_edit import literal


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The path of config.toml in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"VIBEUSAGE_{name}_DIR", str(tmp_path / name.lower()))
    (tmp_path / "config").mkdir(mode=0o700)
    return tmp_path / "config" / "config.toml"


MISTAKES = [
    # what the file says, the key in the message, what is wrong, the fix in the hint
    (
        "[line]\nprovider = 'claude'",
        "line.provider",
        'is "claude", not a list',
        """set line.provider '["claude", "codex"]'""",
    ),
    ("[line]\nprovider = []", "line.provider", "is [], not a list", "config set line.provider"),
    ("[line]\nprovider = ['a,b']", "line.provider", "not a list of provider", "config set line.provider"),
    (
        "[line]\nperiods = 'al'",
        "line.periods",
        'is "al", not "all", "primary" or a list',
        "config set line.periods primary",
    ),
    ("[line]\nperiods = 3", "line.periods", "is 3, not", "config set line.periods primary"),
    (
        '[line.tmux]\nformat = "\\u001b[31m"',
        "line.tmux.format",
        "not one line",
        "config set line.tmux.format",
    ),
    (
        "[line]\nformat = '{percnt}'",
        "line.format",
        'unknown field "percnt"; known are provider',
        "config set line.format",
    ),
    (
        "[line]\nformat = '{percent'",
        "line.format",
        "has a brace without its partner",
        "config set line.format",
    ),
    (
        "[line]\nformat = '{{percent}}'",
        "line.format",
        "has a brace without its partner",
        "config set line.format",
    ),
    (f"[line]\nformat = '{'x' * 201}'", "line.format", "at most 200 characters", "config set line.format"),
    ('[line]\nseparator = "\\n"', "line.separator", "not one line", "config set line.separator ' | '"),
    ('[line]\nseparator = "\\u202e"', "line.separator", "not one line", "config set line.separator ' | '"),
    (
        f"[line]\nseparator = '{'x' * 201}'",
        "line.separator",
        "at most 200 characters",
        "config set line.separator",
    ),
    ("[line]\nseparator = 1", "line.separator", "is 1, not one line", "config set line.separator"),
    (
        "[line]\nmax_width = -1",
        "line.max_width",
        "is -1, not a whole number from 0",
        "config set line.max_width 60",
    ),
    (
        "[line]\nmax_width = 60.0",
        "line.max_width",
        "is 60.0, not a whole number",
        "config set line.max_width 60",
    ),
    (
        "[line]\nicons = 'emoji'",
        "line.icons",
        'is "emoji", not "ascii", "unicode" or "nerd"',
        "config set line.icons unicode",
    ),
    (
        "[line]\nbar = 'wide'",
        "line.bar",
        'is "wide", not a whole number from 0 to 40',
        "config set line.bar 5",
    ),
    ("[line]\nbar = 41", "line.bar", "is 41, not", "config set line.bar 5"),
    ("[line]\nbar = true", "line.bar", "is true, not", "config set line.bar 5"),
    ("[line.bar]\nx = 1", "line.bar", "is a table, not a whole number", "config set line.bar 5"),
    ("[line.bar]", "line.bar", "is a table, not a whole number", "config set line.bar 5"),
    ("[line]\nbar = 2026-01-01", "line.bar", "is 2026-01-01, not", "config set line.bar 5"),
    (
        "[line.claude-code]\nbar = 99",
        "line.claude-code.bar",
        "is 99, not",
        "config set line.claude-code.bar 5",
    ),
    (
        "[line]\nreset = 'never'",
        "line.reset",
        'is "never", not "countdown"',
        "config set line.reset countdown",
    ),
    (
        "[line]\nshow = 'left'",
        "line.show",
        'is "left", not "used" or "remaining"',
        "config set line.show used",
    ),
    ("[line]\nlines = ['model']", "line.lines", "not a list of rows", "config set line.lines"),
    (
        "[line]\nlines = [['modle']]",
        "line.lines",
        'unknown item "modle"; known are periods, model',
        "config set line.lines",
    ),
    ("[line.tmux]\nlines = [['model']]", "line.tmux.lines", "has no meaning", "config reset line.tmux.lines"),
    ("[line]\nbra = 5", "line.bra", "is not a setting", "did you mean line.bar?"),
    ("[line]\nzzz = 5", "line.zzz", "is not a setting", "[line] knows provider, periods, format"),
    ("[line.tmx]\nbar = 5", "line.tmx", "is not a setting", "did you mean line.tmux?"),
    ("bar = 5", "bar", "is not a setting", "did you mean line.bar?"),
    ("timeout = 5", "timeout", "is not a setting", "did you mean fetch.timeout_s?"),
    ("qqq = 5", "qqq", "is not a setting", "the file knows line, fetch, providers"),
    ("line = 5", "line", "is 5, not a table", "below [line]"),
    ("[[line]]\nbar = 5", "line", "not a table", "below [line]"),
    (
        "[fetch]\ntimeout_s = 0",
        "fetch.timeout_s",
        "is 0, not a number from 1 to 120",
        "config set fetch.timeout_s 15.0",
    ),
    ("[fetch]\ntimeout_s = nan", "fetch.timeout_s", "is nan, not", "config set fetch.timeout_s 15.0"),
    ("[fetch]\ntimeout_s = 121", "fetch.timeout_s", "is 121, not", "config set fetch.timeout_s 15.0"),
    (
        "[fetch]\ninterval_s = 299",
        "fetch.interval_s",
        "is 299, not a whole number from 300",
        "config set fetch.interval_s 300",
    ),
    (
        f"[fetch]\ninterval_s = {10**30}",
        "fetch.interval_s",
        "not a whole number",
        "config set fetch.interval_s 300",
    ),
    (
        "[fetch]\nstale_after_s = 59",
        "fetch.stale_after_s",
        "is 59, not",
        "config set fetch.stale_after_s 3600",
    ),
    (
        "[providers.claude]\nenabled = 'no'",
        "providers.claude.enabled",
        'is "no", not true',
        "config set providers.claude.enabled false",
    ),
    ("[providers]\nclaude = false", "providers.claude", "is false, not a table", "below [providers.claude]"),
    (
        "[providers.claude]\napi_key = 'sk-1'",
        "providers.claude.api_key",
        "is not a setting",
        "[providers.claude] knows enabled, base_url",
    ),
    ("[providers.'']\nenabled = true", 'providers.""', "has a name that is not", "such as providers.claude"),
    (
        '[providers."a\\u0007"]\nenabled = true',
        'providers."a\\u0007"',
        "has a name that is not",
        "such as providers.claude",
    ),
    (
        "[providers.claude]\nbase_url = 5",
        "providers.claude.base_url",
        "is 5, not an https address",
        "https://proxy.example",
    ),
    ("[line]\ncosts = ['week']", "line.costs", 'is ["week"], not a list of "today"', "config set line.costs"),
    ("[records.claude]\nmode = 'live'", "records.claude.mode", 'is "live", not "real-time"', "claude.mode manual"),
    ("[records.claude]\ninterval_s = 5", "records.claude.interval_s", "is 5, not a whole number", "interval_s 300"),
    ("[records.claude]\nroots = []", "records.claude.roots", "is [], not a list of paths", "records.claude.roots"),
    ("enabled_providers = 'claude'", "enabled_providers", 'is "claude", not a list', "config set enabled_providers"),
    ("enabled_providers = []", "enabled_providers", "is [], not a list", "config set enabled_providers"),
    ("[fetch]\nmax_concurrent = 0", "fetch.max_concurrent", "is 0, not a whole number from 1", "max_concurrent 5"),
    ("[fetch]\nidle_interval_s = 9", "fetch.idle_interval_s", "is 9, not a whole number", "idle_interval_s 3600"),
    ("[credentials]\nuse_keyring = 1", "credentials.use_keyring", "is 1, not true or false", "use_keyring true"),
    (
        "[credentials]\nkeyring_backend = 'plain'",
        "credentials.keyring_backend",
        'is "plain", not "secret-service"',
        "keyring_backend kwallet",
    ),
    (
        "[credentials]\nreuse_provider_credentials = 'no'",
        "credentials.reuse_provider_credentials",
        'is "no", not true or false',
        "reuse_provider_credentials false",
    ),
    ("[providers.claude]\nconfig_dir = ''", "providers.claude.config_dir", 'is "", not a path', "~/.claude-work"),
    ("[providers.claude]\nenv = 'A B'", "providers.claude.env", 'is "A B", not the name', "providers.claude.env"),
    ("[providers.claude]\nstrategies = []", "providers.claude.strategies", "is [], not a list", "claude.strategies"),
    ("provider_order = 'claude'", "provider_order", "not a list of provider", "config set provider_order"),
    ("[providers.acme]\nregion = 5", "providers.acme.region", "is 5, not a region's name", "region china"),
    ("[providers.acme.params]\nteam = 5", "providers.acme.params.team", "is 5, not a name of", "params.team my-team"),
    ("[providers.claude]\nbrowser = 'lynx'", "providers.claude.browser", 'is "lynx", not a browser', "browser firefox"),
    ("[history]\ndays = -1", "history.days", "is -1, not a whole number from 0 to 36500", "history.days 90"),
    ("[machines]\nname = 5", "machines.name", "is 5, not a name of 1 to 100", "machines.name desk"),
    ("[machines]\nfolder = 'Drive'", "machines.folder", 'is "Drive", not an absolute path', "machines.folder"),
    ("[machines]\ninterval_s = 9", "machines.interval_s", "is 9, not a whole number", "interval_s 900"),
    ("[storage]\nfolder = 'records'", "storage.folder", "is not the whole path of a folder", "folder '~/records'"),
    ("[storage]\nfolder = '/a/../b'", "storage.folder", "is not the whole path of a folder", "folder '~/records'"),
    ("[storage]\nurl = 'mysql://host/db'", "storage.url", "is not an address such as postgresql", "postgresql:"),
    ("[storage]\nurl = 'postgresql://a:pw@h/db'", "storage.url", "must not hold a password", "postgresql:"),
    ("[storage]\nurl = 'postgresql://a@h/db?password=x'", "storage.url", "must not hold a password", "postgresql:"),
    ("[storage]\nurl = 'postgresql://a@h/db?options=x'", "storage.url", "may have these parameters", "postgresql:"),
    ("[alerts]\nthresholds = 80", "alerts.thresholds", "is 80, not a list of whole", "thresholds '[80, 95]'"),
    ("[alerts]\nthresholds = [0]", "alerts.thresholds", "is [0], not a list of whole", "thresholds '[80, 95]'"),
    ("[alerts]\nthresholds = [80.5]", "alerts.thresholds", "is [80.5], not", "thresholds '[80, 95]'"),
    ("[alerts]\ncommand = 'notify-send'", "alerts.command", "not a list: the absolute path", "/usr/bin/notify-send"),
    ("[alerts]\ncommand = []", "alerts.command", "is [], not a list", "/usr/bin/notify-send"),
    ("[alerts]\ncommand = ['notify-send']", "alerts.command", "not with the absolute path", "/usr/bin/notify-send"),
    ("[alerts]\ncommand = ['/{title}']", "alerts.command", "not with the absolute path", "/usr/bin/notify-send"),
    ("[alerts]\ncommand = ['/a', '{titel}']", "alerts.command", 'placeholder "titel"; known are title', "{title}"),
    ('[alerts]\ncommand = ["/a", "\\u0000"]', "alerts.command", "not a list: the absolute", "/usr/bin/notify-send"),
    ("[pricing]\ncost_mode = 'display'", "pricing.cost_mode", 'is "display", not "auto"', "cost_mode calculate"),
    ("[pricing]\nurl = 'http://a.example'", "pricing.url", "is http, which is allowed", "https://mirror.example"),
    ("[pricing.aliases]\nx = 1", "pricing.aliases.x", "is 1, not the name of a model", "aliases.x claude-opus-5"),
    ("[pricing.aliases]\nx = 'a,b'", "pricing.aliases.x", 'is "a,b", not the name', "aliases.x claude-opus-5"),
    ("[pricing.models]\nx = 3", "pricing.models.x", "is 3, not a table", "below [pricing.models.x]"),
    ("[pricing.models.'']\ninput = 3", 'pricing.models.""', "has a name that is not", "pricing.models.my-model"),
    ("[pricing.models.x]\ninput = -1", "pricing.models.x.input", "is -1, not a number from 0", "models.x.input 3.0"),
    ("[pricing.models.x]\noutput = '1'", "pricing.models.x.output", 'is "1", not a number', "models.x.output 15.0"),
    ("[pricing.models.x]\ncache_write = nan", "pricing.models.x.cache_write", "is nan, not", "x.cache_write 3.75"),
    (
        "[pricing.models.x]\ncache_write_1h = 1e7",
        "pricing.models.x.cache_write_1h",
        "is 10000000.0, not",
        "models.x.cache_write_1h 6.0",
    ),
    ("[pricing.models.x]\ncache_read = true", "pricing.models.x.cache_read", "is true, not", "models.x.cache_read 0.3"),
    ("[pricing.models.x]\nread = 1", "pricing.models.x.read", "is not a setting", "knows input, output, cache_write"),
    ("[plans.x]\nprice = '20'", "plans.x.price", 'is "20", not a number from 0', "plans.x.price 20.0"),
    ("[plans.x]\nprovider = 3", "plans.x.provider", "is 3, not a tool's id", "plans.x.provider claude"),
    ("[plans]\nclaude = 20", "plans.claude", "is 20, not a table", "below [plans.claude]"),
]


@pytest.mark.parametrize(
    ("text", "key", "wrong", "fix"), MISTAKES, ids=[f"{key}-{at}" for at, (_, key, *_) in enumerate(MISTAKES)]
)
def test_a_mistake_is_named_with_file_key_and_fix(text, key, wrong, fix, file):
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(caught.value).startswith(f"{file}: {key} ")
    assert wrong in str(caught.value)
    assert fix in caught.value.hint
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value) + caught.value.hint


def test_every_setting_has_a_mistake_in_the_table():
    structs = (LineOptions, Fetch, Credentials, Alerts, ProviderOptions, Pricing, ModelPrices, PlanOptions)
    missing = {name for struct in structs for name in schema.leaves(struct)}
    assert missing - {key.split(".")[-1] for _, key, *_ in MISTAKES} == set()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(b"[line]\nbar = \n", "line 2, column 7", id="no value"),
        pytest.param(b"[line]\nbar = [1,\n\n", "line 2, column 10", id="unended"),
        pytest.param(b"[line]\nbar = 1\nbar = 2\n", "line 3, column 8", id="twice"),
        pytest.param(b"a = " + b"9" * 5000, "not TOML: Exceeds the limit", id="endless number"),
        pytest.param(b"a = " + b"[" * 5000, "nested too deeply", id="deep"),
        pytest.param(b"# fine\n[line]\nformat = '\xff'\n", "line 3 holds byte 0xff", id="not UTF-8"),
        pytest.param(b"#" * (1 << 20) + b"\n", "larger than 1 MiB", id="large"),
    ],
)
def test_what_is_no_toml_is_placed_and_never_overwritten(data, place, file):
    file.write_bytes(data)
    for attempt in (config.load, lambda: config.set_value("line.bar", "5"), lambda: config.reset("line.bar")):
        with pytest.raises(ConfigError, match=place) as caught:
            attempt()
        assert str(caught.value).startswith(str(file))
        assert "vibeusage config edit" in caught.value.hint and "vibeusage config reset" in caught.value.hint
    assert file.read_bytes() == data
    assert config.reset() is True
    assert config.load() == Config()
    assert file.with_name("config.toml.bak").read_bytes() == data


@pytest.mark.parametrize("kind", ["folder", "fifo", "unreachable"])
def test_a_config_file_that_is_no_file_is_an_error_and_not_a_hang(kind, file):
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to(file)
    for attempt in (config.load, lambda: config.set_value("line.bar", "5")):
        with pytest.raises(ConfigError):
            attempt()


def test_a_file_with_every_setting_is_read(file):
    file.write_text(
        "[line]\nprovider = ['claude']\nperiods = ['Weekly']\nbar = 0\n"
        "[line.claude-code]\nlines = [['model'], ['cost']]\n"
        "[fetch]\ntimeout_s = 20\n[providers.'claude@me.example']\nenabled = false\nbase_url = 'http://[::1]:80/v1'\n"
    )
    assert config.load() == Config(
        line=Line(
            provider=["claude"],
            periods=["Weekly"],
            bar=0,
            claude_code=LineOptions(lines=[["model"], ["cost"]]),
        ),
        fetch=Fetch(timeout_s=20.0),
        providers={"claude@me.example": ProviderOptions(enabled=False, base_url="http://[::1]:80/v1")},
    )


@pytest.mark.parametrize("data", [None, b"", b"# nothing\n", b"\xef\xbb\xbf[line]\n", b"[line]\r\n\r\n[line.tmux]\r\n"])
def test_a_file_that_sets_nothing_means_the_defaults(data, file):
    if data is not None:
        file.write_bytes(data)
    assert config.load() == Config()


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.example",
        "HTTPS://proxy.example:8443/a/%C3%A9/",
        "http://localhost:1234",
        "http://127.0.0.1/",
        "http://127.255.0.9:1/v1",
        "http://[::1]:80",
    ],
)
def test_an_https_or_loopback_address_is_taken(url):
    config.set_value("providers.claude.base_url", url)
    assert config.get("providers.claude.base_url") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example",
        "https:proxy.example",
        "https:///path",
        "ftp://proxy.example",
        "file:///etc/passwd",
        "http://proxy.example",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://127.1",
        "http://2130706433",
        "http://0.0.0.0",
        "http://[::ffff:127.0.0.1]",
        "https://user:secret@proxy.example",
        "https://proxy.example?secret",
        "https://proxy.example/#secret",
        "https://proxy.example/a b",
        "https://proxy.example\\@secret",
        "https://proxy.example/\nsecret",
        "https://proxy.example/\x00",
        "https://proxy.example/%2Fsecret",
        "https://proxy.example/%2f",
        "https://proxy.example/%40",
        "https://proxy.example/%23",
        "https://proxy.example/%3F",
        "https://proxy.example/%5c",
        "https://proxy.example/%252f",
        "https://proxy.example/%0d%0a",
        "https://proxy.example/%00",
        "https://proxy.example/%zz",
        "https://proxy.example/%",
        "https://proxy.example:0",
        "https://proxy.example:99999",
        "https://prоxy.example",  # a Cyrillic letter
        "https://" + "a" * 500,
    ],
)
def test_any_other_address_is_refused_and_not_repeated(url, file):
    with pytest.raises(ConfigError) as caught:
        config.set_value("providers.claude.base_url", url)
    assert "secret" not in str(caught.value) + caught.value.hint
    assert not file.exists()
    file.write_text(f"[providers.claude]\nbase_url = {literal(url)}\n")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert "secret" not in str(caught.value) + caught.value.hint


USER_FILE = """\
# mine, do not sort

[providers.codex]   # at home
enabled = false

[line]
bar = 5   # cells
# max_width = 70
"""


def test_set_changes_one_line_and_keeps_comments_and_order(file):
    file.write_text(USER_FILE)
    config.set_value("line.bar", "7")
    config.set_value("line.icons", "ascii")
    config.set_value("providers.codex.enabled", "true")
    config.set_value("line.claude-code.lines", "model, context; cost")
    assert file.read_text() == (
        USER_FILE.replace("bar = 5   # cells\n", 'bar = 7   # cells\nicons = "ascii"\n').replace("false", "true")
        + '\n[line.claude-code]\nlines = [["model", "context"], ["cost"]]\n'
    )


def test_reset_of_what_was_set_gives_back_the_very_same_bytes(file):
    file.write_text(USER_FILE)
    config.set_value("line.show", "remaining")
    assert config.reset("line.show") is True
    assert config.reset("line.show") is False
    assert file.read_text() == USER_FILE


def test_a_symlinked_file_stays_a_symlink_with_its_rights(file, tmp_path):
    target = tmp_path / "dotfiles.toml"
    target.write_text(USER_FILE)
    target.chmod(0o644)
    file.symlink_to(target)
    config.set_value("line.bar", "6")
    config.reset()
    assert file.readlink() == target
    assert (target.stat().st_mode & 0o777, target.read_text()) == (0o644, "")
    assert file.with_name("config.toml.bak").read_text() == USER_FILE.replace("bar = 5", "bar = 6")


def test_a_new_file_and_its_folder_are_private(file):
    file.parent.rmdir()
    config.set_value("line.bar", "5")
    assert [path.stat().st_mode & 0o777 for path in (file, file.parent)] == [0o600, 0o700]


@pytest.mark.parametrize(("key", "value"), [("line.bar", "5"), ("line.show", "used")])
def test_a_file_with_a_mistake_elsewhere_is_not_written(key, value, file):
    text = "[fetch]\ninterval_s = 1 # fast\n"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"fetch\.interval_s is 1") as caught:
        config.set_value(key, value)
    assert "vibeusage config edit" in caught.value.hint and "vibeusage config reset" in caught.value.hint
    assert file.read_text() == text


@pytest.mark.parametrize("act", [lambda: config.set_value("line.bar", "5"), lambda: config.reset("line.bar")])
def test_the_command_that_a_mistake_suggests_mends_it(act, file):
    file.write_text("[line] # mine\nbar = 500\n")
    act()
    assert config.load().line.bar in (5, None)
    assert file.read_text().startswith("[line] # mine\n")


def test_an_unknown_key_of_the_file_can_be_reset(file):
    file.write_text("[line]\ncolour = 1\nbar = 2\n")
    config.reset("line.colour")
    assert file.read_text() == "[line]\nbar = 2\n"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("line.bar", "41"),
        ("line.bar", "9" * 5000),
        ("line.bar", ""),
        ("line.bar", "5\n[providers.x]"),
        ("line.provider", ""),
        ("line.provider", '["claude"]\nx = 1'),
        ("line.provider", "[" * 5000),
        ("line.separator", "\x1b[2J"),
        ("line.separator", "\udcff"),
        ("line.format", "{0}"),
        ("line.format", "{percent!r:>99999}"),
        ("line.lines", "rm -rf"),
        ("line.tmux.lines", "model"),
        ("line.tmux", "x"),
        ("line", "{}"),
        ("providers", "claude"),
        ("line.bar.x", "1"),
        ("line..bar", "1"),
        ("", "1"),
        (".", "1"),
        ("a." * 2000 + "a", "1"),
        ("lin\x1be.bar", "1"),
        ("__class__", "1"),
        ("line.__class__", "1"),
        ("fetch.timeout_s", "nan"),
        ("providers.claude.enabled", "perhaps"),
    ],
)
def test_a_hostile_value_or_key_is_refused_with_the_file_unchanged(key, text, file):
    file.write_text(USER_FILE)
    with pytest.raises(ConfigError) as caught:
        config.set_value(key, text)
    assert (str(caught.value) + caught.value.hint).replace("\n", "").isprintable()
    assert len(str(caught.value)) < 700
    assert file.read_text() == USER_FILE


def test_what_cannot_be_edited_in_place_is_written_anew_and_a_copy_kept(file, capsys):
    text = "line = { bar = 1 } # mine\n"
    file.write_text(text)
    config.set_value("line.show", "used")
    assert config.load().line == Line(bar=1, show="used")
    assert file.with_name("config.toml.bak").read_text() == text
    assert "config.toml.bak keeps the old text" in capsys.readouterr().err


def test_a_change_by_another_program_in_between_is_not_lost(file, monkeypatch):
    file.write_text(USER_FILE)
    stamps = iter(["one", "two"])
    monkeypatch.setattr(config, "stamp", lambda: next(stamps))
    with pytest.raises(ConfigError, match="changed by another program"):
        config.set_value("line.bar", "7")
    assert file.read_text() == USER_FILE


def test_a_second_reset_keeps_the_copy_of_the_first(file):
    file.write_text(USER_FILE)
    assert [config.reset(), config.reset()] == [True, False]
    assert file.with_name("config.toml.bak").read_text() == USER_FILE


def test_the_stamp_tells_one_state_of_the_file_from_the_next(file, tmp_path):
    assert config.stamp() == "-"
    target = tmp_path / "dotfiles.toml"
    target.write_text("[line]\n")
    file.symlink_to(target)
    info = target.stat()
    assert config.stamp() == f"{info.st_mtime_ns}-{info.st_size}-{info.st_ino}"


def test_a_target_has_its_own_value_else_the_lines_else_its_default(file):
    assert [config.get(f"line.{target}.max_width") for target in ("tmux", "zsh", "plain")] == [80, 60, 0]
    config.set_value("line.max_width", "50")
    config.set_value("line.zsh.max_width", "40")
    assert [config.get(f"line.{target}.max_width") for target in ("tmux", "zsh", "plain")] == [50, 40, 50]
    assert config.get("line.provider") is None
    assert config.get("providers.codex") == msgspec.to_builtins(ProviderOptions())
    assert config.get("pricing.models.x") == msgspec.to_builtins(ModelPrices())
    assert [config.get(f"pricing.{key}") for key in ("aliases.x", "models.x.input", "cost_mode")] == [None] * 3


plain = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="{},;")
names = st.text(plain, min_size=1, max_size=20).map(str.strip).filter(bool)
lists = st.lists(names, min_size=1, max_size=4)
rows = st.lists(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=4), min_size=1, max_size=3)
braced = st.sampled_from([f"{{{field}}}" for field in FORMAT_FIELDS])
SETTINGS = {
    "provider": lists,
    "periods": lists | st.sampled_from(["all", "primary"]),
    "format": st.lists(braced | st.text(plain, max_size=5), max_size=10).map("".join),
    "separator": st.text(plain, max_size=200),
    "max_width": st.integers(0, 10_000),
    "icons": st.sampled_from(["ascii", "unicode", "nerd"]),
    "costs": st.lists(st.sampled_from(["today", "block", "month", "burn"]), max_size=4),
    "bar": st.integers(0, 40),
    "reset": st.sampled_from(["countdown", "clock", "none"]),
    "show": st.sampled_from(["used", "remaining"]),
    "lines": rows,
}
places = st.sampled_from(["line", *(f"line.{target}" for target in ASSISTANTS)])
changes = st.sampled_from(list(SETTINGS)).flatmap(
    lambda name: st.tuples(places.map(lambda at: f"{at}.{name}"), SETTINGS[name])
)
changes |= st.tuples(names.map(lambda name: f"providers.{literal(name)}.enabled"), st.booleans())
changes |= st.tuples(st.just("fetch.timeout_s"), st.floats(1, 120))
changes |= st.tuples(names.map(lambda name: f"pricing.aliases.{literal(name)}"), names)
changes |= st.tuples(names.map(lambda name: f"pricing.models.{literal(name)}.cache_read"), st.floats(0, 1_000_000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(changes, min_size=1, max_size=6, unique_by=lambda change: change[0]))
def test_whatever_is_set_is_what_get_says_and_the_users_text_stays(file, every):
    file.write_text(USER_FILE)
    for key, value in every:
        config.set_value(key, value if isinstance(value, str) else literal(value))
    for key, value in every:
        assert config.get(key) == value
    kept = [line for line in file.read_text().splitlines() if line in USER_FILE.splitlines()]
    assert set(USER_FILE.splitlines()) - set(kept) <= {"bar = 5   # cells", "enabled = false"}
    assert not file.with_name("config.toml.bak").exists()


PRICED = "[pricing]\ncost_mode = 'auto'\naliases = {'a.b' = 'c'}\n[pricing.models.'x/y-1.0']\ninput = 3\noutput = 4.5\n"


@pytest.mark.parametrize(
    "text", ["", USER_FILE, "[line.'claude-code']\nlines = [['cost']]\n[fetch]\ntimeout_s = 20\n", PRICED]
)
def test_the_text_of_the_settings_in_force_reads_back_as_them(text, file):
    file.write_text(text)
    before, shown = config.load(), config.as_toml(config.load(), config.read())
    file.write_text(shown)
    assert config.load() == before
    live = [row for row in shown.splitlines() if " = " in row and row[0] != "#"]
    assert len(live) == len([row for row in text.splitlines() if " = " in row and row[0] != "#"])


def test_the_template_sets_nothing_and_each_of_its_keys_can_be_taken(file):
    text = config.template()
    file.write_text(text)
    assert config.load() == Config()
    file.write_text(
        "\n".join(line[2:] if " = " in line or line.startswith("# [") else line for line in text.split("\n"))
    )
    full = msgspec.to_builtins(config.load())
    assert None not in [full["line"][name] for name in config.LINE_KEYS]
    assert full["providers"]["claude"] == {
        "enabled": False,
        "base_url": "https://proxy.example/v1",
        "config_dir": "~/.claude-work",
        "env": "WORK_TOKEN",
        "strategies": ["oauth", "web"],
        "browser": "firefox",
        "region": "china",
        "params": {},
    }
    assert full["pricing"] == {
        "cost_mode": "calculate",
        "url": "https://mirror.example/prices.json",
        "aliases": {"my-name": "claude-opus-5"},
        "models": {
            "my-model": {
                "input": 3.0,
                "output": 15.0,
                "cache_write": 3.75,
                "cache_write_1h": 6.0,
                "cache_read": 0.3,
            }
        },
    }


def test_the_folder_is_chosen_by_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VIBEUSAGE_CONFIG_DIR", str(tmp_path / "other"))
    config.set_value("line.bar", "9")
    assert tomllib.loads((tmp_path / "other" / "config.toml").read_text()) == {"line": {"bar": 9}}
    assert paths.config_file() == tmp_path / "other" / "config.toml"
