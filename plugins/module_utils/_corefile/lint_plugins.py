# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of single plugins, by the tables of ``rules`` and ``versions``. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Findings, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import is_address
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint_servers import Server
from ansible_collections.kubenode.network.plugins.module_utils._corefile.rules import RULES, Rule, rewrite
from ansible_collections.kubenode.network.plugins.module_utils._corefile.stanza import Option, Stanza, stanzas
from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import seconds

# What answers names behind `hosts`.
_RESOLVING = (
    "forward",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "k8s_external",
    "grpc",
    "route53",
    "template",
)


def check_plugin(name: str, words: t.Sequence[Token], target: Target, findings: Findings) -> None:
    """All stanzas of a plugin in one server block."""
    rule = RULES.get(name)
    if rule is None:
        return
    found = stanzas(words)
    for index, stanza in enumerate(found):
        if stanza.token.text != name:
            message = f"{name}: {stanza.token.text!r} is out of place; a block opens on the line of its plugin"
            findings.warning(stanza.token, "misplaced-brace", message)
        if index and rule.once:
            message = f"{name} may stand once in a server block, and stands on line {found[0].token.line} too"
            findings.error(stanza.token, "plugin-twice", message)
            return
        if index and rule.first_only:
            message = f"{name} is read over: the one on line {found[0].token.line} counts"
            findings.warning(stanza.token, "plugin-twice", message)
            return
        if complaint := rule.args(stanza.args):
            findings.error(stanza.token, "bad-argument", f"{name}: {complaint}")
        if rule.options is not None:
            for option in _apart(rule, stanza.options):
                _check_option(name, rule, option, target, findings)
        special = _SPECIAL.get(name)
        if special is not None:
            special(stanza, findings)


def _apart(rule: Rule, options: t.Iterable[Option]) -> t.Iterator[Option]:
    """Options that stand on one line, each for itself."""
    for option in options:
        while option.name in rule.single and len(option.args) > 1:
            yield Option(option.token, option.args[:1])
            option = Option(option.token._replace(text=option.args[1]), option.args[2:])
        yield option


def check_repeated(servers: t.Sequence[Server], findings: Findings) -> None:
    """``health`` and ``ready`` listen once for the whole server, wherever they stand."""
    for name, default in (("health", ":8080"), ("ready", ":8181")):
        seen: dict[str, Token] = {}
        for one in servers:
            for stanza in stanzas(one.block.directives.get(name, [])):
                address = stanza.args[0] if stanza.args else default
                if address in seen:
                    other = seen[address].line
                    message = f"{name} on {address} stands on line {other} too, and once is enough for all blocks"
                    findings.warning(stanza.token, "repeated-listener", message)
                seen.setdefault(address, stanza.token)
    for one in servers:
        _check_fallthrough(one, findings)


def _check_option(name: str, rule: Rule, option: Option, target: Target, findings: Findings) -> None:
    options = rule.options or {}
    release = target.release
    check = options.get(option.name) or options.get("*")
    until = versions.OPTIONS_UNTIL.get((name, option.name))
    if until and (release is None or release < until):
        if release is None:
            message = f"{name}: CoreDNS {'.'.join(map(str, until))} and later have no option {option.name}"
            findings.warning(option.token, "unknown-option", message)
        return
    if check is None:
        report = findings.warning if release and release > versions.NEWEST else findings.error
        report(option.token, "unknown-option", f"{name} has no option {option.name}")
        return
    since = versions.OPTIONS_SINCE.get((name, option.name))
    if since and release and release < since:
        came = ".".join(map(str, since))
        message = f"{name}: option {option.name} came with CoreDNS {came}; the server is {target.version}"
        findings.error(option.token, "unknown-option", message)
    elif complaint := check(option.args):
        findings.error(option.token, "bad-argument", f"{name}: {option.name} {complaint}")


