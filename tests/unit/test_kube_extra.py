# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that a Corefile imports: what may stand in them, where pods find them, and what is said where they do not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile import fragment
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files
from ansible_collections.kubenode.network.plugins.module_utils._kube import extra, texts, way_in
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import (
    Mount,
    mounts_of,
    restart_where_needed,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import conf_of, pod_state, sources
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner, find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Reading
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted, edit_text

# As AKS lays it.
MAIN = """\
.:53 {
    errors
    forward . 192.0.2.53
    import custom/*.override
}
import custom/*.server
"""
SERVER = "/etc/coredns/custom/a.server"
OVERRIDE = "/etc/coredns/custom/a.override"
LOG = {"log": [{"enabled": True}]}
STUB = {"stub_domains": [{"zone": "corp.example.com", "servers": ["192.0.2.1"]}]}


def reading(path: str, main: str = MAIN, **files: str) -> Reading:
    beside = {f"/etc/coredns/custom/{name.replace('_', '.')}": text for name, text in files.items()}
    return Reading(Files(beside), main, (path,), path.endswith(".override"))


def edited(text: str | None, options: dict[str, t.Any], path: str, records: str = "", **wish: t.Any) -> texts.Texts:
    return edit_text(text, records, Wanted(options, "me", **wish), reading(path), made=bool(records))


@pytest.mark.parametrize("key", [None, "", "Corefile", "a.conf", ".server", "server"])
def test_a_key_that_nothing_would_import_is_refused(key: str | None) -> None:
    with pytest.raises(KubeError, match=r"key: .*NAME\.server .*NAME\.override"):
        extra.key_of("coredns-custom", key)


def test_a_key_is_the_corefile_unless_told() -> None:
    assert extra.key_of("extra-configs", None) == "Corefile"
    assert extra.key_of("coredns-custom", "corp.server") == "corp.server"


@pytest.mark.parametrize(
    ("key", "given", "plugins", "said"),
    [
        ("a.server", {}, ["log"], r"plugins: .*key a\.server.*servers"),
        ("a.override", STUB, None, r"stub_domains: .*key a\.override.*\*\.server"),
        ("a.override", {"servers": [{"zones": ["."]}]}, None, "servers: "),
        ("a.override", {"snippets": [{"name": "x", "plugins": ["log"]}]}, None, "snippets: "),
        ("a.override", {"log": [{"server": "b.example"}]}, None, r"log\[0\]\.server: b\.example .*leave it out"),
        ("a.override", {"hosts": [{}, {"server": "a b"}]}, None, r"hosts\[1\]\.server: "),
    ],
)
def test_edits_that_cannot_stand_in_a_key_are_refused(
    key: str, given: dict[str, t.Any], plugins: list[str] | None, said: str
) -> None:
    with pytest.raises(KubeError, match=said):
        extra.edits_of("coredns-custom", key, given, plugins)


def test_plugins_of_an_override_are_those_of_the_block_around_it() -> None:
    edits = extra.edits_of("coredns-custom", "a.override", {**LOG, "hosts": None}, ["rewrite name a.example b.example"])
    made = edited(None, edits, OVERRIDE)
    assert made.after == "log\nrewrite name a.example b.example\n"
    assert (made.absent, made.gone) == (True, False)
    again = edited(made.after, edits, OVERRIDE, made.records)
    assert (again.changes, again.after, again.records) == ((), made.after, made.records)
    gone = edited(made.after, {}, OVERRIDE, made.records)
    assert (gone.after, gone.records, gone.gone) == ("", "", True)


def test_an_override_keeps_its_own_layout() -> None:
    text = "  # theirs\n  rewrite stop {\n     name exact a.example b.example\n  }"
    made = edited(text, LOG, OVERRIDE)
    assert made.after == text + "\n  log\n"
    assert edit_text(made.after, made.records, Wanted(owner="me"), reading(OVERRIDE)).after == text + "\n"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (OVERRIDE, "log\ncorp.example.com:53 {\n  whoami\n}\n", r"line 2: corp\.example\.com:53 is a server block"),
        (OVERRIDE, "(common) {\n  log\n}\n", r"line 1: \(common\) is a snippet"),
        (OVERRIDE, "log\n}\n.:53 {\n", "braces do not match"),
        (SERVER, "log\n", "line 1: log is a plugin"),
        (SERVER, "a.example {\n  log\n}\nforward . 192.0.2.1 {\n  max_fails 1\n}\n", "line 4: forward is a plugin"),
        (SERVER, "a.example\nwhoami\n", r"line 1: the server block a\.example has no braces"),
    ],
)
def test_the_wrong_kind_of_text_is_refused_with_its_line(path: str, text: str, said: str) -> None:
    with pytest.raises(KubeError, match=said):
        edited(None, {}, path, content=text)


