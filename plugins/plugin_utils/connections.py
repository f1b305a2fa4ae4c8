# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's connection while the network beneath it changes: no call hangs, and a new connection can be asked for."""

from __future__ import annotations

import re
import subprocess
import typing as t

from ansible.plugins.connection import ConnectionBase

# Transport -> its option that names the host to connect to.
_HOST_OPTIONS = {
    "ssh": "host",
    "paramiko": "remote_addr",
    "paramiko_ssh": "remote_addr",
    "libssh": "remote_addr",
}
# What ssh says of a connection that never came to be; nothing was executed then. ssh ends with 255 in both cases.
_NEVER_CONNECTED = re.compile(
    r"(?<!via )ssh: |connect to host|could not resolve|permission denied|host key verification failed|banner exchange"
    r"|kex_exchange_identification|no matching |too many authentication failures|host identification has changed"
    r"|connection (closed|reset) by \S+ port|bad configuration|failed to create temporary directory"
    # Ansible's words for a connection that broke before it could make its folder.
    r"|ssh encountered an unknown error",
    re.IGNORECASE,
)


def transport(connection: t.Any) -> str:
    """The connection's short name: ``local``, ``ssh``, ``podman`` ..."""
    return str(connection.transport).rpartition(".")[2]


def connect_timeout(connection: t.Any) -> int:
    """Seconds that the user lets a connection take to come up; 0 where it has no such setting."""
    found = _option(connection, "timeout")
    return int(found) if found else 0


def takes_host(connection: t.Any) -> bool:
    """Whether the connection leads to a host that another address may be given for."""
    return transport(connection) in _HOST_OPTIONS


def never_connected(message: str) -> bool:
    """Whether the words of a connection's failure say that nothing can have been executed on the node."""
    return bool(_NEVER_CONNECTED.search(message))


def renew(connection: t.Any) -> None:
    """Let the next call make a new connection. May raise what the connection plugin raises."""
    if getattr(type(connection), "reset", None) is ConnectionBase.reset:
        # It would only warn that there is no reset.
        connection.close()
    else:
        connection.reset()


class Guard:
    """Options of a connection for the length of a task; ``restore`` puts the user's own back."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection
        self._before: dict[str, t.Any] = {}

    def notice_death(self, seconds: int) -> None:
        """Let a call end about ``seconds`` after its connection has died; without it ssh waits for minutes.

        The options stand before the user's own ones, as the first one that ssh reads of each counts. For other
        transports there is nothing to set.
        """
        if transport(self._connection) != "ssh":
            return
        keep = f"-o ServerAliveInterval={max(1, seconds // 3)} -o ServerAliveCountMax=3"
        user = self._user("ssh_args")
        self._connection.set_option("ssh_args", f"{keep} {user}" if user else keep)
        # ssh_retry of Ansible would execute a module again in our place, without a new connection.
        self._user("reconnection_retries")
        self._connection.set_option("reconnection_retries", 0)

    def limit(self, seconds: float) -> None:
        """Give a connection that comes up at most ``seconds``, and no more than the user does."""
        user = self._user("timeout")
        if user:
            self._connection.set_option("timeout", max(2, min(int(user), round(seconds))))

    def lead_to(self, host: str) -> None:
        """Connect to another address of the same node from now on; its key is the one known for the host's own name."""
        if transport(self._connection) == "ssh":
            alias = _known_as(self._connection)
            common = self._user("ssh_common_args") or ""
            if alias:
                self._connection.set_option("ssh_common_args", f"{common} -o HostKeyAlias={alias}".strip())
        name = _HOST_OPTIONS[transport(self._connection)]
        self._user(name)
        self._connection.set_option(name, host)

    def restore(self) -> None:
        for name, value in self._before.items():
            self._connection.set_option(name, value)
        self._before = {}

    def _user(self, name: str) -> t.Any:
        """An option as it was before this guard changed it."""
        if name not in self._before:
            found = _option(self._connection, name)
            if found is None:
                return None
            self._before[name] = found
        return self._before[name]


def _option(connection: t.Any, name: str) -> t.Any:
    try:
        return connection.get_option(name)
    except (AttributeError, KeyError):
        return None


def _known_as(connection: t.Any) -> str:
    """The name under which ssh has the host's key in known_hosts, from ``ssh -G``; empty where it cannot tell.

    ``-o HostKeyAlias`` is taken as it is, while a host with a port of its own is known as ``[host]:port``.
    """
    host = _option(connection, "host")
    if not host:
        return ""
    try:
        command = connection._build_command(connection.get_option("ssh_executable"), "ssh", "-G", host)  # noqa: SLF001
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    if found.get("hostkeyalias") or not found.get("hostname"):
        return ""
    port = found.get("port", "22")
    return found["hostname"] if port == "22" else f"[{found['hostname']}]:{port}"
