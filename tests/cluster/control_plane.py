# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real control plane for tests: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as processes.

They run where they are started, which has to be a private network namespace: the API server listens on all of its
addresses. ``KUBEBUILDER_ASSETS`` names a folder with etcd and kube-apiserver to take in place of our own build (what
it lacks comes from there).
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.kubenode.network.tests.cluster import build
from ansible_collections.kubenode.network.tests.cluster.pki import Authority

SERVICE_NETWORK = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"
START_SECONDS = 90.0
# An API server with a watch open drains for up to a minute. Nobody needs what it holds; etcd's files outlive a kill.
_STOP_SECONDS = 2.0
# What the tests' objects need; a node's heartbeat, and much else that a real cluster runs, has nobody here.
_CONTROLLERS = (
    "deployment-controller", "replicaset-controller", "daemonset-controller", "job-controller",
    "ttl-after-finished-controller", "endpointslice-controller", "serviceaccount-controller",
    "root-ca-certificate-publisher-controller", "garbage-collector-controller", "namespace-controller",
    "disruption-controller",
)  # fmt: skip

Binaries = t.Callable[[str], pathlib.Path]
"""Name of a program of Kubernetes, or etcd -> the file to run."""


class User(t.NamedTuple):
    """Somebody with a static token."""

    name: str
    groups: tuple[str, ...] = ()


USERS = (
    User("admin", ("system:masters",)),
    User("system:kube-controller-manager"),
    User("system:kube-scheduler"),
    User("editor"),
    User("reader"),
    User("nobody"),
)


