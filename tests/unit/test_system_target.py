# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run makes of files and sysctls: done once, owned by whom, and taken back exactly."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import resolver_target, system_target
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    HostSpec,
    InterfaceSpec,
    MultiNicSpec,
    Owned,
    Record,
    ResolverSpec,
    State,
    StateError,
    SysctlSpec,
    TableSpec,
)

HOSTS, RESOLV, NSS = "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"
TABLES, SYSCTL = "/etc/iproute2/rt_tables.d/kubenode.conf", "/etc/sysctl.d/90-kubenode-network.conf"
KINDS = ("host", "table", "sysctl", "resolver", "nsswitch")
RP = "net.ipv4.conf.ens224.rp_filter"
FILES = {
    HOSTS: "127.0.0.1 localhost\n10.100.0.5 registry\n",
    RESOLV: "# mine\nnameserver 10.0.0.53\n",
    NSS: "passwd: files\nhosts: files dns\n",
    "/etc/iproute2/rt_tables": "255\tlocal\n254\tmain\n100\tstorage\n",
}


class Node:
    """A node on which each run's targets come true."""

    def __init__(self, files: dict[str, str] = FILES, **sysctls: str) -> None:
        self.files = {path: FileState(text) for path, text in files.items()}
        self.sysctls: dict[str, str | None] = {"net.ipv4.ip_forward": "0", RP: "1", "net.ipv4.conf.all.rp_filter": "0"}
        self.owned: Owned = {}
        self.warnings: tuple[str, ...] = ()

    def run(self, **parts: t.Any) -> list[str]:
        """Apply a declaration; the names of the files and keys that changed."""
        desired = Desired(**parts)
        state = State(files=self.files, sysctls=self.sysctls)
        files, records, said, _activations, _check = system_target.file_targets(desired, state, self.owned)
        values, sysctl_records, more = system_target.sysctl_targets(desired, state, self.owned)
        changed = [path for path, (wanted, _why) in files.items() if self.files.get(path, FileState(None)) != wanted]
        changed += [key for key, (value, _owners) in values.items() if self.sysctls.get(key) != value]
        self.files.update({path: wanted for path, (wanted, _why) in files.items()})
        self.sysctls.update({key: value for key, (value, _owners) in values.items()})
        self.owned = {**records, **sysctl_records}
        self.warnings = (*said, *more)
        return changed

    def text(self, path: str) -> str | None:
        return self.files.get(path, FileState(None)).text

    def owners(self, kind: str, identity: t.Any) -> tuple[str, ...]:
        return self.owned[kind, identity].owners


def prune(*owners: str) -> tuple[tuple[str, str], ...]:
    return tuple((owner, kind) for owner in owners for kind in KINDS)


def host(address: str, *names: str, owner: str | None = "site") -> HostSpec:
    return HostSpec(owner, "hosts[0]", address, names)


def sysctl(key: str, value: str, owner: str | None = "site") -> SysctlSpec:
    return SysctlSpec(owner, f"sysctl[{key}]", key, value)


def table(number: int, name: str, purpose: str = "", owner: str | None = "site") -> TableSpec:
    return TableSpec(owner, "tables[0]", number, name, purpose)


def resolver(owner: str | None = "site", **parts: t.Any) -> ResolverSpec:
    return ResolverSpec(owner, "resolver", **parts)


WHOLE: dict[str, t.Any] = {
    "resolver": resolver(servers=("10.100.0.53",), search=("example.com",)),
    "hosts": (host("10.100.0.7", "api"), host("10.100.0.5", "registry")),
    "nsswitch_hosts": ("dns", "files"),
    "tables": (table(200, "external", "public"), table(100, "storage")),
    "sysctls": (sysctl(RP, "2"), sysctl("net.ipv4.ip_forward", "0")),
    "prune": prune("site"),
}


def test_a_whole_declaration_is_done_once() -> None:
    node = Node()
    assert set(node.run(**WHOLE)) == {HOSTS, RESOLV, NSS, TABLES, SYSCTL, RP}
    owned = node.owned
    assert node.run(**WHOLE) == []
    assert node.owned == owned
    assert node.text(RESOLV) == "# mine\nsearch example.com\nnameserver 10.100.0.53\n"
    assert "200\texternal\t# public (site)\n" in (node.text(TABLES) or "")
    assert "storage" not in (node.text(TABLES) or "")
    assert f"{RP} = 2" in (node.text(SYSCTL) or "")


