"""Data-quality gates: the rules in `expectations/*.json`, judged by great-expectations on small frames.

A file of rules is data. Its `frames` are SELECTs over the lake, each of which may read the ones before it; DuckDB
computes them, and great-expectations judges the few rows that come out, never a large table itself. A rule names
one frame, one expectation and its arguments, and a SELECT for the offending rows. `common.json` holds the rules that
every kind of input obeys. All SELECTs may read `setting` (one row: the limits in `[quality]`), `input` (the paths
the settings name for this kind), `input_file` (its rows of `source_file`), `merging` (names of its formats that
make one row of several input rows), `record` (its raw table) and `expired_record` (what is in `expired` of it).
"""

from __future__ import annotations

import functools
import ipaddress
import json
import math
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import BeforeValidator

from op25b.assets import directory
from op25b.engine import duckdb as engine
from op25b.errors import UnknownNameError
from op25b.readers import FORMATS
from op25b.readers.base import TABLE_OF, Kind
from op25b.settings import Settings
from op25b.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from great_expectations.core.batch_definition import BatchDefinition

COMMON = "common"
SHOWN_ROWS = 20
NO_ROWS = "no rows"
_SHOWN_VALUES = 3
_RESULT = {"table": pl.String, "rule": pl.String, "severity": pl.String, "passed": pl.Boolean, "observed": pl.String,
           "expected": pl.String, "failing_rows": pl.Int64, "detail": pl.String}

Sql = Annotated[str, BeforeValidator("\n".join)]
Unit = Literal["", "%", "s", "min"]


class Rule(Settings):
    """One rule: what `sentence` says is judged as `expectation` on `frame`; `rows` selects what breaks it."""

    id: str
    sentence: str
    severity: Literal["critical", "warning"]
    frame: str
    expectation: str
    kwargs: dict[str, Any]
    unit: Unit = ""
    rows: Sql


class Rules(Settings):
    """Frames, and the rules that judge them."""

    frames: dict[str, Sql]
    rules: tuple[Rule, ...]


class Suite(Rules):
    """All rules of one table, which is made from one kind of input."""

    kind: Kind

    def rule(self, table: str, name: str) -> Rule:
        """The rule of that id, or `UnknownNameError`."""
        found = next((rule for rule in self.rules if rule.id == name), None)
        if found is None:
            kind = f"rule of {table}"
            raise UnknownNameError(kind, name, [rule.id for rule in self.rules])
        return found


def tables() -> list[str]:
    """Names of the tables that have rules, sorted."""
    return sorted(path.stem for path in directory("expectations").glob("*.json") if path.stem != COMMON)


def suite(table: str) -> Suite:
    """The rules of one table, the common ones first; an unknown table is an `UnknownNameError`."""
    if table not in tables():
        raise UnknownNameError("table with rules", table, tables())
    folder = directory("expectations")
    common = Rules.model_validate_json((folder / f"{COMMON}.json").read_text(encoding="utf-8"))
    own = Suite.model_validate_json((folder / f"{table}.json").read_text(encoding="utf-8"))
    return own.model_copy(update={"frames": common.frames | own.frames, "rules": common.rules + own.rules})


def check(workspace: Workspace, table: str | None = None) -> pl.DataFrame:
    """One row a rule: whether it holds, the number that was judged, and how many rows break it.

    A rule that finds nothing to judge (an input that is not configured) passes with `no rows` as observed.
    """
    names = tables() if table is None else [table]
    found = [row for name in names for row in _judged(workspace, name, suite(name))]
    return pl.DataFrame(found, schema=_RESULT, orient="row")


def rows(workspace: Workspace, table: str, rule: str, limit: int = SHOWN_ROWS) -> pl.DataFrame:
    """The first rows that break one rule, safe to print: addresses as text, no control characters."""
    rules = suite(table)
    connection = _connection(workspace, rules, "VIEW")
    frame = pl.DataFrame(connection.sql(f"{rules.rule(table, rule).rows}\nLIMIT {limit:d}").to_arrow_table())
    connection.close()
    keys = [name for name in frame.columns if name.startswith("ip_")]
    readable = frame.with_columns(pl.col(keys).map_elements(_address, return_dtype=pl.String))
    return readable.with_columns(pl.col(pl.String).str.replace_all(r"\p{C}", ""))


def remember(workspace: Workspace, result: pl.DataFrame) -> None:
    """Keep in the lake what a check of all tables found, for `op25b status`."""
    failed = result.filter(~pl.col("passed"))
    state = {"rules": result.height, "passed": result.height - failed.height,
             "critical": failed.filter(pl.col("severity") == "critical").height,
             "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M")}
    path = workspace.lake_path / ".quality.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(state), encoding="utf-8")
    temporary.replace(path)


def _connection(workspace: Workspace, rules: Suite, made: Literal["TABLE", "VIEW"]) -> DuckDBPyConnection:
    """A connection on which the frames of a suite exist, computed once (tables) or where they are read (views)."""
    connection = engine.session(workspace)
    inputs = [(rules.kind, settings.path) for settings in getattr(workspace.config.inputs, rules.kind)]
    paths = pl.DataFrame(inputs, schema={"kind": pl.String, "path": pl.String}, orient="row")
    connection.register("setting", pl.DataFrame([workspace.config.quality.model_dump()]).to_arrow())
    connection.register("input", paths.to_arrow())
    merging = [form.name for form in FORMATS if form.kind == rules.kind and form.merges]
    connection.register("merging", pl.DataFrame({"name": merging}, schema={"name": pl.String}).to_arrow())
    connection.view("source_file").filter(f"kind = {engine.quoted(rules.kind)}").create_view("input_file")
    connection.view(TABLE_OF[rules.kind]).create_view("record")
    connection.view("expired").filter(f"table_name = '{TABLE_OF[rules.kind]}'").create_view("expired_record")
    for name, select in rules.frames.items():
        connection.execute(f'CREATE TEMP {made} "{name}" AS {select}')
    return connection


