"""Which settings exist; what each may be stands in `kinds`."""

from typing import Any

import msgspec

from vibeusage import kinds


class LineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """None = not set: what [line] says, else the default of the target."""

    provider: kinds.Providers | None = None
    periods: kinds.Periods | None = None
    format: kinds.Format | None = None
    separator: kinds.Separator | None = None
    max_width: kinds.MaxWidth | None = None
    icons: kinds.Icons | None = None
    bar: kinds.Bar | None = None
    reset: kinds.Reset | None = None
    show: kinds.Show | None = None
    costs: kinds.Costs | None = None
    lines: kinds.Rows | None = None


def _table(name: str | None = None) -> Any:
    return msgspec.field(default_factory=LineOptions, name=name)


class Line(LineOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    tmux: LineOptions = _table()
    starship: LineOptions = _table()
    zsh: LineOptions = _table()
    bash: LineOptions = _table()
    fish: LineOptions = _table()
    claude_code: LineOptions = _table("claude-code")
    copilot: LineOptions = _table()
    qwen: LineOptions = _table()
    cursor: LineOptions = _table()
    agy: LineOptions = _table()
    waybar: LineOptions = _table()
    i3blocks: LineOptions = _table()
    polybar: LineOptions = _table()
    screen: LineOptions = _table()
    zjstatus: LineOptions = _table()
    swiftbar: LineOptions = _table()
    plain: LineOptions = _table()
    ansi: LineOptions = _table()
    json: LineOptions = _table()


class Fetch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout_s: kinds.Timeout = 15.0
    interval_s: kinds.Interval = 300
    stale_after_s: kinds.StaleAfter = 3600
    idle_interval_s: kinds.IdleInterval = 3600
    max_concurrent: kinds.MaxConcurrent = 5


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use_keyring: kinds.UseKeyring = False
    keyring_backend: kinds.KeyringBackend | None = None
    reuse_provider_credentials: kinds.Reuse = True
    browser: kinds.PreferredBrowser | None = None


class Dashboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colors: kinds.Colors = "usual"
    plots: kinds.Plots = "cost"


class ProviderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a provider (`claude`) or of one more account of it (`claude@work`)."""

    enabled: kinds.Enabled = True
    base_url: kinds.BaseUrl | None = None
    config_dir: kinds.ConfigDir | None = None
    env: kinds.Variable | None = None
    strategies: kinds.Strategies | None = None
    browser: kinds.Browser | None = None
    region: kinds.Region | None = None
    params: dict[kinds.ParamName, kinds.ParamValue] = msgspec.field(default_factory=dict)


class RecordOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the logs of one tool."""

    mode: kinds.SyncMode = "polling"
    interval_s: kinds.SyncInterval = 300
    roots: kinds.LogFolders | None = None


class ModelPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `input` and `output` the model has no price."""

    input: kinds.InputPrice | None = None
    output: kinds.OutputPrice | None = None
    cache_write: kinds.WritePrice | None = None
    cache_write_1h: kinds.LongWritePrice | None = None
    cache_read: kinds.ReadPrice | None = None


class Pricing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cost_mode: kinds.CostMode | None = None
    url: kinds.PricesUrl | None = None
    aliases: dict[kinds.ModelName, kinds.Alias] = msgspec.field(default_factory=dict)
    models: dict[kinds.ModelName, ModelPrices] = msgspec.field(default_factory=dict)


class PlanOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without a price there is nothing to compare with."""

    price: kinds.PlanPrice | None = None
    provider: kinds.PlanProvider | None = None


class Alerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without thresholds there are none."""

    thresholds: kinds.Thresholds = msgspec.field(default_factory=list)
    command: kinds.AlertCommand | None = None


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the quotas; 0 days keep none."""

    days: kinds.HistoryDays = 400


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: kinds.StorageFolder | None = None
    url: kinds.StorageUrl | None = None


class Machines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one's own, whose records come together."""

    name: kinds.MachineName | None = None
    folder: kinds.SharedFolder | None = None
    interval_s: kinds.SharedInterval = 900


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: Line = msgspec.field(default_factory=Line)
    fetch: Fetch = msgspec.field(default_factory=Fetch)
    providers: dict[kinds.Id, ProviderOptions] = msgspec.field(default_factory=dict)
    credentials: Credentials = msgspec.field(default_factory=Credentials)
    alerts: Alerts = msgspec.field(default_factory=Alerts)
    pricing: Pricing = msgspec.field(default_factory=Pricing)
    records: dict[kinds.Id, RecordOptions] = msgspec.field(default_factory=dict)
    machines: Machines = msgspec.field(default_factory=Machines)
    history: History = msgspec.field(default_factory=History)
    storage: Storage = msgspec.field(default_factory=Storage)
    dashboard: Dashboard = msgspec.field(default_factory=Dashboard)
    plans: dict[kinds.PlanName, PlanOptions] = msgspec.field(default_factory=dict)
    enabled_providers: kinds.EnabledProviders | None = None
    provider_order: kinds.ProviderOrder | None = None
