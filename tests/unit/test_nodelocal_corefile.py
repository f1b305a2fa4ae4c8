# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node-local cache's Corefile: what it says, what changes with options, and what node-cache makes of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import bypass
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts, Made, edit
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options

FACTS = Facts("cluster_ip", "cluster.local", ("10.96.0.10",), "10.96.77.3")
LOCAL = FACTS._replace(interception="local_ip")
STUB = {"stub_domains": [{"zone": "corp.example", "servers": ["10.0.0.53"]}]}


def again(made: Made, options: Options, facts: Facts = FACTS) -> Made:
    return edit(made.texts.after, made.texts.records, options, facts)


def plugins(text: str, zone: str) -> dict[str, list[str]]:
    """Name -> canonical texts of the plugins of a server block."""
    found: dict[str, list[str]] = {}
    for block in parse(text).blocks:
        if zone in [key.partition(":")[0] for key in block.keys]:
            for directive in block.directives:
                found.setdefault(directive.name, []).append(directive.canonical)
    return found


def test_cluster_ip_binds_both_addresses_and_leaves_the_pillars_to_the_pod() -> None:
    made = edit("", "", Options(), FACTS)
    for zone in ("cluster.local", "in-addr.arpa", "ip6.arpa", "."):
        assert plugins(made.texts.after, zone)["bind"] == ["bind 169.254.20.10 10.96.0.10"]
    cluster = plugins(made.texts.after, "cluster.local")
    assert cluster["forward"] == ["forward . __PILLAR__CLUSTER__DNS__ {\nforce_tcp\n}"]
    assert cluster["cache"] == ["cache {\nsuccess 9984 30\ndenial 9984 5\n}"]
    assert cluster["health"] == ["health 169.254.20.10:8080"]
    assert plugins(made.texts.after, ".")["forward"] == ["forward . __PILLAR__UPSTREAM__SERVERS__"]
    assert plugins(made.rendered, "cluster.local")["forward"] == ["forward . 10.96.77.3 {\nforce_tcp\n}"]
    assert plugins(made.rendered, ".")["forward"] == ["forward . /etc/resolv.conf"]


def test_local_ip_binds_its_own_address_and_asks_the_cluster_ip() -> None:
    made = edit("", "", Options(external_zones_via="cluster"), LOCAL)
    for zone in ("cluster.local", "in-addr.arpa", "."):
        assert plugins(made.texts.after, zone)["bind"] == ["bind 169.254.20.10"]
        assert plugins(made.texts.after, zone)["forward"] == ["forward . 10.96.0.10 {\nforce_tcp\n}"]


def test_ports_transport_and_ipv6_are_as_told() -> None:
    options = Options(local_ips=("fd00:90::a",), health_port=8081, metrics_port=9254, force_tcp=False)
    made = edit("", "", options, FACTS._replace(cluster_dns=("fd00:96::a",), upstream="fd00:96::7"))
    found = plugins(made.texts.after, "cluster.local")
    assert found["health"] == ["health [fd00:90::a]:8081"]
    assert found["prometheus"] == ["prometheus :9254"]
    assert found["forward"] == ["forward . __PILLAR__CLUSTER__DNS__"]


@pytest.mark.parametrize("options", [Options(), Options(edits=STUB), Options(external_zones_via="cluster", owner="me")])
def test_a_second_edit_changes_nothing(options: Options) -> None:
    made = edit("", "", options, FACTS)
    second = again(made, options)
    assert (second.texts.changes, second.texts.after) == ((), made.texts.after)
    assert second.texts.records == made.texts.records


def test_another_interception_changes_what_follows_from_it_and_nothing_else() -> None:
    made = edit("", "", Options(), FACTS)
    hand = "# hand\nhand.example {\n    bind 169.254.20.10 10.96.0.10\n    whoami # me\n}\n"
    text = made.texts.after.replace("    loop\n", "    loop # theirs\n", 1) + hand
    moved = edit(text, made.texts.records, Options(), LOCAL)
    assert {change.split(" in ")[0] for change in moved.texts.changes} == {"changed bind", "changed forward ."}
    assert hand in moved.texts.after
    assert "loop # theirs" in moved.texts.after
    back = edit(moved.texts.after, moved.texts.records, Options(), FACTS)
    assert back.texts.after == text


