#!/usr/bin/env bash
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A cluster beside the running lab: etcd, kube-apiserver, its controllers and scheduler, and CoreDNS in two pods, all of
# them in the namespaces of the lab's controller, with which they end.
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
    "$root/scripts/env" --need nft=nftables || exit
    "$root/scripts/env" python "$root/tests/cluster/build.py" controlplane podrunner coredns
    ;;
  start)
    if [ -e "$KUBENODE_LAB_DIR/kubeconfig" ]; then
      echo "lab: a cluster is up beside the lab in $KUBENODE_LAB_DIR" >&2
      exit 1
    fi
    # Workers reach pods and Services over their default route, and pods the lab's DNS servers.
    for network in "$pods" "$services"; do
      "$lab/enter.sh" r1 -c "ip route replace $network via 198.51.100.10 &&
        ip rule add priority 20 iif management to $network lookup main"
    done
    "$lab/enter.sh" c1 -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    # shellcheck disable=SC2016  # the inner shell expands them
    "$root/scripts/env" "$lab/enter.sh" c1 -c 'exec "$0" "$@"' python "$root/tests/cluster/beside_lab.py"
    {
      printf 'cluster:\n  hosts:\n    localhost:\n  vars:\n    lab_folder: "{{ inventory_dir }}"\n'
    } >> "$KUBENODE_LAB_DIR/inventory.yml"
    ;;
  *)
    echo "usage: lab/cluster.sh build|start" >&2
    exit 2
    ;;
esac
