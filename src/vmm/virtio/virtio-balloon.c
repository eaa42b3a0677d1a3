/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-balloon.c - memory that the guest gives back to the host, and what it says of the rest
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.5.
 *
 * Theory of operation
 *
 * The guest names pages that it does not use: by their numbers in the inflate queue, where the
 * host has asked it for some, or by their addresses in the reporting queue, where it has them free
 * anyway. Their memory goes back to the host (memory_release()). When the guest uses a page again,
 * it is there, and zeroes; so that nothing has to be done for the deflate queue, or for a page that
 * comes back from a report.
 *
 * A chain may name all of RAM, a page at a time, over and over: it is served in steps, and after
 * some the I/O thread does what else is to be done. The chain stays in hand meanwhile, through a
 * pause too. Numbers that are no RAM are left out.
 *
 * A buffer of the statistics queue is kept, with what it says having been read, until the host
 * wants to know again; to give it back is to ask.
 *
 * The reporting queue has number 4, the one before being for hints, which this device does not
 * take. Linux numbers the queues that it uses without a gap, as does QEMU: then it has number 3. So
 * there are both, which do the same.
 *
 * The guest says how much it has given in the device's configuration, after each handful of pages.
 * The host is told of that once a second at most.
 */
#include "vmm/virtio/virtio-balloon.h"

#include <glib/gi18n.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "vmm/device/paced-signal.h"
#include "vmm/log.h"
#include "vmm/memory/memory.h"
#include "vmm/virtio/pci.h"

#define BALLOON_CLASS	   0x00ff00
#define BALLOON_QUEUE_SIZE 128

enum {
	QUEUE_INFLATE,
	QUEUE_DEFLATE,
	QUEUE_STATISTICS,
	QUEUE_REPORTING_WITHOUT_GAP,
	QUEUE_REPORTING,
	N_QUEUES,
};

/* Numbers that are read in one step, and addresses that are given back in one. */
#define NUMBERS_MAX 256u
#define STEP_SIZE   (2ull << 20)

/* What is done in one go: a range costs one, and another one for so much of it. */
#define ROUND	   256
#define ROUND_SIZE (64ull << 10)

/* Statistics that are looked at in one buffer: there are ten kinds. */
#define STATISTICS_MAX 32u

#define CONFIG(member) G_STRUCT_OFFSET(struct virtio_balloon_config, member)

typedef struct {
	VirtioOptions options;
	gboolean deflate_on_oom;
	gboolean free_page_reporting;
} BalloonDescription;

/* A chain in hand. */
typedef struct {
	VirtioChain *chain;
	guint64 done; /* bytes of its numbers; or of the piece that is next */
	guint piece;
} Work;

struct VirtioBalloon {
	VirtioDevice *device;
	Memory *memory;
	const DeviceSurroundings *surroundings;
	guint64 offered; /* features */
	PacedSignal changed;

	/* The I/O thread's. */
	guint64 features;
	gboolean is_running; /* not drained */
	Work works[N_QUEUES];
	GSource *turn; /* it goes on when others had their turn */
	GSource *poll; /* statistics are wanted again */
	guint poll_seconds;

	GMutex lock; /* guards what follows */
	struct virtio_balloon_config config;
	VirtioBalloonStatistics statistics;
};

static void serve(VirtioBalloon *balloon);

