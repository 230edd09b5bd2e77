/*
 * decade-sim: a fleet of simulated devices through ten years of monthly releases. Every device is the real engine over simulated
 * media (sim_device.h); what happens to it follows from the seed and its number alone, so the same seed is the same run.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/fleet.h"
#include "tests/sim/sim_device.h"

#define BOOTS_A_MONTH 12
#define ATTEMPTS_A_MONTH 3
#define FIRE 55 /* the month */

static const struct sim_traits traits = { .name = "fleet", .sector = 512, .drive_cache = true };

struct life {
	struct sim_world *world;
	const int *generation; /* by month */
	struct fleet *fleet;
	struct sim_image image;
	uint64_t random;
	int months_off;
	bool damaged;
	char lost[FLEET_LOST_TEXT];
	char rolled_back[DCD_NAME_SIZE];
};

static uint64_t draw(struct life *life)
{
	life->random ^= life->random << 13;
	life->random ^= life->random >> 7;
	life->random ^= life->random << 17;
	return life->random * UINT64_C(0x2545F4914F6CDD1D) >> 11;
}

static bool chance(struct life *life, unsigned in_ten_thousand)
{
	return draw(life) % 10000 < in_ten_thousand;
}

static void lose(struct life *life, int month, const char *why)
{
	if (life->lost[0] == '\0') {
		(void)snprintf(life->lost, sizeof life->lost, "month %d: %s", month, why);
	}
}

/* ---- one power-on ---- */

struct pick {
	struct life *life;
	size_t cut;
	unsigned long seen;
	struct sim_image chosen;
	bool any;
};

/* One of the states that a cut there may leave, each as likely. */
static int pick_state(void *context, const struct sim_crash_state *state)
{
	struct pick *pick = context;
	if (state->cut < pick->cut) {
		return 0;
	}
	if (state->cut > pick->cut) {
		return 1;
	}
	if (draw(pick->life) % ++pick->seen == 0) {
		sim_image_clear(&pick->chosen);
		sim_image_copy(&pick->chosen, state->image);
		pick->any = true;
	}
	return 0;
}

static void cut_power(struct life *life, const struct sim_log *log)
{
	struct pick pick = { .life = life, .cut = log->count == 0 ? 0 : draw(life) % (log->count + 1) };
	const struct sim_crash_plan plan = {
		.start = &life->image,
		.log = log,
		.traits = &traits,
		.sparse = true,
		.seed = life->random,
		.visit = pick_state,
		.context = &pick,
	};
	(void)sim_crash_walk(&plan);
	life->fleet->sums.cuts++;
	if (pick.any) {
		sim_image_clear(&life->image);
		sim_image_copy(&life->image, &pick.chosen);
	}
	sim_image_clear(&pick.chosen);
}

static void take_stats(struct life *life, const struct sim_device *device, int month)
{
	struct fleet_sums *sums = &life->fleet->sums;
	struct fleet_month *m = &life->fleet->month[month];
	sums->fetched += device->source.base.stats.bytes;
	m->fetched += device->source.base.stats.bytes;
	sums->slot_written += device->media.slot_bytes_written;
	sums->state_written += device->media.state_bytes_written;
	sums->boots += device->boots;
	sums->trials += device->trials;
	m->trials += device->trials;
}

static void count_install(struct life *life, const struct sim_device *device, int err, int month)
{
	struct fleet_sums *sums = &life->fleet->sums;
	const struct dcd_install_stats *stats = &device->report.stats;
	if (err == 0) {
		sums->updates++;
		sums->full_bytes += stats->bytes_full;
		life->fleet->month[month].full += stats->bytes_full;
	}
	sums->segments += stats->segments;
	sums->segments_kept += stats->already_right;
	sums->segments_delta += stats->delta + stats->same;
	sums->segments_refetched += stats->refetched;
	sums->up_to_date += err == DCD_ERR_UP_TO_DATE;
	sums->refused_known_bad += err == DCD_ERR_KNOWN_BAD;
	sums->refused_expired += err == DCD_ERR_EXPIRED;
	sums->failed_installs += err != 0 && err != DCD_ERR_UP_TO_DATE && err != DCD_ERR_KNOWN_BAD && err != DCD_ERR_EXPIRED;
}

/* The release that the journal says is running; what the eye sees may be a damaged page. */
static int believed_release(const struct sim_device *device)
{
	const struct dcd_slot_record *record = &device->state.slot[device->boot_state.booted];
	if (device->running_release >= 0) {
		return device->running_release;
	}
	return record->version[0] != '\0' ? atoi(record->version + 2) : 0;
}

