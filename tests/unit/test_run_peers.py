# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a run must not lose is found on the node, without asking anybody."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import peers


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("    server: https://10.0.0.5:6443", ["10.0.0.5"]),
        ('    server: "https://10.0.0.5"', ["10.0.0.5"]),
        ("    server: https://[2001:DB8::0:5]:6443", ["2001:db8::5"]),
        ("    server: https://api.example.com:6443", []),
        ("    server: https://127.0.0.1:6444", []),
        ("    server: https://[::1]:6443", []),
        ("    # server: https://10.0.0.6:6443", []),
        ("    server:", []),
    ],
)
def test_the_api_server_is_taken_from_the_kubelets_configuration(
    tmp_path: pathlib.Path, line: str, found: list[str]
) -> None:
    folder = tmp_path / "etc/kubernetes"
    folder.mkdir(parents=True)
    (folder / "kubelet.conf").write_text(f"clusters:\n- cluster:\n{line}\n  name: default\n")
    assert peers.api_servers(str(tmp_path)) == found


def test_agents_behind_a_local_proxy_name_the_server_in_their_own_configuration(tmp_path: pathlib.Path) -> None:
    for path, server in (
        ("var/lib/rancher/k3s/agent/kubelet.kubeconfig", "https://127.0.0.1:6444"),
        ("etc/rancher/k3s/config.yaml", "https://10.0.0.7:6443"),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"server: {server}\n")
    assert peers.protect_inputs(str(tmp_path))[-1] == ("the API server", "10.0.0.7", None)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("192.0.2.9 51000 10.0.0.4 22", ("192.0.2.9", "10.0.0.4")),
        ("2001:DB8::9 51000 2001:db8::4 22", ("2001:db8::9", "2001:db8::4")),
        ("fe80::9%ens192 51000 fe80::4%ens192 22", ("fe80::9", "fe80::4")),
        ("UNKNOWN 65535 UNKNOWN 65535", None),
        ("", None),
    ],
)
def test_the_controller_is_taken_from_the_ssh_session(
    monkeypatch: pytest.MonkeyPatch, value: str, found: tuple[str, str] | None
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setenv("SSH_CONNECTION", value)
    assert peers.ssh_connection() == found


def test_the_session_is_found_above_a_process_that_dropped_the_variable() -> None:
    """As with become: sudo starts the module without SSH_CONNECTION."""
    program = f"from {peers.__name__} import ssh_connection; print(ssh_connection())"
    command = ["env", "-u", "SSH_CONNECTION", sys.executable, "-c", program]
    # A shell that stays as the process above, as sshd's and sudo's do.
    done = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *command],
        env={**os.environ, "SSH_CONNECTION": "192.0.2.9 51000 10.0.0.4 22"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "('192.0.2.9', '10.0.0.4')"
