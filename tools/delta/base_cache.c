#include "tools/delta/base_cache.h"

#include <string.h>

#include "base/checked.h"

/* The page's bytes: each page has one place, which it shares with every 32nd. */
static int page_get(struct dcd_base_cache *cache, uint64_t page, const uint8_t **ret)
{
	struct dcd_reader *file = cache->file;
	size_t place = (size_t)(page % DCD_BASE_CACHE_PAGES);
	uint8_t *bytes = cache->pages + place * DCD_BASE_CACHE_PAGE;
	if (cache->numbers[place] != page + 1) {
		uint64_t offset = page * DCD_BASE_CACHE_PAGE;
		cache->numbers[place] = 0; /* what a failed read leaves there is no page */
		int err = file->read(file->context, offset, bytes, (size_t)dcd_min_u64(DCD_BASE_CACHE_PAGE, file->size - offset));
		if (err != 0) {
			return err;
		}
		cache->numbers[place] = page + 1;
	}
	*ret = bytes;
	return 0;
}

static int cache_read(void *context, uint64_t offset, void *buf, size_t len)
{
	struct dcd_base_cache *cache = context;
	uint8_t *to = buf;
	if (cache->pages == NULL || len >= DCD_BASE_CACHE_PAGE || !dcd_range_inside(offset, len, cache->file->size)) {
		return cache->file->read(cache->file->context, offset, buf, len);
	}
	while (len > 0) {
		const uint8_t *bytes;
		int err = page_get(cache, offset / DCD_BASE_CACHE_PAGE, &bytes);
		if (err != 0) {
			return err;
		}
		size_t skip = (size_t)(offset % DCD_BASE_CACHE_PAGE), n = (size_t)dcd_min_u64(len, DCD_BASE_CACHE_PAGE - skip);
		memcpy(to, bytes + skip, n);
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

struct dcd_reader dcd_base_cache_reader(struct dcd_base_cache *cache)
{
	return (struct dcd_reader){ cache_read, cache, cache->file->size };
}
