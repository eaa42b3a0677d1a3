/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i8042.c - the keyboard controller of a PC, with a keyboard and a mouse that nobody touches
 *
 * Theory of operation
 *
 * The controller has one output buffer, a byte, and three that want to fill it: itself, the
 * keyboard and the mouse. It fills it as soon as the guest has taken what was there, itself
 * first. Input is never pending: each byte that the guest writes is dealt with at once.
 *
 * Keyboard and mouse answer every command of theirs, so that drivers and firmware find them
 * without waiting for a time-out, and report no key and no motion. A device that is given a
 * command forgets what it has not yet said of an answer before.
 *
 * The controller translates scan code set 2 to set 1 where the command byte says so; with no
 * keys this concerns the few answers that its table changes.
 *
 * KVM never masks the address line 20: its bit is kept and read back at both of its places.
 */
#include "vmm/chipset/i8042.h"

enum {
	STATUS_OUTPUT_FULL = 1 << 0,
	STATUS_SYSTEM = 1 << 2,
	STATUS_COMMAND = 1 << 3, /* the last write was to the command port */
	STATUS_UNLOCKED = 1 << 4,
	STATUS_MOUSE_OUTPUT = 1 << 5, /* the output buffer's byte is the mouse's */
};

/* The command byte. */
enum {
	MODE_KEYBOARD_INTERRUPT = 1 << 0,
	MODE_MOUSE_INTERRUPT = 1 << 1,
	MODE_SYSTEM = 1 << 2, /* shown as STATUS_SYSTEM */
	MODE_KEYBOARD_DISABLED = 1 << 4,
	MODE_MOUSE_DISABLED = 1 << 5,
	MODE_TRANSLATE = 1 << 6,
	MODE_MASK = 0x77,
};

enum {
	OUTPUT_NO_RESET = 1 << 0,
	OUTPUT_A20 = 1 << 1,
	OUTPUT_KEYBOARD_INTERRUPT = 1 << 4,
	OUTPUT_MOUSE_INTERRUPT = 1 << 5,
};

enum {
	SYSTEM_CONTROL_RESET = 1 << 0, /* resets on its way from 0 to 1 */
	SYSTEM_CONTROL_A20 = 1 << 1,
};

enum {
	COMMAND_READ_MODE = 0x20,
	COMMAND_WRITE_MODE = 0x60,
	COMMAND_DISABLE_MOUSE = 0xa7,
	COMMAND_ENABLE_MOUSE = 0xa8,
	COMMAND_TEST_MOUSE = 0xa9,
	COMMAND_SELF_TEST = 0xaa,
	COMMAND_TEST_KEYBOARD = 0xab,
	COMMAND_DISABLE_KEYBOARD = 0xad,
	COMMAND_ENABLE_KEYBOARD = 0xae,
	COMMAND_READ_INPUT = 0xc0,
	COMMAND_READ_OUTPUT = 0xd0,
	COMMAND_WRITE_OUTPUT = 0xd1,
	COMMAND_WRITE_KEYBOARD_BUFFER = 0xd2,
	COMMAND_WRITE_MOUSE_BUFFER = 0xd3,
	COMMAND_WRITE_MOUSE = 0xd4,
	COMMAND_DISABLE_A20 = 0xdd,
	COMMAND_ENABLE_A20 = 0xdf,
	COMMAND_PULSE_OUTPUT = 0xf0, /* to 0xff: pulses those of four lines whose bit is 0 */
};

#define PULSE_NOT_RESET	 0x01
#define SELF_TEST_PASSED 0x55
#define TEST_PASSED	 0x00
#define INPUT_NOT_LOCKED 0x80

/* Commands of both devices, and their answers. */
enum {
	DEVICE_IDENTIFY = 0xf2,
	DEVICE_SET_RATE = 0xf3,
	DEVICE_ENABLE = 0xf4,
	DEVICE_DISABLE = 0xf5,
	DEVICE_SET_DEFAULTS = 0xf6,
	DEVICE_RESEND = 0xfe,
	DEVICE_RESET = 0xff,

