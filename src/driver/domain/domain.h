/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain.h - one domain: what is known of it, and who may change that
 *
 * Theory of operation
 *
 * A domain is guarded twice. Its lock is held for moments and guards every member below it;
 * nobody waits for anything with it held, so that looking at a domain never takes time. Its
 * job is held by who changes whether and how the domain runs, for as long as that takes;
 * whoever wants the same waits for the job, for a time, and then gets an error. To change
 * `config`, `live` or `vmm` one has both.
 *
 * A domain that is neither defined nor running is nobody's: it is on its way in or out, and
 * is not shown.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"
#include "driver/domain/identity.h"
#include "driver/log-limit.h"
#include "driver/rpc/client.h"
#include "driver/rpc/events.h"
#include "driver/rpc/protocol.h"
#include "driver/rpc/stream.h"
#include "driver/vmm/qmp-client.h"
#include "driver/vmm/vmm-launch.h"
#include "driver/vmm/vmm-log.h"
#include "driver/vmm/vmm-process.h"

/* How long a call waits for another one that changes the same domain, in seconds. */
#define DOMAIN_JOB_SECONDS 30

typedef struct Driver Driver;
typedef struct Domain Domain;

/*
 * The VMM of a domain while it runs. Who waits for its monitor holds a reference, so that it
 * stays until all of them have gone; never unreferenced with the domain's lock held.
 */
typedef struct {
	gatomicrefcount references;
	Domain *domain; /* a reference */
	VmmProcess *process;
	QmpClient *monitor;
	VmmProcess *logger;  /* NULL where it is not known */
	GPtrArray *passts;   /* of VmmPasstProcess; with the job; NULL: none were started here */
	VmmStorage *storage; /* NULL: no disk is served; changed with the lock, too */
	VmmLogMark log_mark;
	/* Written once, before their number. */
	pid_t vcpu_threads[DOMAIN_MAX_VCPUS];
	gint n_vcpu_threads; /* atomic: see domain_vmm_count_threads() */
	LogLimit log;	     /* of what it causes */

	/* Guarded by the domain's lock. */
	int end_reason;		 /* VIR_DOMAIN_SHUTOFF_*, as far as the end is known */
	gboolean is_ending;	 /* it has been told to end, by this daemon */
	gboolean is_reboot;	 /* the next power-off is the first half of a reboot */
	gboolean is_guest_reset; /* what ended the guest was a reset */
	gboolean is_restart_due; /* a restart of the guest was begun and has not succeeded */
	char *pause;		 /* why it has paused itself, or NULL */
	char *trouble;		 /* what this daemon could not do with it, or NULL */
	GPtrArray *gone;	 /* of aliases: devices that it says are gone; or NULL */
	char *attaching;	 /* the alias of one that it may have or not, or NULL; hot-plug.h */
	int agent_seconds;	 /* that answers of the guest's agent may take; 0: not said */
	gboolean is_tainted;	 /* a client has given its monitor commands */

	/* Of the worker that looks after it, also with the lock; see follow.h. */
	guint tasks;	     /* FollowTask bits: what there is to do */
	gboolean has_worker; /* one does it, or is about to */
	gboolean holds_job;  /* the domain's job is kept for that worker */

	/* The monitor thread's. */
	RateLimit changes; /* of the domain's state */
	RateLimit reboots; /* events about it */
	gboolean is_reboot_due;
} DomainVmm;

/* How many of vcpu_threads are known; 0 until the VMM has said. Any thread. */
guint domain_vmm_count_threads(const DomainVmm *vmm);

/* Takes what is in @launched over. Return: the first reference. */
DomainVmm *domain_vmm_new(Domain *domain, Vmm *launched);
DomainVmm *domain_vmm_ref(DomainVmm *vmm);
void domain_vmm_unref(DomainVmm *vmm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainVmm, domain_vmm_unref)

struct Domain {
	gatomicrefcount references;
	Driver *driver;
	char *name; /* it and the UUID never change */
	guint8 uuid[VIR_UUID_BUFLEN];

