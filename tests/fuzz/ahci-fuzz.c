/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci-fuzz.c - a guest and an image that mean harm, at a SATA disk or a CD-ROM drive
 *
 * The input is a list of steps: commands in any slot with any registers and pieces of memory, bytes
 * that the guest writes into its list, tables and data, any write to any register; an image that
 * answers late, or not as it should; pauses, resets and media that are changed in between. What
 * must hold: the image is asked for nothing that it has not, and at the end nothing is left in
 * flight, in memory or in the staging area, and a guest that begins anew finds a drive that works.
 */
#define WORLD_DISK_SIZE (256u << 10)
#define WORLD_STAGING	(512u << 10)

#include "../unit/ahci-world.h"
#include "input.h"

static const BlockConfig plain = { .name = "image", .discard = BLOCK_DISCARD_UNMAP };

static void add_command(Input *input)
{
	static const guint8 commands[] = { 0x25, 0x35, 0x60, 0x61, 0x06, 0x2f, 0xa0, 0xa1, 0xb0,
					   0xc8, 0xca, 0xea, 0xec, 0xef, 0x24, 0xe0, 0x3d };
	const guint slot = get(input, 1) % AHCI_SLOTS;
	const guint choice = get(input, 1);
	const guint how = get(input, 1);
	WorldCommand command = {
		.command = choice < 240 ? commands[choice % G_N_ELEMENTS(commands)] :
					  (guint8)get(input, 1),
		.feature = (guint16)get(input, how & 1 ? 2 : 1),
		.count = how & 2 ? (guint16)get(input, 2) : (guint16)(slot << 3),
		.lba = how & 4 ? (guint64)get(input, 4) << (get(input, 1) % 17) :
				 get(input, 2) % 520,
		.device = (guint8)get(input, 1),
		.is_write = how & 8,
		.control = how & 16 && choice & 1 ? (guint8)get(input, 1) : 0,
		.n_pieces = how >> 5,
	};

	for (guint i = 0; i < ATA_PACKET_SIZE && command.command == 0xa0; i++)
		command.packet[i] = i < 10 ? (guint8)get(input, 1) : 0;
	for (guint i = 0; i < command.n_pieces; i++) {
		const guint piece = get(input, 1);

		command.pieces[i] = (DmaPiece){
			.gpa = piece & 0x80 ? get(input, 4) :
					      WORLD_DATA + (piece & 0x3f) * 0x200ull,
			.size = piece & 0x40 ? get(input, 3) + 1 : ((piece & 0xf) + 1) * 512ull,
		};
	}
	world_put(slot, &command);
}

static void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 2ull % (MADE_UP_RAM_SIZE - 64);
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_ram[offset + i] = (guint8)get(input, 1);
}

/* What waits for the image would wait for ever. */
static void let_go_first(World *world)
{
	if (world->image)
		made_up_image_let_go(world->image);
}

static void access_register(Input *input, World *world)
{
	const guint offset = get(input, 2) % AHCI_BAR_SIZE;
	const guint how = get(input, 1);
	const guint size = 1u << (how & 3);

	let_go_first(world);
	(void)ahci_read(world->ahci, offset, size);
	if (how & 4)
		ahci_write(world->ahci, offset & ~3u, 4, get(input, 4));
	else
		ahci_write(world->ahci, offset, size, get(input, 4));
}

static void access_port(Input *input, World *world)
{
	const guint offset = get(input, 1) % AHCI_PORT_SIZE & ~3u;

	let_go_first(world);
	(void)world_get(world, offset);
	world_set(world, offset, get(input, 4));
}

static void pause_or_resume(World *world, gboolean *is_paused)
{
	let_go_first(world);
	if (*is_paused)
		ahci_resume(world->ahci);
	else
		ahci_pause(world->ahci);
	*is_paused = !*is_paused;
}

static void step(Input *input, World *world, gboolean is_cdrom, gboolean *is_paused)
{
	static const int errors[] = { EIO, ENOSPC, EINVAL, ENOMEM };
	const guint choice = get(input, 1);

	switch (choice % 14) {
	case 0:
	case 1:
	case 2:
		add_command(input);
		break;
	case 3:
		write_bytes(input);
		break;
	case 4:
	case 5:
		world_set(world, AHCI_PX_SACT, get(input, 1));
		world_set(world, AHCI_PX_CI, 1u << choice % 32 | get(input, 1));
		break;
	case 6:
		world_settle(world);
		break;
	case 7:
		if (world->image)
			world->image->holds = choice & 0x80;
		break;
	case 8:
		let_go_first(world);
		break;
	case 9:
		if (world->image) {
			world->image->error = errors[choice / 14 % G_N_ELEMENTS(errors)];
			world->image->n_errors = get(input, 1) % 16;
		}
		break;
	case 10:
		pause_or_resume(world, is_paused);
		break;
	case 11:
		if (choice & 0x80)
			access_register(input, world);
		else
			access_port(input, world);
		break;
	case 12:
		let_go_first(world);
		if (choice & 0x80)
			ahci_set_master(world->ahci, (choice & 0x10) != 0);
		else
			world_restart(world);
		break;
	case 13:
		let_go_first(world);
		if (is_cdrom)
			world_change(world, choice & 0x80 ? &plain : NULL);
		break;
	}
}

/* A guest that begins anew. */
static void check_drive(World *world, gboolean is_cdrom)
{
	const WorldCommand identify = {
		.command = is_cdrom ? 0xa1 : 0xec,
		.pieces = { { WORLD_DATA, 512 } },
		.n_pieces = 1,
	};

	ahci_resume(world->ahci);
	ahci_set_master(world->ahci, TRUE);
	ahci_write(world->ahci, AHCI_GHC, 4, AHCI_GHC_HR);
	world_start(world);
	g_assert_cmphex(world_run(world, &identify), ==, ATA_STATUS_READY);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	const guint choice = get(&input, 1);
	const gboolean is_cdrom = choice & 1;
	gboolean is_paused = FALSE;
	World world;
	void *staging;

	if (is_cdrom)
		world_init_cdrom(&world, choice & 2 ? &plain : NULL,
				 (DiskErrorPolicy)(choice >> 4 & 3));
	else
		world_init_disk(&world, &plain, (DiskErrorPolicy)(choice >> 4 & 3));
	world.thread.has_direct = choice & 8;
	made_up_direct_size = choice & 8 ? 4096 : 0;
	while (input.left > 0)
		step(&input, &world, is_cdrom, &is_paused);
	let_go_first(&world);
	world_settle(&world);
	if (!is_paused)
		ahci_pause(world.ahci);
	check_drive(&world, is_cdrom);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	staging = staging_take(world.staging, WORLD_STAGING);
	g_assert_nonnull(staging);
	staging_give(world.staging, staging, WORLD_STAGING);
	world_clear(&world);
	return 0;
}
