# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings below ``net.``: their names, what they mean together, their file for the next boot, and /proc/sys.

Keys are written as in sysctl.d(5): dots between the parts, and a dot inside an interface's name as a slash
(``net.ipv4.conf.ens224/100.rp_filter``). ``read`` and ``write`` touch /proc/sys, ``later_files``
lists folders; the rest is pure.
"""

from __future__ import annotations

import errno
import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import State, StateError, SysctlSpec
from ansible_collections.kubenode.network.plugins.module_utils._state.tables import owners_text

PATH = "/etc/sysctl.d/90-kubenode-network.conf"
PREFIXES = ("net.ipv4.", "net.ipv6.", "net.core.", "net.netfilter.")

# sysctl.d(5) and procps: of equal file names the first folder's counts, then the files are read by name.
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
LAST_FILE = "/etc/sysctl.conf"

_HEADER = "# Written by kubenode.network: kernel settings and their owners.\n"
_OF_INTERFACE = re.compile(r"(net\.ipv[46]\.(?:conf|neigh))\.(.+)\.([^./]+)\Z")
# These set the same setting of every interface (net/ipv4/devinet.c: inet_forward_change; net/ipv6/addrconf.c).
_MASTERS = ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding")
# linux/rtnetlink.h
_RTPROT_KERNEL = 2
_RTPROT_RA = 9
_AF_INET6 = 10


def normalised(specs: t.Iterable[SysctlSpec]) -> tuple[SysctlSpec, ...]:
    """Keys and values in one form, in the order in which they must be written: settings of all interfaces first.

    Raises StateError for keys outside of ``PREFIXES``, values that are no one line, and contradictions.
    """
    seen: dict[str, SysctlSpec] = {}
    result = []
    for given in specs:
        spec = given._replace(key=dotted(given.key, given.origin), value=squeezed(given.value))
        if not spec.value or not spec.value.isprintable():
            raise StateError(f"{spec.origin}: value {given.value!r} of {spec.key}: expected numbers or words")
        same = "net.ipv4.conf.all.forwarding" if spec.key == "net.ipv4.ip_forward" else spec.key
        other = seen.setdefault(same, spec)
        if other.value != spec.value:
            raise StateError(
                f"{other.origin} wants {other.key} = {other.value}, {spec.origin} wants {spec.key} = {spec.value}: "
                "expected one value"
            )
        result.append(spec)
    return tuple(sorted(result, key=lambda spec: rank(spec.key)))


def dotted(key: str, origin: str) -> str:
    """The key with dots between its parts, also from slashes and from an interface's name with its dots.

    Raises StateError for a key outside of ``PREFIXES``.
    """
    key = key.strip()
    separator = re.search(r"[./]", key)
    if separator and separator.group() == "/":
        key = key.translate(_SWAP)
    found = _OF_INTERFACE.match(key)
    if found:
        key = ".".join([found.group(1), found.group(2).replace(".", "/"), found.group(3)])
    parts = key.translate(_SWAP).split("/")
    if (
        not key.startswith(PREFIXES)
        or not all(re.match(r"[^\s/=#;]+\Z", part) for part in parts)
        or {".", ".."} & set(parts)
    ):
        raise StateError(
            f"{origin}: sysctl {key!r}: expected a key below {', '.join(PREFIXES)} such as "
            "net.ipv4.conf.ens224.rp_filter (a dot in an interface's name is written as a slash)"
        )
    return key


_SWAP = str.maketrans("./", "/.")


def squeezed(value: str) -> str:
    """Blanks and tabs as one blank: the kernel answers ``32768<TAB>60999`` for ``32768 60999``."""
    return " ".join(value.split())


def interface_of(key: str) -> str | None:
    """The interface that a key is about."""
    found = _OF_INTERFACE.match(key)
    return found.group(2).replace("/", ".") if found else None


def is_later(path: str) -> bool:
    """Whether ``later_files`` may have named this path."""
    return path == LAST_FILE or (path.rpartition("/")[0] in FOLDERS and path != PATH)


def rank(key: str) -> int:
    """Sort key: what sets the settings of others comes before them, and accept_ra before forwarding looks at it."""
    if key.endswith(".accept_ra"):
        return -1
    return 0 if key in _MASTERS else 1 if ".all." in key else 2 if ".default." in key else 3


def render(entries: t.Iterable[tuple[str, str, t.Iterable[str]]]) -> str | None:
    """The file for the next boot of (key, value, owners); None where nothing is left for it.

    Comments have lines of their own: in sysctl.d a value goes to the end of its line.
    """
    text, last = "", None
    for key, value, owners in sorted(entries, key=lambda entry: (rank(entry[0]), entry[0])):
        comment = owners_text(owners, "# ", "\n")
        text += ("" if comment == last else comment or "#\n") + f"{key} = {value}\n"
        last = comment
    return _HEADER + text if text else None


def parse(text: str) -> dict[str, str]:
    """Key -> value of a sysctl.d file; keys in our form, others than ours too; the last one counts."""
    result = {}
    for line in text.split("\n"):
        key, equals, value = line.strip().partition("=")
        key = key.strip().lstrip("-")
        if equals and key[:1] not in ("#", ";", ""):
            separator = re.search(r"[./]", key)
            result[key.translate(_SWAP) if separator and separator.group() == "/" else key] = squeezed(value)
    return result


def later_files(root: str = "/") -> tuple[str, ...]:
    """The files that are read after ours at boot, in order."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        try:
            names = os.listdir(os.path.join(root, folder[1:]))
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf") and name > os.path.basename(PATH):
                found.setdefault(name, f"{folder}/{name}")
    return (*(found[name] for name in sorted(found)), LAST_FILE)


