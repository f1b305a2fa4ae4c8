# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses against iproute2, both ways."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import (
    encode_address_add,
    encode_address_delete,
    read_addresses,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address

STATIC = c.IFA_F_PERMANENT


def v4(address: str, length: int, **fields: t.Any) -> Address:
    return Address("ens224", c.AF_INET, address, length, **{"flags": STATIC, **fields})


def v6(address: str, length: int, **fields: t.Any) -> Address:
    return Address("ens224", c.AF_INET6, address, length, **{"flags": STATIC | c.IFA_F_NODAD, **fields})


# What `ip address add` takes (with `dev ens224`), and the address that the interface then has.
TWINS: dict[str, tuple[str, Address]] = {
    "plain": ("10.100.0.11/24", v4("10.100.0.11", 24)),
    "broadcast": ("10.100.0.11/24 broadcast +", v4("10.100.0.11", 24, broadcast="10.100.0.255")),
    "label": ("10.100.0.11/24 label ens224:1", v4("10.100.0.11", 24, label="ens224:1")),
    "peer": ("10.100.0.11 peer 10.100.0.1/32", v4("10.100.0.11", 32, peer="10.100.0.1")),
    "peer network": ("10.100.0.11 peer 10.100.7.0/24", v4("10.100.0.11", 24, peer="10.100.7.0")),
    "link scope": ("169.254.1.1/16 scope link", v4("169.254.1.1", 16, scope=253)),
    "no prefix route": ("10.100.0.11/24 noprefixroute", v4("10.100.0.11", 24, flags=STATIC | c.IFA_F_NOPREFIXROUTE)),
    "route metric": ("10.100.0.11/24 metric 77", v4("10.100.0.11", 24, route_metric=77)),
    "protocol": ("10.100.0.11/24 proto 157", v4("10.100.0.11", 24, protocol=157)),
    "IPv6": ("2001:db8:a::b/64 nodad", v6("2001:db8:a::b", 64)),
    "IPv6 peer": ("2001:db8:a::b peer 2001:db8:f::1/128 nodad", v6("2001:db8:a::b", 128, peer="2001:db8:f::1")),
    "IPv6 no prefix route": (
        "2001:db8:a::b/64 nodad noprefixroute",
        v6("2001:db8:a::b", 64, flags=STATIC | c.IFA_F_NODAD | c.IFA_F_NOPREFIXROUTE),
    ),
    "IPv6 home": (
        "2001:db8:a::b/64 nodad home",
        v6("2001:db8:a::b", 64, flags=STATIC | c.IFA_F_NODAD | c.IFA_F_HOMEADDRESS),
    ),
    "IPv6 route metric": ("2001:db8:a::b/64 nodad metric 300", v6("2001:db8:a::b", 64, route_metric=300)),
}


def _shown(netns: t.Any) -> list[dict[str, t.Any]]:
    (link,) = netns.json("address", "show", "dev", "ens224")
    return [entry for entry in link["addr_info"] if not entry["local"].startswith("fe80:")]


def _routes_made(netns: t.Any) -> list[dict[str, t.Any]]:
    """The routes that came with the address, once its own one is there: a worker of the kernel makes it in IPv6.

    Link-local ones come with duplicate address detection, at any time.
    """
    (address,) = _shown(netns)
    for _attempt in range(200):
        shown = [route for family in ("-4", "-6") for route in netns.routes(family, "all")]
        if any(route["dst"] == address["local"] for route in shown):
            break
        time.sleep(0.02)
    return [route for route in shown if not route["dst"].startswith(("fe80:", "ff00:"))]


@pytest.mark.parametrize("case", TWINS)
def test_ip_and_we_make_the_same_address(netns: t.Any, case: str) -> None:
    words, address = TWINS[case]
    netns.veth("ens224", "peer224")
    error = netns.try_ip("address", "add", *words.split(), "dev", "ens224")
    if "proto" in words and "garbage" in error:
        pytest.skip(f"this iproute2 cannot set the protocol of an address: {error}")
    assert not error
    made_by_ip = _shown(netns)
    assert len(made_by_ip) == 1
    routes = _routes_made(netns)
    sock, names, indexes = netns.socket(), netns.names, netns.indexes
    (found,) = [a for a in read_addresses(sock, names) if a.interface == "ens224" and not a.address.startswith("fe80:")]
    assert found == address
    assert sock.batch([encode_address_delete(address, indexes)]) == [None]
    assert _shown(netns) == []
    assert sock.batch([encode_address_add(address, indexes)]) == [None]
    assert _shown(netns) == made_by_ip
    assert _routes_made(netns) == routes
    (error_again,) = sock.batch([encode_address_add(address, indexes)])
    assert error_again is not None
    assert error_again.errno == 17


def test_leases_are_told_from_static_addresses(wired: t.Any) -> None:
    wired.batch(
        "addr add 10.100.0.50/24 dev ens224 valid_lft 600 preferred_lft 300\n"
        "addr add 2001:db8:a::50/64 dev ens224 nodad valid_lft 600 preferred_lft 300"
    )
    sock, names = wired.socket(), wired.names
    by_address = {address.address: address for address in read_addresses(sock, names)}
    assert not by_address["10.100.0.50"].flags & STATIC
    assert not by_address["2001:db8:a::50"].flags & STATIC
    assert by_address["10.100.0.11"].flags & STATIC
    assert by_address["2001:db8:a::b"].flags & STATIC
    assert by_address["10.100.0.50"].flags & c.IFA_F_SECONDARY


def test_one_family_can_be_read(wired: t.Any) -> None:
    sock, names = wired.socket(), wired.names
    assert {a.family for a in read_addresses(sock, names, c.AF_INET)} == {c.AF_INET}
    assert {a.family for a in read_addresses(sock, names, c.AF_INET6)} == {c.AF_INET6}
    assert len(read_addresses(sock, names)) == sum(len(link["addr_info"]) for link in wired.json("address", "show"))


def test_a_wrong_address_is_refused_in_the_kernels_words(wired: t.Any) -> None:
    sock, indexes = wired.socket(), wired.indexes
    (error,) = sock.batch([encode_address_delete(v4("10.9.9.9", 24), indexes)])
    assert error is not None
    assert str(error) in ("ipv4: Address not found (EADDRNOTAVAIL)", "Cannot assign requested address (EADDRNOTAVAIL)")
