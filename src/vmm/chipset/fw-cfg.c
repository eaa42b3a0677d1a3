/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg.c - QEMU's firmware configuration device: what firmware reads of its machine
 *
 * Theory of operation
 *
 * The guest selects an item by its key and reads it from its start, a byte at a time at the
 * data port or by DMA. Whichever way, bytes come from one place: peek() says what follows at
 * the item's current offset, and how much of it there is in one piece. For content that is in
 * memory that is all the rest; for a file it is what a buffer of one piece holds, so that a
 * byte at the port does not cost a system call and a large file no memory.
 *
 * An access by DMA is over when the write of its address is. What a guest can make it last
 * for is bounded by the size of the item, which the host chose: beyond an item's end the
 * guest gets a limited number of zeroes.
 */
#include "vmm/chipset/fw-cfg.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vmm/log.h"

#define PIECE_SIZE (256u << 10)

/*
 * How many zeroes one access gets from beyond the end of an item. QEMU's gives as many as are
 * asked for; no firmware asks for more than it takes to fill a structure of a fixed size.
 */
#define MAX_ZEROES (1u << 20)

/* What the ports are, relative to FW_CFG_PORT. */
enum {
	REG_SELECTOR = 0,
	REG_DATA = 1,
	REG_DMA_HIGH = 4, /* a write of the lower half starts the access */
	REG_DMA_LOW = 8,
	REG_END = REG_DMA_LOW + 4,
};

/* Content is in @bytes, or in @fd where that is not -1; @generate makes @bytes anew. */
typedef struct {
	char *name; /* of a file; else NULL */
	guint32 size;
	GBytes *bytes;
	guint8 *writable; /* what @bytes has, where the guest may write; else NULL */
	GBytes *initial;  /* what that is after a reset */
	int fd;
	guint64 fd_offset;
	FwCfgGenerate generate;
	void *opaque;
} FwCfgItem;

struct FwCfg {
	DeviceMemory memory;
	GHashTable *items; /* by key: those that are no files */
	GPtrArray *files;  /* by name; the first has key FW_CFG_FILE_FIRST */

	const FwCfgItem *selected; /* NULL: nothing has this key */
	guint32 offset;		   /* in what is selected */
	guint32 dma_high;	   /* of the address, once it was written */

	/* What is read of the selected item's file. */
	guint8 *piece;
	guint32 piece_offset;
	guint32 piece_size; /* 0: nothing */
	LogLimit warnings;
};

static void item_free(gpointer data)
{
	FwCfgItem *item = data;

	g_free(item->name);
	g_clear_pointer(&item->bytes, g_bytes_unref);
	g_clear_pointer(&item->initial, g_bytes_unref);
	g_free(item);
}

static FwCfgItem *item_new(const char *name, guint32 size)
{
	FwCfgItem *item = g_new0(FwCfgItem, 1);

	item->name = g_strdup(name);
	item->size = size;
	item->fd = -1;
	return item;
}

static void item_set_bytes(FwCfgItem *item, GBytes *content)
{
	g_assert(g_bytes_get_size(content) <= G_MAXUINT32);
	item->size = g_bytes_get_size(content);
	g_clear_pointer(&item->bytes, g_bytes_unref);
	item->bytes = g_bytes_ref(content);
}

/* Makes generated content, padded to the size that the directory gives. */
static void item_generate(FwCfgItem *item)
{
	g_autoptr(GBytes) content = item->generate(item->opaque);
	gsize size = g_bytes_get_size(content);
	guint8 *padded;

	if (size > item->size)
		g_error("fw_cfg: %s: %zu bytes, where there are to be %u", item->name, size,
			item->size);
	padded = g_malloc0(item->size);
	if (size > 0)
		memcpy(padded, g_bytes_get_data(content, NULL), size);
	g_clear_pointer(&item->bytes, g_bytes_unref);
	item->bytes = g_bytes_new_take(padded, item->size);
}

static FwCfgItem *find_item(FwCfg *fw, guint16 key)
{
	/* The bit once meant that the guest would write. */
	key &= (guint16)~FW_CFG_WRITE_CHANNEL;
	if (key >= FW_CFG_FILE_FIRST && key < FW_CFG_FILE_FIRST + fw->files->len)
		return g_ptr_array_index(fw->files, key - FW_CFG_FILE_FIRST);
	return g_hash_table_lookup(fw->items, GUINT_TO_POINTER(key));
}

static void select_item(FwCfg *fw, guint16 key)
{
	FwCfgItem *item = find_item(fw, key);

	fw->selected = item;
	fw->offset = 0;
	fw->piece_size = 0;
	if (item && item->generate)
		item_generate(item);
}

