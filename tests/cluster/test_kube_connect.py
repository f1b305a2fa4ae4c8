# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are to a real API server, by kubeconfigs of every kind."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import sys
import typing as t

import yaml


def test_a_plain_kubeconfig_needs_no_client_and_any_other_is_left_to_it(plane: t.Any, tmp_path: pathlib.Path) -> None:
    """Certificates in the file as kubeadm writes them, and a login program; both are the same user to the server."""

    def asked(user: dict[str, t.Any]) -> tuple[str, str]:
        config = json.loads(plane.kubeconfig().read_text())
        authority = config["clusters"][0]["cluster"].pop("certificate-authority")
        data = base64.b64encode(pathlib.Path(authority).read_bytes()).decode()
        config["clusters"][0]["cluster"]["certificate-authority-data"] = data
        config["users"][0]["user"] = user
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        script = (
            "import sys, json\n"
            "from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect\n"
            "review = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'SelfSubjectReview'}\n"
            "client = connect({'kubeconfig': sys.argv[1]})\n"
            "answer = client.create('/apis/authentication.k8s.io/v1/selfsubjectreviews', review)\n"
            "print(answer['status']['userInfo']['username'], 'kubernetes' in sys.modules)\n"
        )
        command = [sys.executable, "-c", script, str(path)]
        name, imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return name, imported

    certificate, key = ((plane.folder / f"api-to-kubelet.{end}").read_bytes() for end in ("crt", "key"))
    certificates = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    assert asked(certificates) == ("kube-apiserver-kubelet-client", "False")
    token = {"token": json.loads(plane.kubeconfig().read_text())["users"][0]["user"]["token"]}
    assert asked(token) == ("admin", "False")
    login = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": token}
    program = {
        "apiVersion": login["apiVersion"], "command": "echo", "args": [json.dumps(login)], "interactiveMode": "Never",
    }  # fmt: skip
    assert asked({"exec": program}) == ("admin", "True")
