"""A publisher's folder of files on a server of this machine, with its SHA256SUMS.txt."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path.lstrip("/"))  # type: ignore[attr-defined]
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        return None


def sums_of(folder: Path) -> str:
    """The checksums of all files of a folder, as PhysioNet writes them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt")
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()} {f.relative_to(folder).as_posix()}\n" for f in files)


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address under which the folder is published, and the list of what is asked for."""
    (folder / "SHA256SUMS.txt").write_text(sums_of(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
