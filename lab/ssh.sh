#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ssh(1) as it runs on the lab's controller: ssh.sh [OPTIONS OF SSH] NODE|ADDRESS [COMMAND...]. It takes keys, known hosts
# and names of nodes from the lab's folder and nothing from the user's own.

here=${0%/*}
# shellcheck source=lab/common.sh
. "$here/common.sh"

host() {
  while getopts 46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w: option; do
    [ "$option" != "?" ] || exit 255
  done
  shift $((OPTIND - 1))
  : "${1:?usage: ssh.sh [OPTIONS OF SSH] NODE|ADDRESS [COMMAND...]}"
  case $1 in
    # An address, which may be a new one that no file knows.
    *[.:]*) ;;
    *) find_node "${1#*@}" ;;
  esac
}

host "$@"
find_node c1
# Only the network and the processes are the controller's: Ansible, which runs outside, shares files with us. Without
# the machine's init among its ancestors a connection that is kept open ends with the lab; one whose Ansible is killed ends
# with that.
only=
for namespace in $namespaces; do
  case $namespace in
    --user | --preserve-credentials | --net | --pid) only="$only $namespace" ;;
  esac
done
# shellcheck disable=SC2086  # the options are words
exec nsenter --target "$pid" $only -- setpriv --pdeathsig TERM -- ssh -F "$KUBENODE_LAB_DIR/ssh/config" "$@"
