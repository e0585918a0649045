"""The worlds of the evaluation: seeds 101 and up, and parameters that the rules were not tuned on.

Each changes some keys of `op25b synth`'s parameters (section, key: value); what is not named stays as it is there.

While the rules were made their authors were told which errors were made in the first worlds, so in these they are no
longer blind. The `sealed` ones were added afterwards; of them nobody is told more than the shares on the page. Whoever
changes a rule because of an error in one of them has to break its seal here and add another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = float | int | bool | list[int]
SAMPLINGS = (1, 100, 1000)


@dataclass(frozen=True)
class World:
    """One simulated ISP: what is special about it, its size, and the parameters it changes."""

    name: str
    about: str
    seed: int
    subscribers: int = 4000
    days: int = 14
    parameters: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    sealed: bool = False      # no error in it was ever shown to those who make the rules
    flows_only: bool = False  # neither leases nor mail logs nor a list of subscribers: a line is an address

    def toml(self) -> str:
        """The changed parameters as the file that `op25b synth --parameters` reads."""
        return "\n".join(
            f"[{section}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
            for section, values in self.parameters.items())


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


WORLDS = (
    World("usual", "the parameters as they are, another seed", 101, subscribers=6000),
    World("quiet bots", "bots whose address lists are good, mostly low and slow, in small bursts, for a few days", 102,
          parameters={"bots": {
              "share": 0.02, "dead_share": 0.10, "refused_share": 0.03, "rejected_share": 0.30, "fast_share": 0.3,
              "slow_share": 0.6, "relay_share": 0.1, "slow_messages_per_day": 12.0, "burst_messages_median": 40.0,
              "burst_per_minute": 15.0, "infected_days_mean": 6.0}}),
    World("busy people", "several providers, few and company servers, mail read elsewhere, sessions that fail", 103,
          parameters={"programs": {
              "home_share": 0.10, "several_providers_share": 0.45, "company_share": 0.45, "webmail_reader_share": 0.30,
              "several_devices_share": 0.35, "checks_per_day": 2.0, "check_with_send_share": 0.4, "failed_share": 0.05,
              "two_servers_share": 0.6}}),
    World("rough servers", "own servers with mailing lists, old addresses, greylisting, or that take no mail", 104,
          parameters={"servers": {
              "home_share": 0.02, "office_dynamic_share": 0.15, "mailing_list_share": 0.35, "dead_share": 0.10,
              "refused_share": 0.05, "greylist_share": 0.25, "outbound_only_share": 0.30, "list_members_median": 150.0,
              "list_gap_seconds": 0.2}}),
    World("outbreak", "one line in sixteen infected: many homes with a mail program and a bot", 105, subscribers=3000,
          parameters={"bots": {"share": 0.06, "program_line_factor": 3.0}}),
    World("three days", "a window of three days", 106, subscribers=6000, days=3),
    World("restless", "short sessions, few spare addresses, skewed clocks, lost Stop records, gaps in the export", 107,
          parameters={
              "access": {"spare_addresses": 0.03, "router_session_days": 1.5, "dial_share": 0.5,
                         "dial_session_hours": 3.0, "lost_stop_share": 0.03, "late_stop_share": 0.1,
                         "clock_skew_seconds": 20.0},
              "exporter": {"clock_skew_seconds": 10.0, "gaps_per_week": 3.0}}),
    World("offices", "a third of the lines are offices: servers, printers, working hours", 108, subscribers=2500,
          parameters={"population": {"office_share": 0.35}, "devices": {"printer_office_share": 0.15,
                                                                       "company_share": 0.5}}),
    World("flows only", "no leases, mail logs or customer list; addresses stay, or nobody would know their truth",
          109, flows_only=True, parameters={
              "access": {"dial_share": 0.0, "router_session_days": 3650.0, "fixed_session_days": 3650.0}}),
    World("faithful bots", "bots with short lists, which come to the same few servers again and again", 151,
          sealed=True, parameters={"bots": {
              "share": 0.02, "target_organisations": 60, "recipients_mean": 8.0, "dead_share": 0.20,
              "rejected_share": 0.30, "slow_share": 0.45, "fast_share": 0.4, "relay_share": 0.15,
              "always_on_share": 0.9, "infected_days_mean": 8.0}}),
    World("sleepy homes", "people who seldom mail and seldom look; bots that last three days", 152, sealed=True,
          subscribers=5000, parameters={
              "programs": {"messages_per_day": 0.4, "sending_days_share": 0.25, "checks_per_day": 1.5},
              "bots": {"share": 0.02, "infected_days_mean": 3.0, "slow_messages_per_day": 40.0}}),
    World("crowded lines", "homes with everything at once: programs, printers, disks, cameras, servers, bots", 153,
          sealed=True, parameters={
              "programs": {"home_share": 0.15, "several_devices_share": 0.5},
              "servers": {"home_share": 0.03},
              "devices": {"printer_home_share": 0.03, "nas_share": 0.05, "camera_share": 0.04},
              "bots": {"share": 0.03, "program_line_factor": 3.0}}),
    World("busy servers", "large lists, half the servers never called; newer SYN trains, longer records, marked drops",
          154, sealed=True, subscribers=3000, parameters={
              "servers": {"home_share": 0.02, "office_dynamic_share": 0.12, "outbound_only_share": 0.5,
                          "mailing_list_share": 0.2, "office_messages_median": 80.0, "office_peers_median": 100.0,
                          "greylist_share": 0.15, "dead_share": 0.05, "list_members_median": 120.0},
              "tcp": {"linux_syn": [0, 1, 3, 7, 15, 31, 63]},
              "exporter": {"active_timeout": 300.0, "inactive_timeout": 30.0, "forwarding_status": True}}),
)
