# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to what each NIC's configuration holds, and whether it is still as it was left."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link, NextHop
from ansible_collections.kubenode.network.plugins.module_utils._persist import boot_unit
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.detect import comes_back
from ansible_collections.kubenode.network.plugins.module_utils._persist.leases import going
from ansible_collections.kubenode.network.plugins.module_utils._persist.records import NODE, nics
from ansible_collections.kubenode.network.plugins.module_utils._persist.standing import digest, stands
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Record, State
from ansible_collections.kubenode.network.tests.unit.state_builder import address, link, route, rule, state

DATA = route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100, protocol=157)
TABLE = route("0.0.0.0/0", "10.100.0.1", "ens224", table=100, protocol=157)
HOME = address("10.100.0.10/24", "ens224")


def kept(*values: object, persist: bool = True, **settings: object) -> Owned:
    owned: Owned = {}
    for value in values:
        kind = type(value).__name__.lower()
        key = value.name if kind == "link" else value.key  # type: ignore[attr-defined]
        owned[kind, key] = Record(kind, value, ("o",), True, persist)
    for name, value in settings.items():
        nic, _underscores, field = name.partition("__")
        owned["setting", (nic, field.replace("__", "."))] = Record("setting", value, ("o",), True, persist)
    return owned


def test_each_nic_has_what_is_on_it_and_the_rules_that_look_into_its_tables() -> None:
    look = rule(100, 100, source="10.100.0.0/24", protocol=157)
    main = rule(101, 254, source="10.0.0.0/8", protocol=157)
    closed = route("203.0.113.0/24", type="blackhole", protocol=157)
    found = nics(kept(DATA, TABLE, HOME, look, main, closed, ens224__mtu=1450, ens224__state="up"))
    assert found == {
        NODE: Nic(NODE, routes=(closed,), rules=(main,)),
        "ens224": Nic("ens224", None, 1450, True, (HOME,), (TABLE, DATA), (look,)),
    }


def test_what_is_not_to_be_kept_is_in_nobodys_configuration() -> None:
    assert nics(kept(DATA, HOME, persist=False, ens224__mtu=1450)) == {}


def test_a_route_over_two_nics_is_in_both() -> None:
    both = DATA._replace(next_hops=(NextHop("ens224", "10.100.0.1"), NextHop("ens256", "172.16.0.1")))
    assert {name: nic.routes for name, nic in nics(kept(both)).items()} == {"ens224": (both,), "ens256": (both,)}


def test_a_made_link_knows_what_it_is_made_of_and_a_port_its_master() -> None:
    owned = kept(
        Link("bond0", 0, kind="bond"), bond0__ports=("ens224",), bond0__data__mode="active-backup", bond0__mtu=1400
    )
    found = nics(owned)
    assert found["bond0"].link == Link("bond0", 0, 1400, True, kind="bond", data=(("mode", "active-backup"),))
    assert found["ens224"].link == Link("ens224", 0, 0, True, master="bond0")


def test_what_several_declare_of_a_lease_is_one_answer() -> None:
    found = nics(kept(ens224__ipv4__dhcp=True, ens224__ipv4__auto_dns=False, ens224__ipv6__autoconf=False))
    assert found["ens224"].dhcp4 == Dhcp(True, dns=False)
    assert found["ens224"].dhcp6 == Dhcp(None, autoconf=False)


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "unit"),
    # As `systemd-escape` says them.
    [("ens224", "ens224"), ("ens224.100", "ens224.100"), ("br-lan", r"br\x2dlan"), ("eth0:1", "eth0:1"),
     (".x", r"\x2ex"), ("a@b", r"a\x40b")],
)  # fmt: skip
def test_a_nics_name_in_a_units(name: str, unit: str) -> None:
    assert boot_unit.escaped(name) == unit


