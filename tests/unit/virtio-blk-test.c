/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-blk-test.c - a virtio disk: what guests ask for, rightly and wrongly, and what fails */
#include "virtio-blk-world.h"

#define IN	VRING_DESC_F_WRITE
#define PENDING 0xff

static const BlockConfig plain = { .name = "image", .discard = BLOCK_DISCARD_UNMAP };

/* Request @slot has its header and status there. */
static guint64 header_at(guint slot)
{
	return WORLD_HEADERS + slot * 32ull;
}

static guint64 status_at(guint slot)
{
	return header_at(slot) + 16;
}

static guint8 status(guint slot)
{
	return *(guint8 *)world_address(status_at(slot));
}

static void write_header(guint slot, guint32 type, guint64 sector)
{
	struct virtio_blk_outhdr *header = world_address(header_at(slot));

	*header = (struct virtio_blk_outhdr){
		.type = GUINT32_TO_LE(type),
		.sector = GUINT64_TO_LE(sector),
	};
	*(guint8 *)world_address(status_at(slot)) = PENDING;
}

/* A request as Linux makes it, with one piece of data or none. */
static void add(World *world, guint slot, guint32 type, guint64 sector, guint64 data, guint32 size)
{
	const guint16 direction = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ? IN : 0;
	WorldPiece pieces[3] = { { header_at(slot), 16, 0 } };
	guint count = 1;

	write_header(slot, type, sector);
	if (size > 0)
		pieces[count++] = (WorldPiece){ data, size, direction };
	pieces[count++] = (WorldPiece){ status_at(slot), 1, IN };
	world_add(world, 0, pieces, count);
}

/* Return: its status; or PENDING. */
static guint8 run(World *world, guint32 type, guint64 sector, guint64 data, guint32 size)
{
	add(world, 0, type, sector, data, size);
	world_kick(world, 0);
	world_settle(world);
	g_assert_cmpuint(world_used(world, 0), ==, status(0) == PENDING ? 0 : 1);
	return status(0);
}

static void fill(guint64 gpa, guint8 value, gsize size)
{
	memset(world_address(gpa), value, size);
}

static gboolean has(const guint8 *data, guint8 value, gsize size)
{
	for (gsize i = 0; i < size; i++)
		if (data[i] != value)
			return FALSE;
	return TRUE;
}

static void test_config(void)
{
	struct virtio_blk_config config = { 0 };
	const VirtioDeviceOperations *operations;
	World world;
	guint8 wce = 0;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	operations = world.device.config.operations;
	g_assert_cmpuint(world.device.config.device_id, ==, 2);
	operations->config_read(world.blk, 0, &config, world.device.config.config_size);
	g_assert_cmpuint(config.capacity, ==, WORLD_DISK_SIZE / 512);
	g_assert_cmpuint(config.seg_max, ==, WORLD_QUEUE_SIZE - 2);
	g_assert_cmpuint(config.blk_size, ==, 512);
	g_assert_cmpuint(config.physical_block_exp, ==, 3);
	g_assert_cmpuint(config.num_queues, ==, WORLD_QUEUES);
	g_assert_cmpuint(config.wce, ==, 1);
	operations->config_write(world.blk, offsetof(struct virtio_blk_config, wce), &wce, 1);
	operations->config_read(world.blk, offsetof(struct virtio_blk_config, wce), &wce, 1);
	g_assert_cmpuint(wce, ==, 0);
	world_clear(&world);
}

static void test_read_write(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	fill(WORLD_DATA, 0x5a, 8192);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 8, WORLD_DATA, 8192), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content + 4096, 0x5a, 8192));
	g_assert_cmpuint(world.image->content[4095] | world.image->content[12288], ==, 0);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 9, WORLD_DATA + 0x8000, 8192), ==,
			 VIRTIO_BLK_S_OK);
	g_assert_true(has(world_address(WORLD_DATA + 0x8000), 0x5a, 8192 - 512));
	g_assert_true(has(world_address(WORLD_DATA + 0x8000 + 8192 - 512), 0, 512));
	/* The very last sector. */
	fill(WORLD_DATA, 0x77, 512);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, WORLD_DISK_SIZE / 512 - 1, WORLD_DATA, 512),
			 ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->content[WORLD_DISK_SIZE - 1], ==, 0x77);
	g_assert_cmpuint(world.device.n_interrupts, ==, 3);
	g_assert_cmpuint(world.device.n_broken, ==, 0);
	world_clear(&world);
}

