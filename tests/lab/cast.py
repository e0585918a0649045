"""The cast: who the customers are, what they do, and what is true of them.

Everything in ``truth.csv`` comes from here; nothing in it is observed.
"""

from __future__ import annotations

from tests.lab import addresses
from tests.lab.people import (
    BOT,
    BOT_MOBILE,
    HOME_SERVER,
    HOME_SERVER_MOBILE,
    MOBILE,
    OFFICE_SERVER,
    PROGRAM_587,
    PROGRAM_RELAY,
    Account,
    Member,
    Session,
    Step,
    browse,
    in_order,
    read,
    send,
    spray,
    straight_to,
    submit_locally,
)

SECONDS = 94.0
HOUR = 3600

HIROSHIMA, OKAYAMA = "hiroshima-1", "okayama-1"
KIMURA, ABE, PRINT, RYOKAN = "kimura.example", "abe.example", "print.example", "ryokan.example"
CUSTOMER_SERVERS = {
    KIMURA: "198.18.1.50",
    ABE: "198.18.2.50",
    PRINT: "198.18.200.10",
    RYOKAN: "198.18.200.20",
}


def isp(name: str, number: int, port: int = 25, mechanism: str = "PLAIN") -> Account:
    """An account at the ISP: logs in only on 587, with the POP ID."""
    login = f"pm{number}" if port == 587 else ""
    mail, pop = "mail.isp.example", "pop.isp.example"
    return Account(f"{name}@isp.example", mail, port, login, mechanism if login else "", pop, f"pm{number}")


def other(name: str, domain: str, port: int = 25, *, auth: bool = False) -> Account:
    """An account at another provider; on 25 it may or may not log in."""
    login = f"{name}@{domain}" if auth or port == 587 else ""
    mechanism = "PLAIN" if login else ""
    pop_login = f"{name}@{domain}"
    return Account(pop_login, f"smtp.{domain}", port, login, mechanism, f"pop.{domain}", pop_login)


def relay_users() -> list[Member]:
    """Those who send through the ISP's own server, as they should."""
    sato, suzuki = isp("sato", 2001), isp("suzuki", 2002)
    tanaka, ito = isp("tanaka", 2003), isp("ito", 2004)
    mori, hayashi = isp("mori", 2005, 587), isp("hayashi", 2006, 587, "LOGIN")
    ono, hara = isp("ono", 2007, 587, "LOGIN"), isp("hara", 2008, 587, "CRAM-MD5")
    office = isp("soumu", 2022)
    mistyped = send(ono, [6], ["friend@shop-02.example"])
    mistyped[0]["password"] = "mistyped"
    house, flat = ("house", "mail"), ("apartment", "letter")
    home, mansion = "hikari-home", "hikari-mansion"
    text25, text587 = "sends through the ISP's server on 25", "sends through the ISP's server on 587"
    return [
        Member(2001, "relay-25", text25, home, HIROSHIMA, "Hiroshima", *house,
               sessions=(Session("198.18.1.11", online_before=52 * HOUR),), accounts=(sato,),
               steps=in_order(send(sato, [4, 23, 47, 71],
                                   ["friend@docomo.example", "info@shop-01.example",
                                    "nobody@closed.example", "suzuki@isp.example"]),
                              read(sato, [15, 60])), pop_id="pm2001"),
        Member(2002, "relay-25", text25, mansion, HIROSHIMA, "Kure", *flat,
               sessions=(Session("198.18.1.12", start=3),), accounts=(suzuki,),
               steps=in_order(send(suzuki, [9, 38], ["desk@busy.example",
                                                     "sister@keitai.example brother@docomo.example"]),
                              read(suzuki, [20, 55])), pop_id="pm2002"),
        Member(2003, "relay-25-ipv6", text25 + " over IPv6", home, OKAYAMA, "Okayama", *house,
               sessions=(Session("198.18.2.13", online_before=9 * HOUR,
                                 prefix6="2001:db8:100:1300::/56"),), accounts=(tanaka,),
               steps=in_order(send(tanaka, [12, 44, 68],
                                   ["shop@shop-03.example", "me@docomo.example",
                                    "who@no-such-domain.example"]),
                              read(tanaka, [50])), pop_id="pm2003"),
        Member(2004, "relay-25-new-address", text25 + "; reconnects with another address", mansion,
               OKAYAMA, "Kurashiki", *flat,
               sessions=(Session("198.18.2.21", online_before=30 * HOUR, end=45, stop_twice=True),
                         Session("198.18.2.33", start=50)), accounts=(ito,),
               steps=in_order(send(ito, [10, 32, 58, 77],
                                   ["club@shop-04.example", "old@gone.example",
                                    "mother@keitai.example"]),
                              read(ito, [28, 70])), pop_id="pm2004"),
        Member(2005, "submission-587", text587, home, HIROSHIMA, "Hiroshima", *house,
               sessions=(Session("198.18.1.14", online_before=4 * HOUR),), accounts=(mori,),
               steps=in_order(send(mori, [7, 35, 66], ["a@shop-01.example", "b@keitai.example"]),
                              read(mori, [22, 80])), pop_id="pm2005"),
        Member(2006, "submission-587", text587, mansion, OKAYAMA, "Okayama", *flat, language="en",
               sessions=(Session("198.18.2.15", start=6),), accounts=(hayashi,),
               steps=in_order(send(hayashi, [14, 40, 75], ["c@docomo.example", "d@shop-05.example"]),
                              read(hayashi, [30])), pop_id="pm2006"),
        Member(2007, "submission-587-mistyped", text587 + ", after mistyping the password", home,
               OKAYAMA, "Fukuyama", "house", "phone",
               sessions=(Session("198.18.2.16", online_before=77 * HOUR),), accounts=(ono,),
               steps=in_order(mistyped, send(ono, [19, 52], ["friend@shop-02.example"])),
               pop_id="pm2007"),
        Member(2008, "cram-md5", "tries CRAM-MD5 on 587 and fails", home, HIROSHIMA, "Hiroshima",
               *house, sessions=(Session("198.18.1.17", online_before=11 * HOUR),),
               accounts=(hara,),
               steps=in_order(send(hara, [8, 31, 57], ["club@shop-03.example"]), read(hara, [33])),
               pop_id="pm2008"),
        Member(2022, "relay-25-office", "an office that sends through the ISP's server on 25",
               "IP16", HIROSHIMA, "Hiroshima", "office", "phone",
               sessions=(Session("198.18.200.33", online_before=900 * HOUR),), accounts=(office,),
               steps=in_order(send(office, [11, 29, 49, 64, 83],
                                   ["order@shop-01.example", "order@shop-06.example",
                                    "buyer@docomo.example"])), pop_id="pm2022"),
    ]  # fmt: skip


