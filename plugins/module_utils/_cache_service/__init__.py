# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node-local DNS cache without pods: a CoreDNS binary as systemd units, restarted without a gap.

``options`` checks what is asked for, ``text`` makes the Corefile, ``units`` the units and their script (all pure);
``node`` talks to systemd and the kernel, ``steer`` moves the queries from one server to the next, ``service`` is a run.
"""

from __future__ import annotations
