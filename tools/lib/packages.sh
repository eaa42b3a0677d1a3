# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian packages, for the tools: installs what is missing, and fetches from a
# backports suite without changing the machine's own package sources.
#
# The mirror is the one that the machine uses already. Lists of a backports suite
# are kept beside the project's other caches.

# shellcheck source=tools/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Runs a command as root: itself, or through sudo.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		fail "packages have to be installed: run this as root, or install sudo" || return
	fi
}

# Whether a package is installed.
has_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Prints the package that a metapackage stands for at present, if the lists have it.
metapackage_target() {
	apt-cache depends "$1" 2>/dev/null |
		sed -n 's/^ *Depends: \([^ <|]*\)$/\1/p' | head -n 1
}

# Runs a command when no other of the tools installs or lists packages, which may run side by side.
one_at_a_time() {
	mkdir -p "$GMEM_CACHE"
	{ flock 9 && "$@" 9>&-; } 9>"$GMEM_CACHE/packages.lock"
}

# Updates the package lists, once in a run.
update_lists() {
	[ -z "${packages_are_listed:-}" ] || return 0
	progress "reading the package lists"
	one_at_a_time quietly as_root apt-get -q update
	packages_are_listed=1
}

# Installs those of the named packages that are missing.
install_packages() {
	local missing=() package
	for package; do
		has_package "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	update_lists
	progress "installing ${missing[*]}"
	one_at_a_time quietly as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# Prints "URI CODENAME" of the mirror that the machine takes Debian's own packages from.
debian_mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
		sort -u |
		awk '$1 == "Debian" && $3 !~ /-/ { print $2, $3; exit }'
}

# Sets the array suite_options to apt-get's options for a suite $1 that the machine may not
# have among its package sources, and reads its lists, once in a run.
suite_options() {
	local suite=$1 lists=$GMEM_CACHE/apt/$1 mirror uri
	update_lists
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || fail "this machine has no package source of Debian's: add one to /etc/apt" || return
	read -r uri _ <<<"$mirror"
	mkdir -p "$lists/lists/partial"
	printf 'deb [signed-by=%s] %s %s main\n' \
		/usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$suite" >"$lists/sources.list"
	suite_options=(-o "Dir::Etc::SourceList=$lists/sources.list"
		-o "Dir::Etc::SourceParts=/dev/null"
		-o "Dir::State::Lists=$lists/lists"
		-o "Acquire::Check-Valid-Until=false")
	[[ " ${listed_suites:-} " != *" $suite "* ]] || return 0
	progress "reading the package lists of $suite"
	one_at_a_time quietly as_root apt-get -q "${suite_options[@]}" update
	listed_suites="${listed_suites:-} $suite"
}

# Prints the name of the release's backports.
backports_suite() {
	local mirror
	mirror=$(debian_mirror)
	printf '%s-backports\n' "${mirror#* }"
}

# Installs packages from the release's backports, with what they need from either.
install_backports() {
	local suite lists merged parts package wanted=()
	suite=$(backports_suite)
	suite_options "$suite"
	lists=$GMEM_CACHE/apt/$suite merged=$GMEM_CACHE/apt/merged parts=$GMEM_CACHE/apt/parts
	# Both sets of lists, so that the dependencies are found too.
	mkdir -p "$merged/partial" "$parts"
	cp -f /var/lib/apt/lists/*_dists_* "$lists"/lists/*_dists_* "$merged/"
	for package; do
		wanted+=("$package/$suite")
	done
	cp -f /etc/apt/sources.list.d/* "$parts/" 2>/dev/null || true
	cp -f "$lists/sources.list" "$parts/gmem-backports.list"
	progress "installing $* from $suite"
	one_at_a_time quietly as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends -t "$suite" \
		-o "Dir::Etc::SourceParts=$parts" \
		-o "Dir::State::Lists=$merged" \
		install "${wanted[@]}"
}

# Whether a package can be had: from the release, or else from its backports, or else from the
# suite $2. Sets the array offer_options to apt-get's options for where that is.
is_offered() {
	local suite
	offer_options=()
	[ -z "$(apt-cache -q policy "$1" 2>/dev/null)" ] || return 0
	for suite in "$(backports_suite)" "${@:2:1}"; do
		suite_options "$suite"
		offer_options=("${suite_options[@]}")
		[ -z "$(apt-cache "${offer_options[@]}" -q policy "$1" 2>/dev/null)" ] || return 0
	done
	return 1
}

# Downloads a package into the current folder, from where it is offered: see is_offered().
download_package() {
	is_offered "$@" ||
		fail "$1 is neither in this release of Debian, nor in $(backports_suite)${2:+, nor in $2}" ||
		return
	quietly apt-get -q "${offer_options[@]}" download "$1"
}

# Downloads a package of another suite into the current folder.
download_from() {
	suite_options "$1"
	quietly apt-get -q "${suite_options[@]}" download "$2"
}
