"""The builder by itself: what it does in a child, and where its handles look for the server."""

import os
from pathlib import Path

import pytest

from lithair import Lithair, LithairError
from lithair import app as builder


def test_nothing_starts_where_a_child_imports_the_module_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(builder, "IN_CHILD", True)
    Lithair().with_port("wrong").serve()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(LithairError, match=r"below `if __name__ == \"__main__\":`"):
        Lithair().running()


def test_a_handle_looks_where_its_application_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that serves: where it was told to; in a child: where its server is."""
    monkeypatch.delenv("LT_RUN_DIR", raising=False)
    app = Lithair().with_run_dir(tmp_path / "code")
    assert app._run_dir() == str(tmp_path / "code")
    monkeypatch.setenv("LT_RUN_DIR", str(tmp_path / "environ"))
    assert app._run_dir() == str(tmp_path / "environ")
    app.declaration(os.environ, {"run_dir": str(tmp_path / "option")})
    assert app._run_dir() == str(tmp_path / "option")
    monkeypatch.setattr(builder, "RUN_DIR", str(tmp_path / "child"))
    assert app._run_dir() == str(tmp_path / "child")


def test_every_public_name_is_there_and_tornado_is_not() -> None:
    import lithair

    assert all(hasattr(lithair, name) for name in lithair.__all__)
    assert sorted(lithair.__all__) == list(lithair.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        assert lithair.Nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
