# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The guest of the demo and of the tests: Debian's cloud kernel as its package has it, and an
# initramfs of busybox, the modules that make a power button work, and those of virtio's devices.

# shellcheck source=tools/lib/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# Where the guest's files are: vmlinuz and initrd, memtest, and iPXE.
GMEM_GUEST=$GMEM_CACHE/guest
export GMEM_GUEST

# Loaded in this order: each needs some of those before it.
GUEST_MODULES=(button evdev virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
	virtio-rng virtio_blk failover net_failover virtio_net virtio_console virtio_balloon)

# The cloud kernel has no drivers for AHCI, virtio's keyboards, watchdogs and pvpanic: a second
# guest, in GMEM_GUEST/sata, is Debian's kernel for all machines, with these modules and what they
# need.
SATA_MODULES=(button evdev ahci sd_mod sr_mod virtio_pci virtio_input lpc_ich iTCO_wdt i6300esb
	pvpanic-mmio)

# Whether the modules are there, and are those.
has_guest_modules() {
	[ "$(cat "$GMEM_GUEST/modules/order" 2>/dev/null)" = "$(printf '%s\n' "${GUEST_MODULES[@]}")" ]
}

# Downloads package $1 and unpacks it to folder "tree" of $2, which is new then.
unpack_package() {
	progress "downloading $1"
	rm -rf "$2"
	mkdir -p "$2/tree"
	(cd "$2" && download_package "$1") || fail "$1 cannot be downloaded" || return
	dpkg-deb -x "$2/$1"_*.deb "$2/tree"
}

# Unpacks what is needed of the kernel's package: GMEM_GUEST/vmlinuz and the modules.
fetch_guest_kernel() {
	local package work=$GMEM_GUEST/work module
	package=$(metapackage_target linux-image-cloud-amd64)
	if [ -z "$package" ]; then
		update_lists
		package=$(metapackage_target linux-image-cloud-amd64)
	fi
	[ -n "$package" ] || fail "Debian's linux-image-cloud-amd64 is not in the package lists" || return
	unpack_package "$package" "$work" || return
	rm -rf "$GMEM_GUEST/modules"
	mkdir -p "$GMEM_GUEST/modules"
	for module in "${GUEST_MODULES[@]}"; do
		find "$work/tree" -name "$module.ko*" -exec cp {} "$GMEM_GUEST/modules/" \;
	done
	# Debian 13 compresses its modules; insmod of busybox wants them plain.
	find "$GMEM_GUEST/modules" -name '*.xz' -exec xz -d {} +
	printf '%s\n' "${GUEST_MODULES[@]}" >"$GMEM_GUEST/modules/order"
	install -m 644 "$work"/tree/boot/vmlinuz-* "$GMEM_GUEST/vmlinuz.new"
	mv "$GMEM_GUEST/vmlinuz.new" "$GMEM_GUEST/vmlinuz"
	rm -rf "$work"
}

# Prints the files of some modules of a tree, each behind those that it needs.
list_modules() {
	local tree=$1 name file needed
	shift
	for name; do
		file=$(find "$tree" -name "${name//[-_]/[-_]}.ko*" -print -quit)
		# What is no file is in the kernel.
		[ -n "$file" ] || continue
		IFS=, read -ra needed <<<"$(modinfo -F depends "$file")"
		list_modules "$tree" "${needed[@]}"
		printf '%s\n' "$file"
	done
}

