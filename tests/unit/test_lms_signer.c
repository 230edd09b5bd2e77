#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "manifest/crypto/public_key.h"
#include "manifest/sign/lms_private.h"
#include "manifest/sign/lms_signer.h"
#include "tests/unit/sim_dir.h"
#include "updater/journal/dir_posix.h"

static const uint8_t message[] = "Decade";
#define MESSAGE_LEN (sizeof message - 1)
#define LEAVES 1024U

static uint8_t *key_file; /* made once: it takes seconds */

static int make_key(void **state)
{
	(void)state;
	uint8_t secret[DCD_LMS_ID_SIZE + DCD_LMS_SEED_SIZE];
	struct dcd_lms_private *key = NULL;
	memset(secret, 0x42, sizeof secret);
	key_file = malloc(DCD_LMS_KEY_FILE_SIZE);
	if (key_file == NULL || dcd_lms_private_new(&dcd_lms_h10_w8, secret, secret + DCD_LMS_ID_SIZE, NULL, &key, NULL) != 0) {
		return -1;
	}
	dcd_lms_private_encode(key, key_file);
	dcd_lms_private_free(key);
	return 0;
}

static int free_key(void **state)
{
	(void)state;
	free(key_file);
	return 0;
}

struct home {
	struct dcd_lms_home base;
	const char *place;
	uint32_t unused;
	int inside; /* entered and not left */
	int entered;
};

static int home_enter(struct dcd_lms_home *base, const char *keyid, char ret_place[DCD_LMS_PLACE_MAX], uint32_t *ret_unused,
		      struct dcd_diag *diag)
{
	struct home *home = (struct home *)base;
	(void)keyid, (void)diag;
	home->inside++;
	home->entered++;
	(void)snprintf(ret_place, DCD_LMS_PLACE_MAX, "%s", home->place);
	*ret_unused = home->unused;
	return 0;
}

static void home_leave(struct dcd_lms_home *base)
{
	((struct home *)base)->inside--;
}

static void home_close(struct dcd_lms_home *base)
{
	(void)base;
}

static struct home home_in(struct dcd_dir *dir)
{
	return (struct home){
		.base = { .dir = dir, .state_name = "state", .enter = home_enter, .leave = home_leave, .close = home_close },
		.place = "here"
	};
}

static struct dcd_signer *open_signer(struct home *home)
{
	struct dcd_signer *signer = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_lms_signer_new(&home->base, key_file, DCD_LMS_KEY_FILE_SIZE, "test.lms", &signer, &diag), 0);
	return signer;
}

/* A key in its home on a simulated medium; without a first state, it has lost it. */
struct desk {
	struct sim_dir *sim;
	struct home home;
	struct dcd_signer *signer;
};

static void desk_open(struct desk *desk, bool with_state)
{
	desk->sim = sim_new();
	desk->home = home_in(&desk->sim->base);
	if (with_state) {
		assert_int_equal(dcd_lms_state_create(&desk->home.base, NULL), 0);
	}
	desk->signer = open_signer(&desk->home);
}

static void desk_close(struct desk *desk)
{
	dcd_signer_close(desk->signer);
	desk->sim->base.ops->close(&desk->sim->base);
}

static uint32_t leaf_of(const uint8_t *signature)
{
	return (uint32_t)signature[0] << 24 | (uint32_t)signature[1] << 16 | (uint32_t)signature[2] << 8 | signature[3];
}

/* The leaf that signed, or a negative error. */
static int sign(struct dcd_signer *signer, struct dcd_diag *diag)
{
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE] = { 0 };
	size_t len = 0;
	int err = signer->ops->sign(signer, message, MESSAGE_LEN, signature, sizeof signature, &len, diag);
	if (err != 0) {
		/* Nothing that failed may have left a signature behind. */
		static const uint8_t nothing[DCD_LMS_SIGNATURE_SIZE];
		assert_memory_equal(signature, nothing, sizeof nothing);
		return err;
	}
	assert_int_equal(len, sizeof signature);
	return (int)leaf_of(signature);
}

/* A leaf that signed; never one that has signed before. */
static void spend(bool used[LEAVES], int leaf)
{
	assert_in_range(leaf, 0, LEAVES - 1);
	assert_false(used[leaf]);
	used[leaf] = true;
}