def mail_program_users() -> list[Member]:
    """Those whose mail program talks to another provider's server."""
    ueda, kato = other("ueda", "provider.example"), other("kato", "provider.example", auth=True)
    oka, nishi = other("oka", "oldmail.example"), other("nishi", "provider.example")
    wada, endo = other("wada", "provider.example", 587), other("endo", "provider.example", 587)
    ishii, baba = other("ishii", "provider.example"), other("baba", "provider.example")
    nishi_isp = isp("nishi", 2012)
    home, mansion = "hikari-home", "hikari-mansion"
    text25 = "sends through another provider's server on 25 and reads mail there"
    text587 = "sends through another provider's server on 587 and reads mail there"
    return [
        Member(2009, "third-party-25", text25, home, HIROSHIMA, "Hiroshima", "house", "mail",
               sessions=(Session("198.18.1.21", online_before=26 * HOUR),), accounts=(ueda,),
               steps=in_order(send(ueda, [5, 30, 53, 76], ["a@shop-01.example", "kato@provider.example"],
                                   family=4), read(ueda, [3, 28, 51, 74], family=4)),
               truth=PROGRAM_587, pop_id="pm2009"),
        Member(2010, "third-party-25", text25 + "; logs in on 25", mansion, OKAYAMA, "Kurashiki",
               "apartment", "letter", language="en",
               sessions=(Session("198.18.2.22", start=5, end=82),), accounts=(kato,),
               steps=in_order(send(kato, [13, 39, 65], ["ueda@provider.example", "b@docomo.example"],
                                   family=4), read(kato, [11, 41, 63], family=4)),
               truth=PROGRAM_587, pop_id="pm2010"),
        Member(2011, "third-party-25-no-587", text25 + "; that provider has no 587", home, OKAYAMA,
               "Okayama", "house", "phone",
               sessions=(Session("198.18.2.23", online_before=3 * HOUR),), accounts=(oka,),
               steps=in_order(send(oka, [8, 36, 62], ["x@shop-02.example", "y@shop-03.example"]),
                              read(oka, [6, 34, 60])), truth=PROGRAM_RELAY, pop_id="pm2011"),
        Member(2012, "third-party-25-and-relay", text25 + "; a second account at the ISP", home,
               HIROSHIMA, "Kure", "house", "mail",
               sessions=(Session("198.18.1.24", online_before=15 * HOUR),),
               accounts=(nishi, nishi_isp),
               steps=in_order(send(nishi, [17, 59], ["c@shop-04.example"], family=4),
                              read(nishi, [16, 56], family=4),
                              send(nishi_isp, [25, 79], ["d@keitai.example", "e@shop-05.example"])),
               truth=PROGRAM_587, pop_id="pm2012"),
        Member(2013, "third-party-587", text587, mansion, HIROSHIMA, "Hiroshima", "apartment",
               "mail", sessions=(Session("198.18.1.25", online_before=6 * HOUR),), accounts=(wada,),
               steps=in_order(send(wada, [10, 42, 70], ["f@shop-01.example"], family=4),
                              read(wada, [9, 43, 72], family=4))),
        Member(2014, "third-party-587", text587, home, OKAYAMA, "Fukuyama", "house", "letter",
               sessions=(Session("198.18.2.26", start=4, end=86),), accounts=(endo,),
               steps=in_order(send(endo, [16, 48], ["g@docomo.example"], family=4),
                              read(endo, [15, 46, 78], family=4)), pop_id="pm2014"),
        Member(2026, "third-party-25-first-holder",
               text25 + "; its address goes to an infected line next", mansion, HIROSHIMA,
               "Hiroshima", "apartment", "mail",
               sessions=(Session("198.18.1.40", online_before=20 * HOUR, end=42, late_stop=9),),
               accounts=(baba,),
               steps=in_order(send(baba, [4, 18, 33], ["h@shop-03.example", "i@shop-06.example"],
                                   family=4), read(baba, [2, 20, 35], family=4)),
               truth=PROGRAM_587, pop_id="pm2026"),
        Member(2028, "third-party-25-ipv6", text25 + ", all over IPv6", home, OKAYAMA, "Okayama",
               "house", "mail",
               sessions=(Session("198.18.2.28", online_before=48 * HOUR,
                                 prefix6="2001:db8:100:2800::/56"),), accounts=(ishii,),
               steps=in_order(send(ishii, [6, 34, 61], ["ueda@provider.example", "j@shop-02.example"],
                                   family=6), read(ishii, [5, 37, 73], family=6)),
               truth=PROGRAM_587, pop_id="pm2028"),
    ]  # fmt: skip


