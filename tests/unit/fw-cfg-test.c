/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-test.c - fw_cfg as a guest sees it at its ports
 *
 * docs/specs/fw_cfg of QEMU says what the guest may expect; what a hostile one may not get
 * is here too.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fw-cfg-bench.h"

#define SELECT	 (FW_CFG_DMA_CTL_SELECT)
#define READ	 (FW_CFG_DMA_CTL_READ)
#define SKIP	 (FW_CFG_DMA_CTL_SKIP)
#define WRITE	 (FW_CFG_DMA_CTL_WRITE)
#define ERROR	 (FW_CFG_DMA_CTL_ERROR)
#define KEY(n)	 ((guint32)(n) << 16)

#define SOME_KEY 0x18
#define BUFFER	 FW_CFG_BENCH_BUFFER

typedef FwCfgBench Fixture;

static void start(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	fw_cfg_bench_start(bench);
}

static void end(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	fw_cfg_bench_end(bench);
}

static void add_text(Fixture *bench, guint16 key, const char *text)
{
	g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));

	fw_cfg_add_bytes(bench->fw, key, content);
}

static void add_text_file(Fixture *bench, const char *name, const char *text)
{
	g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));

	fw_cfg_add_file(bench->fw, name, content);
}

static void assert_port_gives(Fixture *bench, const char *text)
{
	for (; *text; text++)
		g_assert_cmpint(fw_cfg_bench_in(bench), ==, *text);
}

static void assert_untouched(Fixture *bench, guint64 gpa)
{
	g_assert_cmphex(bench->ram[gpa], ==, 0xaa);
}

/* A file of @size bytes in which each byte follows from its place. */
static int make_file(gsize size)
{
	int fd = memfd_create("fw-cfg-test", MFD_CLOEXEC);
	g_autofree guint8 *data = g_malloc(size);

	for (gsize i = 0; i < size; i++)
		data[i] = i * 7 + i / 251;
	g_assert_cmpint(write(fd, data, size), ==, size);
	return fd;
}

static void assert_from_file(const guint8 *data, gsize offset, gsize size)
{
	for (gsize i = 0; i < size; i++)
		g_assert_cmphex(data[i], ==, (guint8)((offset + i) * 7 + (offset + i) / 251));
}

/* Ports */

static void test_detection(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	/* The signature is selected from the start. */
	assert_port_gives(bench, "QEMU");
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	fw_cfg_bench_select(bench, FW_CFG_SIGNATURE);
	assert_port_gives(bench, "QEMU");
	fw_cfg_bench_select(bench, FW_CFG_ID);
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, FW_CFG_VERSION | FW_CFG_VERSION_DMA);
	/* "QEMU CFG", in the order of addresses. */
	g_assert_cmphex(bus_read(bench->bus, 0x514, 4), ==, 0x554d4551);
	g_assert_cmphex(bus_read(bench->bus, 0x518, 4), ==, 0x47464320);
	g_assert_cmphex(bus_read(bench->bus, 0x51b, 1), ==, 'G');
}

static void test_data_port(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "abc");
	fw_cfg_bench_select(bench, SOME_KEY);
	assert_port_gives(bench, "abc");
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	/* Selected again, from its start; with the bit that once said that one would write. */
	fw_cfg_bench_select(bench, SOME_KEY | FW_CFG_WRITE_CHANNEL);
	bus_write(bench->bus, 0x511, 1, 'x');
	assert_port_gives(bench, "abc");
	/* A byte is no key. */
	bus_write(bench->bus, 0x510, 1, SOME_KEY);
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
}

static void test_no_such_key(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	static const guint16 keys[] = { 0x17, 0x1f, 0x20, 0x21, 0x3fff, 0x8000, 0x8020, 0xffff };

	add_text_file(bench, "a", "a");
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		fw_cfg_bench_select(bench, keys[i]);
		g_assert_cmphex(fw_cfg_bench_in(bench), ==, keys[i] == 0x20 ? 'a' : 0);
		g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	}
}

