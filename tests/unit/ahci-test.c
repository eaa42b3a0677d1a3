/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahci-test.c - a SATA disk at its controller: what guests ask for, rightly and wrongly */
#include "ahci-world.h"

enum {
	READY = 0x50,
	FAILED = 0x51,
	ABRT = 0x04 << 8,
	IDNF = 0x10 << 8,
	UNC = 0x40 << 8,

	DSM = 0x06,
	READ_DMA = 0x25,
	READ_LOG = 0x2f,
	WRITE_DMA = 0x35,
	WRITE_DMA_FUA = 0x3d,
	SMART = 0xb0,
	READ_DMA_28 = 0xc8,
	STANDBY_IMMEDIATE = 0xe0,
	CHECK_POWER = 0xe5,
	FLUSH = 0xea,
	IDENTIFY = 0xec,
	SET_FEATURES = 0xef,
};

static const BlockConfig plain = { .name = "image", .discard = BLOCK_DISCARD_UNMAP };

static WorldCommand data_command(guint8 command, guint64 lba, guint16 count)
{
	return (WorldCommand){
		.command = command,
		.lba = lba,
		.count = count,
		.is_write = command == WRITE_DMA || command == WRITE_DMA_FUA,
		.pieces = { { WORLD_DATA, count * 512u } },
		.n_pieces = 1,
	};
}

static guint32 run_data(World *world, guint8 command, guint64 lba, guint16 count)
{
	const WorldCommand wanted = data_command(command, lba, count);

	return world_run(world, &wanted);
}

static guint32 run_plain(World *world, guint8 command, guint16 feature)
{
	const WorldCommand wanted = { .command = command, .feature = feature };

	return world_run(world, &wanted);
}

static void put_queued(guint slot, guint8 command, guint64 lba, guint8 device)
{
	const WorldCommand queued = {
		.command = command,
		.feature = 1,
		.count = (guint16)(slot << 3),
		.lba = lba,
		.device = device,
		.is_write = command == ATA_WRITE_FPDMA_QUEUED,
		.pieces = { { WORLD_DATA + slot * 512ull, 512 } },
		.n_pieces = 1,
	};

	world_put(slot, &queued);
}

static gboolean has(const guint8 *data, guint8 value, gsize size)
{
	for (gsize i = 0; i < size; i++)
		if (data[i] != value)
			return FALSE;
	return TRUE;
}

static void test_registers(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_CAP, 4), ==, 0xc1348000 | 31 << 8 | 5);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_PI, 4), ==, 0x3f);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_CAP + 1, 1), ==, 0x80 | 31);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_CAP + 3, 4), ==, 0);
	g_assert_cmphex(ahci_read(world.ahci, 0xffc, 4), ==, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_SIG), ==, ATA_SIGNATURE_DISK);
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD), ==, READY | 0x100);
	g_assert_cmphex(world_get(&world, AHCI_PX_CMD) & 0xffff, ==, 0xc017);
	/* What is no register's size goes nowhere. */
	ahci_write(world.ahci, AHCI_GHC, 1, AHCI_GHC_HR);
	ahci_write(world.ahci, AHCI_GHC + 2, 4, G_MAXUINT32);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_GHC, 4), ==, AHCI_GHC_AE | AHCI_GHC_IE);
	/* Nothing is at the other ports, and what is issued there stays so. */
	ahci_write(world.ahci, AHCI_PORT_BASE + AHCI_PX_CMD, 4, AHCI_CMD_FRE | AHCI_CMD_ST);
	ahci_write(world.ahci, AHCI_PORT_BASE + AHCI_PX_CI, 4, 3);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_PORT_BASE + AHCI_PX_CI, 4), ==, 3);
	g_assert_cmphex(ahci_read(world.ahci, AHCI_PORT_BASE + AHCI_PX_TFD, 4), ==, 0x7f);
	world_clear(&world);
}

