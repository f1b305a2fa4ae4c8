# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's files tell its kubelet about DNS, which of them wins, and where a change has to go."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kubelet import health, options, sources, target
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import find_node
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.units import find_unit
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import clean
from ansible_collections.kubenode.network.plugins.module_utils._state.files import write_file
from ansible_collections.kubenode.network.tests.unit.test_kubelet_config import HEAD, KUBEADM

CONFIG = "/var/lib/kubelet/config.yaml"
FLAGS_ENV = "/var/lib/kubelet/kubeadm-flags.env"
CACHE = ("169.254.20.10",)
# As the package of kubelet and kubeadm have them (github.com/kubernetes/release, cmd/krel/templates).
KUBEADM_NODE = {
    "/usr/lib/systemd/system/kubelet.service": "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet\n"
    "Restart=always\nStartLimitInterval=0\nRestartSec=10\n",
    "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": """\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/b.conf --kubeconfig=/etc/kubernetes/k.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
""",
    FLAGS_ENV: 'KUBELET_KUBEADM_ARGS="--pod-infra-container-image=registry.k8s.io/pause:3.9 --hostname-override=W1"\n',
    CONFIG: KUBEADM,
}
K3S = {
    "/etc/systemd/system/k3s-agent.service": "[Service]\nExecStartPre=-/sbin/modprobe overlay\n"
    "ExecStart=/usr/local/bin/k3s \\\n    agent \\\n\t'--node-label=a=b' \\\n",
    "/etc/rancher/k3s/config.yaml": "server: https://s:6443\ndata-dir: /srv/k3s\n"
    "resolv-conf: /etc/r.conf\nkubelet-arg:\n- v=4\n",
}  # fmt: skip
K3S_FOLDER = "/srv/k3s/agent/etc/kubelet.conf.d"
K3S_NEW = {
    **K3S,
    f"{K3S_FOLDER}/00-k3s-defaults.conf": HEAD + "clusterDNS:\n- 10.43.0.10\nclusterDomain: cluster.local\n",
}


@pytest.fixture
def laid(tmp_path: pathlib.Path) -> t.Callable[..., str]:
    """Makes a node of files; returns its root."""

    def lay(*parts: dict[str, str]) -> str:
        for path, text in [pair for part in parts for pair in part.items()]:
            file = tmp_path / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return str(tmp_path)

    return lay


def made(root: str, of: target.Target) -> None:
    for one in of.writes:
        write_file(one.path, one.after, root)


def shown(root: str) -> dict[str, tuple[t.Any, str]]:
    node = find_node(root)
    return {option: (node.effective(option).value, str(node.effective(option).place)) for option in KEYS}


def test_a_node_of_kubeadm_is_told_by_its_configuration_file(laid: t.Callable[..., str]) -> None:
    root = laid(KUBEADM_NODE)
    node = find_node(root)
    assert sources.handed_out(root) == (("10.96.0.10",), f"{CONFIG} line 8")
    assert (node.kind, node.config, node.config_dir, node.kubeconfig) == (
        "kubelet", CONFIG, "", "/etc/kubernetes/k.conf"
    )  # fmt: skip
    assert node.flags["hostname-override"].value == "W1"
    assert shown(root) == {
        "cluster_dns": (("10.96.0.10",), f"{CONFIG} line 8"),
        "cluster_domain": ("cluster.local", f"{CONFIG} line 10"),
        "resolv_conf": ("/run/systemd/resolve/resolv.conf", f"{CONFIG} line 14"),
    }


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        (FLAGS_ENV, "# x\nKUBELET_KUBEADM_ARGS='--v=2 --cluster-dns 10.0.0.1,10.0.0.2'\n", f"{FLAGS_ENV} line 2"),
        ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--cluster_dns=10.0.0.1 --cluster-dns=10.0.0.2\n",
         "/etc/default/kubelet line 1"),
        ("/etc/systemd/system/kubelet.service.d/20-dns.conf",
         "[Service]\n#\nEnvironment=KUBELET_EXTRA_ARGS=--cluster-dns=10.0.0.1,10.0.0.2 A=b\n",
         "/etc/systemd/system/kubelet.service.d/20-dns.conf line 3"),
        ("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
         ("[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml \\\n"
          "  --cluster-dns=10.0.0.1,10.0.0.2\n"),
         "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf line 3"),
        ("/etc/systemd/system/kubelet.service",
         "[Service]\nEnvironment=KUBELET_EXTRA_ARGS=--cluster-dns=10.0.0.1,10.0.0.2\nExecStart=/x\n",
         "/etc/systemd/system/kubelet.service line 2"),
    ],
)  # fmt: skip
def test_a_flag_wins_and_a_change_is_refused_with_its_file_and_line(
    laid: t.Callable[..., str], file: str, text: str, place: str
) -> None:
    root = laid(KUBEADM_NODE, {file: text})
    assert shown(root)["cluster_dns"] == (("10.0.0.1", "10.0.0.2"), place)
    with pytest.raises(
        KubeletError, match=rf"^{place}: found the flag --cluster-dns 10.0.0.1, 10.0.0.2, .*daemon-reload"
    ):
        target.present(find_node(root), {"cluster_dns": CACHE}, root)
    # What the flag says already needs nothing, and the others can be set.
    both = {"cluster_dns": ("10.0.0.1", "10.0.0.2"), "cluster_domain": "corp.example"}
    assert target.present(find_node(root), {"cluster_dns": both["cluster_dns"]}, root).writes == ()
    made(root, target.present(find_node(root), both, root))
    assert shown(root)["cluster_domain"][0] == "corp.example"


