"""A plugin's process as we see it: how it is started, what it may see, and in what words its end is told."""

import os
import signal
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

import vibeusage
from vibeusage.errors import ShapeError, StrategyError
from vibeusage.plugins import manifest, watch, wire
from vibeusage.plugins.sources import Found

OUTPUT_MOST = 1 << 20
PACKAGES = ("site-packages", "dist-packages")
PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/System/Library"),
    *("/usr/share/zoneinfo", "/etc/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl"),
    *("/dev/null", "/dev/urandom"),
)
DECODER = msgspec.msgpack.Decoder(wire.FromPlugin)


def command(lifeline: int, seconds: float) -> list[str]:
    return [sys.executable, "-I", "-B", "-X", "utf8", "-c", watch.START, str(lifeline), f"{seconds:g}", *_paths()]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """No variable of a plugin: what it declared comes by the pipe, which other programs do not see."""
    return {name: environ[name] for name in PASSED_ON if name in environ}


def _paths() -> list[str]:
    """Where Python's modules and ours are: not the folder that somebody happens to be in."""
    ours = {str(Path(module.__file__).parents[1]) for module in (vibeusage, msgspec) if module.__file__}
    own = tuple(os.path.join(folder, "") for folder in (sys.prefix, sys.base_prefix))
    return [path for path in sys.path if path in ours or path.startswith(own) or path.endswith(PACKAGES)]


def start(found: Found) -> wire.Start:
    said, closed = found.approval.manifest, manifest.closed()
    python = (*found.folders, *_paths(), sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())
    readable = dict.fromkeys(path for path in (*SYSTEM, *python) if not _has_inside(path, (*closed, Path.home())))
    return wire.Start(
        kind=said.kind,
        file=str(found.path),
        source=found.source,
        module=found.approval.module,
        folders=list(found.folders),
        readable=list(readable),
        closed=[str(path) for path in closed],
    )


def _has_inside(folder: str, others: tuple[Path, ...]) -> bool:
    """Whether one of `others` is this folder or lies in it: Python's own folders do not open a whole home."""
    top = os.path.realpath(folder).rstrip("/") + "/"
    return any(f"{other.resolve()}/".startswith(top) for other in others)


def decoded(body: bytes, plugin_id: str) -> wire.FromPlugin:
    """Raises ShapeError."""
    try:
        return DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as exc:
        raise ShapeError(f"the plugin {plugin_id} gave what is not understood: {_said(exc)}") from None


def _said(exc: Exception) -> str:
    """Types and places, never what was given."""
    return str(exc).partition(" '")[0][:100] if isinstance(exc, msgspec.ValidationError) else type(exc).__name__


def caught(plugin_id: str, what: str) -> StrategyError:
    return StrategyError(
        f"the plugin {plugin_id} tried {what}, which ended it",
        hint=f"it may not; `vibeusage plugin disable {plugin_id}` switches it off",
    )


def crashed(plugin_id: str, message: wire.Crashed) -> StrategyError:
    place = f" at {message.place}" if message.place else ""
    return StrategyError(
        f"the plugin {plugin_id} failed: {message.kind}{place}", hint=f"ask its author; {_off(plugin_id)}"
    )


def flooded(plugin_id: str) -> StrategyError:
    return StrategyError(f"the plugin {plugin_id} gave more than {OUTPUT_MOST >> 20} MiB", hint=_off(plugin_id))


class End(NamedTuple):
    code: int | None
    seconds: float


def ended(plugin_id: str, end: End) -> StrategyError:
    """Without an answer."""
    match end.code:
        case watch.TOO_LATE:
            how = f"took longer than {end.seconds:g} s and was ended"
        case int(code) if code > watch.SIGNALLED:
            how = f"was ended by {_signal(code - watch.SIGNALLED)}"
        case code:
            how = f"ended with code {code} and gave nothing"
    return StrategyError(f"the plugin {plugin_id} {how}", hint=f"ask its author; {_off(plugin_id)}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _off(plugin_id: str) -> str:
    return f"`vibeusage plugin disable {plugin_id}` switches it off"
