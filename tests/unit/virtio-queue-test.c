/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-queue-test.c - virtqueues, split and packed, with a guest that is well behaved and one
 * that is not
 *
 * The guest's side is written here a second time, as a driver has it: what it adds has to come out
 * of the queue, and what the device gives back has to be found by it.
 */
#include <glib.h>
#include <linux/virtio_ring.h>

#include "made-up-memory.h"
#include "vmm/virtio/queue.h"

#define SIZE	  8u
#define DESC	  (MADE_UP_RAM + 0x0000)
#define DRIVER	  (MADE_UP_RAM + 0x4000)
#define DEVICE	  (MADE_UP_RAM + 0x8000)
#define TABLE	  (MADE_UP_RAM + 0xc000)
#define BUFFERS	  (MADE_UP_RAM + 0x10000)
#define NO_RAM	  0x10ull

#define AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED	  (1u << VRING_PACKED_DESC_F_USED)

typedef struct {
	gboolean is_packed;
	gboolean has_event_index;
	guint size;
} Kind;

typedef struct {
	VirtioQueue *queue;
	guint n_interrupts;
	const Kind *kind;

	/* The driver's side. */
	guint16 next; /* split: index of the available ring; packed: place in the ring */
	gboolean wrap;
	guint16 seen; /* the same for what is used */
	gboolean seen_wrap;
	guint free; /* split: next descriptor to take */
} Fixture;

/* A buffer as the driver adds it. */
typedef struct {
	guint64 gpa;
	guint32 size;
	guint16 flags;
} Buffer;

static struct vring_desc *split_ring(void)
{
	return made_up_address(DESC, 0);
}

static struct vring_avail *available(void)
{
	return made_up_address(DRIVER, 0);
}

static struct vring_used *used(void)
{
	return made_up_address(DEVICE, 0);
}

static struct vring_packed_desc *packed_ring(void)
{
	return made_up_address(DESC, 0);
}

static struct vring_packed_desc_event *driver_event(void)
{
	return made_up_address(DRIVER, 0);
}

static struct vring_packed_desc_event *device_event(void)
{
	return made_up_address(DEVICE, 0);
}

static void interrupt(void *opaque, guint index)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(index, ==, 3);
	fixture->n_interrupts++;
}

static void enable(Fixture *fixture)
{
	const VirtioQueueSetup setup = {
		.size = (guint16)fixture->kind->size,
		.is_packed = fixture->kind->is_packed,
		.has_indirect = TRUE,
		.has_event_index = fixture->kind->has_event_index,
		.descriptors = made_up_address(DESC, 0),
		.driver = made_up_address(DRIVER, 0),
		.device = made_up_address(DEVICE, 0),
	};

	memset(made_up_ram, 0, sizeof(made_up_ram));
	virtio_queue_enable(fixture->queue, &setup);
	fixture->next = 0;
	fixture->wrap = TRUE;
	fixture->seen = 0;
	fixture->seen_wrap = TRUE;
	fixture->free = 0;
	fixture->n_interrupts = 0;
}

static void start(Fixture *fixture, gconstpointer data)
{
	fixture->kind = data;
	fixture->queue = virtio_queue_new(3, interrupt, fixture);
	enable(fixture);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	virtio_queue_free(fixture->queue);
}

/* The driver */

static void split_add(Fixture *fixture, const Buffer *buffers, guint count)
{
	guint size = fixture->kind->size;
	guint head = fixture->free % size;

	for (guint i = 0; i < count; i++) {
		guint at = fixture->free++ % size;

		split_ring()[at] = (struct vring_desc){
			.addr = buffers[i].gpa,
			.len = buffers[i].size,
			.flags = buffers[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0),
			.next = (guint16)(fixture->free % size),
		};
	}
	available()->ring[fixture->next++ % size] = (guint16)head;
	available()->idx = fixture->next;
}

static void packed_add(Fixture *fixture, const Buffer *buffers, guint count)
{
	for (guint i = 0; i < count; i++) {
		guint16 flags = buffers[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0);

		packed_ring()[fixture->next] = (struct vring_packed_desc){
			.addr = buffers[i].gpa,
			.len = buffers[i].size,
			.id = (guint16)(fixture->free & 0xff),
			.flags = flags | (fixture->wrap ? AVAILABLE : USED),
		};
		if (++fixture->next == fixture->kind->size) {
			fixture->next = 0;
			fixture->wrap = !fixture->wrap;
		}
	}
	fixture->free++;
}