static void test_identify(void)
{
	const WorldCommand identify = {
		.command = IDENTIFY,
		.pieces = { { WORLD_DATA, 100 }, { WORLD_DATA + 0x1000, 412 } },
		.n_pieces = 2,
	};
	const guint16 *words = world_address(WORLD_DATA);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmphex(world_run(&world, &identify), ==, READY);
	g_assert_cmpuint(world_count(), ==, 512);
	g_assert_cmphex(words[0], ==, 0x40);
	g_assert_cmpmem(&words[10], 8, "esirla  ", 8);
	g_assert_cmphex(world_get(&world, AHCI_PX_IS), ==, AHCI_INT_PSS);
	words = world_address(WORLD_DATA + 0x1000 - 100);
	g_assert_cmpuint(words[100], ==, WORLD_DISK_SIZE / 512);
	g_assert_cmphex(words[106], ==, 0x6003);
	g_assert_cmphex(words[169], ==, 1);
	world_clear(&world);
}

static void test_read_write(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	memset(world_address(WORLD_DATA), 0x5a, 8192);
	g_assert_cmphex(run_data(&world, WRITE_DMA, 8, 16), ==, READY);
	g_assert_cmpuint(world_count(), ==, 8192);
	g_assert_true(has(world.image->content + 4096, 0x5a, 8192));
	g_assert_cmpuint(world.image->content[4095] | world.image->content[12288], ==, 0);
	memset(world_address(WORLD_DATA), 0, 0x20000);
	g_assert_cmphex(run_data(&world, READ_DMA, 8, 16), ==, READY);
	g_assert_true(has(world_address(WORLD_DATA), 0x5a, 8192));
	/* So large that it goes to the guest before its end; and by 28 bits. */
	g_assert_cmphex(run_data(&world, READ_DMA, 8, 256), ==, READY);
	g_assert_true(has(world_address(WORLD_DATA), 0x5a, 8192));
	g_assert_true(has(world_address(WORLD_DATA + 8192), 0, 0x20000 - 8192));
	g_assert_cmphex(run_data(&world, READ_DMA_28, WORLD_DISK_SIZE / 512 - 1, 1), ==, READY);
	g_assert_cmphex(run_data(&world, READ_DMA_28, WORLD_DISK_SIZE / 512, 1), ==, FAILED | IDNF);
	world_clear(&world);
}

static void test_direct(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	world.thread.has_direct = TRUE;
	made_up_direct_size = 4096;
	world.image->n_faults = 1;
	memset(world_address(WORLD_DATA), 0x11, 0x20000);
	g_assert_cmphex(run_data(&world, WRITE_DMA, 0, 256), ==, READY);
	g_assert_true(has(world.image->content, 0x11, 0x20000));
	g_assert_cmphex(run_data(&world, READ_DMA, 4, 8), ==, READY);
	g_assert_cmpuint(world.image->n_direct, >, 1);
	g_assert_cmpuint(made_up_direct_uses, ==, 0);
	made_up_direct_size = 0;
	world_clear(&world);
}

static void test_queued(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	world_set(&world, AHCI_PX_IE, AHCI_INT_SDBS);
	world.image->holds = TRUE;
	for (guint slot = 0; slot < 32; slot++) {
		memset(world_address(WORLD_DATA + slot * 512), (int)slot + 1, 512);
		put_queued(slot, ATA_WRITE_FPDMA_QUEUED, slot, 0);
	}
	world_set(&world, AHCI_PX_SACT, G_MAXUINT32);
	world_issue(&world, G_MAXUINT32);
	g_assert_cmpuint(g_queue_get_length(&world.image->held), ==, 32);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, G_MAXUINT32);
	made_up_image_let_go(world.image);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0);
	g_assert_cmpuint(world.n_interrupts, ==, 1);
	for (guint slot = 0; slot < 32; slot++)
		g_assert_true(has(world.image->content + slot * 512, (guint8)(slot + 1), 512));
	world_clear(&world);
}

/* A command that is not queued waits for those that are, and they for it. */
static void test_not_mixed(void)
{
	const WorldCommand identify = {
		.command = IDENTIFY,
		.pieces = { { WORLD_DATA + 0x1000, 512 } },
		.n_pieces = 1,
	};
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	world.image->holds = TRUE;
	put_queued(0, ATA_READ_FPDMA_QUEUED, 0, 0);
	world_put(1, &identify);
	put_queued(2, ATA_READ_FPDMA_QUEUED, 0, 0);
	world_set(&world, AHCI_PX_SACT, 5);
	world_issue(&world, 7);
	g_assert_cmpuint(g_queue_get_length(&world.image->held), ==, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 6);
	made_up_image_let_go(world.image);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0);
	world_clear(&world);
}

