/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial.c - a serial port: the 16550A UART as a PC wires it
 *
 * Theory of operation
 *
 * The line is infinitely fast in both directions, and its other end is always there. A byte
 * that the guest writes has left the transmitter before the write returns, so the
 * transmitter is always empty and a write makes it empty anew, which is what the THRE
 * interrupt tells. Input comes only when the receiver has room, so nothing is ever overrun
 * from outside; and since no time passes between characters, fewer of them than the trigger
 * level mean that the line has gone quiet: the character time-out is reported at once.
 *
 * A PC drives the interrupt line through a buffer that OUT2 enables. In loop-back mode the
 * data sheet disconnects the modem control outputs, OUT2 with them, and what is
 * transmitted is received.
 */
#include "vmm/chipset/serial.h"

enum {
	REG_RBR_THR = 0, /* DLL with DLAB */
	REG_IER = 1,	 /* DLM with DLAB */
	REG_IIR_FCR = 2,
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCR = 7,
};

enum {
	IER_RECEIVED = 1 << 0,
	IER_THR_EMPTY = 1 << 1,
	IER_LINE_STATUS = 1 << 2,
	IER_MODEM_STATUS = 1 << 3,
	IER_MASK = 0x0f,
};

enum {
	IIR_MODEM_STATUS = 0x00,
	IIR_NONE = 0x01,
	IIR_THR_EMPTY = 0x02,
	IIR_RECEIVED = 0x04,
	IIR_LINE_STATUS = 0x06,
	IIR_TIME_OUT = 0x0c,
	IIR_FIFOS_ENABLED = 0xc0,
};

enum {
	FCR_ENABLE = 1 << 0,
	FCR_CLEAR_RECEIVER = 1 << 1,
	FCR_TRIGGER_SHIFT = 6,
	FCR_KEPT = 0xc9,
};

enum {
	LCR_DLAB = 1 << 7,
};

enum {
	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,
	MCR_MASK = 0x1f,
};

enum {
	LSR_DATA_READY = 1 << 0,
	LSR_OVERRUN = 1 << 1,
	LSR_THR_EMPTY = 1 << 5,
	LSR_TRANSMITTER_EMPTY = 1 << 6,
};

enum {
	MSR_DELTA_CTS = 1 << 0,
	MSR_DELTA_DSR = 1 << 1,
	MSR_TRAILING_RI = 1 << 2,
	MSR_DELTA_DCD = 1 << 3,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,
};

struct Serial {
	InterruptLine irq;
	const SerialBackend *backend;
	void *opaque;

	guint8 ier;
	guint8 fcr;
	guint8 lcr;
	guint8 mcr;
	guint8 scr;
	guint8 dll;
	guint8 dlm;
	guint8 msr_deltas;
	gboolean overrun;
	gboolean thr_empty_pending; /* the interrupt, not the state, which is always empty */

	guint8 fifo[SERIAL_FIFO_SIZE];
	guint head;  /* index of the oldest byte */
	guint level; /* bytes in it */
	gboolean room_wanted;
};

static gboolean fifos_enabled(const Serial *serial)
{
	return serial->fcr & FCR_ENABLE;
}

static guint receiver_size(const Serial *serial)
{
	return fifos_enabled(serial) ? SERIAL_FIFO_SIZE : 1;
}

