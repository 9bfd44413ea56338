"""A disk that is full: reads go on, nothing acknowledged is lost, and writes resume with room."""

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from lithair import connect
from lithair.errors import StorageFull
from tests.end_to_end.parcels import Parcel
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

DISK_BYTES = 48 << 20
LOG_BYTES = 6 << 20  # what there is room for at first
BODY_BYTES = 30_000
PARCELS_MAX = 2 * DISK_BYTES // BODY_BYTES  # more than there is room for
RESUME_MAX_S = 30.0  # a model that was opened on a full disk tries each second
MOUNT_MAX_S = 30.0
KILLS = 6
PATCHES = 200  # beside one compaction: a busy machine takes its time for it, and the disk is small
TOKEN = "full-disk-test"
COMPACT = "/_admin/data/models/parcels/compact"


class SmallDisk:
    """A mounted file system of a few megabytes, and a file that takes the room of others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all the room there is, but for so much."""
        self.make_room()
        with self._ballast.open("wb", buffering=0) as ballast:
            left = self.free_bytes() - leave_bytes
            while left > 0:
                try:
                    left -= ballast.write(b"\0" * min(left, 1 << 16))
                except OSError:
                    break
        assert self.free_bytes() <= leave_bytes + 4096

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount it, and unmount it whatever happens. Only root may do so, on a system that lets it."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "lithair-test", str(path)]
    try:
        done = run("mount", *options)
    except FileNotFoundError:
        pytest.skip("there is no mount(8) here")
    if done.returncode:
        pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        if run("umount", str(path)).returncode:
            done = run("umount", "--lazy", str(path))
            assert not done.returncode, done.stderr


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=MOUNT_MAX_S)


class Shop:
    """A server on the small disk, and what it has acknowledged."""

    def __init__(self, directory: Path) -> None:
        shutil.copy(ROOT / "tests/end_to_end/parcels.py", directory / "app.py")
        self._directory = directory
        self.acknowledged: dict[str, str] = {}  # id -> label
        self.refused: set[str] = set()
        self.url = ""

    @contextmanager
    def open(self) -> Generator[Started]:
        environ = {"LT_ADMIN_TOKEN": TOKEN, "LT_RESTART_LIMIT": "100/30s"}
        with (
            Started(self._directory, environ=environ) as server,
            httpx.Client(timeout=120) as self.http,
        ):
            self.url = server.url + "/api/parcels"
            yield server
            assert server.stop() == 0, server.log

    def post(self, key: str, body_bytes: int = BODY_BYTES) -> int:
        """Send a new parcel; gives the status, which has to be 201 or 507."""
        parcel = {"id": key, "label": f"to {key}", "body": f"{key} " + "x" * body_bytes}
        answer = self.http.post(self.url, json=parcel)
        if answer.status_code == 201:
            self.acknowledged[key] = f"to {key}"
        else:
            assert answer.status_code == 507, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
            self.refused.add(key)
        return answer.status_code

    def patch(self, key: str, label: str) -> int:
        answer = self.http.patch(f"{self.url}/{key}", json={"label": label})
        if answer.status_code == 200:
            self.acknowledged[key] = label
        else:
            assert answer.status_code == 507, answer.text
        return answer.status_code

    def fill_until_507(self, prefix: str = "first") -> None:
        for number in range(PARCELS_MAX):
            if self.post(f"{prefix}-{number:04d}") == 507:
                return
        raise AssertionError(f"{PARCELS_MAX} parcels went onto a disk of {DISK_BYTES} bytes")

    def compact(self) -> httpx.Response:
        url = self.url.removesuffix("/api/parcels") + COMPACT
        return self.http.post(url, headers={"Authorization": f"Bearer {TOKEN}"})

    def try_to_compact(self) -> None:
        """Ask for one that can't be done, or whose process is killed."""
        assert self.compact().status_code in (500, 503, 507)

    def check(self) -> None:
        """Compare what the server has with what it has acknowledged."""
        count = self.http.get(self.url + "/count").raise_for_status().json()["count"]
        assert count == len(self.acknowledged)
        listed = self.http.get(self.url, params={"fields": "label", "take": 1000}).json()
        assert {one["id"]: one["label"] for one in listed["data"]} == self.acknowledged
        for key, label in self.acknowledged.items():
            parcel = self.http.get(f"{self.url}/{key}").raise_for_status().json()
            assert parcel["label"] == label
            assert parcel["body"].startswith(f"{key} x")
        for key in self.refused - self.acknowledged.keys():
            assert self.http.get(f"{self.url}/{key}").status_code == 404

    def wait_until_writable(self, key: str) -> None:
        wait_until(lambda: self.post(key) == 201, "writes to resume", RESUME_MAX_S)


