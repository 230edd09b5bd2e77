/*
 * The zstd decompressor for bsdiff/apply. It decodes whole frames straight into their place, so it needs no window: its memory is
 * the same (about 100 KiB to 160 KiB, by libzstd's version) for every segment size.
 */
#ifndef DCD_BSDIFF_CODEC_ZSTD_DECODE_H
#define DCD_BSDIFF_CODEC_ZSTD_DECODE_H

#include "bsdiff/apply/frame.h"

/*
 * The decoder; a value, because libzstd says only at run time how much memory it takes. Refused as DCD_ERR_MALFORMED: a frame
 * that doesn't declare exactly dst_len bytes of content, one that needs a dictionary, a skippable or a second frame, trailing
 * bytes.
 */
struct dcd_decoder dcd_zstd_decoder(void);

#endif
