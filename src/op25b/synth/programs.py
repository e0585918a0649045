"""People's mail programs: with other providers on 25, 587 or 465, and with the ISP's own sending server."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from op25b.synth import world as w
from op25b.synth.days import Day
from op25b.synth.draw import Bools, Floats, Ints, message_bytes, repeat
from op25b.synth.lines import Lines
from op25b.synth.sessions import LOGIN_FAILED, MAIL, MAILBOX, NUMBER, SILENT, TURNED_AWAY, Sessions, joined, sessions
from op25b.synth.world import Block, World

_STAGE, _DAILY = 3, 4
_NEVER = 10**6


@dataclass(frozen=True)
class Accounts:
    """Mail accounts of a block's people with other providers, one element per account."""

    line: Ints
    kind: Ints
    listed: Bools  # the provider is in the table of known networks
    organisation: Ints
    port: Ints  # where it sends; from `changes` on it is 587
    changes: Ints
    login: Bools
    hosts: Ints
    rate: Floats

    def server(self, account: Ints, host: Ints) -> Ints:
        """Address of an account's server."""
        known = w.provider_server(self.organisation[account] % w.PROVIDERS, host)
        return np.where(self.listed[account], known, w.hoster_server(self.organisation[account], host)).astype(np.int64)


@dataclass(frozen=True)
class Programs:
    """All mail programs of a block: accounts elsewhere, and the lines that use the ISP's own server."""

    accounts: Accounts
    relay_line: Ints
    relay_login: Bools  # on 587, the others on 25


def make(world: World, block: Block, lines: Lines) -> Programs:
    """The mail programs of a block's lines."""
    rng, n = world.rng(_STAGE, block.number), block.lines
    programs, relay = world.parameters.programs, world.parameters.relay
    on_25 = np.flatnonzero(rng.random(n) < np.where(lines.office, programs.office_share, programs.home_share))
    ready = np.flatnonzero(rng.random(n) < programs.submission_share)
    several = rng.random(len(on_25)) < programs.several_providers_share
    more = np.repeat(on_25[several], 1 + (rng.random(several.sum()) < 0.3))
    second = on_25[rng.random(len(on_25)) < programs.several_devices_share]
    uses = np.flatnonzero(rng.random(n) < np.where(lines.office, relay.office_share, relay.home_share))
    accounts = _accounts(world, rng, np.concatenate([on_25, more, second]), ready)
    return Programs(accounts, uses, rng.random(len(uses)) < relay.submission_share)


def _accounts(world: World, rng: np.random.Generator, on_25: Ints, ready: Ints) -> Accounts:
    programs, internet = world.parameters.programs, world.parameters.internet
    line = np.concatenate([on_25, ready])
    n = len(line)
    sends_25 = np.arange(n) < len(on_25)
    weights = np.array(internet.provider_weights)
    provider = rng.choice(w.PROVIDERS, n, p=weights / weights.sum())
    listed = rng.random(n) >= programs.company_share
    organisation = np.where(listed, provider, rng.integers(0, internet.hosters, n))
    offers = ~listed | (provider < w.PROVIDERS - internet.providers_without_submission)
    kind = np.where(rng.random(n) < programs.imap_share, NUMBER["imap-client"], NUMBER["pop-client"])
    kind = np.where(rng.random(n) < programs.webmail_reader_share, NUMBER["webmail-reader"], kind)
    kind = np.where(sends_25, kind, NUMBER["submission-user"])
    port = np.where(sends_25, 25, np.where(rng.random(n) < 0.3, 465, 587))
    changes = (rng.random(n) < programs.migrating_share) & offers & sends_25
    return Accounts(
        line, kind, listed, organisation, port, np.where(changes, rng.integers(0, world.days, n), _NEVER),
        ~sends_25 | (rng.random(n) < programs.login_on_25_share),
        1 + (rng.random(n) < programs.two_servers_share), rng.lognormal(-0.18, 0.6, n),
    )


def on_day(day: Day, programs: Programs) -> Sessions:
    """What all mail programs of a block do on one day."""
    rng = day.rng(_DAILY)
    return joined([*_elsewhere(day, rng, programs.accounts), *_at_home(day, rng, programs)])


