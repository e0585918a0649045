"""The house of the design: a module imports only from floors below it, and heavy libraries load when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "op25b"
# From the ground up; modules on one floor do not use each other.
FLOORS = [
    {"names"},
    {"errors", "assets", "memo", "sequential"},
    {"settings"},
    {"workspace", "keyfile"},
    {"schema", "pseudonyms", "texts", "output", "small_cells", "durable", "leftovers", "parts"},
    {"versions", "lake_zone"},
    {"scaffold", "readers", "lake"},
    {"ingest", "synth", "upkeep"},
    {"engine", "inspection", "privacy"},
    {"policy", "sampling", "coverage", "retention"},
    {"senders"},
    {"impact", "caveats"},
    {"explain", "status"},
    {"charts", "quality"},
    {"report_template"},
    {"report"},
    {"api"},
    {"cli"},
]
FLOOR = {module: number for number, modules in enumerate(FLOORS) for module in modules}
HEAVY = {"aerleon", "pyspark", "altair", "great_expectations", "papermill", "pandas", "nbconvert"}
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def floor_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "op25b":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("op25b.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    mine = floor_of(path)
    assert {name for name in imported(path) - {mine} if FLOOR[name] >= FLOOR[mine]} == set()


@pytest.mark.parametrize(("statement", "forbidden"), [
    ("import op25b", {"polars", "duckdb", "deltalake", *HEAVY}),
    ("import op25b.cli", {"duckdb", "deltalake", *HEAVY}),
    ("import op25b; op25b.open", HEAVY),
])
def test_heavy_libraries_load_when_they_are_used(statement: str, forbidden: set[str]) -> None:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules.keys() & set({sorted(forbidden)!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
