"""What is written is what our readers read, and the tables say what the truth says."""

from __future__ import annotations

import filecmp
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from op25b import synth
from op25b.api import OpenWorkspace
from op25b.errors import Op25bError
from tests.synth.conftest import QUIET, SIZE, truth_of

FILES = ("subscribers.csv", "networks.csv", "truth.csv", "op25b.toml", "raw/flows/*/*", "raw/mail/*", "raw/radius/*")


def files_of(directory: Path) -> list[Path]:
    return sorted(path.relative_to(directory) for pattern in FILES for path in directory.glob(pattern))


def test_every_file_is_read_as_what_it_is_and_no_row_is_rejected(built: OpenWorkspace) -> None:
    found = built.sql("SELECT kind, format, count(*) AS files, sum(rows_rejected) AS rejected, min(rows_kept) AS least "
                      "FROM source_file GROUP BY ALL ORDER BY kind")
    assert found.select("kind", "format", "files", "rejected").rows() == [
        ("flows", "nfdump-csv", 12, 0), ("leases", "freeradius-detail", 3, 0), ("mail", "postfix", 3, 0),
        ("subscribers", "csv", 1, 0),
    ]
    assert found["least"].min() > 0


def test_every_connection_is_of_the_line_that_made_it(built: OpenWorkspace, quiet: Path) -> None:
    """Packets toward external port 25, by subscriber: what the tables say equals the truth, for every one of them."""
    found = built.sql("SELECT subscriber, CAST(sum(client_packets) AS BIGINT) AS packets FROM session "
                      "WHERE direction = 'out' AND server_port = 25 AND server_ip <> '203.0.113.2' GROUP BY subscriber")
    true = truth_of(quiet).group_by("subscriber").agg(pl.col("packets").sum()).filter(pl.col("packets") > 0)
    named = true.with_columns(pl.col("subscriber").map_elements(built.pseudonym, return_dtype=pl.String))
    assert named.height > 40
    assert found.sort("subscriber").rows() == named.sort("subscriber").rows()
    assert built.sql("SELECT DISTINCT attribution FROM session").rows() == [("attributed",)]


def test_lines_have_had_several_addresses_and_addresses_several_lines(built: OpenWorkspace) -> None:
    lines, addresses = built.sql(
        "SELECT (SELECT count(*) FROM (SELECT subscriber FROM lease GROUP BY 1 HAVING count(DISTINCT ip_first) > 1)), "
        "(SELECT count(*) FROM (SELECT ip_first FROM lease GROUP BY 1 HAVING count(DISTINCT subscriber) > 1))").row(0)
    assert lines > 50
    assert addresses > 50
    fixed = built.sql("SELECT count(DISTINCT l.ip_first) AS addresses FROM lease AS l JOIN subscriber AS s "
                      "ON s.subscriber = l.subscriber WHERE s.fixed_ip GROUP BY l.subscriber")
    assert fixed["addresses"].unique().to_list() == [1]


def test_nothing_comes_back_from_mobile_carriers(built: OpenWorkspace, quiet: Path) -> None:
    """The block is in force: SYNs alone go to the carriers' mail servers, from programs, servers and bots alike."""
    found = built.sql("SELECT DISTINCT s.outcome, s.futile, s.server_packets FROM session AS s JOIN destination AS d "
                      "ON d.day = s.day AND d.dst_key = s.server_key WHERE d.destination_group = 'mobile-carrier'")
    assert found.rows() == [("no-answer", 1, 0)]
    blocked = truth_of(quiet).filter(pl.col("destination_group") == "mobile-carrier")
    assert {"mobile-sender", "own-server", "bot"} <= set(blocked["class"])
    assert blocked["messages"].sum() == 0


