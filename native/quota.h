/* Blocks of rows of quotas: where they lie, and how they leave (isp.md 4.3, 4.11).
 *
 * The rule for rows that nothing special happens to is in quota_lanes.h, compiled for processors
 * of today and of ten years ago; the machine at hand takes its own. What rolls, is wrong or too
 * large for the short arithmetic is only marked there, and decided row by row in quota.pxd by the
 * same rule in words; tests compare both.
 *
 * The work is bound by memory. Of many rows, a block's answers are made in a small room and then
 * carried out past the caches, in whole lines: a line that is written in part is read before. */
#ifndef FAREBOX_QUOTA_H
#define FAREBOX_QUOTA_H

#include <stdint.h>
#include <string.h>

#include "loops.h"
#include "machine.h"

#if defined(__SSE2__) && !defined(FAREBOX_PORTABLE)
#define FAREBOX_STREAMS
#include <immintrin.h>
#endif

enum {
  EXCLUDE_UPLOAD_BIT = 1,
  CARRY_BIT = 2,
  ACTIVE_BIT = 4,
  ONLINE_BIT = 8,
  BILLING_BIT = 16,
  OVER_BIT = 1,
  ROLLED_BIT = 2,
  SWITCH_BIT = 4,
  LEVEL_LOW_BIT = 8,
  LEVEL_HIGH_BIT = 16,
  UNLIMITED_BIT = 32,
  STALE_CYCLE_BIT = 64,
  CAL_RANGE_BIT = 128,
  INVALID_BIT = 256,
  BLOCK = 256,
  AHEAD = 128,
  PIECE = 64 * BLOCK,   /* rows that a thread takes at a time */
  STREAM_ROWS = 1 << 16 /* answers of so many leave no cache of use to anybody */
};

static const int64_t QUANTITY_MOST = ((int64_t)1 << 60) - 1;

/* A hundred times the sum of three quantities below this fits 64 bits. */
#define FAREBOX_SHORT ((int64_t)1 << 54)

typedef struct {
  const uint8_t *mode, *flags;
  const int64_t *limit, *topup, *carried, *up, *down, *period_start, *period_end;
  const int32_t *cal, *t1, *t2, *applied;
  const int64_t *bill_start, *bill_end, *expires; /* NULL where they are not given */
  int32_t *out_active;
  int64_t *out_used, *out_effective, *out_remaining;
  int64_t *out_period_start, *out_period_end, *out_carried;
  uint16_t *out_flags;
} rows_t;

/* The answers of a block. */
typedef struct {
  int64_t used[BLOCK], effective[BLOCK], remaining[BLOCK];
  int64_t period_start[BLOCK], period_end[BLOCK], carried[BLOCK];
  int32_t active[BLOCK];
  uint16_t flags[BLOCK];
} __attribute__((aligned(64))) room_t;

#define LANES 2
#include "quota_lanes.h"
#undef LANES
#if defined(FAREBOX_STREAMS) && defined(FAREBOX_SORTS)
#pragma GCC push_options
#pragma GCC target("avx2")
#define LANES 4
#include "quota_lanes.h"
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#define LANES 8
#include "quota_lanes.h"
#undef LANES
#pragma GCC pop_options
#define FAREBOX_LANED(lanes, work)       \
  do {                                   \
    if ((lanes) == 8) work(8);           \
    else if ((lanes) == 4) work(4);      \
    else work(2);                        \
  } while (0)
#else
#define FAREBOX_LANED(lanes, work) work(2)
#endif

/* How many rows this processor does at once, at its best. */
static inline int lanes_most(void) {
#if defined(FAREBOX_STREAMS) && defined(FAREBOX_SORTS)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 8;
  if (__builtin_cpu_supports("avx2")) return 4;
#endif
  return 2;
}

/* How many rows the first block is to lack, so that the following ones begin with a line of memory.
 * Columns mostly begin at the same distance from one, and reading across lines costs half. */
static inline int64_t rows_before(const rows_t *r) {
  return (int64_t)((uintptr_t)r->limit & 63) / 8;
}

/* Rows from `from` on, with their answers in the room, or where they belong if there is none. */
static inline void block_at(const rows_t *r, int64_t from, room_t *room, rows_t *here) {
  *here = *r;
  here->mode += from, here->flags += from;
  here->limit += from, here->topup += from, here->carried += from;
  here->up += from, here->down += from;
  here->period_start += from, here->period_end += from;
  here->cal += from, here->t1 += from, here->t2 += from, here->applied += from;
  if (r->bill_start) here->bill_start += from, here->bill_end += from;
  if (r->expires) here->expires += from;
  here->out_active = room ? room->active : r->out_active + from;
  here->out_used = room ? room->used : r->out_used + from;
  here->out_effective = room ? room->effective : r->out_effective + from;
  here->out_remaining = room ? room->remaining : r->out_remaining + from;
  here->out_period_start = room ? room->period_start : r->out_period_start + from;
  here->out_period_end = room ? room->period_end : r->out_period_end + from;
  here->out_carried = room ? room->carried : r->out_carried + from;
  here->out_flags = room ? room->flags : r->out_flags + from;
}

/* n rows as if nothing special happened; special[i] says where that was wrong. */
static inline void plain_rows(int lanes, const rows_t *r, int64_t n, int64_t now, int64_t low,
                              int64_t high, int32_t cals, uint8_t *special) {
#define FAREBOX_WORK(each) plain_rows_##each(r, n, now, low, high, cals, special)
  FAREBOX_LANED(lanes, FAREBOX_WORK);
#undef FAREBOX_WORK
}

/* The first row from i on that something special happened to, or n. */
static inline int64_t next_special(const uint8_t *special, int64_t i, int64_t n) {
  uint64_t eight;
  for (; i + 8 <= n; i += 8) {
    memcpy(&eight, special + i, sizeof eight);
    if (eight) break;
  }
  while (i < n && !special[i]) i++;
  return i;
}

/* The answers of n rows from the room to where they belong. */
static inline void carry_out(int lanes, const rows_t *r, int64_t from, int64_t n,
                             const room_t *room) {
#define FAREBOX_WORK(each) carry_rows_##each(r, from, n, room)
  FAREBOX_LANED(lanes, FAREBOX_WORK);
#undef FAREBOX_WORK
}

/* Everything carried out by this thread is seen by those who wait for it. */
static inline void all_carried(void) {
#ifdef FAREBOX_STREAMS
  _mm_sfence();
#endif
}

/* How many rows of a block rolled, are over, are to be switched and are invalid. */
FAREBOX_CLONES static void count_flags(const uint16_t *flags, int64_t n, int64_t *counts) {
  uint16_t rolled = 0, over = 0, switched = 0, invalid = 0;
  for (int64_t i = 0; i < n; i++) {
    rolled = (uint16_t)(rolled + (flags[i] / ROLLED_BIT & 1));
    over = (uint16_t)(over + (flags[i] / OVER_BIT & 1));
    switched = (uint16_t)(switched + (flags[i] / SWITCH_BIT & 1));
    invalid = (uint16_t)(invalid + (flags[i] / INVALID_BIT & 1));
  }
  counts[0] += rolled;
  counts[1] += over;
  counts[2] += switched;
  counts[3] += invalid;
}

#endif
