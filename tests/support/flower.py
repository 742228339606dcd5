"""A SuperLink and SuperNodes on 127.0.0.1, in processes of their own, which are stopped in order:
SuperNodes first, since those whose SuperLink is gone try to reach it for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Flower:
    """Processes of Flower, with a home of their own, no telemetry, and nothing downloaded."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.home = folder / "flwr"
        self.home.mkdir(parents=True)
        self.env = {
            **os.environ,
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        self.superlink: subprocess.Popen[bytes] | None = None
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.certified = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *options: str) -> float:
        """Start the SuperLink without certificates, or with these options in their place; how many
        seconds until it answers.
        """
        trust = f'root-certificates = "{self.folder / "ca.pem"}"' if options else "insecure = true"
        (self.home / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "{self.address}"\n{trust}\n'
        )
        began = time.monotonic()
        self.superlink = self._process(
            "superlink", "flower-superlink", *(options or ("--insecure",)), "--host", "127.0.0.1", "--port", str(self.port),
            "--disable-runtime-dependency-installation",
        )  # fmt: skip
        while time.monotonic() < began + 120:
            assert self.superlink.poll() is None, self.log("superlink")
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return time.monotonic() - began
            time.sleep(0.2)
        raise AssertionError(self.log("superlink"))

    def secure(self, sites: int) -> None:
        """Make certificates and keys as the manual says, start the SuperLink with them, and admit
        the keys of that many sites.
        """
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes")
        (self.folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        self._do(
            "openssl", "req", "-x509", *curve, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests"
        )
        self._do("openssl", "req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
        self._do(
            "openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", "server.pem", "-extfile", "server.ext",
        )  # fmt: skip
        self.start(
            "--enable-supernode-auth", "--ssl-ca-certfile", "ca.pem", "--ssl-certfile", "server.pem", "--ssl-keyfile",
            "server.key",
        )  # fmt: skip
        for site in range(sites):
            self._do("ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", f"site{site}.key")
            self._do(str(BIN / "flwr"), "supernode", "register", f"site{site}.key.pub", "here")
        self.certified = True

    def join(self, partition: int, site: Path, key: int | None = None) -> None:
        """Start a SuperNode for a site. key: of which site, where it has one."""
        options = ["--root-certificates", "ca.pem"] if self.certified else ["--insecure"]
        options += [] if key is None else ["--auth-supernode-private-key", f"site{key}.key"]
        self.nodes.append(
            self._process(
                f"supernode{len(self.nodes)}", "flower-supernode", *options, "--superlink", self.address, "--port",
                str(free_port()), "--node-config", f'partition-id={partition} site="{site}"',
            )
        )  # fmt: skip

    def run(self, timeout: float, **config: object) -> str:
        """Run the app to its end: what it printed."""
        words = " ".join(
            f'{key}="{each}"' if isinstance(each, str) else f"{key}={each}" for key, each in config.items()
        )
        return self._do(
            str(BIN / "flwr"),
            "run",
            str(ROOT / "apps/flower"),
            "here",
            "--run-config",
            words,
            "--stream",
            timeout=timeout,
        )

    def _do(self, *words: str, timeout: float = 120) -> str:
        done = subprocess.run(
            words, env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()
        return done.stdout.decode()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def leave(self) -> None:
        """Stop the SuperNodes."""
        _stop(self.nodes)
        self.nodes = []

    def stop(self) -> None:
        """Stop all."""
        self.leave()
        if self.superlink:
            _stop([self.superlink])

    def _process(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [str(BIN / words[0]), *words[1:]], env=self.env, cwd=self.folder, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes, and after ten seconds all that they started."""
    family = [psutil.Process(each.pid) for each in processes if each.poll() is None]
    family += [child for each in family for child in each.children(recursive=True)]
    for process in processes:
        process.terminate()
    _, left = psutil.wait_procs(family, 10)
    for each in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    for process in processes:
        process.wait(10)