static GMainContext *context_of(VirtioBalloon *balloon)
{
	return io_thread_context(virtio_device_io_thread(balloon->device));
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

/* ---- What the guest has given -------------------------------------------------------------- */

/* On the main thread, with the device lock held. */
static void on_changed(void *opaque)
{
	VirtioBalloon *balloon = opaque;
	const DeviceSurroundings *surroundings = balloon->surroundings;

	if (surroundings->host->balloon_changed)
		surroundings->host->balloon_changed(surroundings->opaque,
						    virtio_balloon_actual(balloon));
}

static void balloon_config_read(void *opaque, guint offset, void *data, guint size)
{
	VirtioBalloon *balloon = opaque;

	g_mutex_lock(&balloon->lock);
	memcpy(data, (const guint8 *)&balloon->config + offset, size);
	g_mutex_unlock(&balloon->lock);
}

static gboolean is_drivers(guint offset)
{
	return (offset >= CONFIG(actual) && offset < CONFIG(actual) + 4) ||
	       (offset >= CONFIG(poison_val) && offset < CONFIG(poison_val) + 4);
}

static void balloon_config_write(void *opaque, guint offset, const void *data, guint size)
{
	VirtioBalloon *balloon = opaque;
	guint32 before;

	g_mutex_lock(&balloon->lock);
	before = balloon->config.actual;
	for (guint i = 0; i < size; i++) {
		if (is_drivers(offset + i))
			((guint8 *)&balloon->config)[offset + i] = ((const guint8 *)data)[i];
	}
	if (balloon->config.actual != before)
		paced_signal_send(&balloon->changed);
	g_mutex_unlock(&balloon->lock);
}

/* ---- To give back -------------------------------------------------------------------------- */

static void release(VirtioBalloon *balloon, guint64 gpa, guint64 size)
{
	static LogLimit limit;
	g_autoptr(GError) error = NULL;

	if (!memory_release(balloon->memory, gpa, size, &error))
		log_limited(&limit, "balloon", _("memory does not go back to the host: %s"),
			    error->message);
}

static int cost_of(guint64 size)
{
	return 1 + (int)(size / ROUND_SIZE);
}

/*
 * Neighbours together, which come in either order. Not sorted: the C library's qsort() asks the
 * kernel for more than this thread may. Return: what it has cost.
 */
static int release_numbers(VirtioBalloon *balloon, const guint32 *numbers, guint count)
{
	int cost = 0;

	for (guint i = 0; i < count;) {
		guint64 first = GUINT32_FROM_LE(numbers[i]), end = first + 1;

		for (i++; i < count; i++) {
			guint64 number = GUINT32_FROM_LE(numbers[i]);

			if (number == end)
				end++;
			else if (number + 1 == first)
				first--;
			else
				break;
		}
		release(balloon, first << VIRTIO_BALLOON_PFN_SHIFT,
			(end - first) << VIRTIO_BALLOON_PFN_SHIFT);
		cost += cost_of((end - first) << VIRTIO_BALLOON_PFN_SHIFT);
	}
	return cost;
}

/* Some more of a chain's numbers. Return: what it has cost; 0 with @error set. */
static int inflate(VirtioBalloon *balloon, Work *work, GError **error)
{
	DmaChannel *channel = io_thread_dma(virtio_device_io_thread(balloon->device));
	guint32 numbers[NUMBERS_MAX];
	guint64 left = (work->chain->out_size - work->done) / sizeof(numbers[0]);
	guint count = (guint)MIN(left, NUMBERS_MAX);

	if (!virtio_chain_read(work->chain, channel, work->done, numbers,
			       count * sizeof(numbers[0]), error))
		return 0;
	work->done += count * sizeof(numbers[0]);
	return 1 + release_numbers(balloon, numbers, count);
}

static gboolean is_inflated(const Work *work)
{
	return work->chain->out_size - work->done < sizeof(guint32);
}

/* A guest that writes a value to free pages, and counts on it, does without. */
static gboolean is_poisoned(VirtioBalloon *balloon)
{
	gboolean is_poisoned;

	g_mutex_lock(&balloon->lock);
	is_poisoned = balloon->features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_PAGE_POISON) &&
		      balloon->config.poison_val != 0;
	g_mutex_unlock(&balloon->lock);
	return is_poisoned;
}

/* Some more of the pages that a chain is made of. Return: what it has cost. */
static int report(VirtioBalloon *balloon, Work *work)
{
	const DmaPiece *piece = &work->chain->in[work->piece];
	guint64 start = piece->gpa + work->done;
	guint64 size = MIN(piece->size - work->done, STEP_SIZE - start % STEP_SIZE);
	guint64 end = (start + size) & ~(GUEST_PAGE_SIZE - 1);
	guint64 skipped = -start & (GUEST_PAGE_SIZE - 1);

	work->done += size;
	if (work->done == piece->size) {
		work->piece++;
		work->done = 0;
	}
	/* Whole pages of it. No piece wraps, but the page after a small one may. */
	if (skipped < size && start + skipped < end)
		release(balloon, start + skipped, end - start - skipped);
	return cost_of(size);
}

static gboolean is_reported(const Work *work)
{
	return work->piece == work->chain->n_in;
}

/* ---- Statistics ---------------------------------------------------------------------------- */

