"""The documentation's examples do what it says."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from op25b.api import OpenWorkspace
from op25b.readers.base import Head, Source
from tests.conftest import ROOT


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_worked_example_of_adding_a_format(tmp_path: Path) -> None:
    page = ROOT / "docs" / "adding-a-format.md"
    (text,), (code,) = blocks(page, "text"), blocks(page, "python")
    module = ModuleType("flowlog")
    sys.modules["flowlog"] = module  # dataclasses and annotations look their module up
    try:
        exec(compile(code, "flowlog.py", "exec"), module.__dict__)
    finally:
        del sys.modules["flowlog"]
    file = tmp_path / "capture"
    file.write_text(text)
    assert module.FORMAT.recognise(Head(file, text.encode())) == "flowlog header line"
    batches = list(module.FORMAT.read(Source(file, "Asia/Tokyo", sampling_interval=1)))
    rows = [row for batch in batches for row in batch.rows.iter_rows(named=True)]
    assert [(row["first_seen"], row["last_seen"], row["src_ip"], row["dst_port"], row["bytes"]) for row in rows] == [
        (datetime(2026, 11, 24, 6, 0, 0, 250000), datetime(2026, 11, 24, 6, 0, 1, 750000), "198.18.1.5", 25, 1284)]
    assert (sum(b.rows_read for b in batches), sum(b.rows_kept for b in batches)) == (3, 1)
    (rejected,) = [row for batch in batches for row in batch.rejected.iter_rows()]
    assert rejected[0] == 4


def test_every_command_of_the_readme_exists() -> None:
    from typer.main import get_command

    from op25b.cli import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:\$ )?op25b .*", readme, re.MULTILINE)
    used = set(re.findall(r"op25b (?:-w \S+ )?([a-z]+)", "\n".join(lines)))
    assert used
    assert used <= set(get_command(app).commands)


def test_the_python_example_of_the_readme(sample: OpenWorkspace) -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code.replace('"demo"', repr(str(sample.workspace.root))), "README.md", "exec"), names)
    assert names["lost"].height >= 5