static void test_numbers(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	fw_cfg_add_u16(bench->fw, FW_CFG_NB_CPUS, 0x0201);
	fw_cfg_add_u32(bench->fw, FW_CFG_KERNEL_SIZE, 0x04030201);
	fw_cfg_add_u64(bench->fw, FW_CFG_RAM_SIZE, 0x0807060504030201);
	g_assert_cmpmem(fw_cfg_bench_item(bench, FW_CFG_NB_CPUS, 2), 2, bytes, 2);
	g_assert_cmpmem(fw_cfg_bench_item(bench, FW_CFG_KERNEL_SIZE, 4), 4, bytes, 4);
	g_assert_cmpmem(fw_cfg_bench_item(bench, FW_CFG_RAM_SIZE, 8), 8, bytes, 8);
}

static void test_directory(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const names[] = { "bootorder", "etc/a", "etc/b", "etc/ba" };
	g_autoptr(GBytes) content = NULL;
	const guint8 *directory;

	add_text_file(bench, "etc/b", "22");
	add_text_file(bench, "bootorder", "");
	add_text_file(bench, "etc/ba", "4444");
	add_text_file(bench, "etc/a", "1");
	directory = fw_cfg_bench_item(bench, FW_CFG_FILE_DIR, 4 + 4 * 64);
	g_assert_cmpuint(directory[3], ==, 4);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const struct fw_cfg_file *file = (const void *)(directory + 4 + i * 64);

		g_assert_cmpstr(file->name, ==, names[i]);
		g_assert_cmphex(GUINT16_FROM_BE(file->select), ==, 0x20 + i);
	}
	content = fw_cfg_bench_file(bench, "etc/ba");
	g_assert_cmpmem(g_bytes_get_data(content, NULL), g_bytes_get_size(content), "4444", 4);
}

/* DMA */

static void test_dma_read(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "0123456789");
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ, 4, BUFFER), ==, 0);
	g_assert_cmpmem(bench->ram + BUFFER, 4, "0123", 4);
	assert_untouched(bench, BUFFER + 4);
	/* It goes on where it was, whichever way. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, SKIP, 2, 0), ==, 0);
	assert_port_gives(bench, "6");
	g_assert_cmphex(fw_cfg_bench_dma(bench, READ, 2, BUFFER), ==, 0);
	g_assert_cmpmem(bench->ram + BUFFER, 2, "78", 2);
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT, 5, BUFFER), ==, 0);
	assert_port_gives(bench, "0");
}

static void test_dma_past_the_end(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "01");
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ, 5, BUFFER), ==, 0);
	g_assert_cmpmem(bench->ram + BUFFER, 5, "01\0\0\0", 5);
	assert_untouched(bench, BUFFER + 5);
	/* No skip leads anywhere else. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | SKIP, G_MAXUINT32, 0), ==,
			0);
	g_assert_cmphex(fw_cfg_bench_dma(bench, SKIP, 3, 0), ==, 0);
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	/* Nothing is selected by an unknown key, and nothing is zeroes. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(0x1ff) | SELECT | READ, 3, BUFFER), ==, 0);
	g_assert_cmpmem(bench->ram + BUFFER, 3, "\0\0\0", 3);
}

/* The device is held while it copies: a length of 4 GiB must not be 4 GiB of work. */
static void test_dma_zeroes_are_limited(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "01");
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ, 1 << 20, BUFFER), ==,
			0);
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ, G_MAXUINT32, BUFFER),
			==, ERROR);
	g_assert_cmpuint(bench->written, <=, 2 + 4);
}