def others() -> list[Member]:
    """Own servers, infected machines, blocked senders, webmail, the roamer, and those without mail."""
    imai = isp("imai", 2025, 587)
    home, mansion = "hikari-home", "hikari-mansion"
    own = "runs an own mail server"
    shops = [f"post@shop-{number:02}.example" for number in range(1, 7)]
    open_, refused, silent = addresses.SPRAYED_OPEN, addresses.SPRAYED_REFUSED, addresses.SILENT
    straight = "sends straight to a mobile carrier's server and is blocked already"
    return [
        Member(2015, "own-server-dynamic", own + " on a dynamic address, also to mobile carriers",
               home, HIROSHIMA, "Hiroshima", "house", "mail",
               sessions=(Session("198.18.1.50", online_before=200 * HOUR),),
               steps=in_order(submit_locally(KIMURA, [
                   (7, shops[0]), (16, shops[1]), (27, shops[2]), (37, shops[3]),
                   (46, "ayumi@keitai.example"), (67, shops[0])])),
               truth=HOME_SERVER_MOBILE, server=KIMURA, pop_id="pm2015"),
        Member(2016, "own-server-dynamic", own + " on a dynamic address", home, OKAYAMA, "Okayama",
               "house", "letter", language="en",
               sessions=(Session("198.18.2.50", online_before=90 * HOUR),),
               steps=in_order(submit_locally(ABE, [
                   (12, shops[4]), (26, shops[5]), (45, shops[1]), (60, shops[4]), (72, shops[2])])),
               truth=HOME_SERVER, server=ABE, pop_id="pm2016"),
        Member(2017, "bot", "an infected machine that sprays many mail servers, carriers included",
               mansion, OKAYAMA, "Kurashiki", "apartment", "phone",
               sessions=(Session("198.18.2.66", online_before=5 * HOUR),),
               steps=in_order(spray(8, [*silent[:14], *open_[:3], *addresses.CARRIER_MXS,
                                        *refused[:12], *silent[14:28], *open_[3:]], gap=1.2)),
               truth=BOT_MOBILE, pop_id="pm2017"),
        Member(2027, "bot-second-holder", "an infected machine on an address another line held before",
               home, HIROSHIMA, "Hiroshima", "house", "mail",
               sessions=(Session("198.18.1.40", start=47),),
               steps=in_order(spray(52, [*refused[5:], *silent[20:44], *open_[1:4]], gap=0.6)),
               truth=BOT, pop_id="pm2027"),
        Member(2018, "mobile-direct", straight, mansion, HIROSHIMA, "Kure", "apartment", "mail",
               sessions=(Session("198.18.1.60", start=2),),
               steps=in_order(straight_to("mx.docomo.example", [9, 33, 61], "tada@provider.example",
                                          "me@docomo.example", 4)), truth=MOBILE),
        Member(2019, "mobile-direct-ipv6", straight + ", over IPv6 and IPv4", home, OKAYAMA,
               "Okayama", "house", "mail", language="en",
               sessions=(Session("198.18.2.61", online_before=31 * HOUR,
                                 prefix6="2001:db8:100:6100::/56"),),
               steps=in_order(straight_to("mx.docomo.example", [11, 54], "noda@provider.example",
                                          "me@docomo.example", 6),
                              straight_to("mx.keitai.example", [32], "noda@provider.example",
                                          "me@keitai.example", 4)), truth=MOBILE),
        Member(2020, "own-server-fixed", own + " on fixed addresses; mobile mail goes by the relay",
               "IP8", HIROSHIMA, "Hiroshima", "office", "phone",
               sessions=(Session("198.18.200.10", online_before=1500 * HOUR),),
               steps=in_order(submit_locally(PRINT, [
                   (5, shops[0]), (15, shops[1]), (24, "ueda@provider.example"), (36, shops[3]),
                   (43, "boss@docomo.example"), (55, shops[4]), (69, shops[0])])),
               truth=OFFICE_SERVER, server=PRINT, pop_id="pm2020"),
        Member(2021, "own-server-fixed", own + " on a fixed address", "IP1", OKAYAMA, "Fukuyama",
               "office", "mail", sessions=(Session("198.18.200.20", online_before=400 * HOUR),),
               steps=in_order(submit_locally(RYOKAN, [
                   (9, shops[1]), (22, shops[2]), (41, shops[5]), (63, shops[1])])),
               truth=OFFICE_SERVER, server=RYOKAN),
        Member(2023, "webmail", "reads and writes mail in a browser", mansion, HIROSHIMA,
               "Hiroshima", "apartment", "mail",
               sessions=(Session("198.18.1.70", online_before=2 * HOUR),),
               steps=in_order(browse([6, 27, 48, 69]))),
        Member(2024, "webmail", "reads and writes mail in a browser", home, OKAYAMA, "Kurashiki",
               "house", "letter", sessions=(Session("198.18.2.71", start=8, end=70),),
               steps=in_order(browse([18, 39, 62])), pop_id="pm2024"),
        Member(2025, "mail-only", "on another ISP's line; sends through the ISP's server on 587",
               "mail-only", "", "Tokyo", "apartment", "mail", accounts=(imai,),
               steps=in_order(send(imai, [12, 37, 65], ["k@shop-05.example", "l@docomo.example"]),
                              read(imai, [20, 67])), pop_id="pm2025"),
        Member(2029, "no-mail", "reads the news on the web; sends no mail", home, HIROSHIMA,
               "Hiroshima", "house", "letter",
               sessions=(Session("198.18.1.80", online_before=600 * HOUR),),
               steps=in_order(browse(range(1, 93, 4), "/news"))),
        Member(2030, "no-mail", "reads the news on the web for a minute; sends no mail", mansion,
               OKAYAMA, "Okayama", "apartment", "mail",
               sessions=(Session("198.18.2.60", start=15, end=75),),
               steps=in_order(browse(range(17, 73, 5), "/news"))),
        Member(2031, "idle", "online, and nothing is switched on", home, OKAYAMA, "Kurashiki",
               "house", "mail", sessions=(Session("198.18.2.90", online_before=70 * HOUR),)),
    ]  # fmt: skip


