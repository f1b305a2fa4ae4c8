# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a resolver asks for, in which order, and what it makes of the answers."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.search import (
    AS_IT_IS,
    Rules,
    host_rules,
    pod_rules,
    questions,
)
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import parse

POD = pod_rules(parse("search example.com\n"), "shop", "cluster.local")


def asked(name: str, rules: Rules, answers: dict[str, str]) -> tuple[list[str], str]:
    """The names asked for, and the end, where ``answers`` has what becomes of each; ``nxdomain`` otherwise."""
    names = questions(name, rules)
    seen = [next(names)]
    while True:
        try:
            seen.append(names.send(answers.get(seen[-1], "nxdomain")))
        except StopIteration as end:
            return seen, end.value


def test_a_pod_searches_its_namespace_its_cluster_and_what_the_node_searches() -> None:
    assert Rules(("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"), 5) == POD
    seen, end = asked("www.example.org", POD, {"www.example.org.": "found"})
    assert seen == [*(f"www.example.org.{domain}." for domain in POD.search), "www.example.org."]
    assert end == "found"


def test_a_search_ends_with_the_first_name_that_is_there() -> None:
    seen, end = asked("cart", POD, {"cart.svc.cluster.local.": "found"})
    assert seen == ["cart.shop.svc.cluster.local.", "cart.svc.cluster.local."]
    assert end == "found"


def test_a_name_with_enough_dots_is_asked_as_it_is_first_and_once() -> None:
    rules = Rules(("example.com",), 1)
    assert asked("a.b", rules, {}) == (["a.b.", "a.b.example.com."], "nxdomain")
    assert asked("a.b", rules, {"a.b.": "found"}) == (["a.b."], "found")


def test_a_final_dot_or_no_list_leaves_one_question() -> None:
    assert asked("a.", POD, {}) == (["a."], "nxdomain")
    assert asked("a", AS_IT_IS, {}) == (["a."], "nxdomain")


@pytest.mark.parametrize(
    ("answers", "questions_asked", "end"),
    [
        ({"a.one.": "none"}, ["a.one.", "a."], "nxdomain"),
        ({"a.one.": "servfail"}, ["a.one.", "a.two.", "a."], "servfail"),
        ({"a.one.": "servfail", "a.two.": "nodata"}, ["a.one.", "a.two.", "a."], "nodata"),
        ({"a.one.": "nodata", "a.": "found"}, ["a.one.", "a.two.", "a."], "found"),
    ],
)
def test_what_ends_a_search_and_what_is_told_of_it_is_as_in_glibc(
    answers: dict[str, str], questions_asked: list[str], end: str
) -> None:
    assert asked("a", Rules(("one", "two"), 1), answers) == (questions_asked, end)


def test_a_host_searches_what_its_file_says_else_its_own_domain() -> None:
    assert host_rules(parse("search a b\noptions ndots:3\n"), "w1.example.com") == Rules(("a", "b"), 3)
    assert host_rules(parse("nameserver 192.0.2.1\n"), "w1.example.com") == Rules(("example.com",), 1)
    assert host_rules(parse("search .\noptions ndots:99\n"), "w1.example.com") == Rules((), 15)
    assert host_rules(parse(""), "w1") == Rules((), 1)