static void test_dma_write_is_refused(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "01");
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | WRITE, 1, BUFFER), ==,
			ERROR);
	assert_port_gives(bench, "01");
	/* As in QEMU, a read is what happens where both are asked for. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ | WRITE, 1, BUFFER),
			==, 0);
	g_assert_cmpint(bench->ram[BUFFER], ==, '0');
}

static void test_dma_write(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GBytes) initial = g_bytes_new_static("0123", 4);
	const guint32 key = KEY(0x20);

	fw_cfg_add_writable(bench->fw, "etc/a", initial);
	memcpy(bench->ram + BUFFER, "abcdef", 6);
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT | SKIP, 1, 0), ==, 0);
	g_assert_cmphex(fw_cfg_bench_dma(bench, WRITE, 2, BUFFER), ==, 0);
	assert_port_gives(bench, "3");
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT, 0, 0), ==, 0);
	assert_port_gives(bench, "0ab3");
	/* Nothing is written of what does not fit, or comes from nowhere. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT | WRITE, 5, BUFFER), ==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT | WRITE, G_MAXUINT32, BUFFER), ==,
			ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT | WRITE, 4, G_MAXUINT64), ==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT, 0, 0), ==, 0);
	assert_port_gives(bench, "0ab3");
	/* Past its end, too. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, WRITE, 1, BUFFER), ==, ERROR);
	fw_cfg_reset(bench->fw);
	g_assert_cmphex(fw_cfg_bench_dma(bench, key | SELECT, 0, 0), ==, 0);
	assert_port_gives(bench, "0123");
}

static void test_dma_outside_ram(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "0123456789");
	g_assert_cmphex(
		fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | READ, 10, FW_CFG_BENCH_RAM - 9),
		==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, READ, 10, 1ull << 63), ==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, READ, 10, G_MAXUINT64 - 4), ==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(0x1ff) | SELECT | READ, 10, G_MAXUINT64 - 4),
			==, ERROR);
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(0x1ff) | SELECT | READ, 1 << 20,
					 FW_CFG_BENCH_RAM - 4096),
			==, ERROR);
	/* Accesses that cannot be read themselves: nobody is told, and nothing happens. */
	fw_cfg_bench_dma_at(bench, G_MAXUINT64 - 8, READ, 10, BUFFER);
	fw_cfg_bench_dma_at(bench, FW_CFG_BENCH_RAM - 8, READ, 10, BUFFER);
	fw_cfg_bench_dma_at(bench, 1ull << 40, READ, 10, BUFFER);
	assert_untouched(bench, BUFFER);
}

static void test_dma_address_has_two_halves(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	const struct fw_cfg_dma_access access = {
		.control = GUINT32_TO_BE(KEY(SOME_KEY) | SELECT | READ),
		.length = GUINT32_TO_BE(2),
		.address = GUINT64_TO_BE((guint64)BUFFER),
	};

	add_text(bench, SOME_KEY, "01");
	/* The upper half is for one access: what it was does not matter to the next. */
	fw_cfg_bench_dma_at(bench, 7ull << 32, KEY(SOME_KEY) | SELECT | READ, 2, BUFFER);
	assert_untouched(bench, BUFFER);
	fw_cfg_bench_dma(bench, 0, 0, 0);
	fw_cfg_bench_write(bench, FW_CFG_BENCH_ACCESS, &access, sizeof(access));
	bus_write(bench->bus, 0x518, 4, GUINT32_TO_BE(FW_CFG_BENCH_ACCESS));
	g_assert_cmpmem(bench->ram + BUFFER, 2, "01", 2);
	/* Narrow writes start nothing. */
	fw_cfg_bench_write(bench, BUFFER, "\xaa\xaa", 2);
	bus_write(bench->bus, 0x518, 2, 0);
	bus_write(bench->bus, 0x51a, 2, GUINT16_TO_BE(FW_CFG_BENCH_ACCESS));
	assert_untouched(bench, BUFFER);
}

/* Files */

static void test_content_of_a_file(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	const gsize size = 3 * 256 * 1024 + 77;
	int fd = make_file(size + 10);

	fw_cfg_add_fd(bench->fw, SOME_KEY, fd, 10, size);
	assert_from_file(fw_cfg_bench_item(bench, SOME_KEY, size), 10, size);
	g_assert_cmpuint(lseek(fd, 0, SEEK_CUR), ==, size + 10);
	/* By the port, over the end of what is read at once. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | SKIP, 256 * 1024 - 3, 0),
			==, 0);
	for (guint i = 0; i < 6; i++) {
		guint8 byte = fw_cfg_bench_in(bench);

		assert_from_file(&byte, 10 + 256 * 1024 - 3 + i, 1);
	}
	assert_from_file(fw_cfg_bench_item(bench, SOME_KEY, 5), 10, 5);
	/* It ends where it was said to. */
	g_assert_cmphex(fw_cfg_bench_dma(bench, KEY(SOME_KEY) | SELECT | SKIP, size, 0), ==, 0);
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	close(fd);
}