/* Nothing says how a guest cuts a request into pieces. */
static void test_pieces(void)
{
	const WorldPiece write[] = {
		{ header_at(0), 7, 0 },	    { header_at(0) + 7, 9, 0 },	  { WORLD_DATA, 100, 0 },
		{ WORLD_DATA + 100, 1, 0 }, { WORLD_DATA + 101, 411, 0 }, { status_at(0), 1, IN },
	};
	const WorldPiece write_in_one[] = {
		{ WORLD_DATA + 0x1000, 16 + 512, 0 },
		{ status_at(0), 1, IN },
	};
	const WorldPiece read_in_one[] = {
		{ header_at(0), 16, 0 },
		{ WORLD_DATA + 0x2000, 513, IN },
	};
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	fill(WORLD_DATA, 1, 512);
	write_header(0, VIRTIO_BLK_T_OUT, 0);
	world_add(&world, 0, write, G_N_ELEMENTS(write));
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content, 1, 512));

	fill(WORLD_DATA + 0x1000 + 16, 2, 512);
	write_header(0, VIRTIO_BLK_T_OUT, 1);
	memcpy(world_address(WORLD_DATA + 0x1000), world_address(header_at(0)), 16);
	world_add(&world, 0, write_in_one, G_N_ELEMENTS(write_in_one));
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content + 512, 2, 512));

	write_header(0, VIRTIO_BLK_T_IN, 1);
	fill(WORLD_DATA + 0x2000, PENDING, 513);
	world_add(&world, 0, read_in_one, G_N_ELEMENTS(read_in_one));
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_true(has(world_address(WORLD_DATA + 0x2000), 2, 512));
	g_assert_cmpuint(*(guint8 *)world_address(WORLD_DATA + 0x2200), ==, VIRTIO_BLK_S_OK);
	world_clear(&world);
}

/* In the guest's own memory, whatever pieces there are of it; what cannot be is copied. */
static void test_direct(void)
{
	const WorldPiece read[] = {
		{ header_at(0), 16, 0 },
		{ WORLD_DATA + 100, 1000, IN },
		{ WORLD_DATA + 0x3000, 10000, IN },
		{ WORLD_DATA + 0x10000, 0x20000 - 11000, IN },
		{ status_at(0), 1, IN },
	};
	World world;

	for (guint faults = 0; faults < 3; faults++) {
		world_init(&world, &plain, DISK_POLICY_REPORT);
		made_up_direct_size = 4096;
		world.image->n_faults = faults;
		fill(WORLD_DATA, 5, 0x8000);
		g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 4, WORLD_DATA + 8, 0x6000), ==,
				 VIRTIO_BLK_S_OK);
		g_assert_true(has(world.image->content + 2048, 5, 0x6000));
		g_assert_true(has(world.image->content + 2048 + 0x6000, 0, 512));
		g_assert_cmpuint(made_up_direct_uses, ==, 0);

		for (guint i = 0; i < 0x20000; i++)
			world.image->content[i] = (guint8)(i * 7 + i / 512);
		write_header(0, VIRTIO_BLK_T_IN, 0);
		world_add(&world, 0, read, G_N_ELEMENTS(read));
		world_kick(&world, 0);
		world_settle(&world);
		g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
		g_assert_cmpmem(world_address(WORLD_DATA + 100), 1000, world.image->content, 1000);
		g_assert_cmpmem(world_address(WORLD_DATA + 0x3000), 10000,
				world.image->content + 1000, 10000);
		g_assert_cmpmem(world_address(WORLD_DATA + 0x10000), 0x20000 - 11000,
				world.image->content + 11000, 0x20000 - 11000);
		g_assert_cmpuint(made_up_direct_uses, ==, 0);
		g_assert_cmpuint(world.image->n_direct, >=, 2);
		g_assert_cmpuint(world.image->n_faults, ==, 0);
		g_assert_cmpuint(world.n_errors, ==, 0);
		made_up_direct_size = 0;
		world_clear(&world);
	}
}

/* What is no RAM is the same error as with copies, and an image's error is one. */
static void test_direct_wrong(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	made_up_direct_size = 4096;
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 4096), ==, VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	g_assert_cmpuint(
		run(&world, VIRTIO_BLK_T_IN, 0, MADE_UP_RAM + MADE_UP_RAM_SIZE - 4096, 0x8000), ==,
		VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	g_assert_cmpuint(world.device.n_broken, ==, 1);
	made_up_direct_size = 0;
	world_clear(&world);
}

static void test_others(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_FLUSH], ==, 1);
	fill(WORLD_DATA, PENDING, 64);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_GET_ID, 0, WORLD_DATA, 64), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpmem(world_address(WORLD_DATA), 21, "a serial that is lon\xff", 21);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_SCSI_CMD, 0, WORLD_DATA, 64), ==,
			 VIRTIO_BLK_S_UNSUPP);
	g_assert_cmpuint(run(&world, 0x80000000u, 0, WORLD_DATA, 64), ==, VIRTIO_BLK_S_UNSUPP);
	g_assert_cmpuint(world.device.n_broken, ==, 0);
	world_clear(&world);
}

