"""A model's API on loopback, and a client of it as this script's child: `model_server.py REPORT COMMAND…`.

To be run in a network of its own: it brings loopback up there, replaces @PORT in the command and the environment by
its port, runs the command to its end and writes to REPORT, as JSON, the token counts of every answer that it gave.
Speaks as much of the Messages API and of the Responses API as Claude Code and Codex ask for: the first answer of a
conversation reads note.txt with a tool of the client's, the next one ends the turn.
"""

import fcntl
import itertools
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
CLIENT_S = 90

Event = tuple[str, dict[str, Any]]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.numbers = itertools.count(1)
        self.sent: list[dict[str, int]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server  # ty: ignore[incompatible-mutable-override]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        answer = {"/v1/messages": _message, "/v1/responses": _response}.get(path)
        if answer is None:
            self._send(404, "application/json", b"{}")
            return
        number = next(self.server.numbers)
        events, counts = answer(json.loads(body), number)
        self.server.sent.append(counts)
        self._send(200, "text/event-stream", b"".join(map(_event, events)))

    def do_GET(self) -> None:
        self._send(404, "application/json", b"{}")

    def do_HEAD(self) -> None:
        self._send(404, "application/json", b"")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _event(event: Event) -> bytes:
    name, told = event
    return f"event: {name}\ndata: {json.dumps({'type': name, **told})}\n\n".encode()


def _message(asked: dict[str, Any], number: int) -> tuple[list[Event], dict[str, int]]:
    """Text, and a tool at first: two blocks of one answer, whose last event alone has the true output."""
    counts = {"input": 10 + number, "write_5m": 600 + number, "write_1h": 400 + number, "read": 20_000 + number}
    counts["output"] = 300 + number
    blocks: list[dict[str, Any]] = [{"type": "text", "text": "I read it."}]
    if not any(block.get("type") == "tool_result" for block in _last_turn(asked["messages"])):
        tool = {"type": "tool_use", "id": f"toolu_01{secrets.token_hex(11)}", "name": "Read"}
        blocks.append({**tool, "input": {"file_path": os.path.abspath("note.txt")}})
    usage = {
        "input_tokens": counts["input"],
        "cache_creation_input_tokens": counts["write_5m"] + counts["write_1h"],
        "cache_read_input_tokens": counts["read"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts["write_5m"],
            "ephemeral_1h_input_tokens": counts["write_1h"],
        },
        "service_tier": "standard",
    }
    base = {"id": f"msg_01{secrets.token_hex(11)}", "type": "message", "role": "assistant", "model": asked["model"]}
    start = {**base, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 2}}
    stop = {"stop_reason": blocks[-1]["type"].replace("text", "end_turn"), "stop_sequence": None}
    end = {"delta": stop, "usage": {**usage, "output_tokens": counts["output"]}}
    inside = [event for index, block in enumerate(blocks) for event in _block(index, block)]
    return [("message_start", {"message": start}), *inside, ("message_delta", end), ("message_stop", {})], counts


def _last_turn(messages: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    content = messages[-1]["content"]
    return content if isinstance(content, list) else ()


def _block(index: int, block: dict[str, Any]) -> list[Event]:
    if block["type"] == "text":
        empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        empty = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return [
        ("content_block_start", {"index": index, "content_block": empty}),
        ("content_block_delta", {"index": index, "delta": delta}),
        ("content_block_stop", {"index": index}),
    ]


def _response(asked: dict[str, Any], number: int) -> tuple[list[Event], dict[str, int]]:
    """What was read from the cache is part of the input here, reasoning part of the output."""
    counts = {"input": 2_000 + number, "read": 3_000 + number, "output": 200 + number, "write_5m": 0, "write_1h": 0}
    usage = {
        "input_tokens": counts["input"] + counts["read"],
        "input_tokens_details": {"cached_tokens": counts["read"]},
        "output_tokens": counts["output"],
        "output_tokens_details": {"reasoning_tokens": 50},
        "total_tokens": counts["input"] + counts["read"] + counts["output"],
    }
    is_first = asked["input"][-1].get("type") != "function_call_output"
    item = _call() if is_first else _said()
    name = f"resp_{secrets.token_hex(15)}"
    return [
        ("response.created", {"response": {"id": name}}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": {"id": name, "usage": usage, "output": [item]}}),
    ], counts


def _call() -> dict[str, Any]:
    call = {"type": "function_call", "call_id": f"call_{secrets.token_hex(8)}", "name": "exec_command"}
    return {**call, "arguments": json.dumps({"cmd": "cat note.txt"})}


def _said() -> dict[str, Any]:
    said = [{"type": "output_text", "text": "I read it."}]
    return {"type": "message", "role": "assistant", "id": f"msg_{secrets.token_hex(8)}", "content": said}


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def main() -> int:
    _loopback_up()
    report, *command = sys.argv[1:]
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = str(server.server_address[1])
        environ = {name: value.replace("@PORT", port) for name, value in os.environ.items()}
        command = [part.replace("@PORT", port) for part in command]
        code = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, timeout=CLIENT_S, check=False).returncode
        server.shutdown()
        Path(report).write_text(json.dumps(server.sent))
    return code


if __name__ == "__main__":
    sys.exit(main())