/* A rollback is news when its reason is about another release than the last one's. */
static void count_rollback(struct life *life, const struct sim_device *device, int month)
{
	const struct dcd_outcome *last = &device->state.last;
	if (last->kind == DCD_OUTCOME_ROLLED_BACK && strcmp(last->version, life->rolled_back) != 0) {
		(void)snprintf(life->rolled_back, sizeof life->rolled_back, "%s", last->version);
		life->fleet->sums.rollbacks++;
		life->fleet->month[month].rollbacks++;
	}
}

/* Boots until nothing is on trial. False: the loader has nothing that boots. */
static bool come_up(struct life *life, struct sim_device *device, int month)
{
	for (int boots = 0; boots < BOOTS_A_MONTH; boots++) {
		if (sim_device_boot(device) != 0) {
			if (!device->media.fault_struck) {
				lose(life, month, "the loader can't boot");
				return false;
			}
			continue;
		}
		/* A damaged page stays in a slot as long as that runs; the device lives with it. */
		if (device->running_release < 0 && life->damaged &&
		    device->journal->ops->load(device->journal, &device->state, NULL) == 0) {
			device->boot_state.booted = device->media.running;
			device->running_release = believed_release(device);
		}
		int err = sim_device_settle(device);
		if (device->media.violation != NULL) {
			lose(life, month, device->media.violation);
			return false;
		}
		if (err == 0) {
			count_rollback(life, device, month);
			return true;
		}
	}
	lose(life, month, "the device doesn't settle");
	return false;
}

/* ---- one month ---- */

static void age(struct life *life, struct sim_device *device)
{
	if (chance(life, 150) && device->running_release >= 0) {
		/* Not in a trial, and not the only whole page: what modified this slot was the owner, or its flash. */
		int dev = device->media.running * SIM_CLASSES;
		size_t at = draw(life) % (SIM_ROOTFS_MAX - 2048);
		device->media.now.dev[dev][at] ^= 0x40;
		device->media.flushed[dev][at] ^= 0x40;
		life->damaged = true;
		life->fleet->sums.damaged_bases++;
	}
	if (chance(life, 20) && dcd_engine_rollback(&device->engine, NULL) == 0) {
		life->fleet->sums.user_rollbacks++;
	}
}

static void bring_trouble(struct life *life, struct sim_device *device)
{
	if (chance(life, 500)) {
		device->source.fault = (enum sim_net_fault)(SIM_NET_DOWN + draw(life) % (SIM_NET_FAULTS - SIM_NET_DOWN));
		device->source.fault_at = draw(life) % 24;
		life->fleet->sums.network_faults++;
	}
	if (chance(life, 100)) {
		device->media.fault = (enum sim_fault_kind)(SIM_FAULT_IO + draw(life) % (SIM_FAULT_KINDS - SIM_FAULT_IO));
		device->media.fault_at = draw(life) % 150;
		life->fleet->sums.media_faults++;
	}
	unsigned long clock = draw(life) % 1000;
	if (clock < 30) {
		device->clock = 0;
	} else if (clock < 33) {
		device->clock = SIM_EPOCH + 70 * 365 * SIM_DAY;
	}
	life->fleet->sums.wrong_clocks += clock < 33;
}

/* One power-on: up, update, up again. True when there is nothing more to be had. */
static bool power_on(struct life *life, int month, bool calm)
{
	struct sim_log log = { 0 };
	struct sim_device *device = calloc(1, sizeof *device);
	bool cut = !calm && chance(life, 400);
	bool done = false;
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, life->world, life->generation[month], &life->image, &traits, cut ? &log : NULL);
	device->clock = SIM_EPOCH + month * 30 * SIM_DAY + (int64_t)(draw(life) % 25) * SIM_DAY;
	if (!calm) {
		bring_trouble(life, device);
	}
	if (come_up(life, device, month)) {
		if (!calm && !cut) {
			age(life, device);
		}
		int err = sim_device_install(device, false, false, false);
		count_install(life, device, err, month);
		done = err == DCD_ERR_UP_TO_DATE || err == DCD_ERR_KNOWN_BAD;
		if (err == 0 && come_up(life, device, month)) {
			life->fleet->sums.steps++;
		}
	}
	take_stats(life, device, month);
	if (cut) {
		cut_power(life, &log);
		done = false;
	} else {
		sim_image_clear(&life->image);
		sim_image_copy(&life->image, &device->media.now);
	}
	sim_log_clear(&log);
	sim_device_close(device);
	free(device);
	return done;
}

