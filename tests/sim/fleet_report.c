#include "tests/sim/fleet.h"

#define WIDTH 860.0
#define HEIGHT 220.0
#define LEFT 60.0
#define BOTTOM 30.0

struct row {
	const char *what;
	double value;
	const char *unit;
};

static int rows_of(const struct fleet *fleet, struct row rows[40])
{
	const struct fleet_sums *s = &fleet->sums;
	double years = (double)fleet->devices * (double)fleet->months / 12.0;
	double month_full = (double)fleet->full_release_bytes * 12.0;
	int n = 0;
	rows[n++] = (struct row){ "devices", fleet->devices, "" };
	rows[n++] = (struct row){ "releases", fleet->months, "" };
	rows[n++] = (struct row){ "bad releases", fleet->bad_releases, "" };
	rows[n++] = (struct row){ "root rotations", fleet->rotations, "" };
	rows[n++] = (struct row){ "of these to another algorithm", fleet->algorithm_changes, "" };
	rows[n++] = (struct row){ "keys lost and replaced", fleet->lost_keys, "" };
	rows[n++] = (struct row){ "stepping stones", fleet->stones, "" };
	rows[n++] = (struct row){ "devices at the newest release", (double)fleet->at_newest, "" };
	rows[n++] = (struct row){ "devices lost", (double)fleet->lost, "" };
	rows[n++] = (struct row){ "updates", (double)s->updates, "" };
	rows[n++] = (struct row){ "boots", (double)s->boots, "" };
	rows[n++] = (struct row){ "trial boots", (double)s->trials, "" };
	rows[n++] = (struct row){ "rollbacks of releases that never confirmed", (double)s->rollbacks, "" };
	rows[n++] = (struct row){ "rollbacks by a user", (double)s->user_rollbacks, "" };
	rows[n++] = (struct row){ "power cuts", (double)s->cuts, "" };
	rows[n++] = (struct row){ "network faults", (double)s->network_faults, "" };
	rows[n++] = (struct row){ "media faults", (double)s->media_faults, "" };
	rows[n++] = (struct row){ "damaged bases", (double)s->damaged_bases, "" };
	rows[n++] = (struct row){ "power-ons with a wrong clock", (double)s->wrong_clocks, "" };
	rows[n++] = (struct row){ "device-months switched off", (double)s->months_off, "" };
	rows[n++] = (struct row){ "installs that failed (and were tried again)", (double)s->failed_installs, "" };
	rows[n++] = (struct row){ "refused: known bad", (double)s->refused_known_bad, "" };
	rows[n++] = (struct row){ "refused: expired, by a clock ahead", (double)s->refused_expired, "" };
	rows[n++] = (struct row){ "segments looked at", (double)s->segments, "" };
	rows[n++] = (struct row){ "segments already right (no fetch, no write)", (double)s->segments_kept, "" };
	rows[n++] = (struct row){ "segments made by delta", (double)s->segments_delta, "" };
	rows[n++] = (struct row){ "segments fetched again in full (damaged base)", (double)s->segments_refetched, "" };
	rows[n++] = (struct row){ "fetched, per device and year", (double)s->fetched / years / 1024, "KiB" };
	rows[n++] = (struct row){ "the same with full images, metadata left out", month_full / 1024, "KiB" };
	rows[n++] = (struct row){ "written to slots, per device and year", (double)s->slot_written / years / 1024, "KiB" };
	rows[n++] = (struct row){ "written to journal, loader and metadata", (double)s->state_written / years / 1024, "KiB" };
	return n;
}

void fleet_print(const struct fleet *fleet, FILE *to)
{
	struct row rows[40];
	int count = rows_of(fleet, rows);
	for (int i = 0; i < count; i++) {
		(void)fprintf(to, "%-48s %14.0f %s\n", rows[i].what, rows[i].value, rows[i].unit);
	}
	if (fleet->first_lost[0] != '\0') {
		(void)fprintf(to, "the first that was lost: %s\n", fleet->first_lost);
	}
	(void)fprintf(stderr, "seed %llu, %.1f s\n", (unsigned long long)fleet->seed, fleet->seconds);
}

/* ---- plots ---- */

struct series {
	const char *name, *color;
	double (*value)(const struct fleet_month *month);
};