def cast() -> list[Member]:
    """Every customer, by number."""
    members = [*relay_users(), *mail_program_users(), *others()]
    return sorted(members, key=lambda member: member.number)


def outside_steps() -> dict[str, list[Step]]:
    """What people elsewhere do: namespace -> steps. They are nobody's customers here."""
    stranger = Account("stranger@elsewhere.example", "mail.isp.example", 25)
    refused = send(stranger, [21, 50], ["victim@shop-01.example"], helo="open-relay-test")
    probes: list[Step] = [
        {"at": at, "do": "probe", "host": "mail.isp.example", "port": port, "family": 4}
        for at, port in ((34, 25), (56, 587))
    ]
    for step in (*refused, *probes):
        step.update(source=addresses.STRANGER, family=4)
    shops = [
        (20, 0, KIMURA), (58, 2, KIMURA), (31, 4, ABE), (66, 1, ABE),
        (18, 0, PRINT), (33, 3, PRINT), (62, 4, PRINT), (29, 5, RYOKAN), (52, 1, RYOKAN),
    ]  # fmt: skip
    replies: list[Step] = [
        {
            "at": at,
            "do": "smtp",
            "host": f"mail.{domain}",
            "port": 25,
            "helo": f"mx.shop-{shop + 1:02}.example",
            "source": addresses.SHOPS[shop],
            "sender": f"post@shop-{shop + 1:02}.example",
            "recipients": [f"postmaster@{domain}"],
        }
        for at, shop, domain in shops
    ]
    return {"otherisp": list(in_order(refused, probes)), "mxfarm": list(in_order(replies))}