	ANSWER_ACKNOWLEDGE = 0xfa,
	ANSWER_TEST_PASSED = 0xaa,
	ANSWER_RESEND = 0xfe,
};

enum {
	KEYBOARD_SET_LEDS = 0xed,
	KEYBOARD_ECHO = 0xee,
	KEYBOARD_SCAN_CODE_SET = 0xf0,
	KEYBOARD_ALL_TYPEMATIC = 0xf7, /* to 0xfa: how keys behave in set 3 */
	KEYBOARD_ALL_BOTH = 0xfa,

	KEYBOARD_ID_1 = 0xab,
	KEYBOARD_ID_2 = 0x83,
	SCAN_CODE_SET_DEFAULT = 2,
	SCAN_CODE_SET_LAST = 3,
};

enum {
	MOUSE_SCALING_1_1 = 0xe6,
	MOUSE_SCALING_2_1 = 0xe7,
	MOUSE_SET_RESOLUTION = 0xe8,
	MOUSE_STATUS = 0xe9,
	MOUSE_STREAM_MODE = 0xea,
	MOUSE_READ_DATA = 0xeb,
	MOUSE_LEAVE_WRAP = 0xec,
	MOUSE_WRAP_MODE = 0xee,
	MOUSE_REMOTE_MODE = 0xf0,

	MOUSE_ID = 0x00,
	MOUSE_STATUS_SCALING = 1 << 4,
	MOUSE_STATUS_ENABLED = 1 << 5,
	MOUSE_STATUS_REMOTE = 1 << 6,
	MOUSE_PACKET_ALWAYS = 1 << 3,
	MOUSE_RESOLUTION_DEFAULT = 2, /* four counts a millimetre */
	MOUSE_RATE_DEFAULT = 100,     /* a second */
};

/* The longest answer is the mouse's status: four bytes. */
#define ANSWER_MAX 4

/* What a device has to say, and the command of two bytes whose second is still to come. */
typedef struct {
	guint8 answer[ANSWER_MAX];
	guint next;
	guint end;
	guint8 last; /* sent, for DEVICE_RESEND */
	guint8 command;
} Ps2Device;

typedef struct {
	Ps2Device device;
	guint8 scan_code_set;
} Keyboard;

typedef struct {
	Ps2Device device;
	guint8 status; /* of MOUSE_STATUS_* */
	guint8 resolution;
	guint8 rate;
	gboolean is_wrapping;
} Mouse;

struct I8042 {
	InterruptLine keyboard_interrupt;
	InterruptLine mouse_interrupt;
	void (*reset)(void *opaque);
	void *opaque;

	guint8 status;
	guint8 mode;
	guint8 command; /* whose parameter is the next byte to the data port; or 0 */
	guint8 output;	/* the output buffer; read again where it is empty */
	gboolean is_a20_on;
	guint8 system_control; /* without the bit for A20 */

	gboolean has_reply; /* the controller's own, waiting for the output buffer */
	gboolean is_reply_mouse;
	guint8 reply;

	Keyboard keyboard;
	Mouse mouse;
};

static void answer_clear(Ps2Device *device)
{
	device->next = device->end = 0;
}

static void answer(Ps2Device *device, guint8 byte)
{
	g_assert(device->end < ANSWER_MAX);
	device->answer[device->end++] = byte;
}

static gboolean has_answer(const Ps2Device *device)
{
	return device->next < device->end;
}

static guint8 take_answer(Ps2Device *device)
{
	device->last = device->answer[device->next++];
	return device->last;
}

/* The answers of a keyboard that the controller's table changes. */
static guint8 translate(guint8 byte)
{
	switch (byte) {
	case 1:
		return 0x43;
	case 2:
		return 0x41;
	case 3:
		return 0x3f;
	case KEYBOARD_ID_2:
		return 0x41;
	default:
		return byte;
	}
}

static void update_interrupts(I8042 *i8042)
{
	gboolean is_full = i8042->status & STATUS_OUTPUT_FULL;
	gboolean is_mouse = i8042->status & STATUS_MOUSE_OUTPUT;
	guint8 mode = i8042->mode;

	interrupt_line_set(&i8042->keyboard_interrupt, is_full && !is_mouse &&
							       (mode & MODE_KEYBOARD_INTERRUPT) &&
							       !(mode & MODE_KEYBOARD_DISABLED));
	interrupt_line_set(&i8042->mouse_interrupt,
			   is_full && is_mouse && (mode & MODE_MOUSE_INTERRUPT));
}

