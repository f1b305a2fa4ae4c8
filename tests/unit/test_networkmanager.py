# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which profile of NetworkManager is a NIC's, which of its files are written, and what it is told then."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link
from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_release as release
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager import configure
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import Keyfile
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_profiles import derived_uuid
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError

from .state_builder import address, link, route

ETC = "/etc/NetworkManager/system-connections"
RUN = "/run/NetworkManager/system-connections"
USR = "/usr/lib/NetworkManager/system-connections"
UUID = "11111111-2222-3333-4444-555555555555"
PROFILE = f"""\
[connection]
id=stor
uuid={UUID}
type=ethernet
interface-name=eth2

[ipv4]
method=manual
address1=10.50.2.11/24
"""
GENERATED = PROFILE.replace("id=stor", "id=Wired connection 2") + "\n[.nmmeta]\nnm-generated=true\n"
EXTERNAL = GENERATED + "volatile=true\nexternal=true\n"
NOTHING = Nic("eth2")
ROUTE = Nic("eth2", routes=(route("10.80.0.0/16", "10.50.2.1", "eth2"),))
CANNOT = Nic("eth2", routes=(route("10.84.0.0/16", "10.50.2.1", "eth2", protocol=157, metrics=((8, 1200),)),))


class Node:
    """A node below a folder, with one NIC."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.links: dict[str, Link] = {"eth2": link("eth2", 3)}
        self.addresses: list[Address] = []

    def has(self, path: str, text: str = PROFILE) -> Node:
        write_file(path, FileState(text, 0o600), self.root)
        return self

    def active(self, uuid_: str = UUID, **more: object) -> Node:
        lines = [f"{key}={value}" for key, value in {"managed": "true", "connection-uuid": uuid_, **more}.items()]
        return self.has("/run/NetworkManager/devices/3", "\n".join(["[device]", *lines, ""]))

    def configure(self, previous: Nic = NOTHING, wanted: Nic = ROUTE, on_conflict: str = "fail") -> Configuration:
        """Configure and write the files."""
        before, after = ({} if nic == NOTHING else {"eth2": nic} for nic in (previous, wanted))
        result = configure(
            before, after, State(self.links, {one.key: one for one in self.addresses}), self.root, on_conflict
        )
        for path, file in result.files.items():
            write_file(path, file, self.root)
        return result

    def text(self, path: str) -> str | None:
        return read_file(path, self.root).text


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def words(commands: object) -> list[str]:
    return [" ".join(one[3:] if one[:2] == ("sh", "-c") else one) for one in commands]  # type: ignore[attr-defined]


def test_the_active_profile_is_found_by_its_uuid_whatever_its_name(node: Node) -> None:
    node.active().has(f"{ETC}/any name", PROFILE).has(f"{ETC}/eth2.nmconnection", PROFILE.replace("1111", "9999"))
    result = node.configure()
    assert list(result.files) == [f"{ETC}/any name"]
    assert result.files[f"{ETC}/any name"].mode == 0o600
    # Routes are made by us: applied again, a profile takes all IPv6 off the NIC for a moment.
    assert words(result.activate) == words(result.restore) == [f"nmcli connection load {ETC}/any name"]
    assert result.later == {"eth2"}
    assert (result.route_protocol, result.rule_protocol) == (4, 4)


def test_a_second_run_writes_and_tells_nothing(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    node.configure()
    result = node.configure(ROUTE, ROUTE)
    assert (result.files, result.activate, result.restore) == ({}, (), ())
    assert result.kept == (f"{ETC}/stor",)
    assert "/run/NetworkManager/devices/3" in result.watched


def test_letting_go_puts_the_profile_back(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    node.configure()
    node.configure(ROUTE, NOTHING)
    assert node.text(f"{ETC}/stor") == PROFILE


def test_addresses_are_applied_where_there_is_no_ipv6_to_lose(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    wanted = Nic("eth2", addresses=(address("10.50.2.12/24", "eth2"),))
    result = node.configure(wanted=wanted)
    again = [f"nmcli connection load {ETC}/stor", "nmcli device reapply eth2"]
    assert words(result.activate) == words(result.restore) == again
    assert result.later == frozenset()
    node.has(f"{ETC}/stor")
    node.addresses = [address("fd50:2::7/64", "eth2")]
    result = node.configure(wanted=wanted)
    assert words(result.activate) == again[:1]
    assert result.later == {"eth2"}
    node.has(f"{ETC}/stor")
    assert words(node.configure(wanted=Nic("eth2", mtu=1400)).activate) == again


def test_a_profile_without_uuid_is_found(node: Node) -> None:
    # uuid.uuid3 cannot have the all-zero namespace's bytes spelled otherwise; NetworkManager 1.42 gave this very one.
    path = f"{ETC}/plain.nmconnection"
    # What NetworkManager 1.42.4 gave a file at that path.
    assert derived_uuid(path) == "9212da71-639e-3782-8e9e-35b4d1f721cb"
    node.active(derived_uuid(path)).has(path, PROFILE.replace(f"uuid={UUID}\n", ""))
    assert list(node.configure().files) == [path]


def test_a_shadow_under_run_and_what_it_shadows_get_it_both(node: Node) -> None:
    node.active().has(f"{ETC}/stor", PROFILE).has(f"{RUN}/stor.nmconnection", PROFILE + "dns=10.0.0.1;\n")
    assert sorted(node.configure().files) == [f"{ETC}/stor", f"{RUN}/stor.nmconnection"]
    assert "dns" not in (node.text(f"{ETC}/stor") or "")


def test_a_profile_in_memory_alone_is_refused_with_the_way_out(node: Node) -> None:
    node.active().has(f"{RUN}/stor.nmconnection")
    with pytest.raises(StateError, match=f"in memory only.*nmcli connection modify {UUID}"):
        node.configure()


def test_a_profile_of_a_package_is_copied(node: Node) -> None:
    node.active().has(f"{USR}/stor.nmconnection")
    assert list(node.configure().files) == [f"{ETC}/stor.nmconnection"]
    assert node.text(f"{USR}/stor.nmconnection") == PROFILE


def test_a_profile_that_networkmanager_made_up_becomes_a_real_one(node: Node) -> None:
    node.active().has(f"{RUN}/Wired connection 2.nmconnection", GENERATED)
    result = node.configure()
    assert node.text(f"{RUN}/Wired connection 2.nmconnection") is None
    document = Keyfile(node.text(f"{ETC}/Wired connection 2.nmconnection") or "")
    assert document.get("connection", "uuid") == UUID
    assert ".nmmeta" not in document.groups
    assert words(result.activate)[0].startswith("nmcli connection load")


def test_a_nic_without_a_profile_gets_one_of_ours(node: Node) -> None:
    node.active("").has(f"{RUN}/Wired connection 2.nmconnection", GENERATED)
    wanted = Nic("eth2", addresses=(address("10.50.2.11/24", "eth2"),))
    result = node.configure(wanted=wanted)
    document = Keyfile(node.text(f"{ETC}/kubenode-eth2.nmconnection") or "")
    assert document.get("connection", "interface-name") == "eth2"
    assert document.get("ipv4", "method") == "manual"
    own = document.get("connection", "uuid")
    assert words(result.activate)[1] == f"nmcli --wait 25 connection up uuid {own} ifname eth2"
    # What NetworkManager made up would fight for the NIC.
    assert node.text(f"{RUN}/Wired connection 2.nmconnection") is None
    node.active(str(own))
    assert node.configure(wanted, wanted).files == {}
    node.configure(wanted, NOTHING)
    assert node.text(f"{ETC}/kubenode-eth2.nmconnection") is None


def test_a_profile_that_waits_for_the_nic_is_taken(node: Node) -> None:
    bound = PROFILE.replace("interface-name=eth2\n", "") + "[ethernet]\nmac-address=02:00:00:00:00:03\n"
    node.active("").has(f"{ETC}/stor", bound)
    result = node.configure()
    assert list(result.files) == [f"{ETC}/stor"]
    assert f"connection up uuid {UUID} ifname eth2" in words(result.activate)[1]


def test_several_waiting_profiles_are_named(node: Node) -> None:
    node.active("").has(f"{ETC}/one").has(f"{ETC}/two", PROFILE.replace("1111", "2222").replace("stor", "other"))
    with pytest.raises(StateError, match=r"'stor'.*'other'.*nmcli connection up"):
        node.configure()


def test_a_profile_for_any_nic_is_refused(node: Node) -> None:
    node.active().has(f"{ETC}/stor", PROFILE.replace("interface-name=eth2\n", ""))
    with pytest.raises(StateError, match="not bound to one NIC"):
        node.configure()


def test_a_port_of_a_bond_is_refused(node: Node) -> None:
    node.active().has(f"{ETC}/stor", PROFILE.replace("type=", "master=bond0\nslave-type=bond\ntype="))
    with pytest.raises(StateError, match="port of bond0"):
        node.configure()


def test_an_ifcfg_file_is_named_with_the_way_out(node: Node) -> None:
    node.active().has("/etc/sysconfig/network-scripts/ifcfg-eth2", f"UUID={UUID}\nDEVICE=eth2\n")
    with pytest.raises(StateError, match=f"ifcfg-eth2.*nmcli connection migrate {UUID}"):
        node.configure()


def test_a_profile_of_another_plugin_is_refused(node: Node) -> None:
    node.active()
    with pytest.raises(StateError, match="another plugin"):
        node.configure()


def test_files_that_networkmanager_passes_over_are_no_profiles(node: Node) -> None:
    node.active().has(f"{ETC}/.stor.kubenode").has(f"{ETC}/stor~").has(f"{USR}/stor").has(f"{ETC}/stor.nmconnection")
    assert list(node.configure().files) == [f"{ETC}/stor.nmconnection"]


def test_what_a_keyfile_cannot_say_is_replayed_by_the_dispatcher(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    result = node.configure(wanted=CANNOT)
    hook = "/etc/NetworkManager/dispatcher.d/60-kubenode-eth2"
    assert result.unexpressed == (("route", CANNOT.routes[0]),)
    assert list(result.files) == [hook]
    assert result.files[hook].mode == 0o755
    assert "10.84.0.0/16 table 254 proto 157" in (node.text(hook) or "")
    # The profile is as it was: NetworkManager has nothing to do.
    assert (result.activate, result.restore) == ((), ())
    assert node.configure(CANNOT, CANNOT).files == {}
    node.configure(CANNOT, NOTHING)
    assert node.text(hook) is None


def test_a_nic_goes_down_and_comes_up_by_its_profile(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    down = Nic("eth2", up=False)
    result = node.configure(wanted=down)
    assert words(result.activate)[1] == "nmcli device disconnect eth2"
    assert f"connection up uuid {UUID}" in words(result.restore)[1]
    node.active("")
    assert f"connection up uuid {UUID}" in words(node.configure(down, Nic("eth2", up=True)).activate)[1]


def test_a_nic_that_is_gone_is_taken_out_of_its_profile(node: Node) -> None:
    node.active().has(f"{ETC}/stor")
    node.configure()
    node.links = {}
    result = node.configure(ROUTE, NOTHING)
    assert node.text(f"{ETC}/stor") == PROFILE
    assert words(result.activate) == [f"nmcli connection load {ETC}/stor"]


# --- NICs that it only watches ----------------------------------------------------------------------------------------

ADDRESSED = Nic("eth2", addresses=(address("10.50.2.11/24", "eth2"),))
CONF = "/etc/NetworkManager/conf.d/90-kubenode-eth2.conf"


def released(node: Node, previous: Nic, wanted: Nic) -> Configuration:
    before, after = ({} if nic == NOTHING else {"eth2": nic} for nic in (previous, wanted))
    result = release.configure(before, after, State(links=node.links), node.root)
    for path, file in result.files.items():
        write_file(path, file, node.root)
    return result


@pytest.fixture
def watched(node: Node) -> Node:
    return node.active().has(f"{RUN}/eth2.nmconnection", EXTERNAL).has("/etc/NetworkManager/conf.d/x.conf", "")


def test_a_watched_nic_with_addresses_of_ours_is_left_alone(watched: Node) -> None:
    result = released(watched, NOTHING, ADDRESSED)
    assert "unmanaged-devices+=interface-name:=eth2" in (watched.text(CONF) or "")
    told = ["nmcli device set eth2 managed no", "nmcli general reload conf"]
    assert words(result.activate) == words(result.restore) == told
    # It is watched no more then.
    watched.has("/run/NetworkManager/devices/3", "[device]\nmanaged=false\n")
    assert released(watched, ADDRESSED, ADDRESSED) == Configuration(kept=(CONF,))


def test_letting_go_of_the_addresses_takes_the_file_away(watched: Node) -> None:
    released(watched, NOTHING, ADDRESSED)
    result = released(watched, ADDRESSED, NOTHING)
    assert watched.text(CONF) is None
    # Taken back at once the addresses would go: that is for its next start.
    assert words(result.activate)[0] == "nmcli device set eth2 managed no"


@pytest.mark.parametrize("wanted", [NOTHING, ROUTE])
def test_a_watched_nic_without_addresses_of_ours_stays_watched(watched: Node, wanted: Nic) -> None:
    assert released(watched, NOTHING, wanted) == Configuration()


def test_a_nic_that_it_manages_is_not_touched(node: Node) -> None:
    node.active().has(f"{ETC}/stor").has("/etc/NetworkManager/conf.d/x.conf", "")
    assert released(node, NOTHING, ADDRESSED) == Configuration()


def test_where_it_never_was_nothing_is_done(node: Node) -> None:
    assert released(node, NOTHING, ADDRESSED) == Configuration()
