/*
 * The explorer: runs each flow once, cuts the power at each operation in each way, and lets the device recover; cuts again during
 * the recovery; makes each access and each fetch fail; sets the clock wrong. See docs/reliability.md.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim_flow.h"
#include "tests/sim/sim_loader.h"
#include "tests/sim/sim_memo.h"

#define TASKS_MAX 256
#define FAILURES_SHOWN 4
#define MEMO_STEP 97

static const struct sim_traits all_traits[] = {
	{ .name = "512 B sectors", .sector = 512, .drive_cache = true },
	{ .name = "4 KiB sectors", .sector = 4096, .ordered_names = true },
	{ .name = "erase blocks", .sector = 512, .nand = true, .ordered_names = true, .drive_cache = true },
};
/* All that can go wrong, on one kind of media. */
static const struct sim_traits quick_traits = { .name = "the worst", .sector = 512, .nand = true, .drive_cache = true };
#define TRAITS ((int)(sizeof all_traits / sizeof all_traits[0]))

struct options {
	const char *flow; /* null: all */
	unsigned second;  /* one in so many first-level states is cut again while it recovers; 0: none */
	unsigned memory;  /* one in so many allocations fails; 0: none */
	bool dense;       /* the second level too with every subset */
	bool stop_first;
	bool no_faults;
	bool quick; /* one kind of media, one access in three fails: for mutants */
	bool all_cuts; /* with a loader: also where it has nothing to do with it */
	int jobs;
	uint64_t seed;
	unsigned long at_least;
};

struct result {
	const char *flow, *traits;
	unsigned long operations, states, distinct, second, second_distinct, faults, memory, failures;
	double seconds;
};

/* What the workers share. */
struct board {
	int next_task;
	int stop;
	struct result results[TASKS_MAX];
};

/* ---- states that were seen ---- */

struct seen {
	uint64_t *slots;
	size_t capacity, count;
};

static bool seen_add(struct seen *seen, uint64_t hash)
{
	if (seen->count * 2 >= seen->capacity) {
		struct seen grown = { .capacity = seen->capacity == 0 ? 4096 : seen->capacity * 2 };
		grown.slots = calloc(grown.capacity, sizeof *grown.slots);
		if (grown.slots == NULL) {
			abort();
		}
		for (size_t i = 0; i < seen->capacity; i++) {
			if (seen->slots[i] != 0) {
				(void)seen_add(&grown, seen->slots[i]);
			}
		}
		free(seen->slots);
		*seen = grown;
	}
	hash |= hash == 0;
	size_t at = (hash * UINT64_C(0x9E3779B97F4A7C15)) & (seen->capacity - 1);
	while (seen->slots[at] != 0) {
		if (seen->slots[at] == hash) {
			return false;
		}
		at = (at + 1) & (seen->capacity - 1);
	}
	seen->slots[at] = hash;
	seen->count++;
	return true;
}

/* ---- one task: a flow on one kind of media ---- */

struct task {
	const struct options *options;
	struct board *board;
	struct result *result;
	struct sim_stage stage;
	struct sim_log log;
	struct seen seen;      /* first-level states */
	struct seen recovered; /* of any level: what came out well once does so again */
	struct seen updated;   /* where recoveries ended: the next install from there ended right */
	uint64_t floor;        /* promised so far */
	uint64_t promised_hash;
	size_t promised_cut;
	bool has_promise;
	unsigned long first_states;
	bool with_faults;
	size_t first_cut; /* while the second level runs */
	bool near_loader; /* only cuts at operations on the loader's medium */
};

static int failed(struct task *task, const char *what, const char *how, size_t cut)
{
	static const char *const kinds[] = { "write", "flush", "file write", "file sync", "rename", "remove", "folder sync" };
	task->result->failures++;
	if (task->result->failures <= FAILURES_SHOWN) {
		const struct sim_op *op = cut > 0 && cut <= task->log.count ? &task->log.ops[cut - 1] : NULL;
		(void)fprintf(stderr, "FAILED %s, %s: %s (%s; after operation %zu: %s %d %s %s)\n", task->stage.flow->name,
			      task->stage.traits->name, what, how, cut, op == NULL ? "-" : kinds[op->kind],
			      op == NULL ? 0 : op->medium, op == NULL ? "" : op->name, op == NULL ? "" : op->to);
	}
	if (task->options->stop_first) {
		task->board->stop = 1;
		return 1;
	}
	return 0;
}

