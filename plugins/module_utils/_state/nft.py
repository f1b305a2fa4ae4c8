# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own nftables table: replies of connections that entered by a NIC get a packet mark, also those that pods send.

Connections carry the number of the NIC that their first packet came in by in a few bits of the connection mark. Packets
in the direction of the reply get the same bits in the packet mark before they are routed, so that a rule
``fwmark NUMBER/MASK lookup TABLE`` sends them back out by that NIC. Other bits of both marks are never touched.

``read`` and ``apply`` run ``nft``, the rest is pure. The node's own sockets are served too: a NodePort that leads
to a pod in the host's network answers from another of the node's addresses.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

TABLE = "kubenode_network"

# Bits 3 to 6, for 14 NICs. Taken by others (github.com/fwmark/registry): AWS VPC CNI 0x80; Cilium 0xf00 for its magic
# and 0xff only for the ids of a cluster mesh; the portmap plugin 0x2000; kube-proxy 0x4000 and 0x8000; Calico, Weave
# and Tailscale within 0xffff0000. People set small numbers (1, 2 ...) by hand.
MASK = 0x78
_STEP = 0x08
# Not all bits at once: nft lists "keep the others, set all of these" in another form.
_MARKS = range(_STEP, MASK, _STEP)
MAX_INTERFACES = len(_MARKS)

# NF_IP_PRI_MANGLE (linux/netfilter_ipv4.h): after connection tracking, before destination NAT and the routing decision.
_PRIORITY = -150
_PROGRAM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
_SECONDS = 30


def assign(interfaces: t.Iterable[str], current: str | None = None) -> dict[str, int]:
    """A mark for each interface: the one that it has in ``current`` (the text of our table), else the lowest free one.

    Raises StateError for more than 14 interfaces and for names that nftables would read as a pattern.
    """
    names = list(dict.fromkeys(interfaces))
    if len(names) > MAX_INTERFACES:
        raise StateError(
            f"multi_nic with forwarded: {len(names)} interfaces, expected at most {MAX_INTERFACES}: the connection "
            f"mark has bits {MASK:#x} for them"
        )
    for name in names:
        if not re.match(r"[^\s\"*\\]{1,15}\Z", name):
            raise StateError(f"multi_nic with forwarded: interface {name!r}: expected a name without quotes and '*'")
    before = parse(current or "")
    marks: dict[str, int] = {}
    for name in names:
        if before.get(name, 0) in _MARKS and before[name] not in marks.values():
            marks[name] = before[name]
    free = (mark for mark in _MARKS if mark not in marks.values())
    return {name: marks[name] if name in marks else next(free) for name in names}


def render(marks: t.Mapping[str, int]) -> str | None:
    """The table as nft takes it, for interface -> mark; None without any interface."""
    if not marks:
        return None
    entering, leaving = [], []
    for name, mark in sorted(marks.items(), key=lambda pair: pair[1]):
        # nft writes the mask of "keep the other bits, set these" with the set bits in it.
        keep = f"{0xFFFFFFFF ^ MASK | mark:#x} | {mark:#x}"
        entering.append(f'iifname "{name}" ct direction original ct state new ct mark set ct mark & {keep}')
        leaving.append(f"ct direction reply ct mark & {MASK:#x} == {mark:#x} meta mark set meta mark & {keep}")
    chains = [("prerouting", "filter", entering + leaving), ("output", "route", leaving)]
    return _table(
        _chain(name, [f"type {kind} hook {name} priority {_PRIORITY}; policy accept;", *rules])
        for name, kind, rules in chains
    )


def parse(text: str) -> dict[str, int]:
    """Interface -> mark of a rendered table."""
    return {
        name: int(mark, 16) for name, mark in re.findall(r'iifname "([^"]+)" .* \| (0x[0-9a-f]+)$', text, re.MULTILINE)
    }


def overlaps(fwmark: int, fwmask: int) -> bool:
    """Whether somebody else's rule asks for bits that are ours; a mask of 0 is the kernel's default, all bits."""
    return bool(fwmark & (fwmask or 0xFFFFFFFF) & MASK)