static void test_file_that_became_shorter(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	int fd = make_file(1000);
	const guint8 *content;

	fw_cfg_add_fd(bench->fw, SOME_KEY, fd, 0, 1000);
	g_assert_cmpint(ftruncate(fd, 600), ==, 0);
	content = fw_cfg_bench_item(bench, SOME_KEY, 1000);
	assert_from_file(content, 0, 600);
	for (guint i = 600; i < 1000; i++)
		g_assert_cmphex(content[i], ==, 0);
	close(fd);
	/* Nor can it be read at all now. */
	content = fw_cfg_bench_item(bench, SOME_KEY, 1000);
	for (guint i = 0; i < 1000; i++)
		g_assert_cmphex(content[i], ==, 0);
}

static GBytes *count_calls(void *opaque)
{
	guint *calls = opaque;

	++*calls;
	return g_bytes_new(calls, 1);
}

static void test_generated_when_selected(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	guint calls = 0, size;
	guint16 key;

	fw_cfg_add_generated(bench->fw, "etc/count", 4, count_calls, &calls);
	key = fw_cfg_bench_find(bench, "etc/count", &size);
	g_assert_cmpuint(size, ==, 4);
	g_assert_cmpuint(calls, ==, 0);
	g_assert_cmpmem(fw_cfg_bench_item(bench, key, 4), 4, "\1\0\0\0", 4);
	g_assert_cmpmem(fw_cfg_bench_item(bench, key, 2), 2, "\2\0", 2);
	/* Reading on does not make it anew. */
	g_assert_cmphex(fw_cfg_bench_in(bench), ==, 0);
	g_assert_cmpuint(calls, ==, 2);
}

static void test_reset(Fixture *bench, gconstpointer data G_GNUC_UNUSED)
{
	add_text(bench, SOME_KEY, "abc");
	fw_cfg_bench_select(bench, SOME_KEY);
	bus_write(bench->bus, 0x514, 4, 0x01000000);
	fw_cfg_reset(bench->fw);
	assert_port_gives(bench, "QEMU");
	/* The half of an address that was written is forgotten. */
	memset(bench->ram + FW_CFG_BENCH_ACCESS, 0xff, 16);
	bus_write(bench->bus, 0x518, 4, GUINT32_TO_BE(FW_CFG_BENCH_ACCESS));
	g_assert_cmphex(bench->ram[FW_CFG_BENCH_ACCESS], ==, 0);
	fw_cfg_bench_select(bench, SOME_KEY);
	assert_port_gives(bench, "abc");
}

static void add(const char *path, void (*test)(Fixture *bench, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/fw-cfg/ports/detection", test_detection);
	add("/fw-cfg/ports/data", test_data_port);
	add("/fw-cfg/ports/no-such-key", test_no_such_key);
	add("/fw-cfg/ports/numbers", test_numbers);
	add("/fw-cfg/ports/directory", test_directory);
	add("/fw-cfg/dma/read", test_dma_read);
	add("/fw-cfg/dma/past-the-end", test_dma_past_the_end);
	add("/fw-cfg/dma/zeroes-are-limited", test_dma_zeroes_are_limited);
	add("/fw-cfg/dma/write-is-refused", test_dma_write_is_refused);
	add("/fw-cfg/dma/write", test_dma_write);
	add("/fw-cfg/dma/outside-ram", test_dma_outside_ram);
	add("/fw-cfg/dma/address-has-two-halves", test_dma_address_has_two_halves);
	add("/fw-cfg/content/file", test_content_of_a_file);
	add("/fw-cfg/content/file-that-became-shorter", test_file_that_became_shorter);
	add("/fw-cfg/content/generated-when-selected", test_generated_when_selected);
	add("/fw-cfg/reset", test_reset);

	return g_test_run();
}
