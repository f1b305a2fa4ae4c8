# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of nodelocaldns, and its way from parameters to a result."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, EDITS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.waves import Say

EVIDENCE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "node": {"type": "str", "required": True},
    "kube_proxy_mode": {"type": "str", "default": ""},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "listeners": {"type": "list", "elements": "dict", "default": []},
    "old_resolver_pods": {"type": "list", "elements": "str"},
}
NODELOCAL_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "state": {"type": "str", "choices": ["present", "absent", "previous"], "default": "present"},
    "nodes": {"type": "list", "elements": "str"},
    "wave_size": {"type": "str", "default": "10%"},
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "interception": {
        "type": "str", "choices": ["auto", "cluster_ip", "local_ip", "redirect_policy"], "default": "auto",
    },
    "change_interception": {"type": "bool", "default": False},
    "node_evidence": {"type": "list", "elements": "dict", "default": [], "options": EVIDENCE_OPTIONS},
    "local_ips": {"type": "list", "elements": "str", "default": ["169.254.20.10"]},
    "cluster_domain": {"type": "str"},
    "external_zones_via": {"type": "str", "choices": ["node", "cluster"], "default": "node"},
    "on_bypass": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "force_tcp": {"type": "bool", "default": True},
    "owner": {"type": "str", "default": ""},
    "purge": {"type": "str", "choices": ["own", "none"], "default": "own"},
    **{option: {"type": "list", "elements": "dict"} for option in EDITS},
    "known_plugins": {"type": "list", "elements": "str", "default": []},
    "image": {"type": "str", "default": "registry.k8s.io/dns/k8s-dns-node-cache"},
    "image_version": {"type": "str", "default": "1.26.4"},
    "registry": {"type": "str"},
    "image_pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "tolerations": {"type": "list", "elements": "dict"},
    "node_selector": {"type": "dict", "default": {"kubernetes.io/os": "linux"}},
    "resources": {"type": "dict", "default": {"requests": {"cpu": "25m", "memory": "64Mi"}}},
    "health_port": {"type": "int", "default": 8080},
    "metrics_port": {"type": "int", "default": 9253},
    "setup_metrics_port": {"type": "int", "default": 9353},
    "query_log": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 300},
}  # fmt: skip


def run_nodelocal(module: AnsibleModule) -> t.NoReturn:
    """Run nodelocaldns."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import options

    try:
        wish = options(module.params)
    except KubeError as error:
        module.fail_json(msg=error.message)
    # Core offers no other way to learn of --diff.
    diff = module._diff  # noqa: SLF001
    run_module(module, lambda client: run(client, wish, module.check_mode, diff, module.debug))


def run(client: Client, wish: Options, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """What the module does. Raises KubeError."""
    if wish.state == "absent":
        from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.absent import absent

        return absent(client, wish, check_mode, say)
    if wish.state == "previous":
        from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.back import previous

        return previous(client, wish, check_mode, say)
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.present import present

    return present(client, wish, check_mode, diff, say)
