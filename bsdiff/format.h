/*
 * The payload format, version 1: the one place where its numbers live. docs/format-payload.md is the same in prose.
 *
 * A payload says how to make every segment of one image:
 *
 *	header | table (one entry a segment, in order) | frames (in order, without gaps)
 *
 * All integers are little-endian. Header and table together are named by one SHA-256 in the signed manifest; the table names
 *every frame by length and SHA-256. So nothing is parsed before the manifest vouched for it, and nothing is decoded before the
 * table did.
 *
 * What an old reader does with a newer payload: another magic or version, an unknown bit in `features`, an unknown frame kind,
 *filter, stream or codec is DCD_ERR_UNSUPPORTED for the whole payload (table level) or the frame (frame level); never a guess.
 * Reserved bytes are zero and checked.
 */
#ifndef DCD_BSDIFF_FORMAT_H
#define DCD_BSDIFF_FORMAT_H

#include <stdint.h>

#define DCD_FORMAT_MAGIC "DCDPAYLD" /* 8 bytes, no NUL */
#define DCD_FORMAT_VERSION 1

/* Header fields: offset of each, bytes. */
enum {
	DCD_HEADER_MAGIC = 0,           /* 8 bytes */
	DCD_HEADER_VERSION = 8,         /* u16 */
	DCD_HEADER_ENTRY_SIZE = 10,     /* u16: DCD_FORMAT_ENTRY_SIZE */
	DCD_HEADER_FEATURES = 12,       /* u32: bits a reader must know: DCD_FEATURE_PACK */
	DCD_HEADER_SEGMENT_SIZE = 16,   /* u32: bytes; a power of two */
	DCD_HEADER_SEGMENT_COUNT = 20,  /* u32: ceil(image size / segment size) */
	DCD_HEADER_IMAGE_SIZE = 24,     /* u64 */
	DCD_HEADER_BASE_SIZE = 32,      /* u64: 0 for a full payload */
	DCD_HEADER_IMAGE_ID = 40,       /* 32 bytes */
	DCD_HEADER_BASE_ID = 72,        /* 32 bytes: zero for a full payload */
	DCD_HEADER_FRAMES_LENGTH = 104, /* u64: the sum of all frame lengths */
	DCD_HEADER_MAX_FRAME = 112,     /* u32: the longest frame */
	DCD_HEADER_MAX_SCRATCH = 116,   /* u32: the most decoded stream bytes that a frame needs beside its output */
	DCD_HEADER_PACK_MEMORY = 120,   /* u32: what repacked frames need beside max_frame and max_scratch; 0 without features */
	DCD_HEADER_PACK_MARK = 124,     /* u32: what the compressors of the host were; 0 without such a feature */
	DCD_FORMAT_HEADER_SIZE = 128,
};

/* Table entry fields. */
enum {
	DCD_ENTRY_KIND = 0,         /* u8: enum dcd_frame_kind */
	DCD_ENTRY_FILTER = 1,       /* u8: enum dcd_filter */
	DCD_ENTRY_RESERVED = 2,     /* 2 bytes of zero */
	DCD_ENTRY_FRAME_LENGTH = 4, /* u32: 0 for kinds without data */
	DCD_ENTRY_SEGMENT_HASH = 8, /* 32 bytes: the segment's leaf hash (bsdiff/apply/image_id.h) */
	DCD_ENTRY_FRAME_HASH = 40,  /* 32 bytes: SHA-256 of the frame; zero for kinds without data */
	DCD_FORMAT_ENTRY_SIZE = 72,
};

enum dcd_frame_kind {
	DCD_FRAME_ZERO = 0,  /* all zero bytes; no data */
	DCD_FRAME_SAME = 1,  /* the base's bytes at the same offset; no data */
	DCD_FRAME_DELTA = 2, /* against the base */
	DCD_FRAME_FULL = 3,  /* needs no base */
};

enum dcd_filter {
	/* Bits, for delta frames. */
	DCD_FILTER_NONE = 0,
	DCD_FILTER_REFERENCES = 1, /* the references in copied machine code are predicted before differences are added */
	DCD_FILTER_REPACKED = 2,   /* compressed blocks are made unpacked, from unpacked blocks of the base, and packed anew */
	DCD_FILTER_END = 4,
};

/*
 * How a block is compressed: the algorithm and its container. DCD_FILTER_REPACKED frames name it; the payload's features have
 * the bit DCD_FEATURE_PACK(method) for each that any frame uses.
 */
enum dcd_pack_method {
	DCD_PACK_ZLIB = 0,    /* RFC 1950 around RFC 1951 */
	DCD_PACK_DEFLATE = 1, /* RFC 1951 alone: what lies between a gzip member's head and trailer */
	DCD_PACK_ZSTD = 2,    /* one RFC 8878 frame with its content size */
	DCD_PACK_XZ = 3,      /* an .xz stream of one block */
	DCD_PACK_LZ4 = 4,     /* one bare LZ4 block */
	DCD_PACK_METHODS = 5,
};
#define DCD_FEATURE_PACK(method) (1U << (method))
#define DCD_FEATURES_KNOWN (DCD_FEATURE_PACK(DCD_PACK_METHODS) - 1)

/* These make the same bytes on every device, because the format says how; the others hang on a library and its version. */
#define DCD_FEATURES_EXACT (DCD_FEATURE_PACK(DCD_PACK_ZLIB) | DCD_FEATURE_PACK(DCD_PACK_DEFLATE))

/* Inside a frame. */
enum dcd_frame_codec {
	DCD_CODEC_STORED = 0,
	DCD_CODEC_ZSTD = 1, /* one zstd frame (RFC 8878) with its content size, no dictionary */
};