def test_what_was_there_is_recorded_as_adopted() -> None:
    node = Node()
    node.run(**WHOLE)
    made = {key: record.made for key, record in node.owned.items()}
    assert made["host", ("10.100.0.7", ("api",))]
    assert not made["host", ("10.100.0.5", ("registry",))]
    assert made["table", "external"]
    assert not made["table", "storage"]
    assert made["sysctl", RP]
    assert not made["sysctl", "net.ipv4.ip_forward"]


def test_records_survive_json() -> None:
    node = Node()
    node.run(**WHOLE)

    def tuples(value: t.Any) -> t.Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    for (kind, identity), record in node.owned.items():
        assert tuples(json.loads(json.dumps([kind, identity, record.value]))) == (kind, identity, record.value)


def test_an_owner_who_lists_nothing_any_more_leaves_the_node_as_it_was() -> None:
    node = Node()
    node.run(**WHOLE)
    assert set(node.run(prune=prune("site"))) == {HOSTS, TABLES, SYSCTL, RP}
    assert node.owned == {}
    assert node.text(HOSTS) == FILES[HOSTS]
    assert (node.text(TABLES), node.text(SYSCTL)) == (None, None)
    assert node.sysctls[RP] == "1"
    # Servers that a node resolves with are not taken away: they are forgotten.
    assert node.text(RESOLV) == "# mine\nsearch example.com\nnameserver 10.100.0.53\n"
    assert node.run(prune=prune("site")) == []


def test_two_owners_leave_each_others_things_alone() -> None:
    node = Node()
    node.run(**WHOLE)
    lab: dict[str, t.Any] = {
        "hosts": (host("10.100.0.7", "api", owner="lab"),),
        "tables": (table(200, "external", "laboratory", owner="lab"),),
        "sysctls": (sysctl(RP, "2", owner="lab"),),
    }
    node.run(**lab, prune=prune("lab"))
    assert node.owners("host", ("10.100.0.7", ("api",))) == ("lab", "site")
    assert node.owners("table", "external") == ("lab", "site")
    assert node.owners("sysctl", RP) == ("lab", "site")
    assert "200\texternal\t# public (lab, site)\n" in (node.text(TABLES) or "")
    assert node.run(**WHOLE) == []
    node.run(prune=prune("site"))
    assert node.owners("sysctl", RP) == ("lab",)
    assert node.sysctls[RP] == "2"
    assert node.run(prune=prune("site")) == []
    assert "api\t# kubenode.network: lab\n" in (node.text(HOSTS) or "")
    node.run(prune=prune("lab"))
    assert node.owned == {}
    assert (node.text(HOSTS), node.text(TABLES), node.sysctls[RP]) == (FILES[HOSTS], None, "1")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"sysctls": (sysctl(RP, "0", owner="lab"),)}, r"sysctl .*rp_filter is to be 0, but site set it to 2"),
        ({"sysctls": (sysctl(RP, "0", owner=None),)}, r"but site set it to 2"),
        (
            {"resolver": resolver("lab", servers=("10.9.9.9",))},
            r"resolver servers is to be 10\.9\.9\.9, but site set it to 10",
        ),
        (
            {"resolver": resolver("lab", search=())},
            r"resolver search is to be nothing, but site set it to example\.com",
        ),
        ({"nsswitch_hosts": ("files",), "prune": prune("lab")}, "hosts is to be files, but site set it to dns files"),
        (
            {"tables": (table(200, "internet", owner="lab"),)},
            "table 200 is to be named internet, but .* names it external",
        ),
        ({"tables": (table(201, "external", owner="lab"),)}, "name external is to mean table 201, but .* to table 200"),
        (
            {"hosts": (host("10.9.9.9", "api", owner="lab"),)},
            r"api: .* says 10\.9\.9\.9, and the owner site says 10\.100\.0\.7",
        ),
    ],
)
def test_what_another_owner_declared_otherwise_is_an_error(parts: dict[str, t.Any], words: str) -> None:
    node = Node()
    node.run(**WHOLE)
    before = (dict(node.files), dict(node.sysctls), node.owned)
    with pytest.raises(StateError, match=words):
        node.run(**parts)
    assert (node.files, node.sysctls, node.owned) == before


