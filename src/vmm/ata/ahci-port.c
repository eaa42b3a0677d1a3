/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahci-port.c - one port of the controller, and what it does with the guest's command list */
#include "vmm/ata/ahci-port.h"

#include <glib/gi18n.h>
#include <string.h>

#include "vmm/ata/ahci-registers.h"
#include "vmm/backend/before-sleep.h"
#include "vmm/log.h"
#include "vmm/memory/dma-pieces.h"

/* What of a command table is read with those of others. */
#define FIRST_PRDS 8u
#define TABLE_SIZE (AHCI_TABLE_PRDT + FIRST_PRDS * AHCI_PRD_SIZE)

/* Of other PRDs, read so many at a time. */
#define MORE_PRDS 256u

/* Pieces of memory that commands may have together, unless it is one alone. */
#define PIECES_MAX 16384u

/* Data, counts and FISes that go back in one transfer; one command's are never more. */
#define GATHER_SIZE  (128u << 10)
#define REPLY_MAX    (64u << 10)

#define COUNT_OFFSET 4u /* of PRDBC in a header */

typedef struct {
	GSource source;
	AhciPort *port;
} KickSource;

struct AhciPort {
	AtaDrive *drive;
	IoThread *thread;
	AhciPortRegisters *registers;
	GMutex *lock;
	void (*changed)(void *opaque);
	void *opaque;
	GSource *kicks;
	GSource *finisher;

	/* The I/O thread's. */
	guint still; /* AhciStill bits */
	guint n_drains;
	gboolean is_halted;    /* by an error, until the guest stops the port */
	gboolean is_resetting; /* between both halves of a software reset */
	AtaCommand *commands[AHCI_SLOTS];
	guint n_commands;
	guint n_queued;
	guint n_pieces;
	guint last_slot;
	GQueue done; /* of AtaCommand: those that have ended, and the guest does not know yet */
	guint8 *tables;
	GArray *pieces; /* of a transfer, while it is put together */
	guint8 *gathered;
	gsize n_gathered;
};

/* What the guest has given with one slot. */
typedef struct {
	guint slot;
	guint64 gpa;
	guint8 header[AHCI_HEADER_SIZE];
	const guint8 *table;
} Issued;

static LogLimit error_limit;

static DmaChannel *dma_of(const AhciPort *port)
{
	return disk_queue_dma(port->drive->queue);
}

static guint32 get32(const guint8 *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (guint32)bytes[3] << 24;
}

static guint64 get64(const guint8 *bytes)
{
	return get32(bytes) | (guint64)get32(bytes + 4) << 32;
}

static void put32(guint8 *bytes, guint32 value)
{
	for (guint i = 0; i < 4; i++)
		bytes[i] = (guint8)(value >> i * 8);
}

/* Registers */

guint32 ahci_port_status(const AhciPortRegisters *registers)
{
	guint32 status = registers->is & ~AHCI_INT_DERIVED;

	if (registers->serr & AHCI_SERR_DIAG_X)
		status |= AHCI_INT_PCS;
	if (registers->serr & AHCI_SERR_DIAG_N)
		status |= AHCI_INT_PRCS;
	if (registers->serr & AHCI_SERR_DIAG_F)
		status |= AHCI_INT_UFS;
	return status;
}

gboolean ahci_port_is_interrupting(const AhciPortRegisters *registers)
{
	return (ahci_port_status(registers) & registers->ie) != 0;
}

static void raise_status(AhciPort *port, guint32 bits)
{
	g_mutex_lock(port->lock);
	port->registers->is |= bits;
	g_mutex_unlock(port->lock);
	port->changed(port->opaque);
}

/* The controller cannot reach what the guest has named: section 6.1.2. */
static void halt(AhciPort *port)
{
	port->is_halted = TRUE;
	log_limited(&error_limit, "ahci", _("the guest has named memory to its disk that is none"));
	raise_status(port, AHCI_INT_HBFS);
}

