"""Postfix lines, as smtpd.c, smtpd_check.c, smtpd_sasl_glue.c, cleanup_message.c, qmgr_active.c, log_adhoc.c ... write them."""

# ruff: noqa: E501, ISC004 -- lines of logs are long

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from op25b.readers.base import Head
from op25b.readers.mail import postfix
from tests.readers.reading import Result, read_bytes

Read = Callable[..., Result]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads messages of one host; each is `tag message`."""

    def run(*messages: str) -> Result:
        lines = [f"2026 Nov 24 12:00:01 mx {message}" for message in messages]
        return read_bytes(postfix.FORMAT, tmp_path / "mail.log", lines)

    return run


def only(result: Result) -> dict[str, Any]:
    """The one event of the file, without what all have."""
    (row,) = result.facts("at", "mta_host")
    return row


def test_one_message_from_submission_to_delivery(read: Read) -> None:
    result = read(
        "postfix/submission/smtpd[101]: connect from pc.example[198.18.0.9]",
        "postfix/submission/smtpd[101]: 4XyZ9k2bWqz1: client=pc.example[198.18.0.9], sasl_method=plain, sasl_username=u1@isp.example",
        "postfix/cleanup[102]: 4XyZ9k2bWqz1: message-id=<1@pc.example>",
        "postfix/qmgr[9]: 4XyZ9k2bWqz1: from=<u1@ISP.example>, size=812, nrcpt=2 (queue active)",
        "postfix/submission/smtpd[101]: disconnect from pc.example[198.18.0.9] ehlo=2 starttls=1 auth=1 mail=1 rcpt=2 data=1 "
        "quit=1 commands=9",
        "postfix/smtp[103]: 4XyZ9k2bWqz1: to=<a@Other.example>, relay=mx.other.example[198.51.100.130]:25, delay=1.2, "
        "delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as ABC)",
        "postfix/smtp[103]: 4XyZ9k2bWqz1: to=<b@other.example>, orig_to=<list@isp.example>, relay=mx6[2001:DB8::19]:25, "
        "conn_use=2, delay=1.2, delays=0.1/0/0.5/0.6, dsn=4.2.0, status=deferred (host mx6 said: 450 4.2.0 later)",
        "postfix/qmgr[9]: 4XyZ9k2bWqz1: removed",
    )
    message = {"queue_id": "4XyZ9k2bWqz1"}
    client = {"client_ip": "198.18.0.9", "client_key": "00000000000000000000ffffc6120009", "listener_port": 587,
              "auth_mechanism": "PLAIN", "auth_user": "u1@isp.example", "auth_ok": True}
    assert result.facts("at", "mta_host") == [
        {"event": "accepted"} | message | client,
        {"event": "auth"} | client,
        {"event": "queued", "sender_domain": "isp.example", "size_bytes": 812, "recipients": 2} | message,
        {"event": "delivery", "recipient_domain": "other.example", "next_hop_ip": "198.51.100.130", "next_hop_port": 25,
         "status": "sent", "dsn": "2.0.0"} | message,
        {"event": "delivery", "recipient_domain": "other.example", "next_hop_ip": "2001:db8::19", "next_hop_port": 25,
         "status": "deferred", "dsn": "4.2.0"} | message,
        {"event": "removed"} | message,
    ]
    assert (result.read, result.kept, result.filtered, result.rejected) == (8, 5, 3, [])


@pytest.mark.parametrize(("tag", "port"), [
    ("postfix/smtpd[1]:", 25), ("postfix-out/smtpd[1]:", 25), ("postfix/smtps/smtpd[1]:", 465),
    ("postfix/submissions/smtpd[1]:", 465), ("postfix-in/submission/smtpd[1]:", 587), ("postfix/2525/smtpd[1]:", 2525),
    ("postfix/127.0.0.1:10025/smtpd[1]:", 10025), ("postfix/inbound/smtpd[1]:", None), ("mailer/smtpd[1]:", 25),
])
def test_the_service_tells_the_port(read: Read, tag: str, port: int | None) -> None:
    assert only(read(f"{tag} 3F2A1B: client=pc[198.18.0.9]")).get("listener_port") == port


@pytest.mark.parametrize(("client", "address"), [
    ("pc.example[198.18.0.9]", "198.18.0.9"),
    ("pc.example[198.18.0.9]:50123", "198.18.0.9"),
    ("unknown[2001:DB8:100:0::5]", "2001:db8:100::5"),
    ("unknown[IPv6:2001:db8:100::5]:50123", "2001:db8:100::5"),
    ("unknown[::ffff:198.18.0.9]", "198.18.0.9"),
    ("unknown[unknown]", None),
    ("filter[127.0.0.1], orig_client=pc.example[198.18.0.9]", "198.18.0.9"),
    ("filter[127.0.0.1], orig_queue_id=4B1C2D3E4F, orig_client=unknown[2001:db8:100::5]:4711", "2001:db8:100::5"),
])
def test_addresses_of_clients(read: Read, client: str, address: str | None) -> None:
    event = only(read(f"postfix/smtpd[1]: 3F2A1B: client={client}"))
    assert (event["event"], event.get("client_ip")) == ("accepted", address)


@pytest.mark.parametrize(("rest", "user"), [
    ("sasl_method=LOGIN, sasl_username=u1", "u1"),
    ("sasl_method=LOGIN, sasl_username=Doe, John <jd>", "Doe, John <jd>"),
    ("sasl_method=LOGIN, sasl_username=u1, sasl_sender=other@isp.example", "u1"),
    ("sasl_method=EXTERNAL", None),
])
def test_user_names(read: Read, rest: str, user: str | None) -> None:
    accepted, auth = read(f"postfix/smtpd[1]: 3F2A1B: client=pc[198.18.0.9], {rest}").facts()
    assert (accepted["event"], auth["event"], auth["auth_ok"]) == ("accepted", "auth", True)
    assert accepted.get("auth_user") == auth.get("auth_user") == user
    assert "queue_id" not in auth


def test_before_queue_filter_has_no_queue_id(read: Read) -> None:
    assert "queue_id" not in only(read("postfix/smtpd[1]: NOQUEUE: client=pc[198.18.0.9]"))


@pytest.mark.parametrize("queue_id", ["3F2A1", "3F2A1B9C0D1E", "4XyZ9k2bWqz1", "3zqBJr2cYHzvZYm"])
def test_queue_ids(read: Read, queue_id: str) -> None:
    assert only(read(f"postfix/qmgr[9]: {queue_id}: removed")) == {"event": "removed", "queue_id": queue_id}


@pytest.mark.parametrize(("warning", "expected"), [
    ("pc[198.18.0.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", ("198.18.0.9", "LOGIN", None)),
    ("unknown[198.18.0.9]: SASL PLAIN authentication failed:", ("198.18.0.9", "PLAIN", None)),
    ("unknown[198.18.0.9]: SASL PLAIN authentication failed: ", ("198.18.0.9", "PLAIN", None)),
    ("unknown[2001:db8::1]:4711: SASL cram-md5 authentication failed: (reason unavailable), sasl_username=u1@isp.example",
     ("2001:db8::1", "CRAM-MD5", "u1@isp.example")),
    ("pc[198.18.0.9]: SASL LOGIN authentication failed: authentication failure, sasl_username=Doe, John",
     ("198.18.0.9", "LOGIN", "Doe, John")),
    ("pc[198.18.0.9]: SASL LOGIN authentication failed: Connection lost to authentication server, sasl_username=(unavailable)",
     ("198.18.0.9", "LOGIN", None)),
    ("pc[198.18.0.9]: SASL LOGIN authentication aborted", ("198.18.0.9", "LOGIN", None)),
])
def test_failed_logins(read: Read, warning: str, expected: tuple[str, str, str | None]) -> None:
    event = only(read(f"postfix/smtpd[1]: warning: {warning}"))
    assert (event["event"], event["auth_ok"]) == ("auth", False)
    assert (event["client_ip"], event["auth_mechanism"], event.get("auth_user")) == expected


@pytest.mark.parametrize("message", [
    "warning: SASL authentication failure: Password verification failed",
    "warning: hostname pc.example does not resolve to address 198.18.0.9",
    "warning: unknown[198.18.0.9]: SASL PLAIN authentication mechanism not available",
    "lost connection after AUTH from unknown[198.18.0.9]",
    "disconnect from unknown[198.18.0.9] ehlo=1 auth=0/3 quit=1 commands=2/5",
    "disconnect from unknown[198.18.0.9]",
    "NOQUEUE: warn: RCPT from pc[198.18.0.9]: x; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "NOQUEUE: reject_warning: RCPT from pc[198.18.0.9]: 450 4.1.2 x; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "3F2A1B: hold: header Subject: reject: RCPT from x[198.18.0.9] from pc[198.18.0.9]; from=<a@b.example> to=<c@d.example>",
    "3F2A1B: discard: RCPT from pc[198.18.0.9]: <c@d.example>: x; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "3F2A1B: redirect: RCPT from pc[198.18.0.9]: x; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "NOQUEUE: filter: RCPT from pc[198.18.0.9]: x; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<pc>",
    "improper command pipelining after EHLO from pc[198.18.0.9]: QUIT",
    "timeout after END-OF-MESSAGE from pc[198.18.0.9]",
])
def test_smtpd_lines_without_an_event(read: Read, message: str) -> None:
    result = read(f"postfix/smtpd[1]: {message}")
    assert (result.facts(), result.read, result.filtered) == ([], 1, 1)


def test_one_login_a_session(read: Read) -> None:
    client = "client=pc[198.18.0.9], sasl_method=PLAIN, sasl_username=u1"
    end = "disconnect from pc[198.18.0.9] ehlo=1 auth=1 quit=1 commands=3"
    result = read(
        f"postfix/smtpd[1]: 3F2A1B: {client}",  # one session with two messages
        f"postfix/smtpd[2]: 3F2A1C: {client}",  # another process at the same time
        f"postfix/smtpd[1]: 3F2A1D: {client}",
        f"postfix/smtpd[1]: {end}",
        f"postfix/smtpd[1]: {end}",  # a session without a message
        f"postfix/smtpd[1]: 3F2A1E: {client}",
        "postfix/smtpd[1]: disconnect from pc[198.18.0.9]",
        "postfix/smtpd[1]: disconnect from pc[198.18.0.9] ehlo=1 auth=0/1 quit=1 commands=2/3",
        f"postfix/smtpd[1]: {end}".replace("auth=1", "auth=1/3"),
    )
    logins = [(row["client_ip"], row.get("auth_user")) for row in result.facts() if row["event"] == "auth"]
    assert logins == [("198.18.0.9", "u1"), ("198.18.0.9", "u1"), ("198.18.0.9", None), ("198.18.0.9", "u1"),
                      ("198.18.0.9", None)]
    assert (result.read, result.kept, result.filtered) == (9, 6, 3)


_TAIL = "proto=ESMTP helo=<pc>"
REJECTS = {
    "RCPT": ("smtpd", f"NOQUEUE: reject: RCPT from pc[198.18.0.9]: 554 5.7.1 <c@d.example>: Relay access denied; "
             f"from=<a@B.example> to=<c@D.example> {_TAIL}", "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "RCPT in a queued message": ("smtpd", f"3F2A1B: reject: RCPT from pc[198.18.0.9]:50123: 450 4.7.1 Greylisted; "
                                 f"from=<> to=<c@d.example> {_TAIL}", "198.18.0.9", "4.7.1", "", "d.example"),
    "no enhanced code": ("smtpd", f"NOQUEUE: reject: RCPT from pc[198.18.0.9]: 554 <c@d.example>: no; from=<a@b.example> "
                         f"to=<c@d.example> {_TAIL}", "198.18.0.9", None, "b.example", "d.example"),
    "CONNECT": ("smtpd", "NOQUEUE: reject: CONNECT from unknown[2001:db8::1]: 554 5.7.1 <unknown[2001:db8::1]>: Client host "
                "rejected: Access denied; proto=SMTP", "2001:db8::1", "5.7.1", None, None),
    "HELO": ("smtpd", "NOQUEUE: reject: HELO from pc[198.18.0.9]: 504 5.5.2 <pc>: Helo command rejected; proto=SMTP helo=<pc>",
             "198.18.0.9", "5.5.2", None, None),
    "MAIL": ("smtpd", "NOQUEUE: reject: MAIL from pc[198.18.0.9]: 552 5.3.4 Message size exceeds fixed limit; proto=ESMTP "
             "helo=<pc>", "198.18.0.9", "5.3.4", None, None),
    "VRFY": ("smtpd", "NOQUEUE: reject: VRFY from pc[198.18.0.9]: 550 5.1.1 <x@d.example>: Recipient address rejected; "
             "to=<x@d.example> proto=SMTP helo=<pc>", "198.18.0.9", "5.1.1", None, "d.example"),
    "DATA": ("smtpd", f"3F2A1B: reject: DATA from pc[198.18.0.9]: 550 5.5.3 <DATA>: Data command rejected; from=<> {_TAIL}",
             "198.18.0.9", "5.5.3", "", None),
    "BDAT": ("smtpd", f"3F2A1B: reject: BDAT from pc[198.18.0.9]: 521 5.5.1 Bare LF; from=<a@b.example> to=<c@d.example> "
             f"{_TAIL}", "198.18.0.9", "5.5.1", "b.example", "d.example"),
    "END-OF-MESSAGE": ("smtpd", f"3F2A1B: reject: END-OF-MESSAGE from pc[198.18.0.9]: 554 5.7.1 no; from=<a@b.example> "
                       f"to=<c@d.example> {_TAIL}", "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "milter": ("cleanup", f"3F2A1B: milter-reject: END-OF-MESSAGE from pc[198.18.0.9]: 5.7.1 Command rejected; "
               f"from=<a@b.example> to=<c@d.example> {_TAIL}", "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "milter at CONNECT": ("smtpd", "NOQUEUE: milter-reject: CONNECT from unknown[198.18.0.9]: 451 4.7.1 Service unavailable - "
                          "try again later; proto=SMTP", "198.18.0.9", "4.7.1", None, None),
    "header": ("cleanup", f"3F2A1B: reject: header Subject: mail from x[192.0.2.1]: 554 5.7.1 hi from pc[198.18.0.9]; "
               f"from=<a@b.example> to=<c@d.example> {_TAIL}: 5.7.1 no", "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "header that looks like an envelope": ("cleanup", "3F2A1B: reject: header Subject: x from y[192.0.2.1]; from=<> to=<> proto=ESMTP "
                                           "helo=<z>: 4.1.1 no from pc[198.18.0.9]; from=<a@b.example> to=<c@d.example> "
                                           "proto=ESMTP helo=<[198.18.0.9]>: 5.7.1 message content rejected",
                                           "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "header of a bounce": ("cleanup", f"3F2A1B: reject: header Subject: x from pc[IPv6:2001:db8::1]; from=<> to=<c@d.example> "
                           f"{_TAIL}: 5.6.0", "2001:db8::1", "5.6.0", "", "d.example"),
    "code within the reason": ("cleanup", f"3F2A1B: reject: body x from pc[198.18.0.9]; from=<a@b.example> to=<c@d.example> {_TAIL}: "
                               "no <x>: 5.1.1 y", "198.18.0.9", None, "b.example", "d.example"),
    "mime-error": ("cleanup", "3F2A1B: reject: mime-error improper use of 8-bit data in message header: Subject: 5.7.1 from "
                   "pc[198.18.0.9]; from=<a@b.example> to=<c@d.example>", "198.18.0.9", None, "b.example", "d.example"),
    "body": ("cleanup", f"3F2A1B: reject: body buy from pc[198.18.0.9]; from=<a@b.example> to=<c@d.example> {_TAIL}: no",
             "198.18.0.9", None, "b.example", "d.example"),
    "header of a local message": ("cleanup", "3F2A1B: reject: header Subject: x from local; from=<a@b.example>: no",
                                  None, None, "b.example", None),
    "body of a local message": ("cleanup", "3F2A1B: reject: body x from local; from=<a@b.example> to=<c@d.example>: 5.7.1 message "
                                "content rejected", None, "5.7.1", "b.example", "d.example"),
    "proxy": ("smtpd", f"NOQUEUE: proxy-reject: END-OF-MESSAGE: 550 5.7.1 virus; from=<a@b.example> to=<c@d.example> {_TAIL}",
              None, None, "b.example", "d.example"),
    "postscreen": ("postscreen", "NOQUEUE: reject: RCPT from [198.18.0.9]:50123: 550 5.7.1 Service unavailable; client "
                   "[198.18.0.9] blocked using bl.example; from=<a@b.example>, to=<c@d.example>, proto=ESMTP, helo=<pc>",
                   "198.18.0.9", "5.7.1", "b.example", "d.example"),
    "postscreen is full": ("postscreen", "NOQUEUE: reject: CONNECT from [2001:db8::1]:50123: all server ports busy",
                           "2001:db8::1", None, None, None),
    "quoted local parts": ("smtpd", f'NOQUEUE: reject: RCPT from pc[198.18.0.9]: 554 5.7.1 no; from=<"a> b"@b.example> '
                           f'to=<"c@x, d"@d.example> {_TAIL}', "198.18.0.9", "5.7.1", "b.example", "d.example"),
}


@pytest.mark.parametrize("name", REJECTS)
def test_rejects(read: Read, name: str) -> None:
    program, message, *expected = REJECTS[name]
    event = only(read(f"postfix/{program}[1]: {message}"))
    assert event["event"] == "rejected"
    assert event.get("queue_id") == (None if message.startswith("NOQUEUE") else "3F2A1B")
    assert [event.get(c) for c in ("client_ip", "dsn", "sender_domain", "recipient_domain")] == expected


_D = "delay=0.5, delays=0.1/0/0.2/0.2, dsn={dsn}, status={status}"
DELIVERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "local": ("postfix/local[1]: {q}: to=<u1@isp.example>, relay=local, " + _D.format(dsn="2.0.0", status="sent") +
              " (delivered to mailbox)", {"status": "sent", "recipient_domain": "isp.example"}),
    "virtual": ("postfix/virtual[1]: {q}: to=<u1@isp.example>, relay=virtual, " + _D.format(dsn="5.1.1", status="bounced") +
                " (unknown user)", {"status": "bounced", "dsn": "5.1.1", "recipient_domain": "isp.example"}),
    "pipe": ("postfix/pipe[1]: {q}: to=<u1@isp.example>, relay=dovecot, " + _D.format(dsn="2.0.0", status="sent") +
             " (delivered via dovecot service)", {"status": "sent", "recipient_domain": "isp.example"}),
    "lmtp to a socket": ("postfix/lmtp[1]: {q}: to=<u1@isp.example>, relay=mail[private/dovecot-lmtp], "
                         + _D.format(dsn="2.0.0", status="sent") + " (250)",
                         {"status": "sent", "recipient_domain": "isp.example"}),
    "error": ("postfix/error[1]: {q}: to=<u1@x.example>, relay=none, " + _D.format(dsn="4.4.1", status="deferred") +
              " (delivery temporarily suspended: connect to x.example[192.0.2.1]:25: timed out)",
              {"status": "deferred", "dsn": "4.4.1", "recipient_domain": "x.example"}),
    "relay service": ("postfix/relay/smtp[1]: {q}: to=<u1@x.example>, relay=mx[192.0.2.1]:25, "
                      + _D.format(dsn="2.0.0", status="sent") + " (250 ok)",
                      {"status": "sent", "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1", "next_hop_port": 25}),
    "suspended by the queue manager": ("postfix/qmgr[1]: {q}: to=<u1@x.example>, relay=none, delay=3, status=deferred "
                                       "(delivery temporarily suspended)",
                                       {"status": "deferred", "dsn": None, "recipient_domain": "x.example"}),
    "bounced by cleanup": ("postfix/cleanup[1]: {q}: to=<u1@x.example>, relay=none, " + _D.format(dsn="5.4.6", status="bounced")
                           + " (unreasonable virtual alias)",
                           {"status": "bounced", "dsn": "5.4.6", "recipient_domain": "x.example"}),
    "Postfix 2.2": ("postfix/smtp[1]: {q}: to=<u1@x.example>, relay=mx[192.0.2.1], delay=1, status=sent (250 ok)",
                    {"status": "sent", "dsn": None, "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1"}),
    "soft bounce": ("postfix/smtp[1]: {q}: to=<u1@x.example>, relay=none, " + _D.format(dsn="4.1.1", status="SOFTBOUNCE")
                    + " (unknown)", {"status": "deferred", "dsn": "4.1.1", "recipient_domain": "x.example"}),
    "a response like a log line": ("postfix/smtp[1]: {q}: to=<u1@x.example>, relay=mx[192.0.2.1]:25, "
                                   + _D.format(dsn="2.0.0", status="sent")
                                   + " (250 to=<a@b.example>, relay=evil[192.0.2.66]:25, dsn=5.0.0, status=bounced (no))",
                                   {"status": "sent", "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1",
                                    "next_hop_port": 25}),
    "to without brackets": ("postfix/smtp[1]: {q}: to=u1@x.example, relay=mx[192.0.2.1]:25, "
                            + _D.format(dsn="2.0.0", status="sent") + " (250)",
                            {"status": "sent", "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1",
                             "next_hop_port": 25}),
    "a bare name": ("postfix/local[1]: {q}: to=<root>, orig_to=<postmaster>, relay=local, "
                    + _D.format(dsn="2.0.0", status="sent") + " (delivered)", {"status": "sent"}),
    "the null address": ("postfix/local[1]: {q}: to=<>, relay=local, " + _D.format(dsn="2.0.0", status="sent") + " (delivered)",
                         {"status": "sent", "recipient_domain": ""}),
    "quoted >": ('postfix/smtp[1]: {q}: to=<"a>, b"@x.example>, relay=mx[192.0.2.1]:25, '
                 + _D.format(dsn="2.0.0", status="sent") + " (250)",
                 {"status": "sent", "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1", "next_hop_port": 25}),
    "quoted relay": ('postfix/smtp[1]: {q}: to=<"a>, relay=evil[192.0.2.66]:25, delay=1, dsn=5.0.0, status=bounced (\\""@x.example>'
                     ', orig_to=<"q>, relay=evil[192.0.2.66]:25, "@y.example>, relay=mx[192.0.2.1]:587, '
                     + _D.format(dsn="2.0.0", status="sent") + " (250)",
                     {"status": "sent", "recipient_domain": "x.example", "next_hop_ip": "192.0.2.1", "next_hop_port": 587}),
    "quoted @ without a domain": ('postfix/local[1]: {q}: to=<"a@b.example">, relay=local, '
                                  + _D.format(dsn="2.0.0", status="sent") + " (delivered)", {"status": "sent"}),
    "expired": ("postfix/qmgr[1]: {q}: from=<a@b.example>, status=expired, returned to sender",
                {"status": "expired", "dsn": None, "sender_domain": "b.example"}),
    "expired by hand": ("postfix/qmgr[1]: {q}: from=<>, status=force-expired, returned to sender",
                        {"status": "expired", "dsn": None, "sender_domain": ""}),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_deliveries(read: Read, name: str) -> None:
    message, expected = DELIVERIES[name]
    assert only(read(message.replace("{q}", "3F2A1B"))) == {
        key: value for key, value in ({"event": "delivery", "queue_id": "3F2A1B", "dsn": "2.0.0"} | expected).items()
        if value is not None
    }


@pytest.mark.parametrize("message", [
    "smtp[1]: 3F2A1B: host mx.example[192.0.2.1] said: 450 4.2.0 status=sent (in reply to RCPT TO command)",
    "smtp[1]: 3F2A1B: lost connection with mx.example[192.0.2.1] while receiving the initial server greeting",
    "smtp[1]: connect to mx.example[192.0.2.1]:25: Connection timed out",
    "smtp[1]: Untrusted TLS connection established to mx.example[192.0.2.1]:25: TLSv1.3 with cipher x (256/256 bits)",
    "smtp[1]: 3F2A1B: to=<u1@x.example>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.1.5, status=deliverable (250 ok)",
    "smtp[1]: 3F2A1B: to=<u1@x.example>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=undeliverable (550)",
    "bounce[1]: 3F2A1B: sender non-delivery notification: 3F2A1C",
    "cleanup[1]: 3F2A1B: message-id=<reject: RCPT from x[192.0.2.1]: 5.0.0>",
    "qmgr[1]: 3F2A1B: skipped, still being delivered",
    "anvil[1]: statistics: max connection rate 1/60s for (smtp:198.18.0.9) at Nov 24 12:00:00",
    "postscreen[1]: CONNECT from [198.18.0.9]:50123 to [192.0.2.2]:25",
    "postscreen[1]: PREGREET 11 after 0.1 from [198.18.0.9]:50123: EHLO pc\\r\\n",
    "postfix-script[1]: starting the Postfix mail system",
])
def test_lines_without_an_event(read: Read, message: str) -> None:
    result = read(f"postfix/{message}")
    assert (result.facts(), result.filtered) == ([], 1)


def test_local_submission(read: Read) -> None:
    assert only(read("postfix/pickup[1]: 3F2A1B: uid=0 from=<root@isp.example>")) == {
        "event": "accepted", "queue_id": "3F2A1B", "sender_domain": "isp.example"}
    assert only(read("postfix/pickup[1]: 3F2A1B: uid=0 from=<root> orig_id=3F2A1A")) == {
        "event": "accepted", "queue_id": "3F2A1B"}


@pytest.mark.parametrize(("sender", "domain"), [("<>", ""), ("<a@B.example>", "b.example"), ('<"a@b> "@c.example>', "c.example"),
                                                ("<root>", None), ("<利用者@例え.example>", "例え.example")])
def test_senders(read: Read, sender: str, domain: str | None) -> None:
    event = only(read(f"postfix/qmgr[1]: 3F2A1B: from={sender}, size=1, nrcpt=1 (queue active)"))
    assert event.get("sender_domain") == domain


def test_other_programs_and_repeats_in_the_same_file(read: Read) -> None:
    failed = "warning: pc[198.18.0.9]: SASL LOGIN authentication failed: no"
    result = read(
        "kernel: [1.0] TCP: reject: 3F2A1B: client=x[198.18.0.9]",
        "saslauthd[3]: do_auth: user=<u1>, method=PLAIN, rip=198.18.0.9: SASL PLAIN authentication failed",
        "amavis[7]: (7-1) Passed CLEAN, [198.18.0.9] <a@b.example> -> <c@d.example>, Queue-ID: 3F2A1B, status=sent",
        f"postfix/smtpd[1]: {failed}",
        "last message repeated 2 times",
        f"postfix/smtpd[1]: message repeated 3 times: [ {failed}]",
        "kernel: link up",
        "last message repeated 3 times",
        "postfix/smtpd[1]: message repeated 10000 times: [ x]",
    )
    assert [row["event"] for row in result.facts()] == ["auth"] * 6
    assert (result.read, result.kept, result.filtered) == (9, 3, 5)
    assert result.rejected == [(9, None, "repeated more than 9999 times", None)]


def test_a_password_attack_is_no_mail(read: Read) -> None:
    attack = [f"postfix/smtpd[{n}]: {text}" for n in range(50) for text in (
        "connect from unknown[192.0.2.9]", "warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: no",
        "lost connection after AUTH from unknown[192.0.2.9]", "disconnect from unknown[192.0.2.9] auth=0/1 commands=0/1")]
    result = read(*attack)
    assert {(row["event"], row["auth_ok"]) for row in result.facts()} == {("auth", False)}
    assert result.kept == 50


def test_broken_lines_are_rejected_with_their_number(read: Read) -> None:
    result = read(
        "postfix/smtp[1]: 3F2A1B: to=<u1@x.example>, relay=mx[192.0.2.1]:25, status=sent (250)",
        "postfix/smtp[1]: 3F2A1B: to=<u1@x.example>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status=eaten (250)",
        "postfix/smtpd[1]: 3F2A1B: client=pc",
        "postfix/qmgr[1]: 3F2A1B: from=<a@b.example>, size=x, nrcpt=1",
        "postfix/smtpd[1]: NOQUEUE: reject: RCPT from pc: 554 5.7.1 no; from=<a@b.example> to=<c@d.example> proto=SMTP",
    )
    assert [row[:3] for row in result.rejected] == [
        (1, None, "delivery without recipient, relay or known status"),
        (2, None, "delivery without recipient, relay or known status"),
        (3, None, "client without an address"), (4, None, "queued message without sender, size or recipients"),
        (5, None, "rejection without a client"),
    ]
    assert not any(name in row[3] for row in result.rejected for name in ("u1", "a@", "c@"))


@pytest.mark.parametrize(("first", "known"), [
    ("Nov 24 12:00:01 mx postfix/smtpd[1]: connect from x[192.0.2.1]", True),
    ("<22>1 2026-11-24T12:00:01Z mx postfix/qmgr 9 - - 3F2A1B: removed", True),
    ("Nov 24 12:00:01 mx postfix-out/smtps/smtpd[1]: connect from x[192.0.2.1]", True),
    ("Nov 24 12:00:01 mx sendmail[1]: x: from=<a@b.example>", False),
    ("postfix/smtpd[1]: no time", False), ("", False),
])
def test_recognise(first: str, known: bool) -> None:
    reason = postfix.recognise(Head(Path("x"), first.encode()))
    assert (reason is not None) is known


def test_dovecot_logs_to_the_same_file(read: Read) -> None:
    result = read(
        "dovecot: imap-login: Login: user=<a@isp.example>, method=PLAIN, rip=198.18.0.9, "
        "lip=203.0.113.1, mpid=7, TLS, session=<x>",
        "postfix/qmgr[2]: 3F2A1B: removed",
        "dovecot[12]: lmtp(8): Connect from local",
        "dovecot: submission-login: Disconnected: Connection closed (auth failed, 2 attempts in 9 secs): "
        "user=<b>, method=LOGIN, rip=198.18.0.7, lip=203.0.113.1, session=<y>",
    )
    assert result.rows("event", "client_ip", "listener_port", "auth_user", "auth_ok") == [
        ("auth", "198.18.0.9", None, "a@isp.example", True),
        ("removed", None, None, None, None),
        ("auth", "198.18.0.7", 587, "b", False),
        ("auth", "198.18.0.7", 587, "b", False),
    ]
    assert (result.read, result.kept, result.rejected) == (4, 3, [])
