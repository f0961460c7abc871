"""Numbers as characters: sparklines, columns and bars, also for terminals that have ASCII only."""

from collections.abc import Sequence

from vibeusage.terminal import Style

RISING, RISING_ASCII = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
STEPS = len(RISING) - 1


def sparkline(values: Sequence[float], style: Style, *, top: float = 0) -> str:
    """A cell each; any amount shows, and nothing is a blank. The highest cell is that of `top`, or more."""
    glyphs, top = _rising(style), max([top, *values])
    return "".join(glyphs[_steps(value, top, STEPS)] for value in values)


def columns(values: Sequence[float], height: int, style: Style) -> list[str]:
    """Rows from the top, a cell for each value."""
    glyphs, top = _rising(style), max(values, default=0)
    heights = [_steps(value, top, height * STEPS) for value in values]
    floors = [row * STEPS for row in reversed(range(height))]
    return ["".join(glyphs[min(STEPS, max(0, full - floor))] for full in heights) for floor in floors]


def bar(value: float, top: float, cells: int, style: Style) -> str:
    """As long as its share of `top`; any amount shows."""
    eighths = _steps(value, top, cells * 8)
    if style.full.isascii():
        return style.full * max(eighths // 8, int(eighths > 0))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _rising(style: Style) -> str:
    return RISING_ASCII if style.full.isascii() else RISING


def _steps(value: float, top: float, steps: int) -> int:
    return max(1, round(value / top * steps)) if value > 0 and top > 0 else 0
