# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds of the project, for the tools.

# shellcheck source=tools/lib/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# What a build needs, and what the tools use to run what was built.
BUILD_PACKAGES=(gcc libc6-dev pkg-config meson ninja-build gettext
	libglib2.0-dev libjson-glib-dev libnbd-dev libseccomp-dev liburing-dev libxml2-dev
	libtirpc-dev rpcsvc-proto
	python3-docutils groff-base
	libvirt-dev libsystemd-dev systemtap-sdt-dev acpica-tools
	libvirt-clients libxml2-utils dbus-daemon locales iproute2 passt)

set_up_and_build() {
	local folder=$1
	shift
	# The folders of libvirt's own daemons, where stock clients look.
	[ -e "$folder/build.ninja" ] ||
		quietly meson setup "$folder" "$GMEM_SOURCE" \
			--prefix=/usr --sysconfdir=/etc --localstatedir=/var "$@" ||
		fail "the build cannot be set up; see $folder/meson-logs/meson-log.txt" || return
	progress "building in $folder"
	quietly ninja -C "$folder" || fail "the build in $folder fails: see above"
}

# Sets up the build folder $1 with the further options of meson's, and builds. One that somebody else is
# building is waited for.
build() {
	local lock status
	install_packages "${BUILD_PACKAGES[@]}" || return
	mkdir -p "$1" || return
	exec {lock}<"$1"
	flock "$lock" && set_up_and_build "$@"
	status=$?
	exec {lock}<&-
	return $status
}
