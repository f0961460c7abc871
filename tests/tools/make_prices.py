"""Make src/vibeusage/records/prices.json anew, by hand, when prices have changed.

    pip download --no-deps -d FOLDER model-prices litellm
    .venv/bin/python tests/tools/make_prices.py FOLDER

`model-prices` (MIT, its notice is kept in prices.LICENSE) has dated prices and is believed first; LiteLLM's table
(MIT) adds models and ways to be served; TIERS, FAST and ALIASES are facts that both lack. What the file knew before
stays in it.
"""

import json
import re
import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

from vibeusage.records import litellm
from vibeusage.records.price_table import Price, Rates, Table, decoded, encoded, merged, threshold
from vibeusage.records.price_update import beyond

HERE = Path(__file__).parents[2] / "src" / "vibeusage" / "records"
RESOLD = {"deepseek": "deepseek", "glm": "zai", "kimi": "moonshotai"}  # in others' lists at others' prices
NO_MODELS = re.compile(r"adaptive|arena-.*|.*:peft:.*")
WAYS = {"fast": "fast", "batch": "batch", "flex": "flex"}
_SONNET = ((200_000, Rates(6_000_000, 22_500_000, 7_500_000, 12_000_000, 600_000)),)
TIERS = {
    "claude-sonnet-4-0": _SONNET,
    "claude-sonnet-4-20250514": _SONNET,
    "claude-sonnet-4-5": _SONNET,
    "claude-sonnet-4-5-20250929": _SONNET,
    "gemini-2.5-pro": ((200_000, Rates(2_500_000, 15_000_000, 2_500_000, 2_500_000, 625_000)),),
}
FAST = {"claude-opus-4-6": 600, "claude-opus-4-7": 600, "claude-opus-4-8": 200, "claude-opus-5": 200}
ALIASES = {
    "claude-opus-4": "claude-opus-4-0",
    "claude-sonnet-4": "claude-sonnet-4-0",
    "claude-haiku-3-5": "claude-3-5-haiku-latest",
    "claude-3-5-haiku": "claude-3-5-haiku-latest",
    "claude-3-5-sonnet": "claude-3-5-sonnet-20241022",
    "claude-3-5-sonnet-latest": "claude-3-5-sonnet-20241022",
    "claude-3-7-sonnet": "claude-3-7-sonnet-latest",
    "gemini-3-pro": "gemini-3-pro-preview",
    "gemini-3-flash": "gemini-3-flash-preview",
}


def main(folder: Path) -> None:
    snapshot, mit, version = _of_wheel(folder, "model_prices", "model_prices/snapshot.json")
    prices, _, tail_version = _of_wheel(folder, "litellm", "litellm/model_prices_and_context_window_backup.json")
    document = json.loads(snapshot)
    models, tail = _dated(document), litellm.read(prices)
    today = datetime.now(UTC).date()
    for name in models.keys() & tail:
        models[name] = tuple(_with(price, tail[name].percent) for price in models[name])
    new = {name: price for name, price in tail.items() if name not in models and beyond(models, name, price, today)}
    models |= {name: (price,) for name, price in new.items()}
    models = {name: _terse([_anchored(name, price) for price in known]) for name, known in models.items()}
    made = f"model-prices {version} of {document['updated_at'][:10]}"
    table = Table(1, today, (made, f"litellm {tail_version}"), _aliases(document, models), models)
    target = HERE / "prices.json"
    if target.exists():
        table = merged(decoded(target.read_bytes()), table)
    target.write_bytes(encoded(table))
    (HERE / "prices.LICENSE").write_bytes(b"prices.json is made from the data of model-prices:\n\n" + mit)
    print(f"{len(table.models)} models, {sum(map(len, table.models.values()))} prices, {target.stat().st_size} bytes")


def _of_wheel(folder: Path, package: str, name: str) -> tuple[bytes, bytes, str]:
    """(the file, the package's licence, its version) of the newest wheel."""
    path = max(folder.glob(f"{package}-*.whl"))
    with zipfile.ZipFile(path) as wheel:
        licence = next(each for each in wheel.namelist() if each.endswith("licenses/LICENSE"))
        return wheel.read(name), wheel.read(licence), path.name.split("-")[1]


