"""Readers of streams as a benchmark has them: another program's many, and one by itself."""

import json
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import msgspec

from bench.served import ROOT


class Looked(msgspec.Struct):
    """What the readers' program has read in a round."""

    deliveries: int
    ended: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


class Readers:
    """The program that reads."""

    def __init__(self, url: str, path: str, count: int, how: str) -> None:
        port = str(urlsplit(url).port)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.stream_readers", port, path, str(count), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> "Readers":
        assert self._line() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def look(self) -> Looked:
        """Give what was read since the last look."""
        assert self._process.stdin is not None
        self._process.stdin.write("look\n")
        self._process.stdin.flush()
        return msgspec.convert(json.loads(self._line()), Looked)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class PaceReader:
    """A reader that says up to which event it was told."""

    def __init__(self, url: str, path: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", urlsplit(url).port), 60)
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"
        self.sock.sendall(head.encode())
        self.seq = 0

    def __enter__(self) -> "PaceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def reach(self, seq: int) -> None:
        """Read on until it was told of an event."""
        rest = b""
        while self.seq < seq:
            data = self.sock.recv(1 << 18)
            if not data:
                sys.exit("the stream has ended: the reader was too slow")
            found: list[bytes] = re.findall(rb"\nid: (\d+)\n", rest + data)
            rest = data[-100:]
            if found:
                self.seq = int(found[-1])
