# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a packet filter stops a packet, in words: whose rule it is, and that owner's own way to let it through. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.judge import Judged
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import Chain

Finding = dict[str, t.Any]

# Names of tables and chains as their makers give them, and the way that lasts. {iif} is the pods' interface.
_OWNERS = (
    (r"firewalld|(IN|FWDI|INPUT|FORWARD)_\w*(public|direct|ZONES)\w*", "firewalld",
     "firewall-cmd --permanent --zone=trusted --add-interface={iif} && firewall-cmd --reload"),
    (r"ufw6?-.*", "ufw", "ufw allow in on {iif} to any port 53"),
    (r"cali-.*|calico", "Calico",
     "allow UDP and TCP port 53 to {address} in a GlobalNetworkPolicy for the host endpoint"),
    (r"KUBE-(ROUTER|NWPLCY|POD-FW).*", "kube-router", "allow {address} as an ipBlock in the pod's NetworkPolicy"),
    (r"KUBE-FIREWALL|KUBE-.*|kube-proxy", "kube-proxy", "restart kube-proxy on this node, which makes its rules anew"),
    (r"(CILIUM|OLD_CILIUM)_.*", "Cilium", "allow {address} as a CIDR in the pod's CiliumNetworkPolicy"),
    (r"DOCKER.*", "Docker", "restart Docker, which makes its rules anew"),
)  # fmt: skip


def owner(chain: Chain, rules: t.Sequence[str] = ()) -> tuple[str, str] | None:
    """Who made a chain, or one on the way to it, and how that owner is told."""
    names = [chain.name, chain.table, *re.findall(r"(?:-j|-g|jump|goto) (\S+)", " ".join(rules))]
    for pattern, name, fix in _OWNERS:
        if any(re.fullmatch(pattern, one) for one in names):
            return name, fix
    return None


def stopped(judged: Judged, what: str, address: str, protocol: str, iif: str) -> Finding:
    """The finding of a packet that a hook does not let through. ``what`` is the packet, in words."""
    chain = t.cast("Chain", judged.chain)
    rule = judged.rules[-1] if judged.rules else ""
    whose = owner(chain, judged.rules)
    told = f" of {whose[0]}" if whose else ""
    if judged.verdict == "unknown":
        cause = f"{chain.place}{told} has a rule that is not understood and decides about {what}: {rule}"
        way = _permit(chain, address, protocol, whose, iif)
        fix = f"read the rule; if it lets {what} through all is well, else {way}"
    elif rule:
        way = f" (reached by {' -> '.join(judged.rules[:-1])})" if len(judged.rules) > 1 else ""
        cause = f"{chain.place}{told} stops {what} by the rule: {rule}{way}"
        fix = whose[1].format(iif=iif, address=address) if whose else _delete(chain, rule, judged.handle)
    else:
        cause = f"no rule of {chain.place}{told} accepts {what}, and its policy is {judged.verdict}"
        fix = _permit(chain, address, protocol, whose, iif)
    kind = "filter_unknown" if judged.verdict == "unknown" else "filter_drops"
    return {"kind": kind, "address": address, "protocol": protocol, "rule": rule, "cause": cause, "fix": fix}


def _delete(chain: Chain, rule: str, handle: int | None) -> str:
    program = chain.origin if chain.origin != "nftables" else ""
    if program and rule.startswith("-A "):
        return f"take it away: {program} -t {chain.table} -D {rule[3:]}"
    return f"take it away: nft delete rule {chain.family} {chain.table} {chain.name} handle {handle}"


def _permit(chain: Chain, address: str, protocol: str, whose: tuple[str, str] | None, iif: str) -> str:
    if whose:
        return whose[1].format(iif=iif, address=address)
    ends = "dport" if chain.hook in ("ingress", "prerouting", "input") else "sport"
    if chain.origin != "nftables":
        side = "-d" if ends == "dport" else "-s"
        port = f"-p {protocol} --{ends} 53"
        return f"let it through: {chain.origin} -t {chain.table} -I {chain.name} {side} {address} {port} -j ACCEPT"
    side = ("ip6" if ":" in address else "ip") + (" daddr" if ends == "dport" else " saddr")
    rule = f"{side} {address} {protocol} {ends} 53 accept"
    return f"let it through: nft insert rule {chain.family} {chain.table} {chain.name} {rule}"
