/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox.c - the stages in which gmem-vmm gives up what a hostile guest could use */
#include "vmm/sandbox/sandbox.h"

#include <glib/gi18n.h>
#include <libintl.h>
#include <malloc.h>
#include <time.h>

#include "common/confinement.h"
#include "vmm/log.h"
#include "vmm/sandbox/system-calls.h"

/* Areas that the C library's allocator has for threads. */
#define MALLOC_AREAS 16
/* Bytes; a block that is as large has a mapping of its own. */
#define MAPPED_BLOCK_SIZE (128 << 10)

/*
 * glibc's allocator reads files: how many areas it would choose for threads, and, before it gives
 * the free end of an area to the system, whether the system promises more memory than it has. So
 * the first is said, and the second never done: what is larger than blocks of an area has a mapping
 * of its own, and that goes when it is freed. The size from which on that is so would grow with
 * what is freed, as long as neither is set.
 */
static void bound_allocator(void)
{
	(void)mallopt(M_ARENA_MAX, MALLOC_AREAS);
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_BLOCK_SIZE);
	(void)mallopt(M_TRIM_THRESHOLD, -1);
}

/* What libraries read from files when it is first wanted, and would read too late. */
static void load_what_comes_late(void)
{
	static const char *const catalogues[] = { "glib20", "json-glib-1.0" };

	tzset();
	bound_allocator();
	for (gsize i = 0; i < G_N_ELEMENTS(catalogues); i++)
		(void)dgettext(catalogues[i], catalogues[i]);
}

/* Return: whether the start goes on without a part; otherwise @error has @cause. */
static gboolean can_lack(const SandboxConfig *config, SandboxPart part, GError *cause,
			 GError **error)
{
	if (config->may_lack & SANDBOX_PART_BIT(part)) {
		log_warning("sandbox", _("there is no part '%s': %s"), sandbox_part_name(part),
			    cause->message);
		g_error_free(cause);
		return TRUE;
	}
	g_set_error(error, cause->domain, cause->code, _("the sandbox lacks its part '%s': %s"),
		    sandbox_part_name(part), cause->message);
	g_error_free(cause);
	return FALSE;
}

static gboolean leave_files(const SandboxConfig *config, GError **error)
{
	GError *cause = NULL;

	return config->level != SANDBOX_FULL || confinement_leave_files(&cause) ||
	       can_lack(config, SANDBOX_PART_NAMESPACES, cause, error);
}

static gboolean filter_system_calls(const SandboxConfig *config, KvmMemoryKind memory_kind,
				    GError **error)
{
	GError *cause = NULL;

	return system_calls_prepare(config, memory_kind, &cause) ||
	       can_lack(config, SANDBOX_PART_SECCOMP, cause, error);
}

gboolean sandbox_enter(const SandboxConfig *config, KvmMemoryKind memory_kind,
		       const int *descriptors, gsize n_descriptors, GError **error)
{
	load_what_comes_late();
	return confinement_close_others(descriptors, n_descriptors, error) &&
	       leave_files(config, error) && confinement_refuse_privileges(error) &&
	       confinement_drop_capabilities(0, error) &&
	       filter_system_calls(config, memory_kind, error);
}

void sandbox_enter_thread(SandboxThread thread)
{
	system_calls_confine(thread);
}
