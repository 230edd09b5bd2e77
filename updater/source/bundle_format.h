/*
 * The bundle format, version 1 (docs/format-bundle.md): one uncompressed pax tar. What of it is Decade's own is here; the writer
 * is in tools/repo, the reader beside this file.
 */
#ifndef DCD_UPDATER_SOURCE_BUNDLE_FORMAT_H
#define DCD_UPDATER_SOURCE_BUNDLE_FORMAT_H

#define DCD_BUNDLE_INDEX_NAME "decade-bundle" /* the first entry: a JSON object */
#define DCD_BUNDLE_INDEX_TYPE "decade-bundle" /* its "_type" */
#define DCD_BUNDLE_FORMAT_VERSION 1           /* its "format_version" */
#define DCD_BUNDLE_SUFFIX ".dcb"

#define DCD_BUNDLE_ENTRIES_MAX 4096     /* behind the index: some 600 payloads for each of three images */
#define DCD_BUNDLE_INDEX_MAX (1U << 20) /* bytes */
#define DCD_BUNDLE_NAME_MAX 255         /* bytes of an entry's name */

/* A payload is carried in two entries, so that all tables can come before all frames. */
#define DCD_BUNDLE_PAYLOADS "targets/payloads/"
#define DCD_BUNDLE_PAYLOAD_SUFFIX ".dcp"
#define DCD_BUNDLE_TABLE_SUFFIX ".table"
#define DCD_BUNDLE_FRAMES_SUFFIX ".frames"

/* An entry's header is one block, or three with the pax records that a long name or a size of 8 GiB and more needs. */
#define DCD_BUNDLE_BLOCK 512U
#define DCD_BUNDLE_HEADER_SHORT (1 * DCD_BUNDLE_BLOCK)
#define DCD_BUNDLE_HEADER_LONG (3 * DCD_BUNDLE_BLOCK)
#define DCD_BUNDLE_TRAILER (2 * DCD_BUNDLE_BLOCK) /* the end of the archive, of zeros, and the end of the file */

#endif