static void test_ranges(void)
{
	static const struct {
		guint64 sector;
		guint32 size;
	} wrong[] = {
		{ WORLD_DISK_SIZE / 512, 512 },
		{ WORLD_DISK_SIZE / 512 - 1, 1024 },
		{ G_MAXUINT64, 512 },
		{ 1ull << 55, 512 },
		{ (1ull << 55) - 1, 1024 },
		{ 0, 511 },
		{ 0, 513 },
		{ G_MAXUINT64 / 512, 4096 },
	};
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_assert_cmpuint(
			run(&world, VIRTIO_BLK_T_IN, wrong[i].sector, WORLD_DATA, wrong[i].size),
			==, VIRTIO_BLK_S_IOERR);
		g_assert_cmpuint(
			run(&world, VIRTIO_BLK_T_OUT, wrong[i].sector, WORLD_DATA, wrong[i].size),
			==, VIRTIO_BLK_S_IOERR);
	}
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_READ] + world.image->counts[BLOCK_WRITE], ==, 0);
	g_assert_cmpuint(world.n_errors, ==, 0);
	world_clear(&world);
}

static void test_readonly(void)
{
	static const BlockConfig config = { .name = "image", .is_readonly = TRUE };
	World world;

	world_init(&world, &config, DISK_POLICY_STOP);
	g_assert_true(world.device.config.operations->features(world.blk) &
		      VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.n_errors, ==, 0);
	world_clear(&world);
}

static guint8 run_range(World *world, guint32 type, guint64 sector, guint32 sectors, guint32 flags)
{
	struct virtio_blk_discard_write_zeroes *range = world_address(WORLD_DATA);

	*range = (struct virtio_blk_discard_write_zeroes){
		.sector = sector,
		.num_sectors = sectors,
		.flags = flags,
	};
	return run(world, type, 0, WORLD_DATA, sizeof(*range));
}

static void test_discard_and_zeroes(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	memset(world.image->content, 1, 8192);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_WRITE_ZEROES, 1, 2, 0), ==,
			 VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content, 1, 512));
	g_assert_true(has(world.image->content + 512, 0, 1024));
	g_assert_true(has(world.image->content + 1536, 1, 512));
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 1), ==,
			 VIRTIO_BLK_S_OK);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), ==,
			 VIRTIO_BLK_S_UNSUPP);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_DISCARD, 0, 8, 0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_DISCARD], ==, 1);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_DISCARD, 0, 8, 1), ==, VIRTIO_BLK_S_UNSUPP);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_DISCARD, WORLD_DISK_SIZE / 512, 1, 0), ==,
			 VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(run_range(&world, VIRTIO_BLK_T_WRITE_ZEROES, G_MAXUINT64, G_MAXUINT32, 0),
			 ==, VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_DISCARD, 0, WORLD_DATA, 15), ==,
			 VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_DISCARD, 0, WORLD_DATA, 32), ==,
			 VIRTIO_BLK_S_IOERR);
	world_clear(&world);
}