/* Commands */

static void free_command(AtaCommand *command)
{
	AhciPort *port = command->port;

	port->commands[command->slot] = NULL;
	port->n_commands--;
	port->n_queued -= command->is_queued;
	port->n_pieces -= command->n_pieces;
	disk_transfer_clear(&command->transfer);
	g_free(command->pieces);
	g_free(command->reply);
	g_free(command->parameters);
	g_free(command);
}

/* Without the lock: another drive may have waited for staging memory, and goes on at once. */
static void free_commands(GQueue *commands)
{
	GList *link;

	while ((link = g_queue_pop_head_link(commands)))
		free_command(link->data);
}

void ata_command_end(AtaCommand *command, guint8 status, guint8 error)
{
	AhciPort *port = command->port;

	command->status = status;
	command->error = error;
	command->link = (GList){ .data = command };
	g_queue_push_tail_link(&port->done, &command->link);
}

void ata_command_abort(AtaCommand *command)
{
	ata_command_end(command, ATA_STATUS_READY | ATA_STATUS_ERR, ATA_ERROR_ABRT);
}

void ata_command_lose(AtaCommand *command)
{
	command->is_lost = TRUE;
	ata_command_end(command, 0, 0);
}

gboolean ata_command_take(AtaCommand *command, void *data, gsize size)
{
	g_autofree DmaPiece *slice = g_new(DmaPiece, command->n_pieces + 1);
	const guint count = dma_pieces_slice(command->pieces, command->n_pieces, 0, size, slice);

	if (command->room < size) {
		command->is_overflow = TRUE;
		ata_command_abort(command);
		return FALSE;
	}
	if (!dma_channel_read(dma_of(command->port), slice, count, data, NULL)) {
		ata_command_lose(command);
		return FALSE;
	}
	command->done = size;
	return TRUE;
}

void ata_command_reply(AtaCommand *command, const void *data, gsize size)
{
	g_assert(size <= REPLY_MAX && !command->reply);
	command->is_overflow = command->room < size;
	command->reply_size = MIN(command->room, size);
	command->reply = g_memdup2(data, command->reply_size);
	command->done = command->reply_size;
}

void ata_command_transfer(AtaCommand *command, DiskQueue *queue, BlockOperation operation,
			  guint64 offset, guint64 size,
			  void (*end)(DiskTransfer *transfer, DiskTransferEnd how))
{
	const gboolean has_data = operation == BLOCK_READ || operation == BLOCK_WRITE;

	if (has_data && command->room < size) {
		command->is_overflow = TRUE;
		ata_command_abort(command);
		return;
	}
	if (has_data)
		command->done = size;
	command->transfer.operation = operation;
	command->transfer.offset = offset;
	command->transfer.size = size;
	command->transfer.pieces = command->pieces;
	command->transfer.n_pieces = command->n_pieces;
	command->transfer.end = end;
	command->transfer.opaque = command;
	disk_queue_submit(queue, &command->transfer);
}

void ata_put_text(guint8 *words, const char *text, gsize size)
{
	const gsize length = strlen(text);

	for (gsize i = 0; i < size; i++)
		words[i ^ 1] = i < length ? (guint8)text[i] : ' ';
}

/* The way back */

static void gather(AhciPort *port, const DmaPiece *pieces, guint count, const void *data,
		   gsize size)
{
	g_array_append_vals(port->pieces, pieces, count);
	memcpy(port->gathered + port->n_gathered, data, size);
	port->n_gathered += size;
}

static void gather_at(AhciPort *port, guint64 gpa, const void *data, gsize size)
{
	const DmaPiece piece = { gpa, size };

	gather(port, &piece, 1, data, size);
}

static void gather_slice(AhciPort *port, const AtaCommand *command, guint64 offset,
			 const void *data, gsize size)
{
	g_autofree DmaPiece *slice = g_new(DmaPiece, command->n_pieces + 1);
	const guint count = dma_pieces_slice(command->pieces, command->n_pieces, offset, size,
					     slice);

	gather(port, slice, count, data, size);
}