def test_a_full_disk_refuses_writes_and_takes_them_again_when_there_is_room(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """The first write after there is room succeeds; nothing has to be waited for."""
    shop = Shop(tmp_path)
    with shop.open():
        disk.fill(leave_bytes=LOG_BYTES)
        shop.fill_until_507()
        assert len(shop.acknowledged) > 50
        shop.check()
        disk.fill()
        key = next(iter(shop.acknowledged))
        for _ in range(5):
            assert shop.patch(key, "elsewhere") == 507
        with connect(tmp_path / ".lithair") as lithair, pytest.raises(StorageFull):
            lithair.model(Parcel).create(Parcel(label="by handle", body="x" * BODY_BYTES))
        shop.check()
        disk.make_room()
        assert shop.patch(key, "elsewhere") == 200
        for number in range(20):
            assert shop.post(f"second-{number}") == 201
        shop.check()
        disk.fill(leave_bytes=LOG_BYTES // 4)
        shop.fill_until_507("third")
        shop.check()
    disk.make_room()
    with shop.open():
        shop.check()


def test_a_server_that_starts_on_a_full_disk_serves_what_it_has_and_then_writes(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """It is stopped on the full disk, and its model's process killed there as well."""
    shop = Shop(tmp_path)
    with shop.open():
        disk.fill(leave_bytes=LOG_BYTES)
        shop.fill_until_507()
        disk.fill()
    for turn in range(2):
        with shop.open() as server:
            assert shop.post(f"while-full-{turn}") == 507
            shop.check()
            before = server.child("model parcels").pid
            server.child("model parcels").kill()
            wait_until(lambda: _is_new(server, before), "another model process")  # noqa: B023
            assert shop.post(f"still-full-{turn}") == 507
            shop.check()
    with shop.open():
        assert shop.post("before-room") == 507
        disk.make_room()
        shop.wait_until_writable("with-room")
        shop.check()
    with shop.open():
        shop.check()


def _is_new(server: Started, pid: int) -> bool:
    found = server.find("model parcels")
    return found is not None and found.pid != pid


@contextmanager
def beside(act: Callable[[int], None]) -> Generator[None]:
    """Do something again and again in a thread; what it raises is raised here."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def turn() -> None:
        try:
            for number in itertools.count():
                if stop.is_set():
                    return
                act(number)
        except BaseException as error:  # noqa: BLE001 - the test has to show it
            failed.append(error)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def test_a_compaction_without_room_changes_nothing_and_works_when_there_is_some(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """Reads never fail meanwhile; writes beside it are taken or refused, and never lost."""
    shop = Shop(tmp_path)
    with shop.open():
        disk.fill(leave_bytes=LOG_BYTES)
        shop.fill_until_507()
        keys = list(shop.acknowledged)
        disk.fill(leave_bytes=1 << 20)  # far less than what the snapshot needs

        def read_and_write(number: int) -> None:
            key = keys[number % len(keys)]
            shop.http.get(f"{shop.url}/{key}").raise_for_status()
            if number < PATCHES:
                shop.patch(key, f"round {number}")

        with beside(read_and_write):
            for _ in range(3):
                answer = shop.compact()
                assert answer.status_code == 507, answer.text
        shop.check()
        names = {path.name for path in (disk.path / "parcels").iterdir()}
        assert not [name for name in names if name.endswith((".tmp", ".snapshot"))], names
        disk.make_room()
        with beside(read_and_write):
            assert shop.compact().status_code == 200
        shop.check()
        for key in keys[: len(keys) // 2]:
            assert shop.http.delete(f"{shop.url}/{key}").status_code == 204
            del shop.acknowledged[key]
        assert shop.compact().status_code == 200
        shop.check()
    with shop.open():
        shop.check()
        assert shop.post("afterwards") == 201
        shop.check()


def test_a_model_killed_in_compactions_on_a_full_disk_has_lost_nothing(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """Wherever it was: merging, out of room, or cleaning up."""
    shop = Shop(tmp_path)
    with shop.open() as server:
        disk.fill(leave_bytes=LOG_BYTES)
        shop.fill_until_507()
        disk.fill(leave_bytes=1 << 20)
        with beside(lambda _: shop.try_to_compact()):
            for _ in range(KILLS):
                server.child("compaction of parcels")
                before = server.child("model parcels")
                before.kill()
                wait_until(lambda: _is_new(server, before.pid), "another model process")  # noqa: B023
                shop.check()
    with shop.open():
        shop.check()
        disk.make_room()
        shop.wait_until_writable("with-room")
        assert shop.compact().status_code == 200
        shop.check()
