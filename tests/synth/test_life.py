"""Days, weeks and accidents: rhythm, holidays, gaps in export, pilots, units of work; nfcapd and text alike."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from op25b import synth
from op25b.api import open_workspace
from op25b.cli import app
from op25b.synth import export, world
from op25b.synth.parameters import load
from op25b.synth.writing import Cast, cast_of
from tests.synth.conftest import QUIET, SIZE, truth_of


def a_cast(**changes: dict[str, float]) -> tuple[world.World, Cast]:
    made = world.make(load(changes), subscribers=3000, days=7, seed=3, start=date(2007, 6, 4), sampling=1, pilot=0)
    return made, cast_of(made, made.blocks[0])


def test_units_do_not_depend_on_what_was_made_before() -> None:
    made, cast = a_cast()
    forward = [cast.on_day(made, day) for day in range(3)]
    again_world, again = a_cast()
    backward = [again.on_day(again_world, day) for day in (2, 1, 0)][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert one.records.tobytes() == other.records.tobytes()
        assert one.visits.tobytes() == other.visits.tobytes()
        assert one.truth.sort(pl.all()).equals(other.truth.sort(pl.all()))
    assert len({unit.records.tobytes() for unit in forward}) == 3


def test_evenings_and_working_days() -> None:
    made, cast = a_cast()
    visits = np.concatenate([cast.on_day(made, day).visits for day in range(7)])
    visits = visits[~visits["bot"]]
    hour, day = (visits["at"] % 86400 // 3600).astype(int), (visits["at"] // 86400).astype(int)
    office = cast.lines.office[visits["customer"]]
    home = np.bincount(hour[~office], minlength=24)
    assert home[20:22].sum() > 10 * home[2:4].sum()
    by_day = np.bincount(day[office], minlength=7)  # Monday to Sunday
    assert by_day[:5].min() > 3 * by_day[5:].max()


def test_people_on_holiday_send_nothing_and_machines_go_on() -> None:
    made, cast = a_cast(rhythm={"holiday_share": 1.0, "holiday_days_mean": 1e6}, devices={"nas_share": 0.3},
                        bots={"share": 0.3})
    away = cast.lines.away(np.arange(cast.block.lines), np.full(cast.block.lines, 86400.0))
    assert away.mean() > 0.5
    truth = cast.on_day(made, 1).truth
    resting = truth.filter(pl.col("number").is_in(np.flatnonzero(away).tolist()))
    kinds = {synth.sessions.KINDS[kind].of for kind in resting["kind"]}
    assert {"device", "bot", "own-server"} <= kinds
    assert kinds.isdisjoint({"mail-program", "mobile-sender"})


def test_an_exporter_loses_what_it_would_have_sent_in_a_gap() -> None:
    made, cast = a_cast(exporter={"gaps_per_week": 20.0, "gap_minutes": 60.0})
    pauses = export.gaps(made, cast.block.edge)
    assert len(pauses) > 5
    received = np.concatenate([cast.on_day(made, day).records["received"] for day in range(7)]) / 1000
    received -= made.start_epoch
    for begin, end in pauses:
        assert not ((received >= begin) & (received < end - 0.001)).any()
    whole, other = a_cast(exporter={"gaps_per_week": 0.0})
    assert len(received) < sum(len(other.on_day(whole, day).records) for day in range(7))


def test_pilots_are_exported_whole_and_the_others_sampled(tmp_path: Path, quiet: Path) -> None:
    synth.write(tmp_path / "sampled", **SIZE, sampling=100, pilot=1, parameters=QUIET)
    names = [f"raw/flows/edge-{edge}/20070606.csv" for edge in (1, 2, 3, 4)]
    files = [((tmp_path / "sampled" / name).read_bytes(), (quiet / name).read_bytes()) for name in names]
    assert files[0][0] == files[0][1]
    assert all(len(sampled) < 0.7 * len(whole) for sampled, whole in files[1:])
    settings = open_workspace(tmp_path / "sampled").workspace.config.inputs.flows
    assert [flow.sampling_interval for flow in settings] == [1, 100, 100, 100]
    # The world is the same; only what is exported of it differs.
    assert truth_of(tmp_path / "sampled").equals(truth_of(quiet))


def test_sampled_packets_of_each_subscriber_are_a_tenth(tmp_path: Path) -> None:
    synth.write(tmp_path / "tenth", **SIZE, sampling=10, parameters=QUIET)
    opened = open_workspace(tmp_path / "tenth")
    opened.ingest()
    opened.build()
    found = opened.sql("SELECT subscriber, CAST(sum(client_packets) AS BIGINT) AS seen FROM session WHERE "
                       "direction = 'out' AND server_port = 25 AND server_ip <> '203.0.113.2' GROUP BY subscriber")
    true = truth_of(tmp_path / "tenth").filter(pl.col("packets") > 0)
    true = true.group_by("subscriber").agg(pl.col("packets").sum())
    both = true.with_columns(pl.col("subscriber").map_elements(opened.pseudonym, return_dtype=pl.String)).join(
        found, on="subscriber", how="left").with_columns(pl.col("seen").fill_null(0))
    assert both["seen"].sum() == found["seen"].sum()
    mean = both["packets"] * 0.1
    z = (both["seen"] - mean) / (mean * 0.9).sqrt()
    # The seed is fixed; of this many standard normal values one beyond 5 is not to be expected.
    assert z.abs().max() < 5
    assert abs(z.sum()) / both.height**0.5 < 4


@pytest.mark.skipif(shutil.which("nfcapd") is None and not Path("/usr/bin/nfcapd").exists(), reason="needs nfdump")
@pytest.mark.parametrize("sampling", [1, 20])
def test_nfcapd_files_hold_the_same_flows_as_the_text(tmp_path: Path, sampling: int) -> None:
    frames = []
    for form in synth.FORMS:
        synth.write(tmp_path / form, subscribers=200, days=2, seed=4, sampling=sampling, form=form, parameters=QUIET)
        opened = open_workspace(tmp_path / form)
        assert opened.ingest()["rows_rejected"].sum() == 0
        # Text has whole seconds; the exporter's address is 127.0.0.1 on loopback; nfcapd's clock is today's.
        frames.append(opened.sql(
            "SELECT date_trunc('second', first_seen) AS first, src_ip, dst_ip, src_port, dst_port, packets, bytes, "
            "tcp_flags, sampling_interval, established, forwarding_status FROM flow ORDER BY ALL"))
    assert frames[0].height > 500
    assert frames[0].equals(frames[1])


def test_the_command(tmp_path: Path) -> None:
    directory = tmp_path / "isp"
    options = ["synth", str(directory), "--subscribers", "50", "--days", "1", "--seed", "2", "--start", "2006-12-01"]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0
    assert "50 customers" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in (directory / "raw" / "radius").iterdir()] == ["detail-20061201"]
    wrong = CliRunner().invoke(app, ["synth", str(tmp_path / "other"), "--format", "pcap"])
    assert "unknown form 'pcap'" in str(wrong.exception)
