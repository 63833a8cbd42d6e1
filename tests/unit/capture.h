/* SPDX-License-Identifier: BSD-3-Clause */
/* What is written to a stream, for tests that read it. */
#ifndef UNIT_CAPTURE_H
#define UNIT_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

/* What was written to a stream, as text. */
struct capture {
	FILE *stream;
	char *text;
	size_t size;
};

static inline void
capture_open(struct capture *capture)
{
	memset(capture, 0, sizeof(*capture));
	capture->stream = open_memstream(&capture->text, &capture->size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(capture->stream);
}

static inline const char *
capture_text(struct capture *capture)
{
	fflush(capture->stream);
	return capture->text;
}

static inline void
capture_close(struct capture *capture)
{
	fclose(capture->stream);
	free(capture->text);
}

#endif
