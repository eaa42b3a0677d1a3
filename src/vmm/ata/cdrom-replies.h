/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cdrom-replies.h - what a CD-ROM drive says of itself and of its medium: MMC-6, chapter 6 */
#pragma once

#include <glib.h>

#define CDROM_BLOCK	2048u
#define CDROM_REPLY_MAX 256u

typedef struct {
	gboolean has_medium; /* which the guest sees */
	gboolean is_open;
	gboolean is_locked;
	guint8 event; /* of media, as GET EVENT STATUS NOTIFICATION has it */
	guint32 blocks;
} CdromState;

/* Of media. */
enum {
	CDROM_EVENT_NONE = 0,
	CDROM_EVENT_EJECT_REQUEST = 1,
	CDROM_EVENT_NEW_MEDIUM = 2,
	CDROM_EVENT_REMOVAL = 3,
};

/* Each fills in a reply to a packet. Return: its size; 0 where the packet cannot be. */
typedef guint CdromReply(const CdromState *state, const guint8 *packet, guint8 *reply);

CdromReply cdrom_inquiry;
CdromReply cdrom_read_capacity;
CdromReply cdrom_read_toc;
CdromReply cdrom_get_configuration;
CdromReply cdrom_get_event_status;
CdromReply cdrom_mode_sense;
CdromReply cdrom_mechanism_status;
CdromReply cdrom_read_disc_information;

void cdrom_identify(const char *serial, const char *model, guint8 words[512]);
