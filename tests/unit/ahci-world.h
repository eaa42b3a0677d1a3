/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci-world.h - an AHCI controller with a guest, an image and an I/O thread that are made up
 *
 * Everything is one thread's, which is the I/O thread and the guest's. Guest memory is an array
 * (made-up-memory.h), and so is the image (made-up-image.h). The guest's driver has a command list,
 * 32 tables and received FISes at the beginning of it, and data behind them.
 */
#pragma once

#include "made-up-image.h"
#include "made-up-memory.h"
#include "vmm/ata/ahci-registers.h"
#include "vmm/ata/ahci.h"
#include "vmm/ata/cdrom.h"
#include "vmm/ata/disk.h"

#define WORLD_LIST	  MADE_UP_RAM
#define WORLD_RECEIVED	  (MADE_UP_RAM + 0x1000ull)
#define WORLD_TABLES	  (MADE_UP_RAM + 0x2000ull)
#define WORLD_TABLE_SIZE  0x400u
#define WORLD_TABLE(slot) (WORLD_TABLES + (slot)*WORLD_TABLE_SIZE)
#define WORLD_DATA	  (MADE_UP_RAM + 0x10000ull)
#define WORLD_DATA_SIZE	  0x30000u
#define WORLD_PORT	  2u
#define WORLD_PRDS	  8u

/* The I/O thread */

struct IoThread {
	GMainContext *context;
	gboolean has_direct;
	gboolean is_eager; /* it goes on before who has called it does */
};

GMainContext *io_thread_context(IoThread *thread)
{
	return thread->context;
}

DmaChannel *io_thread_dma(IoThread *thread G_GNUC_UNUSED)
{
	return NULL;
}

DirectMemory *io_thread_direct(const IoThread *thread)
{
	return thread->has_direct ? (DirectMemory *)thread : NULL;
}

void io_thread_call(IoThread *thread, void (*function)(void *opaque), void *opaque)
{
	function(opaque);
	while (thread->is_eager && g_main_context_iteration(thread->context, FALSE))
		;
}

IoThread *io_thread_ref(IoThread *thread)
{
	return thread;
}

void io_thread_unref(IoThread *thread G_GNUC_UNUSED)
{
}

/* All together */

typedef struct {
	IoThread thread;
	Ahci *ahci;
	MadeUpImage *image; /* NULL: none */
	DiskQueue *queue;
	Staging *staging;
	DiskError last_error;
	guint n_errors;
	guint n_interrupts;
	guint n_tray_moves;
} World;

static inline void *world_address(guint64 gpa)
{
	return made_up_address(gpa, 0);
}

static inline void world_interrupt(void *opaque)
{
	((World *)opaque)->n_interrupts++;
}

static inline void world_failed(void *opaque, const DiskError *error)
{
	World *world = opaque;

	world->last_error = *error;
	world->n_errors++;
}

/* Registers of the port. */
static inline guint32 world_get(const World *world, guint offset)
{
	return (guint32)ahci_read(world->ahci,
				  AHCI_PORT_BASE + WORLD_PORT * AHCI_PORT_SIZE + offset, 4);
}

static inline void world_set(const World *world, guint offset, guint32 value)
{
	ahci_write(world->ahci, AHCI_PORT_BASE + WORLD_PORT * AHCI_PORT_SIZE + offset, 4, value);
}

/* Lets the thread do what there is to do now. */
static inline void world_settle(World *world)
{
	while (g_main_context_iteration(world->thread.context, FALSE))
		;
	g_main_context_iteration(world->thread.context, FALSE);
}

static inline void world_start(World *world)
{
	memset(world_address(WORLD_LIST), 0, WORLD_DATA - WORLD_LIST);
	world_set(world, AHCI_PX_CLB, WORLD_LIST);
	world_set(world, AHCI_PX_CLBU, 0);
	world_set(world, AHCI_PX_FB, WORLD_RECEIVED);
	world_set(world, AHCI_PX_FBU, 0);
	world_set(world, AHCI_PX_CMD, AHCI_CMD_FRE);
	world_settle(world);
	world_set(world, AHCI_PX_SERR, G_MAXUINT32);
	world_set(world, AHCI_PX_IS, G_MAXUINT32);
	world_set(world, AHCI_PX_CMD, AHCI_CMD_FRE | AHCI_CMD_ST);
}

/* As a driver does after an error. */
static inline void world_restart(World *world)
{
	world_set(world, AHCI_PX_CMD, AHCI_CMD_FRE);
	world_set(world, AHCI_PX_IS, G_MAXUINT32);
	world_set(world, AHCI_PX_CMD, AHCI_CMD_FRE | AHCI_CMD_ST);
}

static inline void world_init_queue(World *world, DiskErrorPolicy policy)
{
	const DiskErrorHandler errors = {
		.id = "sata0-0-0",
		.read_policy = policy,
		.write_policy = policy,
		.failed = world_failed,
		.opaque = world,
	};
	g_autoptr(GError) error = NULL;

	*world = (World){ 0 };
	memset(made_up_ram, 0, sizeof(made_up_ram));
	world->thread.context = g_main_context_new();
	world->staging = staging_new(WORLD_STAGING, &error);
	g_assert_no_error(error);
	world->queue = disk_queue_new(&world->thread, NULL, world->staging, &errors);
	world->ahci = ahci_new(world_interrupt, world);
}