static void fill_output(I8042 *i8042, guint8 byte, gboolean is_mouse)
{
	i8042->output = byte;
	i8042->status |= STATUS_OUTPUT_FULL | (is_mouse ? STATUS_MOUSE_OUTPUT : 0);
}

/* Fills the output buffer if it is empty and somebody has something for it. */
static void update_output(I8042 *i8042)
{
	Ps2Device *keyboard = &i8042->keyboard.device, *mouse = &i8042->mouse.device;

	if (i8042->status & STATUS_OUTPUT_FULL)
		return;
	if (i8042->has_reply) {
		i8042->has_reply = FALSE;
		fill_output(i8042, i8042->reply, i8042->is_reply_mouse);
	} else if (has_answer(keyboard) && !(i8042->mode & MODE_KEYBOARD_DISABLED)) {
		guint8 byte = take_answer(keyboard);

		fill_output(i8042, i8042->mode & MODE_TRANSLATE ? translate(byte) : byte, FALSE);
	} else if (has_answer(mouse) && !(i8042->mode & MODE_MOUSE_DISABLED)) {
		fill_output(i8042, take_answer(mouse), TRUE);
	}
}

static void update(I8042 *i8042)
{
	update_output(i8042);
	update_interrupts(i8042);
}

static void reply(I8042 *i8042, guint8 byte, gboolean is_mouse)
{
	i8042->has_reply = TRUE;
	i8042->is_reply_mouse = is_mouse;
	i8042->reply = byte;
}

static void keyboard_set_defaults(Keyboard *keyboard)
{
	keyboard->scan_code_set = SCAN_CODE_SET_DEFAULT;
}

static void keyboard_parameter(Keyboard *keyboard, guint8 command, guint8 value)
{
	Ps2Device *device = &keyboard->device;

	if (command != KEYBOARD_SCAN_CODE_SET) {
		answer(device, ANSWER_ACKNOWLEDGE);
	} else if (value > SCAN_CODE_SET_LAST) {
		answer(device, ANSWER_RESEND);
	} else {
		answer(device, ANSWER_ACKNOWLEDGE);
		if (value == 0)
			answer(device, keyboard->scan_code_set);
		else
			keyboard->scan_code_set = value;
	}
}

static void keyboard_command(Keyboard *keyboard, guint8 command)
{
	Ps2Device *device = &keyboard->device;

	switch (command) {
	case KEYBOARD_ECHO:
		answer(device, KEYBOARD_ECHO);
		break;
	case KEYBOARD_SET_LEDS:
	case KEYBOARD_SCAN_CODE_SET:
	case DEVICE_SET_RATE:
		device->command = command;
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case DEVICE_IDENTIFY:
		answer(device, ANSWER_ACKNOWLEDGE);
		answer(device, KEYBOARD_ID_1);
		answer(device, KEYBOARD_ID_2);
		break;
	case DEVICE_DISABLE:
	case DEVICE_SET_DEFAULTS:
		keyboard_set_defaults(keyboard);
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case DEVICE_ENABLE:
	case KEYBOARD_ALL_TYPEMATIC ... KEYBOARD_ALL_BOTH:
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case DEVICE_RESEND:
		answer(device, device->last);
		break;
	case DEVICE_RESET:
		keyboard_set_defaults(keyboard);
		answer(device, ANSWER_ACKNOWLEDGE);
		answer(device, ANSWER_TEST_PASSED);
		break;
	default:
		answer(device, ANSWER_RESEND);
		break;
	}
}

static void keyboard_write(Keyboard *keyboard, guint8 value)
{
	guint8 command = keyboard->device.command;

	answer_clear(&keyboard->device);
	keyboard->device.command = 0;
	if (command)
		keyboard_parameter(keyboard, command, value);
	else
		keyboard_command(keyboard, value);
}

