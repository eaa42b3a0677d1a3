/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-format.h - what the files that print <domain> know of each other
 */
#pragma once

#include "driver/conf/domain-private.h"
#include "driver/conf/xml-writer.h"

/* An attribute of the element that was started last; nothing when @value is ABSENT. */
void domain_format_switch(XmlWriter *writer, const char *name, DomainSwitch value, const char *no,
			  const char *yes);

void domain_format_sysinfo(XmlWriter *writer, const DomainDef *def);
void domain_format_os(XmlWriter *writer, const DomainDef *def);
void domain_format_features(XmlWriter *writer, const DomainDef *def);
void domain_format_cpu(XmlWriter *writer, const DomainDef *def);
void domain_format_clock(XmlWriter *writer, const DomainDef *def);