/* Chains that are no requests, and memory that is none: the device is broken, and nothing else. */
static void test_broken(void)
{
	static const struct {
		WorldPiece pieces[3];
		guint count;
	} wrong[] = {
		{ { { WORLD_HEADERS, 16, 0 } }, 1 },
		{ { { WORLD_HEADERS, 15, 0 }, { WORLD_HEADERS + 16, 1, IN } }, 2 },
		{ { { WORLD_HEADERS, 16, IN } }, 1 },
		{ { { 0x10, 16, 0 }, { WORLD_HEADERS + 16, 1, IN } }, 2 },
		{ { { WORLD_HEADERS, 16, 0 }, { 0x10, 1, IN } }, 2 },
		{ { { WORLD_HEADERS, 16, 0 }, { 0x10, 512, IN }, { WORLD_HEADERS + 16, 1, IN } },
		  3 },
		{ { { WORLD_HEADERS, 16, 0 },
		    { WORLD_DATA, 512, IN },
		    { WORLD_HEADERS + 16, 1, 0 } },
		  3 },
		{ { { WORLD_HEADERS, 16, 0 },
		    { MADE_UP_RAM + MADE_UP_RAM_SIZE - 512, 1024, IN },
		    { WORLD_HEADERS + 16, 1, IN } },
		  3 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		World world;

		world_init(&world, &plain, DISK_POLICY_STOP);
		write_header(0, VIRTIO_BLK_T_IN, 0);
		world_add(&world, 0, wrong[i].pieces, wrong[i].count);
		world_kick(&world, 0);
		world_settle(&world);
		g_assert_cmpuint(world.device.n_broken, ==, 1);
		g_assert_cmpuint(world.n_errors, ==, 0);
		/* Until the guest resets it. */
		world_used(&world, 0);
		g_assert_cmpuint(run(&world, VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, PENDING);
		world_stop(&world);
		world_start(&world, 0);
		g_assert_cmpuint(run(&world, VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
		world_clear(&world);
	}
}

/* Many small requests that come together take few transfers. */
static void test_batch(void)
{
	enum { COUNT = 21 };
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	for (guint i = 0; i < COUNT; i++) {
		fill(WORLD_DATA + i * 4096ull, (guint8)(i + 1), 4096);
		add(&world, i, VIRTIO_BLK_T_OUT, i * 8ull, WORLD_DATA + i * 4096ull, 4096);
	}
	made_up_transfers = 0;
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, COUNT);
	g_assert_cmpuint(made_up_transfers, ==, 3);
	for (guint i = 0; i < COUNT; i++) {
		g_assert_true(has(world.image->content + i * 4096, (guint8)(i + 1), 4096));
		fill(WORLD_DATA + i * 4096ull, 0, 4096);
		add(&world, i, VIRTIO_BLK_T_IN, i * 8ull, WORLD_DATA + i * 4096ull, 4096);
	}
	made_up_transfers = 0;
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(made_up_transfers, ==, 2);
	g_assert_cmpuint(world.device.n_interrupts, ==, 2);
	for (guint i = 0; i < COUNT; i++) {
		g_assert_cmpuint(status(i), ==, VIRTIO_BLK_S_OK);
		g_assert_true(has(world_address(WORLD_DATA + i * 4096ull), (guint8)(i + 1), 4096));
	}
	world_clear(&world);
}

/* One of them names memory that is none: the others are served. */
static void test_batch_broken(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	fill(WORLD_DATA, 9, 8192);
	add(&world, 0, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 4096);
	add(&world, 1, VIRTIO_BLK_T_OUT, 8, 0x1000, 4096);
	add(&world, 2, VIRTIO_BLK_T_OUT, 16, WORLD_DATA, 4096);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world.device.n_broken, ==, 1);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(status(2), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content, 9, 4096));
	g_assert_true(has(world.image->content + 4096, 0, 4096));
	g_assert_true(has(world.image->content + 8192, 9, 4096));
	world_clear(&world);
}

#define LARGE_PIECES 16u
#define LARGE_PIECE  0x20000u
#define LARGE	     (LARGE_PIECES * LARGE_PIECE)

/* Two MiB, from or to the same memory over and over again. */
static void add_large(World *world, guint slot, guint32 type, guint64 sector)
{
	WorldPiece pieces[LARGE_PIECES + 2] = { { header_at(slot), 16, 0 } };

	write_header(slot, type, sector);
	for (guint i = 0; i < LARGE_PIECES; i++)
		pieces[i + 1] = (WorldPiece){ WORLD_DATA, LARGE_PIECE,
					      type == VIRTIO_BLK_T_IN ? IN : 0 };
	pieces[LARGE_PIECES + 1] = (WorldPiece){ status_at(slot), 1, IN };
	world_add(world, 0, pieces, G_N_ELEMENTS(pieces));
}

/* More than there is staging memory for, in parts. */
static void test_large(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	fill(WORLD_DATA, 3, LARGE_PIECE);
	add_large(&world, 0, VIRTIO_BLK_T_OUT, 0);
	add_large(&world, 1, VIRTIO_BLK_T_OUT, LARGE / 512);
	add_large(&world, 2, VIRTIO_BLK_T_IN, 0);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 3);
	for (guint i = 0; i < 3; i++)
		g_assert_cmpuint(status(i), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 2 * LARGE / VIRTIO_BLK_PART);
	g_assert_true(has(world.image->content, 3, 2 * LARGE));
	world_clear(&world);
}

/* Zeroes that are found in one part say nothing of the next. */
static void test_large_zeroes(void)
{
	static const BlockConfig config = { .name = "image",
					    .detect_zeroes = BLOCK_DETECT_ZEROES_ON };
	WorldPiece pieces[11] = { { header_at(0), 16, 0 } };
	World world;

	world_init(&world, &config, DISK_POLICY_REPORT);
	memset(world.image->content, 1, LARGE);
	fill(WORLD_DATA, 0, LARGE_PIECE);
	fill(WORLD_DATA + LARGE_PIECE, 5, 4096);
	for (guint i = 0; i < 8; i++)
		pieces[1 + i] = (WorldPiece){ WORLD_DATA, LARGE_PIECE, 0 };
	pieces[9] = (WorldPiece){ WORLD_DATA + LARGE_PIECE, 4096, 0 };
	pieces[10] = (WorldPiece){ status_at(0), 1, IN };
	write_header(0, VIRTIO_BLK_T_OUT, 0);
	world_add(&world, 0, pieces, G_N_ELEMENTS(pieces));
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE_ZEROES], ==, 1);
	g_assert_true(has(world.image->content, 0, VIRTIO_BLK_PART));
	g_assert_true(has(world.image->content + VIRTIO_BLK_PART, 5, 4096));
	world_clear(&world);
}

