/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu.c - <cpu>: mode, topology and features
 *
 * Whether the host has a feature is known when the domain starts; here it has to be one that
 * KVM can give a software-protected VM at all.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "common/cpu-topology.h"
#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static void free_cpu_feature(gpointer data)
{
	DomainCpuFeature *feature = data;

	g_free(feature->policy);
	g_free(feature->name);
	g_free(feature);
}

gpointer domain_copy_cpu_feature(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainCpuFeature *feature = data;
	DomainCpuFeature *copy = g_memdup2(feature, sizeof(*feature));

	copy->name = g_strdup(feature->name);
	copy->policy = g_strdup(feature->policy);
	return copy;
}

static GPtrArray *features_new(void)
{
	return g_ptr_array_new_with_free_func(free_cpu_feature);
}

static void parse_mode(XmlWalk *walk, xmlNode *cpu, DomainDef *def)
{
	const char *mode = xml_walk_attribute(walk, cpu, "mode");

	/* Without a mode libvirt means the hypervisor's default, unless there is a model. */
	if (!mode && xml_walk_child(walk, cpu, "model"))
		xml_walk_error(
			walk, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'cpu/model' without attribute 'mode' of 'cpu', which means "
			  "'custom': supported are 'host-passthrough' and 'host-model'"));
	else if (!mode)
		def->cpu_host_passthrough = TRUE;
	else if (strcmp(mode, "host-model") == 0)
		def->cpu_host_passthrough = FALSE;
	else if (strcmp(mode, "host-passthrough") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'mode' of element 'cpu' is '%s': supported are "
				 "'host-passthrough' and 'host-model'"),
			       xml_walk_quote(walk, mode));

	/* What libvirt completes each mode with. */
	domain_parse_only(walk, cpu, "check", def->cpu_host_passthrough ? "none" : "partial");
	domain_parse_only(walk, cpu, "match", "exact");

	def->cpu_migratable = domain_parse_switch(walk, cpu, "migratable", "off", "on");
	if (!def->cpu_host_passthrough && def->cpu_migratable != DOMAIN_SWITCH_ABSENT)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute 'migratable' of element 'cpu' is only allowed with "
				 "mode 'host-passthrough'"));
}

/*
 * @wrong: the error for a wrong number, with a place for it
 *
 * Return: what @name says, 1 when it is absent.
 */
static guint parse_count(XmlWalk *walk, xmlNode *topology, const char *name, const char *wrong)
{
	const char *text = xml_walk_attribute(walk, topology, name);
	guint64 count = 1;

	if (text && (!xml_walk_number(text, &count) || count == 0 || count > G_MAXUINT))
		xml_walk_error(walk, VIR_ERR_XML_ERROR, wrong, xml_walk_quote(walk, text));
	return (guint)count;
}

static void parse_topology(XmlWalk *walk, xmlNode *cpu, DomainDef *def)
{
	xmlNode *topology = xml_walk_child(walk, cpu, "topology");

	if (!topology)
		return;

	xml_walk_attribute_required(walk, topology, "cores");
	def->cpu_sockets = parse_count(walk, topology, "sockets",
				       _("attribute 'sockets' of element 'cpu/topology' is '%s', "
					 "not a number of sockets"));
	def->cpu_dies = parse_count(
		walk, topology, "dies",
		_("attribute 'dies' of element 'cpu/topology' is '%s', not a number of dies"));
	def->cpu_cores = parse_count(
		walk, topology, "cores",
		_("attribute 'cores' of element 'cpu/topology' is '%s', not a number of cores"));
	def->cpu_threads = parse_count(walk, topology, "threads",
				       _("attribute 'threads' of element 'cpu/topology' is '%s', "
					 "not a number of threads"));
	/* x86 has none; libvirt 10.1 and newer print it. */
	domain_parse_only(walk, topology, "clusters", "1");
}

/* libvirt's features of VMX begin with "vmx-"; those of SVM are nothing without "svm". */
static gboolean is_nested_virtualization(const char *name)
{
	return strcmp(name, "vmx") == 0 || strcmp(name, "svm") == 0 ||
	       g_str_has_prefix(name, "vmx-");
}

static gboolean is_feature_name(const char *name)
{
	for (const char *at = name; *at; at++)
		if (!g_ascii_isalnum(*at) && !strchr("-_.", *at))
			return FALSE;
	return *name != '\0';
}