def overridden(values: t.Mapping[str, str], later: t.Mapping[str, str]) -> t.Iterator[str]:
    """Warnings for keys that a file read after ours (``later``: path -> text) sets to something else at boot."""
    for path, text in later.items():
        for key, value in parse(text).items():
            if values.get(key, value) != value:
                yield f"{path} sets {key} = {value} at the next boot, after our {values[key]}: take that line away"


def check(values: t.Mapping[str, str], state: State, multi_nic: t.Iterable[str] = ()) -> list[str]:
    """Judge ``values`` (key -> value as it shall be) with what the node has; the warnings that they deserve.

    ``multi_nic``: interfaces whose replies go back the way the request came.
    Raises StateError where a value would take away routes: IPv6 forwarding a router-advertised default route, now, and
    accept_ra when it expires, which is after the change was confirmed; disable_ipv6 the addresses and routes of others.
    """
    for key, value in values.items():
        if key.endswith(".disable_ipv6") and value != "0" and state.sysctls.get(key) == "0":
            _check_disable_ipv6(key, value, state)
        if re.match(r"net\.ipv6\.conf\..*\.forwarding\Z", key) and value != "0":
            _check_router_advertisements(key, values, state)
        if key.endswith((".accept_ra", ".accept_ra_defrtr")) and value == "0" and state.sysctls.get(key) != "0":
            _check_expiry(key, value, state)
    return _rp_filter_warnings(values, state, multi_nic)


