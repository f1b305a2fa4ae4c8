# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two executions of a change, with made-up answers: which are asked for, in what order, and what comes of them.

Connection and node are made up, as answers that are lost at one certain point cannot be produced at will. Real changes
over SSH are in tests/lab.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.kubenode.network.plugins.action.network_state import ActionModule
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.contract import RUN_VARIABLE
from ansible_collections.kubenode.network.plugins.plugin_utils import confirmation

Result = dict[str, t.Any]
Answer = t.Union[Result, Exception]

ROUTES = {"routes": [], "owner": "x"}
TRANSACTION = {"id": "20261122-1", "seconds_left": 58, "rollback_timeout": 60}
CHANGED = {
    "changed": True, "runtime": True, "persistent": True,
    "plan": ["route add"], "before": {}, "after": {}, "warnings": ["a"], "diff": {"before": ""},
}  # fmt: skip
STARTED = {**CHANGED, "transaction": TRANSACTION}
KEPT = {
    "changed": True, "plan": ["route add"], "warnings": ["a", "b"], "confirmed_by": "controller",
    "transaction": {"id": "20261122-1"}, "invocation": {"module_args": {"state": "commit"}},
}  # fmt: skip
BACK = {"failed": True, "changed": False, "msg": "no answer", "rolled_back": True, "transaction": {"id": "20261122-1"}}
LOST = AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection to w1 closed by remote host.")
NEVER = AnsibleConnectionFailure("Failed to connect to the host via ssh: ssh: connect to host w1 port 22: refused")


class Connection:
    """Notes each new connection and the options it is made with."""

    def __init__(self, transport: str = "ssh") -> None:
        self.transport = transport
        self.options: dict[str, t.Any] = {"ssh_args": "-C", "timeout": 10, "host": "w1", "reconnection_retries": 2}
        self.resets: list[dict[str, t.Any]] = []
        self._shell = t.cast(t.Any, type("Shell", (), {"tmpdir": None}))()

    def get_option(self, name: str) -> t.Any:
        return self.options.get(name) if self.transport == "ssh" else None

    def _build_command(self, *_arguments: str) -> list[str]:
        return ["false"]

    def set_option(self, name: str, value: t.Any) -> None:
        self.options[name] = value

    def reset(self) -> None:
        self.resets.append(dict(self.options))


class Action(ActionModule):
    answers: list[Answer]
    executed: list[tuple[str, Result, str]]

    def _execute_module(self, **keywords: t.Any) -> Result:
        run = self._task.environment[-1].get(RUN_VARIABLE, "")
        self.executed.append((keywords["module_name"].rpartition(".")[2], keywords["module_args"], run))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return dict(found)


class Run(t.NamedTuple):
    result: Result
    executed: list[tuple[str, Result, str]]
    connection: Connection

    @property
    def modules(self) -> list[str]:
        return [name for name, _arguments, _run in self.executed]


