"""A browser alone with a server that logs it in: `browser_host.py CERTIFICATE COOKIES COMMAND…`.

To be run in a network of its own: it brings loopback up there, plays every https host, sets the lines of the file
COOKIES at cursor.com, and runs COMMAND until that ends or our stdin does. Chromium keeps changes to itself for half a
minute, or until there are 512: `/many` leads it over hosts that set as many.
"""

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
FILLERS, EACH = 4, 170


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate: str, cookies: list[str]) -> None:
        super().__init__(("127.0.0.1", 443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.cookies = cookies

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that asks its maker's hosts does not take our certificate for them."""


class Handler(BaseHTTPRequestHandler):
    server: Server  # ty: ignore[incompatible-mutable-override]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").partition(".")[0]
        place = int(host[1:]) if host[1:].isdigit() else 0
        cookies = [f"c{number}=x; Max-Age=9999" for number in range(EACH)] if place else []
        if host == "cursor":
            cookies = self.server.cookies
        leads_on = self.path == "/many" and place < FILLERS
        self.send_response(302 if leads_on else 200)
        if leads_on:
            self.send_header("Location", f"https://f{place + 1}.example/many")
        for cookie in cookies:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> int:
    certificate, cookies, *command = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))
    with Server(certificate, Path(cookies).read_text().splitlines()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (orders, tell), (hear, answers) = os.pipe(), os.pipe()
        pipes = f'exec "$@" 3<&{orders} 4>&{answers}'  # where Chromium's --remote-debugging-pipe expects them
        browser = subprocess.Popen(["sh", "-c", pipes, "sh", *command], pass_fds=(orders, answers))
        patience_s = 5 if "--remote-debugging-pipe" in command else 0
        threading.Thread(target=_end, args=(browser, tell, patience_s), daemon=True).start()
        threading.Thread(target=_drain, args=(hear,), daemon=True).start()
        return browser.wait()


def _end(browser: subprocess.Popen[bytes], tell: int, patience_s: float) -> None:
    """Ask for an end as its user would, once nobody needs the browser any more; then insist."""
    sys.stdin.read()
    os.write(tell, b'{"id":1,"method":"Browser.close"}\0')
    with contextlib.suppress(subprocess.TimeoutExpired):
        browser.wait(patience_s)
        return
    browser.kill()


def _drain(hear: int) -> None:
    while os.read(hear, 65_536):
        pass


if __name__ == "__main__":
    sys.exit(main())
