/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-def.h - the model of a domain's configuration
 *
 * Theory of operation
 *
 * A DomainDef is what <domain> says, no more: plain data, owned strings, no handles. The
 * parser fills it, the validator checks it, the formatter prints it; what the formatter
 * prints, the parser reads back to an equal model. Optional strings are NULL where absent.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#define DOMAIN_UUID_SIZE VIR_UUID_BUFLEN

/* <on_poweroff>, <on_reboot>, <on_crash> */
typedef enum {
	DOMAIN_ACTION_DESTROY,
	DOMAIN_ACTION_RESTART,
	DOMAIN_ACTION_PRESERVE,
} DomainAction;

/* <launchSecurity><conversion policy="..."/>: which host touches convert pages. */
typedef enum {
	DOMAIN_POLICY_ON_DEMAND,
	DOMAIN_POLICY_GUEST_ONLY,
} DomainPolicy;

typedef enum {
	DOMAIN_CHARDEV_PTY,  /* type='pty' */
	DOMAIN_CHARDEV_FILE, /* type='file', <source path= append=> */
	DOMAIN_CHARDEV_UNIX, /* type='unix', <source mode='bind' path=> */
	DOMAIN_CHARDEV_NULL, /* type='null' */
} DomainChardevType;

/* <serial>, and <console> which is its twin for the first port. */
typedef struct {
	DomainChardevType type;
	char *path;       /* of file and socket; of the pty while the domain runs */
	gboolean append;  /* file: keep what is there */
	char *log_path;   /* <log file='...' append='...'/>, or NULL */
	gboolean log_append;
	guint port;       /* <target port='...'> */
	char *alias;      /* live XML only: "serial0" */
} DomainSerial;

typedef struct {
	int id;           /* -1 while the domain is off */
	guint8 uuid[DOMAIN_UUID_SIZE];
	char *name;
	char *title;
	char *description;
	char *metadata;   /* the <metadata> element as XML text, or NULL */

	guint64 memory_kib;
	guint64 current_memory_kib;
	gboolean memory_private; /* <memoryBacking><private/> */
	guint vcpus;

	char *machine;    /* "q35" */
	char *kernel;
	char *initrd;
	char *cmdline;

	gboolean acpi;
	gboolean apic;

	gboolean cpu_host_passthrough; /* <cpu mode='host-passthrough'>, the only mode yet */
	gboolean cpu_present;          /* a <cpu> element was given */
	gboolean cpu_migratable_set;
	gboolean cpu_migratable;

	DomainAction on_poweroff;
	DomainAction on_reboot;
	DomainAction on_crash;

	gboolean sw_protected;  /* <launchSecurity type='sw-protected'> */
	DomainPolicy policy;

	char *emulator;         /* NULL: the installed gmem-vmm */
	DomainSerial *serials;  /* 0 or 1 in this release */
	guint n_serials;
	gboolean console_present;
} DomainDef;

typedef enum {
	DOMAIN_PARSE_INACTIVE = 1 << 0,  /* ignore the id and other live-only parts */
	DOMAIN_PARSE_VALIDATE = 1 << 1,  /* check against the RELAX NG schema first */
} DomainParseFlags;

typedef enum {
	DOMAIN_FORMAT_INACTIVE = 1 << 0,
	DOMAIN_FORMAT_SECURE = 1 << 1,   /* nothing is secret yet; accepted */
	DOMAIN_FORMAT_STATUS = 1 << 2,   /* for our own state files: live parts included */
} DomainFormatFlags;

/*
 * domain_def_parse - read, complete with defaults and validate a <domain> document
 * @xml: NUL-terminated text, of any length and from anyone
 *
 * Return: a definition for domain_def_free(), or NULL with a DRIVER_ERROR that names the
 * element and the reason.
 */
DomainDef *domain_def_parse(const char *xml, DomainParseFlags flags, GError **error);

/* Return: XML text for g_free(), indented as libvirt's, ending in a newline. Never fails. */
char *domain_def_format(const DomainDef *def, DomainFormatFlags flags);

DomainDef *domain_def_copy(const DomainDef *def);
void domain_def_free(DomainDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDef, domain_def_free)
