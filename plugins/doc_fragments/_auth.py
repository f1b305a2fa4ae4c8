# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""How modules reach a cluster: the options of kubernetes.core, with its environment variables."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options of the modules that talk to an API server."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig where the module runs, or its content as a dictionary.
      - Without it E(K8S_AUTH_KUBECONFIG), E(KUBECONFIG), C(~/.kube/config) and, inside a pod, its service account are
        tried.
    type: raw
  context:
    description:
      - Context of the kubeconfig; its current one unless told. E(K8S_AUTH_CONTEXT) as well.
    type: str
  host:
    description:
      - URL of the API server. E(K8S_AUTH_HOST) as well.
    type: str
  api_key:
    description:
      - Token. E(K8S_AUTH_API_KEY) as well.
    type: str
  username:
    description:
      - User name for servers with basic authentication in front of them. E(K8S_AUTH_USERNAME) as well.
    type: str
  password:
    description:
      - Password for O(username). E(K8S_AUTH_PASSWORD) as well.
    type: str
  client_cert:
    description:
      - Path of a client certificate. E(K8S_AUTH_CERT_FILE) as well.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path of its key. E(K8S_AUTH_KEY_FILE) as well.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path of the certificate authority of the API server. E(K8S_AUTH_SSL_CA_CERT) as well.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the API server's certificate is checked; as the kubeconfig says unless told. E(K8S_AUTH_VERIFY_SSL) as
        well.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy on the way to the API server. E(K8S_AUTH_PROXY) as well.
    type: str
  no_proxy:
    description:
      - Hosts that are reached without it, separated by commas. E(K8S_AUTH_NO_PROXY) as well.
    type: str
  persist_config:
    description:
      - Whether a token that the client renews is written back into the kubeconfig. E(K8S_AUTH_PERSIST_CONFIG) as well.
    type: bool
  impersonate_user:
    description:
      - User to act as. E(K8S_AUTH_IMPERSONATE_USER) as well.
    type: str
  impersonate_groups:
    description:
      - Groups to act as.
    type: list
    elements: str
requirements:
  - kubernetes >= 28.1.0 (Python package, where the module runs)
notes:
  - Run it where a kubeconfig is, usually with C(delegate_to=localhost) or on a control-plane node.
"""
