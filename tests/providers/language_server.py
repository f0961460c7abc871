"""A stand-in for Antigravity's language server: a program of its own, with TLS that it signs itself, on a random port.

    language_server.py --script FILE [flags of the real one]

The file names its certificate, the token it wants, its log, and what it answers to which method (404 to any other):
a document, [status, document], "hang" or "flood". The log gets `ready PORT`, then a line of JSON for each request.
"""

import http.server
import json
import ssl
import sys
import threading
import time

FLAGS = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
with open(FLAGS["--script"]) as stream:
    SCRIPT = json.load(stream)
LOG = open(SCRIPT["log"], "a", buffering=1)  # noqa: SIM115


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        LOG.write(json.dumps([self.path, dict(self.headers), json.loads(body)]) + "\n")
        if self.headers.get("X-Codeium-Csrf-Token", "") != SCRIPT["token"]:
            self.answer(403, {"error": "Invalid CSRF token"})
            return
        match SCRIPT["answers"].get(self.path.rpartition("/")[2], [404, {"code": "unimplemented"}]):
            case "hang":
                time.sleep(60)
            case "flood":
                self.flood()
            case [int(status), document]:
                self.answer(status, document)
            case document:
                self.answer(200, document)

    def answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def flood(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(256):
            self.wfile.write(b" " * 65536)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # who leaves early is what the tests are about


server = Server(("127.0.0.1", 0), Handler)
if SCRIPT["certificate"]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SCRIPT["certificate"])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
LOG.write(f"ready {server.server_address[1]}\n")
time.sleep(120)
