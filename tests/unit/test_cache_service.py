# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache without pods: what is asked for is checked, its Corefile is linted and keeps what others wrote."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node_script, text, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

LOCAL, CLUSTER, UPSTREAM = "169.254.20.10", "10.96.0.10", "10.96.0.53"
PLUGINS = frozenset(["bind", "cache", "errors", "forward", "health", "hosts", "loop", "prometheus", "whoami"])


def options(**given: t.Any) -> Options:
    wanted = {"binary": "/opt/coredns", "local_ips": [LOCAL, CLUSTER], "cluster_upstreams": [UPSTREAM], **given}
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate({k: v for k, v in wanted.items() if v is not None})
    assert not checked.error_messages, checked.error_messages
    return options_of(checked.validated_parameters)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"binary": None}, "binary is missing"),
        ({"binary": "coredns"}, "binary: 'coredns' is no absolute path"),
        ({"local_ips": []}, "local_ips is missing"),
        ({"local_ips": [LOCAL, ""]}, r"local_ips\[1\] is empty"),
        ({"local_ips": ["169.254.20"]}, r"local_ips\[0\]: '169.254.20' is no IP address"),
        ({"local_ips": ["127.0.0.1"]}, r"local_ips\[0\]: 127.0.0.1 can be nobody's own address"),
        ({"local_ips": ["fe80::1"]}, r"local_ips\[0\]: fe80::1 is an IPv6 link-local address"),
        ({"local_ips": [LOCAL, LOCAL]}, r"local_ips\[1\]: 169.254.20.10 is listed twice"),
        ({"interface": "a name"}, "interface: 'a name' is no name"),
        ({"interface": "sixteen-letters-x"}, "interface: 'sixteen-letters-x' is no name"),
        ({"cluster_domain": "cluster local"}, "cluster_domain: 'cluster local' is no domain"),
        ({"cluster_domain": "."}, "cluster_domain: '.' is no domain"),
        ({"cluster_upstreams": None}, "cluster_upstreams is missing"),
        ({"cluster_upstreams": ["dns.example.com"]}, r"cluster_upstreams\[0\]: 'dns.example.com' is no IP address"),
        ({"cluster_upstreams": ["10.0.0.1:0"]}, r"cluster_upstreams\[0\]: '10.0.0.1:0': '0' is no port"),
        ({"cluster_upstreams": [CLUSTER]}, r"cluster_upstreams\[0\]: 10.96.0.10 is one of local_ips"),
        ({"upstreams": []}, "upstreams is empty"),
        ({"upstreams": ["resolv.conf"]}, r"upstreams\[0\]: 'resolv.conf' is no IP address or a file"),
        ({"upstreams": [LOCAL]}, r"upstreams\[0\]: 169.254.20.10 is one of local_ips"),
        ({"health_port": 0}, "health_port: 0 is no port"),
        ({"health_port": 53}, "health_port: 53 is the DNS port already"),
        ({"metrics_port": 8080}, "metrics_port: 8080 is health_port already"),
        ({"memory_max": "much"}, "memory_max: 'much' is no size"),
        ({"memory_max": "64M"}, "memory_max: 64M is less than 96M"),
        ({"wait_timeout": 0}, "wait_timeout: 0 is no number of seconds"),
    ],
)
def test_bad_options_are_one_clear_error(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(StateError, match=said):
        options(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stub_domains": [{"zone": "a b", "servers": ["10.0.0.1"]}]}, r"stub_domains\[0\]"),
        ({"hosts": [{"address": "10.0.0", "names": ["a"]}]}, r"hosts\[0\]: '10.0.0' is no IP address"),
        ({"forward": [{"server": "no.such"}]}, r"forward\[0\]"),
        ({"cache": [{"ttl": "long"}]}, r"cache\[0\].ttl: 'long' is no int"),
        ({"log": [{"enable": True}]}, r"log\[0\]: unknown key enable"),
        ({"errors": [{"server": "no.such"}]}, "no server block serves no.such"),
        ({"servers": [{"zones": ["x.example"], "plugins": ["errors"]}]}, "has no bind"),
        ({"servers": [{"zones": ["x.example"], "plugins": [f"bind {LOCAL} {CLUSTER}", "etcd"]}]}, "etcd is none of"),
        ({"snippets": [{"name": "a b", "plugins": ["errors"]}]}, r"snippets\[0\]"),
        ({"stub_domains": [{"zone": "a.example", "servers": [LOCAL]}]}, "itself|loop"),
    ],
)
def test_what_the_server_would_refuse_is_an_error_that_says_where(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(StateError, match=said):
        text.edit("", "", options(**given), PLUGINS)


def test_a_binary_that_lacks_a_plugin_is_refused() -> None:
    with pytest.raises(StateError, match="loop is none of the server's plugins"):
        text.edit("", "", options(), PLUGINS - {"loop"})


def test_the_corefile_binds_every_block_and_a_second_run_changes_nothing() -> None:
    wanted = options(
        stub_domains=[{"zone": "corp.example.com", "servers": ["10.0.0.53"]}],
        hosts=[{"address": "10.0.0.80", "names": ["registry.example.com"]}],
        cache=[{"server": ".", "ttl": 60}],
    )
    made = text.edit("", "", wanted, PLUGINS)
    assert made.text.count(f"bind {LOCAL} {CLUSTER}\n") == made.text.count(":53 {") == 5
    assert "success 9984 30" in made.text
    assert "denial 9984 5" in made.text
    assert made.text.count("force_tcp") == 3
    assert f"health {LOCAL}:8080" in made.text
    assert "cache 60" in made.text
    again = text.edit(made.text, made.records, wanted, PLUGINS)
    assert (again.text, again.records, again.changes) == (made.text, made.records, ())
    # What is no longer declared goes, and the module's own takes its place again.
    plain = text.edit(made.text, made.records, options(), PLUGINS)
    assert "corp.example.com" not in plain.text
    assert "cache 60" not in plain.text
    assert plain.text.count("cache 30") == 3


def test_a_block_written_by_hand_survives_byte_for_byte() -> None:
    made = text.edit("", "", options(), PLUGINS)
    block = f"\nlab.example:53 {{\n\tbind  {LOCAL} {CLUSTER} # both\n\n\twhoami\n}}\n"
    edited = made.text.replace("    loop\n", "    loop # of mine\n", 1) + block
    changed = text.edit(edited, made.records, options(force_tcp=False), PLUGINS)
    assert block in changed.text
    assert "loop # of mine" in changed.text
    assert "force_tcp" not in changed.text


@pytest.mark.parametrize("listed", ["bind\ncache\nerrors\n", "Other plugins:\n  dns.bind\n  dns.cache\n  dns.errors\n"])
def test_plugins_are_read_of_old_and_new_releases(listed: str) -> None:
    assert text.plugins_of(listed) == {"bind", "cache", "errors"}


@pytest.mark.parametrize("backend", ["nft", "iptables", "none"])
def test_the_script_is_one_that_bash_reads(backend: str) -> None:
    content = node_script.text_for(options(local_ips=[LOCAL, "fd00::10"]), backend, units.USER)
    done = subprocess.run(["bash", "-n"], input=content, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "@VALUES@" not in content
    assert "@TABLES@" not in content


def test_the_unit_takes_what_is_asked_for_and_no_more() -> None:
    files = units.files(options(memory_max="512M"), "nft", networkd=False, networkmanager=False)
    unit = files[f"{units.SYSTEM}/{units.USER}@.service"][0]
    assert "MemoryMax=512M\n" in unit
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in unit
    assert "ProtectSystem=strict\n" in unit
    assert f"User={units.USER}\n" in unit
    assert not [path for path in files if "networkd" in path or "NetworkManager" in path]
