"""Row G12 along the whole way: no text of a conversation is in what is stored, reported or shown."""

import shutil
from pathlib import Path

import pytest
from records.feeding import IN_FIXTURES
from records.gen_claude_logs import CANARIES, generate

from vibeusage import line, paths
from vibeusage.cli.report import KINDS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"
TOOLS = {name: name for name in ("amp", "codex", "continue", "droid", "opencode", "pi", "vibe")}
TOOLS |= {"cline": "cline/sessions", "codebuff": "codebuff/manicode"}


def texts(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def has_text(data: bytes) -> bool:
    return IN_FIXTURES in data.lower()


@pytest.mark.slow
def test_g12_no_text_of_a_conversation_is_stored_reported_or_shown(home, config_dir, cache_dir, vibeusage):
    generate(home / ".claude", 2, seed=7)
    shutil.copytree(FIXTURES, home / "logs")
    assert all(IN_FIXTURES in name.encode() for name in CANARIES)
    assert [name for name in TOOLS if not any(map(has_text, texts(home / "logs" / name)))] == []
    config_dir.mkdir(parents=True, exist_ok=True)
    roots = [f'[records."{name}"]\nroots = ["{home / "logs" / folder}"]\n' for name, folder in TOOLS.items()]
    (config_dir / "config.toml").write_text('[line]\ncosts = ["today", "block", "month", "burn"]\n' + "".join(roots))
    told = [vibeusage("records", *args) for args in (["sync", "--json"], ["show"], ["sync", "--full"], ["prices"])]
    assert [name for name in TOOLS if f"  {name}  ".encode() not in told[1].stdout] == []
    for kind in KINDS:
        told += [vibeusage("report", kind, *form) for form in ([], ["--breakdown", "--json"], ["--csv"], ["--redact"])]
    told += [vibeusage("line", target) for target in sorted(line.TARGETS)]
    assert [(done.args, done.stderr) for done in told if done.returncode not in (0, 5)] == []
    assert b"claude-" in b"".join(done.stdout for done in told)
    assert [done.args for done in told if has_text(done.stdout + done.stderr)] == []
    kept = [*texts(paths.data_dir()), *texts(cache_dir)]
    assert kept and [data[:40] for data in kept if has_text(data)] == []
