# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""What the modules of this collection say about check mode, diff mode, platform and action group."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that change a node; `info` for those that only read."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The plan of check mode is the plan of the run, made by the same code from the same reading of the kernel.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - The difference shows only the objects that the plan touches, in the terms of the options.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - The kernel is read at every run, so a change that was made by hand in between is found and taken back.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
  action_group:
    description: Use C(group/kubenode.network.network) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.network
"""

    KUBELET = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Nothing is written and the kubelet not restarted. The values and the plan are those of the run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - The difference is that of the files, line by line.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - The files are read at every run. Where they say what is wanted, and the kubelet was started since, nothing is
        written and nothing restarted.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - This action does not modify state.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
"""

    SERVICE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The plan of check mode is the plan of the run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - The difference shows the Corefile, units and scripts, and what is started, moved or stopped.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details:
      - O(state=restarted) starts a new server every time.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
  action_group:
    description: Use C(group/kubenode.network.dns_cache) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.dns_cache
"""

    CHECKPOINT = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - No checkpoint is made in check mode, so later tasks of it have no id to name.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: none
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details:
      - Creating makes a further checkpoint, and extending counts anew. Committing, rolling back and listing change
        nothing the second time.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
"""

    CLUSTER_INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - This action does not modify state.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/kubenode.network.cluster) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.cluster
"""

    CLUSTER = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The API server is asked for a dry run of the write. Where it may not be asked the result says so.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - The difference is that of what is written, line by line.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - What is there is read at every run; where it says what is wanted already, nothing is written.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/kubenode.network.cluster) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.cluster
"""

    NODE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The plan of check mode is the plan of the run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - The difference shows only what is removed.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details:
      - The kernel is read at every run.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
"""

    CLUSTER_LEASE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Nothing is written. A lease that somebody else holds is a warning, since nothing is done under it.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: none
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details:
      - A lease that is held is renewed, which is a change. One that was given back is left alone.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/kubenode.network.cluster) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.cluster
"""

    CLUSTER_EVICTION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Nothing is evicted, and budgets are not asked.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: none
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details:
      - Without the node of a pod, one that has the same name when it is made anew is evicted at every run.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/kubenode.network.cluster) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - kubenode.network.cluster
"""
