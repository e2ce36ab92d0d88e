/* The ordinary redeem for eight rows at a time (vending-commerce.md 4.5), where the processor has
 * registers as wide as a record; the same rule as in ordinary.pxd, which decides everywhere else.
 *
 * Eight records are read as lines and turned, so that each field stands in one register; what has
 * changed is turned back and written as whole lines. A row is left to the rule in words if its key
 * is another, if it is not ordinary, or if an earlier row of the eight has the same record. */
#ifndef FAREBOX_REDEEM_LANES_H
#define FAREBOX_REDEEM_LANES_H

#include <stdint.h>
#include <string.h>

#include "loops.h"
#include "record.h"

#ifdef FAREBOX_SORTS
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,bmi2")

typedef uint64_t eight_t __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t eight_signed_t __attribute__((vector_size(64), aligned(8), may_alias));
typedef int32_t eight_small_t __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint8_t eight_tiny_t __attribute__((vector_size(8), aligned(1), may_alias));

/* What the lines of a record hold, in words of eight bytes. */
enum { KEY_LOW, KEY_HIGH, AMOUNT, TOTAL_AMOUNT, HOLD, ENDS, COUNTS, POLICY_VERSION, WORDS };

/* Refused in every lane: no key is 0, and it has expired. */
static const record_t nobody __attribute__((aligned(64)));
static const policy_t no_policy;

/* Keys lie at any distance from a word. */
FAREBOX_INLINE eight_t eight_at(const uint8_t *bytes) {
  eight_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/* Rows become columns; done twice, everything is as before. */
FAREBOX_INLINE void turn(eight_t line[8]) {
  const eight_t even = {0, 8, 2, 10, 4, 12, 6, 14}, odd = {1, 9, 3, 11, 5, 13, 7, 15};
  const eight_t even_pairs = {0, 1, 4, 5, 8, 9, 12, 13}, odd_pairs = {2, 3, 6, 7, 10, 11, 14, 15};
  eight_t mixed[8];
  for (int i = 0; i < 8; i += 2) {
    mixed[i] = __builtin_shuffle(line[i], line[i + 1], even);
    mixed[i + 1] = __builtin_shuffle(line[i], line[i + 1], odd);
  }
  for (int i = 0; i < 2; i++) {
    eight_t a = __builtin_shuffle(mixed[i], mixed[i + 2], even_pairs);
    eight_t b = __builtin_shuffle(mixed[i + 4], mixed[i + 6], even_pairs);
    eight_t c = __builtin_shuffle(mixed[i], mixed[i + 2], odd_pairs);
    eight_t d = __builtin_shuffle(mixed[i + 4], mixed[i + 6], odd_pairs);
    line[i] = __builtin_shuffle(a, b, even_pairs);
    line[i + 4] = __builtin_shuffle(a, b, odd_pairs);
    line[i + 2] = __builtin_shuffle(c, d, even_pairs);
    line[i + 6] = __builtin_shuffle(c, d, odd_pairs);
  }
}

/* The even words of two registers, then the odd ones. */
FAREBOX_INLINE void part(eight_t a, eight_t b, eight_t *first, eight_t *second) {
  const eight_t even = {0, 2, 4, 6, 8, 10, 12, 14}, odd = {1, 3, 5, 7, 9, 11, 13, 15};
  *first = __builtin_shuffle(a, b, even);
  *second = __builtin_shuffle(a, b, odd);
}

/* The policies of four records, side by side. */
FAREBOX_INLINE eight_t four_policies(const policy_t *policies, record_t *const *at) {
  __m128i each[4];
  for (int i = 0; i < 4; i++)
    each[i] = _mm_loadu_si128((const void *)&policies[at[i]->policy_flags >> POLICY_SHIFT]);
  __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(each[0]), each[1], 1);
  __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(each[2]), each[3], 1);
  return (eight_t)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* All bits where the words are equal. */
FAREBOX_INLINE eight_t same(eight_t a, eight_t b) { return (eight_t)(a == b); }

FAREBOX_INLINE eight_t smaller(eight_t a, eight_t b) {
  return (eight_t)_mm512_min_epu64((__m512i)a, (__m512i)b);
}

