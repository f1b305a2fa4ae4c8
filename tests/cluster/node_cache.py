# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container of a node-local cache's pod on a node of the tests: flags, files and environment as its pod declares.

The program is a CoreDNS with node-cache's plugin set, which sets up no interface and no rules. Where
``NODE_CACHE_BINARY`` names a node-cache that one runs, and does both itself.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import corefile, objects
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import options
from ansible_collections.kubenode.network.tests.cluster import build

REAL = os.environ.get("NODE_CACHE_BINARY", "")
"""A node-cache; empty: ours stands in for it."""
CALLED = "a node-cache" if REAL else "a CoreDNS with node-cache's plugin set"
WHY_NOT_REAL = (
    "it is about what node-cache itself does to the node, and NODE_CACHE_BINARY names none; a CoreDNS with its plugin "
    "set does nothing of the kind"
)
DEFAULTS = {name: option.get("default") for name, option in NODELOCAL_OPTIONS.items()}
RESOLV_CONF = "nameserver 192.0.2.53\n"
"""Nobody answers there (RFC 5737): what is not the cluster's does not resolve in tests."""
# A container's own /etc, /run and /tmp over those of the machine, whose iptables a node-cache needs.
_CONTAINER = """
set -e
folder=$1 program=$2 name=$3
shift 3
# A container that starts anew finds no pid file of the one before.
rm -rf "$folder/tmp"
mkdir -p "$folder/etc" "$folder/tmp"
mount -t tmpfs tmpfs "$folder/etc"
for file in alternatives ethertypes group hosts iproute2 ld.so.cache ld.so.conf ld.so.conf.d nsswitch.conf passwd \
        protocols services; do
    if [ -e "/etc/$file" ]; then cp -dR "/etc/$file" "$folder/etc/"; fi
done
cp "$folder/resolv.conf" "$folder/etc/resolv.conf"
touch "$folder/etc/program"
mount --bind "$program" "$folder/etc/program"
cd "$folder/files"
for mount in */*; do
    mkdir -p "$folder/$mount"
    mount --bind "$mount" "$folder/$mount"
done
mount --rbind "$folder/etc" /etc
mount -t tmpfs tmpfs /run
mount --bind "$folder/tmp" /tmp
cd /
exec -a "$name" /etc/program "$@"
"""


class Container(t.NamedTuple):
    """What a pod of the cache declares of its container."""

    args: tuple[str, ...]
    volumes: t.Mapping[str, t.Mapping[str, str]]
    """Where in ``/etc`` a ConfigMap is mounted -> its files."""
    env: t.Mapping[str, str]


def declared(
    cluster_ip: str, upstream_ip: str, kube_dns: t.Mapping[str, str] | None = None, domain: str = "cluster.local",
    interception: str = "cluster_ip", **given: t.Any,
) -> Container:  # fmt: skip
    """What the module nodelocaldns makes of its options in a cluster with that DNS Service."""
    wanted = options({**DEFAULTS, **given})
    facts = Facts(interception, domain, (cluster_ip,), upstream_ip, kube_dns or {})
    made = corefile.edit("", "", wanted, facts)
    service = {
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": cluster_ip, "selector": {"k8s-app": "kube-dns"}, "ports": []},
    }
    found = objects.desired(wanted, facts, made.texts.after, service)
    revision = found.config_map
    return of_pod(
        found.daemon_set["spec"]["template"]["spec"], {revision["metadata"]["name"]: revision["data"]},
        {"kube-dns": cluster_ip, objects.UPSTREAM: upstream_ip},
    )  # fmt: skip


def of_pod(
    spec: t.Mapping[str, t.Any], config_maps: t.Mapping[str, t.Mapping[str, str]], services: t.Mapping[str, str]
) -> Container:
    """That of a pod.

    Args:
        spec: of the pod, or of its DaemonSet's template.
        config_maps: the data of those of its namespace, by name.
        services: the ClusterIPs of its namespace, by the Services' names; a kubelet makes variables of them.
    """
    [container] = spec["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    volumes = {}
    for volume in spec["volumes"]:
        source = volume.get("configMap")
        if source is None or volume["name"] not in mounts:
            continue
        # An optional one need not be there.
        data = config_maps.get(source["name"], {}) if source.get("optional") else config_maps[source["name"]]
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        volumes[mounts[volume["name"]]] = {one["path"]: data[one["key"]] for one in items if one["key"] in data}
    env = {f"{name.upper().replace('-', '_')}_SERVICE_HOST": address for name, address in services.items()}
    return Container(tuple(container["args"]), volumes, env)


def program() -> pathlib.Path:
    """What runs."""
    return pathlib.Path(REAL).resolve() if REAL else build.built("nodecache")


def start(
    container: Container, folder: pathlib.Path, enter: t.Sequence[str] = (), resolv_conf: str = RESOLV_CONF,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start it in the network namespace of this thread, or where ``enter`` (``nsenter ...``) leads; it is the process.

    ``folder`` is the container's: ``log`` in it is what it writes, and ``update`` brings the files of a new revision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resolv.conf").write_text(resolv_conf, encoding="utf-8")
    update(container, folder)
    # In the image it is called so, and by this name a node's process is known to be one.
    name = "/node-cache" if REAL else str(program())
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*enter, "unshare", "--mount", "--propagation", "private", "bash", "-c", _CONTAINER, "node-cache",
             str(folder), str(program()), name, *container.args],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"PATH": path, "GOMAXPROCS": "1", **container.env},
        )  # fmt: skip


def update(container: Container, folder: pathlib.Path) -> None:
    """Bring the files of its ConfigMaps into the container, running or not, each in one step as a kubelet does."""
    for place, files in container.volumes.items():
        assert place.startswith("/etc/"), f"{place}: expected a mount below /etc"
        mounted = folder / "files" / place[1:]
        mounted.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            new = mounted / f"..{name}"
            new.write_text(text, encoding="utf-8")
            new.replace(mounted / name)


def served(process: subprocess.Popen[bytes]) -> str:
    """The Corefile as the program made it; empty before it has."""
    try:
        return pathlib.Path(f"/proc/{process.pid}/root/etc/Corefile").read_text(encoding="utf-8")
    except OSError:
        return ""
