#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# In the place of ssh(1): inside.sh [OPTIONS OF SSH] WORKER [COMMAND...] enters the worker itself, so that what Ansible runs
# there is a child of Ansible and its CPU time can be measured.

while getopts 46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w: option; do
  [ "$option" != "?" ] || exit 255
done
shift $((OPTIND - 1))
worker=${1:?usage: inside.sh [OPTIONS OF SSH] WORKER [COMMAND...]}
shift
exec env -i HOME="$KUBENODE_LAB_DIR/home/$worker" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  KUBENODE_LAB_DIR="$KUBENODE_LAB_DIR" SSH_CONNECTION="198.51.100.10 50022 192.168.100.101 22" \
  "$KUBENODE_LAB_DIR/enter.sh" "$worker" -c "$*"