static gboolean write_gathered(AhciPort *port)
{
	const gboolean is_written = port->n_gathered == 0 ||
				    dma_channel_write(dma_of(port),
						      (DmaPiece *)(void *)port->pieces->data,
						      port->pieces->len, port->gathered, NULL);

	g_array_set_size(port->pieces, 0);
	port->n_gathered = 0;
	return is_written;
}

static gboolean has_failed(const AtaCommand *command)
{
	return (command->status & ATA_STATUS_ERR) != 0;
}

static void fill_registers(guint8 *fis, const AtaRegisters *registers)
{
	for (guint i = 0; i < 3; i++) {
		fis[4 + i] = (guint8)(registers->lba >> i * 8);
		fis[8 + i] = (guint8)(registers->lba >> (24 + i * 8));
	}
	fis[7] = registers->device;
	fis[12] = (guint8)registers->count;
	fis[13] = (guint8)(registers->count >> 8);
}

static void gather_d2h(AhciPort *port, guint64 received, const AtaRegisters *registers,
		       guint8 status, guint8 error, guint flags)
{
	guint8 fis[FIS_D2H_SIZE] = { FIS_D2H, (guint8)flags, status, error };

	fill_registers(fis, registers);
	gather_at(port, received + AHCI_FIS_D2H, fis, sizeof(fis));
}

static void gather_pio_setup(AhciPort *port, guint64 received, const AtaCommand *command)
{
	guint8 fis[FIS_PIO_SETUP_SIZE] = {
		FIS_PIO_SETUP,
		FIS_INTERRUPT | FIS_TO_HOST,
		command->status | ATA_STATUS_DRQ,
	};

	fill_registers(fis, &command->out);
	fis[15] = command->status;
	fis[16] = (guint8)command->done;
	fis[17] = (guint8)(command->done >> 8);
	gather_at(port, received + AHCI_FIS_PIO_SETUP, fis, sizeof(fis));
}

/* Data that comes by PIO has its end in the FIS that announces it. */
static gboolean ends_by_pio_setup(const AtaCommand *command)
{
	return command->is_pio && !has_failed(command);
}

/* What goes to the guest's memory of one command, but for what is said of several at once. */
static void gather_command(AhciPort *port, const AtaCommand *command, guint64 list,
			   guint64 received)
{
	const DiskTransfer *transfer = &command->transfer;
	guint8 count[4];

	if (command->is_lost || command->is_silent)
		return;
	if (command->reply)
		gather_slice(port, command, 0, command->reply, command->reply_size);
	else if (transfer->staging)
		gather_slice(port, command, transfer->size - transfer->part_size, transfer->staging,
			     transfer->part_size);
	if (command->is_queued)
		return;
	put32(count, (guint32)command->done);
	gather_at(port, list + command->slot * AHCI_HEADER_SIZE + COUNT_OFFSET, count,
		  sizeof(count));
	if (!received)
		return;
	if (ends_by_pio_setup(command))
		gather_pio_setup(port, received, command);
	else
		gather_d2h(port, received, &command->out, command->status, command->error,
			   FIS_INTERRUPT);
}

static gsize gathered_size(const AtaCommand *command)
{
	const gsize data = command->reply	     ? command->reply_size :
			   command->transfer.staging ? command->transfer.part_size :
						       0;

	return data + COUNT_OFFSET + FIS_D2H_SIZE;
}

/* What a batch of commands that have ended comes to. */
typedef struct {
	GQueue commands; /* of AtaCommand; more than one only where they are queued */
	guint64 list;
	guint64 received; /* 0: FISes go nowhere */
	guint32 tags;	  /* of queued commands that have worked */
	gboolean is_lost;
} Batch;

static guint tag_of(const AtaCommand *command)
{
	return command->in.count >> 3 & (AHCI_SLOTS - 1);
}

