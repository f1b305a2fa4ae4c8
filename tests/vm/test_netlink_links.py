# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making, changing and deleting every kind of link: the tests of tests/kernel, where the kernel has all kinds."""

from __future__ import annotations

from ansible_collections.kubenode.network.tests.kernel.test_netlink_links import (
    test_a_kind_is_made_changed_and_deleted_or_the_kernel_says_it_has_none,
    test_an_option_the_kernel_lacks_is_not_a_kind_it_lacks,
    test_links_are_read_as_ip_shows_them,
)

__all__ = [
    "test_a_kind_is_made_changed_and_deleted_or_the_kernel_says_it_has_none",
    "test_an_option_the_kernel_lacks_is_not_a_kind_it_lacks",
    "test_links_are_read_as_ip_shows_them",
]