static void add(Fixture *fixture, const Buffer *buffers, guint count)
{
	if (fixture->kind->is_packed)
		packed_add(fixture, buffers, count);
	else
		split_add(fixture, buffers, count);
}

static void add_one(Fixture *fixture, guint64 gpa, guint32 size, guint16 flags)
{
	const Buffer buffer = { gpa, size, flags };

	add(fixture, &buffer, 1);
}

/* Whether something came back; of how many descriptors it was, the driver knows. */
static gboolean take_used(Fixture *fixture, guint n_descriptors, guint32 *written)
{
	if (!fixture->kind->is_packed) {
		if (used()->idx == fixture->seen)
			return FALSE;
		*written = used()->ring[fixture->seen++ % fixture->kind->size].len;
		return TRUE;
	}
	if (!!(packed_ring()[fixture->seen].flags & USED) != fixture->seen_wrap ||
	    !!(packed_ring()[fixture->seen].flags & AVAILABLE) != fixture->seen_wrap)
		return FALSE;
	*written = packed_ring()[fixture->seen].len;
	fixture->seen += n_descriptors;
	if (fixture->seen >= fixture->kind->size) {
		fixture->seen -= fixture->kind->size;
		fixture->seen_wrap = !fixture->seen_wrap;
	}
	return TRUE;
}

static VirtioChain *pop(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	VirtioChain *chain = virtio_queue_pop(fixture->queue, &error);

	g_assert_no_error(error);
	return chain;
}

/* The queue is broken by what was added, and stays so; then it can be set up again. */
static void assert_broken(Fixture *fixture, const char *pattern)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(virtio_queue_pop(fixture->queue, &error));
	g_assert_nonnull(error);
	if (!g_pattern_match_simple(pattern, error->message))
		g_error("\"%s\" is not \"%s\"", error->message, pattern);
	g_assert_null(pop(fixture));
	g_assert_true(virtio_queue_enable_kicks(fixture->queue));
	virtio_queue_notify(fixture->queue);
	virtio_queue_disable(fixture->queue);
	g_assert_null(pop(fixture));
	enable(fixture);
	add_one(fixture, BUFFERS, 1, 0);
	virtio_queue_push(fixture->queue, pop(fixture), 0);
	enable(fixture);
}

/* What works */

static void test_chains_come_and_go(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer buffers[] = {
		{ BUFFERS, 16, 0 },
		{ BUFFERS + 0x100, 0, 0 },
		{ BUFFERS + 0x200, 32, 0 },
		{ BUFFERS + 0x300, 8, VRING_DESC_F_WRITE },
	};

	for (guint i = 0; i < 1000; i++) {
		VirtioChain *chain;
		guint32 written;

		g_assert_null(pop(fixture));
		add(fixture, buffers, G_N_ELEMENTS(buffers));
		chain = pop(fixture);
		g_assert_nonnull(chain);
		g_assert_cmpuint(chain->n_out, ==, 2);
		g_assert_cmpuint(chain->out_size, ==, 48);
		g_assert_cmphex(chain->out[1].gpa, ==, BUFFERS + 0x200);
		g_assert_cmpuint(chain->n_in, ==, 1);
		g_assert_cmpuint(chain->in_size, ==, 8);
		g_assert_cmphex(chain->in[0].gpa, ==, BUFFERS + 0x300);
		g_assert_false(take_used(fixture, 4, &written));
		virtio_queue_push(fixture->queue, chain, i % 9);
		g_assert_true(take_used(fixture, 4, &written));
		g_assert_cmpuint(written, ==, i % 9);
		g_assert_false(take_used(fixture, 4, &written));
	}
}

static void test_full_and_out_of_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VirtioChain *chains[SIZE];

	for (guint round = 0; round < 5; round++) {
		guint32 written;

		for (guint i = 0; i < fixture->kind->size; i++)
			add_one(fixture, BUFFERS + i * 0x100, i + 1, VRING_DESC_F_WRITE);
		for (guint i = 0; i < fixture->kind->size; i++) {
			chains[i] = pop(fixture);
			g_assert_nonnull(chains[i]);
		}
		g_assert_null(pop(fixture));
		for (guint i = fixture->kind->size; i-- > 0;)
			virtio_queue_push(fixture->queue, chains[i], (guint32)chains[i]->in_size);
		for (guint i = fixture->kind->size; i-- > 0;) {
			g_assert_true(take_used(fixture, 1, &written));
			g_assert_cmpuint(written, ==, i + 1);
		}
	}
}

