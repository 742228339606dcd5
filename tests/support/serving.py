"""A server of files on this machine that also cuts, corrupts, refuses and ignores ranges."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves `contents`, and one of them, `troubled`, badly. cuts: how many answers for it end
    halfway; failures: how many are 503; length: what is said of its length in place of the truth.
    """

    def __init__(self, contents: dict[str, bytes], troubled: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = contents
        self.troubled = troubled
        self.cuts = 0
        self.failures = 0
        self.ranges = True
        self.length = ""
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, wanted))
        content = self.server.contents.get(name)
        if content is None:
            return self.send_error(404)
        if name == self.server.troubled and self.server.failures:
            self.server.failures -= 1
            return self.send_error(503)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", self.server.length or str(len(content) - start))
        self.end_headers()
        stop = len(content)
        if name == self.server.troubled and self.server.cuts:
            self.server.cuts -= 1
            stop = (start + len(content)) // 2
        self.wfile.write(content[start:stop])

    def log_message(self, *args: Any) -> None:
        return None


@contextmanager
def serving(contents: dict[str, bytes], troubled: str) -> Iterator[Server]:
    """A running server."""
    server = Server(contents, troubled)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
