/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "plot.h"

/* Pixels. */
#define NAME_WIDTH 430
#define BAR_WIDTH  400 /* of the ratio 1, which is macswap itself */
#define TEXT_WIDTH 190
#define ROW_HEIGHT 20
#define HEAD	   48
#define WIDTH	   (NAME_WIDTH + BAR_WIDTH + TEXT_WIDTH)

static void
plot_head(FILE *out, size_t count)
{
	unsigned int height = HEAD + (unsigned int)count * ROW_HEIGHT + 16;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		"font-family=\"monospace\" font-size=\"12\">\n"
		"<rect width=\"%d\" height=\"%u\" fill=\"white\"/>\n"
		"<text x=\"8\" y=\"18\" font-weight=\"bold\">Packets per second on one core, "
		"as a share of what swapping MAC addresses alone reaches</text>\n",
		WIDTH, height, WIDTH, height);
	for (int tenth = 0; tenth <= 10; tenth += 2) {
		int x = NAME_WIDTH + tenth * BAR_WIDTH / 10;

		fprintf(out,
			"<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%u\" stroke=\"#ddd\"/>"
			"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%d.%d</text>\n",
			x, HEAD - 8, x, height - 12, x, HEAD - 12, tenth / 10, tenth % 10);
	}
}

static void
plot_row(FILE *out, size_t row, const struct measurement *m)
{
	unsigned int y = HEAD + (unsigned int)row * ROW_HEIGHT, middle = y + ROW_HEIGHT / 2 - 2;
	double from = NAME_WIDTH + m->ratio.min * BAR_WIDTH;
	double to = NAME_WIDTH + m->ratio.max * BAR_WIDTH;
	char name[96];

	scenario_describe(&m->scenario, name, sizeof(name));
	fprintf(out,
		"<text x=\"8\" y=\"%u\" xml:space=\"preserve\" font-size=\"11\">%s</text>\n"
		"<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"#4878a8\"/>\n"
		"<line x1=\"%.1f\" y1=\"%u\" x2=\"%.1f\" y2=\"%u\" stroke=\"black\"/>\n"
		"<text x=\"%.1f\" y=\"%u\">%.2f, +%.0f cycles, %.1f Mpps</text>\n",
		y + 13, name, NAME_WIDTH, y + 3, m->ratio.median * BAR_WIDTH, ROW_HEIGHT - 8, from,
		middle, to, middle, to + 8, y + 13, m->ratio.median, m->added_cycles.median,
		m->mpps.median);
}

int
plot_write(const char *path, const struct measurement *measurements, size_t count)
{
	FILE *out = fopen(path, "we");
	int result = 0;

	if (!out) {
		result = -errno;
	} else {
		plot_head(out, count);
		for (size_t i = 0; i < count; i++)
			plot_row(out, i, &measurements[i]);
		fprintf(out, "</svg>\n");
		if (ferror(out))
			result = -EIO;
		if (fclose(out) != 0)
			result = -errno;
	}
	if (result < 0)
		fprintf(stderr, "shunt-bench: %s: %s\n", path, strerror(-result));
	return result;
}
