/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse.c - from <domain> to its model
 *
 * Theory of operation
 *
 * One function an element, in the order in which the formatter prints them. Each asks the
 * XmlWalk for what this driver knows; what nobody asked for is an error at the end, so that
 * an element which libvirt has and we do not is refused by its name and never dropped.
 *
 * Where a user could have meant something that we know and cannot do, the function asks for
 * it and says why. Those checks come before the general one, and so do wrong values; whatever
 * concerns several elements is domain-validate.c's.
 */
#include <string.h>

#include "driver/conf/domain-private.h"
#include "driver/conf/xml-walk.h"
#include "driver/error.h"

/* Reads an attribute that has one supported value. Return: TRUE when it was given. */
static gboolean parse_only(XmlWalk *walk, xmlNode *node, const char *name, const char *only)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return FALSE;
	if (strcmp(value, only) != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute '%s' of element '%s' is '%s': only '%s' is supported",
			       name, xml_walk_path(walk, node), xml_walk_quote(walk, value), only);
	return TRUE;
}

static void wrong_value(XmlWalk *walk, xmlNode *node, const char *attribute, const char *value,
			const char *wanted)
{
	const char *path = xml_walk_path(walk, node);
	const char *quoted = xml_walk_quote(walk, value);

	if (attribute)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       "attribute '%s' of element '%s' is '%s', not %s", attribute, path,
			       quoted, wanted);
	else
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element '%s' is '%s', not %s", path,
			       quoted, wanted);
}

static DomainSwitch parse_switch(XmlWalk *walk, xmlNode *node, const char *name, const char *no,
				 const char *yes)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return DOMAIN_SWITCH_ABSENT;
	if (strcmp(value, no) == 0)
		return DOMAIN_SWITCH_NO;
	if (strcmp(value, yes) != 0) {
		g_autofree char *wanted = g_strdup_printf("'%s' or '%s'", yes, no);

		wrong_value(walk, node, name, value, wanted);
	}
	return DOMAIN_SWITCH_YES;
}

/* An element without attributes whose presence says it all. */
static gboolean parse_flag(XmlWalk *walk, xmlNode *parent, const char *name)
{
	return xml_walk_child(walk, parent, name) != NULL;
}

static void parse_identity(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	const char *type = xml_walk_attribute_required(walk, root, "type");
	const char *id = xml_walk_attribute(walk, root, "id");
	xmlNode *uuid = xml_walk_child(walk, root, "uuid");

	if (type && strcmp(type, "kvm") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'type' of element 'domain' is '%s': only 'kvm' is "
			       "supported",
			       xml_walk_quote(walk, type));

	def->id = -1;
	if (id && !(flags & DOMAIN_PARSE_INACTIVE)) {
		guint64 number = 0;

		if (!xml_walk_number(id, &number) || number > G_MAXINT)
			wrong_value(walk, root, "id", id, "a domain's number");
		else
			def->id = (int)number;
	}

	def->name = g_strdup(xml_walk_child_text(walk, root, "name"));
	if (uuid) {
		const char *text = xml_walk_text(walk, uuid);

		if (text && !uuid_parse(text, def->uuid))
			wrong_value(walk, uuid, NULL, text, "a UUID");
	} else {
		uuid_generate(def->uuid);
	}

	def->title = g_strdup(xml_walk_child_text(walk, root, "title"));
	def->description = g_strdup(xml_walk_child_text(walk, root, "description"));
}

