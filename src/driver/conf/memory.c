/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c - <memory>, <currentMemory>, <memoryBacking> and <launchSecurity>: how much there is,
 * and how it is kept
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

#define KIB_PER_PAGE 4

gboolean domain_def_memory_kind(const DomainDef *def, KvmMemoryKind *kind)
{
	*kind = def->sw_protected ? KVM_MEMORY_TWO_SIDED : KVM_MEMORY_WINDOWS;
	return def->sw_protected || def->memory_private;
}

void domain_def_set_memory_kind(DomainDef *def, KvmMemoryKind kind)
{
	def->sw_protected = kind == KVM_MEMORY_TWO_SIDED;
	def->memory_private = TRUE;
}

const char *domain_memory_kind_element(KvmMemoryKind kind)
{
	return kind == KVM_MEMORY_TWO_SIDED ? "launchSecurity" : "memoryBacking/private";
}

void domain_parse_memory(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *memory = xml_walk_child(walk, root, "memory");
	xmlNode *current = xml_walk_child(walk, root, "currentMemory");

	if (!memory)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'memory' is missing"));

	def->memory_kib = domain_parse_kib(walk, memory, NULL);
	def->current_memory_kib = current ? domain_parse_kib(walk, current, NULL) : def->memory_kib;
	/* As libvirt has it. */
	if (def->current_memory_kib == 0 || def->current_memory_kib > def->memory_kib)
		def->current_memory_kib = def->memory_kib;
}

/* Return: TRUE where the element is there. */
static gboolean parse_conversion(XmlWalk *walk, xmlNode *parent, DomainDef *def)
{
	xmlNode *conversion = xml_walk_child(walk, parent, "conversion");
	const char *policy = xml_walk_attribute_required(walk, conversion, "policy");

	if (policy && strcmp(policy, "guest-only") == 0)
		def->policy = DOMAIN_POLICY_GUEST_ONLY;
	else if (policy && strcmp(policy, "on-demand") != 0)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not 'on-demand' or "
				 "'guest-only'"),
			       "policy", xml_walk_path(walk, conversion),
			       xml_walk_quote(walk, policy));
	return conversion != NULL;
}

void domain_parse_memory_backing(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *backing = xml_walk_child(walk, root, "memoryBacking");
	xmlNode *private = xml_walk_child(walk, backing, "private");
	xmlNode *access = xml_walk_child(walk, backing, "access");
	xmlNode *source = xml_walk_child(walk, backing, "source");
	const char *mode = xml_walk_attribute_required(walk, access, "mode");
	const char *type = xml_walk_attribute_required(walk, source, "type");

	def->memory_private = private != NULL;
	if (parse_conversion(walk, private, def) && xml_walk_child(walk, root, "launchSecurity"))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element 'memoryBacking/private/conversion' belongs into "
				 "'launchSecurity' where there is one"));

	if (xml_walk_child(walk, backing, "hugepages"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'memoryBacking/hugepages': private memory comes from "
				 "guest_memfd, which has no huge pages"));

	if (mode && strcmp(mode, "shared") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'memoryBacking/access' with mode 'shared': private "
				 "memory is mapped by no process and cannot be shared with one"));
	else if (mode && strcmp(mode, "private") != 0)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("attribute '%s' of element '%s' is '%s', not 'private' or 'shared'"),
			"mode", xml_walk_path(walk, access), xml_walk_quote(walk, mode));
	else if (mode)
		def->says |= DOMAIN_SAYS_PRIVATE_ACCESS;

	if (type)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'memoryBacking/source' with type '%s': private memory "
				 "comes from guest_memfd"),
			       xml_walk_quote(walk, type));
}

void domain_parse_launch_security(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *security = xml_walk_child(walk, root, "launchSecurity");
	const char *type = xml_walk_attribute_required(walk, security, "type");

	if (!type)
		return;
	if (strcmp(type, "sw-protected") != 0) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element 'launchSecurity' is '%s': only "
				 "'sw-protected' is supported"),
			       xml_walk_quote(walk, type));
		return;
	}

	def->sw_protected = TRUE;
	def->memory_private = TRUE;

	(void)parse_conversion(walk, security, def);
}

void domain_format_memory_size(XmlWriter *writer, const char *name, guint64 kib)
{
	g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, kib);

	xml_writer_start(writer, name);
	xml_writer_attribute(writer, "unit", "KiB");
	xml_writer_text(writer, number);
	xml_writer_end(writer);
}

static void format_conversion(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_element_with(writer, "conversion", "policy",
				def->policy == DOMAIN_POLICY_GUEST_ONLY ? "guest-only" :
									  "on-demand");
}

void domain_format_memory_backing(XmlWriter *writer, const DomainDef *def)
{
	if (!def->memory_private && !(def->says & DOMAIN_SAYS_PRIVATE_ACCESS))
		return;

	xml_writer_start(writer, "memoryBacking");
	if (def->says & DOMAIN_SAYS_PRIVATE_ACCESS)
		xml_writer_element_with(writer, "access", "mode", "private");
	if (def->memory_private) {
		xml_writer_start(writer, "private");
		if (!def->sw_protected)
			format_conversion(writer, def);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

void domain_format_launch_security(XmlWriter *writer, const DomainDef *def)
{
	if (!def->sw_protected)
		return;

	xml_writer_start(writer, "launchSecurity");
	xml_writer_attribute(writer, "type", "sw-protected");
	format_conversion(writer, def);
	xml_writer_end(writer);
}

gboolean domain_check_memory(const DomainDef *def, GError **error)
{
	if (def->memory_kib < DOMAIN_MIN_MEMORY_KIB || def->memory_kib > DOMAIN_MAX_MEMORY_KIB)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'memory' is %" PRIu64 " KiB: a domain has 1 MiB to 4 TiB"),
			def->memory_kib);
	if (def->memory_kib % KIB_PER_PAGE)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'memory' is %" PRIu64
				      " KiB: not a multiple of the page size, 4 KiB"),
				    def->memory_kib);

	return TRUE;
}
