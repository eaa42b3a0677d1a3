/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-balloon-fuzz.c - libFuzzer target: a guest that means harm, at a balloon
 *
 * Theory of operation
 *
 * The device is on the transport and queues of all. The input is a list of steps: features that are
 * agreed on, chains of any kind in any of its queues, bytes that the guest writes, kicks, accesses
 * to the configuration and to the transport, what the host asks for, pauses and resets in between.
 *
 * What must hold: what is given back is whole pages whose range does not wrap; a turn of the I/O
 * thread gives back so much and no more; and what was opened is closed.
 *
 *     virtio-balloon-fuzz CORPUS
 */
#include <linux/virtio_balloon.h>

#include "virtio-world.h"
#include "vmm/virtio/virtio-balloon.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define ID     "balloon0"
#define QUEUES 5u

/* What one turn may give back: a budget of 256, and one range more. */
#define TURN_RANGES_MAX 1024u
#define TURN_BYTES_MAX	(32ull << 20)

typedef struct {
	VirtioWorld virtio;
	VirtioBalloon *balloon;
} World;

static void balloon_changed(void *opaque, guint64 actual)
{
	(void)opaque;
	g_assert_cmpuint(actual, <=, memory_size(NULL));
}

static const DeviceHost host = {
	.make_signal = made_up_make_signal,
	.balloon_changed = balloon_changed,
};

static void make_device(World *world, guint how)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_boolean_member(object, "free-page-reporting", how & 1);
	world_make_device(&world->virtio, &virtio_balloon_type, ID, object, TRUE);
	world->balloon = virtio_balloon_find(world->virtio.surroundings.registry);
}

/* @choice: features, and how rings are */
static void set_up(World *world, guint choice)
{
	const guint how = choice >> 3 & 0xf;
	/* Those that may be offered; now and then what is not. */
	const guint64 features = ring_features(how) | (choice & 1) << 1 | (choice >> 1 & 3) << 4 |
				 (choice >> 7) << 3;

	agree_on(&world->virtio,
		 features & (offered_features(&world->virtio) | (choice >> 7) << 3));
	enable_queues(&world->virtio, QUEUES, how);
}

/* What the I/O thread is woken for, so many turns of it. */
static void run_turns(World *world, guint turns)
{
	while (turns-- > 0) {
		made_up_releases = 0;
		made_up_released_bytes = 0;
		if (!g_main_context_iteration(world->virtio.thread->context, FALSE))
			return;
		g_assert_cmpuint(made_up_releases, <=, QUEUES * TURN_RANGES_MAX);
		g_assert_cmpuint(made_up_released_bytes, <=, QUEUES * TURN_BYTES_MAX);
		if (world->virtio.is_paused)
			g_assert_cmpuint(made_up_releases, ==, 0);
	}
}

static void ask(World *world, Input *input)
{
	VirtioBalloonStatistics statistics;

	virtio_balloon_set_target(world->balloon, get(input, 4));
	virtio_balloon_set_polling(world->balloon, get(input, 1));
	virtio_balloon_get_statistics(world->balloon, &statistics);
	g_assert_cmpuint(virtio_balloon_actual(world->balloon), <=, memory_size(NULL));
}

static void take_step(World *world, Input *input)
{
	const guint step = get(input, 1), queue = step / 10 % QUEUES;

	switch (step % 10) {
	case 0:
	case 1:
	case 2:
		add_chain(&world->virtio, input, queue);
		break;
	case 3:
		write_bytes(input);
		break;
	case 4:
	case 5:
		kick(&world->virtio, queue);
		break;
	case 6:
		if (step >= 128) {
			touch_transport(&world->virtio, input, queue);
			break;
		}
		write_bar(&world->virtio, CONFIG + get(input, 1) % 24, 1u << queue % 3,
			  get(input, 4));
		read_bar(&world->virtio, CONFIG + get(input, 1) % 24, 4);
		break;
	case 7:
		pause_or_go_on(&world->virtio);
		break;
	case 8:
		set_up(world, get(input, 1));
		break;
	case 9:
		ask(world, input);
		break;
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World world = { 0 };

	g_log_set_default_handler(world_ignore_log, NULL);
	world_start(&world.virtio, &host);
	make_device(&world, get(&input, 1));
	place_bars(&world.virtio);
	set_up(&world, get(&input, 1));
	while (input.left > 0) {
		take_step(&world, &input);
		run_turns(&world, 8);
		made_up_serve_signals();
		check_pins(&world.virtio);
	}
	if (world.virtio.is_paused)
		pause_or_go_on(&world.virtio);
	write_bar(&world.virtio, STATUS, 1, 0);
	run_turns(&world, 8);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	world_end(&world.virtio, ID);
	return 0;
}
