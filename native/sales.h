/* Columns of sales and the innermost loops over them (vending-commerce.md 4.12).
 *
 * A sale is added to the cell `base + key`: the base says when it was, the key what it was. Sales
 * outside a window have a base behind the last cell, where the figures are thrown away, so no loop
 * asks. What the numbers may be is checked before they become columns; nothing here allocates. */
#ifndef FAREBOX_SALES_H
#define FAREBOX_SALES_H

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__) && !defined(FAREBOX_PORTABLE)
#include <emmintrin.h>
#endif

#include "loops.h"

/* Rows of a chunk. A packed figure has 16 bits for its count and 48 for its sum, which hold nearly
 * so many rows at any price; of four tables none takes much more than a quarter. */
enum { CHUNK_ROWS = 65536, PACKED_CELLS = 512, PACKED_ROWS = 64, BLOCK_ROWS = 1024 };

typedef struct {
  int64_t count;
  int64_t sum;
} cell_t;

/* Whose a sale is stands in each row, or, where there is `by_pair`, once for each pair of a place
 * and a machine: by_pair[starts[p]] until by_pair[starts[p + 1]] are then the rows of pair p, in
 * order; number[p] is what its segment knows the pair by, and all of them have one zone. */
typedef struct {
  uint32_t *at;
  uint32_t *place;
  uint32_t *machine;
  uint32_t *starts;
  uint32_t *number;
  uint16_t *by_pair;
  uint8_t *pair_zone;
  int64_t pairs;
  uint32_t *product;
  int32_t *price;
  uint8_t *zone;
  uint8_t *currency;
  uint8_t *payment;
  int64_t rows;
  uint32_t first; /* the least and the greatest instant */
  uint32_t last;
  int32_t ascending;
} sales_t;

enum { BY_CURRENCY, BY_ZONE_CURRENCY, BY_PRODUCT, BY_CURRENCY_PRODUCT, BY_PAYMENT_CURRENCY };

typedef struct {
  int32_t kind;
  uint32_t currencies;
  uint32_t products; /* one more than there are: the last one is for those left out */
  uint32_t payments;
  const uint32_t *groups;
} keys_t;

/* A zone's clock over a short span: at most two changes, and the window on its wall. */
typedef struct {
  int64_t from;
  int64_t until;
  int32_t offset;
  int32_t step[2];
  uint32_t change[2];
} wall_t;

/* Where a wall clock's time lies among the cells. */
typedef struct {
  int64_t origin; /* wall-clock seconds of the first cell */
  uint32_t stride;
  uint32_t outside;
  int64_t from; /* instants */
  int64_t until;
} frame_t;

FAREBOX_INLINE void add_sale(cell_t *cell, int32_t price) {
#if defined(__SSE2__) && !defined(FAREBOX_PORTABLE)
  __m128i *both = (__m128i *)(void *)cell;
  __m128i more = _mm_set_epi64x(price, price >= 0);
  _mm_storeu_si128(both, _mm_add_epi64(_mm_loadu_si128(both), more));
#else
  cell->count += price >= 0;
  cell->sum += price;
#endif
}

FAREBOX_INLINE uint32_t key_of(const sales_t *sales, const keys_t *keys, int kind, int64_t i) {
  switch (kind) {
    case BY_ZONE_CURRENCY: return sales->zone[i] * keys->currencies + sales->currency[i];
    case BY_PRODUCT: return keys->groups[sales->product[i]];
    case BY_CURRENCY_PRODUCT:
      return sales->currency[i] * keys->products + keys->groups[sales->product[i]];
    case BY_PAYMENT_CURRENCY: return sales->payment[i] * keys->currencies + sales->currency[i];
    default: return sales->currency[i];
  }
}

/* Rows [from, until) with the base of their zone, or with bases[row - from] of their own. */
FAREBOX_INLINE void add_kind(cell_t *cells, const sales_t *sales, const keys_t *keys,
                             const uint32_t *bases, int each, int kind, int64_t from,
                             int64_t until) {
  for (int64_t i = from; i < until; i++) {
    uint32_t base = bases[each ? i - from : sales->zone[i]];
    add_sale(&cells[base + key_of(sales, keys, kind, i)], sales->price[i]);
  }
}

#define FAREBOX_KINDS(each)                                                              \
  switch (keys->kind) {                                                                  \
    case BY_CURRENCY: add_kind(cells, sales, keys, bases, each, BY_CURRENCY, from, until); break; \
    case BY_ZONE_CURRENCY:                                                               \
      add_kind(cells, sales, keys, bases, each, BY_ZONE_CURRENCY, from, until);          \
      break;                                                                             \
    case BY_PRODUCT: add_kind(cells, sales, keys, bases, each, BY_PRODUCT, from, until); break; \
    case BY_CURRENCY_PRODUCT:                                                            \
      add_kind(cells, sales, keys, bases, each, BY_CURRENCY_PRODUCT, from, until);       \
      break;                                                                             \
    default: add_kind(cells, sales, keys, bases, each, BY_PAYMENT_CURRENCY, from, until); \
  }

static void add_by_zone(cell_t *cells, const sales_t *sales, const keys_t *keys,
                        const uint32_t *bases, int64_t from, int64_t until) {
  FAREBOX_KINDS(0)
}

static void add_by_row(cell_t *cells, const sales_t *sales, const keys_t *keys,
                       const uint32_t *bases, int64_t from, int64_t until) {
  FAREBOX_KINDS(1)
}

/* A count of 16 bits and a sum of 48 in one: count * 2**48 + sum. */
FAREBOX_INLINE uint64_t packed(int32_t price) {
  return (uint64_t)(int64_t)price + ((uint64_t)(price >= 0) << 48);
}

