# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' argument specs.

Lists of mappings name no suboptions here, though the modules document them: ansible-core spends 0.23 s on 10,000
routes with suboptions and 0.02 s without, would take ``true`` for the number 1, and knows nothing of kebab-case.
The parsers of options*.py check every key and value, of modules and of documents alike.
"""

from __future__ import annotations

import typing as t

Spec = dict[str, dict[str, t.Any]]

_ENTRIES: dict[str, t.Any] = {"type": "list", "elements": "dict"}
_TEXTS: dict[str, t.Any] = {"type": "list", "elements": "str"}

OWNER_OPTIONS: Spec = {
    "owner": {"type": "str"},
}
CONFIRM_OPTIONS: Spec = {
    "confirm": {"type": "str", "choices": ["auto", "controller", "node", "none"], "default": "auto"},
    "confirm_host": {"type": "str"},
    # No default: it depends on what changes.
    "rollback_timeout": {"type": "int"},
    "checkpoint": {"type": "str"},
    "probes": _ENTRIES,
}
COMMON_OPTIONS: Spec = {
    **OWNER_OPTIONS,
    "protect": {"type": "list", "elements": "str", "default": []},
    "on_conflict": {"type": "str", "choices": ["fail", "replace"], "default": "fail"},
    "allow_default_override": {"type": "bool", "default": False},
    "persist": {"type": "bool", "default": True},
    "networkd_keep_foreign": {"type": "str", "choices": ["auto", "yes", "no"], "default": "auto"},
    **CONFIRM_OPTIONS,
}
INTERFACE_OPTIONS: Spec = {
    "interfaces": {**_ENTRIES, "required": True},
    "addresses_exact": {"type": "bool", "default": False},
}
ROUTE_OPTIONS: Spec = {
    "routes": {**_ENTRIES, "required": True},
    "purge": {"type": "bool", "default": False},
}
RULE_OPTIONS: Spec = {
    "rules": {**_ENTRIES, "required": True},
    "purge": {"type": "bool", "default": False},
}
HOST_OPTIONS: Spec = {
    "hosts": _ENTRIES,
    "nsswitch_hosts": _TEXTS,
}
RESOLVER_OPTIONS: Spec = {
    "servers": _TEXTS,
    "search": _TEXTS,
    "options": _TEXTS,
    "interface": {"type": "str"},
    **HOST_OPTIONS,
}
PATH_OPTIONS: Spec = {
    "paths": _ENTRIES,
}
STATE_OPTIONS: Spec = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "desired_state": {"type": "dict"},
    # Elements as they are: an empty YAML document is null, which is no dict.
    "policies": {"type": "list", "elements": "raw"},
    "src": {"type": "list", "elements": "path"},
    "node_labels": {"type": "dict"},
    "prune": {"type": "bool", "default": True},
    "strict_nmstate": {"type": "bool", "default": False},
    "multi_nic": _ENTRIES,
    "tables": _ENTRIES,
    "sysctl": {"type": "dict"},
    "cluster_cidrs": _TEXTS,
    "addresses_exact": {"type": "bool", "default": False},
    **HOST_OPTIONS,
    **PATH_OPTIONS,
}

# Module -> its whole argument spec.
ARGUMENT_SPECS: dict[str, Spec] = {
    "interfaces": {**INTERFACE_OPTIONS, **COMMON_OPTIONS},
    "static_routes": {**ROUTE_OPTIONS, **COMMON_OPTIONS},
    "route_rules": {**RULE_OPTIONS, **COMMON_OPTIONS},
    # No path changes by it, what stands in the way of a file is never replaced, and files last by themselves.
    "dns_resolver": {**RESOLVER_OPTIONS, **OWNER_OPTIONS, **CONFIRM_OPTIONS},
    "network_state": {**STATE_OPTIONS, **COMMON_OPTIONS},
    "network_state_info": {"include_foreign": {"type": "bool", "default": False}},
    "network_checkpoint": {
        "state": {"type": "str", "choices": ["create", "extend", "commit", "rollback", "list"], "required": True},
        "id": {"type": "str"},
        "rollback_timeout": {"type": "int"},
        "restore_files": {"type": "list", "elements": "path"},
        "undo_commands": _TEXTS,
        "probes": _ENTRIES,
    },
    "kubelet_dns": {
        "cluster_dns": _TEXTS,
        "cluster_domain": {"type": "str"},
        "resolv_conf": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "restart": {"type": "bool", "default": True},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 120},
        "node_name": {"type": "str"},
        "checkpoint": {"type": "str"},
    },
    "route_get_info": {"paths": {**_ENTRIES, "required": True}},
}
STATE_EXCLUSIVE = [("desired_state", "policies", "src")]
