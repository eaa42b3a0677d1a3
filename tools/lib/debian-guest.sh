# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A Debian with a disk of its own, as people install one: GRUB for UEFI, the cloud kernel, systemd,
# ssh, cloud-init, the guest's agent, and what measures disks and networks.
#
# Theory of operation
#
# mmdebstrap makes the file system's content from the mirror that this machine uses, in memory and
# in namespaces. A partition table, an EFI partition and an ext4 partition are written to an image
# by programs that need neither loop devices nor mounts. Beside the disk there is a second one with
# what cloud-init reads (NoCloud), and a key for ssh that is made here and nowhere else known.
#
# All of it is kept in GMEM_CACHE/debian-guest, with a checksum of what it was made by: a change
# makes it anew. Nobody writes to the disk there: who starts it takes a copy.

# shellcheck source=tools/lib/roots.sh
. "$(dirname "${BASH_SOURCE[0]}")/roots.sh"

# Where it is: disk.raw, seed.raw and ssh-key.
GMEM_DEBIAN=$GMEM_CACHE/debian-guest
export GMEM_DEBIAN

# Of the guest's disk. It is sparse, and a little over half full.
DEBIAN_DISK_MIB=2560
DEBIAN_EFI_MIB=64

DEBIAN_PACKAGES=(linux-image-cloud-amd64 initramfs-tools grub-efi-amd64 systemd-sysv udev kmod dbus
	netbase iproute2 iputils-ping openssh-server cloud-init qemu-guest-agent
	fio iperf3 stress-ng e2fsprogs procps ca-certificates)

