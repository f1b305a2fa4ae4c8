# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken edits of every kind never reach the API server: what it is sent is counted on the wire."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster.gateway import Gateway

MANY = [f"192.0.2.{number}" for number in range(1, 17)]


def plugin(text: str) -> dict[str, t.Any]:
    """A new server block with a plugin in Corefile's own words."""
    return {"servers": [{"zones": ["new.example.com"], "plugins": [text]}]}


def in_root(text: str) -> dict[str, t.Any]:
    """A plugin for the server block that is there."""
    return {"servers": [{"zones": ["."], "plugins": [text]}]}


def stub(**item: t.Any) -> dict[str, t.Any]:
    return {"stub_domains": [{"zone": "corp.example.com", "servers": ["192.0.2.1"], **item}]}


EDITS: dict[str, tuple[dict[str, t.Any], str]] = {
    # Options that say nothing CoreDNS could do
    "a stub domain without servers": (stub(servers=[]), r"stub_domains\[0\]: servers is missing"),
    "a server that is no address": (stub(servers=["192.0.2.300"]), r"line \d+: .*192\.0\.2\.300 is no IP address"),
    "a server that is a name": (stub(servers=["resolver"]), r"line \d+: .*the name resolver"),
    "a zone with a blank": (stub(zone="corp example"), r"'corp example' is no zone"),
    "a zone with a brace": (stub(zone="corp.example.com{"), r"'corp\.example\.com\{' is no zone"),
    "an unknown key": (stub(server="192.0.2.1"), r"stub_domains\[0\]: unknown key server"),
    "a port that is a word": (stub(port="dns"), r"stub_domains\[0\]\.port: 'dns' is no int"),
    "a zone that somebody serves": (stub(zone="."), r"server block of \.:53 on line 1 is not ours"),
    "hosts of no address": ({"hosts": [{"address": "here", "names": ["a.example"]}]}, "'here' is no IP address"),
    "hosts of no name": ({"hosts": [{"address": "192.0.2.1", "names": ["a b"]}]}, "'a b' is no host name"),
    "hosts of a comment": ({"hosts": [{"address": "192.0.2.1", "names": ["a#b"]}]}, "'a#b' is no host name"),
    "forward of a zone that is not there": (
        {"forward": [{"server": ".", "zone": "no.example", "options": {"max_fails": 1}}]},
        r"no forward no\.example in .* yet: servers is missing",
    ),
    "a cache that is said twice": (
        {"cache": [{"ttl": 10}, {"ttl": 20}]},
        r"cache\[1\]: .* is declared twice",
    ),
    # What lint finds in the edited text
    "an unknown plugin": (plugin("fowrard . 192.0.2.1"), r"line \d+: .*fowrard"),
    "an option that a plugin lacks": (stub(options={"polic": "random"}), r"line \d+: .*polic"),
    "a policy that is none": (stub(options={"policy": "least_conn"}), r"line \d+: .*least_conn"),
    "a number that is none": (stub(options={"max_fails": "many"}), r"line \d+: .*many"),
    "more servers than there may be": (stub(servers=MANY), r"line \d+: .*15"),
    "a plugin twice": (
        {"snippets": [{"name": "more", "plugins": ["errors"]}], **in_root("import more")},
        r"line \d+: .*errors",
    ),
    "a zone in two blocks": (
        {
            "servers": [
                {"zones": ["a.example", "b.example"], "plugins": ["whoami"]},
                {"zones": ["b.example", "c.example"], "plugins": ["any"]},
            ]
        },
        r"line \d+: .*b\.example",
    ),
    "a zone with an empty label": (
        {"servers": [{"zones": ["a..example"], "plugins": ["whoami"]}]},
        r"a\.\.example is no domain name",
    ),
    "a loop": ({"forward": [{"servers": ["127.0.0.1"]}]}, r"line \d+: .*127\.0\.0\.1"),
    "a loop through the node's resolver": ({"forward": [{"servers": ["127.0.0.53"]}]}, r"line \d+: .*127\.0\.0\.53"),
    "a string that nobody replaces": (plugin("forward . __PILLAR__CLUSTER__DNS__"), r"__PILLAR__CLUSTER__DNS__"),
    "an upstream without an address": (plugin("forward . upstream.invalid"), r"line \d+: .*upstream\.invalid"),
    "a reload too often": (plugin("reload 1s"), r"line \d+: .*reload"),
    "a bind of nobody's address": (stub(bind=["300.0.0.1"]), r"line \d+: .*300\.0\.0\.1"),
    "a snippet that is not there": (plugin("import nothing"), r"line \d+: .*nothing"),
    "a snippet that imports itself": (
        {"snippets": [{"name": "round", "plugins": ["import round"]}], **plugin("import round")},
        r"line \d+: .*snippet import depth",
    ),
    "an entry behind fallthrough": (
        plugin("hosts {\nfallthrough\n192.0.2.1 a.example\n}"),
        r"line \d+: .*fallthrough",
    ),
    "a template of no class": (plugin("template XX A"), r"line \d+: .*XX"),
    # Braces that would end, or begin, another block
    "a brace never closed": (plugin("forward . 192.0.2.1 {\nmax_fails 1"), "(?i)brace|closed|curly|'}'"),
    "a brace too many": (plugin("whoami\n}"), "(?i)brace|curly|'}'|one plugin"),
    "two plugins for one": (plugin("whoami\nany"), "(?i)one plugin"),
    "a quote never closed": (
        plugin('template IN A {\nanswer "{{ .Name }} 60 IN A 192.0.2.1\n}'),
        "(?i)quote|brace|closed",
    ),
}


@pytest.fixture(scope="module")
def gateway(plane: t.Any) -> t.Iterator[Gateway]:
    with Gateway(plane) as one:
        yield one


@pytest.mark.parametrize("name", EDITS)
def test_a_broken_edit_never_reaches_the_api_server(plane: t.Any, quick: str, gateway: Gateway, name: str) -> None:
    options, message = EDITS[name]
    before = plane.config_map(namespace=quick)
    gateway.seen.clear()
    client = connect({"kubeconfig": str(gateway.kubeconfig())})
    with pytest.raises(KubeError) as caught:
        corefile.change(
            client, Wanted(options), Request(service="dns", namespace=quick), False, True, lambda _line: None
        )
    assert re.search(message, caught.value.message), caught.value.message
    assert gateway.seen
    assert gateway.writes == []
    assert plane.config_map(namespace=quick) == before


def test_the_gateway_sees_an_edit_that_is_none_of_these(plane: t.Any, quick: str, gateway: Gateway) -> None:
    """Else the counts above would say nothing."""
    gateway.seen.clear()
    client = connect({"kubeconfig": str(gateway.kubeconfig())})
    request = Request(service="dns", namespace=quick, wait=False)
    assert corefile.change(client, Wanted(stub()), request, False, True, lambda _line: None)["changed"]
    assert sum("configmaps/coredns?" in one and "dryRun" not in one for one in gateway.writes) == 1
    assert len(EDITS) >= 25
