# ruff: noqa: E501 -- lines of logs are long
"""Marked secrets in every kind of input, also in broken lines: none of them is anywhere in the lake.

A secret is whatever names a person: user names, local parts of mail addresses, message ids, HELO names, subjects and
other free text, host names of customers, names of files. Domains of mail addresses and names of servers are stored.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from op25b.api import OpenWorkspace
from op25b.lake import Lake
from op25b.readers import FORMATS
from tests.test_privacy_rotation import texts

# Every secret begins with this.
MARK = "zqx"
MAIL = {
    "postfix": """
Jan 31 12:00:01 mx1 postfix/submission/smtpd[2001]: 3F2A1B: client=zqxhost.isp.example[198.18.0.9], sasl_method=PLAIN, sasl_username=zqxuser@isp.example
Jan 31 12:00:01 mx1 postfix/smtpd[2001]: connect from zqxhost[198.18.0.9]
Jan 31 12:00:02 mx1 postfix/cleanup[2002]: 3F2A1B: message-id=<zqxid.123@zqxpc.local>
Jan 31 12:00:02 mx1 postfix/cleanup[2002]: 3F2A1B: warning: header Subject: zqxsubject zqxmore from zqxhost[198.18.0.9]; from=<zqxfrom@isp.example> to=<zqxto@carrier.example> proto=ESMTP helo=<zqxhelo>
Jan 31 12:00:02 mx1 postfix/qmgr[1]: 3F2A1B: from=<zqxfrom@isp.example>, size=100, nrcpt=1 (queue active)
Jan 31 12:00:03 mx1 postfix/smtp[1]: 3F2A1B: to=<zqxto@carrier.example>, orig_to=<zqxalias@isp.example>, relay=mx.carrier.example[192.0.2.25]:25, delay=1, dsn=2.0.0, status=sent (250 2.0.0 Ok zqxtext queued as zqxqueued)
Jan 31 12:00:03 mx1 postfix/local[1]: 3F2A1B: to=<zqxlocal@isp.example>, relay=local, delay=1, dsn=5.1.1, status=bounced (unknown user: "zqxlocal")
Jan 31 12:00:04 mx1 postfix/smtpd[2001]: warning: zqxhost[198.18.0.9]: SASL LOGIN authentication failed: zqxreason, sasl_username=zqx, user two
Jan 31 12:00:04 mx1 postfix/smtpd[2001]: NOQUEUE: reject: RCPT from zqxhost[198.18.0.9]: 554 5.7.1 <zqxto@x.example>: Relay access denied; from=<zqxfrom@y.example> to=<zqxto@x.example> proto=ESMTP helo=<zqxhelo>
""",
    "exim": """
2026-01-31 12:00:01 1xVjuS-0000nm-2e <= zqxfrom@isp.example H=(zqxhelo) [198.18.0.9]:37689 I=[203.0.113.5]:587 P=esmtpsa X=TLS1.3 A=auth_plain:zqxuser@isp.example S=252 id=zqxid@x.example T="zqxsubject two" for zqxto@carrier.example
2026-01-31 12:00:02 1xVjuS-0000nm-2e => zqxto@carrier.example R=remote T=smtp H=mx.carrier.example [192.0.2.25] C="250 2.0.0 Ok: zqxtext"
2026-01-31 12:00:03 1xVjuS-0000nm-2e == zqxto@v6.example <zqxorig@isp.example> R=remote T=smtp defer (-44): SMTP error after RCPT TO:<zqxto@v6.example>: 451 4.7.1 zqxtext
2026-01-31 12:00:03 1xVjuS-0000nm-2e ** zqxto@gone.example F=<zqxfrom@isp.example> R=remote T=smtp: 550 zqxtext
2026-01-31 12:00:05 1xVjuX-0000up-2Z <= <> R=1xVjuS-0000nm-2e U=zqxunix P=local S=1721
2026-01-31 12:00:07 login_server authenticator failed for zqxhost (zqxhelo) [198.18.0.10]:37 I=[203.0.113.5]:587: 535 Incorrect authentication data (set_id=zqxuser)
2026-01-31 12:00:08 H=zqxhost (zqxhelo) [198.18.0.7] F=<zqxfrom@out.example> rejected RCPT <zqxto@remote.example>: zqxtext
""",
    "sendmail": """
