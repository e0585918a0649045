
"""Logs of real servers (Debian's Exim 4.96, Sendmail 8.17, OpenSMTPD 6.8), and what they say, written by hand.

The servers ran in a network namespace between clients and next hops that accept, defer, refuse or are not there; each
file has the lines of a few of their sessions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from op25b.readers.base import Format
from op25b.readers.mail import exim, opensmtpd, sendmail
from tests.readers.reading import read_bytes

LOGS = Path(__file__).parent / "captured"
COLUMNS = ["event", "queue_id", "client_ip", "listener_port", "auth_user", "sender_domain", "recipient_domain",
           "next_hop_ip", "status", "dsn"]

# `-` is NULL, `<>` the null sender.
EXIM = """
auth      -                 198.18.0.9  -   bob@isp.example -           -               -            -        -
accepted  1xVmRM-00001J-1k  198.18.0.9  -   bob@isp.example isp.example -               -            -        -
queued    1xVmRM-00001J-1k  -           -   -               isp.example -               -            -        -
delivery  1xVmRM-00001J-1k  -           -   -               -           isp.example     -            sent     -
delivery  1xVmRM-00001J-1k  -           -   -               -           carrier.example 192.0.2.25   sent     2.0.0
delivery  1xVmRM-00001J-1k  -           -   -               -           other.example   192.0.2.25   bounced  5.1.1
delivery  1xVmRM-00001J-1k  -           -   -               -           v6.example      2001:db8::25 sent     2.0.0
accepted  1xVmRM-00001Z-23  -           -   -               <>          -               -            -        -
queued    1xVmRM-00001Z-23  -           -   -               <>          -               -            -        -
removed   1xVmRM-00001J-1k  -           -   -               -           -               -            -        -
auth      -                 198.18.0.10 -   mallory         -           -               -            -        -
auth      -                 198.18.0.10 -   mallory         -           -               -            -        -
auth      -                 198.18.0.9  -   bob@isp.example -           -               -            -        -
accepted  1xVmRM-00001g-2b  198.18.0.9  -   bob@isp.example isp.example -               -            -        -
queued    1xVmRM-00001g-2b  -           -   -               isp.example -               -            -        -
delivery  1xVmRM-00001g-2b  -           -   -               -           refused.example -            deferred -
delivery  1xVmRM-00001g-2b  -           -   -               -           banner.example  192.0.2.27   bounced  5.7.1
delivery  1xVmRM-00001g-2b  -           -   -               -           carrier.example 192.0.2.25   deferred 4.7.1
rejected  -                 198.18.0.10 -   -               out.example isp.example     -            -        -
delivery  1xVmRO-00002A-1N  -           -   -               -           cut.example     192.0.2.25   sent     2.0.0
delivery  1xVmRO-00002A-1N  -           -   -               -           cut.example     192.0.2.25   sent     2.0.0
accepted  1xVmRO-00002A-1N  198.18.0.9  -   -               isp.example -               -            -        -
queued    1xVmRO-00002A-1N  -           -   -               isp.example -               -            -        -
removed   1xVmRO-00002A-1N  -           -   -               -           -               -            -        -
rejected  -                 198.18.0.11 -   -               -           -               -            -        5.7.1
rejected  -                 198.18.0.9  -   -               isp.example callout.example -            -        -
accepted  1xVmRP-00002J-0J  198.18.0.9  -   -               isp.example -               -            -        -
queued    1xVmRP-00002J-0J  -           -   -               isp.example -               -            -        -
delivery  1xVmRP-00002J-0J  -           -   -               -           isp.example     -            sent     -
delivery  1xVmRP-00002J-0J  -           -   -               -           isp.example     -            sent     -
delivery  1xVmRP-00002J-0J  -           -   -               -           isp.example     -            sent     -
delivery  1xVmRP-00002J-0J  -           -   -               -           carrier.example 192.0.2.25   sent     2.0.0
removed   1xVmRP-00002J-0J  -           -   -               -           -               -            -        -
rejected  -                 198.18.0.9  -   -               isp.example carrier.example -            -        -
auth      -                 198.18.0.10 587 -               -           -               -            -        -
"""

SENDMAIL = """
auth      -               198.18.0.10 -   bob     -            -               -            -        -
accepted  6AO99Xs9000124  198.18.0.10 587 bob     isp.example  -               -            -        -
queued    6AO99Xs9000124  -           -   -       isp.example  -               -            -        -
delivery  6AO99Xs9000124  -           -   -       -            isp.example     -            sent     2.0.0
delivery  6AO99Xs9000124  -           -   -       -            other.example   192.0.2.25   bounced  5.1.1
delivery  6AO99Xs9000124  -           -   -       -            carrier.example 192.0.2.25   sent     2.0.0
delivery  6AO99Xs9000124  -           -   -       -            v6.example      2001:db8::25 sent     2.0.0
queued    6AO99Xs8000126  -           -   -       <>           -               -            -        -
accepted  6AO99YVc000145  198.18.0.10 587 -       isp.example  -               -            -        -
queued    6AO99YVc000145  -           -   -       isp.example  -               -            -        -
delivery  6AO99YVc000145  -           -   -       -            carrier.example 192.0.2.25   deferred 4.7.1
delivery  6AO99YVc000145  -           -   -       -            refused.example 192.0.2.26   deferred 4.4.1
delivery  6AO99YVc000145  -           -   -       -            banner.example  192.0.2.27   bounced  5.5.0
auth      -               198.18.0.10 -   mallory -            -               -            -        -
auth      -               198.18.0.10 -   mallory -            -               -            -        -
rejected  6AO99Z7s000167  -           -   -       -            isp.example     -            -        -
rejected  6AO99Z7s000167  198.18.0.10 -   -       -            isp.example     -            -        5.7.1
rejected  6AO99ZLU000174  198.18.0.10 -   -       evil.example -               -            -        4.7.1
rejected  -               198.18.0.11 -   -       -            -               -            -        5.7.1
rejected  6AO99axg000208  -           -   -       -            carrier.example -            -        5.7.1
rejected  6AO99axg000208  -           -   -       -            carrier.example -            -        4.3.2
accepted  6AO99axg000208  198.18.0.9  25  -       x.example    -               -            -        -
queued    6AO99axg000208  -           -   -       x.example    -               -            -        -
delivery  6AO99axg000208  -           -   -       -            isp.example     -            sent     2.0.0
queued    6AO99bxh000210  -           -   -       <>           -               -            -        -
delivery  6AO99b8M000221  -           -   -       -            other.example   192.0.2.25   sent     2.0.0
delivery  6AO99b8M000221  -           -   -       -            carrier.example 192.0.2.25   sent     2.0.0
delivery  6AO99YVc000145  -           -   -       -            -               -            expired  -
queued    6AO99f8Q000235  -           -   -       <>           -               -            -        -
"""

OPENSMTPD = """
auth      -        198.18.0.10 - - -           -               -            -        -
rejected  -        198.18.0.10 - - isp.example -               -            -        5.5.1
rejected  -        198.18.0.10 - - -           isp.example     -            -        -
accepted  b4f38ca2 198.18.0.10 - - -           -               -            -        -
queued    b4f38ca2 -           - - -           -               -            -        -
delivery  b4f38ca2 -           - - out.example isp.example     -            sent     -
accepted  05329d8e 198.18.0.9  - - -           -               -            -        -
queued    05329d8e -           - - -           -               -            -        -
delivery  b4f38ca2 -           - - out.example remote.example  192.0.2.25   sent     2.0.0
delivery  05329d8e -           - - isp.example v6.example      2001:db8::25 sent     2.0.0
delivery  05329d8e -           - - isp.example other.example   192.0.2.25   bounced  5.1.1
delivery  05329d8e -           - - isp.example carrier.example 192.0.2.25   deferred 4.7.1
delivery  05329d8e -           - - isp.example refused.example 192.0.2.26   deferred -
delivery  05329d8e -           - - isp.example banner.example  192.0.2.27   deferred -
delivery  05329d8e -           - - isp.example refused.example -            expired  -
delivery  05329d8e -           - - isp.example banner.example  -            expired  -
"""


def table(text: str) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in text.strip().splitlines()]


@pytest.mark.parametrize(("form", "name", "expected"), [
    (exim.FORMAT, "exim-4.96.log", EXIM), (sendmail.FORMAT, "sendmail-8.17.log", SENDMAIL),
    (opensmtpd.FORMAT, "opensmtpd-6.8.log", OPENSMTPD),
])
def test_what_a_real_server_logged(tmp_path: Path, form: Format, name: str, expected: str) -> None:
    result = read_bytes(form, tmp_path / name, (LOGS / name).read_bytes(), year=2026)
    said = [tuple("-" if value is None else "<>" if value == "" else str(value) for value in row)
            for row in result.rows(*COLUMNS)]
    assert said == table(expected)
    assert result.rejected == []
