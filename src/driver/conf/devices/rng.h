/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rng.h - <rng>: a source of random numbers for the guest
 */
#pragma once

#include "driver/conf/devices/device.h"

/* <backend model=> */
typedef enum {
	DOMAIN_RNG_RANDOM,  /* a device of the host's, by its path */
	DOMAIN_RNG_BUILTIN, /* the host kernel's generator */
} DomainRngBackend;

typedef struct {
	DomainRngBackend backend;
	char *path;	   /* of a device: "/dev/urandom" where none was given */
	guint rate_bytes;  /* <rate bytes=>, or 0: no limit */
	guint rate_period; /* milliseconds; 0: not given, 1000 */
	DomainVirtioOptions virtio;
	DomainDeviceInfo info;
} DomainRng;

DomainRng *domain_rng_copy(const DomainRng *rng);
void domain_rng_free(DomainRng *rng);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainRng, domain_rng_free)

/* Return: never NULL; errors are in @walk. */
DomainRng *domain_parse_rng(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_rng(XmlWriter *writer, const DomainRng *rng, gboolean live);
gboolean domain_check_rng(const DomainRng *rng, GError **error);

/* <rng> of domain capabilities. */
void domain_write_rng_capabilities(XmlWriter *writer);