def test_what_the_user_declares_in_a_block_of_ours_is_his_and_ours_again_when_he_lets_go() -> None:
    made = edit("", "", Options(), FACTS)
    cache = {"cache": [{"server": "cluster.local", "options": {"success": [20000, 30], "denial": [100, 5]}}]}
    theirs = again(made, Options(edits=cache, owner="site"))
    assert plugins(theirs.texts.after, "cluster.local")["cache"] == ["cache {\nsuccess 20000 30\ndenial 100 5\n}"]
    assert again(theirs, Options(edits=cache, owner="site")).texts.changes == ()
    # Another owner's run leaves it alone.
    assert again(theirs, Options(owner="other")).texts.changes == ()
    ours = again(theirs, Options(owner="site"))
    assert plugins(ours.texts.after, "cluster.local") == plugins(made.texts.after, "cluster.local")


def test_new_blocks_are_bound_and_names_of_the_cluster_go_into_its_block() -> None:
    edits = {
        **STUB,
        "servers": [{"zones": ["lab.example"], "plugins": ["whoami"]}, {"zones": ["."], "plugins": ["loadbalance"]}],
        "hosts": [{"address": "10.0.0.80", "names": ["a.cluster.local", "b.example"]}],
    }
    text = edit("", "", Options(edits=edits), FACTS).texts.after
    assert plugins(text, "corp.example")["bind"] == plugins(text, "lab.example")["bind"] == [
        "bind 169.254.20.10 10.96.0.10"
    ]  # fmt: skip
    assert "loadbalance" in plugins(text, ".")
    assert "10.0.0.80 a.cluster.local" in plugins(text, "cluster.local")["hosts"][0]
    assert "10.0.0.80 b.example" in plugins(text, ".")["hosts"][0]


def test_an_older_text_is_edited_into_shape_and_what_others_added_stays() -> None:
    old = (
        "cluster.local:53 {\n    errors\n    cache 30\n    reload\n    loop\n    bind __PILLAR__LOCAL__DNS__\n"
        "    forward . __PILLAR__CLUSTER__DNS__ {\n        force_tcp\n    }\n    prometheus :9253\n"
        "    health 169.254.20.10:8080\n}\nacme.example {\n    bind __PILLAR__LOCAL__DNS__\n    forward . 10.9.9.9\n}\n"
    )
    made = edit(old, "", Options(), FACTS)
    assert plugins(made.texts.after, "cluster.local")["bind"] == ["bind 169.254.20.10 10.96.0.10"]
    # Pillars in blocks of others are node-cache's to replace.
    assert "acme.example {\n    bind __PILLAR__LOCAL__DNS__" in made.texts.after
    assert plugins(made.rendered, "acme.example")["bind"] == ["bind 169.254.20.10 10.96.0.10"]


@pytest.mark.parametrize(
    ("options", "facts", "words"),
    [
        (Options(edits={"servers": [{"zones": ["x.example"], "plugins": ["unbound"]}]}), FACTS, "unbound"),
        (
            Options(image_version="1.16.0", edits={"hosts": [{"address": "10.0.0.1", "names": ["a.example"]}]}),
            FACTS, "hosts is none of the server's plugins",
        ),
        (Options(edits={"forward": [{"server": ".", "servers": ["10.96.0.10"]}]}), FACTS, "is a loop"),
        (
            Options(edits=STUB), FACTS._replace(kube_dns={"stubDomains": '{"corp.example": ["1.2.3.4"]}'}),
            "already served",
        ),
        (Options(), FACTS._replace(kube_dns={"stubDomains": "{"}), "kube-dns, key stubDomains: is no JSON"),
        (Options(), FACTS._replace(kube_dns={"stubDomains": "[]"}), "is not what node-cache reads"),
        (Options(), FACTS._replace(kube_dns={"upstreamNameservers": '["nowhere"]'}), "nowhere"),
        (Options(resources={"limits": {"memory": "150Mi"}}), FACTS, "raise the limit"),
    ],
)  # fmt: skip
def test_what_node_cache_would_not_run_with_is_an_error(options: Options, facts: Facts, words: str) -> None:
    with pytest.raises(KubeError, match=words):
        edit("", "", options, facts)


def test_plugins_of_a_custom_image_pass_when_they_are_named_and_smaller_caches_need_less() -> None:
    edits = {"servers": [{"zones": ["x.example"], "plugins": ["unbound"]}]}
    assert edit("", "", Options(edits=edits, known_plugins=frozenset({"unbound"})), FACTS).texts.changes
    whole = edit("", "", Options(), FACTS).memory
    small = {"cache": [{"server": ".", "options": {"success": [100, 30], "denial": [100, 5]}}]}
    assert edit("", "", Options(edits=small), FACTS).memory < whole - 29 * 10**6


