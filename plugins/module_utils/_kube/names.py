# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do names resolve, seen from where? A controller often reaches neither ClusterIPs nor pods.

``here`` asks each pod at its address, over UDP and TCP, from where the module runs; ``port_forward`` asks each over TCP
through the API server. ``auto`` takes the first of them that gets an answer at all.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import CannotAsk, DnsError, NoAnswer
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import over_stream, query
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where, pods_now


class Vantage:
    """A place that names are asked from; it is settled with the first question."""

    def __init__(self, client: Client, where: Where, chosen: str) -> None:
        self._client = client
        self._where = where
        self.chosen = chosen

    @property
    def text(self) -> str:
        """For messages."""
        return "through the API server" if self.chosen == "port_forward" else "from where the module runs"

    def ask(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        """What the pods answer, per name: ``resolved`` where all of them do, with addresses, and who did not.

        Raises KubeError where no pod can be asked.
        """
        pods = [one for one in pods_now(self._client, self._where) if one.pod.ready]
        if not pods:
            raise KubeError(
                f"no pod of ConfigMap {self._where.namespace}/{self._where.config_map} is ready to be asked"
            )
        if self.chosen == "auto":
            self.chosen = "here" if self._reaches(pods[0], names[0]) else "port_forward"
        return {name: self._one(name, pods) for name in names}

    def ask_first(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        """``ask``. Raises KubeError too where not one pod gives an answer of any kind: nothing would be tested."""
        found = self.ask(names)
        if not any(one["answered"] for one in found.values()):
            problems = next(iter(found.values()))["problems"]
            pod, why = next(iter(problems.items()))
            way = "test_from: port_forward asks through the API server" if self.chosen == "here" else "look at the pods"
            raise KubeError(
                f"test_names: no pod answers {self.text} ({pod}: {why}), so they cannot be tested and nothing was "
                f"changed; {way}, and without test_names nothing is asked",
                tests=list(found.values()),
            )
        return found

    def _reaches(self, one: Running, name: str) -> bool:
        try:
            query(name, one.pod.ip, tcp=True, seconds=1.0)
        except NoAnswer:
            return False
        except DnsError:
            # An answer that says no is an answer.
            pass
        return True

    def _one(self, name: str, pods: t.Sequence[Running]) -> dict[str, t.Any]:
        answers: dict[str, list[str]] = {}
        problems: dict[str, str] = {}
        answered = False
        for one in pods:
            try:
                answers[one.pod.name] = self._answer(name, one)
                answered = True
            except CannotAsk as error:
                raise KubeError(f"test_names: {error}") from error
            except DnsError as error:
                answered = answered or not isinstance(error, NoAnswer)
                problems[one.pod.name] = str(error)
        return {
            "name": name, "resolved": not problems, "answered": answered, "answers": answers, "problems": problems,
            "asked_from": self.chosen,
        }  # fmt: skip

    def _answer(self, name: str, one: Running) -> list[str]:
        if self.chosen == "here":
            query(name, one.pod.ip, tcp=True)
            return query(name, one.pod.ip, tcp=False)
        with self._client.port_forward(self._where.namespace, one.pod.name, 53) as stream:
            return over_stream(name, stream)