static void mouse_set_defaults(Mouse *mouse)
{
	mouse->status = 0;
	mouse->resolution = MOUSE_RESOLUTION_DEFAULT;
	mouse->rate = MOUSE_RATE_DEFAULT;
	mouse->is_wrapping = FALSE;
}

static void mouse_parameter(Mouse *mouse, guint8 command, guint8 value)
{
	if (command == MOUSE_SET_RESOLUTION)
		mouse->resolution = value;
	else
		mouse->rate = value;
	answer(&mouse->device, ANSWER_ACKNOWLEDGE);
}

static void mouse_change_status(Mouse *mouse, guint8 clear, guint8 set)
{
	mouse->status = (mouse->status & ~clear) | set;
	answer(&mouse->device, ANSWER_ACKNOWLEDGE);
}

static void mouse_report_status(Mouse *mouse)
{
	answer(&mouse->device, ANSWER_ACKNOWLEDGE);
	answer(&mouse->device, mouse->status);
	answer(&mouse->device, mouse->resolution);
	answer(&mouse->device, mouse->rate);
}

static void mouse_report_no_motion(Mouse *mouse)
{
	answer(&mouse->device, ANSWER_ACKNOWLEDGE);
	answer(&mouse->device, MOUSE_PACKET_ALWAYS);
	answer(&mouse->device, 0);
	answer(&mouse->device, 0);
}

static void mouse_command(Mouse *mouse, guint8 command)
{
	Ps2Device *device = &mouse->device;

	switch (command) {
	case MOUSE_SCALING_1_1:
		mouse_change_status(mouse, MOUSE_STATUS_SCALING, 0);
		break;
	case MOUSE_SCALING_2_1:
		mouse_change_status(mouse, 0, MOUSE_STATUS_SCALING);
		break;
	case MOUSE_SET_RESOLUTION:
	case DEVICE_SET_RATE:
		device->command = command;
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case MOUSE_STATUS:
		mouse_report_status(mouse);
		break;
	case MOUSE_STREAM_MODE:
		mouse_change_status(mouse, MOUSE_STATUS_REMOTE, 0);
		break;
	case MOUSE_READ_DATA:
		mouse_report_no_motion(mouse);
		break;
	case MOUSE_WRAP_MODE:
		mouse->is_wrapping = TRUE;
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case MOUSE_LEAVE_WRAP:
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case MOUSE_REMOTE_MODE:
		mouse_change_status(mouse, 0, MOUSE_STATUS_REMOTE);
		break;
	case DEVICE_IDENTIFY:
		answer(device, ANSWER_ACKNOWLEDGE);
		answer(device, MOUSE_ID);
		break;
	case DEVICE_ENABLE:
		mouse_change_status(mouse, 0, MOUSE_STATUS_ENABLED);
		break;
	case DEVICE_DISABLE:
		mouse_change_status(mouse, MOUSE_STATUS_ENABLED, 0);
		break;
	case DEVICE_SET_DEFAULTS:
		mouse_set_defaults(mouse);
		answer(device, ANSWER_ACKNOWLEDGE);
		break;
	case DEVICE_RESEND:
		answer(device, device->last);
		break;
	case DEVICE_RESET:
		mouse_set_defaults(mouse);
		answer(device, ANSWER_ACKNOWLEDGE);
		answer(device, ANSWER_TEST_PASSED);
		answer(device, MOUSE_ID);
		break;
	default:
		answer(device, ANSWER_RESEND);
		break;
	}
}

static void mouse_write(Mouse *mouse, guint8 value)
{
	guint8 command = mouse->device.command;

	answer_clear(&mouse->device);
	mouse->device.command = 0;
	if (mouse->is_wrapping && value != DEVICE_RESET && value != MOUSE_LEAVE_WRAP) {
		answer(&mouse->device, value);
	} else if (command) {
		mouse_parameter(mouse, command, value);
	} else {
		mouse->is_wrapping = FALSE;
		mouse_command(mouse, value);
	}
}

