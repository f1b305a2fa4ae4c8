# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to an API server that speaks plain JSON.

Configuration, credentials, proxies and TLS are the kubernetes client's, but for plain kubeconfigs (``plain``), which
need no client; its typed API is not used, since it takes four times as long to import and refuses fields it does not
know.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from urllib.parse import quote, urlencode

from ansible_collections.kubenode.network.plugins.module_utils._kube._kubernetes_dep import kubernetes
from ansible_collections.kubenode.network.plugins.module_utils._kube.checks import check_connection
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.plain import plain

Object = dict[str, t.Any]

MERGE = "application/merge-patch+json"

_SECONDS = 30.0
# Options of a connection -> attributes of the client's Configuration.
_PLAIN = {
    "host": "host", "ca_cert": "ssl_ca_cert", "client_cert": "cert_file", "client_key": "key_file", "proxy": "proxy",
    "no_proxy": "no_proxy", "validate_certs": "verify_ssl", "username": "username", "password": "password",
}  # fmt: skip
# As kubernetes.core reads them.
_ENVIRONMENT = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG", "context": "K8S_AUTH_CONTEXT", "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY", "username": "K8S_AUTH_USERNAME", "password": "K8S_AUTH_PASSWORD",
    "ca_cert": "K8S_AUTH_SSL_CA_CERT", "client_cert": "K8S_AUTH_CERT_FILE", "client_key": "K8S_AUTH_KEY_FILE",
    "proxy": "K8S_AUTH_PROXY", "no_proxy": "K8S_AUTH_NO_PROXY", "impersonate_user": "K8S_AUTH_IMPERSONATE_USER",
    "validate_certs": "K8S_AUTH_VERIFY_SSL", "persist_config": "K8S_AUTH_PERSIST_CONFIG",
}  # fmt: skip
_FALSE = ("no", "n", "false", "f", "off", "0")