static void test_policies(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_IOERR);
	g_assert_cmpuint(world.n_errors, ==, 1);
	g_assert_true(world.last_error.is_read);
	g_assert_cmpint(world.last_error.error, ==, EIO);
	g_assert_cmpstr(world.last_error.device, ==, "disk0");
	g_assert_cmpint(world.last_error.action, ==, DISK_ERROR_REPORT);
	world_clear(&world);

	/* What nobody has read is zeroes, and nothing that was there before. */
	world_init(&world, &plain, DISK_POLICY_IGNORE);
	fill(WORLD_DATA, 7, 4096);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 4096), ==, VIRTIO_BLK_S_OK);
	world.image->error = EIO;
	world.image->n_errors = 2;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 4096), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world_address(WORLD_DATA), 0, 4096));
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_false(world.last_error.is_read);
	world_clear(&world);

	world_init(&world, &plain, DISK_POLICY_ENOSPC);
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_IOERR);
	world.image->error = ENOSPC;
	world.image->n_errors = 1;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, PENDING);
	g_assert_cmpint(world.last_error.action, ==, DISK_ERROR_STOP);
	g_assert_cmpint(world.last_error.error, ==, ENOSPC);
	world_clear(&world);
}

/* The machine stops, goes on, stops again; at last everything has been done, in order. */
static void test_stop(void)
{
	const VirtioDeviceOperations *operations;
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	operations = world.device.config.operations;
	for (guint i = 0; i < 4; i++) {
		fill(WORLD_DATA + i * 4096ull, (guint8)(i + 1), 4096);
		add(&world, i, VIRTIO_BLK_T_OUT, i * 8ull, WORLD_DATA + i * 4096ull, 4096);
	}
	world.image->error = ENOSPC;
	world.image->n_errors = 3;
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world.n_errors, ==, 3);
	g_assert_cmpuint(world_used(&world, 0), ==, 1);
	operations->drain(world.blk);
	/* A kick while it is paused is kept. */
	add(&world, 4, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 0);

	world.image->n_errors = 2;
	operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(world.n_errors, ==, 5);
	g_assert_cmpuint(world_used(&world, 0), ==, 1);
	operations->drain(world.blk);
	operations->resume(world.blk);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 3);
	for (guint i = 0; i < 5; i++)
		g_assert_cmpuint(status(i), ==, VIRTIO_BLK_S_OK);
	for (guint i = 0; i < 4; i++)
		g_assert_true(has(world.image->content + i * 4096, (guint8)(i + 1), 4096));
	world_clear(&world);
}

/* A part of a large request has failed: what came before is not done again. */
static void test_stop_in_the_middle(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	fill(WORLD_DATA, 3, LARGE_PIECE);
	world.image->holds = TRUE;
	add_large(&world, 0, VIRTIO_BLK_T_OUT, 0);
	world_kick(&world, 0);
	made_up_image_let_go(world.image);
	world.image->error = EIO;
	world.image->n_errors = 1;
	world_settle(&world);
	g_assert_cmpuint(world.n_errors, ==, 1);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 2);
	world.device.config.operations->drain(world.blk);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 3);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world.image->content, 3, LARGE));
	world_clear(&world);
}

static void test_reset_while_stopped(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, PENDING);
	world.device.config.operations->drain(world.blk);
	world_stop(&world);
	world_start(&world, 0);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_FLUSH, 0, 0, 0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 1);
	world_clear(&world);
}

static gboolean let_go(gpointer image)
{
	made_up_image_let_go(image);
	return G_SOURCE_REMOVE;
}

static void let_go_soon(World *world)
{
	GSource *source = g_timeout_source_new(5);

	g_source_set_callback(source, let_go, world->image, NULL);
	g_source_attach(source, world->device.thread.context);
	g_source_unref(source);
}

/* A pause waits for what is under way, and leaves what has not begun for later. */
static void test_drain(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	fill(WORLD_DATA, 3, LARGE_PIECE);
	world.image->holds = TRUE;
	add_large(&world, 0, VIRTIO_BLK_T_OUT, 0);
	add(&world, 1, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 0);
	let_go_soon(&world);
	world.device.config.operations->drain(world.blk);
	g_assert_cmpuint(status(1), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 1);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world_used(&world, 0), ==, 2);
	world_clear(&world);
}

