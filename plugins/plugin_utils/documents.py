# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the option ``src``: YAML documents on the controller, their expressions evaluated for a host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.template import trust_as_template

Path = tuple[t.Union[str, int], ...]


def read(path: str, text: str, template: t.Callable[[t.Any], t.Any]) -> list[t.Any]:
    """The documents of a file; ``template`` evaluates a value for the host. Raises AnsibleActionFail with the line.

    It is read as YAML first, as files of variables are: a value keeps its type, and a message has its line.
    """
    documents = _parse(text, path)
    try:
        return [template(document) for document in documents]
    except AnsibleError:
        for number, document in enumerate(documents):
            _tell_culprit(document, (number,), text, path, template)
        raise


def _tell_culprit(value: t.Any, where: Path, text: str, path: str, template: t.Callable[[t.Any], t.Any]) -> None:
    """Raise the error of the one value that cannot be evaluated, with its place."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _tell_culprit(inner, (*where, key), text, path, template)
        return
    try:
        # In a list, as a value alone cannot be left out by `omit`.
        template([value])
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
    return int(node.start_mark.line) + 1