def test_what_is_wrong_in_an_override_has_the_line_of_its_own_text() -> None:
    with pytest.raises(CorefileError) as caught:
        fragment.wrapped("log\ncache 30 }\n")
    assert caught.value.line == 2
    with pytest.raises(KubeError, match=r"custom/a\.override:2: error: .*nosuchplugin"):
        edited("log\n", {"servers": [{"zones": ["."], "plugins": ["nosuchplugin"]}]}, OVERRIDE)


def test_a_text_is_linted_where_it_is_imported() -> None:
    served = {"servers": [{"zones": ["."], "plugins": ["log"]}]}
    with pytest.raises(KubeError, match=r"custom/a\.server:1: error: \.:53 is already served by the block on line 1"):
        edited(None, served, SERVER)
    other = reading("/etc/coredns/custom/c.server", b_server="# theirs\n\ncorp.example.com {\n  whoami\n}\n")
    with pytest.raises(KubeError, match=r"already served .* on line 3 of /etc/coredns/custom/b\.server"):
        edit_text(None, "", Wanted(STUB), other)
    dead = edited(None, {"forward": [{"servers": ["192.0.2.9"]}]}, OVERRIDE)
    assert [finding.kind for finding in dead.findings] == ["dead-forward"]
    reserved = Target(reserved_snippets=frozenset({"common"}))
    with pytest.raises(KubeError, match=r"a\.server:1: error: snippet \(common\) belongs to the platform"):
        edited(None, {}, SERVER, content="(common) {\n  log\n}\nb.example {\n  import common\n}\n", target=reserved)


def test_a_plugin_of_the_importing_corefile_is_no_unknown_one() -> None:
    custom = reading(OVERRIDE, MAIN.replace("errors", "errors\n    ours 1"))
    assert edit_text(None, "", Wanted({"servers": [{"zones": ["."], "plugins": ["ours 2"]}]}), custom).changes


def test_what_was_wrong_elsewhere_before_is_not_told_again() -> None:
    said = reading(SERVER, "(unused) {\n  log\n}\n" + MAIN)
    assert edit_text(None, "", Wanted(STUB), said).findings == ()


def test_a_key_that_the_corefile_names_stays_empty() -> None:
    """Without the file CoreDNS would not start."""
    named = reading("/etc/coredns/extra/Corefile", ". {\n  whoami\n}\nimport extra/Corefile\n")
    first = edit_text(None, "", Wanted(STUB), named)
    last = edit_text(first.after, first.records, Wanted(reset=True), named, made=True)
    assert (last.after, last.gone) == ("", False)


def test_a_whole_text_is_ours_or_somebody_elses() -> None:
    content = "corp.example.com {\n  whoami\n}\n"
    made = edited(None, {}, SERVER, content=content)
    assert made.after == content
    assert edited(content, {}, SERVER, made.records, content=content).changes == ()
    other = edited(content, {}, SERVER, made.records, content=content.replace("whoami", "log"))
    assert other.after == content.replace("whoami", "log")
    assert edited(content, {}, SERVER, made.records).gone
    with pytest.raises(KubeError, match="the text is there and is not ours"):
        edited("b.example {\n  whoami\n}\n", {}, SERVER, content=content)
    with pytest.raises(KubeError, match="state: absent"):
        edited(content, STUB, SERVER, made.records)
    equal = edited(content, {}, SERVER, content=content)
    assert (equal.changes, equal.records) == ((), "")
    kept = edited(content + "# theirs\n", {}, SERVER, made.records, reset=True)
    assert (kept.after, kept.warnings) == (content + "# theirs\n", ("the text was edited since and stays",))