/* A command that has failed is the last one, and one that is not queued the only one. */
static void take_batch(AhciPort *port, Batch *batch)
{
	gsize size = FIS_SDB_SIZE;

	while (!g_queue_is_empty(&port->done)) {
		AtaCommand *command = port->done.head->data;

		size += gathered_size(command);
		if (!g_queue_is_empty(&batch->commands) && size > GATHER_SIZE)
			return;
		g_queue_push_tail_link(&batch->commands, g_queue_pop_head_link(&port->done));
		if (command->is_lost || has_failed(command) || !command->is_queued)
			return;
	}
}

static void gather_batch(AhciPort *port, const Batch *batch)
{
	for (const GList *link = batch->commands.head; link; link = link->next)
		gather_command(port, link->data, batch->list, batch->received);
}

/* The guest has named memory that is none in one of them: what comes before it is well. */
static void write_singly(AhciPort *port, Batch *batch)
{
	for (const GList *link = batch->commands.head; link; link = link->next) {
		AtaCommand *command = link->data;

		gather_command(port, command, batch->list, batch->received);
		command->is_lost |= !write_gathered(port);
		if (command->is_lost)
			return;
	}
}

/* Queued commands are told of together: set device bits. */
static void tell_queued(AhciPort *port, Batch *batch)
{
	const AtaCommand *last = NULL;
	guint8 fis[FIS_SDB_SIZE] = { FIS_SDB, FIS_INTERRUPT };

	for (const GList *link = batch->commands.head; link; link = link->next) {
		last = link->data;
		if (!last->is_queued || last->is_lost)
			break;
		if (!has_failed(last))
			batch->tags |= 1u << tag_of(last);
	}
	if (!last || !last->is_queued || !batch->received)
		return;
	fis[2] = last->status & ~(ATA_STATUS_BSY | ATA_STATUS_DRQ);
	fis[3] = last->error;
	put32(fis + 4, batch->tags);
	gather_at(port, batch->received + AHCI_FIS_SDB, fis, sizeof(fis));
	batch->is_lost |= !write_gathered(port);
}

/* Of one command, with the lock held. Return: what is to be raised. */
static guint32 settle_registers(AhciPort *port, const AtaCommand *command)
{
	AhciPortRegisters *registers = port->registers;
	guint32 bits = command->is_overflow ? AHCI_INT_OFS : 0;

	if (command->is_silent) {
		registers->ci &= ~(1u << command->slot);
		return bits;
	}
	registers->tfd = command->status | (guint32)command->error << 8;
	bits |= command->is_queued	   ? AHCI_INT_SDBS :
		ends_by_pio_setup(command) ? AHCI_INT_PSS :
					     AHCI_INT_DHRS;
	if (has_failed(command))
		return bits | AHCI_INT_TFES;
	if (!command->is_queued)
		registers->ci &= ~(1u << command->slot);
	return bits;
}

static void settle(AhciPort *port, Batch *batch)
{
	guint32 bits = 0;

	g_mutex_lock(port->lock);
	port->registers->sact &= ~batch->tags;
	for (const GList *link = batch->commands.head; link; link = link->next) {
		const AtaCommand *command = link->data;

		if (command->is_lost)
			batch->is_lost = TRUE;
		else if (!port->is_halted && !batch->is_lost)
			bits |= settle_registers(port, command);
		port->is_halted |= has_failed(command);
	}
	port->registers->is |= bits;
	g_mutex_unlock(port->lock);
	free_commands(&batch->commands);
	if (bits)
		port->changed(port->opaque);
	if (batch->is_lost)
		halt(port);
}

static void finish_batch(AhciPort *port)
{
	Batch batch = { .commands = G_QUEUE_INIT };

	g_mutex_lock(port->lock);
	batch.list = port->registers->list;
	if (port->registers->cmd & AHCI_CMD_FRE)
		batch.received = port->registers->received;
	g_mutex_unlock(port->lock);
	take_batch(port, &batch);
	gather_batch(port, &batch);
	if (!write_gathered(port))
		write_singly(port, &batch);
	tell_queued(port, &batch);
	settle(port, &batch);
}