static void each_signature_takes_the_next_leaf_and_verifies(void **state)
{
	(void)state;
	struct desk desk;
	struct dcd_public_key *key = NULL;
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE];
	size_t len = 0;
	uint32_t left = 0;
	desk_open(&desk, true);
	const char *value = dcd_json_string(dcd_json_member(dcd_json_member(desk.signer->key, "keyval"), "public"));
	assert_int_equal(dcd_public_key_parse("lms", "lms-sha256-m32-h10-n32-w8", value, &key, NULL), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(
			desk.signer->ops->sign(desk.signer, message, MESSAGE_LEN, signature, sizeof signature, &len, NULL), 0);
		assert_int_equal(leaf_of(signature), i);
		assert_true(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
	}
	assert_int_equal(desk.home.inside, 0);
	assert_int_equal(desk.home.entered, 4);
	assert_int_equal(dcd_lms_signer_left(desk.signer, &left, NULL), 0);
	assert_int_equal(left, LEAVES - 3);
	assert_int_equal(desk.signer->ops->sign(desk.signer, message, MESSAGE_LEN, signature, 100, &len, NULL), DCD_ERR_SIZE);
	assert_int_equal(desk.home.entered, 4); /* no leaf is spent on what can't be handed out */
	dcd_public_key_free(key);
	desk_close(&desk);
}

/* Every operation on the folder, every kind of loss: whatever comes back afterwards, no leaf signs twice. */
static void no_cut_of_the_power_uses_a_leaf_twice(void **state)
{
	(void)state;
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
		struct desk desk;
		bool used[LEAVES] = { false };
		desk_open(&desk, true);
		int signatures = 0;
		for (int at = 0; at < 7; at++) {
			sim_arm(desk.sim, at, true);
			int leaf = sign(desk.signer, NULL);
			assert_true(at > 4 ? leaf >= 0 : leaf < 0); /* write, sync, rename, sync, sync of the folder */
			for (int again = 0; again < 2; again++) {
				if (leaf >= 0) {
					spend(used, leaf);
					signatures++;
				}
				sim_restart(desk.sim, (enum sim_loss)loss);
				leaf = sign(desk.signer, NULL);
			}
			spend(used, leaf);
		}
		assert_true(signatures >= 8);
		desk_close(&desk);
	}
}

static void a_failed_write_signs_nothing(void **state)
{
	(void)state;
	struct desk desk;
	desk_open(&desk, true);
	for (int at = 0; at < 5; at++) {
		sim_arm(desk.sim, at, false);
		assert_true(sign(desk.signer, NULL) < 0);
	}
	assert_int_equal(desk.home.inside, 0);
	sim_arm(desk.sim, -1, false);
	/* The last two failures came after the rename, so those leaves may be out: they are never used. */
	assert_int_equal(sign(desk.signer, NULL), 2);
	desk_close(&desk);
}

static void a_copy_at_another_place_must_not_sign(void **state)
{
	(void)state;
	struct desk desk;
	struct dcd_diag diag = { 0 };
	desk_open(&desk, true);
	assert_int_equal(sign(desk.signer, NULL), 0);
	desk.home.place = "elsewhere";
	assert_int_equal(sign(desk.signer, &diag), DCD_ERR_EXISTS);
	assert_non_null(strstr(diag.text, "--keys-moved"));
	desk.home.base.moved = true;
	assert_int_equal(sign(desk.signer, NULL), 1 + DCD_LMS_MOVED_MARGIN);
	assert_int_equal(sign(desk.signer, NULL), 2 + DCD_LMS_MOVED_MARGIN);
	desk.home.base.moved = false;
	assert_int_equal(sign(desk.signer, NULL), 3 + DCD_LMS_MOVED_MARGIN);
	desk.home.place = "here";
	assert_int_equal(sign(desk.signer, NULL), DCD_ERR_EXISTS);
	desk_close(&desk);
}

static void a_state_behind_what_is_published_must_not_sign(void **state)
{
	(void)state;
	struct desk desk;
	struct dcd_diag diag = { 0 };
	desk_open(&desk, true);
	assert_int_equal(sign(desk.signer, NULL), 0);
	desk.home.unused = 1;
	assert_int_equal(sign(desk.signer, NULL), 1);
	desk.home.unused = 8; /* somebody has published leaf 7 */
	assert_int_equal(sign(desk.signer, &diag), DCD_ERR_EXISTS);
	assert_non_null(strstr(diag.text, "old"));
	desk.home.base.moved = true;
	assert_int_equal(sign(desk.signer, NULL), 8 + DCD_LMS_MOVED_MARGIN);
	desk_close(&desk);
}

