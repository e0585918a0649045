"""Argus: both directions, states, ports in hexadecimal and by name, and the split of the packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.errors import InputError
from tests.readers.flows import samples
from tests.readers.flows.reading import read, shown

HEADER = samples.ARGUS.splitlines()[0]


def one(
    tmp_path: Path, state: str, packets: int = 10, total: int = 2000, there: int = 1000, **settings: int
) -> tuple[object, ...]:
    row = f"2011/08/10 09:46:53.05,1.5,tcp,192.0.2.1,1025,   ->,192.0.2.2,25,{state},0,0,{packets},{total},{there},x"
    result = read("argus", tmp_path, f"{HEADER}\n{row}\n", **settings)
    assert result.rejected == []
    return result.rows("established", "packets", "reply_packets", "bytes", "reply_bytes")[0]


def test_the_layout_of_ctu_13(tmp_path: Path) -> None:
    result = read("argus", tmp_path, samples.ARGUS, timezone="Europe/Prague")
    assert shown(result, "reply_packets", "reply_bytes") == [
        ("07:46:59.607825", "07:47:00.634364", "94.44.127.113", 1577, "147.32.84.59", 25, 2, 156, 22, False, 2, 120),
        (
            "07:46:53.058760",
            "07:47:13.419028",
            "147.32.3.93",
            25,
            "147.32.84.59",
            51790,
            67,
            67597,
            29,
            True,
            66,
            14332,
        ),
        ("07:47:00.000000", "07:47:03.000000", "147.32.84.165", 1025, "192.0.2.1", 25, 3, 186, 2, False, 0, 0),
        ("07:47:03.000000", "07:47:05.000000", "147.32.84.165", 1026, "192.0.2.1", 25, 9, 12602, 27, True, 8, 582),
    ]
    assert (result.read, result.filtered, result.rejected) == (6, 2, [])


def test_words_for_states_and_names_for_ports(tmp_path: Path) -> None:
    result = read("argus", tmp_path, samples.ARGUS_WORDS)
    assert result.rows("dst_port", "packets", "reply_packets", "reply_bytes", "established") == [
        (25, 6, 5, 360, True),
        (25, 1, 1, 54, False),
        (465, 4, 0, 0, False),
        (25, 5, 4, 294, None),
    ]
    assert shown(result)[0][:2] == ("06:29:03.857166", "06:29:03.857772")
    assert (result.read, result.filtered) == (5, 1)


def test_the_split_of_the_packets_is_near_what_argus_counted(tmp_path: Path) -> None:
    without = "\n".join(line.rsplit(",", 2)[0] for line in samples.ARGUS_WORDS.splitlines())
    result = read("argus", tmp_path, without)
    assert result.rows("packets", "reply_packets") == [(6, 5), (1, 1), (4, 0), (5, 4)]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("S_", False),
        ("S_RA", False),
        ("S_R", False),
        ("S_SA", False),
        ("SEC_", False),
        ("SEC_RA", False),
        ("FSPA_FSPA", True),
        ("SRPA_SPA", True),
        ("SPA_SPA", True),
        ("PA_PA", True),
        ("FA_FA", True),
        ("SRA_SA", True),
        ("SA_SA", True),
        ("PA_", True),
        ("_PA", True),
        ("SA_", True),
        ("FSA_FSA", True),
        ("_SA", None),
        ("A_A", None),
        ("R_", None),
        ("A_R", None),
        ("_RA", None),
        ("F_", None),
        ("RA_A", None),
        ("CON", True),
        ("EST", True),
        ("FIN", True),
        ("REQ", False),
        ("ACC", False),
        ("TIM", None),
        ("RST", None),
        ("", None),
    ],
)
def test_what_a_state_proves(tmp_path: Path, state: str, expected: bool | None) -> None:
    assert one(tmp_path, state)[0] is expected


def test_under_sampling_a_missing_answer_proves_nothing(tmp_path: Path) -> None:
    assert one(tmp_path, "S_", sampling_interval=100)[0] is None
    assert one(tmp_path, "FSPA_FSPA", sampling_interval=100)[0] is True
    assert one(tmp_path, "S_", sampling_interval=1)[0] is False


@pytest.mark.parametrize(
    ("packets", "total", "there", "expected"),
    [
        (1, 60, 60, (1, 0)),
        (2, 128, 74, (1, 1)),
        (6, 366, 186, (3, 3)),
        (4, 276, 156, (2, 2)),
        (3, 4000, 60, (1, 2)),
        (1, 128, 74, (1, 0)),
    ],
)
def test_the_split_of_the_packets(
    tmp_path: Path, packets: int, total: int, there: int, expected: tuple[int, int]
) -> None:
    assert one(tmp_path, "S_RA", packets, total, there)[1:3] == expected


def test_user_data_with_commas_does_not_matter(tmp_path: Path) -> None:
    header = HEADER.replace("Label", "srcUdata,dstUdata,Label")
    row = samples.ARGUS.splitlines()[1].rsplit(",", 1)[0] + ",s[4]=a,b,c,d[2]=x,flow=Background"
    assert len(shown(read("argus", tmp_path, f"{header}\n{row}\n"))) == 1


def test_times_without_a_date_are_rejected(tmp_path: Path) -> None:
    row = samples.ARGUS.splitlines()[1].removeprefix("2011/08/10 ")
    result = read("argus", tmp_path, f"{HEADER}\n{row}\n")
    assert [row[:3] for row in result.rejected] == [(2, None, "line StartTime has no date (print it with ra -u)")]


def test_the_default_fields_of_ra_lack_the_bytes_of_each_side(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no field 'SrcBytes'"):
        read("argus", tmp_path, "StartTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,TotBytes,State\n")
