/* The rule of quotas for LANES rows at a time (isp.md 4.3, steps 2 to 8); included by quota.h once
 * for each sort of processor.
 *
 * Masks instead of branches: a condition is all bits or none in each lane. Sums are worked out
 * without sign: of a row that is wrong they may be anything. Rows at the end that are fewer than
 * LANES are left to those who decide row by row. */
#define FAREBOX_PASTED(a, b) a##_##b
#define FAREBOX_PASTE(a, b) FAREBOX_PASTED(a, b)
#define LANED(name) FAREBOX_PASTE(name, LANES)
#define wide_t LANED(wide)
#define bare_t LANED(bare)
#define half_t LANED(half)
#define word_t LANED(word)
#define tiny_t LANED(tiny)

#define FAREBOX_VECTOR(bytes) __attribute__((vector_size(bytes), aligned(1), may_alias))
typedef int64_t wide_t FAREBOX_VECTOR(8 * LANES);
typedef uint64_t bare_t FAREBOX_VECTOR(8 * LANES);
typedef int32_t half_t FAREBOX_VECTOR(4 * LANES);
typedef uint16_t word_t FAREBOX_VECTOR(2 * LANES);
typedef uint8_t tiny_t FAREBOX_VECTOR(LANES);

/* LANES bytes, each spread over a lane. */
FAREBOX_INLINE wide_t LANED(spread)(const uint8_t *at) {
#if LANES == 8
  const bare_t steps = {0, 8, 16, 24, 32, 40, 48, 56};
  uint64_t bytes;
#elif LANES == 4
  const bare_t steps = {0, 8, 16, 24};
  uint32_t bytes;
#else
  return (wide_t){at[0], at[1]};
#endif
#if LANES > 2
  memcpy(&bytes, at, LANES);
  return (wide_t)(((bare_t){0} + bytes) >> steps & 255);
#endif
}

FAREBOX_INLINE half_t LANED(narrowed)(wide_t mask) { return __builtin_convertvector(mask, half_t); }

FAREBOX_INLINE wide_t LANED(chosen)(wide_t mask, wide_t a, wide_t b) {
  return (a & mask) | (b & ~mask);
}

#define at_wide(column) (*(const wide_t *)(const void *)(r->column + i))
#define at_half(column) (*(const half_t *)(const void *)(r->column + i))
#define to_wide(column) (*(wide_t *)(void *)(r->column + i))
#define sum_of(a, b) ((wide_t)((bare_t)(a) + (bare_t)(b)))
#define difference(a, b) ((wide_t)((bare_t)(a) - (bare_t)(b)))
#define product(a, by) ((wide_t)((bare_t)(a) * (uint64_t)(by)))

/* Asks for rows to come: so many columns are more than a processor foresees by itself. */
FAREBOX_INLINE void LANED(fetch)(const rows_t *r, int64_t i) {
  if (i % 8) return;
  prefetch(r->limit + i), prefetch(r->topup + i), prefetch(r->carried + i);
  prefetch(r->up + i), prefetch(r->down + i);
  prefetch(r->period_start + i), prefetch(r->period_end + i);
  if (r->expires) prefetch(r->expires + i);
  if (r->bill_start) prefetch(r->bill_start + i), prefetch(r->bill_end + i);
  if (i % 16) return;
  prefetch(r->cal + i), prefetch(r->t1 + i), prefetch(r->t2 + i), prefetch(r->applied + i);
  if (i % 64 == 0) prefetch(r->mode + i), prefetch(r->flags + i);
}

/* Whether the current cycle is another than the row knows of, or begins now. */
FAREBOX_INLINE wide_t LANED(cycle_moves)(const rows_t *r, int64_t i, int64_t now) {
  wide_t start = at_wide(period_start), begun = at_wide(bill_start);
  return ((start < begun) & (begun <= now)) |
         ((begun == start) & (at_wide(bill_end) != at_wide(period_end)));
}

