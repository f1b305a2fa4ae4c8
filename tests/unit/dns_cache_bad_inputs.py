# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get wrong in the options of the modules for a node's DNS cache: the one error, a regular expression."""

from __future__ import annotations

import typing as t

Case = tuple[dict[str, t.Any], str]

LOCAL, CLUSTER, UPSTREAM = "169.254.20.10", "10.96.0.10", "10.96.0.53"


def _evidence(**more: t.Any) -> dict[str, t.Any]:
    return {"node_evidence": [{"node": "w1", **more}]}


# The Corefile's edits, as both ways of installing the cache take them.
_EDITS: list[Case] = [
    ({"stub_domains": [{"zone": "a b", "servers": ["10.0.0.1"]}]}, r"stub_domains\[0\]"),
    ({"stub_domains": [{"zone": "a.example", "servers": [LOCAL]}]}, "itself|loop"),
    ({"hosts": [{"address": "10.0.0", "names": ["a"]}]}, r"hosts\[0\]: '10.0.0' is no IP address"),
    ({"forward": [{"server": "no.such"}]}, r"forward\[0\]"),
    ({"cache": [{"ttl": "long"}]}, r"cache\[0\].ttl: 'long' is no int"),
    ({"log": [{"enable": True}]}, r"log\[0\]: unknown key enable"),
    ({"errors": [{"server": "no.such"}]}, "no server block serves no.such"),
    ({"servers": [{"zones": ["x.example"], "plugins": [f"bind {LOCAL} {CLUSTER}", "etcd"]}]}, "etcd is none of"),
    ({"snippets": [{"name": "a b", "plugins": ["errors"]}]}, r"snippets\[0\]"),
]

NODELOCALDNS: list[Case] = [
    *_EDITS,
    ({"nodes": ["w1", "w 2"]}, "nodes: 'w 2' is no name of an object"),
    ({"wave_size": "0"}, "wave_size: '0' is neither"),
    ({"wave_size": "150%"}, "wave_size: '150%' is neither"),
    ({"service": "kube-system/kube-dns"}, "service: 'kube-system/kube-dns' is no name"),
    ({"namespace": ""}, "namespace: '' is no name"),
    (_evidence(node="W1"), r"node_evidence\[0\].node: 'W1' is no name"),
    (_evidence(kube_proxy_mode="iptable"), r"node_evidence\[0\].kube_proxy_mode: 'iptable' is none of iptables, nft"),
    (_evidence(addresses=["w1.example"]), r"node_evidence\[0\].addresses: 'w1.example' is no IP address"),
    (_evidence(listeners=[{"address": "::", "port": "dns"}]), r"node_evidence\[0\].listeners: .*'dns'.* has no port"),
    (_evidence(old_resolver_pods=[""]), r"node_evidence\[0\].old_resolver_pods: has an empty element"),
    ({"local_ips": []}, "local_ips: is empty"),
    ({"local_ips": [LOCAL, ""]}, "local_ips: '' is no address"),
    ({"local_ips": [f"{LOCAL},"]}, "local_ips: .*one address per element"),
    ({"local_ips": ["169.254.20.300"]}, "local_ips: '169.254.20.300' is no IP address"),
    ({"local_ips": ["127.0.0.1"]}, "local_ips: 127.0.0.1 is a loopback"),
    ({"local_ips": [LOCAL, LOCAL]}, "local_ips: .*there twice"),
    ({"local_ips": [LOCAL, "fd00::1"]}, "local_ips: .*both families.*serves one"),
    ({"cluster_domain": "a b"}, "cluster_domain: 'a b' is no domain name"),
    ({"owner": "kubenode.network/nodelocaldns"}, "owner: kubenode.network/nodelocaldns is that of the entries"),
    ({"known_plugins": ["a b"]}, "known_plugins: 'a b' is no name of a plugin"),
    ({"image": "r.example/node-cache:1.0"}, "image: .* give the tag as image_version"),
    ({"image": "r.example/node-cache@sha256:0"}, "image: .* has a tag, a digest"),
    ({"image": "r.example/Node-Cache"}, "image: 'r.example/Node-Cache' makes .*, which is no image"),
    ({"image_version": "1 2"}, "image_version: '1 2' is no tag"),
    ({"registry": "https://mirror.example"}, "registry: 'https://mirror.example' makes .*without a scheme"),
    ({"image_pull_secrets": ["My_Secret"]}, "image_pull_secrets: 'My_Secret' is no name"),
    ({"tolerations": [{"operater": "Exists"}]}, r"tolerations\[0\]: 'operater' is none of key, operator"),
    ({"node_selector": {"cache": True}}, "node_selector: cache has True, .* in quotes"),
    ({"node_selector": {"a b": "x"}}, "node_selector: 'a b' is no label"),
    ({"resources": {"limit": {}}}, "resources: 'limit' is none of requests and limits"),
    ({"resources": {"limits": {"memory": "lots"}}}, "resources.limits.memory: 'lots' is no quantity"),
    ({"resources": {"limits": {"memory": "100Mi"}}}, "resources.limits.memory: 100Mi is 100 MiB, and the cache takes"),
    ({"health_port": 53}, "health_port: 53 is the port of DNS too"),
    ({"metrics_port": 9353}, "setup_metrics_port: 9353 is metrics_port too"),
    ({"setup_metrics_port": 70000}, "setup_metrics_port: 70000 is no port"),
    ({"wait_timeout": 0}, "wait_timeout: 0 is no number of seconds"),
]