class ControlPlane:
    """Started by ``start``; a context manager that ends it. All its files are below ``folder``, a log per program."""

    def __init__(
        self, folder: pathlib.Path, binaries: Binaries, address: str = "127.0.0.1", options: t.Sequence[str] = (),
        kubelets: t.Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.folder = folder
        self.address = address
        """Where clients of this namespace, and pods, find the API server."""
        self.port = 0
        self._binaries = binaries
        self._options = options
        """More flags of kube-apiserver."""
        self._kubelets = kubelets
        """Addresses of nodes beside this one."""
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def start(self, workloads: bool = True) -> None:
        """Start etcd and the API server, and with ``workloads`` the controllers and the scheduler; returns when ready.

        Raises RuntimeError with the end of a program's log when it does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        store, peers, self.port = free_ports(3)
        here = f"http://127.0.0.1:{store}"
        peer = f"http://127.0.0.1:{peers}"
        self.run(
            "etcd", "etcd", "--name=test", f"--data-dir={self.folder / 'etcd'}", f"--listen-client-urls={here}",
            f"--advertise-client-urls={here}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}", "--unsafe-no-fsync", "--log-level=warn",
        )  # fmt: skip
        self.start_api_server(here)
        if workloads:
            self._start_workloads()

    def start_api_server(self, store: str) -> None:
        pki = self.folder
        self.run(
            "kube-apiserver", "kube-apiserver", f"--etcd-servers={store}", "--bind-address=0.0.0.0",
            f"--secure-port={self.port}", f"--advertise-address={self.address}", "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_NETWORK}", "--authorization-mode=RBAC", "--profiling=false",
            f"--tls-cert-file={pki / 'api.crt'}", f"--tls-private-key-file={pki / 'api.key'}",
            f"--client-ca-file={pki / 'ca.crt'}", f"--token-auth-file={pki / 'tokens.csv'}",
            f"--kubelet-client-certificate={pki / 'api-to-kubelet.crt'}",
            f"--kubelet-client-key={pki / 'api-to-kubelet.key'}", f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP", f"--service-account-key-file={pki / 'accounts.key'}",
            f"--service-account-signing-key-file={pki / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local", "--allow-privileged=true",
            *self._options,
        )  # fmt: skip
        self._wait_until_ready()

    def kubeconfig(self, user: str = "admin", server: str = "") -> pathlib.Path:
        """A kubeconfig for somebody of USERS; ``server`` where the API server has another address for them."""
        where = f"@{server.rpartition('/')[2]}" if server else ""
        # A colon would separate two files.
        path = self.folder / f"{user}{where}.kubeconfig".replace(":", "-")
        cluster = {"server": server or self.url, "certificate-authority": str(self.folder / "ca.crt")}
        context = {"cluster": "test", "user": user}
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}], "contexts": [{"name": "test", "context": context}],
            "users": [{"name": user, "user": {"token": token(user)}}],
        }  # fmt: skip
        # Somebody else may be reading it.
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(path)
        return path

    def request(self, method: str, path: str, body: t.Any = None, user: str = "admin", kind: str = "json") -> t.Any:
        """What the API server answers, decoded. Raises urllib.error.HTTPError."""
        headers = {"Authorization": f"Bearer {token(user)}"}
        if body is not None:
            form = {"json": "json", "apply-patch": "apply-patch+yaml"}.get(kind, f"{kind}+json")
            headers["Content-Type"] = f"application/{form}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text.decode()

    def run(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program that ``stop`` ends; those started last first."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(self._binaries(program)), *arguments]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append((name, process))
        return process

    def stop(self) -> None:
        """End all programs: the API server before etcd, and each waited for."""
        while self._running:
            _name, process = self._running.pop()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str, lines: int = 20) -> str:
        """The end of a program's log."""
        text = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _write_credentials(self) -> None:
        if (self.folder / "ca.crt").exists():
            return
        authority = Authority(self.folder)
        names = ("localhost", "kubernetes.default.svc", FIRST_SERVICE, "127.0.0.1", self.address)
        authority.sign("api", "kube-apiserver", tuple(dict.fromkeys(names)))
        authority.sign("api-to-kubelet", "kube-apiserver-kubelet-client", groups=("system:masters",))
        authority.sign("kubelet", "kubelet", (self.address, *self._kubelets))
        authority.key_of_tokens("accounts")
        lines = [
            '{},{},{},"{}"'.format(token(user.name), user.name, user.name, ",".join(user.groups)) for user in USERS
        ]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _start_workloads(self) -> None:
        unserved = free_ports(2)
        self.run(
            "kube-controller-manager", "kube-controller-manager", "--leader-elect=false",
            f"--kubeconfig={self.kubeconfig('system:kube-controller-manager')}", "--bind-address=127.0.0.1",
            f"--secure-port={unserved[0]}", f"--cert-dir={self.folder / 'controllers'}",
            "--use-service-account-credentials=true", f"--root-ca-file={self.folder / 'ca.crt'}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--controllers={','.join(_CONTROLLERS)}", "--kube-api-qps=300", "--kube-api-burst=600",
        )  # fmt: skip
        self.run(
            "kube-scheduler", "kube-scheduler", "--leader-elect=false", "--bind-address=127.0.0.1",
            f"--kubeconfig={self.kubeconfig('system:kube-scheduler')}", f"--secure-port={unserved[1]}",
            f"--cert-dir={self.folder / 'scheduler'}", "--kube-api-qps=300", "--kube-api-burst=600",
        )  # fmt: skip

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for name, process in self._running:
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log(name)}")
            try:
                self.request("GET", "/readyz")
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the API server is not ready after {START_SECONDS:.0f} s:\n{self.log('kube-apiserver')}")


def token(user: str) -> str:
    return f"token-of-{user}"


def free_ports(count: int) -> list[int]:
    """Ports that are free now, none twice."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def assets() -> pathlib.Path | None:
    """The folder of KUBEBUILDER_ASSETS, where it has what a control plane needs first."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    folder = pathlib.Path(named) if named else None
    if folder and all(os.access(folder / name, os.X_OK) for name in ("etcd", "kube-apiserver")):
        return folder
    return None


def programs(folder: pathlib.Path) -> t.Callable[[str], pathlib.Path]:
    """Name of a program -> the file to run: of KUBEBUILDER_ASSETS, else built at its first call.

    ``folder`` takes links to the one program that is them all, by the name that it is called.
    """
    given = assets()

    def find(name: str) -> pathlib.Path:
        if given is not None and (given / name).exists():
            return given / name
        if name in build.PROGRAMS:
            return build.built(name)
        link = folder / name
        if not link.exists():
            link.symlink_to(build.built("controlplane"))
        return link

    return find
