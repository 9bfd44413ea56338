"""`lithair openapi` prints what the server would answer, and starts nothing."""

import json
import os
from pathlib import Path

from lithair.gateway.openapi.document import encoded
from tests.app import sample_app
from tests.support.commands import lithair_here
from tests.tidy.source import ROOT


def test_the_document_is_printed() -> None:
    done = lithair_here(ROOT, "openapi", "tests.app.sample_app:app")
    assert done.status == 0, done.stderr
    declaration = sample_app.app.declaration(os.environ, {})
    assert json.loads(done.stdout) == json.loads(encoded(declaration))


def test_a_mistake_in_the_application_is_said(tmp_path: Path) -> None:
    done = lithair_here(tmp_path, "openapi", "nowhere.py")
    assert (done.status, done.stdout) == (2, "")
    assert "there is no file" in done.stderr