static void test_unpop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer buffers[] = { { BUFFERS, 1, 0 }, { BUFFERS + 1, 2, 0 }, { BUFFERS, 3, 0 } };

	for (guint i = 0; i < 20; i++) {
		guint32 written;

		add(fixture, buffers, G_N_ELEMENTS(buffers));
		virtio_queue_unpop(fixture->queue, pop(fixture));
		virtio_queue_unpop(fixture->queue, pop(fixture));
		virtio_queue_push(fixture->queue, pop(fixture), 0);
		g_assert_true(take_used(fixture, 3, &written));
		g_assert_null(pop(fixture));
	}
}

static void test_held_until_released(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 20; i++) {
		VirtioChain *first, *second;
		guint32 written;

		add_one(fixture, BUFFERS, 8, VRING_DESC_F_WRITE);
		add_one(fixture, BUFFERS, 8, VRING_DESC_F_WRITE);
		first = pop(fixture);
		second = pop(fixture);
		virtio_queue_hold(fixture->queue);
		virtio_queue_push(fixture->queue, first, 5);
		virtio_queue_push(fixture->queue, second, 6);
		g_assert_false(take_used(fixture, 1, &written));
		virtio_queue_release(fixture->queue);
		g_assert_true(take_used(fixture, 1, &written));
		g_assert_cmpuint(written, ==, 5);
		g_assert_true(take_used(fixture, 1, &written));
		g_assert_cmpuint(written, ==, 6);
	}
}

static void put_table(guint index, guint64 gpa, guint32 size, guint16 flags, guint16 next)
{
	struct vring_desc *table = made_up_address(TABLE, 0);

	table[index] = (struct vring_desc){ gpa, size, flags, next };
}

static void put_packed_table(guint index, guint64 gpa, guint32 size, guint16 flags)
{
	struct vring_packed_desc *table = made_up_address(TABLE, 0);

	table[index] = (struct vring_packed_desc){ gpa, size, 0xffff, flags };
}

static void test_indirect(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VirtioChain *chain;

	if (fixture->kind->is_packed) {
		put_packed_table(0, BUFFERS, 10, 0);
		put_packed_table(1, BUFFERS + 10, 20, 0);
		put_packed_table(2, BUFFERS + 30, 30, VRING_DESC_F_WRITE);
	} else {
		put_table(0, BUFFERS, 10, VRING_DESC_F_NEXT, 2);
		put_table(1, BUFFERS + 30, 30, VRING_DESC_F_WRITE, 0xffff);
		put_table(2, BUFFERS + 10, 20, VRING_DESC_F_NEXT, 1);
	}
	add_one(fixture, TABLE, 48, VRING_DESC_F_INDIRECT);
	chain = pop(fixture);
	g_assert_cmpuint(chain->n_out, ==, 2);
	g_assert_cmpuint(chain->out_size, ==, 30);
	g_assert_cmphex(chain->out[1].gpa, ==, BUFFERS + 10);
	g_assert_cmpuint(chain->in_size, ==, 30);
	virtio_queue_push(fixture->queue, chain, 0);
}

static void test_content(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	const Buffer buffers[] = {
		{ BUFFERS, 3, 0 },
		{ BUFFERS + 8, 4, 0 },
		{ BUFFERS + 16, 3, VRING_DESC_F_WRITE },
		{ BUFFERS + 32, 3, VRING_DESC_F_WRITE },
	};
	VirtioChain *chain;
	char bytes[8] = "";

	memcpy(made_up_address(BUFFERS, 3), "abc", 3);
	memcpy(made_up_address(BUFFERS + 8, 4), "defg", 4);
	add(fixture, buffers, G_N_ELEMENTS(buffers));
	chain = pop(fixture);
	g_assert_true(virtio_chain_read(chain, NULL, 0, bytes, 7, &error));
	g_assert_cmpstr(bytes, ==, "abcdefg");
	memset(bytes, 0, sizeof(bytes));
	g_assert_true(virtio_chain_read(chain, NULL, 2, bytes, 3, &error));
	g_assert_cmpstr(bytes, ==, "cde");
	g_assert_true(virtio_chain_read(chain, NULL, 7, bytes, 0, &error));
	g_assert_true(virtio_chain_write(chain, NULL, 1, "1234", 4, &error));
	g_assert_cmpmem(made_up_address(BUFFERS + 16, 3), 3,
			"\0"
			"12",
			3);
	g_assert_cmpmem(made_up_address(BUFFERS + 32, 3), 3, "34\0", 3);
	g_assert_false(virtio_chain_write(chain, NULL, 1, "12345678", 6, &error));
	g_clear_error(&error);
	g_assert_false(virtio_chain_read(chain, NULL, G_MAXUINT64, bytes, 2, &error));
	virtio_queue_push(fixture->queue, chain, 0);
}

