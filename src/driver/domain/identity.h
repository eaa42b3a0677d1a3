/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * identity.h - what a run of a domain has of the host: its user, its group, files that are its own
 *
 * Theory of operation
 *
 * The system's domains have a user each (user-pool.h), unless virtgmemd.conf or the domain's
 * <seclabel> says which. Files that a domain writes to are that user's for as long as it runs
 * (file-owner.h). Its processes are in a control group (cgroup.h), and end with that: whatever one
 * of them has started does, too. Whatever is taken is written to the domain's status file before it
 * is taken, and the file goes when all has been given back: so a daemon that comes after one that
 * was killed can undo what that has begun, whenever that was. A session's domains run as the
 * session's user, who cannot give files away, and in no other group.
 *
 * All functions want the domain's job, and none its lock.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "driver/conf/domain-def.h"
#include "driver/security/file-owner.h"
#include "driver/vmm/vmm-launch.h"

typedef struct Domain Domain;

typedef struct {
	uid_t uid;
	gid_t gid;
	gboolean is_claimed; /* in the driver's pool */
	GPtrArray *files;    /* of FileOwner */
	char *cgroup;	     /* the folder of its control group, or NULL */
	char *scope;	     /* the unit of systemd's that the group is of, or NULL */
} DomainIdentity;

/* Without files. */
DomainIdentity *identity_new(uid_t uid, gid_t gid, gboolean is_claimed);
void identity_free(DomainIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainIdentity, identity_free)

/*
 * identity_choose - choose who a domain runs as
 * @def: what is to run; the label is filled in
 *
 * Sets the domain's identity.
 *
 * Return: FALSE with an error that names the user which there is not, or with VIR_ERR_RESOURCE_BUSY
 * where a label asks for another running domain's.
 */
gboolean identity_choose(Domain *domain, DomainDef *def, GError **error);

/* All groups of a label that somebody has written, as libvirt has it, for g_array_unref(); or NULL.
 */
GArray *identity_groups(const Domain *domain, const DomainDef *def);

/*
 * identity_begin - write down what the start takes, and give the domain its files
 * @def: what is to run, and the files that it names are there
 */
gboolean identity_begin(const Domain *domain, const DomainDef *def, GError **error);

/*
 * identity_make_group - put a domain's first process in a control group of its own
 * @cgroup: for the others: of cgroup_open(), for close(); stays as it is where there is no group
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED where there can be none, and virtgmemd.conf does not
 * let domains start without.
 */
gboolean identity_make_group(Domain *domain, const DomainDef *def, pid_t first, int *cgroup,
			     GError **error);

/* Writes down which processes there are now. Return: FALSE with VIR_ERR_SYSTEM_ERROR. */
gboolean identity_note_processes(const Domain *domain, const DomainDef *def, const Vmm *vmm,
				 GError **error);

/*
 * identity_adopt - a domain of an earlier daemon keeps the identity that its status file says
 * @identity: taken over
 *
 * To be called before any other domain starts; domain->live is set.
 */
void identity_adopt(Domain *domain, DomainIdentity *identity);

/*
 * identity_end - end what is left of the domain's processes, and give everything back
 * @has_ended: whether the VMM has; otherwise its user stays claimed
 *
 * Processes are known by their group or, where there is none, by their user if that is the domain's
 * alone. The status file goes last.
 *
 * Nothing happens where the domain has none.
 */
void identity_end(Domain *domain, gboolean has_ended);
