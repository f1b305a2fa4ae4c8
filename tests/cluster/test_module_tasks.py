# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's modules as tasks of a playbook, as users run them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

from ansible_collections.kubenode.network.tests.unit.test_kubelet_config import KUBEADM

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    kubenode.network.coredns_corefile:
      owner: tasks
      wait: false
      hosts: [{address: 203.0.113.9, names: [task.example.com]}]
  tasks:
    - kubenode.network.cluster_dns_info:
      register: found
    - kubenode.network.coredns_corefile:
      check_mode: true
      diff: true
      register: predicted
    - kubenode.network.coredns_corefile:
      register: first
    - kubenode.network.coredns_corefile:
      register: second
    - kubenode.network.coredns_corefile: {path: /nowhere/Corefile, validate: pod}
      register: refused
      ignore_errors: true
    - kubenode.network.coredns_extra_config: {flavor: coredns-custom, key: site.override, wait: false, plugins: [log]}
      register: extra
    - kubenode.network.coredns_extra_config: {flavor: coredns-custom, key: site.override, state: absent}
      register: gone
    - kubenode.network.coredns_extra_config: {flavor: coredns-custom}
      register: keyless
      ignore_errors: true
    - kubenode.network.coredns_extra_config: {plugins: [log], wait: false}
      register: misplaced
      ignore_errors: true
    - kubenode.network.cluster_dns_scale: {replicas: 3}
      check_mode: true
      diff: true
      register: scaled
    - kubenode.network.cluster_dns_scale: {replicas: 2}
      register: enough
    - kubenode.network.cluster_dns_scale: {replicas: 0}
      register: too_few
      ignore_errors: true
    - kubenode.network.dns_query_log: {state: prepared}
      check_mode: true
      diff: true
      register: preparing
    - kubenode.network.dns_query_log:
      register: unprepared
      ignore_errors: true
    - kubenode.network.dns_query_log: {duration: 3 days}
      register: too_long
      ignore_errors: true
    - kubenode.network.dns_query_log: {target: nodelocaldns}
      register: no_cache
      ignore_errors: true
    - kubenode.network.kubelet_config_map: {name: tasks-kubelet-config, cluster_dns: [169.254.20.10]}
      check_mode: true
      diff: true
      register: told
    - kubenode.network.kubelet_config_map: {name: tasks-kubelet-config, cluster_dns: [10.96.0.10]}
      register: known
    - kubenode.network.kubelet_config_map: {name: tasks-kubelet-config, cluster_dns: [nowhere]}
      register: no_address
      ignore_errors: true
    - kubenode.network.nodelocaldns: {local_ips: [nowhere]}
      register: no_ip
      ignore_errors: true
    - ansible.builtin.assert:
        that:
          - found.config_map.name == 'coredns'
          - predicted is changed
          - "'203.0.113.9 task.example.com' in predicted.diff.prepared"
          - first is changed
          - second is not changed
          - refused is failed
          - "'validate: pod needs a cluster' in refused.msg"
          - extra is changed and extra.config_map.name == 'coredns-custom'
          - "'do not mount ConfigMap coredns-custom' in extra.warnings | join"
          - gone is changed and gone.resource_version == ''
          - keyless is failed and 'key' in keyless.msg
          - misplaced is failed and misplaced.msg.startswith('plugins:')
          - scaled is changed and scaled.diff.after != scaled.diff.before
          - enough is not changed
          - too_few is failed and 'replicas' in too_few.msg
          - preparing is changed and 'coredns-query-log' in preparing.diff.prepared
          - unprepared is failed and 'prepared does both once' in unprepared.msg
          - too_long is failed and too_long.msg.startswith('duration:')
          - no_cache is failed and 'DaemonSet kube-system/node-local-dns' in no_cache.msg
          - told is changed and '169.254.20.10' in told.diff | string
          - known is not changed
          - no_address is failed and 'cluster_dns' in no_address.msg
          - no_ip is failed and 'local_ips' in no_ip.msg
"""


def test_tasks_predict_change_and_then_have_nothing_to_do(cluster: t.Any, tmp_path: pathlib.Path) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"kubelet": KUBEADM}}
    metadata = {"name": "tasks-kubelet-config", "namespace": "kube-system"}
    cluster.apply({**body, "metadata": metadata})
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    environment = {**os.environ, "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig()), "ANSIBLE_LOCALHOST_WARNING": "0"}
    program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(playbook)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    held = cluster.config_map("tasks-kubelet-config")
    assert held["data"]["kubelet"] == KUBEADM, "a prediction writes nothing"
    assert "203.0.113.9 task.example.com" in cluster.config_map()["data"]["Corefile"]