static void test_errors(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, FAILED | UNC);
	g_assert_cmphex(world_get(&world, AHCI_PX_IS), ==, AHCI_INT_TFES | AHCI_INT_DHRS);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	g_assert_cmpuint(world.n_errors, ==, 1);
	/* Nothing is done until the guest has stopped the port. */
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, FAILED | UNC);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 1);
	world_restart(&world);
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, READY);
	g_assert_cmphex(run_plain(&world, 0xf1, 0), ==, FAILED | ABRT);
	world_clear(&world);
}

static void test_queued_error(void)
{
	const WorldCommand log = {
		.command = READ_LOG,
		.lba = 0x10,
		.count = 1,
		.pieces = { { WORLD_DATA, 512 } },
		.n_pieces = 1,
	};
	const guint8 *data = world_address(WORLD_DATA);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	world.image->error = EIO;
	world.image->n_errors = 1;
	put_queued(5, ATA_READ_FPDMA_QUEUED, 77, 0);
	put_queued(6, ATA_READ_FPDMA_QUEUED, 78, 0);
	world_set(&world, AHCI_PX_SACT, 0x60);
	world_issue(&world, 0x60);
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD), ==, FAILED | UNC);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0x60);
	world_restart(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0);
	g_assert_cmphex(world_run(&world, &log), ==, READY);
	g_assert_cmpuint(data[0], ==, 5);
	g_assert_cmpuint(data[3], ==, UNC >> 8);
	g_assert_cmpuint(data[4], ==, 77);
	world_clear(&world);
}

static void test_policies(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_STOP);
	world.image->error = ENOSPC;
	world.image->n_errors = 1;
	memset(world_address(WORLD_DATA), 0x22, 512);
	(void)run_data(&world, WRITE_DMA, 3, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	g_assert_cmpint(world.last_error.action, ==, DISK_ERROR_STOP);
	ahci_pause(world.ahci);
	ahci_resume(world.ahci);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD), ==, READY);
	g_assert_true(has(world.image->content + 3 * 512, 0x22, 512));
	/* What the machine has stopped with is gone with a reset. */
	world.image->n_errors = 1;
	(void)run_data(&world, WRITE_DMA, 4, 1);
	ahci_pause(world.ahci);
	ahci_reset(world.ahci);
	ahci_resume(world.ahci);
	world_start(&world);
	g_assert_true(has(world.image->content + 4 * 512, 0, 512));
	g_assert_cmphex(run_data(&world, READ_DMA, 3, 1), ==, READY);
	world_clear(&world);

	world_init_disk(&world, &plain, DISK_POLICY_IGNORE);
	memset(world_address(WORLD_DATA), 0x22, 512);
	world.image->n_errors = 1;
	world.image->error = EIO;
	g_assert_cmphex(run_data(&world, READ_DMA, 4, 1), ==, READY);
	g_assert_true(has(world_address(WORLD_DATA), 0, 512));
	world_clear(&world);
}

static void test_memory_that_is_none(void)
{
	const DmaPiece bad[] = {
		{ 0x80000000, 512 },
		{ MADE_UP_RAM + MADE_UP_RAM_SIZE - 256, 512 },
		{ G_MAXUINT64 - 255, 512 },
		{ 0, 512 },
	};
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	for (guint i = 0; i < G_N_ELEMENTS(bad) * 2; i++) {
		WorldCommand command = data_command(i & 1 ? WRITE_DMA : READ_DMA, 0, 1);

		command.pieces[0] = bad[i / 2];
		(void)world_run(&world, &command);
		g_assert_cmphex(world_get(&world, AHCI_PX_IS), ==, AHCI_INT_HBFS);
		g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
		world_restart(&world);
	}
	/* A list, and a table. */
	for (guint i = 0; i < 2; i++) {
		const WorldCommand command = data_command(READ_DMA, 0, 1);

		world_put(0, &command);
		if (i == 0)
			((guint32 *)world_address(WORLD_LIST))[3] = G_MAXUINT32;
		else
			world_set(&world, AHCI_PX_CLBU, G_MAXUINT32);
		world_issue(&world, 1);
		g_assert_cmphex(world_get(&world, AHCI_PX_IS), ==, AHCI_INT_HBFS);
		world_restart(&world);
	}
	world_set(&world, AHCI_PX_CLBU, 0);
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, READY);
	/* As many pieces as there can be, most of them no memory. */
	((guint32 *)world_address(WORLD_LIST))[0] |= 0xffff0000;
	world_issue(&world, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_IS) & AHCI_INT_HBFS, ==, AHCI_INT_HBFS);
	world_clear(&world);
}