class Client:
    """Requests to one API server, counted in ``requests``. All of them raise KubeError, Answered where it refused."""

    def __init__(
        self, host: str, pool: t.Any, credentials: t.Callable[[], dict[str, str]], configuration: t.Callable[[], t.Any],
        impersonate: tuple[str, t.Sequence[str]] = ("", ()),
    ) -> None:  # fmt: skip
        self._pool = pool
        self._credentials = credentials
        self._configuration = configuration
        self._impersonate = impersonate
        self.host = host
        self.requests = 0
        self.date = ""
        """What the API server's clock said with its last answer (RFC 9110, 6.6.1), for what must not depend on ours."""

    def get(self, path: str, **query: t.Any) -> Object:
        return t.cast(Object, self.request("GET", path, query=query))

    def find(self, path: str, **query: t.Any) -> Object | None:
        """``get``, and None where there is no such object."""
        try:
            return self.get(path, **query)
        except Answered as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: t.Any) -> list[Object]:
        """All objects of a list, page by page."""
        return list(self.each(path, **query))

    def each(self, path: str, **query: t.Any) -> t.Generator[Object, None, str]:
        """The same one by one: no more than a page of them is held at a time.

        The last thing that a generator of it returns is the version of the list, for a watch that goes on from there.
        """
        while True:
            page = self.get(path, **{"limit": 500, **query})
            yield from page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return str(page["metadata"].get("resourceVersion", ""))
            query["continue"] = token

    def create(self, path: str, body: Object, **query: t.Any) -> Object:
        return t.cast(Object, self.request("POST", path, body, query=query))

    def replace(self, path: str, body: Object, **query: t.Any) -> Object:
        return t.cast(Object, self.request("PUT", path, body, query=query))

    def patch(self, path: str, body: t.Any, kind: str = MERGE, **query: t.Any) -> Object:
        return t.cast(Object, self.request("PATCH", path, body, kind, query))

    def delete(self, path: str, uid: str, version: str, dry_run: bool = False) -> None:
        """Delete an object that nobody has changed or made anew since; Answered with 409 where somebody has."""
        body: Object = {
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid, "resourceVersion": version},
        }  # fmt: skip
        if dry_run:
            # Of a query with such a body the API server takes no notice.
            body["dryRun"] = ["All"]
        self.request("DELETE", path, body)

    def text(self, path: str, **query: t.Any) -> str:
        """An answer that is no JSON: a log, or what a pod's own server says through the API server's proxy."""
        return t.cast(str, self.request("GET", path, query=query, decode=False))

    def request(
        self, method: str, path: str, body: t.Any = None, kind: str = "application/json",
        query: t.Mapping[str, t.Any] | None = None, decode: bool = True, seconds: float = _SECONDS,
    ) -> t.Any:  # fmt: skip
        """One request. ``query`` with None values left out, truth as ``true``; a retry is the caller's to decide."""
        url = self.host + path
        if query:
            pairs = {key: _query(value) for key, value in query.items() if value is not None}
            url += "?" + urlencode(pairs) if pairs else ""
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = kind
        data = None if body is None else json.dumps(body).encode()
        self.requests += 1
        try:
            answer = self._pool.request(method, url, body=data, headers=headers, timeout=seconds, retries=False)
        except Exception as error:
            raise KubeError(
                f"the API server {self.host} cannot be reached: {_words(error)}; see kubeconfig, host and proxy"
            ) from error
        self.date = answer.headers.get("Date") or ""
        text = answer.data.decode("utf-8", "replace")
        if answer.status >= 400:
            raise _refused(method, path, answer.status, text)
        return json.loads(text) if decode else text

    def lines(self, path: str, seconds: float, query: t.Mapping[str, t.Any]) -> t.Iterator[str]:
        """The lines of an answer that goes on, as they come, until the API server ends it or ``seconds`` pass without.

        Raises KubeError, Answered where it refused.
        """
        url = self.host + path + "?" + urlencode({key: _query(value) for key, value in query.items()})
        self.requests += 1
        try:
            answer = self._pool.request(
                "GET", url, headers=self._headers(), timeout=seconds, retries=False, preload_content=False
            )
        except Exception as error:
            raise KubeError(
                f"the API server {self.host} cannot be reached: {_words(error)}; see kubeconfig, host and proxy"
            ) from error
        try:
            if answer.status >= 400:
                raise _refused("GET", path, answer.status, answer.data.decode("utf-8", "replace"))
            rest = b""
            for part in answer.stream(65536, decode_content=True):
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    yield line.decode("utf-8", "replace")
        except (OSError, _broken()) as error:
            # A watch that ends early is taken up again; one that cannot be is told by the next request.
            _ended = error
        finally:
            # What is left of the answer is not read: the connection goes with it.
            answer.close()

    @contextlib.contextmanager
    def port_forward(self, namespace: str, pod: str, port: int) -> t.Iterator[t.Any]:
        """A connection to a port of a pod through the API server: something like a socket. Raises KubeError."""
        from kubernetes import client as api
        from kubernetes import stream

        self.requests += 1
        call = api.CoreV1Api(api.ApiClient(self._configuration())).connect_get_namespaced_pod_portforward
        try:
            forward = stream.portforward(call, pod, namespace, ports=str(port))
        except Exception as error:
            raise KubeError(
                f"no port forward to {namespace}/{pod}: {_words(error)}; it needs the right to create "
                "pods/portforward (docs/rbac.md)"
            ) from error
        try:
            yield forward.socket(port)
        finally:
            forward.close()

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json, */*", "User-Agent": "kubenode.network", **self._credentials()}
        user, groups = self._impersonate
        if user:
            headers["Impersonate-User"] = user
            if groups:
                headers["Impersonate-Group"] = ",".join(groups)
        return headers


def connect(params: t.Mapping[str, t.Any]) -> Client:
    """A client as the module's options, the environment (``K8S_AUTH_*``), a kubeconfig or the pod we run in say.

    Raises KubeError where none of these leads to a cluster.
    """
    values = {name: _value(params, name) for name in _ENVIRONMENT}
    who = (values.pop("impersonate_user") or "", tuple(params.get("impersonate_groups") or ()))
    check_connection(values, who)
    try:
        found = plain(values)
        if found is not None:
            return Client(found.host, found.pool(), found.headers, lambda: _configured(values), who)
    except (ImportError, OSError):
        # The client needs the same, and has an error for each.
        pass
    rest = kubernetes()[2]
    configuration = _configured(values)
    try:
        pool = rest.RESTClientObject(configuration).pool_manager
    except OSError as error:
        raise KubeError(f"a certificate or key of the connection cannot be read: {_words(error)}") from error
    host = str(configuration.host).rstrip("/")
    return Client(host, pool, lambda: _credentials(configuration), lambda: configuration, who)


def _configured(values: t.Mapping[str, t.Any]) -> t.Any:
    """The client's Configuration. Raises KubeError."""
    Configuration, config, _rest = kubernetes()  # noqa: N806 - a class
    configuration = Configuration()
    kubeconfig, context = values["kubeconfig"], values["context"]
    direct = bool(values["host"] and (values["api_key"] or values["client_cert"] or values["username"]))
    if kubeconfig or context or not direct:
        _load(config, configuration, kubeconfig, context, bool(values["persist_config"]))
    for name, attribute in _PLAIN.items():
        if values[name] is not None:
            setattr(configuration, attribute, values[name])
    if values["api_key"]:
        configuration.api_key = {"authorization": f"Bearer {values['api_key']}"}
        configuration.api_key_prefix = {}
        configuration.refresh_api_key_hook = None
    if values["username"] and values["password"]:
        configuration.api_key = {"authorization": configuration.get_basic_auth_token()}
    return configuration


def _credentials(configuration: t.Any) -> dict[str, str]:
    settings = configuration.auth_settings().values()
    return {one["key"]: one["value"] for one in settings if one["in"] == "header" and one["value"]}


def _load(config: t.Any, configuration: t.Any, kubeconfig: t.Any, context: t.Any, persist: bool) -> None:
    try:
        if isinstance(kubeconfig, dict):
            config.load_kube_config_from_dict(kubeconfig, context=context, client_configuration=configuration)
            return
        path = os.path.expanduser(kubeconfig) if kubeconfig else None
        if path and not os.path.exists(path):
            raise KubeError(f"kubeconfig: there is no file {path}")
        default = os.path.expanduser(os.environ.get("KUBECONFIG", "~/.kube/config"))
        if path or any(os.path.exists(one) for one in default.split(os.pathsep)):
            config.load_kube_config(path, context=context, client_configuration=configuration, persist_config=persist)
            return
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
            return
    except config.ConfigException as error:
        where = "kubeconfig" if isinstance(kubeconfig, dict) or not kubeconfig else f"kubeconfig {kubeconfig}"
        raise KubeError(f"{where}: {error}") from error
    raise KubeError(
        f"no cluster to talk to: there is no kubeconfig at {default}, and this is not a pod; give kubeconfig, or host "
        "with api_key or client_cert and client_key"
    )


def _value(params: t.Mapping[str, t.Any], name: str) -> t.Any:
    value = params.get(name)
    if value is not None:
        return value
    text = os.environ.get(_ENVIRONMENT[name])
    if name in ("validate_certs", "persist_config") and text is not None:
        return text.strip().lower() not in _FALSE
    return text or None


def _broken() -> type[Exception]:
    """What urllib3 raises in the middle of an answer; it comes with the kubernetes client."""
    from urllib3.exceptions import HTTPError

    return t.cast("type[Exception]", HTTPError)


def segment(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def _query(value: t.Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _refused(method: str, path: str, status: int, text: str) -> Answered:
    try:
        answer = json.loads(text)
        message, reason = answer["message"], answer.get("reason") or ""
        causes = [cause.get("message", "") for cause in (answer.get("details") or {}).get("causes", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        message, reason, causes = text.strip()[:300] or "no reason given", "", []
    hints = {
        401: "; the credentials are not valid (any more)",
        403: "; docs/rbac.md has manifests with the rights that each module needs",
    }
    return Answered(f"{method} {path}: {status}: {message}{hints.get(status, '')}", status, reason, causes)


def _words(error: BaseException) -> str:
    """The innermost words of nested errors, which name the cause."""
    inner = getattr(error, "reason", None)
    while isinstance(inner, BaseException):
        error, inner = inner, getattr(inner, "reason", None)
    return str(error) or type(error).__name__
