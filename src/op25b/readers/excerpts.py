"""The start of a rejected row with nobody's name in it, for `rejected.excerpt`.

What is wrong with a row is not known, so neither is where its names stand: everything is masked but what programs
write themselves (a list of words), short numbers, dates and times, and addresses. Source and line number say where the
whole row is.
"""

from __future__ import annotations

import ipaddress
import re

EXCERPT_LENGTH = 200
MASK = "…"
_WORDS = frozenset("""
    jan feb mar apr may jun jul aug sep oct nov dec mon tue wed thu fri sat sun
    a an and are as at be by for from has in is it no not of on or the this to was with without
    postfix exim sendmail dovecot smtpd smtp submission smtps cleanup qmgr local virtual error bounce lmtp postscreen
    anvil pickup sm-mta mta msa mda imap imap-login pop3 pop3-login submission-login managesieve-login auth smtp-in
    smtp-out tcpserver rblsmtpd qmail qmail-smtpd mta-v4 mta-v6
    accepted aborted active alloc allocates allowed attempt attempts authenticated authentication authenticator
    authid blocks block bounced bytes cannot client code command completed connect connected connection connections
    created ctladdr data deferral deferred defer delay delays delivery delivered denied did disconnect disconnected dsn
    end envelope epoch evpid expired failed failed-command failure false frozen greylisted header helo host id
    incorrect info invalid kind lip login lookup lost mail mailer max maximum mech message message-id method milter mpid
    msg msgid new none noqueue nrcpt nrcpts null ok ended lost orig_to password pid pool port pri proto queue queued
    rcpt reason received recipient refused reject rejected relay relayed relaying releases removed reply reset result
    retry rip ruleset said sasl sasl_method sasl_username saved secs sender sending sent server service session
    set_id setup size source stamp starting starttls stat state status stored subject subscriber success successfully
    temporary timeout tls too true unknown unreachable used user verify version warning xdelay zone
    esmtp esmtpa esmtps esmtpsa plain cram-md5 digest-md5 ehlo quit permfail tempfail authenticated
    user-name acct-status-type acct-session-id acct-session-time acct-delay-time framed-ip-address
    framed-ipv6-prefix delegated-ipv6-prefix nas-ip-address nas-identifier nas-port timestamp start stop interim-update
    lease starts ends cltt binding hardware ethernet uid option agent.circuit-id agent.remote-id client-hostname
    rt_nat rt_flow rt_src_nat_pba_alloc rt_src_nat_pba_release rt_src_nat_pba_interim lsys_id
    syslog line lines row rows text
    tcp udp icmp ipv4 ipv6 flow flows packets proto protocol type
    src_addr dst_addr src_port dst_port src_ip dst_ip first_seen last_seen ts te sa da sp dp pr ibyt ipkt
    time_flow_start_ns time_flow_end_ns sampling_rate sampler_address etype first last
""".split())  # noqa: SIM905  # a list this long reads better as text
# A word may hold dots, dashes, colons and the like: addresses and times do.
_TOKEN = re.compile(r"[\w.:+/-]+(?=(@?))")
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")  # an address, or what somebody took for one
_SHORT_NUMBER = re.compile(r"\d{1,5}(?:\.\d{1,9})?")
_TIME = re.compile(r"(?:\d{4}[-/.]\d\d[-/.]\d\d)?T?(?:\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?")
_EDGES = ".:+/-"


def excerpt(text: str) -> str:
    """The start of a rejected row, masked, without control characters."""
    start = text[: 2 * EXCERPT_LENGTH]
    masked = _TOKEN.sub(_kept, start)
    return "".join(c if c.isprintable() else "\ufffd" for c in masked[:EXCERPT_LENGTH])


def _kept(match: re.Match[str]) -> str:
    token, at = match[0], match[1]
    return token if not at and _harmless(token) else MASK


def _harmless(token: str) -> bool:
    bare = token.strip(_EDGES)
    patterns = (_SHORT_NUMBER, _TIME, _QUAD)
    return (not bare or bare.lower() in _WORDS or any(pattern.fullmatch(bare) for pattern in patterns)
            or _is_address(token) or _is_address(bare))


def _is_address(text: str) -> bool:
    address, _, port = text.partition("/")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return len(port) <= 5
