/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahci.c - the AHCI controller: its registers */
#include "vmm/ata/ahci.h"

#include "vmm/ata/ahci-port.h"
#include "vmm/ata/ahci-registers.h"

#define SPEED_6_GBIT 3u
#define CAPABILITIES                                                                    \
	(AHCI_CAP_S64A | AHCI_CAP_SNCQ | AHCI_CAP_SCLO | SPEED_6_GBIT << AHCI_CAP_ISS | \
	 AHCI_CAP_SAM | AHCI_CAP_PMD | (AHCI_SLOTS - 1u) << AHCI_CAP_NCS | (AHCI_PORTS - 1u))
#define PORTS_IMPLEMENTED  ((1u << AHCI_PORTS) - 1)

#define LIST_ALIGNMENT	   1024u
#define RECEIVED_ALIGNMENT 256u

/* Until a drive has said what it is, and where there is none. */
#define TFD_BUSY     0x80u
#define TFD_NOTHING  0x7fu
#define NO_SIGNATURE 0xffffffffu

typedef struct {
	Ahci *ahci;
	AhciPortRegisters registers;
	AhciPort *port; /* NULL where there is no drive */
	IoThread *thread;
	gboolean was_interrupting;
} Socket;

struct Ahci {
	void (*interrupt)(void *opaque);
	void *opaque;
	gboolean is_paused;
	gboolean is_master;

	GMutex lock;
	guint32 ghc;
	Socket sockets[AHCI_PORTS];
};

/* Interrupts */

/* Which ports interrupt; with the lock held. */
static guint32 status(const Ahci *ahci)
{
	guint32 bits = 0;

	for (guint i = 0; i < AHCI_PORTS; i++)
		bits |= (guint32)ahci_port_is_interrupting(&ahci->sockets[i].registers) << i;
	return bits;
}

gboolean ahci_is_interrupting(Ahci *ahci)
{
	gboolean is_interrupting;

	g_mutex_lock(&ahci->lock);
	is_interrupting = ahci->ghc & AHCI_GHC_IE && status(ahci) != 0;
	g_mutex_unlock(&ahci->lock);
	return is_interrupting;
}

/* Whether a port has begun to interrupt since the last look; with the lock held. */
static gboolean take_news(Ahci *ahci)
{
	gboolean is_news = FALSE;

	for (guint i = 0; i < AHCI_PORTS; i++) {
		Socket *socket = &ahci->sockets[i];
		const gboolean is_interrupting = ahci_port_is_interrupting(&socket->registers);

		is_news |= is_interrupting && !socket->was_interrupting;
		socket->was_interrupting = is_interrupting;
	}
	return is_news && ahci->ghc & AHCI_GHC_IE;
}

static void on_changed(void *opaque)
{
	Ahci *ahci = ((Socket *)opaque)->ahci;
	gboolean is_news;

	g_mutex_lock(&ahci->lock);
	is_news = take_news(ahci);
	g_mutex_unlock(&ahci->lock);
	if (is_news)
		ahci->interrupt(ahci->opaque);
}

/* Ports */

/* The link comes up, and the drive is about to say what it is; with the lock held. */
static void link_up(Socket *socket)
{
	AhciPortRegisters *registers = &socket->registers;

	registers->sig = NO_SIGNATURE;
	registers->ssts = socket->port ? AHCI_SSTS_UP : 0;
	registers->tfd = socket->port ? TFD_BUSY : TFD_NOTHING;
	registers->owes_signature = socket->port != NULL;
}

static void link_down(Socket *socket, guint32 ssts)
{
	AhciPortRegisters *registers = &socket->registers;

	registers->sig = NO_SIGNATURE;
	registers->ssts = ssts;
	registers->tfd = TFD_NOTHING;
	registers->owes_signature = FALSE;
}

/* With the lock held. */
static void reset_registers(Socket *socket)
{
	socket->registers = (AhciPortRegisters){ .cmd = AHCI_CMD_SUD | AHCI_CMD_POD };
	socket->was_interrupting = FALSE;
	link_up(socket);
}

