# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMaps for extensions that real CoreDNS pods mount and import, as k3s has them do and as operators elsewhere."""

from __future__ import annotations

import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Target
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, extra, texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects

EDGE = "edge"
COREFILE = """\
(common) {
    errors
    cache 5
}
.:53 {
    errors
    ready
    hosts /etc/coredns/NodeHosts {
        ttl 60
        reload 15s
        fallthrough
    }
    prometheus :9153
    template IN A there.example.com {
        answer "{{ .Name }} 60 IN A 203.0.113.1"
    }
    reload 2s 1s
    import /etc/coredns/custom/*.override
}
import /etc/coredns/custom/*.server
import /etc/coredns/extra/Corefile*
"""
LAB = {
    "servers": [
        {"zones": ["lab.example.com"], "plugins": ['template IN A {\nanswer "{{ .Name }} 60 IN A 203.0.113.7"\n}']}
    ]
}
REWRITE = {"servers": [{"zones": [".:53"], "plugins": ["rewrite name exact www.example.com there.example.com"]}]}
BROKEN = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}


@pytest.fixture(scope="module")
def edge(plane: t.Any) -> t.Any:
    """A CoreDNS of its own namespace with two pods, deployed as k3s does it, and one optional ConfigMap more."""
    things = objects.site(EDGE, COREFILE, replicas=2)
    main, deployment = (one for one in things if one["kind"] in {"ConfigMap", "Deployment"})
    owned = {"objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"}
    main["metadata"] = {**main["metadata"], "annotations": owned}
    main["data"]["NodeHosts"] = "203.0.113.2 node-1\n"
    pod = deployment["spec"]["template"]["spec"]
    pod["volumes"][0]["configMap"]["items"].append({"key": "NodeHosts", "path": "NodeHosts"})
    for name, folder in (("coredns-custom", "custom"), ("coredns-extra-configs", "extra")):
        pod["volumes"].append({"name": name, "configMap": {"name": name, "optional": True}})
        mount = {"name": name, "mountPath": f"/etc/coredns/{folder}", "readOnly": True}
        pod["containers"][0]["volumeMounts"].append(mount)
    plane.apply(*things)
    plane.wait_ready("deployments", "coredns", EDGE)
    return plane


@pytest.fixture
def custom(edge: t.Any) -> t.Iterator[t.Callable[..., dict[str, t.Any]]]:
    """Runs on a key of coredns-custom, which is not there before the test and after it."""
    yield lambda key, options, **more: run(edge, "coredns-custom", key, options, **more)
    for name in ("coredns-custom", "coredns-extra-configs"):
        if held(edge, name) is not None:
            edge.request("DELETE", f"/api/v1/namespaces/{EDGE}/configmaps/{name}")


def run(
    cluster: t.Any, flavor: str, key: str, options: dict[str, t.Any], check_mode: bool = False, reset: bool = False,
    content: str | None = None, say: t.Callable[[str], None] = lambda _line: None, **request: t.Any,
) -> dict[str, t.Any]:  # fmt: skip
    target = Target(reserved_snippets=frozenset({"common"} if flavor == "extra-configs" else ()))
    wish = Wanted(options, owner="test", reset=reset, content=content, target=target)
    asked = Request(wait_timeout=60, service="dns", namespace=EDGE, key=key)._replace(**request)
    more = extra.Options(flavor, removes=reset)
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    return corefile.change(
        client, wish, asked, check_mode, True, say,
        lambda client, request: extra.extra_of(client, request, more),
    )  # fmt: skip


def held(cluster: t.Any, name: str = "coredns-custom", namespace: str = EDGE) -> dict[str, t.Any] | None:
    try:
        return t.cast("dict[str, t.Any]", cluster.config_map(name, namespace))
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def put(cluster: t.Any, **data: str) -> None:
    meta = {"name": "coredns-custom", "namespace": EDGE}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def answers(cluster: t.Any, name: str) -> list[list[str]]:
    """Of every pod, over UDP and TCP."""
    pods = cluster.pods(EDGE)
    assert len(pods) == 2
    return [query(name, pod["status"]["podIP"], tcp) for pod in pods for tcp in (False, True)]


