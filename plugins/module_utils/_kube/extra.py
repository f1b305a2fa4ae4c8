# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text that the Corefile of running pods imports from a ConfigMap for extensions: coredns_extra_config.

AKS ("Customize CoreDNS with Azure Kubernetes Service") and k3s (manifests/coredns.yaml) mount an optional ConfigMap
coredns-custom, and import its keys ``*.server`` beside their server blocks and ``*.override`` inside of ``.:53``.
Elsewhere the operator of the cluster gives the pods such a volume and the Corefile such a line.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import fragment
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.slots import server_of
from ansible_collections.kubenode.network.plugins.module_utils._kube import texts, way_in
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import Mount, around_of, mounts_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner, find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where, pods_now
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Reading
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import (
    Request,
    Subject,
    config_map_path,
    find_corefile,
)

CUSTOM = "coredns-custom"
NODE_CACHE = "node-cache"
_NAMES = {
    ("extra-configs", "coredns"): "coredns-extra-configs",
    ("extra-configs", NODE_CACHE): "node-local-dns-extra-configs",
    (CUSTOM, "coredns"): "coredns-custom",
}
_NODE_CACHE_COREFILE = "node-local-dns"
"""Its ConfigMap in Kubernetes' own manifest (cluster/addons/dns/nodelocaldns)."""
_OUR_LABELS = {"app.kubernetes.io/managed-by": "kubenode.network"}
_OUTSIDE = ("stub_domains", "servers", "snippets")
_INSIDE = ("hosts", "forward", "cache", "log", "errors")


class Options(t.NamedTuple):
    """What coredns_extra_config has besides the options of coredns_corefile."""

    flavor: str = "extra-configs"
    server: str = "coredns"
    corefile_name: str | None = None
    corefile_key: str | None = None
    removes: bool = False
    """What is ours is taken back, which needs nobody who reads it."""
    selector: str = ""
    """Labels of the pods, where ``corefile_name`` is told and they are known."""
    passed_over: frozenset[str] = frozenset()
    """Pods of these, by uid, that do not count."""
    made_of: t.Callable[[Object], str | None] | None = None
    """What a server makes of its Corefile's ConfigMap before it reads it; None: that cannot be foretold."""


def key_of(flavor: str, key: str | None) -> str:
    """The key of the ConfigMap. Raises KubeError for one that nothing would import."""
    if flavor != CUSTOM:
        return key or "Corefile"
    if not key or not key.endswith((".server", ".override")) or key.startswith("."):
        raise KubeError(
            f"key: {key or 'nothing'} is given, and of {CUSTOM} the Corefile imports NAME.server (server blocks) and "
            f"NAME.override (plugins of {fragment.SERVER}): name one of these"
        )
    return key


def edits_of(flavor: str, key: str, given: t.Mapping[str, t.Any], plugins: t.Sequence[str] | None) -> dict[str, t.Any]:
    """The edits as ``_corefile.wanted.edit`` takes them. Raises KubeError for one that cannot stand in such a key."""
    edits = {name: value for name, value in given.items() if value}
    if not is_override(flavor, key):
        if plugins:
            raise KubeError(
                f"plugins: they stand in a server block, and key {key} holds whole ones: name the block's zones and "
                "its plugins in servers"
            )
        return edits
    for name in _OUTSIDE:
        if name in edits:
            raise KubeError(
                f"{name}: that stands outside of server blocks, and key {key} holds plugins of {fragment.SERVER}: take "
                "a key *.server for it"
            )
    for name in _INSIDE:
        for index, item in enumerate(edits.get(name, ())):
            _check_server(f"{name}[{index}].server", str(item.get("server") or "."), key)
    if plugins:
        edits["servers"] = [{"zones": [fragment.SERVER], "plugins": list(plugins)}]
    return edits


def _check_server(where: str, server: str, key: str) -> None:
    try:
        right = server_of([server]) == fragment.SERVER
    except CorefileError as error:
        raise KubeError(f"{where}: {error}") from error
    if not right:
        raise KubeError(
            f"{where}: {server} is given, and key {key} is imported in the server block {fragment.SERVER}: leave it "
            "out, or take a key *.server"
        )


def is_override(flavor: str, key: str) -> bool:
    """Whether a key holds plugins in place of server blocks."""
    return flavor == CUSTOM and key.endswith(".override")


class Extra(Subject):
    """A key of a ConfigMap for extensions."""

    def __init__(
        self, where: Where, text: Where, running: t.Sequence[Running], reading: Reading, mounts: t.Sequence[Mount]
    ) -> None:
        super().__init__(where, None, running, reading)
        self.text = text
        self._mounts = mounts

    def pods(self, client: Client) -> list[Running]:
        return [_as_mounted(one, self.text.config_map) for one in super().pods(client)]

    def assume(self, reading: Reading) -> None:
        """Lint as if the text was read in this way."""
        self._reading = reading

    def reading(self, held: Object) -> Reading:
        files = dict(self._reading.around.files)
        for mount in self._mounts:
            files.update(mount.files(held.get("data") or {}))
        return self._reading._replace(around=self._reading.around._replace(files=files))

    def text_of(self, held: Object) -> str | None:
        if self.text.key in (held.get("binaryData") or {}):
            return texts.text_of(held, self.text.key, self.what)
        found = (held.get("data") or {}).get(self.text.key)
        return None if found is None else str(found)

    def owner(self, held: Object) -> Owner | None:
        return find_owner(held, custom=True)

    def new(self) -> Object | None:
        meta = {"name": self.text.config_map, "namespace": self.text.namespace, "labels": dict(_OUR_LABELS)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}

    def written(self, held: Object, made: texts.Texts) -> Object:
        after = super().written(held, made)
        meta = after["metadata"]
        ours = meta.get("labels") == _OUR_LABELS and not meta.get("annotations")
        needed = any(not mount.optional for mount in self._mounts)
        empty = not after.get("data") and not after.get("binaryData")
        return {} if made.gone and ours and empty and not needed else after