static int running_release(struct life *life, int month)
{
	struct sim_device *device = calloc(1, sizeof *device);
	int release = -1;
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, life->world, life->generation[month], &life->image, &traits, NULL);
	device->running_release = -1;
	if (dcd_engine_status(&device->engine, &device->state, &device->boot_state, NULL) == 0) {
		device->running_release = sim_world_slot_release(life->world, &life->image, device->boot_state.booted);
		release = believed_release(device);
	}
	sim_device_close(device);
	free(device);
	return release;
}

static int newest_good(const struct sim_world *world, int newest)
{
	while (newest > 0 && sim_world_release(world, newest)->bad) {
		newest--;
	}
	return newest;
}

static void live_month(struct life *life, int month, bool calm)
{
	struct fleet_month *m = &life->fleet->month[month];
	if (calm) {
		life->months_off = 0;
	} else if (life->months_off == 0 && chance(life, 100)) {
		life->months_off = 1 + (int)(draw(life) % 36);
	}
	if (life->months_off > 0) {
		life->months_off--;
		life->fleet->sums.months_off++;
		return;
	}
	m->devices_on++;
	/* Stepping stones take several updates; a device that was off for years goes from one to the next. */
	for (int attempt = 0; attempt < (calm ? 12 : ATTEMPTS_A_MONTH) && life->lost[0] == '\0'; attempt++) {
		if (power_on(life, month, calm || attempt > 0)) {
			break;
		}
		if (running_release(life, month) == month) {
			break;
		}
	}
	int runs = running_release(life, month);
	m->newest += runs == month;
	m->newest_good += runs >= newest_good(life->world, month);
	if (calm && runs != month) {
		lose(life, month, "the newest release was not reached at the end");
	}
}

static void live(struct sim_world *world, const int *generation, struct fleet *fleet, int number)
{
	struct life *life = calloc(1, sizeof *life);
	if (life == NULL) {
		abort();
	}
	life->world = world;
	life->generation = generation;
	life->fleet = fleet;
	life->random = (fleet->seed + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ ((uint64_t)number + 1) * UINT64_C(0xBF58476D1CE4E5B9);
	(void)draw(life);
	sim_device_factory(world, 0, &life->image);
	for (int month = 1; month < fleet->months && life->lost[0] == '\0'; month++) {
		live_month(life, month, month == fleet->months - 1);
	}
	if (life->lost[0] == '\0' && !life->damaged) {
		const char *broken = sim_check_media(world, &life->image, NULL, 0, NULL);
		if (broken != NULL) {
			lose(life, fleet->months - 1, broken);
		}
	}
	fleet->lost += life->lost[0] != '\0';
	fleet->at_newest += life->lost[0] == '\0';
	if (life->lost[0] != '\0' && fleet->first_lost[0] == '\0') {
		fleet->first_lost_number = number;
		(void)snprintf(fleet->first_lost, sizeof fleet->first_lost, "device %d, %.90s", number, life->lost);
	}
	sim_image_clear(&life->image);
	free(life);
}

/* ---- the vendor's ten years ---- */

/*
 * Every two years new keys, and every four of another kind, also for the products. Once a fire takes one of the three root keys
 * and the keys of all other roles.
 */
static void rotate_keys(struct sim_world *world, struct fleet *fleet, int month)
{
	static const enum dcd_key_algorithm kinds[] = { DCD_KEY_ECDSA_P256, DCD_KEY_ED25519, DCD_KEY_ECDSA_P384 };
	bool lost = month == FIRE;
	if (!lost && (month == 0 || month % 24 != 0)) {
		return;
	}
	enum dcd_key_algorithm kind = kinds[month / 48 % 3];
	const struct sim_rotation rotation = { .targets = lost || month % 48 == 0, .root_key_lost = lost, .algorithm = kind };
	sim_world_rotate(world, &rotation);
	fleet->rotations++;
	fleet->algorithm_changes += !lost && month % 48 == 0;
	fleet->lost_keys += lost ? 4 : 0;
}

static void publish_years(struct sim_world *world, struct fleet *fleet, int *generation)
{
	uint64_t random = fleet->seed * UINT64_C(0xD1B54A32D192ED03) + 99;
	int stone = -1;
	for (int month = 0; month < fleet->months; month++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		bool is_stone = month > 0 && month % 36 == 0;
		bool bad = month > 1 && month < fleet->months - 1 && !is_stone && random >> 33 << 33 >> 33 != 0 &&
			   (random >> 40) % 100 < 4;
		const struct sim_publication publication = {
			.bad = bad,
			.security_version = (uint64_t)month / 12,
			.stone = stone,
			.bases = 6,
			.days_valid = 45,
		};
		sim_world_set_now(world, SIM_EPOCH + month * 30 * SIM_DAY);
		rotate_keys(world, fleet, month);
		(void)sim_world_publish(world, &publication);
		generation[month] = sim_world_generation(world);
		fleet->bad_releases += bad;
		if (is_stone) {
			stone = month;
			fleet->stones++;
		}
	}
	fleet->full_release_bytes = sim_world_release(world, fleet->months - 1)->full_bytes;
}

/* ---- workers ---- */

static void add(struct fleet *to, const struct fleet *from)
{
	to->lost += from->lost;
	to->at_newest += from->at_newest;
	/* The lowest number, whoever ran it. */
	if (from->first_lost[0] != '\0' && (to->first_lost[0] == '\0' || from->first_lost_number < to->first_lost_number)) {
		memcpy(to->first_lost, from->first_lost, sizeof to->first_lost);
		to->first_lost_number = from->first_lost_number;
	}
	for (int m = 0; m < to->months; m++) {
		struct fleet_month *a = &to->month[m];
		const struct fleet_month *b = &from->month[m];
		a->devices_on += b->devices_on;
		a->newest += b->newest;
		a->newest_good += b->newest_good;
		a->trials += b->trials;
		a->rollbacks += b->rollbacks;
		a->fetched += b->fetched;
		a->full += b->full;
	}
	/* Nothing but counters of one size. */
	_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "sums are added as words");
	uint64_t *a = (uint64_t *)&to->sums;
	const uint64_t *b = (const uint64_t *)&from->sums;
	for (size_t i = 0; i < sizeof to->sums / sizeof *a; i++) {
		a[i] += b[i];
	}
}