static double share(unsigned long part, unsigned long whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static double newest_share(const struct fleet_month *m)
{
	return share(m->newest, m->devices_on);
}

static double good_share(const struct fleet_month *m)
{
	return share(m->newest_good, m->devices_on);
}

static double fetched_kib(const struct fleet_month *m)
{
	return m->devices_on == 0 ? 0 : (double)m->fetched / 1024 / (double)m->devices_on;
}

static double full_kib(const struct fleet_month *m)
{
	return m->devices_on == 0 ? 0 : (double)m->full / 1024 / (double)m->devices_on;
}

static double trials_each(const struct fleet_month *m)
{
	return m->devices_on == 0 ? 0 : (double)m->trials / (double)m->devices_on;
}

static double rollbacks_each(const struct fleet_month *m)
{
	return m->devices_on == 0 ? 0 : (double)m->rollbacks / (double)m->devices_on;
}

static double highest(const struct fleet *fleet, const struct series *series, int count)
{
	double high = 0.001;
	for (int s = 0; s < count; s++) {
		for (int m = 1; m < fleet->months; m++) {
			double value = series[s].value(&fleet->month[m]);
			high = value > high ? value : high;
		}
	}
	return high;
}

static void plot(const struct fleet *fleet, FILE *to, const char *title, const char *unit, const struct series *series, int count)
{
	double high = highest(fleet, series, count);
	double plot_height = HEIGHT - BOTTOM - 10, plot_width = WIDTH - LEFT - 10;
	(void)fprintf(to, "<h2>%s</h2><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n", title, WIDTH, HEIGHT,
		      title);
	for (int tick = 0; tick <= 4; tick++) {
		double y = 10 + plot_height * (4 - tick) / 4;
		(void)fprintf(to,
			      "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/><text x=\"%.0f\" y=\"%.1f\" "
			      "class=\"y\">%.3g %s</text>\n",
			      LEFT, WIDTH - 10, y, y, LEFT - 6, y + 4, high * tick / 4, unit);
	}
	for (int year = 0; year * 12 < fleet->months; year++) {
		double x = LEFT + plot_width * year * 12 / (fleet->months - 1);
		(void)fprintf(to, "<text x=\"%.1f\" y=\"%.0f\" class=\"x\">year %d</text>\n", x, HEIGHT - 8, year + 1);
	}
	for (int s = 0; s < count; s++) {
		(void)fprintf(to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", series[s].color);
		for (int m = 1; m < fleet->months; m++) {
			(void)fprintf(to, "%.1f,%.1f ", LEFT + plot_width * m / (fleet->months - 1),
				      10 + plot_height * (1 - series[s].value(&fleet->month[m]) / high));
		}
		(void)fputs("\"/>\n", to);
	}
	(void)fputs("</svg><p class=\"legend\">", to);
	for (int s = 0; s < count; s++) {
		(void)fprintf(to, "<span style=\"color:%s\">&#9632;</span> %s &nbsp; ", series[s].color, series[s].name);
	}
	(void)fputs("</p>\n", to);
}

void fleet_print_html(const struct fleet *fleet, FILE *to)
{
	static const struct series reach[] = {
		{ "the newest release", "#1f77b4", newest_share },
		{ "the newest that isn't bad", "#2ca02c", good_share },
	};
	static const struct series bytes[] = {
		{ "fetched, metadata and tables included", "#1f77b4", fetched_kib },
		{ "the same updates with full payloads", "#999", full_kib },
	};
	static const struct series trials[] = {
		{ "trial boots", "#1f77b4", trials_each },
		{ "rollbacks", "#d62728", rollbacks_each },
	};
	struct row rows[40];
	int count = rows_of(fleet, rows);
	(void)fprintf(to,
		      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>decade-sim, seed "
		      "%llu</title><style>body{font:15px/1.5 sans-serif;"
		      "max-width:900px;margin:2em auto;padding:0 "
		      "1em}svg{width:100%%}.grid{stroke:#ddd}.y{font-size:11px;text-anchor:end}"
		      ".x{font-size:11px}td{padding:1px 12px 1px 0}td+td{text-align:right}.legend{margin-top:0}</style>\n"
		      "<h1>%d devices, %d monthly releases</h1><p>decade-sim, seed %llu: the real engine over simulated media, "
		      "network and clocks. "
		      "Images are tiny here (%.0f KiB in full), so metadata weighs more than on a real device.</p>\n",
		      (unsigned long long)fleet->seed, fleet->devices, fleet->months, (unsigned long long)fleet->seed,
		      (double)fleet->full_release_bytes / 1024);
	plot(fleet, to, "Devices that were switched on and ended the month with", "%", reach, 2);
	plot(fleet, to, "Bytes per device and month", "KiB", bytes, 2);
	plot(fleet, to, "Trials and rollbacks per device and month", "", trials, 2);
	(void)fputs("<h2>Sums</h2><table>\n", to);
	for (int i = 0; i < count; i++) {
		(void)fprintf(to, "<tr><td>%s</td><td>%.0f %s</td></tr>\n", rows[i].what, rows[i].value, rows[i].unit);
	}
	(void)fputs("</table></html>\n", to);
}
