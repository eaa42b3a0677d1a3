/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - virtgmemd: from the command line to a daemon that serves, and to its end
 *
 * Theory of operation
 *
 * Root gets the system's instance, anybody else a session's. The sockets are opened first,
 * because they say whether another daemon is there already; clients that connect wait in
 * their queues until the domains are loaded. Domains outlive the daemon.
 */
#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/words.h"
#include "config.h"
#include "driver/calls/calls.h"
#include "driver/daemon/background.h"
#include "driver/daemon/settings.h"
#include "driver/daemon/sockets.h"
#include "driver/domain/driver.h"
#include "driver/error.h"
#include "driver/rpc/server.h"

/* Two bits that virt daemons do not need: what they make is for nobody else. */
#define UMASK 0077

/* Descriptors that the daemon wants to be allowed, where its user is. */
#define DESCRIPTORS 16384u

typedef struct {
	char *config;	/* or NULL */
	char *pid_file; /* or NULL */
	int timeout;	/* seconds; 0: never */
	gboolean is_background;
	gboolean is_verbose;
	gboolean is_version_asked;
} Arguments;

typedef struct {
	GMainLoop *loop;
	Driver *driver;
	RpcServer *server;
	guint idle_seconds; /* 0: serve for ever */
	guint idle_source;
	int parent_fd; /* tells the parent that the daemon serves; -1: there is none */
} Daemon;

static gboolean parse_arguments(Arguments *arguments, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "daemon", 'd', 0, G_OPTION_ARG_NONE, &arguments->is_background,
		  N_("Go on in the background, once clients can connect"), NULL },
		{ "pid-file", 'p', 0, G_OPTION_ARG_FILENAME, &arguments->pid_file,
		  N_("Write the process id there"), N_("FILE") },
		{ "config", 'f', 0, G_OPTION_ARG_FILENAME, &arguments->config,
		  N_("Configuration file"), N_("FILE") },
		{ "timeout", 't', 0, G_OPTION_ARG_INT, &arguments->timeout,
		  N_("End after so long without clients and running domains"), N_("SECONDS") },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &arguments->is_verbose,
		  N_("Say more about what is done"), NULL },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &arguments->is_version_asked,
		  N_("Print the version"), NULL },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);

	g_option_context_set_summary(
		context,
		_("The libvirt daemon for software-protected virtual machines (gmem:///)."));
	g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (*argc > 1)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unexpected argument '%s'"),
				    (*argv)[1]);
	if (arguments->timeout < 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("--timeout=%d: not negative"),
				    arguments->timeout);
	if (arguments->pid_file) {
		/* In the background it is another current folder. */
		g_autofree char *given = g_steal_pointer(&arguments->pid_file);

		arguments->pid_file = g_canonicalize_filename(given, NULL);
	}
	return TRUE;
}

static char *default_config(gboolean is_system)
{
	return is_system ?
		       g_build_filename(SYSCONFDIR, "libvirt", "virtgmemd.conf", NULL) :
		       g_build_filename(g_get_user_config_dir(), "libvirt", "virtgmemd.conf", NULL);
}

/*
 * Who the VMMs run as: root chooses. What is named has to exist. Where no user is named each domain
 * has its own; the default user, which some ask for, may be made later.
 */
static gboolean choose_vmm_user(Driver *driver, const Settings *settings, GError **error)
{
	const gboolean is_named = settings->vmm_user || settings->vmm_group;

	if (geteuid() != 0)
		return !settings->vmm_user ||
		       driver_error(error, VIR_ERR_CONF_SYNTAX,
				    _("'user' is root's to choose, for its own instance"));
	driver_set_vmm_user(driver, settings->vmm_user ? settings->vmm_user : DEFAULT_VMM_USER,
			    settings->vmm_group);
	if (!settings->vmm_user)
		driver_set_user_range(driver, &settings->user_range, settings->vmm_group != NULL);
	return driver_check_vmm_user(driver, is_named ? error : NULL) || !is_named;
}

static void set_log_limits(Driver *driver, const Settings *settings)
{
	driver->log_limits.max_size = settings->max_size;
	driver->log_limits.max_backups = settings->max_backups;
}

static gboolean on_end_signal(gpointer data)
{
	const Daemon *daemon = data;

	g_main_loop_quit(daemon->loop);
	return G_SOURCE_CONTINUE;
}

/* SIGHUP: definitions that have appeared are read; libvirt's daemons do so too. */
static gboolean on_reload_signal(gpointer data)
{
	const Daemon *daemon = data;

	driver_reload(daemon->driver);
	return G_SOURCE_CONTINUE;
}

static gboolean has_active_domain(const Driver *driver)
{
	g_autoptr(GPtrArray) all = domain_list_all(driver->domains);
	gboolean found = FALSE;

	for (guint i = 0; i < all->len && !found; i++) {
		Domain *domain = g_ptr_array_index(all, i);

		g_mutex_lock(&domain->lock);
		found = domain_is_active(domain) || domain->job;
		g_mutex_unlock(&domain->lock);
	}
	return found;
}

/* A turn of idle_seconds has passed; whoever came and went meanwhile has begun a new one. */
static gboolean on_idle_turn(gpointer data)
{
	Daemon *daemon = data;

	if (rpc_server_count_clients(daemon->server) > 0) {
		daemon->idle_source = 0;
		return G_SOURCE_REMOVE;
	}
	if (has_active_domain(daemon->driver))
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(daemon->loop);
	daemon->idle_source = 0;
	return G_SOURCE_REMOVE;
}