static inline void world_set_image(World *world, const BlockConfig *image)
{
	world->image = made_up_image_new(image);
	disk_queue_set_backend(world->queue, &world->image->backend);
}

static inline void world_plug(World *world, AtaDrive *drive)
{
	ahci_plug(world->ahci, WORLD_PORT, drive, &world->thread);
	ahci_set_master(world->ahci, TRUE);
	ahci_write(world->ahci, AHCI_GHC, 4, AHCI_GHC_AE | AHCI_GHC_IE);
	world_start(world);
}

static inline void world_init_disk(World *world, const BlockConfig *image, DiskErrorPolicy policy)
{
	AtaDiskConfig config = { .serial = "serial", .model = "model", .has_write_cache = TRUE };

	world_init_queue(world, policy);
	world_set_image(world, image);
	config.queue = world->queue;
	world_plug(world, ata_disk_new(&config));
}

static inline void world_tray_moved(void *opaque)
{
	((World *)opaque)->n_tray_moves++;
}

static inline void world_init_cdrom(World *world, const BlockConfig *image, DiskErrorPolicy policy)
{
	AtaCdromConfig config = {
		.serial = "serial",
		.model = "model",
		.tray_moved = world_tray_moved,
		.opaque = world,
	};

	world_init_queue(world, policy);
	if (image)
		world_set_image(world, image);
	config.queue = world->queue;
	world_plug(world, ata_cdrom_new(&config));
}

static inline void world_change_medium(void *opaque)
{
	World *world = opaque;

	ata_cdrom_change(ahci_drive(world->ahci, WORLD_PORT), (BlockBackend *)world->image);
}

/* Another medium, or none. What the one before holds has to be let go. */
static inline void world_change(World *world, const BlockConfig *image)
{
	world->image = image ? made_up_image_new(image) : NULL;
	ahci_call_drive(world->ahci, WORLD_PORT, world_change_medium, world);
}

static inline void world_clear(World *world)
{
	ahci_free(world->ahci);
	staging_free(world->staging);
	g_main_context_unref(world->thread.context);
}

/* The guest's driver */

typedef struct {
	guint8 command;
	guint8 device; /* besides LBA mode */
	guint16 feature;
	guint16 count;
	guint64 lba;
	gboolean is_write;
	guint8 control; /* not 0: no command, but this */
	guint8 packet[ATA_PACKET_SIZE];
	DmaPiece pieces[WORLD_PRDS];
	guint n_pieces;
} WorldCommand;

static inline void world_put(guint slot, const WorldCommand *command)
{
	guint8 *table = world_address(WORLD_TABLE(slot));
	guint32 *header = world_address(WORLD_LIST + slot * AHCI_HEADER_SIZE);
	guint32 *prd = (guint32 *)(void *)(table + AHCI_TABLE_PRDT);

	memset(table, 0, WORLD_TABLE_SIZE);
	table[0] = FIS_H2D;
	table[1] = command->control ? 0 : FIS_IS_COMMAND;
	table[2] = command->command;
	table[3] = (guint8)command->feature;
	table[7] = command->device | 0x40;
	table[11] = (guint8)(command->feature >> 8);
	table[12] = (guint8)command->count;
	table[13] = (guint8)(command->count >> 8);
	table[15] = command->control & FIS_CONTROL_SRST;
	for (guint i = 0; i < 3; i++) {
		table[4 + i] = (guint8)(command->lba >> i * 8);
		table[8 + i] = (guint8)(command->lba >> (24 + i * 8));
	}
	memcpy(table + AHCI_TABLE_PACKET, command->packet, ATA_PACKET_SIZE);
	for (guint i = 0; i < command->n_pieces; i++, prd += 4) {
		prd[0] = (guint32)command->pieces[i].gpa;
		prd[1] = (guint32)(command->pieces[i].gpa >> 32);
		prd[3] = (guint32)(command->pieces[i].size - 1);
	}
	header[0] = 5 | command->is_write << 6 | command->n_pieces << AHCI_HEADER_PRDTL;
	header[1] = 0;
	header[2] = (guint32)WORLD_TABLE(slot);
	header[3] = 0;
}

static inline void world_issue(World *world, guint32 slots)
{
	world_set(world, AHCI_PX_CI, slots);
	world_settle(world);
}

/* Has slot 0 done. Return: the task file: its status, and the error above it. */
static inline guint32 world_run(World *world, const WorldCommand *command)
{
	world_put(0, command);
	world_issue(world, 1);
	return world_get(world, AHCI_PX_TFD);
}

/* Bytes that slot 0 has carried. */
static inline guint32 world_count(void)
{
	return ((guint32 *)world_address(WORLD_LIST))[1];
}
