/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-test.c - what of a domain is in files */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/conf/domain-def.h"
#include "driver/domain/replace-file.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "support.h"

typedef struct {
	char *folder;
	Driver driver;	  /* of which the store uses the paths */
	GPtrArray *found; /* of DomainDef, by the order in which the folder has them */
	guint n_autostart;
	StoreStatus status; /* the last that was found */
	guint n_statuses;
	guint fds;
} Fixture;

static char *make_folder(Fixture *fixture, const char *name)
{
	char *path = g_build_filename(fixture->folder, name, NULL);

	g_assert_no_errno(g_mkdir(path, 0700));
	return path;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	DriverPaths *paths = &fixture->driver.paths;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("store-test-XXXXXX", &error);
	g_assert_no_error(error);
	paths->config = make_folder(fixture, "config");
	paths->autostart = make_folder(fixture, "config/autostart");
	paths->state = make_folder(fixture, "state");
	paths->log = make_folder(fixture, "log");
	fixture->found = g_ptr_array_new_with_free_func((GDestroyNotify)domain_def_free);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	DriverPaths *paths = &fixture->driver.paths;

	remove_tree(fixture->folder);
	g_ptr_array_unref(fixture->found);
	store_status_clear(&fixture->status);
	g_free(paths->log);
	g_free(paths->state);
	g_free(paths->autostart);
	g_free(paths->config);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

/* A definition with a name, that differs from the last by its title. */
static DomainDef *make_def(const char *name, const char *title)
{
	g_autofree char *xml = g_markup_printf_escaped(
		"<domain type='kvm'><name>%s</name>"
		"<uuid>6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01</uuid><title>%s</title>"
		"<memory unit='MiB'>64</memory>"
		"<os><type arch='x86_64'>hvm</type><kernel>/boot/vmlinuz</kernel></os>"
		"<launchSecurity type='sw-protected'/>"
		"<memoryBacking><private/></memoryBacking></domain>",
		name, title);
	g_autoptr(GError) error = NULL;
	DomainDef *def = domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, &error);

	g_assert_no_error(error);
	return def;
}

static void save(Fixture *fixture, const char *name, const char *title)
{
	g_autoptr(DomainDef) def = make_def(name, title);
	g_autoptr(GError) error = NULL;

	g_assert_true(store_save_config(&fixture->driver, def, &error));
	g_assert_no_error(error);
}

static void set_autostart(Fixture *fixture, const char *name, gboolean autostart)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(store_set_autostart(&fixture->driver, name, autostart, &error));
	g_assert_no_error(error);
}

static void on_config(DomainDef *def, gboolean is_autostart, gpointer data)
{
	Fixture *fixture = data;

	g_ptr_array_add(fixture->found, def);
	fixture->n_autostart += is_autostart;
}

static void load(Fixture *fixture, guint wanted)
{
	g_ptr_array_set_size(fixture->found, 0);
	fixture->n_autostart = 0;
	store_load_configs(&fixture->driver, on_config, fixture);
	g_assert_cmpuint(fixture->found->len, ==, wanted);
}

static DomainDef *load_one(Fixture *fixture)
{
	load(fixture, 1);
	return fixture->found->pdata[0];
}

static void put_file(const char *folder, const char *name, const char *content)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, content, -1, &error);
	g_assert_no_error(error);
}

static char *get_file(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autoptr(GError) error = NULL;
	char *content = NULL;

	g_file_get_contents(path, &content, NULL, &error);
	g_assert_no_error(error);
	return content;
}

static guint count_files(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	guint n = 0;

	while (g_dir_read_name(dir))
		n++;
	return n;
}

static void expect_warning(const char *pattern)
{
	g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, pattern);
}

/* Definitions */

