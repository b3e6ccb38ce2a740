"""The Lambda Runtime API of 2018-06-01 on loopback, for one environment: next, response, error, init/error."""

import json
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from millrace_harness.host.errors import MAX_RESPONSE_BYTES, response_too_large
from millrace_harness.host.exchange import Exchange, InitFailed

if TYPE_CHECKING:
    from socketserver import BaseServer

ROOT = "/2018-06-01/runtime/"
DRAIN_BYTES = 1 << 16
BACKLOG = 16  # connections of one runtime: one, and one more for init/error


class RuntimeApi:
    """A port of its own for one runtime process.

    One thread accepts, one serves each connection; none of them wakes up while nothing happens.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name="runtime-api", daemon=True).start()

    @property
    def address(self) -> str:
        """host:port, as AWS_LAMBDA_RUNTIME_API has it."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Close the port and every connection; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            connections = list(self._connections)
        for endpoint in (self._listener, *connections):
            try:
                endpoint.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it; close alone does not
            except OSError:
                continue  # the other side was first

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    connection, _ = self._listener.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=self._serve, args=(connection,), name="runtime-api", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._connections.add(connection)
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Door(connection, self._exchange)
        except OSError:
            return  # the runtime went away in mid request; its exit is told by whoever waits for the process
        finally:
            with self._lock:
                self._connections.discard(connection)


class _Door(BaseHTTPRequestHandler):
    """One connection of a runtime, for as long as it lasts."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one segment

    def __init__(self, connection: socket.socket, exchange: Exchange) -> None:
        self._exchange = exchange
        server: BaseServer = None  # type: ignore[assignment]  # never looked at by the base class
        super().__init__(connection, connection.getsockname(), server)

    def do_GET(self) -> None:
        if self.path != f"{ROOT}invocation/next":
            return self._refuse(404, "Not found", "UnknownPath")
        work = self._exchange.take()
        if work is None:
            self.close_connection = True
            return None
        return self._reply(200, work.payload, dict(work.headers))

    def do_POST(self) -> None:
        body = self._body()
        match self.path.removeprefix(ROOT).split("/"):
            case ["init", "error"]:
                self._exchange.tell(InitFailed(body or b""))
                self._accepted()
            case ["invocation", request_id, "response"]:
                self._respond(request_id, body)
            case ["invocation", request_id, "error"]:
                self._settle(request_id, response_too_large() if body is None else body, failed=True)
            case _:
                self._refuse(404, "Not found", "UnknownPath")

    def _respond(self, request_id: str, body: bytes | None) -> None:
        if body is not None:
            return self._settle(request_id, body, failed=False)
        if self._exchange.answer(request_id, response_too_large(), failed=True):
            limit = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            return self._refuse(413, limit, "RequestEntityTooLarge")
        return self._refuse(400, "Invalid request ID", "InvalidRequestID")

    def _settle(self, request_id: str, body: bytes, *, failed: bool) -> None:
        if self._exchange.answer(request_id, body, failed=failed):
            self._accepted()
        else:
            self._refuse(400, "Invalid request ID", "InvalidRequestID")

    def _body(self) -> bytes | None:
        """What was posted; None where it is over the limit, read to its end and thrown away."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        return self._bounded(int(self.headers.get("Content-Length") or 0))

    def _bounded(self, length: int) -> bytes | None:
        if length <= MAX_RESPONSE_BYTES:
            return self.rfile.read(length)
        while length > 0:
            read = len(self.rfile.read(min(length, DRAIN_BYTES)))
            length = length - read if read else 0
        return None

    def _chunks(self) -> bytes | None:
        kept: bytearray | None = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunk = self._bounded(size)
            self.rfile.readline()
            if kept is not None:
                kept = None if chunk is None or len(kept) + len(chunk) > MAX_RESPONSE_BYTES else kept + chunk
        while self.rfile.readline().strip():  # trailers
            continue
        return None if kept is None else bytes(kept)

    def _accepted(self) -> None:
        self._reply(202, b'{"status":"OK"}\n')

    def _refuse(self, status: int, message: str, kind: str) -> None:
        self._reply(status, json.dumps({"errorMessage": message, "errorType": kind}).encode())

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