def test_an_owner_changes_its_own_mind() -> None:
    node = Node()
    node.run(**WHOLE)
    node.run(
        sysctls=(sysctl(RP, "0"),),
        resolver=resolver(servers=("10.9.9.9",)),
        tables=(table(201, "external"), table(200, "public")),
        hosts=(host("10.9.9.9", "api"),),
    )
    assert node.sysctls[RP] == "0"
    assert node.owned["sysctl", RP].value == (RP, "0", "1")
    assert (node.text(TABLES) or "").split("\n")[1:] == ["200\tpublic\t# (site)", "201\texternal\t# (site)", ""]
    assert "10.9.9.9\tapi" in (node.text(HOSTS) or "")
    assert "10.100.0.7" not in (node.text(HOSTS) or "")


def test_owners_that_agree_in_one_run_change_a_shared_value() -> None:
    node = Node()
    node.run(sysctls=(sysctl(RP, "2"), sysctl(RP, "2", owner="lab")))
    node.run(sysctls=(sysctl(RP, "0"), sysctl(RP, "0", owner="lab")))
    assert node.sysctls[RP] == "0"
    assert node.owners("sysctl", RP) == ("lab", "site")


def test_without_an_owner_nothing_is_pruned_and_an_empty_list_clears() -> None:
    node = Node()
    node.run(hosts=(host("10.100.0.7", "api", owner=None),), sysctls=(sysctl(RP, "2", owner=None),))
    assert node.run(prune=prune("site")) == []
    assert node.sysctls[RP] == "2"
    assert node.run(hosts=()) == [HOSTS]
    assert node.text(HOSTS) == FILES[HOSTS]


def test_a_line_that_was_taken_out_by_hand_is_put_back() -> None:
    node = Node()
    node.run(**WHOLE)
    node.files[HOSTS] = FileState(FILES[HOSTS])
    node.files[TABLES] = FileState(None)
    node.sysctls[RP] = "0"
    assert set(node.run(**WHOLE)) == {HOSTS, TABLES, RP}
    assert node.owned["sysctl", RP].value == (RP, "2", "1")


def test_a_value_that_somebody_changed_since_is_not_put_back() -> None:
    node = Node()
    node.run(sysctls=(sysctl(RP, "2"),))
    node.sysctls[RP] = "0"
    assert node.run(prune=prune("site")) == [SYSCTL]
    assert node.sysctls[RP] == "0"
    assert "no longer the 2 that was set" in node.warnings[0]


def test_a_foreign_line_that_goes_leaves_ours_to_be_written() -> None:
    node = Node()
    entry = {"hosts": (host("10.100.0.5", "registry"),)}
    assert node.run(**entry) == []
    node.files[HOSTS] = FileState("127.0.0.1 localhost\n")
    assert node.run(**entry) == [HOSTS]
    assert node.owned["host", ("10.100.0.5", ("registry",))].made


def test_kinds_that_a_run_is_not_about_keep_their_records() -> None:
    node = Node()
    node.run(**WHOLE)
    owned = node.owned
    assert node.run(hosts=WHOLE["hosts"]) == []
    assert node.owned == owned
    assert system_target.files_needed(Desired(), owned) == ()
    assert system_target.sysctls_needed(Desired(), owned, ["ens224"]) == ()
    assert system_target.files_needed(Desired(prune=prune("lab")), owned) == ()
    assert set(system_target.files_needed(Desired(prune=prune("site")), owned)) >= {HOSTS, TABLES, SYSCTL}
    assert set(system_target.sysctls_needed(Desired(prune=prune("site")), owned, [])) == {RP, "net.ipv4.ip_forward"}


def test_routes_in_the_records_are_nobodys_business_here() -> None:
    node = Node()
    node.owned = {("route", ("x",)): Record("route", None, ("site",), True)}
    assert node.run(prune=prune("site")) == []
    assert node.owned == {}


