# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# shellcheck shell=sh
# Sourced: KUBENODE_LAB_DIR, the folder of the running lab. Outside the checkout, one per user, short enough for a socket's path.
KUBENODE_LAB_DIR="${KUBENODE_LAB_DIR:-${XDG_RUNTIME_DIR:-/tmp}/kubenode-lab-$(id -u)}"
case $KUBENODE_LAB_DIR in
  /*) ;;
  *) KUBENODE_LAB_DIR=$PWD/$KUBENODE_LAB_DIR ;;
esac
export KUBENODE_LAB_DIR
