"""JSON lines of goflow2 (NetFlow, IPFIX and sFlow), one object a record; `mapping.yaml` may have removed fields.

Times are nanoseconds since 1970, or RFC 3339 text where rendered so; an sFlow sample has none but its reception. The
sampling rate is the record's; 0 is unknown. Packets of sFlow samples are 1, their bytes those of the frame.
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
    "first_seen": ("time_flow_start_ns", "time_received_ns"),
    "src_ip": ("src_addr",), "dst_ip": ("dst_addr",), "src_port": ("src_port",), "dst_port": ("dst_port",),
    "protocol": ("proto",), "packets": ("packets",), "bytes": ("bytes",), "flags": ("tcp_flags",),
    "sampling_interval": ("sampling_rate",), "exporter": ("sampler_address",),
    "forwarding_status": ("forwarding_status",),
}
_REMEDY = "keep goflow2's own names in its mapping.yaml, or map them: format = \"json\" and [inputs.flows.columns]"
_OWN = {"time_received_ns", "time_flow_start_ns", "time_flow_end_ns", "sampler_address", "sampling_rate",
        "sequence_num", "src_addr", "dst_addr", "etype", "in_if", "out_if"}


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
    frame = frame.with_columns(fields.times(frame[name], "UTC", "ns") for name in ("start", "end", "received"))
    return frame.with_columns(
        pl.coalesce("start", "received").alias("first_seen"),
        pl.coalesce("end", "start", "received").alias("last_seen"),
    )


FORMAT = Format("goflow2", "flows", recognise, read)