def needed(
    specs: t.Iterable[SysctlSpec], interfaces: t.Iterable[str], multi_nic: t.Iterable[str] = ()
) -> tuple[str, ...]:
    """The keys whose values ``check`` looks at, the declared ones included; ``interfaces``: the node's links."""
    keys = {spec.key: None for spec in specs}
    names = {spec.key.split(".")[3] for spec in specs if spec.key.endswith(".rp_filter")} - {"all", "default"}
    names |= {name.replace(".", "/") for name in multi_nic}
    if names or "net.ipv4.conf.all.rp_filter" in keys:
        keys["net.ipv4.conf.all.rp_filter"] = None
        every = {name.replace(".", "/") for name in interfaces if name != "lo"}
        keys.update((f"net.ipv4.conf.{name}.rp_filter", None) for name in sorted(names or every))
    if any(key.startswith("net.ipv6.conf.") and key.endswith(".forwarding") for key in keys):
        keys.update((f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra", None) for name in interfaces)
    return tuple(keys)


def read(key: str, root: str = "/") -> str | None:
    """The kernel's value, None where it has no such key. Raises StateError where the key cannot be read."""
    try:
        with open(path_of(key, root), encoding="utf-8", errors="surrogateescape") as stream:
            return squeezed(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"sysctl {key} cannot be read: {error.strerror}; expected one that holds a value") from error


def write(key: str, value: str, root: str = "/") -> None:
    """Set a value. Raises StateError with the kernel's reason; then the key has its old value."""
    try:
        descriptor = os.open(path_of(key, root), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, (value + "\n").encode())
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StateError(
            f"sysctl {key} is not there: expected a key of this kernel, with an interface that exists"
        ) from error
    except OSError as error:
        hint = "; /proc/sys is read-only here" if error.errno in (errno.EROFS, errno.EACCES) else ""
        raise StateError(f"the kernel refused sysctl {key} = {value}: {error.strerror}{hint}") from error


def path_of(key: str, root: str = "/") -> str:
    """The file of a key."""
    return os.path.join(root, "proc/sys", key.translate(_SWAP))


def _check_router_advertisements(key: str, values: t.Mapping[str, str], state: State) -> None:
    scope = key.split(".")[3].replace("/", ".")
    for routes in state.routes.values():
        for route in routes:
            if route.destination != "::/0" or route.protocol != _RTPROT_RA:
                continue
            for name in {hop.interface for hop in route.next_hops if hop.interface}:
                accept = f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra"
                # 0: a daemon (NetworkManager, networkd) listens itself, whatever the kernel forwards.
                if scope in ("all", name) and values.get(accept, state.sysctls.get(accept) or "1") == "1":
                    raise StateError(
                        f"sysctl {key} = {values[key]} would remove the IPv6 default route that {name} has from router "
                        f"advertisements: a forwarding node ignores them. Set {accept} = 2 along with it, or add a "
                        "static default route first"
                    )


def _check_expiry(key: str, value: str, state: State) -> None:
    name = interface_of(key)
    for routes in state.routes.values():
        for route in routes:
            if (
                route.destination == "::/0"
                and route.protocol == _RTPROT_RA
                and name in {hop.interface for hop in route.next_hops}
            ):
                raise StateError(
                    f"sysctl {key} = {value} would let the IPv6 default route expire that {name} has from router "
                    "advertisements: it lives by the next one. Add a static default route first"
                )


def _check_disable_ipv6(key: str, value: str, state: State) -> None:
    name = interface_of(key)
    lost = [
        f"{address.address} on {address.interface}"
        for address in state.addresses.values()
        if address.family == _AF_INET6 and address.scope == 0 and name in (address.interface, "all")
    ]
    lost += [
        f"route {route.destination}"
        for routes in state.routes.values()
        for route in routes
        if route.family == _AF_INET6
        and route.protocol != _RTPROT_KERNEL
        and name in ("all", *(hop.interface for hop in route.next_hops))
    ]
    if lost:
        raise StateError(
            f"sysctl {key} = {value} makes the kernel drop IPv6 addresses and routes, whoever made them: "
            f"{', '.join(lost[:5])}. Remove them first"
        )


def _rp_filter_warnings(values: t.Mapping[str, str], state: State, multi_nic: t.Iterable[str]) -> list[str]:
    def value(name: str) -> int:
        key = f"net.ipv4.conf.{name}.rp_filter"
        text = values.get(key, state.sysctls.get(key) or "0")
        return int(text) if text.isdigit() else 0

    warnings = []
    everywhere = value("all")
    listed = {key.split(".")[3] for key in values if key.startswith("net.ipv4.conf.") and key.endswith(".rp_filter")}
    names = listed - {"all", "default"}
    if "all" in listed:
        names |= {key.split(".")[3] for key in state.sysctls if re.match(r"net\.ipv4\.conf\.[^.]+\.rp_filter\Z", key)}
        names -= {"all", "default"}
    for name in sorted(listed - {"all", "default"}):
        if everywhere > value(name):
            warnings.append(
                f"rp_filter {value(name)} of {name.replace('/', '.')} has no effect: the kernel takes the larger of it "
                f"and net.ipv4.conf.all.rp_filter, which is {everywhere}"
            )
    several = len({address.interface for address in state.addresses.values() if address.interface != "lo"}) > 1
    asked = {name.replace(".", "/") for name in multi_nic}
    strict = sorted(name for name in names | asked if max(everywhere, value(name)) == 1 and (several or name in asked))
    if strict:
        warnings.append(
            f"rp_filter is strict (1) on {', '.join(strict).replace('/', '.')} of a node with several NICs: the kernel "
            "silently drops packets whose way back leads through another NIC; 2 (loose) keeps them"
        )
    return warnings