def test_server_blocks_and_overrides_are_served_by_every_pod_and_go_without_a_trace(edge: t.Any, custom: t.Any) -> None:
    main = edge.config_map("coredns", EDGE)
    first = custom("lab.server", LAB, test_names=("there.example.com",))
    assert (first["changed"], len(first["evidence"]), first["tests"][0]["resolved"]) == (True, 2, True)
    assert first["imported_by"]["paths"] == ["/etc/coredns/custom/lab.server"]
    assert custom("site.override", REWRITE)["changed"]
    assert answers(edge, "a.lab.example.com") == [["203.0.113.7"]] * 4
    assert answers(edge, "www.example.com") == [["203.0.113.1"]] * 4
    made = held(edge)
    assert made is not None
    assert made["data"]["site.override"] == "rewrite name exact www.example.com there.example.com\n"
    for key, options in (("lab.server", LAB), ("site.override", REWRITE)):
        again = custom(key, options)
        assert (again["changed"], again["diff"]["prepared"], len(again["evidence"])) == (False, "", 2)
    assert held(edge) == made
    assert custom("lab.server", {}, reset=True)["changed"]
    left = held(edge)
    assert left is not None and list(left["data"]) == ["site.override"]
    assert answers(edge, "www.example.com") == [["203.0.113.1"]] * 4
    with pytest.raises(DnsError):
        answers(edge, "a.lab.example.com")
    assert custom("site.override", {}, reset=True)["changed"]
    assert held(edge) is None
    assert not custom("site.override", {}, reset=True)["changed"]
    assert custom("site.override", {}, reset=True)["resource_version"] == ""
    assert edge.config_map("coredns", EDGE) == main


def test_the_platforms_snippet_is_imported_and_not_declared(edge: t.Any, custom: t.Any) -> None:
    answer = 'answer "{{ .Name }} 60 IN A 203.0.113.9"'
    text = f"corp.example.com {{\n    import common\n    template IN A {{\n        {answer}\n    }}\n}}\n"
    assert run(edge, "extra-configs", "Corefile", {}, content=text)["changed"]
    assert answers(edge, "a.corp.example.com") == [["203.0.113.9"]] * 4
    made = held(edge, "coredns-extra-configs")
    assert made is not None and made["data"] == {"Corefile": text}
    with pytest.raises(KubeError, match=r"either written as a whole"):
        run(edge, "extra-configs", "Corefile", {"snippets": [{"name": "common", "plugins": ["errors"]}]})
    assert not run(edge, "extra-configs", "Corefile", {}, content=text)["changed"]
    assert run(edge, "extra-configs", "Corefile", {}, reset=True)["changed"]
    assert held(edge, "coredns-extra-configs") is None


@pytest.mark.parametrize(
    ("flavor", "key", "options", "said"),
    [
        ("extra-configs", "Corefile", {"snippets": [{"name": "common", "plugins": ["log"]}]}, "redeclaration of prev"),
        ("extra-configs", "Corefile", {"servers": [{"zones": ["."], "plugins": ["log"]}]},
         r"extra/Corefile:1: error: \.:53 is already served by the block on line 5"),
        ("coredns-custom", "x.server", {"stub_domains": [{"zone": "their.example.com", "servers": ["192.0.2.1"]}]},
         r"x\.server:1: error: their\.example\.com\.:53 is already served .* on line 2 of \S*custom/their\.server"),
        ("coredns-custom", "x.override", {"hosts": [{"address": "192.0.2.1", "names": ["a.b"]}]},
         r"custom/x\.override:1: error: hosts"),
        ("coredns-custom", "x.override", {"servers": [{"zones": [".:53"], "plugins": ["nosuchplugin"]}]},
         r"x\.override:1: error: no CoreDNS has a plugin nosuchplugin"),
    ],
)  # fmt: skip
def test_what_the_importing_corefile_refuses_is_not_written(
    edge: t.Any, custom: t.Any, flavor: str, key: str, options: dict[str, t.Any], said: str
) -> None:
    put(edge, **{"their.server": "# theirs\nTheir.example.com:53 {\n  whoami\n}\n"})
    before = held(edge)
    with pytest.raises(KubeError, match=said):
        run(edge, flavor, key, options)
    assert (held(edge), held(edge, "coredns-extra-configs")) == (before, None)


def test_a_text_that_fails_in_coredns_is_put_back_and_foreign_keys_stay(edge: t.Any, custom: t.Any) -> None:
    put(edge, **{"their.server": "their.example.com {\n  whoami\n}\n"})
    with pytest.raises(KubeError, match=r"refused|crashed") as caught:
        custom("broken.server", BROKEN)
    assert caught.value.details["rolled_back"] is True
    assert "/no/cert" in caught.value.message
    left = held(edge)
    assert left is not None
    assert left["data"] == {"their.server": "their.example.com {\n  whoami\n}\n"}
    assert not left["metadata"].get("annotations")
    assert answers(edge, "there.example.com") == [["203.0.113.1"]] * 4


class Killed(BaseException):
    """What ends a run between its write and the proof."""


