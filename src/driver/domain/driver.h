/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver.h - all that one daemon knows: its folders, its host, its domains
 *
 * docs/driver.md says which thread does what, and in which order locks are taken.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "driver/domain/domain-list.h"
#include "driver/host/host-support.h"
#include "driver/rpc/server.h"
#include "driver/safe-file.h"
#include "driver/security/user-pool.h"
#include "driver/vmm/vmm-log.h"

/* Folders of one daemon; libvirt's usual ones with gmem in place of qemu. */
typedef struct {
	char *config;	 /* definitions */
	char *autostart; /* links to those that start with the host */
	char *state;	 /* of running domains: gone with the host's next boot */
	char *log;
	char *nvram;  /* firmware variables of domains that name no file for them */
	char *socket; /* where clients connect; with "-ro" behind for those that only read */
} DriverPaths;

typedef struct Driver {
	DriverPaths paths;
	gboolean is_system;    /* gmem:///system; otherwise a user's gmem:///session */
	char *emulator;	       /* gmem-vmm, for domains that name no other */
	char *logger;	       /* gmem-logger */
	char *storage_library; /* gmem-storage-files.so */
	VmmLogLimits log_limits;
	DomainList *domains;
	RpcServer *server;    /* for events; set once, before the first domain runs */
	GThreadPool *workers; /* what monitor threads and timers leave to others */
	gint last_id;	      /* atomic */

	GMutex later_lock; /* guards what follows; innermost */
	GQueue later;	   /* of jobs for workers, at the next turn of later_source */
	guint later_source;
	gboolean is_leaving;

	/* Which kinds of memory domains may have, and the file that says so; before there are any.
	 */
	KvmMemoryKinds memory_kinds;
	char *settings_path;
	guint may_lack; /* SANDBOX_PART_BIT()s of domains' jails; before there are domains */

	const HostPlaces *places; /* where support is looked for */
	GMutex support_lock;	  /* guards what follows; innermost */
	HostSupport *support;
	char *vmm_user;	 /* who the VMMs run as, until that is known; then NULL */
	char *vmm_group; /* or NULL: that user's */

	/* Once driver_check_vmm_user() has said that they are known, they stay. */
	uid_t vmm_uid;
	gid_t vmm_gid;

	/* Of which each domain has its own; NULL where all run as vmm_user. Before there are any.
	 */
	UserPool *users;
	gboolean is_group_named; /* those of the pool have vmm_group, not a group each */
} Driver;

/*
 * driver_new - a driver that knows its folders and nothing else
 * @is_system: the system's instance, otherwise the calling user's
 */
Driver *driver_new(gboolean is_system);

/*
 * driver_set_vmm_user - who the VMMs run as: the calling user, before this
 * @group: or NULL: that user's
 *
 * The user need not exist before a domain starts.
 */
void driver_set_vmm_user(Driver *driver, const char *user, const char *group);

/*
 * driver_set_user_range - give each domain a user of its own: none has one, before this
 * @has_group: their group is that of driver_set_vmm_user()
 */
void driver_set_user_range(Driver *driver, const UserRange *range, gboolean has_group);

/*
 * driver_base_label - the label that a domain gets which names none, or the first of them
 *
 * Return: for g_free(); NULL where there are no labels, or where the user does not exist.
 */
char *driver_base_label(Driver *driver);

/* Whom a file may belong to that a domain writes to which runs as @uid. */
SafeOwners driver_file_owners(const Driver *driver, uid_t uid);

/*
 * driver_set_memory_kinds - which kinds of memory domains may have: all, before this
 * @settings_path: the file that says so, for messages
 */
void driver_set_memory_kinds(Driver *driver, const KvmMemoryKinds *kinds,
			     const char *settings_path);

/*
 * driver_check_vmm_user - look up who the VMMs run as, where that is not known yet
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED that says how to make the user or the group.
 */
gboolean driver_check_vmm_user(Driver *driver, GError **error);

/* Leaves the domains that run to the next daemon, and waits for what is under way. */
void driver_leave(Driver *driver);

/* Leaves the domains where that has not been done. */
void driver_free(Driver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Driver, driver_free)

const char *driver_uri(const Driver *driver);

/* Return: FALSE with DRIVER_ERROR that names the folder which cannot be made. */
gboolean driver_make_folders(Driver *driver, GError **error);

/*
 * driver_load - read the definitions, find the domains that run, start those that should
 *
 * What an earlier daemon has left half written is removed first. A file that cannot be read is
 * reported in the log and left alone. Returns before domains
 * that run have been reached and those that start are up.
 */
void driver_load(Driver *driver);

/* Reads definitions that have appeared since. */
void driver_reload(Driver *driver);

/* Threads that driver_run() may use at the same time. */
#define DRIVER_WORKERS_MAX 64

/*
 * driver_run - have a function run on a thread where it may block
 *
 * It waits where DRIVER_WORKERS_MAX others are under way, and where no thread can be made.
 */
void driver_run(Driver *driver, void (*function)(gpointer data), gpointer data);

/*
 * driver_run_later - the same in a moment, to try again what could not be done now
 *
 * Return: FALSE where the daemon is about to end, and @function is not called.
 */
gboolean driver_run_later(Driver *driver, void (*function)(gpointer data), gpointer data);

/*
 * driver_settle_memory - settle the kind of a domain's memory
 *
 * One that the definition leaves open becomes the first of those which are allowed and which this
 * host has. One that it says has to be allowed; whether the host has it matters at the start.
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that names the setting, or says of each kind why it
 * cannot be.
 */
gboolean driver_settle_memory(Driver *driver, DomainDef *def, GError **error);

/*
 * driver_check_memory - whether this host has the kind of memory that a domain asks for
 * @def: after driver_settle_memory()
 *
 * Looks again where it could not before: KVM's module may have been loaded since.
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that says why.
 */
gboolean driver_check_memory(Driver *driver, const DomainDef *def, GError **error);

/*
 * driver_resolve_firmware - settle a domain's firmware; see firmware_resolve()
 *
 * Descriptors are read each time: they change when packages are installed.
 */
gboolean driver_resolve_firmware(const Driver *driver, DomainDef *def, GError **error);

/*
 * driver_complete_definition - settle what the host decides of a definition from a client
 *
 * Its kind of memory, its VMM and its firmware. What could then not be shown or read again is
 * refused.
 */
gboolean driver_complete_definition(Driver *driver, DomainDef *def, GError **error);

/* This host's firmware, of firmware_descriptors_load(). */
GPtrArray *driver_firmware(const Driver *driver);

/* What domains can have on this host as it is configured, for host_support_free(). */
HostSupport *driver_support(Driver *driver);