def test_the_relays_log_has_its_people_its_logins_and_its_bots(built: OpenWorkspace, quiet: Path) -> None:
    ports = built.sql("SELECT listener_port, count(*) AS n, count(auth_user) AS logins FROM mail_event "
                      "WHERE event = 'accepted' GROUP BY 1 ORDER BY 1")
    assert ports["listener_port"].to_list() == [25, 587]
    assert ports["logins"].to_list() == [0, ports["n"][1]]
    status = built.sql("SELECT DISTINCT status FROM mail_event WHERE status IS NOT NULL ORDER BY 1")
    assert status["status"].to_list() == ["bounced", "deferred", "sent"]
    relay_bots = truth_of(quiet).filter(pl.col("kind") == "relay-bot")
    assert relay_bots.height > 0
    assert relay_bots["sessions"].unique().to_list() == [0]
    bot = built.pseudonym(relay_bots.sort("messages")["subscriber"][-1])
    refused, taken = built.sql(
        "SELECT count(*) FILTER (WHERE e.event = 'rejected'), count(*) FILTER (WHERE e.event = 'accepted') "
        "FROM mail_event AS e JOIN lease AS l ON e.client_key = l.ip_first AND e.at >= l.start "
        f"AND (l.\"end\" IS NULL OR e.at < l.\"end\") WHERE l.subscriber = '{bot}'").row(0)
    assert taken == relay_bots["messages"].max()
    assert refused > taken / 2


def test_the_truth_has_every_class_and_adds_up(quiet: Path) -> None:
    truth = truth_of(quiet)
    assert set(truth["class"]) == {"mail-program", "own-server", "device", "bot", "mobile-sender", "scanner"}
    assert set(truth["destination_group"]) <= {"known-provider", "other", "mobile-carrier", "own-relay"}
    assert truth.select("subscriber", "kind", "destination_group").is_duplicated().sum() == 0
    assert truth.filter((pl.col("days_active") > SIZE["days"]) | (pl.col("first_at") > pl.col("last_at"))).is_empty()
    # Only what goes through the ISP's own server is without external connections.
    assert (truth["sessions"] == 0).to_list() == (truth["destination_group"] == "own-relay").to_list()
    assert set(truth["subscriber"]) <= set(pl.read_csv(quiet / "subscribers.csv")["subscriber"])


def test_a_seed_says_it_all(quiet: Path, tmp_path: Path) -> None:
    synth.write(tmp_path / "again", **SIZE, parameters=QUIET)
    names = files_of(quiet)
    assert files_of(tmp_path / "again") == names
    equal, other, failed = filecmp.cmpfiles(quiet, tmp_path / "again", [str(n) for n in names], shallow=False)
    assert (other, failed) == ([], [])
    assert len(equal) == 22
    synth.write(tmp_path / "other", **SIZE | {"seed": 8}, parameters=QUIET)
    assert (tmp_path / "other" / "truth.csv").read_bytes() != (quiet / "truth.csv").read_bytes()


@pytest.mark.parametrize(("changes", "said"), [
    ({"subscribers": 0}, "subscribers 0 cannot be"), ({"days": 0}, "days 0 cannot be"),
    ({"seed": -1}, "seed -1 cannot be"), ({"sampling": 0}, "sampling 0 cannot be"),
    ({"pilot": 5}, "5 pilot access nodes of 4"), ({"form": "nfcap"}, "did you mean 'nfcapd'"),
    ({"start": date(1, 1, 1)}, "year 1 cannot be"), ({"subscribers": 9_999_999, "parameters": {"access": {
        "spare_addresses": 1.0}}}, "do not fit"),
])
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Op25bError, match=said):
        synth.write(tmp_path / "x", **{"subscribers": 10, "days": 1, "seed": 1} | changes)
    assert not (tmp_path / "x" / "raw").exists()


def test_a_workspace_is_never_written_over(quiet: Path) -> None:
    with pytest.raises(Op25bError, match="there is a workspace already"):
        synth.write(quiet, subscribers=1, days=1, seed=1)


def test_a_single_line_is_an_isp_too(tmp_path: Path) -> None:
    made = synth.write(tmp_path / "one", subscribers=1, days=1, seed=1)
    assert made.subscribers == 1
    assert len(list((tmp_path / "one" / "raw" / "flows").iterdir())) == 1