def read() -> str | None:
    """Our table in the form of ``render``, one that render did not make as nft lists it, None where there is none.

    Either text given to ``apply`` makes the table what it was. Raises StateError where ``nft`` is missing or fails.
    """
    for options in (["-j"], []):
        code, out, err = _run([*options, "list", "table", "inet", TABLE])
        if code and ("No such file or directory" in err or "does not exist" in err):
            return None
        if code:
            raise StateError(f"nft cannot list table inet {TABLE}: {err.strip()}")
        text = from_json(out) if options else out
        if render(parse(text)) == text:
            break
    return text


def from_json(text: str) -> str:
    """What ``nft -j list table`` printed, in the form of ``render`` as far as it is what render writes.

    Raises StateError for what is no such listing.
    """
    chains: dict[str, list[str]] = {}
    try:
        entries = json.loads(text)["nftables"]
    except (ValueError, KeyError) as error:
        raise StateError(
            f"nft listed table inet {TABLE} in a form that we did not understand: {text[:200]!r}"
        ) from error
    for entry in entries:
        if "chain" in entry:
            base = "type {type} hook {hook} priority {prio}; policy {policy};"
            chain = entry["chain"]
            chains.setdefault(chain["name"], []).append(base.format(**chain) if "hook" in chain else "")
        elif "rule" in entry:
            words = " ".join(map(_statement, entry["rule"]["expr"]))
            chains.setdefault(entry["rule"]["chain"], []).append(words)
        elif not {"metainfo", "table"} & set(entry):
            chains[json.dumps(entry, sort_keys=True)] = []
    return _table(_chain(name, lines) for name, lines in chains.items())


def apply(text: str | None) -> None:
    """Make our table what ``text`` says, or delete it (None), in one transaction of the kernel.

    Raises StateError where ``nft`` is missing or the kernel refuses; then the table is as it was.
    """
    code, _out, err = _run(["-f", "-"], replacing(text))
    if code:
        raise StateError(f"nft refused table inet {TABLE}: {err.strip()}")


def replacing(text: str | None) -> str:
    """What `nft -f` reads to make our table what ``text`` says, whether there is one or not."""
    # A delete of what is not there fails, so it is declared first.
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n{text or ''}"


def _table(chains: t.Iterable[str]) -> str:
    return "table inet {} {{\n{}}}\n".format(TABLE, "".join(chains))


def _chain(name: str, lines: t.Iterable[str]) -> str:
    return "\tchain {} {{\n{}\t}}\n".format(name, "".join(f"\t\t{line}\n" for line in lines))


def _statement(statement: dict[str, t.Any]) -> str:
    match, mangle = statement.get("match"), statement.get("mangle")
    if match and match["op"] in ("==", "in"):
        left, right = _value(match["left"]), match["right"]
        quoted = f'"{right}"' if left == "iifname" else _value(right)
        return f"{left} == {quoted}" if "&" in left else f"{left} {quoted}"
    if mangle:
        return f"{_value(mangle['key'])} set {_value(mangle['value'], _field(mangle['value']))}"
    return json.dumps(statement, sort_keys=True)


def _field(value: t.Any) -> int:
    """The bits that an expression sets: kernels and versions of nft differ in whether its mask has them."""
    parts = value.get("|") if isinstance(value, dict) else None
    return parts[1] if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[1], int) else 0


def _value(value: t.Any, field: int = 0) -> str:
    if isinstance(value, int):
        return f"{value | field:#x}"
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        if name in ("&", "|") and isinstance(inner, list) and len(inner) == 2:
            return f"{_value(inner[0], field)} {name} {_value(inner[1], field)}"
        if name in ("meta", "ct") and isinstance(inner, dict) and set(inner) == {"key"}:
            key = inner["key"]
            return str(key) if key == "iifname" else f"{name} {key}"
    return json.dumps(value, sort_keys=True)


def _run(arguments: list[str], stdin: str = "") -> tuple[int, str, str]:
    import os
    import shutil
    import subprocess

    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{_PROGRAM_FOLDERS}")
    if program is None:
        raise StateError(
            "multi_nic with forwarded: true needs the program nft, which is not there: install the package nftables, or"
            " leave forwarded away to have only the node's own sockets answer by the NIC they were asked on"
        )
    try:
        # This is a library: it has no AnsibleModule whose run_command it could call.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(f"{program} did not run: {error}") from error
    return done.returncode, done.stdout, done.stderr
