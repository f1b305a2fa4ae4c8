# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a kubeconfig that says all itself is read without the kubernetes client; every other is the client's."""

from __future__ import annotations

import base64
import copy
import json
import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.plain import plain

DATA = base64.b64encode(b"PEM").decode()
CONFIG: dict[str, t.Any] = {
    "current-context": "a",
    "contexts": [
        {"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "n"}},
        {"name": "b", "context": {"cluster": "c", "user": "v"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://api:6443/", "certificate-authority-data": DATA}}],
    "users": [
        {"name": "u", "user": {"client-certificate-data": DATA, "client-key-data": DATA}},
        {"name": "v", "user": {"tokenFile": "token"}},
    ],
}
OPTIONS = (
    "kubeconfig",
    "context",
    "host",
    "api_key",
    "ca_cert",
    "client_cert",
    "client_key",
    "validate_certs",
    "proxy",
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def read(folder: pathlib.Path, config: t.Any = None, **options: t.Any) -> t.Any:
    path = folder / "config"
    path.write_text(json.dumps(config or CONFIG), encoding="utf-8")
    (folder / "token").write_text("secret\n", encoding="utf-8")
    return plain({**dict.fromkeys(OPTIONS), "kubeconfig": str(path), **options})


def test_certificates_in_the_file_and_a_token_beside_it_are_read(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path)
    assert (found.host, found.authority, found.certificate, found.key) == ("https://api:6443", b"PEM", b"PEM", b"PEM")
    assert found.headers() == {}
    assert read(tmp_path, context="b").headers() == {"authorization": "Bearer secret"}


def test_options_go_before_the_file(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, host="https://other", api_key="mine")
    assert (found.host, found.headers()) == ("https://other", {"authorization": "Bearer mine"})


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("users", "exec", {"command": "login"}),
        ("users", "auth-provider", {"name": "oidc"}),
        ("users", "as", "somebody"),
        ("users", "client-key-data", base64.b64encode(b"BEGIN ENCRYPTED PRIVATE KEY").decode()),
        ("users", "client-key-data", ""),
        ("clusters", "proxy-url", "http://proxy:3128"),
        ("clusters", "tls-server-name", "api"),
        ("clusters", "insecure-skip-tls-verify", True),
        ("clusters", "server", "http://api"),
        ("clusters", "certificate-authority-data", None),
        ("clusters", "certificate-authority-data", "not base64!"),
    ],
)
def test_what_is_not_plain_is_left_to_the_client(tmp_path: pathlib.Path, where: str, key: str, value: t.Any) -> None:
    config = copy.deepcopy(CONFIG)
    config[where][0][where[:-1]][key] = value
    assert read(tmp_path, config) is None


def test_mistakes_and_proxies_are_left_to_the_client(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(tmp_path, context="none") is None
    assert read(tmp_path, [1]) is None
    assert read(tmp_path, proxy="http://proxy:3128") is None
    assert read(tmp_path, validate_certs=False) is None
    assert read(tmp_path, kubeconfig="/no/such/file") is None
    assert read(tmp_path, kubeconfig={"a": "dict"}) is None
    assert read(tmp_path, kubeconfig=f"{tmp_path}/config:{tmp_path}/other") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert read(tmp_path) is None
