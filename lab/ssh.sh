#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ssh(1) into a node of the running lab, as far as Ansible's ssh connection needs one: ssh.sh [OPTIONS OF SSH] NODE [COMMAND...].
# Through it whatever Ansible does happens inside of the node, `raw` and copied files included, and a module sees what it
# sees over the network: a bare environment, SSH_CONNECTION and a home folder, which is in the lab's.

here=${0%/*}
# A link in a lab's folder, beside an inventory, means that lab.
[ ! -e "$here/nodes" ] || KUBENODE_LAB_DIR=$here
# shellcheck source=lab/dir.sh
. "$here/dir.sh"

while getopts 46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w: option; do
  [ "$option" != "?" ] || exit 255
done
shift $((OPTIND - 1))
node=${1:?usage: ssh.sh [OPTIONS OF SSH] NODE [COMMAND...]}
shift

connection=
# A node that does not exist is what enter.sh tells about.
{ read -r _ && read -r connection; } 2> /dev/null < "$KUBENODE_LAB_DIR/nodes/$node"
[ $# -eq 0 ] || set -- -c "$*"
exec env -i HOME="$KUBENODE_LAB_DIR/home/$node" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" \
  KUBENODE_LAB_DIR="$KUBENODE_LAB_DIR" SSH_CONNECTION="$connection" "$here/enter.sh" "$node" "$@"