static DomainCpuFeature *parse_feature(XmlWalk *walk, xmlNode *node)
{
	static const char *const policies[] = { "force",   "require", "optional",
						"disable", "forbid",  NULL };
	const char *name = xml_walk_attribute_required(walk, node, "name");
	const int given = domain_parse_choice(walk, node, "policy", policies);
	const char *policy = given < 0 ? "require" : policies[given];
	DomainCpuFeature *feature = NULL;

	if (walk->error)
		return NULL;

	if (!is_feature_name(name)) {
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("attribute '%s' of element '%s' is '%s', not a CPU feature's name"),
			"name", xml_walk_path(walk, node), xml_walk_quote(walk, name));
		return NULL;
	}
	if (strcmp(policy, "require") != 0 && strcmp(policy, "disable") != 0) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'cpu/feature' with name '%s' and policy '%s': supported "
				 "are 'require' and 'disable'"),
			       xml_walk_quote(walk, name), policy);
		return NULL;
	}
	if (strcmp(policy, "require") == 0 && is_nested_virtualization(name)) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'cpu/feature' with name '%s': KVM does not support "
				 "nested virtualization in a software-protected VM"),
			       xml_walk_quote(walk, name));
		return NULL;
	}

	feature = g_new0(DomainCpuFeature, 1);
	feature->name = g_strdup(name);
	feature->policy = g_strdup(policy);
	return feature;
}

static void parse_features(XmlWalk *walk, xmlNode *cpu, DomainDef *def)
{
	/* Names that were there before; the features own them. */
	g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, cpu, node, "feature"))) {
		DomainCpuFeature *feature = parse_feature(walk, node);

		if (!feature)
			return;
		if (!def->cpu_features)
			def->cpu_features = features_new();
		g_ptr_array_add(def->cpu_features, feature);

		if (!g_hash_table_add(names, feature->name)) {
			xml_walk_error(
				walk, VIR_ERR_XML_ERROR,
				_("element 'cpu/feature' with name '%s' appears more than once"),
				xml_walk_quote(walk, feature->name));
			return;
		}
	}
}

void domain_parse_cpu(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *cpu = xml_walk_child(walk, root, "cpu");

	def->cpu_host_passthrough = TRUE;
	if (!cpu)
		return;

	parse_mode(walk, cpu, def);
	parse_topology(walk, cpu, def);
	parse_features(walk, cpu, def);
	domain_parse_numa(walk, cpu, def);
}

static void format_topology(XmlWriter *writer, const DomainDef *def)
{
	if (def->cpu_cores == 0)
		return;
	xml_writer_start(writer, "topology");
	xml_writer_attribute_number(writer, "sockets", def->cpu_sockets);
	xml_writer_attribute_number(writer, "dies", def->cpu_dies);
	xml_writer_attribute_number(writer, "cores", def->cpu_cores);
	xml_writer_attribute_number(writer, "threads", def->cpu_threads);
	xml_writer_end(writer);
}

static void format_cpu_features(XmlWriter *writer, const DomainDef *def)
{
	for (guint i = 0; def->cpu_features && i < def->cpu_features->len; i++) {
		const DomainCpuFeature *feature = def->cpu_features->pdata[i];

		xml_writer_start(writer, "feature");
		xml_writer_attribute(writer, "policy", feature->policy);
		xml_writer_attribute(writer, "name", feature->name);
		xml_writer_end(writer);
	}
}

void domain_format_cpu(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "cpu");
	xml_writer_attribute(writer, "mode",
			     def->cpu_host_passthrough ? "host-passthrough" : "host-model");
	xml_writer_attribute(writer, "check", def->cpu_host_passthrough ? "none" : "partial");
	domain_format_switch(writer, "migratable", def->cpu_migratable, "off", "on");
	format_topology(writer, def);
	format_cpu_features(writer, def);
	domain_format_numa(writer, def);
	xml_writer_end(writer);
}

gboolean domain_check_cpu(const DomainDef *def, GError **error)
{
	const guint64 factors[] = { def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				    def->cpu_threads };
	const CpuTopology topology = { def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				       def->cpu_threads };
	guint64 product = 1;
	guint32 last;

	if (def->cpu_cores == 0)
		return TRUE;

	for (gsize i = 0; i < G_N_ELEMENTS(factors); i++)
		if (!g_uint64_checked_mul(&product, product, factors[i]))
			product = G_MAXUINT64;
	if (product != def->vcpus)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'cpu/topology': sockets, dies, cores and threads "
				      "make %u * %u * %u * %u vCPUs, and 'vcpu' is %u"),
				    def->cpu_sockets, def->cpu_dies, def->cpu_cores,
				    def->cpu_threads, def->vcpus);
	last = cpu_topology_apic_id(&topology, def->vcpus - 1);
	if (last > CPU_TOPOLOGY_MAX_APIC_ID)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'cpu/topology': the last vCPU would have APIC id "
			  "%u, and %d is the most; numbers that are powers of two leave "
			  "no id out"),
			last, CPU_TOPOLOGY_MAX_APIC_ID);
	return TRUE;
}