	GMutex lock; /* guards what follows */
	GCond job_ended;
	const char *job; /* what is under way, or NULL */
	gint64 job_since;
	gboolean is_removed; /* no longer in the list */
	GCond agent_turn_ended;
	gboolean has_agent_turn; /* somebody speaks with the guest's agent; see agent.h */
	GCond tray_moved;	 /* of one of its drives */

	DomainDef *config;	  /* what the next start uses; NULL for a transient domain */
	DomainDef *live;	  /* what runs, or NULL */
	DomainVmm *vmm;		  /* NULL while it does not run, also for a moment at its start */
	char *nvram;		  /* the variable file that is this run's alone, or NULL */
	DomainIdentity *identity; /* what this run has of the host, or NULL; with the job, too */
	int state;		  /* VIR_DOMAIN_* */
	int reason;		  /* VIR_DOMAIN_<state>_* */
	gint64 state_since;	  /* monotonic, in microseconds */
	/* config is newer than live, as far as this daemon knows */
	gboolean is_updated;
	gboolean is_autostart;
	char *crash;		/* why its last VMM ended early, or NULL */
	RpcClient *autodestroy; /* a reference: whose end is the domain's, or NULL */
	/* Who talks to a serial port, a console or a channel: alias to RpcStream, a reference. */
	GHashTable *sessions;
};

/* A domain without a configuration; @def says its name and UUID. */
Domain *domain_new(Driver *driver, const DomainDef *def);
Domain *domain_ref(Domain *domain);
void domain_unref(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_unref)

/*
 * domain_begin_job - become the one who changes whether and how a domain runs
 * @what: for the error of others who want that, "start"; a literal
 *
 * Return: FALSE with VIR_ERR_OPERATION_TIMEOUT that says what is under way, or with
 * VIR_ERR_NO_DOMAIN when the domain is gone.
 */
gboolean domain_begin_job(Domain *domain, const char *what, GError **error);

/* The same without a time limit and also for a domain that is gone. */
void domain_begin_job_always(Domain *domain, const char *what);
void domain_end_job(Domain *domain);

/* With the lock: whether it runs, and whether it is to be shown at all. */
gboolean domain_is_active(const Domain *domain);
gboolean domain_is_visible(const Domain *domain);

/* With the lock: the id of one that runs, otherwise -1. */
int domain_id(const Domain *domain);

/* Fills what a client knows a domain by. Without the lock. */
void domain_fill_wire(Domain *domain, RpcDomain *wire);

/* With the lock: what runs, otherwise what is defined. */
const DomainDef *domain_current_def(const Domain *domain);

/* Without the lock: whether that is the VMM of its domain's run. */
gboolean domain_vmm_is_current(const DomainVmm *vmm);

/* With the lock: the VMM, for domain_vmm_unref(); NULL with VIR_ERR_OPERATION_INVALID. */
DomainVmm *domain_get_vmm(Domain *domain, GError **error);

/* With the lock. @reason: VIR_DOMAIN_<state>_* */
void domain_set_state(Domain *domain, int state, int reason);

/* With the lock: tells the clients. @detail: VIR_DOMAIN_EVENT_<event>_* */
void domain_send_event(const Domain *domain, int event, int detail);
void domain_send_reboot(const Domain *domain);
void domain_send_device_added(const Domain *domain, const char *alias);
void domain_send_device_removed(const Domain *domain, const char *alias);
void domain_send_device_kept(const Domain *domain, const char *alias);
void domain_send_watchdog(const Domain *domain, int action);
/* What of its memory the guest has now; with the lock. */
void domain_send_balloon_change(const Domain *domain);
void domain_send_disk_error(const Domain *domain, const RpcDiskError *disk_error);
void domain_send_tray_change(const Domain *domain, const char *alias, gboolean is_open);
void domain_send_agent(const Domain *domain, gboolean is_connected);
