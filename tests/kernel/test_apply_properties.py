# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For random states a and b: the plan from a to b leads to b, the plan from b to b is empty, and from any step there is
a way back to a. What is there is told by iproute2; others have routes and rules of equal destinations and priorities.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Plan, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.plan import plan
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import resolve
from ansible_collections.kubenode.network.plugins.module_utils._state.undo import undo
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import verify
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Entry = dict[str, t.Any]
Document = dict[str, t.Any]

FOREIGN = """
    route add 10.200.0.0/16 via 10.100.0.9 dev ens224 metric 300 proto bird
    route add 10.201.0.0/16 via 172.16.0.9 dev ens256 proto zebra
    route add 10.200.0.0/16 via 10.100.0.9 dev ens224 metric 100 table 77 proto static
    route add 10.99.0.0/16 dev ens256 proto static scope link
    route add blackhole 10.202.0.0/16 metric 9000 proto bird
    route add 2001:db8:77::/48 via 2001:db8:a::9 dev ens224 metric 300 proto bird
    route add 2001:db8:78::/48 dev ens256 metric 4000 proto static
    rule add from 10.0.0.0/8 lookup 100 priority 1000 protocol bird
    rule add fwmark 0x70 lookup 300 priority 1001 protocol static
    rule add lookup 1000 priority 1002 protocol bird
    addr add 172.16.0.200/32 dev ens256
"""

OURS = 157
GATEWAYS = {
    4: [("ens224", "10.100.0.1"), ("ens224", "10.100.0.2"), ("ens256", "172.16.0.1")],
    6: [("ens224", "2001:db8:a::1"), ("ens224", "2001:db8:a::2"), ("ens256", "2001:db8:c::1")],
}


@st.composite
def routes(draw: t.Any) -> Entry:
    family = draw(st.sampled_from([4, 6]))
    entry: Entry = {
        "destination": draw(
            st.sampled_from(
                ["10.200.0.0/16", "10.201.0.0/16", "10.202.0.0/16", "10.203.7.0/24"]
                if family == 4
                else ["2001:db8:77::/48", "2001:db8:78::/48", "2001:db8:79::/64"]
            )
        ),
        "metric": draw(st.sampled_from([100, 200])),
        "table": draw(st.sampled_from([254, 100, 1000])),
    }
    hops = draw(st.lists(st.sampled_from(GATEWAYS[family]), max_size=3, unique=True))
    shape = draw(st.sampled_from(["gateway", "gateway", "many", "device", "none"]))
    if shape == "none" or not hops:
        entry["type"] = draw(st.sampled_from(["blackhole", "unreachable", "prohibit"]))
    elif shape == "device":
        entry["next_hop_interface"] = hops[0][0]
    elif shape == "many" and len(hops) > 1:
        entry["next_hops"] = [
            {"next_hop_interface": name, "next_hop_address": gateway, "weight": draw(st.integers(1, 3))}
            for name, gateway in hops
        ]
    else:
        entry["next_hop_interface"], entry["next_hop_address"] = hops[0]
    if "type" not in entry and draw(st.booleans()):
        entry["mtu"] = 1400
    return entry


rules = st.fixed_dictionaries(
    {
        "family": st.sampled_from(["ipv4", "ipv6"]),
        "priority": st.sampled_from([900, 1000, 1001]),
        "table": st.sampled_from([254, 100, 1000]),
        "fwmark": st.sampled_from([0x08, 0x10]),
    },
    optional={
        "from": st.just("10.0.0.0/8"),
        "to": st.just("10.9.0.0/16"),
        "iif": st.sampled_from(["ens224", "ens256"]),
        "invert": st.booleans(),
        "ip_protocol": st.just(6),
    },
)
addresses = st.lists(
    st.sampled_from(
        [("ens224", "10.101.0.5", 24), ("ens224", "10.100.0.50", 24), ("ens256", "172.16.0.60", 24),
         ("ens256", "172.16.0.61", 24), ("ens256", "10.102.0.1", 32)]
    ),
    max_size=3, unique=True,
)  # fmt: skip


@st.composite
def documents(draw: t.Any) -> Document:
    wanted = {
        (entry["destination"], entry["metric"], entry["table"]): entry for entry in draw(st.lists(routes(), max_size=6))
    }
    asked = {
        tuple(sorted((key, value) for key, value in entry.items() if key != "table" and value is not False)): entry
        for entry in draw(st.lists(rules, max_size=4))
        if entry["family"] == "ipv4" or not entry.keys() & {"from", "to"}
    }
    interfaces: dict[str, Entry] = {}
    for name, ip, length in draw(addresses):
        entry = interfaces.setdefault(name, {"name": name, "ipv4": {"enabled": True, "addresses": []}})
        entry["ipv4"]["addresses"].append({"ip": ip, "prefix_length": length})
    return {
        "interfaces": list(interfaces.values()),
        "routes": {"config": list(wanted.values())},
        "route_rules": {"config": list(asked.values())},
    }