/* What applications keep there is theirs: it is printed again as it came. */
static void parse_metadata(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *metadata = xml_walk_child(walk, root, "metadata");
	g_autoptr(xmlDoc) alone = NULL;
	xmlNode *copy = NULL;
	xmlBuffer *text = NULL;

	if (!metadata)
		return;

	xml_walk_take_all(walk, metadata);

	/* The copy declares the namespaces that are declared further out in the document. */
	alone = xmlNewDoc((const xmlChar *)"1.0");
	copy = xmlDocCopyNode(metadata, alone, 1);
	text = xmlBufferCreate();
	if (!alone || !copy || !text) {
		xml_walk_error(walk, VIR_ERR_NO_MEMORY, "element 'metadata'");
	} else {
		/* An encoding keeps libxml2 from printing references for what is not ASCII. */
		alone->encoding = xmlStrdup((const xmlChar *)"UTF-8");
		xmlDocSetRootElement(alone, copy);
		xmlNodeDump(text, alone, copy, 0, 0);
		def->metadata = g_strdup((const char *)xmlBufferContent(text));
	}
	if (copy && copy->parent != (xmlNode *)alone)
		xmlFreeNode(copy);
	xmlBufferFree(text);
}

typedef struct {
	const char *name;
	guint64 bytes;
} MemoryUnit;