def _elsewhere(day: Day, rng: np.random.Generator, accounts: Accounts) -> list[Sessions]:
    parameters = day.parameters.programs
    mean = day.factor(accounts.line) * accounts.rate
    sending = rng.random(len(mean)) < parameters.sending_days_share
    account = repeat(rng, np.where(sending, mean * parameters.messages_per_day / parameters.sending_days_share, 0))
    line = accounts.line[account]
    at = day.moments(rng, day.lines.office[line])
    login = accounts.login[account]
    port = np.where(day.number >= accounts.changes[account], 587, accounts.port[account])
    login |= port != 25
    fails = rng.random(len(account)) < parameters.failed_share
    outcome = np.where(fails, rng.choice([SILENT, TURNED_AWAY, LOGIN_FAILED], len(account)), MAIL)
    outcome = np.where((outcome == LOGIN_FAILED) & ~login, TURNED_AWAY, outcome)
    host = 2 + rng.integers(0, accounts.hosts[account])
    counted = np.where(accounts.listed[account], w.KNOWN, w.OTHER)
    sent = sessions(
        accounts.kind[account].astype(np.uint8), len(account), line=line, at=at, remote=accounts.server(account, host),
        port=port, outcome=outcome, group=np.where(port == 25, counted, w.NOWHERE), login=login,
        up=message_bytes(rng, day.parameters.mail, len(account)), commands=5 + 2 * login + _more_recipients(rng, line),
        windows=day.lines.windows[line],
    )
    reads = accounts.kind != NUMBER["webmail-reader"]
    with_send = reads[account] & (rng.random(len(account)) < parameters.check_with_send_share)
    alone = repeat(rng, np.where(reads, mean * parameters.checks_per_day, 0))
    at = np.concatenate([day.moments(rng, day.lines.office[accounts.line[alone]]),
                         at[with_send] + rng.uniform(0.5, 8, with_send.sum())])
    return [sent, _reading(day, rng, accounts, np.concatenate([alone, account[with_send]]), at)]


def _more_recipients(rng: np.random.Generator, line: Ints) -> Ints:
    """Recipients beyond the first: mostly none."""
    return np.minimum(rng.geometric(0.8, len(line)) - 1, 10)


def _reading(day: Day, rng: np.random.Generator, accounts: Accounts, account: Ints, at: Floats) -> Sessions:
    """Mailboxes of these accounts read at these moments: now and then, and along with sending."""
    server = accounts.server(account, 4 + rng.integers(0, accounts.hosts[account]))
    imap = accounts.kind[account] == NUMBER["imap-client"]
    made = _mailbox(day, rng, accounts.line[account], at)
    made["remote"], made["port"], made["kind"] = server, np.where(imap, 143, 110), NUMBER["submission-user"]
    return made


def _mailbox(day: Day, rng: np.random.Generator, line: Ints, at: Floats) -> Sessions:
    """Sessions with the ISP's mailboxes; no reading is in the truth."""
    n = len(line)
    full = rng.random(n) >= day.parameters.programs.check_empty_share
    messages = np.where(full, rng.geometric(0.5, n), 0)
    down = np.where(full, message_bytes(rng, day.parameters.mail, n) * messages, 0)
    return sessions("relay-user", n, line=line, at=at, remote=w.MAILBOXES, port=110, outcome=MAILBOX, group=w.NOWHERE,
                    down=down, commands=4 + messages, windows=day.lines.windows[line])


def _at_home(day: Day, rng: np.random.Generator, programs: Programs) -> list[Sessions]:
    """The ISP's own sending server and mailboxes."""
    relay, lines = day.parameters.relay, day.lines
    mean = day.factor(programs.relay_line)
    user = repeat(rng, mean * relay.messages_per_day)
    line, login, n = programs.relay_line[user], programs.relay_login[user], len(user)
    draw = rng.random(n)
    failed = login & (draw < relay.failed_login_share)
    outcome = np.where(failed, LOGIN_FAILED, np.where(draw > 1 - relay.refuse_share, TURNED_AWAY, MAIL))
    sent = sessions("relay-user", n, line=line, at=day.moments(rng, lines.office[line]), remote=w.RELAY,
                    port=np.where(login, 587, 25), outcome=outcome, group=w.NOWHERE, login=login,
                    up=message_bytes(rng, day.parameters.mail, n), commands=5 + 2 * login + _more_recipients(rng, line),
                    windows=lines.windows[line])
    if not day.parameters.exporter.own_mailboxes:
        return [sent]
    line = programs.relay_line[repeat(rng, mean * day.parameters.programs.checks_per_day)]
    return [sent, _mailbox(day, rng, line, day.moments(rng, lines.office[line]))]
