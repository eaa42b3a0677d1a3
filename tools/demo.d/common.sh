# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the demos share. Whoever includes this has set:
: "${build:?}" "${source:?}" "${images:?}" "${domain:?}" "${work:?}"

daemon='' console='' defined=''

clean_up() {
	[ -z "$defined" ] || virsh -q -c gmem:///system destroy "$domain" >/dev/null 2>&1 || true
	[ -z "$defined" ] || virsh -q -c gmem:///system undefine --nvram "$domain" >/dev/null 2>&1 || true
	[ -z "$console" ] || kill "$console" 2>/dev/null || true
	[ -z "$daemon" ] || kill "$(cat "$daemon")" 2>/dev/null || true
	rm -rf "$work" "${images:?}"/*
}

# Shows a command as a user would type it, and runs it.
show() {
	printf '\n$ %s\n' "$*"
	"$@"
}

# Prints the console's lines up to the first that matches, each within $2 seconds, or 120.
until_line() {
	local line
	while IFS= read -r -t "${2:-120}" line <&"$console_output"; do
		printf '%s\n' "$line"
		[[ $line != *$1* ]] || return 0
	done
	echo "demo: the console did not show '$1'" >&2
	return 1
}

# Starts the daemon as it runs from a build folder. An installed one needs no variable, and
# systemd starts it. The VMM is where the user that it runs as can get at it, as it cannot if the
# clone is in somebody's home.
start_daemon() {
	cp "$build/src/vmm/gmem-vmm" "$images/"
	# shellcheck disable=SC2016
	printf '$ virtgmemd --daemon\n'
	GMEM_VMM=$images/gmem-vmm GMEM_LOGGER=$build/src/logger/gmem-logger \
		GMEM_STORAGE_FILES=$build/src/storage/gmem-storage-files.so \
		LIBVIRT_GMEM_SCHEMADIR=$build/schemas "$source/tools/lib/with-vmm-user" \
		"$build/src/driver/daemon/virtgmemd" --daemon --pid-file "$work/pid"
	daemon=$work/pid
	export LIBVIRT_DEFAULT_URI=gmem:///system
}

# Opens the console of a domain that is paused, and lets it run. script(1) is the terminal that
# virsh's console asks for.
resume_on_console() {
	printf '\n$ virsh console %s & virsh resume %s\n' "$domain" "$domain"
	mkfifo "$work/console"
	TERM=dumb script -qefc "virsh console $domain" /dev/null >"$work/console" </dev/null &
	console=$!
	exec {console_output}<"$work/console"
	until_line 'Escape character'
	virsh resume "$domain"
}

# Waits until the console has ended, which it does with the guest.
until_console_ends() {
	timeout "${1:-60}" cat <&"$console_output" ||
		{ echo "demo: the guest does not shut down" >&2 && return 1; }
	wait "$console" || true
	console=
}