@pytest.mark.parametrize(
    ("mount", "found"),
    [
        (Mount("m", True, (), "/etc/coredns", ""), {"/etc/coredns/a.server": "1", "/etc/coredns/b": "2"}),
        (Mount("m", True, ({"key": "b", "path": "sub/c"},), "/x", ""), {"/x/sub/c": "2"}),
        (Mount("m", True, ({"key": "none", "path": "c"},), "/x", ""), {}),
        (Mount("m", False, (), "/x/one", "b"), {"/x/one": "2"}),
        (Mount("m", False, (), "/x/one", "c"), {}),
    ],
)  # fmt: skip
def test_pods_find_keys_where_their_volumes_put_them(mount: Mount, found: dict[str, str]) -> None:
    assert mount.files({"a.server": "1", "b": "2"}) == found


def running(*volumes: dict[str, t.Any], args: tuple[str, ...] = ()) -> Running:
    mounts = [{"name": volume["name"], "mountPath": f"/etc/{volume['name']}"} for volume in volumes]
    spec = {"containers": [{"name": "dns", "args": list(args), "volumeMounts": mounts}], "volumes": list(volumes)}
    pod = {"metadata": {"name": "dns-1", "uid": "1"}, "spec": spec}
    return Running(pod_state(pod, "dns"), False, pod)


def test_the_volumes_of_a_pod_are_read_projected_ones_too() -> None:
    token = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    plain = {"name": "custom", "configMap": {"name": "coredns-custom", "optional": True}}
    both = {"name": "both", "projected": {"sources": [{"configMap": {"name": "a"}}, {"configMap": {"name": "b"}}]}}
    mounts, complete = mounts_of(running(token, plain, both))
    assert [(one.config_map, one.optional, one.folder) for one in mounts] == [
        ("coredns-custom", True, "/etc/custom"), ("a", False, "/etc/both"), ("b", False, "/etc/both"),
    ]  # fmt: skip
    assert complete
    assert not mounts_of(running({"name": "disk", "hostPath": {"path": "/x"}}))[1]


WHERE = Where("kube-system", "coredns", "Corefile")
TEXT = Where("kube-system", "coredns-extra-configs", "Corefile")
EXTRA = Mount("coredns-extra-configs", True, (), "/etc/coredns/extra", "")


def missing(mounts: list[Mount], flavor: str, owner: Owner | None, path: str = "/etc/coredns/extra/Corefile") -> str:
    text = TEXT if flavor == "extra-configs" else TEXT._replace(config_map=flavor, key=path.rpartition("/")[2])
    return way_in.missing(WHERE, text, [running()], mounts, reading(path), flavor, owner)


