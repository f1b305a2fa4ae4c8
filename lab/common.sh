# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# shellcheck shell=sh
# Sourced, with the folder of this file in `here`: KUBENODE_LAB_DIR, the folder of the running lab, and how its nodes are
# found. Outside the checkout, one per user, short enough for a socket's path.
# A link in a lab's folder, beside an inventory, means that lab.
# shellcheck disable=SC2154
[ ! -e "$here/nodes" ] || KUBENODE_LAB_DIR=$here
KUBENODE_LAB_DIR="${KUBENODE_LAB_DIR:-${XDG_RUNTIME_DIR:-/tmp}/kubenode-lab-$(id -u)}"
case $KUBENODE_LAB_DIR in
  /*) ;;
  *) KUBENODE_LAB_DIR=$PWD/$KUBENODE_LAB_DIR ;;
esac
export KUBENODE_LAB_DIR

fail() {
  echo "lab: $*" >&2
  exit 255
}

# Field 22 of /proc/PID/stat, the start time, is what tells a process from a later one with the same pid (proc_pid_stat(5)).
is_started_at() {
  wanted=$1
  shift 20
  [ "$1" = "$wanted" ]
}

# find_node NODE: its first process in $pid, the options of nsenter(1) that lead into it in $namespaces.
find_node() {
  [ -e "$KUBENODE_LAB_DIR/nodes" ] || fail "no lab is up in $KUBENODE_LAB_DIR; bring one up with: scripts/lab up"
  [ -O "$KUBENODE_LAB_DIR" ] || fail "$KUBENODE_LAB_DIR belongs to somebody else; name a folder of your own in KUBENODE_LAB_DIR"
  case $1 in
    */* | .*) fail "'$1' is not the name of a node" ;;
  esac
  # shellcheck disable=SC2012  # names of nodes are words
  [ -e "$KUBENODE_LAB_DIR/nodes/$1" ] ||
    fail "the lab in $KUBENODE_LAB_DIR has no node '$1'; it has: $(cd "$KUBENODE_LAB_DIR/nodes" && ls -v | tr '\n' ' ')"

  # shellcheck disable=SC2034
  read -r pid start namespaces < "$KUBENODE_LAB_DIR/nodes/$1"
  stat=
  read -r stat 2> /dev/null < "/proc/$pid/stat"
  # shellcheck disable=SC2086  # the fields are words
  { [ -n "$stat" ] && is_started_at "$start" ${stat##*) }; } ||
    fail "$1 is not running any more (it was pid $pid); start afresh with: scripts/lab down; scripts/lab up"
}