def _dated(document: dict) -> dict[str, tuple[Price, ...]]:
    found = {}
    for maker, models in document["prices"].items():
        for raw, modes in models.items():
            name = raw.lower()
            resold = any(word in name and maker != owner for word, owner in RESOLD.items())
            if resold or NO_MODELS.fullmatch(name):
                continue
            prices = _timeline(modes)
            if any(price.rates.input or price.rates.output for price in prices):
                found.setdefault(name, prices)
    return found


def _timeline(modes: dict) -> tuple[Price, ...]:
    """The prices of one model by day; the last of a day counts, since first entries are often put right at once."""
    by_day: dict[date, Price] = {}
    entries = [entry for entry in modes["standard"] if entry["rates"]]
    for at, entry in enumerate(entries):
        ends = entries[at + 1]["start"] if at + 1 < len(entries) else "9"
        day = date.fromisoformat((entry["start"] or entry["rates"]["valid_from"])[:10])
        by_day[day] = _price(day, entry["rates"], modes, ends)
    return tuple(by_day[day] for day in sorted(by_day))


def _price(since: date, said: dict, modes: dict, ends: str) -> Price:
    """`ends`: when the next price begins; a way to be served counts that was offered before."""
    tiers = {threshold(tier["above"]): _rates(said | tier) for tier in said.get("tiers", [])}
    base = said["output"] or said["input"]
    percent = {}
    for way, mode in WAYS.items():
        begun = [each["rates"] for each in modes.get(mode, []) if each["rates"] and (each["start"] or "") < ends]
        if begun and base:
            percent[way] = round(begun[-1]["output" if said["output"] else "input"] * 100 / base)
    percent = {way: number for way, number in percent.items() if number != 100}
    return Price(since, _rates(said), tuple(sorted(tiers.items())), percent)


def _rates(said: dict) -> Rates:
    """USD per million to picodollars per token; an hour's write is a multiple of the input, where writes cost extra."""
    names = ("input", "output", "cache_write", "cache_read")
    rate = {name: round(said[name] * 1_000_000) for name in names if name in said}
    write, long_write = rate.get("cache_write"), None
    if write is not None and "cache_write_1h_multiple" in said:
        long_write = round(rate["input"] * said["cache_write_1h_multiple"])
    return litellm.completed(rate["input"], rate["output"], write, long_write, rate.get("cache_read"), is_claude=False)


def _with(price: Price, percent: dict[str, int]) -> Price:
    return Price(price.since, price.rates, price.tiers, percent | price.percent)


def _anchored(name: str, price: Price) -> Price:
    """What the sources have dropped, or learned late: tiers for long prompts, and ways to be served."""
    percent, tiers = dict(price.percent), price.tiers or TIERS.get(name, ())
    if fast := FAST.get(re.sub(r"-\d{8}\Z", "", name)):
        percent.setdefault("fast", fast)
    if name.startswith("gpt-") and "priority" in percent:
        percent.setdefault("fast", percent["priority"])  # OpenAI sells one thing under both names
    if name.startswith("gpt-"):
        tiers = tuple((max(above, 272_000), rates) for above, rates in tiers)  # listed as 200k until May 2026
    return Price(price.since, price.rates, tiers, dict(sorted(percent.items())))


def _terse(prices: list[Price]) -> tuple[Price, ...]:
    """The first holds from ever on; one that changes nothing is left out."""
    kept: list[Price] = []
    for price in prices:
        always = Price(kept[-1].since if kept else None, price.rates, price.tiers, price.percent)
        if not kept:
            kept.append(always)
        elif always != kept[-1]:
            kept.append(price)
    return tuple(kept)


def _aliases(document: dict, models: dict) -> dict[str, str]:
    """Other names to the models they mean; a name that has prices of its own needs none."""
    said = {name: model.partition("/")[2] for name, model in document["aliases"]["models"].items()}
    for bases in document["bases"].values():
        said |= bases
    said = {name.lower(): model.lower() for name, model in said.items()} | ALIASES
    return {name: model for name, model in sorted(said.items()) if name not in models and model in models}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
