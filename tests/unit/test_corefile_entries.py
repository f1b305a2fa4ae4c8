# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits by meaning: what is declared comes, what was made goes, what others made stays."""

from __future__ import annotations

import difflib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import (
    Outcome,
    Record,
    dump_records,
    parse_records,
    reset,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.wanted import edit
from ansible_collections.kubenode.network.tests.unit.test_corefile_document import KUBEADM

Options = dict[str, t.Any]
STUB: Options = {"stub_domains": [{"zone": "corp.example", "servers": ["10.1.0.53", "10.2.0.53"]}]}
STUB_TEXT = "corp.example:53 {\n    errors\n    cache 30\n    forward . 10.1.0.53 10.2.0.53\n}\n"
HOSTS: Options = {"hosts": [{"address": "10.0.0.9", "names": ["a.example", "b.example"]}]}


def run(text: str, options: Options, records: t.Iterable[Record] = (), **more: str) -> Outcome:
    """One edit, which a second one leaves alone."""
    outcome = edit(parse(text), options, records, **more)
    again = edit(outcome.document, options, outcome.records, **more)
    assert (str(again.document), again.records, again.changes) == (str(outcome.document), outcome.records, ())
    return outcome


def diff(before: str, after: object) -> list[str]:
    """Lines with + and -, in order."""
    lines = difflib.ndiff(before.splitlines(), str(after).splitlines())
    return [line[0] + line[2:].strip() for line in lines if line[0] in "+-"]


def test_a_stub_domain_is_a_server_block_of_its_own() -> None:
    assert str(run(KUBEADM, STUB).document) == KUBEADM + STUB_TEXT


def test_a_stub_domain_has_options_cache_log_bind_and_port() -> None:
    item = {
        "zone": "corp.example",
        "servers": ["tls://10.1.0.53"],
        "options": {"tls_servername": "dns.example", "policy": "sequential", "force_tcp": True, "max_fails": None},
        "port": 1053,
        "cache": 0,
        "errors": False,
        "log": True,
        "bind": ["169.254.20.10", "10.96.0.10"],
    }
    assert str(run(KUBEADM, {"stub_domains": [item]}).document) == KUBEADM + (
        "corp.example:1053 {\n    bind 169.254.20.10 10.96.0.10\n    log\n    forward . tls://10.1.0.53 {\n"
        "       tls_servername dns.example\n       policy sequential\n       force_tcp\n    }\n}\n"
    )


def test_hosts_entries_get_a_hosts_plugin_with_fallthrough() -> None:
    assert diff(KUBEADM, run(KUBEADM, HOSTS).document) == [
        "+hosts {",
        "+10.0.0.9 a.example b.example",
        "+fallthrough",
        "+}",
    ]


def test_hosts_entries_go_into_the_hosts_plugin_that_is_there_before_its_fallthrough() -> None:
    text = KUBEADM.replace(
        "    reload\n", "    hosts {\n      10.0.0.1 x\n      fallthrough in-addr.arpa\n    }\n    reload\n"
    )
    outcome = run(text, HOSTS)
    assert diff(text, outcome.document) == ["+10.0.0.9 a.example b.example"]
    assert "      10.0.0.9 a.example b.example\n      fallthrough in" in str(outcome.document)


def test_a_hosts_plugin_without_fallthrough_gets_it_and_loses_it_again() -> None:
    text = KUBEADM.replace("    reload\n", "    hosts {\n      10.0.0.1 x\n    }\n    reload\n")
    outcome = run(text, HOSTS)
    assert diff(text, outcome.document) == ["+10.0.0.9 a.example b.example", "+fallthrough"]
    assert str(reset(outcome.document, outcome.records).document) == text


def test_forward_changes_targets_and_options_in_place() -> None:
    text = KUBEADM.replace(
        "resolv.conf\n", "resolv.conf {\n       # as many as fit\n       max_concurrent 1000\n    }\n"
    )
    options = {"forward": [{"servers": ["10.3.0.1"], "options": {"max_concurrent": 2000, "prefer_udp": True}}]}
    outcome = run(text, options)
    assert diff(text, outcome.document) == [
        "-forward . /etc/resolv.conf {",
        "+forward . 10.3.0.1 {",
        "-max_concurrent 1000",
        "+max_concurrent 2000",
        "+prefer_udp",
    ]
    assert str(reset(outcome.document, outcome.records).document) == text


def test_a_forward_of_a_zone_stands_before_the_one_that_would_take_its_names() -> None:
    outcome = run(KUBEADM, {"forward": [{"zone": "a.example", "servers": ["10.3.0.1"]}]})
    assert "    forward a.example 10.3.0.1\n    forward . /etc" in str(outcome.document)


def test_cache_changes_its_time_and_options_or_goes() -> None:
    options: Options = {"cache": [{"ttl": 60, "options": {"denial": [9984, 5]}}]}
    outcome = run(KUBEADM, options)
    assert diff(KUBEADM, outcome.document) == [
        "+cache 60 {",
        "+denial 9984 5",
        "-cache 30   # half a minute",
        "+}   # half a minute",
    ]
    assert str(reset(outcome.document, outcome.records).document) == KUBEADM
    off = edit(outcome.document, {"cache": [{"enabled": False}]}, outcome.records)
    assert diff(KUBEADM, off.document) == ["-cache 30   # half a minute"]


def test_log_and_errors_go_on_and_off_per_zone() -> None:
    text = KUBEADM + "a.example {\n    log\n    errors\n}\n"
    options = {
        "log": [{"classes": ["denial", "error"]}, {"server": "a.example", "enabled": False}],
        "errors": [{"server": "a.example", "enabled": False}],
    }
    outcome = run(text, options)
    assert diff(text, outcome.document) == ["+log {", "+class denial error", "+}", "-log", "-errors"]
    assert str(reset(outcome.document, outcome.records).document) == text


def test_any_plugin_comes_as_raw_lines_with_its_comments() -> None:
    raw = 'template IN A x.example {\n# all of them\n  answer "{{ .Name }} 60 IN A 10.0.0.1"\n}'
    options = {"servers": [{"zones": ["."], "plugins": ["rewrite name a.example b.example", raw]}]}
    outcome = run(KUBEADM, options)
    assert diff(KUBEADM, outcome.document) == [
        "+rewrite name a.example b.example",
        "+template IN A x.example {",
        "+# all of them",
        '+answer "{{ .Name }} 60 IN A 10.0.0.1"',
        "+}",
    ]
    fewer = edit(outcome.document, {"servers": [{"zones": ["."], "plugins": [raw]}]}, outcome.records)
    assert diff(str(outcome.document), fewer.document) == ["-rewrite name a.example b.example"]


def test_a_raw_plugin_that_stands_once_takes_the_place_of_the_other() -> None:
    outcome = run(KUBEADM, {"servers": [{"zones": [".:53"], "plugins": ["cache 5 {\nsuccess 100\n}"]}]})
    assert "    cache 5 {\n       success 100\n    }   # half a minute\n" in str(outcome.document)
    assert str(reset(outcome.document, outcome.records).document) == KUBEADM


def test_servers_make_blocks_and_snippets_stand_before_them() -> None:
    options = {
        "servers": [{"zones": ["a.example", "b.example:1053"], "plugins": ["import common", "whoami"]}],
        "snippets": [{"name": "common", "plugins": ["errors", "log {\nclass error\n}"]}],
    }
    assert str(run(KUBEADM, options).document) == (
        "(common) {\n    errors\n    log {\n       class error\n    }\n}\n"
        + KUBEADM
        + "a.example b.example:1053 {\n    import common\n    whoami\n}\n"
    )


EVERYTHING: Options = {
    **STUB,
    **HOSTS,
    "forward": [{"servers": ["10.3.0.1"], "options": {"max_concurrent": 2000}}],
    "cache": [{"ttl": 60, "options": {"success": [9984, 30]}}],
    "log": [{}],
    "errors": [{"enabled": False}],
    "servers": [{"zones": ["."], "plugins": ["rewrite name a b"]}, {"zones": ["x.example"], "plugins": ["whoami"]}],
    "snippets": [{"name": "common", "plugins": ["errors"]}],
}


@pytest.mark.parametrize("purge_one_by_one", [False, True])
def test_what_leaves_the_variables_goes_without_a_trace(purge_one_by_one: bool) -> None:
    outcome = run(KUBEADM, EVERYTHING)
    left = dict(EVERYTHING)
    for name in list(EVERYTHING) if purge_one_by_one else []:
        del left[name]
        outcome = edit(outcome.document, left, outcome.records)
    if not purge_one_by_one:
        outcome = edit(outcome.document, {}, outcome.records)
    assert (str(outcome.document), outcome.records, outcome.kept) == (KUBEADM, (), ())


def test_purge_none_keeps_what_is_no_longer_declared() -> None:
    outcome = run(KUBEADM, STUB)
    again = edit(outcome.document, {}, outcome.records, purge="none")
    assert (str(again.document), again.records) == (str(outcome.document), outcome.records)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (KUBEADM + STUB_TEXT, STUB),
        (KUBEADM + STUB_TEXT.replace("errors\n", "log\n"), STUB),
        (KUBEADM.replace("reload", "hosts {\n10.0.0.9 b.example\n10.0.0.9 A.example.\nfallthrough\n}"), HOSTS),
        (KUBEADM, {"cache": [{"ttl": 30}]}),
        (KUBEADM, {"errors": [{}]}),
        (KUBEADM, {"forward": [{"servers": ["/etc/resolv.conf"]}]}),
        ("(a) {\nlog\n}\n" + KUBEADM, {"snippets": [{"name": "a", "plugins": ["log"]}]}),
        (KUBEADM, {"servers": [{"zones": ["."], "plugins": ["cache 30", "health {\n lameduck 5s\n}"]}]}),
    ],
)
def test_an_equal_entry_of_somebody_else_is_never_adopted(text: str, options: Options) -> None:
    outcome = run(text, options)
    assert (str(outcome.document), outcome.records) == (text, ())
    assert str(edit(outcome.document, {}, outcome.records).document) == text