/* Packed figures by zone and currency, four of each. */
typedef struct {
  uint64_t figure[4][PACKED_CELLS];
} packed_t;

static inline void clear_packed(packed_t *to, uint32_t cells) {
  for (int t = 0; t < 4; t++) memset(to->figure[t], 0, cells * sizeof(uint64_t));
}

/* Rows [from, until) for keys that are currencies, where zones times currencies are few. Cells and
 * figures of some rows are worked out side by side; then each row is one addition of eight bytes,
 * into four tables in turn, so that none waits for the one before. */
FAREBOX_CLONES static void add_packed(packed_t *to, const sales_t *sales, const keys_t *keys,
                                      int64_t from, int64_t until) {
  uint64_t figure[PACKED_ROWS];
  uint16_t cell[PACKED_ROWS];
  const uint32_t currencies = keys->currencies;
  const uint8_t *zone = sales->zone, *currency = sales->currency;
  const int32_t *price = sales->price;
  int64_t i = from;
  for (; i + PACKED_ROWS <= until; i += PACKED_ROWS) {
    FAREBOX_APART
    for (int k = 0; k < PACKED_ROWS; k++)
      cell[k] = (uint16_t)(zone[i + k] * currencies + currency[i + k]);
    FAREBOX_APART
    for (int k = 0; k < PACKED_ROWS; k++) figure[k] = packed(price[i + k]);
    for (int k = 0; k < PACKED_ROWS; k += 4) {
      to->figure[0][cell[k]] += figure[k];
      to->figure[1][cell[k + 1]] += figure[k + 1];
      to->figure[2][cell[k + 2]] += figure[k + 2];
      to->figure[3][cell[k + 3]] += figure[k + 3];
    }
  }
  for (; i < until; i++) to->figure[i & 3][zone[i] * currencies + currency[i]] += packed(price[i]);
}

/* What a zone's rows amount to goes to the cells behind a base, and is nothing from then on. */
static inline void land_packed(packed_t *from, const keys_t *keys, int64_t zone, uint32_t base,
                               cell_t *cells) {
  const uint64_t first = (uint64_t)zone * keys->currencies;
  cell_t *to = cells + base + (keys->kind == BY_ZONE_CURRENCY ? first : 0);
  for (uint32_t c = 0; c < keys->currencies; c++)
    for (int t = 0; t < 4; t++) {
      const uint64_t both = from->figure[t][first + c];
      const int64_t sum = (int64_t)(both << 16) >> 16;
      to[c].sum += sum;
      to[c].count += (int64_t)((both - (uint64_t)sum) >> 48);
      from->figure[t][first + c] = 0;
    }
}

/* The bases of rows in any order. */
FAREBOX_INLINE void base_unit(uint32_t *bases, const uint32_t *at, const uint8_t *zone, int64_t n,
                              const wall_t *walls, const frame_t *frame, uint32_t unit) {
  for (int64_t i = 0; i < n; i++) {
    const wall_t *wall = &walls[zone[i]];
    uint32_t instant = at[i];
    int64_t local = (int64_t)instant + wall->offset +
                    (instant >= wall->change[0] ? wall->step[0] : 0) +
                    (instant >= wall->change[1] ? wall->step[1] : 0);
    int inside = (local >= wall->from) & (local < wall->until) & (instant >= frame->from) &
                 (instant < frame->until);
    uint32_t cell = unit ? (uint32_t)(local - frame->origin) / unit * frame->stride : 0;
    bases[i] = inside ? cell : frame->outside;
  }
}

FAREBOX_CLONES static void base_rows(uint32_t *bases, const uint32_t *at, const uint8_t *zone,
                                     int64_t n, const wall_t *walls, const frame_t *frame,
                                     int64_t unit) {
  if (unit == 86400) base_unit(bases, at, zone, n, walls, frame, 86400);
  else if (unit == 3600) base_unit(bases, at, zone, n, walls, frame, 3600);
  else base_unit(bases, at, zone, n, walls, frame, 0);
}

/* The bases of rows over a span in which no zone's offset changes and every zone is in the window:
 * shift is the offset less the wall clock's time of the first cell. */
FAREBOX_INLINE void base_shifted(uint32_t *bases, const uint32_t *at, const uint8_t *zone,
                                 int64_t n, const uint32_t *shift, uint32_t stride,
                                 uint32_t unit) {
  for (int64_t i = 0; i < n; i++) bases[i] = (at[i] + shift[zone[i]]) / unit * stride;
}

static void base_span(uint32_t *bases, const uint32_t *at, const uint8_t *zone, int64_t n,
                      const uint32_t *shift, uint32_t stride, int64_t unit) {
  if (unit == 86400) base_shifted(bases, at, zone, n, shift, stride, 86400);
  else base_shifted(bases, at, zone, n, shift, stride, 3600);
}

/* The first of ascending rows from `from` on that is not before the instant. It is looked for from
 * where it would be if sales came evenly, in steps that double, then halve: what it costs are
 * lines here and there. */
static inline int64_t first_row(const sales_t *sales, int64_t from, int64_t instant) {
  const uint32_t *at = sales->at;
  int64_t low = from, high = sales->rows, step = 16, guess;
  if (low >= high || at[low] >= instant) return low;
  if (instant > sales->last) return high;
  guess = low + (high - low) * (instant - at[low]) / ((int64_t)sales->last - at[low] + 1);
  if (at[guess] < instant) {
    for (low = guess + 1; low + step < high && at[low + step] < instant; step *= 2) low += step;
    if (low + step < high) high = low + step;
  } else {
    for (high = guess; high - step > low && at[high - step] >= instant; step *= 2) high -= step;
    if (high - step > low) low = high - step;
  }
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (at[middle] < instant) low = middle + 1;
    else high = middle;
  }
  return low;
}

static inline int sum_overflows(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum);
}

#endif