/* A reset in flight: nothing is written to the guest's memory when it is over. */
static void test_reset_in_flight(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	world.image->holds = TRUE;
	for (guint i = 0; i < 8; i++)
		add(&world, i, VIRTIO_BLK_T_IN, i, WORLD_DATA, 512);
	world_kick(&world, 0);
	let_go_soon(&world);
	world_stop(&world);
	g_assert_true(g_queue_is_empty(&world.image->held));
	fill(MADE_UP_RAM, 0x11, MADE_UP_RAM_SIZE);
	world_settle(&world);
	g_assert_true(has(made_up_ram, 0x11, MADE_UP_RAM_SIZE));
	world_start(&world, 0);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	world_clear(&world);
}

/* A server that does not answer: a pause leaves it, and what it ends with is told after it. */
static void test_drain_of_hung(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	memset(world.image->content, 7, 512);
	made_up_image_hang(world.image);
	add(&world, 0, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512);
	add(&world, 1, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	world_kick(&world, 0);
	world_settle(&world);
	world.device.config.operations->drain(world.blk);
	g_assert_cmpuint(world.image->n_given_up, ==, 0);
	made_up_image_let_go(world.image);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 0);
	g_assert_true(has(world_address(WORLD_DATA), 0, 512));
	/* There is nothing left to wait for. */
	world.device.config.operations->drain(world.blk);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0), ==, 2);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_true(has(world_address(WORLD_DATA), 7, 512));
	world_clear(&world);
}

/* The same, and then it fails; the machine stops as the policy says, and nothing is lost. */
static void test_drain_of_hung_and_stop(void)
{
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	made_up_image_hang(world.image);
	add(&world, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	world_kick(&world, 0);
	world.device.config.operations->drain(world.blk);
	world.image->error = EIO;
	world.image->n_errors = 1;
	made_up_image_let_go(world.image);
	world_settle(&world);
	g_assert_cmpuint(world.n_errors, ==, 0);
	world.device.config.operations->resume(world.blk);
	g_assert_cmpuint(world.n_errors, ==, 1);
	world.device.config.operations->drain(world.blk);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	world_clear(&world);
}

/* A reset gives it up; also one in a pause that did not wait, whose late ends are nobody's. */
static void test_reset_of_hung(void)
{
	World world;

	for (guint round = 0; round < 3; round++) {
		world_init(&world, &plain, DISK_POLICY_REPORT);
		made_up_image_hang(world.image);
		for (guint i = 0; i < 8; i++)
			add(&world, i, VIRTIO_BLK_T_IN, i, WORLD_DATA, 512);
		world_kick(&world, 0);
		world_settle(&world);
		if (round > 0)
			world.device.config.operations->drain(world.blk);
		if (round > 1)
			made_up_image_let_go(world.image);
		fill(MADE_UP_RAM, 0x11, round > 0 ? MADE_UP_RAM_SIZE : 0);
		world_stop(&world);
		g_assert_cmpuint(world.image->n_given_up, ==, round < 2 ? 1 : 0);
		g_assert_true(round == 0 || has(made_up_ram, 0x11, MADE_UP_RAM_SIZE));
		world.image->holds = FALSE;
		world_start(&world, 0);
		g_assert_cmpuint(run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512), ==,
				 VIRTIO_BLK_S_OK);
		world_clear(&world);
	}
}

/* One queue is reset; the other goes on. */
static void test_queue_reset(void)
{
	const WorldPiece pieces[] = { { header_at(1), 16, 0 }, { status_at(1), 1, IN } };
	World world;

	world_init(&world, &plain, DISK_POLICY_STOP);
	world.image->error = EIO;
	world.image->n_errors = 2;
	add(&world, 0, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512);
	world_kick(&world, 0);
	write_header(1, VIRTIO_BLK_T_FLUSH, 0);
	world_add(&world, 1, pieces, G_N_ELEMENTS(pieces));
	world_kick(&world, 1);
	world_settle(&world);
	g_assert_cmpuint(world.n_errors, ==, 2);
	world.device.config.operations->stop_queue(world.blk, 0);
	virtio_queue_disable(world.device.queues[0]);
	world.device.config.operations->drain(world.blk);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, PENDING);
	g_assert_cmpuint(status(1), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world_used(&world, 1), ==, 1);
	world_clear(&world);
}

static gboolean kick_and_let_go(gpointer data)
{
	const WorldPiece pieces[] = { { header_at(1), 16, 0 }, { status_at(1), 1, IN } };
	World *world = data;

	write_header(1, VIRTIO_BLK_T_FLUSH, 0);
	world_add(world, 1, pieces, G_N_ELEMENTS(pieces));
	world_kick(world, 1);
	made_up_image_let_go(world->image);
	return G_SOURCE_REMOVE;
}