static void a_lost_or_damaged_state_stops_the_key(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "decade lms state 1\nnext 0\nplace here\n",
					   "decade lms state 1\nnext 00\nplace here\nend\n",
					   "decade lms state 1\nnext -1\nplace here\nend\n",
					   "decade lms state 1\nnext 0\nplace here\nend\nmore",
					   "decade lms state 2\nnext 0\nplace here\nend\n" };
	struct desk desk;
	struct dcd_diag diag = { 0 };
	desk_open(&desk, false);
	assert_int_equal(sign(desk.signer, &diag), DCD_ERR_HOST);
	assert_non_null(strstr(diag.text, "gone"));
	desk.home.base.moved = true; /* doesn't help: where to go on from isn't known */
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		sim_put(desk.sim, "state", bad[i], strlen(bad[i]));
		assert_int_equal(sign(desk.signer, &diag), DCD_ERR_MALFORMED);
		assert_non_null(strstr(diag.text, "damaged"));
	}
	assert_int_equal(desk.home.inside, 0);
	desk_close(&desk);
}

static void a_key_that_is_used_up_says_so(void **state)
{
	(void)state;
	static const char last[] = "decade lms state 1\nnext 1023\nplace here\nend\n";
	struct desk desk;
	struct dcd_diag diag = { 0 };
	uint32_t left = 99;
	desk_open(&desk, false);
	sim_put(desk.sim, "state", last, sizeof last - 1);
	assert_int_equal(sign(desk.signer, NULL), 1023);
	assert_int_equal(dcd_lms_signer_left(desk.signer, &left, NULL), 0);
	assert_int_equal(left, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sign(desk.signer, &diag), DCD_ERR_HOST);
		assert_non_null(strstr(diag.text, "used up"));
	}
	desk_close(&desk);
}

/* ---- killed at every system call ---- */

static void child_signs(struct dcd_signer *signer, int out)
{
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE];
	size_t len = 0;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
		_exit(2);
	}
	(void)raise(SIGSTOP);
	int err = signer->ops->sign(signer, message, MESSAGE_LEN, signature, sizeof signature, &len, NULL);
	_exit(err == 0 && write(out, signature, len) == (ssize_t)len ? 0 : 1);
}

/* Lets the child go on to its system call stop number `stops` (entry and exit are one each) and kills it there. */
static bool kill_at(pid_t child, int stops)
{
	int status = 0;
	for (int i = 0; waitpid(child, &status, 0) == child && WIFSTOPPED(status); i++) {
		if (i == stops) {
			assert_int_equal(kill(child, SIGKILL), 0);
			(void)waitpid(child, &status, 0);
			return true;
		}
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) != 0) {
			return false;
		}
	}
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) {
		skip(); /* a system that doesn't let us trace */
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void no_kill_at_any_system_call_uses_a_leaf_twice(void **state)
{
	(void)state;
	char folder[] = "/tmp/decade-lms-XXXXXX";
	struct dcd_dir *dir = NULL;
	bool used[LEAVES] = { false };
	int kills = 0;
	int signatures = 0;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(dcd_dir_posix_open(folder, &dir, NULL), 0);
	struct home home = home_in(dir);
	assert_int_equal(dcd_lms_state_create(&home.base, NULL), 0);
	struct dcd_signer *signer = open_signer(&home);
	for (bool killed = true; killed; kills++) {
		int ends[2];
		uint8_t signature[DCD_LMS_SIGNATURE_SIZE];
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		if (child == 0) {
			child_signs(signer, ends[1]);
		}
		close(ends[1]);
		killed = kill_at(child, kills);
		ssize_t got = read(ends[0], signature, sizeof signature);
		close(ends[0]);
		if (got > 0) {
			assert_int_equal(got, sizeof signature);
			spend(used, (int)leaf_of(signature));
			signatures++;
		}
		/* And whoever comes next. */
		spend(used, sign(signer, NULL));
	}
	assert_true(kills > 10);     /* two stops for each of several calls */
	assert_true(signatures > 0); /* killed after the signature had left */
	print_message("%d kill points\n", kills - 1);
	dcd_signer_close(signer);
	assert_int_equal(dir->ops->remove(dir, "state"), 0);
	assert_int_equal(dir->ops->remove(dir, "state.new"), 0);
	dir->ops->close(dir);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signature_takes_the_next_leaf_and_verifies),
		cmocka_unit_test(no_cut_of_the_power_uses_a_leaf_twice),
		cmocka_unit_test(a_failed_write_signs_nothing),
		cmocka_unit_test(a_copy_at_another_place_must_not_sign),
		cmocka_unit_test(a_state_behind_what_is_published_must_not_sign),
		cmocka_unit_test(a_lost_or_damaged_state_stops_the_key),
		cmocka_unit_test(a_key_that_is_used_up_says_so),
		cmocka_unit_test(no_kill_at_any_system_call_uses_a_leaf_twice),
	};
	return cmocka_run_group_tests(tests, make_key, free_key);
}
