/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seclabel.c - <seclabel>: who a domain's VMM runs as
 *
 * The rules about its attributes, and what is read of a document that shows a running domain, are
 * libvirt's. Of its models there is dac, users and groups, and no other.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"

static DomainSeclabelType parse_type(XmlWalk *walk, xmlNode *seclabel)
{
	static const char *const names[] = { "dynamic", "static", "none", NULL };
	static const DomainSeclabelType types[] = { DOMAIN_SECLABEL_DYNAMIC, DOMAIN_SECLABEL_STATIC,
						    DOMAIN_SECLABEL_NONE };
	const int type = domain_parse_choice(walk, seclabel, "type", names);

	return type < 0 ? DOMAIN_SECLABEL_DYNAMIC : types[type];
}

static gboolean parse_relabel(XmlWalk *walk, xmlNode *seclabel, DomainSeclabelType type)
{
	const DomainSwitch given = domain_parse_switch(walk, seclabel, "relabel", "no", "yes");

	if (type == DOMAIN_SECLABEL_DYNAMIC && given == DOMAIN_SWITCH_NO)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'seclabel' with relabel='no': type 'dynamic' gives the "
				 "files that a domain writes to its user"));
	if (type == DOMAIN_SECLABEL_NONE && given == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'seclabel' with relabel='yes': type 'none' leaves files "
				 "as they are"));
	return type == DOMAIN_SECLABEL_DYNAMIC || given == DOMAIN_SWITCH_YES;
}

/* "user:group": whether there are such is seen when the domain starts. */
static void check_label(XmlWalk *walk, const char *label)
{
	const char *colon = label ? strchr(label, ':') : NULL;

	if (!label)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element 'seclabel/label' is missing"));
	else if (!colon || colon == label || !colon[1] || strchr(colon + 1, ':') ||
		 strlen(label) >= VIR_SECURITY_LABEL_BUFLEN)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element 'seclabel/label' is '%s', not a user and a group as "
				 "'name:name' or '+1000:+1000'"),
			       xml_walk_quote(walk, label));
}

void domain_parse_seclabel(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *seclabel = xml_walk_child(walk, root, "seclabel");
	const char *label;

	def->seclabel_relabel = TRUE;
	if (!seclabel)
		return;
	def->seclabel_type = parse_type(walk, seclabel);
	(void)domain_parse_only(walk, seclabel, "model", "dac");
	def->seclabel_relabel = parse_relabel(walk, seclabel, def->seclabel_type);
	if (def->seclabel_type == DOMAIN_SECLABEL_NONE)
		return;
	label = xml_walk_child_text(walk, seclabel, "label");
	/* It says nothing that the label does not. */
	(void)xml_walk_child_text(walk, seclabel, "imagelabel");
	if (def->seclabel_type == DOMAIN_SECLABEL_STATIC)
		check_label(walk, label);
	else if (flags & DOMAIN_PARSE_INACTIVE)
		label = NULL;
	def->seclabel_label = g_strdup(label);
}

/* Who the VMM runs as is this run's alone, unless the definition says it. */
void domain_format_seclabel(XmlWriter *writer, const DomainDef *def, DomainFormatFlags flags,
			    gboolean live)
{
	static const char *const types[] = { "dynamic", "dynamic", "static", "none" };
	const gboolean is_static = def->seclabel_type == DOMAIN_SECLABEL_STATIC;
	const char *label = is_static || live ? def->seclabel_label : NULL;

	/* A state file has who it is besides, and is to be read back as it was. */
	if (def->seclabel_type == DOMAIN_SECLABEL_ABSENT &&
	    (!label || (flags & DOMAIN_FORMAT_STATUS)))
		return;

	xml_writer_start(writer, "seclabel");
	xml_writer_attribute(writer, "type", types[def->seclabel_type]);
	xml_writer_attribute(writer, "model", "dac");
	if (def->seclabel_type != DOMAIN_SECLABEL_NONE)
		xml_writer_attribute(writer, "relabel", def->seclabel_relabel ? "yes" : "no");
	xml_writer_element_text(writer, "label", label);
	if (live && def->seclabel_relabel)
		xml_writer_element_text(writer, "imagelabel", label);
	xml_writer_end(writer);
}
