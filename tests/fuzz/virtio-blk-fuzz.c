/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk-fuzz.c - a guest and an image that mean harm, at a disk
 *
 * The input is a list of steps: requests of any kind in any number of pieces, bytes that the guest
 * writes into rings, headers and data, kicks; an image that answers late, or not as it should;
 * pauses, resets of the device and of a queue in between. What must hold: the image is asked for
 * nothing that it has not, a disk that is read-only stays as it is, and at the end nothing is left
 * in flight, in memory or in the staging area.
 */
#define WORLD_DISK_SIZE (256u << 10)
#define WORLD_STAGING	(512u << 10)

#include "../unit/virtio-blk-world.h"
#include "input.h"

/* A header whose sector is on the disk, more often than not. */
static void write_header(Input *input, guint slot)
{
	static const guint32 types[] = { 0, 1, 0, 1, 4, 8, 11, 13, 2, 0x80000001u };
	struct virtio_blk_outhdr *header = world_address(WORLD_HEADERS + slot * 64ull);
	const guint choice = get(input, 1);

	*header = (struct virtio_blk_outhdr){
		.type = types[choice % G_N_ELEMENTS(types)],
		.sector = choice & 0x80 ? (guint64)get(input, 4) << (get(input, 1) % 33) :
					  get(input, 2) % 520,
	};
}

static void add_request(Input *input, World *world)
{
	WorldPiece pieces[6];
	const guint slot = get(input, 1) % 64;
	const guint n_data = get(input, 1) % 5;
	const guint odd = get(input, 1);

	write_header(input, slot);
	pieces[0] = (WorldPiece){ WORLD_HEADERS + slot * 64ull, odd & 1 ? odd % 32 : 16, 0 };
	for (guint i = 0; i < n_data; i++) {
		const guint how = get(input, 1);

		pieces[i + 1] = (WorldPiece){
			.gpa = how & 0x40 ? get(input, 4) : WORLD_DATA + get(input, 1) * 0x200ull,
			.size = how & 0x20 ? get(input, 3) : (how % 32) * 512,
			.flags = how & 0x80 ? VRING_DESC_F_WRITE : 0,
		};
	}
	pieces[n_data + 1] = (WorldPiece){
		.gpa = WORLD_HEADERS + slot * 64ull + 16,
		.size = odd & 2 ? odd % 16 : 1,
		.flags = odd & 4 ? 0 : VRING_DESC_F_WRITE,
	};
	world_add(world, odd >> 7, pieces, n_data + 2);
}

static void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 4ull % (MADE_UP_RAM_SIZE - 64);
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_ram[offset + i] = (guint8)get(input, 1);
}

static void access_config(Input *input, World *world)
{
	const VirtioDeviceConfig *config = &world->device.config;
	const guint offset = get(input, 1) % config->config_size;
	const guint size = 1 + get(input, 1) % MIN(8, config->config_size - offset);
	guint8 data[8] = { (guint8)get(input, 1) };

	config->operations->config_read(world->blk, offset, data, size);
	config->operations->config_write(world->blk, offset, data, size);
}

static void reset_queue(World *world, guint queue)
{
	world->device.config.operations->stop_queue(world->blk, queue);
	virtio_queue_disable(world->device.queues[queue]);
	world_enable_queue(world, queue);
}

/* What waits for the image would wait for ever. */
static void let_go_first(World *world)
{
	made_up_image_let_go(world->image);
}

static gboolean is_all_zero(const guint8 *data, gsize size)
{
	return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static void step(Input *input, World *world, gboolean *is_paused)
{
	static const int errors[] = { EIO, ENOSPC, EINVAL, ENOMEM };
	const VirtioDeviceOperations *operations = world->device.config.operations;
	const guint choice = get(input, 1);

	switch (choice % 13) {
	case 0:
	case 1:
	case 2:
		add_request(input, world);
		break;
	case 3:
		write_bytes(input);
		break;
	case 4:
	case 5:
		world_kick(world, choice >> 7);
		break;
	case 6:
		world_settle(world);
		break;
	case 7:
		world->image->holds = TRUE;
		break;
	case 8:
		let_go_first(world);
		break;
	case 9:
		world->image->error = errors[choice / 13 % G_N_ELEMENTS(errors)];
		world->image->n_errors = get(input, 1) % 16;
		break;
	case 10:
		let_go_first(world);
		if (*is_paused)
			operations->resume(world->blk);
		else
			operations->drain(world->blk);
		*is_paused = !*is_paused;
		break;
	case 11:
		let_go_first(world);
		if (choice & 0x80) {
			reset_queue(world, choice & 1);
		} else {
			world_stop(world);
			world_start(world, operations->features(world->blk));
			*is_paused = FALSE;
		}
		break;
	case 12:
		access_config(input, world);
		break;
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	const guint choice = get(&input, 1);
	const BlockConfig config = {
		.name = "image",
		.is_readonly = choice & 1,
		.discard = choice & 2 ? BLOCK_DISCARD_UNMAP : BLOCK_DISCARD_IGNORE,
		.detect_zeroes = choice & 4 ? BLOCK_DETECT_ZEROES_UNMAP : BLOCK_DETECT_ZEROES_OFF,
	};
	gboolean is_paused = FALSE;
	World world;
	void *staging;

	world_init(&world, &config, (DiskErrorPolicy)(choice >> 4 & 3));
	made_up_direct_size = choice & 8 ? 4096 : 0;
	world.image->n_faults = choice >> 6;
	while (input.left > 0)
		step(&input, &world, &is_paused);
	let_go_first(&world);
	world_settle(&world);
	if (config.is_readonly)
		g_assert_true(is_all_zero(world.image->content, WORLD_DISK_SIZE));
	world_stop(&world);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	staging = staging_take(world.staging, WORLD_STAGING);
	g_assert_nonnull(staging);
	staging_give(world.staging, staging, WORLD_STAGING);
	world_start(&world, 0);
	world_clear(&world);
	return 0;
}