def planned(document: Document, owned: Owned) -> tuple[State, Plan]:
    desired = desired_from_options({"desired_state": document, "owner": "worker", "prune": True}, "network_state")
    state = observe()
    target = resolve(desired, state, owned)
    return state, plan(state, target, owned, find_networks(state.links))


def shown(netns: t.Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, words in (
        ("address", ["addr"]), ("rule", ["rule"]), ("rule6", ["-6", "rule"]),
        ("route", ["-4", "route", "show", "table", "all"]), ("route6", ["-6", "route", "show", "table", "all"]),
    ):  # fmt: skip
        entries = []
        for entry in netns.json(*words):
            if name == "address":
                for one in entry["addr_info"]:
                    if one["local"].startswith("fe80:"):
                        continue
                    # Which address of a network is the secondary one depends on their order, tentative on the time.
                    kept = {key: value for key, value in one.items() if key not in ("tentative", "secondary")}
                    entries.append({"ifname": entry["ifname"], **kept})
                continue
            if entry.get("type") in ("local", "broadcast", "multicast", "anycast") or entry.get("protocol") == "kernel":
                # The kernel's own, which follow the addresses; their source is the primary address.
                continue
            entry.get("nexthops", []).sort(key=repr)
            entries.append(entry)
        found[name] = sorted(map(repr, entries))
    return found


@contextlib.contextmanager
def a_node(fresh_netns: t.Any) -> t.Iterator[t.Any]:
    with fresh_netns() as netns:
        netns.veth("ens224", "peer224", "10.100.0.11/24", "2001:db8:a::b/64")
        netns.veth("ens256", "peer256", "172.16.0.11/24", "2001:db8:c::b/64")
        netns.batch(FOREIGN)
        yield netns


few = settings(
    max_examples=max(15, settings.default.max_examples // 3),
    # Namespaces are dear: a failure is shown as it was found.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(first=documents(), second=documents(), step=st.integers(0, 30))
def test_every_plan_leads_where_it_says_and_back_from_every_step(
    fresh_netns: t.Any, first: Document, second: Document, step: int
) -> None:
    with a_node(fresh_netns) as netns:
        others = shown(netns)
        state, to_first = planned(first, {})
        assert verify_applied(state, to_first) == []
        # Others have kept what they had.
        for part, entries in others.items():
            assert set(entries) <= set(shown(netns)[part]), part
        at_first = shown(netns)
        assert planned(first, to_first.owned)[1].changes == ()

        state, to_second = planned(second, to_first.owned)
        # A part of the way, and back; of rules that both match the first counts, so their order is a part of the state.
        order = list(state.rules.items())
        done = apply(to_second.changes[:step], state)
        assert undo(done, state) == []
        assert shown(netns) == at_first
        assert [one for one in observe().rules.items() if one[0][-1] == OURS] == [
            one for one in order if one[0][-1] == OURS
        ]
        # The whole way, and once more.
        assert verify_applied(state, to_second) == []
        at_second = shown(netns)
        assert planned(second, to_second.owned)[1].changes == ()
        for part, entries in others.items():
            assert set(entries) <= set(at_second[part]), part
        # Back with nothing declared: only what others have is left.
        state, to_nothing = planned({}, to_second.owned)
        assert verify_applied(state, to_nothing) == []
        assert shown(netns) == others
    with a_node(fresh_netns) as netns:
        state, straight = planned(second, {})
        assert verify_applied(state, straight) == []
        assert shown(netns) == at_second


def verify_applied(state: State, made: Plan) -> list[str]:
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import Target

    apply(made.changes, state)
    return verify(Target(), made, state, observe())


@few
@given(first=documents(), second=documents(), broken=st.integers(0, 30))
def test_a_failure_at_any_step_leads_back(fresh_netns: t.Any, first: Document, second: Document, broken: int) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change

    with a_node(fresh_netns) as netns:
        state, to_first = planned(first, {})
        apply(to_first.changes, state)
        start = shown(netns)
        state, to_second = planned(second, to_first.owned)
        bad = Route(2, 254, "10.250.0.0/16", 5, (NextHop("ens224", "192.0.2.1"),), protocol=157)
        changes = [*to_second.changes[:broken], Change("route", "", None, bad), *to_second.changes[broken:]]
        with pytest.raises(StateError, match=r"10\.250\.0\.0/16") as raised:
            apply(changes, state)
        assert raised.value.details["rolled_back"] is True, raised.value.message
        assert shown(netns) == start


@few
@given(document=documents())
def test_what_is_recorded_comes_back_from_the_file(
    fresh_netns: t.Any, tmp_path: pathlib.Path, document: Document
) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load, save

    with a_node(fresh_netns):
        state, made = planned(document, {})
        apply(made.changes, state)
        save(made.owned, str(tmp_path))
        assert load(str(tmp_path)) == made.owned
        assert planned(document, load(str(tmp_path)))[1].changes == ()
