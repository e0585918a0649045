"""An installed wheel works outside the checkout: everything it needs is inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
                   check=True, capture_output=True)
    return next(out.glob("op25b-*.whl"))


def test_the_wheel_carries_what_lies_at_the_top_of_the_checkout(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, kind in (("pipelines", "sql"), ("expectations", "json"), ("notebooks", "ipynb"),
                         ("data/reference", "csv")):
        files = sorted((ROOT / folder).glob(f"*.{kind}"))
        assert files
        for file in files:
            assert f"op25b/assets/{folder.removeprefix('data/')}/{file.name}" in names
    assert "op25b/op25b.toml" in names
    assert "op25b/synth/parameters.toml" in names


def test_it_runs_the_whole_way_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    # The wheel itself is installed; its dependencies are those of this environment, which cannot bring op25b with them:
    # .pth files (the editable install) are not read from a directory that a .pth file adds.
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)],
                   check=True, capture_output=True)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")  # data files of the dependencies, likewise

    def op25b(*arguments: str) -> str:
        done = subprocess.run([str(python), "-m", "op25b.cli", *arguments], capture_output=True, text=True, check=False,
                              cwd=tmp_path, env=clean)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run([str(python), "-c", "import op25b; print(op25b.__file__)"], capture_output=True, text=True,
                           check=True, cwd=tmp_path, env=clean).stdout
    assert Path(where.strip()).is_relative_to(home)
    op25b("init", "ws")
    for path in SAMPLE.iterdir():
        subprocess.run(["cp", "-r", str(path), str(tmp_path / "ws")], check=True)
    op25b("-w", "ws", "ingest")
    op25b("-w", "ws", "build")
    assert len(json.loads(op25b("-w", "ws", "findings", "--format", "json"))) >= 10
    assert op25b("-w", "ws", "check", "subscriber")
    report = Path(op25b("-w", "ws", "report", "rollout-impact", "--lang", "en").strip())
    assert (tmp_path / report).stat().st_size > 100_000
