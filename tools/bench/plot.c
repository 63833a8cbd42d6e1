/* SPDX-License-Identifier: BSD-3-Clause */
#include "plot.h"

#include <errno.h>
#include <stdio.h>

/* Pixels. */
#define MARGIN	   16
#define NAME_WIDTH 340
#define BARS	   (MARGIN + NAME_WIDTH)
#define BAR_WIDTH  370
#define TEXT	   (BARS + BAR_WIDTH + 14)
#define ROW_HEIGHT 22
#define BAR_HEIGHT 12
#define HEAD	   96
#define WIDTH	   980

/* Of the axis, which ends where the greatest value does. */
#define STEP 0.1

/*
 * An image in a README has a page of either colour behind it, so it brings its own, in the colours
 * that the reader's system is set to.
 */
static const char style[] =
	"<style>\n"
	"text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif;"
	" font-size: 13px; fill: #1f2328 }\n"
	".title { font-size: 16px; font-weight: 600 }\n"
	".quiet { fill: #59636e; font-size: 12px }\n"
	".page { fill: #ffffff; stroke: #d1d9e0 }\n"
	".grid { stroke: #d1d9e0 }\n"
	".bar { fill: #4f8cc9 }\n"
	".spread { stroke: #1f2328; stroke-width: 1.5 }\n"
	".aim { stroke: #c2410c; stroke-width: 3 }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"text { fill: #f0f6fc }\n"
	".quiet { fill: #9198a1 }\n"
	".page { fill: #0d1117; stroke: #3d444d }\n"
	".grid { stroke: #3d444d }\n"
	".bar { fill: #3b78b5 }\n"
	".spread { stroke: #f0f6fc }\n"
	".aim { stroke: #fb923c }\n"
	"}\n"
	"</style>\n";

/* What is to be reached, as a ratio; 0: there is nothing. Some of it is a number of packets. */
static double
aimed_ratio(const struct measurement *m)
{
	struct scenario_aim aim = scenario_aim(&m->scenario);

	return aim.mpps > 0 ? aim.mpps / m->macswap_mpps.median : aim.ratio;
}

/* How many steps the axis has: enough for all that is drawn. */
static int
axis_steps(const struct measurement *measurements, size_t count)
{
	double most = STEP;

	for (size_t i = 0; i < count; i++) {
		double aim = aimed_ratio(&measurements[i]);

		most = measurements[i].ratio.max > most ? measurements[i].ratio.max : most;
		most = aim > most ? aim : most;
	}
	return (int)(most / STEP) + 1;
}

static void
plot_line(FILE *out, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		class, x1, y1, x2, y2);
}

/* How to read it, by an example. */
static void
plot_legend(FILE *out)
{
	const int y = 57, x = BARS;

	fprintf(out, "<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"34\" height=\"%d\"/>\n", x,
		y - 10, BAR_HEIGHT);
	plot_line(out, "spread", x + 24, y - 4, x + 44, y - 4);
	plot_line(out, "aim", x + 240, y - 13, x + 240, y + 5);
	fprintf(out,
		"<text class=\"quiet\" x=\"%d\" y=\"%d\">median, least to greatest</text>\n"
		"<text class=\"quiet\" x=\"%d\" y=\"%d\">aim</text>\n",
		x + 50, y, x + 249, y);
}

static void
plot_head(FILE *out, size_t count, int steps)
{
	unsigned int height = HEAD + (unsigned int)count * ROW_HEIGHT + MARGIN;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" width=\"%d\" "
		"height=\"%u\">\n%s"
		"<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%u\" rx=\"6\"/>\n"
		"<text class=\"title\" x=\"%d\" y=\"30\">Packets a second on one core, as a share "
		"of what only swapping MAC addresses reaches</text>\n"
		"<text class=\"quiet\" x=\"%d\" y=\"50\">If not said otherwise: established "
		"flows only,</text>\n"
		"<text class=\"quiet\" x=\"%d\" y=\"66\">1 service, 10 servers, bursts of 64, "
		"uniform</text>\n",
		WIDTH, height, WIDTH, height, style, WIDTH - 1, height - 1, MARGIN, MARGIN, MARGIN);
	plot_legend(out);
	for (int i = 0; i <= steps; i++) {
		double x = BARS + (double)i * BAR_WIDTH / steps;

		plot_line(out, "grid", x, HEAD - 6, x, height - MARGIN);
		fprintf(out,
			"<text class=\"quiet\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.1f"
			"</text>\n",
			x, HEAD - 11, i * STEP);
	}
}

/* What is not the same in all of them. */
static void
plot_name(FILE *out, const struct scenario *s)
{
	char flows[16];

	scenario_flows(s, flows, sizeof(flows));
	fprintf(out, "%s %s, %s flows", scenario_mode(s), s->version == 4 ? "IPv4" : "IPv6", flows);
	if (s->kind == SCENARIO_CONNECTIONS)
		fprintf(out, ", connections");
	else if (s->new_percent)
		fprintf(out, ", %u %% new", s->new_percent);
	if (s->services != scenario_base()->services)
		fprintf(out, ", %u services", s->services);
	if (s->servers != scenario_base()->servers)
		fprintf(out, ", %u servers", s->servers);
	if (s->burst != scenario_base()->burst)
		fprintf(out, ", bursts of %u", s->burst);
	if (s->zipf)
		fprintf(out, ", Zipf");
	if (s->rules)
		fprintf(out, ", %u rules", s->rules);
	if (s->stateless)
		fprintf(out, ", stateless");
}

static void
plot_row(FILE *out, size_t row, const struct measurement *m, int steps)
{
	double scale = BAR_WIDTH / (steps * STEP), aim = BARS + aimed_ratio(m) * scale;
	unsigned int top = HEAD + (unsigned int)row * ROW_HEIGHT, base = top + 15;
	double middle = top + ROW_HEIGHT / 2.0;

	fprintf(out, "<text x=\"%d\" y=\"%u\">", MARGIN, base);
	plot_name(out, &m->scenario);
	fprintf(out,
		"</text>\n"
		"<rect class=\"bar\" x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>\n",
		BARS, top + (ROW_HEIGHT - BAR_HEIGHT) / 2, m->ratio.median * scale, BAR_HEIGHT);
	plot_line(out, "spread", BARS + m->ratio.min * scale, middle, BARS + m->ratio.max * scale,
		middle);
	if (aim > BARS)
		plot_line(out, "aim", aim, top + 2, aim, top + ROW_HEIGHT - 2);
	fprintf(out, "<text x=\"%d\" y=\"%u\">%.2f, +%.0f cycles, ", TEXT, base, m->ratio.median,
		m->added_cycles.median);
	if (m->scenario.kind == SCENARIO_CONNECTIONS)
		fprintf(out, "%.1f M conn/s</text>\n", m->connections_per_second.median / 1e6);
	else
		fprintf(out, "%.1f Mpps</text>\n", m->mpps.median);
}

int
plot_write(const char *path, const struct measurement *measurements, size_t count)
{
	FILE *out = fopen(path, "we");
	int result = 0, steps = axis_steps(measurements, count);

	if (!out) {
		result = -errno;
	} else {
		plot_head(out, count, steps);
		for (size_t i = 0; i < count; i++)
			plot_row(out, i, &measurements[i], steps);
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