COREDNS = """\
.:53 {
    hosts {
        10.0.0.1 app.example db.cluster.local
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa
    rewrite name foo.example bar.example
    rewrite name a.cluster.local b.cluster.local
    forward . /etc/resolv.conf
}
corp.example:53 {
    forward . 10.0.0.53
}
"""


@pytest.mark.parametrize(
    ("text", "edits", "lost"),
    [
        (COREDNS, {}, ["the hosts entry of app.example", "the zone corp.example"]),
        (COREDNS, {**STUB, "hosts": [{"address": "10.0.0.1", "names": ["app.example"]}]}, []),
        (COREDNS.replace(". /etc/resolv.conf", "corp.example 10.1.1.1"), STUB, ["the hosts entry of app.example"]),
        (
            ".:53 {\n    file /db\n    hosts /etc/more\n}\n",
            {},
            ["what plugin file answers", "hosts from the file /etc/more"],
        ),
        (".:53 {\n    kubernetes cluster.local other.local\n}\n", {}, ["the zone other.local of plugin kubernetes"]),
        ("corp.example:5353 {\n    whoami\n}\n", {}, []),
        (". {\n    whoami\n", {}, []),
    ],
)
def test_what_coredns_serves_and_the_cache_would_bypass_is_found(
    text: str, edits: dict[str, t.Any], lost: list[str]
) -> None:
    cache = parse(edit("", "", Options(edits=edits), FACTS).rendered)
    found = bypass.bypassed(text, cache, "cluster.local")
    assert [one.message for one in found if one.lost] == lost


def test_what_may_make_a_difference_is_told_too() -> None:
    cache = parse(edit("", "", Options(), FACTS).rendered)
    text = COREDNS.replace("/etc/resolv.conf", "192.0.2.1")
    maybe = [str(one) for one in bypass.bypassed(text, cache, "cluster.local") if not one.lost]
    assert maybe == [
        "line 7 of CoreDNS's Corefile: what plugin rewrite does to external names",
        "line 9 of CoreDNS's Corefile: forward of external names to 192.0.2.1",
    ]


QUERY_LOG = "import /etc/node-local-dns-query-log/*.override"
ZONES = ("cluster.local", "in-addr.arpa", "ip6.arpa", ".")


def test_the_way_of_a_query_log_is_in_every_block_of_ours_and_goes_again() -> None:
    plain = edit("", "", Options(edits=STUB), FACTS)
    asked = Options(edits=STUB, query_log=True)
    made = again(plain, asked)
    for zone in ZONES:
        assert plugins(made.texts.after, zone)["import"] == [QUERY_LOG]
    # Those of users, and of ConfigMap kube-dns, are theirs.
    assert "import" not in plugins(made.texts.after, "corp.example")
    assert made.texts.warnings == plain.texts.warnings
    assert again(made, asked).texts.after == made.texts.after
    assert again(made, Options(edits=STUB)).texts.after == plain.texts.after
    own = {**STUB, "servers": [{"zones": ["corp.example"], "plugins": [QUERY_LOG]}]}
    theirs = again(made, Options(edits=own, query_log=True))
    assert plugins(theirs.texts.after, "corp.example")["import"] == [QUERY_LOG]
    assert theirs.texts.warnings == plain.texts.warnings


def test_a_log_of_somebody_stays_behind_the_one_for_a_while() -> None:
    """Of several that match, plugin log takes the first."""
    declared = Options(edits={"log": [{"server": ".", "classes": ["error"]}]})
    before = edit("", "", declared, FACTS)
    made = again(before, declared._replace(query_log=True))
    found = plugins(made.texts.after, ".")
    assert found["log"] == ["log {\nclass error\n}"]
    assert made.texts.after.index(QUERY_LOG, made.texts.after.index("\n.:53 {")) < made.texts.after.index("log {")
    assert again(made, declared).texts.after == before.texts.after


def test_an_image_that_cannot_log_is_refused_before_anybody_wants_it_to() -> None:
    assert "log" in Options().plugins()
    with pytest.raises(KubeError, match=r"query-log\.override.*log"):
        edit("", "", _Bare(query_log=True), FACTS)


class _Bare(Options):
    """An image of somebody's own, without plugin log."""

    def plugins(self) -> frozenset[str]:
        return super().plugins() - {"log"}
