# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and prefixes against Python's ipaddress, and what is said about wrong ones."""

from __future__ import annotations

import ipaddress
import re
import socket

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import addr
from hypothesis import given
from hypothesis import strategies as st

_addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address),
    # Few bits: where the compression of zeros happens.
    st.integers(0, 2**8 - 1).map(
        lambda n: ipaddress.IPv6Address(sum(0xFFFF << 16 * i for i in range(8) if n >> i & 1))
    ),
)
_interfaces = _addresses.flatmap(
    lambda a: st.integers(0, a.max_prefixlen).map(lambda n: ipaddress.ip_interface(f"{a}/{n}"))
)


@given(_interfaces)
def test_prefixes_are_those_of_ipaddress(interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
    family, network, length, had_host_bits = addr.parse_prefix(str(interface))
    assert family == (socket.AF_INET if interface.version == 4 else socket.AF_INET6)
    assert network == interface.network.network_address.packed
    assert length == interface.network.prefixlen
    assert had_host_bits == (interface.ip != interface.network.network_address)
    canonical = addr.canonical_prefix(str(interface))
    assert ipaddress.ip_network(canonical) == interface.network
    assert addr.canonical_prefix(canonical) == canonical
    assert addr.parse_prefix(canonical).had_host_bits is False


@given(_addresses)
def test_addresses_are_those_of_ipaddress(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert addr.parse_address(str(address)) == (2 if address.version == 4 else 10, address.packed)
    assert addr.parse_address(address.exploded)[1] == address.packed
    assert ipaddress.ip_address(addr.canonical_address(address.exploded.upper())) == address
    assert addr.parse_prefix(str(address)).length == address.max_prefixlen


@given(_interfaces, _interfaces, st.data())
def test_containment_and_overlap_are_those_of_ipaddress(
    a: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    b: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    data: st.DataObject,
) -> None:
    # Random prefixes hardly ever meet: in half of the cases b is one above or below a.
    if data.draw(st.booleans()):
        length = data.draw(st.integers(0, a.network.max_prefixlen))
        b = ipaddress.ip_interface(f"{a.ip}/{length}")
    if a.version == b.version:
        assert addr.overlaps(str(a), str(b)) == a.network.overlaps(b.network)
        assert addr.contains(str(a), str(b)) == b.network.subnet_of(a.network)
        assert addr.contains(str(a), str(b.ip)) == (b.ip in a.network)
    else:
        assert not addr.overlaps(str(a), str(b))
        assert not addr.contains(str(a), str(b))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.1/16", "'10.1' is not an IPv4 or IPv6 address: an IPv4 address has four numbers, this has 2"),
        ("10.1.2.3.4", "four numbers, this has 5"),
        ("010.1.2.3", "leading zeros are ambiguous"),
        ("10.1.2.256", "each number is at most 255"),
        ("10.1.2.3/33", "'10.1.2.3/33': the prefix length must be a number from 0 to 32"),
        ("10.1.2.3/-1", "must be a number from 0 to 32"),
        ("10.1.2.3/08", "without leading zeros"),
        ("10.1.2.3/", "must be a number from 0 to 32"),
        ("10.1.2.3/24/24", "must be a number from 0 to 32"),
        ("10.1.2.3/ 24", "must be a number from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "write the prefix length as a number (0-32), not as a netmask"),
        ("2001:db8::/129", "from 0 to 128"),
        ("fe80::1%eth0/64", "leave the zone out and name the interface in its own option"),
        ("2001:db8:::1", "'2001:db8:::1' is not an IPv4 or IPv6 address"),
        ("2001:db8::g", "is not an IPv4 or IPv6 address"),
        ("", "'' is not an IPv4 or IPv6 address"),
        ("gateway.example", "'gateway.example' is not an IPv4 or IPv6 address"),
        ("10.1.2.3\0", "is not an IPv4 or IPv6 address"),
        ("\uff11\uff10.1.2.3", "is not an IPv4 or IPv6 address"),
        (" 10.1.2.3", "is not an IPv4 or IPv6 address"),
        ("default", "'default' says nothing about the family"),
    ],
)
def test_wrong_prefixes_are_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        addr.parse_prefix(text)


def test_default_is_a_prefix_where_the_family_is_known() -> None:
    assert addr.canonical_prefix("default", socket.AF_INET) == "0.0.0.0/0"
    assert addr.canonical_prefix("default", socket.AF_INET6) == "::/0"
    # The text wins over the family that was assumed.
    assert addr.canonical_prefix("2001:DB8::1/32", socket.AF_INET) == "2001:db8::/32"


def test_an_address_with_a_prefix_length_is_no_address() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1/24' is not an IPv4 or IPv6 address"):
        addr.parse_address("10.0.0.1/24")
