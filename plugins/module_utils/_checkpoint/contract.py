# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller and the node say to each other about a change that is to be confirmed. Read by both.

1. *A module with ``confirm: controller``* that has something to change answers with ``TRANSACTION``: ``id``,
   ``seconds_left`` until the node puts itself back, ``rollback_timeout`` (both in seconds). Its answer is on its way
   before the node touches anything.
2. *network_checkpoint with ``state: commit`` and that ``id``*, over a new connection, waits for the outcome, asks the
   probes and answers with

   - the module's result and ``confirmed_by: controller``, when the change is kept; again so when it was kept before,
     as the answer may have been lost;
   - ``failed``, ``msg`` with the reason and ``rolled_back``, when it is not; also when the node went back before the
     controller came. While the node is on its way back the answer waits until it is through.

   Both have ``TRANSACTION`` with the ``id``: what lacks it is no answer of ours, and the controller asks again.

``RUN_VARIABLE`` holds a name for the task's run. A module that finds a transaction of that run on the node, open or
ended, does not plan: it answers with its ``TRANSACTION`` again, or, where the controller's confirmation is not asked
for, with its result. So the controller may execute the module again when an answer was lost on the way.
"""

from __future__ import annotations

RUN_VARIABLE = "KUBENODE_NETWORK_RUN"
TRANSACTION = "transaction"
CHECKPOINT_MODULE = "kubenode.network.network_checkpoint"
