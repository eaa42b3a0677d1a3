/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.c - in which language a program speaks */
#include "common/words.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <stdlib.h>

#include "config.h"

void words_init(void)
{
	/* Not for a program that has rights which its starter has not. */
	const char *folder = secure_getenv("LIBVIRT_GMEM_LOCALEDIR");

	(void)setlocale(LC_CTYPE, "");
	(void)setlocale(LC_MESSAGES, "");
	(void)bindtextdomain(GETTEXT_PACKAGE, folder ? folder : LOCALEDIR);
	(void)bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
	(void)textdomain(GETTEXT_PACKAGE);
	/* The first look-up reads the catalogue. */
	(void)gettext("");
}