static void test_too_little_memory(void)
{
	WorldCommand command = data_command(READ_DMA, 0, 2);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	command.pieces[0].size = 1022;
	g_assert_cmphex(world_run(&world, &command), ==, FAILED | ABRT);
	g_assert_true(world_get(&world, AHCI_PX_IS) & AHCI_INT_OFS);
	world_restart(&world);
	command.n_pieces = 0;
	g_assert_cmphex(world_run(&world, &command), ==, FAILED | ABRT);
	world_clear(&world);
}

static void test_trim(void)
{
	guint64 *ranges = world_address(WORLD_DATA);
	WorldCommand command = data_command(DSM, 0, 1);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	command.feature = 1;
	ranges[0] = 4 | 2ull << 48;
	ranges[7] = 9 | 1ull << 48;
	g_assert_cmphex(world_run(&world, &command), ==, READY);
	g_assert_cmpuint(world.image->counts[BLOCK_DISCARD], ==, 2);
	/* One that is not on the disk: none is done. */
	ranges[63] = (WORLD_DISK_SIZE / 512 - 1) | 2ull << 48;
	g_assert_cmphex(world_run(&world, &command), ==, FAILED | IDNF);
	g_assert_cmpuint(world.image->counts[BLOCK_DISCARD], ==, 2);
	world_restart(&world);
	command.count = 9;
	g_assert_cmphex(world_run(&world, &command), ==, FAILED | ABRT);
	world_clear(&world);
}

static void test_flushes(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmphex(run_plain(&world, FLUSH, 0), ==, READY);
	g_assert_cmphex(run_data(&world, WRITE_DMA_FUA, 0, 1), ==, READY);
	g_assert_cmphex(run_plain(&world, STANDBY_IMMEDIATE, 0), ==, READY);
	g_assert_cmpuint(world.image->counts[BLOCK_FLUSH], ==, 3);
	g_assert_cmphex(run_plain(&world, CHECK_POWER, 0), ==, READY);
	g_assert_cmpuint(((guint8 *)world_address(WORLD_RECEIVED))[AHCI_FIS_D2H + 12], ==, 0);
	/* Without a cache each write is on the disk, until the drive is reset. */
	g_assert_cmphex(run_plain(&world, SET_FEATURES, 0x82), ==, READY);
	g_assert_cmpuint(world.image->n_through, ==, 0);
	g_assert_cmphex(run_data(&world, WRITE_DMA, 0, 1), ==, READY);
	g_assert_cmpuint(world.image->n_through, ==, 1);
	ahci_write(world.ahci, AHCI_GHC, 4, AHCI_GHC_HR);
	world_start(&world);
	g_assert_cmphex(run_data(&world, WRITE_DMA, 0, 1), ==, READY);
	g_assert_cmpuint(world.image->n_through, ==, 1);
	world_clear(&world);
}

static void test_smart(void)
{
	WorldCommand status = { .command = SMART, .feature = 0xda, .lba = 0xc24f00 };
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmphex(world_run(&world, &status), ==, READY);
	g_assert_cmpmem((guint8 *)world_address(WORLD_RECEIVED) + AHCI_FIS_D2H + 5, 2, "\x4f\xc2",
			2);
	status.lba = 0;
	g_assert_cmphex(world_run(&world, &status), ==, FAILED | ABRT);
	world_clear(&world);
}

static void test_resets(void)
{
	const WorldCommand halves[] = { { .control = FIS_CONTROL_SRST }, { .control = 0x80 } };
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	for (guint i = 0; i < 2; i++) {
		(void)world_run(&world, &halves[i]);
		g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 0);
	}
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD), ==, READY | 0x100);
	world_set(&world, AHCI_PX_SCTL, AHCI_SCTL_RESET);
	g_assert_cmphex(world_get(&world, AHCI_PX_SSTS), ==, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_CMD) & AHCI_CMD_CR, ==, 0);
	world_set(&world, AHCI_PX_SCTL, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_SSTS), ==, AHCI_SSTS_UP);
	g_assert_true(world_get(&world, AHCI_PX_IS) & AHCI_INT_PCS);
	world_start(&world);
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, READY);
	world_clear(&world);
}

