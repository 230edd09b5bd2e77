/*
 * Where a repository's files come from, as an interface: a web server, a folder, a bundle. Nothing that comes out of it is
 * trusted; a source only promises never to hand over more bytes than it was asked for.
 */
#ifndef DCD_BASE_SOURCE_H
#define DCD_BASE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

/* Takes bytes in order. A non-zero return stops the transfer and becomes the fetch's own result. */
struct dcd_sink {
	int (*write)(void *context, const uint8_t *data, size_t len);
	void *context;
};

/* Bytes [offset, offset + length) of an object. */
struct dcd_range {
	uint64_t offset;
	uint64_t length;
};

struct dcd_source;

/*
 * Stands for a '/' that is part of a name and separates nothing (TUF lets a role be called "a/b"): a web server is asked for "%2F".
 * No other control character may be in a path.
 */
#define DCD_SOURCE_SLASH '\x1f'

/*
 * Paths are relative to the repository ("metadata/timestamp.json"), with '/' between components, not percent-encoded; they
 * never begin with '/' and have no "." or ".." component (a source refuses them otherwise).
 */
struct dcd_source_ops {
	/*
	 * Sends a whole object of at most `max` bytes to the sink.
	 * 0; DCD_ERR_NOT_FOUND; DCD_ERR_FORBIDDEN; DCD_ERR_SIZE when it is larger than `max` (the sink has had at most `max` bytes); DCD_ERR_UNREACHABLE,
	 * DCD_ERR_BROKEN_OFF or DCD_ERR_SOURCE_LIES after the source's own retries; or what the sink returned.
	 */
	int (*fetch)(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag);
	/*
	 * Sends `length` (> 0) bytes from `offset` of an object that must have `object_size` bytes in all. A transfer that breaks
	 * off is continued at the byte where it broke, so the sink sees each byte once. Errors as above; DCD_ERR_SIZE when the
	 * object's size is seen to be another.
	 */
	int (*fetch_range)(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			   struct dcd_sink *sink, struct dcd_diag *diag);
	void (*close)(struct dcd_source *source);
	/*
	 * May be null. The one operation that any thread may call while another is inside a fetch: with `stop` non-zero the fetch
	 * under way and every later one end soon with DCD_ERR_CANCELLED; with zero the source can be used again.
	 */
	void (*interrupt)(struct dcd_source *source, int stop);
	/*
	 * May be null: then every path may be asked for, and fetching tells. Otherwise false says that the source doesn't hold the
	 * object, without anything being read: a bundle carries one release of the many that its metadata lists.
	 */
	bool (*has)(const struct dcd_source *source, const char *path);
	/*
	 * May be null. Called once, when nothing more will be fetched: what the source can only tell at its end. A stream reads what is
	 * left of it; DCD_ERR_MALFORMED when it ends early or doesn't end where it must.
	 */
	int (*finish)(struct dcd_source *source, struct dcd_diag *diag);
	/*
	 * May be null. What came was delivered well and is no good (not authentic, out of date): turns to another place that may have the
	 * same repository. False when each has been turned to once, and then begins anew.
	 */
	bool (*next)(struct dcd_source *source);
};

/* What a source has done so far, for reports. Bodies only; a repeated byte counts again. */
struct dcd_source_stats {
	uint64_t bytes;
	uint64_t requests;
	uint64_t retries;
};

/* Implementations embed this as their first member. */
struct dcd_source {
	const struct dcd_source_ops *ops;
	const char *name; /* for messages: the URL or folder, without credentials */
	/*
	 * A stream: what it was asked for comes in the stream's order, and what lies before it is gone (DCD_ERR_SOURCE_LIES). Tables come
	 * before frames, and the payloads of an image with a base before the full one.
	 */
	bool sequential;
	struct dcd_source_stats stats;
};

/* True for a path that a source may be asked for (see above); at most 1,024 bytes. */
int dcd_source_path_ok(const char *path);

/* The optional operations, where a source has none of its own: it may have everything, there is nothing to finish
 * and no other place. */
bool dcd_source_has(const struct dcd_source *source, const char *path);
DCD_NODISCARD int dcd_source_finish(struct dcd_source *source, struct dcd_diag *diag);
bool dcd_source_next(struct dcd_source *source);

/*
 * Fetches a whole object into memory that the caller frees. `max` bounds it before the first byte is read.
 */
DCD_NODISCARD int dcd_source_load(struct dcd_source *source, const char *path, uint64_t max, uint8_t **ret_data, size_t *ret_len,
				  struct dcd_diag *diag);

/* Fetches a range into caller-owned memory of at least `length` bytes. */
DCD_NODISCARD int dcd_source_load_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset,
					uint8_t *buf, size_t length, struct dcd_diag *diag);

#endif