_Kind = t.TypeVar("_Kind", bound=Extra)


def extra_of(client: Client, request: Request, options: Options) -> Extra:
    """The text that is named, and the Corefile that imports it. Raises KubeError where there is none."""
    return extra_as(Extra, client, request, options)


def extra_as(kind: type[_Kind], client: Client, request: Request, options: Options) -> _Kind:
    """The same as an ``Extra`` of another kind."""
    name = request.name or _NAMES.get((options.flavor, options.server))
    if name is None:
        raise KubeError(f"server: {options.server} imports no {options.flavor}: its flavor is extra-configs")
    key = key_of(options.flavor, request.key)
    where = _importer(client, request, options)
    if name == where.config_map:
        raise KubeError(
            f"name: ConfigMap {where.namespace}/{name} has the Corefile itself: module coredns_corefile edits that"
        )
    text = Where(where.namespace, name, key)
    what = f"ConfigMap {where.namespace}/{where.config_map}"
    held = client.find(config_map_path(where.namespace, where.config_map))
    if held is None:
        raise KubeError(f"there is no {what}: name the one with the Corefile that imports {name} with corefile_name")
    main = texts.text_of(held, where.key, what)
    foretold = options.made_of(held) if options.made_of is not None else None
    main = main if foretold is None else foretold
    # In a rollout, one of those that have the volume already.
    running = sorted(pods_now(client, where), key=lambda one: not _mounts(one, name))
    mounts = _mounts(running[0], name) if running else []
    around = around_of(client, where, running, (name,))
    files = dict(around.files)
    for mount in _mounts(running[0], where.config_map) if running else ():
        files.update(mount.files(held.get("data") or {}))
    files.pop(around.main, None)
    around = around._replace(files=files)
    override = is_override(options.flavor, key)
    paths = tuple(path for mount in mounts for path in mount.files({key: ""}))
    reading = Reading(around, main, paths or (posixpath.join(way_in.folder(options.flavor, mounts), key),), override)
    extra = kind(where, text, [_as_mounted(one, name) for one in running], reading, mounts)
    imported = bool(paths) and reading.imported()
    extra.found["imported_by"] = {
        "namespace": where.namespace, "name": where.config_map, "key": where.key, "paths": list(paths),
        "imported": imported,
    }  # fmt: skip
    if not imported:
        _not_imported(extra, held, reading, mounts, request, options)
    elif request.wait and ("__PILLAR__" in main or (options.made_of is not None and foretold is None)):
        extra.proves = False
        extra.warnings.append(
            f"node-cache puts addresses of its node, and stub domains in an order of its own, into the Corefile of "
            f"{what} before it loads it, so that its pods are not seen to have loaded this text: look for "
            f"{reading.paths[0]} in their logs"
        )
    return extra


def _importer(client: Client, request: Request, options: Options) -> Where:
    named = options.corefile_name
    if named is None and options.server == NODE_CACHE:
        named = _NODE_CACHE_COREFILE
    try:
        where, _workload = find_corefile(client, named, request.namespace, options.corefile_key, request.service)
    except Answered:
        raise
    except KubeError as error:
        raise KubeError(f"{error.message}; or name the Corefile that imports it with corefile_name") from error
    if request.namespace not in (None, where.namespace) and request.service is None:
        raise KubeError(
            f"namespace: {request.namespace} is given, and CoreDNS runs in {where.namespace}: a pod mounts ConfigMaps "
            "of its own namespace only"
        )
    return where._replace(selector=options.selector or where.selector, passed_over=options.passed_over)


def _mounts(running: Running, name: str) -> list[Mount]:
    return [mount for mount in mounts_of(running)[0] if mount.config_map == name]


def _as_mounted(running: Running, name: str) -> Running:
    """A pod that is fixed where it has the ConfigMap by subPath, however it has its Corefile."""
    mounts = _mounts(running, name)
    return running._replace(fixed=bool(mounts) and all(mount.sub_path for mount in mounts))


def _not_imported(
    extra: Extra, held: Object, reading: Reading, mounts: t.Sequence[Mount], request: Request, options: Options
) -> None:
    """Say so, or refuse where that it is loaded shall be proved; what is written is linted as if it was imported."""
    extra.proves = False
    if not options.removes:
        owner = find_owner(held)
        said = way_in.missing(extra.where, extra.text, extra.running, mounts, reading, options.flavor, owner)
        if request.wait:
            raise KubeError(f"{said}. Or write it beforehand, without proof: wait: false")
        extra.warnings.append(said)
    try:
        # With a star, as it should be: CoreDNS starts without the file too.
        with_it = fragment.with_import(reading.main or "", f"{reading.paths[0]}*", reading.override)
    except CorefileError:
        # Lint says what is wrong with the Corefile.
        return
    extra.assume(reading._replace(main=with_it))
