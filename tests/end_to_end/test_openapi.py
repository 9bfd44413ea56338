"""schemathesis calls the examples with what it makes up of their /openapi.json, valid and not.

All its checks hold: no 5xx, and no status, content type, header field or body that the document
does not have. The suite makes some 3,000 calls, the same each time; `make fuzz` adds thousands made
up at random, from a seed that is printed.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.end_to_end.mailing import WORD, add_user, copied
from tests.support.started import Started

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # of each operation, beside what is fixed
SEED = int(os.environ.get("FUZZ_SEED", "0")) or (random.randrange(1 << 32) if EXAMPLES else 1)
CALLS_MIN = 2000
FUZZ_MAX_S = 900.0
EXAMPLE_ID = "01900000-0000-7000-8000-000000000000"  # in the document's examples
# What is not called. A stream never ends; a backup is written to where the request says.
NOT_CALLED = [r"/stream$", r"^/_admin/data/backup$"]
# These end what the calls are made with; they are called with the admin token, which has no end.
ENDING = [r"^/auth/logout$", r"^/_admin/session$", r"^/_admin/data/sessions"]
SLOW = [r"^/auth/login$", r"^/auth/password$"]  # a password takes 0.1 s; random calls have them

WITH_ADMINISTRATION = "from app import app\n\napp.with_data_admin()\n"
ENVIRON = {"LT_ADMIN_TOKEN": "the-administrator", "LT_TIMEOUT": "120"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    place = copied(tmp_path_factory.mktemp("fuzz") / "shop", "shop")
    add_user(place, "root", "Admin")
    (place / "administered.py").write_text(WITH_ADMINISTRATION, encoding="utf-8")
    with Started(place, "administered.py", environ=ENVIRON) as server:
        yield server


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    place = copied(tmp_path_factory.mktemp("fuzz") / "mail")
    add_user(place, "ada")
    with Started(place, environ=ENVIRON) as server:
        yield server


def token_of(server: Started, user: str) -> str:
    login = {"username": user, "password": WORD}
    answer = httpx2.post(server.url + "/auth/login", json=login, timeout=120)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["session_token"]
    return token


def fuzzed(server: Started, token: str, *filters: str) -> dict[str, Any]:
    """Have schemathesis call a server; give its report, in which nothing has failed."""
    report = server.directory / "report.json"
    phases = "examples,coverage" + (",fuzzing,stateful" if EXAMPLES else "")
    st = Path(sys.executable).with_name("st")
    done = subprocess.run(
        [
            *(str(st), "--config-file", str(CONFIG)),
            *("run", server.url + "/openapi.json", "--header", f"Authorization: Bearer {token}"),
            *("--phases", phases, "--max-examples", str(max(EXAMPLES, 1)), "--seed", str(SEED)),
            *("--no-shrink", "--report-json-path", str(report), *filters),
        ],
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=FUZZ_MAX_S,
        check=False,
    )
    assert done.returncode == 0, f"FUZZ_SEED={SEED}\n{done.stdout}{done.stderr}"
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    calls = told["test_cases"]["generated"]
    sys.stdout.write(f"seed {SEED}: {calls} calls of {server.directory.name}\n")
    return told


def without(*patterns: str) -> tuple[str, str]:
    return "--exclude-path-regex", "|".join(patterns)


def calls_of(told: dict[str, Any]) -> int:
    made: int = told["test_cases"]["generated"]
    return made


def test_whatever_is_asked_of_the_examples_is_answered_as_the_document_says(
    shop: Started, mail: Started
) -> None:
    slow = [] if EXAMPLES else SLOW
    root = token_of(shop, "root")
    tea = {"id": EXAMPLE_ID, "name": "Tea", "price": 450}
    headers = {"Authorization": f"Bearer {root}"}
    made = httpx2.post(shop.url + "/api/products", json=tea, headers=headers, timeout=120)
    assert made.status_code == 201, made.text
    as_root = fuzzed(shop, root, *without(*NOT_CALLED, *ENDING, *slow))
    as_ada = fuzzed(mail, token_of(mail, "ada"), *without(*NOT_CALLED, *ENDING, *slow))
    ending = fuzzed(shop, ENVIRON["LT_ADMIN_TOKEN"], "--include-path-regex", "|".join(ENDING))
    assert calls_of(as_root) + calls_of(as_ada) + calls_of(ending) >= CALLS_MIN
    for path in ("/api/products", "/api/orders"):
        accepted = as_root["valid_rates"][f"POST {path}"]["coverage"]["accepted"]
        assert accepted, f"POST {path}: nothing that was made up was taken"


def test_a_stream_answers_as_the_document_says(shop: Started) -> None:
    """Its end is left to the client, so schemathesis can't be the one."""
    bearer = {"Authorization": f"Bearer {ENVIRON['LT_ADMIN_TOKEN']}"}
    told = httpx2.get(shop.url + "/openapi.json", timeout=120).json()["paths"]
    with httpx2.Client(base_url=shop.url, headers=bearer, timeout=120) as client:
        item = client.post("/api/products", json={"name": "Coffee", "price": 1}).json()["id"]
        asked: list[tuple[str, str, str, int]] = [
            ("/api/products/stream", "", "", 200),
            ("/api/products/stream", "", "?price=>1&snapshot=true&since=0", 200),
            ("/api/products/stream", "", "?price=x", 400),
            ("/api/products/stream", "", "?since=x", 400),
            ("/api/products/{id}/stream", item, "", 200),
            ("/api/products/{id}/stream", "nobody", "", 404),
        ]
        for path, key, query, status in asked:
            with client.stream("GET", path.replace("{id}", key) + query) as answer:
                assert answer.status_code == status, (path, query)
                operation = told[path]["get"]
                described = operation["responses"][str(status)]
                if status == 200:
                    assert answer.headers["content-type"] in described["content"]
    refused = httpx2.get(shop.url + "/api/products/stream", timeout=120).status_code
    assert refused == 401
    assert "401" in told["/api/products/stream"]["get"]["responses"]
