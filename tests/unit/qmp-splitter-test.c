/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-splitter-test.c - where one JSON object of a stream ends and the next begins */
#include <string.h>

#include "common/json-text.h"
#include "common/qmp-splitter.h"

/*
 * What a stream comes to, in one text: each object, "stray" or "large", with a bar behind.
 * It is fed in pieces of @piece bytes.
 */
static char *split_in_pieces(const char *stream, gsize length, gsize piece)
{
	g_autoptr(QmpSplitter) splitter = qmp_splitter_new();
	GString *seen = g_string_new(NULL);

	while (length > 0) {
		gsize size = MIN(piece, length), used = 0;
		const char *object = NULL;
		QmpSplitterResult result = qmp_splitter_feed(splitter, stream, size, &used,
							     &object);

		g_assert_cmpuint(used, >, 0);
		g_assert_cmpuint(used, <=, size);
		if (result == QMP_SPLITTER_OBJECT)
			g_string_append_printf(seen, "%s|", object);
		else if (result == QMP_SPLITTER_STRAY)
			g_string_append(seen, "stray|");
		else if (result == QMP_SPLITTER_TOO_LARGE)
			g_string_append(seen, "large|");
		else
			g_assert_cmpuint(used, ==, size);
		stream += used;
		length -= used;
	}
	return g_string_free(seen, FALSE);
}

/* However the bytes arrive, what they mean is the same. */
static void assert_split_of(const char *stream, gsize length, const char *expected)
{
	for (gsize piece = 1; piece <= length; piece = piece < 8 ? piece + 1 : piece * 3) {
		g_autofree char *seen = split_in_pieces(stream, length, piece);

		g_assert_cmpstr(seen, ==, expected);
	}
}

static void assert_split(const char *stream, const char *expected)
{
	assert_split_of(stream, strlen(stream), expected);
}

static void test_objects(void)
{
	assert_split("{}", "{}|");
	assert_split("{\"a\":1}{\"b\":2}", "{\"a\":1}|{\"b\":2}|");
	assert_split(" \t\r\n{ } \n\n {\"x\": [1, {\"y\": {}}]}\n",
		     "{ }|{\"x\": [1, {\"y\": {}}]}|");
	assert_split("{\n\"a\"\n:\n1\n}\n", "{\n\"a\"\n:\n1\n}|");
}

static void test_nothing(void)
{
	g_autoptr(QmpSplitter) splitter = qmp_splitter_new();
	const char *object = NULL;
	gsize used = 1;

	g_assert_cmpint(qmp_splitter_feed(splitter, "", 0, &used, &object), ==, QMP_SPLITTER_MORE);
	g_assert_cmpuint(used, ==, 0);
	assert_split(" \n\t ", "");
	assert_split("{\"never\": \"ended\"", "");
}

static void test_brackets_in_strings_mean_nothing(void)
{
	assert_split("{\"}\":\"]}{[\"}", "{\"}\":\"]}{[\"}|");
	assert_split("{\"\\\"}\": 1}", "{\"\\\"}\": 1}|");
	assert_split("{\"\\\\\"}{}", "{\"\\\\\"}|{}|");
	assert_split("{\"\\\\\\\"}\"}{}", "{\"\\\\\\\"}\"}|{}|");
}

/* Whether brackets match is for the parser to say. */
static void test_brackets_are_counted(void)
{
	assert_split("{]{}", "{]|{}|");
	assert_split("{[}}", "{[}}|");
}

static void test_stray_bytes(void)
{
	assert_split("x{}", "stray|");
	assert_split("x{}\n{}", "stray|{}|");
	assert_split("[]\n[1]\n", "stray|stray|");
	assert_split("{}}\n{}", "{}|stray|{}|");
	assert_split("\"{\"\n{}", "stray|{}|");
	assert_split_of("\0\n{}", 4, "stray|{}|");
	assert_split("\xff\xfe\n{}\n", "stray|{}|");
}

/* A byte of 0 does not hide what is behind it from the next object. */
static void test_zero_bytes_in_an_object(void)
{
	assert_split_of("{\0}{}", 5, "{|{}|");
	assert_split_of("{\"\0}\"}{}", 8, "{\"|{}|");
}

static char *object_of_size(gsize size)
{
	g_autofree char *filling = g_strnfill(size - strlen("{\"\"}"), 'x');

	return g_strdup_printf("{\"%s\"}", filling);
}

