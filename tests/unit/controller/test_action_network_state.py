# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of network_state: how a file becomes documents, with Ansible's own loader and templating."""

from __future__ import annotations

import os
import pathlib
import types
import typing as t
import zipfile

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.kubenode.network.plugins.action.network_state import ActionModule
from ansible_collections.kubenode.network.plugins.module_utils import _engine

POLICY = """\
apiVersion: nmstate.io/v1
kind: NodeNetworkConfigurationPolicy
metadata:
  name: {name}
spec:
  desiredState:
    interfaces:
      - name: ens224
        mtu: "{{{{ data_mtu }}}}"
        ipv4:
          address:
            - ip: "{{{{ data_address }}}}"
              prefix-length: 24
"""
VARIABLES = {"data_address": "10.100.0.101", "data_mtu": 9000, "inventory_hostname": "w1"}


class Action(ActionModule):
    """Notes what the module would be run with."""

    executed: list[dict[str, t.Any]]

    def _execute_module(self, **keywords: t.Any) -> dict[str, t.Any]:
        self.executed = [*getattr(self, "executed", []), keywords]
        return {"changed": False}


@pytest.fixture
def run(tmp_path: pathlib.Path) -> t.Callable[..., Action]:
    """Run the action with these arguments and variables in a playbook folder; the action as it is afterwards."""

    def run(
        arguments: dict[str, t.Any],
        variables: dict[str, t.Any] = VARIABLES,
        kind: type[Action] = Action,
        background: int = 0,
    ) -> Action:
        loader = DataLoader()
        loader.set_basedir(str(tmp_path))
        task = Task()
        task.action, task.args = "kubenode.network.network_state", arguments
        task.async_val = background
        templar = Templar(loader=loader, variables=variables)
        shell = types.SimpleNamespace(tmpdir=None, join_path=os.path.join)
        connection = types.SimpleNamespace(transport="local", _shell=shell)
        action = kind(task, connection, PlayContext(), loader, templar, None)
        action.run(task_vars=variables)
        return action

    return run


def test_a_file_becomes_policies_with_the_hosts_own_values(
    run: t.Callable[..., Action], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "policies.yml").write_text("---\n" + POLICY.format(name="one") + "---\n" + POLICY.format(name="two"))
    action = run({"src": "policies.yml", "prune": False})
    (executed,) = action.executed
    arguments = executed["module_args"]
    assert executed["module_name"] == "kubenode.network.network_state"
    assert [policy["metadata"]["name"] for policy in arguments["policies"]] == ["one", "two"]
    interface = arguments["policies"][1]["spec"]["desiredState"]["interfaces"][0]
    assert interface["ipv4"]["address"] == [{"ip": "10.100.0.101", "prefix-length": 24}]
    assert interface["mtu"] == 9000
    assert arguments["prune"] is False
    assert "src" not in arguments


def test_a_file_is_found_in_the_files_folder_of_the_playbook(
    run: t.Callable[..., Action], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "policy.yml").write_text(POLICY.format(name="one"))
    assert run({"src": "policy.yml"}).executed[0]["module_args"]["policies"][0]["metadata"]["name"] == "one"


def test_several_files_are_one_change(run: t.Callable[..., Action], tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yml").write_text(POLICY.format(name=name))
    (executed,) = run({"src": ["two.yml", "one.yml"]}).executed
    assert [policy["metadata"]["name"] for policy in executed["module_args"]["policies"]] == ["two", "one"]


def test_everything_else_passes_through_to_one_module_execution(run: t.Callable[..., Action]) -> None:
    arguments = {"desired_state": {"interfaces": []}, "owner": "x"}
    assert [executed["module_args"] for executed in run(arguments).executed] == [{**arguments, "confirm": "node"}]


@pytest.mark.parametrize("other", ["desired_state", "policies"])
def test_two_documents_are_the_modules_to_refuse(run: t.Callable[..., Action], other: str) -> None:
    arguments = {"src": "policies.yml", other: {"interfaces": []}}
    assert run(arguments).executed[0]["module_args"] == {**arguments, "confirm": "node"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "a: 1\nb: {{ data_address }}\n", r"policies\.yml:2: no valid YAML: .*in quotes", id="unquoted expression"
        ),
        pytest.param("a: [1,\n  b: 2\n", r"policies\.yml:\d: no valid YAML", id="open list"),
        pytest.param("a: 1\n---\nb:\n\t- 1\n", r"policies\.yml:4: no valid YAML", id="tab in the second document"),
        pytest.param(
            "a: 1\n---\nb:\n  - c: 1\n    d: '{{ missing }}'\n",
            r"policies\.yml:5: \{\{ missing \}\} cannot be evaluated for this host: .*'missing' is undefined",
            id="undefined variable",
        ),
        pytest.param(
            "a:\n  b: '{{ data_mtu.x.y }}'\n",
            r"policies\.yml:2: .*data_mtu.*cannot be evaluated",
            id="undefined attribute",
        ),
        pytest.param("a: '{{ data_mtu'\n", r"policies\.yml:1: .*cannot be evaluated", id="broken expression"),
    ],
)
def test_a_bad_file_is_one_error_with_its_line(
    run: t.Callable[..., Action], tmp_path: pathlib.Path, content: str, message: str
) -> None:
    (tmp_path / "policies.yml").write_text(content)
    with pytest.raises(AnsibleActionFail, match=message):
        run({"src": "policies.yml"})


def test_a_missing_file_is_named(run: t.Callable[..., Action]) -> None:
    with pytest.raises(AnsibleActionFail, match=r"src: .*nowhere\.yml"):
        run({"src": "nowhere.yml"})


class Forgetful(Action):
    """On a node without the engine: the first execution asks for it."""

    sent: list[str]

    def _execute_module(self, **keywords: t.Any) -> dict[str, t.Any]:
        environment = self._task.environment[-1]
        super()._execute_module(**keywords)
        return {} if _engine.ARCHIVE_VARIABLE in environment else {_engine.MISSING: True}

    def _make_tmp_path(self, remote_user: str | None = None) -> str:
        return "/remote"

    def _transfer_file(self, local_path: str, remote_path: str) -> str:
        self.sent = [*getattr(self, "sent", []), remote_path]
        assert zipfile.is_zipfile(local_path)
        return remote_path

    def _fixup_perms2(self, remote_paths: t.Any, remote_user: t.Any = None, execute: bool = True) -> None:
        assert remote_paths == ["/remote", "/remote/engine.zip"]


def test_a_node_without_the_engine_gets_it_and_is_asked_again(run: t.Callable[..., Action]) -> None:
    action = run({"desired_state": {}}, kind=Forgetful)
    assert isinstance(action, Forgetful)
    assert len(action.executed) == 2 and action.executed[0] == action.executed[1]
    assert action.sent == ["/remote/engine.zip"]
    assert action._task.environment is None


def test_async_is_refused_with_the_reason(run: t.Callable[..., Action]) -> None:
    with pytest.raises(AnsibleActionFail, match="does not run with async"):
        run({"desired_state": {}}, background=30)
