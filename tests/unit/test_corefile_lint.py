# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of Corefiles, on a table that tests/cluster proves with the real CoreDNS."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import (
    ERROR,
    WARNING,
    Finding,
    Target,
    lint,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files
from ansible_collections.kubenode.network.tests.unit import corefile_cases as cases
from ansible_collections.kubenode.network.tests.unit.corefile_cases import Case

ROOT = pathlib.Path(__file__).resolve().parents[2]
COREDNS = Target(version="1.15.0")
ALONE = Files()


def found(text: str, target: Target = COREDNS, around: Files = ALONE) -> list[Finding]:
    return lint(parse(text), target, around)


def levels(text: str, level: str) -> list[tuple[str, int]]:
    return [(finding.kind, finding.line) for finding in found(text) if finding.level == level]


@pytest.mark.parametrize("case", [*cases.REFUSED.values(), *cases.LOOPS.values()], ids=[*cases.REFUSED, *cases.LOOPS])
def test_what_coredns_refuses_is_an_error_with_its_line(case: Case) -> None:
    assert (case.kind, case.line) in levels(case.text, ERROR), found(case.text)


@pytest.mark.parametrize("case", cases.DAMAGED.values(), ids=cases.DAMAGED)
def test_a_damaged_file_is_an_error_though_coredns_swallows_it(case: Case) -> None:
    assert (case.kind, case.line) in levels(case.text, ERROR)


@pytest.mark.parametrize("case", cases.SWALLOWED.values(), ids=cases.SWALLOWED)
def test_what_coredns_swallows_is_a_warning_with_its_line(case: Case) -> None:
    assert (case.kind, case.line) in levels(case.text, WARNING), found(case.text)
    assert levels(case.text, ERROR) == []


@pytest.mark.parametrize(
    "text", [*cases.VALID.values(), *cases.VALID_ELSEWHERE.values()], ids=[*cases.VALID, *cases.VALID_ELSEWHERE]
)
def test_nothing_is_said_of_a_valid_corefile(text: str) -> None:
    assert found(text) == []


def said(text: str, target: Target, around: Files = ALONE) -> set[tuple[str, str]]:
    return {(finding.level, finding.kind) for finding in found(text, target, around)}


@pytest.mark.parametrize(
    ("version", "text", "expected"),
    [
        ("1.11.1", "multisocket 2", {("error", "unknown-plugin")}),
        ("1.12.0", "multisocket 2", set()),
        ("", "multisocket 2", set()),
        ("1.6.9", "kubernetes cluster.local {\nupstream\n}", set()),
        ("1.7.0", "kubernetes cluster.local {\nupstream\n}", {("error", "unknown-option")}),
        ("", "kubernetes cluster.local {\nupstream\n}", {("warning", "unknown-option")}),
        ("1.4.0", "proxy . 10.0.0.1", set()),
        ("v1.5.0", "proxy . 10.0.0.1", {("error", "unknown-plugin")}),
        ("1.8.3", "forward a 10.0.0.1\nforward . 10.0.0.1", {("error", "plugin-twice")}),
        ("1.9.4", "forward a 10.0.0.1\nforward . 10.0.0.1", set()),
        ("1.9.3", "cache {\nservfail 5s\n}", {("error", "unknown-option")}),
        ("1.9.4", "cache {\nservfail 5s\n}", set()),
        ("1.13.1", "forward . dns.example", {("error", "bad-upstream")}),
        ("1.14.4", "forward . dns.example", {("warning", "upstream-name")}),
        ("1.99.0", "brandnew", {("warning", "unknown-plugin")}),
        ("1.99.0", "cache {\nbrandnew\n}", {("warning", "unknown-option")}),
    ],
)
def test_what_a_server_knows_depends_on_its_version(version: str, text: str, expected: set[tuple[str, str]]) -> None:
    assert said(f". {{\n{text}\n}}\n", Target(version=version)) == expected