const char *virtio_balloon_statistic_name(guint index)
{
	static const char *const names[VIRTIO_BALLOON_STATISTICS] = {
		[VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
		[VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
		[VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
		[VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
		[VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
		[VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
		[VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
		[VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
		[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
		[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
	};

	return index < VIRTIO_BALLOON_STATISTICS ? names[index] : NULL;
}

static void take_statistics(VirtioBalloon *balloon, const struct virtio_balloon_stat *entries,
			    guint count)
{
	VirtioBalloonStatistics *statistics = &balloon->statistics;

	g_mutex_lock(&balloon->lock);
	*statistics = (VirtioBalloonStatistics){ .updated = g_get_real_time() / G_USEC_PER_SEC };
	for (guint i = 0; i < count; i++) {
		guint16 tag = GUINT16_FROM_LE(entries[i].tag);

		if (tag >= VIRTIO_BALLOON_STATISTICS)
			continue;
		statistics->is_known[tag] = TRUE;
		statistics->values[tag] = GUINT64_FROM_LE(entries[i].val);
	}
	g_mutex_unlock(&balloon->lock);
}

static gboolean read_statistics(VirtioBalloon *balloon, const VirtioChain *chain, GError **error)
{
	struct virtio_balloon_stat entries[STATISTICS_MAX];
	guint64 count = MIN(chain->out_size / sizeof(entries[0]), STATISTICS_MAX);

	if (!virtio_chain_read(chain, io_thread_dma(virtio_device_io_thread(balloon->device)), 0,
			       entries, count * sizeof(entries[0]), error))
		return FALSE;
	take_statistics(balloon, entries, (guint)count);
	return TRUE;
}

/* The guest gets its buffer back, and is to fill it again. */
static void ask_for_statistics(VirtioBalloon *balloon)
{
	Work *work = &balloon->works[QUEUE_STATISTICS];
	VirtioQueue *queue = virtio_device_queue(balloon->device, QUEUE_STATISTICS);

	if (!work->chain)
		return;
	virtio_queue_push(queue, g_steal_pointer(&work->chain), 0);
	virtio_queue_notify(queue);
}

static gboolean on_poll(gpointer data)
{
	VirtioBalloon *balloon = data;

	clear_source(&balloon->poll);
	ask_for_statistics(balloon);
	return G_SOURCE_REMOVE;
}

/* When the guest has answered; before that there is nothing to ask with. */
static void wait_to_poll(VirtioBalloon *balloon)
{
	if (!balloon->is_running || balloon->poll || balloon->poll_seconds == 0 ||
	    !balloon->works[QUEUE_STATISTICS].chain)
		return;
	balloon->poll = g_timeout_source_new_seconds(balloon->poll_seconds);
	g_source_set_callback(balloon->poll, on_poll, balloon, NULL);
	g_source_attach(balloon->poll, context_of(balloon));
}

/* One is kept. */
static int serve_statistics(VirtioBalloon *balloon, VirtioChain *chain, GError **error)
{
	Work *work = &balloon->works[QUEUE_STATISTICS];

	if (work->chain)
		virtio_queue_push(virtio_device_queue(balloon->device, QUEUE_STATISTICS),
				  g_steal_pointer(&work->chain), 0);
	if (!read_statistics(balloon, chain, error)) {
		virtio_queue_drop(chain);
		return 0;
	}
	work->chain = chain;
	wait_to_poll(balloon);
	return 1;
}

/* ---- Queues -------------------------------------------------------------------------------- */

static gboolean is_done(const VirtioBalloon *balloon, guint index)
{
	const Work *work = &balloon->works[index];

	if (index == QUEUE_INFLATE)
		return is_inflated(work);
	return index == QUEUE_DEFLATE || is_reported(work);
}

/* A step of the chain in hand, which goes back when it was the last. Return: as inflate(). */
static int take_step(VirtioBalloon *balloon, VirtioQueue *queue, guint index, GError **error)
{
	Work *work = &balloon->works[index];
	int cost = 1;

	if (!is_done(balloon, index)) {
		if (index == QUEUE_INFLATE)
			cost = inflate(balloon, work, error);
		else if (!is_poisoned(balloon))
			cost = report(balloon, work);
		else
			work->piece = work->chain->n_in;
	}
	if (cost > 0 && !is_done(balloon, index))
		return cost;
	if (cost > 0)
		virtio_queue_push(queue, work->chain, 0);
	else
		virtio_queue_drop(work->chain);
	*work = (Work){ 0 };
	return cost;
}

/* Return: what the next step has cost; 0: there is none, or @error is set. */
static int serve_next(VirtioBalloon *balloon, VirtioQueue *queue, guint index, GError **error)
{
	VirtioChain *chain;

	if (index != QUEUE_STATISTICS && balloon->works[index].chain)
		return take_step(balloon, queue, index, error);
	chain = virtio_queue_pop(queue, error);
	if (!chain)
		return 0;
	if (index == QUEUE_STATISTICS)
		return serve_statistics(balloon, chain, error);
	balloon->works[index].chain = chain;
	return take_step(balloon, queue, index, error);
}

/* Return: whether there is more to do, later. */
static gboolean serve_queue(VirtioBalloon *balloon, guint index)
{
	VirtioQueue *queue = virtio_device_queue(balloon->device, index);
	g_autoptr(GError) error = NULL;
	int left = ROUND, cost;

	do {
		virtio_queue_disable_kicks(queue);
		while (left > 0 && (cost = serve_next(balloon, queue, index, &error)) > 0)
			left -= cost;
		virtio_queue_notify(queue);
	} while (!error && left > 0 && !virtio_queue_enable_kicks(queue));
	if (error)
		virtio_device_broken(balloon->device, error);
	return !error && left <= 0;
}

static gboolean on_turn(gpointer data)
{
	VirtioBalloon *balloon = data;

	clear_source(&balloon->turn);
	serve(balloon);
	return G_SOURCE_REMOVE;
}

/* Behind what else is ready, a reset that waits say. */
static void wait_for_turn(VirtioBalloon *balloon)
{
	balloon->turn = g_idle_source_new();
	g_source_set_priority(balloon->turn, G_PRIORITY_DEFAULT);
	g_source_set_callback(balloon->turn, on_turn, balloon, NULL);
	g_source_attach(balloon->turn, context_of(balloon));
}

static void serve(VirtioBalloon *balloon)
{
	gboolean has_more = FALSE;

	if (balloon->turn)
		return;
	for (guint i = 0; i < N_QUEUES; i++) {
		if (virtio_queue_is_enabled(virtio_device_queue(balloon->device, i)))
			has_more |= serve_queue(balloon, i);
	}
	if (has_more)
		wait_for_turn(balloon);
}

/* ---- What the transport asks for ----------------------------------------------------------- */

static guint64 balloon_features(void *opaque)
{
	const VirtioBalloon *balloon = opaque;

	return balloon->offered;
}

static void balloon_start(void *opaque, guint64 features)
{
	VirtioBalloon *balloon = opaque;

	balloon->features = features;
	balloon->is_running = TRUE;
}

static void balloon_kicked(void *opaque, guint queue)
{
	(void)queue;
	serve(opaque);
}

/* What is in hand stays so. */
static void balloon_drain(void *opaque)
{
	VirtioBalloon *balloon = opaque;

	balloon->is_running = FALSE;
	clear_source(&balloon->turn);
	clear_source(&balloon->poll);
}

/* Each queue is looked at after this. */
static void balloon_resume(void *opaque)
{
	VirtioBalloon *balloon = opaque;

	balloon->is_running = TRUE;
	wait_to_poll(balloon);
}

static void balloon_stop_queue(void *opaque, guint queue)
{
	VirtioBalloon *balloon = opaque;

	g_clear_pointer(&balloon->works[queue].chain, virtio_queue_drop);
	balloon->works[queue] = (Work){ 0 };
}

/* What the guest had given is the next driver's to give. */
static void balloon_stop(void *opaque)
{
	VirtioBalloon *balloon = opaque;

	balloon_drain(balloon);
	for (guint i = 0; i < N_QUEUES; i++)
		balloon_stop_queue(balloon, i);
	balloon->features = 0;
	g_mutex_lock(&balloon->lock);
	if (balloon->config.actual != 0)
		paced_signal_send(&balloon->changed);
	balloon->config.actual = 0;
	balloon->config.poison_val = 0;
	balloon->statistics = (VirtioBalloonStatistics){ 0 };
	g_mutex_unlock(&balloon->lock);
}

static void balloon_free(void *opaque)
{
	VirtioBalloon *balloon = opaque;

	paced_signal_clear(&balloon->changed);
	g_mutex_clear(&balloon->lock);
	g_free(balloon);
}

const VirtioDeviceOperations virtio_balloon_operations = {
	.features = balloon_features,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.start = balloon_start,
	.kicked = balloon_kicked,
	.stop = balloon_stop,
	.stop_queue = balloon_stop_queue,
	.drain = balloon_drain,
	.resume = balloon_resume,
	.free = balloon_free,
};

/* ---- What the host asks for ---------------------------------------------------------------- */

void virtio_balloon_set_target(VirtioBalloon *balloon, guint64 bytes)
{
	guint64 size = memory_size(balloon->memory);
	guint64 pages = (size - MIN(bytes, size)) >> VIRTIO_BALLOON_PFN_SHIFT;

	g_mutex_lock(&balloon->lock);
	balloon->config.num_pages = GUINT32_TO_LE((guint32)MIN(pages, G_MAXUINT32));
	g_mutex_unlock(&balloon->lock);
	virtio_device_config_changed(balloon->device);
}

guint64 virtio_balloon_actual(VirtioBalloon *balloon)
{
	guint64 size = memory_size(balloon->memory), given;

	g_mutex_lock(&balloon->lock);
	given = (guint64)GUINT32_FROM_LE(balloon->config.actual) << VIRTIO_BALLOON_PFN_SHIFT;
	g_mutex_unlock(&balloon->lock);
	return size - MIN(given, size);
}

void virtio_balloon_get_statistics(VirtioBalloon *balloon, VirtioBalloonStatistics *statistics)
{
	g_mutex_lock(&balloon->lock);
	*statistics = balloon->statistics;
	g_mutex_unlock(&balloon->lock);
}

typedef struct {
	VirtioBalloon *balloon;
	guint seconds;
} Polling;

/* At once, too: who asks wants to know. */
static void set_polling(void *opaque)
{
	const Polling *polling = opaque;
	VirtioBalloon *balloon = polling->balloon;

	balloon->poll_seconds = polling->seconds;
	clear_source(&balloon->poll);
	if (balloon->is_running && polling->seconds > 0)
		ask_for_statistics(balloon);
}

void virtio_balloon_set_polling(VirtioBalloon *balloon, guint seconds)
{
	Polling polling = { balloon, seconds };

	io_thread_call(virtio_device_io_thread(balloon->device), set_polling, &polling);
}

/* ---- The description ----------------------------------------------------------------------- */

static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS(BalloonDescription, options),
	{ .name = "deflate-on-oom",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(BalloonDescription, deflate_on_oom) },
	{ .name = "free-page-reporting",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(BalloonDescription, free_page_reporting) },
	{ .name = NULL },
};

static guint64 features_of(const BalloonDescription *description)
{
	guint64 features = VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ);

	if (description->deflate_on_oom)
		features |= VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	if (description->free_page_reporting)
		features |= VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING) |
			    VIRTIO_FEATURE(VIRTIO_BALLOON_F_PAGE_POISON);
	return features;
}

typedef struct {
	const DeviceRegistry *registry;
	VirtioBalloon *found;
} Search;

static void look_at(const char *id, void *device, void *opaque)
{
	Search *search = opaque;

	(void)device;
	if (!search->found)
		search->found = virtio_pci_find(search->registry, id, &virtio_balloon_operations);
}

VirtioBalloon *virtio_balloon_find(const DeviceRegistry *registry)
{
	Search search = { .registry = registry };

	device_registry_foreach(registry, &virtio_pci_device_operations, look_at, &search);
	return search.found;
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const BalloonDescription *description = opaque;
	VirtioDeviceConfig config = {
		.name = "virtio-balloon",
		.device_id = VIRTIO_ID_BALLOON,
		.class_code = BALLOON_CLASS,
		.n_queues = N_QUEUES,
		.queue_size = BALLOON_QUEUE_SIZE,
		.config_size = sizeof(struct virtio_balloon_config),
		.operations = &virtio_balloon_operations,
	};
	VirtioBalloon *balloon;

	/* The monitor's commands have no name for one of several. */
	if (virtio_balloon_find(context->surroundings->registry))
		return json_fields_refuse(error, context->owner, "driver",
					  _("there is a balloon already"));
	balloon = g_new0(VirtioBalloon, 1);
	balloon->memory = context->memory;
	balloon->surroundings = context->surroundings;
	balloon->offered = features_of(description);
	g_mutex_init(&balloon->lock);
	config.opaque = balloon;
	if (device_make_signal(context->surroundings, on_changed, balloon, &balloon->changed.signal,
			       error))
		balloon->device = virtio_pci_new(context, &description->options, &config, error);
	if (!balloon->device) {
		balloon_free(balloon);
		return FALSE;
	}
	paced_signal_begin(&balloon->changed, virtio_device_io_thread(balloon->device));
	return TRUE;
}

const DeviceType virtio_balloon_type = {
	.name = "virtio-balloon-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(BalloonDescription),
	.create = create,
};
