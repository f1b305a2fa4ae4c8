# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ways that benchmarks/configmap measures get wrong, on a real API server, and coredns_corefile does not.

Each of them reads the ConfigMap, replaces a piece of text, and writes the key with a merge patch: kubectl get and
kubectl patch, kubernetes.core.k8s_info and kubernetes.core.k8s.
"""

from __future__ import annotations

import difflib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects

PATH = "/api/v1/namespaces/default/configmaps/ways"
TEXT = objects.COREFILE.replace("UPSTREAM", "192.0.2.53")
ENTRY = "203.0.113.7 app.example.com"
HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["app.example.com"]}]}


def errors(text: str) -> list[str]:
    return [str(one) for one in lint(parse(text)) if one.level == "error"]


class Ways:
    """A ConfigMap, and both ways to it."""

    def __init__(self, plane: t.Any) -> None:
        self.plane = plane
        self.client = connect({"kubeconfig": str(plane.kubeconfig())})

    def lay(self, text: str) -> None:
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ways", "namespace": "default"},
            "data": {"Corefile": text},
        }  # fmt: skip
        self.plane.request("POST", PATH.rpartition("/")[0], body)

    def read(self) -> str:
        return str(self.plane.request("GET", PATH)["data"]["Corefile"])

    def patch(self, text: str) -> None:
        self.plane.request("PATCH", PATH, {"data": {"Corefile": text}}, kind="merge-patch")

    def ours(self, options: dict[str, t.Any]) -> dict[str, t.Any]:
        request = Request(name="ways", namespace="default", wait=False)
        return corefile.change(self.client, Wanted(options, owner="ways"), request, False, False, lambda _line: None)


def replaced(text: str) -> str:
    """The edit of the other ways: the entry goes behind a line that should be there."""
    block = f"    hosts {{\n        {ENTRY}\n        fallthrough\n    }}\n"
    return text.replace("    ready\n", f"    ready\n{block}")


@pytest.fixture
def ways(plane: t.Any) -> t.Iterator[Ways]:
    yield Ways(plane)
    for name in ("ways", "ways-kubenode-revisions"):
        if Ways(plane).client.find(PATH.replace("ways", name)) is not None:
            plane.request("DELETE", PATH.replace("ways", name))


def test_a_foreign_edit_between_read_and_write_is_lost_by_them_and_stays_with_us(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways.lay(TEXT)
    theirs = TEXT.replace("    errors\n", "    errors # somebody else's\n")
    read = ways.read()
    ways.patch(theirs)
    ways.patch(replaced(read))
    assert "somebody else's" not in ways.read()

    ways.patch(TEXT)
    replace, writes = ways.client.replace, []

    def replace_late(path: str, body: t.Any, **query: t.Any) -> t.Any:
        if path == PATH and not writes:
            writes.append(path)
            ways.patch(theirs)
        return replace(path, body, **query)

    monkeypatch.setattr(ways.client, "replace", replace_late)
    result = ways.ours(HOSTS)
    assert writes
    assert result["changed"]
    assert "somebody else's" in ways.read()
    assert ENTRY in ways.read()


def test_an_invalid_text_is_written_by_them_and_not_by_us(ways: Ways) -> None:
    ways.lay(TEXT)
    broken = {"servers": [{"zones": ["."], "plugins": ["nosuchplugin"]}]}
    with pytest.raises(KubeError, match=r"would be refused.*line"):
        ways.ours(broken)
    assert ways.read() == TEXT
    ways.patch(TEXT.replace("cache 30", "cache 30 {"))
    assert errors(ways.read()) != []


def test_comments_and_layout_stay_with_us(ways: Ways) -> None:
    """corefile-migration, which understands a Corefile, writes it anew without them."""
    text = "# of the platform team\n" + TEXT.replace("    cache 30\n", '    cache   30   # "seconds"\n\n')
    ways.lay(text)
    assert ways.ours(HOSTS)["changed"]
    assert not [line for line in difflib.ndiff(text.splitlines(), ways.read().splitlines()) if line.startswith("-")]
    assert ways.ours({})["changed"]
    assert ways.read() == text


def test_with_tabs_their_edit_is_silently_not_made_and_ours_is(ways: Ways) -> None:
    text = TEXT.replace("       ", "\t\t").replace("    ", "\t")
    ways.lay(text)
    ways.patch(replaced(ways.read()))
    assert ways.read() == text
    assert ways.ours(HOSTS)["changed"]
    assert f"\t\t{ENTRY}\n" in ways.read()
    assert errors(ways.read()) == []


def test_a_second_hosts_block_is_made_by_them_and_not_by_us(ways: Ways) -> None:
    text = TEXT.replace("    ready\n", "    ready\n    hosts {\n        203.0.113.1 old.example.com\n    }\n")
    ways.lay(text)
    assert any("hosts" in one for one in errors(replaced(ways.read())))
    assert ways.ours(HOSTS)["changed"]
    assert ways.read().count("hosts {") == 1
    assert ENTRY in ways.read()
    assert errors(ways.read()) == []
