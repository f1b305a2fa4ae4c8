# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python3 lab/kubenode_lab ARGUMENTS`, what scripts/lab runs."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info < (3, 9):  # noqa: UP036  (this file is where an older Python is told so)
    sys.exit(f"lab: Python 3.9 or newer is needed, python3 is {sys.version.split()[0]}")

# Run as a folder, Python puts the package itself on the path instead of the folder that holds it.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from kubenode_lab.cli import main  # noqa: E402

sys.exit(main())