static void finish_all(AhciPort *port)
{
	if (g_queue_is_empty(&port->done))
		return;
	while (!g_queue_is_empty(&port->done) && !port->is_halted)
		finish_batch(port);
	/* What ends after the port has halted is nobody's: a drive gives up what it was doing. */
	free_commands(&port->done);
	/* There may be more that has waited for these. */
	ahci_port_kick(port);
}

/* The way there */

static gboolean is_open(const AhciPort *port)
{
	return port->still == 0 && port->n_drains == 0 && !port->is_halted;
}

/* A drive that was reset says what it is as soon as the guest can hear it. */
static void tell_signature(AhciPort *port)
{
	const guint32 signature = port->drive->signature;
	const AtaRegisters registers = { .lba = signature >> 8, .count = signature & 0xff };
	const guint8 status = port->drive->ready_status;
	guint64 received;
	gboolean is_owed;

	g_mutex_lock(port->lock);
	is_owed = port->registers->owes_signature && port->registers->cmd & AHCI_CMD_FRE;
	received = port->registers->received;
	g_mutex_unlock(port->lock);
	if (!is_owed)
		return;
	gather_d2h(port, received, &registers, status, ATA_ERROR_DIAGNOSTIC, 0);
	(void)write_gathered(port);
	g_mutex_lock(port->lock);
	port->registers->owes_signature = FALSE;
	port->registers->tfd = status | ATA_ERROR_DIAGNOSTIC << 8;
	port->registers->sig = signature;
	g_mutex_unlock(port->lock);
}

/* Return: how many slots there are in @issued, in the order in which they are to be begun. */
static guint list_issued(AhciPort *port, Issued *issued)
{
	guint32 bits = 0;
	guint64 list;
	guint count = 0;

	g_mutex_lock(port->lock);
	if (port->registers->cmd & AHCI_CMD_ST && !port->registers->owes_signature)
		bits = port->registers->ci;
	list = port->registers->list;
	g_mutex_unlock(port->lock);
	for (guint i = 1; i <= AHCI_SLOTS; i++) {
		const guint slot = (port->last_slot + i) % AHCI_SLOTS;

		if (!(bits >> slot & 1) || port->commands[slot])
			continue;
		issued[count].slot = slot;
		issued[count++].gpa = list + slot * AHCI_HEADER_SIZE;
	}
	return count;
}

static gboolean read_headers(AhciPort *port, Issued *issued, guint count)
{
	guint8 headers[AHCI_LIST_SIZE];
	DmaPiece pieces[AHCI_SLOTS];

	for (guint i = 0; i < count; i++)
		pieces[i] = (DmaPiece){ issued[i].gpa, AHCI_HEADER_SIZE };
	if (!dma_channel_read(dma_of(port), pieces, count, headers, NULL))
		return FALSE;
	for (guint i = 0; i < count; i++)
		memcpy(issued[i].header, headers + i * AHCI_HEADER_SIZE, AHCI_HEADER_SIZE);
	return TRUE;
}

static guint count_prds(const Issued *issued)
{
	return get32(issued->header) >> AHCI_HEADER_PRDTL;
}

static guint64 table_of(const Issued *issued)
{
	return get64(issued->header + 8) & ~127ull;
}

static DmaPiece table_piece(const Issued *issued)
{
	return (DmaPiece){ table_of(issued),
			   AHCI_TABLE_PRDT + MIN(count_prds(issued), FIRST_PRDS) * AHCI_PRD_SIZE };
}

