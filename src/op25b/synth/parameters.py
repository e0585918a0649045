"""The parameters of the simulated world: `parameters.toml` beside this module, single keys of which may be replaced.

The file holds every value with its reason; here stands what values can be.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from op25b.errors import SettingsError, nearest

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Sigma = Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)]
Hours = Annotated[tuple[Amount, ...], Field(min_length=24, max_length=24)]
Offsets = Annotated[tuple[Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)], ...], Field(min_length=1,
                                                                                               max_length=16)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Population(_Section):
    """`[population]`."""

    office_share: Share
    apartment_share: Share
    fixed_plan_share: Share
    fixed_plan_weights: Annotated[tuple[Amount, ...], Field(min_length=3, max_length=3)]
    english_share: Share
    mail_only_share: Share
    windows_share: Share
    activity_sigma: Sigma


class Rhythm(_Section):
    """`[rhythm]`."""

    home_weekday: Hours
    home_weekend: Hours
    office: Hours
    machine: Hours
    office_weekend_factor: Amount
    home_weekend_factor: Amount
    holiday_share: Share
    holiday_days_mean: Positive


class Access(_Section):
    """`[access]`."""

    edges: Annotated[int, Field(ge=1, le=200)]
    spare_addresses: Annotated[float, Field(ge=0.02, le=1, allow_inf_nan=False)]
    router_session_days: Annotated[float, Field(ge=0.05, le=3650, allow_inf_nan=False)]
    router_gap_seconds: Annotated[float, Field(ge=1, le=86400, allow_inf_nan=False)]
    dial_share: Share
    dial_session_hours: Annotated[float, Field(ge=0.05, le=1000, allow_inf_nan=False)]
    dial_gap_hours: Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False)]
    fixed_session_days: Annotated[float, Field(ge=0.05, le=3650, allow_inf_nan=False)]
    lost_stop_share: Share
    late_stop_share: Share
    late_stop_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
    interim_hours: Annotated[float, Field(ge=0.1, le=10000, allow_inf_nan=False)]
    clock_skew_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


class Exporter(_Section):
    """`[exporter]`."""

    active_timeout: Annotated[float, Field(ge=1, le=7200, allow_inf_nan=False)]
    inactive_timeout: Annotated[float, Field(ge=1, le=7200, allow_inf_nan=False)]
    clock_skew_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
    gaps_per_week: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    gap_minutes: Annotated[float, Field(gt=0, le=10000, allow_inf_nan=False)]
    own_mailboxes: bool
    forwarding_status: bool


class Tcp(_Section):
    """`[tcp]`."""

    mss: Annotated[int, Field(ge=536, le=9000)]
    windows_syn: Offsets
    linux_syn: Offsets
    windows_refused_syn: Offsets
    windows_header: Annotated[int, Field(ge=40, le=120)]
    linux_header: Annotated[int, Field(ge=40, le=120)]
    windows_syn_bytes: Annotated[int, Field(ge=40, le=120)]
    linux_syn_bytes: Annotated[int, Field(ge=40, le=120)]
    rtt_median: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
    rtt_sigma: Sigma
    server_delay_median: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    server_delay_sigma: Sigma
    upload_bytes_per_second: Annotated[float, Field(ge=1000, le=1e9, allow_inf_nan=False)]
    second_syn_share: Share
    extra_ack_share: Share
    command_bytes: Annotated[int, Field(ge=4, le=500)]
    reply_bytes: Annotated[int, Field(ge=4, le=500)]
    pop_command_bytes: Annotated[int, Field(ge=4, le=500)]
    pop_reply_bytes: Annotated[int, Field(ge=4, le=500)]

    @model_validator(mode="after")
    def _trains_begin_at_once(self) -> Tcp:
        for name in ("windows_syn", "linux_syn", "windows_refused_syn"):
            train = getattr(self, name)
            if train[0] != 0 or list(train) != sorted(train):
                msg = f"{name}: the offsets of SYNs begin with 0 and grow"
                raise ValueError(msg)
        return self


class Mail(_Section):
    """`[mail]`."""

    text_median: Positive
    text_sigma: Sigma
    attachment_share: Share
    attachment_median: Positive
    attachment_sigma: Sigma
    largest_bytes: Annotated[float, Field(ge=1000, le=1e9, allow_inf_nan=False)]
    spam_median: Positive
    spam_sigma: Sigma


class Internet(_Section):
    """`[internet]`."""

    provider_weights: Annotated[tuple[Amount, ...], Field(min_length=12, max_length=12)]
    providers_without_submission: Annotated[int, Field(ge=0, le=12)]
    hosters: Annotated[int, Field(ge=1, le=4096)]
    mail_organisations: Annotated[int, Field(ge=1, le=4096)]


class Relay(_Section):
    """`[relay]`."""

    home_share: Share
    office_share: Share
    messages_per_day: Amount
    submission_share: Share
    bounce_share: Share
    defer_share: Share
    refuse_share: Share
    failed_login_share: Share
    carrier_recipient_share: Share
    clock_skew_seconds: Annotated[float, Field(ge=-3600, le=3600, allow_inf_nan=False)]


class Programs(_Section):
    """`[programs]`."""

    home_share: Share
    office_share: Share
    submission_share: Share
    several_providers_share: Share
    company_share: Share
    imap_share: Share
    webmail_reader_share: Share
    several_devices_share: Share
    messages_per_day: Amount
    sending_days_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    checks_per_day: Amount
    check_with_send_share: Share
    check_empty_share: Share
    login_on_25_share: Share
    failed_share: Share
    two_servers_share: Share
    migrating_share: Share


class Servers(_Section):
    """`[servers]`."""

    home_share: Share
    office_dynamic_share: Share
    office_fixed_share: Share
    mailing_list_share: Share
    home_messages_median: Positive
    office_messages_median: Positive
    messages_sigma: Sigma
    home_peers_median: Positive
    office_peers_median: Positive
    peers_sigma: Sigma
    inbound_ratio: Amount
    inbound_spam_per_day: Amount
    outbound_only_share: Share
    greylist_share: Share
    greylist_minutes: Positive
    dead_share: Share
    dead_retries: Annotated[int, Field(ge=1, le=20)]
    refused_share: Share
    carrier_share: Share
    relay_mobile_share: Share
    list_posts_per_day: Amount
    list_members_median: Positive
    list_gap_seconds: Positive


class Devices(_Section):
    """`[devices]`."""

    printer_home_share: Share
    printer_office_share: Share
    nas_share: Share
    camera_share: Share
    relay_share: Share
    company_share: Share
    mobile_share: Share
    printer_messages: Amount
    printer_bytes_median: Positive
    nas_bytes_median: Positive
    camera_scheduled_share: Share
    camera_hours: Annotated[float, Field(ge=0.05, le=24, allow_inf_nan=False)]
    camera_motions: Amount
    camera_bytes_median: Positive
    fixed_size_sigma: Sigma
    jitter_seconds: Amount

    @model_validator(mode="after")
    def _shares_fit(self) -> Devices:
        _at_most_one(self, "relay_share", "company_share", "mobile_share")
        return self


class Bots(_Section):
    """`[bots]`."""

    share: Share
    program_line_factor: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    fast_share: Share
    slow_share: Share
    relay_share: Share
    infected_days_mean: Positive
    active_days_share: Share
    always_on_share: Share
    bursts_per_day: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    burst_messages_median: Annotated[float, Field(gt=0, le=100000, allow_inf_nan=False)]
    burst_messages_sigma: Sigma
    burst_per_minute: Positive
    burst_per_minute_sigma: Sigma
    slow_messages_per_day: Amount
    dead_share: Share
    refused_share: Share
    rejected_share: Share
    carrier_share: Share
    target_organisations: Annotated[int, Field(ge=1, le=4096)]
    recipients_mean: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]
    patience_seconds: Amount
    relay_messages_per_day: Amount
    relay_login_share: Share
    relay_refused_share: Share
    relay_bounce_share: Share

    @model_validator(mode="after")
    def _shares_fit(self) -> Bots:
        _at_most_one(self, "fast_share", "slow_share", "relay_share")
        _at_most_one(self, "dead_share", "refused_share", "carrier_share")
        return self


class Mobile(_Section):
    """`[mobile]`."""

    share: Share
    office_share: Share
    messages_per_day: Amount
    retry_share: Share
    retry_minutes: Positive


class Scanners(_Section):
    """`[scanners]`."""

    share: Share
    active_days_share: Share
    targets_median: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    per_second: Positive
    silent_share: Share
    refused_share: Share
    inbound_per_line_day: Amount
    inbound_refused_share: Share

    @model_validator(mode="after")
    def _shares_fit(self) -> Scanners:
        _at_most_one(self, "silent_share", "refused_share")
        return self


class Parameters(_Section):
    """The whole of `parameters.toml`."""

    population: Population
    rhythm: Rhythm
    access: Access
    exporter: Exporter
    tcp: Tcp
    mail: Mail
    internet: Internet
    relay: Relay
    programs: Programs
    servers: Servers
    devices: Devices
    bots: Bots
    mobile: Mobile
    scanners: Scanners

    @model_validator(mode="after")
    def _weights_are_some(self) -> Parameters:
        weights = {"rhythm.home_weekday": self.rhythm.home_weekday, "rhythm.home_weekend": self.rhythm.home_weekend,
                   "rhythm.office": self.rhythm.office, "rhythm.machine": self.rhythm.machine,
                   "internet.provider_weights": self.internet.provider_weights,
                   "population.fixed_plan_weights": self.population.fixed_plan_weights}
        for name, values in weights.items():
            if sum(values) <= 0:
                msg = f"{name}: all weights are 0"
                raise ValueError(msg)
        return self


def _at_most_one(section: BaseModel, *names: str) -> None:
    if sum(getattr(section, name) for name in names) > 1 + 1e-9:
        msg = f"{' + '.join(names)} is more than 1"
        raise ValueError(msg)


def load(changes: Mapping[str, Any] | Path | str | None = None) -> Parameters:
    """The built-in parameters with `changes`: a TOML file's, or a mapping's such as `{"bots": {"share": 0.05}}`.

    Raises:
        SettingsError: a key is unknown (the message names the nearest), or a value cannot be.
    """
    values = tomllib.loads(files("op25b.synth").joinpath("parameters.toml").read_text(encoding="utf-8"))
    where = "parameters"
    if isinstance(changes, (str, Path)):
        where, changes = str(changes), _read(Path(changes))
    for section, keys in (changes or {}).items():
        _known(section, values, where, "")
        if not isinstance(keys, Mapping):
            msg = f"{where}: {section} is a table of parameters\n  write [{section}] and the keys below it"
            raise SettingsError(msg)
        for key, value in keys.items():
            _known(key, values[section], where, f"{section}.")
            values[section][key] = value
    try:
        return Parameters.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
                    for item in error.errors()]
        msg = f"{where}: " + "\n  ".join(problem.removeprefix(": ") for problem in problems)
        raise SettingsError(msg) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise SettingsError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not valid TOML: {error}"
        raise SettingsError(msg) from None


def _known(name: str, known: Mapping[str, Any], where: str, prefix: str) -> None:
    if name not in known:
        msg = (f"{where}: unknown parameter {prefix + str(name)!r}{nearest(str(name), known)}\n"
               f"  known: {', '.join(known)}")
        raise SettingsError(msg)
