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
  BLOCK = 512
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

/* Rows [from, from + n) as if nothing special happened; special[i] says which were wrong to be. */
FAREBOX_INLINE void plain_rows(const rows_t *r, int64_t from, int64_t n, int64_t now, int64_t low,
                               int64_t high, int32_t cals, uint8_t *restrict special, int expire,
                               int bill) {
  const uint8_t *restrict mode = r->mode + from, *restrict flags = r->flags + from;
  const int64_t *restrict limit = r->limit + from, *restrict topup = r->topup + from;
  const int64_t *restrict carried = r->carried + from;
  const int64_t *restrict up = r->up + from, *restrict down = r->down + from;
  const int64_t *restrict start = r->period_start + from, *restrict end = r->period_end + from;
  const int32_t *restrict cal = r->cal + from, *restrict applied = r->applied + from;
  const int32_t *restrict t1 = r->t1 + from, *restrict t2 = r->t2 + from;
  const int64_t *restrict expires = expire ? r->expires + from : 0;
  const int64_t *restrict bill_start = bill ? r->bill_start + from : 0;
  const int64_t *restrict bill_end = bill ? r->bill_end + from : 0;
  int32_t *restrict out_active = r->out_active + from;
  int64_t *restrict out_used = r->out_used + from, *restrict out_left = r->out_remaining + from;
  int64_t *restrict out_effective = r->out_effective + from;
  int64_t *restrict out_start = r->out_period_start + from;
  int64_t *restrict out_end = r->out_period_end + from;
  int64_t *restrict out_carried = r->out_carried + from;
  uint16_t *restrict out_flags = r->out_flags + from;
  for (int64_t i = 0; i < n; i++) {
    int64_t f = flags[i], m = mode[i];
    int64_t no_up = -(f & EXCLUDE_UPLOAD_BIT), either = -(int64_t)(m == 1);
    int64_t always = -(int64_t)(m == 2);
    int64_t u = up[i] & ~no_up, d = down[i];
    int64_t used = chosen(either, u > d ? u : d, plus(u, d));
    int64_t sum = plus(plus(limit[i], carried[i]), topup[i]);
    int64_t effective = (sum > 0 ? sum : 0) & ~always;
    int64_t left = minus(effective, used);
    int64_t over = -(int64_t)(used > effective) & ~always;
    int32_t active = over ? t2[i] : t1[i];
    int64_t reached_low = -(int64_t)(times(100, used) >= times(effective, low)) & ~always;
    int64_t reached_high = -(int64_t)(times(100, used) >= times(effective, high)) & ~always;
    int64_t live = -(int64_t)((f & (ONLINE_BIT | ACTIVE_BIT)) == (ONLINE_BIT | ACTIVE_BIT));
    int64_t differs = -(int64_t)(active != applied[i]);
    /* A negative quantity has its highest bit set, as has one beyond the short arithmetic. */
    int64_t rest = topup[i] < 0 ? ~topup[i] : topup[i];
    int64_t wide = (limit[i] | carried[i] | up[i] | d | rest) & ~(FAREBOX_SHORT - 1);
    int odd = (m > 2) | (wide != 0) | (start[i] >= end[i]) | (now >= end[i]) | (cal[i] < -1) |
              (cal[i] >= cals);
    if (expire) live &= -(int64_t)(now < expires[i]);
    if (bill)
      odd |= ((f & BILLING_BIT) != 0) &
             (((start[i] < bill_start[i]) & (bill_start[i] <= now)) |
              ((bill_start[i] == start[i]) & (bill_end[i] != end[i])));
    special[i] = (uint8_t)odd;
    out_active[i] = active;
    out_used[i] = used;
    out_effective[i] = effective;
    out_left[i] = chosen(always, -1, left > 0 ? left : 0);
    out_start[i] = start[i];
    out_end[i] = end[i];
    out_carried[i] = carried[i];
    out_flags[i] = (uint16_t)((over & OVER_BIT) | (live & differs & SWITCH_BIT) |
                              (reached_low & LEVEL_LOW_BIT) | (reached_high & LEVEL_HIGH_BIT) |
                              (always & UNLIMITED_BIT));
  }
}

FAREBOX_CLONES static void plain_block(const rows_t *r, int64_t from, int64_t n, int64_t now,
                                       int64_t low, int64_t high, int32_t cals,
                                       uint8_t *special) {
  if (r->expires && r->bill_start) plain_rows(r, from, n, now, low, high, cals, special, 1, 1);
  else if (r->expires) plain_rows(r, from, n, now, low, high, cals, special, 1, 0);
  else if (r->bill_start) plain_rows(r, from, n, now, low, high, cals, special, 0, 1);
  else plain_rows(r, from, n, now, low, high, cals, special, 0, 0);
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