/* Return: how many of the tables could be read, from the first one on. */
static guint read_tables(AhciPort *port, Issued *issued, guint count)
{
	DmaChannel *channel = dma_of(port);
	DmaPiece pieces[AHCI_SLOTS];
	guint8 *at = port->tables;
	guint n_read = 0;

	for (guint i = 0; i < count; i++) {
		pieces[i] = table_piece(&issued[i]);
		issued[i].table = at;
		at += pieces[i].size;
	}
	if (dma_channel_read(channel, pieces, count, port->tables, NULL))
		return count;
	at = port->tables;
	while (n_read < count && dma_channel_read(channel, &pieces[n_read], 1, at, NULL))
		at += pieces[n_read++].size;
	return n_read;
}

static void add_prd(AtaCommand *command, const guint8 *prd)
{
	const guint64 size = (get32(prd + 12) & AHCI_PRD_BYTES) + 1;

	command->pieces[command->n_pieces++] = (DmaPiece){ get64(prd) & ~1ull, size };
	command->room += size;
}

/* The rest of a table, if it is a long one. */
static gboolean read_prds(AtaCommand *command, const Issued *issued)
{
	const guint count = count_prds(issued);
	guint8 prds[MORE_PRDS * AHCI_PRD_SIZE];

	command->pieces = g_new(DmaPiece, count);
	for (guint i = 0; i < MIN(count, FIRST_PRDS); i++)
		add_prd(command, issued->table + AHCI_TABLE_PRDT + i * AHCI_PRD_SIZE);
	while (command->n_pieces < count) {
		const guint part = MIN(count - command->n_pieces, MORE_PRDS);
		const DmaPiece piece = {
			table_of(issued) + AHCI_TABLE_PRDT + command->n_pieces * AHCI_PRD_SIZE,
			part * AHCI_PRD_SIZE,
		};

		if (!dma_channel_read(dma_of(command->port), &piece, 1, prds, NULL))
			return FALSE;
		for (guint i = 0; i < part; i++)
			add_prd(command, prds + i * AHCI_PRD_SIZE);
	}
	return TRUE;
}

static void parse_registers(AtaCommand *command, const guint8 *fis)
{
	AtaRegisters *in = &command->in;

	in->command = fis[2];
	in->feature = (guint16)(fis[3] | fis[11] << 8);
	in->device = fis[7];
	in->count = (guint16)(fis[12] | fis[13] << 8);
	for (guint i = 0; i < 3; i++) {
		in->lba |= (guint64)fis[4 + i] << i * 8;
		in->lba |= (guint64)fis[8 + i] << (24 + i * 8);
	}
	command->out = *in;
}

/* The first half of a software reset holds the drive, the second one lets it begin anew. */
static void reset_drive(AhciPort *port, AtaCommand *command, gboolean is_held)
{
	command->is_silent = TRUE;
	if (port->is_resetting && !is_held) {
		port->drive->operations->reset(port->drive);
		g_mutex_lock(port->lock);
		port->registers->owes_signature = TRUE;
		port->registers->tfd = ATA_STATUS_BSY;
		g_mutex_unlock(port->lock);
	}
	port->is_resetting = is_held;
	ata_command_end(command, 0, 0);
}

static void begin(AhciPort *port, AtaCommand *command, const guint8 *fis)
{
	if (fis[0] == FIS_H2D && !(fis[1] & FIS_IS_COMMAND))
		reset_drive(port, command, (fis[15] & FIS_CONTROL_SRST) != 0);
	else if (fis[0] != FIS_H2D || port->is_resetting)
		ata_command_abort(command);
	else
		port->drive->operations->begin(port->drive, command);
}

static gboolean is_queued(const AhciPort *port, const guint8 *fis)
{
	return port->drive->has_queue && fis[0] == FIS_H2D && fis[1] & FIS_IS_COMMAND &&
	       (fis[2] == ATA_READ_FPDMA_QUEUED || fis[2] == ATA_WRITE_FPDMA_QUEUED);
}

