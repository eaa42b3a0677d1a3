/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keys.c - the keys of a keyboard, as those number them who speak of keys */
#include "common/keys.h"

#include <linux/input-event-codes.h>
#include <string.h>

#define QEMU_PREFIX	   0x80u
#define SCAN_CODE_1_PREFIX 0xe000u
#define XT_KBD_PREFIX	   0x100u

static const Key keys[] = {
	{ "esc", KEY_ESC, 0x01, 41 },
	{ "1", KEY_1, 0x02, 30 },
	{ "2", KEY_2, 0x03, 31 },
	{ "3", KEY_3, 0x04, 32 },
	{ "4", KEY_4, 0x05, 33 },
	{ "5", KEY_5, 0x06, 34 },
	{ "6", KEY_6, 0x07, 35 },
	{ "7", KEY_7, 0x08, 36 },
	{ "8", KEY_8, 0x09, 37 },
	{ "9", KEY_9, 0x0a, 38 },
	{ "0", KEY_0, 0x0b, 39 },
	{ "minus", KEY_MINUS, 0x0c, 45 },
	{ "equal", KEY_EQUAL, 0x0d, 46 },
	{ "backspace", KEY_BACKSPACE, 0x0e, 42 },
	{ "tab", KEY_TAB, 0x0f, 43 },
	{ "q", KEY_Q, 0x10, 20 },
	{ "w", KEY_W, 0x11, 26 },
	{ "e", KEY_E, 0x12, 8 },
	{ "r", KEY_R, 0x13, 21 },
	{ "t", KEY_T, 0x14, 23 },
	{ "y", KEY_Y, 0x15, 28 },
	{ "u", KEY_U, 0x16, 24 },
	{ "i", KEY_I, 0x17, 12 },
	{ "o", KEY_O, 0x18, 18 },
	{ "p", KEY_P, 0x19, 19 },
	{ "bracket_left", KEY_LEFTBRACE, 0x1a, 47 },
	{ "bracket_right", KEY_RIGHTBRACE, 0x1b, 48 },
	{ "ret", KEY_ENTER, 0x1c, 40 },
	{ "ctrl", KEY_LEFTCTRL, 0x1d, 224 },
	{ "a", KEY_A, 0x1e, 4 },
	{ "s", KEY_S, 0x1f, 22 },
	{ "d", KEY_D, 0x20, 7 },
	{ "f", KEY_F, 0x21, 9 },
	{ "g", KEY_G, 0x22, 10 },
	{ "h", KEY_H, 0x23, 11 },
	{ "j", KEY_J, 0x24, 13 },
	{ "k", KEY_K, 0x25, 14 },
	{ "l", KEY_L, 0x26, 15 },
	{ "semicolon", KEY_SEMICOLON, 0x27, 51 },
	{ "apostrophe", KEY_APOSTROPHE, 0x28, 52 },
	{ "grave_accent", KEY_GRAVE, 0x29, 53 },
	{ "shift", KEY_LEFTSHIFT, 0x2a, 225 },
	{ "backslash", KEY_BACKSLASH, 0x2b, 49 },
	{ "z", KEY_Z, 0x2c, 29 },
	{ "x", KEY_X, 0x2d, 27 },
	{ "c", KEY_C, 0x2e, 6 },
	{ "v", KEY_V, 0x2f, 25 },
	{ "b", KEY_B, 0x30, 5 },
	{ "n", KEY_N, 0x31, 17 },
	{ "m", KEY_M, 0x32, 16 },
	{ "comma", KEY_COMMA, 0x33, 54 },
	{ "dot", KEY_DOT, 0x34, 55 },
	{ "slash", KEY_SLASH, 0x35, 56 },
	{ "shift_r", KEY_RIGHTSHIFT, 0x36, 229 },
	{ "kp_multiply", KEY_KPASTERISK, 0x37, 85 },
	{ "asterisk", KEY_KPASTERISK, 0x37, 85 },
	{ "alt", KEY_LEFTALT, 0x38, 226 },
	{ "spc", KEY_SPACE, 0x39, 44 },
	{ "caps_lock", KEY_CAPSLOCK, 0x3a, 57 },
	{ "f1", KEY_F1, 0x3b, 58 },
	{ "f2", KEY_F2, 0x3c, 59 },
	{ "f3", KEY_F3, 0x3d, 60 },
	{ "f4", KEY_F4, 0x3e, 61 },
	{ "f5", KEY_F5, 0x3f, 62 },
	{ "f6", KEY_F6, 0x40, 63 },
	{ "f7", KEY_F7, 0x41, 64 },
	{ "f8", KEY_F8, 0x42, 65 },
	{ "f9", KEY_F9, 0x43, 66 },
	{ "f10", KEY_F10, 0x44, 67 },
	{ "num_lock", KEY_NUMLOCK, 0x45, 83 },
	{ "scroll_lock", KEY_SCROLLLOCK, 0x46, 71 },
	{ "kp_7", KEY_KP7, 0x47, 95 },
	{ "kp_8", KEY_KP8, 0x48, 96 },
	{ "kp_9", KEY_KP9, 0x49, 97 },
	{ "kp_subtract", KEY_KPMINUS, 0x4a, 86 },
	{ "kp_4", KEY_KP4, 0x4b, 92 },
	{ "kp_5", KEY_KP5, 0x4c, 93 },
	{ "kp_6", KEY_KP6, 0x4d, 94 },
	{ "kp_add", KEY_KPPLUS, 0x4e, 87 },
	{ "kp_1", KEY_KP1, 0x4f, 89 },
	{ "kp_2", KEY_KP2, 0x50, 90 },
	{ "kp_3", KEY_KP3, 0x51, 91 },
	{ "kp_0", KEY_KP0, 0x52, 98 },
	{ "kp_decimal", KEY_KPDOT, 0x53, 99 },
	{ "print", KEY_SYSRQ, 0x54, 70 },
	{ "sysrq", KEY_SYSRQ, 0x54, 70 },
	{ "less", KEY_102ND, 0x56, 100 },
	{ "f11", KEY_F11, 0x57, 68 },
	{ "f12", KEY_F12, 0x58, 69 },
	{ "f13", KEY_F13, 0x5d, 104 },
	{ "f14", KEY_F14, 0x5e, 105 },
	{ "f15", KEY_F15, 0x5f, 106 },
	{ "f16", KEY_F16, 0x55, 107 },
	{ "f17", KEY_F17, 0x83, 108 },
	{ "f18", KEY_F18, 0xf7, 109 },
	{ "f19", KEY_F19, 0x84, 110 },
	{ "f20", KEY_F20, 0x5a, 111 },
	{ "f21", KEY_F21, 0x74, 112 },
	{ "f22", KEY_F22, 0xf9, 113 },
	{ "f23", KEY_F23, 0x6d, 114 },
	{ "f24", KEY_F24, 0x6f, 115 },
	{ "kp_enter", KEY_KPENTER, 0x9c, 88 },
	{ "ctrl_r", KEY_RIGHTCTRL, 0x9d, 228 },
	{ "kp_divide", KEY_KPSLASH, 0xb5, 84 },
	{ "alt_r", KEY_RIGHTALT, 0xb8, 230 },
	{ "pause", KEY_PAUSE, 0xc6, 72 },
	{ "home", KEY_HOME, 0xc7, 74 },
	{ "up", KEY_UP, 0xc8, 82 },
	{ "pgup", KEY_PAGEUP, 0xc9, 75 },
	{ "left", KEY_LEFT, 0xcb, 80 },
	{ "right", KEY_RIGHT, 0xcd, 79 },
	{ "end", KEY_END, 0xcf, 77 },
	{ "down", KEY_DOWN, 0xd0, 81 },
	{ "pgdn", KEY_PAGEDOWN, 0xd1, 78 },
	{ "insert", KEY_INSERT, 0xd2, 73 },
	{ "delete", KEY_DELETE, 0xd3, 76 },
	{ "meta_l", KEY_LEFTMETA, 0xdb, 227 },
	{ "meta_r", KEY_RIGHTMETA, 0xdc, 231 },
	{ "compose", KEY_COMPOSE, 0xdd, 101 },
	{ "menu", KEY_MENU, 0x9e, 118 },
	{ "power", KEY_POWER, 0xde, 102 },
	{ "sleep", KEY_SLEEP, 0xdf, 0 },
	{ "wake", KEY_WAKEUP, 0xe3, 0 },
	{ "kp_equals", KEY_KPEQUAL, 0x59, 103 },
	{ "kp_comma", KEY_KPCOMMA, 0x7e, 133 },
	{ "ro", KEY_RO, 0x73, 135 },
	{ "katakanahiragana", KEY_KATAKANAHIRAGANA, 0x70, 136 },
	{ "yen", KEY_YEN, 0x7d, 137 },
	{ "henkan", KEY_HENKAN, 0x79, 138 },
	{ "muhenkan", KEY_MUHENKAN, 0x7b, 139 },
	{ "hiragana", KEY_HIRAGANA, 0x77, 147 },
	{ "open", KEY_OPEN, 0x64, 116 },
	{ "help", KEY_HELP, 0xf5, 117 },
	{ "front", KEY_FRONT, 0x8c, 119 },
	{ "stop", KEY_STOP, 0xe8, 120 },
	{ "again", KEY_AGAIN, 0x85, 121 },
	{ "undo", KEY_UNDO, 0x87, 122 },
	{ "cut", KEY_CUT, 0xbc, 123 },
	{ "copy", KEY_COPY, 0xf8, 124 },
	{ "paste", KEY_PASTE, 0x65, 125 },
	{ "find", KEY_FIND, 0xc1, 126 },
	{ "props", KEY_PROPS, 0x86, 0 },
	{ "audiomute", KEY_MUTE, 0xa0, 127 },
	{ "volumeup", KEY_VOLUMEUP, 0xb0, 128 },
	{ "volumedown", KEY_VOLUMEDOWN, 0xae, 129 },
	{ "audionext", KEY_NEXTSONG, 0x99, 0 },
	{ "audioprev", KEY_PREVIOUSSONG, 0x90, 0 },
	{ "audiostop", KEY_STOPCD, 0xa4, 0 },
	{ "audioplay", KEY_PLAYPAUSE, 0xa2, 0 },
	{ "calculator", KEY_CALC, 0xa1, 0 },
	{ "mail", KEY_MAIL, 0xec, 0 },
	{ "computer", KEY_COMPUTER, 0xeb, 0 },
	{ "ac_home", KEY_HOMEPAGE, 0xb2, 0 },
	{ "ac_back", KEY_BACK, 0xea, 0 },
	{ "ac_forward", KEY_FORWARD, 0xe9, 0 },
	{ "ac_refresh", KEY_REFRESH, 0xe7, 0 },
	{ "ac_bookmarks", KEY_BOOKMARKS, 0xe6, 0 },
};

static guint with_prefix(guint qemu, guint prefix)
{
	return qemu & QEMU_PREFIX ? prefix | (qemu & ~QEMU_PREFIX) : qemu;
}

static guint code_of(const Key *key, KeySet set)
{
	switch (set) {
	case KEY_SET_LINUX:
		return key->linux_code;
	case KEY_SET_QEMU:
		return key->qemu;
	case KEY_SET_SCAN_CODE_1:
		return with_prefix(key->qemu, SCAN_CODE_1_PREFIX);
	case KEY_SET_XT_KBD:
		return with_prefix(key->qemu, XT_KBD_PREFIX);
	case KEY_SET_USB:
		return key->usage;
	}
	g_assert_not_reached();
}

const Key *key_find(KeySet set, guint code)
{
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		if (code != 0 && code_of(&keys[i], set) == code)
			return &keys[i];
	return NULL;
}

const Key *key_find_name(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

const Key *key_nth(guint n)
{
	return n < G_N_ELEMENTS(keys) ? &keys[n] : NULL;
}
