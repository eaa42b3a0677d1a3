/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk-fuzz.c - a guest and an image that mean harm, at a disk
 *
 * The device is on the transport and queues of all. The input is a list of steps: requests of any
 * kind in any number of pieces, bytes that the guest writes into rings, headers and data, kicks; an
 * image that answers late, or not as it should; accesses to the transport; pauses, resets of the
 * device and of a queue in between. What must hold: the image is asked for nothing that it has not,
 * a disk that is read-only stays as it is, and after a reset nothing is left in flight, in memory
 * or in the staging area.
 */
#define WORLD_DISK_SIZE (256u << 10)
#define WORLD_STAGING	(512u << 10)

#include <linux/virtio_blk.h>

#include "../unit/made-up-image.h"
#include "virtio-world.h"
#include "vmm/virtio/virtio-blk.h"

#define ID     "disk0"
#define QUEUES 2u

/* Those that are not the transport's. */
#define DEVICE_FEATURES ((1u << 24) - 1)

/* Behind the rings. */
#define HEADERS (MADE_UP_RAM + 0x8000ull)
#define DATA	(MADE_UP_RAM + 0x10000ull)

typedef struct {
	VirtioWorld virtio;
	MadeUpImage *image;
	Staging *staging;
	guint next_head;
} World;

static const DeviceHost host = { .make_signal = made_up_make_signal };

static void failed(void *opaque, const DiskError *error)
{
	(void)opaque;
	g_assert_nonnull(error);
}

/* @choice: what the disk is, and what becomes of requests that fail */
static void make_disk(World *world, guint choice)
{
	const BlockConfig image = {
		.name = "image",
		.is_readonly = choice & 1,
		.discard = choice & 2 ? BLOCK_DISCARD_UNMAP : BLOCK_DISCARD_IGNORE,
		.detect_zeroes = choice & 4 ? BLOCK_DETECT_ZEROES_UNMAP : BLOCK_DETECT_ZEROES_OFF,
	};
	const DiskErrorPolicy policy = (DiskErrorPolicy)(choice >> 4 & 3);
	VirtioBlkConfig config = {
		.serial = "a serial that is longer than there is room for",
		.n_queues = QUEUES,
		.queue_size = 64,
		.has_write_cache = TRUE,
		.errors = {
			.id = ID,
			.read_policy = policy,
			.write_policy = policy,
			.failed = failed,
		},
	};
	VirtioDeviceConfig device;
	VirtioBlk *blk;

	world->image = made_up_image_new(&image);
	made_up_direct_size = choice & 8 ? 4096 : 0;
	world->image->n_faults = choice >> 6;
	world->staging = staging_new(WORLD_STAGING, NULL);
	g_assert_nonnull(world->staging);
	config.backend = &world->image->backend;
	blk = virtio_blk_new(&config, &device);
	virtio_blk_attach(blk, world_add_device(&world->virtio, ID, &device), NULL, world->staging);
}

/* All that the disk offers. @how: RINGS_* */
static void start(World *world, guint how)
{
	start_driver(&world->virtio, DEVICE_FEATURES, QUEUES, how);
}

/* A header whose sector is on the disk, more often than not. */
static void write_header(Input *input, guint64 at)
{
	static const guint32 types[] = { 0, 1, 0, 1, 4, 8, 11, 13, 2, 0x80000001u };
	const guint choice = get(input, 1);

	made_up_store(at, 4, types[choice % G_N_ELEMENTS(types)]);
	made_up_store(at + 8, 8,
		      choice & 0x80 ? (guint64)get(input, 4) << (get(input, 1) % 33) :
				      get(input, 2) % 520);
}

static void add_request(Input *input, World *world)
{
	const guint where = get(input, 1), slot = where % 64;
	const guint64 header = HEADERS + slot * 64ull;
	const guint n_data = get(input, 1) % 5;
	const guint odd = get(input, 1);
	Piece pieces[CHAIN_MAX];

	write_header(input, header);
	pieces[0] = (Piece){ header, odd & 1 ? odd % 32 : 16, 0 };
	for (guint i = 0; i < n_data; i++) {
		const guint how = get(input, 1);

		pieces[i + 1] = (Piece){
			.gpa = how & 0x40 ? get(input, 4) : DATA + get(input, 1) * 0x200ull,
			.size = how & 0x20 ? get(input, 3) : (how % 32) * 512,
			.flags = how & 0x80 ? VRING_DESC_F_WRITE : 0,
		};
	}
	pieces[n_data + 1] = (Piece){
		.gpa = header + 16,
		.size = odd & 2 ? odd % 16 : 1,
		.flags = odd & 4 ? 0 : VRING_DESC_F_WRITE,
	};
	put_chain(&world->virtio, odd >> 7, pieces, n_data + 2, world->next_head, where >= 0xc0);
	/* The next one's are others. */
	world->next_head += n_data + 2;
}

static void access_config(Input *input, World *world)
{
	const guint offset = get(input, 1) % 64, size = 1u << get(input, 1) % 3;

	read_bar(&world->virtio, CONFIG + offset, size);
	write_bar(&world->virtio, CONFIG + offset, size, get(input, 1));
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

static void take_step(Input *input, World *world)
{
	static const int errors[] = { EIO, ENOSPC, EINVAL, ENOMEM };
	const guint choice = get(input, 1), argument = choice / 13;

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
		kick(&world->virtio, choice >> 7);
		run_thread(&world->virtio, 1);
		break;
	case 6:
		made_up_run(world->virtio.thread);
		break;
	case 7:
		world->image->holds = TRUE;
		break;
	case 8:
		let_go_first(world);
		break;
	case 9:
		world->image->error = errors[argument % G_N_ELEMENTS(errors)];
		world->image->n_errors = get(input, 1) % 16;
		break;
	case 10:
		let_go_first(world);
		pause_or_go_on(&world->virtio);
		break;
	case 11:
		let_go_first(world);
		if (choice < 128) {
			start(world, argument);
			break;
		}
		reset_queue(&world->virtio, choice & 1);
		enable_queue(&world->virtio, choice & 1);
		break;
	case 12:
		let_go_first(world);
		if (argument % 2)
			touch_transport(&world->virtio, input, argument / 2 % QUEUES);
		else
			access_config(input, world);
		break;
	}
}

/* After a reset. */
static void check_nothing_left(const World *world)
{
	void *staging = staging_take(world->staging, WORLD_STAGING);

	g_assert_cmpuint(made_up_n_pins, ==, 0);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	g_assert_nonnull(staging);
	staging_give(world->staging, staging, WORLD_STAGING);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World world = { 0 };
	const guint choice = get(&input, 1);

	g_log_set_default_handler(world_ignore_log, NULL);
	world_start(&world.virtio, &host);
	make_disk(&world, choice);
	start(&world, get(&input, 1));
	while (input.left > 0) {
		take_step(&input, &world);
		made_up_serve_signals();
		check_pins(&world.virtio);
	}
	let_go_first(&world);
	made_up_run(world.virtio.thread);
	if (choice & 1)
		g_assert_true(is_all_zero(world.image->content, WORLD_DISK_SIZE));
	place_bars(&world.virtio);
	write_bar(&world.virtio, STATUS, 1, 0);
	check_nothing_left(&world);
	start(&world, 0);
	world_end(&world.virtio, ID);
	staging_free(world.staging);
	return 0;
}
