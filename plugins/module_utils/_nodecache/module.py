# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules about a node's cache, and their way from parameters to a result."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

NODE_INFO_OPTIONS: dict[str, dict[str, t.Any]] = {
    "interface": {"type": "str", "default": "nodelocaldns"},
    "local_ips": {"type": "list", "elements": "str"},
    "cluster_ips": {"type": "list", "elements": "str"},
    "interception": {"type": "str", "choices": ["auto", "cluster_ip", "local_ip"], "default": "auto"},
    "pod_source": {"type": "str"},
    "pod_interface": {"type": "str"},
    "cluster_domain": {"type": "str", "default": "cluster.local"},
    "test_name": {"type": "str"},
    "test_query": {"type": "bool", "default": True},
    "node_name": {"type": "str"},
    "health_port": {"type": "int", "default": 8080},
    "metrics_port": {"type": "int", "default": 9253},
    "setup_metrics_port": {"type": "int", "default": 9353},
    "timeout": {"type": "float", "default": 3.0},
}
NODE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["absent", "released"], "default": "absent"},
    "interface": {"type": "str", "default": "nodelocaldns"},
    "local_ips": {"type": "list", "elements": "str", "default": []},
    "cluster_ips": {"type": "list", "elements": "str", "default": []},
    "force": {"type": "bool", "default": False},
}


def run_info(module: AnsibleModule) -> t.NoReturn:
    """Look, and exit with what was found."""
    from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info

    _finish(module, lambda: {"changed": False, **info(module.params)})


def run_clean(module: AnsibleModule) -> t.NoReturn:
    """Remove what was left, or let go of the ClusterIPs, and exit with that."""
    from ansible_collections.kubenode.network.plugins.module_utils._nodecache.clean import clean
    from ansible_collections.kubenode.network.plugins.module_utils._nodecache.release import release

    work = release if module.params["state"] == "released" else clean
    _finish(module, lambda: work(module.params, module.check_mode))


def _finish(module: AnsibleModule, work: t.Callable[[], dict[str, t.Any]]) -> t.NoReturn:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
    from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError

    try:
        result = work()
    except NodeCacheError as error:
        more = {"in_use_by": error.in_use_by} if error.in_use_by else {}
        module.fail_json(msg=str(error), **more)
    except NetlinkError as error:
        module.fail_json(msg=f"the kernel refused to be asked: {error}; is this run as root?")
    module.exit_json(**result)
    raise AssertionError("exit_json ends the process")
