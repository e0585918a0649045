"""One successful login a session, where a log shows it several times or only when the session ends."""

from __future__ import annotations

import polars as pl

_PROCESS = ["host", "tag"]


class Logins:
    """Finds the first sign of a login in each session of a Postfix log, from block to block.

    Each message of a session names the login again, and the line at its end counts logins, which is all there is
    when it sent no message. One smtpd process serves one session after the other, so the ends of its sessions tell
    them apart.
    """

    def __init__(self) -> None:
        # The processes whose session was open at the end of the last block and whose login was counted.
        self._counted = pl.DataFrame(schema=dict.fromkeys(_PROCESS, pl.String))

    def first(self, messages: pl.DataFrame, ends: pl.DataFrame) -> pl.Series:
        """The lines of a block that are the first sign of a login in their session.

        `messages` are those that somebody logged in for, `ends` the ends of sessions, with auth_ok. Both have line,
        host, tag and process (a number for those two).
        """
        columns = ["line", "process", *_PROCESS]
        marks = pl.concat([
            messages.select(*columns, auth_ok=True, end=False), ends.select(*columns, "auth_ok", end=True),
        ])
        # One number for both is sorted much quicker.
        order = (marks["process"] * 2**40 + marks["line"]).arg_sort()
        same, end = pl.col("process") == pl.col("process").shift(1), pl.col("end")
        flags = marks.select(pl.col("process", "auth_ok", "end").gather(pl.lit(order))).select(
            begins=(~same.fill_null(value=False) | end.shift(1)) & pl.col("auth_ok"),
            opens=~same.fill_null(value=False), closes=~same.shift(-1).fill_null(value=False),
        )
        found = marks["line"].gather(order.filter(flags["begins"]))
        # The first mark of a process continues the session that the last block left open.
        opening = marks[order.filter(flags["begins"] & flags["opens"])]
        continued = opening.join(self._counted, on=_PROCESS, how="semi")
        last = marks[order.filter(flags["closes"])]
        self._counted = pl.concat([
            self._counted.join(last, on=_PROCESS, how="anti"), last.filter(~end).select(_PROCESS)
        ])
        return found.filter(~found.is_in(continued["line"].implode()))