static void LANED(plain_rows)(const rows_t *r, int64_t n, int64_t now, int64_t low, int64_t high,
                              int32_t cals, uint8_t *special) {
  const wide_t none = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    LANED(fetch)(r, i + AHEAD);
    wide_t flags = LANED(spread)(r->flags + i), mode = LANED(spread)(r->mode + i);
    wide_t limit = at_wide(limit), topup = at_wide(topup), carried = at_wide(carried);
    wide_t up = at_wide(up), down = at_wide(down);
    wide_t start = at_wide(period_start), end = at_wide(period_end);
    wide_t always = mode == 2, sent = up & difference(flags & EXCLUDE_UPLOAD_BIT, none + 1);
    wide_t most = LANED(chosen)(sent > down, sent, down);
    wide_t used = LANED(chosen)(mode == 1, most, sum_of(sent, down));
    wide_t sum = sum_of(sum_of(limit, carried), topup);
    wide_t effective = sum & (sum > 0) & ~always;
    wide_t left = difference(effective, used);
    wide_t over = (used > effective) & ~always;
    wide_t hundred = product(used, 100);
    wide_t marks = (over & OVER_BIT) | (always & UNLIMITED_BIT) |
                   ((hundred >= product(effective, low)) & ~always & LEVEL_LOW_BIT) |
                   ((hundred >= product(effective, high)) & ~always & LEVEL_HIGH_BIT);
    /* A negative quantity has its highest bit set, as has one beyond the short arithmetic. */
    wide_t wide = (limit | carried | up | down | (topup ^ (topup >> 63))) & ~(FAREBOX_SHORT - 1);
    wide_t odd = (wide != none) | (mode > 2) | (start >= end) | (end <= now);
    wide_t live = (flags & (ONLINE_BIT | ACTIVE_BIT)) == (ONLINE_BIT | ACTIVE_BIT);
    half_t first = at_half(t1), second = at_half(t2), cal = at_half(cal);
    half_t active = first ^ ((first ^ second) & LANED(narrowed)(over));
    if (r->bill_start) odd |= ((flags & BILLING_BIT) != 0) & LANED(cycle_moves)(r, i, now);
    if (r->expires) live &= at_wide(expires) > now;
    to_wide(out_used) = used;
    to_wide(out_effective) = effective;
    to_wide(out_remaining) = (left & (left > 0)) | always;
    to_wide(out_period_start) = start;
    to_wide(out_period_end) = end;
    to_wide(out_carried) = carried;
    *(half_t *)(void *)(r->out_active + i) = active;
    half_t differs = (active != at_half(applied)) & LANED(narrowed)(live) & SWITCH_BIT;
    *(word_t *)(void *)(r->out_flags + i) =
        __builtin_convertvector(LANED(narrowed)(marks) | differs, word_t);
    half_t bad = LANED(narrowed)(odd) | (cal < -1) | (cal >= cals);
    *(tiny_t *)(void *)(special + i) = __builtin_convertvector(bad, tiny_t);
  }
  for (; i < n; i++) special[i] = 1;
}

/* Whole lines past the caches, and what lies before and behind them through. */
FAREBOX_INLINE void LANED(carry)(void *to, const void *from, int64_t bytes) {
#ifdef FAREBOX_STREAMS
  char *out = (char *)to;
  const char *in = (const char *)from;
  int64_t head = (int64_t)(-(uintptr_t)out & 63), done;
  if (head > bytes) head = bytes;
  memcpy(out, in, (size_t)head);
  for (done = head; done + 64 <= bytes; done += 64) {
#if LANES == 8
    _mm512_stream_si512((void *)(out + done), _mm512_loadu_si512((const void *)(in + done)));
#elif LANES == 4
    for (int k = 0; k < 64; k += 32)
      _mm256_stream_si256((void *)(out + done + k),
                          _mm256_loadu_si256((const void *)(in + done + k)));
#else
    for (int k = 0; k < 64; k += 16)
      _mm_stream_si128((void *)(out + done + k), _mm_loadu_si128((const void *)(in + done + k)));
#endif
  }
  memcpy(out + done, in + done, (size_t)(bytes - done));
#else
  memcpy(to, from, (size_t)bytes);
#endif
}

static void LANED(carry_rows)(const rows_t *r, int64_t from, int64_t n, const room_t *room) {
  LANED(carry)(r->out_used + from, room->used, 8 * n);
  LANED(carry)(r->out_effective + from, room->effective, 8 * n);
  LANED(carry)(r->out_remaining + from, room->remaining, 8 * n);
  LANED(carry)(r->out_period_start + from, room->period_start, 8 * n);
  LANED(carry)(r->out_period_end + from, room->period_end, 8 * n);
  LANED(carry)(r->out_carried + from, room->carried, 8 * n);
  LANED(carry)(r->out_active + from, room->active, 4 * n);
  LANED(carry)(r->out_flags + from, room->flags, 2 * n);
}

#undef LANED
#undef FAREBOX_PASTE
#undef FAREBOX_PASTED
#undef FAREBOX_VECTOR
#undef wide_t
#undef bare_t
#undef half_t
#undef word_t
#undef tiny_t
#undef at_wide
#undef at_half
#undef to_wide
#undef sum_of
#undef difference
#undef product
