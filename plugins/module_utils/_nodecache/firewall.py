# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filters of this node, listed by their own programs: iptables of both flavours, and nftables.

Listing changes nothing: programs of iptables-legacy are run for tables that the kernel has already.
"""

from __future__ import annotations

import os
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache import iptables, nfnetlink, nftables
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import Chain, NodeCacheError, Ruleset

FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
_SECONDS = 60
_PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
# What the kernel says of tables that iptables-legacy made; there is no such file where it never did.
_LEGACY = {"ip": "ip_tables_names", "ip6": "ip6_tables_names"}


def run(argv: t.Sequence[str], text: str | None = None) -> tuple[int, str, str]:
    """Exit status, output and errors of a program. Raises FileNotFoundError where it is missing."""
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv, input=text, stdin=subprocess.DEVNULL if text is None else None, capture_output=True, text=True,
        check=False, timeout=_SECONDS, cwd="/", errors="replace",
        env={**os.environ, "PATH": FOLDERS + ":" + os.environ.get("PATH", ""), "LC_ALL": "C"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def read() -> Ruleset:
    """All chains. What cannot be listed is named in ``unreadable``."""
    ruleset = Ruleset()
    for family in _PROGRAMS:
        _legacy(ruleset, family)
    _nftables(ruleset)
    return ruleset


def program(family: str, flavour: str, what: str) -> tuple[str, str, str]:
    """Its output, errors, and the name it was run by: ``iptables-legacy-save``, or iptables-save of that flavour.

    Raises FileNotFoundError where the node has none of that flavour.
    """
    name = f"{_PROGRAMS[family]}-{flavour}-{what}"
    try:
        return (*_printed([name]), name)
    except FileNotFoundError:
        plain = f"{_PROGRAMS[family]}-{what}"
        _code, out, _err = run([plain, "--version"])
        # "iptables-save v1.8.9 (nf_tables)"; before 1.8 there was but the legacy one, and it did not say.
        if ("nf_tables" in out) != (flavour == "nft"):
            raise FileNotFoundError(name) from None
        return (*_printed([plain]), plain)


def _printed(argv: t.Sequence[str]) -> tuple[str, str]:
    code, out, err = run(argv)
    if code:
        raise NodeCacheError(f"{argv[0]} failed with status {code}: {err.strip() or 'no output'}; is this run as root?")
    return out, err


def _legacy(ruleset: Ruleset, family: str) -> None:
    try:
        with open(f"/proc/thread-self/net/{_LEGACY[family]}", encoding="ascii") as file:
            tables = file.read().split()
    except OSError:
        return
    if not tables:
        return
    try:
        out, _err, _name = program(family, "legacy", "save")
    except FileNotFoundError as error:
        ruleset.unreadable.append(
            f"the kernel has {family} tables of iptables-legacy ({', '.join(sorted(tables))}) and no {error} is on the "
            "node to list them: install the package iptables"
        )
        return
    for chain in iptables.chains(out, f"{_PROGRAMS[family]}-legacy", family):
        ruleset.add(chain)


def _nftables(ruleset: Ruleset) -> None:
    try:
        out, _err = _printed(["nft", "-j", "list", "ruleset"])
        found = nftables.chains(nftables.listing(out))
    except FileNotFoundError:
        _without_nft(ruleset)
        return
    by_table: dict[tuple[str, str], list[Chain]] = {}
    for chain in found:
        by_table.setdefault((chain.family, chain.table), []).append(chain)
    for family, their_program in _PROGRAMS.items():
        theirs = [name for owner, name in by_table if owner == family and name in iptables.TABLES]
        saved = _saved(family) if theirs else {}
        for name in theirs:
            # In nft's words what iptables' extensions do is left out.
            listed = by_table[family, name]
            if name in saved and _same(saved[name], listed):
                by_table[family, name] = _with_handles(saved[name], listed)
            elif any("xt" in statement for chain in listed for raw in chain.raw for statement in raw.get("expr", ())):
                ruleset.unreadable.append(
                    f"table {family} {name} has rules of iptables-nft that nft shows in part, and "
                    f"{their_program}-nft-save does not print that table: install the package iptables, and move "
                    "chains of others to a table of their own"
                )
    for chains in by_table.values():
        for chain in chains:
            ruleset.add(chain)


def _saved(family: str) -> dict[str, list[Chain]]:
    """Table -> its chains, as iptables-nft prints them; nothing where there is no such program."""
    try:
        out, _err, _name = program(family, "nft", "save")
    except (FileNotFoundError, NodeCacheError):
        return {}
    found: dict[str, list[Chain]] = {}
    for chain in iptables.chains(out, f"{_PROGRAMS[family]}-nft", family):
        found.setdefault(chain.table, []).append(chain)
    return found


def _same(saved: list[Chain], listed: list[Chain]) -> bool:
    """Whether both listings are of the same chains: iptables leaves out what it cannot say."""
    sizes = {chain.name: len(chain.raw) for chain in saved if chain.raw}
    return sizes == {chain.name: len(chain.raw) for chain in listed if chain.raw} and {
        chain.name for chain in listed if chain.hook
    } <= {chain.name for chain in saved}


def _with_handles(saved: list[Chain], listed: list[Chain]) -> list[Chain]:
    known = {chain.name: chain for chain in listed}
    for chain in saved:
        real = known.get(chain.name)
        if real is None:
            # iptables prints all built-in chains of a table, also those that were not made.
            chain.hook = ""
            continue
        chain.handles = real.handles
        chain.hook, chain.priority, chain.policy = real.hook, real.priority, real.policy
    return saved


def _without_nft(ruleset: Ruleset) -> None:
    """Take what iptables-nft can tell, and look whether the kernel has base chains besides."""
    seen: set[tuple[str, str, str]] = set()
    for family in _PROGRAMS:
        for chains in _saved(family).values():
            for chain in chains:
                ruleset.add(chain)
                seen.add((chain.family, chain.table, chain.name))
    others = [base for base in nfnetlink.base_chains() if base not in seen]
    if others:
        names = ", ".join(" ".join(base) for base in others)
        ruleset.unreadable.append(
            f"the kernel has chains of nftables ({names}) and no nft is on the node to list them: install the package "
            "nftables"
        )
