/* Which rows of a chunk are wanted, by place and machine (vending-commerce.md 4.12).
 *
 * An open chunk is looked through row by row. A sealed one knows the rows of each pair of place and
 * machine, so only pairs are looked through. A few wanted rows are copied; many are marked by bits
 * beside the columns where whoever adds them up can do with that, which costs less than copies. The
 * wanted ones keep their order. Nothing here allocates. */
#ifndef FAREBOX_CHOICE_H
#define FAREBOX_CHOICE_H

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

/* What a thread needs while it chooses. */
typedef struct {
  uint32_t rows[CHUNK_ROWS];
  uint64_t bits[CHUNK_ROWS / 64];
  uint16_t pairs[CHUNK_ROWS];
  sales_t copies; /* with columns of its own */
  sales_t marked;
} chooser_t;

/* The first of 2^bits slots in which a pair is looked for; a multiplication spreads like pairs. */
static inline uint32_t pair_slot(uint32_t place, uint32_t machine, int bits) {
  return (uint32_t)(((uint64_t)place << 32 | machine) * 0x9E3779B97F4A7C15u >> (64 - bits));
}

/* Of rows that are fewer than one in so many, copies cost less. Rows of pairs are asked for so many
 * pairs before they are needed. */
enum { MARKED_SHARE = 64, PAIRS_AHEAD = 8 };

FAREBOX_INLINE int64_t is_wanted(const choice_t *by, uint32_t place, uint32_t machine) {
  uint32_t p = place < by->place_count ? place : by->place_count;
  uint32_t m = machine < by->machine_count ? machine : by->machine_count;
  return by->places[p] & by->machines[m];
}

static int64_t look_through(const sales_t *from, const choice_t *by, uint32_t *rows) {
  int64_t n = 0;
  for (int64_t i = 0; i < from->rows; i++) {
    rows[n] = (uint32_t)i;
    n += is_wanted(by, from->place[i], from->machine[i]);
  }
  return n;
}

/* The pairs that are wanted (1) or are not (0); how many. */
static int64_t pairs_of(const sales_t *from, const choice_t *by, uint16_t *pairs, int64_t wanted) {
  int64_t n = 0;
  for (int64_t i = 0; i < from->pairs; i++) {
    pairs[n] = (uint16_t)i;
    n += is_wanted(by, from->place[i], from->machine[i]) == wanted;
  }
  return n;
}

static int64_t rows_of(const sales_t *from, const uint16_t *pairs, int64_t n) {
  int64_t rows = 0;
  for (int64_t i = 0; i < n; i++) rows += from->starts[pairs[i] + 1] - from->starts[pairs[i]];
  return rows;
}

/* Sets the bits of the rows of these pairs, and no others. */
static void mark_rows(const sales_t *from, const uint16_t *pairs, int64_t n, uint64_t *bits) {
  memset(bits, 0, CHUNK_ROWS / 8);
  for (int64_t i = 0; i < n; i++) {
    if (i + PAIRS_AHEAD < n)
      __builtin_prefetch(from->by_pair + from->starts[pairs[i + PAIRS_AHEAD]]);
    for (uint32_t k = from->starts[pairs[i]]; k < from->starts[pairs[i] + 1]; k++)
      bits[from->by_pair[k] >> 6] |= (uint64_t)1 << (from->by_pair[k] & 63);
  }
}

/* The rows whose bits are set. */
static void list_rows(const uint64_t *bits, uint32_t *rows) {
  for (uint32_t word = 0; word < CHUNK_ROWS / 64; word++)
    for (uint64_t rest = bits[word]; rest; rest &= rest - 1)
      *rows++ = word * 64 + (uint32_t)__builtin_ctzll(rest);
}

/* Marks the wanted rows of a sealed chunk; how many they are. */
static int64_t mark_wanted(const sales_t *from, const choice_t *by, chooser_t *chooser) {
  uint16_t *pairs = chooser->pairs;
  int64_t n = pairs_of(from, by, pairs, 1), rows = rows_of(from, pairs, n);
  if (rows == 0 || rows == from->rows) return rows;
  if (rows <= from->rows / 2) {
    mark_rows(from, pairs, n, chooser->bits);
  } else {
    mark_rows(from, pairs, pairs_of(from, by, pairs, 0), chooser->bits);
    for (int word = 0; word < CHUNK_ROWS / 64; word++) chooser->bits[word] ^= ~(uint64_t)0;
  }
  return rows;
}

#define FAREBOX_COPY(type, column)                                      \
  {                                                                     \
    const type *in = from->column;                                      \
    type *out = to->column;                                             \
    FAREBOX_APART                                                       \
    for (int64_t i = 0; i < n; i++) out[i] = in[rows[i]];               \
  }

/* So many rows, copied as far as somebody asks for them. */
static const sales_t *copy_rows(const sales_t *from, int64_t n, const choice_t *by,
                                chooser_t *chooser) {
  sales_t *to = &chooser->copies;
  const uint32_t *rows = chooser->rows;
  FAREBOX_COPY(uint32_t, at)
  FAREBOX_COPY(int32_t, price)
  FAREBOX_COPY(uint8_t, zone)
  FAREBOX_COPY(uint8_t, currency)
  if (by->product) FAREBOX_COPY(uint32_t, product)
  if (by->payment) FAREBOX_COPY(uint8_t, payment)
  to->rows = n;
  to->first = from->first;
  to->last = from->last;
  to->ascending = from->ascending;
  return to;
}

/* The wanted rows: the chunk itself where they are all, else marked if they may be, or copied. */
static const sales_t *choose_rows(const sales_t *from, const choice_t *by, int may_mark,
                                  chooser_t *chooser) {
  int64_t n;
  if (!from->by_pair) {
    n = look_through(from, by, chooser->rows);
    return n == from->rows ? from : copy_rows(from, n, by, chooser);
  }
  n = mark_wanted(from, by, chooser);
  if (n == from->rows) return from;
  if (may_mark && n > from->rows / MARKED_SHARE) {
    chooser->marked = *from;
    chooser->marked.bits = chooser->bits;
    return &chooser->marked;
  }
  if (n) list_rows(chooser->bits, chooser->rows);
  return copy_rows(from, n, by, chooser);
}

#endif
