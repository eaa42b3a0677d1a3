# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmarks, one a module. Each has measure(quick), which returns rows: see table.py."""
