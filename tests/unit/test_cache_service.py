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


def test_what_is_declared_goes_where_it_is_asked_for_and_a_foreign_block_without_bind_is_refused() -> None:
    wanted = options(
        servers=[{"zones": ["lab.example"], "plugins": ["whoami"]}],
        hosts=[{"address": "10.0.0.80", "names": ["db.cluster.local", "db.example.com"]}],
    )
    made = text.edit("", "", wanted, PLUGINS)
    lab, inside, outside = (text.parse(made.text).blocks[index] for index in (4, 0, 3))
    assert [one.canonical for one in lab.plugins("bind")] == [f"bind {LOCAL} {CLUSTER}"]
    for block, name in ((inside, "db.cluster.local"), (outside, "db.example.com")):
        assert [[line.canonical for line in one.options][:1] for one in block.plugins("hosts")] == [
            [f"10.0.0.80 {name}"]
        ]
    assert text.edit(made.text, made.records, wanted, PLUGINS).changes == ()
    with pytest.raises(StateError, match=r"line .*x\.example.* bind"):
        text.edit(f"{made.text}\nx.example:53 {{\n    whoami\n}}\n", made.records, wanted, PLUGINS)


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
