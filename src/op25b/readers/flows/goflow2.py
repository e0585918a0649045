"""JSON lines of goflow2 (NetFlow, IPFIX and sFlow), one object a record; `mapping.yaml` may have removed fields.

Times are nanoseconds since 1970, or RFC 3339 text where rendered so; an sFlow sample has none but its reception. The
sampling rate is the record's; 0 is unknown. Packets of sFlow samples are 1, their bytes those of the frame. Versions
before 2 have other names (`SrcAddr`) and times in seconds, and since 1.1 in milliseconds too.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from op25b.readers.base import Batch, Format, Head, Source
from op25b.readers.flows import fields
from op25b.readers.flows.jsonlines import Keys, first_keys, objects
from op25b.readers.flows.records import REQUIRED, batches, standard

_KNOWN = {
    "start": ("time_flow_start_ns",), "end": ("time_flow_end_ns",), "received": ("time_received_ns",),
    "start_ms": ("TimeFlowStartMs",), "end_ms": ("TimeFlowEndMs",),
    "start_s": ("TimeFlowStart",), "end_s": ("TimeFlowEnd",), "received_s": ("TimeReceived",),
    "first_seen": ("time_flow_start_ns", "time_received_ns", "TimeFlowStart", "TimeReceived"),
    "src_ip": ("src_addr", "SrcAddr"), "dst_ip": ("dst_addr", "DstAddr"), "src_port": ("src_port", "SrcPort"),
    "dst_port": ("dst_port", "DstPort"), "protocol": ("proto", "Proto"), "packets": ("packets", "Packets"),
    "bytes": ("bytes", "Bytes"), "flags": ("tcp_flags", "TCPFlags", "TcpFlags"),
    "sampling_interval": ("sampling_rate", "SamplingRate"), "exporter": ("sampler_address", "SamplerAddress"),
    "forwarding_status": ("forwarding_status", "ForwardingStatus"),
}
_REMEDY = "keep goflow2's own names in its mapping.yaml, or map them: format = \"json\" and [inputs.flows.columns]"
_OWN = {"time_received_ns", "time_flow_start_ns", "time_flow_end_ns", "sampler_address", "sampling_rate",
        "sequence_num", "src_addr", "dst_addr", "etype", "in_if", "out_if",
        "TimeReceived", "TimeFlowStart", "TimeFlowEnd", "SamplerAddress", "SamplingRate", "SequenceNum", "SrcAddr",
        "DstAddr", "Etype", "InIf", "OutIf"}
_TIMES = {"start": "ns", "end": "ns", "received": "ns", "start_ms": "ms", "end_ms": "ms", "start_s": "s", "end_s": "s",
          "received_s": "s"}


def recognise(head: Head) -> str | None:
    """The first object has several of goflow2's names."""
    own = sum(name in _OWN for name in first_keys(head))
    return f"JSON objects with {own} of goflow2's names" if own > 3 else None


def read(source: Source) -> Iterator[Batch]:
    """Yield the TCP records on mail ports, both directions."""

    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        return _timed(standard(frame, source))

    yield from batches(objects(source, Keys(_KNOWN, ("first_seen", *REQUIRED), _REMEDY)), typed)


def _timed(frame: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None, pl.Datetime("us"))
    frame = frame.with_columns(
        nothing.alias(name) if frame[name].null_count() == frame.height else fields.times(frame[name], "UTC", unit)
        for name, unit in _TIMES.items()
    )
    frame = frame.with_columns(
        pl.coalesce("start", "start_ms", "start_s").alias("start"), pl.coalesce("end", "end_ms", "end_s").alias("end"),
        pl.coalesce("received", "received_s").alias("received"),
    )
    return frame.with_columns(
        pl.coalesce("start", "received").alias("first_seen"),
        pl.coalesce("end", "start", "received").alias("last_seen"),
    )


FORMAT = Format("goflow2", "flows", recognise, read)