/* On to the next release, from each state in which a recovery ends. */
static const char *update(struct task *task, const struct sim_image *image)
{
	return seen_add(&task->updated, sim_image_hash(image)) ? sim_flow_next_install(&task->stage, image) : NULL;
}

/* From a state to the goal and on to the next release. Null, or what is broken. */
static const char *recover(struct task *task, const struct sim_image *image, int running, struct sim_log *log)
{
	struct sim_device *device = calloc(1, sizeof *device);
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, task->stage.world, task->stage.generation, image, task->stage.traits, log);
	int ran = running < 0 ? -1 : sim_world_slot_release(task->stage.world, image, running);
	bool gone_sick = task->stage.flow->gone_sick && ran == task->stage.new_release;
	device->ran_bad = gone_sick || (ran >= 0 && sim_world_release(task->stage.world, ran)->bad);
	const char *broken = sim_flow_drive(&task->stage, device, false);
	if (broken == NULL) {
		broken = sim_flow_check(&task->stage, &device->media.now, sim_flow_floor(&task->stage, device), NULL);
	}
	if (broken == NULL) {
		broken = update(task, &device->media.now);
	}
	sim_device_close(device);
	free(device);
	return broken;
}

static int visit_second(void *context, const struct sim_crash_state *state)
{
	struct task *task = context;
	task->result->second++;
	if (!seen_add(&task->recovered, sim_image_hash(state->image))) {
		return 0;
	}
	task->result->second_distinct++;
	const char *broken = sim_flow_check(&task->stage, state->image, task->floor, NULL);
	if (broken == NULL) {
		broken = recover(task, state->image, state->running, NULL);
	}
	return broken != NULL ? failed(task, broken, "second cut, first cut shown", task->first_cut) : task->board->stop;
}

/* What was told to be done may not depend on what is still in a cache. */
static const char *check_promise(struct task *task, const struct sim_crash_state *state, uint64_t hash)
{
	if (!state->promised) {
		return NULL;
	}
	if (!task->has_promise || task->promised_cut != state->cut) {
		task->has_promise = true;
		task->promised_cut = state->cut;
		task->promised_hash = hash;
		return NULL;
	}
	return hash == task->promised_hash ? NULL : "done was said before it was durable";
}

/* What the loader `file` has explored already is left out: cuts before and after which nothing touches this loader's medium. */
static bool is_near_loader(const struct task *task, size_t cut)
{
	const struct sim_log *log = &task->log;
	return (cut > 0 && sim_loader_op(&log->ops[cut - 1])) || (cut < log->count && sim_loader_op(&log->ops[cut]));
}

static int visit_first(void *context, const struct sim_crash_state *state)
{
	struct task *task = context;
	if (task->near_loader && !is_near_loader(task, state->cut)) {
		return 0;
	}
	struct sim_log log = { 0 };
	uint64_t hash = sim_image_hash(state->image);
	uint64_t floor = 0;
	task->result->states++;
	const char *broken = check_promise(task, state, hash);
	if (broken == NULL && !seen_add(&task->seen, hash) && !state->promised) {
		return 0;
	}
	task->result->distinct += seen_add(&task->recovered, hash);
	task->first_states++;
	if (broken == NULL) {
		broken = sim_flow_check(&task->stage, state->image, task->floor, &floor);
	}
	if (broken == NULL && state->promised && floor > task->floor) {
		task->floor = floor;
	}
	bool again = task->options->second > 0 && task->first_states % task->options->second == 0;
	if (broken == NULL) {
		broken = recover(task, state->image, state->running, again ? &log : NULL);
	}
	int stop = task->board->stop;
	if (broken != NULL) {
		stop = failed(task, broken, state->how, state->cut);
	} else if (again) {
		task->first_cut = state->cut;
		const struct sim_crash_plan plan = {
			.start = state->image,
			.log = &log,
			.traits = task->stage.traits,
			.sparse = !task->options->dense,
			.seed = task->options->seed + state->cut,
			.visit = visit_second,
			.context = task,
		};
		stop = sim_crash_walk(&plan);
	}
	sim_log_clear(&log);
	return stop;
}