Jan 31 12:00:01 mx1 sm-mta[2001]: AUTH=server, relay=zqxhost.isp.example [198.18.0.7], authid=zqxuser@isp.example, mech=PLAIN, bits=0
Jan 31 12:00:02 mx1 sm-mta[2001]: 60V3002a002001: from=<zqxfrom@isp.example>, size=1234, class=0, nrcpts=3, msgid=<zqxid@zqxpc>, proto=ESMTPSA, daemon=MSA, relay=zqxhost.isp.example [198.18.0.7]
Jan 31 12:00:04 mx1 sm-mta[2003]: 60V3002a002001: to=<zqxto@carrier.example>,<zqxb@carrier.example>, ctladdr=<zqxfrom@isp.example> (1001/1001), delay=00:00:02, mailer=esmtp, pri=151234, relay=mx.carrier.example. [192.0.2.25], dsn=2.0.0, stat=Sent (zqxtext queued as ABC)
Jan 31 12:00:06 mx1 sm-mta[2004]: 60V3006b002004: ruleset=check_rcpt, arg1=<zqxto@other.example>, relay=zqxhost [198.18.0.7], reject=550 5.7.1 <zqxto@other.example>... Relaying denied
Jan 31 12:00:07 mx1 sm-mta[2005]: 60V3007c002005: AUTH failure (LOGIN): authentication failure (-13) zqxtext, user=zqxuser, relay=zqxhost [198.18.0.9]
Jan 31 12:00:08 mx1 sendmail[2006]: 60V3008d002006: from=zqxroot, size=99, class=0, nrcpts=1, msgid=<zqxid@mx1.example>, relay=zqxroot@localhost
""",
    "dovecot": """
Jan 31 12:00:01 mx1 dovecot: imap-login: Login: user=<zqxuser@isp.example>, method=PLAIN, rip=198.18.0.7, lip=203.0.113.5, mpid=12, TLS, session=<zqxsession>
Jan 31 12:00:03 mx1 dovecot[77]: pop3-login: Disconnected: Connection closed (auth failed, 3 attempts in 12 secs): user=<zqxuser two>, method=PLAIN, rip=198.18.0.8, lip=203.0.113.5, session=<zqxs>
Jan 31 12:00:07 mx1 dovecot: submission(zqxuser)<20><zqxsub>: Successfully relayed message: from=<zqxfrom@isp.example>, size=321, id=tr1, nrcpt=2, reply=`250 2.0.0 Ok: zqxtext'
Jan 31 12:00:08 mx1 dovecot: submission(zqxuser)<20><zqxsub>: Failed to relay message: from=<zqxfrom@isp.example>, to=<zqxto@d.example>, size=3, rcpt=1/1, reply=`550 5.7.1 zqxtext'
Jan 31 12:00:09 mx1 dovecot: lmtp(zqxuser@isp.example)<30><zqxlm>: msgid=<zqxid@x>: saved mail to zqxbox
""",
    "opensmtpd": """
Jan 31 12:00:01 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp connected address=198.18.0.7 host=zqxhost.isp.example
Jan 31 12:00:02 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp authentication user=zqxuser result=ok
Jan 31 12:00:03 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp message msgid=1a2b3c4d size=456 nrcpt=2 proto=ESMTP
Jan 31 12:00:03 mx1 smtpd[10]: 5f1a6c3f1a2b3c4d smtp envelope evpid=1a2b3c4d00000001 from=<zqxfrom@isp.example> to=<zqxto@carrier.example>
Jan 31 12:00:04 mx1 smtpd[10]: 5f1a6c3f99999999 mta delivery evpid=1a2b3c4d00000001 from=<zqxfrom@isp.example> to=<zqxto@carrier.example> rcpt=<-> source="203.0.113.5" relay="192.0.2.25 (mx.carrier.example)" delay=1s result="Ok" stat="250 2.0.0 Ok: zqxtext"
Jan 31 12:00:06 mx1 smtpd[10]: 0000000000000000 mda delivery evpid=2b2b3c4d00000001 from=<zqxfrom@out.example> to=<zqxlocal@local.example> rcpt=<zqxlocal@local.example> user=zqxlocal delay=0s result=Ok stat=Delivered
Jan 31 12:00:09 mx1 smtpd[10]: 5f1a6c3f00000002 smtp failed-command command="RCPT TO:<zqxto@other.example>" result="550 5.7.1 Invalid recipient: <zqxto@other.example>"
Jan 31 12:00:11 mx1 smtpd[10]: smtp-in: Accepted authentication for user zqxuser on session 00000000000000aa
""",
    "qmail": """