static void test_saved_is_loaded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const names[] = {
		"plain",   "with blank", "<&>'\"", "\xc3\xbcml\xc3\xa4ut",
		".hidden", "...",	 "a.xml",  "a.xml.xml",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const DomainDef *def;

		save(fixture, names[i], "a title");
		def = load_one(fixture);
		g_assert_cmpstr(def->name, ==, names[i]);
		g_assert_cmpstr(def->title, ==, "a title");
		g_assert_cmpint(def->id, ==, -1);
		g_assert_true(store_delete_config(&fixture->driver, names[i], NULL));
	}
	load(fixture, 0);
}

static void test_all_are_loaded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	save(fixture, "a", "");
	save(fixture, "b", "");
	save(fixture, "c", "");
	set_autostart(fixture, "b", TRUE);
	load(fixture, 3);
	g_assert_cmpuint(fixture->n_autostart, ==, 1);
}

/* Who has the old file open goes on reading the old one, whole. */
static void test_replaced_at_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.config;
	g_autofree char *path = g_build_filename(folder, "a.xml", NULL);
	g_autofree char *before = NULL, *after = NULL;
	char buffer[8192] = "";
	int fd;

	save(fixture, "a", "old");
	before = get_file(folder, "a.xml");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	save(fixture, "a", "new, and longer than the old one");

	g_assert_cmpint(read(fd, buffer, sizeof(buffer) - 1), ==, strlen(before));
	g_assert_cmpstr(buffer, ==, before);
	close(fd);
	after = get_file(folder, "a.xml");
	g_assert_nonnull(strstr(after, "new, and longer"));
	/* The file and the autostart folder: nothing that was written on the way is left. */
	g_assert_cmpuint(count_files(folder), ==, 2);
}

static void test_files_are_the_daemons_alone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = g_build_filename(fixture->driver.paths.config, "a.xml", NULL);
	const mode_t mask = umask(0);
	GStatBuf status;

	save(fixture, "a", "");
	umask(mask);
	g_assert_no_errno(g_stat(path, &status));
	g_assert_cmphex(status.st_mode & 0777, ==, 0600);
}

static void test_folder_that_is_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def = make_def("a", "");
	g_autoptr(GError) error = NULL;

	remove_tree(fixture->driver.paths.config);
	g_assert_false(store_save_config(&fixture->driver, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, "config/a.xml"));
	g_clear_error(&error);

	g_assert_false(store_set_autostart(&fixture->driver, "a", TRUE, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, "autostart/a.xml"));

	expect_warning("*config*");
	load(fixture, 0);
	g_test_assert_expected_messages();
}

