# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corefiles in the shapes that distributions ship: valid, editable, and back again."""

from __future__ import annotations

import textwrap

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import reset
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import Target, lint
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files, load
from ansible_collections.kubenode.network.plugins.module_utils._corefile.wanted import edit

_KUBERNETES = """\
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
"""
COREFILES = {
    "k3s": ".:53 {\n    errors\n    health\n    ready\n" + _KUBERNETES + textwrap.indent(textwrap.dedent("""\
        hosts /etc/coredns/NodeHosts {
          ttl 60
          reload 15s
          fallthrough
        }
        prometheus :9153
        cache 30 {
          serve_stale 1h
        }
        loop
        reload
        loadbalance
        import /etc/coredns/custom/*.override
        forward . /etc/resolv.conf
        """), "    ") + "}\nimport /etc/coredns/custom/*.server\n",
    "AKS": textwrap.dedent("""\
        .:53 {
            errors
            ready
            health {
              lameduck 5s
            }
            kubernetes cluster.local in-addr.arpa ip6.arpa {
              pods insecure
              fallthrough in-addr.arpa ip6.arpa
              ttl 30
            }
            prometheus :9153
            forward . /etc/resolv.conf
            cache 30
            loop
            reload
            loadbalance
            import custom/*.override
            template ANY ANY internal.cloudapp.net {
              match "^(?:[^.]+\\\\.){4,}internal\\\\.cloudapp\\\\.net\\\\.$"
              rcode NXDOMAIN
              fallthrough
            }
            template ANY ANY reddog.microsoft.com {
              rcode NXDOMAIN
            }
        }
        import custom/*.server
        """),
    "OpenShift": textwrap.dedent("""\
        .:5353 {
            bufsize 1232
            errors
            log . {
                class error
            }
            health {
                lameduck 20s
            }
            ready
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                pods insecure
                fallthrough in-addr.arpa ip6.arpa
            }
            prometheus 127.0.0.1:9153
            forward . /etc/resolv.conf {
                policy sequential
            }
            cache 900 {
                denial 9984 30
            }
            reload
        }
        hostname.bind:5353 {
            chaos
        }
        """),
    "Kubespray": (
        ".:53 {\n    errors {\n    }\n    health {\n        lameduck 5s\n    }\n    ready\n" + _KUBERNETES
        + "    prometheus :9153\n    forward . /etc/resolv.conf {\n      prefer_udp\n      max_concurrent 1000\n    }\n"
        "    cache 30\n\n    loop\n    reload\n    loadbalance\n}\n"
    ),
}  # fmt: skip
KEYS = {"OpenShift": ".:5353"}


@pytest.mark.parametrize("name", COREFILES)
def test_what_distributions_ship_is_valid_and_can_be_edited_and_put_back(name: str) -> None:
    text, server = COREFILES[name], KEYS.get(name, ".:53")
    target, around = (
        Target(version="1.11.1"),
        Files({"/etc/coredns/custom/x.override": "log", "/etc/coredns/custom/x.server": ""}),
    )
    assert lint(parse(text), target, around) == []
    options = {
        "stub_domains": [{"zone": "corp.example", "servers": ["10.1.0.53"]}],
        "hosts": [{"address": "10.0.0.9", "names": ["a.example"], "server": server}],
        "forward": [{"server": server, "options": {"max_concurrent": 2000}}],
        "cache": [{"server": server, "ttl": 20}],
    }
    outcome = edit(parse(text), options)
    assert lint(outcome.document, target, around) == []
    assert outcome.document.text.count("hosts ") == 1
    assert str(reset(outcome.document, outcome.records).document) == text


def test_what_imports_the_files_of_an_extension_is_told() -> None:
    files = Files(
        {"/etc/coredns/custom/x.override": "log", "/etc/coredns/custom/x.server": "", "/etc/coredns/other": ""}
    )
    assert load(parse(COREFILES["k3s"]).tokens, files).files == {
        "/etc/coredns/custom/x.override",
        "/etc/coredns/custom/x.server",
    }
    assert load(parse(COREFILES["Kubespray"]).tokens, files).files == set()
