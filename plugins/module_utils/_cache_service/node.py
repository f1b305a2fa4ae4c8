# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node: its units, its interfaces, who has its ports. Reads, and runs what systemd and the script do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node_script, steer, text, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run

_EVERYWHERE = ("0.0.0.0", "::")
_KUBELET_FILES = ("/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env", "/etc/kubernetes/kubelet.conf")
_CHUNK = 2**20


class Unit(t.NamedTuple):
    """A unit as systemd has it."""

    active: str = "inactive"
    enabled: bool = False
    pid: int = 0
    restarts: int = 0

    @property
    def runs(self) -> bool:
        """Whether systemd keeps it up."""
        return self.active in ("active", "activating", "reloading")


class Binary(t.NamedTuple):
    """The program that shall serve."""

    sha256: str
    version: str
    plugins: frozenset[str]


def unit(name: str) -> Unit:
    """How a unit stands; one that is not there is inactive."""
    names = "ActiveState,UnitFileState,MainPID,NRestarts"
    shown = dict(
        line.split("=", 1) for line in run(["systemctl", "show", f"--property={names}", name]).splitlines() if line
    )
    return Unit(
        shown.get("ActiveState", "inactive"), shown.get("UnitFileState") == "enabled",
        int(shown.get("MainPID") or 0), int(shown.get("NRestarts") or 0),
    )  # fmt: skip


def systemctl(*words: str) -> None:
    """Raises StateError with systemd's words."""
    run(["systemctl", *words], 60.0)


def journal(name: str) -> str:
    """The last lines that a unit wrote, for an error."""
    # What its processes wrote; where that is nothing, what systemd says of it.
    for which in (f"_SYSTEMD_UNIT={name}", f"--unit={name}"):
        try:
            said = run(["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=4", which])
        except StateError:
            return "the journal cannot be read"
        # Containers cannot have all of the hardening, which systemd says at each start.
        lines = [line for line in said.splitlines() if line.strip() and "ignoring namespace setup" not in line]
        if lines:
            return " / ".join(lines)
    return "it wrote nothing"


def script(*words: str) -> None:
    """Run the installed script. Raises StateError with its words."""
    run(["/bin/bash", units.SCRIPT, *words], 60.0)


def check(content: str, what: str) -> bool:
    """Whether ``link`` or ``rules`` is as a script wants it."""
    try:
        run(["/bin/bash", "-s", what, "check"], 60.0, content)
    except StateError:
        return False
    return True


def run_text(content: str, *words: str) -> None:
    """Run a script that is not, or no longer, installed."""
    run(["/bin/bash", "-s", *words], 60.0, content)


def sha256(path: str) -> str:
    """Of a file; empty where there is none."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


def binary(path: str, later: bool) -> Binary | None:
    """What the file is; None where it comes ``later``. Raises StateError for what is no CoreDNS."""
    if not os.path.exists(path):
        if later:
            return None
        raise StateError(
            f"binary: there is no file {path} on the node; bring a CoreDNS there first, or name where it is"
        )
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise StateError(f"binary: {path} is no program: expected a file that may be executed (chmod 755)")
    try:
        said = run([path, "-version"], 20.0)
    except StateError as error:
        # It wants its flags before it tells its version (kubernetes/dns, cmd/node-cache/main.go).
        if "localip" in error.message:
            raise StateError(
                f"binary: {path} is a node-cache, which is made for a pod: it sets up an interface and rules of its "
                "own, and its answers stop while it is restarted; expected a CoreDNS, such as one of its releases "
                "(or install: pods of role dns_cache)"
            ) from error
        raise StateError(f"binary: {path} does not run on this node ({error.message}): expected a CoreDNS") from error
    match = re.search(r"^CoreDNS-(\S+)", said, re.MULTILINE)
    if not match:
        raise StateError(
            f"binary: {path} is no CoreDNS: with -version it says {said.strip()[:80]!r}, expected CoreDNS-<version>"
        )
    return Binary(sha256(path), match[1], text.plugins_of(run([path, "-plugins"], 20.0)))


def value_of(content: str, name: str) -> str:
    """A value at the top of the script's text; empty where it has none."""
    match = re.search(rf"^{name}='([^']*)'$", content, re.MULTILINE)
    return match[1] if match else ""