/* The old definition stays where the new one cannot be written. */
static void test_write_that_fails(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.config;
	g_autofree char *blocked = g_build_filename(folder, "a.xml", NULL);
	g_autofree char *inside = g_build_filename(blocked, "file", NULL);
	g_autoptr(DomainDef) def = make_def("a", "");
	g_autoptr(GError) error = NULL;

	/* A folder in the way stops the renaming, which is the last step, for root too. */
	g_assert_no_errno(g_mkdir(blocked, 0700));
	put_file(blocked, "file", "in the way");
	g_assert_false(store_save_config(&fixture->driver, def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, "config/a.xml"));
	g_assert_true(g_file_test(inside, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(count_files(folder), ==, 2);
}

static void test_delete(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	save(fixture, "a", "");
	save(fixture, "b", "");
	set_autostart(fixture, "a", TRUE);
	g_assert_true(store_delete_config(&fixture->driver, "a", &error));
	g_assert_cmpuint(count_files(fixture->driver.paths.autostart), ==, 0);
	g_assert_cmpstr(load_one(fixture)->name, ==, "b");
	/* What is not there has been removed. */
	g_assert_true(store_delete_config(&fixture->driver, "a", &error));
	g_assert_no_error(error);
}

static void test_autostart(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = g_build_filename(fixture->driver.paths.autostart, "a.xml", NULL);
	g_autofree char *target = NULL;

	save(fixture, "a", "");
	load(fixture, 1);
	g_assert_cmpuint(fixture->n_autostart, ==, 0);

	set_autostart(fixture, "a", TRUE);
	set_autostart(fixture, "a", TRUE);
	target = g_file_read_link(link, NULL);
	g_assert_nonnull(target);
	g_assert_true(g_str_has_suffix(target, "/config/a.xml"));
	load(fixture, 1);
	g_assert_cmpuint(fixture->n_autostart, ==, 1);

	set_autostart(fixture, "a", FALSE);
	set_autostart(fixture, "a", FALSE);
	load(fixture, 1);
	g_assert_cmpuint(fixture->n_autostart, ==, 0);
}

static void test_autostart_turn_comes_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_true(store_take_autostart_turn(&fixture->driver));
	g_assert_false(store_take_autostart_turn(&fixture->driver));
	/* The state folder is emptied by the host's boot. */
	remove_tree(fixture->driver.paths.state);
	g_assert_no_errno(g_mkdir(fixture->driver.paths.state, 0700));
	g_assert_true(store_take_autostart_turn(&fixture->driver));
}

/* A character is not cut, and what is left is short whatever characters there are. */
static void test_channel_folder(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *name, *folder;
	} cases[] = {
		{ "guest", "channel-7-guest" },
		{ "12345678901234567890", "channel-7-12345678901234567890" },
		{ "123456789012345678901", "channel-7-12345678901234567890" },
		{ "1234567890123456789\xc3\xbc", "channel-7-1234567890123456789" },
		{ "123456789012345678\xc3\xbcx", "channel-7-123456789012345678\xc3\xbc" },
		{ "12345678901234567\xf0\x9f\x90\xa7", "channel-7-12345678901234567" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(DomainDef) def = make_def(cases[i].name, "");
		g_autofree char *folder = NULL, *name = NULL;

		def->id = 7;
		folder = store_channel_folder(&fixture->driver, def);
		name = g_path_get_basename(folder);
		g_assert_cmpstr(name, ==, cases[i].folder);
	}
}

/* Files that are not as they should be are named in the log, and do not keep others away. */

static void test_broken_definitions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *content, *warning;
	} cases[] = {
		{ "", "*broken.xml' is left alone: *" },
		{ "<domain", "*broken.xml' is left alone: *" },
		{ "<network/>", "*broken.xml' is left alone: *" },
		{ "<domain type='kvm'><name>broken</name></domain>",
		  "*broken.xml' is left alone: *" },
		{ "\x7f"
		  "ELF",
		  "*broken.xml' is left alone: *" },
	};
	const char *folder = fixture->driver.paths.config;

	save(fixture, "good", "");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *content = NULL;

		put_file(folder, "broken.xml", cases[i].content);
		expect_warning(cases[i].warning);
		g_assert_cmpstr(load_one(fixture)->name, ==, "good");
		g_test_assert_expected_messages();
		content = get_file(folder, "broken.xml");
		g_assert_cmpstr(content, ==, cases[i].content);
	}
}

/* Half of what was written: as it would be without the care that writing takes. */
static void test_cut_off_definition(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.config;
	g_autofree char *whole = NULL, *half = NULL;

	save(fixture, "a", "");
	whole = get_file(folder, "a.xml");
	half = g_strndup(whole, strlen(whole) / 2);
	put_file(folder, "a.xml", half);
	expect_warning("*a.xml' is left alone: *");
	load(fixture, 0);
	g_test_assert_expected_messages();
}

static void test_definition_under_another_name(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.config;
	g_autofree char *content = NULL;

	save(fixture, "a", "");
	content = get_file(folder, "a.xml");
	put_file(folder, "b.xml", content);
	expect_warning("*b.xml' is left alone: it holds domain 'a'");
	g_assert_cmpstr(load_one(fixture)->name, ==, "a");
	g_test_assert_expected_messages();
}

static void test_huge_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = g_build_filename(fixture->driver.paths.config, "huge.xml", NULL);

	save(fixture, "good", "");
	put_file(fixture->driver.paths.config, "huge.xml", "<domain/>");
	g_assert_no_errno(truncate(path, 16 << 20));
	expect_warning("*huge.xml' is too large to be a domain's");
	g_assert_cmpstr(load_one(fixture)->name, ==, "good");
	g_test_assert_expected_messages();
}

