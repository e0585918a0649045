"""The settings of a workspace: `op25b.toml` validated into typed, frozen objects; unknown keys are errors."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from op25b.errors import nearest
from op25b.sequential import SequentialTest

_LEAST_MEMORY = 32 * 2**20
MAIL_PORTS = (25, 110, 143, 465, 587, 993, 995)
Group = Literal["own-relay", "mobile-carrier", "known-provider"]
DESTINATIONS = ("all", "own-relay", "mobile-carrier", "known-provider", "other")
Language = Literal["ja", "en"]


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        msg = f"unknown time zone {name!r}; use an IANA name such as 'Asia/Tokyo'"
        raise ValueError(msg) from None
    return name


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        msg = f"{text!r} is not a network in CIDR form: {error}"
        raise ValueError(msg) from None


def _memory(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    with suppress(ValueError):
        if (size := parse(value)) >= _LEAST_MEMORY:
            return size
    msg = f"{value!r} is no size of memory of 32 MiB or more: give one with its unit, such as \"2GB\" or \"1500MiB\""
    raise ValueError(msg)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _day_stays_a_day(value: Any) -> Any:
    """A date in quotes is a day, not its first instant."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


TimeZone = Annotated[str, AfterValidator(_timezone)]
Network = Annotated[str, AfterValidator(_network)]
Port = Annotated[int, Field(ge=0, le=65535)]
Moment = Annotated[datetime | date, BeforeValidator(_day_stays_a_day)]
Many = BeforeValidator(_as_list)
Memory = Annotated[ByteSize, WrapValidator(_memory)]


class Settings(BaseModel):
    """Base of all settings tables: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class Site(Settings):
    """`[site]`: who the ISP is."""

    name: str = "ISP"
    timezone: TimeZone = "Asia/Tokyo"
    language: Language = "ja"


class Networks(Settings):
    """`[networks]`: the ISP's own address space."""

    subscribers: tuple[Network, ...] = ()
    relays: tuple[Network, ...] = ()


class Input(Settings):
    """What every kind of input has: a path or glob, and a format's name or `auto`."""

    path: str
    format: str = "auto"


class FlowInput(Input):
    """`[[inputs.flows]]`; `columns` (our column → the file's) and `time_unit` are for formats `csv` and `parquet`."""

    sampling_interval: Annotated[int, Field(ge=1)] | None = None
    timezone: TimeZone | None = None
    columns: dict[str, str] = {}
    time_unit: Literal["s", "ms", "us", "ns"] | None = None


class MailInput(Input):
    """`[[inputs.mail]]`."""

    timezone: TimeZone | None = None
    year: Annotated[int, Field(ge=1970, le=2200)] | None = None


class MapRule(Settings):
    """A basic mapping rule of MAP-E (RFC 7597, 5.2). The RFC's `psid_offset` is 6; v6プラス uses 4."""

    ipv6_prefix: Network
    ipv4_prefix: Network
    ea_length: Annotated[int, Field(ge=0, le=48)]
    psid_offset: Annotated[int, Field(ge=0, le=15)] = 6

    @property
    def psid_length(self) -> int:
        """Bits of the port-set identifier; negative where subscribers get an IPv4 prefix of their own."""
        return self.ea_length - (32 - ipaddress.ip_network(self.ipv4_prefix).prefixlen)

    @model_validator(mode="after")
    def _fits(self) -> MapRule:
        versions = ipaddress.ip_network(self.ipv6_prefix).version, ipaddress.ip_network(self.ipv4_prefix).version
        if versions != (6, 4):
            msg = "ipv6_prefix must be an IPv6 network and ipv4_prefix an IPv4 network"
            raise ValueError(msg)
        if ipaddress.ip_network(self.ipv6_prefix).prefixlen + self.ea_length > 64:
            msg = "ipv6_prefix and ea_length together are longer than 64 bits"
            raise ValueError(msg)
        if self.psid_length > 0 and self.psid_offset + self.psid_length > 16:
            msg = f"psid_offset and the {self.psid_length} bits of the PSID are longer than the 16 bits of a port"
            raise ValueError(msg)
        return self


