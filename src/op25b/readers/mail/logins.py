"""One successful login a session, where a log shows it several times or only when the session ends."""

from __future__ import annotations

import polars as pl

_PROCESS = ["mta_host", "tag"]


class Logins:
    """Finds the first sign of a login in each session of a Postfix log, from block to block.

    Each message of a session names the login again, and the line at its end counts logins, which is all there is
    when it sent no message. One smtpd process serves one session after the other, so the ends of its sessions tell
    them apart.
    """

    def __init__(self) -> None:
        # The processes whose session was open at the end of the last block and whose login was counted.
        self._counted = pl.DataFrame(schema=dict.fromkeys(_PROCESS, pl.String))

    def of(self, accepted: pl.DataFrame, ended: pl.DataFrame) -> pl.DataFrame:
        """The auth events of a block.

        `accepted` are the accepted messages, with auth_mechanism where somebody had logged in; `ended` the ends of
        sessions, with auth_ok. Both have line, mta_host, tag, process (a number for those two) and an event's columns.
        """
        logins = accepted.filter(pl.col("auth_mechanism").is_not_null() & pl.col("reason").is_null())
        end = pl.col("end")
        marks = pl.concat(
            [logins.drop("queue_id").with_columns(end=False), ended.with_columns(end=True)], how="diagonal"
        ).sort("process", "line").with_columns(
            pl.lit("auth").alias("event"), (pl.col("process") == pl.col("process").shift(1)).alias("same")
        )
        # The first mark of a process continues the session that the last block left open.
        begins = ~pl.col("same").fill_null(value=False) | end.shift(1)
        found = marks.filter(begins & pl.col("auth_ok"))
        continued = found.filter(~pl.col("same").fill_null(value=False)).join(self._counted, on=_PROCESS, how="semi")
        found = found.join(continued.select("line"), on="line", how="anti")
        last = marks.unique("process", keep="last", maintain_order=True)
        self._counted = pl.concat([
            self._counted.join(last, on=_PROCESS, how="anti"), last.filter(~end).select(_PROCESS)
        ])
        return found.drop("end", "same")