/* A server that does not answer does not hold a reset. */
static void test_reset_of_hung(void)
{
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	made_up_image_hang(world.image);
	put_queued(0, ATA_READ_FPDMA_QUEUED, 0, 0);
	world_set(&world, AHCI_PX_SACT, 1);
	world_issue(&world, 1);
	g_assert_cmpuint(g_queue_get_length(&world.image->held), ==, 1);
	ahci_reset(world.ahci);
	g_assert_cmpuint(world.image->n_given_up, ==, 1);
	world_clear(&world);
}

/* A guest that stops the port, or takes the bus away, waits for what is in flight. */
static void test_stop_in_the_middle(void)
{
	const WorldCommand command = data_command(WRITE_DMA, 0, 1);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	ahci_set_master(world.ahci, FALSE);
	world_put(0, &command);
	world_issue(&world, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 0);
	ahci_set_master(world.ahci, TRUE);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 0);
	/* Begun, and neither finished nor told. */
	world_set(&world, AHCI_PX_CI, 1);
	g_main_context_iteration(world.thread.context, FALSE);
	g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 2);
	world_set(&world, AHCI_PX_CMD, 0);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI) | (world_get(&world, AHCI_PX_CMD) & 0xc000),
			==, 0);
	world_start(&world);
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, READY);
	world_clear(&world);
}

/* What was issued and has not begun does not begin any more, however fast the I/O thread is. */
static void test_reset_of_issued(void)
{
	const WorldCommand command = data_command(WRITE_DMA, 0, 1);
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	for (guint i = 0; i < 2; i++) {
		world.image->counts[BLOCK_WRITE] = 0;
		world_put(0, &command);
		world_put(1, &command);
		world_set(&world, AHCI_PX_CI, 3);
		g_main_context_iteration(world.thread.context, FALSE);
		g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 1);
		world.thread.is_eager = TRUE;
		if (i == 0)
			world_set(&world, AHCI_PX_SCTL, AHCI_SCTL_RESET);
		else
			ahci_write(world.ahci, AHCI_GHC, 4, AHCI_GHC_HR);
		world.thread.is_eager = FALSE;
		g_assert_cmpuint(world.image->counts[BLOCK_WRITE], ==, 1);
		world_set(&world, AHCI_PX_SCTL, 0);
		world_start(&world);
	}
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, READY);
	world_clear(&world);
}

/* So little that of any number of reads the first alone is done while a test looks. */
static const ThrottleConfig one_a_day = {
	.limits[THROTTLE_OPERATIONS_READ] = { .average = 1 },
	.operation_size = 1,
};

static void begin_limited(World *world)
{
	world_init_disk(world, &plain, DISK_POLICY_REPORT);
	disk_queue_set_limits(world->queue, &one_a_day);
	for (guint slot = 0; slot < 5; slot++)
		put_queued(slot, slot < 4 ? ATA_READ_FPDMA_QUEUED : ATA_WRITE_FPDMA_QUEUED, slot,
			   0);
	world_set(world, AHCI_PX_SACT, 0x1f);
	world_issue(world, 0x1f);
	g_assert_cmpuint(world->image->counts[BLOCK_READ], ==, 1);
	g_assert_cmpuint(world->image->counts[BLOCK_WRITE], ==, 1);
	g_assert_cmphex(world_get(world, AHCI_PX_SACT), ==, 0xe);
}

/* Limits that go let everybody go; a pause in between does not wait for them. */
static void test_limits(void)
{
	const ThrottleConfig none = { 0 };
	World world;

	begin_limited(&world);
	ahci_pause(world.ahci);
	disk_queue_set_limits(world.queue, &none);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0xe);
	ahci_resume(world.ahci);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_SACT), ==, 0);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 4);
	world_clear(&world);
}

/* A reset does not do what was held back, so that it is no way past a limit; a flush goes on. */
static void test_limits_and_reset(void)
{
	const ThrottleConfig none = { 0 };
	const WorldCommand read = data_command(READ_DMA, 0, 1);
	World world;

	begin_limited(&world);
	world_set(&world, AHCI_PX_CMD, 0);
	world_start(&world);
	g_assert_cmphex(run_plain(&world, FLUSH, 0), ==, READY);
	world_put(0, &read);
	world_issue(&world, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 1);
	disk_queue_set_limits(world.queue, &none);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 0);
	g_assert_cmpuint(world.image->counts[BLOCK_READ], ==, 2);
	world_clear(&world);
}

