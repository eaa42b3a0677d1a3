/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities.c - what virsh capabilities and virsh domcapabilities print
 */
#include "driver/host/capabilities.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/devices/disk.h"
#include "driver/conf/devices/interface.h"
#include "driver/conf/devices/rng.h"
#include "driver/conf/uuid.h"
#include "driver/conf/xml-writer.h"
#include "driver/error.h"
#include "driver/host/node.h"

#define ARCH	 "x86_64"
#define MACHINE	 "q35"
#define VIRTTYPE "kvm"

/* Of what domain capabilities have beyond libvirt's format; schemas/domaincaps.rng has it, too. */
#define GMEM_NAMESPACE "urn:libvirt-gmem:domain-capabilities:1"

/* Makes this use of the machine id's hash our own: nobody who knows another program's gets it. */
#define HOST_UUID_SALT "libvirt-gmem host"

/* libvirt's test of whether somebody has filled it in: not one byte all over. */
static gboolean uuid_says_something(const guint8 uuid[HOST_UUID_SIZE])
{
	for (guint i = 1; i < HOST_UUID_SIZE; i++)
		if (uuid[i] != uuid[0])
			return TRUE;
	return FALSE;
}

gboolean host_uuid(const char *root, guint8 uuid[HOST_UUID_SIZE], GError **error)
{
	g_autofree char *dmi_path = g_build_filename(root, "sys/class/dmi/id/product_uuid", NULL);
	g_autofree char *id_path = g_build_filename(root, "etc/machine-id", NULL);
	g_autofree char *dmi = NULL;
	g_autofree char *id = NULL;
	g_autoptr(GHmac) hmac = NULL;
	guint8 digest[32];
	gsize length = sizeof(digest);

	if (g_file_get_contents(dmi_path, &dmi, NULL, NULL) && uuid_parse(dmi, uuid) &&
	    uuid_says_something(uuid))
		return TRUE;

	if (!g_file_get_contents(id_path, &id, NULL, NULL) || !*g_strstrip(id))
		return driver_error(
			error, VIR_ERR_INTERNAL_ERROR,
			_("the host has neither a product UUID nor an /etc/machine-id"));

	hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)id, strlen(id));
	g_hmac_update(hmac, (const guchar *)HOST_UUID_SALT, -1);
	g_hmac_get_digest(hmac, digest, &length);
	memcpy(uuid, digest, HOST_UUID_SIZE);

	/* Version 4 and RFC 9562's variant: valid wherever a UUID is looked at closely. */
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	return TRUE;
}

static void write_pages(XmlWriter *writer, guint64 kib)
{
	xml_writer_start(writer, "pages");
	xml_writer_attribute(writer, "unit", "KiB");
	xml_writer_attribute(writer, "size", "4");
	if (kib > 0) {
		g_autofree char *count = g_strdup_printf("%" G_GUINT64_FORMAT, kib / 4);

		xml_writer_text(writer, count);
	}
	xml_writer_end(writer);
}

static void write_host_cpu(XmlWriter *writer, const NodeInfo *node, const HostSupport *support)
{
	xml_writer_start(writer, "cpu");
	xml_writer_element_text(writer, "arch", node->model);
	xml_writer_element_text(writer, "vendor", node->vendor);

	xml_writer_start(writer, "topology");
	xml_writer_attribute_number(writer, "sockets", node->sockets);
	xml_writer_attribute(writer, "dies", "1");
	xml_writer_attribute_number(writer, "cores", node->cores);
	xml_writer_attribute_number(writer, "threads", node->threads);
	xml_writer_end(writer);

	if (support->physical_address_bits > 0) {
		xml_writer_start(writer, "maxphysaddr");
		xml_writer_attribute(writer, "mode", "emulate");
		xml_writer_attribute_number(writer, "bits", support->physical_address_bits);
		xml_writer_end(writer);
	}

	write_pages(writer, 0);
	xml_writer_end(writer);
}

