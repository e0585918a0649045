"""What holds for every lease format: it knows only its own files, its accounting adds up, nothing mangled breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from op25b import schema
from op25b.errors import InputError, Op25bError
from op25b.readers import FORMATS, choose
from op25b.readers.base import Format, Head, Source
from op25b.readers.leases import static
from op25b.settings import MapRule
from tests.readers.leases import (
    test_isc_dhcpd,
    test_juniper,
    test_kea,
    test_map_e,
    test_nat_events,
    test_radius_csv,
    test_static,
)
from tests.readers.reading import collect

DETAIL = """Tue Jul 10 00:00:00 2007
\tAcct-Status-Type = Start
\tUser-Name = "line1"
\tAcct-Session-Id = "S1"
\tFramed-IP-Address = 198.18.0.7
"""
SAMPLES = {
    "freeradius-detail": [DETAIL],
    "radius-csv": [test_radius_csv.SAMPLE],
    "isc-dhcpd": [test_isc_dhcpd.REAL4, test_isc_dhcpd.REAL6],
    "kea-leases": [test_kea.REAL4, test_kea.REAL4_1, test_kea.REAL6],
    "nat-events-csv": [test_nat_events.SAMPLE],
    "juniper-port-blocks": [test_juniper.SAMPLE],
    "static-csv": [test_static.SAMPLE],
}
RULE = MapRule(ipv6_prefix="2001:db8::/40", ipv4_prefix="192.0.2.0/24", ea_length=16)
LEASES = {form.name: form for form in FORMATS if form.kind == "leases"}
OURS = [*sorted(SAMPLES.keys() - {"freeradius-detail"}), "map-e"]
CASES = [(name, text) for name, texts in SAMPLES.items() for text in texts]


def source(path: Path, identify_by: str = "hardware") -> Source:
    return Source(path, "Asia/Tokyo", year=2026, identify_by=identify_by, map_e=(RULE,))


@pytest.mark.parametrize(("name", "text"), CASES, ids=lambda value: value[:20])
@pytest.mark.parametrize("form", LEASES.values(), ids=lambda form: form.name)
def test_each_sample_is_recognised_by_its_own_reader_alone(form: Format, name: str, text: str) -> None:
    head = Head(Path("x"), text.encode())
    assert (form.recognise(head) is not None) == (form.name == name)


@pytest.mark.parametrize(("text", "problem"), [
    ("subscribers,adress\nline1,198.18.0.7\n", r"x:1: no column 'subscriber'; did you mean 'subscribers'\?"),
    ("subscriber,adress\nline1,198.18.0.7\n", r"no column 'address' or 'prefix' or 'first'; did you mean 'adress'\?"),
    ("acctsessionid,username,framedipaddress,starttime\n", r"no column 'acctstarttime'; did you mean 'starttime'\?"),
])
def test_a_misspelt_column_is_named_though_nobody_named_the_format(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    form, _ = choose(tmp_path / "x", "leases")
    with pytest.raises(InputError, match=problem + r".*\n  export the table with a header line"):
        collect(form.read(source(tmp_path / "x")), form)


def test_a_name_in_another_encoding_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("subscriber;address\n広島1;198.18.0.7\nline2;198.18.0.8\n".encode("cp932"))
    result = collect(static.FORMAT.read(source(path)), static.FORMAT)
    assert [row[:3] for row in result.rejected] == [
        (2, None, "the line's name is not UTF-8: save the file as UTF-8")]
    assert result.rows("subscriber") == [("line2",)]


@pytest.mark.parametrize(("name", "text"), CASES, ids=lambda value: value[:20])
def test_auto_chooses_it(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    assert choose(tmp_path / "x", "leases")[0].name == name


def test_map_e_is_read_only_where_the_settings_name_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(test_map_e.SAMPLE)
    with pytest.raises(InputError, match="no known format of leases"):
        choose(tmp_path / "x", "leases")
    assert choose(tmp_path / "x", "leases", "map-e")[0].name == "map-e"


def sample(name: str) -> bytes:
    return (SAMPLES[name][-1] if name in SAMPLES else test_map_e.SAMPLE).encode()


def check(form: Format, path: Path, data: bytes, identify_by: str = "hardware") -> None:
    """Read it; only our errors come out, the counts add up, and every row is possible."""
    path.write_bytes(data)
    form.recognise(Head(path, data))
    try:
        result = collect(form.read(source(path, identify_by)), form)
    except Op25bError:
        return
    assert result.filtered >= 0
    assert result.frame.height >= (min(result.kept, 1) if form.merges else result.kept)
    assert result.frame.columns == [name for name in schema.LEASE_RECORD.schema if name != "source"]
    for row in result.frame.to_dicts():
        assert row["kind"] in {"radius", "dhcp", "cgnat", "map-e", "static"}
        assert row["event"] in {"start", "interim", "stop"}
        assert row["subscriber"]
        assert 0 <= row["port_first"] <= row["port_last"] <= 65535
        assert row["start"] is None or row["end"] is None or row["start"] <= row["end"]
        assert (row["ip_first"] or "") <= (row["ip_last"] or "")


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_files_raise_nothing_but_our_errors(name: str, data: st.DataObject, tmp_path: Path) -> None:
    text = bytearray(sample(name))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        piece = data.draw(st.one_of(
            st.binary(max_size=6), st.sampled_from([b"\n", b'"', b",", b"\0", b"{", b"}", b";", b"\\", b"9" * 30, b"-1",
                                                    b"0x", b"\xff\xfe", "１".encode(), b"/", b"::", b"%", b"&#x0a"])))
        text[at : at + length] = piece
    check(LEASES[name], tmp_path / "x", bytes(text),
          data.draw(st.sampled_from(["hardware", "uid", "circuit-id", "remote-id"])))


@pytest.mark.parametrize("name", OURS)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(data=b"")
@example(data=b"\n\n")
@example(data=b"\xef\xbb\xbf")
def test_any_bytes_raise_nothing_but_our_errors(name: str, data: bytes, tmp_path: Path) -> None:
    check(LEASES[name], tmp_path / "x", data)


@pytest.mark.parametrize("name", OURS)
def test_a_file_cut_anywhere_gives_no_row_that_the_whole_does_not_give(name: str, tmp_path: Path) -> None:
    """Cut at any byte: subscribers and addresses of the rows are those of the whole file."""
    whole = sample(name)
    form = LEASES[name]

    def pairs(data: bytes) -> set[tuple[object, ...]]:
        (tmp_path / "x").write_bytes(data)
        return set(collect(form.read(source(tmp_path / "x")), form).rows("subscriber", "ip_first", "ip_last"))

    known = pairs(whole)
    header = whole.index(b"\n") + 1
    for cut in range(header, len(whole), 7):
        if whole[cut - 1 : cut] == b"\n" or name in {"isc-dhcpd", "kea-leases"}:
            assert pairs(whole[:cut]) <= known, cut
