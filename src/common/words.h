/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * words.h - in which language a program speaks
 *
 * Theory of operation
 *
 * Messages for persons are written in English, and looked up in a catalogue of gettext's where the
 * environment (LC_ALL, LC_MESSAGES, LANG, LANGUAGE) names a language that there is one for; see
 * docs/hacking.md, "Words". The programs follow the environment in their words and in the encoding
 * of what they are given, and in nothing else: numbers and times go into XML and JSON, where they
 * look the same in every language.
 *
 * Inside of the programs all text is UTF-8.
 *
 * The catalogue is the installed one. The environment's LIBVIRT_GMEM_LOCALEDIR names another folder
 * of catalogues, for a build that is not installed. Catalogues hold formats of printf(), so that
 * who chooses one rules the program; who may set the environment of a program rules it anyhow, by
 * LD_PRELOAD. Where that is not so, at a program with more rights than its starter, the variable is
 * not looked at.
 */
#pragma once

/*
 * words_init - take the language of the environment; the first that a program does
 *
 * The catalogue is read here, and not with the first message: a process that gives up its rights
 * later still has its words.
 */
void words_init(void);