Runner = t.Callable[..., Run]


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run the action of a module with these arguments and answers of the node; nothing waits for real."""
    monkeypatch.setattr(confirmation, "CLOCK", confirmation.Clock(sleep=lambda _seconds: None))

    def run(
        answers: list[Answer],
        module: str = "static_routes",
        transport: str = "ssh",
        check: bool = False,
        **arguments: t.Any,
    ) -> Run:
        loader = DataLoader()
        task = Task()
        task.action, task.args = f"kubenode.network.{module}", {**ROUTES, **arguments}
        task.check_mode = check
        connection = Connection(transport)
        action = Action(task, connection, PlayContext(), loader, Templar(loader=loader), None)
        action.answers, action.executed = list(answers), []
        result = action.run(task_vars={"inventory_hostname": "w1"})
        action.cleanup()
        assert action.answers == [], "not all answers were asked for"
        return Run(result, action.executed, connection)

    return run


def test_nothing_to_change_is_one_execution(run: Runner) -> None:
    done = run([{"changed": False, "plan": []}])
    assert done.modules == ["static_routes"]
    assert done.result == {"changed": False, "plan": []}
    assert done.connection.resets == []


def test_a_change_is_two_executions_the_second_over_a_new_connection(run: Runner) -> None:
    done = run([STARTED, KEPT])
    assert done.modules == ["static_routes", "network_checkpoint"]
    assert done.executed[0][1]["confirm"] == "controller"
    assert done.executed[1][1] == {"state": "commit", "id": "20261122-1"}
    assert len(done.connection.resets) == 1
    assert done.result["confirmed_by"] == "controller"
    assert done.result["diff"] == {"before": ""}
    assert done.result["warnings"] == ["a", "b"]
    assert "transaction" not in done.result and "invocation" not in done.result


def test_options_of_the_connection_are_the_users_own_again(run: Runner) -> None:
    done = run([STARTED, KEPT])
    assert "ServerAliveInterval=2" in done.connection.resets[0]["ssh_args"]
    assert done.connection.options == Connection().options


def test_a_change_that_was_taken_back_is_failed_and_not_changed(run: Runner) -> None:
    done = run([STARTED, BACK])
    assert done.result["failed"] and done.result["rolled_back"] and not done.result["changed"]
    assert done.result["msg"] == "no answer"
    assert done.result["plan"] == ["route add"]
    assert not done.result["runtime"] and not done.result["persistent"]


def test_a_change_that_could_not_be_taken_back_is_failed_and_changed(run: Runner) -> None:
    done = run([STARTED, {**BACK, "rolled_back": False}])
    assert done.result["failed"] and done.result["changed"]


def test_a_second_execution_that_does_not_get_through_is_tried_again(run: Runner) -> None:
    done = run([STARTED, NEVER, LOST, KEPT])
    assert done.modules == ["static_routes", *["network_checkpoint"] * 3]
    assert len(done.connection.resets) == 3
    assert done.result["confirmed_by"] == "controller"


def test_an_error_of_the_first_execution_is_the_result(run: Runner) -> None:
    done = run([{"failed": True, "msg": "conflict", "rolled_back": True}])
    assert done.modules == ["static_routes"]
    assert done.result["msg"] == "conflict"


@pytest.mark.parametrize(
    "lost", [LOST, {"failed": True, "module_stdout": "", "rc": 137}], ids=["connection", "kill -9"]
)
@pytest.mark.parametrize("confirm", ["controller", "node", "none"])
def test_a_lost_first_answer_is_asked_for_under_the_same_name(run: Runner, lost: Answer, confirm: str) -> None:
    second: list[Answer] = [STARTED, KEPT] if confirm == "controller" else [CHANGED]
    done = run([lost, *second], confirm=confirm)
    names = {name for module, _arguments, name in done.executed if module == "static_routes"}
    assert len(names) == 1 and len(names.pop()) == 32
    assert done.modules[:2] == ["static_routes"] * 2
    assert done.result["changed"]


def test_every_task_has_a_name_of_its_own(run: Runner) -> None:
    first, second = (run([{"changed": False}]).executed[0][2] for _time in range(2))
    assert first != second


def test_a_host_that_was_never_reached_is_unreachable_at_once(run: Runner) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="refused"):
        run([NEVER])


def test_a_module_that_fell_over_by_itself_is_not_run_again(run: Runner) -> None:
    done = run([{"failed": True, "module_stdout": "", "module_stderr": "Traceback", "rc": 1}])
    assert done.modules == ["static_routes"]


def test_the_confirmation_goes_to_the_other_address(run: Runner) -> None:
    done = run([STARTED, KEPT], confirm_host="192.168.100.21")
    assert done.connection.resets[0]["host"] == "192.168.100.21"
    assert done.connection.options["host"] == "w1"


@pytest.mark.parametrize(
    ("transport", "given", "expected"),
    [
        ("local", None, "node"), ("local", "auto", "node"), ("local", "none", "none"), ("ssh", None, "controller"),
        ("ssh", "auto", "controller"), ("ssh", "node", "node"), ("paramiko_ssh", "auto", "controller"),
        ("containers.podman.podman", "auto", "controller"), ("community.docker.docker", "", "controller"),
    ],
)  # fmt: skip
def test_who_confirms(run: Runner, transport: str, given: str | None, expected: str) -> None:
    arguments = {} if given is None else {"confirm": given}
    assert run([{"changed": False}], transport=transport, **arguments).executed[0][1]["confirm"] == expected


def test_modules_that_only_look_are_left_alone(run: Runner) -> None:
    (executed,) = run([{"changed": False}], module="network_state_info").executed
    assert executed[1] == ROUTES


def test_a_commit_of_the_users_own_goes_over_a_new_connection(run: Runner) -> None:
    done = run([NEVER, {"changed": True}], module="network_checkpoint", state="commit", id="x")
    assert len(done.connection.resets) == 2
    assert done.connection.options == Connection().options


@pytest.mark.parametrize(
    ("transport", "arguments", "message"),
    [
        ("local", {"confirm": "controller"}, "over the connection local: it stays when the network goes"),
        ("containers.podman.podman", {"confirm_host": "10.1.1.1"}, "confirm_host: found .* over the connection podman"),
        ("ssh", {"rollback_timeout": 15}, "rollback_timeout: found 15, expected more than 15 seconds: .* 10 s .* 5 s"),
        ("ssh", {"rollback_timeout": "12", "probes": [{"type": "gateway"}]}, "expected more than 12 seconds"),
        (
            "ssh",
            {"probes": [{"type": "command", "argv": ["/bin/true"], "timeout": 50}]},
            "found 60, .* than 60 seconds",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_executed(
    run: Runner, transport: str, arguments: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        run([], transport=transport, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"rollback_timeout": 16}, {"rollback_timeout": 12, "confirm": "node"}, {"checkpoint": "a-1"},
        {"rollback_timeout": 11, "probes": []}, {"probes": [{"type": "no such"}]},
    ],
)  # fmt: skip
def test_what_may_work_is_the_nodes_to_judge(run: Runner, arguments: dict[str, t.Any]) -> None:
    assert run([{"changed": False}], **arguments).modules == ["static_routes"]
