"""`db merge ssh://` through a real ssh and a real sshd on loopback, to a `vibeusage` that is installed there."""

import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real import unavailable

from vibeusage.records import store
from vibeusage.records.readers.spec import Call

PROGRAMS = Path(sys.executable).parent
pytestmark = pytest.mark.slow


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def port(require, tmp_path) -> Iterator[int]:
    """Where an sshd listens that knows our key and serves a machine with calls."""
    if not (PROGRAMS / "vibeusage").exists():
        unavailable("vibeusage is not installed beside this Python")
    sshd = require("sshd")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it insists on it
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    server = tmp_path / "server"
    with store.open(server / "data" / "usage.db") as db:
        calls = [Call(uuid=f"{count}", ts=1_750_000_500_000 + count, input=count) for count in range(12_000)]
        db.put("claude", calls, machine="server")
    folders = " ".join(f'VIBEUSAGE_{kind.upper()}_DIR="{server / kind}"' for kind in ("config", "cache", "data"))
    ours = key(tmp_path / "ours").with_suffix(".pub")
    settings = tmp_path / "sshd_config"
    settings.write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {key(tmp_path / 'host')}\nAuthorizedKeysFile {ours}\n"
        f'StrictModes no\nUsePAM no\nPidFile none\nSetEnv PATH="{PROGRAMS}:/usr/bin:/bin" {folders}\n'
    )
    running = subprocess.Popen([sshd, "-D", "-E", tmp_path / "sshd.log", "-f", settings])
    try:
        wait_for(number)
        yield number
    finally:
        running.terminate()
        running.wait()


def wait_for(number: int) -> None:
    for _ in range(100):
        with socket.socket() as tried:
            if not tried.connect_ex(("127.0.0.1", number)):
                return
        time.sleep(0.1)
    pytest.fail("sshd does not listen")


@pytest.fixture
def path(tmp_path) -> str:
    """PATH with an ssh that has settings of its own: the real one looks in the home that the system knows."""
    settings = tmp_path / "ssh_config"
    known = f"UserKnownHostsFile {tmp_path / 'known'}\nStrictHostKeyChecking accept-new\n"
    settings.write_text(f"IdentityFile {tmp_path / 'ours'}\nIdentitiesOnly yes\nBatchMode yes\n{known}")
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {settings} "$@"\n')
    wrapper.chmod(0o755)
    return f"{wrapper.parent}:{os.environ['PATH']}"


def test_the_records_of_a_machine_come_through_ssh(port, path, tmp_path, vibeusage):
    user = pwd.getpwuid(os.geteuid()).pw_name
    done = vibeusage("db", "merge", f"ssh://{user}@127.0.0.1:{port}", env={"PATH": path})
    assert (done.stdout, done.stderr, done.returncode) == (b"12,000 new calls, 0 completed\n", b"", 0), (
        (tmp_path / "sshd.log").read_text()
    )
    again = vibeusage("db", "merge", f"ssh://127.0.0.1:{port}/", env={"PATH": path})
    assert again.stdout == b"0 new calls, 0 completed\n"


def test_a_machine_that_knows_us_not_says_so(port, path, tmp_path, vibeusage):
    (tmp_path / "ours.pub").write_text("")
    done = vibeusage("db", "merge", f"ssh://127.0.0.1:{port}", env={"PATH": path})
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"ended with 255: " in done.stderr
    assert b"Permission denied" in done.stderr
