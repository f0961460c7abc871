"""What the line shows of the records, worked out once after a sync: rows of `costs`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from vibeusage import table
from vibeusage.config import Config
from vibeusage.records import blocks, days, reports, store, tally
from vibeusage.records.blocks import Current
from vibeusage.records.reports import Spent

PICO_IN_MICRO = 1_000_000


def cost_rows(settings: Config, now: int) -> list[str]:
    """Today and the month per provider and in all, the active blocks; [] when nothing is stored yet.

    Raises StorageError.
    """
    with store.open(readonly=True) as known:
        if known.span() is None:
            return []
        pricer, zone, now_ms = tally.pricer(settings.pricing), days.zone(), now * 1000
        rows = [*_spent("today", reports.today(known, pricer, now_ms, zone))]
        rows += _spent("month", reports.this("monthly", known, pricer, now_ms, zone))
        live = blocks.live_windows(datetime.fromtimestamp(now, UTC))
        return [*rows, *_blocks(blocks.current(known, pricer, now_ms, live))]


def _spent(name: str, found: Mapping[str, Spent]) -> Iterator[str]:
    for provider, spent in found.items():
        yield _row(provider, name, (spent.start_ms, spent.end_ms), spent.cost_pico, spent.tokens, spent.state)


def _blocks(found: Mapping[str, Current]) -> Iterator[str]:
    """Those of each provider; in all together they are one only where there is one."""
    for provider, block in found.items():
        for name in (provider, reports.ALL) if len(found) == 1 else (provider,):
            span = (block.start_ms, block.end_ms)
            yield _row(name, "block", span, block.cost_pico, block.tokens, block.state)
            if block.cost_pico_per_hour is not None and block.projected_cost_pico is not None:
                ends = block.projected_cost_pico // PICO_IN_MICRO
                yield _row(name, "burn", span, block.cost_pico_per_hour, ends, "estimate")


def _row(provider: str, name: str, span: tuple[int, int], pico: int | None, tokens: int, state: str) -> str:
    micro = -1 if pico is None else (pico + PICO_IN_MICRO // 2) // PICO_IN_MICRO
    start, end = (ms // 1000 for ms in span)
    return table.row("cost", provider, name, start, end, micro, tokens, state)
