#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /bin/sh inside a node of the running lab: enter.sh NODE [ARGUMENTS OF SH].

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

node=${1:?usage: enter.sh NODE [ARGUMENTS OF SH]}
shift
# shellcheck source=lab/dir.sh
. "${0%/*}/dir.sh"

[ -e "$KUBENODE_LAB_DIR/nodes" ] || fail "no lab is up in $KUBENODE_LAB_DIR; bring one up with: scripts/lab up"
[ -O "$KUBENODE_LAB_DIR" ] || fail "$KUBENODE_LAB_DIR belongs to somebody else; name a folder of your own in KUBENODE_LAB_DIR"
case $node in
  */* | .*) fail "'$node' is not the name of a node" ;;
esac
# shellcheck disable=SC2012  # names of nodes are words
[ -e "$KUBENODE_LAB_DIR/nodes/$node" ] ||
  fail "the lab in $KUBENODE_LAB_DIR has no node '$node'; it has: $(cd "$KUBENODE_LAB_DIR/nodes" && ls -v | tr '\n' ' ')"

read -r pid start namespaces < "$KUBENODE_LAB_DIR/nodes/$node"
stat=
read -r stat 2> /dev/null < "/proc/$pid/stat"
# shellcheck disable=SC2086  # the fields are words
{ [ -n "$stat" ] && is_started_at "$start" ${stat##*) }; } ||
  fail "$node is not running any more (it was pid $pid); start afresh with: scripts/lab down; scripts/lab up"

# shellcheck disable=SC2086  # the options are words
exec nsenter --target "$pid" $namespaces -- /bin/sh "$@"