/* Bit i: row `first + i` was accepted and applied. Of the others the answers mean nothing yet. */
static uint32_t redeem_eight(const policy_t *policies, record_t *const *records,
                             const columns_t *rows, int64_t first, uint64_t now_ms,
                             uint64_t now_s) {
  const uint8_t *key = rows->key + 16 * first;
  const eight_t none = {0}, word = none + 0xFFFFFFFF;
  eight_t line[8], low, high, terms, kind;
  record_t *at[8] __attribute__((aligned(64)));
  eight_t given = *(const eight_t *)(const void *)records;
  eight_t places = given | (same(given, none) & (uintptr_t)&nobody);
  *(eight_t *)(void *)at = places;
  if (!policies) policies = &no_policy;
  for (int i = 0; i < 8; i++) line[i] = *(const eight_t *)at[i];
  turn(line);
  part(eight_at(key), eight_at(key + 64), &low, &high);
  part(four_policies(policies, at), four_policies(policies, at + 4), &terms, &kind);
  eight_t ours = same(line[KEY_LOW], low) & same(line[KEY_HIGH], high) &
                 same(line[POLICY_VERSION] & SHARED, none) &
                 same((eight_t)_mm512_conflict_epi64((__m512i)places), none);

  eight_t value = terms & word, limit = terms >> 32, gift = none - (kind >> 32);
  eight_t asked = *(const eight_t *)(rows->demand + first);
  eight_t cap = *(const eight_t *)(rows->cap + first), unlimited = none - (cap >> 63);
  eight_t room = (cap & ~unlimited) | (unlimited >> 1);
  eight_t facts = __builtin_convertvector(*(const eight_tiny_t *)(rows->flags + first), eight_t);
  eight_t device = (eight_t)__builtin_convertvector(
      *(const eight_small_t *)(rows->device + first), eight_signed_t);
  eight_t left = value - line[AMOUNT], held = line[HOLD];
  eight_t ends = line[ENDS] & word, expires = line[ENDS] >> 32;
  eight_t another = (held ^ device) & (((uint64_t)1 << DEVICE_BITS) - 1);
  /* The rungs of ordinary.pxd, in its order. */
  eight_t signs = none - (facts ^ ALL_OK);
  signs |= (line[POLICY_VERSION] & ACTIVE) - 1;
  signs |= smaller(ends, expires) - 1 - now_s;
  signs |= (now_ms - (held >> DEVICE_BITS)) & (none - another);
  signs |= ((limit - 1) & word) - (line[COUNTS] & word);
  signs |= 0xFFFFFFFE - (line[COUNTS] >> 32);
  signs |= 0xFFFFFFFE - (line[POLICY_VERSION] >> 32);
  signs |= (((uint64_t)1 << 62) - 1) - line[TOTAL_AMOUNT];
  signs |= gift & ((left - 1) | asked | (left - asked) | (room - asked));
  uint32_t done = _mm512_movepi64_mask((__m512i)(ours & ~signs));

  eight_t amount_off = (smaller(value, room) & ~gift) | (asked & gift);
  *(eight_t *)(rows->amount_off + first) = amount_off;
  *(eight_t *)(rows->balance + first) = (left - asked) & gift;
  *(eight_t *)(rows->hold_until_ms + first) = none;
  memset(rows->outcome + first, 0, 8);
  memset(rows->changed + first, 1, 8);
  line[AMOUNT] += amount_off;
  line[TOTAL_AMOUNT] += amount_off;
  line[HOLD] = none;
  line[COUNTS] += ((uint64_t)1 << 32) + 1;
  line[POLICY_VERSION] += (uint64_t)1 << 32;
  turn(line);
  for (int i = 0; i < 8; i++)
    if (done >> i & 1) *(eight_t *)records[i] = line[i];
  return done;
}

#pragma GCC pop_options

static inline int eight_at_once(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
}

#else

static inline uint32_t redeem_eight(const policy_t *policies, record_t *const *records,
                                    const columns_t *rows, int64_t first, uint64_t now_ms,
                                    uint64_t now_s) {
  (void)policies, (void)records, (void)rows, (void)first, (void)now_ms, (void)now_s;
  return 0;
}

static inline int eight_at_once(void) { return 0; }

#endif
#endif