def test_a_vlan_is_made_again_by_the_nic_below_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    vlan = Nic("ens224.100", Link("ens224.100", 0, 0, True, kind="vlan", parent="ens224", data=(("id", 100),)))
    found = boot_unit.configure({}, {"ens224.100": vlan}, State(), str(tmp_path))
    made = found.files["/etc/kubenode-network/nic.d/ens224.100"].text or ""
    assert "make link add link ens224 name ens224.100 type vlan id 100\n" in made
    assert "\non ens224\n" in made
    wants = "/etc/systemd/system/sys-subsystem-net-devices-ens224.device.wants/kubenode-network-link@ens224.100.service"
    assert found.files[wants].link == boot_unit.LINK_UNIT_PATH
    # An unmanaged NIC needs nothing but systemd's reading its units; below another root there is none to do so.
    assert (found.activate, found.restore) == ((), ())


def test_settings_of_a_kernel_alone_make_no_unit(tmp_path: pathlib.Path) -> None:
    # systemd-sysctl and udev replay sysctl.d for NICs that come late.
    found = boot_unit.configure({}, {"ens224": Nic("ens224", sysctls=(("net.ipv4.conf.ens224.rp_filter", "2"),))},
                                State(), str(tmp_path))  # fmt: skip
    assert found.files == {}


# --- as it was left --------------------------------------------------------------------------------------------------


def test_a_file_or_a_folder_that_is_not_as_it_was_is_seen(tmp_path: pathlib.Path) -> None:
    root = str(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/one").write_text("a")
    owned: Owned = {
        ("config", path): Record("config", (digest(path, root), ""), (), True)
        for path in ("/etc/one", "/etc/", "/etc/two")
    }
    assert stands(owned, {}, root)
    (tmp_path / "etc/one").write_text("b")
    assert not stands(owned, {}, root)
    (tmp_path / "etc/one").write_text("a")
    assert stands(owned, {}, root)
    (tmp_path / "etc/two").write_text("")
    assert not stands(owned, {}, root)


def test_another_manager_than_it_was_left_to_is_seen(tmp_path: pathlib.Path) -> None:
    links = {"ens224": Link("ens224", 3)}
    owned: Owned = {("manager", "ens224"): Record("manager", "NetworkManager", (), True)}
    assert not stands(owned, links, str(tmp_path))
    assert stands(owned, {}, str(tmp_path)), "a NIC that is not there tells nothing"
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "NetworkManager.service").symlink_to("/lib/systemd/system/NetworkManager.service")
    assert comes_back("NetworkManager", str(tmp_path))
    assert comes_back("netplan (NetworkManager)", str(tmp_path))
    assert not comes_back("systemd-networkd", str(tmp_path))
    assert stands(owned, links, str(tmp_path)), "it is down until the next boot"


# --- leases ----------------------------------------------------------------------------------------------------------


def test_what_is_not_taken_of_a_lease_goes_and_no_more() -> None:
    leased = address("10.100.0.99/24", "ens224", flags=0)
    default = route("0.0.0.0/0", "10.100.0.1", "ens224", protocol=16, metric=1024)
    to_gateway = route("10.100.0.1/32", None, "ens224", protocol=16, metric=1024, scope=253)
    more = route("10.66.0.0/16", "10.100.0.1", "ens224", protocol=16, metric=1024)
    other = route("10.67.0.0/16", "172.16.0.1", "ens256", protocol=16)
    node = state([link("ens224", 3), link("ens256", 4)], [leased, HOME], [default, to_gateway, more, other, DATA])

    def gone(dhcp: Dhcp) -> set[str]:
        return {value.destination if kind == "route" else value.address
                for kind, value in going(Nic("ens224", dhcp4=dhcp), node)}  # fmt: skip

    assert gone(Dhcp(True)) == gone(Dhcp(None)) == set()
    assert gone(Dhcp(True, routes=False)) == {"10.66.0.0/16"}
    assert gone(Dhcp(True, gateway=False)) == {"0.0.0.0/0"}
    assert gone(Dhcp(False)) == {"0.0.0.0/0", "10.100.0.1/32", "10.66.0.0/16", "10.100.0.99"}