/* Return: a definition as long as can be, by a description of one character. */
static DomainDef *longest_def(const char *name, char filler)
{
	g_autofree char *printed = NULL;
	DomainDef *def = make_def(name, "");
	g_autoptr(GError) error = NULL;

	def->description = g_strdup("");
	printed = domain_def_format(def, DOMAIN_FORMAT_STATUS);
	g_free(def->description);
	def->description = g_strnfill(
		DOMAIN_XML_MAX_PRINTED - DOMAIN_XML_ALIAS_BYTES - strlen(printed), filler);
	domain_def_check_readable(def, &error);
	g_assert_no_error(error);
	return def;
}

static void test_longest_definition(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def = longest_def("a", 'x');
	g_autoptr(GError) error = NULL;

	g_assert_true(store_save_config(&fixture->driver, def, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(load_one(fixture)->description, ==, def->description);
}

static void test_dangling_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = g_build_filename(fixture->driver.paths.config, "link.xml", NULL);

	save(fixture, "good", "");
	g_assert_no_errno(symlink("/nowhere/at/all", path));
	expect_warning("*link.xml*");
	g_assert_cmpstr(load_one(fixture)->name, ==, "good");
	g_test_assert_expected_messages();
}

static void test_files_that_are_no_definitions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.config;
	g_autofree char *path = g_build_filename(folder, "folder.xml", NULL);

	put_file(folder, ".xml", "x");
	put_file(folder, "a.xml~", "x");
	put_file(folder, "a.xml.ABC123", "x");
	put_file(folder, "README", "x");
	g_assert_no_errno(g_mkdir(path, 0700));
	load(fixture, 0);
}

/* Status */

static void on_status(StoreStatus *status, gpointer data)
{
	Fixture *fixture = data;

	store_status_clear(&fixture->status);
	fixture->status = *status;
	status->def = NULL;
	status->identity = NULL;
	fixture->n_statuses++;
}

static void load_statuses(Fixture *fixture, guint wanted)
{
	fixture->n_statuses = 0;
	store_load_statuses(&fixture->driver, on_status, fixture);
	g_assert_cmpuint(fixture->n_statuses, ==, wanted);
}

static void save_status(Fixture *fixture, const char *name)
{
	g_autoptr(DomainDef) def = make_def(name, "# 'one' = 1; [group] \\ \t end");
	g_autoptr(GError) error = NULL;
	const StoreStatus status = {
		.def = def,
		.pid = 4194303,
		.start_time = G_MAXUINT64 - 1,
		.logger_pid = 4194302,
		.logger_start_time = G_MAXUINT64 - 2,
		.log_mark = { .inode = G_MAXUINT64 - 3, .offset = G_MAXINT64 - 1 },
		.is_tainted = TRUE,
		.state = 3,
		.reason = 11,
	};

	def->id = 42;
	g_assert_true(store_save_status(&fixture->driver, &status, &error));
	g_assert_no_error(error);
}

static void test_status_comes_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const StoreStatus *status = &fixture->status;

	save_status(fixture, "a");
	save_status(fixture, "a");
	load_statuses(fixture, 1);
	g_assert_cmpint(status->pid, ==, 4194303);
	g_assert_cmpuint(status->start_time, ==, G_MAXUINT64 - 1);
	g_assert_cmpint(status->logger_pid, ==, 4194302);
	g_assert_cmpuint(status->logger_start_time, ==, G_MAXUINT64 - 2);
	g_assert_cmpuint(status->log_mark.inode, ==, G_MAXUINT64 - 3);
	g_assert_cmpint(status->log_mark.offset, ==, G_MAXINT64 - 1);
	g_assert_true(status->is_tainted);
	g_assert_cmpint(status->state, ==, 3);
	g_assert_cmpint(status->reason, ==, 11);
	g_assert_cmpstr(status->def->name, ==, "a");
	g_assert_cmpint(status->def->id, ==, 42);
	g_assert_cmpstr(status->def->title, ==, "# 'one' = 1; [group] \\ \t end");
	g_assert_cmpuint(count_files(fixture->driver.paths.state), ==, 1);

	store_delete_status(&fixture->driver, "a");
	store_delete_status(&fixture->driver, "a");
	load_statuses(fixture, 0);
}

