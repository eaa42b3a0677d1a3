/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* audio.h - <audio>: what says that there is none */
#pragma once

#include "driver/conf/domain-types.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

void domain_parse_audio(XmlWalk *walk, xmlNode *devices, DomainDef *def);
void domain_format_audio(XmlWriter *writer, const DomainDef *def);