static const MemoryUnit memory_units[] = {
	{ "b", 1 },
	{ "bytes", 1 },
	{ "KB", 1000 },
	{ "k", 1024 },
	{ "KiB", 1024 },
	{ "MB", 1000 * 1000 },
	{ "M", 1024 * 1024 },
	{ "MiB", 1024 * 1024 },
	{ "GB", 1000 * 1000 * 1000 },
	{ "G", 1024 * 1024 * 1024 },
	{ "GiB", 1024 * 1024 * 1024 },
	{ "TB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 },
	{ "T", G_GUINT64_CONSTANT(1) << 40 },
	{ "TiB", G_GUINT64_CONSTANT(1) << 40 },
	{ "PB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 * 1000 },
	{ "P", G_GUINT64_CONSTANT(1) << 50 },
	{ "PiB", G_GUINT64_CONSTANT(1) << 50 },
	{ "EB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 * 1000 * 1000 },
	{ "E", G_GUINT64_CONSTANT(1) << 60 },
	{ "EiB", G_GUINT64_CONSTANT(1) << 60 },
};

/* Units as libvirt has them, without regard to case; the result is rounded up to KiB as there. */
static guint64 parse_memory(XmlWalk *walk, xmlNode *node)
{
	const char *unit = xml_walk_attribute(walk, node, "unit");
	const char *text = xml_walk_text(walk, node);
	const MemoryUnit *found = NULL;
	guint64 number = 0;
	guint64 bytes = 0;

	if (!text)
		return 0;

	for (gsize i = 0; i < G_N_ELEMENTS(memory_units) && !found; i++)
		if (g_ascii_strcasecmp(unit ? unit : "KiB", memory_units[i].name) == 0)
			found = &memory_units[i];

	if (!found) {
		wrong_value(walk, node, "unit", unit, "a unit of memory");
		return 0;
	}
	if (!xml_walk_number(text, &number)) {
		wrong_value(walk, node, NULL, text, "a number below 2^64");
		return 0;
	}
	if (!g_uint64_checked_mul(&bytes, number, found->bytes) || bytes > G_MAXUINT64 - 1023) {
		xml_walk_error(walk, VIR_ERR_OVERFLOW, "element '%s': '%s %s' is too large",
			       xml_walk_path(walk, node), xml_walk_quote(walk, text), found->name);
		return 0;
	}

	return (bytes + 1023) / 1024;
}

static void parse_memory_size(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *memory = xml_walk_child(walk, root, "memory");
	xmlNode *current = xml_walk_child(walk, root, "currentMemory");

	if (!memory)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element 'memory' is missing");

	def->memory_kib = parse_memory(walk, memory);
	def->current_memory_kib = current ? parse_memory(walk, current) : def->memory_kib;
}

static void parse_memory_backing(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *backing = xml_walk_child(walk, root, "memoryBacking");
	xmlNode *access = xml_walk_child(walk, backing, "access");
	xmlNode *source = xml_walk_child(walk, backing, "source");
	const char *mode = xml_walk_attribute_required(walk, access, "mode");
	const char *type = xml_walk_attribute_required(walk, source, "type");

	def->memory_private = parse_flag(walk, backing, "private");

	if (xml_walk_child(walk, backing, "hugepages"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'memoryBacking/hugepages': private memory comes from "
			       "guest_memfd, which has no huge pages");

	if (mode && strcmp(mode, "shared") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'memoryBacking/access' with mode 'shared': private memory "
			       "is mapped by no process and cannot be shared with one");
	else if (mode && strcmp(mode, "private") != 0)
		wrong_value(walk, access, "mode", mode, "'private' or 'shared'");
	else if (mode)
		def->says |= DOMAIN_SAYS_PRIVATE_ACCESS;

	if (type)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'memoryBacking/source' with type '%s': private memory "
			       "comes from guest_memfd",
			       xml_walk_quote(walk, type));
}

static void parse_vcpus(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *vcpu = xml_walk_child(walk, root, "vcpu");
	const char *text = xml_walk_text(walk, vcpu);
	const char *current = xml_walk_attribute(walk, vcpu, "current");
	guint64 count = 1;
	guint64 enabled = 0;

	parse_only(walk, vcpu, "placement", "static");

	if (text && (!xml_walk_number(text, &count) || count > G_MAXUINT))
		wrong_value(walk, vcpu, NULL, text, "a number of vCPUs");
	def->vcpus = (guint)count;

	if (current && (!xml_walk_number(current, &enabled) || enabled > G_MAXUINT))
		wrong_value(walk, vcpu, "current", current, "a number of vCPUs");
	else if (current && enabled != count)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'current' of element 'vcpu' is %" G_GUINT64_FORMAT
			       " of %" G_GUINT64_FORMAT ": vCPUs cannot be added later",
			       enabled, count);
}

static void parse_os_type(XmlWalk *walk, xmlNode *os, DomainDef *def)
{
	xmlNode *type = xml_walk_child(walk, os, "type");
	const char *name = xml_walk_text(walk, type);
	const char *machine = NULL;

	if (!type) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element 'os/type' is missing");
		return;
	}

	if (name && strcmp(name, "hvm") != 0)
		xml_walk_error(walk, VIR_ERR_OS_TYPE,
			       "'%s' in element 'os/type': only 'hvm' is "
			       "supported",
			       xml_walk_quote(walk, name));

	parse_only(walk, type, "arch", "x86_64");

	machine = xml_walk_attribute(walk, type, "machine");
	if (machine && strcmp(machine, "q35") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'machine' of element 'os/type' is '%s': only 'q35' is "
			       "supported",
			       xml_walk_quote(walk, machine));
	def->machine = g_strdup("q35");
}

static void parse_os(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *os = xml_walk_child(walk, root, "os");
	xmlNode *loader = xml_walk_child(walk, os, "loader");
	const char *secure = xml_walk_attribute(walk, loader, "secure");

	if (!os) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element 'os' is missing");
		return;
	}

	parse_os_type(walk, os, def);

	if (secure && strcmp(secure, "yes") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'os/loader' with secure='yes': such firmware needs SMM, "
			       "which a protected domain cannot have");
	if (loader)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'os/loader' is not supported yet: domains boot a kernel "
			       "directly");
	if (xml_walk_attribute(walk, os, "firmware"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'firmware' of element 'os' is not supported yet: "
			       "domains boot a kernel directly");
	if (xml_walk_next(walk, os, NULL, "boot"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'os/boot' is not supported yet: domains boot a kernel "
			       "directly");

	def->kernel = g_strdup(xml_walk_child_text(walk, os, "kernel"));
	def->initrd = g_strdup(xml_walk_child_text(walk, os, "initrd"));
	def->cmdline = g_strdup(xml_walk_child_text(walk, os, "cmdline"));
}

static void parse_features(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *features = xml_walk_child(walk, root, "features");
	xmlNode *smm = xml_walk_child(walk, features, "smm");
	xmlNode *vmport = xml_walk_child(walk, features, "vmport");

	/* The machine has both whether they were asked for or not; the model tells the truth. */
	parse_flag(walk, features, "acpi");
	parse_flag(walk, features, "apic");
	def->acpi = TRUE;
	def->apic = TRUE;

	if (parse_flag(walk, features, "pae"))
		def->says |= DOMAIN_SAYS_PAE;

	if (smm && parse_switch(walk, smm, "state", "off", "on") != DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'features/smm': a protected domain cannot have SMM, "
			       "KVM gives it no second address space");
	else if (smm)
		def->says |= DOMAIN_SAYS_NO_SMM;

	if (vmport && parse_switch(walk, vmport, "state", "off", "on") != DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'features/vmport' is not supported yet");
	else if (vmport)
		def->says |= DOMAIN_SAYS_NO_VMPORT;
}

/* The guest sees what the machine has, one socket with a core for each vCPU; whoever says the
 * same may. */
static void parse_topology(XmlWalk *walk, xmlNode *cpu, DomainDef *def)
{
	static const char *const ones[] = { "sockets", "dies", "clusters", "threads" };
	xmlNode *topology = xml_walk_child(walk, cpu, "topology");
	const char *text = xml_walk_attribute_required(walk, topology, "cores");
	guint64 cores = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(ones); i++)
		parse_only(walk, topology, ones[i], "1");

	if (!text)
		return;
	if (!xml_walk_number(text, &cores) || cores == 0 || cores > G_MAXUINT)
		wrong_value(walk, topology, "cores", text, "a number of cores");
	def->cpu_cores = (guint)cores;
}

static void parse_cpu(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *cpu = xml_walk_child(walk, root, "cpu");

	def->cpu_host_passthrough = TRUE;
	if (!cpu)
		return;

	if (!parse_only(walk, cpu, "mode", "host-passthrough"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'mode' of element 'cpu' is missing: only "
			       "'host-passthrough' is supported");
	parse_only(walk, cpu, "check", "none");
	def->cpu_migratable = parse_switch(walk, cpu, "migratable", "off", "on");
	parse_topology(walk, cpu, def);
}

static void parse_clock(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *clock = xml_walk_child(walk, root, "clock");
	xmlNode *timer = NULL;

	parse_only(walk, clock, "offset", "utc");

	while ((timer = xml_walk_next(walk, clock, timer, "timer"))) {
		const char *name = xml_walk_attribute_required(walk, timer, "name");
		DomainSwitch present = parse_switch(walk, timer, "present", "no", "yes");
		DomainSays says = 0;

		if (walk->error)
			return;

		if (strcmp(name, "hpet") == 0 && present == DOMAIN_SWITCH_NO)
			says = DOMAIN_SAYS_NO_HPET;
		else if (strcmp(name, "kvmclock") == 0 && present != DOMAIN_SWITCH_NO)
			says = DOMAIN_SAYS_KVMCLOCK;

		if (!says)
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       "element 'clock/timer' with name '%s'%s is not supported "
				       "yet",
				       xml_walk_quote(walk, name),
				       present == DOMAIN_SWITCH_NO ? " and present='no'" : "");
		else if (def->says & says)
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       "element 'clock/timer' with name '%s' appears more than "
				       "once",
				       name);
		def->says |= says;
	}
}