/* A key file has two characters for each of these. */
static void test_identity_comes_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const FileOwner owner = {
		.path = (char *)"/a;b\\c d\t/e_VARS.fd",
		.device = G_MAXUINT64 - 4,
		.inode = G_MAXUINT64 - 5,
		.uid = 4294967293,
		.gid = 4294967292,
		.mode = 0644,
	};
	g_autoptr(DomainDef) def = make_def("a", "");
	g_autoptr(DomainIdentity) identity = identity_new(70000, 70001, TRUE);
	const StoreStatus status = { .def = def, .identity = identity, .is_starting = TRUE };
	const DomainIdentity *found;
	g_autoptr(GError) error = NULL;

	identity->cgroup = g_strdup("/sys/fs/cgroup/gmem-1-a;b\\ c.libvirt-gmem");
	identity->scope = g_strdup("machine-gmem\\x2d1\\x2da.scope");
	for (guint i = 0; i < 2; i++)
		g_ptr_array_add(identity->files, file_owner_copy(&owner));
	g_assert_true(store_save_status(&fixture->driver, &status, &error));
	g_assert_no_error(error);
	load_statuses(fixture, 1);
	g_assert_true(fixture->status.is_starting);
	found = fixture->status.identity;
	g_assert_cmpuint(found->uid, ==, 70000);
	g_assert_cmpuint(found->gid, ==, 70001);
	g_assert_true(found->is_claimed);
	g_assert_cmpstr(found->cgroup, ==, identity->cgroup);
	g_assert_cmpstr(found->scope, ==, identity->scope);
	g_assert_cmpuint(found->files->len, ==, 2);
	for (guint i = 0; i < 2; i++) {
		const FileOwner *file = found->files->pdata[i];

		g_assert_cmpstr(file->path, ==, owner.path);
		g_assert_cmpuint(file->device, ==, owner.device);
		g_assert_cmpuint(file->inode, ==, owner.inode);
		g_assert_cmpuint(file->uid, ==, owner.uid);
		g_assert_cmpuint(file->gid, ==, owner.gid);
		g_assert_cmphex(file->mode, ==, owner.mode);
	}
}

/* As an earlier version writes it, whose domains ran as the daemon did. */
static void test_status_without_identity(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const DomainIdentity *found;

	save_status(fixture, "a");
	load_statuses(fixture, 1);
	found = fixture->status.identity;
	g_assert_cmpuint(found->uid, ==, geteuid());
	g_assert_cmpuint(found->gid, ==, getegid());
	g_assert_false(found->is_claimed);
	g_assert_null(found->cgroup);
	g_assert_cmpuint(found->files->len, ==, 0);
	g_assert_false(fixture->status.is_starting);
}

static void test_longest_status(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDef) def = longest_def("a", '\\');
	const StoreStatus status = { .def = def, .pid = 4194303 };
	g_autoptr(GError) error = NULL;

	def->id = G_MAXINT;
	g_assert_true(store_save_status(&fixture->driver, &status, &error));
	g_assert_no_error(error);
	load_statuses(fixture, 1);
	g_assert_cmpint(fixture->status.def->id, ==, G_MAXINT);
	g_assert_cmpstr(fixture->status.def->description, ==, def->description);
}

static void test_broken_statuses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const cases[] = {
		"",
		"no key file",
		"[domain]\npid=1\n",
		"[domain]\nxml=<domain/>\n",
		"[another]\nxml=<domain/>\n",
		"[domain]\nxml=\xff\n",
	};

	save_status(fixture, "good");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		put_file(fixture->driver.paths.state, "broken.status", cases[i]);
		expect_warning("*broken.status' is left alone: *");
		load_statuses(fixture, 1);
		g_test_assert_expected_messages();
		g_assert_cmpstr(fixture->status.def->name, ==, "good");
	}
}