static void assert_split_at_once(const char *stream, const char *expected)
{
	g_autofree char *seen = split_in_pieces(stream, strlen(stream), strlen(stream));
	g_autofree char *seen_in_pieces = split_in_pieces(stream, strlen(stream), 1000);

	g_assert_cmpstr(seen, ==, expected);
	g_assert_cmpstr(seen_in_pieces, ==, expected);
}

static void test_largest_object(void)
{
	g_autofree char *largest = object_of_size(QMP_OBJECT_MAX);
	g_autofree char *stream = g_strconcat(largest, "{}", NULL);
	g_autofree char *expected = g_strconcat(largest, "|{}|", NULL);

	assert_split_at_once(stream, expected);
}

/* The rest of it is passed over, up to the end of its line. */
static void test_object_too_large(void)
{
	g_autofree char *too_large = object_of_size(QMP_OBJECT_MAX + 1);
	g_autofree char *stream = g_strconcat(too_large, "{}\n{\"next\":1}", NULL);
	g_autofree char *endless = g_strnfill(10 * QMP_OBJECT_MAX, '{');
	g_autofree char *after_endless = g_strconcat(endless, "\n{}", NULL);

	assert_split_at_once(stream, "large|{\"next\":1}|");
	assert_split_at_once(after_endless, "large|{}|");
}

static char *nested(guint depth)
{
	g_autofree char *opening = g_strnfill(depth - 1, '[');
	g_autofree char *closing = g_strnfill(depth - 1, ']');

	return g_strdup_printf("{%s%s}", opening, closing);
}

static void test_depth(void)
{
	g_autofree char *deepest = nested(QMP_DEPTH_MAX);
	g_autofree char *expected = g_strconcat(deepest, "|", NULL);
	g_autofree char *too_deep = nested(QMP_DEPTH_MAX + 1);
	g_autofree char *stream = g_strconcat(too_deep, "\n{}", NULL);

	assert_split(deepest, expected);
	assert_split(stream, "large|{}|");
}

/* The parser takes them, and JSON has them not: brackets would be counted otherwise than parsed. */
static void test_quotes_and_comments(void)
{
	assert_split("{'\"':[]}\n{}", "stray|{}|");
	assert_split("{/*\"*/\"a\":1}\n{}", "stray|{}|");
	assert_split("{\"a'/*\":1}", "{\"a'/*\":1}|");
}

static void test_text_is_bounded(void)
{
	g_autofree char *deep = g_strnfill(5, '[');

	g_assert_true(json_text_is_bounded("{\"[[[[[[\":[1]}", 100, 4, 10));
	g_assert_true(json_text_is_bounded("[1,2,3]", 7, 1, 3));
	g_assert_false(json_text_is_bounded("[1,2,3]", 6, 1, 3));
	g_assert_false(json_text_is_bounded("[1,2,3]", 7, 1, 2));
	g_assert_false(json_text_is_bounded(deep, 100, 4, 10));
	g_assert_false(json_text_is_bounded("['']", 100, 4, 10));
}

static void test_limit_reached_at_a_line_end(void)
{
	g_autofree char *filling = g_strnfill(QMP_OBJECT_MAX - 1, ' ');
	g_autofree char *stream = g_strdup_printf("{%s\n{}", filling);

	/* The line end that is one byte too many ends what is passed over, too. */
	assert_split_at_once(stream, "large|{}|");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/qmp-splitter/objects", test_objects);
	g_test_add_func("/qmp-splitter/nothing", test_nothing);
	g_test_add_func("/qmp-splitter/brackets-in-strings-mean-nothing",
			test_brackets_in_strings_mean_nothing);
	g_test_add_func("/qmp-splitter/brackets-are-counted", test_brackets_are_counted);
	g_test_add_func("/qmp-splitter/stray-bytes", test_stray_bytes);
	g_test_add_func("/qmp-splitter/zero-bytes-in-an-object", test_zero_bytes_in_an_object);
	g_test_add_func("/qmp-splitter/largest-object", test_largest_object);
	g_test_add_func("/qmp-splitter/object-too-large", test_object_too_large);
	g_test_add_func("/qmp-splitter/depth", test_depth);
	g_test_add_func("/qmp-splitter/quotes-and-comments", test_quotes_and_comments);
	g_test_add_func("/qmp-splitter/text-is-bounded", test_text_is_bounded);
	g_test_add_func("/qmp-splitter/limit-reached-at-a-line-end",
			test_limit_reached_at_a_line_end);

	return g_test_run();
}
