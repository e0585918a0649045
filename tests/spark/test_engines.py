"""The same files and the same SQL on DuckDB and on a Spark cluster: every table equal, whoever is killed meanwhile."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from op25b.api import OpenWorkspace, open_workspace
from op25b.engine.pipelines import pipelines
from op25b.engine.spark.dialect import to_spark
from op25b.engine.spark.session import session
from op25b.ingest import Progress
from op25b.lake import Lake
from tests.conftest import require
from tests.spark import world
from tests.spark.cluster import Cluster

# When a file was read and rows expired, which is what two ingestions of the same files do not share.
MOMENTS = {"source_file": ["at"], "expired": ["at"]}
Content = tuple[list[tuple[str, str]], list[str]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers; nothing of them is left behind."""
    require(shutil.which("java") is not None, "needs Java: apt-get install default-jre-headless")
    root = tmp_path_factory.mktemp("cluster")
    made = Cluster(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        try:
            made.ensure(2)
            yield made
        finally:
            _end_java()
            left = made.stop()
    assert left == []


def _end_java() -> None:
    """End the driver's Java, which pyspark keeps for the next session of the process."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)
        SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture(scope="module")
def prepared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with its input files, nothing ingested."""
    root = tmp_path_factory.mktemp("world") / "w"
    world.make(root)
    with (root / "op25b.toml").open("a", encoding="utf-8") as file:
        file.write(cluster.settings())
    return root


@pytest.fixture(scope="module")
def ingested(prepared: Path) -> OpenWorkspace:
    """The same, ingested without Spark."""
    opened = copied(prepared, "ingested")
    opened.ingest()
    return opened


@pytest.fixture(scope="module")
def built(ingested: OpenWorkspace) -> OpenWorkspace:
    """The same, built without Spark."""
    opened = copied(ingested.workspace.root, "built")
    opened.build()
    return opened


def copied(root: Path, name: str) -> OpenWorkspace:
    """A copy of a workspace; its files keep their times."""
    shutil.copytree(root, root.parent / name)
    return open_workspace(root.parent / name)


def content(opened: OpenWorkspace) -> dict[str, Content]:
    """Each table's stored columns and types, and its rows."""
    lake = Lake(opened.workspace.lake_path)
    found: dict[str, Content] = {}
    for table in lake.tables():
        stored = lake.arrow_schema(table)
        assert stored is not None
        rows: list[tuple[Any, ...]] = []
        if files := lake.files(table):
            hive = "hive_partitioning = true, hive_types = {day: DATE}" if lake.partitioned(table) else (
                "hive_partitioning = false")
            names = ", ".join(f'"{name}"' for name in stored.names if name not in MOMENTS.get(table, ()))
            rows = duckdb.sql(f"SELECT {names} FROM read_parquet({files}, {hive}, union_by_name = true)").fetchall()
        found[table] = [(field.name, str(field.type)) for field in stored], sorted(map(repr, rows))
    return found


def assert_equal(found: dict[str, Content], expected: dict[str, Content]) -> None:
    assert found.keys() == expected.keys()
    for table, (columns, rows) in expected.items():
        assert found[table][0] == columns, table
        assert found[table][1] == rows, table


def paths_in(opened: OpenWorkspace) -> set[str]:
    """What lies in the lake's directory beside its tables."""
    return {path.name for path in opened.workspace.lake_path.iterdir() if path.name in {".spark", ".parts"}}


# What both engines accept, and would by themselves understand differently: what is selected, and of which values `v`.
CLAUSES = [
    ("date_diff('minute', TIMESTAMP '2007-06-01 12:00:59.9', TIMESTAMP '2007-06-01 12:01:00')", "0"),
    ("date_diff('minute', TIMESTAMP '2007-06-01 12:01:00', TIMESTAMP '1969-12-31 23:59:59.5')", "0"),
    ("date_diff('second', TIMESTAMP '1969-12-31 23:59:59.5', TIMESTAMP '2007-06-01 12:00:00.999999')", "0"),
    ("date_diff('day', TIMESTAMP '2007-06-01 23:59:59', TIMESTAMP '2007-06-02 00:00:00')", "0"),
    ("CAST(sum(CAST(v AS DECIMAL(38, 0))) AS DOUBLE)", "9e15, 0.5e0, 2.5e0, 1.23e17"),
    ("CAST(sum(CAST(v AS DECIMAL(38, 0))) AS DOUBLE)", "9.000000006e18, 3.7e19, 1e30, 7"),
    ("CAST(sum(CAST(CAST(v AS DOUBLE) * v AS DECIMAL(38, 0))) AS DOUBLE)", "3000000001, 4294967297, 123456789012"),
    ("CAST(sum(CAST(CAST(v AS DOUBLE) / 16 AS DECIMAL(38, 3))) AS DOUBLE)", "1, 3, 99999999999999, 9007199254740993"),
    ("v, row_number() OVER (ORDER BY v), row_number() OVER (ORDER BY v DESC)", "2, NULL, 1"),
    ("v, lower(lpad(hex(CAST(v AS BIGINT)), 16, '0'))", "-2, 255"),
    ("v, left(v, 2), v || NULL, v < 'b'", "'B', 'a', 'é', ''"),
    ("bit_or(1 << v), 7 / 2, floor(-7 / 2), least(1, NULL), greatest(NULL, 2)", "0, 30"),
    ("bit_count(v)", "0, 1073741825"),
    ("NULL IS NOT DISTINCT FROM 1, 1 IS NOT DISTINCT FROM 1, any_value(v)", "NULL, 5"),
]


def test_clauses_mean_the_same(cluster: Cluster, prepared: Path) -> None:
    cluster.ensure(2)
    with session(open_workspace(prepared).workspace, "test") as spark:
        for selected, values in CLAUSES:
            rows = ", ".join(f"({value})" for value in values.split(", "))
            clause = f"SELECT {selected} FROM (VALUES {rows}) AS t(v)"
            found = sorted(repr([*map(comparable, row)]) for row in spark.sql(to_spark(clause)).collect())
            assert found == sorted(repr([*map(comparable, row)]) for row in duckdb.sql(clause).fetchall()), clause


def comparable(value: Any) -> Any:
    """Numbers of any type that are equal are the same."""
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def test_every_table_is_the_same_on_both_engines(cluster: Cluster, prepared: Path, ingested: OpenWorkspace,
                                                 built: OpenWorkspace) -> None:
    cluster.ensure(2)
    opened = copied(prepared, "spark")
    frame = opened.ingest(engine="spark")
    assert dict(frame["state"].value_counts().iter_rows())["failed"] == 1  # no-list.csv, alone
    assert_equal(content(opened), content(ingested))
    opened.build(engine="spark")
    assert_equal(content(opened), content(built))
    assert paths_in(opened) == set()
    # Neither engine finds anything to do in what the other made.
    assert opened.build().is_empty()
    assert opened.build(engine="spark").is_empty()

    # The sums beyond 2^64 are there, as the decimals of both engines differ most in those.
    assert opened.sql("SELECT max(mail_bytes_squares) > 2e19 FROM contact").item()
    # And the session that ends as its address changes hands; on the next day nobody else comes.
    changed = f"SELECT day, count(*) FROM session WHERE client_ip = '{world.HANDED_OVER}' GROUP BY day ORDER BY day"
    assert opened.sql(changed).rows() == [(date(2026, 11, 24), 2), (date(2026, 11, 25), 1)]
    stored = {name for name, pipeline in pipelines().items() if pipeline.stored}
    assert stored - {"relay_refusal"} <= {table for table, (_, rows) in content(opened).items() if rows}

    grown = copied(built.workspace.root, "grown")
    for each in (opened, grown):
        world.grow(each.workspace.root)
    again = opened.ingest(engine="spark")
    assert sorted(again.filter(again["state"] == "new")["path"]) == ["more/flows-26.csv", "raw/mail/mail.log"]
    grown.ingest()
    assert_equal(content(opened), content(grown))


def test_an_ingestion_survives_the_loss_of_a_worker(cluster: Cluster, prepared: Path, ingested: OpenWorkspace) -> None:
    cluster.ensure(2)
    opened = copied(prepared, "ingest-killed")
    killed = []

    def kill_once(state: Progress) -> None:
        if state.now and state.files_done < state.files and not killed:  # tasks are running
            killed.append(state.files_done)
            cluster.kill_worker()

    opened.ingest(kill_once, engine="spark")
    assert len(killed) == 1
    assert_equal(content(opened), content(ingested))


def test_a_build_survives_the_loss_of_a_worker(cluster: Cluster, ingested: OpenWorkspace, built: OpenWorkspace) -> None:
    cluster.ensure(2)
    opened = copied(ingested.workspace.root, "build-killed")
    kill = threading.Timer(1, cluster.kill_worker)

    def kill_once(step: str, _done: int, _all: int) -> None:
        if step.startswith("peer_day") and kill.ident is None:  # of the first of three days
            kill.start()

    opened.build(progress=kill_once, engine="spark")
    kill.join()
    assert_equal(content(opened), content(built))
    assert paths_in(opened) == set()


def test_what_has_expired_stays_out_on_both_engines(cluster: Cluster, built: OpenWorkspace) -> None:
    cluster.ensure(2)
    lakes = []
    for name, engine in (("expired", "duckdb"), ("expired-spark", "spark")):
        root = copied(built.workspace.root, name).workspace.root
        with (root / "op25b.toml").open("a", encoding="utf-8") as file:
            file.write("[retention]\nflow = 4\nmail_event = 4\n")
        opened = open_workspace(root)
        opened.expire(date(2026, 11, 29))  # the days up to 24 November go
        world.late(root)
        frame = opened.ingest(engine=engine)
        (late,) = frame.filter(frame["state"] == "new").iter_rows(named=True)
        assert late["rows_filtered"] > 0 < late["rows_kept"]
        opened.build(engine=engine)
        lakes.append(content(opened))
    assert_equal(*lakes)
