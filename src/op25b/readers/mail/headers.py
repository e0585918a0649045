"""Headers of syslog lines that are not as usual, rewritten as those that `syslog.py` reads.

Written by: `docker compose logs` (`name-1  | ` before the line), `journalctl` (Japanese months, `-o short-full`),
devices that put the year after the day, OpenWrt's `logread` (after the time), daemons that do not fill up the day,
Dovecot 1.x to its own `log_path`, collectors that take the priority of RFC 5424 off but leave the version,
`journalctl -o json`.
"""

from __future__ import annotations

import polars as pl

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DAY = "[A-Z][a-z]{2} [ 0-9][0-9]"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# In this order, since one line may need several.
_REWRITES = (
    (r"^(?:[A-Za-z0-9_.-]+ +\| +)+", ""),
    (r"^([A-Z][a-z]{2}) ([0-9]) ((?:[0-9]{4} )?[0-9]{2}:)", "${1}  ${2} ${3}"),
    (rf"^({_DAY}) ([0-9]{{4}}) ({_TIME})", "${2} ${1} ${3}"),
    (rf"^[A-Z][a-z]{{2}} ({_DAY} {_TIME}) ([0-9]{{4}}) ", "${2} ${1} "),
    *((rf"^ ?{number}月 ", f"{month} ") for number, month in enumerate(_MONTHS, start=1)),
    (rf"^[A-Z][a-z]{{2}} ({_DATE}) ({_TIME}(?:\.[0-9]+)?) UTC ", "${1}T${2}Z "),
    # Another zone than UTC is the machine's own, which the input's settings name; its letters may mean several.
    (rf"^[A-Z][a-z]{{2}} ({_DATE}) ({_TIME}(?:\.[0-9]+)?) [A-Z]{{2,5}} ", "${1}T${2} "),
    (rf"^1 ({_DATE}T)", "${1}"),
    (rf"^dovecot: ({_DAY} {_TIME}|{_DATE} {_TIME}) (?:Info|Warn|Warning|Error|Fatal|Panic|Debug): ", "${1} dovecot: "),
)
_JOURNAL = '"__REALTIME_TIMESTAMP"'


def usual(texts: pl.Series, known: str) -> pl.Series:
    """The lines, those that do not match the pattern `known` rewritten; `texts` itself where there are none."""
    odd = ~texts.str.contains(known)
    before = lines = texts.filter(odd)
    if lines.str.contains(_JOURNAL, literal=True).any():
        lines = _of_journal(lines)
    for pattern, replacement in _REWRITES:
        lines = lines.str.replace(pattern, replacement)
    return texts if lines.equals(before) else texts.clone().scatter(odd.arg_true(), lines)


def _of_journal(lines: pl.Series) -> pl.Series:
    """Entries of the journal in JSON, one a line, as lines; others stay as they are."""
    def value(name: str) -> pl.Expr:
        return pl.col("entry").str.json_path_match(f"$.{name}")

    at = pl.from_epoch(value("__REALTIME_TIMESTAMP").cast(pl.Int64, strict=False), time_unit="us")
    pid = pl.coalesce(value("SYSLOG_PID"), value("_PID"), pl.lit("-"))
    # A message may have several lines; one that is no UTF-8 is a list of numbers, which is not read.
    text = value("MESSAGE").str.replace_all("\n", " ", literal=True)
    line = pl.format("{}Z {} {}[{}]: {}", at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f"), value("_HOSTNAME"),
                     value("SYSLOG_IDENTIFIER"), pid, text)
    return lines.alias("entry").to_frame().select(pl.coalesce(line, "entry")).to_series()
