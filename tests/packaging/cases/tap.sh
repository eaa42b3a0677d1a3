# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the cases have in common. A case goes on after a test that has failed, so that all that is wrong
# is told.

# Runs a command as test $1, which succeeds. What it has said is in @output afterwards, and is told
# when it fails.
check() {
	local name=$1
	shift
	if output=$("$@" 2>&1); then
		echo "ok - $name"
	else
		echo "not ok - $name"
		printf '%s\n' "$output" | sed 's/.*\r//; /^$/d; s/^/# /'
	fi
}

# The same of a command that fails.
check_refused() {
	check "$1" not "${@:2}"
}

not() {
	! "$@"
}

# Whether the last command has said a text.
said() {
	printf '%s\n' "$output"
	[[ $output == *"$1"* ]]
}

# The same as test $1, which keeps what that command has said.
check_said() {
	local before=$output
	check "$1" said "$2"
	output=$before
}

# Whether two texts are the same; shows the difference.
same() {
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

# The version that is installed.
installed_version() {
	dpkg-query -W -f '${Version}' libvirt-gmem
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' libvirt-gmem 2>/dev/null)" = installed ]
}

# The process that has the lock beside the sockets.
daemon_process() {
	lslocks --noheadings --output PID,PATH | awk '$2 == "/run/libvirt/virtgmemd-sock.lock" { print $1 }'
}

# Ends the daemon and waits for that.
end_daemon() {
	local process
	process=$(daemon_process)
	kill "$process" && timeout 30 tail --pid="$process" -f /dev/null
}

# All files and folders with their modes and owners, but for what apt and dpkg have for themselves, and
# copies of the lists of users, which whoever changes these leaves behind.
list_files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /tests \
		-o -path /packages -o -path /var/cache/apt -o -path /var/lib/apt -o -path /var/log/apt \
		-o -path /var/lib/dpkg -o -path /var/log/dpkg.log -o -path '/etc/passwd-' \
		-o -path '/etc/group-' -o -path '/etc/shadow-' -o -path '/etc/gshadow-' \) -prune -o -printf '%p %M %u:%g\n' |
		sort
	find /run -xdev -mindepth 1 -printf '%p %M %u:%g\n' | sort
}
