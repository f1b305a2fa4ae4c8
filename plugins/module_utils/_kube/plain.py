# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that need nothing but what a kubeconfig says: certificates or a token, as kubeadm and others write them.

Importing the kubernetes client costs more CPU than all the rest of a run that has nothing to change. So the common
kubeconfig is read here, and whatever is not common (login programs, providers, proxies, several files, mistakes) is
left to the client, as are its words about it.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import typing as t

_CLUSTER = {"server", "certificate-authority", "certificate-authority-data", "extensions"}
_USER = {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
_CONTEXT = {"cluster", "user", "namespace", "extensions"}
_OPTIONS = {"kubeconfig", "context", "host", "api_key", "ca_cert", "client_cert", "client_key"}


class Plain(t.NamedTuple):
    """Where an API server is, and who we are to it."""

    host: str
    token: str
    authority: bytes
    """PEM, as the other two."""
    certificate: bytes
    key: bytes

    def headers(self) -> dict[str, str]:
        """Of each request."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def pool(self) -> t.Any:
        """Connections to it: urllib3's, as the client's own are. Raises ImportError, OSError (ssl.SSLError)."""
        import urllib3
        from urllib3.util.ssl_ import create_urllib3_context

        context = create_urllib3_context()
        context.load_verify_locations(cadata=self.authority.decode("ascii"))
        if self.certificate:
            # OpenSSL takes them from a file only.
            with tempfile.NamedTemporaryFile(prefix="kubenode-") as file:
                file.write(self.certificate + b"\n" + self.key)
                file.flush()
                context.load_cert_chain(file.name)
        return urllib3.PoolManager(ssl_context=context)


def plain(values: t.Mapping[str, t.Any]) -> Plain | None:
    """The connection that options and a kubeconfig declare; None where the client has to find it.

    ``values``: the options of a connection, those of the environment among them.
    """
    if any(value is not None and name not in _OPTIONS for name, value in values.items()):
        return None
    if any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") and text for name, text in os.environ.items()):
        return None
    try:
        return _read(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, StopIteration):
        # Whatever it is, the client meets it too, and says it.
        return None


def _read(values: t.Mapping[str, t.Any]) -> Plain | None:
    path = values["kubeconfig"] or os.environ.get("KUBECONFIG") or "~/.kube/config"
    direct = values["host"] and (values["api_key"] or values["client_cert"]) and not values["kubeconfig"]
    cluster: dict[str, t.Any] = {}
    user: dict[str, t.Any] = {}
    folder = ""
    if not direct:
        if not isinstance(path, str) or os.pathsep in path:
            return None
        path = os.path.expanduser(path)
        folder = os.path.dirname(os.path.abspath(path))
        config = _load(path)
        context = _named(config["contexts"], values["context"] or config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        if set(context) - _CONTEXT or set(cluster) - _CLUSTER or set(user) - _USER:
            return None
    elif values["context"]:
        return None
    found = Plain(
        str(values["host"] or cluster["server"]).rstrip("/"),
        values["api_key"] or user.get("token") or _part(user, "tokenFile", folder).decode().strip(),
        _file(values["ca_cert"]) or _part(cluster, "certificate-authority", folder),
        _file(values["client_cert"]) or _part(user, "client-certificate", folder),
        _file(values["client_key"]) or _part(user, "client-key", folder),
    )
    if b"ENCRYPTED" in found.key:
        # OpenSSL would ask for the passphrase, and wait.
        return None
    complete = found.authority and (found.token or found.certificate) and bool(found.certificate) == bool(found.key)
    return found if complete and found.host.startswith("https://") else None


def _load(path: str) -> t.Any:
    with open(path, "rb") as file:
        text = file.read()
    if text.lstrip().startswith(b"{"):
        return json.loads(text)
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _named(entries: t.Any, name: t.Any) -> t.Any:
    return next(entry for entry in entries if entry["name"] == name)


def _part(entry: t.Mapping[str, t.Any], name: str, folder: str) -> bytes:
    """What ``name-data`` holds, else the file that ``name`` names, relative to the kubeconfig's folder."""
    data = entry.get(f"{name}-data")
    if data:
        return base64.b64decode(data)
    return _file(os.path.join(folder, entry[name])) if entry.get(name) else b""


def _file(path: t.Any) -> bytes:
    if not path:
        return b""
    with open(os.path.expanduser(path), "rb") as file:
        return file.read()