static void warn(FwCfg *fw, guint64 offset, const char *reason)
{
	log_limited(&fw->warnings, "fw_cfg",
		    _("warning: a file cannot be read at %" PRIu64 ": the guest gets zeroes (%s)"),
		    offset, reason);
}

/* Fills the buffer with what follows in the selected item's file. */
static void read_piece(FwCfg *fw)
{
	const FwCfgItem *item = fw->selected;
	guint32 size = MIN(item->size - fw->offset, PIECE_SIZE), done = 0;

	while (done < size) {
		guint64 offset = item->fd_offset + fw->offset + done;
		gssize n = pread(item->fd, fw->piece + done, size - done, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			warn(fw, offset, n < 0 ? g_strerror(errno) : _("it has become shorter"));
			memset(fw->piece + done, 0, size - done);
			break;
		}
		done += n;
	}
	fw->piece_offset = fw->offset;
	fw->piece_size = size;
}

/* Return: how many bytes follow at @data; 0 at the end of the item. */
static guint32 peek(FwCfg *fw, const guint8 **data)
{
	const FwCfgItem *item = fw->selected;

	if (!item || fw->offset >= item->size)
		return 0;
	if (item->fd < 0) {
		*data = (const guint8 *)g_bytes_get_data(item->bytes, NULL) + fw->offset;
		return item->size - fw->offset;
	}
	if (fw->offset < fw->piece_offset || fw->offset - fw->piece_offset >= fw->piece_size)
		read_piece(fw);
	*data = fw->piece + (fw->offset - fw->piece_offset);
	return fw->piece_size - (fw->offset - fw->piece_offset);
}

static void skip(FwCfg *fw, guint32 length)
{
	if (fw->selected && fw->offset < fw->selected->size)
		fw->offset += MIN(length, fw->selected->size - fw->offset);
}

static guint8 read_data(FwCfg *fw)
{
	const guint8 *data;

	if (peek(fw, &data) == 0)
		return 0;
	fw->offset++;
	return *data;
}

static gboolean dma_zeroes(FwCfg *fw, guint64 gpa, guint32 length)
{
	if (length > MAX_ZEROES)
		return FALSE;
	fw->piece_size = 0;
	memset(fw->piece, 0, MIN(length, PIECE_SIZE));
	for (guint32 done = 0; done < length; done += PIECE_SIZE) {
		if (!fw->memory.write(fw->memory.opaque, gpa + done, fw->piece,
				      MIN(length - done, PIECE_SIZE)))
			return FALSE;
	}
	return TRUE;
}

static gboolean dma_read(FwCfg *fw, guint64 gpa, guint32 length)
{
	if (gpa > G_MAXUINT64 - length)
		return FALSE;
	while (length > 0) {
		const guint8 *data;
		guint32 part = MIN(peek(fw, &data), MIN(length, PIECE_SIZE));

		if (part == 0)
			return dma_zeroes(fw, gpa, length);
		if (!fw->memory.write(fw->memory.opaque, gpa, data, part))
			return FALSE;
		skip(fw, part);
		gpa += part;
		length -= part;
	}
	return TRUE;
}

/* All of it, or nothing: what is written ends within the file. */
static gboolean dma_write(FwCfg *fw, guint64 gpa, guint32 length)
{
	const FwCfgItem *item = fw->selected;

	if (length == 0)
		return TRUE;
	if (!item || !item->writable || length > item->size - fw->offset ||
	    !fw->memory.read(fw->memory.opaque, gpa, item->writable + fw->offset, length))
		return FALSE;
	skip(fw, length);
	return TRUE;
}

/* Return: FALSE where what is asked for cannot be done. */
static gboolean dma_access(FwCfg *fw, const struct fw_cfg_dma_access *access)
{
	guint32 control = GUINT32_FROM_BE(access->control);
	guint32 length = GUINT32_FROM_BE(access->length);

	if (control & FW_CFG_DMA_CTL_SELECT)
		select_item(fw, control >> 16);
	if (control & FW_CFG_DMA_CTL_READ)
		return dma_read(fw, GUINT64_FROM_BE(access->address), length);
	if (control & FW_CFG_DMA_CTL_WRITE)
		return dma_write(fw, GUINT64_FROM_BE(access->address), length);
	if (control & FW_CFG_DMA_CTL_SKIP)
		skip(fw, length);
	return TRUE;
}