# Makes the second guest, once. One with other modules is there until this one is complete: it may
# be in use.
fetch_sata_kernel() {
	local folder=$GMEM_GUEST/sata work=$GMEM_GUEST/work-sata made=$GMEM_GUEST/work-sata/guest package file
	[ "$(cat "$folder/wanted" 2>/dev/null)" != "${SATA_MODULES[*]}" ] || return 0
	package=$(metapackage_target linux-image-amd64)
	[ -n "$package" ] || fail "Debian's linux-image-amd64 is not in the package lists" || return
	unpack_package "$package" "$work" || return
	mkdir -p "$made/modules"
	list_modules "$work/tree" "${SATA_MODULES[@]}" | awk '!seen[$0]++' >"$work/files"
	while read -r file; do
		cp "$file" "$made/modules/"
		file=${file##*/}
		echo "${file%%.ko*}" >>"$work/order"
	done <"$work/files"
	find "$made/modules" -name '*.xz' -exec xz -d {} +
	mv "$work/order" "$made/modules/order"
	install -m 644 "$work"/tree/boot/vmlinuz-* "$made/vmlinuz"
	make_guest_initramfs "$made" || return
	echo "${SATA_MODULES[*]}" >"$made/wanted"
	rm -rf "$folder"
	mv "$made" "$folder"
	rm -rf "$work"
}

# Unpacks memtest86+, a kernel that is no Linux: GMEM_GUEST/memtest.
fetch_memtest() {
	local work=$GMEM_GUEST/work-memtest program
	[ ! -e "$GMEM_GUEST/memtest" ] || return 0
	unpack_package memtest86+ "$work" || return
	program=$(find "$work/tree/boot" -name '*x64*' ! -name '*.efi' -print -quit)
	[ -n "$program" ] || fail "memtest86+ has no program of 64 bits where it is expected" || return
	mv "$program" "$GMEM_GUEST/memtest"
	rm -rf "$work"
}

# Unpacks iPXE, as the program of UEFI's that uses firmware's driver of a card: GMEM_GUEST/snponly.efi.
fetch_ipxe() {
	local work=$GMEM_GUEST/work-ipxe
	[ ! -e "$GMEM_GUEST/snponly.efi" ] || return 0
	unpack_package ipxe "$work" || return
	mv "$work/tree/usr/lib/ipxe/snponly.efi" "$GMEM_GUEST/" ||
		fail "ipxe has no snponly.efi where it is expected" || return
	rm -rf "$work"
}

# Makes the initramfs of a folder with modules.
make_guest_initramfs() {
	local folder=$1 tree=$1/tree parts=$GMEM_SOURCE/tools/guest.d
	rm -rf "$tree"
	# acpid writes its log and its process id.
	mkdir -p "$tree"/{bin,dev,proc,sys,modules,etc/acpi/PWRF,var/log,var/run}
	install -m 755 /bin/busybox "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	install -m 755 "$parts/init" "$tree/init"
	install -m 755 "$parts/power-button" "$tree/etc/acpi/PWRF/00000080"
	cp "$folder"/modules/* "$tree/modules/"
	(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) \
		>"$folder/initrd.new"
	mv "$folder/initrd.new" "$folder/initrd"
	rm -rf "$tree"
}

# Unpacks the firmware of one Debian release to a folder of GMEM_GUEST: OVMF's code and
# variables.
fetch_ovmf() {
	local suite=$1 folder=$GMEM_GUEST/ovmf-$1 work=$GMEM_GUEST/work-$1
	[ ! -e "$folder" ] || return 0
	progress "downloading OVMF of $suite"
	rm -rf "$work"
	mkdir -p "$work/tree" "$work/files"
	(cd "$work" && download_from "$suite" ovmf) || fail "ovmf of $suite cannot be downloaded" || return
	dpkg-deb -x "$work"/ovmf_*.deb "$work/tree" || return
	cp "$work"/tree/usr/share/OVMF/OVMF_{CODE,VARS}_4M.fd "$work/files/" ||
		fail "ovmf of $suite has no build of 4 MiB without SMM where it is expected" || return
	mv "$work/files" "$folder"
	rm -rf "$work"
}

# Makes ready what firmware tests boot: two releases' OVMF, SeaBIOS with the option ROM by which it
# starts a kernel, and iPXE.
prepare_firmware() {
	install_packages ovmf seabios qemu-system-data || return
	mkdir -p "$GMEM_GUEST"
	{ flock 8 && fetch_ovmf bookworm && fetch_ovmf trixie && fetch_ipxe; } 8>"$GMEM_GUEST.lock"
}

# Makes the guest's files, once, also where several tools want them at the same time.
prepare_guest() {
	install_packages busybox-static cpio kmod xz-utils
	mkdir -p "$GMEM_GUEST"
	{ flock 8 && make_guest; } 8>"$GMEM_GUEST.lock"
}

# Whether an initramfs is not there, or older than what it is made of.
is_initramfs_old() {
	local initrd=$1/initrd parts=$GMEM_SOURCE/tools/guest.d
	[ ! -e "$initrd" ] || [ "$parts/init" -nt "$initrd" ] || [ "$parts/power-button" -nt "$initrd" ] ||
		[ "$GMEM_SOURCE/tools/lib/guest.sh" -nt "$initrd" ] || [ "$1/modules/order" -nt "$initrd" ]
}

# The same; the initramfs anew when what it is made of has changed.
make_guest() {
	local folder
	[ -e "$GMEM_GUEST/vmlinuz" ] && has_guest_modules || fetch_guest_kernel || return
	fetch_sata_kernel || return
	fetch_memtest || return
	for folder in "$GMEM_GUEST" "$GMEM_GUEST/sata"; do
		! is_initramfs_old "$folder" || make_guest_initramfs "$folder"
	done
}
