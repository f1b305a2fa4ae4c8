# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links against iproute2: reading, the everyday changes, and making the kinds this kernel has.

What this kernel lacks (on many machines VLAN, bond, VRF, dummy) is made
in the vm tier; here the kernel's refusal is shown.
"""

from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import _pyroute2_dep, link_kinds
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import (
    encode_link_set,
    link_indexes,
    link_names,
    read_links,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError


def _links(netns: t.Any) -> dict[str, Link]:
    return {link.name: link for link in read_links(netns.socket())}


def test_links_are_read_as_ip_shows_them(wired: t.Any) -> None:
    wired.batch(
        "link property add dev ens224 altname enp1s0 altname a-second-name-that-is-longer-than-fifteen\n"
        "link add br0 type bridge forward_delay 400 stp_state 1 mcast_snooping 0 priority 4096\n"
        "link set ens256 master br0 mtu 1400 address 02:00:00:00:00:07\n"
        "link add mac0 link ens224 type macvlan mode bridge\n"
        "link set peer224 down"
    )
    links = _links(wired)
    shown = {entry["ifname"]: entry for entry in wired.json("link", "show")}
    assert sorted(links) == sorted(shown)
    for name, entry in shown.items():
        link = links[name]
        flags = entry["flags"]
        assert (link.index, link.mtu, link.mac) == (entry["ifindex"], entry["mtu"], entry.get("address"))
        assert (link.up, link.running) == ("UP" in flags, "LOWER_UP" in flags and "UP" in flags)
        assert link.kind == entry.get("linkinfo", {}).get("info_kind", "")
        assert link.master == entry.get("master")
        assert list(link.alternative_names) == entry.get("altnames", [])
    assert links["mac0"].parent == "ens224"
    assert links["mac0"].data == (("mode", "bridge"),)
    assert links["ens224"].parent is None, "the peer of a veth is not what it lies on"
    bridge = dict(links["br0"].data)
    info = shown["br0"]["linkinfo"]["info_data"]
    assert (bridge["forward_delay"], bridge["stp_state"]) == (400, 1) == (info["forward_delay"], info["stp_state"])
    assert (bridge["multicast_snooping"], bridge["priority"]) == (0, 4096)
    assert not links["peer224"].up


def test_names_and_indexes_are_those_of_libc(wired: t.Any) -> None:
    links = read_links(wired.socket())
    assert (link_names(links), link_indexes(links)) == (wired.names, wired.indexes)


def test_a_lower_device_in_another_namespace_is_no_parent(wired: t.Any, fresh_netns: t.Any) -> None:
    """The index of the lower device is one of another namespace, where it may name anything."""
    wired.ip("link", "add", "mac0", "link", "ens224", "type", "macvlan")
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with fresh_netns() as other:
            namespace = f"/proc/{os.getpid()}/fd/{here}"
            # From here, so that "netns <pid>" means the fresh one.
            command = ["nsenter", f"--net={namespace}", "ip", "link", "set", "mac0", "netns", str(os.getpid())]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (link,) = [link for link in read_links(other.socket()) if link.name == "mac0"]
            assert (link.kind, link.parent) == ("macvlan", None)
    finally:
        os.close(here)


def test_everyday_changes(wired: t.Any) -> None:
    sock, indexes = wired.socket(), wired.indexes
    wired.ip("link", "add", "br0", "type", "bridge")
    bridge = wired.indexes["br0"]

    def shown() -> dict[str, t.Any]:
        (entry,) = wired.json("link", "show", "dev", "ens224")
        return t.cast("dict[str, t.Any]", entry)

    index = indexes["ens224"]
    assert sock.batch([encode_link_set(index, mtu=1400, mac="02:00:00:00:00:99", master=bridge)]) == [None]
    assert (shown()["mtu"], shown()["address"], shown()["master"]) == (1400, "02:00:00:00:00:99", "br0")
    assert "UP" in shown()["flags"], "what is not said stays"
    assert sock.batch([encode_link_set(index, up=False)]) == [None]
    assert "UP" not in shown()["flags"]
    assert shown()["mtu"] == 1400
    assert sock.batch([encode_link_set(index, up=True, master=0)]) == [None]
    assert "UP" in shown()["flags"]
    assert "master" not in shown()
    (error,) = sock.batch([encode_link_set(index, mtu=70000)])
    assert error is not None
    assert str(error) == "mtu greater than device maximum (EINVAL)"
    (missing,) = sock.batch([encode_link_set(9999, up=True)])
    assert missing is not None
    assert missing.errno == 19


needs_pyroute2 = pytest.mark.skipif(
    not _pyroute2_dep.is_usable(), reason="pyroute2 >= 0.7.2 is not installed in this Python"
)

# Kind, data, parent: what is created, and what is changed in place afterwards.
KINDS: dict[str, tuple[dict[str, t.Any], str | None, dict[str, t.Any]]] = {
    "bridge": ({"stp_state": 1, "forward_delay": 500}, None, {"multicast_snooping": 0}),
    "macvlan": ({"mode": "bridge"}, "ens224", {"mode": "private"}),
    "dummy": ({}, None, {}),
    "vlan": ({"id": 100, "protocol": "802.1ad"}, "ens224", {}),
    "vrf": ({"table": 1042}, None, {}),
    "bond": ({"mode": "802.3ad", "miimon": 100, "lacp_rate": "fast", "xmit_hash_policy": "layer3+4"}, None, {}),
}


@needs_pyroute2
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_made_changed_and_deleted_or_the_kernel_says_it_has_none(wired: t.Any, kind: str) -> None:
    data, parent, change = KINDS[kind]
    if wired.try_ip("link", "add", "probe0", *(("link", parent) if parent else ()), "type", kind, *_needed(kind)):
        with pytest.raises(NetlinkError, match=f"link new0: this kernel has no link kind '{kind}'"):
            link_kinds.create_link("new0", kind, data, parent)
        assert "new0" not in wired.indexes
        return
    wired.ip("link", "del", "probe0")
    link_kinds.create_link("new0", kind, data, parent, mtu=1400, mac="02:00:00:00:00:42")
    link = _links(wired)["new0"]
    assert (link.kind, link.mtu, link.mac, link.up, link.parent) == (kind, 1400, "02:00:00:00:00:42", False, parent)
    assert set(data.items()) <= set(link.data)
    (shown,) = wired.json("link", "show", "dev", "new0")
    assert shown["linkinfo"]["info_kind"] == kind
    if change:
        link_kinds.change_link("new0", kind, change)
        assert dict(_links(wired)["new0"].data) == {**dict(link.data), **change}
    with pytest.raises(NetlinkError, match=r"link new0: .*exists"):
        link_kinds.create_link("new0", kind, data, parent)
    link_kinds.delete_link(link.index)
    assert "new0" not in wired.indexes


def _needed(kind: str) -> tuple[str, ...]:
    return {"vlan": ("id", "1"), "vrf": ("table", "5")}.get(kind, ())


@needs_pyroute2
def test_an_option_the_kernel_lacks_is_not_a_kind_it_lacks(wired: t.Any) -> None:
    if not wired.try_ip("link", "add", "br0", "type", "bridge", "vlan_filtering", "1"):
        link_kinds.create_link("new0", "bridge", {"vlan_filtering": 1})
        assert dict(_links(wired)["new0"].data)["vlan_filtering"] == 1
        return
    with pytest.raises(NetlinkError, match="no link kind 'bridge', or not one of the options asked for"):
        link_kinds.create_link("new0", "bridge", {"vlan_filtering": 1})
    assert "new0" not in wired.indexes


@needs_pyroute2
def test_wrong_wishes_are_named_before_the_kernel_is_asked(wired: t.Any) -> None:
    before = wired.json("link", "show")
    wishes: list[tuple[type[Exception], str, t.Callable[[], None]]] = [
        (ValueError, "kind 'wireguard' cannot be created", lambda: link_kinds.create_link("new0", "wireguard", {})),
        (ValueError, "a vlan needs 'id'", lambda: link_kinds.create_link("new0", "vlan", {}, "ens224")),
        (ValueError, "a vrf needs 'table'", lambda: link_kinds.create_link("new0", "vrf", {})),
        (ValueError, "needs the interface it is on", lambda: link_kinds.create_link("new0", "macvlan", {})),
        (ValueError, "has no option 'colour'", lambda: link_kinds.create_link("new0", "bridge", {"colour": 1})),
        (
            ValueError,
            "mode must be one of private, vepa, bridge, passthru, source, not 'sideways'",
            lambda: link_kinds.create_link("new0", "macvlan", {"mode": "sideways"}, "ens224"),
        ),
        (
            NetlinkError,
            "there is no interface 'ens999'",
            lambda: link_kinds.create_link("new0", "vlan", {"id": 5}, "ens999"),
        ),
        (ValueError, "id of a vlan cannot be changed", lambda: link_kinds.change_link("ens224", "vlan", {"id": 6})),
        (NetlinkError, "link with index 9999: No such device", lambda: link_kinds.delete_link(9999)),
    ]
    for kind, words, wish in wishes:
        with pytest.raises(kind, match=words):
            wish()
    assert wired.json("link", "show") == before
