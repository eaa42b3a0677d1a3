# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the integration tests share: running the programs, and talking to them."""