def test_only_the_names_that_are_lacking_are_written() -> None:
    text = KUBEADM.replace(
        "    reload\n", "    hosts {\n       10.0.0.9 a.example\n       fallthrough\n    }\n    reload\n"
    )
    outcome = run(text, HOSTS)
    assert diff(text, outcome.document) == ["+10.0.0.9 b.example"]
    assert str(edit(outcome.document, {}, outcome.records).document) == text


@pytest.mark.parametrize(
    ("options", "edited"),
    [
        (STUB, ("forward . 10.1.0.53", "forward . 10.9.0.53")),
        (HOSTS, ("10.0.0.9 a.example", "10.0.0.9 c.example")),
        ({"cache": [{"ttl": 60}]}, ("cache 60", "cache 61")),
        ({"servers": [{"zones": ["."], "plugins": ["bufsize 1232"]}]}, ("bufsize 1232", "bufsize 512")),
    ],
)
def test_an_entry_that_was_edited_since_stays(options: Options, edited: tuple[str, str]) -> None:
    outcome = run(KUBEADM, options)
    text = str(outcome.document).replace(*edited)
    assert text != str(outcome.document)
    gone = reset(parse(text), outcome.records)
    assert edited[1] in str(gone.document) and gone.records == () and gone.kept


def test_what_others_put_into_our_block_stays_with_it() -> None:
    outcome = run(KUBEADM, STUB)
    text = str(outcome.document).replace("    cache 30\n    forward", "    cache 30\n    bufsize 1232\n    forward")
    assert "bufsize 1232" in str(edit(parse(text), STUB, outcome.records).document)
    gone = edit(parse(text), {}, outcome.records)
    assert str(gone.document) == KUBEADM + "corp.example:53 {\n    bufsize 1232\n}\n"
    assert gone.kept == ("server block corp.example.:53 holds what others put in and stays",)