static DomainAction parse_action(XmlWalk *walk, xmlNode *root, const char *name,
				 DomainAction default_action)
{
	static const char *const others[] = { "rename-restart", "coredump-destroy",
					      "coredump-restart", NULL };
	xmlNode *node = xml_walk_child(walk, root, name);
	const char *text = xml_walk_text(walk, node);

	if (!text)
		return default_action;
	if (strcmp(text, "destroy") == 0)
		return DOMAIN_ACTION_DESTROY;
	if (strcmp(text, "restart") == 0)
		return DOMAIN_ACTION_RESTART;
	if (strcmp(text, "preserve") == 0)
		return DOMAIN_ACTION_PRESERVE;

	if (g_strv_contains(others, text))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element '%s' is '%s': not supported yet", name, text);
	else
		wrong_value(walk, node, NULL, text, "'destroy', 'restart' or 'preserve'");
	return default_action;
}

static void parse_lifecycle(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	def->on_poweroff = parse_action(walk, root, "on_poweroff", DOMAIN_ACTION_DESTROY);
	def->on_reboot = parse_action(walk, root, "on_reboot", DOMAIN_ACTION_RESTART);
	def->on_crash = parse_action(walk, root, "on_crash", DOMAIN_ACTION_DESTROY);
}

static DomainSwitch parse_suspend(XmlWalk *walk, xmlNode *pm, const char *name)
{
	xmlNode *node = xml_walk_child(walk, pm, name);
	DomainSwitch enabled = parse_switch(walk, node, "enabled", "no", "yes");

	if (enabled == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element '%s' with enabled='yes': the machine cannot sleep",
			       xml_walk_path(walk, node));
	return enabled;
}