static guint8 read_output_port(const I8042 *i8042)
{
	guint8 value = OUTPUT_NO_RESET | (i8042->is_a20_on ? OUTPUT_A20 : 0);

	if (i8042->keyboard_interrupt.level)
		value |= OUTPUT_KEYBOARD_INTERRUPT;
	if (i8042->mouse_interrupt.level)
		value |= OUTPUT_MOUSE_INTERRUPT;
	return value;
}

static void write_output_port(I8042 *i8042, guint8 value)
{
	i8042->is_a20_on = value & OUTPUT_A20;
	if (!(value & OUTPUT_NO_RESET))
		i8042->reset(i8042->opaque);
}

static void set_mode(I8042 *i8042, guint8 mode)
{
	i8042->mode = mode & MODE_MASK;
	if (mode & MODE_SYSTEM)
		i8042->status |= STATUS_SYSTEM;
	else
		i8042->status &= ~STATUS_SYSTEM;
}

static void take_command(I8042 *i8042, guint8 command)
{
	switch (command) {
	case COMMAND_READ_MODE:
		reply(i8042, i8042->mode, FALSE);
		break;
	case COMMAND_WRITE_MODE:
	case COMMAND_WRITE_OUTPUT:
	case COMMAND_WRITE_KEYBOARD_BUFFER:
	case COMMAND_WRITE_MOUSE_BUFFER:
	case COMMAND_WRITE_MOUSE:
		i8042->command = command;
		break;
	case COMMAND_DISABLE_MOUSE:
		i8042->mode |= MODE_MOUSE_DISABLED;
		break;
	case COMMAND_ENABLE_MOUSE:
		i8042->mode &= ~MODE_MOUSE_DISABLED;
		break;
	case COMMAND_SELF_TEST:
		set_mode(i8042, i8042->mode | MODE_SYSTEM);
		reply(i8042, SELF_TEST_PASSED, FALSE);
		break;
	case COMMAND_TEST_MOUSE:
	case COMMAND_TEST_KEYBOARD:
		reply(i8042, TEST_PASSED, FALSE);
		break;
	case COMMAND_DISABLE_KEYBOARD:
		i8042->mode |= MODE_KEYBOARD_DISABLED;
		break;
	case COMMAND_ENABLE_KEYBOARD:
		i8042->mode &= ~MODE_KEYBOARD_DISABLED;
		break;
	case COMMAND_READ_INPUT:
		reply(i8042, INPUT_NOT_LOCKED, FALSE);
		break;
	case COMMAND_READ_OUTPUT:
		reply(i8042, read_output_port(i8042), FALSE);
		break;
	case COMMAND_DISABLE_A20:
		i8042->is_a20_on = FALSE;
		break;
	case COMMAND_ENABLE_A20:
		i8042->is_a20_on = TRUE;
		break;
	case COMMAND_PULSE_OUTPUT ... 0xff:
		if (!(command & PULSE_NOT_RESET))
			i8042->reset(i8042->opaque);
		break;
	}
}

static void take_parameter(I8042 *i8042, guint8 command, guint8 value)
{
	switch (command) {
	case COMMAND_WRITE_MODE:
		set_mode(i8042, value);
		break;
	case COMMAND_WRITE_OUTPUT:
		write_output_port(i8042, value);
		break;
	case COMMAND_WRITE_KEYBOARD_BUFFER:
		reply(i8042, value, FALSE);
		break;
	case COMMAND_WRITE_MOUSE_BUFFER:
		reply(i8042, value, TRUE);
		break;
	case COMMAND_WRITE_MOUSE:
		/* Writing to a device enables it, so that its answer comes through. */
		i8042->mode &= ~MODE_MOUSE_DISABLED;
		mouse_write(&i8042->mouse, value);
		break;
	default:
		i8042->mode &= ~MODE_KEYBOARD_DISABLED;
		keyboard_write(&i8042->keyboard, value);
		break;
	}
}

static guint64 data_read(void *device, guint64 offset, guint size)
{
	I8042 *i8042 = device;
	guint8 value = i8042->output;

	(void)offset;
	(void)size;
	/* The line goes down even if there is more: each byte is an edge. */
	i8042->status &= ~(STATUS_OUTPUT_FULL | STATUS_MOUSE_OUTPUT);
	update_interrupts(i8042);
	update(i8042);
	return value;
}