def test_what_others_put_into_our_hosts_stays_with_its_fallthrough() -> None:
    outcome = run(KUBEADM, HOSTS)
    text = str(outcome.document).replace(
        "       fallthrough\n    }\n", "       10.0.0.1 x\n       fallthrough\n    }\n"
    )
    gone = edit(parse(text), {}, outcome.records)
    assert diff(KUBEADM, gone.document) == ["+hosts {", "+10.0.0.1 x", "+fallthrough", "+}"] and gone.kept


def test_a_changed_declaration_changes_the_entry() -> None:
    outcome = run(KUBEADM, STUB)
    other = {"stub_domains": [{"zone": "corp.example", "servers": ["10.9.0.53"], "cache": 5}]}
    changed = run(str(outcome.document), other, outcome.records)
    assert diff(str(outcome.document), changed.document) == [
        "-cache 30",
        "+cache 5",
        "-forward . 10.1.0.53 10.2.0.53",
        "+forward . 10.9.0.53",
    ]
    assert str(reset(changed.document, changed.records).document) == KUBEADM


def test_two_owners_share_an_entry_until_both_let_go() -> None:
    first = run(KUBEADM, HOSTS, owner="a")
    both = run(str(first.document), {**HOSTS, **STUB}, first.records, owner="b")
    left = edit(both.document, {}, both.records, owner="a")
    assert str(left.document) == str(both.document)
    none = edit(left.document, STUB, left.records, owner="b")
    assert str(none.document) == KUBEADM + STUB_TEXT
    assert {record.owners for record in none.records} == {("b",)}


