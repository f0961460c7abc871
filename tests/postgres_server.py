"""A PostgreSQL server of its own, on the loopback interface and in a folder that goes away.

Not as root, which it refuses.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import psycopg
import trustme
from real import unavailable

ADMIN = "postgres"
HBA = """local all {admin} trust
host all {admin} 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def program(name: str) -> str:
    places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]]
    found = shutil.which(name, path=os.pathsep.join(places)) or shutil.which(name)
    return found or unavailable(f"{name} of PostgreSQL is not installed")


class Cluster:
    """The administrator needs no password, every other role does. With an `authority` it has a certificate."""

    def __init__(self, folder: Path, authority: trustme.CA | None = None) -> None:
        self.folder, self.port = folder, _free_port()
        self._settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder}
        self._settings |= {"fsync": "off", "max_connections": 60, "shared_buffers": "256MB", "max_wal_size": "4GB"}
        self._process: subprocess.Popen | None = None
        initdb = [program("initdb"), "-D", str(folder / "data"), "-U", ADMIN, "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(self._as_other(*initdb), check=True, capture_output=True)
        (folder / "data" / "pg_hba.conf").write_text(HBA.format(admin=ADMIN))
        if authority:
            self._certify(authority.issue_cert("127.0.0.1"))

    def start(self) -> None:
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = self._as_other(program("postgres"), "-D", str(self.folder / "data"), *settings)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.admin().close()
                return
            except psycopg.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """All of it at once, as a power cut would; it recovers at the next start."""
        if self._process:
            pids = [self._process.pid, *_children(self._process.pid)]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def is_down(self) -> bool:
        return self._process is None

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def admin(self, database: str = ADMIN) -> "psycopg.Connection[tuple]":
        return psycopg.connect(self.url(ADMIN, database), autocommit=True, connect_timeout=2)

    def url(self, user: str, database: str) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """A new one, and its address for the administrator."""
        with self.admin() as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            admin.execute(f"CREATE DATABASE {name}".encode())
        return self.url(ADMIN, name)

    def _certify(self, cert: trustme.LeafCert) -> None:
        key, chain = self.folder / "key.pem", self.folder / "chain.pem"
        cert.private_key_pem.write_to_path(key)
        for pem in cert.cert_chain_pems:
            pem.write_to_path(chain, append=True)
        key.chmod(0o600)
        if not os.getuid():
            shutil.chown(key, "nobody", "nogroup")
        self._settings |= {"ssl": "on", "ssl_cert_file": chain, "ssl_key_file": key}

    def _as_other(self, *command: str) -> list[str]:
        """Not as root, and no longer than we live ourselves."""
        setpriv = [shutil.which("setpriv") or unavailable("setpriv is not installed"), "--pdeathsig=INT"]
        if not os.getuid():
            setpriv += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        return [*setpriv, *command]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextlib.contextmanager
def running(authority: trustme.CA | None = None) -> Generator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="vibeusage-postgres-"))
    try:
        if not os.getuid():
            shutil.chown(folder, "nobody", "nogroup")
        cluster = Cluster(folder, authority)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