static void write_distances(XmlWriter *writer, const NodeInfo *node, const NodeCell *cell)
{
	if (cell->distances->len == 0)
		return;

	xml_writer_start(writer, "distances");
	for (guint i = 0; i < cell->distances->len; i++) {
		const NodeCell *other = node->cells->pdata[i];

		xml_writer_start(writer, "sibling");
		xml_writer_attribute_number(writer, "id", other->id);
		xml_writer_attribute_number(writer, "value",
					    g_array_index(cell->distances, guint, i));
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static void write_cell_cpu(XmlWriter *writer, const NodeCpu *cpu)
{
	xml_writer_start(writer, "cpu");
	xml_writer_attribute_number(writer, "id", cpu->id);
	xml_writer_attribute_number(writer, "socket_id", cpu->socket);
	xml_writer_attribute_number(writer, "die_id", cpu->die);
	/* Since then the format has it, and takes it with the others or not at all. */
	if (LIBVIR_VERSION_NUMBER >= 10001000)
		xml_writer_attribute_number(writer, "cluster_id", cpu->cluster);
	xml_writer_attribute_number(writer, "core_id", cpu->core);
	xml_writer_attribute(writer, "siblings", cpu->siblings);
	xml_writer_end(writer);
}

static void write_cell(XmlWriter *writer, const NodeInfo *node, const NodeCell *cell)
{
	g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT, cell->memory_kib);

	xml_writer_start(writer, "cell");
	xml_writer_attribute_number(writer, "id", cell->id);

	xml_writer_start(writer, "memory");
	xml_writer_attribute(writer, "unit", "KiB");
	xml_writer_text(writer, memory);
	xml_writer_end(writer);
	if (cell->memory_kib > 0)
		write_pages(writer, cell->memory_kib);
	write_distances(writer, node, cell);

	xml_writer_start(writer, "cpus");
	xml_writer_attribute_number(writer, "num", cell->cpus->len);
	for (guint i = 0; i < node->cpu_list->len; i++) {
		const NodeCpu *cpu = node->cpu_list->pdata[i];

		for (guint j = 0; j < cell->cpus->len; j++)
			if (g_array_index(cell->cpus, guint, j) == cpu->id)
				write_cell_cpu(writer, cpu);
	}
	xml_writer_end(writer);
	xml_writer_end(writer);
}

static void write_topology(XmlWriter *writer, const NodeInfo *node)
{
	xml_writer_start(writer, "topology");
	xml_writer_start(writer, "cells");
	xml_writer_attribute_number(writer, "num", node->cells->len);
	for (guint i = 0; i < node->cells->len; i++)
		write_cell(writer, node, node->cells->pdata[i]);
	xml_writer_end(writer);
	xml_writer_end(writer);
}

static void write_feature_toggle(XmlWriter *writer, const char *name)
{
	xml_writer_start(writer, name);
	xml_writer_attribute(writer, "default", "on");
	xml_writer_attribute(writer, "toggle", "no");
	xml_writer_end(writer);
}

static void write_guest(XmlWriter *writer, const HostSupport *support, const char *emulator)
{
	xml_writer_start(writer, "guest");
	xml_writer_element_text(writer, "os_type", "hvm");

	xml_writer_start(writer, "arch");
	xml_writer_attribute(writer, "name", ARCH);
	xml_writer_element_text(writer, "wordsize", "64");
	xml_writer_element_text(writer, "emulator", emulator);
	xml_writer_start(writer, "machine");
	xml_writer_attribute_number(writer, "maxCpus", support->max_vcpus);
	xml_writer_text(writer, MACHINE);
	xml_writer_end(writer);
	xml_writer_element_with(writer, "domain", "type", VIRTTYPE);
	xml_writer_end(writer);

	xml_writer_start(writer, "features");
	write_feature_toggle(writer, "acpi");
	write_feature_toggle(writer, "apic");
	xml_writer_end(writer);
	xml_writer_end(writer);
}

static void write_security_model(XmlWriter *writer, const char *base_label)
{
	xml_writer_start(writer, "secmodel");
	xml_writer_element_text(writer, "model", "dac");
	xml_writer_element_text(writer, "doi", "0");
	xml_writer_start(writer, "baselabel");
	xml_writer_attribute(writer, "type", VIRTTYPE);
	xml_writer_text(writer, base_label);
	xml_writer_end(writer);
	xml_writer_end(writer);
}

char *host_capabilities_xml_below(const char *root, const HostSupport *support,
				  const char *emulator, const char *base_label, GError **error)
{
	g_autoptr(NodeInfo) node = node_info_read(root, error);
	guint8 uuid[HOST_UUID_SIZE];
	char text[VIR_UUID_STRING_BUFLEN];
	XmlWriter writer = { 0 };

	/* No uuid element is better than no capabilities. */
	const gboolean has_uuid = host_uuid(root, uuid, NULL);

	if (!node)
		return NULL;

	xml_writer_init(&writer);
	xml_writer_start(&writer, "capabilities");
	xml_writer_start(&writer, "host");
	if (has_uuid) {
		uuid_format(uuid, text);
		xml_writer_element_text(&writer, "uuid", text);
	}
	write_host_cpu(&writer, node, support);
	xml_writer_element_empty(&writer, "power_management");
	xml_writer_element_with(&writer, "iommu", "support", "no");
	write_topology(&writer, node);
	if (base_label)
		write_security_model(&writer, base_label);
	xml_writer_end(&writer);

	if (support->kvm_usable)
		write_guest(&writer, support, emulator);
	xml_writer_end(&writer);
	return xml_writer_finish(&writer);
}

char *host_capabilities_xml(const HostSupport *support, const char *emulator,
			    const char *base_label, GError **error)
{
	return host_capabilities_xml_below("/", support, emulator, base_label, error);
}

static void write_supported(XmlWriter *writer, const char *name, gboolean supported)
{
	xml_writer_element_with(writer, name, "supported", supported ? "yes" : "no");
}

static void write_cpu_mode(XmlWriter *writer, const char *name, gboolean supported)
{
	static const char *const migratable[] = { "on", "off", NULL };

	xml_writer_start(writer, "mode");
	xml_writer_attribute(writer, "name", name);
	xml_writer_attribute(writer, "supported", supported ? "yes" : "no");
	if (supported && strcmp(name, "host-passthrough") == 0)
		xml_writer_enum(writer, "hostPassthroughMigratable", migratable);
	xml_writer_end(writer);
}

/* Code in flash is never writable here, and nothing is secure without SMM. */
static void write_loader(XmlWriter *writer, const GPtrArray *loaders)
{
	static const char *const types[] = { "rom", "pflash", NULL };
	static const char *const yes[] = { "yes", NULL }, *const no[] = { "no", NULL };

	xml_writer_start(writer, "loader");
	xml_writer_attribute(writer, "supported", "yes");
	for (guint i = 0; i < loaders->len; i++)
		xml_writer_element_text(writer, "value", g_ptr_array_index(loaders, i));
	xml_writer_enum(writer, "type", types);
	xml_writer_enum(writer, "readonly", yes);
	xml_writer_enum(writer, "secure", no);
	xml_writer_end(writer);
}

static void write_domain_os(XmlWriter *writer, const GPtrArray *descriptors)
{
	gboolean has_bios, has_efi;
	g_autoptr(GPtrArray) loaders = firmware_loaders(descriptors, &has_bios, &has_efi);
	const char *kinds[3] = { NULL };
	guint n = 0;

	if (has_bios)
		kinds[n++] = "bios";
	if (has_efi)
		kinds[n++] = "efi";
	xml_writer_start(writer, "os");
	xml_writer_attribute(writer, "supported", "yes");
	xml_writer_enum(writer, "firmware", kinds);
	write_loader(writer, loaders);
	xml_writer_end(writer);
}

static void write_domain_cpu(XmlWriter *writer)
{
	xml_writer_start(writer, "cpu");
	write_cpu_mode(writer, "host-passthrough", TRUE);
	write_cpu_mode(writer, "maximum", FALSE);
	write_cpu_mode(writer, "host-model", TRUE);
	write_cpu_mode(writer, "custom", FALSE);
	xml_writer_end(writer);
}

/* Those that the format has an element for; the serial port is none of them. */
static void write_domain_devices(XmlWriter *writer)
{
	static const char *const before[] = { "graphics", "video", "hostdev" };
	static const char *const after[] = { "filesystem", "tpm", "redirdev" };

	xml_writer_start(writer, "devices");
	domain_write_disk_capabilities(writer);
	for (gsize i = 0; i < G_N_ELEMENTS(before); i++)
		write_supported(writer, before[i], FALSE);
	domain_write_rng_capabilities(writer);
	for (gsize i = 0; i < G_N_ELEMENTS(after); i++)
		write_supported(writer, after[i], FALSE);
	domain_write_channel_capabilities(writer);
	/* Since then the format has it. */
	if (LIBVIR_VERSION_NUMBER >= 9009000)
		domain_write_interface_capabilities(writer);
	xml_writer_end(writer);
}

/*
 * libvirt's format has no place for kinds of memory, nor for reasons: so they are in an element of
 * our own, in a namespace, which its clients pass over.
 */
static void write_memory_kinds(XmlWriter *writer, const HostSupport *support)
{
	xml_writer_start(writer, "gmem:memory");
	xml_writer_attribute(writer, "xmlns:gmem", GMEM_NAMESPACE);
	for (guint i = 0; i < KVM_MEMORY_KINDS_ALL.n_kinds; i++) {
		const KvmMemoryKind kind = KVM_MEMORY_KINDS_ALL.kinds[i];
		const char *reason = support->reasons[kind];

		xml_writer_start(writer, "gmem:kind");
		xml_writer_attribute(writer, "name", kvm_memory_kind_name(kind));
		xml_writer_attribute(writer, "supported", reason ? "no" : "yes");
		if (reason)
			xml_writer_element_text(writer, "gmem:reason", reason);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static void write_domain_features(XmlWriter *writer, const HostSupport *support)
{
	const gboolean protected = !support->reasons[KVM_MEMORY_TWO_SIDED];

	xml_writer_start(writer, "features");
	write_supported(writer, "sev", FALSE);
	xml_writer_start(writer, "launchSecurity");
	xml_writer_attribute(writer, "supported", protected ? "yes" : "no");
	if (protected) {
		xml_writer_start(writer, "enum");
		xml_writer_attribute(writer, "name", "sectype");
		xml_writer_element_text(writer, "value", "sw-protected");
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
	write_memory_kinds(writer, support);
	xml_writer_end(writer);
}

/* @format: with places for what was asked for and what there is */
static gboolean check_question(const char *format, const char *asked, const char *only,
			       GError **error)
{
	if (!asked || strcmp(asked, only) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_INVALID_ARG, format, asked, only);
}

char *host_domain_capabilities_xml(const HostSupport *support, const GPtrArray *descriptors,
				   const char *default_emulator, const char *emulator,
				   const char *arch, const char *machine, const char *virttype,
				   GError **error)
{
	XmlWriter writer = { 0 };

	if (!check_question(_("emulator '%.80s' is not supported, only '%s' is"), emulator,
			    default_emulator, error) ||
	    !check_question(_("architecture '%.80s' is not supported, only '%s' is"), arch, ARCH,
			    error) ||
	    !check_question(_("machine '%.80s' is not supported, only '%s' is"), machine, MACHINE,
			    error) ||
	    !check_question(_("virtualization type '%.80s' is not supported, only '%s' is"),
			    virttype, VIRTTYPE, error))
		return NULL;

	xml_writer_init(&writer);
	xml_writer_start(&writer, "domainCapabilities");
	xml_writer_element_text(&writer, "path", default_emulator);
	xml_writer_element_text(&writer, "domain", VIRTTYPE);
	xml_writer_element_text(&writer, "machine", MACHINE);
	xml_writer_element_text(&writer, "arch", ARCH);
	xml_writer_start(&writer, "vcpu");
	xml_writer_attribute_number(&writer, "max", support->max_vcpus);
	xml_writer_end(&writer);
	write_supported(&writer, "iothreads", TRUE);
	write_domain_os(&writer, descriptors);
	write_domain_cpu(&writer);
	write_domain_devices(&writer);
	write_domain_features(&writer, support);
	xml_writer_end(&writer);
	return xml_writer_finish(&writer);
}
