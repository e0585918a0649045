# ruff: noqa: E501 (records are literal)
"""Record shapes of other projects and older versions: goflow2 1.x, pmacct to 1.7.1, Argus with one silent side.

Seen in: issues 97 and 205 of pmacct (an end that is unset is printed as second 0, in local time), output of goflow2 1.3
printed in public documentation, captures in the layout of CTU-13. Addresses are replaced.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readers.flows import samples
from tests.readers.flows.reading import read

GOFLOW_1 = (
    '{"Type":"NETFLOW_V9","TimeReceived":1713794400,"SequenceNum":866964284,"SamplingRate":1000,"SamplerAddress":"192.0.2.2",'
    '"TimeFlowStart":1713794381,"TimeFlowEnd":1713794382,%s"Bytes":168,"Packets":2,"SrcAddr":"198.18.0.1","DstAddr":"198.51.100.7",'
    '"Etype":2048,"Proto":6,"SrcPort":33994,"DstPort":25,"InIf":28,"OutIf":20,"ForwardingStatus":64,"%s":18}\n'
)


@pytest.mark.parametrize(("more", "flags", "times"), [
    ("", "TCPFlags", ("2024-04-22 13:59:41.000", "2024-04-22 13:59:42.000")),
    ('"TimeFlowStartMs":1713794381250,"TimeFlowEndMs":1713794382750,', "TcpFlags", ("2024-04-22 13:59:41.250", "2024-04-22 13:59:42.750")),
])
def test_goflow2_before_2(tmp_path: Path, more: str, flags: str, times: tuple[str, str]) -> None:
    result = read("goflow2", tmp_path, GOFLOW_1 % (more, flags))
    assert result.rejected == []
    row = result.frame.row(0, named=True)
    assert tuple(f"{row[name]:%F %T.%f}"[:-3] for name in ("first_seen", "last_seen")) == times
    assert f"{row['received']:%F %T}" == "2024-04-22 14:00:00"
    assert result.rows("src_ip", "dst_ip", "src_port", "dst_port", "packets", "bytes", "tcp_flags", "sampling_interval", "exporter", "forwarding_status") == [
        ("198.18.0.1", "198.51.100.7", 33994, 25, 2, 168, 18, 1000, "192.0.2.2", 64)]


def test_goflow2_1_without_the_times_of_a_flow(tmp_path: Path) -> None:
    text = (GOFLOW_1 % ("", "TCPFlags")).replace(":1713794381", ":0").replace(":1713794382", ":0")
    row = read("goflow2", tmp_path, text).frame.row(0, named=True)
    assert row["first_seen"] == row["last_seen"] == row["received"]


@pytest.mark.parametrize("end", ["1970-01-01 05:30:00.0", "1970-01-01 08:00:00.0", "1969-12-31 19:00:00.0", "0000-00-00 00:00:00.0"])
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "UTC"])
def test_pmacct_prints_an_end_that_is_unset_as_second_0(tmp_path: Path, end: str, zone: str) -> None:
    header = "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,TCP_FLAGS,TIMESTAMP_START,TIMESTAMP_END,PACKETS,BYTES\n"
    result = read("pmacct", tmp_path, f"{header}192.0.2.1,198.51.100.2,4000,25,tcp,2,2018-06-07 14:31:47.220000,{end},1,60\n", timezone=zone)
    assert result.rejected == []
    assert result.frame["last_seen"].to_list() == result.frame["first_seen"].to_list()


def test_argus_where_only_the_other_side_sent(tmp_path: Path) -> None:
    row = "2011/08/16 10:13:23.123456,0.000000,tcp,192.0.2.165,1025,   ?>,198.51.100.9,25,_RA,,0,3,180,0,flow=x"
    result = read("argus", tmp_path, f"{samples.ARGUS.splitlines()[0]}\n{row}\n")
    assert result.rows("packets", "bytes", "reply_packets", "reply_bytes", "established") == [(0, 0, 3, 180, None)]


@pytest.mark.parametrize("delimiter", ["\t", "|"])
def test_argus_with_another_delimiter_and_records_without_addresses(tmp_path: Path, delimiter: str) -> None:
    header = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label"
    rows = [
        "2026/01/31 12:00:00.000000,0.500000,tcp,192.0.2.1,51000,   ->,198.51.100.25,25,FSPA_FSPA,0,0,20,3000,2000,11,",
        "2026/01/31 12:00:01.000000,0.000000,man,0,0,   ,0,0,STA,0,0,0,0,0,0,",
        "2026/01/31 12:00:02.000000,0.000000,arp,192.0.2.1, ,  who,192.0.2.2, ,CON, , ,2,102,60,1,",
    ]
    text = "\n".join([header, *rows, ""]).replace(",", delimiter)
    result = read("argus", tmp_path, text)
    assert result.rejected == []
    assert result.rows("src_ip", "dst_port", "packets", "reply_packets", "bytes", "established") == [
        ("192.0.2.1", 25, 11, 9, 2000, True)]
