# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set of a connection for the length of a task, on Ansible's own connection plugins; none connects."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.kubenode.network.plugins.plugin_utils import connections

needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="there is no ssh on this machine")


def make(transport: str, **options: t.Any) -> t.Any:
    connection = connection_loader.get(transport, PlayContext())
    connection.set_options(direct={"host": "w1", **options} if transport == "ssh" else options)
    return connection


def command(connection: t.Any) -> list[str]:
    """The arguments that ssh would be called with."""
    connection.host = connection.get_option("host")
    return [part.decode() for part in connection._build_command("ssh", "ssh", connection.host, "true")]


def option(connection: t.Any, name: str) -> str:
    """The value that counts of an option of ssh: the first one."""
    return next(part.partition("=")[2] for part in command(connection) if part.startswith(f"{name}="))


def test_a_dead_connection_is_noticed_in_seconds_whatever_the_user_set_for_all_day() -> None:
    connection = make("ssh", ssh_args="-C -o ControlMaster=auto -o ServerAliveInterval=60 -o ServerAliveCountMax=10")
    guard = connections.Guard(connection)
    guard.notice_death(15)
    assert (option(connection, "ServerAliveInterval"), option(connection, "ServerAliveCountMax")) == ("5", "3")
    assert option(connection, "ControlMaster") == "auto"
    guard.notice_death(6)
    assert option(connection, "ServerAliveInterval") == "2"
    guard.restore()
    assert option(connection, "ServerAliveInterval") == "60"


def test_the_same_control_socket_is_used_as_by_other_tasks() -> None:
    connection = make("ssh")
    before = option(connection, "ControlPath")
    connections.Guard(connection).notice_death(15)
    assert option(connection, "ControlPath") == before


def test_ansible_does_not_execute_a_module_again_in_our_place() -> None:
    connection = make("ssh", reconnection_retries=5)
    guard = connections.Guard(connection)
    guard.notice_death(15)
    assert connection.get_option("reconnection_retries") == 0
    guard.restore()
    assert connection.get_option("reconnection_retries") == 5


@pytest.mark.parametrize(("left", "expected"), [(58.0, "10"), (4.2, "4"), (0.3, "2")])
def test_a_connection_gets_no_more_time_than_is_left(left: float, expected: str) -> None:
    connection = make("ssh", timeout=10)
    guard = connections.Guard(connection)
    guard.limit(left)
    assert option(connection, "ConnectTimeout") == expected
    guard.limit(100)
    assert option(connection, "ConnectTimeout") == "10"


@needs_ssh
def test_another_address_is_still_the_same_host(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host w1\n  HostName 192.168.100.11\n  Port 2222\n")
    connection = make("ssh", ssh_args=f"-F {config} -o ControlMaster=auto -o ControlPersist=60s")
    path = option(connection, "ControlPath")
    guard = connections.Guard(connection)
    guard.lead_to("192.168.100.21")
    assert command(connection)[-2] == "192.168.100.21"
    assert option(connection, "HostKeyAlias") == "[192.168.100.11]:2222"
    # Another control socket: what answers over the old one proves nothing.
    assert option(connection, "ControlPath") != path
    guard.restore()
    assert command(connection)[-2] == "w1"
    assert "HostKeyAlias" not in " ".join(command(connection))


@needs_ssh
def test_a_host_key_alias_of_the_users_own_stays(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host w1 192.168.100.21\n  HostKeyAlias worker-one\n")
    connection = make("ssh", ssh_args=f"-F {config}")
    connections.Guard(connection).lead_to("192.168.100.21")
    assert "HostKeyAlias" not in " ".join(command(connection))


def test_other_connections_are_left_as_they_are() -> None:
    connection = make("local")
    guard = connections.Guard(connection)
    guard.notice_death(15)
    guard.limit(5)
    guard.restore()
    assert connections.transport(connection) == "local"
    assert connections.connect_timeout(connection) == 0
    assert not connections.takes_host(connection)
    assert connections.takes_host(make("ssh"))


def test_a_connection_without_a_reset_is_closed_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    class Container(ConnectionBase):
        """As containers.podman has it: every call is a process of its own."""

        transport = "containers.podman.podman"
        closed = 0

        def _connect(self) -> None: ...
        def exec_command(self, cmd: t.Any, in_data: t.Any = None, sudoable: bool = True) -> t.Any: ...
        def put_file(self, in_path: t.Any, out_path: t.Any) -> None: ...
        def fetch_file(self, in_path: t.Any, out_path: t.Any) -> None: ...

        def close(self) -> None:
            self.closed += 1

    container = Container(PlayContext())
    connections.renew(container)
    assert container.closed == 1
    assert connections.transport(container) == "podman"
    assert "not implemented" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "message",
    [
        "Failed to connect to the host via ssh: ssh: connect to host 10.1.1.1 port 22: Connection timed out",
        "Failed to connect to the host via ssh: ssh: Could not resolve hostname w9: Name or service not known",
        "Failed to connect to the host via ssh: root@w1: Permission denied (publickey).",
        "Failed to connect to the host via ssh: Host key verification failed.",
        "Failed to connect to the host via ssh: kex_exchange_identification: read: Connection reset by peer",
        "Failed to connect to the host via ssh: Connection timed out during banner exchange",
        "Failed to connect to the host via ssh: Connection closed by 10.1.1.1 port 22",
        "Failed to connect to the host via ssh: command-line: line 0: Bad configuration option: nosuch",
        "Failed to create temporary directory. In some cases, you may have been able to authenticate",
        "SSH encountered an unknown error during the connection. We recommend you re-run the command using -vvvv",
    ],
)
def test_nothing_was_executed_where_no_connection_came_to_be(message: str) -> None:
    assert connections.never_connected(message)


@pytest.mark.parametrize(
    "message",
    [
        "Failed to connect to the host via ssh: Timeout, server 10.1.1.1 not responding.",
        "Failed to connect to the host via ssh: Connection to 10.1.1.1 closed by remote host.",
        "Failed to connect to the host via ssh: client_loop: send disconnect: Broken pipe",
        "Failed to connect to the host via ssh: Read from remote host 10.1.1.1: Connection reset by peer",
        "Failed to connect to the host via ssh: mux_client_request_session: read from master failed: Broken pipe",
        "Failed to connect to the host via ssh: Shared connection to 10.1.1.1 closed.",
    ],
)
def test_a_connection_that_broke_may_have_executed_something(message: str) -> None:
    assert not connections.never_connected(message)
