# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clean root file systems of the Debian releases that there are packages for.
#
# Theory of operation
#
# A root is made once by mmdebstrap, from the mirror that this machine uses, and kept as an archive
# in GMEM_CACHE/roots. Beside it is a checksum of what it was made by: a change makes it anew. Each
# use unpacks it for itself, so that it is as clean as the first time.
#
# Two kinds: "build" has what a build of the package depends on, and lintian; "install" has apt and
# little else.
#
# Whoever uses a root does so in namespaces of its own (in_namespaces): what is mounted there, and
# every process, goes with the command. A root is unpacked to memory where there is enough, because
# dpkg waits for the disk after each file.

# shellcheck source=tools/lib/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# The releases, oldest first.
GMEM_RELEASES=(12 13)

# What a root and all that happens in it take at most.
ROOT_MEMORY_MIB=4096

# Prints the name that a release has in Debian's archive.
release_suite() {
	case $1 in
	12) echo bookworm ;;
	13) echo trixie ;;
	*) fail "there is no package for Debian '$1', but for ${GMEM_RELEASES[*]}" ;;
	esac
}

# Prints the number of this machine's own release, if it has one.
machine_release() {
	sed -n 's/^VERSION_ID="\?\([0-9]*\)"\?$/\1/p' /etc/os-release
}

# Runs a command, which may be a function of this file, as root in mount and process namespaces
# of its own. It ends with whoever has called this.
in_namespaces() {
	# shellcheck disable=SC2016
	as_root setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
		--ipc --uts -- bash -euo pipefail -c '. "$1"; shift; "$@"' "$0" \
		"$GMEM_SOURCE/tools/lib/roots.sh" "$@"
}

# Makes folder $1 one in memory, if this machine has enough. In namespaces.
use_memory() {
	local free
	free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$free" -lt "$ROOT_MEMORY_MIB" ] ||
		mount -t tmpfs -o "size=${ROOT_MEMORY_MIB}m,mode=755" root "$1"
}

# Prints the checksum of all that a root of kind $1 is made by.
root_recipe() {
	{
		declare -f make_root
		[ "$1" != build ] || sed '/^$/q' "$GMEM_SOURCE/packaging/debian/control"
	} | sha256sum
}

# Makes archive $3 of a root of kind $1 and suite $2, in folder $4. In namespaces.
make_root() {
	local kind=$1 suite=$2 archive=$3 work=$4 mirror options
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || fail "this machine has no package source of Debian's: add one to /etc/apt"
	use_memory "$work"
	case $kind in
	build)
		mkdir -p "$work/source/debian" "$work/tmp"
		cp "$GMEM_SOURCE/packaging/debian/control" "$work/source/debian/"
		# shellcheck disable=SC2016
		options=(--variant=buildd --include=lintian
			--aptopt='APT::Install-Recommends "false"'
			--customize-hook="copy-in $work/source /tmp"
			--customize-hook='chroot "$1" apt-get -q -y build-dep /tmp/source'
			--customize-hook='rm -r "$1/tmp/source"'
			--customize-hook='chroot "$1" useradd --create-home builder')
		;;
	install) options=(--variant=apt) ;;
	esac
	TMPDIR=$work quietly mmdebstrap --mode=root --format=tar "${options[@]}" \
		"$suite" "$archive" "deb ${mirror% *} $suite main"
}

# Prints the path of the archive of a root of kind $1 and release $2, which is made if need be.
root_archive() {
	local kind=$1 release=$2 suite archive recipe work
	suite=$(release_suite "$release") || return
	install_packages iproute2 || return
	archive=$GMEM_CACHE/roots/$kind-$suite.tar
	recipe=$(root_recipe "$kind")
	mkdir -p "$GMEM_CACHE/roots"
	exec 9>"$archive.lock"
	flock 9
	if [ "$(cat "$archive.recipe" 2>/dev/null)" != "$recipe" ]; then
		install_packages mmdebstrap debian-archive-keyring || return
		update_lists
		progress "making a root of Debian $release, kind '$kind'"
		rm -f "$archive.recipe"
		work=$(mktemp -d)
		in_namespaces make_root "$kind" "$suite" "$archive.new" "$work" ||
			fail "there is no root of Debian $release, kind '$kind'" || return
		as_root rm -rf "$work"
		mv "$archive.new" "$archive"
		printf '%s\n' "$recipe" >"$archive.recipe"
	fi
	exec 9>&-
	printf '%s\n' "$archive"
}

# Unpacks archive $1 to folder $2. In namespaces.
unpack_root() {
	tar -x -p --numeric-owner -f "$1" -C "$2"
}

# Mounts what programs expect in a root at folder $1. In namespaces.
mount_root() {
	mount -t proc proc "$1/proc"
	mount -t sysfs -o ro sysfs "$1/sys"
	mount -t tmpfs -o mode=755 run "$1/run"
	mount -t tmpfs -o mode=1777 tmp "$1/tmp"
	mount -t devpts -o newinstance,ptmxmode=666,gid=5 devpts "$1/dev/pts"
	mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
}

# Has apt fetch, to the root at folder $1, the lists of its sources and what the packages take that
# the other arguments name or are: they can be installed there without a network. It is this
# machine's apt, with the root's files and sources. In namespaces.
fetch_for_root() {
	local root=$1 config
	shift
	config=$(mktemp)
	printf '%s\n' "Dir \"$root\";" "Dir::State::status \"$root/var/lib/dpkg/status\";" \
		'Acquire::Check-Valid-Until "false";' >"$config"
	APT_CONFIG=$config quietly apt-get -q update
	APT_CONFIG=$config quietly apt-get -q -y --download-only install "$@"
	rm -f "$config"
}

# Runs a command in the root at folder $1, which has no network but a loopback of its own, with
# little environment. In namespaces.
enter_root() {
	local root=$1
	shift
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		unshare --net -- sh -c 'ip link set lo up && exec chroot "$@"' sh "$root" "$@"
}
