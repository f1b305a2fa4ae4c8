# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of all modules: the node gets the engine, ``src`` is read, and a change is confirmed.

A run with nothing to change is one execution of the module. With ``confirm: controller`` a change is two: the first
answers before the node touches anything, the second comes over a new connection (_checkpoint.contract).
"""

from __future__ import annotations

import tempfile
import typing as t
import uuid

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleActionFail, AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.kubenode.network.plugins.module_utils import _engine
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.contract import (
    CHECKPOINT_MODULE,
    RUN_VARIABLE,
    TRANSACTION,
)
from ansible_collections.kubenode.network.plugins.plugin_utils import confirming, connections, documents, engine
from ansible_collections.kubenode.network.plugins.plugin_utils.confirmation import Result, confirm, insist

_CONFIRMED = ("dns_resolver", "interfaces", "network_state", "route_rules", "static_routes")
# Seconds after which a call over a dead connection ends. The second execution may be asked again at no cost.
_FIRST_DIES_AFTER = 15
_SECOND_DIES_AFTER = 6
# Seconds to reach a node again whose answer was lost on the way.
_INSIST = 60.0

display = Display()


class ActionModule(ActionBase):
    _guard: connections.Guard | None = None
    _variables: dict[str, str]
    _task_vars: dict[str, t.Any] | None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        if self._task.async_val:
            raise AnsibleActionFail(
                f"{self._task.action} does not run with async: the change and its confirmation are one task. Leave "
                "async and poll out; the task takes a second."
            )
        super().run(tmp, task_vars)
        self._task_vars = task_vars
        self._variables = {}
        module = self._task.action.rpartition(".")[2]
        arguments = dict(self._task.args)
        # With another document beside it the module has the error to tell.
        if arguments.get("src") and not any(arguments.get(name) for name in ("desired_state", "policies")):
            files = arguments.pop("src")
            files = files if isinstance(files, list) else [files]
            arguments["policies"] = [document for file in files for document in self._documents(file)]
        if module in _CONFIRMED:
            return self._change(arguments)
        if module == "network_checkpoint" and arguments.get("state") == "commit":
            # What a user's own commit proves is the connection, so it must be a new one too.
            return self._insist(lambda: self._anew(self._task.action, arguments))
        return self._execute(self._task.action, arguments)

    def cleanup(self, force: bool = False) -> None:
        """Core removes its folder on the node here; that the node cannot be reached any more is told by the result."""
        try:
            super().cleanup(force)
        except AnsibleConnectionFailure as error:
            display.vv(f"files of the task were left in the node's remote_tmp: {error}", host=self._name())
        finally:
            if self._guard is not None:
                self._guard.restore()

    # --- a change and its confirmation

    def _change(self, arguments: dict[str, t.Any]) -> Result:
        arguments["confirm"] = confirming.resolve(arguments.get("confirm"), connections.transport(self._connection))
        confirming.check(arguments, self._connection)
        self._guard = connections.Guard(self._connection)
        self._guard.notice_death(_FIRST_DIES_AFTER)
        self._variables[RUN_VARIABLE] = uuid.uuid4().hex
        first = self._first(arguments)
        transaction = first.pop(TRANSACTION, None)
        if first.get("failed") or not transaction or "seconds_left" not in transaction:
            return first
        host = arguments.get("confirm_host")
        self._guard.notice_death(_SECOND_DIES_AFTER)
        if host:
            self._guard.lead_to(host)
        left = float(transaction["seconds_left"])
        self.detail(
            f"change {transaction['id']}: {left:.0f} s to confirm it over a new connection {host or ''}".rstrip()
        )
        return confirming.together(first, confirm(self, transaction))

    def _first(self, arguments: dict[str, t.Any]) -> Result:
        """The first execution. When its answer is lost the node is asked for it, by executing the same run again."""
        try:
            result = self._execute(self._task.action, arguments)
            if not confirming.was_killed(result):
                return result
            reason = f"the module was killed (status {result['rc']})"
        except AnsibleAuthenticationFailure:
            raise
        except AnsibleConnectionFailure as error:
            if connections.never_connected(str(error)):
                raise
            reason = f"the connection broke: {error}"
        self.tell(f"no answer to the first execution, asking the node what became of it; {reason}")
        return self._insist(lambda: self._anew(self._task.action, arguments))

    def _insist(self, execute: t.Callable[[], Result]) -> Result:
        if self._guard is None:
            self._guard = connections.Guard(self._connection)
            self._guard.notice_death(_FIRST_DIES_AFTER)
        return insist(execute, _INSIST, self.tell)

    def commit(self, transaction: str, seconds: float) -> Result:
        """Part of ``confirmation.Node``."""
        if self._guard is not None:
            self._guard.limit(seconds)
        return self._anew(CHECKPOINT_MODULE, {"state": "commit", "id": transaction})

    def detail(self, text: str) -> None:
        """Part of ``confirmation.Node``: shown with -v."""
        display.v(text, host=self._name())

    def tell(self, text: str) -> None:
        """Part of ``confirmation.Node``."""
        display.display(f"<{self._name()}> {text}")

    def _name(self) -> str:
        return str((self._task_vars or {}).get("inventory_hostname") or self._play_context.remote_addr)

    # --- executions

    def _anew(self, module: str, arguments: dict[str, t.Any]) -> Result:
        """One execution over a new connection."""
        try:
            connections.renew(self._connection)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            raise AnsibleConnectionFailure(str(error)) from error
        return self._execute(module, arguments)

    def _execute(self, module: str, arguments: dict[str, t.Any]) -> Result:
        """One execution of a module; on a node that does not have this engine yet, it is sent and executed again."""
        files = engine.files()
        variables = {**self._variables, _engine.DIGEST_VARIABLE: _engine.digest_of(files)}
        result = self._execute_on_node(variables, module, arguments)
        if not result.get(_engine.MISSING):
            return result
        # Core removes it when the task is through. Until then nothing is asked of a node that changes its network.
        shell = self._connection._shell  # noqa: SLF001 - as all action plugins do
        folder = shell.tmpdir or self._make_tmp_path()
        path = shell.join_path(folder, "engine.zip")
        with tempfile.NamedTemporaryFile(dir=C.DEFAULT_LOCAL_TMP, suffix=".zip") as local:
            local.write(engine.archive(files))
            local.flush()
            self._transfer_file(local.name, path)
        self._fixup_perms2([folder, path], execute=False)
        variables[_engine.ARCHIVE_VARIABLE] = path
        return self._execute_on_node(variables, module, arguments)

    def _execute_on_node(self, variables: dict[str, str], module: str, arguments: dict[str, t.Any]) -> Result:
        environment = self._task.environment
        self._task.environment = [*(environment if isinstance(environment, list) else [environment]), variables]
        try:
            return t.cast(
                Result,
                self._execute_module(module_name=module, module_args=arguments, task_vars=self._task_vars),
            )
        finally:
            self._task.environment = environment

    def _documents(self, src: str) -> list[t.Any]:
        """The documents of a file on the controller, their expressions evaluated."""
        try:
            path = self._find_needle("files", src)
            text = self._loader.get_text_file_contents(path)
        except AnsibleError as error:
            raise AnsibleActionFail(f"src: {error}") from None
        return documents.read(path, text, self._templar.template)
