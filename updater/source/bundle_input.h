/* Where a bundle's bytes come from, as an interface: a file, a file on a web server, a stream. One file each makes them. */
#ifndef DCD_UPDATER_SOURCE_BUNDLE_INPUT_H
#define DCD_UPDATER_SOURCE_BUNDLE_INPUT_H

#include "base/source.h"

struct dcd_bundle_input;

struct dcd_bundle_input_ops {
	/*
	 * Sends bytes [offset, offset + length) to the sink, length > 0. A stream only knows the next ones: `offset` is where the
	 * last read ended. DCD_ERR_MALFORMED when the file ends before; what a source's fetch_range may return otherwise.
	 */
	int (*read)(struct dcd_bundle_input *input, uint64_t offset, uint64_t length, struct dcd_sink *sink,
		    struct dcd_diag *diag);
	/* DCD_ERR_MALFORMED unless the file has exactly `total` bytes. A stream has been read up to there. Inputs may use it from
	 * then on. */
	int (*check_total)(struct dcd_bundle_input *input, uint64_t total, struct dcd_diag *diag);
	void (*close)(struct dcd_bundle_input *input);
	/* As that of a source. */
	void (*interrupt)(struct dcd_bundle_input *input, int stop);
};

/* Implementations embed this as their first member. */
struct dcd_bundle_input {
	const struct dcd_bundle_input_ops *ops;
	const char *name; /* for messages */
	bool sequential;  /* a stream */
	bool local;       /* a read costs next to nothing */
	struct dcd_source_stats stats;
};

/* A regular file. What is no regular file is DCD_ERR_USAGE; DCD_ERR_NOT_FOUND, DCD_ERR_UNREACHABLE. */
DCD_NODISCARD int dcd_bundle_input_file(const char *path, struct dcd_bundle_input **ret, struct dcd_diag *diag);

/*
 * A stream that somebody opened: a pipe, a socket, a terminal, also a regular file read from where it stands. Takes over `fd`
 * when `owned`, also on failure. Waits for bytes as long as it takes.
 */
DCD_NODISCARD int dcd_bundle_input_stream(int fd, bool owned, const char *name, struct dcd_bundle_input **ret,
					  struct dcd_diag *diag);

/*
 * An object of another source, read by ranges; takes over `source` when it succeeds. Its first DCD_BUNDLE_HEAD bytes are asked
 * for once and kept: they are most often all but the frames.
 */
DCD_NODISCARD int dcd_bundle_input_object(struct dcd_source *source, const char *path, struct dcd_bundle_input **ret,
					  struct dcd_diag *diag);
#define DCD_BUNDLE_HEAD (64U << 10)

#endif