/* Suppression */

static void serve(Fixture *fixture, guint count)
{
	for (guint i = 0; i < count; i++) {
		guint32 written;

		add_one(fixture, BUFFERS, 1, 0);
		virtio_queue_push(fixture->queue, pop(fixture), 0);
		g_assert_true(take_used(fixture, 1, &written));
	}
}

static void test_interrupts_by_flag(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	virtio_queue_notify(fixture->queue);
	g_assert_cmpuint(fixture->n_interrupts, ==, 0);
	serve(fixture, 2);
	virtio_queue_notify(fixture->queue);
	virtio_queue_notify(fixture->queue);
	g_assert_cmpuint(fixture->n_interrupts, ==, 1);
	if (fixture->kind->is_packed)
		driver_event()->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	else
		available()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	serve(fixture, 2);
	virtio_queue_notify(fixture->queue);
	g_assert_cmpuint(fixture->n_interrupts, ==, 1);
}

/* The driver wants one when it finds @count more used ones. */
static void want_interrupt_after(Fixture *fixture, guint count)
{
	guint place = fixture->seen + count - 1;
	gboolean wrap = fixture->seen_wrap;

	if (!fixture->kind->is_packed) {
		available()->ring[fixture->kind->size] = (guint16)place;
		return;
	}
	if (place >= fixture->kind->size) {
		place -= fixture->kind->size;
		wrap = !wrap;
	}
	driver_event()->off_wrap = (guint16)(place | (guint)wrap << 15);
	driver_event()->flags = VRING_PACKED_EVENT_FLAG_DESC;
}

static void test_interrupts_by_index(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 3 * fixture->kind->size; i++) {
		want_interrupt_after(fixture, 3);
		serve(fixture, 2);
		virtio_queue_notify(fixture->queue);
		g_assert_cmpuint(fixture->n_interrupts, ==, i);
		serve(fixture, 1);
		virtio_queue_notify(fixture->queue);
		g_assert_cmpuint(fixture->n_interrupts, ==, i + 1);
		serve(fixture, 1);
		virtio_queue_notify(fixture->queue);
		g_assert_cmpuint(fixture->n_interrupts, ==, i + 1);
	}
}

static gboolean is_kick_wanted(Fixture *fixture)
{
	if (fixture->kind->is_packed && fixture->kind->has_event_index)
		return device_event()->flags == VRING_PACKED_EVENT_FLAG_DESC &&
		       device_event()->off_wrap == (fixture->next | (guint)fixture->wrap << 15);
	if (fixture->kind->is_packed)
		return device_event()->flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	if (fixture->kind->has_event_index)
		return *(guint16 *)&used()->ring[fixture->kind->size] == fixture->next;
	return !(used()->flags & VRING_USED_F_NO_NOTIFY);
}

static void test_kicks(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 20; i++) {
		guint32 written;

		g_assert_true(virtio_queue_enable_kicks(fixture->queue));
		g_assert_true(is_kick_wanted(fixture));
		virtio_queue_disable_kicks(fixture->queue);
		add_one(fixture, BUFFERS, 1, 0);
		g_assert_false(is_kick_wanted(fixture));
		g_assert_false(virtio_queue_enable_kicks(fixture->queue));
		virtio_queue_push(fixture->queue, pop(fixture), 0);
		g_assert_true(take_used(fixture, 1, &written));
	}
}

/* What a guest does wrong */

static void test_wrapping_buffer(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_one(fixture, G_MAXUINT64 - 7, 9, 0);
	assert_broken(fixture, "*wraps*");
	/* One that ends with the address space is for who carries it to refuse. */
	add_one(fixture, G_MAXUINT64 - 7, 8, 0);
	virtio_queue_push(fixture->queue, pop(fixture), 0);
}

