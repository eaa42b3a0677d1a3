# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is put into the package's scripts where they say PROCESSES: who serves, and which domains run.

# The process that serves gmem:///system, if there is one: it has locked a file beside its socket.
daemon_process() {
	lock=/run/libvirt/virtgmemd-sock.lock
	[ -e "$lock" ] && [ -r /proc/locks ] || return 0
	awk -v "inode=$(stat -c %i "$lock")" \
		'$2 == "FLOCK" && $6 ~ (":" inode "$") { print $5 }' /proc/locks |
		while read -r process; do
			[ "$(cat "/proc/$process/comm" 2>/dev/null)" != virtgmemd ] || echo "$process"
		done
}

# The program that a process runs; it may have been removed or replaced since.
program_of() {
	program=$(readlink "/proc/$1/exe" || true)
	echo "${program% (deleted)}"
}

# The domains that run, a line for each.
running_domains() {
	for status in /run/libvirt/gmem/*.status; do
		process=$(sed -n 's/^pid=\([0-9]*\)$/\1/p' "$status" 2>/dev/null || true)
		[ "$(cat "/proc/$process/comm" 2>/dev/null)" = gmem-vmm ] || continue
		echo "    $(basename "$status" .status) (process $process)"
	done
}
