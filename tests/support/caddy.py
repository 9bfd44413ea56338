"""Caddy as deploy/Caddyfile configures it, with ports and a certificate of a test."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.ports import lasting_port
from tests.support.proxy import START_MAX_S, STOP_MAX_S, Proxy
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

SITE = ROOT / "deploy/Caddyfile"
CADDY = shutil.which("caddy")

MAIN = """
{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system {folder}/storage
}}
"""


def site(upstream_port: int, https_port: int, cert: Path, key: Path) -> str:
    """Give deploy/Caddyfile with another name, port and certificate, and nothing else changed."""
    text = SITE.read_text(encoding="utf-8")
    for old, new in (
        ("\napp.example.org {", f"\nhttps://localhost:{https_port} {{\n\ttls {cert} {key}"),
        ("reverse_proxy 127.0.0.1:8080 {", f"reverse_proxy 127.0.0.1:{upstream_port} {{"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def caddy(folder: Path, upstream_port: int) -> Generator[Proxy]:
    """Run Caddy before a server."""
    assert CADDY is not None
    folder.mkdir()
    cert, key = make_certificate(folder)
    port = lasting_port()
    config = folder / "Caddyfile"
    config.write_text(MAIN.format(folder=folder) + site(upstream_port, port, cert, key))
    log = folder / "said"
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [CADDY, "run", "--adapter", "caddyfile", "--config", str(config)],
            env={**os.environ, **home},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
            return False

        wait_until(answers, "Caddy to listen", START_MAX_S)
        yield Proxy(port, port, cert)
    finally:
        process.kill()
        process.wait(STOP_MAX_S)