# Prints the checksum of all that the guest is made by.
debian_recipe() {
	{
		cat "$GMEM_SOURCE/tools/lib/debian-guest.sh" "$GMEM_SOURCE"/tools/debian-guest.d/*
		debian_mirror | sed 's/.* //'
	} | sha256sum
}

# Makes folder $1 the guest's root file system. In namespaces.
make_debian_root() {
	local root=$1 mirror packages
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || fail "this machine has no package source of Debian's: add one to /etc/apt"
	packages=$(IFS=, && echo "${DEBIAN_PACKAGES[*]}")
	quietly mmdebstrap --mode=root --format=directory --variant=minbase \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--include="$packages" \
		"${mirror#* }" "$root" "deb ${mirror% *} ${mirror#* } main"
}

# Configures the root file system at folder $1 whose disk has UUID $2 and whose EFI partition has
# the serial number $3. In namespaces.
configure_debian_root() {
	local root=$1 uuid=$2 efi=$3 parts=$GMEM_SOURCE/tools/debian-guest.d kernel
	kernel=$(basename "$root"/boot/vmlinuz-*)
	kernel=${kernel#vmlinuz-}
	printf 'UUID=%s / ext4 errors=remount-ro 0 1\nUUID=%s /boot/efi vfat umask=0077 0 1\n' \
		"$uuid" "${efi:0:4}-${efi:4}" >"$root/etc/fstab"
	echo gmem-debian >"$root/etc/hostname"
	install -D -m 644 "$parts/dhcp.network" "$root/etc/systemd/network/80-dhcp.network"
	install -D -m 644 "$parts/cloud.cfg" "$root/etc/cloud/cloud.cfg.d/99-gmem.cfg"
	install -D -m 644 "$parts/grub.default" "$root/etc/default/grub.d/50-gmem.cfg"
	chroot "$root" systemctl -q enable systemd-networkd.service serial-getty@ttyS0.service
	# Nothing that works or waits in the background: a test would wait for it, too.
	chroot "$root" systemctl -q mask systemd-networkd-wait-online.service apt-daily.timer \
		apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
	rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/etc/machine-id" "$root"/var/lib/apt/lists/*_dists_* \
		"$root"/var/cache/apt/archives/*.deb
	: >"$root/etc/machine-id"
	mkdir -p "$root/boot/efi" "$root/boot/grub"
	# update-grub cannot look for a disk that is not there yet; its own file takes this one's
	# place with the next kernel.
	sed -e "s|@UUID@|$uuid|g" -e "s|@KERNEL@|$kernel|g" "$parts/grub.cfg" >"$root/boot/grub/grub.cfg"
	sed -e "s|@UUID@|$uuid|g" "$parts/grub-early.cfg" >"$root/tmp/grub-early.cfg"
	chroot "$root" grub-mkimage -O x86_64-efi -o /tmp/grub.efi -p /boot/grub -c /tmp/grub-early.cfg \
		part_gpt ext2 fat search search_fs_uuid normal configfile linux echo serial terminal \
		gzio test ls cat halt reboot sleep all_video
}

# Writes the file system at folder $1 to the disk image $2. In namespaces.
write_debian_disk() {
	local root=$1 disk=$2 uuid=$3 efi=$4 root_start=$((1 + DEBIAN_EFI_MIB))
	rm -f "$disk"
	truncate -s "${DEBIAN_DISK_MIB}M" "$disk"
	quietly sfdisk -q "$disk" <<-END
		label: gpt
		start=1MiB, size=${DEBIAN_EFI_MIB}MiB, type=uefi, name=efi
		start=${root_start}MiB, type=linux, name=root
	END
	mformat -i "$disk@@1M" -T $((DEBIAN_EFI_MIB * 2048)) -h 64 -s 32 -F -N "$efi" -v EFI ::
	mmd -i "$disk@@1M" ::/EFI ::/EFI/BOOT
	mcopy -i "$disk@@1M" "$root/tmp/grub.efi" ::/EFI/BOOT/BOOTX64.EFI
	rm "$root"/tmp/grub*
	# The last MiB is the table's second copy.
	quietly mke2fs -q -t ext4 -U "$uuid" -L root -d "$root" -E "offset=$((root_start << 20))" "$disk" \
		"$((DEBIAN_DISK_MIB - root_start - 1))M"
}

# Writes what cloud-init reads to the image $1: who may log in, with the public key in file $2.
write_debian_seed() {
	local seed=$1 key=$2 work
	work=$(mktemp -d)
	printf 'instance-id: gmem-debian\nlocal-hostname: gmem-debian\n' >"$work/meta-data"
	sed "s|@KEY@|$(cat "$key")|" "$GMEM_SOURCE/tools/debian-guest.d/user-data" >"$work/user-data"
	rm -f "$seed"
	truncate -s 2M "$seed"
	mformat -i "$seed" -v CIDATA ::
	mcopy -i "$seed" "$work/meta-data" "$work/user-data" ::
	rm -r "$work"
}

# Makes the guest in folder $1, with work space in folder $2. In namespaces.
make_debian_guest() {
	local result=$1 work=$2 uuid efi
	uuid=$(cat /proc/sys/kernel/random/uuid)
	efi=${uuid:0:8}
	use_memory "$work"
	make_debian_root "$work/root"
	configure_debian_root "$work/root" "$uuid" "${efi^^}"
	write_debian_disk "$work/root" "$result/disk.raw" "$uuid" "${efi^^}"
	ssh-keygen -q -t ed25519 -N '' -C gmem-debian -f "$result/ssh-key"
	write_debian_seed "$result/seed.raw" "$result/ssh-key.pub"
}

# Makes the guest, if it is not there as it should be.
prepare_debian_guest() {
	local recipe work
	mkdir -p "$GMEM_CACHE"
	exec 9>"$GMEM_DEBIAN.lock"
	flock 9
	recipe=$(debian_recipe)
	if [ "$(cat "$GMEM_DEBIAN/recipe" 2>/dev/null)" != "$recipe" ]; then
		install_packages mmdebstrap debian-archive-keyring fdisk mtools dosfstools e2fsprogs \
			openssh-client || return
		update_lists
		progress "making a Debian with a disk of its own"
		as_root rm -rf "$GMEM_DEBIAN"
		mkdir -p "$GMEM_DEBIAN"
		work=$(mktemp -d)
		# shellcheck disable=SC2016
		in_namespaces bash -euo pipefail -c '. "$1"; make_debian_guest "$2" "$3"' "$0" \
			"$GMEM_SOURCE/tools/lib/debian-guest.sh" "$GMEM_DEBIAN" "$work" ||
			fail "there is no Debian guest" || return
		as_root rm -rf "$work"
		as_root chown -R "$(id -u):$(id -g)" "$GMEM_DEBIAN"
		printf '%s\n' "$recipe" >"$GMEM_DEBIAN/recipe"
	fi
	exec 9>&-
}