/* What was issued is forgotten. The lock is not held; it is taken for the registers. */
static void stop(Socket *socket, gboolean is_reset)
{
	AhciPortRegisters *registers = &socket->registers;
	GMutex *lock = &socket->ahci->lock;

	/* The I/O thread goes on as soon as it has stopped: it is to find nothing to begin. */
	g_mutex_lock(lock);
	registers->cmd &= ~AHCI_CMD_ST;
	registers->ci = 0;
	g_mutex_unlock(lock);
	if (socket->port)
		ahci_port_stop(socket->port, is_reset);
	g_mutex_lock(lock);
	registers->cmd &= ~(AHCI_CMD_CR | AHCI_CMD_CCS_MASK);
	registers->sact = 0;
	/* The drive is not at it any more. */
	if (socket->port && !registers->owes_signature)
		registers->tfd &= ~(guint32)ATA_STATUS_BSY;
	g_mutex_unlock(lock);
}

static void kick(const Socket *socket)
{
	if (socket->port)
		ahci_port_kick(socket->port);
}

/* The guest's registers of a port */

static guint32 port_read(const Socket *socket, guint offset)
{
	const AhciPortRegisters *registers = &socket->registers;

	switch (offset) {
	case AHCI_PX_CLB:
		return (guint32)registers->list;
	case AHCI_PX_CLBU:
		return (guint32)(registers->list >> 32);
	case AHCI_PX_FB:
		return (guint32)registers->received;
	case AHCI_PX_FBU:
		return (guint32)(registers->received >> 32);
	case AHCI_PX_IS:
		return ahci_port_status(registers);
	case AHCI_PX_IE:
		return registers->ie;
	case AHCI_PX_CMD:
		return registers->cmd;
	case AHCI_PX_TFD:
		return registers->tfd;
	case AHCI_PX_SIG:
		return registers->sig;
	case AHCI_PX_SSTS:
		return registers->ssts;
	case AHCI_PX_SCTL:
		return registers->sctl;
	case AHCI_PX_SERR:
		return registers->serr;
	case AHCI_PX_SACT:
		return registers->sact;
	case AHCI_PX_CI:
		return registers->ci;
	}
	return 0;
}

static void set_low(guint64 *address, guint32 value, guint32 alignment)
{
	*address = (*address & ~(guint64)G_MAXUINT32) | (value & ~(alignment - 1));
}

static void set_high(guint64 *address, guint32 value)
{
	*address = (*address & G_MAXUINT32) | (guint64)value << 32;
}

static void write_cmd(Socket *socket, guint32 value)
{
	AhciPortRegisters *registers = &socket->registers;
	GMutex *lock = &socket->ahci->lock;
	gboolean is_stopped;

	g_mutex_lock(lock);
	is_stopped = registers->cmd & AHCI_CMD_ST && !(value & AHCI_CMD_ST);
	registers->cmd = (registers->cmd & ~AHCI_CMD_WRITABLE) | (value & AHCI_CMD_WRITABLE);
	/* Both are where they have been told to be at once, but for what is still under way. */
	registers->cmd &= ~AHCI_CMD_FR;
	if (registers->cmd & AHCI_CMD_FRE)
		registers->cmd |= AHCI_CMD_FR;
	if (registers->cmd & AHCI_CMD_ST)
		registers->cmd |= AHCI_CMD_CR;
	g_mutex_unlock(lock);
	if (is_stopped)
		stop(socket, FALSE);
	g_mutex_lock(lock);
	if (value & AHCI_CMD_CLO && !(registers->cmd & AHCI_CMD_ST) && socket->port)
		registers->tfd &= ~(guint32)(ATA_STATUS_BSY | ATA_STATUS_DRQ);
	g_mutex_unlock(lock);
	kick(socket);
}

/* A COMRESET begins, or a port is turned off, or the link comes up again. */
static void write_sctl(Socket *socket, guint32 value)
{
	AhciPortRegisters *registers = &socket->registers;
	GMutex *lock = &socket->ahci->lock;
	const guint32 was = registers->sctl & AHCI_SCTL_DET;
	const guint32 is = value & AHCI_SCTL_DET;

	if (is != was && (is == AHCI_SCTL_RESET || is == AHCI_SCTL_OFF))
		stop(socket, TRUE);
	g_mutex_lock(lock);
	registers->sctl = value & 0xfff;
	if (is == AHCI_SCTL_RESET) {
		link_down(socket, 0);
	} else if (is == AHCI_SCTL_OFF) {
		link_down(socket, AHCI_SSTS_OFF);
	} else if (was == AHCI_SCTL_RESET || was == AHCI_SCTL_OFF) {
		link_up(socket);
		if (socket->port)
			registers->serr |= AHCI_SERR_DIAG_X | AHCI_SERR_DIAG_N;
	}
	g_mutex_unlock(lock);
	kick(socket);
}

