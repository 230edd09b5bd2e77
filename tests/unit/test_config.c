#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "updater/config/config.h"

#define DEVICE "[device]\nproduct = thermostat\ncompatible = board\nstate-dir = state\n"
#define BOOT "[boot]\nloader = file\n"
#define SLOT_A "[slot a]\nbootname = A\nrootfs = a.img\n"
#define SLOT_B "[slot b]\nbootname = B\nrootfs = b.img\n"
#define SMALLEST DEVICE BOOT SLOT_A SLOT_B

static struct dcd_config *parsed(const char *text)
{
	struct dcd_config *config = NULL;
	struct dcd_diag diag = { 0 };
	if (dcd_config_parse(text, strlen(text), "/etc/decade/decade.conf", &config, &diag) != 0) {
		fail_msg("%s", diag.text);
	}
	return config;
}

static void what_is_left_out_has_a_default(void **state)
{
	(void)state;
	static const char text[] = "[device]\nproduct = thermostat\nstate-dir = state\n" SLOT_A SLOT_B;
	struct dcd_config *c = NULL;
	assert_int_equal(dcd_config_parse(text, sizeof text - 1, "decade.conf", &c, NULL), 0);
	assert_string_equal(c->loader, "file");
	assert_string_equal(c->channel, "retail");
	assert_string_equal(c->compatible, "");
	dcd_config_free(c);
}

static void refused(const char *text, const char *sentence)
{
	struct dcd_config *config = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_config_parse(text, strlen(text), "x/d.conf", &config, &diag), DCD_ERR_CONFIG);
	assert_null(config);
	if (strstr(diag.text, sentence) == NULL) {
		fail_msg("'%s' doesn't say '%s'", diag.text, sentence);
	}
}

static void the_contracts_example_reads_as_it_says(void **state)
{
	(void)state;
	struct dcd_config *c = parsed("# /etc/decade/decade.conf\n"
				      "[device]\n"
				      "product    = thermostat\n"
				      "compatible = acme-board-a\n"
				      "id         = 00:11:22:33:44:55      ; or id-file =\n"
				      "state-dir  = /var/lib/decade\n"
				      "\n"
				      "[source]\n"
				      "url     = https://updates.example.com/thermostat?a=b;c\n"
				      "url     = ../repo ; a folder\n"
				      "channel = beta\n"
				      "root    = /usr/share/decade/root.json\n"
				      "expiry  = report                    ; or enforce\n"
				      "retries = 0\n"
				      "timeout-s = 3600\n"
				      "stall-timeout-s = 1\n"
				      "[boot]\n"
				      "loader = uboot                      ; grub, systemd-boot, efi, exec, file\n"
				      "tries  = 15\n"
				      "[slot b]\n"
				      "rootfs   = /dev/disk/by-partlabel/rootfs-b\n"
				      "bootname = B\n"
				      "boot     = /dev/disk/by-partlabel/boot-b\n"
				      "[slot a]\n"
				      "  bootname = A\r\n"
				      "\trootfs   = /dev/disk/by-partlabel/rootfs-a\r\n"
				      "boot     = boot-a");
	assert_string_equal(c->product, "thermostat");
	assert_string_equal(c->compatible, "acme-board-a");
	assert_string_equal(c->id, "00:11:22:33:44:55");
	assert_null(c->id_file);
	assert_string_equal(c->state_dir, "/var/lib/decade");
	assert_int_equal(c->url_count, 2);
	assert_string_equal(c->urls[0], "https://updates.example.com/thermostat?a=b;c");
	assert_string_equal(c->urls[1], "/etc/decade/../repo");
	assert_string_equal(c->channel, "beta");
	assert_string_equal(c->root, "/usr/share/decade/root.json");
	assert_int_equal(c->expiry, DCD_CONFIG_EXPIRY_REPORT);
	assert_int_equal(c->retries, 0);
	assert_int_equal(c->timeout_s, 3600);
	assert_int_equal(c->stall_timeout_s, 1);
	assert_string_equal(c->loader, "uboot");
	assert_int_equal(c->tries, 15);
	assert_string_equal(c->slot[0].name, "a");
	assert_string_equal(c->slot[0].bootname, "A");
	assert_string_equal(c->slot[1].name, "b");
	assert_int_equal(c->slot[0].image_count, 2);
	assert_int_equal(c->slot[1].image_count, 2);
	assert_string_equal(c->slot[0].images[0].class_name, "boot");
	assert_string_equal(c->slot[0].images[0].path, "/etc/decade/boot-a");
	assert_string_equal(c->slot[1].images[1].class_name, "rootfs");
	assert_string_equal(c->slot[1].images[1].path, "/dev/disk/by-partlabel/rootfs-b");
	dcd_config_free(c);
}