static void parse_pm(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *pm = xml_walk_child(walk, root, "pm");

	def->suspend_to_mem = parse_suspend(walk, pm, "suspend-to-mem");
	def->suspend_to_disk = parse_suspend(walk, pm, "suspend-to-disk");
}

static DomainChardevType parse_chardev_type(XmlWalk *walk, xmlNode *node)
{
	static const char *const names[] = {
		[DOMAIN_CHARDEV_PTY] = "pty",
		[DOMAIN_CHARDEV_FILE] = "file",
		[DOMAIN_CHARDEV_NULL] = "null",
	};
	const char *type = xml_walk_attribute_required(walk, node, "type");

	for (guint i = 0; type && i < G_N_ELEMENTS(names); i++)
		if (strcmp(type, names[i]) == 0)
			return (DomainChardevType)i;

	if (type)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'type' of element '%s' is '%s': supported are 'pty', "
			       "'file' and 'null'",
			       xml_walk_path(walk, node), xml_walk_quote(walk, type));
	return DOMAIN_CHARDEV_NULL;
}

static void parse_chardev_source(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainSerial *serial)
{
	xmlNode *source = NULL;
	const char *path = NULL;

	if (serial->type == DOMAIN_CHARDEV_NULL)
		return;

	source = xml_walk_child(walk, node, "source");
	if (!source && serial->type != DOMAIN_CHARDEV_PTY) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element '%s/source' is missing",
			       xml_walk_path(walk, node));
		return;
	}

	if (serial->type == DOMAIN_CHARDEV_PTY) {
		/* The host chooses the terminal at each start; a given one is a former one. */
		path = xml_walk_attribute(walk, source, "path");
		if (flags & DOMAIN_PARSE_INACTIVE)
			path = NULL;
	} else {
		path = xml_walk_attribute_required(walk, source, "path");
	}
	if (serial->type == DOMAIN_CHARDEV_FILE)
		serial->append = parse_switch(walk, source, "append", "off", "on") ==
				 DOMAIN_SWITCH_YES;

	serial->path = g_strdup(path);
}

static void parse_chardev_log(XmlWalk *walk, xmlNode *node, DomainSerial *serial)
{
	xmlNode *log = xml_walk_child(walk, node, "log");

	serial->log_path = g_strdup(xml_walk_attribute_required(walk, log, "file"));
	serial->log_append = parse_switch(walk, log, "append", "off", "on") == DOMAIN_SWITCH_YES;
}

static void parse_target_port(XmlWalk *walk, xmlNode *target, DomainSerial *serial)
{
	const char *text = xml_walk_attribute(walk, target, "port");
	guint64 port = 0;

	if (!text)
		return;
	if (!xml_walk_number(text, &port))
		wrong_value(walk, target, "port", text, "a port's number");
	else if (port != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'port' of element '%s' is '%s': only port 0 is supported",
			       xml_walk_path(walk, target), xml_walk_quote(walk, text));
	serial->port = (guint)port;
}