def test_the_way_in_is_that_of_the_cluster() -> None:
    plain = missing([], "extra-configs", None)
    assert "do not mount" in plain and "kubectl edit" in plain
    assert "configMap: {name: coredns-extra-configs, optional: true}" in plain
    assert "outside of its server blocks, 'import /etc/coredns/extra/Corefile*'" in plain
    mounted = missing([EXTRA], "extra-configs", None)
    assert "does not import /etc/coredns/extra/Corefile" in mounted and "volume" not in mounted
    left_out = EXTRA._replace(items=({"key": "other", "path": "other"},))
    assert "leaves key Corefile out" in missing([left_out], "extra-configs", None)
    inside = missing([], "coredns-custom", None, OVERRIDE)
    assert "in its server block .:53, 'import /etc/coredns/custom/*.override'" in inside
    marks = {"annotations": {"objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"}}
    k3s = find_owner({"metadata": marks})
    assert missing([], "extra-configs", k3s).endswith("take flavor coredns-custom")
    assert missing([], "coredns-custom", k3s, OVERRIDE).endswith("upgrade it")
    helm = find_owner({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    assert "extraVolumeMounts" in missing([], "extra-configs", helm)
    nobody = way_in.missing(WHERE, TEXT, [], [], reading(SERVER), "extra-configs", None)
    assert nobody.startswith("no pod has the Corefile of ConfigMap kube-system/coredns, key Corefile")


def test_a_config_map_for_users_is_not_undone_by_whose_own_way_it_is() -> None:
    aks = {"kubernetes.azure.com/managedby": "aks"}
    assert find_owner({"metadata": {"labels": aks}}) is not None
    assert find_owner({"metadata": {"labels": aks}}, custom=True) is None
    both = {"labels": {**aks, "kustomize.toolkit.fluxcd.io/name": "dns"}}
    found = find_owner({"metadata": both}, custom=True)
    assert found is not None and found.name.startswith("Flux")


def test_a_reload_that_is_imported_is_one_too() -> None:
    """Pods that reload by themselves are not restarted: nothing is asked of the API server."""
    nobody = t.cast("t.Any", None)
    assert not restart_where_needed(nobody, WHERE, [running()], reading(OVERRIDE).loading("reload 5s\n"), "1")
    with pytest.raises(KubeError, match=r"do not reload their Corefile.*restart them by hand"):
        restart_where_needed(nobody, WHERE, [running()], reading(OVERRIDE).loading("log\n"), "1")


def test_a_text_that_is_mounted_by_subpath_never_changes_in_a_pod() -> None:
    volume = {"name": "extra", "configMap": {"name": "coredns-extra-configs"}}
    pod = running(volume)
    assert not extra._as_mounted(pod, "coredns-extra-configs").fixed
    pod.thing["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = "Corefile"
    assert extra._as_mounted(pod, "coredns-extra-configs").fixed
    assert not extra._as_mounted(pod._replace(fixed=True), "coredns-custom").fixed


class Held:
    """An API server with a few objects: what a node-cache is found by."""

    def __init__(self, corefile: str, pod: dict[str, t.Any]) -> None:
        self.config_map = {"metadata": {"name": "node-local-dns"}, "data": {"Corefile": corefile}}
        self.pod = pod

    def find(self, path: str) -> dict[str, t.Any] | None:
        return self.config_map if path == "/api/v1/namespaces/kube-system/configmaps/node-local-dns" else None

    def items(self, _path: str, **_query: t.Any) -> list[dict[str, t.Any]]:
        return [self.pod]


@pytest.mark.parametrize(("upstream", "proves"), [("__PILLAR__CLUSTER__DNS__", False), ("192.0.2.53", True)])
def test_what_a_node_cache_puts_into_its_corefile_cannot_be_proved(upstream: str, proves: bool) -> None:
    corefile = f". {{\n  forward . {upstream}\n}}\nimport /etc/extra/Corefile*\n"
    config = {"name": "coredns", "configMap": {"name": "node-local-dns", "items": [_BASE]}}
    volume = {"name": "extra", "configMap": {"name": "node-local-dns-extra-configs", "optional": True}}
    pod = running(config, volume, args=("-localip", "169.254.20.10", "-conf", "/etc/Corefile")).thing
    client = t.cast("t.Any", Held(corefile, {**pod, "status": {"phase": "Running"}}))
    found = extra.extra_of(client, Request(), extra.Options(server="node-cache"))
    assert found.text == Where("kube-system", "node-local-dns-extra-configs", "Corefile")
    assert found.proves is proves
    assert [one.startswith("node-cache puts addresses") for one in found.warnings] == [True] * (not proves)
    assert found.found["imported_by"]["paths"] == ["/etc/extra/Corefile"]


_BASE = {"key": "Corefile", "path": "Corefile.base"}


def test_a_node_cache_takes_its_corefile_from_another_file() -> None:
    pod = running(
        {"name": "coredns", "configMap": {"name": "node-local-dns", "items": [_BASE]}},
        args=("-localip", "169.254.20.10", "-conf", "/etc/Corefile"),
    ).thing
    [(container, source)] = sources(pod)
    assert (container, source.name, source.key) == ("dns", "node-local-dns", "Corefile")
    assert conf_of(pod["spec"]["containers"][0]) == "/etc/Corefile"