def _check_hosts(stanza: Stanza, findings: Findings) -> None:
    if stanza.args and is_address(stanza.args[0]):
        message = f"hosts {stanza.args[0]} is taken for the path of a file: entries stand in the block"
        findings.warning(stanza.token, "hosts-line", message)
    fallen = False
    for option in stanza.options:
        if option.name == "fallthrough":
            fallen = True
        elif option.name in RULES["hosts"].options:  # type: ignore[operator]
            continue
        elif fallen:
            findings.error(option.token, "hosts-after-fallthrough", "hosts: an entry must stand before fallthrough")
        elif not is_address(option.name):
            findings.warning(
                option.token, "hosts-line", f"hosts: {option.name!r} is no IP address, the line is read over"
            )
        elif not option.args:
            findings.warning(option.token, "hosts-line", f"hosts: {option.name} has no name, the line is read over")
    if not fallen and any(option.name == "fallthrough_unsupported" for option in stanza.options):
        findings.error(stanza.token, "bad-argument", "hosts: fallthrough_unsupported needs fallthrough")


def _check_fallthrough(one: Server, findings: Findings) -> None:
    behind = [name for name in _RESOLVING if name in one.block.directives]
    for stanza in stanzas(one.block.directives.get("hosts", [])):
        if behind and len(stanza.args) < 2 and not any(option.name == "fallthrough" for option in stanza.options):
            message = f"hosts without fallthrough answers for every name of the block: {behind[0]} is never asked"
            findings.warning(stanza.token, "hosts-no-fallthrough", message)


def _check_cache(stanza: Stanza, findings: Findings) -> None:
    names = [option.name for option in stanza.options]
    if "serve_stale_policy" in names and "serve_stale" not in names:
        findings.error(stanza.token, "bad-argument", "cache: serve_stale_policy needs serve_stale")
    if names.count("serve_stale_policy") > 1:
        findings.error(stanza.token, "bad-argument", "cache: serve_stale_policy may stand once")


def _check_forward(stanza: Stanza, findings: Findings) -> None:
    options = {option.name: option for option in stanza.options}
    if "force_tcp" in options and "prefer_udp" in options:
        findings.warning(
            options["prefer_udp"].token, "contradiction", "forward: force_tcp wins, prefer_udp means nothing"
        )
    if "max_age" in options and options["max_age"].args:
        age = seconds(options["max_age"].args[0]) or 0
        # plugin/pkg/proxy/persistent.go: defaultExpire
        expire = seconds(options["expire"].args[0]) if "expire" in options and options["expire"].args else 10
        if 0 < age < (expire or 0):
            findings.error(
                options["max_age"].token, "bad-argument", f"forward: max_age is less than expire ({expire:g}s)"
            )
    if len(stanza.args) > 16:
        message = f"forward: at most 15 upstreams, and here are {len(stanza.args) - 1}"
        findings.error(stanza.token, "bad-argument", message)


def _check_kubernetes(stanza: Stanza, findings: Findings) -> None:
    names = {option.name for option in stanza.options}
    if {"namespaces", "namespace_labels"} <= names:
        findings.error(stanza.token, "contradiction", "kubernetes: namespaces and namespace_labels exclude each other")
    if stanza.args and all(zone.rstrip(".").lower().endswith((".arpa", "/8", "/16", "/24")) for zone in stanza.args):
        findings.error(stanza.token, "bad-argument", "kubernetes needs a zone that is no reverse zone")


def _check_rewrite(stanza: Stanza, findings: Findings) -> None:
    words = list(stanza.args)
    if len(words) < 2:
        # The rule stands in the block, on however many lines.
        words += [word for option in stanza.options for word in (option.name, *option.args)]
    if complaint := rewrite(words):
        findings.error(stanza.token, "bad-argument", f"rewrite: {complaint}")


_SPECIAL: dict[str, t.Callable[[Stanza, Findings], None]] = {
    "cache": _check_cache,
    "forward": _check_forward,
    "hosts": _check_hosts,
    "kubernetes": _check_kubernetes,
    "rewrite": _check_rewrite,
}