def test_what_a_killed_run_made_is_taken_away_by_the_next(edge: t.Any, custom: t.Any) -> None:
    def stop(_line: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        custom("broken.server", BROKEN, say=stop)
    left = held(edge)
    assert left is not None and "broken.server" in left["data"]
    with pytest.raises(KubeError, match="/no/cert") as caught:
        custom("broken.server", BROKEN)
    assert caught.value.details["rolled_back"] is True
    assert held(edge) is None
    with pytest.raises(Killed):
        custom("lab.server", LAB, say=stop)
    assert any("an earlier run wrote this text" in one for one in custom("lab.server", LAB)["warnings"])
    assert answers(edge, "a.lab.example.com") == [["203.0.113.7"]] * 4


def test_a_pod_tries_the_text_where_it_is_imported(edge: t.Any, custom: t.Any) -> None:
    with pytest.raises(KubeError, match=r"does not start.*/no/cert"):
        custom("broken.server", BROKEN, validate="pod")
    assert held(edge) is None


def test_check_mode_predicts_and_writes_nothing(edge: t.Any, custom: t.Any) -> None:
    result = custom("lab.server", LAB, check_mode=True)
    assert result["changed"]
    assert "+lab.example.com {" in result["diff"]["prepared"]
    assert held(edge) is None
    assert custom("lab.server", LAB, wait=False)["changed"]
    made = held(edge)
    gone = custom("lab.server", {}, reset=True, check_mode=True)
    assert gone["changed"] and "-lab.example.com {" in gone["diff"]["prepared"]
    assert held(edge) == made


def test_a_replaced_text_comes_back_by_its_number(edge: t.Any, custom: t.Any) -> None:
    put(edge, **{"lab.override": "log\n"})
    custom("lab.override", REWRITE, wait=False)
    with pytest.raises(KubeError, match=r"no revision 99.*kept are: (.*)") as caught:
        custom("lab.override", {}, revision=99, wait=False)
    assert custom("lab.override", {}, revision=int(caught.value.message.rpartition(" ")[2]), wait=False)["changed"]
    left = held(edge)
    assert left is not None and left["data"] == {"lab.override": "log\n"}
    assert texts.RECORDS not in left["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "coredns"}, "name: ConfigMap edge/coredns has the Corefile itself"),
        ({"service": None, "namespace": "default"}, "namespace: default is given, and CoreDNS runs in"),
        ({"service": "none"}, "there is no Service edge/none; .*; or name the Corefile .* with corefile_name"),
        ({"service": None, "corefile_name": "none"}, "there is no ConfigMap edge/none: .*corefile_name"),
        (
            {"service": None, "corefile_name": "coredns", "corefile_key": "x"},
            "has no key x: its keys are Corefile, Node",
        ),
        ({"server": "node-cache", "flavor": "coredns-custom"}, "server: node-cache imports no coredns-custom"),
        ({"server": "node-cache", "service": None}, "there is no ConfigMap edge/node-local-dns"),
    ],
)
def test_what_is_named_wrongly_is_told(edge: t.Any, deployed: t.Any, wrong: dict[str, t.Any], said: str) -> None:
    kinds = {name: wrong[name] for name in wrong if name in extra.Options._fields}
    asked = {name: wrong[name] for name in wrong if name not in kinds}
    request = Request(service="dns", namespace=EDGE, key="a.server")._replace(**asked)
    client = connect({"kubeconfig": str(edge.kubeconfig())})
    with pytest.raises(KubeError, match=said):
        extra.extra_of(client, request, extra.Options(**kinds))


def test_a_text_of_somebody_who_puts_it_back_is_not_edited(edge: t.Any, custom: t.Any) -> None:
    put(edge, **{"their.server": "their.example.com {\n  whoami\n}\n"})
    mark = {
        "metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "dns", "kubernetes.azure.com/managedby": "aks"}}
    }
    edge.request("PATCH", f"/api/v1/namespaces/{EDGE}/configmaps/coredns-custom", mark, kind="merge-patch")
    with pytest.raises(KubeError, match=r"edge/coredns-custom belongs to Flux .*on_owner: force"):
        custom("lab.server", LAB)
    assert custom("lab.server", LAB, wait=False, on_owner="force")["changed"]


def test_where_nothing_reads_it_the_way_in_is_told(cluster: t.Any) -> None:
    """Kubeadm's CoreDNS has neither volume nor import."""
    asked = {"service": "kube-dns", "namespace": objects.NAMESPACE}
    said = r"do not mount ConfigMap coredns-extra-configs.*optional volume.*import /etc/coredns/extra/Corefile\*"
    with pytest.raises(KubeError, match=said + ".*wait: false"):
        run(cluster, "extra-configs", "Corefile", LAB, **asked)
    assert held(cluster, "coredns-extra-configs", objects.NAMESPACE) is None
    served = {"servers": [{"zones": ["."], "plugins": ["log"]}]}
    with pytest.raises(KubeError, match="already served by the block on line 1"):
        run(cluster, "extra-configs", "Corefile", served, wait=False, **asked)
    result = run(cluster, "extra-configs", "Corefile", LAB, wait=False, **asked)
    assert result["changed"] and any("do not mount" in one for one in result["warnings"])
    assert result["imported_by"]["imported"] is False
    assert run(cluster, "extra-configs", "Corefile", {}, reset=True, **asked)["changed"]
    assert held(cluster, "coredns-extra-configs", objects.NAMESPACE) is None