class LeaseInput(Input):
    """`[[inputs.leases]]`; `identify_by`: what names the line in DHCP logs; `map_e`: rules of format `map-e`."""

    timezone: TimeZone | None = None
    year: Annotated[int, Field(ge=1970, le=2200)] | None = None
    identify_by: Literal["hardware", "uid", "circuit-id", "remote-id"] = "hardware"
    map_e: Annotated[tuple[MapRule, ...], Many] = ()

    @model_validator(mode="after")
    def _map_e_has_rules(self) -> LeaseInput:
        if (self.format == "map-e") != bool(self.map_e):
            msg = 'format = "map-e" and map_e (its rules) need each other'
            raise ValueError(msg)
        return self


class SubscriberInput(Input):
    """`[[inputs.subscribers]]`; `columns` maps our column name → the file's."""

    columns: dict[str, str] = {}


class Inputs(Settings):
    """`[inputs]`: every kind is optional."""

    flows: tuple[FlowInput, ...] = ()
    mail: tuple[MailInput, ...] = ()
    leases: tuple[LeaseInput, ...] = ()
    subscribers: tuple[SubscriberInput, ...] = ()


class Destination(Settings):
    """`[[destinations]]`: mail servers of one provider; adds to the dated tables in `data/reference/`."""

    name: str
    group: Group
    networks: tuple[Network, ...]
    submission: tuple[Port, ...] = ()
    pop: tuple[Port, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None


class Reference(Settings):
    """`[reference]`: `builtin = false` leaves out the reference tables that come with op25b."""

    builtin: bool = True
    networks: tuple[str, ...] = ()


class Rule(Settings):
    """One rule of a policy: every condition that is given must hold; one that is not given always does.

    Whatever the `direction` of the packets, `source`, `plans`, `access_nodes` and `subscribers` say whose line it is,
    and `destination` who is at the other end. `port` is the packets' destination port and `source_port` their source
    port: `direction = "in"` with `source_port = 25` is what comes back from a mail server. `source` holds networks or
    names of `[sets]`, `destination` also groups of mail servers. `subscribers` names CSV files of pseudonyms.
    """

    name: str
    action: Literal["allow", "block"]
    direction: Literal["out", "in"] = "out"
    source: Annotated[tuple[str, ...], Many] = ()
    plans: Annotated[tuple[str, ...], Many] = ()
    access_nodes: Annotated[tuple[str, ...], Many] = ()
    subscribers: Annotated[tuple[str, ...], Many] = ()
    destination: Annotated[tuple[str, ...], Many] = ("all",)
    protocol: Literal["tcp", "udp"] = "tcp"
    port: Annotated[tuple[Port, ...], Many] = (25,)
    source_port: Annotated[tuple[Port, ...], Many] = ()
    effective_from: Moment | None = None
    effective_until: Moment | None = None

    @model_validator(mode="before")
    @classmethod
    def _any_port_comes_in(cls, data: Any) -> Any:
        """Port 25 is the default of what goes out; what comes in goes to any port of the line."""
        if isinstance(data, dict) and data.get("direction") == "in":
            return {"port": (), **data}
        return data

    @model_validator(mode="after")
    def _names_a_port(self) -> Rule:
        if not self.port and not self.source_port:
            msg = f"rule {self.name!r} names neither port nor source_port; it would match every packet"
            raise ValueError(msg)
        _in_order(self.effective_from, self.effective_until)
        return self


class Policy(Settings):
    """`[policy.NAME]`: ordered rules, first match wins; what no rule matches is allowed.

    A date in `effective_from` means the beginning of that local day, in `effective_until` its end; a time of day
    without a zone is local. Outside its time a policy allows everything, and a rule matches nothing.
    """

    description: str = ""
    effective_from: Moment | None = None
    effective_until: Moment | None = None
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _has_a_time(self) -> Policy:
        _in_order(self.effective_from, self.effective_until)
        return self


def _in_order(since: date | None, until: date | None) -> None:
    """Refuse a time that ends before it begins; of a date with a time of day only the date is looked at."""
    if since is not None and until is not None:
        first, last = (d.date() if isinstance(d, datetime) else d for d in (since, until))
        if last < first:
            msg = f"effective_until {until} is before effective_from {since}"
            raise ValueError(msg)


Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Findings(Settings):
    """`[findings]`: thresholds of the classes; op25b.toml says what each means and where it comes from.

    `mail_min_bytes`, `alpha`, `beta`, `theta0` and `theta1` are used by `build`; the others by findings.
    """

    bot_destinations_5min: Count = 10
    bot_sessions_5min: Count = 40
    bot_failure_share: Share = 0.3
    bot_slow_organisations: Count = 10
    bot_wide_organisations: Count = 30
    server_min_destinations: Count = 3
    client_max_providers: Count = 3
    client_standing_out: Annotated[float, Field(ge=1)] = 5
    device_max_organisations: Count = 2
    device_regularity: Annotated[float, Field(ge=0)] = 0.2
    device_minutes: Annotated[float, Field(ge=0)] = 10
    device_night_share: Share = 0.2
    scan_destinations: Count = 20
    scan_addresses_per_organisation: Annotated[float, Field(ge=1)] = 8
    scan_established_share: Share = 0.05
    mail_min_bytes: Count = 1000
    mail_packets: Annotated[float, Field(gt=1)] = 12
    attempt_packets: Annotated[float, Field(gt=0)] = 3
    alpha: Probability = 0.01
    beta: Probability = 0.01
    theta0: Probability = 0.2
    theta1: Probability = 0.9
    min_probability: Share = 0.5
    medium_probability: Share = 0.8
    high_probability: Share = 0.95
    baseline_contacts_5min: Count = 20

    @property
    def sequential_test(self) -> SequentialTest:
        """The test on first contacts and on the relay's verdicts."""
        return SequentialTest(self.alpha, self.beta, self.theta0, self.theta1)

    @model_validator(mode="after")
    def _in_order(self) -> Findings:
        if self.theta0 >= self.theta1:
            msg = f"theta0 = {self.theta0} must be below theta1 = {self.theta1}: a bot fails more often than others do"
            raise ValueError(msg)
        if self.alpha + self.beta >= 1:
            msg = f"alpha = {self.alpha} and beta = {self.beta} are error rates; together they must be below 1"
            raise ValueError(msg)
        if not self.min_probability <= self.medium_probability <= self.high_probability:
            msg = "min_probability, medium_probability and high_probability must not fall"
            raise ValueError(msg)
        return self


class Sampling(Settings):
    """`[sampling]`: how the unseen are estimated where flows are sampled (see docs/sampling.md).

    `pilot`: exporters at 1:1 that the others are calibrated by; where none is named, all whose records are all 1:1.
    `min_pilot`: fewer sending lines there calibrate nothing. `max_singles`: without a pilot no number is given where
    more than this share of the lines seen was seen in one packet only. `level`: of the intervals.
    """

    pilot: Annotated[tuple[str, ...], Many] = ()
    min_pilot: Annotated[int, Field(ge=2)] = 30
    max_singles: Annotated[float, Field(ge=0, le=1)] = 0.5
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Quality(Settings):
    """`[quality]`: limits of the data-quality gates."""

    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_unattributed_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    max_gap_minutes: Annotated[int, Field(ge=1)] = 60
    max_clock_skew_seconds: Annotated[int, Field(ge=0)] = 300
    max_export_delay_seconds: Annotated[int, Field(ge=0)] = 3600


class Support(Settings):
    """`[support]`: what `explain` and the quick-reference chart tell a customer."""

    desk_hours: str = "9:00-21:00"
    desk_phone: str = ""
    submission_host: str = ""
    auth_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    account_ja: str = "登録内容確認書に記載のPOP IDとパスワード"
    account_en: str = "the POP ID and password printed on the registration sheet"


class Privacy(Settings):
    """`[privacy]`: the key of the pseudonyms and the log of its uses, never inside the lake; what reports hide.

    `small_cell`: counts of lines from 1 to one less are suppressed in reports; 1 suppresses none.
    """

    key_file: str = "op25b.key"
    audit_log: str = "op25b-audit.jsonl"
    small_cell: Annotated[int, Field(ge=1)] = 5


Days = Annotated[int, Field(ge=1)]


class Retention(Settings):
    """`[retention]`: how many days rows are kept, by table; what is not named is kept. `op25b expire` removes the rest.

    Leases count from their end, subscriber lists from when a later one took their place, rejected rows from when they
    were read, all others from the day of their traffic. The tables are those of `op25b.retention.known` (a test sees
    to that), named here so that an unknown one is an error of every command. `versions`: days that `op25b compact`
    keeps a lake version after a newer one was made.
    """

    versions: Annotated[float, Field(ge=0)] = 7
    flow: Days | None = None
    mail_event: Days | None = None
    lease_record: Days | None = None
    subscriber_record: Days | None = None
    rejected: Days | None = None
    address: Days | None = None
    destination: Days | None = None
    connection: Days | None = None
    holder: Days | None = None
    contact_day: Days | None = None
    peer_day: Days | None = None
    sampled_day: Days | None = None
    sender_day: Days | None = None
    message: Days | None = None
    relay_refusal: Days | None = None
    relay_day: Days | None = None

    @property
    def days(self) -> dict[str, int]:
        """Table → days, of the tables that have a limit."""
        return {name: days for name, days in self if name != "versions" and days is not None}


class DuckDB(Settings):
    """`[engine.duckdb]`; `memory_limit` in bytes."""

    memory_limit: Memory | None = None
    temp_directory: str | None = None
    threads: Annotated[int, Field(ge=1)] | None = None


class Spark(Settings):
    """`[engine.spark]`: where the cluster is, and further settings of Spark, by their names (`spark.*`)."""

    master: str = "local[*]"
    properties: dict[Annotated[str, Field(pattern=r"^spark\.")], str | bool | int | float] = {}


class Engine(Settings):
    """`[engine]`; `session_gap_seconds` separates two uses of the same five-tuple.

    The default is a little over the longest pause between two SYNs of one attempt: 96 s in Linux 2.6
    (SYNs at 3, 9, 21, 45, 93, 189 s); newer kernels pause 64 s at most, Windows XP 12 s.
    """

    duckdb: DuckDB = DuckDB()
    spark: Spark = Spark()
    session_gap_seconds: Annotated[int, Field(ge=1)] = 100


class Config(Settings):
    """The whole of `op25b.toml`."""

    site: Site = Site()
    networks: Networks = Networks()
    inputs: Inputs = Inputs()
    destinations: tuple[Destination, ...] = ()
    reference: Reference = Reference()
    sets: dict[str, tuple[Network, ...]] = {}
    policy: dict[str, Policy] = {}
    findings: Findings = Findings()
    sampling: Sampling = Sampling()
    quality: Quality = Quality()
    support: Support = Support()
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _rules_name_known_ends(self) -> Config:
        if taken := sorted({*DESTINATIONS} & set(self.sets)):
            msg = f"sets.{taken[0]}: the name of a group of mail servers; choose another"
            raise ValueError(msg)
        for name, policy in self.policy.items():
            for rule in policy.rules:
                where = f"policy.{name}: rule {rule.name!r} names an unknown"
                for end in rule.destination:
                    _known_end(f"{where} destination", end, {*DESTINATIONS, *self.sets})
                for end in rule.source:
                    _known_end(f"{where} source", end, {*self.sets})
        return self


def _known_end(problem: str, end: str, known: set[str]) -> None:
    if end in known:
        return
    if "/" in end or ":" in end or end[:1].isdigit():
        _network(end)
        return
    msg = f"{problem} {end!r}{nearest(end, known)}"
    raise ValueError(msg)
