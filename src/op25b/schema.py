"""The tables of the lake, each declared once: name, columns, types, units, meaning, whether personal.

Times are naive UTC. `day` is the site's local date and the partition key. Missing is NULL, never 0.
Raw tables are appended by `ingest`; derived tables are written by `build` from `pipelines/*.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from op25b.errors import UnknownNameError

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

Personal = Literal["no", "yes", "pseudonym"]
TIME = pl.Datetime("us")


@dataclass(frozen=True)
class Column:
    """One column: `pseudonym` columns hold real identifiers until `ingest` replaces them by keyed pseudonyms."""

    name: str
    dtype: PolarsDataType
    meaning: str
    nullable: bool = False
    personal: Personal = "no"


@dataclass(frozen=True)
class Table:
    """One raw table; `row` says what a row is."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pl.Schema:
        """Column name → Polars type, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def partitioned(self) -> bool:
        """Whether rows are partitioned by local day."""
        return self.columns[0].name == "day"

    @property
    def pseudonyms(self) -> list[str]:
        """Columns whose values `ingest` replaces by keyed pseudonyms."""
        return [column.name for column in self.columns if column.personal == "pseudonym"]

    def empty(self) -> pl.DataFrame:
        """An empty frame with the table's columns."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame` with exactly this table's columns and types; absent nullable columns become NULL."""
        have = set(frame.columns)
        return frame.select(
            (pl.col(c.name) if c.name in have or not c.nullable else pl.lit(None).alias(c.name)).cast(c.dtype)
            for c in self.columns
        )


_DAY = Column("day", pl.Date, "local date of the site")
_SOURCE = Column("source", pl.String, "SHA-256 of the input file (source_file.sha256)")

FLOW = Table(
    "flow",
    "one flow record on a mail-related port, as exported (one direction, or both where the format has both)",
    (
        _DAY,
        Column("first_seen", TIME, "time of the first packet, UTC"),
        Column("last_seen", TIME, "time of the last packet, UTC"),
        Column("src_ip", pl.String, "source address, canonical text", personal="yes"),
        Column("dst_ip", pl.String, "destination address, canonical text", personal="yes"),
        Column("src_high", pl.Int64, "upper 64 of the 128 bits of src_ip, signed; IPv4 mapped", personal="yes"),
        Column("src_low", pl.Int64, "the lower 64 bits", personal="yes"),
        Column("dst_high", pl.Int64, "upper 64 of the 128 bits of dst_ip, signed; IPv4 mapped", personal="yes"),
        Column("dst_low", pl.Int64, "the lower 64 bits", personal="yes"),
        Column("src_port", pl.Int32, "source port"),
        Column("dst_port", pl.Int32, "destination port"),
        Column("protocol", pl.Int16, "IANA protocol number (6 = TCP)"),
        Column("packets", pl.Int64, "packets from source to destination, as exported (not scaled by sampling)"),
        Column("bytes", pl.Int64, "layer-3 bytes from source to destination, as exported"),
        Column("reply_packets", pl.Int64, "packets back, where the record is bidirectional", nullable=True),
        Column("reply_bytes", pl.Int64, "layer-3 bytes back, where the record is bidirectional", nullable=True),
        Column("tcp_flags", pl.Int16, "OR of the TCP flags seen, bit mask; NULL when not exported", nullable=True),
        Column("established", pl.Boolean, "true: a session; false: none; NULL: the record cannot tell", nullable=True),
        Column("sampling_interval", pl.Int32, "one packet in this many was seen; 1 = every packet", nullable=True),
        Column("exporter", pl.String, "address or name of the exporter", nullable=True),
        Column("forwarding_status", pl.Int16, "IPFIX IE 89; 128-191 = dropped", nullable=True),
        Column("received", TIME, "when the collector received the record, UTC", nullable=True),
        _SOURCE,
    ),
)

MAIL_EVENT = Table(
    "mail_event",
    "one event of one message or session in a mail server's log",
    (
        _DAY,
        Column("at", TIME, "time of the event, UTC"),
        Column("mta_host", pl.String, "the logging server's name as in the log"),
        Column("event", pl.String, "accepted, queued, delivery, removed, rejected or auth"),
        Column("queue_id", pl.String, "queue id; reused by some servers", nullable=True),
        Column("client_ip", pl.String, "the client's address, canonical text", nullable=True, personal="yes"),
        Column("client_key", pl.String, "ip_key of client_ip", nullable=True, personal="yes"),
        Column("listener_port", pl.Int32, "25, 587 or 465, from the service that logged", nullable=True),
        Column("auth_mechanism", pl.String, "SASL mechanism, upper case", nullable=True),
        Column("auth_user", pl.String, "SMTP AUTH user name", nullable=True, personal="pseudonym"),
        Column("auth_ok", pl.Boolean, "whether an authentication attempt succeeded", nullable=True),
        Column("sender_domain", pl.String, "domain of the envelope sender; empty text for <>", nullable=True),
        Column("recipient_domain", pl.String, "domain of the envelope recipient", nullable=True),
        Column("next_hop_ip", pl.String, "address the message was handed to", nullable=True),
        Column("next_hop_port", pl.Int32, "port the message was handed to", nullable=True),
        Column("size_bytes", pl.Int64, "size of the message in bytes", nullable=True),
        Column("recipients", pl.Int32, "number of recipients", nullable=True),
        Column("status", pl.String, "of a delivery: sent, deferred, bounced or expired", nullable=True),
        Column("dsn", pl.String, "enhanced status code (RFC 3463)", nullable=True),
        _SOURCE,
    ),
)

LEASE_RECORD = Table(
    "lease_record",
    "one statement of a lease log: that a line held an address since `start`, until `end` where the log says so",
    (
        Column("at", TIME, "time of the event the log reports, UTC; NULL for an undated assignment", nullable=True),
        Column("ip_first", pl.String, "ip_key of the first address", nullable=True, personal="yes"),
        Column("ip_last", pl.String, "ip_key of the last address", nullable=True, personal="yes"),
        Column("port_first", pl.Int32, "first port; 0 when the address is not shared"),
        Column("port_last", pl.Int32, "last port; 65535 when the address is not shared"),
        Column("subscriber", pl.String, "identifier the log names the line by", nullable=True, personal="pseudonym"),
        Column("inner_key", pl.String, "ip_key of `subscriber` where a CGNAT log names an address", True, "yes"),
        Column("event", pl.String, "start, interim, stop, or reset (the access server lost all its sessions)"),
        Column("start", TIME, "start of the lease, UTC; NULL where the log does not tell", nullable=True),
        Column("end", TIME, "end of the lease, UTC; NULL while it is open", nullable=True),
        Column("kind", pl.String, "radius, dhcp, cgnat, map-e or static"),
        Column("access_server", pl.String, "NAS or server that granted the lease", nullable=True),
        Column("session", pl.String, "the log's own identifier of the lease (Acct-Session-Id)", True, "pseudonym"),
        _SOURCE,
    ),
)

SUBSCRIBER_RECORD = Table(
    "subscriber_record",
    "one customer line as one subscriber file states it; the latest file wins in `subscriber`",
    (
        Column("subscriber", pl.String, "the line's identifier", personal="pseudonym"),
        Column("plan", pl.String, "service plan", nullable=True),
        Column("fixed_ip", pl.Boolean, "whether the line has fixed addresses", nullable=True),
        Column("access_node", pl.String, "access node (BRAS) the line hangs on", nullable=True),
        Column("area", pl.String, "area of the line", nullable=True),
        Column("dwelling", pl.String, "house, apartment or office", nullable=True),
        Column("notice_channel", pl.String, "how to reach the customer", nullable=True),
        Column("language", pl.String, "ja or en", nullable=True),
        Column("radius_user", pl.String, "name in the lease logs, where it is another", True, "pseudonym"),
        Column("auth_user", pl.String, "SMTP AUTH user name, where it is another", True, "pseudonym"),
        _SOURCE,
    ),
)

SOURCE_FILE = Table(
    "source_file",
    "one input file that was read",
    (
        Column("sha256", pl.String, "SHA-256 of the file's decompressed content, up to content_bytes"),
        Column("path", pl.String, "path when it was read, relative to the workspace where it lies inside"),
        Column("kind", pl.String, "flows, mail, leases or subscribers"),
        Column("format", pl.String, "format the file was read as"),
        Column("bytes", pl.Int64, "size in bytes"),
        Column("content_bytes", pl.Int64, "decompressed bytes read so far", nullable=True),
        Column("head", pl.String, "SHA-256 of their first 64 KiB: tells quickly what is another file", nullable=True),
        Column("marks", pl.String, "of a log: of its first 1, 2, 4, ... bytes 16 digits of the SHA-256", nullable=True),
        Column("offset", pl.Int64, "of them, bytes an earlier row accounts for: the file has grown", nullable=True),
        Column("first_line", pl.Int64, "number of the first line of this part, from 1", nullable=True),
        Column("rows_read", pl.Int64, "rows in this part of the file"),
        Column("rows_kept", pl.Int64, "rows that went into the lake"),
        Column("rows_filtered", pl.Int64, "good rows that are none of our business (other ports, other daemons)"),
        Column("rows_rejected", pl.Int64, "rows that could not be read; see `rejected`"),
        Column("first", TIME, "earliest time in the kept rows, UTC", nullable=True),
        Column("last", TIME, "latest time in the kept rows, UTC", nullable=True),
        Column("at", TIME, "when it was read, UTC"),
    ),
)

REJECTED = Table(
    "rejected",
    "one input row that could not be read",
    (
        Column("source", pl.String, "SHA-256 of the input file (source_file.sha256)"),
        Column("line", pl.Int64, "line number, from 1", nullable=True),
        Column("offset", pl.Int64, "byte offset, for binary files", nullable=True),
        Column("reason", pl.String, "why the row could not be read"),
        Column("excerpt", pl.String, "start of the row, identifiers masked", nullable=True),
    ),
)

EXPIRED = Table(
    "expired",
    "rows of one table and input file that were removed because their days of retention were over; also of a day table",
    (
        Column("at", TIME, "when they were removed, UTC"),
        Column("table_name", pl.String, "the table"),
        Column("source", pl.String, "SHA-256 of the input file; NULL for a derived table", nullable=True),
        Column("first_day", pl.Date, "first local day of the rows; NULL where they have no time", nullable=True),
        Column("last_day", pl.Date, "last local day of the rows", nullable=True),
        Column("rows_expired", pl.Int64, "how many they were"),
        Column("expired_until", pl.Date, "last local day of which the table keeps nothing since"),
        Column("days_kept", pl.Int32, "days of [retention] by which they went"),
    ),
)

RAW = {t.name: t for t in (FLOW, MAIL_EVENT, LEASE_RECORD, SUBSCRIBER_RECORD, SOURCE_FILE, REJECTED, EXPIRED)}


def raw_table(name: str) -> Table:
    """Return the declaration of a raw table, or raise `UnknownNameError`."""
    if name not in RAW:
        raise UnknownNameError("table", name, RAW)
    return RAW[name]
