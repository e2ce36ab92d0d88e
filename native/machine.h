/* What the kernels need of the machine and Cython cannot say: prefetch, one wide multiply, a
 * compare of ten tags, and memory in large pages. Every part has a portable form; none allocates
 * behind the caller's back and none knows about vouchers. */
#ifndef FAREBOX_MACHINE_H
#define FAREBOX_MACHINE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__SSE2__) && !defined(FAREBOX_PORTABLE)
#include <emmintrin.h>
#endif

#define FAREBOX_LARGE_PAGE ((size_t)2 << 20)

static inline int is_rare(int condition) { return (int)__builtin_expect(condition, 0); }

/* Into the second cache: it takes many lines on their way at once, while the first cache drops
 * requests beyond about twenty, and a dropped one costs a whole miss. */
static inline void prefetch(const void *line) { __builtin_prefetch(line, 0, 2); }

static inline int lowest_bit(uint64_t bits) { return __builtin_ctzll(bits); }

static inline uint64_t multiply_high(uint64_t a, uint64_t b) {
  return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* Both halves of a 128-bit product folded together: one strong mixing step. */
static inline uint64_t multiply_fold(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keys arrive in buffers of any alignment. */
static inline uint64_t load_u64(const void *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static inline uint16_t load_be16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t load_be32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

static inline uint64_t load_be64(const uint8_t *at) {
  return (uint64_t)load_be32(at) << 32 | load_be32(at + 4);
}

/* Bit i of the answer: tags[i] == tag, i < 10. Reads 32 bytes: a bucket starts with its tags. */
static inline uint32_t match_tags(const uint16_t *tags, uint16_t tag) {
#if defined(__SSE2__) && !defined(FAREBOX_PORTABLE)
  __m128i wanted = _mm_set1_epi16((short)tag);
  __m128i low = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)tags), wanted);
  __m128i high = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)tags + 1), wanted);
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high)) & 0x3ffu;
#else
  uint32_t bits = 0;
  for (int i = 0; i < 10; i++) bits |= (uint32_t)(tags[i] == tag) << i;
  return bits;
#endif
}

/* Zeroed memory aligned to a large page, asking for large pages from that size on; NULL if there is
 * none. It is given back with the same size. */
static inline size_t region_bytes(size_t bytes) {
  size_t unit = bytes < FAREBOX_LARGE_PAGE ? (size_t)65536 : FAREBOX_LARGE_PAGE;
  return (bytes + unit - 1) / unit * unit;
}

static inline void *region_take(size_t bytes, int large) {
  size_t size = region_bytes(bytes);
  size_t slack = large ? FAREBOX_LARGE_PAGE : 0;
  char *at = (char *)mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);
  if (at == (char *)MAP_FAILED) return NULL;
  if (large) {
    size_t skip = (size_t)(-(uintptr_t)at & (FAREBOX_LARGE_PAGE - 1));
    if (skip) munmap(at, skip);
    if (slack - skip) munmap(at + skip + size, slack - skip);
    at += skip;
#if defined(MADV_HUGEPAGE)
    /* Refused on machines without large pages, which only makes it slower. */
    (void)madvise(at, size, MADV_HUGEPAGE);
#endif
  }
  return at;
}

static inline void region_give(void *at, size_t bytes) {
  if (at) munmap(at, region_bytes(bytes));
}

#endif