NODE_INFO: list[Case] = [
    ({"interface": "a name"}, "interface: 'a name', expected the name of an interface"),
    ({"local_ips": [LOCAL, ""]}, "local_ips: an empty element"),
    ({"cluster_ips": ["kube-dns"]}, "cluster_ips: 'kube-dns'"),
    ({"pod_source": "10.244.0.0/24"}, "pod_source: '10.244.0.0/24'"),
    ({"pod_interface": "cni0"}, "pod_interface: 'cni0' without pod_source"),
    ({"pod_interface": "sixteen-letters-x", "pod_source": "10.244.0.7"}, "pod_interface: 'sixteen-letters-x'"),
    ({"cluster_domain": "cluster..local"}, "cluster_domain: 'cluster..local' is no domain name"),
    ({"test_name": ".example"}, "test_name: '.example' is no domain name"),
    ({"node_name": "Node 1"}, "node_name: 'Node 1', expected the name of its Node"),
    ({"health_port": 0}, "health_port: 0, expected a port"),
    ({"metrics_port": 65536}, "metrics_port: 65536, expected a port"),
    ({"setup_metrics_port": -1}, "setup_metrics_port: -1, expected a port"),
    ({"timeout": 0}, "timeout: 0, expected seconds above 0"),
]

NODE: list[Case] = [
    ({"interface": ""}, "interface: '', expected the name of an interface"),
    ({"local_ips": [""]}, "local_ips: an empty element"),
    ({"cluster_ips": ["10.96.0"]}, "cluster_ips: '10.96.0'"),
    ({"local_ips": [CLUSTER], "cluster_ips": [CLUSTER]}, f"{CLUSTER} is in local_ips and in cluster_ips"),
]

_KUBELET: list[Case] = [
    ({"cluster_dns": []}, "cluster_dns: found an empty list"),
    ({"cluster_dns": ["10.0.0.1", "kube-dns"]}, r"cluster_dns\[1\]: found 'kube-dns'"),
    ({"cluster_dns": ["127.0.0.1"]}, r"cluster_dns\[0\]: found '127.0.0.1'.*its own"),
    ({"cluster_dns": ["fd00::1", "FD00:0::1"]}, r"cluster_dns\[1\]: .*a second time"),
    ({"cluster_domain": "Cluster.local."}, "cluster_domain: found 'Cluster.local.'"),
    ({"cluster_domain": ""}, "cluster_domain: found ''"),
    ({"resolv_conf": "resolv.conf"}, "resolv_conf: found 'resolv.conf'"),
    ({"resolv_conf": ""}, "resolv_conf: found ''"),
    ({"state": "absent", "cluster_dns": ["10.0.0.1"]}, "state: found absent beside cluster_dns"),
]

KUBELET_DNS: list[Case] = [
    *_KUBELET,
    ({"node_name": "a b"}, "node_name: found 'a b'"),
    ({"checkpoint": "../../etc"}, "checkpoint: found '../../etc'"),
    ({"wait_timeout": 5}, "wait_timeout: found 5, expected seconds from 10 to 3600"),
]

KUBELET_CONFIG_MAP: list[Case] = [
    *_KUBELET,
    ({"name": ""}, "name: '' is no name of an object"),
    ({"namespace": "kube-system/x"}, "namespace: 'kube-system/x' is no name"),
    ({"key": "a/b"}, "key: 'a/b' is no key of a ConfigMap"),
]

