/* The rule of quotas for the rows that nothing special happens to (isp.md 4.3, steps 2 to 8).
 *
 * Written with masks instead of branches, so that a compiler does eight rows at once. What rolls,
 * is wrong or too large for the short arithmetic is only marked here, and decided row by row in
 * quota.pxd by the same rule in words; tests compare both. */
#ifndef FAREBOX_QUOTA_H
#define FAREBOX_QUOTA_H

#include <stdint.h>

#include "loops.h"

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
  BLOCK = 256
};

static const int64_t QUANTITY_MOST = ((int64_t)1 << 60) - 1;

/* A hundred times the sum of three quantities below this fits 64 bits. Sums are worked out without
 * sign: of a row that is wrong they may be anything. */
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

FAREBOX_INLINE int64_t plus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
FAREBOX_INLINE int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
FAREBOX_INLINE int64_t times(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

FAREBOX_INLINE int64_t chosen(int64_t mask, int64_t a, int64_t b) {
  return (a & mask) | (b & ~mask);
}

/* What the bytes of a row mean, spread over the width of its quantities: all bits or none. */
typedef struct {
  int64_t keep_up[BLOCK], either[BLOCK], always[BLOCK], live[BLOCK], billing[BLOCK], odd[BLOCK];
  int64_t over[BLOCK], marks[BLOCK];
} masks_t;

#define FAREBOX_MASK(condition) (-(int64_t)(condition))

FAREBOX_INLINE void spread_bytes(const uint8_t *restrict mode, const uint8_t *restrict flags,
                                 int64_t n, masks_t *restrict to) {
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++) {
    int64_t f = flags[i], m = mode[i];
    to->keep_up[i] = (f & EXCLUDE_UPLOAD_BIT) - 1;
    to->either[i] = FAREBOX_MASK(m == 1);
    to->always[i] = FAREBOX_MASK(m == 2);
    to->live[i] = FAREBOX_MASK((f & (ONLINE_BIT | ACTIVE_BIT)) == (ONLINE_BIT | ACTIVE_BIT));
    to->billing[i] = FAREBOX_MASK((f & BILLING_BIT) != 0);
    to->odd[i] = FAREBOX_MASK(m > 2);
  }
}

FAREBOX_INLINE void weigh(const rows_t *r, int64_t from, int64_t n, int64_t low, int64_t high,
                          masks_t *restrict mask) {
  const int64_t *restrict limit = r->limit + from, *restrict topup = r->topup + from;
  const int64_t *restrict carried = r->carried + from;
  const int64_t *restrict up = r->up + from, *restrict down = r->down + from;
  int64_t *restrict out_used = r->out_used + from, *restrict out_left = r->out_remaining + from;
  int64_t *restrict out_effective = r->out_effective + from;
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++) {
    int64_t always = mask->always[i], u = up[i] & mask->keep_up[i], d = down[i];
    int64_t used = chosen(mask->either[i], u > d ? u : d, plus(u, d));
    int64_t sum = plus(plus(limit[i], carried[i]), topup[i]);
    int64_t effective = sum & ~(sum >> 63) & ~always;
    int64_t left = minus(effective, used);
    int64_t over = FAREBOX_MASK(used > effective) & ~always;
    int64_t hundred = times(100, used);
    /* A negative quantity has its highest bit set, as has one beyond the short arithmetic. */
    int64_t wide = limit[i] | carried[i] | up[i] | d | (topup[i] ^ (topup[i] >> 63));
    out_used[i] = used;
    out_effective[i] = effective;
    out_left[i] = (left & ~(left >> 63)) | always;
    mask->over[i] = over;
    mask->marks[i] = (over & OVER_BIT) | (always & UNLIMITED_BIT) |
                     (FAREBOX_MASK(hundred >= times(effective, low)) & ~always & LEVEL_LOW_BIT) |
                     (FAREBOX_MASK(hundred >= times(effective, high)) & ~always & LEVEL_HIGH_BIT);
    mask->odd[i] |= wide & ~(FAREBOX_SHORT - 1);
  }
}

