/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run-state.h - what of a run is the guest's to change
 *
 * Theory of operation
 *
 * Most of what runs is changed by clients, one after the other: by a copy that takes its place when
 * the VMM has done what it takes. Some of it changes by itself, at any moment: how much memory the
 * guest has given back, whether one of its programs has a channel open, whether a tray is. That is
 * written into what runs when the VMM tells of it. A copy that was made before does not know it,
 * and takes it over with the place.
 */
#pragma once

#include "driver/conf/domain-def.h"

/* What @live says of its guest is @def's, too, as far as that has the same devices. */
void domain_def_keep_state(DomainDef *def, const DomainDef *live);