/* What <serial> and <console> have in common. */
static void parse_chardev(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			  DomainSerial *serial)
{
	xmlNode *alias = xml_walk_child(walk, node, "alias");
	const char *alias_name = xml_walk_attribute_required(walk, alias, "name");

	serial->type = parse_chardev_type(walk, node);
	parse_chardev_source(walk, node, flags, serial);
	parse_chardev_log(walk, node, serial);
	if (!(flags & DOMAIN_PARSE_INACTIVE))
		serial->alias = g_strdup(alias_name);
}

static void clear_serial(DomainSerial *serial)
{
	g_free(serial->path);
	g_free(serial->log_path);
	g_free(serial->alias);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainSerial, clear_serial)

static void parse_serial(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainSerial *serial)
{
	xmlNode *target = xml_walk_child(walk, node, "target");
	xmlNode *model = xml_walk_child(walk, target, "model");

	parse_chardev(walk, node, flags, serial);
	parse_only(walk, target, "type", "isa-serial");
	parse_only(walk, model, "name", "isa-serial");
	parse_target_port(walk, target, serial);
}

static void parse_console(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			  DomainSerial *serial)
{
	xmlNode *target = xml_walk_child(walk, node, "target");

	parse_chardev(walk, node, flags, serial);
	/* The terminal once more: libvirt prints it in both places while a domain runs. */
	if (serial->type == DOMAIN_CHARDEV_PTY)
		xml_walk_attribute(walk, node, "tty");
	parse_only(walk, target, "type", "serial");
	parse_target_port(walk, target, serial);
}

static gboolean same_chardev(const DomainSerial *a, const DomainSerial *b)
{
	return a->type == b->type && a->append == b->append && a->log_append == b->log_append &&
	       g_strcmp0(a->path, b->path) == 0 && g_strcmp0(a->log_path, b->log_path) == 0;
}

/* The console is the first serial port seen from the other side: either brings the other. */
static void parse_ports(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *serial_node = xml_walk_next(walk, devices, NULL, "serial");
	xmlNode *console_node = xml_walk_next(walk, devices, NULL, "console");
	g_auto(DomainSerial) serial = { 0 };
	g_auto(DomainSerial) console = { 0 };

	if (xml_walk_next(walk, devices, serial_node, "serial") && serial_node)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "more than one element 'devices/serial' is not supported yet");
	if (xml_walk_next(walk, devices, console_node, "console") && console_node)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "more than one element 'devices/console' is not supported yet");

	if (serial_node)
		parse_serial(walk, serial_node, flags, &serial);
	if (console_node)
		parse_console(walk, console_node, flags, &console);
	if (walk->error || (!serial_node && !console_node))
		return;

	if (serial_node && console_node && !same_chardev(&serial, &console)) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'devices/console' differs from 'devices/serial': both are "
			       "the same port");
		return;
	}

	def->serials = g_new0(DomainSerial, 1);
	def->n_serials = 1;
	def->console_present = TRUE;
	*def->serials = serial_node ? serial : console;
	memset(serial_node ? &serial : &console, 0, sizeof(serial));
}

/* Devices that say that there is no such device. A second one is left for the general check. */
static void parse_absent_devices(XmlWalk *walk, xmlNode *devices, DomainDef *def)
{
	xmlNode *controller = xml_walk_next(walk, devices, NULL, "controller");
	xmlNode *audio = xml_walk_next(walk, devices, NULL, "audio");
	xmlNode *video = xml_walk_next(walk, devices, NULL, "video");
	xmlNode *model = xml_walk_child(walk, video, "model");
	xmlNode *memballoon = xml_walk_child(walk, devices, "memballoon");

	if (controller) {
		parse_only(walk, controller, "type", "usb");
		parse_only(walk, controller, "index", "0");
		if (!parse_only(walk, controller, "model", "none"))
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       "element 'devices/controller' is not supported yet");
		def->says |= DOMAIN_SAYS_NO_USB;
	}

	if (audio) {
		parse_only(walk, audio, "id", "1");
		if (!parse_only(walk, audio, "type", "none"))
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       "attribute 'type' of element 'devices/audio' is missing");
		def->says |= DOMAIN_SAYS_NO_AUDIO;
	}

	if (video) {
		if (!parse_only(walk, model, "type", "none"))
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       "element 'devices/video' is not supported yet");
		def->says |= DOMAIN_SAYS_NO_VIDEO;
	}

	if (memballoon) {
		if (!parse_only(walk, memballoon, "model", "none"))
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       "attribute 'model' of element 'devices/memballoon' is "
				       "missing");
		def->says |= DOMAIN_SAYS_NO_MEMBALLOON;
	}
}

