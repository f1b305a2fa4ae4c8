# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as a kubelet and an API server take them. Here, as what is kept on the node has no room for clusters."""

from __future__ import annotations

import re

# apimachinery, pkg/util/validation: IsDNS1123Subdomain (RFC 1123 2.1 in lower case).
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")


def is_subdomain(text: str) -> bool:
    """Whether it is a DNS name in lower case, as names of objects and the cluster's domain are."""
    return bool(_SUBDOMAIN.match(text))