static guint64 poll_size(BlockBackend *backend)
{
	return backend->limits.size / 2;
}

/* The guest finds the image's size when it looks. */
static void test_size(void)
{
	const WorldCommand identify = {
		.command = IDENTIFY,
		.pieces = { { WORLD_DATA, 512 } },
		.n_pieces = 1,
	};
	const guint16 *words = world_address(WORLD_DATA);
	const guint32 blocks = WORLD_DISK_SIZE / 2 / 512;
	BlockOperations operations;
	World world;

	world_init_disk(&world, &plain, DISK_POLICY_REPORT);
	operations = *world.image->backend.operations;
	operations.poll_size = poll_size;
	world.image->backend.operations = &operations;
	g_assert_cmphex(run_data(&world, READ_DMA, blocks, 1), ==, READY);
	g_assert_cmpuint(disk_queue_poll_size(world.queue), ==, WORLD_DISK_SIZE / 2);
	g_assert_cmphex(world_run(&world, &identify), ==, READY);
	g_assert_cmpuint(words[100] | words[101] << 16, ==, blocks);
	g_assert_cmphex(run_data(&world, READ_DMA, blocks - 1, 1), ==, READY);
	g_assert_cmphex(run_data(&world, READ_DMA, blocks, 1), ==, FAILED | IDNF);
	world_clear(&world);
}

/* CD-ROM drives */

static guint32 run_packet(World *world, const guint8 packet[ATA_PACKET_SIZE], guint32 size)
{
	WorldCommand command = {
		.command = 0xa0,
		.feature = 1,
		.pieces = { { WORLD_DATA, size } },
		.n_pieces = size > 0,
	};
	guint32 result;

	memcpy(command.packet, packet, ATA_PACKET_SIZE);
	result = world_run(world, &command);
	if (result & ATA_STATUS_ERR)
		world_restart(world);
	return result;
}

/* Key, code and qualifier, as they are written. */
static guint32 get_sense(World *world)
{
	const guint8 packet[ATA_PACKET_SIZE] = { 0x03, 0, 0, 0, 18 };
	const guint8 *sense = world_address(WORLD_DATA);

	g_assert_cmphex(run_packet(world, packet, 18), ==, READY);
	return (guint32)sense[2] << 16 | sense[12] << 8 | sense[13];
}

static void test_cdrom(void)
{
	const guint8 read[ATA_PACKET_SIZE] = { 0x28, 0, 0, 0, 0, 2, 0, 0, 3 };
	const guint8 read_beyond[ATA_PACKET_SIZE] = { 0x28, 0, 0, 0, 8, 0, 0, 0, 1 };
	const guint8 read_much[ATA_PACKET_SIZE] = { 0x28, 0, 0, 0, 0, 0, 0, 1, 0 };
	const guint8 unknown[ATA_PACKET_SIZE] = { 0xff };
	World world;

	world_init_cdrom(&world, &plain, DISK_POLICY_REPORT);
	g_assert_cmphex(world_get(&world, AHCI_PX_SIG), ==, ATA_SIGNATURE_PACKET);
	memset(world.image->content + 2 * 2048, 0x33, 3 * 2048);
	g_assert_cmphex(run_packet(&world, read, 3 * 2048), ==, READY);
	g_assert_cmpuint(world_count(), ==, 3 * 2048);
	g_assert_true(has(world_address(WORLD_DATA), 0x33, 3 * 2048));
	g_assert_cmphex(get_sense(&world), ==, 0);
	g_assert_cmphex(run_packet(&world, read_beyond, 2048), ==, FAILED | 0x5400);
	g_assert_cmphex(get_sense(&world), ==, 0x052100);
	g_assert_cmphex(get_sense(&world), ==, 0);
	g_assert_cmphex(run_packet(&world, unknown, 0), ==, FAILED | 0x5400);
	g_assert_cmphex(get_sense(&world), ==, 0x052000);
	g_assert_cmphex(run_packet(&world, read_much, 2048) & 0xff, ==, FAILED);
	g_assert_cmphex(get_sense(&world), ==, 0x052400);
	world.image->error = EIO;
	world.image->n_errors = 1;
	g_assert_cmphex(run_packet(&world, read, 3 * 2048), ==, FAILED | 0x3400);
	g_assert_cmphex(get_sense(&world), ==, 0x031100);
	g_assert_cmphex(run_data(&world, READ_DMA, 0, 1), ==, FAILED | ABRT);
	world_clear(&world);
}