static guint trigger_level(const Serial *serial)
{
	static const guint8 levels[] = { 1, 4, 8, 14 };

	return fifos_enabled(serial) ? levels[serial->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* Interrupt identification by the data sheet's priorities. */
static guint8 interrupt_source(const Serial *serial)
{
	if ((serial->ier & IER_LINE_STATUS) && serial->overrun)
		return IIR_LINE_STATUS;
	if ((serial->ier & IER_RECEIVED) && serial->level > 0)
		return serial->level >= trigger_level(serial) ? IIR_RECEIVED : IIR_TIME_OUT;
	if ((serial->ier & IER_THR_EMPTY) && serial->thr_empty_pending)
		return IIR_THR_EMPTY;
	if ((serial->ier & IER_MODEM_STATUS) && serial->msr_deltas)
		return IIR_MODEM_STATUS;
	return IIR_NONE;
}

static void update_interrupt(Serial *serial)
{
	gboolean is_wired = (serial->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	interrupt_line_set(&serial->irq, is_wired && interrupt_source(serial) != IIR_NONE);
}

static void clear_receiver(Serial *serial)
{
	serial->head = 0;
	serial->level = 0;
}

static guint receiver_room(const Serial *serial)
{
	/* In loop-back mode the receiver's input is disconnected from the line. */
	if (serial->mcr & MCR_LOOP)
		return 0;
	return receiver_size(serial) - MIN(serial->level, receiver_size(serial));
}

/* Tells the other end, once, that a full receiver has room again. */
static void report_room(Serial *serial)
{
	if (!serial->room_wanted || receiver_room(serial) == 0)
		return;
	serial->room_wanted = FALSE;
	serial->backend->receive_room(serial->opaque);
}

static void receive_byte(Serial *serial, guint8 byte)
{
	serial->fifo[(serial->head + serial->level) % SERIAL_FIFO_SIZE] = byte;
	serial->level++;
}

static guint8 read_rbr(Serial *serial)
{
	guint8 byte;

	if (serial->level == 0)
		return 0;
	byte = serial->fifo[serial->head];
	serial->head = (serial->head + 1) % SERIAL_FIFO_SIZE;
	serial->level--;
	/* A reader that empties the receiver first gets the next bytes in one piece. */
	if (serial->level == 0)
		report_room(serial);
	return byte;
}

/* What finds a full FIFO is lost; without one it is the older byte that is. */
static void loop_byte(Serial *serial, guint8 byte)
{
	if (serial->level < receiver_size(serial)) {
		receive_byte(serial, byte);
		return;
	}
	serial->overrun = TRUE;
	if (!fifos_enabled(serial))
		serial->fifo[serial->head] = byte;
}

static void write_thr(Serial *serial, guint8 byte)
{
	if (!(serial->mcr & MCR_LOOP))
		serial->backend->transmit(serial->opaque, byte);
	else
		loop_byte(serial, byte);
	serial->thr_empty_pending = TRUE;
}

static guint8 read_iir(Serial *serial)
{
	guint8 source = interrupt_source(serial);

	if (source == IIR_THR_EMPTY)
		serial->thr_empty_pending = FALSE;
	return source | (fifos_enabled(serial) ? IIR_FIFOS_ENABLED : 0);
}

static void write_fcr(Serial *serial, guint8 value)
{
	/* Changing the mode clears the FIFOs; without bit 0 the others are not programmed. */
	gboolean is_enabled = value & FCR_ENABLE;

	if (is_enabled != fifos_enabled(serial) || (is_enabled && value & FCR_CLEAR_RECEIVER))
		clear_receiver(serial);
	serial->fcr = is_enabled ? value & FCR_KEPT : 0;
	report_room(serial);
}

static guint8 modem_lines(const Serial *serial)
{
	guint8 mcr = serial->mcr;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
	       (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(Serial *serial, guint8 value)
{
	guint8 before = modem_lines(serial), after;

	serial->mcr = value & MCR_MASK;
	after = modem_lines(serial);
	/* Each delta bit is four below its line; RI's tells only of the line going inactive. */
	serial->msr_deltas |= ((before ^ after) >> 4) &
			      (MSR_DELTA_CTS | MSR_DELTA_DSR | MSR_DELTA_DCD);
	if (before & ~after & MSR_RI)
		serial->msr_deltas |= MSR_TRAILING_RI;
	report_room(serial);
}

static guint8 read_lsr(Serial *serial)
{
	guint8 lsr = LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY;

	if (serial->level > 0)
		lsr |= LSR_DATA_READY;
	if (serial->overrun)
		lsr |= LSR_OVERRUN;
	serial->overrun = FALSE;
	return lsr;
}

static guint8 read_msr(Serial *serial)
{
	guint8 msr = modem_lines(serial) | serial->msr_deltas;

	serial->msr_deltas = 0;
	return msr;
}

static guint64 serial_read(void *device, guint64 offset, guint size)
{
	Serial *serial = device;
	gboolean dlab = serial->lcr & LCR_DLAB;
	guint8 value = 0;

	(void)size;
	switch (offset) {
	case REG_RBR_THR:
		value = dlab ? serial->dll : read_rbr(serial);
		break;
	case REG_IER:
		value = dlab ? serial->dlm : serial->ier;
		break;
	case REG_IIR_FCR:
		value = read_iir(serial);
		break;
	case REG_LCR:
		value = serial->lcr;
		break;
	case REG_MCR:
		value = serial->mcr;
		break;
	case REG_LSR:
		value = read_lsr(serial);
		break;
	case REG_MSR:
		value = read_msr(serial);
		break;
	case REG_SCR:
		value = serial->scr;
		break;
	}
	update_interrupt(serial);
	return value;
}

static void write_ier(Serial *serial, guint8 value)
{
	/* Enabling the interrupt while the register is empty, as it is, raises it. */
	if (value & ~serial->ier & IER_THR_EMPTY)
		serial->thr_empty_pending = TRUE;
	serial->ier = value & IER_MASK;
}

static void serial_write(void *device, guint64 offset, guint size, guint64 value)
{
	Serial *serial = device;
	gboolean dlab = serial->lcr & LCR_DLAB;

	(void)size;
	switch (offset) {
	case REG_RBR_THR:
		if (dlab)
			serial->dll = value;
		else
			write_thr(serial, value);
		break;
	case REG_IER:
		if (dlab)
			serial->dlm = value;
		else
			write_ier(serial, value);
		break;
	case REG_IIR_FCR:
		write_fcr(serial, value);
		break;
	case REG_LCR:
		serial->lcr = value;
		break;
	case REG_MCR:
		write_mcr(serial, value);
		break;
	case REG_SCR:
		serial->scr = value;
		break;
	}
	update_interrupt(serial);
}

const BusOperations serial_operations = {
	.read = serial_read,
	.write = serial_write,
	.max_access = 1,
};

Serial *serial_new(const InterruptLine *irq, const SerialBackend *backend, void *opaque)
{
	Serial *serial = g_new0(Serial, 1);

	serial->irq = *irq;
	serial->backend = backend;
	serial->opaque = opaque;
	serial_reset(serial);
	if (backend->connected)
		backend->connected(opaque, serial);
	return serial;
}

void serial_free(Serial *serial)
{
	g_free(serial);
}

void serial_reset(Serial *serial)
{
	serial->ier = 0;
	serial->fcr = 0;
	serial->lcr = 0;
	serial->mcr = 0;
	serial->scr = 0;
	/* 9600 bits a second from the PC's 1.8432 MHz, as firmware leaves it. */
	serial->dll = 12;
	serial->dlm = 0;
	serial->msr_deltas = 0;
	serial->overrun = FALSE;
	serial->thr_empty_pending = FALSE;
	clear_receiver(serial);
	update_interrupt(serial);
	report_room(serial);
}

guint serial_receive_room(Serial *serial)
{
	guint room = receiver_room(serial);

	if (room == 0)
		serial->room_wanted = TRUE;
	return room;
}

void serial_receive(Serial *serial, const guint8 *data, guint size)
{
	g_assert(size <= receiver_room(serial));
	for (guint i = 0; i < size; i++)
		receive_byte(serial, data[i]);
	update_interrupt(serial);
}

static void reset_device(void *device)
{
	serial_reset(device);
}

static void free_device(void *device)
{
	serial_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

void serial_create(const DeviceSurroundings *surroundings, guint index,
		   const SerialBackend *backend, void *opaque)
{
	static const struct {
		guint16 port;
		guint8 irq;
		const char *name;
		const char *id;
	} places[SERIAL_PLACES] = {
		{ 0x3f8, 4, "serial port", "chipset/serial1" },
		{ 0x2f8, 3, "second serial port", "chipset/serial2" },
	};
	InterruptLine line;
	Serial *serial;

	g_assert(index < SERIAL_PLACES);
	line = device_isa_line(surroundings, places[index].irq);
	serial = serial_new(&line, backend, opaque);
	bus_add(surroundings->ports, places[index].port, SERIAL_PORTS, places[index].name,
		&serial_operations, serial);
	device_registry_add(surroundings->registry, places[index].id, &device_operations, serial);
}
