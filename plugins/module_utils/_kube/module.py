# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the modules that talk to an API server, and their way from parameters to a result."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client
    from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request
    from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

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
    "touch_pods": {"type": "bool", "default": False},
    "test_names": {"type": "list", "elements": "str", "default": []},
    "test_from": {"type": "str", "choices": ["auto", "here", "port_forward"], "default": "auto"},
}


# Edits of a text that is imported: a whole one, or plugins of the server block that imports it.
EXTRA_EDITS = ("content", "plugins", *EDITS)
EXTRA_OPTIONS: dict[str, dict[str, t.Any]] = {
    **{name: option for name, option in COREFILE_OPTIONS.items() if name != "path"},
    "flavor": {"type": "str", "choices": ["extra-configs", "coredns-custom"], "default": "extra-configs"},
    "server": {"type": "str", "choices": ["coredns", "node-cache"], "default": "coredns"},
    "corefile_name": {"type": "str"},
    "corefile_key": {"type": "str", "no_log": False},
    "content": {"type": "str"},
    "plugins": {"type": "list", "elements": "str"},
}


def run_corefile(module: AnsibleModule) -> t.NoReturn:
    """Run coredns_corefile."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile

    params = module.params
    wish = _wanted(params, {name: params[name] for name in EDITS if params[name]})
    # Core offers no other way to learn of --diff.
    diff = module._diff  # noqa: SLF001
    if params["path"]:
        if params["validate"] == "pod":
            module.fail_json(
                msg=f"validate: pod needs a cluster, and path names the file {params['path']}: leave it out"
            )
        from ansible_collections.kubenode.network.plugins.module_utils._kube import path

        _finish(module, lambda: path.change(params["path"], wish, module.check_mode, diff))
    request = _request(params)
    run_module(module, lambda client: corefile.change(client, wish, request, module.check_mode, diff, module.debug))


def run_extra_config(module: AnsibleModule) -> t.NoReturn:
    """Run coredns_extra_config."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, extra
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError

    params = module.params
    flavor, server = params["flavor"], params["server"]
    removes = params["state"] == "absent"
    try:
        key = extra.key_of(flavor, params["key"])
        edits = extra.edits_of(flavor, key, {name: params[name] for name in EDITS}, params["plugins"])
    except KubeError as error:
        module.fail_json(msg=error.message)
    wish = _wanted(params, edits)
    reserved = frozenset({"common"} if flavor == "extra-configs" else ())
    target = wish.target._replace(kind=server, reserved_snippets=reserved, host_network=server == extra.NODE_CACHE)
    wish = wish._replace(content=params["content"], target=target)
    options = extra.Options(flavor, server, params["corefile_name"], params["corefile_key"], removes)
    request = _request(params)

    def work(client: Client) -> dict[str, t.Any]:
        return corefile.change(
            client, wish, request, module.check_mode, module._diff, module.debug,  # noqa: SLF001 - as above
            lambda client, request: extra.extra_of(client, request, options),
        )  # fmt: skip

    run_module(module, work)


def _wanted(params: dict[str, t.Any], edits: dict[str, t.Any]) -> Wanted:
    from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Target
    from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

    return Wanted(
        edits,
        owner=params["owner"],
        purge=params["purge"],
        reset=params["state"] == "absent",
        target=Target(version=params["coredns_version"], known_plugins=frozenset(params["known_plugins"])),
    )


def _request(params: dict[str, t.Any]) -> Request:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request

    return Request(
        name=params["name"],
        namespace=params["namespace"],
        key=params["key"],
        service=params["service"],
        on_owner=params["on_owner"],
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
        test_names=tuple(params["test_names"]),
        test_from=params["test_from"],
        revision=params["restore"],
        validate=params["validate"],
        touch_pods=params["touch_pods"],
        undo=params["undo"],
    )
