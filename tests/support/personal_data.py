"""The table of stored columns in docs/personal-data.md, from the schema, the pipelines and docs/personal-data.toml."""

from __future__ import annotations

import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from op25b import schema
from op25b.engine import duckdb as engine
from op25b.engine.pipelines import pipelines
from op25b.settings import Config
from op25b.workspace import Workspace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "personal-data.md"
_BEGIN, _END = "<!-- columns: made by tests/support/personal_data.py -->\n", "<!-- end of columns -->"
_BETWEEN = re.compile(f"(?<={_BEGIN}).*(?={_END})", re.DOTALL)


def stored() -> dict[str, list[str]]:
    """Table → its columns, of every table that is on disk."""
    found = {name: list(table.schema) for name, table in schema.RAW.items()}
    with tempfile.TemporaryDirectory() as place:
        connection = engine.session(Workspace(Path(place), Config()))
        for name, pipeline in pipelines().items():
            if pipeline.stored:
                found[name] = [row[0] for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]
        connection.close()
    return found


def reasons() -> dict[str, Any]:
    """Why columns are stored, and how long tables are kept."""
    return tomllib.loads(PAGE.with_suffix(".toml").read_text(encoding="utf-8"))


def group_of(table: str, column: str) -> dict[str, Any]:
    """The one reason given for a column; `LookupError` names it where there is none, or more than one."""
    found = [group for group in reasons()["columns"]
             if column in group["names"] and table in group.get("only", [table])
             and column not in group.get("except", {}).get(table, [])]
    if len(found) != 1:
        msg = f"{table}.{column}: {len(found)} reasons in {PAGE.with_suffix('.toml').name}"
        raise LookupError(msg)
    return found[0]


def section() -> str:
    """One table of columns per stored table."""
    kept = reasons()["tables"]
    lines = []
    for table, columns in stored().items():
        days = kept[table]["days"]
        how_long = f"{days} days" if days > 0 else "as long as what it is made from" if days == 0 else "kept"
        lines += ["", f"### `{table}`", "", f"Kept: {how_long} – {kept[table]['why']}.", "",
                  "| column | personal | why it is needed |", "|---|---|---|"]
        for column in columns:
            group = group_of(table, column)
            lines.append(f"| `{column}` | {group.get('personal', 'no')} | {group['why']} |")
    return "\n".join(lines[1:]) + "\n\n"


def main() -> None:
    """Write the section anew."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_BETWEEN.sub(lambda _: section(), text), encoding="utf-8")


def written() -> str:
    """The section as it stands in the page."""
    found = _BETWEEN.search(PAGE.read_text(encoding="utf-8"))
    return found[0] if found else ""


if __name__ == "__main__":
    main()