FAREBOX_INLINE void keep_periods(const rows_t *r, int64_t from, int64_t n, int64_t now,
                                 masks_t *restrict mask) {
  const int64_t *restrict start = r->period_start + from, *restrict end = r->period_end + from;
  const int64_t *restrict carried = r->carried + from;
  int64_t *restrict out_start = r->out_period_start + from;
  int64_t *restrict out_end = r->out_period_end + from;
  int64_t *restrict out_carried = r->out_carried + from;
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++) {
    mask->odd[i] |= FAREBOX_MASK(start[i] >= end[i]) | FAREBOX_MASK(now >= end[i]);
    out_start[i] = start[i];
    out_end[i] = end[i];
    out_carried[i] = carried[i];
  }
}

FAREBOX_INLINE void mark_cycles(const rows_t *r, int64_t from, int64_t n, int64_t now,
                                masks_t *restrict mask) {
  const int64_t *restrict start = r->period_start + from, *restrict end = r->period_end + from;
  const int64_t *restrict begun = r->bill_start + from, *restrict ended = r->bill_end + from;
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++)
    mask->odd[i] |= mask->billing[i] &
                    ((FAREBOX_MASK(start[i] < begun[i]) & FAREBOX_MASK(begun[i] <= now)) |
                     (FAREBOX_MASK(begun[i] == start[i]) & FAREBOX_MASK(ended[i] != end[i])));
}

FAREBOX_INLINE void mark_expired(const int64_t *restrict expires, int64_t n, int64_t now,
                                 masks_t *restrict mask) {
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++) mask->live[i] &= FAREBOX_MASK(now < expires[i]);
}

FAREBOX_INLINE void choose_templates(const rows_t *r, int64_t from, int64_t n, int32_t cals,
                                     const masks_t *restrict mask, uint8_t *restrict special) {
  const int32_t *restrict cal = r->cal + from, *restrict applied = r->applied + from;
  const int32_t *restrict t1 = r->t1 + from, *restrict t2 = r->t2 + from;
  int32_t *restrict out_active = r->out_active + from;
  uint16_t *restrict out_flags = r->out_flags + from;
  FAREBOX_APART
  for (int64_t i = 0; i < n; i++) {
    int32_t first = t1[i], second = t2[i], over = (int32_t)mask->over[i];
    int32_t active = first ^ ((first ^ second) & over);
    int32_t differs = -(int32_t)(active != applied[i]);
    out_active[i] = active;
    out_flags[i] = (uint16_t)((int32_t)mask->marks[i] |
                              ((int32_t)mask->live[i] & differs & SWITCH_BIT));
    special[i] = (uint8_t)((mask->odd[i] != 0) | (cal[i] < -1) | (cal[i] >= cals));
  }
}

/* Rows [from, from + n) as if nothing special happened; special[i] says where that was wrong. */
FAREBOX_CLONES static void plain_block(const rows_t *r, int64_t from, int64_t n, int64_t now,
                                       int64_t low, int64_t high, int32_t cals,
                                       uint8_t *special) {
  masks_t masks;
  spread_bytes(r->mode + from, r->flags + from, n, &masks);
  weigh(r, from, n, low, high, &masks);
  keep_periods(r, from, n, now, &masks);
  if (r->bill_start) mark_cycles(r, from, n, now, &masks);
  if (r->expires) mark_expired(r->expires + from, n, now, &masks);
  choose_templates(r, from, n, cals, &masks, special);
}

/* How many rows of a block rolled, are over, are to be switched and are invalid. */
FAREBOX_CLONES static void count_flags(const uint16_t *flags, int64_t n, int64_t *counts) {
  int32_t rolled = 0, over = 0, switched = 0, invalid = 0;
  for (int64_t i = 0; i < n; i++) {
    rolled += (flags[i] & ROLLED_BIT) != 0;
    over += (flags[i] & OVER_BIT) != 0;
    switched += (flags[i] & SWITCH_BIT) != 0;
    invalid += (flags[i] & INVALID_BIT) != 0;
  }
  counts[0] += rolled;
  counts[1] += over;
  counts[2] += switched;
  counts[3] += invalid;
}

#endif