static void what_is_left_out_has_its_default(void **state)
{
	(void)state;
	struct dcd_config *c = parsed(SMALLEST);
	assert_null(c->id);
	assert_null(c->root);
	assert_int_equal(c->url_count, 0);
	assert_string_equal(c->channel, "retail");
	assert_int_equal(c->expiry, DCD_CONFIG_EXPIRY_ENFORCE);
	assert_int_equal(c->retries, 5);
	assert_int_equal(c->timeout_s, 30);
	assert_int_equal(c->stall_timeout_s, 60);
	assert_int_equal(c->tries, 3);
	assert_string_equal(c->state_dir, "/etc/decade/state");
	char *id = NULL;
	assert_int_equal(dcd_config_read_id(c, &id, NULL), DCD_ERR_CONFIG);
	dcd_config_free(c);
}

static void what_is_unknown_or_doubled_is_refused_with_its_line(void **state)
{
	(void)state;
	refused(SMALLEST "[deivce]\nproduct = x\n", "x/d.conf:13: unknown section 'deivce'");
	refused(SMALLEST "[extra]\n", "x/d.conf:13: unknown section 'extra'");
	refused(SMALLEST "[boot]\ntires = 3\n", "x/d.conf:14: unknown key 'tires'");
	refused("product = x\n" SMALLEST, "x/d.conf:1: a key before the first section");
	refused(SMALLEST "[device]\nproduct = y\n", "x/d.conf:14: given twice: 'product'");
	refused(SMALLEST "[slot a]\n", "x/d.conf:13: the same slot a second time");
	refused(SMALLEST "[slot c]\n", "x/d.conf:13: there are two slots");
	refused(DEVICE BOOT SLOT_A "rootfs = z.img\n" SLOT_B, "x/d.conf:10: given twice: 'rootfs'");
	refused(DEVICE BOOT SLOT_A "bootname = C\n" SLOT_B, "x/d.conf:10: given twice: 'bootname'");
	refused(SMALLEST "just words\n", "x/d.conf:13: neither");
	refused(SMALLEST "[boot\n", "x/d.conf:13: a section heading");
	refused(SMALLEST "[boot] tries = 3\n", "x/d.conf:13: nothing but a comment");
}

static void values_out_of_bounds_are_refused(void **state)
{
	(void)state;
	refused(SMALLEST "[boot]\ntries = 0\n", "tries is a number from 1 to 15");
	refused(SMALLEST "[boot]\ntries = 16\n", "tries is a number from 1 to 15");
	refused(SMALLEST "[boot]\ntries = 3x\n", "not '3x'");
	refused(SMALLEST "[boot]\ntries =\n", "not ''");
	refused(SMALLEST "[source]\nretries = 99999999999\n", "retries is a number");
	refused(SMALLEST "[source]\nexpiry = maybe\n", "'enforce' or 'report'");
	refused(SMALLEST "[source]\nchannel =\n", "1 to 128 bytes");
	refused(SMALLEST "[source]\nroot =\n", "empty or too long");
	refused(SMALLEST "[source]\nurl=1\nurl=2\nurl=3\nurl=4\nurl=5\nurl=6\nurl=7\nurl=8\nurl=9\n", "x/d.conf:22: more than 8");
	char text[2048];
	(void)snprintf(text, sizeof text, "%s[source]\nroot = %01000d\n", SMALLEST, 7);
	refused(text, "x/d.conf:14: the line is too long");
	(void)snprintf(text, sizeof text, "%s[source]\n%060d = 1\n", SMALLEST, 7);
	refused(text, "x/d.conf:14: a line is KEY = VALUE");
	struct dcd_config *config = NULL;
	assert_int_equal(dcd_config_parse("[boot]\n\0", 8, "x", &config, NULL), DCD_ERR_CONFIG);
}

