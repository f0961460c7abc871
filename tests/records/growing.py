"""Logs of Claude Code that grow while somebody looks: each line is a call of $0.45, made now."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

USAGE = {"input_tokens": 100_000, "output_tokens": 10_000}  # at $3 and $15 a million


def line(id: str) -> bytes:
    message = {"id": f"msg_01{id:0>10}", "model": "claude-sonnet-4-5", "stop_reason": "end_turn", "usage": USAGE}
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"type": "assistant", "timestamp": at, "sessionId": "s", "message": message}).encode() + b"\n"


def log_of(tree: Path) -> Path:
    return tree / "projects" / "p" / "s.jsonl"


def grow(tree: Path, *ids: str) -> None:
    """Append a call for each id to the log below one of the tool's folders."""
    path = log_of(tree)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as log:
        for id in ids:
            log.write(line(id))
            log.flush()


def move_aside(tree: Path) -> None:
    os.rename(tree, tree.with_name(f"{tree.name}.was"))
