/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-splitter.c - where one JSON object of a stream ends and the next begins */
#include "common/qmp-splitter.h"

#include <string.h>

#include "common/json-text.h"

struct QmpSplitter {
	GString *text;	      /* of the object under way */
	JsonText json;	      /* its depth is 0 between objects */
	gboolean is_skipping; /* to the next line end */
};

QmpSplitter *qmp_splitter_new(void)
{
	QmpSplitter *splitter = g_new0(QmpSplitter, 1);

	splitter->text = g_string_new(NULL);
	return splitter;
}

void qmp_splitter_free(QmpSplitter *splitter)
{
	if (!splitter)
		return;
	g_string_free(splitter->text, TRUE);
	g_free(splitter);
}

static void start_object(QmpSplitter *splitter)
{
	g_string_truncate(splitter->text, 0);
	splitter->json = (JsonText){ 0 };
}

/* Return: QMP_SPLITTER_OBJECT when @byte is the last of an object. */
static QmpSplitterResult take_byte(QmpSplitter *splitter, char byte)
{
	if (splitter->json.depth == 0 && byte != '{')
		return g_ascii_isspace(byte) ? QMP_SPLITTER_MORE : QMP_SPLITTER_STRAY;
	if (splitter->text->len >= QMP_OBJECT_MAX)
		return QMP_SPLITTER_TOO_LARGE;
	g_string_append_c(splitter->text, byte);
	if (!json_text_take(&splitter->json, byte))
		return QMP_SPLITTER_STRAY;
	if (splitter->json.depth > QMP_DEPTH_MAX)
		return QMP_SPLITTER_TOO_LARGE;
	if (splitter->json.depth == 0)
		return QMP_SPLITTER_OBJECT;
	return QMP_SPLITTER_MORE;
}

QmpSplitterResult qmp_splitter_feed(QmpSplitter *splitter, const char *data, gsize size,
				    gsize *used, const char **object)
{
	if (splitter->json.depth == 0)
		start_object(splitter);
	for (*used = 0; *used < size;) {
		char byte = data[(*used)++];
		QmpSplitterResult result;

		if (splitter->is_skipping) {
			splitter->is_skipping = byte != '\n';
			continue;
		}
		/* An object that ends in the middle of a line may be followed by another. */
		result = take_byte(splitter, byte);
		if (result == QMP_SPLITTER_OBJECT) {
			*object = splitter->text->str;
			return result;
		}
		if (result != QMP_SPLITTER_MORE) {
			start_object(splitter);
			splitter->is_skipping = byte != '\n';
			return result;
		}
	}
	return QMP_SPLITTER_MORE;
}