static void what_an_update_needs_must_be_there(void **state)
{
	(void)state;
	refused("", "product is missing");
	refused(BOOT SLOT_A SLOT_B, "product is missing");
	refused(DEVICE BOOT SLOT_A, "two slots are needed");
	refused(DEVICE BOOT SLOT_A "[slot b]\nrootfs = b.img\n", "bootname is missing in slot b");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = B\n", "no image class");
	refused(SMALLEST "[device]\nid = 1\nid-file = 2\n", "exclude each other");
}

static void slots_that_do_not_mirror_each_other_are_refused(void **state)
{
	(void)state;
	refused(DEVICE BOOT SLOT_A SLOT_B "boot = k.img\n", "the same image classes");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = B\nroot = b.img\n", "only one has rootfs");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = A\nrootfs = b.img\n", "both slots have the bootname A");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = B\nrootfs = a.img\n", "share the path x/a.img");
	refused(DEVICE BOOT SLOT_A "boot = a.img\n" SLOT_B "boot = c.img\n", "share the path x/a.img");
	refused(DEVICE BOOT SLOT_A "[slot b/]\nbootname = B\nrootfs = b.img\n", "a slot's name");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = B B\nrootfs = b.img\n", "a bootname is");
	refused(DEVICE BOOT SLOT_A "[slot b]\nbootname = B\nroot/fs = b.img\n", "an image class is");
}

static void a_file_is_read_and_so_is_its_id_file(void **state)
{
	(void)state;
	char folder[] = "/var/tmp/decade-config-XXXXXX";
	assert_non_null(mkdtemp(folder));
	char conf[64], id_path[64];
	(void)snprintf(conf, sizeof conf, "%s/d.conf", folder);
	(void)snprintf(id_path, sizeof id_path, "%s/id", folder);
	FILE *file = fopen(conf, "w");
	assert_non_null(file);
	assert_true(fputs(SMALLEST "[device]\nid-file = id\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	struct dcd_config *c = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_config_load(conf, &c, &diag), 0);
	char *id = NULL;
	assert_int_equal(dcd_config_read_id(c, &id, &diag), DCD_ERR_CONFIG);
	file = fopen(id_path, "w");
	assert_non_null(file);
	assert_true(fputs("serial-7\nmore\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(dcd_config_read_id(c, &id, &diag), 0);
	assert_string_equal(id, "serial-7");
	free(id);
	dcd_config_free(c);
	assert_int_equal(unlink(conf), 0);
	assert_int_equal(unlink(id_path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(dcd_config_load(conf, &c, &diag), DCD_ERR_CONFIG);
	assert_int_equal(dcd_config_load("/", &c, &diag), DCD_ERR_CONFIG);
	assert_int_equal(dcd_config_load("/dev/zero", &c, &diag), DCD_ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_has_a_default),
		cmocka_unit_test(the_contracts_example_reads_as_it_says),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(what_is_unknown_or_doubled_is_refused_with_its_line),
		cmocka_unit_test(values_out_of_bounds_are_refused),
		cmocka_unit_test(what_an_update_needs_must_be_there),
		cmocka_unit_test(slots_that_do_not_mirror_each_other_are_refused),
		cmocka_unit_test(a_file_is_read_and_so_is_its_id_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