/* A process that cannot be named is none: number 0 belongs to nobody. */
static void test_status_with_broken_numbers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *folder = fixture->driver.paths.state;
	g_autofree char *content = NULL;
	char *pid;

	save_status(fixture, "a");
	content = get_file(folder, "a.status");
	pid = strstr(content, "pid=4194303");
	g_assert_nonnull(pid);
	memcpy(pid, "pid=4194x03", strlen("pid=4194x03"));
	put_file(folder, "a.status", content);
	load_statuses(fixture, 1);
	g_assert_cmpint(fixture->status.pid, ==, 0);
	g_assert_cmpuint(fixture->status.start_time, ==, G_MAXUINT64 - 1);
}

/* The name under which a folder that is watched gets its next file. */
static char *read_new_name(int inotify)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event = (const struct inotify_event *)buffer;

	g_assert_cmpint(read(inotify, buffer, sizeof(buffer)), >=, (gssize)sizeof(*event));
	return g_strdup(event->name);
}

static void assert_exists(const char *folder, const char *name, gboolean exists)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	g_test_message("%s", path);
	g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, exists);
}

/* A daemon that is killed leaves the new file under this name; the next one knows it. */
static void test_what_is_half_written_is_cleaned_up(Fixture *fixture,
						    gconstpointer data G_GNUC_UNUSED)
{
	const char *folders[] = { fixture->driver.paths.config, fixture->driver.paths.state };
	const char *others[] = { "a.xml.backup", ".gmem-", ".gmem-12345", ".gmem-1234567",
				 ".gmem-123.56" };

	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		g_autofree char *name = NULL;

		g_assert_cmpint(inotify_add_watch(inotify, folders[i], IN_CREATE), >=, 0);
		save(fixture, "a", "title");
		save_status(fixture, "a");
		name = read_new_name(inotify);
		close(inotify);
		assert_exists(folders[i], name, FALSE);
		put_file(folders[i], name, "half");
		for (gsize j = 0; j < G_N_ELEMENTS(others); j++)
			put_file(folders[i], others[j], "whole");
		replace_file_clean_up(folders[i], getuid());
		assert_exists(folders[i], name, FALSE);
		for (gsize j = 0; j < G_N_ELEMENTS(others); j++)
			assert_exists(folders[i], others[j], TRUE);
	}
	replace_file_clean_up("/never/made", getuid());
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/store/saved-is-loaded", test_saved_is_loaded);
	add("/store/all-are-loaded", test_all_are_loaded);
	add("/store/replaced-at-once", test_replaced_at_once);
	add("/store/files-are-the-daemons-alone", test_files_are_the_daemons_alone);
	add("/store/folder-that-is-gone", test_folder_that_is_gone);
	add("/store/write-that-fails", test_write_that_fails);
	add("/store/half-written-is-cleaned-up", test_what_is_half_written_is_cleaned_up);
	add("/store/delete", test_delete);
	add("/store/autostart", test_autostart);
	add("/store/autostart-turn-comes-once", test_autostart_turn_comes_once);
	add("/store/channel-folder", test_channel_folder);
	add("/store/broken/definitions", test_broken_definitions);
	add("/store/broken/cut-off-definition", test_cut_off_definition);
	add("/store/broken/definition-under-another-name", test_definition_under_another_name);
	add("/store/broken/huge-file", test_huge_file);
	add("/store/longest-definition", test_longest_definition);
	add("/store/broken/dangling-link", test_dangling_link);
	add("/store/broken/no-definitions", test_files_that_are_no_definitions);
	add("/store/status/comes-back", test_status_comes_back);
	add("/store/status/identity", test_identity_comes_back);
	add("/store/status/without-identity", test_status_without_identity);
	add("/store/status/longest", test_longest_status);
	add("/store/status/broken", test_broken_statuses);
	add("/store/status/broken-numbers", test_status_with_broken_numbers);

	return g_test_run();
}
