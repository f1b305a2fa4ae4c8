# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnspython: where it is imported, and what is said where it is missing."""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import CannotAsk

MINIMUM_VERSION = "2.3.0"


def dnspython() -> t.Any:
    """The package ``dns`` with what is used of it. Raises CannotAsk where it is missing."""
    try:
        import dns.exception
        import dns.flags
        import dns.message
        import dns.name
        import dns.query
        import dns.rcode
        import dns.rdata
        import dns.rdataclass
        import dns.rdatatype
    except ImportError as error:
        from ansible.module_utils.basic import missing_required_lib

        raise CannotAsk(
            f"{missing_required_lib(f'dnspython >= {MINIMUM_VERSION}')} Install the package python3-dnspython (Debian, "
            f"Ubuntu) or python3-dns (Fedora, RHEL), or run {sys.executable} -m pip install "
            f"'dnspython>={MINIMUM_VERSION}'."
        ) from error
    return dns
