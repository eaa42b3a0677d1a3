# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What every tool needs: where things are, how progress and failure are told.

# The checkout, and the folder of everything that is kept between runs.
GMEM_SOURCE=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
GMEM_CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/libvirt-gmem
export GMEM_SOURCE GMEM_CACHE

# Says on standard error what is being done.
progress() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

# Says why something cannot be, and fails: which ends a tool that runs with "set -e".
fail() {
	progress "$*"
	return 1
}

# Runs a command whose output matters only when it fails.
quietly() {
	local output status=0
	output=$("$@" 2>&1) || status=$?
	[ "$status" = 0 ] || printf '%s\n' "$output" | tail -n 40 >&2
	return "$status"
}