/* ---- faults ---- */

static int drive_fault(struct task *task, struct sim_device *device, const char *how, unsigned long at)
{
	char text[96];
	task->result->faults++;
	bool booted = task->stage.flow->begins_running;
	const char *broken = sim_flow_drive(&task->stage, device, booted);
	if (broken == NULL) {
		broken = sim_flow_check(&task->stage, &device->media.now, sim_flow_floor(&task->stage, device), NULL);
	}
	if (broken == NULL) {
		broken = update(task, &device->media.now);
	}
	(void)snprintf(text, sizeof text, "%s at access %lu", how, at);
	return broken != NULL ? failed(task, broken, text, 0) : task->board->stop;
}

static struct sim_device *new_device(struct task *task)
{
	struct sim_device *device = calloc(1, sizeof *device);
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, task->stage.world, task->stage.generation, &task->stage.start, task->stage.traits, NULL);
	return device;
}

static void free_device(struct sim_device *device)
{
	sim_device_close(device);
	free(device);
}

static int try_media_faults(struct task *task, unsigned long accesses)
{
	static const char *const names[SIM_FAULT_KINDS] = { "none", "EIO", "ENOSPC", "short", "bit rot", "gone until reboot" };
	int stop = 0;
	for (unsigned long at = 0; stop == 0 && at < accesses; at += task->options->quick ? 3 : 1) {
		for (int kind = SIM_FAULT_IO; stop == 0 && kind < SIM_FAULT_KINDS; kind++) {
			struct sim_device *device = new_device(task);
			device->media.fault = (enum sim_fault_kind)kind;
			device->media.fault_at = at;
			stop = drive_fault(task, device, names[kind], at);
			free_device(device);
		}
	}
	return stop;
}

static int try_net_faults(struct task *task, unsigned long fetches)
{
	static const char *const names[SIM_NET_FAULTS] = { "fine", "network down", "broken off", "flipped byte", "short answer" };
	int stop = 0;
	for (unsigned long at = 0; stop == 0 && at < fetches; at++) {
		for (int kind = SIM_NET_DOWN; stop == 0 && kind < SIM_NET_FAULTS; kind++) {
			struct sim_device *device = new_device(task);
			device->source.fault = (enum sim_net_fault)kind;
			device->source.fault_at = at;
			stop = drive_fault(task, device, names[kind], at);
			free_device(device);
		}
	}
	return stop;
}

/* Each allocation alone, and each with all that follow until the reboot. */
static int try_allocations(struct task *task, unsigned step)
{
	struct sim_device *whole = new_device(task);
	(void)sim_flow_drive(&task->stage, whole, task->stage.flow->begins_running);
	unsigned long allocations = whole->memory.asked;
	free_device(whole);
	int stop = 0;
	for (unsigned long at = 0; stop == 0 && at < allocations; at += step) {
		for (int for_good = 0; stop == 0 && for_good < 2; for_good++) {
			struct sim_device *device = new_device(task);
			device->memory = (struct sim_memory){ .fails = true, .fail_at = at, .for_good = for_good != 0 };
			stop = drive_fault(task, device, for_good != 0 ? "no memory from allocation" : "no memory for allocation",
					   at);
			task->result->memory++;
			free_device(device);
		}
	}
	return stop;
}

/* The device's own allocations; then also those, a hundred times as many, of what is otherwise remembered for all devices. */
static int try_memory(struct task *task)
{
	unsigned step = task->options->memory;
	if (!sim_alloc_can_watch() || step == 0 || task->stage.flow->dies_without_memory) {
		return 0;
	}
	int stop = try_allocations(task, step);
	if (stop == 0) {
		sim_memo_off(true);
		stop = try_allocations(task, step * MEMO_STEP);
		sim_memo_off(false);
	}
	return stop;
}

