"""Two exporters, one of which sees every packet: from flow records to `estimate`, `simulate` and the command."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from op25b import charts
from op25b.api import OpenWorkspace, open_workspace
from op25b.report_template.rollout_impact import Page
from op25b.sampling.words import UNDER_SAMPLING, WHY
from tests.pipelines.rows import SESSION, SYN, Row, flow, lease, load, new_workspace
from tests.test_cli import op25b

CARRIER, PROVIDER, RELAY = "198.51.100.1", "198.51.100.70", "203.0.113.1"
# Of 1,000 packets at 1:1000 one or more is seen, of 3 packets.
OFTEN, RARELY = 1 - 0.999**1000, 1 - 0.999**3


def pilot_line(number: int) -> list[Row]:
    """Lines 0 to 29 have a session of 500 packets each way with a provider, lines 30 to 39 try a carrier's server."""
    seen = {"exporter": "edge-3", "sampling_interval": 1}
    client = f"198.18.1.{number}:4000"
    if number >= 30:
        return [flow(client, f"{CARRIER}:25", "10:00", flags=SYN, packets=3, bytes=180, **seen)]
    return [flow(client, f"{PROVIDER}:25", "10:00", packets=500, bytes=300_000, **seen),
            flow(f"{PROVIDER}:25", client, "10:00", packets=500, bytes=40_000, **seen)]


def other_line(number: int) -> list[Row]:
    """Of lines 0 to 19 one packet was seen at 1:1000, of lines 20 to 34 two; none has the SYN."""
    return [flow(f"198.18.2.{number}:4000", f"{PROVIDER}:25", "10:00", flags="A", packets=1 if number < 20 else 2,
                 bytes=1500, exporter="edge-1", sampling_interval=1000)]


def made(root: Path, pilot: int, relayed: int = 0, extra: str = "") -> OpenWorkspace:
    """A built lake with so many of the pilot's lines and all 35 others."""
    new_workspace(root)
    path = root / "op25b.toml"
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    opened = open_workspace(root)
    load(opened, "flow", [
        *(row for number in range(pilot) for row in pilot_line(number)),
        *(row for number in range(35) for row in other_line(number)),
        *(flow(f"198.18.2.{number}:5000", f"{RELAY}:25", "10:00", flags=SESSION, exporter="edge-1",
               sampling_interval=1000) for number in range(relayed))])
    load(opened, "lease_record", [
        lease(f"198.18.{net}.{number}", f"{name}{number}", "2007-06-01 08:00")
        for net, name, count in ((1, "p", pilot), (2, "q", 35)) for number in range(count)])
    opened.build()
    return opened


@pytest.fixture(scope="module")
def isp(tmp_path_factory: pytest.TempPathFactory) -> OpenWorkspace:
    return made(tmp_path_factory.mktemp("sampled"), 40, relayed=5)


def quoted(opened: OpenWorkspace) -> dict[str, tuple[str, float | None, str | None]]:
    rows = opened.estimate().filter("headline").select("what", "method", "value", "refused").rows()
    return {what: (method, value, refused) for what, method, value, refused in rows}


def test_what_is_kept_of_each_line(isp: OpenWorkspace) -> None:
    found = isp.sql("SELECT exporter, sampling_interval, destination_group, count(*) AS lines, "
                    "sum(client_packets)::BIGINT AS client, sum(server_packets)::BIGINT AS server, "
                    "sum(bytes)::BIGINT AS bytes, sum(squared_bytes) AS squares FROM sampled_day "
                    "GROUP BY ALL ORDER BY ALL")
    assert found.rows() == [
        ("edge-1", 1000, "known-provider", 35, 50, 0, 35 * 1500, pytest.approx(20 * 1500**2 + 15 * 1500**2 / 2)),
        ("edge-3", 1, "known-provider", 30, 15_000, 15_000, 30 * 340_000, pytest.approx(30 * 340_000**2 / 1000)),
        ("edge-3", 1, "mobile-carrier", 10, 30, 0, 1800, pytest.approx(10 * 180**2 / 3))]


def test_lines_seen_or_not(isp: OpenWorkspace) -> None:
    """edge-1 exports packets to servers only, so that the pilot's 500 back do not count: 1 - 0.999^500."""
    one_way = 1 - 0.999**500
    senders = 40 + 35 / ((30 * one_way + 10 * RARELY) / 40)
    newly = 30 + 35 / one_way
    found = quoted(isp)
    assert found["senders"] == ("pilot", pytest.approx(senders), None)
    assert found["newly_blocked"] == ("pilot", pytest.approx(newly), None)
    assert found["lose_mail"] == ("pilot", pytest.approx(newly), None)
    assert found["packets"] == ("scaled", 30_030 + 50_000, None)
    assert found["bytes"] == ("scaled", 30 * 340_000 + 1800 + 35 * 1500 * 1000, None)
    assert found["newly_blocked_connections"] == ("pilot", pytest.approx(30 + 50_000 * 30 / 30_000), None)
    assert found["newly_blocked_messages"] == ("pilot", pytest.approx(30 + 50_000 * 30 / 30_000), None)