@4000000045c08c6b0ee6b280 new msg 12345
@4000000045c08c6b0ee6b280 info msg 12345: bytes 2345 from <zqxfrom@isp.example> qp 678 uid 90
@4000000045c08c6c00000000 starting delivery 1: msg 12345 to remote zqxto@carrier.example
@4000000045c08c6c00000000 starting delivery 2: msg 12345 to local zqxlocal@local.example
@4000000045c08c6e00000000 delivery 1: deferral: Connected_to_192.0.2.25_but_greeting_failed./Remote_host_said:_421_4.3.2_zqxtext/
@4000000045c08c6f00000000 delivery 2: success: zqxtext/
@4000000045c08c7000000000 end msg 12345
""",
    "zeek-smtp": "\n#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tsmtp\n#fields\t" + "\t".join(
        ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "helo", "mailfrom", "rcptto", "msg_id",
         "subject", "last_reply", "user_agent", "tls"]) + "\n" + "\t".join(
        ["1769860801.123456", "C1", "198.18.0.7", "5000", "192.0.2.25", "25", "zqxhelo", "zqxfrom@isp.example",
         "zqxto@carrier.example,zqxb@carrier.example", "<zqxid@x>", "zqxsubject two", "250 2.0.0 Ok: zqxtext",
         "zqxagent", "F"]) + "\n",
}
LEASES = {
    "freeradius-detail": """
Tue Nov 24 12:00:00 2026
\tUser-Name = "zqxline@isp.example"
\tAcct-Status-Type = Start
\tAcct-Session-Id = "zqxsession"
\tCalling-Station-Id = "zqxcalling"
\tFramed-IP-Address = 198.18.0.9
\tTimestamp = 1795489200

""",
    "radius-csv": """
acctsessionid,username,nasipaddress,acctstarttime,acctstoptime,acctsessiontime,framedipaddress,callingstationid
zqxsession,zqxline,203.0.113.9,2007-07-10 00:00:00,2007-07-10 01:00:00,3600,198.18.0.7,zqxcalling
zqxsession2,zqxline two,203.0.113.9,2007-07-10 00:00:00,,0,198.18.0.8,zqxcalling
""",
    "isc-dhcpd": """
lease 198.18.4.10 {
  starts 2 2007/07/10 01:00:00;
  ends 2 2007/07/10 02:00:00;
  binding state active;
  hardware ethernet 00:00:5e:00:53:01;
  uid "zqxuid";
  option agent.circuit-id "zqxcircuit";
  client-hostname "zqxhost";
}
""",
    "kea-leases": """
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
198.18.4.10,96:db:aa:38:4a:20,6c:69:6e:65,25,1795501423,1,0,0,zqxhost,0,{ "note": "zqxtext" }
198.18.4.11,96:db:aa:38:4a:21,,25,1795501430,1,0,0,zqxhost2,0,
""",
    "nat-events-csv": """
observationTimeMilliseconds,natEvent,sourceIPv4Address,postNATSourceIPv4Address,portRangeStart,portRangeEnd,userName
1184025600000,16,100.64.0.7,203.0.113.50,1024,1151,zqxuser
1184029200000,17,100.64.0.7,203.0.113.50,1024,1151,zqxuser
""",
    "juniper-port-blocks": """
<14>Jun 30 22:44:25 bng1 RT_NAT: RT_SRC_NAT_PBA_ALLOC: Subscriber 100.64.60.74 used/maximum [10/15] blocks, allocates port block [24064-24191] from 203.0.113.100 in source pool zqxpool lsys_id: 0 epoch 0x6a44007a
<14>Jun 30 22:50:00 bng1 RT_FLOW: zqxtext RT_FLOW_SESSION_CREATE: session created 100.64.60.74/1024->198.51.100.1/25
""",
    "static-csv": """
