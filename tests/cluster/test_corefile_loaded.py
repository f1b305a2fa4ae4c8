# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real CoreDNS loads what we wrote, says our hash of it, and says why when it does not."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import reset
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import ERROR, Target, lint
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files
from ansible_collections.kubenode.network.plugins.module_utils._corefile.loaded import loaded_hash
from ansible_collections.kubenode.network.plugins.module_utils._corefile.wanted import edit
from ansible_collections.kubenode.network.tests.cluster.coredns_process import Server, running

HASH = r"Running configuration SHA512 = ([0-9a-f]{128})"
PLAIN = ".:1053 {\n    reload 2s 0s\n    errors\n    whoami\n}\n"
IMPORTING = (
    "(common) {\n errors\n}\n"
    "{$KUBENODE_ZONE}:{%KUBENODE_PORT%} {\n import common\n reload 2s 0s\n import more/*.conf\n}\n"
    "import blocks.conf\n# <&> is escaped as Go does\n"
    'b.example:1053 {\n chaos "<&>\u2028" "two\n lines" {$KUBENODE_NONE}\n}\n'
)
IMPORTED = {
    "more/a.conf": "log a.example {\n class error\n}\n",
    "more/b.conf": "whoami",
    "blocks.conf": "c.example:1053 {\n whoami\n}\n",
}
ENV = {"KUBENODE_ZONE": "a.example", "KUBENODE_PORT": "1053"}
OPTIONS = {
    "stub_domains": [{"zone": "corp.example", "servers": ["192.0.2.53"], "port": 1053, "options": {"force_tcp": True}}],
    "hosts": [{"address": "192.0.2.7", "names": ["registry.corp.example"], "server": ".:1053"}],
    "forward": [{"server": ".:1053", "servers": ["192.0.2.1", "192.0.2.2"], "options": {"policy": "sequential"}}],
    "cache": [{"server": ".:1053", "ttl": 60, "options": {"success": [9984, 30]}}],
    "log": [{"server": ".:1053", "classes": ["denial"]}],
    "servers": [
        {"zones": [".:1053"], "plugins": ["rewrite name old.example new.example", "import common"]},
        {"zones": ["own.example:1053", "10.0.0.0/23:1053"], "plugins": ["whoami"]},
    ],
    "snippets": [
        {"name": "common", "plugins": ['template IN A t.example {\nanswer "{{ .Name }} 60 IN A 192.0.2.9"\n}']}
    ],
}


def hash_of(server: Server, start: int = 0) -> str:
    """The hash that it says, in its output from a line on."""
    match = server.wait_for(HASH, start=start)
    assert match, server.output
    return match[1]


def test_the_hash_is_the_one_in_the_servers_log() -> None:
    with running(PLAIN) as server:
        assert hash_of(server) == loaded_hash(parse(PLAIN))


def test_the_hash_counts_imports_and_variables() -> None:
    with running(IMPORTING, IMPORTED, ENV) as server:
        said = hash_of(server)
        # The server is started on a relative path, and hashes where its imports really are.
        files = {str(server.folder / name): text for name, text in IMPORTED.items()}
        around = Files(files, {**ENV, "KUBENODE_NONE": ""}, str(server.folder / "Corefile"))
        assert said == loaded_hash(parse(IMPORTING), around)
        assert not lint(parse(IMPORTING), Target(version="1.15.0"), around)


def test_an_edit_of_every_kind_is_loaded_and_so_is_its_way_back() -> None:
    before = parse(PLAIN.replace("    whoami\n", "    cache 30 # as ever\n    forward . 192.0.2.1\n"))
    outcome = edit(before, OPTIONS)
    assert [
        finding for finding in lint(outcome.document, Target(version="1.15.0"), Files()) if finding.level == ERROR
    ] == []
    with running(str(before)) as server:
        assert hash_of(server) == loaded_hash(before)
        for document in (outcome.document, reset(outcome.document, outcome.records).document):
            seen = len(server.lines)
            (server.folder / "Corefile").write_text(str(document), encoding="utf-8")
            assert hash_of(server, seen) == loaded_hash(document)
    assert str(document) == str(before)


@pytest.mark.parametrize("broken", ["    hosts\n    hosts\n", "    forward\n", "    fowrard . 192.0.2.1\n"])
def test_a_broken_edit_fails_to_reload_and_lint_would_have_said_so(broken: str) -> None:
    text = PLAIN.replace("    whoami\n", broken)
    assert any(finding.level == ERROR for finding in lint(parse(text), Target(version="1.15.0"), Files()))
    with running(PLAIN) as server:
        hash_of(server)
        seen = len(server.lines)
        (server.folder / "Corefile").write_text(text, encoding="utf-8")
        assert server.wait_for("Corefile changed but reload failed", start=seen), server.output
        assert server.process.poll() is None