/* Whether a command may be begun beside those that are under way. */
static gboolean may_begin(const AhciPort *port, const Issued *issued)
{
	if (port->n_commands == 0)
		return TRUE;
	return port->n_queued == port->n_commands && is_queued(port, issued->table) &&
	       port->n_pieces + count_prds(issued) <= PIECES_MAX;
}

static void note_begun(AhciPort *port, const AtaCommand *command)
{
	AhciPortRegisters *registers = port->registers;

	g_mutex_lock(port->lock);
	registers->cmd = (registers->cmd & ~AHCI_CMD_CCS_MASK) | command->slot << AHCI_CMD_CCS;
	/* The drive has a queued command as soon as it has said so. */
	if (command->is_queued)
		registers->ci &= ~(1u << command->slot);
	else
		registers->tfd = ATA_STATUS_BSY | ATA_STATUS_READY;
	g_mutex_unlock(port->lock);
}

/* Return: FALSE where the port has halted. */
static gboolean take(AhciPort *port, const Issued *issued)
{
	AtaCommand *command = g_new0(AtaCommand, 1);

	command->port = port;
	command->drive = port->drive;
	command->slot = issued->slot;
	command->is_queued = is_queued(port, issued->table);
	parse_registers(command, issued->table);
	memcpy(command->packet, issued->table + AHCI_TABLE_PACKET, ATA_PACKET_SIZE);
	if (!read_prds(command, issued)) {
		g_free(command->pieces);
		g_free(command);
		halt(port);
		return FALSE;
	}
	port->commands[command->slot] = command;
	port->last_slot = command->slot;
	port->n_commands++;
	port->n_queued += command->is_queued;
	port->n_pieces += command->n_pieces;
	note_begun(port, command);
	begin(port, command, issued->table);
	return TRUE;
}

/* Takes what has been issued, as far as it may be begun now. */
static void run(AhciPort *port)
{
	Issued issued[AHCI_SLOTS];
	guint count, n_read;

	if (!is_open(port))
		return;
	tell_signature(port);
	count = list_issued(port, issued);
	if (count == 0 || (port->n_commands > 0 && port->n_queued < port->n_commands))
		return;
	if (!read_headers(port, issued, count)) {
		halt(port);
		return;
	}
	n_read = read_tables(port, issued, count);
	for (guint i = 0; i < n_read; i++)
		if (!may_begin(port, &issued[i]) || !take(port, &issued[i]))
			return;
	if (n_read < count)
		halt(port);
}

/* Sources */

