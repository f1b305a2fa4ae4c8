#!/bin/sh
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The first process of a node: an operating system finds its NICs there when it boots, so it waits for `nodes plug`.
until [ -e /run/plugged ]; do
  sleep 0.05
done
exec /sbin/init
