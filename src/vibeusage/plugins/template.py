"""The files that `vibeusage plugin new` writes: a plugin that does something, to be changed."""

PROVIDER = '''"""{name}: what this plugin shows, and where the numbers come from."""

from vibeusage import plugin

# read without running anything, so everything in it is written out
PLUGIN = {{
    "api": 1,
    "kind": "provider",
    "id": "{id}",
    "name": "{name}",
    "version": "0.1",
    "env": ["{variable}_API_KEY"],  # variables that may hold the key; `vibeusage auth {id}` stores one, too
    "hosts": ["api.{id}.example"],  # the only ones that requests go to
    "dashboard": "https://{id}.example/usage",
    "hint": "a key is made at https://{id}.example/keys",
}}


def fetch(request: plugin.Request) -> plugin.Usage:
    headers = {{"Authorization": f"Bearer {{request.login}}"}}
    answer = request.get_json("https://api.{id}.example/v1/usage", headers)
    week = plugin.UsagePeriod(
        name="Weekly",
        utilization=answer["week"]["percent_used"],  # percent used, 0 to 100 and beyond
        period_type=plugin.PeriodType.WEEKLY,
        resets_at=plugin.instant(answer["week"]["resets_at"]),
    )
    return plugin.Usage(periods=(week,), identity=plugin.ProviderIdentity(plan=answer.get("plan")))
'''

READER = '''"""{name}: which logs this plugin reads, and what their numbers mean."""

import json
from collections.abc import Iterable

from vibeusage import plugin

# read without running anything, so everything in it is written out
PLUGIN = {{
    "api": 1,
    "kind": "reader",
    "id": "{id}",
    "name": "{name}",
    "version": "0.1",
    "roots": ["~/.{id}/logs"],
    "files": "*.jsonl",
    "form": "lines",  # only whole lines that are new; "document" for files that are written anew
}}


def read(log: plugin.Log) -> Iterable[plugin.Call]:
    for line in log.body.splitlines():
        row = json.loads(line)
        if row.get("type") != "usage":
            continue
        yield plugin.Call(
            uuid=row["id"],  # the same call has the same one, so that it counts once
            ts=plugin.millis(row["time"]) or 0,
            session=log.path.stem,
            model=row["model"],
            input=row["input_tokens"],  # neither read from nor written to a cache
            output=row["output_tokens"],
        )
'''


def text(kind: str, plugin_id: str) -> str:
    name = plugin_id.replace("-", " ").replace("_", " ").title()
    variable = plugin_id.replace("-", "_").upper()
    return (PROVIDER if kind == "provider" else READER).format(id=plugin_id, name=name, variable=variable)
