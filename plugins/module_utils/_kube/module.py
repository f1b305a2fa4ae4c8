# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules that talk to an API server, and their way from parameters to a result."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client

AUTH_OPTIONS: dict[str, dict[str, t.Any]] = {
    "kubeconfig": {"type": "raw"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "no_log": False, "aliases": ["key_file"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "persist_config": {"type": "bool"},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}


def run_module(module: AnsibleModule, work: t.Callable[[Client], dict[str, t.Any]]) -> t.NoReturn:
    """Connect as the parameters say, do ``work``, and exit with its result; ``warnings`` of it are shown."""

    def connected() -> dict[str, t.Any]:
        from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect

        return work(connect(module.params))

    _finish(module, connected)


def _finish(module: AnsibleModule, work: t.Callable[[], dict[str, t.Any]]) -> t.NoReturn:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError

    try:
        result = work()
    except KubeError as error:
        for warning in error.details.pop("warnings", ()):
            module.warn(warning)
        module.fail_json(msg=error.message, **error.details)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**{"changed": False, **result})
    raise AssertionError("exit_json ends the process")


EDITS = ("stub_domains", "hosts", "forward", "cache", "log", "errors", "servers", "snippets")
COREFILE_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "key": {"type": "str", "no_log": False},
    "service": {"type": "str"},
    "path": {"type": "path"},
    "owner": {"type": "str", "default": ""},
    "purge": {"type": "str", "choices": ["own", "none"], "default": "own"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "restore": {"type": "int"},
    "undo": {"type": "dict"},
    **{option: {"type": "list", "elements": "dict"} for option in EDITS},
    "known_plugins": {"type": "list", "elements": "str", "default": []},
    "coredns_version": {"type": "str", "default": ""},
    "on_owner": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
    "validate": {"type": "str", "choices": ["lint", "pod"], "default": "lint"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 180},
    "test_names": {"type": "list", "elements": "str", "default": []},
    "test_from": {"type": "str", "choices": ["auto", "here", "port_forward"], "default": "auto"},
}


def run_corefile(module: AnsibleModule) -> t.NoReturn:
    """Run coredns_corefile."""
    from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Target
    from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
    from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request
    from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

    params = module.params
    wish = Wanted(
        {name: params[name] for name in EDITS if params[name]},
        owner=params["owner"],
        purge=params["purge"],
        reset=params["state"] == "absent",
        target=Target(version=params["coredns_version"], known_plugins=frozenset(params["known_plugins"])),
    )
    # Core offers no other way to learn of --diff.
    diff = module._diff  # noqa: SLF001
    if params["path"]:
        if params["validate"] == "pod":
            module.fail_json(
                msg=f"validate: pod needs a cluster, and path names the file {params['path']}: leave it out"
            )
        from ansible_collections.kubenode.network.plugins.module_utils._kube import path

        _finish(module, lambda: path.change(params["path"], wish, module.check_mode, diff))
    request = Request(
        params["name"], params["namespace"], params["key"], params["service"], params["on_owner"], params["wait"],
        params["wait_timeout"], tuple(params["test_names"]), params["test_from"], params["restore"],
        params["validate"], params["undo"],
    )  # fmt: skip
    run_module(module, lambda client: corefile.change(client, wish, request, module.check_mode, diff, module.debug))


LEASE_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "default": "kubenode-network"},
    "namespace": {"type": "str", "default": "kube-system"},
    "holder": {"type": "str"},
    "duration": {"type": "int", "default": 600},
    "wait_timeout": {"type": "int", "default": 60},
}


def run_lease(module: AnsibleModule) -> t.NoReturn:
    """Run cluster_lease."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import lease

    params = module.params
    for option, least in (("duration", 1), ("wait_timeout", 0)):
        if params[option] < least:
            module.fail_json(msg=f"{option}: {params[option]} was found; expected are seconds, {least} or more")
    if params["holder"] == "":
        module.fail_json(msg="holder: is empty; give a name that no other run has, or leave it out to have one made")
    wish = lease.Wish(
        params["name"], params["namespace"], params["holder"] or lease.new_holder(), params["duration"],
        params["wait_timeout"],
    )  # fmt: skip
    if params["state"] == "absent":
        run_module(module, lambda client: lease.release(client, wish, module.check_mode))
    run_module(module, lambda client: lease.take(client, wish, module.check_mode, module.debug))
