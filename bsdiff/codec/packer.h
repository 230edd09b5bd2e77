/*
 * Packs and unpacks single compressed blocks for bsdiff/apply (DCD_FILTER_REPACKED) and its encoder. Deflate is our own, the same
 * everywhere; zstd and xz are the installed libraries', whose bytes may differ between versions: the packer's mark() tells them
 * apart.
 */
#ifndef DCD_BSDIFF_CODEC_PACKER_H
#define DCD_BSDIFF_CODEC_PACKER_H

#include "bsdiff/apply/frame.h"

/*
 * Parameters of DCD_PACK_ZLIB and DCD_PACK_DEFLATE are those of deflate_pack.h; of DCD_PACK_ZSTD the level, 1 to 22; of
 * DCD_PACK_XZ the preset, 0 to 9, and 256 times the logarithm of the dictionary's size, 12 to 24; of DCD_PACK_LZ4 1 for the fast
 * compressor, 2 to 12 for lz4hc's level; of DCD_PACK_EROFS those of bsdiff/format.h, and the carried bytes are the last of src.
 */
struct dcd_packer dcd_block_packer(void);

/* Bytes of memory that a block of `len` bytes needs, to be unpacked and (params over 0) to be packed with these parameters. */
size_t dcd_packer_memory(enum dcd_pack_method method, uint32_t params, size_t len);

/*
 * For encoders: unpacks a block of unknown length, of at most `capacity` bytes, that begins at src. *ret_len bytes come out of
 * the first *ret_coded of src; an lz4 block, which doesn't say where it ends, is all of src. Errors as dcd_packer.unpack();
 * DCD_ERR_SIZE when there are more.
 */
DCD_NODISCARD int dcd_packer_measure(enum dcd_pack_method method, uint8_t *dst, size_t capacity, const uint8_t *src,
				     size_t src_len, size_t *ret_len, size_t *ret_coded);

#endif
