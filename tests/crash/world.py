"""A small ISP whose logs grow between runs: what the crash tests feed to `ingest` and `build`."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from op25b.api import OpenWorkspace, open_workspace
from op25b.engine.duckdb import tables
from op25b.engine.pipelines import pipelines
from op25b.pseudonyms import Pseudonyms
from op25b.schema import RAW
from tests.conftest import SETTINGS

INPUTS = """
[[inputs.flows]]
path = "raw/flows/*"
[[inputs.mail]]
path = "raw/mail/*"
[[inputs.leases]]
path = "raw/detail*"
[[inputs.subscribers]]
path = "raw/subscribers.csv"
[quality]
max_rejected_share = 1.0
"""
DAYS = 2
FLOWS = 20  # the good rows of each file of flows
_BEGIN = datetime(2026, 11, 24, 12)  # local, as in the logs
_FLOW_HEADER = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
_LOGS = ("mx1", "mx2")


class World:
    """A workspace and the files beside it; each kind of growth is one that logs really have."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self._random = root, random.Random(seed)
        self._mails = dict.fromkeys(_LOGS, 0)
        self._half = dict.fromkeys(_LOGS, "")
        self._flows = self._leases = 0
        for directory in ("raw/flows", "raw/mail"):
            (root / directory).mkdir(parents=True)
        (root / "op25b.toml").write_text(SETTINGS + INPUTS, encoding="utf-8")
        Pseudonyms.create(root / "op25b.key")
        lines = "".join(f"ME{line},IP{line % 3},line{line}@isp.example\n" for line in range(1, 9))
        (root / "raw/subscribers.csv").write_text("subscriber,plan,radius_user\n" + lines)
        self._add_flows()
        self.grow()

    def grow(self) -> None:
        """What happens between two runs."""
        for log in _LOGS:
            self._grow_mail(log)
            if self._random.random() < 0.1 and not self._half[log]:
                self._rotate(log)
        self._grow_leases()
        if self._random.random() < 0.6:
            self._add_flows()
        if self._random.random() < 0.2:
            self._deliver_again()

    def rotate_all(self) -> None:
        """Every log is rotated, and nothing follows yet."""
        self.end()
        for log in _LOGS:
            self._rotate(log)

    def end(self) -> None:
        """The last lines get their ends."""
        for log in _LOGS:
            if self._half[log]:
                self._append(self._log(log), self._half[log])
            self._half[log] = ""

    def _grow_mail(self, log: str) -> None:
        """Some messages in order; now and then the last line is half there."""
        text = self._half[log]
        for _ in range(self._random.randint(1, 4)):
            text += self._message(log)
        cut = self._random.randint(1, 60) if self._random.random() < 0.3 else 0
        whole = len(text) - cut
        self._append(self._log(log), text[len(self._half[log]):whole] if whole > len(self._half[log]) else "")
        self._half[log] = text[whole:]

    def _message(self, log: str) -> str:
        number = self._mails[log]
        self._mails[log] += 1
        at = _BEGIN + timedelta(days=number % DAYS, seconds=number)
        queue_id = f"{_LOGS.index(log) + 1:X}{number:08X}"
        head, line = f"{at.isoformat()}+09:00 {log} postfix", 1 + number % 8
        return "".join(f"{head}/{text}\n" for text in (
            f"submission/smtpd[{number}]: {queue_id}: client=pc[198.18.0.{line}], sasl_method=PLAIN, sasl_username=u1",
            f"qmgr[1]: {queue_id}: from=<a@isp.example>, size=1000, nrcpt=1 (queue active)",
            f"smtp[1]: {queue_id}: to=<b@x.example>, relay=x[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
            f"smtp[1]: {queue_id}: to=<c@x.example>, relay=none, status=eaten",  # is rejected
            f"qmgr[1]: {queue_id}: removed",
        ))

    def _rotate(self, log: str) -> None:
        """mx1.log → mx1.log.1, and all before it one further, compressed."""
        rotated = self._log(log).with_suffix(".log.1")
        if rotated.exists():
            packed = rotated.with_suffix(f".{self._mails[log]}.gz")
            packed.write_bytes(gzip.compress(rotated.read_bytes()))
            rotated.unlink()
        self._log(log).rename(rotated)

    def _grow_leases(self) -> None:
        text = ""
        for _ in range(self._random.randint(1, 3)):
            number = self._leases
            self._leases += 1
            # Each line has had its address since before; a new session every now and then.
            at, line = int(_BEGIN.timestamp()) - 86_400 + 600 * number, 1 + number % 8
            text += (f"Tue Nov 24 12:00:00 2026\n\tUser-Name = \"line{line}@isp.example\"\n"
                     f"\tAcct-Status-Type = Start\n\tAcct-Session-Id = \"S{number}\"\n"
                     f"\tFramed-IP-Address = 198.18.0.{line}\n\tTimestamp = {at}\n\n")
        self._append(self.root / "raw/detail", text)

    def _add_flows(self) -> None:
        """One more file of flows, which are sessions of one record each, and a row that is none."""
        number = self._flows
        self._flows += 1
        rows = []
        for flow in range(FLOWS):
            at = _BEGIN + timedelta(days=number % DAYS, seconds=60 * number + flow)
            rows.append(f"{at.isoformat(' ')}.000,1.000,TCP,198.18.0.{1 + flow % 8},{20_000 + number * FLOWS + flow},"
                        f"192.0.2.{1 + flow % 5},25,10,1000,1\n")
        rows.insert(3, "never,1.000,TCP,198.18.0.1,1,192.0.2.1,25,10,1000,1\n")
        temporary = self.root / f"raw/{number}.part"
        temporary.write_text(_FLOW_HEADER + "".join(rows))
        temporary.rename(self.root / f"raw/flows/{number:04}.csv")

    def _deliver_again(self) -> None:
        """A file of flows comes under a second name, or has another one from now on."""
        files = sorted((self.root / "raw/flows").iterdir())
        if files:
            file = self._random.choice(files)
            to = file.with_name(f"again-{file.name}")
            if self._random.random() < 0.5:
                file.rename(to)
            else:
                shutil.copy(file, self.root / "raw/copy.part")
                (self.root / "raw/copy.part").rename(to)

    def _log(self, log: str) -> Path:
        return self.root / f"raw/mail/{log}.log"

    @staticmethod
    def _append(path: Path, text: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    def undisturbed(self, root: Path, *, build: bool = True) -> OpenWorkspace:
        """A lake of the same files that nobody disturbed, ingested and built once."""
        root.mkdir()
        for name in ("op25b.toml", "op25b.key"):
            shutil.copy(self.root / name, root / name)
        shutil.copytree(self.root / "raw", root / "raw")
        opened = open_workspace(root)
        opened.ingest()
        if build:
            opened.build()
        return opened


DERIVED = tuple(name for name, pipeline in pipelines().items() if pipeline.stored)


def contents(opened: OpenWorkspace, names: Iterable[str] = (*RAW, *DERIVED)) -> dict[str, list[str]]:
    """Rows of tables, sorted.

    Which part of a log a row was read with depends on when runs happened, so `source` is left out, and the accounting
    is added up by kind.
    """
    found = {}
    connection = tables(opened.workspace, list(names))
    for table in names:
        if table == "source_file":
            query = """
                SELECT kind, sum(content_bytes - "offset"), sum(rows_read), sum(rows_kept), sum(rows_filtered),
                    sum(rows_rejected), min("first"), max("last")
                FROM source_file GROUP BY kind
            """
        else:
            query = f'SELECT * FROM "{table}"'
        frame = connection.sql(query).pl()
        found[table] = sorted(map(repr, frame.drop("source", strict=False).rows()))
    connection.close()
    return found


def differences(ours: dict[str, list[str]], theirs: dict[str, list[str]]) -> dict[str, tuple[int, int, list[str]]]:
    """Table → rows of either lake and some that only one has; nothing where all tables are equal."""
    return {table: (len(ours[table]), len(theirs[table]), sorted({*ours[table]} ^ {*theirs[table]})[:4])
            for table in ours if ours[table] != theirs[table]}


_ACCOUNTS = """
    WITH held AS (
        -- A line may say of a login what is another event.
        SELECT 'mail' AS kind, source, count(*) AS rows FROM mail_event WHERE event <> 'auth' GROUP BY source
        UNION ALL SELECT 'flows', source, count(*) FROM flow GROUP BY source
        UNION ALL SELECT 'leases', source, count(*) FROM lease_record GROUP BY source
        UNION ALL SELECT 'subscribers', source, count(*) FROM subscriber_record GROUP BY source
    ), refused AS (
        SELECT source, count(*) AS rows FROM rejected GROUP BY source
    )
    SELECT coalesce(h.source, s.sha256) AS source, h.rows, s.rows_kept, r.rows AS refused, s.rows_rejected
    FROM held AS h
    FULL JOIN source_file AS s ON s.kind = h.kind AND s.sha256 = h.source
    LEFT JOIN refused AS r ON r.source = s.sha256
    WHERE s.sha256 IS NULL OR s.rows_kept <> coalesce(h.rows, 0) OR s.rows_rejected <> coalesce(r.rows, 0)
"""
_QUEUED = "SELECT left(queue_id, 1) AS log, queue_id FROM mail_event WHERE event = 'queued'"
_BY_DAY = "SELECT day, sum(flows) AS flows FROM peer_day GROUP BY day"


def lies(opened: OpenWorkspace) -> list[str]:
    """What a reader must never see: half a file, a row twice, a gap in a log, half a day of a derived table."""
    connection = tables(opened.workspace, [*RAW, "peer_day"])
    found = [f"accounting: {row}" for row in connection.execute(_ACCOUNTS).fetchall()]
    logs: dict[str, list[int]] = {}
    for log, queue_id in connection.execute(_QUEUED).fetchall():
        logs.setdefault(log, []).append(int(queue_id[1:], 16))
    found += [f"log {log}: {len(numbers)} messages up to {max(numbers)}" for log, numbers in logs.items()
              if sorted(numbers) != list(range(len(numbers)))]
    found += [f"{day}: {flows} flows" for day, flows in connection.execute(_BY_DAY).fetchall() if flows % FLOWS]
    connection.close()
    return found