/* Carries out the access that is described at @gpa, and says there how it went. */
static void dma_start(FwCfg *fw, guint64 gpa)
{
	struct fw_cfg_dma_access access;
	guint32 control = FW_CFG_DMA_CTL_ERROR;

	if (gpa > G_MAXUINT64 - sizeof(access))
		return;
	if (fw->memory.read(fw->memory.opaque, gpa, &access, sizeof(access)) &&
	    dma_access(fw, &access))
		control = 0;
	control = GUINT32_TO_BE(control);
	/* Where the guest gave no memory there is nobody to tell. */
	fw->memory.write(fw->memory.opaque,
			 gpa + G_STRUCT_OFFSET(struct fw_cfg_dma_access, control), &control,
			 sizeof(control));
}

static guint8 read_byte(FwCfg *fw, guint64 offset)
{
	if (offset == REG_SELECTOR)
		return 0;
	if (offset == REG_DATA)
		return read_data(fw);
	if (offset >= REG_DMA_HIGH && offset < REG_END)
		return FW_CFG_DMA_SIGNATURE >> ((REG_END - 1 - offset) * 8) & 0xff;
	return 0xff;
}

static guint64 fw_cfg_read(void *device, guint64 offset, guint size)
{
	guint64 value = 0;

	for (guint i = 0; i < size; i++)
		value |= (guint64)read_byte(device, offset + i) << (i * 8);
	return value;
}

static void fw_cfg_write(void *device, guint64 offset, guint size, guint64 value)
{
	FwCfg *fw = device;
	guint64 gpa;

	if (offset == REG_SELECTOR && size == 2) {
		select_item(fw, value);
	} else if (offset == REG_DMA_HIGH && size == 4) {
		fw->dma_high = GUINT32_FROM_BE((guint32)value);
	} else if (offset == REG_DMA_LOW && size == 4) {
		gpa = (guint64)fw->dma_high << 32 | GUINT32_FROM_BE((guint32)value);
		fw->dma_high = 0;
		dma_start(fw, gpa);
	}
}

const BusOperations fw_cfg_operations = {
	.read = fw_cfg_read,
	.write = fw_cfg_write,
	.max_access = 4,
};

static void add_item(FwCfg *fw, guint16 key, FwCfgItem *item)
{
	g_assert(key < FW_CFG_FILE_FIRST || (key & FW_CFG_ARCH_LOCAL));
	if (!g_hash_table_insert(fw->items, GUINT_TO_POINTER(key), item))
		g_error("fw_cfg: two items with key %#x", key);
}

/* Makes the directory say what files there are. */
static void update_directory(FwCfg *fw)
{
	g_autoptr(GByteArray) directory = g_byte_array_new();
	g_autoptr(GBytes) content = NULL;
	guint32 count = GUINT32_TO_BE(fw->files->len);

	g_byte_array_append(directory, (const guint8 *)&count, sizeof(count));
	for (guint i = 0; i < fw->files->len; i++) {
		const FwCfgItem *item = g_ptr_array_index(fw->files, i);
		struct fw_cfg_file file = {
			.size = GUINT32_TO_BE(item->size),
			.select = GUINT16_TO_BE(FW_CFG_FILE_FIRST + i),
		};

		g_strlcpy(file.name, item->name, sizeof(file.name));
		g_byte_array_append(directory, (const guint8 *)&file, sizeof(file));
	}
	content = g_byte_array_free_to_bytes(g_steal_pointer(&directory));
	item_set_bytes(find_item(fw, FW_CFG_FILE_DIR), content);
}

static void add_file_item(FwCfg *fw, FwCfgItem *item)
{
	guint index = 0;
	int order = -1;

	g_assert(*item->name && strlen(item->name) < FW_CFG_MAX_FILE_PATH);
	g_assert(fw->files->len < FW_CFG_MAX_FILES);
	while (index < fw->files->len) {
		const FwCfgItem *other = g_ptr_array_index(fw->files, index);

		order = strcmp(item->name, other->name);
		if (order <= 0)
			break;
		index++;
	}
	if (order == 0)
		g_error("fw_cfg: two files %s", item->name);
	g_ptr_array_insert(fw->files, index, item);
	update_directory(fw);
}

void fw_cfg_add_bytes(FwCfg *fw, guint16 key, GBytes *content)
{
	FwCfgItem *item = item_new(NULL, 0);

	item_set_bytes(item, content);
	add_item(fw, key, item);
}

static void add_number(FwCfg *fw, guint16 key, guint64 value, gsize size)
{
	g_autoptr(GBytes) content = NULL;

	value = GUINT64_TO_LE(value);
	content = g_bytes_new(&value, size);
	fw_cfg_add_bytes(fw, key, content);
}

void fw_cfg_add_u16(FwCfg *fw, guint16 key, guint16 value)
{
	add_number(fw, key, value, sizeof(value));
}