/* What comes to the other queue while the reset waits is done after it, without another kick. */
static void test_queue_reset_and_kick(void)
{
	GSource *source = g_timeout_source_new(5);
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	world.image->holds = TRUE;
	add(&world, 0, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512);
	world_kick(&world, 0);
	g_source_set_callback(source, kick_and_let_go, &world, NULL);
	g_source_attach(source, world.device.thread.context);
	g_source_unref(source);
	world.device.config.operations->stop_queue(world.blk, 0);
	virtio_queue_disable(world.device.queues[0]);
	world_settle(&world);
	g_assert_cmpuint(status(1), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world_used(&world, 1), ==, 1);
	world_clear(&world);
}

/* Who knows no flush, or has turned the cache off, finds each write on the disk. */
static void test_write_through(void)
{
	const guint8 off = 0;
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->n_through, ==, 0);
	world.device.config.operations->config_write(
		world.blk, offsetof(struct virtio_blk_config, wce), &off, 1);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->n_through, ==, 1);
	world_stop(&world);
	world_start(&world, VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH));
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->n_through, ==, 1);
	world_stop(&world);
	world_start(&world, 0);
	g_assert_cmpuint(run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->n_through, ==, 2);
	world_clear(&world);
}

static void test_statistics(void)
{
	BlockStatistics statistics[BLOCK_N_OPERATIONS];
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	run(&world, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 4096);
	run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512);
	world.image->error = EIO;
	world.image->n_errors = 1;
	run(&world, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512);
	block_backend_get_statistics(virtio_blk_backend(world.blk), statistics);
	g_assert_cmpuint(statistics[BLOCK_WRITE].count, ==, 1);
	g_assert_cmpuint(statistics[BLOCK_WRITE].bytes, ==, 4096);
	g_assert_cmpuint(statistics[BLOCK_READ].count, ==, 1);
	g_assert_cmpuint(statistics[BLOCK_READ].bytes, ==, 512);
	g_assert_cmpuint(statistics[BLOCK_READ].failed, ==, 1);
	world_clear(&world);
}

/* So little that of any number of requests the first alone is done while a test looks. */
static const ThrottleConfig one_a_day = {
	.limits[THROTTLE_OPERATIONS_READ] = { .average = 1 },
	.operation_size = 1,
};

static void begin_limited(World *world)
{
	world_init(world, &plain, DISK_POLICY_REPORT);
	throttle_set(block_backend_throttle(virtio_blk_backend(world->blk)), &one_a_day);
	for (guint i = 0; i < 4; i++)
		add(world, i, VIRTIO_BLK_T_IN, i, WORLD_DATA, 128 * 512);
	add(world, 4, VIRTIO_BLK_T_OUT, 0, WORLD_DATA, 512);
	add(world, 5, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	world_kick(world, 0);
	world_settle(world);
	g_assert_cmpuint(world->image->counts[BLOCK_READ], ==, 1);
	g_assert_cmpuint(status(0), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(status(1), ==, PENDING);
	g_assert_cmpuint(status(4), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(status(5), ==, VIRTIO_BLK_S_OK);
}

/* Limits that go let everybody go; a pause in between does not wait for them. */
static void test_limits(void)
{
	const ThrottleConfig none = { 0 };
	World world;

	begin_limited(&world);
	world.device.config.operations->drain(world.blk);
	throttle_set(block_backend_throttle(virtio_blk_backend(world.blk)), &none);
	world_settle(&world);
	g_assert_cmpuint(status(1), ==, PENDING);
	world.device.config.operations->resume(world.blk);
	world_settle(&world);
	for (guint i = 1; i < 4; i++)
		g_assert_cmpuint(status(i), ==, VIRTIO_BLK_S_OK);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 4);
	world_clear(&world);
}

/* A reset does not do what was held back, so that it is no way past a limit. */
static void test_limits_and_reset(void)
{
	World world;

	begin_limited(&world);
	world_stop(&world);
	world_start(&world, 0);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 1);
	add(&world, 0, VIRTIO_BLK_T_IN, 0, WORLD_DATA, 512);
	world_kick(&world, 0);
	world_settle(&world);
	g_assert_cmpuint(status(0), ==, PENDING);
	world.device.config.operations->stop_queue(world.blk, 0);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 1);
	world_clear(&world);
}

/* Flushes in tables as long as a chain may be: nothing says that a header is followed by none. */
static void add_long(World *world, guint count)
{
	struct vring_desc *table = world_address(WORLD_DATA);
	const WorldPiece piece = { WORLD_DATA, (VIRTIO_CHAIN_MAX - 1) * sizeof(*table),
				   VRING_DESC_F_INDIRECT };

	write_header(0, VIRTIO_BLK_T_FLUSH, 0);
	for (guint i = 0; i < VIRTIO_CHAIN_MAX - 1; i++)
		table[i] = (struct vring_desc){ .addr = WORLD_DATA + 0x8000,
						.len = 1,
						.flags = VRING_DESC_F_NEXT,
						.next = (guint16)(i + 1) };
	table[0].addr = header_at(0);
	table[0].len = sizeof(struct virtio_blk_outhdr);
	table[VIRTIO_CHAIN_MAX - 2].addr = status_at(0);
	table[VIRTIO_CHAIN_MAX - 2].flags = IN;
	for (guint i = 0; i < count; i++)
		world_add(world, i % WORLD_QUEUES, &piece, 1);
}