static int run_fleet(struct fleet *fleet, int jobs)
{
	int generation[FLEET_MONTHS_MAX];
	struct sim_world *world = sim_world_new(fleet->seed);
	publish_years(world, fleet, generation);
	struct fleet *parts = mmap(NULL, (size_t)jobs * sizeof *parts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (parts == MAP_FAILED) {
		return 1;
	}
	for (int j = 0; j < jobs; j++) {
		parts[j].seed = fleet->seed;
		parts[j].months = fleet->months;
		pid_t pid = fork();
		if (pid == 0) {
			for (int device = j; device < fleet->devices; device += jobs) {
				live(world, generation, &parts[j], device);
			}
			_exit(0);
		}
	}
	int broken = 0;
	for (int status; wait(&status) > 0;) {
		broken |= status != 0;
	}
	for (int j = 0; j < jobs; j++) {
		add(fleet, &parts[j]);
	}
	sim_world_free(world);
	munmap(parts, (size_t)jobs * sizeof *parts);
	return broken;
}

static int usage(FILE *to, int code)
{
	(void)fputs(
		"usage: decade-sim [--devices N] [--releases N] [--seed S] [--jobs N] [--html FILE]\n"
		"Ten years of monthly releases on simulated devices: the real engine over simulated media, network and clocks.\n"
		"Example: decade-sim --devices 1000 --releases 120 --seed 1 --html fleet.html\n"
		"Exit codes: 0 no device was lost, 1 one was, 2 wrong usage.\n",
		to);
	return code;
}

int main(int argc, char **argv)
{
	static struct fleet fleet = { .seed = 1, .devices = 1000, .months = 120 };
	static const struct option known[] = {
		{ "devices", required_argument, NULL, 'd' },
		{ "releases", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "html", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *html = NULL;
	int jobs = 2;
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'd':
			fleet.devices = atoi(optarg);
			break;
		case 'm':
			fleet.months = atoi(optarg);
			break;
		case 's':
			fleet.seed = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			jobs = atoi(optarg);
			break;
		case 'o':
			html = optarg;
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (fleet.devices < 1 || fleet.months < 3 || fleet.months > FLEET_MONTHS_MAX || jobs < 1 || jobs > 64 || optind != argc) {
		return usage(stderr, 2);
	}
	/* Thousands of buffers a second come and go: the kernel need not see each. */
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	struct timespec began, ended;
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	int broken = run_fleet(&fleet, jobs);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	fleet.seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
	fleet_print(&fleet, stdout);
	FILE *page = html == NULL ? NULL : fopen(html, "w");
	if (page != NULL) {
		fleet_print_html(&fleet, page);
		broken |= fclose(page) != 0;
	} else if (html != NULL) {
		(void)fprintf(stderr, "decade-sim: %s can't be written\n", html);
		return 1;
	}
	return broken || fleet.lost > 0 || fleet.at_newest != (unsigned long)fleet.devices ? 1 : 0;
}