static void parse_devices(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *devices = xml_walk_child(walk, root, "devices");

	if (!devices)
		return;

	def->emulator = g_strdup(xml_walk_child_text(walk, devices, "emulator"));
	parse_absent_devices(walk, devices, def);
	parse_ports(walk, devices, flags, def);
}

static void parse_seclabel(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *seclabel = xml_walk_child(walk, root, "seclabel");

	if (!seclabel)
		return;
	if (!parse_only(walk, seclabel, "type", "none"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "element 'seclabel' is not supported yet");
	def->says |= DOMAIN_SAYS_NO_SECLABEL;
}

static void parse_launch_security(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *security = xml_walk_child(walk, root, "launchSecurity");
	xmlNode *conversion = NULL;
	const char *type = xml_walk_attribute_required(walk, security, "type");
	const char *policy = NULL;

	if (!type)
		return;
	if (strcmp(type, "sw-protected") != 0) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute 'type' of element 'launchSecurity' is '%s': only "
			       "'sw-protected' is supported",
			       xml_walk_quote(walk, type));
		return;
	}

	def->sw_protected = TRUE;
	def->memory_private = TRUE;

	conversion = xml_walk_child(walk, security, "conversion");
	policy = xml_walk_attribute_required(walk, conversion, "policy");
	if (!policy || strcmp(policy, "on-demand") == 0)
		def->policy = DOMAIN_POLICY_ON_DEMAND;
	else if (strcmp(policy, "guest-only") == 0)
		def->policy = DOMAIN_POLICY_GUEST_ONLY;
	else
		wrong_value(walk, conversion, "policy", policy, "'on-demand' or 'guest-only'");
}

static void parse_root(XmlWalk *walk, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *root = walk->root;

	if (strcmp((const char *)root->name, "domain") != 0 || root->ns) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "the root element is '%s'%s, not 'domain'",
			       xml_walk_path(walk, root), root->ns ? " in a namespace" : "");
		return;
	}

	parse_identity(walk, root, flags, def);
	parse_metadata(walk, root, def);
	parse_memory_size(walk, root, def);
	parse_memory_backing(walk, root, def);
	parse_vcpus(walk, root, def);
	parse_os(walk, root, def);
	parse_features(walk, root, def);
	parse_cpu(walk, root, def);
	parse_clock(walk, root, def);
	parse_lifecycle(walk, root, def);
	parse_pm(walk, root, def);
	parse_devices(walk, root, flags, def);
	parse_seclabel(walk, root, def);
	parse_launch_security(walk, root, def);
}

DomainDef *domain_def_parse(const char *xml, DomainParseFlags flags, GError **error)
{
	g_autoptr(xmlDoc)
		document = xml_document_read(xml, DOMAIN_DOCUMENT, DOMAIN_XML_MAX_BYTES, error);
	g_autoptr(DomainDef) def = NULL;
	g_auto(XmlWalk) walk = { 0 };

	if (!document)
		return NULL;
	if ((flags & DOMAIN_PARSE_VALIDATE) && !domain_schema_validate(document, error))
		return NULL;

	def = g_new0(DomainDef, 1);
	xml_walk_init(&walk, xmlDocGetRootElement(document));
	parse_root(&walk, flags, def);
	if (!xml_walk_finish(&walk, error) || !domain_def_validate(def, error))
		return NULL;

	return g_steal_pointer(&def);
}