def test_plugins_of_a_custom_build_are_known_when_they_are_named() -> None:
    text = ". {\nfanout . 10.0.0.1\n}\n"
    assert said(text, COREDNS) == {("error", "unknown-plugin")}
    assert said(text, COREDNS._replace(known_plugins=frozenset({"fanout"}))) == set()
    only = Target(known_plugins=frozenset({"fanout"}), only_known_plugins=True)
    assert said(text, only) == set()
    assert said(". {\nforward . 10.0.0.1\n}\n", only) == {("error", "unknown-plugin")}


NODE_CACHE = Target(
    "node-cache",
    interception="cluster_ip",
    host_network=True,
    cluster_dns=("10.96.0.10",),
    local_ips=("169.254.20.10", "10.96.0.10"),
)
CACHE = """\
cluster.local:53 {
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
}
.:53 {
    errors
    cache 30
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__UPSTREAM__SERVERS__
}
"""


def test_a_node_caches_own_corefile_is_valid_for_it_and_not_for_coredns() -> None:
    assert said(CACHE, NODE_CACHE) == set()
    assert ("error", "pillar") in said(CACHE, COREDNS)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    loop\n", "    kubernetes cluster.local\n", {("error", "unknown-plugin")}),
        ("    bind 169.254.20.10 10.96.0.10\n    forward . __PILLAR__U", "    forward . __PILLAR__U",
         {("warning", "mixed-bind")}),
        ("bind 169.254.20.10 10.96.0.10\n    forward . __PILLAR__U", "bind 10.96.0.10\n    forward . __PILLAR__U",
         {("warning", "bind-incomplete")}),
        ("__PILLAR__CLUSTER__DNS__", "10.96.0.10", {("error", "loop")}),
        ("__PILLAR__UPSTREAM__SERVERS__", "169.254.20.10", {("error", "loop")}),
        ("__PILLAR__UPSTREAM__SERVERS__", "127.0.0.53", set()),
        ("health 169.254.20.10", "health __PILLAR__LOCAL__DNS__", {("error", "pillar")}),
        ("cluster.local:53", "__PILLAR__DNS__DOMAIN__:53", {("error", "pillar")}),
        ("__PILLAR__UPSTREAM__SERVERS__", "dns.example", {("error", "bad-upstream")}),
    ],
)  # fmt: skip
def test_what_is_wrong_for_a_node_cache(old: str, new: str, expected: set[tuple[str, str]]) -> None:
    assert old in CACHE
    assert said(CACHE.replace(old, new), NODE_CACHE) == expected


def test_without_any_bind_a_node_cache_takes_the_nodes_addresses() -> None:
    text = CACHE.replace("    bind 169.254.20.10 10.96.0.10\n", "")
    assert said(text, NODE_CACHE) == {("warning", "no-bind")}


@pytest.mark.parametrize(
    ("target", "upstream", "loops"),
    [
        (Target(), "127.0.0.53", True),
        (Target(), "127.0.0.1:5353", False),
        (Target(host_network=True), "127.0.0.53", False),
        (Target(host_network=True), "127.0.0.1", True),
        (Target(cluster_dns=("10.96.0.10",)), "10.96.0.10", True),
        (Target(cluster_dns=("10.96.0.10",)), "10.96.0.11", False),
        (NODE_CACHE._replace(local_ips=("169.254.20.10",)), "10.96.0.10", True),
        (NODE_CACHE._replace(local_ips=("169.254.20.10",), interception="local_ip"), "10.96.0.10", False),
        (NODE_CACHE, "169.254.20.10", True),
        (Target(), "tls://127.0.0.1", False),
    ],
)
def test_what_a_loop_is_depends_on_where_the_server_runs(target: Target, upstream: str, loops: bool) -> None:
    assert ("error", "loop") in said(f". {{\nforward . {upstream}\n}}\n", target) or not loops
    assert ("error", "loop") not in said(f". {{\nforward . {upstream}\n}}\n", target) or loops