/* 1970 all along; and a first round in a far future, in which nothing may be believed nor broken. */
static int try_clocks(struct task *task)
{
	struct sim_device *device = new_device(task);
	device->clock = 0;
	int stop = drive_fault(task, device, "clock in 1970", 0);
	free_device(device);
	if (stop != 0 || task->stage.flow->begins_running) {
		return stop;
	}
	device = new_device(task);
	device->clock = SIM_EPOCH + 60 * 365 * SIM_DAY;
	if (sim_device_boot(device) == 0 && sim_device_settle(device) == 0) {
		(void)task->stage.flow->act(device);
	}
	device->clock = SIM_EPOCH;
	stop = drive_fault(task, device, "clock in 2086 once", 0);
	free_device(device);
	return stop;
}

static void run_task(struct task *task)
{
	struct sim_device *device = new_device(task);
	device->media.log = &task->log;
	const char *broken = sim_flow_drive(&task->stage, device, task->stage.flow->begins_running);
	unsigned long accesses = device->media.accesses;
	unsigned long fetches = device->source.fetches;
	task->result->operations = task->log.count;
	task->floor = task->stage.floor;
	if (broken == NULL) {
		broken = sim_flow_check(&task->stage, &device->media.now, sim_flow_floor(&task->stage, device), NULL);
	}
	free_device(device);
	if (broken != NULL) {
		(void)failed(task, broken, "undisturbed", 0);
		return;
	}
	const struct sim_crash_plan plan = {
		.start = &task->stage.start,
		.log = &task->log,
		.traits = task->stage.traits,
		.seed = task->options->seed,
		.visit = visit_first,
		.context = task,
	};
	int stop = sim_crash_walk(&plan);
	/* Faults don't depend on how a write tears. */
	if (stop == 0 && task->with_faults) {
		stop = try_media_faults(task, accesses);
		if (stop == 0) {
			stop = try_net_faults(task, fetches);
		}
		if (stop == 0) {
			stop = try_clocks(task);
		}
		if (stop == 0) {
			(void)try_memory(task);
		}
	}
}

/* ---- workers ---- */

static double now_seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(const struct options *options, struct board *board)
{
	for (;;) {
		int number = __atomic_fetch_add(&board->next_task, 1, __ATOMIC_RELAXED);
		if (number >= sim_flow_count * (options->quick ? 1 : TRAITS) || board->stop) {
			return;
		}
		const struct sim_flow *flow = &sim_flows[number % sim_flow_count];
		if (options->flow != NULL && strcmp(options->flow, flow->name) != 0) {
			continue;
		}
		struct task *task = calloc(1, sizeof *task);
		if (task == NULL) {
			abort();
		}
		double began = now_seconds();
		task->options = options;
		task->board = board;
		task->result = &board->results[number];
		task->result->flow = flow->name;
		const struct sim_traits *traits = options->quick ? &quick_traits : &all_traits[number / sim_flow_count];
		task->with_faults = !options->no_faults && number < sim_flow_count;
		task->result->traits = traits->name;
		task->near_loader = sim_loader->boot != NULL && !options->all_cuts;
		sim_stage_open(&task->stage, flow, traits, options->seed);
		run_task(task);
		sim_stage_close(&task->stage);
		sim_log_clear(&task->log);
		free(task->seen.slots);
		free(task->recovered.slots);
		free(task->updated.slots);
		free(task);
		board->results[number].seconds = now_seconds() - began;
	}
}

static int run_workers(const struct options *options, struct board *board)
{
	int broken = 0;
	for (int i = 1; i < options->jobs; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			work(options, board);
			_exit(0);
		}
		if (pid < 0) {
			break;
		}
	}
	work(options, board);
	for (int status; wait(&status) > 0;) {
		broken |= status != 0;
	}
	return broken;
}