static void test_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer buffers[] = { { BUFFERS, 1, VRING_DESC_F_WRITE }, { BUFFERS, 1, 0 } };

	add(fixture, buffers, 2);
	assert_broken(fixture, "*comes after*");
}

static void test_too_much(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer buffers[] = {
		{ BUFFERS, G_MAXUINT32, VRING_DESC_F_WRITE },
		{ BUFFERS, 1, VRING_DESC_F_WRITE },
	};

	add(fixture, buffers, 2);
	assert_broken(fixture, "*4 GiB*");
}

static void test_tables(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer both[] = { { TABLE, 16, VRING_DESC_F_INDIRECT }, { BUFFERS, 1, 0 } };

	add_one(fixture, TABLE, 0, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*table of size 0*");
	add_one(fixture, TABLE, 17, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*table of size 17*");
	add_one(fixture, TABLE, (VIRTIO_CHAIN_MAX + 1) * 16, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*table of size 16400*");
	add_one(fixture, NO_RAM, 16, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*no RAM*");
	add_one(fixture, G_MAXUINT64, 16, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*no RAM*");
	add(fixture, both, 2);
	assert_broken(fixture, "*goes on*");
	if (fixture->kind->is_packed)
		put_packed_table(0, TABLE, 16, VRING_DESC_F_INDIRECT);
	else
		put_table(0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	add_one(fixture, TABLE, 16, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*has one in it*");
}

static void test_table_of_a_split_ring(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_table(0, BUFFERS, 1, VRING_DESC_F_NEXT, 1);
	put_table(1, BUFFERS, 1, VRING_DESC_F_NEXT, 0);
	add_one(fixture, TABLE, 32, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*table go in a circle*");
	put_table(0, BUFFERS, 1, VRING_DESC_F_NEXT, 2);
	add_one(fixture, TABLE, 32, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*descriptor 2 of an indirect table of 2*");
}

static void test_table_not_agreed_on(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const VirtioQueueSetup setup = {
		.size = (guint16)fixture->kind->size,
		.is_packed = fixture->kind->is_packed,
		.descriptors = made_up_address(DESC, 0),
		.driver = made_up_address(DRIVER, 0),
		.device = made_up_address(DEVICE, 0),
	};

	virtio_queue_enable(fixture->queue, &setup);
	add_one(fixture, TABLE, 16, VRING_DESC_F_INDIRECT);
	assert_broken(fixture, "*not agreed on*");
}

static void test_split_indices(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VirtioChain *chain;

	available()->idx = SIZE + 1;
	assert_broken(fixture, "*available: 9*");
	available()->idx = 0xffff;
	assert_broken(fixture, "*available: 65535*");
	/* As many as there may be, but for one that the device still has. */
	add_one(fixture, BUFFERS, 1, 0);
	chain = pop(fixture);
	available()->idx = SIZE + 1;
	assert_broken(fixture, "*available: 8, in the device: 1*");
	virtio_queue_drop(chain);
	available()->ring[0] = SIZE;
	available()->idx = 1;
	assert_broken(fixture, "*descriptor 8 of 8*");
	split_ring()[0] = (struct vring_desc){ BUFFERS, 1, VRING_DESC_F_NEXT, SIZE };
	available()->idx = 1;
	assert_broken(fixture, "*descriptor 8 of 8*");
	split_ring()[0] = (struct vring_desc){ BUFFERS, 1, VRING_DESC_F_NEXT, 0 };
	available()->idx = 1;
	assert_broken(fixture, "*in a circle*");
}

static void test_packed_chain_too_long(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Buffer two[] = { { BUFFERS, 1, 0 }, { BUFFERS, 1, 0 } };
	VirtioChain *chain;

	for (guint i = 0; i < fixture->kind->size; i++)
		packed_ring()[i] = (struct vring_packed_desc){
			.addr = BUFFERS,
			.len = 1,
			.flags = AVAILABLE | VRING_DESC_F_NEXT,
		};
	assert_broken(fixture, "*longer than what is left: 7");
	add(fixture, two, 2);
	chain = pop(fixture);
	for (guint i = 2; i < fixture->kind->size; i++)
		add_one(fixture, BUFFERS, 1, 0);
	for (guint i = 2; i + 1 < fixture->kind->size; i++)
		virtio_queue_drop(pop(fixture));
	packed_ring()[fixture->kind->size - 1].flags |= VRING_DESC_F_NEXT;
	assert_broken(fixture, "*longer than what is left: 1");
	virtio_queue_drop(chain);
}

/* Whatever is in the rings: nothing is read or written beyond them, and everything ends. */
static void test_anything(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint round = 0; round < 2000; round++) {
		enable(fixture);
		for (guint i = 0; i < 0x1000; i++)
			made_up_ram[i + (i & 1 ? 0x4000 : 0)] = (guint8)g_test_rand_int();
		for (guint i = 0; i < 2 * SIZE; i++) {
			VirtioChain *chain = virtio_queue_pop(fixture->queue, NULL);

			if (!chain)
				break;
			g_assert_cmpuint(chain->n_in + chain->n_out, <=, VIRTIO_CHAIN_MAX);
			if (g_test_rand_bit())
				virtio_queue_push(fixture->queue, chain, 1);
			else
				virtio_queue_drop(chain);
		}
		virtio_queue_notify(fixture->queue);
		(void)virtio_queue_enable_kicks(fixture->queue);
		virtio_queue_disable_kicks(fixture->queue);
	}
}

static void test_slices(void)
{
	const DmaPiece pieces[] = { { 0x1000, 16 }, { 0x3000, 32 }, { 0x5000, 16 } };
	DmaPiece slice[3];

	g_assert_cmpuint(dma_pieces_slice(pieces, 3, 0, 64, slice), ==, 3);
	g_assert_cmpuint(dma_pieces_slice(pieces, 3, 0, 65, slice), ==, 0);
	g_assert_cmpuint(dma_pieces_slice(pieces, 3, G_MAXUINT64, 1, slice), ==, 0);
	g_assert_cmpuint(dma_pieces_slice(pieces, 3, 20, 2, slice), ==, 1);
	g_assert_cmphex(slice[0].gpa, ==, 0x3004);
	g_assert_cmpuint(slice[0].size, ==, 2);
	g_assert_cmpuint(dma_pieces_slice(pieces, 3, 47, 2, slice), ==, 2);
	g_assert_cmphex(slice[0].gpa, ==, 0x301f);
	g_assert_cmphex(slice[1].gpa, ==, 0x5000);
	g_assert_cmpuint(slice[1].size, ==, 1);
}

typedef void (*Test)(Fixture *fixture, gconstpointer data);

static void add_test(const char *ring, const char *name, const Kind *kind, Test test)
{
	g_autofree char *path = g_strdup_printf("/virtio-queue/%s/%s", ring, name);

	g_test_add(path, Fixture, kind, start, test, end);
}

int main(int argc, char **argv)
{
	static const Kind split = { .size = SIZE };
	static const Kind split_event = { .size = SIZE, .has_event_index = TRUE };
	static const Kind packed = { .size = SIZE - 1, .is_packed = TRUE };
	static const Kind packed_event = { .size = SIZE - 1,
					   .is_packed = TRUE,
					   .has_event_index = TRUE };
	static const struct {
		const char *name;
		Test test;
	} tests[] = {
		{ "chains-come-and-go", test_chains_come_and_go },
		{ "full-and-out-of-order", test_full_and_out_of_order },
		{ "unpop", test_unpop },
		{ "held-until-released", test_held_until_released },
		{ "indirect", test_indirect },
		{ "content", test_content },
		{ "kicks", test_kicks },
		{ "wrapping-buffer", test_wrapping_buffer },
		{ "order", test_order },
		{ "too-much", test_too_much },
		{ "tables", test_tables },
		{ "table-not-agreed-on", test_table_not_agreed_on },
		{ "anything", test_anything },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		add_test("split", tests[i].name, &split, tests[i].test);
		add_test("split-event", tests[i].name, &split_event, tests[i].test);
		add_test("packed", tests[i].name, &packed, tests[i].test);
		add_test("packed-event", tests[i].name, &packed_event, tests[i].test);
	}
	add_test("split", "interrupts", &split, test_interrupts_by_flag);
	add_test("packed", "interrupts", &packed, test_interrupts_by_flag);
	add_test("split-event", "interrupts", &split_event, test_interrupts_by_index);
	add_test("packed-event", "interrupts", &packed_event, test_interrupts_by_index);
	add_test("split", "circles-in-tables", &split, test_table_of_a_split_ring);
	add_test("split", "indices", &split, test_split_indices);
	add_test("packed", "chain-too-long", &packed, test_packed_chain_too_long);
	g_test_add_func("/virtio-queue/slices", test_slices);
	return g_test_run();
}