def test_set_again_set_otherwise_and_taken_back(laid: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    root = laid(KUBEADM_NODE)
    wish = {"cluster_dns": CACHE, "resolv_conf": "/etc/resolv.conf"}
    first = target.present(find_node(root), wish, root)
    assert [one.path for one in first.writes] == [CONFIG, target.RECORDS]
    made(root, first)
    assert target.present(find_node(root), wish, root).writes == ()
    made(root, target.present(find_node(root), {"cluster_dns": ("10.1.1.1", *CACHE)}, root))
    assert shown(root)["cluster_dns"][0] == ("10.1.1.1", *CACHE)
    made(root, target.absent(find_node(root), root))
    assert (tmp_path / CONFIG[1:]).read_text(encoding="utf-8") == KUBEADM
    assert not (tmp_path / target.RECORDS[1:]).exists()
    assert target.absent(find_node(root), root).writes == ()


def test_what_somebody_else_has_set_since_is_left_alone(laid: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    root = laid(KUBEADM_NODE)
    made(root, target.present(find_node(root), {"cluster_dns": CACHE, "cluster_domain": "corp.example"}, root))
    file = tmp_path / CONFIG[1:]
    file.write_text(file.read_text(encoding="utf-8").replace("169.254.20.10", "10.9.9.9"), encoding="utf-8")
    back = target.absent(find_node(root), root)
    made(root, back)
    assert file.read_text(encoding="utf-8") == KUBEADM.replace("10.96.0.10", "10.9.9.9")
    assert len(back.warnings) == 1
    assert "clusterDNS is 10.9.9.9, which somebody else has set since" in back.warnings[0]


def test_where_kubelet_reads_drop_ins_ours_is_one_and_goes_as_a_whole(laid: t.Callable[..., str]) -> None:
    root = laid(
        KUBEADM_NODE,
        {"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d/\n",
         "/etc/kubernetes/kubelet.conf.d/10-a.conf": HEAD + "clusterDNS: [10.0.0.1]\n",
         "/etc/kubernetes/kubelet.conf.d/20-x/a.conf": HEAD + "clusterDNS: [10.0.0.2]\nresolvConf: null\n",
         "/etc/kubernetes/kubelet.conf.d/30.yaml": HEAD + "clusterDNS: [10.0.0.3]\n"},
    )  # fmt: skip
    before = shown(root)
    ours = "/etc/kubernetes/kubelet.conf.d/99-kubenode-network.conf"
    assert before["cluster_dns"] == (("10.0.0.2",), "/etc/kubernetes/kubelet.conf.d/20-x/a.conf line 3")
    assert before["resolv_conf"][0] == "/etc/resolv.conf"
    first = target.present(find_node(root), {"cluster_dns": CACHE}, root)
    assert [one.path for one in first.writes] == [ours]
    made(root, first)
    assert shown(root) == {**before, "cluster_dns": (CACHE, f"{ours} line 3")}
    made(root, target.present(find_node(root), {"cluster_domain": "corp.example"}, root))
    assert shown(root)["cluster_domain"][0] == "corp.example"
    back = target.absent(find_node(root), root)
    assert back.after["cluster_dns"] == ("10.0.0.2",)
    made(root, back)
    assert shown(root) == before


def test_a_drop_in_that_comes_after_ours_is_named(laid: t.Callable[..., str]) -> None:
    later = "/etc/k.d/99-z.conf"
    root = laid(
        KUBEADM_NODE,
        {
            "/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir /etc/k.d\n",
            later: HEAD + "clusterDNS: [10.0.0.1]\n",
        },
    )
    with pytest.raises(KubeletError, match=f"^{later} line 3: found clusterDNS 10.0.0.1 in a drop-in that comes after"):
        target.present(find_node(root), {"cluster_dns": CACHE}, root)


@pytest.mark.parametrize(
    ("more", "flags", "address"),
    [
        ("", "", ("127.0.0.1", 10248)),
        ("healthzPort: 10249\nhealthzBindAddress: 0.0.0.0\n", "", ("127.0.0.1", 10249)),
        ("healthzBindAddress: '::'\n", "--healthz-port=0", ("::1", 0)),
        ("healthzPort: 10249\n", "--healthz_port 10250 --healthz-bind-address=10.0.0.5", ("10.0.0.5", 10250)),
    ],
)
def test_healthz_is_asked_for_where_kubelet_serves_it(
    laid: t.Callable[..., str], more: str, flags: str, address: tuple[str, int]
) -> None:
    root = laid(KUBEADM_NODE, {CONFIG: HEAD + more, "/etc/default/kubelet": f"KUBELET_EXTRA_ARGS={flags}\n"})
    node = find_node(root)
    assert health.healthz_address(node) == address
    if not address[1]:
        assert health.healthz(node) == (True, "healthz is switched off")


def test_the_cache_knows_by_the_same_rules_whether_a_kubelet_hands_it_out(laid: t.Callable[..., str]) -> None:
    root = laid(
        KUBEADM_NODE,
        {"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/k.d\n",
         "/etc/k.d/99-kubenode-network.conf": HEAD + "clusterDNS:\n- 169.254.20.10\n"},
    )  # fmt: skip
    assert clean.users([], {*CACHE, "10.96.0.10"}, root) == [
        "the kubelet gives 169.254.20.10 to new pods (/etc/k.d/99-kubenode-network.conf line 3)"
    ]
    assert clean.users([], {"10.96.0.10"}, root) == []
    # A kubelet that a program around it starts cannot be followed, so its usual file counts.
    laid({"/etc/systemd/system/kubelet.service.d/99.conf": "[Service]\nExecStart=\nExecStart=/x/wrap\n"})
    assert sources.handed_out(root)[0] is None
    assert clean.users([], {"10.96.0.10"}, root) == [f"the kubelet gives 10.96.0.10 to new pods ({CONFIG})"]


def test_k3s_with_drop_ins_gets_one(laid: t.Callable[..., str]) -> None:
    root = laid(K3S_NEW)
    node = find_node(root)
    assert (node.kind, node.unit, node.kubeconfig) == ("k3s", "k3s-agent.service", "/srv/k3s/agent/kubelet.kubeconfig")
    assert shown(root)["cluster_dns"] == (("10.43.0.10",), f"{K3S_FOLDER}/00-k3s-defaults.conf line 3")
    made(root, target.present(node, {"cluster_dns": CACHE}, root))
    assert shown(root)["cluster_dns"] == (CACHE, f"{K3S_FOLDER}/99-kubenode-network.conf line 3")


def test_k3s_without_drop_ins_gets_an_argument_beside_those_of_others(laid: t.Callable[..., str]) -> None:
    root = laid(K3S)
    ours = "/etc/rancher/k3s/config.yaml.d/99-kubenode-network.yaml"
    assert shown(root)["resolv_conf"] == ("/etc/r.conf", "/etc/rancher/k3s/config.yaml line 3")
    made(root, target.present(find_node(root), {"cluster_dns": ("10.0.0.1", *CACHE)}, root))
    made(root, target.present(find_node(root), {"resolv_conf": "/etc/other.conf"}, root))
    assert shown(root)["cluster_dns"] == (("10.0.0.1", *CACHE), f"{ours} line 2")
    assert shown(root)["resolv_conf"][0] == "/etc/other.conf"
    made(root, target.absent(find_node(root), root))
    assert shown(root)["resolv_conf"][0] == "/etc/r.conf"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"/etc/rancher/k3s/config.yaml.d/50.yaml": "kubelet-arg+:\n- cluster-dns=10.0.0.1\n"},
         "50.yaml line 1: found the flag --cluster-dns 10.0.0.1"),
        ({"/etc/rancher/k3s/config.yaml.d/99-z.yaml": "kubelet-arg:\n- v=1\n"},
         "99-z.yaml: has kubelet-arg, .*kubelet-arg+"),
        ({"/etc/systemd/system/k3s-agent.service": "[Service]\nExecStart=/usr/local/bin/k3s agent --kubelet-arg v=2\n"},
         "k3s-agent.service line 2: found --kubelet-arg=v=2 on the command line"),
        ({"/etc/rancher/k3s/config.yaml": "a: &x {}\nkubelet-arg: *x\n"},
         r"config.yaml line 2: found 'kubelet-arg: \*x'"),
    ],
)  # fmt: skip
def test_what_of_k3s_would_win_over_ours_is_named(laid: t.Callable[..., str], more: dict[str, str], words: str) -> None:
    root = laid(K3S, more)
    with pytest.raises(KubeletError, match=words):
        target.present(find_node(root), {"cluster_dns": CACHE}, root)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no kubelet on this node: found neither"),
        ({"/var/snap/microk8s/current/args/kubelet": ""}, "run by MicroK8s .*snap restart"),
        ({"/etc/systemd/system/k0sworker.service": ""}, "run by k0s .*spec.workerProfiles"),
        ({**KUBEADM_NODE,
          "/etc/systemd/system/kubelet.service.d/99.conf": "[Service]\nExecStart=\nExecStart=/x/wrap $A\n"},
         "99.conf line 3: found /x/wrap, expected kubelet itself"),
        ({"/etc/systemd/system/kubelet.service": "[Service]\n"}, "kubelet.service: found no ExecStart"),
        ({"/etc/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet 'a\n"},
         "kubelet.service line 2: .*expected a command line"),
        ({"/etc/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet --v=2\n"},
         "neither --config nor --config-dir"),
        ({**KUBEADM_NODE, CONFIG: "clusterDNS: {}\n"}, f"{CONFIG} line 1: found 'clusterDNS: {{}}'"),
        ({**KUBEADM_NODE, CONFIG: HEAD + "clusterDNS: &a\n- 10.0.0.1\n"}, f"{CONFIG} line 3: found 'clusterDNS: &a'"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_be_set_is_refused_with_the_way_out(
    laid: t.Callable[..., str], files: dict[str, str], words: str
) -> None:
    root = laid(files)
    with pytest.raises(KubeletError, match=words):
        target.present(find_node(root), {"cluster_dns": CACHE}, root)


def test_a_configuration_file_that_is_missing_or_a_link_is_named(
    laid: t.Callable[..., str], tmp_path: pathlib.Path
) -> None:
    root = laid(KUBEADM_NODE)
    file = tmp_path / CONFIG[1:]
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(KubeletError, match=f"^{CONFIG}: there is no such file, .*kubeadm"):
        find_node(root)
    file.symlink_to("/elsewhere")
    with pytest.raises(KubeletError, match=f"^{CONFIG}: is a symbolic link to /elsewhere"):
        target.present(find_node(root), {"cluster_dns": CACHE}, root)


def test_damaged_records_are_named(laid: t.Callable[..., str]) -> None:
    root = laid(KUBEADM_NODE, {target.RECORDS: "{"})
    with pytest.raises(KubeletError, match=f"^{target.RECORDS}: is damaged"):
        target.absent(find_node(root), root)


def test_a_relative_resolver_file_counts_from_the_configuration_file(laid: t.Callable[..., str]) -> None:
    root = laid(KUBEADM_NODE, {CONFIG: HEAD + "resolvConf: r.conf\nclusterDNS: []\nclusterDomain: null\n"})
    assert [value for value, _place in shown(root).values()] == [None, None, "/var/lib/kubelet/r.conf"]


def test_variables_are_put_in_as_systemd_does(laid: t.Callable[..., str]) -> None:
    unit = "[Service]\nEnvironment='A=x y' B=2\nExecStart=-/bin/p $A ${A} --b=${B} $$C $NONE \"${NONE}\"\n"
    found = find_unit("kubelet.service", laid({"/etc/systemd/system/kubelet.service": unit}))
    assert found
    assert [word.text for word in found.words] == ["/bin/p", "x", "y", "x y", "--b=2", "$C"]


# --- options ----------------------------------------------------------------------------------------------------------


def test_more_servers_than_a_resolver_takes_are_a_warning() -> None:
    wish, warnings = options.parse({"cluster_dns": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "FD00:0::1"]})
    assert wish["cluster_dns"] == ("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1")
    assert "takes" not in warnings[0]
    assert "take 3" in warnings[0]


def test_drop_ins_come_in_the_order_of_kubelets_walk(laid: t.Callable[..., str]) -> None:
    names = ("a.conf", "a/x.conf", "a-b.conf", "b.conf.bak", ".conf", "B.conf")
    root = laid({f"/d/{name}": "" for name in names})
    assert sources.dropins("/d", root) == [
        f"/d/{name}" for name in (".conf", "B.conf", "a/x.conf", "a-b.conf", "a.conf")
    ]