/*
 * A full frame: codec (u8), then the coded segment.
 *
 * A delta frame: stream count (u8), then for each stream in ascending order of id: id (u8), codec (u8), raw length (varint),
 *coded length (varint); then the coded streams in the same order, without gaps. An absent stream is empty; an empty one is
 *absent.
 *
 *	CONTROL  a table with rows until the segment is full: extra length, copy length, zigzag(base offset - end of the last copy);
 *		 the first row's offset is relative to the segment's own offset in the image
 *	RUNS     a table over the concatenated copies: zero run, literal run (bytes where the copy needs a difference)
 *	LITERALS the differences: new byte = base byte + literal (mod 256)
 *	EXTRA    bytes that no copy gives
 *	MAP      DCD_FILTER_REFERENCES only, and always there: what the copied bytes are, and where old addresses went
 *	GATE     DCD_FILTER_REFERENCES only: where not to predict; absent: everywhere
 *	RECIPE   DCD_FILTER_REPACKED only, and always there: the compressed blocks of the base that are copied from, and where in the
 *		 segment what lies that is packed anew
 *
 * A table is the number of its rows, then the values of its first column, of its second, and so on; all varints.
 */
enum dcd_stream {
	DCD_STREAM_CONTROL = 0,
	DCD_STREAM_RUNS = 1,
	DCD_STREAM_LITERALS = 2,
	DCD_STREAM_EXTRA = 3,
	DCD_STREAM_MAP = 4,
	DCD_STREAM_GATE = 5,
	DCD_STREAM_RECIPE = 6,
	DCD_STREAM_COUNT = 7,
};

/* What the bytes of a region of the base are, and so which references are looked for in them. */
enum dcd_region_kind {
	DCD_REGION_POINTERS = 0, /* 64-bit addresses at addresses that are multiples of 8 */
	DCD_REGION_X86_64 = 1,   /* machine code */
	DCD_REGION_AARCH64 = 2,  /* machine code, little-endian */
	DCD_REGION_UNWIND = 3,   /* .eh_frame with 32-bit pc-relative code addresses */
	DCD_REGION_RECORDS =
		4, /* records with a 32-bit index or offset in each: symbols, relocations, hash buckets, unwind table */
	DCD_REGION_JUMPS = 5, /* pointers, and jump tables: negative 32-bit distances to code before the table */
	DCD_REGION_RELATIVE = 6, /* records with 32-bit distances from the field itself: a kernel's tables */
	DCD_REGION_SEQUENCE = 7, /* 24-bit numbers, the highest byte first, that count records: a kernel's symbols by name */
	DCD_REGION_BTF = 8, /* a kernel's description of its types, with their strings behind; one at most in a frame */
	DCD_REGION_A32 = 9, /* 32-bit ARM machine code, little-endian */
	DCD_REGION_T32 = 10, /* the same processors' Thumb code */
	DCD_REGION_POINTERS32 = 11, /* 32-bit addresses at addresses that are multiples of 4 */
	DCD_REGION_RECORDS32 = 12, /* DCD_REGION_RECORDS with 32-bit addresses where bit DCD_RECORD_POINTERS + i of the fields is set */
	DCD_REGION_EXIDX = 13, /* 32-bit ARM's unwind index: words with 31-bit distances from the field itself */
	DCD_REGION_RISCV = 14, /* machine code */
	DCD_REGION_KINDS = 15,
};
#define DCD_RECORD_POINTERS 16
#define DCD_RECORD_REL 8 /* in 32-bit records of so many bytes, relocations, a field is the upper 24 bits of its word */

/* Bits of a GATE byte, which stands for DCD_GATE_BLOCK bytes of the segment: set, this class of references is left as copied
 * there. */
enum dcd_gate {
	DCD_GATE_POINTER = 0,
	DCD_GATE_CALL = 1,   /* calls and jumps */
	DCD_GATE_BRANCH = 2, /* conditional branches, pc-relative loads of AArch64 */
	DCD_GATE_DATA = 3,   /* rip-relative operands, ADRP, AUIPC, words of ARM's literal pools */
	DCD_GATE_LOW = 4,    /* the 12 low bits that go with an ADRP or AUIPC; 32-bit addresses in x86-64 code; MOVW and MOVT */
	DCD_GATE_TABLE = 5,  /* 32-bit fields of records, unwind entries, jump, linkage and kernel tables */
	DCD_GATE_KINDS = 6,
};
#define DCD_GATE_BLOCK 4096U

/* Bounds: a header outside them is refused before memory is asked for. */
#define DCD_SEGMENT_SIZE_MIN (4U << 10)
#define DCD_SEGMENT_SIZE_MAX (64U << 20)
#define DCD_SEGMENT_SIZE_DEFAULT (1U << 20)
#define DCD_SEGMENT_COUNT_MAX (1U << 20)
#define DCD_FORMAT_TABLE_LENGTH_MAX (DCD_FORMAT_HEADER_SIZE + (uint64_t)DCD_SEGMENT_COUNT_MAX * DCD_FORMAT_ENTRY_SIZE)

/* A frame is never longer than this for a segment of `n` bytes: an encoder stores what doesn't shrink. */
#define DCD_FRAME_LENGTH_MAX(n) ((uint64_t)(n) + 64)

/* Decoded streams of one delta frame beside its output: never more than this for a segment of `n` bytes. */
#define DCD_SCRATCH_MAX(n) (2 * (uint64_t)(n) + 64)

/* One unpacked block, bytes; blocks of the base kept unpacked at a time. */
#define DCD_PACK_BLOCK_MAX (16U << 20)
#define DCD_PACK_SLOTS_MAX 16U
#define DCD_PACK_MEMORY_MAX (768U << 20)

#endif
