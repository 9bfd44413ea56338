"""Readers of a stream, many in one thread: each rebuilds the state and checks what it is told.

Owns a client of `text/event-stream` on a plain socket: HTTP's chunks, events, and coming back with
the last id whenever the connection ends. What should never be is noted in `faults`.
"""

import errno
import json
import random
import selectors
import socket
import threading
import time
from typing import Final, NamedTuple

RECEIVED_MAX: Final = 1 << 16
SLOW_BYTES: Final = 4096  # taken in a turn by a slow reader, whose buffer is as small
TURN_S: Final = 0.02
FAULTS_MAX: Final = 5  # of a reader; the first one tells the most
SEES_ALL: Final = ""


class Habits(NamedTuple):
    """How one reader reads."""

    filters: str = SEES_ALL
    is_slow: bool = False
    leaves_after: int = 0  # events, at most; 0: stays
    wants_snapshot: bool = False


class StreamReader:
    """One reader: of everything, or of what passes its filters."""

    def __init__(self, name: str, address: tuple[str, int], path: str, habits: Habits) -> None:
        self.name = name
        self.filters = habits.filters
        self.is_slow = habits.is_slow
        self.is_resting = False  # a slow one that takes nothing for a while
        self.state: dict[str, object] = {}
        self.last_id: int | None = None
        self.faults: list[str] = []
        self.lives = 0  # connections that were answered
        self.lagged = 0
        self.leaves = 0  # events of that name
        self.sock: socket.socket | None = None
        self._address = address
        self._path = path
        self._wants_snapshot = habits.wants_snapshot
        self._leaves_after = habits.leaves_after
        self._chance = random.Random(name)
        self._left = 0  # events until it leaves
        self._raw = b""
        self._text = b""
        self._has_head = False
        self._is_live = False  # what comes next are changes

    # The connection

    def connect(self) -> socket.socket:
        """Begin anew, behind the last id."""
        self._raw = self._text = b""
        self._has_head = self._is_live = False
        self._left = self._chance.randint(1, self._leaves_after) if self._leaves_after else 0
        self.sock = sock = socket.socket()
        sock.setblocking(False)
        if self.is_slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        started = sock.connect_ex(self._address)
        assert started in (0, errno.EINPROGRESS), started
        return sock

    def greet(self) -> None:
        """Send the request."""
        assert self.sock is not None
        options = [self.filters] if self.filters else []
        if self._wants_snapshot:
            options.append("snapshot=true")
        query = "?" + "&".join(options) if options else ""
        head = f"GET {self._path}/stream{query} HTTP/1.1\r\nHost: x\r\n"
        if self.last_id is not None:
            head += f"Last-Event-ID: {self.last_id}\r\n"
        self.sock.send(f"{head}\r\n".encode())

    def receive(self) -> bool:
        """Take what has come; returns whether the connection goes on. May raise OSError."""
        assert self.sock is not None
        try:
            data = self.sock.recv(SLOW_BYTES if self.is_slow else RECEIVED_MAX)
        except BlockingIOError:
            return True
        self._raw += data
        return bool(data) and self._read() and not self._wants_to_leave()

    def _wants_to_leave(self) -> bool:
        return bool(self._leaves_after) and self._left <= 0

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    # What comes

    def _read(self) -> bool:
        if not self._has_head and not self._read_head():
            return b"\r\n\r\n" not in self._raw
        while (parted := self._raw.find(b"\r\n")) >= 0:
            size = int(self._raw[:parted], 16)
            end = parted + 2 + size + 2
            if len(self._raw) < end:
                return True
            if not size:
                return False
            self._text += self._raw[parted + 2 : end - 2]
            self._raw = self._raw[end:]
            *events, self._text = self._text.split(b"\n\n")
            for event in events:
                self._take(event.decode())
        return True

    def _read_head(self) -> bool:
        head, parted, rest = self._raw.partition(b"\r\n\r\n")
        if not parted:
            return False
        status = int(head.split(b" ")[1])
        if status != 200:  # 503: its model is not there for now
            if status != 503:
                self._fault(f"was answered {head.decode()}")
            return False
        self._has_head, self._raw = True, rest
        self.lives += 1
        return True

    def _take(self, event: str) -> None:
        fields: dict[str, str] = {}
        for line in event.split("\n"):
            name, parted, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            elif not parted:
                self._fault(f"an empty line in {event!r}")
        if "data" not in fields:
            if "id" in fields:
                self._take_beat(int(fields["id"]))
            return
        data = json.loads(fields["data"])
        kind = fields.get("event", "message")
        if kind == "snapshot":
            self._take_snapshot(data["item"])
        elif kind in ("connected", "live"):
            self._take_opening(kind, int(fields["id"]), data["seq"])
        elif kind == "lagged":
            self.lagged += 1
        elif kind in ("create", "update", "delete", "leave"):
            self._take_change(kind, int(fields["id"]), data["item"])
        else:
            self._fault(f"{event!r} after {self.last_id}")

    def _take_opening(self, kind: str, seq: int, told: int) -> None:
        if seq != told or self._is_live:
            self._fault(f"{kind} {seq} with {told}")
        if kind == "connected" and self.last_id not in (None, seq):
            self._fault(f"goes on from {seq} and not from {self.last_id}")
        if kind == "live" and self.last_id is not None:
            self._fault("a snapshot for who has everything up to an event")
        self.last_id, self._is_live = seq, True

    def _take_snapshot(self, item: dict[str, object]) -> None:
        if self._is_live or self.last_id is not None:
            self._fault(f"a snapshot of {item['id']} amid changes")
        if item["id"] in self.state:
            self._fault(f"two snapshots of {item['id']}")
        self.state[str(item["id"])] = item

    def _take_beat(self, seq: int) -> None:
        assert self.last_id is not None
        if seq < self.last_id or (not self.filters and seq != self.last_id):
            self._fault(f"is said to have everything up to {seq}, and has {self.last_id}")
        self.last_id = seq

    def _take_change(self, kind: str, seq: int, item: dict[str, object]) -> None:
        last, key = self.last_id, str(item["id"])
        self._left -= 1
        if last is None or not self._is_live:
            self._fault(f"{kind} {seq} before the stream has begun")
        elif seq <= last:
            self._fault(f"{seq} again, or too late, after {last}")
        elif not self.filters and seq != last + 1:
            self._fault(f"{seq} after {last}: a gap")
        is_known = key in self.state
        if kind in ("delete", "leave") and not is_known:
            self._fault(f"{kind} {seq} of {key}, of which it knows nothing")
        if not self.filters and (kind == "create") == is_known and kind in ("create", "update"):
            self._fault(f"{kind} {seq} of {key}, known: {is_known}")
        if kind in ("create", "update"):
            self.state[key] = item
        else:
            self.leaves += kind == "leave"
            self.state.pop(key, None)
        self.last_id = seq

    def forget_beginning(self) -> None:
        """The connection has ended: a snapshot that was not whole is worth nothing."""
        if self.last_id is None:
            self.state.clear()

    def _fault(self, what: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(f"{self.name}: {what}")


class Crowd(threading.Thread):
    """Reads for all of them, until it is left; `fault` says what has ended it before."""

    def __init__(self) -> None:
        super().__init__(name="crowd")
        self.readers: list[StreamReader] = []
        self.fault = ""
        self._to_come: list[StreamReader] = []
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._slow: set[StreamReader] = set()  # those that are connected
        self._away: set[StreamReader] = set()  # those that come back in the next turn

    def __enter__(self) -> "Crowd":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()
        for reader in self.readers:
            reader.close()
        self._selector.close()

    def add(self, readers: list[StreamReader]) -> None:
        """Have more of them begin."""
        self.readers += readers
        self._to_come += readers

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to show it
            self.fault = repr(error)

    def _turn(self) -> None:
        ends_s = time.monotonic() + TURN_S
        while self._to_come:
            self._away.add(self._to_come.pop())
        away, self._away = self._away, set()
        for reader in away:
            self._selector.register(reader.connect(), selectors.EVENT_WRITE, reader)
        while (left_s := ends_s - time.monotonic()) > 0:
            for key, _ in self._selector.select(left_s):
                ready: StreamReader = key.data
                if key.events == selectors.EVENT_WRITE:
                    self._connected(ready)
                else:
                    self._receive(ready)
        for slow in list(self._slow):
            if not slow.is_resting:
                self._receive(slow)

    def _connected(self, reader: StreamReader) -> None:
        assert reader.sock is not None
        self._selector.unregister(reader.sock)
        try:
            reader.greet()
        except OSError:  # nobody listens just now
            self._come_back(reader)
            return
        if reader.is_slow:
            self._slow.add(reader)
        else:
            self._selector.register(reader.sock, selectors.EVENT_READ, reader)

    def _receive(self, reader: StreamReader) -> None:
        try:
            goes_on = reader.receive()
        except OSError:  # its gateway was killed
            goes_on = False
        if goes_on:
            return
        if reader.is_slow:
            self._slow.discard(reader)
        else:
            assert reader.sock is not None
            self._selector.unregister(reader.sock)
        self._come_back(reader)

    def _come_back(self, reader: StreamReader) -> None:
        reader.close()
        reader.forget_beginning()
        self._away.add(reader)
