# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get wrong: (module, parameters, what the one error must say).

Each is refused before anything is touched, on a node with ens192 (default route via 192.168.100.1), ens224
(10.100.0.10/24) and ens256 (172.16.0.10/24). The unit tests show the message, the kernel tests that nothing changed.
"""

from __future__ import annotations

from .bad_input import Bad
from .bad_inputs_links import LINKS_AND_ROUTES
from .bad_inputs_node import NODE

BAD_INPUTS: list[Bad] = [*LINKS_AND_ROUTES, *NODE]
