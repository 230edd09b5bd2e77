#include "manifest/tuf/tuf_time.h"

#include <stddef.h>
#include <string.h>

#define FRACTION_MAX 9 /* digits */

static bool two_digits(const char *text, int *ret)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') {
		return false;
	}
	*ret = (text[0] - '0') * 10 + (text[1] - '0');
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Gregorian days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year. */
static int64_t days_since_1970(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
	return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

/* What follows the seconds: a fraction, then 'Z' or an offset, which are the seconds that local time is ahead of UTC. */
static bool parse_end(const char *text, int64_t *ret_ahead)
{
	if (*text == '.') {
		size_t digits = strspn(text + 1, "0123456789");
		if (digits == 0 || digits > FRACTION_MAX) {
			return false;
		}
		text += 1 + digits;
	}
	*ret_ahead = 0;
	if (strcmp(text, "Z") == 0) {
		return true;
	}
	int hours = 0, minutes = 0;
	if (strlen(text) != sizeof "+HH:MM" - 1 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
	    !two_digits(text + 1, &hours) || !two_digits(text + 4, &minutes) || hours > 23 || minutes > 59) {
		return false;
	}
	*ret_ahead = (text[0] == '-' ? -60 : 60) * (hours * 60 + minutes);
	return true;
}

bool tuf_time_parse(const char *text, int64_t *ret)
{
	static const char form[] = "YYYY-MM-DDTHH:MM:SS";
	int64_t ahead = 0;
	if (strnlen(text, sizeof form) < sizeof form || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
	    text[16] != ':' || !parse_end(text + sizeof form - 1, &ahead)) {
		return false;
	}
	int century, year, month, day, hour, minute, second;
	if (!two_digits(text, &century) || !two_digits(text + 2, &year) || !two_digits(text + 5, &month) ||
	    !two_digits(text + 8, &day) || !two_digits(text + 11, &hour) || !two_digits(text + 14, &minute) ||
	    !two_digits(text + 17, &second)) {
		return false;
	}
	year += century * 100;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 59) {
		return false;
	}
	*ret = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - ahead;
	return true;
}