def test_every_method_and_stratum_has_its_row(isp: OpenWorkspace) -> None:
    found = isp.estimate().filter(what="senders").select("method", "stratum", "value", "headline").rows()
    assert [row[:2] for row in found] == [
        ("raw", "1:1"), ("raw", "1:1000"), ("raw", "all"), ("chao1", "1:1000"), ("chao1", "all"), ("pilot", "1:1000"),
        ("pilot", "all")]
    assert [row[2] for row in found[:5]] == [40, 35, 75, 35 + 20 * 19 / 32, 75 + 20 * 19 / 32]
    assert [row[3] for row in found] == [False] * 6 + [True]


def test_totals_of_a_change_have_room_for_the_unseen(isp: OpenWorkspace) -> None:
    totals = {row["measure"]: row for row in isp.simulate(per="total").to_dicts()}
    quoted_row = isp.estimate().filter(pl.col("headline") & (pl.col("what") == "newly_blocked")).row(0, named=True)
    row = totals["subscribers newly blocked"]
    assert (row["value"], row["high"], row["interval"]) == (65, round(quoted_row["high"]), "sampled")
    row = totals["subscribers newly blocked, seen or not (sampling)"]
    assert (row["value"], row["low"], row["high"], row["interval"]) == (
        *(round(quoted_row[name]) for name in ("value", "low", "high")), "sampled-pilot")
    row = totals["legitimate messages broken per day"]
    assert (row["high"], row["interval"]) == (None, "sampled-traffic")


def test_without_a_pilot_no_number_is_given_and_the_words_say_why(tmp_path: Path) -> None:
    opened = made(tmp_path / "ws", 0)
    assert quoted(opened)["senders"] == ("pilot", None, "no-pilot")
    (why,) = opened.estimate(language="ja").filter(pl.col("headline") & (pl.col("what") == "senders"))["why"]
    assert why == WHY["no-pilot"]["ja"] + WHY["singles"]["ja"].format(share="57%")
    totals = {row["measure"]: row for row in opened.simulate(per="total").to_dicts()}
    row = totals["subscribers newly blocked, seen or not (sampling)"]
    assert (row["value"], row["low"], row["high"], row["interval"]) == (None, 35, None, "refused-no-pilot")
    row = totals["subscribers newly blocked"]
    assert (row["value"], row["high"], row["interval"]) == (35, None, "sampled-open")
    words = {row["interval"] for row in opened.simulate(per="total", language="ja").to_dicts()}
    assert UNDER_SAMPLING["refused-no-pilot"]["ja"] in words


def test_where_every_packet_is_seen_nothing_changes(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    new_workspace(root)
    opened = open_workspace(root)
    load(opened, "flow", [row for number in range(3) for row in pilot_line(number)])
    load(opened, "lease_record", [lease(f"198.18.1.{n}", f"p{n}", "2007-06-01 08:00") for n in range(3)])
    opened.build()
    assert quoted(opened)["senders"] == ("raw", 3, None)
    assert opened.findings()["detection_probability"].to_list() == [1.0, 1.0, 1.0]
    assert quoted(opened)["newly_blocked_connections"] == ("raw", 3, None)
    totals = opened.simulate(per="total")
    assert not [measure for measure in totals["measure"] if "sampling" in measure]
    assert not [key for key in totals["interval"].drop_nulls() if key.startswith("sampled")]


def test_detection_beside_findings(isp: OpenWorkspace) -> None:
    assert isp.findings().group_by("detection_probability").len().sort("detection_probability").rows() == [
        (pytest.approx(OFTEN), 20), (pytest.approx(1 - 0.999**2000), 15), (1.0, 40)]


def test_the_command(isp: OpenWorkspace) -> None:
    done = op25b("-w", isp.workspace.root, "estimate", "--format", "json")
    assert done.returncode == 0
    rows = json.loads(done.stdout)
    assert [row["method"] for row in rows if row["what"] == "senders" and row["headline"]] == ["pilot"]
    shown = op25b("-w", isp.workspace.root, "estimate", "--lang", "ja").stdout
    assert "外部の25番ポートへ送信する回線" in shown
    assert "全パケットを観測する装置の40回線で補正しました" in shown


def test_chart_of_estimates(isp: OpenWorkspace) -> None:
    frame = isp.estimate()
    drawn = charts.estimates(frame, "en").to_dict()
    data = drawn["datasets"][drawn["data"]["name"]]
    assert {row["what"] for row in data} == {"senders", "newly_blocked", "lose_mail", "need_notice"}
    assert {layer["mark"]["type"] for layer in drawn["layer"]} == {"rule", "point", "text"}


def test_the_reports_part(isp: OpenWorkspace) -> None:
    page = Page(isp.workspace, isp.simulation(), isp.findings(), language="en")
    assert page.sampled
    note = page.estimates_note().text
    assert "lines newly blocked, lines that lose mail that works today, lines that need a notice: calibrated" in note