def test_two_owners_who_want_different_things_are_told() -> None:
    first = run(KUBEADM, {"cache": [{"ttl": 60}]}, owner="a")
    with pytest.raises(CorefileError, match="belongs to owner 'a' as '60', and 'b' wants '90'"):
        edit(first.document, {"cache": [{"ttl": 90}]}, first.records, owner="b")


def test_records_survive_as_text() -> None:
    records = run(KUBEADM, EVERYTHING).records
    assert parse_records(dump_records(records)) == records
    assert parse_records("") == ()


@pytest.mark.parametrize(
    "text", ["x", "{}", '{"format":9,"entries":[]}', '{"format":1,"entries":[{"slot":["no"]}]}', "[]"]
)
def test_records_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(CorefileError, match="records of our entries"):
        parse_records(text)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (KUBEADM, {"stub_domain": []}, "unknown option stub_domain"),
        (KUBEADM, {"stub_domains": [{"zone": "a"}]}, r"stub_domains\[0\]: servers is missing"),
        (KUBEADM, {"stub_domains": [{"zone": "a", "servers": ["x"], "ttl": 3}]}, "unknown key ttl"),
        (KUBEADM, {"stub_domains": [{"zone": "a", "servers": "10.0.0.1"}]}, r"\.servers: '10.0.0.1' is no list"),
        (KUBEADM, {"stub_domains": [{"zone": "a..b", "servers": ["10.0.0.1"]}]}, "no domain name"),
        (KUBEADM, {"stub_domains": [{"zone": "a", "servers": ["grpc://10.0.0.1"]}]}, "does not speak grpc"),
        (KUBEADM, {"stub_domains": [{"zone": "a", "servers": [True]}]}, "True is no text"),
        (
            KUBEADM,
            {"stub_domains": [{"zone": ".", "servers": ["10.0.0.1"]}]},
            "line 1 is not ours and answers otherwise",
        ),
        (KUBEADM, {"stub_domains": [{"zone": "a b", "servers": ["10.0.0.1"]}]}, "'a b' is no zone"),
        (KUBEADM, {"stub_domains": [{"zone": "a{", "servers": ["10.0.0.1"]}]}, "'a{' is no zone"),
        (KUBEADM, {"servers": [{"zones": ["import"]}]}, "'import' is no zone"),
        (KUBEADM, {"servers": [{"zones": ["(a)"]}]}, r"'\(a\)' is no zone"),
        (KUBEADM, {"servers": [{"zones": ["."], "plugins": ['log "x']}]}, "never closed"),
        (KUBEADM, {"snippets": [{"name": "a b", "plugins": ["log"]}]}, "'a b' is no name of a snippet"),
        (KUBEADM, {"cache": [{"options": {"x": "{"}}]}, "never closed"),
        (KUBEADM, {"hosts": [{"address": "a", "names": ["b"]}]}, "'a' is no IP address"),
        (KUBEADM, {"hosts": [{"address": "10.0.0.1", "names": ["b c"]}]}, "'b c' is no host name"),
        (
            KUBEADM,
            {"hosts": [{"address": "10.0.0.1", "names": ["b"], "server": "x"}]},
            "no server block serves x.:53: there is .:53",
        ),
        (KUBEADM, {"forward": [{"zone": "a"}]}, "there is no forward a in .:53 yet: servers is missing"),
        (
            KUBEADM,
            {"servers": [{"zones": ["."], "plugins": ["errors\nlog"]}]},
            "one plugin is expected, and here are 2",
        ),
        (KUBEADM, {"servers": [{"zones": ["."], "plugins": ["errors {"]}]}, "is no plugin line"),
        (KUBEADM, {"servers": [{"zones": [".", "a"]}]}, r"server block of .:53 does not serve a.:53"),
        (KUBEADM, {"cache": [{"ttl": 5}, {"ttl": 6}]}, "declared twice"),
        (
            "(a) {\nlog\n}\n" + KUBEADM,
            {"snippets": [{"name": "a", "plugins": ["errors"]}]},
            r"snippet \(a\) is there and is not ours",
        ),
        (". {\n", HOSTS, "never closed"),
        (". {\nbind 1\n}\n. {\nbind 2\n}\n", HOSTS, r"stands in several server blocks \(lines 1, 4\)"),
    ],
)
def test_what_cannot_be_done_is_one_error_with_the_way_out(text: str, options: Options, message: str) -> None:
    with pytest.raises(CorefileError, match=message):
        edit(parse(text), options)
