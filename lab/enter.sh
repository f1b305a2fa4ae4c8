#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /bin/sh inside a node of the running lab: enter.sh NODE [ARGUMENTS OF SH].

here=${0%/*}
# shellcheck source=lab/common.sh
. "$here/common.sh"
node=${1:?usage: enter.sh NODE [ARGUMENTS OF SH]}
shift
find_node "$node"
# shellcheck disable=SC2086,SC2154  # set by find_node; the options are words
exec nsenter --target "$pid" $namespaces -- /bin/sh "$@"