/* Bits are only ever set, and only while the port runs. */
static void issue(Socket *socket, guint32 *bits, guint32 value)
{
	if (socket->registers.cmd & AHCI_CMD_ST)
		*bits |= value;
}

/* With the lock held. */
static void write_plain(Socket *socket, guint offset, guint32 value)
{
	AhciPortRegisters *registers = &socket->registers;

	switch (offset) {
	case AHCI_PX_CLB:
		set_low(&registers->list, value, LIST_ALIGNMENT);
		break;
	case AHCI_PX_CLBU:
		set_high(&registers->list, value);
		break;
	case AHCI_PX_FB:
		set_low(&registers->received, value, RECEIVED_ALIGNMENT);
		break;
	case AHCI_PX_FBU:
		set_high(&registers->received, value);
		break;
	case AHCI_PX_IS:
		registers->is &= ~value;
		socket->was_interrupting = FALSE;
		break;
	case AHCI_PX_IE:
		registers->ie = value & AHCI_INT_ALL;
		break;
	case AHCI_PX_SERR:
		registers->serr &= ~value;
		socket->was_interrupting = FALSE;
		break;
	case AHCI_PX_SACT:
		issue(socket, &registers->sact, value);
		break;
	case AHCI_PX_CI:
		issue(socket, &registers->ci, value);
		break;
	}
}

static void port_write(Socket *socket, guint offset, guint32 value)
{
	if (offset == AHCI_PX_CMD) {
		write_cmd(socket, value);
	} else if (offset == AHCI_PX_SCTL) {
		write_sctl(socket, value);
	} else {
		g_mutex_lock(&socket->ahci->lock);
		write_plain(socket, offset, value);
		g_mutex_unlock(&socket->ahci->lock);
		if (offset == AHCI_PX_CI)
			kick(socket);
	}
}

/* The guest's registers of the controller */

static Socket *socket_at(Ahci *ahci, guint64 offset)
{
	const guint64 index = (offset - AHCI_PORT_BASE) / AHCI_PORT_SIZE;

	return offset >= AHCI_PORT_BASE && index < AHCI_PORTS ? &ahci->sockets[index] : NULL;
}

static guint32 read_register(Ahci *ahci, guint64 offset)
{
	const Socket *socket = socket_at(ahci, offset);

	if (socket)
		return port_read(socket, offset % AHCI_PORT_SIZE);
	switch (offset) {
	case AHCI_CAP:
		return CAPABILITIES;
	case AHCI_GHC:
		return ahci->ghc;
	case AHCI_IS:
		return status(ahci);
	case AHCI_PI:
		return PORTS_IMPLEMENTED;
	case AHCI_VS:
		return AHCI_VS_1_3_1;
	}
	return 0;
}

/* A part of a register can be read. */
guint64 ahci_read(Ahci *ahci, guint64 offset, guint size)
{
	guint32 value;

	if (size > 4 || offset % 4 + size > 4)
		return 0;
	g_mutex_lock(&ahci->lock);
	value = read_register(ahci, offset & ~3ull);
	g_mutex_unlock(&ahci->lock);
	return (value >> (offset % 4 * 8)) & (size < 4 ? (1u << size * 8) - 1 : G_MAXUINT32);
}

static void write_ghc(Ahci *ahci, guint32 value)
{
	if (value & AHCI_GHC_HR) {
		ahci_reset(ahci);
		return;
	}
	g_mutex_lock(&ahci->lock);
	ahci->ghc = AHCI_GHC_AE | (value & AHCI_GHC_IE);
	for (guint i = 0; i < AHCI_PORTS; i++)
		ahci->sockets[i].was_interrupting = FALSE;
	g_mutex_unlock(&ahci->lock);
}

