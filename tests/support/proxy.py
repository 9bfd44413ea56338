"""nginx as deploy/nginx.conf configures it, with ports and a certificate of a test."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.ports import lasting_port
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

SITE = ROOT / "deploy/nginx.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
START_MAX_S = 60.0
STOP_MAX_S = 30.0

MAIN = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {more}
    include {folder}/site.conf;
}}
"""


def site(upstream_port: int, http_port: int, https_port: int, cert: Path, key: Path) -> str:
    """Give deploy/nginx.conf with other ports, addresses and files, and nothing else changed."""
    text = SITE.read_text(encoding="utf-8")
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    for old, new in (
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{upstream_port};"),
        ("listen 80;", f"listen 127.0.0.1:{http_port};"),
        ("listen 443 ", f"listen 127.0.0.1:{https_port} "),
        ("/etc/letsencrypt/live/app.example.org/fullchain.pem", str(cert)),
        ("/etc/letsencrypt/live/app.example.org/privkey.pem", str(key)),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Proxy:
    """A running nginx: where it listens, and the certificate by which it is known."""

    def __init__(self, https_port: int, http_port: int, cert: Path) -> None:
        self.url = f"https://localhost:{https_port}"
        self.plain_url = f"http://localhost:{http_port}"
        self.cert = cert


@contextlib.contextmanager
def proxy(folder: Path, upstream_port: int, more: str = "") -> Generator[Proxy]:
    """Run nginx before a server; `more` goes into its `http` block."""
    assert NGINX is not None
    folder.mkdir()
    cert, key = make_certificate(folder)
    http_port, https_port = lasting_port(), lasting_port()
    (folder / "site.conf").write_text(site(upstream_port, http_port, https_port, cert, key))
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(folder=folder, user=user, more=more))
    with (folder / "said").open("wb") as said:
        nginx = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "nginx.log")],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            assert nginx.poll() is None, (folder / "said").read_text() + log(folder)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", https_port)):
                return True
            return False

        wait_until(answers, "nginx to listen", START_MAX_S)
        yield Proxy(https_port, http_port, cert)
    finally:
        nginx.terminate()  # at once, also while a stream goes on; the master ends its workers
        try:
            nginx.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            os.killpg(nginx.pid, signal.SIGKILL)  # the session that it was started in
            nginx.wait()


def log(folder: Path) -> str:
    """Give what nginx has logged."""
    place = folder / "nginx.log"
    return place.read_text(encoding="utf-8", errors="replace") if place.exists() else ""