subscriber,address,prefix,first,last,start,end
zqxline,198.18.0.7,,,,,
zqxline two,,198.18.8.0/29,,,2007-07-01,
""",
}
FLOWS = {
    "nfdump-csv": """
firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows
2026-01-31 21:00:00.900,0.500,TCP,198.18.0.1,51000,198.51.100.1,25,10,1000,1
zqxtext,0.500,TCP,198.18.0.1,51000,198.51.100.1,25,10,zqxtext,1
""",
    "goflow2": """
{"type":"NETFLOW_V9","time_flow_start_ns":1769860800900000000,"time_flow_end_ns":1769860801400000000,"bytes":1000,"packets":10,"src_addr":"198.18.0.1","dst_addr":"198.51.100.1","etype":"IPv4","proto":"TCP","src_port":51000,"dst_port":25,"sampling_rate":1,"sampler_address":"192.0.2.1","note":"zqxtext"}
{"type":"NETFLOW_V9","time_flow_start_ns":"zqxtext","src_addr":"zqxtext","dst_port":25,"proto":"TCP"}
""",
}
SUBSCRIBERS = {"csv": """
subscriber,name,address,plan,access_node,radius_user,auth_user
zqx-0001,zqxname,zqxstreet 1,home,node-1,zqxline@isp.example,zqxuser@isp.example
zqx-0002,zqxname two,zqxstreet 2,IP1,node-1,,
zqx-0002,zqxname two,zqxstreet 2,IP1,node-1,,
,zqxname three,zqxstreet 3,IP1,node-1,zqxthree,
zqx-0004,zqxname four
"""}
INPUTS = {"mail": MAIL, "leases": LEASES, "flows": FLOWS, "subscribers": SUBSCRIBERS}
CASES = [(kind, form) for kind, files in INPUTS.items() for form in files]


def spoiled(text: str) -> Iterator[str]:
    """The file as it is, and with each of its lines cut off, doubled into itself, and with characters lost."""
    source = random.Random(25)
    text = text.removeprefix("\n")
    yield text
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        broken = []
        for _ in range(12):
            cut = source.randrange(1, max(len(line), 2))
            broken += [line[:cut] + "\n", line[:cut] + line[cut + source.randrange(1, 4):], line[:cut] + "\x00" + line[cut:],
                       line[:cut].rstrip("\n") + line]
        yield "".join([*lines[:number], *broken, *lines[number + 1:]])


@pytest.mark.parametrize(("kind", "form"), CASES, ids=[form for _, form in CASES])
def test_no_secret_is_in_the_lake(workspace: Callable[..., OpenWorkspace], tmp_path: Path, kind: str, form: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number, text in enumerate(spoiled(INPUTS[kind][form])):
        (raw / f"input-{number}").write_text(text, encoding="utf-8")
    more = "sampling_interval = 1\ntimezone = 'UTC'\n" if kind == "flows" else "identify_by = 'circuit-id'\n" * (form == "isc-dhcpd")
    opened = workspace(f"[[inputs.{kind}]]\npath = 'raw/*'\nformat = '{form}'\n{more}")
    done = opened.ingest()
    assert done["rows_kept"][0] > 0, done["error"][0]
    assert done["rows_rejected"].sum() > 0
    found = {word for text in texts(opened.workspace.lake_path) for word in re.findall(rf".{{0,60}}{MARK}.{{0,20}}", text)}
    assert found == set()


def test_every_text_format_of_mail_and_leases_is_tried() -> None:
    without_names = {"map-e"}  # computed from its rule
    for kind in ("mail", "leases"):
        assert set(INPUTS[kind]) == {form.name for form in FORMATS if form.kind == kind} - without_names


def test_domains_and_servers_are_kept_and_names_joined(workspace: Callable[..., OpenWorkspace], tmp_path: Path) -> None:
    (tmp_path / "log").write_text(MAIL["postfix"].removeprefix("\n"))
    opened = workspace("[[inputs.mail]]\npath = 'log'\n")
    opened.ingest()
    rows = pl.read_parquet(Lake(opened.workspace.lake_path).files("mail_event"))
    assert {"isp.example", "carrier.example"} <= set(rows["sender_domain"]) | set(rows["recipient_domain"])
    assert opened.pseudonym("zqxuser@isp.example") in set(rows["auth_user"])