void ahci_write(Ahci *ahci, guint64 offset, guint size, guint64 value)
{
	Socket *socket = socket_at(ahci, offset);
	gboolean is_news;

	if (size != 4 || offset % 4 != 0)
		return;
	if (socket)
		port_write(socket, offset % AHCI_PORT_SIZE, (guint32)value);
	else if (offset == AHCI_GHC)
		write_ghc(ahci, (guint32)value);
	g_mutex_lock(&ahci->lock);
	is_news = take_news(ahci);
	g_mutex_unlock(&ahci->lock);
	if (is_news)
		ahci->interrupt(ahci->opaque);
}

/* The machine's side */

void ahci_reset(Ahci *ahci)
{
	for (guint i = 0; i < AHCI_PORTS; i++)
		stop(&ahci->sockets[i], TRUE);
	g_mutex_lock(&ahci->lock);
	ahci->ghc = AHCI_GHC_AE;
	for (guint i = 0; i < AHCI_PORTS; i++)
		reset_registers(&ahci->sockets[i]);
	g_mutex_unlock(&ahci->lock);
}

static void be_still(Ahci *ahci, AhciStill reason)
{
	for (guint i = 0; i < AHCI_PORTS; i++)
		if (ahci->sockets[i].port)
			ahci_port_be_still(ahci->sockets[i].port, reason);
}

static void go_on(Ahci *ahci, AhciStill reason)
{
	for (guint i = 0; i < AHCI_PORTS; i++)
		if (ahci->sockets[i].port)
			ahci_port_go_on(ahci->sockets[i].port, reason);
}

void ahci_set_master(Ahci *ahci, gboolean is_master)
{
	if (is_master == ahci->is_master)
		return;
	ahci->is_master = is_master;
	if (is_master)
		go_on(ahci, AHCI_STILL_NO_MASTER);
	else
		be_still(ahci, AHCI_STILL_NO_MASTER);
}

void ahci_pause(Ahci *ahci)
{
	ahci->is_paused = TRUE;
	be_still(ahci, AHCI_STILL_PAUSED);
}

void ahci_resume(Ahci *ahci)
{
	ahci->is_paused = FALSE;
	go_on(ahci, AHCI_STILL_PAUSED);
}

Ahci *ahci_new(void (*interrupt)(void *opaque), void *opaque)
{
	Ahci *ahci = g_new0(Ahci, 1);

	ahci->interrupt = interrupt;
	ahci->opaque = opaque;
	ahci->ghc = AHCI_GHC_AE;
	g_mutex_init(&ahci->lock);
	for (guint i = 0; i < AHCI_PORTS; i++) {
		ahci->sockets[i].ahci = ahci;
		reset_registers(&ahci->sockets[i]);
	}
	return ahci;
}

void ahci_free(Ahci *ahci)
{
	if (!ahci)
		return;
	for (guint i = 0; i < AHCI_PORTS; i++)
		ahci_unplug(ahci, i);
	g_mutex_clear(&ahci->lock);
	g_free(ahci);
}

void ahci_plug(Ahci *ahci, guint port, AtaDrive *drive, IoThread *thread)
{
	Socket *socket = &ahci->sockets[port];

	g_assert(!socket->port);
	socket->thread = io_thread_ref(thread);
	socket->port = ahci_port_new(drive, thread, &socket->registers, &ahci->lock, on_changed,
				     socket);
	if (!ahci->is_master)
		ahci_port_be_still(socket->port, AHCI_STILL_NO_MASTER);
	if (ahci->is_paused)
		ahci_port_be_still(socket->port, AHCI_STILL_PAUSED);
	g_mutex_lock(&ahci->lock);
	reset_registers(socket);
	g_mutex_unlock(&ahci->lock);
}

AtaDrive *ahci_drive(const Ahci *ahci, guint port)
{
	const Socket *socket = &ahci->sockets[port];

	return socket->port ? ahci_port_drive(socket->port) : NULL;
}

void ahci_unplug(Ahci *ahci, guint port)
{
	Socket *socket = &ahci->sockets[port];

	if (!socket->port)
		return;
	stop(socket, FALSE);
	g_clear_pointer(&socket->port, ahci_port_free);
	g_clear_pointer(&socket->thread, io_thread_unref);
}

void ahci_call_drive(Ahci *ahci, guint port, void (*call)(void *opaque), void *opaque)
{
	ahci_port_call(ahci->sockets[port].port, call, opaque);
}