static void data_write(void *device, guint64 offset, guint size, guint64 value)
{
	I8042 *i8042 = device;
	guint8 command = i8042->command;

	(void)offset;
	(void)size;
	i8042->status &= ~STATUS_COMMAND;
	i8042->command = 0;
	take_parameter(i8042, command, value);
	update(i8042);
}

const BusOperations i8042_data_operations = {
	.read = data_read,
	.write = data_write,
	.max_access = 1,
};

static guint64 status_read(void *device, guint64 offset, guint size)
{
	I8042 *i8042 = device;

	(void)offset;
	(void)size;
	return i8042->status;
}

static void command_write(void *device, guint64 offset, guint size, guint64 value)
{
	I8042 *i8042 = device;

	(void)offset;
	(void)size;
	i8042->status |= STATUS_COMMAND;
	i8042->command = 0;
	take_command(i8042, value);
	update(i8042);
}

const BusOperations i8042_command_operations = {
	.read = status_read,
	.write = command_write,
	.max_access = 1,
};

static guint64 system_control_read(void *device, guint64 offset, guint size)
{
	I8042 *i8042 = device;

	(void)offset;
	(void)size;
	return i8042->system_control | (i8042->is_a20_on ? SYSTEM_CONTROL_A20 : 0);
}

static void system_control_write(void *device, guint64 offset, guint size, guint64 value)
{
	I8042 *i8042 = device;
	gboolean is_reset = value & ~i8042->system_control & SYSTEM_CONTROL_RESET;

	(void)offset;
	(void)size;
	i8042->is_a20_on = value & SYSTEM_CONTROL_A20;
	i8042->system_control = value & SYSTEM_CONTROL_RESET;
	if (is_reset)
		i8042->reset(i8042->opaque);
}

const BusOperations i8042_system_control_operations = {
	.read = system_control_read,
	.write = system_control_write,
	.max_access = 1,
};

I8042 *i8042_new(const InterruptLine *keyboard, const InterruptLine *mouse,
		 void (*reset)(void *opaque), void *opaque)
{
	I8042 *i8042 = g_new0(I8042, 1);

	i8042->keyboard_interrupt = *keyboard;
	i8042->mouse_interrupt = *mouse;
	i8042->reset = reset;
	i8042->opaque = opaque;
	i8042_reset(i8042);
	return i8042;
}

void i8042_free(I8042 *i8042)
{
	g_free(i8042);
}

void i8042_reset(I8042 *i8042)
{
	i8042->status = STATUS_UNLOCKED | STATUS_COMMAND;
	i8042->mode = MODE_KEYBOARD_INTERRUPT | MODE_MOUSE_INTERRUPT;
	i8042->command = 0;
	i8042->output = 0;
	i8042->is_a20_on = TRUE;
	i8042->system_control = 0;
	i8042->has_reply = FALSE;
	i8042->keyboard = (Keyboard){ 0 };
	keyboard_set_defaults(&i8042->keyboard);
	i8042->mouse = (Mouse){ 0 };
	mouse_set_defaults(&i8042->mouse);
	update(i8042);
}

static void reset_device(void *device)
{
	i8042_reset(device);
}

static void free_device(void *device)
{
	i8042_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

void i8042_create(const DeviceSurroundings *surroundings)
{
	const InterruptLine keyboard = device_isa_line(surroundings, I8042_KEYBOARD_IRQ);
	const InterruptLine mouse = device_isa_line(surroundings, I8042_MOUSE_IRQ);
	Bus *ports = surroundings->ports;
	I8042 *i8042 = i8042_new(&keyboard, &mouse, surroundings->host->reset,
				 surroundings->opaque);

	bus_add(ports, I8042_DATA_PORT, 1, "keyboard data", &i8042_data_operations, i8042);
	bus_add(ports, I8042_COMMAND_PORT, 1, "keyboard controller", &i8042_command_operations,
		i8042);
	bus_add(ports, I8042_SYSTEM_CONTROL_PORT, 1, "system control",
		&i8042_system_control_operations, i8042);
	device_registry_add(surroundings->registry, "chipset/i8042", &device_operations, i8042);
}