static int report(const struct options *options, const struct board *board, double seconds)
{
	struct result sum = { 0 };
	printf("%-28s %-14s %5s %8s %8s %9s %9s %7s %6s %7s\n", "flow", "media", "ops", "states", "distinct", "2nd", "2nd dist.",
	       "faults", "failed", "seconds");
	for (int i = 0; i < sim_flow_count * TRAITS; i++) {
		const struct result *r = &board->results[i];
		if (r->flow == NULL) {
			continue;
		}
		printf("%-28s %-14s %5lu %8lu %8lu %9lu %9lu %7lu %6lu %7.1f\n", r->flow, r->traits, r->operations, r->states,
		       r->distinct, r->second, r->second_distinct, r->faults, r->failures, r->seconds);
		sum.operations += r->operations;
		sum.states += r->states;
		sum.distinct += r->distinct;
		sum.second += r->second;
		sum.second_distinct += r->second_distinct;
		sum.faults += r->faults;
		sum.memory += r->memory;
		sum.failures += r->failures;
	}
	unsigned long states = sum.states + sum.second;
	printf("%lu operations, %lu crash states (%lu distinct, each recovered and updated again), %lu faults (%lu of them of "
	       "memory), %lu failures, %.1f s\n",
	       sum.operations, states, sum.distinct + sum.second_distinct, sum.faults, sum.memory, sum.failures, seconds);
	if (sum.failures == 0 && states < options->at_least) {
		printf("fewer crash states than the %lu asked for\n", options->at_least);
		return 1;
	}
	return sum.failures == 0 ? 0 : 1;
}

static int usage(FILE *to, int code)
{
	(void)fprintf(to, "usage: explore [--flow NAME] [--second N] [--memory N] [--dense] [--stop-first] [--no-faults] "
			  "[--quick] [--jobs N] "
			  "[--seed N] [--at-least N]\n"
			  "Cuts the power of simulated devices at every operation of every flow.\n"
			  "  --second N     cut one in N states again at each operation of its recovery (0: never; default 12)\n"
			  "  --memory N     fail one in N allocations (0: none; default 23)\n"
			  "  --dense        there too with every subset of what was not flushed\n"
			  "  --quick        one kind of media, one access in three fails: for mutants\n"
			  "  --at-least N   fail unless so many crash states were explored\n"
			  "  --loader NAME  with this boot loader instead of 'file', cut where its medium changes\n"
			  "  --all-cuts     with it too at every operation\n"
			  "Boot loaders: %s\n"
			  "Flows:\n",
		      sim_loader_names());
	for (int i = 0; i < sim_flow_count; i++) {
		(void)fprintf(to, "  %s\n", sim_flows[i].name);
	}
	return code;
}

/* A misspelt flow must not pass for one without failures. */
static bool flow_is_known(const char *name)
{
	for (int i = 0; i < sim_flow_count; i++) {
		if (strcmp(sim_flows[i].name, name) == 0) {
			return true;
		}
	}
	(void)fprintf(stderr, "explore: there is no flow '%s'; --help lists them\n", name);
	return false;
}

int main(int argc, char **argv)
{
	struct options options = { .second = 12, .memory = 23, .jobs = 2, .seed = 1 };
	static const struct option known[] = {
		{ "flow", required_argument, NULL, 'f' },     { "second", required_argument, NULL, '2' },
		{ "memory", required_argument, NULL, 'm' },   { "dense", no_argument, NULL, 'd' },
		{ "stop-first", no_argument, NULL, 's' },     { "no-faults", no_argument, NULL, 'n' },
		{ "jobs", required_argument, NULL, 'j' },     { "seed", required_argument, NULL, 'r' },
		{ "at-least", required_argument, NULL, 'l' }, { "quick", no_argument, NULL, 'q' },
		{ "loader", required_argument, NULL, 'L' },   { "all-cuts", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'f':
			options.flow = optarg;
			break;
		case '2':
			options.second = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'L':
			if (!sim_loader_choose(optarg)) {
				(void)fprintf(stderr, "no boot loader '%s'; there are: %s\n", optarg, sim_loader_names());
				return 2;
			}
			break;
		case 'a':
			options.all_cuts = true;
			break;
		case 'm':
			options.memory = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			options.dense = true;
			break;
		case 's':
			options.stop_first = true;
			break;
		case 'q':
			options.quick = true;
			break;
		case 'n':
			options.no_faults = true;
			break;
		case 'j':
			options.jobs = atoi(optarg);
			break;
		case 'r':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			options.at_least = strtoul(optarg, NULL, 10);
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (options.flow != NULL && !flow_is_known(options.flow)) {
		return 2;
	}
	struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED) {
		return 1;
	}
	double began = now_seconds();
	int broken = run_workers(&options, board);
	return report(&options, board, now_seconds() - began) != 0 || broken ? 1 : 0;
}