static void on_idle(gpointer data)
{
	Daemon *daemon = data;

	if (!daemon->idle_seconds)
		return;
	if (daemon->idle_source)
		g_source_remove(daemon->idle_source);
	daemon->idle_source = g_timeout_add_seconds(daemon->idle_seconds, on_idle_turn, daemon);
}

static void arguments_clear(Arguments *arguments)
{
	g_clear_pointer(&arguments->config, g_free);
	g_clear_pointer(&arguments->pid_file, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arguments, arguments_clear)

static gboolean write_pid_file(const char *path, GError **error)
{
	g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
	g_autoptr(GError) cause = NULL;

	if (!path ||
	    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &cause))
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("--pid-file: %s"), cause->message);
}

/* From here on a client that connects is served: whoever waits for that is told. */
static gboolean announce(Daemon *daemon, const char *pid_file, GError **error)
{
	g_autofree char *log = g_build_filename(daemon->driver->paths.log, "virtgmemd.log", NULL);

	if (!write_pid_file(pid_file, error))
		return FALSE;
	if (daemon->parent_fd >= 0 && !background_serving(g_steal_fd(&daemon->parent_fd), log,
							  &daemon->driver->log_limits, error))
		return FALSE;
	(void)sd_notify(0, "READY=1");
	return TRUE;
}

static void accept_clients(Daemon *daemon, Sockets *sockets)
{
	rpc_server_add_socket(daemon->server, sockets->socket, FALSE);
	if (sockets->readonly_socket)
		rpc_server_add_socket(daemon->server, sockets->readonly_socket, TRUE);
	rpc_server_on_idle(daemon->server, on_idle, daemon);
	on_idle(daemon);
	g_unix_signal_add(SIGTERM, on_end_signal, daemon);
	g_unix_signal_add(SIGINT, on_end_signal, daemon);
	g_unix_signal_add(SIGHUP, on_reload_signal, daemon);
}

/*
 * Blocks that are large come from the system and go back to it when they are freed, always:
 * by default the allocator learns to keep them. And there are few places to keep free memory.
 */
static void limit_allocator(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
	(void)mallopt(M_ARENA_MAX, 4);
}

/*
 * Clients and domains take descriptors, more than the limit that is there for the sake of
 * programs with select(). VMMs inherit it, and are none of these.
 */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, MAX(limit.rlim_cur, DESCRIPTORS));
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Calls do not end, so that nothing that they use can be freed. What they have done to files is
 * whole at any moment, as it has to be for a daemon that is killed.
 */
static G_NORETURN void leave_at_once(const Arguments *arguments, Sockets *sockets)
{
	sockets_close(sockets);
	if (arguments->pid_file)
		(void)unlink(arguments->pid_file);
	_exit(EXIT_SUCCESS);
}

static gboolean run(const Arguments *arguments, int parent_fd, GError **error)
{
	g_autoptr(Driver) driver = driver_new(geteuid() == 0);
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autofree char *config = arguments->config ? g_strdup(arguments->config) :
						      default_config(driver->is_system);
	g_auto(Settings) settings = { 0 };
	g_auto(Sockets) sockets = { .lock_fd = -1 };
	Daemon daemon = {
		.loop = loop,
		.driver = driver,
		.idle_seconds = arguments->timeout,
		.parent_fd = parent_fd,
	};
	gboolean served;

	raise_descriptor_limit();
	if (!settings_load(&settings, config, arguments->config != NULL, error) ||
	    !choose_vmm_user(driver, &settings, error) || !driver_make_folders(driver, error) ||
	    !sockets_open(&sockets, driver->paths.socket, &settings, error))
		return FALSE;
	set_log_limits(driver, &settings);
	driver_set_memory_kinds(driver, &settings.memory_kinds, config);
	driver->may_lack = settings.may_lack;
	driver->server = rpc_server_new(calls_tables, driver_uri(driver), driver);
	daemon.server = driver->server;
	driver_load(driver);
	accept_clients(&daemon, &sockets);
	served = announce(&daemon, arguments->pid_file, error);
	if (served)
		g_main_loop_run(loop);
	(void)sd_notify(0, "STOPPING=1");
	/* Clients first: what hangs on them ends with them. Then the domains are left alone. */
	domain_def_stop_reading();
	if (!rpc_server_stop(driver->server))
		leave_at_once(arguments, &sockets);
	driver_leave(driver);
	rpc_server_free(g_steal_pointer(&driver->server));
	if (served && arguments->pid_file)
		(void)unlink(arguments->pid_file);
	return served;
}

int main(int argc, char **argv)
{
	g_auto(Arguments) arguments = { 0 };
	g_autoptr(GError) error = NULL;
	int parent_fd = -1;

	words_init();
	(void)umask(UMASK);
	signal(SIGPIPE, SIG_IGN);
	limit_allocator();
	if (parse_arguments(&arguments, &argc, &argv, &error)) {
		if (arguments.is_version_asked) {
			g_print("virtgmemd (libvirt-gmem) %s\n", PACKAGE_VERSION);
			return EXIT_SUCCESS;
		}
		if (arguments.is_verbose)
			(void)g_setenv("G_MESSAGES_DEBUG", "all", FALSE);
		if (arguments.is_background)
			parent_fd = background_enter(&error);
		if (!error && run(&arguments, parent_fd, &error))
			return EXIT_SUCCESS;
	}
	g_printerr("virtgmemd: %s\n", error->message);
	return EXIT_FAILURE;
}