@pytest.mark.parametrize("link", ["/run/connman/resolv.conf", "/run/netconfig/resolv.conf", "other"])
def test_a_managers_resolv_conf_is_refused_but_not_for_what_it_says_already(link: str) -> None:
    node = Node()
    node.files[RESOLV] = FileState("nameserver 10.100.0.53\n", link=link)
    assert node.run(resolver=resolver(servers=("10.100.0.53",))) == []
    with pytest.raises(StateError) as caught:
        node.run(resolver=resolver(servers=("10.100.0.54",)))
    assert caught.value.details["resolver_owner"]["evidence"].startswith("it is a symbolic link to " + link)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (HOSTS, {"hosts": WHOLE["hosts"]}),
        (NSS, {"nsswitch_hosts": ("dns", "files")}),
        (TABLES, {"tables": (table(200, "external"),)}),
        (SYSCTL, {"sysctls": (sysctl(RP, "2"),)}),
    ],
)
def test_no_file_is_written_through_a_link(path: str, parts: dict[str, t.Any]) -> None:
    node = Node()
    node.files[path] = FileState(FILES.get(path, ""), link="/somewhere/else")
    with pytest.raises(StateError, match="symbolic link to /somewhere/else"):
        node.run(**parts)


def test_a_container_runtimes_resolv_conf_is_written_with_a_warning() -> None:
    node = Node()
    mounts = "37 36 98:0 /x/resolv.conf /etc/resolv.conf rw - ext4 /dev/root rw\n"
    node.files["/proc/self/mountinfo"] = FileState(mounts)
    assert node.run(resolver=resolver(servers=("10.100.0.53",))) == [RESOLV]
    assert "container runtime at each start" in node.warnings[0]


def test_a_forwarding_loop_is_told_by_the_kubelets_configuration() -> None:
    node = Node()
    node.files[resolver_target.KUBELET_CONFIGS[0]] = FileState("clusterDNS:\n- 10.96.0.10\n")
    node.run(resolver=resolver(servers=("10.96.0.10", "10.97.0.1")), cluster_cidrs=("10.97.0.0/16",))
    assert "kubelet's clusterDNS" in node.warnings[0]
    assert "inside the cluster's 10.97.0.0/16" in node.warnings[1]


def test_a_sysctl_that_the_kernel_does_not_have_is_refused() -> None:
    with pytest.raises(
        StateError, match=r"sysctl\[net\.ipv4\.nonsense\]: this kernel has no sysctl net\.ipv4\.nonsense"
    ):
        Node().run(sysctls=(sysctl("net.ipv4.nonsense", "1"),))
    with pytest.raises(StateError, match=r"no sysctl net\.ipv4\.conf\.gone0\.rp_filter"):
        Node().run(sysctls=(sysctl("net.ipv4.conf.gone0.rp_filter", "1"),))


def test_one_of_an_interface_that_the_run_makes_is_not() -> None:
    node = Node()
    key = "net.ipv4.conf.ens224/100.rp_filter"
    vlan = InterfaceSpec("site", "interfaces[0]", "ens224.100", type="vlan")
    assert set(node.run(interfaces=(vlan,), sysctls=(sysctl("net.ipv4.conf.ens224.100.rp_filter", "2"),))) == {
        SYSCTL,
        key,
    }
    node.sysctls[key] = None
    assert node.run(prune=prune("site")) == [SYSCTL]


def test_strict_filters_under_multi_nic_are_told_without_any_sysctl() -> None:
    node = Node()
    node.run(multi_nic=(MultiNicSpec("site", "multi_nic[0]", "ens224", "10.100.0.1"),))
    assert "strict (1) on ens224" in node.warnings[0]
    needed = system_target.sysctls_needed(Desired(multi_nic=(MultiNicSpec(None, "m", "ens224"),)), {}, ["lo", "ens224"])
    assert set(needed) == {RP, "net.ipv4.conf.all.rp_filter"}


def test_a_hosts_file_of_cloud_init_is_told() -> None:
    node = Node()
    node.files[HOSTS] = FileState("# manage_etc_hosts is True: cloud-init writes this\n127.0.0.1 localhost\n")
    node.run(hosts=(host("10.100.0.7", "api"),))
    assert "cloud-init" in node.warnings[0]


def test_files_that_are_not_there_are_made_only_for_something() -> None:
    node = Node({})
    assert node.run(hosts=(), resolver=resolver(servers=(), search=())) == []
    assert node.run(resolver=resolver(servers=("10.100.0.53",)), hosts=(host("10.100.0.7", "api"),)) == [HOSTS, RESOLV]
    assert node.files[RESOLV] == FileState("nameserver 10.100.0.53\n")