def test_a_resolv_conf_that_is_known_is_looked_into() -> None:
    around = Files({"/etc/resolv.conf": "search x\nnameserver 127.0.0.53\n"})
    text = ". {\nforward . /etc/resolv.conf\n}\n"
    assert said(text, COREDNS, around) == {("error", "loop")}
    assert said(text, COREDNS._replace(host_network=True), around) == set()


@pytest.mark.parametrize(
    ("target", "bind", "foreign"),
    [
        (Target(), "192.0.2.9", True),
        (Target(), "127.0.0.1", False),
        (Target(), "0.0.0.0", False),
        (Target(host_network=True), "192.0.2.9", False),
        (Target(host_network=True, addresses=("192.0.2.8",)), "192.0.2.9", True),
        (Target(host_network=True, addresses=("192.0.2.9",)), "192.0.2.9", False),
        (NODE_CACHE._replace(addresses=()), "169.254.20.10", False),
    ],
)
def test_an_address_to_bind_must_be_the_servers_own(target: Target, bind: str, foreign: bool) -> None:
    text = f". {{\nbind {bind}\nwhoami\n}}\n"
    plain = target._replace(known_plugins=frozenset({"whoami"}))
    assert (("error", "foreign-bind") in said(text, plain)) == foreign


def test_imported_files_are_linted_where_they_are_imported() -> None:
    text = "(common) {\nerrors\n}\nimport extra/*.server\n. {\nimport extra/*.override\nforward . 192.0.2.1\n}\n"
    files = {
        "/etc/coredns/extra/a.server": "a.example {\nimport common\nfowrard . 192.0.2.1\n}\n",
        "/etc/coredns/extra/b.override": "log\nforward b.example 192.0.2.2\n",
    }
    files["/etc/coredns/extra/c.server"] = "(common) {\nlog\n}\n"
    findings = found(text, COREDNS, Files(files))
    assert [finding.kind for finding in findings] == ["syntax"] and "redeclaration" in findings[0].message
    del files["/etc/coredns/extra/c.server"]
    findings = found(text, COREDNS, Files(files))
    assert [(finding.file, finding.line, finding.kind) for finding in findings] == [
        ("/etc/coredns/extra/a.server", 3, "unknown-plugin")
    ]


def test_a_reserved_snippet_is_for_importing_only() -> None:
    files = Files({"/etc/coredns/extra.conf": "(common) {\nlog\n}\nb.example {\nimport common\n}\n"})
    target = COREDNS._replace(reserved_snippets=frozenset({"common"}))
    assert said("import extra.conf\n. {\nwhoami\n}\n", target, files) == {("error", "snippet-reserved")}


def test_an_import_that_is_not_known_is_passed_over_with_a_warning() -> None:
    findings = lint(parse("import custom/*.server\n. {\nimport missing.conf\nwhoami\n}\n"))
    assert [(finding.level, finding.kind, finding.line) for finding in findings] == [
        (WARNING, "import-unknown", 1),
        (WARNING, "import-unknown", 3),
    ]


def test_a_finding_reads_well() -> None:
    [finding] = found(". {\nreload 1s\n}\n")
    assert str(finding) == "line 2: error: reload: 1s is out of range: at least 2s"


def test_every_kind_of_finding_is_documented() -> None:
    # The tables and the tests above name every kind that the code has, and the document names them to users.
    room = ROOT / "plugins/module_utils/_corefile"
    kinds = set()
    for path in (*room.glob("lint*.py"), room / "findings.py"):
        kinds |= set(
            re.findall(r'(?:error|warning|report)\(\s*[\w.\[\]]+,\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
        )
    kinds |= {"syntax", "variable-unset"}
    assert len(kinds) > 25
    document = (ROOT / "docs/corefile.md").read_text(encoding="utf-8")
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in document] == []
