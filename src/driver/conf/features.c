/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* features.c - <features>: of the machine and its processors */
#include <glib/gi18n.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* Without a state it is on, as in libvirt. */
static DomainSwitch parse_state(XmlWalk *walk, xmlNode *features, const char *name)
{
	xmlNode *node = xml_walk_child(walk, features, name);
	const DomainSwitch state = domain_parse_switch(walk, node, "state", "off", "on");

	return node && state == DOMAIN_SWITCH_ABSENT ? DOMAIN_SWITCH_YES : state;
}

void domain_parse_features(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *features = xml_walk_child(walk, root, "features");
	xmlNode *smm = xml_walk_child(walk, features, "smm");
	xmlNode *vmport = xml_walk_child(walk, features, "vmport");

	/* The machine has both whether they were asked for or not; the model tells the truth. */
	domain_parse_flag(walk, features, "acpi");
	domain_parse_flag(walk, features, "apic");
	def->acpi = TRUE;
	def->apic = TRUE;

	if (domain_parse_flag(walk, features, "pae"))
		def->says |= DOMAIN_SAYS_PAE;

	def->pmu = parse_state(walk, features, "pmu");
	def->vmcoreinfo = parse_state(walk, features, "vmcoreinfo");

	if (xml_walk_child(walk, features, "hyperv"))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'features/hyperv': Hyper-V's enlightenments are pages "
				 "that KVM writes, and guest memory is private"));

	if (smm && domain_parse_switch(walk, smm, "state", "off", "on") != DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'features/smm': a protected domain cannot have SMM, KVM "
				 "gives it no second address space"));
	else if (smm)
		def->says |= DOMAIN_SAYS_NO_SMM;

	if (vmport && domain_parse_switch(walk, vmport, "state", "off", "on") != DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'features/vmport' is not supported yet"));
	else if (vmport)
		def->says |= DOMAIN_SAYS_NO_VMPORT;
}

static void format_state(XmlWriter *writer, const char *name, DomainSwitch state)
{
	if (state == DOMAIN_SWITCH_ABSENT)
		return;
	xml_writer_start(writer, name);
	domain_format_switch(writer, "state", state, "off", "on");
	xml_writer_end(writer);
}

void domain_format_features(XmlWriter *writer, const DomainDef *def)
{
	xml_writer_start(writer, "features");
	if (def->acpi)
		xml_writer_element_empty(writer, "acpi");
	if (def->apic)
		xml_writer_element_empty(writer, "apic");
	if (def->says & DOMAIN_SAYS_PAE)
		xml_writer_element_empty(writer, "pae");
	format_state(writer, "pmu", def->pmu);
	if (def->says & DOMAIN_SAYS_NO_VMPORT)
		xml_writer_element_with(writer, "vmport", "state", "off");
	if (def->says & DOMAIN_SAYS_NO_SMM)
		xml_writer_element_with(writer, "smm", "state", "off");
	format_state(writer, "vmcoreinfo", def->vmcoreinfo);
	xml_writer_end(writer);
}

gboolean domain_check_features(const DomainDef *def, GError **error)
{
	const gboolean is_direct = def->kernel && !def->loader &&
				   def->firmware == DOMAIN_FIRMWARE_MANUAL;

	return def->vmcoreinfo != DOMAIN_SWITCH_YES || !is_direct ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("element 'features/vmcoreinfo' takes firmware: a kernel that is "
			      "entered directly finds no fw_cfg"));
}