def backend(wanted: str, before: str) -> str:
    """What shall hold the rules: nft, iptables or none. What was chosen once stays. Raises StateError.

    Where the node's firewall is iptables' an accept elsewhere would not outweigh a drop there.
    """
    if wanted == "none" or (wanted == "auto" and before == "none"):
        return "none"
    if wanted == "auto" and before and shutil.which(before):
        return before
    if wanted == "auto":
        wanted = "iptables" if _iptables_in_use() or not shutil.which("nft") else "nft"
        if not shutil.which(wanted):
            raise StateError("rules: there is neither nft nor iptables on this node: install one, or rules: none")
    if not shutil.which(wanted):
        raise StateError(f"rules: there is no program {wanted} on this node: install it, or take another of rules")
    return wanted


def _iptables_in_use() -> bool:
    if not shutil.which("iptables-save"):
        return False
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        ["iptables-save"], capture_output=True, timeout=30, check=False, encoding="utf-8", errors="replace"
    )
    return bool(re.search(r"^-A |^:(?:INPUT|OUTPUT) DROP", done.stdout, re.MULTILINE))


def check_node(options: Options, own: t.Sequence[int]) -> None:
    """Raises StateError for what on the node is in the way; ``own`` are the processes of our servers."""
    for one in json.loads(run(["ip", "-json", "-details", "address", "show"]) or "[]"):
        ours = one.get("ifalias") == node_script.ALIAS and one.get("ifname") == options.interface
        if one.get("ifname") == options.interface and not ours:
            raise StateError(
                f"interface: {options.interface} is there already and not ours: expected none of that name; a "
                "node-cache pod makes or leaves one (remove it first), or choose another name"
            )
        for address in one.get("addr_info", ()):
            if address.get("local") in options.local_ips and not ours:
                raise StateError(
                    f"local_ips: {address['local']} is on interface {one['ifname']} already: expected an address that "
                    "nobody on the node has (kube-ipvs0 has every ClusterIP: take a link-local one alone)"
                )
    _check_ports(options, own)
    for name in (name for name in options.upstreams if name.startswith("/")):
        _check_resolver(name, options)


def _check_ports(options: Options, own: t.Sequence[int]) -> None:
    ours = {inode for pid in own for inode in _inodes(pid)}
    wanted = {
        53: ("", options.local_ips), options.health_port: ("health_port: ", options.local_ips[:1]),
        options.metrics_port: ("metrics_port: ", ()),
    }  # fmt: skip
    for protocol, address, port, inode in steer.takers():
        if port not in wanted or inode in ours or (protocol == "udp" and port != 53):
            continue
        option, addresses = wanted[port]
        if addresses and address not in (*addresses, *_EVERYWHERE):
            continue
        raise StateError(
            f"{option}port {port} ({protocol}) of {address} is taken by {_owner_of(inode)}: the cache could not "
            "listen; stop it, bind it to other addresses" + (f", or choose another {option[:-2]}" if option else "")
        )


def _inodes(pid: int) -> t.Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                link = os.readlink(f"/proc/{pid}/fd/{name}")
                if link.startswith("socket:["):
                    yield link[len("socket:[") : -1]


def _owner_of(inode: str) -> str:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if inode in _inodes(int(pid)):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                return f"{file.read().strip()} (process {pid})"
    return "another process"


def _check_resolver(path: str, options: Options) -> None:
    content = read_file(path).text
    if content is None:
        raise StateError(f"upstreams: there is no file {path} on the node; name one that is there, or addresses")
    servers = re.findall(r"^nameserver\s+(\S+)", content, re.MULTILINE)
    if not servers:
        raise StateError(f"upstreams: {path} names no server (nameserver ...): CoreDNS would not start")
    for server in servers:
        if server in options.local_ips:
            raise StateError(
                f"upstreams: {path} names {server}, which is one of local_ips: the cache would ask itself; name the "
                "servers of the network instead"
            )


def kubelet_uses(addresses: t.Iterable[str]) -> str | None:
    """The file by which this node's kubelet gives pods one of the link-local addresses; None: it does not.

    A ClusterIP is answered by CoreDNS again once the cache is gone, a link-local address by nobody.
    """
    for path in _KUBELET_FILES:
        try:
            content = read_file(path).text or ""
        except StateError:
            continue
        for address in addresses:
            if address.startswith("169.254.") and re.search(rf"(?<![\d.]){re.escape(address)}(?![\d.])", content):
                return f"{path} ({address})"
    return None
