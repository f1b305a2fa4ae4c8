#!/usr/bin/env bash
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A cluster beside the running lab: etcd, kube-apiserver, its controllers and scheduler, and CoreDNS in two pods, all of
# them in the namespaces of the lab's controller, with which they end. Each worker is a node of it, with pods of its own.
#   cluster.sh build   builds what it runs (some minutes the first time, with progress)
#   cluster.sh start   starts it
set -euo pipefail
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=${lab%/*}
# shellcheck disable=SC2034  # common.sh reads it
here=$lab
# shellcheck source=lab/common.sh
. "$lab/common.sh"

# As tests/cluster has them.
pods=10.244.1.0/24 services=10.96.0.0/16

case ${1-} in
  build)
    "$root/scripts/env" --need nft=nftables iptables-nft-restore=iptables || exit
    "$root/scripts/env" python "$root/tests/cluster/build.py" controlplane podrunner coredns nodecache
    ;;
  start)
    if [ -e "$KUBENODE_LAB_DIR/kubeconfig" ]; then
      echo "lab: a cluster is up beside the lab in $KUBENODE_LAB_DIR" >&2
      exit 1
    fi
    # shellcheck disable=SC2012  # names of nodes are words
    workers=$(cd "$KUBENODE_LAB_DIR/nodes" && ls -v | sed -n /^w/p)
    # Nodes reach pods and Services over their default route, as nodes of one network do, and pods the lab's DNS servers.
    {
      for network in "$pods" "$services"; do
        echo "ip route replace $network via 198.51.100.10"
        echo "ip rule add priority 20 iif management to $network lookup main"
      done
      for worker in $workers; do
        number=$((100 + ${worker#w}))
        echo "ip route replace 10.244.$number.0/24 via 192.168.100.$number"
        echo "ip rule add priority 20 iif management to 10.244.$number.0/24 lookup main"
      done
    } | "$lab/enter.sh" r1 -e
    "$lab/enter.sh" c1 -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    inside() {
      local node=$1
      shift
      # shellcheck disable=SC2016  # the inner shell expands them
      "$root/scripts/env" "$lab/enter.sh" "$node" -c 'exec "$0" "$@"' python "$root/tests/cluster/beside_lab.py" "$@"
    }
    # shellcheck disable=SC2086  # the names are words
    inside c1 control-plane $workers
    running=()
    for worker in $workers; do
      inside "$worker" node "$worker" > /dev/null &
      running+=($!)
    done
    for process in "${running[@]}"; do
      wait "$process"
    done
    echo "Its nodes are node-1, beside the API server, and the workers, each with pods of its own."
    {
      printf 'cluster:\n  hosts:\n    localhost:\n  vars:\n    lab_folder: "{{ inventory_dir }}"\n'
      printf 'nodes:\n  children:\n    workers:\n'
    } >> "$KUBENODE_LAB_DIR/inventory.yml"
    ;;
  *)
    echo "usage: lab/cluster.sh build|start" >&2
    exit 2
    ;;
esac
