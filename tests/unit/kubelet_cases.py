# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of a kubelet, and what a real one (1.36) makes of them.

tests/cluster/test_kubelet.py asks a real kubelet again (with --full), tests/unit/test_kubelet_precedence.py asks us.
"""

from __future__ import annotations

import typing as t

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
MAIN = HEAD + "clusterDNS:\n- 10.0.0.1\nclusterDomain: main.example\nresolvConf: /etc/main.conf\n"


class Case(t.NamedTuple):
    name: str
    files: dict[str, str]
    """Relative to the node's root; drop-ins are below ``d``."""
    flags: tuple[str, ...]
    """ROOT stands for the node's root."""
    answer: tuple[tuple[str, ...], str, str]
    """clusterDNS, clusterDomain and resolvConf."""


CONFIG = "--config=ROOT/c.yaml"
FOLDER = "--config-dir=ROOT/d"
CASES = [
    Case("file", {"c.yaml": MAIN}, (CONFIG,), (("10.0.0.1",), "main.example", "/etc/main.conf")),
    Case("defaults", {"c.yaml": HEAD}, (CONFIG,), ((), "", "/etc/resolv.conf")),
    Case(
        "null and empty",
        {"c.yaml": HEAD + 'clusterDNS: []\nclusterDomain: null\nresolvConf: ""\n'},
        (CONFIG,), ((), "", ""),
    ),
    Case(
        "flow style, quotes, comments, other keys around",
        {"c.yaml": HEAD + "x509: {a: 'b: c'} # no key of kubelet\nclusterDNS: [\"10.0.0.1\", '10.0.0.2'] # two\n"
         "clusterDomain: 'a.example' # one\n"},
        (CONFIG,), (("10.0.0.1", "10.0.0.2"), "a.example", "/etc/resolv.conf"),
    ),
    Case(
        "JSON",
        {"c.yaml": '{"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1",\n'
         ' "clusterDNS": ["10.0.0.1"], "clusterDomain": "j.example"}'},
        (CONFIG,), (("10.0.0.1",), "j.example", "/etc/resolv.conf"),
    ),
    Case("a relative path", {"c.yaml": HEAD + "resolvConf: r/x.conf\n"}, (CONFIG,), ((), "", "ROOT/r/x.conf")),
    Case(
        "a relative path in a drop-in",
        {"c.yaml": HEAD, "d/a.conf": HEAD + "resolvConf: r/x.conf\n"}, (CONFIG, FOLDER), ((), "", "r/x.conf"),
    ),
    Case(
        "drop-ins one after the other, folders among them, other names left out",
        {"c.yaml": MAIN, "d/10.conf": HEAD + "clusterDNS: [10.0.1.1]\nclusterDomain: ten.example\n",
         "d/20/a.conf": HEAD + "clusterDNS: [10.0.2.1, 10.0.2.2]\n", "d/20-a.conf": HEAD + "clusterDomain: a.example\n",
         "d/30.yaml": HEAD + "clusterDNS: [10.0.3.1]\n", "d/40.conf.bak": HEAD + "clusterDNS: [10.0.4.1]\n"},
        (CONFIG, FOLDER), (("10.0.2.1", "10.0.2.2"), "a.example", "/etc/main.conf"),
    ),
    Case(
        "null and empty in a drop-in",
        {"c.yaml": MAIN, "d/a.conf": HEAD + "clusterDNS: []\nclusterDomain: null\nresolvConf: null\n"},
        (CONFIG, FOLDER), ((), "", "/etc/resolv.conf"),
    ),
    Case(
        "an empty text in a drop-in",
        {"c.yaml": MAIN, "d/a.conf": HEAD + 'clusterDomain: ""\nresolvConf: ""\n'},
        (CONFIG, FOLDER), (("10.0.0.1",), "", ""),
    ),
    Case("drop-ins alone", {"d/a.conf": MAIN}, (FOLDER,), (("10.0.0.1",), "main.example", "/etc/main.conf")),
    Case(
        "flags over all",
        {"c.yaml": MAIN, "d/a.conf": HEAD + "clusterDNS: [10.0.1.1]\n"},
        (CONFIG, FOLDER, "--cluster-dns=10.1.0.1", "--cluster-domain", "flag.example", "--resolv-conf=/etc/flag.conf"),
        (("10.1.0.1",), "flag.example", "/etc/flag.conf"),
    ),
    Case(
        "a list adds up over flags, of others the last one counts, and '_' is '-'",
        {"c.yaml": MAIN},
        (CONFIG, "--cluster_dns=10.1.0.1,10.1.0.2", "--cluster-dns", "10.1.0.3", "--cluster-domain=a.example",
         "--cluster_domain=b.example"),
        (("10.1.0.1", "10.1.0.2", "10.1.0.3"), "b.example", "/etc/main.conf"),
    ),
    Case(
        "empty flags",
        {"c.yaml": MAIN}, (CONFIG, "--cluster-dns=", "--cluster-domain=", "--resolv-conf="), ((), "", ""),
    ),
    Case("flags alone", {}, ("--cluster-dns=10.1.0.1",), (("10.1.0.1",), "", "/etc/resolv.conf")),
]  # fmt: skip