def _judged(workspace: Workspace, table: str, rules: Suite) -> list[tuple[object, ...]]:
    """The result rows of one table's rules, in the order of the files."""
    limits = workspace.config.quality.model_dump()
    connection = _connection(workspace, rules, "TABLE")
    found: dict[str, tuple[object, ...]] = {}
    for frame in dict.fromkeys(rule.frame for rule in rules.rules):
        judged = [rule for rule in rules.rules if rule.frame == frame]
        values = connection.table(frame).to_arrow_table()
        kwargs = {rule.id: _resolved(rule.kwargs, limits) for rule in judged}
        results = dict(_expect(values, judged, kwargs)) if values.num_rows else {}
        for rule in judged:
            passed, result = results.get(rule.id, (True, {}))
            failing = 0 if passed else connection.sql(rule.rows).count("*").fetchall()[0][0]
            observed = _observed(values, kwargs[rule.id].get("column"), rule.unit, result)
            found[rule.id] = (table, rule.id, rule.severity, passed, observed, _expected(rule, kwargs[rule.id]),
                              failing, rule.sentence)
    connection.close()
    return [found[rule.id] for rule in rules.rules]


def _expect(values: pa.Table, rules: list[Rule],
            kwargs: dict[str, dict[str, Any]]) -> Iterator[tuple[str, tuple[bool, dict[str, Any]]]]:
    """Judge one frame: yields each rule's id, whether it holds, and what great-expectations measured."""
    definition = _frame_definition()
    from great_expectations import ExpectationSuite

    batch = definition.get_batch({"dataframe": values.to_pandas()})
    expectations = [{"type": rule.expectation, "kwargs": kwargs[rule.id], "severity": rule.severity,
                     "meta": {"rule": rule.id}} for rule in rules]
    suite_of_frame = ExpectationSuite(name="rules", expectations=expectations)
    for result in batch.validate(suite_of_frame, result_format="SUMMARY").results:
        config = result.expectation_config
        name = config.meta["rule"] if config is not None and config.meta else ""
        if not result.result:
            msg = f"expectations: rule {name!r} cannot be judged: {result.exception_info}"
            raise ValueError(msg)
        yield name, (bool(result.success), result.result)


@functools.cache
def _frame_definition() -> BatchDefinition[Any]:
    """What great-expectations judges: one whole frame, in a context that keeps nothing and tells nobody.

    The package is imported here because that takes seconds; it warns of its own use of other packages meanwhile.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _resolved(kwargs: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """The arguments with `{"$setting": "name"}` replaced by that limit, and `"-name"` by its negative."""
    def value(argument: Any) -> Any:
        if not isinstance(argument, dict):
            return argument
        name = argument["$setting"]
        return -limits[name[1:]] if name.startswith("-") else limits[name]

    return {name: value(argument) for name, argument in kwargs.items()}


def _expected(rule: Rule, kwargs: dict[str, Any]) -> str:
    """What the arguments ask for, in a few words."""
    low, high = (_shown(kwargs[key], rule.unit) if key in kwargs else None for key in ("min_value", "max_value"))
    if low is not None and high is not None:
        return low if low == high else f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    if high is not None:
        return "none" if kwargs["max_value"] == 0 else f"at most {high}"
    if "value_set" in kwargs:
        return " or ".join(map(str, kwargs["value_set"]))
    return rule.expectation.removeprefix("expect_column_values_to_").replace("be_", "").replace("_", " ")


def _observed(values: pa.Table, column: str | None, unit: Unit, result: dict[str, Any]) -> str:
    """The numbers that break the rule, else the span of those that were judged."""
    count, total = result.get("unexpected_count", 0), values.num_rows
    if count:
        broken = list(dict.fromkeys(_shown(value, unit) for value in result["partial_unexpected_list"]))
        text = ", ".join(broken[:_SHOWN_VALUES]) + (", …" if len(broken) > _SHOWN_VALUES else "")
        return text if total == 1 else f"{text} ({count} of {total})"
    judged = pl.Series([], dtype=pl.Null) if column is None else pl.Series(values[column]).drop_nulls()
    if judged.is_empty():
        return NO_ROWS
    if not judged.dtype.is_numeric():
        return f"{total} rows"
    low, high = _shown(judged.min(), unit), _shown(judged.max(), unit)
    return low if low == high else f"{low} to {high}"


def _shown(value: Any, unit: Unit) -> str:
    """A judged value as short text that is safe to print."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable())
    if unit == "%":
        return f"{value:.2%}"
    number = f"{round(value, 1):g}" if isinstance(value, float) and abs(value) < 1e5 else f"{value:.0f}"
    return f"{number} {unit}".rstrip()


def _address(key: str) -> str:
    """The address an ip_key stands for; what is no ip_key stays as it is."""
    try:
        number = int(key, 16)
    except ValueError:
        return key
    if number >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(number)) if number < 1 << 128 else key
