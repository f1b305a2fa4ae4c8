# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that only look: the node's state as a desired state, and the kernel's answers about paths."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_info(module: AnsibleModule, collect: t.Callable[[dict[str, t.Any]], dict[str, t.Any]]) -> t.NoReturn:
    """Exit with what ``collect`` makes of the parameters: ``network_state`` or ``paths`` of this file."""
    try:
        result = collect(module.params)
    except StateError as error:
        module.fail_json(msg=error.message, **error.details)
    except NetlinkError as error:
        module.fail_json(msg=f"the kernel's network state could not be read: {error}")
    else:
        module.exit_json(changed=False, **result)
    raise AssertionError("exit_json and fail_json end the process")


# Records that are nobody's: where the configuration stands, and what was there before us.
_NOTES = frozenset(("config", "manager", "before"))


def network_state(params: dict[str, t.Any], root: str = "/") -> dict[str, t.Any]:
    """``running`` as a desired state, ``owners`` (owner -> what it declared, a line per object; what nobody owns under
    the empty name), ``config`` (what is kept for the next boot), ``tables``, ``summary`` (a table for people) and
    ``resolver_owner``.

    ``running`` has only what can be applied again, unless the parameter ``include_foreign`` asks for everything.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._persist.shown import config
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import owner as resolver_owner
    from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
    from ansible_collections.kubenode.network.plugins.module_utils._state import owned, render
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
    from ansible_collections.kubenode.network.plugins.module_utils._state.summary import summary

    foreign = bool(params.get("include_foreign"))
    state = observe(Need(files=resolver_owner.evidence(root), managers=foreign), root)
    records = owned.load(root)
    entries = render.state_entries(state, foreign)
    entries["dns_resolver"] = render.resolver_entry(state.files[PATH].text or "")
    # Names of tables are an option beside a desired state, no part of it.
    tables = entries.pop("tables")
    owners: dict[str, list[str]] = {}
    for (kind, identity), record in records.items():
        if kind in _NOTES:
            continue
        known = kind in ("link", "address", "route", "rule")
        if kind == "setting":
            text = f"interface {identity[0]} {identity[1]} {record.value}"
        else:
            text = object_text(kind, record.value if known else identity, state.tables)
        text += "" if record.made else " (was there before)"
        for owner in record.owners or ("",):
            owners.setdefault(owner, []).append(text)
    return {
        "running": render.document(entries),
        "config": config(records, state, root),
        "owners": {name: sorted(owners[name]) for name in sorted(owners)},
        "tables": tables,
        "summary": summary(state, records),
        "resolver_owner": resolver_owner.classify(state.files)._asdict(),
    }


def paths(params: dict[str, t.Any], root: str = "/") -> dict[str, t.Any]:
    """``evidence``: the kernel's answer to each question in ``paths``.

    Raises StateError, with the evidence, when an answer is not as expected.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_paths import parse_paths
    from ansible_collections.kubenode.network.plugins.module_utils._state.paths import ask, failures

    evidence = ask(parse_paths(params["paths"], "paths"), observe(Need(kernel=False, links=True), root))
    failed = failures(evidence)
    if failed:
        raise StateError("\n".join(failed), evidence=evidence)
    return {"evidence": evidence}
