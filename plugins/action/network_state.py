# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of all modules: it sees to it that the node has the engine, and reads the files of `src`."""

from __future__ import annotations

import tempfile
import typing as t

from ansible import constants as C  # noqa: N812 - its usual name
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.kubenode.network.plugins.module_utils import _engine
from ansible_collections.kubenode.network.plugins.plugin_utils import engine

Path = tuple[t.Union[str, int], ...]


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        if self._task.async_val:
            raise AnsibleActionFail(
                f"{self._task.action} does not run with async: the change and its confirmation are one task. Leave "
                "async and poll out; the task takes a second."
            )
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        # With another document beside it the module has the error to tell.
        if arguments.get("src") and not any(arguments.get(name) for name in ("desired_state", "policies")):
            files = arguments.pop("src")
            files = files if isinstance(files, list) else [files]
            arguments["policies"] = [document for file in files for document in self._documents(file)]
        return self._execute(arguments, task_vars)

    def _execute(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """One execution of the module; on a node that does not have this engine yet, it is sent and executed again."""
        files = engine.files()
        variables = {_engine.DIGEST_VARIABLE: _engine.digest_of(files)}
        result = self._execute_on_node(variables, arguments, task_vars)
        if not result.get(_engine.MISSING):
            return result
        folder = self._make_tmp_path()
        try:
            path = self._connection._shell.join_path(folder, "engine.zip")  # noqa: SLF001 - as all action plugins do
            with tempfile.NamedTemporaryFile(dir=C.DEFAULT_LOCAL_TMP, suffix=".zip") as local:
                local.write(engine.archive(files))
                local.flush()
                self._transfer_file(local.name, path)
            self._fixup_perms2([folder, path], execute=False)
            variables[_engine.ARCHIVE_VARIABLE] = path
            return self._execute_on_node(variables, arguments, task_vars)
        finally:
            self._remove_tmp_path(folder)

    def _execute_on_node(
        self, variables: dict[str, str], arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        environment = self._task.environment
        self._task.environment = [*(environment if isinstance(environment, list) else [environment]), variables]
        try:
            return self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars)
        finally:
            self._task.environment = environment

    def _documents(self, src: str) -> list[t.Any]:
        """The documents of a YAML file on the controller, their expressions evaluated.

        It is read as YAML first, as files of variables are: a value keeps its type, and a message has its line.
        """
        try:
            path = self._find_needle("files", src)
            text = self._loader.get_text_file_contents(path)
        except AnsibleError as error:
            raise AnsibleActionFail(f"src: {error}") from None
        documents = _parse(text, path)
        try:
            return [self._templar.template(document) for document in documents]
        except AnsibleError:
            for number, document in enumerate(documents):
                self._tell_culprit(document, (number,), text, path)
            raise

    def _tell_culprit(self, value: t.Any, where: Path, text: str, path: str) -> None:
        """Raise the error of the one value that cannot be evaluated, with its place."""
        if isinstance(value, (dict, list)):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                self._tell_culprit(inner, (*where, key), text, path)
            return
        try:
            # In a list, as a value alone cannot be left out by `omit`.
            self._templar.template([value])
        except AnsibleError as error:
            # Not "from error": Ansible would repeat it.
            raise AnsibleActionFail(
                f"{path}:{_line(text, where)}: {value} cannot be evaluated for this host: {error.message}"
            ) from None


def _parse(text: str, path: str) -> list[t.Any]:
    import yaml
    from ansible.parsing.yaml.loader import AnsibleLoader

    # The loader hands the trust on to each value: this file is the operator's own, as a playbook is.
    loader = AnsibleLoader(trust_as_template(text))
    documents = []
    try:
        while loader.check_data():
            documents.append(loader.get_data())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = " ".join(filter(None, (getattr(error, "context", ""), getattr(error, "problem", "")))) or str(error)
        place = f":{mark.line + 1}" if mark else ""
        line = text.splitlines()[mark.line].strip() if mark and mark.line < len(text.splitlines()) else ""
        hint = ' An expression stands in quotes: "{{ variable }}".' if "{{" in line else ""
        raise AnsibleActionFail(f"{path}{place}: no valid YAML: {problem}.{hint}") from None
    finally:
        loader.dispose()
    return documents


def _line(text: str, where: Path) -> int:
    """The number of the line where a value stands; ``where`` begins with the document's number."""
    import yaml

    node = list(yaml.compose_all(str(text), Loader=yaml.SafeLoader))[t.cast(int, where[0])]
    for key in where[1:]:
        if isinstance(node, yaml.MappingNode):
            found = [inner for name, inner in node.value if name.value == str(key)]
            if not found:
                break
            node = found[-1]
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[key]
    return node.start_mark.line + 1