static void test_media(void)
{
	const guint8 ready[ATA_PACKET_SIZE] = { 0x00 };
	const guint8 eject[ATA_PACKET_SIZE] = { 0x1b, 0, 0, 0, 2 };
	const guint8 lock[ATA_PACKET_SIZE] = { 0x1e, 0, 0, 0, 1 };
	const guint8 read[ATA_PACKET_SIZE] = { 0x28, 0, 0, 0, 0, 0, 0, 0, 1 };
	World world;

	world_init_cdrom(&world, NULL, DISK_POLICY_STOP);
	g_assert_cmphex(run_packet(&world, ready, 0), ==, FAILED | 0x2400);
	g_assert_cmphex(get_sense(&world), ==, 0x023a01);
	world_change(&world, &plain);
	g_assert_cmphex(run_packet(&world, ready, 0), ==, FAILED | 0x6400);
	g_assert_cmphex(run_packet(&world, ready, 0), ==, READY);
	g_assert_cmphex(run_packet(&world, eject, 0), ==, READY);
	g_assert_cmpuint(world.n_tray_moves, ==, 1);
	g_assert_true(ata_cdrom_is_open(ahci_drive(world.ahci, WORLD_PORT)));
	g_assert_cmphex(run_packet(&world, read, 2048), ==, FAILED | 0x2400);
	world_change(&world, &plain);
	g_assert_cmphex(run_packet(&world, lock, 0), ==, FAILED | 0x6400);
	g_assert_cmphex(run_packet(&world, lock, 0), ==, READY);
	g_assert_cmphex(run_packet(&world, eject, 0), ==, FAILED | 0x5400);
	/* What waits for the machine fails with its medium. */
	world.image->error = EIO;
	world.image->n_errors = 1;
	(void)run_packet(&world, read, 2048);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	ahci_pause(world.ahci);
	world_change(&world, NULL);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_CI), ==, 1);
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD) & ATA_STATUS_ERR, ==, 0);
	ahci_resume(world.ahci);
	world_settle(&world);
	g_assert_cmphex(world_get(&world, AHCI_PX_TFD), ==, FAILED | 0x3400);
	world_restart(&world);
	g_assert_cmphex(run_packet(&world, read, 2048), ==, FAILED | 0x2400);
	g_assert_cmphex(get_sense(&world), ==, 0x023a02);
	world_clear(&world);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ahci/registers", test_registers);
	g_test_add_func("/ahci/identify", test_identify);
	g_test_add_func("/ahci/read-write", test_read_write);
	g_test_add_func("/ahci/direct", test_direct);
	g_test_add_func("/ahci/queued", test_queued);
	g_test_add_func("/ahci/not-mixed", test_not_mixed);
	g_test_add_func("/ahci/errors", test_errors);
	g_test_add_func("/ahci/queued-error", test_queued_error);
	g_test_add_func("/ahci/policies", test_policies);
	g_test_add_func("/ahci/memory-that-is-none", test_memory_that_is_none);
	g_test_add_func("/ahci/too-little-memory", test_too_little_memory);
	g_test_add_func("/ahci/trim", test_trim);
	g_test_add_func("/ahci/flushes", test_flushes);
	g_test_add_func("/ahci/smart", test_smart);
	g_test_add_func("/ahci/resets", test_resets);
	g_test_add_func("/ahci/reset-of-hung", test_reset_of_hung);
	g_test_add_func("/ahci/stop-in-the-middle", test_stop_in_the_middle);
	g_test_add_func("/ahci/reset-of-issued", test_reset_of_issued);
	g_test_add_func("/ahci/limits", test_limits);
	g_test_add_func("/ahci/limits-and-reset", test_limits_and_reset);
	g_test_add_func("/ahci/size", test_size);
	g_test_add_func("/ahci/cdrom", test_cdrom);
	g_test_add_func("/ahci/media", test_media);
	return g_test_run();
}
