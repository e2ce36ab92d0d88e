/* Which rows of a chunk are wanted, by place and machine (vending-commerce.md 4.12).
 *
 * An open chunk is looked through row by row. A sealed one knows the rows of each pair of place and
 * machine, and the pair's number in its segment, so it is asked once for each pair of a segment
 * whether it is wanted, and in a chunk only pairs are looked through. Where most rows are wanted,
 * those that are not are listed instead, to be taken away again. Nothing here allocates. */
#ifndef FAREBOX_CHOICE_H
#define FAREBOX_CHOICE_H

#include "listed.h"
#include "sales.h"

/* A byte for each place and for each machine, 0 = left out, and behind the last of them one for all
 * numbers beyond. Then whether anybody asks for these columns. */
typedef struct {
  const uint8_t *places;
  const uint8_t *machines;
  uint32_t place_count;
  uint32_t machine_count;
  int32_t product;
  int32_t payment;
} choice_t;

/* Rows of a pair are listed so many at once, and asked for so many pairs before. */
enum { AT_ONCE = 16, PAIRS_AHEAD = 16 };

/* What a thread needs while it chooses. */
typedef struct {
  uint16_t rows[CHUNK_ROWS + AT_ONCE];
  uint8_t zones[CHUNK_ROWS + AT_ONCE];
  uint16_t pairs[CHUNK_ROWS];
  cuts_t cuts[256];
  listed_t listed;
  sales_t copies; /* with columns of its own */
} chooser_t;

/* The first of 2^bits slots in which a pair is looked for; a multiplication spreads like pairs. */
static inline uint32_t pair_slot(uint32_t place, uint32_t machine, int bits) {
  return (uint32_t)(((uint64_t)place << 32 | machine) * 0x9E3779B97F4A7C15u >> (64 - bits));
}

FAREBOX_INLINE uint8_t is_wanted(const choice_t *by, uint32_t place, uint32_t machine) {
  uint32_t p = place < by->place_count ? place : by->place_count;
  uint32_t m = machine < by->machine_count ? machine : by->machine_count;
  return by->places[p] & by->machines[m];
}

/* Of so many pairs, a byte each: whether it is wanted. */
static void want_pairs(const choice_t *by, const uint32_t *place, const uint32_t *machine,
                       int64_t n, uint8_t *wanted) {
  for (int64_t i = 0; i < n; i++) wanted[i] = is_wanted(by, place[i], machine[i]);
}

static void look_through(const sales_t *from, const choice_t *by, chooser_t *chooser) {
  int64_t n = 0;
  for (int64_t i = 0; i < from->rows; i++) {
    chooser->rows[n] = (uint16_t)i;
    chooser->zones[n] = from->zone[i];
    n += is_wanted(by, from->place[i], from->machine[i]);
  }
  chooser->listed.count = n;
}

/* The pairs that are wanted (1) or are not (0); how many. */
static int64_t pairs_of(const sales_t *from, const uint8_t *wanted, uint8_t which,
                        uint16_t *pairs) {
  int64_t n = 0;
  for (int64_t i = 0; i < from->pairs; i++) {
    pairs[n] = (uint16_t)i;
    n += wanted[from->number[i]] == which;
  }
  return n;
}

/* Most pairs have few rows, so they are listed without asking how many; what was listed too much is
 * written over. */
static void list_rows(const sales_t *from, int64_t n, chooser_t *chooser) {
  const uint16_t *pairs = chooser->pairs, *by_pair = from->by_pair;
  int64_t to = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t begin = from->starts[pairs[i]], end = from->starts[pairs[i] + 1];
    if (i + PAIRS_AHEAD < n) __builtin_prefetch(by_pair + from->starts[pairs[i + PAIRS_AHEAD]]);
    for (uint32_t k = begin; k < end; k += AT_ONCE) {
      memcpy(chooser->rows + to + (k - begin), by_pair + k, AT_ONCE * sizeof *by_pair);
      memset(chooser->zones + to + (k - begin), from->pair_zone[pairs[i]], AT_ONCE);
    }
    to += end - begin;
  }
  chooser->listed.count = to;
}

/* Lists the wanted rows, or the others where they may be taken away and are fewer pairs. */
static void choose_rows(const sales_t *from, const choice_t *by, const uint8_t *wanted,
                        int may_take, chooser_t *chooser) {
  int64_t n;
  chooser->listed.row = chooser->rows;
  chooser->listed.zone = chooser->zones;
  chooser->listed.takes = 0;
  if (!from->by_pair) {
    look_through(from, by, chooser);
    return;
  }
  n = pairs_of(from, wanted, 1, chooser->pairs);
  if (may_take && n > from->pairs / 2) {
    n = pairs_of(from, wanted, 0, chooser->pairs);
    chooser->listed.takes = 1;
  }
  list_rows(from, n, chooser);
}

#define FAREBOX_COPY(type, column)                                      \
  {                                                                     \
    const type *in = from->column;                                      \
    type *out = to->column;                                             \
    FAREBOX_APART                                                       \
    for (int64_t i = 0; i < n; i++) out[i] = in[rows[i]];               \
  }

/* The listed rows, copied as far as somebody asks for them. */
static const sales_t *copy_rows(const sales_t *from, const choice_t *by, chooser_t *chooser) {
  sales_t *to = &chooser->copies;
  const uint16_t *rows = chooser->rows;
  const int64_t n = chooser->listed.count;
  FAREBOX_COPY(uint32_t, at)
  FAREBOX_COPY(int32_t, price)
  FAREBOX_COPY(uint8_t, zone)
  FAREBOX_COPY(uint8_t, currency)
  if (by->product) FAREBOX_COPY(uint32_t, product)
  if (by->payment) FAREBOX_COPY(uint8_t, payment)
  to->rows = n;
  to->first = from->first;
  to->last = from->last;
  /* Rows of pairs are listed pair by pair. */
  to->ascending = from->ascending && !from->by_pair;
  return to;
}

#endif