static gboolean on_kick(GSource *source, GSourceFunc callback, gpointer opaque)
{
	(void)callback;
	(void)opaque;
	g_source_set_ready_time(source, -1);
	run(((KickSource *)source)->port);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs kick_functions = { .dispatch = on_kick };

/*
 * Nothing goes back while the machine is paused, or the controller may not reach memory: what a
 * change of media has ended meanwhile is told after that. Who brings the port to rest finishes what
 * was under way by itself.
 */
static void before_sleep(void *opaque)
{
	AhciPort *port = opaque;

	if (port->still == 0)
		finish_all(port);
}

void ahci_port_kick(AhciPort *port)
{
	g_source_set_ready_time(port->kicks, 0);
}

/* Calls, on the I/O thread */

/*
 * Nothing is begun meanwhile; what has begun ends. Other calls may come while this waits: a pause
 * does not take the device lock.
 */
static void drain(AhciPort *port)
{
	port->n_drains++;
	finish_all(port);
	disk_queue_finish(port->drive->queue, io_thread_context(port->thread));
	finish_all(port);
	while (disk_queue_is_busy(port->drive->queue)) {
		g_main_context_iteration(io_thread_context(port->thread), TRUE);
		finish_all(port);
	}
	port->n_drains--;
}

typedef struct {
	AhciPort *port;
	AhciStill reason;
	gboolean is_reset;
	void (*call)(void *opaque);
	void *opaque;
} Call;

static void be_still_on_thread(void *opaque)
{
	const Call *call = opaque;

	call->port->still |= call->reason;
	disk_queue_hold(call->port->drive->queue);
	drain(call->port);
}

static void go_on_on_thread(void *opaque)
{
	const Call *call = opaque;
	AhciPort *port = call->port;

	port->still &= ~(guint)call->reason;
	if (call->reason == AHCI_STILL_PAUSED)
		disk_queue_retry(port->drive->queue);
	disk_queue_release(port->drive->queue);
	ahci_port_kick(port);
}

static void stop_on_thread(void *opaque)
{
	const Call *call = opaque;
	AhciPort *port = call->port;

	disk_queue_hold(port->drive->queue);
	drain(port);
	disk_queue_forget(port->drive->queue);
	free_commands(&port->done);
	for (guint i = 0; i < AHCI_SLOTS; i++)
		if (port->commands[i])
			free_command(port->commands[i]);
	disk_queue_release(port->drive->queue);
	port->is_halted = FALSE;
	if (!call->is_reset)
		return;
	port->is_resetting = FALSE;
	port->last_slot = AHCI_SLOTS - 1;
	port->drive->operations->reset(port->drive);
}

static void call_on_thread(void *opaque)
{
	const Call *call = opaque;
	DiskQueue *queue = call->port->drive->queue;

	disk_queue_hold(queue);
	drain(call->port);
	call->call(call->opaque);
	disk_queue_release(queue);
	ahci_port_kick(call->port);
}

void ahci_port_be_still(AhciPort *port, AhciStill reason)
{
	Call call = { .port = port, .reason = reason };

	io_thread_call(port->thread, be_still_on_thread, &call);
}

void ahci_port_go_on(AhciPort *port, AhciStill reason)
{
	Call call = { .port = port, .reason = reason };

	io_thread_call(port->thread, go_on_on_thread, &call);
}

void ahci_port_stop(AhciPort *port, gboolean is_reset)
{
	Call call = { .port = port, .is_reset = is_reset };

	io_thread_call(port->thread, stop_on_thread, &call);
}

void ahci_port_call(AhciPort *port, void (*call_it)(void *opaque), void *opaque)
{
	Call call = { .port = port, .call = call_it, .opaque = opaque };

	io_thread_call(port->thread, call_on_thread, &call);
}

/* Life */

AhciPort *ahci_port_new(AtaDrive *drive, IoThread *thread, AhciPortRegisters *registers,
			GMutex *lock, void (*changed)(void *opaque), void *opaque)
{
	AhciPort *port = g_new0(AhciPort, 1);

	port->drive = drive;
	port->thread = thread;
	port->registers = registers;
	port->lock = lock;
	port->changed = changed;
	port->opaque = opaque;
	port->last_slot = AHCI_SLOTS - 1;
	port->tables = g_malloc(AHCI_SLOTS * TABLE_SIZE);
	port->gathered = g_malloc(GATHER_SIZE);
	port->pieces = g_array_new(FALSE, FALSE, sizeof(DmaPiece));
	port->kicks = g_source_new(&kick_functions, sizeof(KickSource));
	((KickSource *)port->kicks)->port = port;
	g_source_attach(port->kicks, io_thread_context(thread));
	port->finisher = before_sleep_new(io_thread_context(thread), before_sleep, port);
	return port;
}

/* On the I/O thread, which may be about to look at these. */
static void detach(void *opaque)
{
	AhciPort *port = opaque;

	g_source_destroy(port->kicks);
	g_source_unref(port->kicks);
	before_sleep_free(port->finisher);
	port->drive->operations->free(port->drive);
}

void ahci_port_free(AhciPort *port)
{
	if (!port)
		return;
	io_thread_call(port->thread, detach, port);
	g_array_unref(port->pieces);
	g_free(port->gathered);
	g_free(port->tables);
	g_free(port);
}

AtaDrive *ahci_port_drive(const AhciPort *port)
{
	return port->drive;
}