DNS_CACHE_SERVICE: list[Case] = [
    *_EDITS,
    ({"binary": None}, "binary is missing"),
    ({"binary": "coredns"}, "binary: 'coredns' is no absolute path"),
    ({"local_ips": []}, "local_ips is missing"),
    ({"local_ips": [LOCAL, ""]}, r"local_ips\[1\] is empty"),
    ({"local_ips": ["169.254.20"]}, r"local_ips\[0\]: '169.254.20' is no IP address"),
    ({"local_ips": ["127.0.0.1"]}, r"local_ips\[0\]: 127.0.0.1 can be nobody's own address"),
    ({"local_ips": ["fe80::1"]}, r"local_ips\[0\]: fe80::1 is an IPv6 link-local address"),
    ({"local_ips": [LOCAL, LOCAL]}, r"local_ips\[1\]: 169.254.20.10 is listed twice"),
    ({"interface": "a name"}, "interface: 'a name' is no name"),
    ({"interface": "sixteen-letters-x"}, "interface: 'sixteen-letters-x' is no name"),
    ({"cluster_domain": "cluster local"}, "cluster_domain: 'cluster local' is no domain"),
    ({"cluster_domain": "."}, "cluster_domain: '.' is no domain"),
    ({"cluster_upstreams": None}, "cluster_upstreams is missing"),
    ({"cluster_upstreams": ["dns.example.com"]}, r"cluster_upstreams\[0\]: 'dns.example.com' is no IP address"),
    ({"cluster_upstreams": ["10.0.0.1:0"]}, r"cluster_upstreams\[0\]: '10.0.0.1:0': '0' is no port"),
    ({"cluster_upstreams": [CLUSTER]}, r"cluster_upstreams\[0\]: 10.96.0.10 is one of local_ips"),
    ({"upstreams": []}, "upstreams is empty"),
    ({"upstreams": ["resolv.conf"]}, r"upstreams\[0\]: 'resolv.conf' is no IP address or a file"),
    ({"upstreams": [LOCAL]}, r"upstreams\[0\]: 169.254.20.10 is one of local_ips"),
    ({"health_port": 0}, "health_port: 0 is no port"),
    ({"health_port": 53}, "health_port: 53 is the DNS port already"),
    ({"metrics_port": 8080}, "metrics_port: 8080 is health_port already"),
    ({"memory_max": "much"}, "memory_max: 'much' is no size"),
    ({"memory_max": "64M"}, "memory_max: 64M is 64 MiB, and the cache takes up to 157 MiB"),
    ({"cache": [{"server": ".", "options": {"success": [200000, 30]}}]}, "memory_max: 256M is 256 MiB, and the cache"),
    ({"owner": "kubenode.network/dns_cache_service"}, "owner: kubenode.network/dns_cache_service is that of"),
    ({"wait_timeout": 0}, "wait_timeout: 0 is no number of seconds"),
]

POD_EVICTION: list[Case] = [
    *(({"pods": [{"name": name}]}, r"pods\[0\].name: .*expected is namespace/name")
      for name in ("cart", "/cart", "shop/", "shop/cart/x", "", "Shop/cart")),
    ({"pods": [{"name": "shop/cart", "node": "Node 1"}]}, r"pods\[0\].node: 'Node 1' is no name"),
    ({"pods": [], "wait_timeout": 0}, "wait_timeout: 0 was found"),
]  # fmt: skip

CLUSTER_LEASE: list[Case] = [
    ({"name": "a b"}, "name: 'a b' is no name"),
    ({"namespace": ""}, "namespace: '' is no name"),
    ({"holder": ""}, "holder: is empty"),
    ({"duration": 0}, "duration: 0 was found"),
    ({"wait_timeout": -1}, "wait_timeout: -1 was found"),
]

_HOST: dict[str, t.Any] = {"host": "https://192.0.2.10:6443", "api_key": "x"}

CONNECTION: list[Case] = [
    ({"kubeconfig": "/no/such/file"}, "kubeconfig: there is no file /no/such/file"),
    ({"kubeconfig": 5}, "kubeconfig: 5 is neither the path of a file nor the content"),
    ({"kubeconfig": {}}, "kubeconfig: .*current-context"),
    ({"kubeconfig": {"current-context": "a", "contexts": []}, "context": "b"}, "kubeconfig: .* name b .*contexts"),
    ({**_HOST, "host": "192.0.2.10"}, "host: '192.0.2.10' is no URL such as https.*in the clear"),
    ({**_HOST, "proxy": "socks9://x y"}, "proxy: 'socks9://x y' is no URL"),
    ({**_HOST, "client_cert": "/no/crt"}, "client_cert: there is no file /no/crt"),
    ({**_HOST, "client_key": "/no/key"}, "client_key: there is no file /no/key"),
    ({**_HOST, "ca_cert": "/no/ca"}, "ca_cert: there is no file /no/ca"),
    ({**_HOST, "impersonate_groups": ["dns"]}, "impersonate_groups: dns without impersonate_user"),
]

BAD_INPUTS: dict[str, list[Case]] = {
    "nodelocaldns": NODELOCALDNS,
    "nodelocaldns_node_info": NODE_INFO,
    "nodelocaldns_node": NODE,
    "kubelet_dns": KUBELET_DNS,
    "kubelet_config_map": KUBELET_CONFIG_MAP,
    "dns_cache_service": DNS_CACHE_SERVICE,
    "pod_eviction": POD_EVICTION,
    "cluster_lease": CLUSTER_LEASE,
    "connection": CONNECTION,
}