static void kick_all(World *world)
{
	for (guint i = 0; i < WORLD_QUEUES; i++)
		world_kick(world, i);
	world_settle(world);
}

/* A guest does not have more memory taken for its chains than a disk may have; none is lost. */
static void test_long_chains(void)
{
	enum { ALL = WORLD_QUEUES * WORLD_QUEUE_SIZE };
	const guint most = VIRTIO_BLK_PIECES / (VIRTIO_CHAIN_MAX - 1) + 1;
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	for (guint round = 0; round < 2; round++) {
		world.image->holds = TRUE;
		world.image->counts[BLOCK_FLUSH] = 0;
		add_long(&world, ALL);
		kick_all(&world);
		kick_all(&world);
		g_assert_cmpuint(world.image->counts[BLOCK_FLUSH], ==, most);
		if (round == 0) {
			let_go_soon(&world);
			world_stop(&world);
			world_start(&world, 0);
		}
	}
	let_go_soon(&world);
	world.device.config.operations->drain(world.blk);
	world_settle(&world);
	g_assert_cmpuint(world.image->counts[BLOCK_FLUSH], ==, most);
	world.device.config.operations->resume(world.blk);
	kick_all(&world);
	g_assert_cmpuint(world_used(&world, 0) + world_used(&world, 1), ==, ALL);
	g_assert_cmpuint(world.image->counts[BLOCK_FLUSH], ==, ALL);
	g_assert_cmpuint(world.device.n_broken, ==, 0);
	world_clear(&world);
}

/* The disk looks at its queues again by itself. */
static void test_long_chains_go_on(void)
{
	enum { ALL = WORLD_QUEUES * WORLD_QUEUE_SIZE };
	World world;

	world_init(&world, &plain, DISK_POLICY_REPORT);
	world.image->holds = TRUE;
	add_long(&world, ALL);
	kick_all(&world);
	made_up_image_let_go(world.image);
	world_settle(&world);
	g_assert_cmpuint(world_used(&world, 0) + world_used(&world, 1), ==, ALL);
	world_clear(&world);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtio-blk/config", test_config);
	g_test_add_func("/virtio-blk/read-write", test_read_write);
	g_test_add_func("/virtio-blk/pieces", test_pieces);
	g_test_add_func("/virtio-blk/direct", test_direct);
	g_test_add_func("/virtio-blk/direct-wrong", test_direct_wrong);
	g_test_add_func("/virtio-blk/others", test_others);
	g_test_add_func("/virtio-blk/ranges", test_ranges);
	g_test_add_func("/virtio-blk/readonly", test_readonly);
	g_test_add_func("/virtio-blk/discard-and-zeroes", test_discard_and_zeroes);
	g_test_add_func("/virtio-blk/broken", test_broken);
	g_test_add_func("/virtio-blk/batch", test_batch);
	g_test_add_func("/virtio-blk/batch-broken", test_batch_broken);
	g_test_add_func("/virtio-blk/large", test_large);
	g_test_add_func("/virtio-blk/large-zeroes", test_large_zeroes);
	g_test_add_func("/virtio-blk/policies", test_policies);
	g_test_add_func("/virtio-blk/stop", test_stop);
	g_test_add_func("/virtio-blk/stop-in-the-middle", test_stop_in_the_middle);
	g_test_add_func("/virtio-blk/reset-while-stopped", test_reset_while_stopped);
	g_test_add_func("/virtio-blk/drain", test_drain);
	g_test_add_func("/virtio-blk/drain/hung", test_drain_of_hung);
	g_test_add_func("/virtio-blk/drain/hung-and-stop", test_drain_of_hung_and_stop);
	g_test_add_func("/virtio-blk/reset/hung", test_reset_of_hung);
	g_test_add_func("/virtio-blk/reset-in-flight", test_reset_in_flight);
	g_test_add_func("/virtio-blk/queue-reset", test_queue_reset);
	g_test_add_func("/virtio-blk/queue-reset-and-kick", test_queue_reset_and_kick);
	g_test_add_func("/virtio-blk/write-through", test_write_through);
	g_test_add_func("/virtio-blk/statistics", test_statistics);
	g_test_add_func("/virtio-blk/long-chains", test_long_chains);
	g_test_add_func("/virtio-blk/long-chains-go-on", test_long_chains_go_on);
	g_test_add_func("/virtio-blk/limits", test_limits);
	g_test_add_func("/virtio-blk/limits-and-reset", test_limits_and_reset);
	return g_test_run();
}