void fw_cfg_add_u32(FwCfg *fw, guint16 key, guint32 value)
{
	add_number(fw, key, value, sizeof(value));
}

void fw_cfg_add_u64(FwCfg *fw, guint16 key, guint64 value)
{
	add_number(fw, key, value, sizeof(value));
}

void fw_cfg_add_fd(FwCfg *fw, guint16 key, int fd, guint64 offset, guint32 size)
{
	FwCfgItem *item = item_new(NULL, size);

	g_assert(fd >= 0 && offset <= (guint64)G_MAXINT64 - size);
	item->fd = fd;
	item->fd_offset = offset;
	add_item(fw, key, item);
}

void fw_cfg_add_file(FwCfg *fw, const char *name, GBytes *content)
{
	FwCfgItem *item = item_new(name, 0);

	item_set_bytes(item, content);
	add_file_item(fw, item);
}

void fw_cfg_set_file(FwCfg *fw, const char *name, GBytes *content)
{
	FwCfgItem *item = NULL;

	for (guint i = 0; i < fw->files->len && !item; i++) {
		FwCfgItem *other = g_ptr_array_index(fw->files, i);

		if (strcmp(other->name, name) == 0)
			item = other;
	}
	if (!item)
		g_error("fw_cfg: no file %s", name);
	item_set_bytes(item, content);
	update_directory(fw);
}

static void write_initial(FwCfgItem *item)
{
	memcpy(item->writable, g_bytes_get_data(item->initial, NULL), item->size);
}

void fw_cfg_add_writable(FwCfg *fw, const char *name, GBytes *initial)
{
	const gsize size = g_bytes_get_size(initial);
	FwCfgItem *item = item_new(name, 0);
	g_autoptr(GBytes) content = NULL;

	item->writable = g_malloc(size);
	item->initial = g_bytes_ref(initial);
	content = g_bytes_new_take(item->writable, size);
	item_set_bytes(item, content);
	write_initial(item);
	add_file_item(fw, item);
}

void fw_cfg_add_generated(FwCfg *fw, const char *name, guint32 size, FwCfgGenerate generate,
			  void *opaque)
{
	FwCfgItem *item = item_new(name, size);

	item->generate = generate;
	item->opaque = opaque;
	add_file_item(fw, item);
}

FwCfg *fw_cfg_new(const DeviceMemory *memory)
{
	static const char signature[] = { 'Q', 'E', 'M', 'U' };
	g_autoptr(GBytes) signature_bytes = g_bytes_new_static(signature, sizeof(signature));
	FwCfg *fw = g_new0(FwCfg, 1);

	fw->memory = *memory;
	fw->items = g_hash_table_new_full(NULL, NULL, NULL, item_free);
	fw->files = g_ptr_array_new_with_free_func(item_free);
	fw->piece = g_malloc(PIECE_SIZE);
	fw_cfg_add_bytes(fw, FW_CFG_SIGNATURE, signature_bytes);
	fw_cfg_add_u32(fw, FW_CFG_ID, FW_CFG_VERSION | FW_CFG_VERSION_DMA);
	add_item(fw, FW_CFG_FILE_DIR, item_new(NULL, 0));
	update_directory(fw);
	fw_cfg_reset(fw);
	return fw;
}

void fw_cfg_free(FwCfg *fw)
{
	if (!fw)
		return;
	g_hash_table_unref(fw->items);
	g_ptr_array_unref(fw->files);
	g_free(fw->piece);
	device_memory_clear(&fw->memory);
	g_free(fw);
}

void fw_cfg_reset(FwCfg *fw)
{
	for (guint i = 0; i < fw->files->len; i++) {
		FwCfgItem *item = g_ptr_array_index(fw->files, i);

		if (item->writable)
			write_initial(item);
	}
	select_item(fw, FW_CFG_SIGNATURE);
	fw->dma_high = 0;
}

static void reset_device(void *device)
{
	fw_cfg_reset(device);
}

static void free_device(void *device)
{
	fw_cfg_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

FwCfg *fw_cfg_create(const DeviceSurroundings *surroundings, GError **error)
{
	DeviceMemory memory = { 0 };
	FwCfg *fw;

	if (!surroundings->host->make_memory(surroundings->opaque, &memory, error))
		return NULL;
	fw = fw_cfg_new(&memory);
	bus_add(surroundings->ports, FW_CFG_PORT, FW_CFG_PORTS, "fw_cfg", &fw_cfg_operations, fw);
	device_registry_add(surroundings->registry, "chipset/fw-cfg", &device_operations, fw);
	return fw;
}
