# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the info modules answer: a node's state as a document, who declared what on it, and which way its packets go."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# NMState keeps these of a bridge below `stp`, under its own names.
_STP = {"stp": "enabled", "priority": "priority", "forward_delay": "forward-delay", "hello_time": "hello-time",
        "max_age": "max-age"}  # fmt: skip


def run_info_module(module: AnsibleModule, gather: t.Callable[[dict[str, t.Any]], dict[str, t.Any]]) -> t.NoReturn:
    """Exit with what ``gather`` makes of the parameters."""
    try:
        result = gather(module.params)
    except StateError as error:
        module.fail_json(msg=error.message, **error.details)
    except NetlinkError as error:
        module.fail_json(msg=f"the kernel's network state could not be read: {error}")
    module.exit_json(changed=False, **result)


def node_state(include_foreign: bool = False, root: str = "/") -> dict[str, t.Any]:
    """``running`` as ``desired_state`` takes it, ``tables``, ``owners``, ``summary`` and ``resolver_owner`` of a node."""
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import owner, resolv_conf
    from ansible_collections.kubenode.network.plugins.module_utils._state import owned as records
    from ansible_collections.kubenode.network.plugins.module_utils._state import render
    from ansible_collections.kubenode.network.plugins.module_utils._state.summary import summary

    state = observe(Need(files=(resolv_conf.PATH,), managers=include_foreign), root)
    owned = records.load(root)
    entries = render.state_entries(state, include_foreign)
    running: dict[str, t.Any] = {
        "interfaces": [_document_form(entry) for entry in entries["interfaces"]],
        "routes": {"config": entries["routes"]},
        "route-rules": {"config": entries["rules"]},
    }
    file = state.files[resolv_conf.PATH]
    resolver_owner = owner.detect(root, file)
    if include_foreign or resolver_owner.writable:
        found = resolv_conf.parse(file.text or "")
        running["dns-resolver"] = {
            "config": {
                "server": list(found.servers), "search": list(found.search), "options": list(found.options)
            }
        }  # fmt: skip
    return {
        "running": running,
        "tables": entries["tables"],
        "owners": _owners(owned, state.tables),
        "summary": summary(state, owned),
        "resolver_owner": resolver_owner._asdict(),
    }


def _document_form(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """An interface in NMState's words where they differ from those of the module's option."""
    bridge = entry.get("bridge")
    if bridge is None:
        return entry
    options = dict(bridge["options"])
    stp = {name: options.pop(ours) for ours, name in _STP.items() if ours in options}
    return {
        **entry,
        "bridge": {"port": [{"name": port} for port in bridge["port"]], "options": {**options, "stp": stp}},
    }


def _owners(owned: Owned, tables: dict[int, str]) -> dict[str, list[str]]:
    """Owner -> one line for each object; what was declared without an owner is under the empty name."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text

    found: dict[str, list[str]] = {}
    for (kind, name), record in owned.items():
        known = kind in ("link", "address", "route", "rule")
        line = object_text(kind, record.value, tables) if known else f"{kind} {name}"
        line += "" if record.made else " (was there before)"
        for owner in record.owners or ("",):
            found.setdefault(owner, []).append(line)
    return {owner: sorted(lines) for owner, lines in sorted(found.items())}


def path_answers(params: dict[str, t.Any], root: str = "/") -> dict[str, t.Any]:
    """``evidence``: the kernel's answer to each of the ``paths``. Raises StateError where one is not as expected."""
    from ansible_collections.kubenode.network.plugins.module_utils._state import paths
    from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options

    desired = desired_from_options(params, "route_get_info")
    evidence = paths.ask(desired.paths, observe(Need(), root))
    failed = paths.failures(evidence)
    if failed:
        raise StateError("\n".join(failed), evidence=evidence)
    return {"evidence": evidence}
